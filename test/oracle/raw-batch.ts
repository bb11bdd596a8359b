import { gzipSync } from 'node:zlib';

/**
 * Record batches (v2) and message sets (v0, v1) built byte by byte, good ones and bad ones. Written apart from
 * `src/record/`, so that a mistake there is not repeated here.
 */
export interface BatchOptions {
  readonly records?: readonly RawRecord[];
  readonly attributes?: number;
  readonly magic?: number;
  readonly baseTimestamp?: number;
  readonly maxTimestamp?: number;
  readonly producerId?: number;
  readonly producerEpoch?: number;
  readonly baseSequence?: number;
  /** Instead of what the records say. */
  readonly count?: number;
  readonly lastOffsetDelta?: number;
  readonly gzip?: boolean;
  /** Added to the CRC, which then is wrong. */
  readonly crcDelta?: number;
  readonly baseOffset?: number;
}

export interface RawRecord {
  readonly key?: string | null;
  readonly value?: string | null;
  readonly timestampDelta?: number;
  readonly offsetDelta?: number;
  readonly headers?: readonly (readonly [string, string | null])[];
}

const CRC32C = makeTable(0x82f63b78);
const CRC32 = makeTable(0xedb88320);

function makeTable(polynomial: number): Uint32Array {
  return Uint32Array.from({ length: 256 }, (_, byte) => {
    let value = byte;
    for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ polynomial : value >>> 1;
    return value >>> 0;
  });
}

function crc(table: Uint32Array, bytes: Uint8Array): number {
  let value = 0xffffffff;
  for (const byte of bytes) value = (value >>> 8) ^ (table[(value ^ byte) & 0xff] ?? 0);
  return (value ^ 0xffffffff) >>> 0;
}

function varint(value: number): Buffer {
  // Zigzag by arithmetic: timestamps and offsets here stay far below 2^53.
  let rest = value < 0 ? -2 * value - 1 : 2 * value;
  const bytes: number[] = [];
  while (rest >= 0x80) {
    bytes.push((rest % 0x80) | 0x80);
    rest = Math.floor(rest / 0x80);
  }
  bytes.push(rest);
  return Buffer.from(bytes);
}

function field(text: string | null | undefined): Buffer {
  if (text === null || text === undefined) return varint(-1);
  const bytes = Buffer.from(text);
  return Buffer.concat([varint(bytes.length), bytes]);
}

function rawRecord(record: RawRecord, index: number): Buffer {
  const headers = record.headers ?? [];
  const body = Buffer.concat([
    Buffer.from([0]),
    varint(record.timestampDelta ?? 0),
    varint(record.offsetDelta ?? index),
    field(record.key),
    field(record.value === undefined ? `value-${index}` : record.value),
    varint(headers.length),
    ...headers.flatMap(([name, value]) => [field(name), field(value)]),
  ]);
  return Buffer.concat([varint(body.length), body]);
}

/** A fixed time of this run, so that both brokers get the same bytes. */
export const BATCH_TIME: number = Date.now() - 60_000;

/** One batch of format v2. */
export function batch(options: BatchOptions = {}): Buffer {
  const records = options.records ?? [{}, {}, {}];
  const plain = Buffer.concat(records.map(rawRecord));
  const payload = options.gzip === true ? gzipSync(plain) : plain;
  const header = Buffer.alloc(61);
  const baseTimestamp = options.baseTimestamp ?? BATCH_TIME;
  const maxDelta = Math.max(0, ...records.map(record => record.timestampDelta ?? 0));
  header.writeBigInt64BE(BigInt(options.baseOffset ?? 0), 0);
  header.writeInt32BE(49 + payload.length, 8);
  header.writeInt32BE(-1, 12);
  header.writeInt8(options.magic ?? 2, 16);
  header.writeInt16BE((options.attributes ?? 0) | (options.gzip === true ? 1 : 0), 21);
  header.writeInt32BE(options.lastOffsetDelta ?? records.length - 1, 23);
  header.writeBigInt64BE(BigInt(baseTimestamp), 27);
  header.writeBigInt64BE(BigInt(options.maxTimestamp ?? baseTimestamp + maxDelta), 35);
  header.writeBigInt64BE(BigInt(options.producerId ?? -1), 43);
  header.writeInt16BE(options.producerEpoch ?? -1, 51);
  header.writeInt32BE(options.baseSequence ?? -1, 53);
  header.writeInt32BE(options.count ?? records.length, 57);
  const whole = Buffer.concat([header, payload]);
  whole.writeUInt32BE((crc(CRC32C, whole.subarray(21)) + (options.crcDelta ?? 0)) >>> 0, 17);
  return whole;
}

/** One message of format v0 or v1 with its offset and size. */
export function oldMessage(magic: 0 | 1, offset: number, key: string | null, value: string | null): Buffer {
  const bytes = (text: string | null) => {
    const size = Buffer.alloc(4);
    if (text === null) {
      size.writeInt32BE(-1);
      return size;
    }
    size.writeInt32BE(Buffer.byteLength(text));
    return Buffer.concat([size, Buffer.from(text)]);
  };
  const timestamp = Buffer.alloc(magic === 1 ? 8 : 0);
  if (magic === 1) timestamp.writeBigInt64BE(BigInt(BATCH_TIME));
  const body = Buffer.concat([Buffer.from([magic, 0]), timestamp, bytes(key), bytes(value)]);
  const head = Buffer.alloc(16);
  head.writeBigInt64BE(BigInt(offset), 0);
  head.writeInt32BE(4 + body.length, 8);
  head.writeUInt32BE(crc(CRC32, body), 12);
  return Buffer.concat([head, body]);
}
