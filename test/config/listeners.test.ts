import { describe, expect, test } from 'vitest';
import {
  formatEndPoint,
  parseEndPoint,
  parseHostAndPort,
  parseProtocolMap,
  parseQuorumVoter,
  type SecurityProtocol,
} from '../../src/config/listeners.ts';
import { editDistance, nearest } from '../../src/config/edit-distance.ts';

const PROTOCOLS = new Map<string, SecurityProtocol>([['EXTERNAL', 'SSL']]);

describe('addresses', () => {
  test('are host and port, the host in brackets if it is IPv6', () => {
    expect(parseHostAndPort('a.example:1')).toEqual({ ok: true, value: { host: 'a.example', port: 1 } });
    expect(parseHostAndPort('[fe80::1%eth0]:9092')).toEqual({
      ok: true,
      value: { host: 'fe80::1%eth0', port: 9092 },
    });
    expect(parseHostAndPort(':0')).toEqual({ ok: true, value: { host: '', port: 0 } });
    for (const wrong of ['', 'a', 'a:', '::1:9092', 'a:-1', 'a:65536', 'a b:1', 'a:1x', '[a:1']) {
      expect(parseHostAndPort(wrong), wrong).toMatchObject({ ok: false });
    }
  });

  test('of listeners have a name, which is in capitals', () => {
    const parsed = parseEndPoint('external://[::1]:9094', PROTOCOLS);
    expect(parsed).toEqual({
      ok: true,
      value: { listenerName: 'EXTERNAL', securityProtocol: 'SSL', host: '::1', port: 9094 },
    });
    expect(parsed.ok && formatEndPoint(parsed.value)).toBe('EXTERNAL://[::1]:9094');
  });

  test('of voters have an id', () => {
    expect(parseQuorumVoter('3@host:9093')).toEqual({
      ok: true,
      value: { nodeId: 3, host: 'host', port: 9093 },
    });
    for (const wrong of ['host:9093', '-1@host:1', '1@host']) {
      expect(parseQuorumVoter(wrong), wrong).toMatchObject({ ok: false });
    }
  });
});

test('a map of protocols has names and protocols in any case, and no name twice', () => {
  expect(parseProtocolMap(' a:ssl , B:PLAINTEXT ')).toEqual({
    ok: true,
    value: new Map([
      ['A', 'SSL'],
      ['B', 'PLAINTEXT'],
    ]),
  });
  for (const wrong of ['A', 'A:B', ':SSL', 'A:SSL,a:SSL']) {
    expect(parseProtocolMap(wrong), wrong).toMatchObject({ ok: false });
  }
});

test('the distance of words counts insertions, removals, replacements and swaps', () => {
  const cases: [string, string, number][] = [
    ['', '', 0],
    ['abc', 'abc', 0],
    ['abc', 'acb', 1],
    ['abc', 'abcd', 1],
    ['abc', 'bc', 1],
    ['abc', 'axc', 1],
    ['kitten', 'sitting', 3],
  ];
  for (const [a, b, distance] of cases) {
    expect(editDistance(a, b, 10), `${a} ${b}`).toBe(distance);
    expect(editDistance(b, a, 10), `${b} ${a}`).toBe(distance);
  }
  expect(editDistance('kitten', 'sitting', 2)).toBe(3);
  expect(nearest('num.partitons', ['num.partitions', 'num.io.threads'])).toBe('num.partitions');
  expect(nearest('x', ['num.partitions'])).toBeUndefined();
});
