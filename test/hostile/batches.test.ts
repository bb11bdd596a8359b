import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CompressionType } from '../../src/compression/compression-type.ts';
import { Errors } from '../../src/protocol/errors.ts';
import { ProduceRequest, ProduceResponse } from '../../src/protocol/messages/00-produce.ts';
import { ListOffsetsRequest, ListOffsetsResponse } from '../../src/protocol/messages/02-list-offsets.ts';
import { RecordBatch } from '../../src/record/record-batch.ts';
import { RecordBatchBuilder, type RecordBatchOptions } from '../../src/record/record-batch-builder.ts';
import { crc32c } from '../../src/base/crc32c.ts';
import type { RawClient } from '../server/raw-client.ts';
import { HostileHarness } from './hostile-harness.ts';

/** Threat rows 4, 5 and 24: record batches that lie, and those that blow up. */

let harness: HostileHarness;
let client: RawClient;

beforeAll(async () => {
  harness = await HostileHarness.start();
  client = await harness.connect();
});

afterAll(async () => {
  client?.close();
  await harness?.close();
});

function batch(options: RecordBatchOptions = {}, count = 3): Buffer {
  const builder = new RecordBatchBuilder(options);
  for (let i = 0; i < count; i++)
    builder.append({ timestamp: Date.now(), key: Buffer.from(`k${i}`), value: Buffer.from(`v${i}`) });
  return builder.build();
}

const CRC_POSITION = 17;
const ATTRIBUTES_POSITION = 21;

/** `bytes` with a change, and a CRC that is right for it. */
function forged(bytes: Buffer, change: (bytes: Buffer) => void): Buffer {
  const copy = Buffer.from(bytes);
  change(copy);
  copy.writeUInt32BE(crc32c(copy.subarray(ATTRIBUTES_POSITION)) >>> 0, CRC_POSITION);
  return copy;
}

async function produce(records: Buffer | null, version = 9): Promise<number> {
  const body = {
    acks: -1,
    timeoutMs: 5000,
    topicData: [{ name: 'orders', partitionData: [{ index: 0, records }] }],
  };
  const answer = await client.ask([ProduceRequest, ProduceResponse], version, body);
  return answer!.responses[0]!.partitionResponses[0]!.errorCode;
}

async function endOffset(): Promise<unknown> {
  const topics = [{ name: 'orders', partitions: [{ partitionIndex: 0, timestamp: -1 }] }];
  const answer = await client.ask([ListOffsetsRequest, ListOffsetsResponse], 7, { topics });
  return answer!.topics[0]!.partitions[0]!.offset;
}

/** The batch is refused with `code`, nothing of it is in the log, and the connection and the broker go on. */
async function expectRefused(
  records: Buffer | null,
  codes: readonly number[],
  growthMaxMiB?: number,
): Promise<void> {
  const before = await endOffset();
  await harness.survives(async () => {
    expect(codes).toContain(await produce(records));
  }, growthMaxMiB);
  expect(await endOffset()).toBe(before);
}

const {
  CORRUPT_MESSAGE,
  INVALID_RECORD,
  MESSAGE_TOO_LARGE,
  UNSUPPORTED_COMPRESSION_TYPE,
  INVALID_TIMESTAMP,
} = Errors;

describe('batches that are not what they say', () => {
  const good = batch();
  const cases: [string, Buffer | null, readonly number[]][] = [
    ['no records', null, [INVALID_RECORD]],
    ['an empty byte string', Buffer.alloc(0), [INVALID_RECORD]],
    ['zeros', Buffer.alloc(100), [CORRUPT_MESSAGE, INVALID_RECORD]],
    ['a single byte', Buffer.alloc(1), [CORRUPT_MESSAGE, INVALID_RECORD]],
    ['two batches', Buffer.concat([good, good]), [INVALID_RECORD]],
    ['a bad CRC', forged(good, bytes => bytes).fill(0, CRC_POSITION, CRC_POSITION + 4), [CORRUPT_MESSAGE]],
    ['a changed record under the old CRC', Buffer.from(good).fill(0x41, good.length - 2), [CORRUPT_MESSAGE]],
    ['a length of -1', forged(good, bytes => bytes.writeInt32BE(-1, 8)), [CORRUPT_MESSAGE, INVALID_RECORD]],
    [
      'a length of 2^31 - 1',
      forged(good, bytes => bytes.writeInt32BE(0x7fffffff, 8)),
      [CORRUPT_MESSAGE, INVALID_RECORD],
    ],
    [
      'a length below the header',
      forged(good, bytes => bytes.writeInt32BE(10, 8)),
      [CORRUPT_MESSAGE, INVALID_RECORD],
    ],
    ['magic 3', forged(good, bytes => void (bytes[16] = 3)), [CORRUPT_MESSAGE, INVALID_RECORD]],
    ['magic 0 on a batch', forged(good, bytes => void (bytes[16] = 0)), [CORRUPT_MESSAGE, INVALID_RECORD]],
    ['magic -1', forged(good, bytes => void (bytes[16] = 0xff)), [CORRUPT_MESSAGE, INVALID_RECORD]],
    ['a control batch', batch({ isControlBatch: true }, 1), [INVALID_RECORD]],
    ['a count of 0', forged(good, bytes => bytes.writeInt32BE(0, 57)), [INVALID_RECORD]],
    ['a count of -1', forged(good, bytes => bytes.writeInt32BE(-1, 57)), [INVALID_RECORD]],
    ['a count of 2^31 - 1', forged(good, bytes => bytes.writeInt32BE(0x7fffffff, 57)), [INVALID_RECORD]],
    [
      'a count one too high',
      forged(good, bytes => {
        bytes.writeInt32BE(4, 57);
        bytes.writeInt32BE(3, 23);
      }),
      [CORRUPT_MESSAGE, INVALID_RECORD],
    ],
    [
      'a count one too low',
      forged(good, bytes => {
        bytes.writeInt32BE(2, 57);
        bytes.writeInt32BE(1, 23);
      }),
      [CORRUPT_MESSAGE, INVALID_RECORD],
    ],
    ['an offset delta that skips', forged(good, bytes => bytes.writeInt32BE(99, 23)), [INVALID_RECORD]],
    ['a negative offset delta', forged(good, bytes => bytes.writeInt32BE(-1, 23)), [INVALID_RECORD]],
    [
      'a codec that does not exist',
      forged(good, bytes => bytes.writeInt16BE(7, 21)),
      [CORRUPT_MESSAGE, INVALID_RECORD, UNSUPPORTED_COMPRESSION_TYPE],
    ],
    [
      'records said to be gzip',
      forged(good, bytes => bytes.writeInt16BE(1, 21)),
      [CORRUPT_MESSAGE, INVALID_RECORD],
    ],
    [
      'records said to be snappy',
      forged(good, bytes => bytes.writeInt16BE(2, 21)),
      [CORRUPT_MESSAGE, INVALID_RECORD],
    ],
    [
      'records said to be lz4',
      forged(good, bytes => bytes.writeInt16BE(3, 21)),
      [CORRUPT_MESSAGE, INVALID_RECORD],
    ],
    [
      'records said to be zstd',
      forged(good, bytes => bytes.writeInt16BE(4, 21)),
      [CORRUPT_MESSAGE, INVALID_RECORD],
    ],
    [
      'a transactional batch without a transaction',
      batch({ isTransactional: true, producerId: 5, producerEpoch: 0, baseSequence: 0 }),
      [Errors.TRANSACTIONAL_ID_AUTHORIZATION_FAILED],
    ],
    [
      'a producer id without a sequence',
      batch({ producerId: 5, producerEpoch: 0, baseSequence: -1 }),
      [INVALID_RECORD],
    ],
    ['records above max.message.bytes', batch({}, 60_000), [MESSAGE_TOO_LARGE]],
  ];

  test.each(cases)('%s', async (_name, records, codes) => {
    await expectRefused(records, codes);
  });

  test('a producer is held to its sequence and epoch', async () => {
    const producerId = 2n ** 62n + 7n;
    const batchOf = (producerEpoch: number, baseSequence: number) =>
      batch({ producerId, producerEpoch, baseSequence });
    expect(await produce(batchOf(3, 0))).toBe(0);
    await expectRefused(batchOf(3, 7), [Errors.OUT_OF_ORDER_SEQUENCE_NUMBER]);
    await expectRefused(batchOf(2, 3), [Errors.INVALID_PRODUCER_EPOCH]);
    await expectRefused(batchOf(4, 5), [Errors.OUT_OF_ORDER_SEQUENCE_NUMBER]);
    // The same batch again is a duplicate: answered as before, and stored once.
    await expectRefused(batchOf(3, 0), [0]);
  });

  test('bytes behind a batch that are none are cut off, as Kafka does, and not stored', async () => {
    const log = harness.broker.services.logManager.getLog({ topic: 'orders', partition: 0 })!;
    const before = log.sizeInBytes;
    await harness.survives(async () => {
      expect(await produce(Buffer.concat([good, Buffer.alloc(5, 0xee)]))).toBe(0);
    });
    expect(log.sizeInBytes - before).toBe(good.length);
  });

  test('every cut of a batch is refused', async () => {
    const before = await endOffset();
    await harness.survives(async () => {
      for (let size = 0; size < good.length; size++) {
        const code = await produce(good.subarray(0, size));
        expect([CORRUPT_MESSAGE, INVALID_RECORD]).toContain(code);
      }
    });
    expect(await endOffset()).toBe(before);
  });

  test('every bit of a batch matters, or may not: what is stored is what was checked', async () => {
    const outside = new Set<number>();
    // The base offset and the leader epoch are the broker's to fill in.
    for (let i = 0; i < 8; i++) outside.add(i);
    for (let i = 12; i < 16; i++) outside.add(i);
    await harness.survives(async () => {
      for (let position = 0; position < good.length; position++) {
        if (outside.has(position)) continue;
        const flipped = Buffer.from(good);
        flipped[position]! ^= 1 << (position % 8);
        const code = await produce(flipped);
        expect(code, `bit at ${position}`).not.toBe(0);
        expect(code, `bit at ${position}`).not.toBe(Errors.UNKNOWN_SERVER_ERROR);
      }
    });
  });

  test('random changes under a right CRC never make an unexpected error', async () => {
    let state = 99;
    const next = (bound: number): number => {
      state = (Math.imul(state, 1103515245) + 12345) >>> 0;
      return (state >>> 8) % bound;
    };
    await harness.survives(async () => {
      for (let i = 0; i < 300; i++) {
        const compression = [0, 1, 2, 3, 4][next(5)] as CompressionType;
        const mutant = forged(batch({ compression }), bytes => {
          for (let n = 0; n <= next(3); n++) bytes[21 + next(bytes.length - 21)] = next(256);
        });
        const code = await produce(mutant);
        expect(code, mutant.toString('hex')).not.toBe(Errors.UNKNOWN_SERVER_ERROR);
      }
    });
    const topics = [{ name: 'orders', partitions: [{ partitionIndex: 0, timestamp: -3 }] }];
    const answer = await client.ask([ListOffsetsRequest, ListOffsetsResponse], 7, { topics });
    expect(answer!.topics[0]!.partitions[0]!.errorCode).toBe(0);
  });
});

describe('decompression bombs', () => {
  /** One record whose value is `size` zeros, as gzip packs it. */
  function bomb(size: number): Buffer {
    const template = new RecordBatchBuilder({})
      .append({ timestamp: Date.now(), key: null, value: Buffer.alloc(10) })
      .build();
    const header = RecordBatch.at(template, 0)!;
    const packed = gzipSync(Buffer.alloc(size), { level: 9 });
    const bytes = Buffer.concat([template.subarray(0, 61), packed]);
    expect(header.count).toBe(1);
    return forged(bytes, each => {
      each.writeInt32BE(each.length - 12, 8);
      each.writeInt16BE(CompressionType.GZIP, 21);
    });
  }

  test('half a gigabyte of zeros in half a megabyte is refused without being unpacked whole', async () => {
    const bytes = bomb(512 * 1024 * 1024);
    expect(bytes.length).toBeLessThan(1024 * 1024);
    await expectRefused(bytes, [CORRUPT_MESSAGE, INVALID_RECORD, MESSAGE_TOO_LARGE], 160);
  });
});

describe('64-bit numbers', () => {
  test('timestamps and offsets of clients past 2^53 are exact or refused, never rounded', async () => {
    for (const baseOffset of [1, 2n ** 62n, 2n ** 63n - 1n, -(2n ** 63n)]) {
      const builder = new RecordBatchBuilder({ baseOffset });
      const bytes = builder.append({ timestamp: Date.now(), key: null, value: Buffer.from('x') }).build();
      expect(await produce(bytes)).toBe(INVALID_RECORD);
    }
    const future = new RecordBatchBuilder({})
      .append({ timestamp: 2n ** 62n + 1n, key: null, value: Buffer.from('x') })
      .build();
    expect([0, INVALID_TIMESTAMP]).toContain(await produce(future));
    for (const timestamp of [2n ** 62n + 1n, 2n ** 63n - 1n, -(2n ** 63n)]) {
      const topics = [{ name: 'orders', partitions: [{ partitionIndex: 0, timestamp }] }];
      const answer = await client.ask([ListOffsetsRequest, ListOffsetsResponse], 7, { topics });
      expect([0, Errors.UNSUPPORTED_VERSION, Errors.INVALID_REQUEST]).toContain(
        answer!.topics[0]!.partitions[0]!.errorCode,
      );
    }
  });
});
