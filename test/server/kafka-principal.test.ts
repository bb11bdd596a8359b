import { describe, expect, test } from 'vitest';
import { deserializePrincipal, serializePrincipal } from '../../src/server/kafka-principal.ts';

describe('a principal between nodes', () => {
  test('is laid out as by the default principal builder of Kafka', () => {
    // Version 0; compact strings 'User' and 'ANONYMOUS'; not authenticated by a token; no tagged fields.
    const bytes = Buffer.concat([
      Buffer.from([0, 0, 5]),
      Buffer.from('User'),
      Buffer.from([10]),
      Buffer.from('ANONYMOUS'),
      Buffer.from([0, 0]),
    ]);
    expect(serializePrincipal('User:ANONYMOUS')).toEqual(bytes);
    expect(deserializePrincipal(bytes)).toBe('User:ANONYMOUS');
  });

  test('keeps colons in its name', () => {
    expect(deserializePrincipal(serializePrincipal('User:CN=a:b'))).toBe('User:CN=a:b');
  });

  test('what is cut or of another version is refused', () => {
    const bytes = serializePrincipal('User:alice');
    for (let size = 0; size < bytes.length; size++) {
      expect(() => deserializePrincipal(bytes.subarray(0, size))).toThrow();
    }
    bytes.writeInt16BE(7);
    expect(() => deserializePrincipal(bytes)).toThrow(RangeError);
  });
});
