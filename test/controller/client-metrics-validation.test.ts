import { describe, expect, test } from 'vitest';
import { validateClientMetrics } from '../../src/controller/client-metrics-validation.ts';
import { errorName } from '../../src/protocol/errors.ts';

function refusal(key: string, value: string): string {
  try {
    validateClientMetrics(new Map([[key, value]]));
    return 'none';
  } catch (error) {
    return errorName((error as { code: number }).code);
  }
}

/** The codes are those of Apache Kafka. */
describe('a subscription to the metrics of clients', () => {
  test.each([
    ['interval.ms', '100', 'none'],
    ['interval.ms', '3600000', 'none'],
    ['interval.ms', '99', 'INVALID_REQUEST'],
    ['interval.ms', '3600001', 'INVALID_REQUEST'],
    ['interval.ms', 'x', 'INVALID_CONFIG'],
    ['metrics', '', 'none'],
    ['metrics', 'org.apache.kafka.producer.,*', 'none'],
    ['match', '', 'none'],
    ['match', 'client_id=app-.*, client_software_version = 3\\.[0-9]+', 'none'],
    ['match', 'client_id', 'INVALID_CONFIG'],
    ['match', 'client_id=', 'INVALID_CONFIG'],
    ['match', 'client_id=a=b', 'INVALID_CONFIG'],
    ['match', '=x', 'INVALID_CONFIG'],
    ['match', 'no_such_attribute=x', 'INVALID_CONFIG'],
    ['match', 'client_id=app,', 'INVALID_CONFIG'],
    ['match', 'client_id=(', 'INVALID_CONFIG'],
    ['match', '__proto__=x', 'INVALID_CONFIG'],
    ['no.such.key', '1', 'INVALID_REQUEST'],
  ])('%s=%s gives %s', (key, value, name) => {
    expect(refusal(key, value)).toBe(name);
  });

  test('a pattern that would take long to compile is refused unread', () => {
    expect(refusal('match', `client_id=${'(a|b)*'.repeat(400)}`)).toBe('INVALID_CONFIG');
  });
});
