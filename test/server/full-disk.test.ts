import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, statfsSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { MemoryLogger } from '../../src/base/logger.ts';
import { Errors } from '../../src/protocol/errors.ts';
import { ProduceRequest, ProduceResponse } from '../../src/protocol/messages/00-produce.ts';
import { FetchRequest, FetchResponse } from '../../src/protocol/messages/01-fetch.ts';
import { OffsetCommitRequest, OffsetCommitResponse } from '../../src/protocol/messages/08-offset-commit.ts';
import {
  FindCoordinatorRequest,
  FindCoordinatorResponse,
} from '../../src/protocol/messages/10-find-coordinator.ts';
import { CreateTopicsRequest, CreateTopicsResponse } from '../../src/protocol/messages/19-create-topics.ts';
import { DeleteTopicsRequest, DeleteTopicsResponse } from '../../src/protocol/messages/20-delete-topics.ts';
import { batchesOf } from '../../src/record/record-batch.ts';
import { RecordBatchBuilder } from '../../src/record/record-batch-builder.ts';
import { TestBroker } from '../support/test-broker.ts';
import { RawClient } from './raw-client.ts';

const MIB = 1024 * 1024;
const TOTAL_MIB = 32;
const RESERVE = 8 * MIB;

const folder = mkdtempSync(join(tmpdir(), 'odradek-full-disk-'));

/** A file system of its own at `folder`, small and in memory. Only root may have one. */
function mountTmpfs(): boolean {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return false;
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${TOTAL_MIB}m`, 'tmpfs', folder], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

const isMounted = mountTmpfs();
const logger = new MemoryLogger();
let broker: TestBroker;
let client: RawClient;

beforeAll(async () => {
  if (!isMounted) return;
  broker = await TestBroker.start({
    logger,
    properties: {
      'log.dirs': join(folder, 'logs'),
      'metadata.log.dir': mkdtempSync(join(tmpdir(), 'odradek-full-disk-metadata-')),
      'log.dirs.min.free.bytes': String(RESERVE),
      'offsets.topic.num.partitions': '1',
      'log.segment.delete.delay.ms': '0',
    },
  });
  client = await RawClient.connect(broker.port);
});

afterAll(async () => {
  client?.close();
  await broker?.close();
  if (broker !== undefined) rmSync(broker.config.metadataLogDir, { recursive: true, force: true });
  if (isMounted) execFileSync('umount', ['-l', folder]);
  rmSync(folder, { recursive: true, force: true });
});

function freeBytes(): number {
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize;
}

async function createTopic(name: string): Promise<string> {
  const topics = [{ name, numPartitions: 1, replicationFactor: 1 }];
  const answer = await client.ask([CreateTopicsRequest, CreateTopicsResponse], 7, {
    topics,
    timeoutMs: 5000,
  });
  expect(answer!.topics[0]!.errorCode).toBe(Errors.NONE);
  return answer!.topics[0]!.topicId;
}

/** A record of `valueBytes` that cannot be compressed away; `text` says which one it is. */
async function produce(topicId: string, text: string, valueBytes: number) {
  const value = Buffer.alloc(valueBytes, text.padEnd(16));
  const builder = new RecordBatchBuilder({});
  builder.append({ timestamp: Date.now(), key: Buffer.from(text), value, headers: [] });
  const topicData = [{ topicId, partitionData: [{ index: 0, records: builder.build() }] }];
  const answer = await client.ask([ProduceRequest, ProduceResponse], 13, {
    acks: -1,
    timeoutMs: 5000,
    topicData,
  });
  return answer!.responses[0]!.partitionResponses[0]!;
}

/** The keys of all records of the topic, in their order. */
async function readAll(topicId: string): Promise<string[]> {
  const keys: string[] = [];
  for (;;) {
    const partitions = [{ partition: 0, fetchOffset: keys.length, partitionMaxBytes: 4 * MIB }];
    const body = { maxWaitMs: 0, minBytes: 0, maxBytes: 4 * MIB, topics: [{ topicId, partitions }] };
    const answer = await client.ask([FetchRequest, FetchResponse], 17, body);
    const { errorCode, records } = answer!.responses[0]!.partitions[0]!;
    expect(errorCode).toBe(Errors.NONE);
    if (records === null || records.length === 0) return keys;
    for (const batch of batchesOf(records)) {
      expect(batch.isValid()).toBe(true);
      for (const record of batch.records()) keys.push(record.key!.toString());
    }
  }
}

async function commitOffset(offset: number, metadataBytes = 0): Promise<number> {
  const committedMetadata = 'm'.repeat(metadataBytes);
  const partitions = [{ partitionIndex: 0, committedOffset: offset, committedMetadata }];
  const body = {
    groupId: 'g',
    generationIdOrMemberEpoch: -1,
    memberId: '',
    topics: [{ name: 'orders', partitions }],
  };
  const answer = await client.ask([OffsetCommitRequest, OffsetCommitResponse], 8, body);
  return answer!.topics[0]!.partitions[0]!.errorCode;
}

const messages = () =>
  logger.entries.map(entry => entry.message).filter(text => text.startsWith('a log directory'));

describe('a broker on a file system that fills up', () => {
  // Without the right to mount a small file system there is none to fill.
  test.skipIf(!isMounted)(
    'stops taking records before the end, survives the end, and takes them again',
    async () => {
      const orders = await createTopic('orders');
      const key = { keyType: 0, coordinatorKeys: ['g'] };
      await expect
        .poll(async () => {
          const found = await client.ask([FindCoordinatorRequest, FindCoordinatorResponse], 4, key);
          return found!.coordinators[0]!.errorCode;
        })
        .toBe(Errors.NONE);
      await expect.poll(() => commitOffset(0)).toBe(Errors.NONE);
      const acknowledged: string[] = [];
      let refused: Awaited<ReturnType<typeof produce>> | undefined;
      for (let i = 0; refused === undefined && i < 100; i++) {
        const answer = await produce(orders, `record-${i}`, 512 * 1024);
        if (answer.errorCode === Errors.NONE) acknowledged.push(`record-${i}`);
        else refused = answer;
      }
      expect(refused).toMatchObject({ errorCode: Errors.KAFKA_STORAGE_ERROR });
      expect(refused!.errorMessage).toContain('log.dirs.min.free.bytes');
      expect(freeBytes()).toBeGreaterThan(RESERVE - MIB);
      // All else goes on: reads, commits, metadata, deletes.
      expect(await readAll(orders)).toEqual(acknowledged);
      for (let offset = 1; offset <= 20; offset++) expect(await commitOffset(offset)).toBe(Errors.NONE);
      await createTopic('later');
      const deletion = { topics: [{ name: 'later' }], timeoutMs: 5_000 };
      const deleted = await client.ask([DeleteTopicsRequest, DeleteTopicsResponse], 6, deletion);
      expect(deleted!.responses[0]!.errorCode).toBe(Errors.NONE);
      expect(broker.services.logManager.hasOfflineLogDirs).toBe(false);
      expect(messages()).toEqual([expect.stringContaining('short of space')]);

      // Somebody else takes away most of it, and the broker starts to write once more just then.
      const filler = join(folder, 'filler');
      rmSync(filler, { force: true });
      const { logManager } = broker.services;
      writeFileSync(filler, Buffer.alloc(freeBytes() - 64 * 1024));
      const log = logManager.getLog({ topic: 'orders', partition: 0 })!;
      const builder = new RecordBatchBuilder({});
      builder.append({
        timestamp: Date.now(),
        key: Buffer.from('no room'),
        value: Buffer.alloc(512 * 1024),
        headers: [],
      });
      const outcome = await new Promise(resolve => {
        log
          .appendAsLeader(builder.build(), log.latestEpoch ?? 0, { origin: 'coordinator' })
          .onWritten(resolve);
      });
      expect(outcome).toMatchObject({ code: Errors.KAFKA_STORAGE_ERROR });
      expect(statSync(join(log.directory, '00000000000000000000.log')).size).toBe(log.sizeInBytes);
      expect(logManager.hasOfflineLogDirs).toBe(false);
      expect(await readAll(orders)).toEqual(acknowledged);
      expect((await produce(orders, 'no', 10)).errorCode).toBe(Errors.KAFKA_STORAGE_ERROR);

      rmSync(filler);
      const old = await createTopic('smaller');
      expect(existsSync(join(broker.config.logDirs[0]!, 'smaller-0'))).toBe(true);
      // Not yet: the records of `orders` hold all but the reserve. They are deleted, and the broker goes on by itself.
      log.roll();
      log.maybeIncrementLogStartOffset(log.highWatermark, 'test');
      expect(log.deleteOldSegments()).toBe(1);
      await expect
        .poll(async () => (await produce(old, 'again', 10)).errorCode, { timeout: 15_000 })
        .toBe(Errors.NONE);
      expect((await produce(orders, 'next', 10)).baseOffset).toBe(acknowledged.length);
      expect(messages().at(-1)).toContain('room again');
      await broker.restart();
      client.close();
      client = await RawClient.connect(broker.port);
      expect(await readAll(old)).toContain('again');
    },
    60_000,
  );

  test.skipIf(!isMounted)(
    'commits offsets again when there is room, after a commit that had none',
    async () => {
      await expect.poll(() => commitOffset(0), { timeout: 15_000 }).toBe(Errors.NONE);
      const filler = join(folder, 'filler');
      writeFileSync(filler, Buffer.alloc(freeBytes()));
      let offset = 1;
      let errorCode: number = Errors.NONE;
      for (; errorCode === Errors.NONE && offset < 100; offset++)
        errorCode = await commitOffset(offset, 3_000);
      expect([Errors.NOT_COORDINATOR, Errors.COORDINATOR_NOT_AVAILABLE]).toContain(errorCode);
      expect(broker.services.logManager.hasOfflineLogDirs).toBe(false);
      rmSync(filler);
      await expect.poll(() => commitOffset(1000), { timeout: 15_000 }).toBe(Errors.NONE);
    },
    60_000,
  );
});
