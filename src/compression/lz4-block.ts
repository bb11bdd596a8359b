import { optionalModule } from '../base/optional-module.ts';
import { corrupt } from './codec.ts';

/** LZ4 blocks: the format without frame, size or checksum. */
export interface Lz4BlockCodec {
  /** Writes the compressed block to `output` from `at` on and returns its size; 0 if it would not be smaller. */
  compress(block: Buffer, output: Buffer, at: number, level: number | undefined): number;
  /**
   * Writes what the block holds to `output` from `at` on, up to `end` (exclusive), and returns its size. Throws
   * `MalformedError` if the block is corrupt or holds more. `output` may be written up to `end` in any case.
   */
  decompress(block: Buffer, output: Buffer, at: number, end: number): number;
}

/** Kafka's `compression.lz4.level` that stands for the fast compressor; other levels ask for the thorough one. */
const DEFAULT_LEVEL = 9;

const HASH_BITS = 13;
const MIN_MATCH = 4;
/** The format ends every block with 5 literals at least, and starts no match in the last 12 bytes. */
const LAST_LITERALS = 5;
const MATCH_START_LIMIT = 12;
const MAX_DISTANCE = 0xffff;

function hash(word: number): number {
  return Math.imul(word, 0x9e3779b1) >>> (32 - HASH_BITS);
}

/** Writes what of a length does not fit its four bits in the token. */
function writeLength(output: Buffer, at: number, rest: number): number {
  let left = rest;
  while (left >= 255) {
    output[at++] = 255;
    left -= 255;
  }
  output[at++] = left;
  return at;
}

function writeLiterals(
  block: Buffer,
  from: number,
  to: number,
  output: Buffer,
  at: number,
  matchBits: number,
): number {
  const length = to - from;
  let next = at + 1;
  output[at] = (Math.min(length, 15) << 4) | matchBits;
  if (length >= 15) next = writeLength(output, next, length - 15);
  block.copy(output, next, from, to);
  return next + length;
}

/** Greedy, with one hash table of positions; the search takes longer steps the longer it finds no match. */
function compressPortable(block: Buffer, output: Buffer, at: number): number {
  const matchStartEnd = block.length - MATCH_START_LIMIT;
  const matchEnd = block.length - LAST_LITERALS;
  const table = new Int32Array(1 << HASH_BITS).fill(-1);
  let literals = 0;
  let position = 0;
  let next = at;
  let misses = 1 << 6;
  while (position < matchStartEnd) {
    const word = block.readInt32LE(position);
    const slot = hash(word);
    const candidate = table[slot]!;
    table[slot] = position;
    if (candidate < 0 || position - candidate > MAX_DISTANCE || block.readInt32LE(candidate) !== word) {
      position += misses++ >> 6;
      continue;
    }
    misses = 1 << 6;
    let length = MIN_MATCH;
    while (position + length < matchEnd && block[position + length] === block[candidate + length]) length++;
    const matchBits = Math.min(length - MIN_MATCH, 15);
    next = writeLiterals(block, literals, position, output, next, matchBits);
    output.writeUInt16LE(position - candidate, next);
    next += 2;
    if (matchBits === 15) next = writeLength(output, next, length - MIN_MATCH - 15);
    position += length;
    literals = position;
  }
  return writeLiterals(block, literals, block.length, output, next, 0) - at;
}

function decompressPortable(block: Buffer, output: Buffer, at: number, end: number): number {
  let position = 0;
  let next = at;
  while (position < block.length) {
    const token = block[position++]!;
    let length = token >>> 4;
    if (length === 15) {
      let byte: number | undefined;
      do {
        byte = block[position++];
        if (byte === undefined) throw corrupt('lz4', 'a length is cut off');
        length += byte;
      } while (byte === 255);
    }
    if (length > block.length - position) throw corrupt('lz4', 'literals are cut off');
    if (length > end - next) throw corrupt('lz4', 'a block holds more than its frame allows');
    if (length > 32) {
      block.copy(output, next, position, position + length);
      next += length;
      position += length;
    } else {
      for (let i = 0; i < length; i++) output[next++] = block[position++]!;
    }
    if (position === block.length) return next - at;

    if (position + 2 > block.length) throw corrupt('lz4', 'a match is cut off');
    const distance = block[position]! | (block[position + 1]! << 8);
    position += 2;
    if (distance === 0 || distance > next - at)
      throw corrupt('lz4', 'a match reaches before the start of its block');
    length = (token & 15) + MIN_MATCH;
    if (length === 15 + MIN_MATCH) {
      let byte: number | undefined;
      do {
        byte = block[position++];
        if (byte === undefined) throw corrupt('lz4', 'a length is cut off');
        length += byte;
      } while (byte === 255);
    }
    if (length > end - next) throw corrupt('lz4', 'a block holds more than its frame allows');
    if (distance >= length && length > 32) {
      output.copyWithin(next, next - distance, next - distance + length);
      next += length;
    } else {
      for (const stop = next + length; next < stop; next++) output[next] = output[next - distance]!;
    }
  }
  throw corrupt('lz4', 'a block does not end in literals');
}

export const portableLz4Blocks: Lz4BlockCodec = {
  compress: compressPortable,
  decompress: decompressPortable,
};

interface Lz4Bindings {
  encodeBlock(input: Buffer, output: Buffer): number;
  encodeBlockHC(input: Buffer, output: Buffer): number;
  decodeBlock(input: Buffer, output: Buffer): number;
}

interface Lz4Napi {
  compressSync(input: Buffer): Buffer;
  uncompressSync(input: Buffer): Buffer;
}

function fromBindings(bindings: Lz4Bindings): Lz4BlockCodec {
  return {
    compress(block, output, at, level) {
      const target = output.subarray(at);
      return level === undefined || level === DEFAULT_LEVEL
        ? bindings.encodeBlock(block, target)
        : bindings.encodeBlockHC(block, target);
    },
    decompress(block, output, at, end) {
      const size = bindings.decodeBlock(block, output.subarray(at, end));
      if (size < 0) throw corrupt('lz4', 'a block is corrupt or holds more than its frame allows');
      return size;
    },
  };
}

/** lz4-napi puts the uncompressed size (uint32, little endian) before its blocks, and has one level. */
function fromNapi(napi: Lz4Napi): Lz4BlockCodec {
  return {
    compress(block, output, at) {
      const compressed = napi.compressSync(block);
      const size = compressed.length - 4;
      if (size > output.length - at) return 0;
      compressed.copy(output, at, 4);
      return size;
    },
    decompress(block, output, at, end) {
      const sized = Buffer.allocUnsafe(4 + block.length);
      sized.writeUInt32LE(end - at, 0);
      block.copy(sized, 4);
      let plain: Buffer;
      try {
        plain = napi.uncompressSync(sized);
      } catch (error) {
        throw corrupt('lz4', error);
      }
      if (plain.length > end - at) throw corrupt('lz4', 'a block holds more than its frame allows');
      plain.copy(output, at);
      return plain.length;
    },
  };
}

/** Through `lz4`, which is compiled when it is installed; `undefined` where no compiler was there. */
export function loadCompiledLz4Blocks(): Lz4BlockCodec | undefined {
  const bindings = optionalModule<Lz4Bindings>('lz4');
  return bindings === undefined ? undefined : fromBindings(bindings);
}

/** Through `lz4-napi`, which ships binaries for the usual platforms; `undefined` on the others. */
export function loadPrebuiltLz4Blocks(): Lz4BlockCodec | undefined {
  const napi = optionalModule<Lz4Napi>('lz4-napi');
  return napi === undefined ? undefined : fromNapi(napi);
}
