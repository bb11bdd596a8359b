import { corrupt } from './codec.ts';

const MAGIC = 0xfd2fb528;
const SKIPPABLE_MAGIC = 0x184d2a50;
const BLOCK_BYTES_MAX = 128 * 1024;
const WINDOW_LOG_MAX = 27;

/** One frame of zstd-compressed bytes, as its headers tell. */
export interface ZstdFrame {
  /** In the input. */
  readonly start: number;
  /** Exclusive. */
  readonly end: number;
  /** What the frame declares; `undefined` if it does not. */
  readonly contentSize: number | undefined;
  /** What its blocks can hold at most. */
  readonly outputBytesMax: number;
}

/**
 * Walks over the headers of frames and blocks, without decompressing, and so finds a bound of the output: a compressed
 * block holds 128 KiB at most, the others say what they hold. Skippable frames are left out. Throws `MalformedError`
 * for bytes that are cut off, follow no frame, or whose declared size their blocks cannot hold
 * (RFC 8878, section 3.1).
 */
export function zstdFrames(input: Buffer): ZstdFrame[] {
  const frames: ZstdFrame[] = [];
  let position = 0;
  while (position < input.length) {
    if (position + 8 > input.length) throw corrupt('zstd', 'a frame is cut off');
    const magic = input.readUInt32LE(position);
    if ((magic & 0xffff_fff0) >>> 0 === SKIPPABLE_MAGIC) {
      position += 8 + input.readUInt32LE(position + 4);
      if (position > input.length) throw corrupt('zstd', 'a frame is cut off');
      continue;
    }
    if (magic !== MAGIC) throw corrupt('zstd', 'the input is no frame');
    const frame = readFrame(input, position);
    frames.push(frame);
    position = frame.end;
  }
  return frames;
}

function readFrame(input: Buffer, start: number): ZstdFrame {
  const descriptor = input[start + 4]!;
  const singleSegment = (descriptor & 0x20) !== 0;
  const hasChecksum = (descriptor & 0x04) !== 0;
  if ((descriptor & 0x08) !== 0) throw corrupt('zstd', 'a frame sets a reserved bit');
  if ((descriptor & 0x03) !== 0) throw corrupt('zstd', 'a frame needs a dictionary');
  const sizeCode = descriptor >>> 6;
  const sizeBytes = sizeCode === 0 ? (singleSegment ? 1 : 0) : 1 << sizeCode;
  let position = start + 5;
  if (position + (singleSegment ? 0 : 1) + sizeBytes > input.length)
    throw corrupt('zstd', 'a frame header is cut off');
  let windowBytes = 0;
  if (!singleSegment) {
    const window = input[position++]!;
    const windowLog = 10 + (window >>> 3);
    if (windowLog > WINDOW_LOG_MAX) throw corrupt('zstd', `a frame needs a window of 2^${windowLog} bytes`);
    windowBytes = 2 ** windowLog * (1 + (window & 7) / 8);
  }
  const contentSize = readContentSize(input, position, sizeBytes);
  position += sizeBytes;
  const blockBytesMax = Math.min(BLOCK_BYTES_MAX, singleSegment ? contentSize! : windowBytes);

  let outputBytesMax = 0;
  for (let last = false; !last; ) {
    if (position + 3 > input.length) throw corrupt('zstd', 'a block is cut off');
    const header = input.readUIntLE(position, 3);
    position += 3;
    last = (header & 1) !== 0;
    const type = (header >>> 1) & 3;
    const size = header >>> 3;
    if (type === 3 || size > BLOCK_BYTES_MAX) throw corrupt('zstd', 'a block has an unknown type or size');
    // a run of one byte is stored as that byte
    position += type === 1 ? 1 : size;
    outputBytesMax += type === 2 ? blockBytesMax : size;
  }
  if (hasChecksum) position += 4;
  if (position > input.length) throw corrupt('zstd', 'a block is cut off');
  if (contentSize !== undefined && contentSize > outputBytesMax) {
    throw corrupt('zstd', `a frame declares ${contentSize} bytes, its blocks hold ${outputBytesMax} at most`);
  }
  return { start, end: position, contentSize, outputBytesMax };
}

function readContentSize(input: Buffer, position: number, sizeBytes: number): number | undefined {
  switch (sizeBytes) {
    case 0:
      return undefined;
    case 1:
      return input[position]!;
    case 2:
      return input.readUInt16LE(position) + 256;
    case 4:
      return input.readUInt32LE(position);
    default:
      return Number(input.readBigUInt64LE(position));
  }
}
