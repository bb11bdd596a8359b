import { describe, expect, test } from 'vitest';
import { addressBytes, addressText } from '../../src/base/ip-address.ts';

describe('IP addresses', () => {
  test.each([
    ['127.0.0.1', '7f000001', '127.0.0.1'],
    ['255.0.10.9', 'ff000a09', '255.0.10.9'],
    ['::', '00000000000000000000000000000000', '::'],
    ['::1', '00000000000000000000000000000001', '::1'],
    ['fe80::1%eth0', 'fe800000000000000000000000000001', 'fe80::1'],
    ['2001:db8:0:0:1:0:0:1', '20010db8000000000001000000000001', '2001:db8::1:0:0:1'],
    ['1:2:3:4:5:6:7:8', '00010002000300040005000600070008', '1:2:3:4:5:6:7:8'],
    ['1:0:3:4:5:6:7:8', '00010000000300040005000600070008', '1:0:3:4:5:6:7:8'],
    ['1::', '00010000000000000000000000000000', '1::'],
    ['::ffff:10.0.0.1', '00000000000000000000ffff0a000001', '::ffff:a00:1'],
  ])('%s is its bytes, and they are its text', (text, hex, canonical) => {
    const bytes = addressBytes(text);
    expect(bytes.toString('hex')).toBe(hex);
    expect(addressText(bytes)).toBe(canonical);
  });

  test.each([
    '',
    'localhost',
    '1.2.3',
    '1.2.3.256',
    '1.2.3.4.5',
    ':::',
    '1::2::3',
    '12345::',
    '1:2:3:4:5:6:7:8:9',
    '1:2',
  ])('%j is no address', text => {
    expect(() => addressBytes(text)).toThrow(RangeError);
  });

  test('bytes of another number are no address', () => {
    for (const size of [0, 3, 5, 15, 17]) expect(addressText(Buffer.alloc(size))).toBeUndefined();
  });
});
