import { MalformedError } from '../base/byte-reader.ts';
import { type Int64, toInt64 } from '../base/int64.ts';
import { NO_HEADERS, type RecordHeader } from './record.ts';

/**
 * Walks over the records of a v2 batch (uncompressed bytes) without an allocation per record: after {@link next} the
 * fields tell where the parts of the current record lie. Every length is checked against the bytes that are left, and
 * the parts must fill the record's declared length exactly; anything else throws `MalformedError`.
 *
 *     length varint | attributes int8 | timestampDelta varlong | offsetDelta varint
 *     keyLength varint, key | valueLength varint, value | headerCount varint, headers
 *     header: keyLength varint, key | valueLength varint, value
 */
export class RecordCursor {
  readonly buffer: Buffer;
  /** The index after the last record read; where the next one starts. */
  position: number;
  /** Exclusive. */
  readonly end: number;

  /** Where the current record starts, its length varint included. */
  start = 0;
  timestampDelta: Int64 = 0;
  /**
   * Where the offset delta of the current record starts: from there on nothing depends on the batch's base timestamp.
   */
  offsetDeltaStart = 0;
  offsetDelta = 0;
  keyStart = 0;
  /** -1 for a null key. */
  keyLength = -1;
  valueStart = 0;
  /** -1 for a null value. */
  valueLength = -1;
  headerCount = 0;
  /** Where the first header starts. */
  headersStart = 0;

  constructor(buffer: Buffer, start = 0, end: number = buffer.length) {
    this.buffer = buffer;
    this.position = start;
    this.end = end;
  }

  get done(): boolean {
    return this.position >= this.end;
  }

  /** Moves to the next record. */
  next(): void {
    const { buffer, end } = this;
    this.start = this.position;
    const size = this.varint(end);
    const recordEnd = this.position + size;
    // 6: attributes, the two deltas, the two lengths and the header count take a byte each at least
    if (size < 6 || recordEnd > end) {
      throw new MalformedError(
        `a record declares ${size} bytes, ${end - this.position} are left in the batch`,
      );
    }
    this.position++;
    const byte = buffer[this.position]!;
    if (byte < 0x80) {
      this.position++;
      this.timestampDelta = (byte >>> 1) ^ -(byte & 1);
    } else {
      this.timestampDelta = this.varlong(recordEnd);
    }
    this.offsetDeltaStart = this.position;
    this.offsetDelta = this.varint(recordEnd);
    this.keyLength = this.varint(recordEnd);
    this.keyStart = this.position;
    this.skip(this.keyLength, recordEnd, 'key');
    this.valueLength = this.varint(recordEnd);
    this.valueStart = this.position;
    this.skip(this.valueLength, recordEnd, 'value');
    this.headerCount = this.varint(recordEnd);
    this.headersStart = this.position;
    if (this.headerCount !== 0) this.skipHeaders(recordEnd);
    if (this.position !== recordEnd) {
      throw new MalformedError(
        `a record declares ${size} bytes, its parts fill ${size + this.position - recordEnd}`,
      );
    }
  }

  private skipHeaders(recordEnd: number): void {
    const count = this.headerCount;
    if (count < 0) throw new MalformedError(`a record declares ${count} headers`);
    // a header takes two bytes at least
    if (count * 2 > recordEnd - this.position) {
      throw new MalformedError(
        `a record declares ${count} headers, ${recordEnd - this.position} bytes are left in it`,
      );
    }
    for (let i = 0; i < count; i++) {
      const keyLength = this.varint(recordEnd);
      if (keyLength < 0) throw new MalformedError(`a header's key has length ${keyLength}`);
      this.skip(keyLength, recordEnd, 'header key');
      this.skip(this.varint(recordEnd), recordEnd, 'header value');
    }
  }

  /** Negative lengths stand for null, as the Java client reads them. */
  private skip(size: number, recordEnd: number, what: string): void {
    if (size <= 0) return;
    if (size > recordEnd - this.position) {
      throw new MalformedError(
        `a record's ${what} declares ${size} bytes, ${recordEnd - this.position} are left in it`,
      );
    }
    this.position += size;
  }

  private varint(limit: number): number {
    const { buffer } = this;
    let at = this.position;
    if (at < limit) {
      const first = buffer[at]!;
      if (first < 0x80) {
        this.position = at + 1;
        return (first >>> 1) ^ -(first & 1);
      }
    }
    let raw = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      if (at >= limit) throw new MalformedError('a varint runs past the end of its record');
      const byte = buffer[at++]!;
      raw |= (byte & 0x7f) << shift;
      if (byte < 0x80) {
        if (shift === 28 && byte > 0x0f) break;
        this.position = at;
        return (raw >>> 1) ^ -(raw & 1);
      }
    }
    throw new MalformedError('a varint is longer than 5 bytes');
  }

  private varlong(limit: number): Int64 {
    const { buffer } = this;
    let at = this.position;
    let low = 0;
    // 49 bits fit a number exactly: milliseconds over 8,900 years
    let factor = 1;
    for (let i = 0; i < 7; i++) {
      if (at >= limit) throw new MalformedError('a varint runs past the end of its record');
      const byte = buffer[at++]!;
      low += (byte & 0x7f) * factor;
      factor *= 0x80;
      if (byte < 0x80) {
        this.position = at;
        return (low & 1) === 0 ? low / 2 : -(low + 1) / 2;
      }
    }
    let raw = BigInt(low);
    for (let shift = 49n; shift < 70n; shift += 7n) {
      if (at >= limit) throw new MalformedError('a varint runs past the end of its record');
      const byte = buffer[at++]!;
      if (shift === 63n && byte > 1) break;
      raw |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) {
        this.position = at;
        return toInt64((raw >> 1n) ^ -(raw & 1n));
      }
    }
    throw new MalformedError('a varint is longer than 10 bytes');
  }

  /** A view of the current record's key. */
  key(): Buffer | null {
    if (this.keyLength < 0) return null;
    return this.buffer.subarray(this.keyStart, this.keyStart + this.keyLength);
  }

  /** A view of the current record's value. */
  value(): Buffer | null {
    if (this.valueLength < 0) return null;
    return this.buffer.subarray(this.valueStart, this.valueStart + this.valueLength);
  }

  /** The current record's headers; their values are views. */
  headers(): readonly RecordHeader[] {
    if (this.headerCount === 0) return NO_HEADERS;
    const recordEnd = this.position;
    this.position = this.headersStart;
    const headers: RecordHeader[] = [];
    for (let i = 0; i < this.headerCount; i++) {
      const keyLength = this.varint(recordEnd);
      const keyStart = this.position;
      this.position += keyLength;
      const key = this.buffer.toString('utf8', keyStart, this.position);
      const valueLength = this.varint(recordEnd);
      const valueStart = this.position;
      if (valueLength > 0) this.position += valueLength;
      headers.push({ key, value: valueLength < 0 ? null : this.buffer.subarray(valueStart, this.position) });
    }
    return headers;
  }
}
