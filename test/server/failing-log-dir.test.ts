import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Kafka, logLevel, Partitioners } from 'kafkajs';
import { afterEach, describe, expect, test } from 'vitest';
import { MemoryLogger } from '../../src/base/logger.ts';
import { Errors } from '../../src/protocol/errors.ts';
import { ProduceRequest, ProduceResponse } from '../../src/protocol/messages/00-produce.ts';
import { FetchRequest, FetchResponse } from '../../src/protocol/messages/01-fetch.ts';
import { MetadataRequest, MetadataResponse } from '../../src/protocol/messages/03-metadata.ts';
import { CreateTopicsRequest, CreateTopicsResponse } from '../../src/protocol/messages/19-create-topics.ts';
import {
  DescribeLogDirsRequest,
  DescribeLogDirsResponse,
} from '../../src/protocol/messages/35-describe-log-dirs.ts';
import { batchesOf } from '../../src/record/record-batch.ts';
import { RecordBatchBuilder } from '../../src/record/record-batch-builder.ts';
import { NodeRuntime } from '../../src/runtime/node/node-runtime.ts';
import { WORKER_TASKS } from '../../src/server/worker-tasks.ts';
import { type DiskOperation, MemoryDisk } from '../support/memory-disk.ts';
import { createTopicsWithLeaders } from '../support/kafkajs-topics.ts';
import { TestBroker } from '../support/test-broker.ts';
import { TestCluster, type TestNode, until } from '../support/test-cluster.ts';
import { RawClient } from './raw-client.ts';

/*
 * S8 of a whole broker: a log directory that fails goes offline alone, what was acknowledged is there again when the
 * disk is, and the broker stops only when the last directory is gone.
 */

const PARTITIONS = 4;

let folder = '';
let broker: TestBroker | undefined;
let client: RawClient | undefined;
/** Puts the machine in order again. */
const repairs: (() => void)[] = [];
const logger = new MemoryLogger();

afterEach(async () => {
  client?.close();
  await broker?.close();
  for (const repair of repairs.splice(0).reverse()) repair();
  if (folder !== '') rmSync(folder, { recursive: true, force: true });
  [folder, broker, client] = ['', undefined, undefined];
  logger.entries.length = 0;
});

interface BrokerUnderTest {
  readonly logDirs: readonly [string, string];
  readonly metadataLogDir: string;
  /** In memory; the machine's own otherwise. */
  readonly disk?: MemoryDisk;
  readonly durability?: 'fsync' | 'page-cache';
}

async function start({ logDirs, metadataLogDir, disk, durability }: BrokerUnderTest): Promise<TestBroker> {
  const { clock, timers, random, network, executor, disk: own } = new NodeRuntime({ tasks: WORKER_TASKS });
  broker = await TestBroker.start({
    logger,
    runtime: { clock, timers, random, network, executor, disk: disk ?? own },
    properties: {
      'log.dirs': logDirs.join(','),
      'metadata.log.dir': metadataLogDir,
      'log.durability': durability ?? 'page-cache',
      'log.dirs.min.free.bytes': '0',
    },
  });
  client = await RawClient.connect(broker.port);
  return broker;
}

async function createTopic(name: string, numPartitions = PARTITIONS): Promise<string> {
  const topics = [{ name, numPartitions, replicationFactor: 1 }];
  const body = { topics, timeoutMs: 5000 };
  const answer = await client!.ask([CreateTopicsRequest, CreateTopicsResponse], 7, body);
  expect(answer!.topics[0]!.errorCode).toBe(Errors.NONE);
  return answer!.topics[0]!.topicId;
}

/** The error code of one record, sent with acks=all. */
async function produce(topicId: string, partition: number, key: string): Promise<number> {
  const builder = new RecordBatchBuilder({});
  builder.append({ timestamp: Date.now(), key: Buffer.from(key), value: Buffer.from(key), headers: [] });
  const topicData = [{ topicId, partitionData: [{ index: partition, records: builder.build() }] }];
  const body = { acks: -1, timeoutMs: 5000, topicData };
  const answer = await client!.ask([ProduceRequest, ProduceResponse], 13, body);
  return answer!.responses[0]!.partitionResponses[0]!.errorCode;
}

/** The keys of what is in a partition, or the error code. */
async function read(topicId: string, partition: number): Promise<string[] | number> {
  const partitions = [{ partition, fetchOffset: 0, partitionMaxBytes: 100_000 }];
  const body = { maxWaitMs: 0, minBytes: 0, maxBytes: 100_000, topics: [{ topicId, partitions }] };
  const answer = await client!.ask([FetchRequest, FetchResponse], 17, body);
  const { errorCode, records } = answer!.responses[0]!.partitions[0]!;
  if (errorCode !== Errors.NONE) return errorCode;
  return [...batchesOf(records ?? Buffer.alloc(0))].flatMap(batch =>
    [...batch.records()].map(record => record.key!.toString()),
  );
}

/** Of each log directory, its error code. */
async function describedDirs(): Promise<Record<string, number>> {
  const body = { topics: null };
  const answer = await client!.ask([DescribeLogDirsRequest, DescribeLogDirsResponse], 4, body);
  return Object.fromEntries(answer!.results.map(({ logDir, errorCode }) => [logDir, errorCode]));
}

/** The partitions that have a leader. */
async function ledPartitions(name: string): Promise<number[]> {
  const topics = [{ topicId: null as unknown as string, name }];
  const body = { topics: topics.map(each => ({ name: each.name })), allowAutoTopicCreation: false };
  const answer = await client!.ask([MetadataRequest, MetadataResponse], 12, body);
  return answer!.topics[0]!.partitions.filter(({ leaderId }) => leaderId >= 0)
    .map(({ partitionIndex }) => partitionIndex)
    .sort((a, b) => a - b);
}

const byDirectory = (name: string, directory: string): number[] =>
  Array.from({ length: PARTITIONS }, (_, partition) => partition).filter(
    partition => broker!.services.logManager.getLog({ topic: name, partition })?.logDirectory === directory,
  );

/** Writes a record to each partition of a new topic, and gives the partitions of both directories. */
async function filled(name: string, logDirs: readonly [string, string]) {
  const id = await createTopic(name);
  for (let partition = 0; partition < PARTITIONS; partition++) {
    expect(await produce(id, partition, `${partition}-before`)).toBe(Errors.NONE);
  }
  const [failing, other] = logDirs.map(directory => byDirectory(name, directory)) as [number[], number[]];
  expect([failing.length, other.length]).toEqual([2, 2]);
  return { id, failing, other };
}

/** What a broker is after its first directory has failed, whatever has made it fail. */
async function expectOneGone(
  topic: Awaited<ReturnType<typeof filled>>,
  logDirs: readonly [string, string],
): Promise<void> {
  const { id, failing, other } = topic;
  const [gone, left] = logDirs;
  expect(await describedDirs()).toEqual({ [gone]: Errors.KAFKA_STORAGE_ERROR, [left]: Errors.NONE });
  // No other broker has a replica: the controller leaves these without a leader.
  await expect.poll(() => ledPartitions('orders'), { timeout: 15_000 }).toEqual(other);
  for (const partition of failing) {
    const code = await produce(id, partition, 'refused');
    expect([Errors.KAFKA_STORAGE_ERROR, Errors.NOT_LEADER_OR_FOLLOWER]).toContain(code);
    expect([Errors.KAFKA_STORAGE_ERROR, Errors.NOT_LEADER_OR_FOLLOWER]).toContain(await read(id, partition));
  }
  for (const partition of other) {
    expect(await produce(id, partition, `${partition}-after`)).toBe(Errors.NONE);
    expect(await read(id, partition)).toEqual([`${partition}-before`, `${partition}-after`]);
  }
  // New replicas go where there is a disk.
  const later = await createTopic('later', 2);
  await expect.poll(() => produce(later, 0, 'x')).toBe(Errors.NONE);
  expect(await produce(later, 1, 'x')).toBe(Errors.NONE);
  expect(offlineLines()).toEqual([gone]);
}

const offlineLines = (): unknown[] =>
  logger.entries
    .filter(({ message }) => message === 'a log directory is offline')
    .map(({ fields }) => fields['logDir']);

/** Starts again on disks that work, and finds all that was acknowledged. */
async function expectAllThere({ id, failing, other }: Awaited<ReturnType<typeof filled>>): Promise<void> {
  client!.close();
  await broker!.restart();
  client = await RawClient.connect(broker!.port);
  for (const partition of failing) {
    await expect.poll(() => read(id, partition), { timeout: 15_000 }).toEqual([`${partition}-before`]);
    expect(await produce(id, partition, 'again')).toBe(Errors.NONE);
  }
  for (const partition of other) {
    await expect
      .poll(() => read(id, partition), { timeout: 15_000 })
      .toEqual([`${partition}-before`, `${partition}-after`]);
  }
}

describe('a broker in memory, one of whose log directories fails', { timeout: 60_000 }, () => {
  const logDirs = ['/disk-1/logs', '/disk-2/logs'] as const;
  const metadataLogDir = '/disk-3/metadata';

  const failing =
    (operation: DiskOperation, path: string): NonNullable<MemoryDisk['fault']> =>
    (asked, at) =>
      asked === operation && at.startsWith(path) ? { code: 'EIO' } : undefined;

  test.each([
    ['write', 'page-cache'],
    ['sync', 'fsync'],
  ] as const)(
    'at a %s, loses nothing else, and stops when the last one fails',
    async (operation, durability) => {
      const disk = new MemoryDisk();
      await start({ logDirs, metadataLogDir, disk, durability });
      const topic = await filled('orders', logDirs);
      disk.fault = failing(operation, '/disk-1');
      expect(await produce(topic.id, topic.failing[0]!, 'lost')).toBe(Errors.KAFKA_STORAGE_ERROR);
      await expectOneGone(topic, logDirs);
      disk.fault = failing(operation, '/disk');
      // The answer may come, or the connection be closed by the end of the broker.
      const last = produce(topic.id, topic.other[0]!, 'lost').catch(() => undefined);
      await expect(broker!.failed).resolves.toMatchObject({ message: expect.stringContaining('EIO') });
      await last;
      await broker!.stop();
      expect(logger.messages('error')).toContain('the node stops because of a failure');
      disk.fault = undefined;
      client!.close();
      await broker!.restart();
      client = await RawClient.connect(broker!.port);
      for (const partition of topic.other) {
        const found = await read(topic.id, partition);
        expect(found).toEqual(expect.arrayContaining([`${partition}-before`, `${partition}-after`]));
      }
    },
  );

  test('comes back with all that was acknowledged when the disk is repaired', async () => {
    const disk = new MemoryDisk();
    await start({ logDirs, metadataLogDir, disk });
    const topic = await filled('orders', logDirs);
    disk.fault = failing('write', '/disk-1');
    expect(await produce(topic.id, topic.failing[0]!, 'lost')).toBe(Errors.KAFKA_STORAGE_ERROR);
    await expectOneGone(topic, logDirs);
    disk.fault = undefined;
    // It is not tried again while the broker runs.
    expect(await describedDirs()).toMatchObject({ [logDirs[0]]: Errors.KAFKA_STORAGE_ERROR });
    await expectAllThere(topic);
  });

  test('starts without it, and serves the other', async () => {
    const disk = new MemoryDisk();
    await start({ logDirs, metadataLogDir, disk });
    const topic = await filled('orders', logDirs);
    await broker!.stop();
    client!.close();
    disk.fault = (_operation, path) => (path.startsWith('/disk-1') ? { code: 'EIO' } : undefined);
    await broker!.restart();
    client = await RawClient.connect(broker!.port);
    await expect.poll(() => ledPartitions('orders'), { timeout: 15_000 }).toEqual(topic.other);
    await expectOneGone(topic, logDirs);
  });

  test('stops at once when it is the directory of the metadata log', async () => {
    const disk = new MemoryDisk();
    await start({ logDirs, metadataLogDir, disk });
    await filled('orders', logDirs);
    disk.fault = failing('write', metadataLogDir);
    const creation = createTopic('later').catch(() => undefined);
    await expect(broker!.failed).resolves.toBeInstanceOf(Error);
    await creation;
    disk.fault = undefined;
  });
});

describe('a broker on the disk of this machine, one of whose log directories goes away', {
  timeout: 60_000,
}, () => {
  const isRoot = process.platform === 'linux' && process.getuid?.() === 0;

  function directories(): BrokerUnderTest & { logDirs: readonly [string, string] } {
    folder = mkdtempSync(join(tmpdir(), 'odradek-failing-dir-'));
    const [one, two, metadataLogDir] = ['one', 'two', 'metadata'].map(name => join(folder, name)) as [
      string,
      string,
      string,
    ];
    for (const directory of [one, two, metadataLogDir]) mkdirSync(directory);
    return { logDirs: [one, two], metadataLogDir };
  }

  /** The next file that is opened there is not to be had. Gives what puts it right. */
  function becomeFile(directory: string): () => void {
    renameSync(directory, `${directory}.away`);
    writeFileSync(directory, 'no directory');
    return () => {
      rmSync(directory);
      renameSync(`${directory}.away`, directory);
    };
  }

  /** An empty file system on top, which cannot be written to. */
  function becomeReadOnly(directory: string): () => void {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'ro', 'tmpfs', directory], { stdio: 'ignore' });
    return () => {
      execFileSync('umount', ['-l', directory]);
    };
  }

  const cases: [what: string, isPossible: boolean, fail: (directory: string) => () => void][] = [
    ['a file is in its place', true, becomeFile],
    ['a read-only file system is mounted over it (needs root)', isRoot, becomeReadOnly],
  ];
  for (const [what, isPossible, fail] of cases) {
    test.skipIf(!isPossible)(`because ${what}, serves the other and comes back whole`, async () => {
      const under = directories();
      await start(under);
      const topic = await filled('orders', under.logDirs);
      const repair = fail(under.logDirs[0]);
      repairs.push(repair);
      // Open files are still the old ones: it is noticed when something new is made there.
      await createTopic('new');
      await expect
        .poll(describedDirs, { timeout: 15_000 })
        .toMatchObject({ [under.logDirs[0]]: Errors.KAFKA_STORAGE_ERROR });
      await expectOneGone(topic, under.logDirs);
      repairs.pop();
      repair();
      await expectAllThere(topic);
    });
  }

  test('stops when both have', async () => {
    const under = directories();
    await start(under);
    await filled('orders', under.logDirs);
    for (const directory of under.logDirs) repairs.push(becomeFile(directory));
    createTopic('new').catch(() => {});
    await expect(broker!.failed).resolves.toBeInstanceOf(Error);
    expect(offlineLines().sort()).toEqual([...under.logDirs]);
  });
});

describe('a cluster, one of whose brokers loses a log directory', { timeout: 60_000 }, () => {
  test('leads its partitions elsewhere, and the broker leads those of its other directory on', async () => {
    const cluster = await TestCluster.start({
      roles: ['controller', 'broker', 'broker', 'broker'],
      logDirs: 2,
      properties: { 'min.insync.replicas': '2' },
    });
    try {
      const [one, ...others] = cluster.brokers as [TestNode, TestNode, TestNode];
      const kafka = new Kafka({
        brokers: others.map(({ bootstrap }) => bootstrap),
        logLevel: logLevel.NOTHING,
        retry: { initialRetryTime: 50, maxRetryTime: 500, retries: 60 },
      });
      const admin = kafka.admin();
      await admin.connect();
      const replicas = [one, ...others].map(({ id }) => id);
      const replicaAssignment = [0, 1, 2, 3].map(partition => ({ partition, replicas }));
      await createTopicsWithLeaders(admin, [{ topic: 'orders', replicaAssignment }]);
      const producer = kafka.producer({
        createPartitioner: Partitioners.DefaultPartitioner,
        // Where one partition of a request is led elsewhere by now, kafkajs sends all of the request again.
        idempotent: true,
        maxInFlightRequests: 1,
      });
      await producer.connect();
      const send = (round: number) =>
        producer.send({
          topic: 'orders',
          acks: -1,
          messages: [0, 1, 2, 3].map(partition => ({ partition, value: `${round}` })),
        });
      for (let round = 0; round < 5; round++) await send(round);
      const { logManager } = one.server.services!;
      const failing = join(one.directory, '1');
      const inFailing = [0, 1, 2, 3].filter(
        partition => logManager.getLog({ topic: 'orders', partition })?.logDirectory === failing,
      );
      expect(inFailing).toHaveLength(2);
      renameSync(failing, `${failing}.away`);
      writeFileSync(failing, 'no directory');
      const assigned = [0, 1].map(partition => ({ partition, replicas: [one.id, others[0]!.id] }));
      await admin.createTopics({
        topics: [{ topic: 'new', replicaAssignment: assigned }],
        waitForLeaders: false,
      });
      const partitionsOf = () => {
        const { topics } = others[0]!.server.metadata()!;
        return topics.topic('orders')!.partitions;
      };
      await until('the partitions of the lost directory are led elsewhere', () =>
        partitionsOf().every(({ leader, isr }, id) =>
          inFailing.includes(id) ? leader !== one.id && !isr.includes(one.id) : leader === one.id,
        ),
      );
      for (let round = 5; round < 10; round++) await send(round);
      for (const { high } of await admin.fetchTopicOffsets('orders')) expect(high).toBe('10');
      expect(one.server.services!.logManager.hasOfflineLogDirs).toBe(true);
      // Its operator sees to the disk: the broker has all again and is in sync.
      rmSync(failing);
      renameSync(`${failing}.away`, failing);
      await one.restart();
      await until('all are in sync', () => partitionsOf().every(({ isr }) => isr.length === 3));
      await producer.disconnect();
      await admin.disconnect();
    } finally {
      await cluster.close();
    }
  });
});
