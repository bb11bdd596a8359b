import type { Flavor } from './flavor.ts';

/**
 * A signed 64-bit integer in canonical form: a `number` if it is a safe integer, else a `bigint`.
 *
 * Offsets, timestamps and producer ids are 64 bits on the wire. Nearly all of them are safe integers, for which a
 * `number` costs nothing; the rest must stay exact. With the canonical form `===`, `<`, `>` and `Map` keys work
 * across both. `+` and `-` do not: the compiler refuses them, use {@link add64} and {@link diff64}.
 */
export type Int64 = number | bigint;

/** An offset in a partition. */
export type Offset = Flavor<Int64, 'Offset'>;
/** Milliseconds since the epoch, or -1 for none. */
export type Timestamp = Flavor<Int64, 'Timestamp'>;
export type ProducerId = Flavor<Int64, 'ProducerId'>;
export type BrokerEpoch = Flavor<Int64, 'BrokerEpoch'>;
export type LeaderEpoch = Flavor<number, 'LeaderEpoch'>;

const TWO_32 = 0x1_0000_0000;
const HI_SAFE_MAX = 0x1f_ffff;
const HI_SAFE_MIN = -0x20_0000;

export const INT64_MAX = (1n << 63n) - 1n;
export const INT64_MIN = -(1n << 63n);

/** Joins the two halves of a two's-complement 64-bit integer: `hi` signed, `lo` unsigned. */
export function int64FromHalves(hi: number, lo: number): Int64 {
  if (hi <= HI_SAFE_MAX && (hi > HI_SAFE_MIN || (hi === HI_SAFE_MIN && lo !== 0))) return hi * TWO_32 + lo;
  return (BigInt(hi) << 32n) | BigInt(lo);
}

/** The canonical form of `value`. Throws `RangeError` outside the 64-bit range or for a fraction. */
export function toInt64(value: number | bigint): Int64 {
  if (typeof value === 'number') {
    if (Number.isSafeInteger(value)) return value;
    value = BigInt(value);
  }
  if (value >= -9007199254740991n && value <= 9007199254740991n) return Number(value);
  if (value > INT64_MAX || value < INT64_MIN) throw new RangeError(`${value} is not a 64-bit integer`);
  return value;
}

/** `a + b`. Throws `RangeError` on overflow of 64 bits. */
export function add64(a: Int64, b: Int64): Int64 {
  if (typeof a === 'number' && typeof b === 'number') {
    const sum = a + b;
    if (Number.isSafeInteger(sum)) return sum;
  }
  return toInt64(BigInt(a) + BigInt(b));
}

/** `a - b`, exact. */
export function sub64(a: Int64, b: Int64): Int64 {
  if (typeof a === 'number' && typeof b === 'number') {
    const difference = a - b;
    if (Number.isSafeInteger(difference)) return difference;
  }
  return toInt64(BigInt(a) - BigInt(b));
}

/**
 * `a - b` as a `number`, for distances that are small by construction (a relative offset, an age). A distance that is
 * not a safe integer comes back rounded, which keeps comparisons with small bounds right.
 */
export function diff64(a: Int64, b: Int64): number {
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  return Number(BigInt(a) - BigInt(b));
}

export function max64<T extends Int64>(a: T, b: T): T {
  return a >= b ? a : b;
}

export function min64<T extends Int64>(a: T, b: T): T {
  return a <= b ? a : b;
}

export function compare64(a: Int64, b: Int64): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Reads a big-endian signed 64-bit integer. The caller has checked that 8 bytes are there. */
export function readInt64(buffer: Buffer, position: number): Int64 {
  return int64FromHalves(buffer.readInt32BE(position), buffer.readUInt32BE(position + 4));
}

/** Writes a big-endian signed 64-bit integer. */
export function writeInt64(buffer: Buffer, position: number, value: Int64): void {
  if (typeof value === 'number') {
    const hi = Math.floor(value / TWO_32);
    buffer.writeInt32BE(hi, position);
    buffer.writeUInt32BE(value - hi * TWO_32, position + 4);
  } else {
    buffer.writeBigInt64BE(value, position);
  }
}

/** Parses a decimal 64-bit integer; `undefined` if `text` is not one. */
export function parseInt64(text: string): Int64 | undefined {
  if (!/^[+-]?\d{1,20}$/.test(text)) return undefined;
  const value = BigInt(text.startsWith('+') ? text.slice(1) : text);
  return value > INT64_MAX || value < INT64_MIN ? undefined : toInt64(value);
}
