import type { RecordCursor } from './record-cursor.ts';

/** What a look at all records of a batch has found. */
export interface RecordScan {
  /** Of the record with the latest timestamp. */
  maxTimestampDelta: number;
  minTimestampDelta: number;
  /** Some record has no key. */
  nullKeys: boolean;
}

/** A timestamp delta of more bytes is left to the cursor: 49 bits are exact in a number and fit all but odd batches. */
const DELTA_BYTES_MAX = 7;

/**
 * Looks at `count` records from the cursor's position to its end, as fast as it goes: this runs for every record that
 * is produced. Fills `scan` and returns true if the records are well formed, are as many as they should be, and have
 * the offset deltas 0, 1, 2, ... Returns false for anything else, also for what is rare but right: then walk with the
 * cursor, which this function leaves where it is, and find out what it is.
 */
export function scanRecords(cursor: RecordCursor, count: number, scan: RecordScan): boolean {
  const { buffer, end } = cursor;
  let position = cursor.position;
  let maxDelta = Number.NEGATIVE_INFINITY;
  let minDelta = Number.POSITIVE_INFINITY;
  let nullKeys = false;
  // Reads past the end give undefined, which turns into 0 in the arithmetic: the last check of each round sees it.
  // The varints are read in place, of one and two bytes first: a function for them took twice the time.
  for (let index = 0; index < count; index++) {
    let byte = buffer[position++]!;
    let raw = byte;
    if (byte >= 0x80) {
      byte = buffer[position++]!;
      raw = (raw & 0x7f) | ((byte & 0x7f) << 7);
      for (let shift = 14; byte >= 0x80; shift += 7) {
        if (shift > 21) return false;
        byte = buffer[position++]!;
        raw |= (byte & 0x7f) << shift;
      }
    }
    const recordEnd = position + (raw >>> 1);
    if ((raw & 1) !== 0 || recordEnd > end || recordEnd - position < 6) return false;

    // the attributes have no meaning yet
    byte = buffer[position + 1]!;
    position += 2;
    let delta = byte;
    if (byte >= 0x80) {
      delta &= 0x7f;
      for (let factor = 0x80, bytes = 1; byte >= 0x80; factor *= 0x80) {
        if (++bytes > DELTA_BYTES_MAX) return false;
        byte = buffer[position++]!;
        delta += (byte & 0x7f) * factor;
      }
    }
    delta = (delta & 1) === 0 ? delta / 2 : -(delta + 1) / 2;
    if (delta > maxDelta) maxDelta = delta;
    if (delta < minDelta) minDelta = delta;

    byte = buffer[position++]!;
    raw = byte;
    if (byte >= 0x80) {
      byte = buffer[position++]!;
      raw = (raw & 0x7f) | ((byte & 0x7f) << 7);
      for (let shift = 14; byte >= 0x80; shift += 7) {
        if (shift > 21) return false;
        byte = buffer[position++]!;
        raw |= (byte & 0x7f) << shift;
      }
    }
    if (raw !== index << 1) return false;

    byte = buffer[position++]!;
    raw = byte;
    if (byte >= 0x80) {
      byte = buffer[position++]!;
      raw = (raw & 0x7f) | ((byte & 0x7f) << 7);
      for (let shift = 14; byte >= 0x80; shift += 7) {
        if (shift > 21) return false;
        byte = buffer[position++]!;
        raw |= (byte & 0x7f) << shift;
      }
    }
    if ((raw & 1) === 0) position += raw >>> 1;
    else nullKeys = true;
    if (position >= recordEnd) return false;

    byte = buffer[position++]!;
    raw = byte;
    if (byte >= 0x80) {
      byte = buffer[position++]!;
      raw = (raw & 0x7f) | ((byte & 0x7f) << 7);
      for (let shift = 14; byte >= 0x80; shift += 7) {
        if (shift > 21) return false;
        byte = buffer[position++]!;
        raw |= (byte & 0x7f) << shift;
      }
    }
    if ((raw & 1) === 0) position += raw >>> 1;
    if (position >= recordEnd) return false;

    if (buffer[position] === 0) position++;
    else position = skipHeaders(buffer, position, recordEnd);
    if (position !== recordEnd) return false;
  }
  if (position !== end) return false;
  scan.maxTimestampDelta = maxDelta;
  scan.minTimestampDelta = minDelta;
  scan.nullKeys = nullKeys;
  return true;
}

/** Returns the position after the headers, or -1 where they are not plainly right. */
function skipHeaders(buffer: Buffer, start: number, recordEnd: number): number {
  let position = start;
  let parts = 1;
  for (let part = 0; part < parts; part++) {
    let byte = buffer[position++]!;
    let raw = byte & 0x7f;
    for (let shift = 7; byte >= 0x80; shift += 7) {
      if (shift > 21) return -1;
      byte = buffer[position++]!;
      raw |= (byte & 0x7f) << shift;
    }
    const negative = (raw & 1) !== 0;
    if (part === 0) {
      if (negative) return -1;
      // the raw value is twice the count: a header is a key and a value
      parts = raw + 1;
    } else if (!negative) {
      position += raw >>> 1;
    } else if ((part & 1) !== 0) {
      return -1;
    }
    if (position > recordEnd) return -1;
  }
  return position;
}
