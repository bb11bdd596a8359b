import { type ByteReader, MalformedError } from '../base/byte-reader.ts';
import { ByteWriter } from '../base/byte-writer.ts';

/** A value that the chosen version of a message has no field for. */
export class UnsupportedFieldError extends Error {
  constructor(path: string, version: number) {
    super(`${path} holds a value that version ${version} cannot carry`);
    this.name = 'UnsupportedFieldError';
  }
}

const ARRAY_MAX_COUNT = 1_000_000;
const TAGGED_FIELDS_MAX_COUNT = 10_000;
const STRING_MAX_BYTES = 0x7fff;

function noNull(path: string): never {
  throw new MalformedError(`${path} is null, which it may not be`);
}

function checkedSize(reader: ByteReader, size: number, path: string): number {
  if (size > reader.remaining)
    throw new MalformedError(`${path} claims ${size} bytes, ${reader.remaining} are left`);
  return size;
}

function checkedCount(reader: ByteReader, count: number, elementMinBytes: number, path: string): number {
  if (count > ARRAY_MAX_COUNT || count * elementMinBytes > reader.remaining) {
    throw new MalformedError(`${path} claims ${count} elements, ${reader.remaining} bytes are left`);
  }
  return count;
}

/** What compiled decoders call. Lengths of -1 stand for null. */
export const decodeSupport = {
  noNull,

  stringSize(reader: ByteReader, path: string): number {
    const size = reader.int16();
    if (size < -1) throw new MalformedError(`${path} has length ${size}`);
    return size;
  },

  compactStringSize(reader: ByteReader, path: string): number {
    const size = reader.uvarint() - 1;
    if (size > STRING_MAX_BYTES) throw new MalformedError(`${path} has length ${size}`);
    return size;
  },

  bytesSize(reader: ByteReader, path: string): number {
    const size = reader.int32();
    if (size < -1) throw new MalformedError(`${path} has length ${size}`);
    return checkedSize(reader, size, path);
  },

  compactBytesSize(reader: ByteReader, path: string): number {
    return checkedSize(reader, reader.uvarint() - 1, path);
  },

  count(reader: ByteReader, elementMinBytes: number, path: string): number {
    const count = reader.int32();
    if (count < -1) throw new MalformedError(`${path} has ${count} elements`);
    return checkedCount(reader, count, elementMinBytes, path);
  },

  compactCount(reader: ByteReader, elementMinBytes: number, path: string): number {
    return checkedCount(reader, reader.uvarint() - 1, elementMinBytes, path);
  },

  tagCount(reader: ByteReader, path: string): number {
    const count = reader.uvarint();
    if (count > TAGGED_FIELDS_MAX_COUNT) throw new MalformedError(`${path} has ${count} tagged fields`);
    return checkedCount(reader, count, 2, path);
  },

  tagSize(reader: ByteReader, path: string): number {
    return checkedSize(reader, reader.uvarint(), path);
  },

  tagEnd(reader: ByteReader, end: number, path: string): void {
    if (reader.position !== end) throw new MalformedError(`${path} does not fill its tagged field`);
  },

  skipTags(reader: ByteReader, path: string): void {
    for (let left = decodeSupport.tagCount(reader, path); left > 0; left--) {
      reader.uvarint();
      reader.skip(decodeSupport.tagSize(reader, path));
    }
  },
};

function noNullValue(path: string): never {
  throw new TypeError(`${path} may not be null in this version`);
}

function recordsSize(records: Buffer | readonly Buffer[]): number {
  if (Buffer.isBuffer(records)) return records.length;
  let size = 0;
  for (const part of records) size += part.length;
  return size;
}

function putRecords(writer: ByteWriter, records: Buffer | readonly Buffer[]): void {
  if (Buffer.isBuffer(records)) writer.chunk(records);
  else for (const part of records) writer.chunk(part);
}

/** What compiled encoders call. */
export const encodeSupport = {
  noNullValue,

  string(writer: ByteWriter, text: string): void {
    const size = Buffer.byteLength(text);
    writer.int16(size);
    writer.utf8(text, size);
  },

  compactString(writer: ByteWriter, text: string): void {
    const size = Buffer.byteLength(text);
    writer.uvarint(size + 1);
    writer.utf8(text, size);
  },

  bytes(writer: ByteWriter, bytes: Buffer): void {
    writer.int32(bytes.length);
    writer.chunk(bytes);
  },

  compactBytes(writer: ByteWriter, bytes: Buffer): void {
    writer.uvarint(bytes.length + 1);
    writer.chunk(bytes);
  },

  records(writer: ByteWriter, records: Buffer | readonly Buffer[]): void {
    writer.int32(recordsSize(records));
    putRecords(writer, records);
  },

  compactRecords(writer: ByteWriter, records: Buffer | readonly Buffer[]): void {
    writer.uvarint(recordsSize(records) + 1);
    putRecords(writer, records);
  },

  tagged(writer: ByteWriter, tag: number, encode: (field: ByteWriter) => void): void {
    const field = new ByteWriter(32);
    encode(field);
    writer.uvarint(tag);
    writer.uvarint(field.size);
    for (const chunk of field.chunks()) writer.chunk(chunk);
  },

  unsupported(path: string, version: number): never {
    throw new UnsupportedFieldError(path, version);
  },
};
