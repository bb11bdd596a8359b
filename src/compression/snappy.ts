import { optionalModule, requiredModule } from '../base/optional-module.ts';
import { type CodecImplementation, corrupt, OutputBuffer } from './codec.ts';

/** A raw block in and out. */
interface BlockCodec {
  /** Whether `uncompress` finds every fault. If not, it is given only blocks that {@link checkBlock} accepts. */
  readonly isSafe: boolean;
  compress(block: Buffer): Buffer;
  uncompress(block: Buffer): Buffer;
}

interface NativeSnappy {
  compressSync(input: Buffer): Buffer;
  uncompressSync(input: Buffer, options: { asBuffer: true; copyOutputData: true }): Buffer;
}

interface PortableSnappy {
  compress(input: Buffer): Buffer;
  uncompress(input: Buffer): Buffer;
}

/** `\x82SNAPPY\0`, version 1, readable from version 1 on. */
const XERIAL_HEADER = Buffer.from('82534e4150505900' + '00000001' + '00000001', 'hex');
const XERIAL_MAGIC = XERIAL_HEADER.subarray(0, 8);
const XERIAL_MAGIC_INT32 = XERIAL_HEADER.readInt32BE(0);
/** What the Java client puts into one block. */
const XERIAL_BLOCK_BYTES = 32 * 1024;

const portable = requiredModule<PortableSnappy>('snappyjs');

function nativeBlocks(native: NativeSnappy): BlockCodec {
  return {
    isSafe: true,
    compress: block => native.compressSync(block),
    // a copy is three times faster than a buffer that native memory must be registered for
    uncompress: block => native.uncompressSync(block, { asBuffer: true, copyOutputData: true }),
  };
}

/** snappyjs ignores writes past its output and does not see that bytes are missing. */
const portableBlocks: BlockCodec = {
  isSafe: false,
  compress: block => portable.compress(block),
  uncompress: block => portable.uncompress(block),
};

/** What a block's preamble says: the size of the block when uncompressed, and where the tags start. */
interface Preamble {
  readonly size: number;
  readonly end: number;
}

function readPreamble(block: Buffer): Preamble {
  let position = 0;
  let size = 0;
  for (let shift = 0; ; shift += 7) {
    const byte = block[position++];
    if (byte === undefined || shift > 28 || (shift === 28 && byte > 0x0f)) {
      throw corrupt('snappy', 'the block has no valid length');
    }
    size += (byte & 0x7f) * 2 ** shift;
    if (byte < 0x80) break;
  }
  return { size, end: position };
}

/**
 * Walks over the tags of a raw block. Throws `MalformedError` where the block is cut off, a copy reaches before its
 * start, or its parts do not fill the declared size.
 */
function checkBlock(block: Buffer, { size: declared, end: start }: Preamble): void {
  let position = start;
  let size = 0;
  const end = block.length;
  while (position < end) {
    const tag = block[position++]!;
    const kind = tag & 3;
    if (kind === 0) {
      let length = (tag >>> 2) + 1;
      if (length > 60) {
        const lengthBytes = length - 60;
        if (position + lengthBytes > end) throw corrupt('snappy', 'a literal is cut off');
        length = block.readUIntLE(position, lengthBytes) + 1;
        position += lengthBytes;
      }
      position += length;
      if (position > end) throw corrupt('snappy', 'a literal is cut off');
      size += length;
    } else {
      const offsetBytes = kind === 3 ? 4 : kind;
      if (position + offsetBytes > end) throw corrupt('snappy', 'a copy is cut off');
      const low = block.readUIntLE(position, offsetBytes);
      const offset = kind === 1 ? ((tag >>> 5) << 8) + low : low;
      position += offsetBytes;
      if (offset === 0 || offset > size)
        throw corrupt('snappy', 'a copy reaches before the start of the block');
      size += kind === 1 ? ((tag >>> 2) & 7) + 4 : (tag >>> 2) + 1;
    }
    if (size > declared) break;
  }
  if (size !== declared)
    throw corrupt('snappy', `the block declares ${declared} bytes and holds another number`);
}

/** One block, which must fit into what the limit of `output` leaves. */
function uncompressBlock(codec: BlockCodec, block: Buffer, output: OutputBuffer): Buffer {
  const preamble = readPreamble(block);
  const { size } = preamble;
  // a preamble may lie; what is allocated for it stays within what its block can hold: 64 bytes for 3 of a copy
  if (size > block.length * 22) throw corrupt('snappy', `a block of ${block.length} bytes declares ${size}`);
  output.check(size);
  if (!codec.isSafe) checkBlock(block, preamble);
  if (size === 0 && block.length === preamble.end) return Buffer.alloc(0);
  let bytes: Buffer;
  try {
    bytes = codec.uncompress(block);
  } catch (error) {
    throw corrupt('snappy', error);
  }
  if (bytes.length !== size) throw corrupt('snappy', `a block of ${size} bytes came out as ${bytes.length}`);
  return bytes;
}

function compressXerial(codec: BlockCodec, input: Buffer): Buffer {
  const parts: Buffer[] = [XERIAL_HEADER];
  for (let at = 0; at < input.length; at += XERIAL_BLOCK_BYTES) {
    const block = codec.compress(input.subarray(at, Math.min(input.length, at + XERIAL_BLOCK_BYTES)));
    const length = Buffer.allocUnsafe(4);
    length.writeInt32BE(block.length);
    parts.push(length, block);
  }
  return Buffer.concat(parts);
}

/**
 *     magic 8 bytes | version int32 | compatible version int32 | (length int32 | raw block)*
 *
 * Streams that were joined repeat the header between blocks.
 */
function uncompressXerial(codec: BlockCodec, input: Buffer, maxOutputBytes: number): Buffer {
  if (input.length < XERIAL_HEADER.length) throw corrupt('snappy', 'the stream header is cut off');
  const output = new OutputBuffer('snappy', input.length * 2, maxOutputBytes);
  let position = XERIAL_HEADER.length;
  while (position < input.length) {
    if (position + 4 > input.length) throw corrupt('snappy', 'the length of a block is cut off');
    const length = input.readInt32BE(position);
    if (length === XERIAL_MAGIC_INT32) {
      position += XERIAL_HEADER.length;
      if (position > input.length) throw corrupt('snappy', 'the stream header is cut off');
      continue;
    }
    position += 4;
    if (length < 0 || length > input.length - position) throw corrupt('snappy', 'a block is cut off');
    const block = uncompressBlock(codec, input.subarray(position, position + length), output);
    position += length;
    if (position === input.length && output.size === 0) return block;
    output.append(block);
  }
  return output.result();
}

function snappyWith(codec: BlockCodec): CodecImplementation {
  return {
    compress: input => compressXerial(codec, input),
    decompress: (input, maxOutputBytes) =>
      input.length >= XERIAL_MAGIC.length && XERIAL_MAGIC.compare(input, 0, XERIAL_MAGIC.length) === 0
        ? uncompressXerial(codec, input, maxOutputBytes)
        : uncompressBlock(codec, input, new OutputBuffer('snappy', 0, maxOutputBytes)),
  };
}

/**
 * Snappy writes the framing of xerial's snappy-java, which all Kafka clients read, and reads both that and one raw
 * block, which librdkafka writes. There are no levels.
 */
export const portableSnappy: CodecImplementation = snappyWith(portableBlocks);

/** `undefined` where there is no binary for this platform. */
export function loadNativeSnappy(): CodecImplementation | undefined {
  const native = optionalModule<NativeSnappy>('snappy');
  return native === undefined ? undefined : snappyWith(nativeBlocks(native));
}
