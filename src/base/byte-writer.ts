import { type Int64, writeInt64 } from './int64.ts';
import { type Uuid, uuidToBytes } from './uuid.ts';

const TWO_32 = 0x1_0000_0000;
/** Larger byte strings are referenced, not copied, by {@link ByteWriter.chunk}. */
const REFERENCE_MIN_BYTES = 4096;

/**
 * Writes big-endian values into a list of chunks. Small values go into a growing buffer; large byte strings (record
 * data) are kept by reference, so that a response leaves as one gathered write without a copy of its records.
 */
export class ByteWriter {
  private done: Buffer[] = [];
  private doneBytes = 0;
  private buffer: Buffer;
  private start = 0;
  private next = 0;

  constructor(sizeHint = 256) {
    this.buffer = Buffer.allocUnsafeSlow(Math.max(16, sizeHint));
  }

  /** Bytes written so far. */
  get size(): number {
    return this.doneBytes + this.next - this.start;
  }

  /** Makes room for `size` bytes in the current buffer and returns where they start. */
  private reserve(size: number): number {
    const at = this.next;
    const end = at + size;
    if (end > this.buffer.length) return this.grow(size);
    this.next = end;
    return at;
  }

  private grow(size: number): number {
    const used = this.next - this.start;
    const larger = Buffer.allocUnsafeSlow(Math.max((used + size) * 2, 64));
    this.buffer.copy(larger, 0, this.start, this.next);
    this.buffer = larger;
    this.start = 0;
    this.next = used + size;
    return used;
  }

  int8(value: number): void {
    const at = this.reserve(1);
    this.buffer[at] = value;
  }

  bool(value: boolean): void {
    const at = this.reserve(1);
    this.buffer[at] = value ? 1 : 0;
  }

  int16(value: number): void {
    const at = this.reserve(2);
    this.buffer.writeInt16BE(value, at);
  }

  uint16(value: number): void {
    const at = this.reserve(2);
    this.buffer.writeUInt16BE(value, at);
  }

  int32(value: number): void {
    const at = this.reserve(4);
    this.buffer.writeInt32BE(value, at);
  }

  uint32(value: number): void {
    const at = this.reserve(4);
    this.buffer.writeUInt32BE(value, at);
  }

  int64(value: Int64): void {
    const at = this.reserve(8);
    writeInt64(this.buffer, at, value);
  }

  float64(value: number): void {
    const at = this.reserve(8);
    this.buffer.writeDoubleBE(value, at);
  }

  uuid(value: Uuid): void {
    const bytes = uuidToBytes(value);
    const at = this.reserve(16);
    bytes.copy(this.buffer, at);
  }

  /** `value` is an unsigned integer below 2^32. */
  uvarint(value: number): void {
    if (value < 0x80) {
      const at = this.reserve(1);
      this.buffer[at] = value;
      return;
    }
    let rest = value >>> 0;
    while (rest >= 0x80) {
      const at = this.reserve(1);
      this.buffer[at] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    const at = this.reserve(1);
    this.buffer[at] = rest;
  }

  /** Zigzag; `value` is a signed 32-bit integer. */
  varint(value: number): void {
    this.uvarint(((value << 1) ^ (value >> 31)) >>> 0);
  }

  /** Zigzag, 64 bits. */
  varlong(value: Int64): void {
    if (typeof value === 'number' && value >= -0x4000_0000 && value < 0x4000_0000) {
      this.varint(value);
      return;
    }
    const wide = BigInt(value);
    let rest = BigInt.asUintN(64, (wide << 1n) ^ (wide >> 63n));
    while (rest >= 0x80n) {
      this.int8(Number(rest & 0x7fn) | 0x80);
      rest >>= 7n;
    }
    this.int8(Number(rest));
  }

  /** UTF-8 bytes without a length. `size` is `Buffer.byteLength(text)`. */
  utf8(text: string, size: number): void {
    const at = this.reserve(size);
    this.buffer.write(text, at, size, 'utf8');
  }

  /** Copies `bytes`. */
  bytes(bytes: Uint8Array): void {
    const at = this.reserve(bytes.length);
    this.buffer.set(bytes, at);
  }

  /** Appends `bytes` by reference when it is large: the caller no longer changes it. */
  chunk(bytes: Buffer): void {
    if (bytes.length < REFERENCE_MIN_BYTES) {
      this.bytes(bytes);
      return;
    }
    this.seal();
    this.done.push(bytes);
    this.doneBytes += bytes.length;
  }

  /** Overwrites the 4 bytes at `position` of the output, which must still be in its first chunk. */
  patchInt32(position: number, value: number): void {
    const first = this.done[0];
    if (first !== undefined) first.writeInt32BE(value, position);
    else this.buffer.writeInt32BE(value, this.start + position);
  }

  private seal(): void {
    if (this.next > this.start) {
      this.done.push(this.buffer.subarray(this.start, this.next));
      this.doneBytes += this.next - this.start;
      this.start = this.next;
    }
  }

  /** All bytes written, in order, as few chunks. The writer may not be used afterwards. */
  chunks(): Buffer[] {
    this.seal();
    return this.done;
  }

  /** All bytes written as one buffer. The writer may not be used afterwards. */
  concat(): Buffer {
    const chunks = this.chunks();
    return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, this.doneBytes);
  }
}

/** The size of `value` as an unsigned varint. */
export function uvarintSize(value: number): number {
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  if (value < 0x20_0000) return 3;
  if (value < 0x1000_0000) return 4;
  return 5;
}

/** The size of `value` as a zigzag varint of 32 bits. */
export function varintSize(value: number): number {
  return uvarintSize(((value << 1) ^ (value >> 31)) >>> 0);
}

/** The size of `value` as a zigzag varint of 64 bits. */
export function varlongSize(value: Int64): number {
  if (typeof value === 'number' && value >= -0x4000_0000 && value < 0x4000_0000) return varintSize(value);
  const wide = BigInt(value);
  let rest = BigInt.asUintN(64, (wide << 1n) ^ (wide >> 63n));
  if (rest < BigInt(TWO_32) && rest < 0x8_0000_0000n) return uvarintSize(Number(rest));
  let size = 1;
  while (rest >= 0x80n) {
    size++;
    rest >>= 7n;
  }
  return size;
}
