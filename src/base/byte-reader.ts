import { int64FromHalves, type Int64 } from './int64.ts';
import { ZERO_UUID, type Uuid, uuidFromBytes } from './uuid.ts';

/** Bytes that do not say what they should: too short, a length that lies, a varint without an end. */
export class MalformedError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'MalformedError';
  }
}

/**
 * Reads big-endian values from a range of a buffer. Every read is checked against the range and throws
 * {@link MalformedError} past its end; nothing is allocated for a length before that many bytes are known to be there.
 */
export class ByteReader {
  readonly buffer: Buffer;
  /** The index of the next byte. */
  position: number;
  /** Exclusive. */
  readonly end: number;

  constructor(buffer: Buffer, start = 0, end: number = buffer.length) {
    this.buffer = buffer;
    this.position = start;
    this.end = end;
  }

  get remaining(): number {
    return this.end - this.position;
  }

  /** Moves over `size` bytes and returns where they start. */
  skip(size: number): number {
    const start = this.position;
    if (size < 0 || size > this.end - start)
      throw new MalformedError(`${size} bytes wanted, ${this.end - start} left`);
    this.position = start + size;
    return start;
  }

  int8(): number {
    return this.buffer.readInt8(this.skip(1));
  }

  bool(): boolean {
    return this.buffer[this.skip(1)] !== 0;
  }

  int16(): number {
    return this.buffer.readInt16BE(this.skip(2));
  }

  uint16(): number {
    return this.buffer.readUInt16BE(this.skip(2));
  }

  int32(): number {
    return this.buffer.readInt32BE(this.skip(4));
  }

  uint32(): number {
    return this.buffer.readUInt32BE(this.skip(4));
  }

  int64(): Int64 {
    const start = this.skip(8);
    return int64FromHalves(this.buffer.readInt32BE(start), this.buffer.readUInt32BE(start + 4));
  }

  float64(): number {
    return this.buffer.readDoubleBE(this.skip(8));
  }

  uuid(): Uuid {
    const start = this.skip(16);
    const { buffer } = this;
    if (
      buffer.readUInt32BE(start) === 0 &&
      buffer.readUInt32BE(start + 4) === 0 &&
      buffer.readUInt32BE(start + 8) === 0 &&
      buffer.readUInt32BE(start + 12) === 0
    ) {
      return ZERO_UUID;
    }
    return uuidFromBytes(buffer, start);
  }

  /** An unsigned varint of at most 5 bytes that fits in 32 bits. */
  uvarint(): number {
    const { buffer } = this;
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = buffer[this.skip(1)]!;
      if (shift === 28) {
        if (byte > 0x0f) break;
        return value + byte * 0x1000_0000;
      }
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    throw new MalformedError('a varint is longer than 5 bytes');
  }

  /** A zigzag varint of at most 5 bytes. */
  varint(): number {
    const raw = this.uvarint();
    return (raw >>> 1) ^ -(raw & 1);
  }

  /** A zigzag varint of at most 10 bytes. */
  varlong(): Int64 {
    const { buffer } = this;
    let low = 0;
    for (let shift = 0; shift < 28; shift += 7) {
      const byte = buffer[this.skip(1)]!;
      low |= (byte & 0x7f) << shift;
      if (byte < 0x80) return (low >>> 1) ^ -(low & 1);
    }
    let raw = BigInt(low);
    for (let shift = 28n; shift < 70n; shift += 7n) {
      const byte = buffer[this.skip(1)]!;
      if (shift === 63n && byte > 1) break;
      raw |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) {
        const value = (raw >> 1n) ^ -(raw & 1n);
        return value >= -9007199254740991n && value <= 9007199254740991n ? Number(value) : value;
      }
    }
    throw new MalformedError('a varint is longer than 10 bytes');
  }

  /** `size` bytes as UTF-8. */
  utf8(size: number): string {
    const start = this.skip(size);
    return this.buffer.toString('utf8', start, start + size);
  }

  /** A view of `size` bytes: it shares memory with the buffer and keeps it alive. */
  view(size: number): Buffer {
    const start = this.skip(size);
    return this.buffer.subarray(start, start + size);
  }
}
