import { describe, expect, it } from 'vitest';
import type { LogConfig } from '../../src/config/log-config.ts';
import { Errors, KafkaError } from '../../src/protocol/errors.ts';
import { readAll } from '../log/log-fixture.ts';
import { batch, directoryIdOf, type TestBroker, TestCluster, TOPIC } from './replication-fixture.ts';

const TP = { topic: TOPIC, partition: 0 };
const RATE = 'replica.alter.log.dirs.io.max.bytes.per.second';
const DIRS = ['/a', '/b', '/c'] as const;

/** `records` of one record each on every broker, in the first of its log directories. */
async function clusterOf(replicas: number[], records: number, logConfig: Partial<LogConfig> = {}) {
  const cluster = new TestCluster(replicas, { logDirs: DIRS, logConfig });
  await cluster.start({ replicas });
  for (let i = 0; i < records; i++) {
    cluster.broker(1).append(batch(1, 100));
    await cluster.clock.settle();
  }
  await cluster.run(1_000);
  return cluster;
}

/** The code of the answer; 0 if the move has begun, or is done. */
function alter(broker: TestBroker, logDir: string, topicPartition = TP): number {
  try {
    broker.replicaManager.alterReplicaLogDir(topicPartition, logDir);
    return Errors.NONE;
  } catch (error) {
    if (error instanceof KafkaError) return error.code;
    throw error;
  }
}

/** The directories of the partition on a broker's disk. */
function directoriesOf({ disk }: TestBroker): string[] {
  const directories = disk.paths().map(path => path.slice(0, path.lastIndexOf('/')));
  return [...new Set(directories)]
    .filter(path => path.includes(`/${TOPIC}-0`))
    .map(path => path.replace(/[0-9a-f]{32}/, '*'))
    .sort();
}

describe('AlterReplicaLogDirs', () => {
  it('moves a leader while it is written and read, shows how far it is, and tells the controller', async () => {
    const cluster = await clusterOf([1, 2], 20, { segmentBytes: 1_000 });
    const broker = cluster.broker(1);
    cluster.rates.set(RATE, '500');
    const before = broker.log;
    expect(alter(broker, '/b')).toBe(Errors.NONE);
    expect(alter(broker, '/b')).toBe(Errors.NONE);
    await cluster.run(1_000);
    const shown = broker.logManager.describeLogDirs().map(({ logs }) => logs);
    expect(shown[0]).toMatchObject([{ isFuture: false, offsetLag: 0 }]);
    expect(shown[1]).toMatchObject([{ isFuture: true }]);
    expect(shown[1]![0]!.offsetLag).toBeGreaterThan(10);
    expect(directoriesOf(broker)).toEqual(['/a/t-0', '/b/t-0.*-future']);
    // A read of the old files that has begun.
    const reading = before.read(0, 10_000_000, 'highWatermark', true);
    const acknowledged: unknown[] = [];
    for (let i = 0; i < 40 && broker.log === before; i++) {
      acknowledged.push(broker.append(batch(1, 100)));
      await cluster.run(200);
      if (i === 5) cluster.rates.delete(RATE);
    }
    const { log } = broker;
    expect(log).not.toBe(before);
    expect([log.logDirectory, log.directory, log.isFuture]).toEqual(['/b', '/b/t-0', false]);
    expect(acknowledged).toEqual(
      acknowledged.map(() => ({ result: expect.objectContaining({ errorCode: 0 }) })),
    );
    expect(broker.ends).toEqual([20 + acknowledged.length, 20 + acknowledged.length]);
    expect((await readAll(log)).length).toBe(20 + acknowledged.length);
    cluster.expectSameLogs(1, 2);
    expect(broker.assigned.at(-1)).toBe(directoryIdOf(1));
    const old = Buffer.concat(await Promise.all(reading.slices.map(slice => slice.load())));
    expect(old.length).toBeGreaterThan(0);
    expect(directoriesOf(broker)).toEqual(['/a/t-0.*-delete', '/b/t-0']);
    await cluster.run(log.config.fileDeleteDelayMs);
    expect(directoriesOf(broker)).toEqual(['/b/t-0']);
    expect(broker.logManager.describeLogDirs().map(({ logs }) => logs.length)).toEqual([0, 1, 0]);
    const after = broker.append(batch(1, 100));
    await cluster.run(1_000);
    expect(after.result).toMatchObject({ errorCode: 0 });
    cluster.expectSameLogs(1, 2);
  });

  it('moves a follower while its leader is written, under fsync too', async () => {
    const cluster = await clusterOf([1, 2], 10, { durability: 'fsync', segmentBytes: 1_000 });
    const follower = cluster.broker(2);
    expect(alter(follower, '/c')).toBe(Errors.NONE);
    for (let i = 0; i < 10; i++) {
      cluster.broker(1).append(batch(1, 100));
      await cluster.run(50);
    }
    await cluster.run(1_000);
    expect(follower.log.logDirectory).toBe('/c');
    expect(follower.ends).toEqual([20, 20]);
    cluster.expectSameLogs(1, 2);
    await follower.crash('lose');
    await follower.start();
    await cluster.elect(1);
    await cluster.run(1_000);
    expect(follower.log.logDirectory).toBe('/c');
    cluster.expectSameLogs(1, 2);
  });

  it('comes to an end under fsync though there is always a write on its way', async () => {
    const cluster = await clusterOf([1], 5, { durability: 'fsync' });
    const broker = cluster.broker(1);
    const before = broker.log;
    const codes: number[] = [];
    let sent = 0;
    // Three writers, so that one is always on its way; they give up if the move does not come to its end.
    const write = (): void => {
      if (broker.log !== before || sent === 600) return;
      sent++;
      const entry = { topicPartition: TP, records: batch(1, 100) };
      broker.replicaManager.appendRecords([entry], 1, 1_000, { origin: 'client' }, ([result]) => {
        codes.push(result!.errorCode);
        cluster.clock.timers.soon(write);
      });
    };
    for (let writer = 0; writer < 3; writer++) write();
    alter(broker, '/b');
    await cluster.clock.settle();
    expect(broker.log.logDirectory).toBe('/b');
    expect(sent).toBeLessThan(600);
    expect(codes).toEqual(Array.from({ length: sent }, () => Errors.NONE));
    expect((await readAll(broker.log)).length).toBe(5 + sent);
  });

  it('keeps what the log knows of producers, leader epochs and its start (T1, S6, S11)', async () => {
    const cluster = await clusterOf([1], 0);
    const broker = cluster.broker(1);
    const of = (baseSequence: number) => batch(1, 10, { producerId: 7, producerEpoch: 0, baseSequence });
    for (let i = 0; i < 8; i++) broker.append(of(i));
    await cluster.clock.settle();
    await cluster.elect(1);
    broker.log.maybeIncrementLogStartOffset(3, 'test');
    const epochs = broker.log.epochEntries;
    alter(broker, '/b');
    await cluster.run(1_000);
    expect(broker.log.logDirectory).toBe('/b');
    expect(broker.log.logStartOffset).toBe(3);
    expect(broker.log.epochEntries).toEqual(epochs);
    for (let i = 3; i < 8; i++) {
      const again = broker.append(of(i));
      await cluster.clock.settle();
      expect(again.result).toMatchObject({ errorCode: 0, baseOffset: i });
    }
    expect(broker.append(of(9)).result).toMatchObject({ errorCode: Errors.OUT_OF_ORDER_SEQUENCE_NUMBER });
    await broker.crash('lose');
    await broker.start();
    await cluster.elect(1);
    expect(broker.log.logStartOffset).toBe(3);
    expect(broker.ends).toEqual([8, 8]);
  });

  it('keeps the producers whose records were deleted, also past a clean restart (T1)', async () => {
    const cluster = await clusterOf([1], 0);
    const broker = cluster.broker(1);
    const of = (producerId: number, baseSequence: number) =>
      batch(1, 10, { producerId, producerEpoch: 0, baseSequence });
    const codeOf = async (records: Buffer): Promise<number> => {
      const appended = broker.append(records);
      await cluster.clock.settle();
      return appended.result!.errorCode;
    };
    for (let i = 0; i < 8; i++) broker.append(of(7, i));
    broker.append(of(8, 0));
    await cluster.clock.settle();
    broker.log.maybeIncrementLogStartOffset(8, 'test');
    alter(broker, '/b');
    await cluster.run(1_000);
    // Too old to be known as a repetition, and no record of its producer is left.
    expect(await codeOf(of(7, 1))).toBe(Errors.OUT_OF_ORDER_SEQUENCE_NUMBER);
    await broker.logManager.shutdown();
    await broker.crash('keep');
    await broker.start();
    await cluster.elect(1);
    expect([broker.log.logDirectory, broker.log.logStartOffset]).toEqual(['/b', 8]);
    expect(await codeOf(of(7, 1))).toBe(Errors.OUT_OF_ORDER_SEQUENCE_NUMBER);
    broker.log.maybeIncrementLogStartOffset(9, 'test');
    alter(broker, '/c');
    await cluster.run(1_000);
    expect([broker.log.logDirectory, ...broker.ends]).toEqual(['/c', 9, 9]);
    expect(await codeOf(of(7, 1))).toBe(Errors.OUT_OF_ORDER_SEQUENCE_NUMBER);
    expect(await codeOf(of(7, 8))).toBe(Errors.NONE);
    expect(await codeOf(of(8, 1))).toBe(Errors.NONE);
  });

  it('can be called off, sent elsewhere, and asked for what is so already', async () => {
    const cluster = await clusterOf([1], 20);
    const broker = cluster.broker(1);
    cluster.rates.set(RATE, '300');
    expect(alter(broker, '/a')).toBe(Errors.NONE);
    expect(broker.replicaManager.moves.size).toBe(0);
    alter(broker, '/b');
    await cluster.run(500);
    alter(broker, '/c');
    await cluster.run(500);
    expect(directoriesOf(broker)).toEqual(['/a/t-0', '/b/t-0.*-delete', '/c/t-0.*-future']);
    alter(broker, '/a');
    await cluster.run(500);
    expect(directoriesOf(broker)).toEqual(['/a/t-0', '/b/t-0.*-delete', '/c/t-0.*-delete']);
    expect(broker.replicaManager.moves.size).toBe(0);
    await cluster.run(60_000);
    expect(directoriesOf(broker)).toEqual(['/a/t-0']);
    expect(broker.log.logDirectory).toBe('/a');
  });

  it('answers with the codes of Kafka, and makes a replica that comes later where it was wanted', async () => {
    const cluster = await clusterOf([1, 2], 1);
    const broker = cluster.broker(1);
    expect(alter(broker, '/nowhere')).toBe(Errors.LOG_DIR_NOT_FOUND);
    expect(alter(broker, '/b', { topic: 'other', partition: 0 })).toBe(Errors.UNKNOWN_TOPIC_OR_PARTITION);
    expect(alter(broker, '/b', { topic: 'x'.repeat(249), partition: 0 })).toBe(
      Errors.INVALID_TOPIC_EXCEPTION,
    );
    cluster.partitions = [
      ...cluster.partitions,
      { ...cluster.partitions[0]!, replicas: [2], isr: [2], leader: 2 },
    ];
    await cluster.publish();
    const later = { topic: TOPIC, partition: 1 };
    expect(alter(broker, '/c', later)).toBe(Errors.NOT_LEADER_OR_FOLLOWER);
    cluster.partitions = [
      cluster.partitions[0]!,
      {
        ...cluster.partitions[1]!,
        replicas: [2, 1],
        directories: [directoryIdOf(0), 'AAAAAAAAAAAAAAAAAAAAAA'],
      },
    ];
    await cluster.publish();
    await cluster.run(500);
    expect(broker.partition(1).log?.logDirectory).toBe('/c');
  });

  it('ends when the new directory fails, and the replica stays where it is', async () => {
    const cluster = await clusterOf([1], 10);
    const broker = cluster.broker(1);
    cluster.rates.set(RATE, '300');
    alter(broker, '/b');
    await cluster.run(500);
    broker.disk.fault = (_operation, path) => (path.startsWith('/b/') ? { code: 'EIO' } : undefined);
    await cluster.run(2_000);
    expect(broker.replicaManager.moves.size).toBe(0);
    expect(alter(broker, '/b')).toBe(Errors.KAFKA_STORAGE_ERROR);
    const outcome = broker.append(batch(1));
    await cluster.run(500);
    expect(outcome.result).toMatchObject({ errorCode: 0 });
    expect(broker.log.logDirectory).toBe('/a');
  });

  it('ends when the old directory fails, with the partition offline', async () => {
    const cluster = await clusterOf([1], 10);
    const broker = cluster.broker(1);
    cluster.rates.set(RATE, '300');
    alter(broker, '/b');
    await cluster.run(500);
    broker.disk.fault = (_operation, path) => (path.startsWith('/a/') ? { code: 'EIO' } : undefined);
    const outcome = broker.append(batch(1));
    await cluster.run(2_000);
    expect(outcome.result).toMatchObject({ errorCode: Errors.KAFKA_STORAGE_ERROR });
    expect(broker.partition().isOffline).toBe(true);
    expect(broker.replicaManager.moves.size).toBe(0);
    expect(alter(broker, '/b')).toBe(Errors.KAFKA_STORAGE_ERROR);
  });

  it('cuts from the copy what the log itself has to cut', async () => {
    const cluster = await clusterOf([1, 2], 4);
    const [one, two] = [cluster.broker(1), cluster.broker(2)];
    // What only broker 2 has, as the leader of an epoch in which nobody followed.
    cluster.isLinked = () => false;
    await cluster.elect(2, [2]);
    for (let i = 0; i < 3; i++) two.append(batch(1, 77), 1);
    await cluster.run(100);
    cluster.rates.set(RATE, '150');
    alter(two, '/b');
    await cluster.run(6_000);
    await cluster.elect(1, [1]);
    one.append(batch(1, 99), 1);
    cluster.isLinked = () => true;
    await cluster.run(10_000);
    expect(two.log.logDirectory).toBe('/b');
    cluster.expectSameLogs(1, 2);
    expect((await readAll(two.log)).length).toBe(5);
  });

  it('waits while the new directory is short of space', async () => {
    const cluster = new TestCluster([1], { logDirs: DIRS });
    cluster.minFreeBytes = 1_000_000;
    await cluster.start({ replicas: [1] });
    const broker = cluster.broker(1);
    broker.append(batch(1, 100));
    await cluster.run(100);
    broker.disk.capacityBytes = broker.disk.usedBytes + 900_000;
    await cluster.run(1_100);
    alter(broker, '/b');
    await cluster.run(5_000);
    expect(broker.log.logDirectory).toBe('/a');
    broker.disk.capacityBytes = Number.POSITIVE_INFINITY;
    await cluster.run(5_000);
    expect(broker.log.logDirectory).toBe('/b');
  });

  it('goes with the topic', async () => {
    const cluster = await clusterOf([1], 10);
    const broker = cluster.broker(1);
    cluster.rates.set(RATE, '300');
    alter(broker, '/b');
    await cluster.run(500);
    cluster.partitions = [{ ...cluster.partitions[0]!, replicas: [9], isr: [9], leader: 9 }];
    await cluster.publish();
    expect(directoriesOf(broker)).toEqual(['/a/t-0.*-delete', '/b/t-0.*-delete']);
    await cluster.run(60_000);
    expect(directoriesOf(broker)).toEqual([]);
  });
});

describe('a move that the process does not survive', () => {
  for (const mode of ['keep', 'lose'] as const) {
    it(`goes on after a start, or is done, at whatever step it ended (the page cache: ${mode})`, async () => {
      const ends = new Set<string>();
      for (let steps = 0; ; steps++) {
        const cluster = await clusterOf([1], 6, { segmentBytes: 400 });
        const broker = cluster.broker(1);
        await broker.log.flush();
        const expected = await readAll(broker.log);
        let left = steps;
        let isDead = false;
        broker.disk.fault = operation => {
          if (operation === 'read' || operation === 'list') return undefined;
          if (left-- > 0) return undefined;
          isDead = true;
          return { code: 'EIO' };
        };
        alter(broker, '/b');
        await cluster.clock.settle();
        if (!isDead) {
          expect(broker.log.logDirectory).toBe('/b');
          break;
        }
        await broker.crash(mode);
        ends.add(directoriesOf(broker).join(' '));
        await broker.start();
        broker.logManager.setDuplicatesAside(() => cluster.image.topics.topic(TOPIC)?.id);
        await cluster.elect(1);
        await cluster.run(2_000);
        expect(await readAll(broker.log), `after ${steps} steps`).toEqual(expected);
        expect(broker.partition().isOffline).toBe(false);
        const outcome = broker.append(batch(1));
        await cluster.run(100);
        expect(outcome.result).toMatchObject({ errorCode: 0, baseOffset: 6 });
        await cluster.run(60_000);
        const [kept, ...others] = directoriesOf(broker).filter(path => !path.endsWith('-stray'));
        expect(others).toEqual([]);
        expect(broker.log.directory).toBe(kept);
      }
      expect([...ends]).toEqual(expect.arrayContaining(['/a/t-0 /b/t-0.*-future', '/a/t-0 /b/t-0']));
    });
  }
});
