import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { MalformedError } from '../../src/base/byte-reader.ts';
import { toInt64 } from '../../src/base/int64.ts';
import { prepareCodecs } from '../../src/compression/codecs.ts';
import type { CompressionType } from '../../src/compression/compression-type.ts';
import type { RecordInput } from '../../src/record/record.ts';
import { batchesOf, RecordBatch } from '../../src/record/record-batch.ts';
import { emptyBatch, RecordBatchBuilder } from '../../src/record/record-batch-builder.ts';
import {
  GOLDEN_TIME,
  GOLDEN_WIDE,
  goldenRecords,
  largeRecords,
  plain,
  smallRecords,
} from './golden-records.ts';

const golden = goldenRecords('golden-records');
const CODECS = ['none', 'gzip', 'gzip9', 'snappy', 'lz4', 'lz4hc', 'zstd', 'zstd19'];
const TYPES = new Map<string, CompressionType>([
  ['none', 0],
  ['gzip', 1],
  ['gzip9', 1],
  ['snappy', 2],
  ['lz4', 3],
  ['lz4hc', 3],
  ['zstd', 4],
  ['zstd19', 4],
]);

beforeAll(prepareCodecs);

function batchOf(name: string): RecordBatch {
  return RecordBatch.at(golden.get(name)!, 0)!;
}

describe('batches that the Java client wrote', () => {
  for (const codec of CODECS) {
    it(`are read under ${codec}`, () => {
      const batch = batchOf(`v2-small-${codec}`);
      expect(batch.isValid()).toBe(true);
      expect(batch.compressionType).toBe(TYPES.get(codec));
      expect([batch.baseOffset, batch.lastOffset, batch.nextOffset, batch.count]).toEqual([100, 104, 105, 5]);
      expect([batch.baseTimestamp, batch.maxTimestamp]).toEqual([GOLDEN_TIME, GOLDEN_TIME + 70_000]);
      expect([...batch.records()].map(plain)).toEqual(smallRecords(true).map(plain));
      expect([...batch.records()].map(record => record.offset)).toEqual([100, 101, 102, 103, 104]);
    });
  }

  for (const codec of CODECS.slice(1)) {
    it(`are read over several blocks of ${codec}`, () => {
      const batch = batchOf(`v2-large-${codec}`);
      expect(batch.isValid()).toBe(true);
      expect([...batch.records()].map(plain)).toEqual(largeRecords().map(plain));
      expect(() => [...batch.records(10_000)]).toThrow(MalformedError);
    });
  }

  it('have the same bytes as ours where nothing is compressed', () => {
    const builder = new RecordBatchBuilder({ baseOffset: 100 });
    for (const record of smallRecords(true)) builder.append(record);
    expect(builder.build().toString('hex')).toBe(golden.get('v2-small-none')!.toString('hex'));
  });

  it('have the time of the append under LogAppendTime', () => {
    const batch = batchOf('v2-append-time');
    expect(batch.timestampType).toBe(1);
    expect(batch.maxTimestamp).toBe(GOLDEN_TIME + 500);
    expect([...batch.records()].every(record => record.timestamp === GOLDEN_TIME + 500)).toBe(true);
    const builder = new RecordBatchBuilder({
      baseOffset: 100,
      timestampType: 1,
      logAppendTime: GOLDEN_TIME + 500,
    });
    for (const record of smallRecords(true)) builder.append(record);
    expect(builder.build().toString('hex')).toBe(batch.buffer.toString('hex'));
  });

  it('keep offsets, timestamps and producer ids past 2^53 exact', () => {
    const batch = batchOf('v2-wide');
    expect(batch.isValid()).toBe(true);
    expect(batch.baseOffset).toBe(GOLDEN_WIDE);
    expect(batch.lastOffset).toBe(GOLDEN_WIDE + 3n);
    expect(batch.producerId).toBe(GOLDEN_WIDE + 2n);
    expect(batch.producerEpoch).toBe(32767);
    expect(batch.partitionLeaderEpoch).toBe(9);
    expect(batch.isTransactional).toBe(true);
    expect([batch.baseSequence, batch.lastSequence]).toEqual([2 ** 31 - 2, 1]);
    const records = [...batch.records()];
    expect(records.map(record => record.offset)).toEqual([0n, 1n, 2n, 3n].map(delta => GOLDEN_WIDE + delta));
    expect(records.map(record => record.timestamp)).toEqual([GOLDEN_WIDE, 2n ** 60n, 2n ** 63n - 1n, 3]);
    expect(records.map(record => record.sequence)).toEqual([2 ** 31 - 2, 2 ** 31 - 1, 0, 1]);
    const builder = new RecordBatchBuilder({
      baseOffset: GOLDEN_WIDE,
      producerId: GOLDEN_WIDE + 2n,
      producerEpoch: 32767,
      baseSequence: 2 ** 31 - 2,
      isTransactional: true,
      partitionLeaderEpoch: 9,
    });
    for (const record of records) builder.append(record);
    expect(builder.build().toString('hex')).toBe(batch.buffer.toString('hex'));
  });
});

const bytes = fc.uint8Array({ maxLength: 40 }).map(array => Buffer.from(array));
const nullableBytes = fc.option(bytes, { nil: null });
const int64 = fc.oneof(fc.integer(), fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })).map(toInt64);
const recordInput: fc.Arbitrary<RecordInput> = fc.record({
  timestamp: int64,
  key: nullableBytes,
  value: nullableBytes,
  headers: fc.array(fc.record({ key: fc.string({ unit: 'grapheme', maxLength: 5 }), value: nullableBytes }), {
    maxLength: 3,
  }),
});

describe('a built batch', () => {
  it('gives back its records, whatever they are, under every codec', () => {
    fc.assert(
      fc.property(
        fc.array(recordInput, { minLength: 1, maxLength: 8 }),
        fc.bigInt({ min: 0n, max: 2n ** 62n }).map(toInt64),
        fc.constantFrom<CompressionType>(0, 1, 2, 3, 4),
        (inputs, baseOffset, compression) => {
          const builder = new RecordBatchBuilder({ baseOffset, compression });
          for (const input of inputs) {
            const before = builder.sizeInBytes;
            const size = builder.sizeOf(input);
            builder.append(input);
            expect(builder.sizeInBytes).toBe(before + size);
          }
          const buffer = builder.build();
          const batch = RecordBatch.at(buffer, 0)!;
          expect(batch.sizeInBytes).toBe(buffer.length);
          expect(batch.isValid()).toBe(true);
          expect(batch.baseOffset).toBe(baseOffset);
          expect([...batch.records()].map(plain)).toEqual(inputs.map(plain));
        },
      ),
      { numRuns: 200 },
    );
  });

  it('keeps the offsets that records are appended at, and covers those up to the last offset given', () => {
    const builder = new RecordBatchBuilder({ baseOffset: 10 });
    builder.append({ timestamp: 1, key: null, value: null }, 12);
    builder.append({ timestamp: 1, key: null, value: null }, 15);
    expect(() => builder.append({ timestamp: 1, key: null, value: null }, 15)).toThrow(RangeError);
    const batch = new RecordBatch(builder.build(20));
    expect([...batch.records()].map(record => record.offset)).toEqual([12, 15]);
    expect(batch.lastOffset).toBe(20);
  });

  it('keeps the delete horizon in place of the base timestamp', () => {
    const builder = new RecordBatchBuilder({ deleteHorizonMs: 5000 });
    builder.append({ timestamp: 1234, key: null, value: null });
    const batch = new RecordBatch(builder.build());
    expect(batch.deleteHorizonMs).toBe(5000);
    expect([...batch.records()].map(record => record.timestamp)).toEqual([1234]);
  });

  it('may be empty and still carry the sequence of its producer', () => {
    const batch = new RecordBatch(
      emptyBatch({ baseOffset: 7, producerId: 3, producerEpoch: 1, baseSequence: 4 }, 9, 77),
    );
    expect(batch.isValid()).toBe(true);
    expect([batch.count, batch.lastOffset, batch.lastSequence, batch.maxTimestamp]).toEqual([0, 9, 6, 77]);
    expect([...batch.records()]).toEqual([]);
  });
});

describe('RecordBatch', () => {
  it('changes base offset and leader epoch under an unchanged checksum', () => {
    const batch = batchOf('v2-small-gzip');
    const { crc } = batch;
    batch.setBaseOffset(2n ** 60n);
    batch.setPartitionLeaderEpoch(42);
    expect(batch.isValid()).toBe(true);
    expect([batch.baseOffset, batch.partitionLeaderEpoch, batch.crc]).toEqual([2n ** 60n, 42, crc]);
    batch.setLastOffset(2 ** 53);
    expect(batch.baseOffset).toBe(2 ** 53 - 4);
  });

  it('changes the maximum timestamp together with the checksum', () => {
    const batch = batchOf('v2-small-none');
    const { crc } = batch;
    batch.setMaxTimestamp(1, 2n ** 61n);
    expect(batch.crc).not.toBe(crc);
    expect(batch.isValid()).toBe(true);
    expect([batch.timestampType, batch.maxTimestamp]).toEqual([1, 2n ** 61n]);
  });

  it('is not valid with any bit flipped behind the checksum', () => {
    const buffer = golden.get('v2-small-none')!;
    for (let at = 21; at < buffer.length; at++) {
      const flipped = Buffer.from(buffer);
      flipped[at]! ^= 1 << (at % 8);
      expect(new RecordBatch(flipped).isValid(), `byte ${at}`).toBe(false);
    }
  });

  it('refuses magics and lengths that no v2 batch has', () => {
    const buffer = Buffer.from(golden.get('v2-small-none')!);
    buffer[16] = 1;
    expect(() => RecordBatch.at(buffer, 0)).toThrow(MalformedError);
    buffer[16] = 2;
    for (const length of [48, 0, -1, -(2 ** 31)]) {
      buffer.writeInt32BE(length, 8);
      expect(() => RecordBatch.at(buffer, 0)).toThrow(MalformedError);
    }
  });

  it('ends its records with an error wherever their bytes are cut or flipped, and never reads past the batch', () => {
    const buffer = golden.get('v2-small-none')!;
    const after = Buffer.concat([buffer, Buffer.alloc(400, 0xff)]);
    for (let at = 57; at < buffer.length; at++) {
      for (const value of [0x00, 0x01, 0x7f, 0x80, 0xff]) {
        const changed = Buffer.from(after);
        changed[at] = value;
        let count = 0;
        try {
          for (const record of new RecordBatch(changed).records()) {
            count++;
            if (record.value !== null)
              expect(record.value.byteOffset + record.value.length).toBeLessThanOrEqual(
                changed.byteOffset + buffer.length,
              );
          }
          expect(count).toBe(5);
        } catch (error) {
          expect(error).toBeInstanceOf(MalformedError);
        }
      }
    }
  });
});

describe('batchesOf', () => {
  it('goes over a run of batches and stops before one that is cut off, at every byte', () => {
    const first = golden.get('v2-small-none')!;
    const run = Buffer.concat([first, golden.get('v2-small-gzip')!]);
    for (let end = 0; end <= run.length; end++) {
      const positions = [...batchesOf(run, 0, end)].map(batch => batch.position);
      expect(positions).toEqual(end === run.length ? [0, first.length] : end >= first.length ? [0] : []);
    }
  });
});
