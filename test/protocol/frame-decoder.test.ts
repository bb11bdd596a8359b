import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { FrameDecoder, FrameError } from '../../src/protocol/frame-decoder.ts';

function frameOf(payload: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeInt32BE(payload.length);
  return Buffer.concat([length, payload]);
}

function drain(decoder: FrameDecoder): Buffer[] {
  const frames: Buffer[] = [];
  for (let frame = decoder.next(); frame !== undefined; frame = decoder.next()) frames.push(frame);
  return frames;
}

const payloads = [
  Buffer.from('first'),
  Buffer.alloc(0),
  Buffer.from('a'),
  Buffer.alloc(700, 7),
  Buffer.from('last'),
];
const stream = Buffer.concat(payloads.map(frameOf));

describe('FrameDecoder', () => {
  test('gives the same frames wherever the stream is split in two', () => {
    for (let at = 0; at <= stream.length; at++) {
      const decoder = new FrameDecoder(1000);
      decoder.push(Buffer.from(stream.subarray(0, at)));
      const frames = drain(decoder);
      decoder.push(Buffer.from(stream.subarray(at)));
      frames.push(...drain(decoder));
      expect(frames).toEqual(payloads);
      expect(decoder.bufferedBytes).toBe(0);
    }
  });

  test('gives the same frames for single bytes, taken at once or at the end', () => {
    for (const takeAtOnce of [true, false]) {
      const decoder = new FrameDecoder(1000);
      const frames: Buffer[] = [];
      for (const byte of stream) {
        decoder.push(Buffer.from([byte]));
        if (takeAtOnce) frames.push(...drain(decoder));
      }
      frames.push(...drain(decoder));
      expect(frames).toEqual(payloads);
    }
  });

  test('gives the same frames for any sizes of chunks and any moments of asking', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 3000 }), { maxLength: 8 }),
        fc.array(fc.tuple(fc.integer({ min: 1, max: 2000 }), fc.boolean()), { minLength: 1, maxLength: 40 }),
        (contents, cuts) => {
          const expected = contents.map(content => Buffer.from(content));
          const bytes = Buffer.concat(expected.map(frameOf));
          const decoder = new FrameDecoder(3000);
          const frames: Buffer[] = [];
          let position = 0;
          for (let i = 0; position < bytes.length; i++) {
            const [size, ask] = cuts[i % cuts.length]!;
            decoder.push(Buffer.from(bytes.subarray(position, position + size)));
            position += size;
            if (ask) frames.push(...drain(decoder));
          }
          frames.push(...drain(decoder));
          expect(frames).toEqual(expected);
          expect(decoder.bufferedBytes).toBe(0);
        },
      ),
      { numRuns: 300 },
    );
  });

  test.each([10, 2000, 100_000])('a frame of %i bytes keeps nothing of the chunks that it came in', size => {
    const bytes = frameOf(Buffer.alloc(size, 7));
    for (const cut of [0, 3, 4, 9, size]) {
      const decoder = new FrameDecoder(1_000_000);
      const chunks = [Buffer.from(bytes.subarray(0, cut)), Buffer.from(bytes.subarray(cut))];
      for (const chunk of chunks) {
        decoder.push(chunk);
        chunk.fill(0xee);
      }
      expect(decoder.next()).toEqual(bytes.subarray(4));
    }
  });

  test.each([-1, -2147483648, 1001, 2147483647])('refuses a declared length of %i', declared => {
    const length = Buffer.alloc(4);
    length.writeInt32BE(declared);
    for (let at = 0; at <= 4; at++) {
      const decoder = new FrameDecoder(1000);
      decoder.push(length.subarray(0, at));
      if (at < 4) expect(decoder.next()).toBeUndefined();
      decoder.push(length.subarray(at));
      expect(() => decoder.next()).toThrow(FrameError);
    }
  });

  test('takes a frame of exactly the limit, and follows a change of the limit', () => {
    const decoder = new FrameDecoder(10);
    decoder.push(frameOf(Buffer.alloc(10)));
    expect(decoder.next()).toHaveLength(10);
    decoder.setLimit(11);
    decoder.push(frameOf(Buffer.alloc(11)));
    expect(decoder.next()).toHaveLength(11);
  });

  test('memory follows what has arrived, not what is declared, however small the pieces are', () => {
    const decoders: FrameDecoder[] = [];
    const before = process.memoryUsage();
    const length = Buffer.alloc(4);
    length.writeInt32BE(100 * 1024 * 1024);
    for (let i = 0; i < 200; i++) {
      const decoder = new FrameDecoder(100 * 1024 * 1024);
      decoder.push(Buffer.from(length));
      for (let sent = 0; sent < 1000; sent++) decoder.push(Buffer.from([sent]));
      expect(decoder.next()).toBeUndefined();
      decoders.push(decoder);
    }
    const after = process.memoryUsage();
    expect(decoders.every(decoder => decoder.bufferedBytes === 1000)).toBe(true);
    const grown = after.arrayBuffers - before.arrayBuffers;
    // 200 kB have arrived; 20 GB were declared.
    expect(grown).toBeLessThan(4 * 200 * 1000 + 1024 * 1024);
  });
});
