import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { parseInt64 } from '../../src/base/int64.ts';
import { compress, prepareCodecs } from '../../src/compression/codecs.ts';
import type { CompressionType } from '../../src/compression/compression-type.ts';
import {
  checkProducedRecords,
  type ValidationContext,
  type ValidatorConfig,
  validateAndAssignOffsets,
} from '../../src/log/log-validator.ts';
import { validateReplicated } from '../../src/log/replicated-records.ts';
import { RecordValidationError } from '../../src/log/record-errors.ts';
import { Errors, errorName, KafkaError } from '../../src/protocol/errors.ts';
import { buildMessageSet } from '../../src/record/message-set-builder.ts';
import type { RecordInput } from '../../src/record/record.ts';
import { batchesOf, RECORD_BATCH_OVERHEAD, RecordBatch } from '../../src/record/record-batch.ts';
import { RecordBatchBuilder, type RecordBatchOptions } from '../../src/record/record-batch-builder.ts';
import { plain } from '../record/golden-records.ts';

const NOW = 1_700_000_000_500;
const FIRST_OFFSET = 3_000_000_000;

const CONFIG: ValidatorConfig = {
  maxMessageBytes: 1_048_588,
  cleanupPolicy: new Set(['delete']),
  compressionType: 'producer',
  compressionGzipLevel: -1,
  compressionLz4Level: 9,
  compressionZstdLevel: 3,
  messageTimestampType: 'CreateTime',
  messageTimestampBeforeMaxMs: 2 ** 63,
  messageTimestampAfterMaxMs: 2 ** 63,
};

function contextWith(
  config: Partial<ValidatorConfig> = {},
  context: Partial<ValidationContext> = {},
): ValidationContext {
  return {
    origin: 'client',
    firstOffset: FIRST_OFFSET,
    leaderEpoch: 7,
    nowMs: NOW,
    config: { ...CONFIG, ...config },
    ...context,
  };
}

function codeOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof KafkaError) return errorName(error.code);
    throw error;
  }
  return 'NONE';
}

beforeAll(prepareCodecs);

interface GoldenCase {
  readonly name: string;
  readonly context: ValidationContext;
  readonly input: Buffer;
  /** An error's name and the records at fault, or the bytes to append and their latest timestamp. */
  readonly expected: readonly string[];
}

function goldenCases(): GoldenCase[] {
  const file = join(import.meta.dirname, '../record/fixtures/golden-validations.txt');
  const lines = readFileSync(file, 'utf8').split('\n');
  return lines
    .filter(line => line !== '')
    .map(line => {
      const [name, origin, timestampType, before, after, compacted, target, input, , ...expected] =
        line.split(' ');
      const config: Partial<ValidatorConfig> = {
        cleanupPolicy: new Set([compacted === 'true' ? 'compact' : 'delete']),
        compressionType: (target === 'none' ? 'uncompressed' : target) as ValidatorConfig['compressionType'],
        messageTimestampType: timestampType as ValidatorConfig['messageTimestampType'],
        messageTimestampBeforeMaxMs: Number(before),
        messageTimestampAfterMaxMs: Number(after),
      };
      return {
        name: name!,
        context: contextWith(config, { origin: origin as ValidationContext['origin'] }),
        input: Buffer.from(input!, 'hex'),
        expected,
      };
    });
}

describe('an append is judged as by Apache Kafka', () => {
  it.each(goldenCases())('$name', ({ context, input, expected }) => {
    let result: ReturnType<typeof validateAndAssignOffsets>;
    try {
      result = validateAndAssignOffsets(Buffer.from(input), context);
    } catch (error) {
      if (!(error instanceof KafkaError)) throw error;
      expect(errorName(error.code), error.message).toBe(expected[0]);
      const indexes =
        error instanceof RecordValidationError ? error.recordErrors.map(one => one.batchIndex) : [];
      expect(indexes.join(',')).toBe(expected[1] ?? '');
      return;
    }
    const theirs = new RecordBatch(Buffer.from(expected[0]!, 'hex'));
    const ours = new RecordBatch(result.records);
    expect(ours.isValid()).toBe(true);
    if (!result.rewritten || !ours.isCompressed) {
      expect(result.records.toString('hex')).toBe(expected[0]);
    } else {
      const { baseOffset, lastOffset, attributes, maxTimestamp, partitionLeaderEpoch, count } = theirs;
      expect(ours).toMatchObject({
        baseOffset,
        lastOffset,
        attributes,
        maxTimestamp,
        partitionLeaderEpoch,
        count,
      });
      expect([...ours.records()].map(plain)).toEqual([...theirs.records()].map(plain));
    }
    expect(result.maxTimestamp).toBe(parseInt64(expected[1]!));
    expect(result.firstOffset).toBe(FIRST_OFFSET);
    expect(result.lastOffset).toBe(theirs.lastOffset);
    expect(result.recordCount).toBe(theirs.count);
  });
});

const RECORDS: readonly RecordInput[] = [0, 1, 2].map(i => ({
  timestamp: NOW + i,
  key: Buffer.from(`k${i}`),
  value: Buffer.from(`value-${i}`),
}));

function batchOf(options: RecordBatchOptions = {}, records: readonly RecordInput[] = RECORDS): Buffer {
  const builder = new RecordBatchBuilder(options);
  for (const record of records) builder.append(record);
  return builder.build();
}

/** The batch with a change that its checksum then covers. */
function changed(batch: Buffer, change: (bytes: Buffer) => void): Buffer {
  const copy = Buffer.from(batch);
  change(copy);
  new RecordBatch(copy).updateCrc();
  return copy;
}

/** A batch with other bytes in place of its records. */
function withRecords(batch: Buffer, records: Buffer): Buffer {
  const copy = Buffer.concat([batch.subarray(0, RECORD_BATCH_OVERHEAD), records]);
  copy.writeInt32BE(copy.length - 12, 8);
  return changed(copy, () => {});
}

describe('an append is refused', () => {
  const cases: readonly (readonly [string, string, () => Buffer, ValidationContext])[] = [
    [
      'whose batch has a base offset, from a client',
      'INVALID_RECORD',
      () => batchOf({ baseOffset: 1 }),
      contextWith(),
    ],
    ['whose batch is too large', 'MESSAGE_TOO_LARGE', () => batchOf(), contextWith({ maxMessageBytes: 100 })],
    [
      'whose batch gets too large when it is decompressed for the topic',
      'MESSAGE_TOO_LARGE',
      () => batchOf({ compression: 1 }, [{ ...RECORDS[0]!, value: Buffer.alloc(5000) }]),
      contextWith({ maxMessageBytes: 1000, compressionType: 'uncompressed' }),
    ],
    [
      'that is transactional without a producer',
      'INVALID_RECORD',
      () => batchOf({ isTransactional: true }),
      contextWith(),
    ],
    [
      'of a producer without an epoch',
      'INVALID_RECORD',
      () => batchOf({ producerId: 3, baseSequence: 0, producerEpoch: -1 }),
      contextWith(),
    ],
    [
      'under a codec that is none',
      'INVALID_RECORD',
      () => changed(batchOf(), bytes => bytes.writeInt16BE(5, 21)),
      contextWith(),
    ],
    [
      'that says to be compressed and is not',
      'INVALID_RECORD',
      () => changed(batchOf(), bytes => bytes.writeInt16BE(1, 21)),
      contextWith(),
    ],
    [
      'by a Raft leader in another epoch than its batches have',
      'INVALID_RECORD',
      () => batchOf({ partitionLeaderEpoch: 6 }),
      contextWith({}, { origin: 'raftLeader' }),
    ],
    [
      'of a magic that is none',
      'CORRUPT_MESSAGE',
      () => changed(batchOf(), bytes => bytes.writeInt8(77, 16)),
      contextWith(),
    ],
    [
      'of a message set with messages that are too large',
      'MESSAGE_TOO_LARGE',
      () =>
        buildMessageSet([{ offset: 0, timestamp: NOW, key: null, value: Buffer.alloc(500) }], { magic: 1 })
          .bytes,
      contextWith({ maxMessageBytes: 400 }),
    ],
  ];

  it.each(cases)('%s: %s', (_, code, records, context) => {
    expect(codeOf(() => validateAndAssignOffsets(records(), context))).toBe(code);
  });

  for (const compression of [1, 2, 3, 4] as const) {
    it(`whose records are more than the limit when they are decompressed (codec ${compression})`, () => {
      const bomb = batchOf({ compression }, [{ ...RECORDS[0]!, value: Buffer.alloc(3_000_000) }]);
      expect(bomb.length).toBeLessThan(200_000);
      const context = contextWith({}, { maxDecompressedBytes: 1_000_000 });
      expect(codeOf(() => validateAndAssignOffsets(bomb, context))).toBe('INVALID_RECORD');
      expect(codeOf(() => validateAndAssignOffsets(bomb, contextWith()))).toBe('NONE');
    });

    it(`or taken as it is, whatever stands in place of the compressed records (codec ${compression})`, () => {
      const good = batchOf({ compression });
      const records = good.subarray(RECORD_BATCH_OVERHEAD);
      for (let at = 0; at < records.length; at++) {
        const flipped = Buffer.from(records);
        flipped[at]! ^= 0x55;
        for (const bytes of [flipped, records.subarray(0, at)]) {
          const code = codeOf(() => validateAndAssignOffsets(withRecords(good, bytes), contextWith()));
          expect(['NONE', 'INVALID_RECORD']).toContain(code);
        }
      }
    });
  }

  it('with an error for every record at fault, up to a thousand', () => {
    const records = Array.from({ length: 1500 }, (_, i) => ({
      timestamp: NOW,
      key: null,
      value: Buffer.from(`${i}`),
    }));
    const context = contextWith({ cleanupPolicy: new Set(['compact']) });
    try {
      validateAndAssignOffsets(batchOf({}, records), context);
      expect.unreachable();
    } catch (error) {
      expect(error).toBeInstanceOf(RecordValidationError);
      const { code, recordErrors, message } = error as RecordValidationError;
      expect([code, recordErrors.length]).toEqual([Errors.INVALID_RECORD, 1000]);
      expect(message).toContain('1500 records');
      expect(recordErrors[999]!.batchIndex).toBe(999);
    }
  });

  it('before anything of it was changed', () => {
    const good = batchOf();
    const run = Buffer.concat([good, changed(good, bytes => bytes.writeInt32BE(9, 57))]);
    const before = Buffer.from(run);
    expect(codeOf(() => validateAndAssignOffsets(run, contextWith({}, { origin: 'coordinator' })))).toBe(
      'INVALID_RECORD',
    );
    expect(run.equals(before)).toBe(true);
  });
});

describe('an append', () => {
  it('gets its offsets in the buffer it came in, with the same checksum', () => {
    const batch = batchOf({ compression: 3 });
    const { crc } = new RecordBatch(batch);
    const result = validateAndAssignOffsets(batch, contextWith());
    expect(result.records).toBe(batch);
    expect(result).toMatchObject({
      firstOffset: FIRST_OFFSET,
      lastOffset: FIRST_OFFSET + 2,
      recordCount: 3,
      maxTimestamp: NOW + 2,
      offsetOfMaxTimestamp: FIRST_OFFSET + 2,
      logAppendTime: -1,
      rewritten: false,
      convertedRecordCount: 0,
    });
    expect(new RecordBatch(batch)).toMatchObject({ baseOffset: FIRST_OFFSET, partitionLeaderEpoch: 7, crc });
  });

  it('of nothing, or of less than a batch, is empty', () => {
    for (const size of [0, 5, 40, 61]) {
      const result = validateAndAssignOffsets(batchOf().subarray(0, size), contextWith());
      expect(result).toMatchObject({
        recordCount: 0,
        firstOffset: FIRST_OFFSET,
        lastOffset: FIRST_OFFSET - 1,
      });
      expect(result.records.length).toBe(0);
    }
  });

  it('of several batches is for coordinators and the quorum', () => {
    const run = Buffer.concat([batchOf(), batchOf({ compression: 1 }), batchOf({}, RECORDS.slice(0, 1))]);
    const result = validateAndAssignOffsets(run, contextWith({}, { origin: 'coordinator' }));
    expect([...batchesOf(result.records)].map(batch => batch.baseOffset)).toEqual(
      [0, 3, 6].map(delta => FIRST_OFFSET + delta),
    );
    expect(result).toMatchObject({
      recordCount: 7,
      lastOffset: FIRST_OFFSET + 6,
      offsetOfMaxTimestamp: FIRST_OFFSET + 2,
    });
    expect([...batchesOf(result.records)].every(batch => batch.isValid())).toBe(true);
  });

  it('keeps everything exact past 2^53', () => {
    const wide = 2n ** 62n;
    const batch = batchOf(
      { producerId: wide, producerEpoch: 1, baseSequence: 2 ** 31 - 2, isTransactional: true },
      [
        { timestamp: 2n ** 60n, key: Buffer.from('a'), value: null },
        { timestamp: 2n ** 60n + 1n, key: Buffer.from('b'), value: null },
      ] as never,
    );
    const result = validateAndAssignOffsets(batch, contextWith({}, { firstOffset: wide }));
    expect(result).toMatchObject({ firstOffset: wide, lastOffset: wide + 1n, maxTimestamp: 2n ** 60n + 1n });
    expect(new RecordBatch(batch)).toMatchObject({
      baseOffset: wide,
      producerId: wide,
      lastSequence: 2 ** 31 - 1,
    });
    const crossing = validateAndAssignOffsets(batchOf(), contextWith({}, { firstOffset: 2 ** 53 - 1 }));
    expect(crossing.lastOffset).toBe(2n ** 53n + 1n);
  });

  it('of batches whose offset deltas are not 0, 1, 2, ... is rewritten with those', () => {
    for (const compression of [0, 1] as CompressionType[]) {
      const builder = new RecordBatchBuilder({
        compression,
        producerId: 5,
        producerEpoch: 2,
        baseSequence: 9,
      });
      for (const [i, record] of RECORDS.entries()) builder.append(record, i * 2);
      const gaps = changed(builder.build(), bytes => bytes.writeInt32BE(2, 23));
      const result = validateAndAssignOffsets(gaps, contextWith());
      const batch = new RecordBatch(result.records);
      expect([result.rewritten, batch.isValid(), batch.compressionType]).toEqual([true, true, compression]);
      expect([batch.producerId, batch.producerEpoch, batch.baseSequence]).toEqual([5, 2, 9]);
      expect([...batch.records()].map(record => record.offset)).toEqual(
        [0, 1, 2].map(delta => FIRST_OFFSET + delta),
      );
    }
  });

  it('is compressed as the topic says, at the level that it says', () => {
    const text = Buffer.from(Array.from({ length: 2000 }, (_, i) => `${i * 7919} `).join(''));
    const sizeUnder = (config: Partial<ValidatorConfig>) =>
      validateAndAssignOffsets(batchOf({}, [{ ...RECORDS[0]!, value: text }]), contextWith(config)).records
        .length;
    expect(sizeUnder({ compressionType: 'gzip', compressionGzipLevel: 9 })).toBeLessThan(
      sizeUnder({ compressionType: 'gzip', compressionGzipLevel: 1 }),
    );
    expect(sizeUnder({ compressionType: 'zstd', compressionZstdLevel: 19 })).toBeLessThan(
      sizeUnder({ compressionType: 'zstd', compressionZstdLevel: -7 }),
    );
    expect(sizeUnder({ compressionType: 'uncompressed' })).toBeGreaterThan(text.length);
  });

  it('of control records from a coordinator keeps the control bit and may have no key in a topic that is not compacted', () => {
    const batch = batchOf({ isControlBatch: true, isTransactional: true, producerId: 4, producerEpoch: 0 });
    const result = validateAndAssignOffsets(
      batch,
      contextWith({ compressionType: 'gzip' }, { origin: 'coordinator' }),
    );
    expect(new RecordBatch(result.records)).toMatchObject({ isControlBatch: true, isCompressed: false });
  });

  it('of an old message set is stored as one batch, whatever it held', () => {
    const nullable = fc.option(
      fc.uint8Array({ maxLength: 30 }).map(array => Buffer.from(array)),
      { nil: null },
    );
    fc.assert(
      fc.property(
        fc.array(fc.record({ timestamp: fc.nat(), key: nullable, value: nullable }), {
          minLength: 1,
          maxLength: 6,
        }),
        fc.constantFrom<0 | 1>(0, 1),
        fc.constantFrom<CompressionType>(0, 1, 2, 3),
        (records, magic, compression) => {
          const inputs = records.map((record, i) => ({ ...record, offset: i }));
          const set = buildMessageSet(inputs, { magic, compression }).bytes;
          const result = validateAndAssignOffsets(set, contextWith());
          const batch = new RecordBatch(result.records);
          expect([batch.isValid(), batch.compressionType, result.convertedRecordCount]).toEqual([
            true,
            compression,
            records.length,
          ]);
          expect([...batch.records()].map(plain)).toEqual(
            records.map(record => plain(magic === 0 ? { ...record, timestamp: -1 } : record)),
          );
        },
      ),
      { numRuns: 60 },
    );
  });

  it('of random bytes is refused or empty, and never anything else', () => {
    const good = batchOf();
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255)), { maxLength: 6 }), changes => {
        const bytes = changed(good, copy => {
          for (const [at, value] of changes) if (at > 16) copy[at] = value;
        });
        const code = codeOf(() => validateAndAssignOffsets(bytes, contextWith()));
        expect(['NONE', 'INVALID_RECORD', 'INVALID_TIMESTAMP']).toContain(code);
      }),
      { numRuns: 300 },
    );
  });
});

describe('checkProducedRecords', () => {
  const check = (records: Buffer, version: number) => codeOf(() => checkProducedRecords(records, version));

  it('wants exactly one v2 batch from version 3 on', () => {
    const batch = batchOf();
    expect(check(batch, 3)).toBe('NONE');
    expect(check(batch, 12)).toBe('NONE');
    expect(check(Buffer.alloc(0), 3)).toBe('INVALID_RECORD');
    expect(check(batch.subarray(0, 50), 3)).toBe('INVALID_RECORD');
    expect(check(Buffer.concat([batch, batch]), 9)).toBe('INVALID_RECORD');
    expect(check(Buffer.concat([batch, batch.subarray(0, 40)]), 9)).toBe('NONE');
    const old = buildMessageSet([{ offset: 0, timestamp: 1, key: null, value: null }], { magic: 1 }).bytes;
    expect(check(old, 3)).toBe('INVALID_RECORD');
    expect(check(old, 2)).toBe('NONE');
    expect(check(Buffer.concat([batch, old]), 3)).toBe('INVALID_RECORD');
  });

  it('wants no zstd before version 7', () => {
    const batch = batchOf({ compression: 4 });
    expect(check(batch, 6)).toBe('UNSUPPORTED_COMPRESSION_TYPE');
    expect(check(batch, 7)).toBe('NONE');
  });

  it('calls lengths and magics that are no format corrupt', () => {
    expect(
      check(
        changed(batchOf(), bytes => bytes.writeInt8(9, 16)),
        9,
      ),
    ).toBe('CORRUPT_MESSAGE');
    const short = batchOf();
    short.writeInt32BE(20, 8);
    expect(check(short, 9)).toBe('CORRUPT_MESSAGE');
  });
});

describe('validateReplicated', () => {
  const run = Buffer.concat([batchOf({ baseOffset: 10 }), batchOf({ baseOffset: 20, compression: 1 })]);

  it('takes whole batches as they are and leaves what was cut off', () => {
    for (let end = 0; end <= run.length; end++) {
      const { records, batches } = validateReplicated(run.subarray(0, end), 10);
      const whole = [...batchesOf(run, 0, end)];
      expect(batches.length).toBe(whole.length);
      expect(records.length).toBe(whole.at(-1)?.end ?? 0);
    }
  });

  it('refuses offsets that do not go up, and offsets it has already', () => {
    expect(codeOf(() => validateReplicated(run, 11))).toBe('INVALID_RECORD');
    const again = Buffer.concat([batchOf({ baseOffset: 10 }), batchOf({ baseOffset: 12 })]);
    expect(codeOf(() => validateReplicated(again, 10))).toBe('INVALID_RECORD');
  });

  it('refuses a batch with any bit flipped that the checksum covers', () => {
    const first = batchOf({ baseOffset: 10 }).length;
    for (let at = 17; at < first; at++) {
      const flipped = Buffer.from(run);
      flipped[at]! ^= 4;
      expect(
        codeOf(() => validateReplicated(flipped, 10)),
        `byte ${at}`,
      ).toBe('CORRUPT_MESSAGE');
    }
  });
});

describe('records under compression that the codec accepts', () => {
  it('are refused where the batch holds more than it declares', () => {
    const good = batchOf({ compression: 2 });
    const plainRecords = batchOf().subarray(RECORD_BATCH_OVERHEAD);
    const more = withRecords(good, compress(2, Buffer.concat([plainRecords, plainRecords])));
    expect(codeOf(() => validateAndAssignOffsets(more, contextWith()))).toBe('INVALID_RECORD');
  });
});
