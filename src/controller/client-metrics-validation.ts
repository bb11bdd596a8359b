import { requiredModule } from '../base/optional-module.ts';
import { Errors, KafkaError } from '../protocol/errors.ts';
import { CLIENT_METRICS_KEYS } from './resource-keys.ts';
import { valueProblem } from './value-problem.ts';

/** What a pattern of `match` may be about (KIP-714). */
const ATTRIBUTES: ReadonlySet<string> = new Set([
  'client_id',
  'client_instance_id',
  'client_software_name',
  'client_software_version',
  'client_source_address',
  'client_source_port',
]);

/** All patterns together. To compile as much takes some 30 ms, in which nobody else has a turn. */
const MATCH_MAX_LENGTH = 2000;

/**
 * Throws unless a subscription to the metrics of clients may have `values`: INVALID_REQUEST for an unknown key and a
 * number out of range, INVALID_CONFIG for what is no number and for patterns that are none, as Kafka does.
 */
export function validateClientMetrics(values: ReadonlyMap<string, string>): void {
  for (const [name, value] of values) {
    const key = CLIENT_METRICS_KEYS.get(name);
    if (key === undefined) {
      throw new KafkaError(Errors.INVALID_REQUEST, `there is no configuration key '${name}' here`);
    }
    const notOfType = valueProblem({ ...key, validator: undefined }, value);
    if (notOfType !== undefined) throw new KafkaError(Errors.INVALID_CONFIG, notOfType);
    const outOfRange = valueProblem(key, value);
    if (outOfRange !== undefined) throw new KafkaError(Errors.INVALID_REQUEST, outOfRange);
  }
  const match = values.get('match')?.trim() ?? '';
  if (match.length > MATCH_MAX_LENGTH) {
    throw new KafkaError(Errors.INVALID_CONFIG, `match is longer than ${MATCH_MAX_LENGTH} characters`);
  }
  for (const each of match === '' ? [] : match.split(',')) checkPattern(each.trim());
}

/** `attribute=regular expression`, in the syntax of RE2. */
function checkPattern(text: string): void {
  const [attribute = '', pattern, ...more] = text.split('=');
  if (pattern === undefined || pattern === '' || more.length > 0 || !ATTRIBUTES.has(attribute.trim())) {
    throw new KafkaError(
      Errors.INVALID_CONFIG,
      `'${text}' is no pattern of match: it must be attribute=pattern, with one of ${[...ATTRIBUTES].join(', ')}`,
    );
  }
  try {
    // Loaded when somebody has a pattern: few have, and it costs every start time and memory.
    requiredModule<typeof import('re2js')>('re2js').RE2JS.compile(pattern.trim());
  } catch (error) {
    throw new KafkaError(
      Errors.INVALID_CONFIG,
      `'${text}' is no pattern of match: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}
