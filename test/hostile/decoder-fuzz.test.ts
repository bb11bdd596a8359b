import { describe, expect, test } from 'vitest';
import { ByteReader, MalformedError } from '../../src/base/byte-reader.ts';
import { codecOf } from '../../src/protocol/codec.ts';
import type { Message } from '../../src/protocol/schema.ts';
import { ALL_MESSAGES } from '../protocol/all-messages.ts';
import { interpretEncode, randomValue } from '../protocol/interpreter.ts';

/** Threat rows 3 and 6: no bytes make a decoder do anything but give an object or refuse them. */

const SEED = Number(process.env['FUZZ_SEED'] ?? 1);
const ROUNDS = Number(process.env['FUZZ_ROUNDS'] ?? 2);
/** A decoder that loops shows as seconds; less than this may be the machine's other work. */
const STALL_MS = 500;

function generator(seed: number): (bound: number) => number {
  let state = seed | 0;
  return bound => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * bound);
  };
}

/** Values that lengths, counts and varints like to go wrong with. */
const HOSTILE_INT32 = [-2147483648, -2, -1, 0, 1, 127, 128, 32767, 65536, 1_000_000, 1_000_001, 2147483647];
const HOSTILE_BYTES = [
  [0xff, 0xff, 0xff, 0xff, 0x0f],
  [0xff, 0xff, 0xff, 0xff, 0x7f],
  [0x80, 0x80, 0x80, 0x80, 0x80, 0x80],
  [0xff, 0xff, 0x03],
  [0x00],
  [0x01],
  [0x7f, 0xff],
  [0x80, 0x00],
];

function mutate(valid: Buffer, pick: (bound: number) => number): Buffer {
  const bytes = Buffer.from(valid);
  const at = pick(Math.max(1, bytes.length));
  switch (pick(6)) {
    case 0:
      return bytes.subarray(0, at);
    case 1:
      return Buffer.concat([bytes, Buffer.alloc(1 + pick(8), pick(256))]);
    case 2:
      if (bytes.length > 0) bytes[at] = pick(256);
      return bytes;
    case 3:
      if (bytes.length >= 4)
        bytes.writeInt32BE(HOSTILE_INT32[pick(HOSTILE_INT32.length)]!, pick(bytes.length - 3));
      return bytes;
    case 4: {
      const insert = Buffer.from(HOSTILE_BYTES[pick(HOSTILE_BYTES.length)]!);
      return Buffer.concat([bytes.subarray(0, at), insert, bytes.subarray(at + pick(3))]);
    }
    default: {
      const from = pick(Math.max(1, bytes.length));
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(from)]);
    }
  }
}

/** The elements of all arrays in `value`: what a lying count would blow up. */
function elementCount(value: unknown): number {
  if (Buffer.isBuffer(value) || value === null || typeof value !== 'object') return 0;
  let count = Array.isArray(value) ? value.length : 0;
  for (const each of Object.values(value)) count += elementCount(each);
  return count;
}

let slowestMs = 0;

/** Decodes, and checks that what comes of it is an object that its bytes account for, or a refusal. */
function decode(message: Message, version: number, bytes: Buffer): 'object' | 'refused' {
  const startMs = performance.now();
  try {
    const value = codecOf(message, version).decode(new ByteReader(bytes));
    if (elementCount(value) > bytes.length) throw new Error('more elements than bytes');
    return 'object';
  } catch (error) {
    if (error instanceof MalformedError) return 'refused';
    throw new Error(`${message.name} v${version} of ${bytes.toString('hex')}: ${error}`);
  } finally {
    slowestMs = Math.max(slowestMs, performance.now() - startMs);
  }
}

describe('decoders under hostile bytes', () => {
  test('every message at every version: mutants of valid bytes', () => {
    const pick = generator(SEED);
    let objects = 0;
    let refused = 0;
    for (const message of ALL_MESSAGES) {
      for (let version = message.minVersion; version <= message.maxVersion; version++) {
        // The first decode compiles the codec, which is not the client's doing.
        decode(message, version, Buffer.alloc(0));
        for (let round = 0; round < ROUNDS; round++) {
          const valid = interpretEncode(message, version, randomValue(message, version, pick));
          expect(decode(message, version, valid)).toBe('object');
          for (let i = 0; i < 12; i++) {
            let mutant = mutate(valid, pick);
            if (i % 3 === 2) mutant = mutate(mutant, pick);
            if (decode(message, version, mutant) === 'object') objects++;
            else refused++;
          }
        }
      }
    }
    expect(objects).toBeGreaterThan(1000);
    expect(refused).toBeGreaterThan(1000);
  });

  test('every message at every version: cut at every byte', () => {
    const pick = generator(SEED + 1);
    for (const message of ALL_MESSAGES) {
      for (let version = message.minVersion; version <= message.maxVersion; version++) {
        const valid = interpretEncode(message, version, randomValue(message, version, pick)).subarray(0, 400);
        for (let size = 0; size < valid.length; size++) decode(message, version, valid.subarray(0, size));
      }
    }
  });

  test('every message at every version: noise', () => {
    const pick = generator(SEED + 2);
    for (const message of ALL_MESSAGES) {
      for (let version = message.minVersion; version <= message.maxVersion; version++) {
        for (let i = 0; i < 10; i++) {
          const noise = Buffer.from(Array.from({ length: pick(64) }, () => pick(256)));
          decode(message, version, noise);
        }
      }
    }
  });

  test('counts of a million in a few bytes are refused at once', () => {
    for (const message of ALL_MESSAGES) {
      const version = message.maxVersion;
      for (const filler of [0x00, 0x01, 0x7f, 0x80, 0xff]) {
        const bytes = Buffer.alloc(64, filler);
        decode(message, version, bytes);
        bytes.writeInt32BE(1_000_000, 0);
        decode(message, version, bytes);
      }
    }
  });

  test('none of it took long', () => {
    expect(slowestMs).toBeLessThan(STALL_MS);
  });
});
