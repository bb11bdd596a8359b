import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MalformedError } from '../../src/base/byte-reader.ts';
import type { RecordInput } from '../../src/record/record.ts';
import { RecordBatch } from '../../src/record/record-batch.ts';
import { RecordBatchBuilder } from '../../src/record/record-batch-builder.ts';
import type { RecordCursor } from '../../src/record/record-cursor.ts';
import { type RecordScan, scanRecords } from '../../src/record/record-scan.ts';

interface Walk extends RecordScan {
  sequential: boolean;
}

/** What the cursor, which takes nothing for granted, finds; `undefined` where it finds a fault. */
function walk(cursor: RecordCursor, count: number): Walk | undefined {
  const found: Walk = {
    maxTimestampDelta: Number.NEGATIVE_INFINITY,
    minTimestampDelta: Number.POSITIVE_INFINITY,
    nullKeys: false,
    sequential: true,
  };
  try {
    for (let index = 0; index < count; index++) {
      cursor.next();
      const delta = Number(cursor.timestampDelta);
      if (delta > found.maxTimestampDelta) found.maxTimestampDelta = delta;
      if (delta < found.minTimestampDelta) found.minTimestampDelta = delta;
      if (cursor.keyLength < 0) found.nullKeys = true;
      if (cursor.offsetDelta !== index) found.sequential = false;
    }
  } catch (error) {
    expect(error).toBeInstanceOf(MalformedError);
    return undefined;
  }
  return cursor.done ? found : undefined;
}

function scan(cursor: RecordCursor, count: number): RecordScan | undefined {
  const found = { maxTimestampDelta: 0, minTimestampDelta: 0, nullKeys: false };
  return scanRecords(cursor, count, found) ? found : undefined;
}

const bytes = (maxLength: number) =>
  fc.option(
    fc.uint8Array({ maxLength, size: 'max' }).map(array => Buffer.from(array)),
    { nil: null },
  );

const recordInput: fc.Arbitrary<RecordInput> = fc.record({
  timestamp: fc.oneof(fc.nat(100), fc.nat(), fc.maxSafeInteger()),
  key: bytes(20),
  value: fc.oneof(bytes(50), bytes(300), bytes(20_000)),
  headers: fc.array(fc.record({ key: fc.string({ maxLength: 70 }), value: bytes(70) }), { maxLength: 3 }),
});

function build(inputs: readonly RecordInput[]): Buffer {
  const builder = new RecordBatchBuilder();
  for (const input of inputs) builder.append(input);
  return builder.build();
}

describe('scanRecords', () => {
  it('finds what the cursor finds, and leaves only far apart timestamps to it', () => {
    fc.assert(
      fc.property(fc.array(recordInput, { minLength: 1, maxLength: 6 }), inputs => {
        const batch = new RecordBatch(build(inputs));
        const { sequential, ...expected } = walk(batch.cursor(), inputs.length)!;
        expect(sequential).toBe(true);
        const found = scan(batch.cursor(), inputs.length);
        const spread = Math.max(expected.maxTimestampDelta, -expected.minTimestampDelta);
        if (found === undefined) expect(spread).toBeGreaterThanOrEqual(2 ** 48);
        else expect(found).toEqual(expected);
      }),
      { numRuns: 200 },
    );
  });

  it('looks at more records than a byte or two of offset delta can count', () => {
    const inputs = Array.from({ length: 20_000 }, (_, i) => ({ timestamp: i, key: null, value: null }));
    const cursor = new RecordBatch(build(inputs)).cursor();
    expect(scan(cursor, 20_000)).toEqual({ maxTimestampDelta: 19_999, minTimestampDelta: 0, nullKeys: true });
    expect(scan(cursor, 19_999)).toBeUndefined();
    expect(scan(cursor, 20_001)).toBeUndefined();
  });

  it('accepts nothing that the cursor refuses, however bytes are changed', () => {
    const small = fc.record({
      timestamp: fc.nat(300),
      key: bytes(5),
      value: bytes(80),
      headers: fc.array(fc.record({ key: fc.string({ maxLength: 3 }), value: bytes(3) }), { maxLength: 2 }),
    });
    fc.assert(
      fc.property(
        fc.array(small, { minLength: 1, maxLength: 4 }),
        fc.array(fc.tuple(fc.nat(), fc.oneof(fc.nat(255), fc.constantFrom(0, 1, 2, 0x7f, 0x80, 0xff))), {
          minLength: 1,
          maxLength: 3,
        }),
        (inputs, changes) => {
          const buffer = build(inputs);
          for (const [at, value] of changes) buffer[61 + (at % (buffer.length - 61))] = value;
          const batch = new RecordBatch(buffer);
          const found = scan(batch.cursor(), inputs.length);
          const expected = walk(batch.cursor(), inputs.length);
          if (found !== undefined) expect({ ...found, sequential: true }).toEqual(expected);
        },
      ),
      { numRuns: 3000 },
    );
  });
});
