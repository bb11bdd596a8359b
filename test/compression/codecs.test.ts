import { gunzipSync } from 'node:zlib';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { MalformedError } from '../../src/base/byte-reader.ts';
import type { CodecImplementation } from '../../src/compression/codec.ts';
import { COMPRESSION_LEVELS, compress, decompress, prepareCodecs } from '../../src/compression/codecs.ts';
import { type CompressionType, compressionTypeOf } from '../../src/compression/compression-type.ts';
import { nativeGzip, portableGzip } from '../../src/compression/gzip.ts';
import {
  loadCompiledLz4Blocks,
  loadPrebuiltLz4Blocks,
  portableLz4Blocks,
} from '../../src/compression/lz4-block.ts';
import { lz4With } from '../../src/compression/lz4-frame.ts';
import { loadNativeSnappy, portableSnappy } from '../../src/compression/snappy.ts';
import { loadPortableZstd, nativeZstd } from '../../src/compression/zstd.ts';

const LIMIT = 4 * 1024 * 1024;

/** All implementations of each codec that this machine has; the portable one comes first. */
const implementations = new Map<string, Map<string, CodecImplementation>>();

function add(codec: string, kind: string, implementation: CodecImplementation | undefined): void {
  if (!implementations.has(codec)) implementations.set(codec, new Map());
  if (implementation !== undefined) implementations.get(codec)!.set(kind, implementation);
}

add('gzip', 'portable', portableGzip);
add('gzip', 'native', nativeGzip);
add('snappy', 'portable', portableSnappy);
add('snappy', 'native', loadNativeSnappy());
add('lz4', 'portable', lz4With(portableLz4Blocks));
const prebuiltLz4 = loadPrebuiltLz4Blocks();
add('lz4', 'prebuilt', prebuiltLz4 && lz4With(prebuiltLz4));
const compiledLz4 = loadCompiledLz4Blocks();
add('lz4', 'compiled', compiledLz4 && lz4With(compiledLz4));
add('zstd', 'portable', await loadPortableZstd());
add('zstd', 'native', nativeZstd);

beforeAll(prepareCodecs);

const CODECS = [...implementations.keys()];

function all(codec: string): readonly (readonly [string, CodecImplementation])[] {
  return [...implementations.get(codec)!];
}

/** Text with repeats, so that compressors find matches near and far. */
function sample(size: number): Buffer {
  const words = 'the log is the table the topic and the truth of a broker'.split(' ');
  let text = '';
  for (let i = 0, x = 7; text.length < size; i++) {
    x = (Math.imul(x, 1103515245) + 12345) & 0x7fffffff;
    text += `${words[(x >> 8) % words.length]}${i % 13 === 0 ? x % 1000 : ' '}`;
  }
  return Buffer.from(text.slice(0, size));
}

/** Bytes that no codec makes smaller. */
function noise(size: number): Buffer {
  const bytes = Buffer.alloc(size);
  for (let i = 0, x = 123456789; i < size; i++) {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    bytes[i] = x;
  }
  return bytes;
}

const inputs = [
  Buffer.alloc(0),
  Buffer.from('a'),
  Buffer.from('hello'),
  Buffer.alloc(13, 'ab'),
  sample(300),
  sample(32 * 1024),
  sample(64 * 1024 + 1),
  sample(200_000),
  noise(70_000),
  Buffer.alloc(300_000),
];

describe.each(CODECS)('%s', codec => {
  it('is read by each implementation as written by each', () => {
    for (const input of inputs) {
      for (const [writer, { compress: write }] of all(codec)) {
        const compressed = write(input);
        for (const [reader, { decompress: read }] of all(codec)) {
          const output = read(compressed, LIMIT);
          expect(output.equals(input), `${input.length} bytes, ${writer} to ${reader}`).toBe(true);
        }
      }
    }
  });

  it('gives back random input, between all implementations', () => {
    const piece = fc.oneof(
      fc.uint8Array({ maxLength: 100 }),
      fc.tuple(fc.nat(255), fc.nat(500)).map(([byte, size]) => new Uint8Array(size).fill(byte)),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 20 }), pieces => {
        const input = Buffer.concat(pieces);
        for (const [, { compress: write }] of all(codec)) {
          const compressed = write(input);
          for (const [, { decompress: read }] of all(codec))
            expect(read(compressed, LIMIT).equals(input)).toBe(true);
        }
      }),
      { numRuns: 40 },
    );
  });

  it('stays within its limit: exactly enough is enough, one byte less is not', () => {
    for (const input of inputs.slice(1)) {
      for (const [kind, { compress: write, decompress: read }] of all(codec)) {
        const compressed = write(input);
        expect(read(compressed, input.length).length, kind).toBe(input.length);
        expect(() => read(compressed, input.length - 1), kind).toThrow(/limit/);
        expect(() => read(compressed, 0), kind).toThrow(MalformedError);
      }
    }
  });

  it('refuses a bomb without allocating what it would hold', () => {
    for (const [, { compress: write, decompress: read }] of all(codec)) {
      const bomb = write(Buffer.alloc(64 * 1024 * 1024));
      const before = process.memoryUsage().arrayBuffers;
      expect(() => read(bomb, 1_000_000)).toThrow(/limit/);
      expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(20_000_000);
    }
  });

  it('is refused when cut off, at every byte', () => {
    for (const [, { compress: write }] of all(codec)) {
      const compressed = write(sample(500));
      for (let end = 0; end < compressed.length; end++) {
        for (const [kind, { decompress: read }] of all(codec)) {
          // nothing at all, and the header alone, are streams of no blocks for some codecs
          let output: Buffer;
          try {
            output = read(compressed.subarray(0, end), LIMIT);
          } catch (error) {
            expect(error, `${kind} at ${end}`).toBeInstanceOf(MalformedError);
            continue;
          }
          expect(output.length, `${kind} at ${end}`).toBe(0);
        }
      }
    }
  });

  it('answers changed bytes with MalformedError or within the limit, all implementations alike where they accept', () => {
    for (const [, { compress: write }] of all(codec)) {
      const compressed = write(sample(400));
      for (let at = 0; at < compressed.length; at++) {
        for (const mask of [0x01, 0x80, 0xff]) {
          const changed = Buffer.from(compressed);
          changed[at]! ^= mask;
          const outputs: Buffer[] = [];
          for (const [kind, { decompress: read }] of all(codec)) {
            try {
              outputs.push(read(changed, 2000));
            } catch (error) {
              expect(error, `${kind} at ${at}`).toBeInstanceOf(MalformedError);
            }
          }
          for (const output of outputs) {
            expect(output.length).toBeLessThanOrEqual(2000);
            expect(output.equals(outputs[0]!), `at ${at}`).toBe(true);
          }
        }
      }
    }
  });

  it('refuses random bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 200 }), bytes => {
        for (const [, { decompress: read }] of all(codec)) {
          try {
            expect(read(Buffer.from(bytes), 1000).length).toBeLessThanOrEqual(1000);
          } catch (error) {
            expect(error).toBeInstanceOf(MalformedError);
          }
        }
      }),
      { numRuns: 200 },
    );
  });
});

describe('the table of codecs', () => {
  it('knows all codecs by the id they have in a batch', () => {
    const input = sample(5000);
    for (const type of [0, 1, 2, 3, 4] as const) {
      const compressed = compress(type, input);
      expect(decompress(type, compressed, LIMIT).equals(input)).toBe(true);
      if (type !== 0) expect(compressed.length).toBeLessThan(input.length);
    }
    const names = ['none', 'gzip', 'snappy', 'lz4', 'zstd'];
    expect(names.map(compressionTypeOf)).toEqual([0, 1, 2, 3, 4]);
    expect(compressionTypeOf('brotli')).toBeUndefined();
  });

  it('refuses ids of no codec', () => {
    for (const id of [5, 6, 7]) {
      expect(() => decompress(id as CompressionType, Buffer.alloc(10), LIMIT)).toThrow(MalformedError);
    }
  });

  it('takes the levels that Kafka allows', () => {
    const input = sample(20_000);
    for (const [type, { min, max, default: byDefault }] of COMPRESSION_LEVELS) {
      for (const level of [min, max, byDefault]) {
        expect(
          decompress(type, compress(type, input, level), LIMIT).equals(input),
          `${type} at ${level}`,
        ).toBe(true);
      }
    }
    expect(compress(1, input, 9).length).toBeLessThan(compress(1, input, 1).length);
    expect(compress(4, input, 19).length).toBeLessThan(compress(4, input, -50).length);
  });

  it('writes gzip that any gzip reads', () => {
    expect(gunzipSync(compress(1, sample(1000))).equals(sample(1000))).toBe(true);
  });
});

describe('the framing of snappy', () => {
  const raw = (input: Buffer) => compress(2, input).subarray(20);

  it('is read with and without the framing of xerial', () => {
    const input = sample(1000);
    for (const [, { decompress: read }] of all('snappy'))
      expect(read(raw(input), LIMIT).equals(input)).toBe(true);
  });

  it('is the one that the Java client writes', () => {
    const framed = compress(2, sample(40_000));
    expect(framed.subarray(0, 16).toString('hex')).toBe('82534e41505059000000000100000001');
    const first = framed.readInt32BE(16);
    expect(decompress(2, framed.subarray(20, 20 + first), LIMIT).length).toBe(32 * 1024);
  });

  it('may be repeated where streams were joined, and counts as one under the limit', () => {
    const one = compress(2, sample(1000));
    const joined = Buffer.concat([one, one]);
    for (const [, { decompress: read }] of all('snappy')) {
      expect(read(joined, 2000).length).toBe(2000);
      expect(() => read(joined, 1999)).toThrow('limit of 1999');
    }
  });

  it('with a block whose parts do not fill its declared size is refused', () => {
    for (const hex of ['05', '0500', '0008616263', '040c6162', 'ffffffff0f', 'ffffffffff01', '050261']) {
      for (const [, { decompress: read }] of all('snappy')) {
        expect(() => read(Buffer.from(hex, 'hex'), LIMIT), hex).toThrow(MalformedError);
      }
    }
  });
});

describe('frames of lz4', () => {
  const frame = compress(3, sample(3000));

  it('with a wrong header checksum are refused, but not in the message format v0', () => {
    const broken = compress(3, sample(3000), undefined, 0);
    expect(broken[6]).not.toBe(frame[6]);
    expect(() => decompress(3, broken, LIMIT)).toThrow('checksum');
    expect(decompress(3, broken, LIMIT, 0).equals(sample(3000))).toBe(true);
    expect(decompress(3, frame, LIMIT, 0).equals(sample(3000))).toBe(true);
  });

  it('with dependent blocks, a dictionary, other versions or unknown block sizes are refused', () => {
    for (const [at, value] of [
      [4, 0x40],
      [4, 0x61],
      [4, 0x20],
      [5, 0x30],
      [5, 0xc0],
      [0, 0x05],
    ] as const) {
      const changed = Buffer.from(frame);
      changed[at] = value;
      expect(() => decompress(3, changed, LIMIT, 0)).toThrow(MalformedError);
    }
  });

  it('with block checksums, content size and content checksum are read, and refused where these are wrong', () => {
    // printf 'hello world, hello world' > h && lz4 --content-size -BX -B4 h
    const full = Buffer.from(
      '04224d187c4018000000000000000c1800008068656c6c6f20776f726c642c2068656c6c6f20776f726c646332889e000000006332889e',
      'hex',
    );
    expect(decompress(3, full, LIMIT).toString()).toBe('hello world, hello world');
    const refused = (at: number) => {
      const changed = Buffer.from(full);
      changed[at]! ^= 1;
      expect(() => decompress(3, changed, LIMIT), `byte ${at}`).toThrow(MalformedError);
    };
    for (let at = 0; at < full.length; at++) refused(at);
  });

  it('may declare a size that is a lie only to be refused', () => {
    const lying = Buffer.concat([
      frame.subarray(0, 4),
      Buffer.from([0x68, frame[5]!]),
      Buffer.alloc(9, 0x7f),
      frame.subarray(7),
    ]);
    expect(() => decompress(3, lying, LIMIT, 0)).toThrow('declares');
  });
});
