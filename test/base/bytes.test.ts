import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ByteReader, MalformedError } from '../../src/base/byte-reader.ts';
import { ByteWriter, uvarintSize, varintSize, varlongSize } from '../../src/base/byte-writer.ts';
import { INT64_MAX, INT64_MIN, toInt64 } from '../../src/base/int64.ts';
import { isUuid, randomUuid, uuidToBytes, ZERO_UUID } from '../../src/base/uuid.ts';

describe('a byte writer and a byte reader', () => {
  it('agree on varints of every size, and on how long they are', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 0xffffffff }),
        fc.integer(),
        fc.oneof(fc.bigInt({ min: INT64_MIN, max: INT64_MAX }), fc.bigInt({ min: -70000n, max: 70000n })),
        (unsigned, signed, long) => {
          const writer = new ByteWriter(16);
          writer.uvarint(unsigned);
          expect(writer.size).toBe(uvarintSize(unsigned));
          writer.varint(signed);
          expect(writer.size).toBe(uvarintSize(unsigned) + varintSize(signed));
          const before = writer.size;
          writer.varlong(toInt64(long));
          expect(writer.size - before).toBe(varlongSize(toInt64(long)));
          const reader = new ByteReader(writer.concat());
          expect(reader.uvarint()).toBe(unsigned);
          expect(reader.varint()).toBe(signed);
          expect(reader.varlong()).toBe(toInt64(long));
          expect(reader.remaining).toBe(0);
        },
      ),
    );
  });

  it('end a varint after 5 bytes and a varlong after 10', () => {
    expect(() => new ByteReader(Buffer.alloc(12, 0xff)).uvarint()).toThrow(MalformedError);
    expect(() => new ByteReader(Buffer.from([0x80, 0x80, 0x80, 0x80, 0x10])).uvarint()).toThrow(
      MalformedError,
    );
    expect(() => new ByteReader(Buffer.alloc(12, 0xff)).varlong()).toThrow(MalformedError);
    expect(() => new ByteReader(Buffer.from([...Array(9).fill(0x80), 2])).varlong()).toThrow(MalformedError);
  });

  it('keep order between copied and referenced bytes while the buffer grows', () => {
    const large = Buffer.alloc(10_000, 0xaa);
    const writer = new ByteWriter(16);
    writer.int32(0);
    writer.utf8('head', 4);
    writer.chunk(large);
    for (let i = 0; i < 100; i++) writer.int64(i);
    writer.patchInt32(0, writer.size - 4);
    const bytes = writer.concat();
    expect(bytes.length).toBe(4 + 4 + 10_000 + 800);
    expect(bytes.readInt32BE(0)).toBe(bytes.length - 4);
    expect(bytes.toString('latin1', 4, 8)).toBe('head');
    expect(bytes.subarray(8, 10_008).equals(large)).toBe(true);
    expect(bytes.readBigInt64BE(bytes.length - 8)).toBe(99n);
  });

  it('never read past the range they were given', () => {
    const reader = new ByteReader(Buffer.alloc(16), 4, 8);
    expect(() => reader.int64()).toThrow(MalformedError);
    expect(reader.int32()).toBe(0);
    expect(() => reader.int8()).toThrow(MalformedError);
    expect(() => reader.skip(-1)).toThrow(MalformedError);
  });
});

describe('a UUID', () => {
  it('is 16 bytes in URL-safe base64 and never starts with a dash when it is drawn', () => {
    let call = 0;
    const uuid = randomUuid(size => Buffer.alloc(size, call++ === 0 ? 0xfb : 0x11));
    expect(call).toBe(2);
    expect(uuid.startsWith('-')).toBe(false);
    expect(isUuid(uuid)).toBe(true);
    expect(uuidToBytes(uuid)[6]! >> 4).toBe(4);
  });

  it('is refused when it has another length', () => {
    expect(isUuid('abc')).toBe(false);
    expect(isUuid('!'.repeat(22))).toBe(false);
    expect(uuidToBytes(ZERO_UUID)).toEqual(Buffer.alloc(16));
    expect(() => uuidToBytes('abc')).toThrow(RangeError);
  });
});
