import { describe, expect, it } from 'vitest';
import { MemoryLogger, silentLogger } from '../../src/base/logger.ts';
import { LogManager } from '../../src/log/log-manager.ts';
import { Errors } from '../../src/protocol/errors.ts';
import { LockedError } from '../../src/runtime/runtime.ts';
import { ManualRuntime } from '../support/manual-runtime.ts';
import { batchOf, closeManager, LOG_CONFIG, openManager, readAll, TP } from './log-fixture.ts';

const ID = '4sYNNVlkRVWWN2t2xZ0lpg';
const OTHER_ID = '5sYNNVlkRVWWN2t2xZ0lpg';

describe('LogManager', () => {
  it('leaves the files that Kafka leaves, and finds everything again without reading a segment', async () => {
    const runtime = new ManualRuntime();
    const manager = await openManager(runtime);
    const log = manager.getOrCreateLog(TP, ID);
    manager.getOrCreateLog({ topic: 'empty', partition: 3 }, OTHER_ID);
    for (let i = 0; i < 5; i++)
      log.appendAsLeader(
        batchOf({ producerId: 1, producerEpoch: 0, baseSequence: i, timestamp: runtime.clock.wallMs() }),
        2,
      );
    runtime.turn();
    log.updateHighWatermark(4);
    log.maybeIncrementLogStartOffset(2, 'test');
    await closeManager({ runtime, manager });
    const text = (name: string) => runtime.disk.contentOf(`/data/${name}`).toString();
    expect(text('.kafka_cleanshutdown')).toBe('{"version":0,"brokerEpoch":7}');
    expect(text('recovery-point-offset-checkpoint')).toBe('0\n2\norders 0 5\nempty 3 0\n');
    expect(text('replication-offset-checkpoint')).toBe('0\n2\norders 0 4\nempty 3 0\n');
    expect(text('log-start-offset-checkpoint')).toBe('0\n1\norders 0 2\n');
    expect(text('orders-0/partition.metadata')).toBe(`version: 0\ntopic_id: ${ID}`);
    expect(text('orders-0/leader-epoch-checkpoint')).toBe('0\n1\n2 2\n');
    expect(
      runtime.disk
        .paths()
        .filter(path => path.startsWith('/data/orders-0/'))
        .map(path => path.slice(15)),
    ).toEqual([
      '00000000000000000000.index',
      '00000000000000000000.log',
      '00000000000000000000.timeindex',
      '00000000000000000005.snapshot',
      'leader-epoch-checkpoint',
      'partition.metadata',
    ]);
    const again = await openManager(runtime);
    expect(again.previousBrokerEpoch).toBe(7);
    const reopened = again.getLog(TP)!;
    expect([
      reopened.topicId,
      reopened.logStartOffset,
      reopened.highWatermark,
      reopened.logEndOffset,
    ]).toEqual([ID, 2, 4, 5]);
    expect(reopened.activeProducers.get(1)?.lastSequence).toBe(4);
    expect(again.getLog({ topic: 'empty', partition: 3 })?.topicId).toBe(OTHER_ID);
    expect(runtime.disk.paths()).not.toContain('/data/.kafka_cleanshutdown');
  });

  it('leaves the marker of a clean stop to the next start if it stops before it has loaded its logs', async () => {
    const runtime = new ManualRuntime();
    await closeManager({ runtime, manager: await openManager(runtime) });
    const options = { logDirs: ['/data'], defaultConfig: LOG_CONFIG };
    const waiting = new LogManager(runtime, silentLogger, options);
    waiting.lockDirectories();
    expect(waiting.previousBrokerEpoch).toBe(7);
    await waiting.shutdown(8);
    expect(runtime.disk.contentOf('/data/.kafka_cleanshutdown').toString()).toBe(
      '{"version":0,"brokerEpoch":7}',
    );
    const next = await openManager(runtime);
    expect(next.previousBrokerEpoch).toBe(7);
    expect(runtime.disk.paths()).not.toContain('/data/.kafka_cleanshutdown');
  });

  it('loads each log with the configuration of its topic, and gives all of them another one at once', async () => {
    const runtime = new ManualRuntime();
    const manager = await openManager(runtime);
    manager.getOrCreateLog(TP);
    manager.getOrCreateLog({ topic: 'other', partition: 1 });
    await closeManager({ runtime, manager });
    let factor = 1;
    const configOf = (topic: string) => ({ ...LOG_CONFIG, retentionMs: factor * topic.length });
    const again = await openManager(runtime, LOG_CONFIG, { configOf });
    const retention = () =>
      [...again.allLogs].map(({ config, topicPartition }) => [topicPartition.topic, config.retentionMs]);
    expect(retention()).toEqual([
      ['orders', 6],
      ['other', 5],
    ]);
    factor = 10;
    again.updateAllConfigs();
    expect(retention()).toEqual([
      ['orders', 60],
      ['other', 50],
    ]);
  });

  it('opens 300 partitions with few handles and few operations each', async () => {
    const runtime = new ManualRuntime();
    const options = { maxOpenFiles: 50 };
    const manager = await openManager(runtime, LOG_CONFIG, options);
    runtime.disk.counts.clear();
    for (let partition = 0; partition < 300; partition++) {
      const log = manager.getOrCreateLog({ topic: 'many', partition }, ID);
      log.assignEpochStartOffset(0, 0);
    }
    const sum = () => [...runtime.disk.counts.values()].reduce((total, count) => total + count, 0);
    expect(sum() / 300).toBeLessThan(4);
    for (const log of manager.allLogs) log.appendAsLeader(batchOf(), 0);
    runtime.turn();
    expect(runtime.disk.maxOpenHandles).toBeLessThanOrEqual(52);
    for (const log of manager.allLogs) expect(log.logEndOffset).toBe(1);
    expect((await readAll(manager.getLog({ topic: 'many', partition: 7 })!)).length).toBe(1);
    await closeManager({ runtime, manager });
    expect(runtime.disk.openHandles).toBe(0);
    runtime.disk.counts.clear();
    const again = await openManager(runtime, LOG_CONFIG, options);
    expect(again.logCount).toBe(300);
    expect(sum() / 300).toBeLessThan(10);
    expect(runtime.disk.maxOpenHandles).toBeLessThanOrEqual(60);
  });

  it('places new logs where there are fewest, and refuses another topic id', async () => {
    const manager = await openManager(new ManualRuntime(), LOG_CONFIG, { logDirs: ['/a', '/b'] });
    const places = Array.from(
      { length: 4 },
      (_, partition) => manager.getOrCreateLog({ topic: 't', partition }, ID).logDirectory,
    );
    expect(places).toEqual(['/a', '/b', '/a', '/b']);
    expect(manager.getOrCreateLog({ topic: 't', partition: 9 }, ID, undefined, '/b').logDirectory).toBe('/b');
    expect(() => manager.getOrCreateLog({ topic: 't', partition: 0 }, OTHER_ID)).toThrow(
      expect.objectContaining({ code: Errors.INCONSISTENT_TOPIC_ID }),
    );
  });

  it('places no new log in a cordoned directory but by name, or where there is no other', async () => {
    let cordoned: string[] = ['/a'];
    const options = { logDirs: ['/a', '/b'], cordonedLogDirs: () => cordoned };
    const manager = await openManager(new ManualRuntime(), LOG_CONFIG, options);
    let partition = 0;
    const place = (logDir?: string) =>
      manager.getOrCreateLog({ topic: 't', partition: partition++ }, ID, undefined, logDir).logDirectory;
    expect([place(), place(), place('/a'), place()]).toEqual(['/b', '/b', '/a', '/b']);
    expect(() => manager.futures.checkDestination({ topic: 't', partition: 0 }, '/a')).toThrow(
      expect.objectContaining({ code: Errors.INVALID_REPLICA_ASSIGNMENT }),
    );
    manager.futures.checkDestination({ topic: 't', partition: 2 }, '/b');
    cordoned = ['/a', '/b'];
    expect(place()).toBe('/a');
    cordoned = [];
    expect(place()).toBe('/a');
  });

  it('deletes at once for all who ask, later on disk, and a new partition of the name starts anew', async () => {
    const runtime = new ManualRuntime();
    const manager = await openManager(runtime);
    const log = manager.getOrCreateLog(TP, ID);
    for (let i = 0; i < 4; i++) log.appendAsLeader(batchOf(), 0);
    runtime.turn();
    log.updateHighWatermark(4);
    log.maybeIncrementLogStartOffset(3, 'test');
    manager.checkpointStartOffsets(new Set(['/data']));
    let refused = 0;
    log.appendAsLeader(batchOf(), 0).onWritten(error => (refused = error?.code ?? 0));
    manager.asyncDelete(TP);
    expect(refused).toBe(Errors.NOT_LEADER_OR_FOLLOWER);
    expect(manager.getLog(TP)).toBeUndefined();
    const gone = expect.objectContaining({ code: Errors.NOT_LEADER_OR_FOLLOWER });
    expect(() => log.read(3, 100, 'logEnd', true)).toThrow(gone);
    expect(() => log.appendAsLeader(batchOf(), 0)).toThrow(gone);
    const deleted = runtime.disk
      .paths()
      .filter(path => /^\/data\/orders-0\.[0-9a-f]{32}-delete\//.test(path));
    expect(deleted.length).toBeGreaterThan(1);
    const fresh = manager.getOrCreateLog(TP, OTHER_ID);
    fresh.appendAsLeader(batchOf(), 0);
    runtime.turn();
    runtime.advance(60_000);
    expect(runtime.disk.paths().some(path => path.includes('-delete'))).toBe(false);
    runtime.die();
    runtime.disk.crash('keep');
    const again = await openManager(runtime);
    expect([
      again.getLog(TP)?.logStartOffset,
      again.getLog(TP)?.logEndOffset,
      again.getLog(TP)?.topicId,
    ]).toEqual([0, 1, OTHER_ID]);
  });

  it('cuts the name of a directory to be deleted that would be too long', async () => {
    const runtime = new ManualRuntime();
    const manager = await openManager(runtime);
    const topic = 'x'.repeat(249);
    manager.getOrCreateLog({ topic, partition: 12 }, ID);
    manager.asyncDelete({ topic, partition: 12 });
    const name = runtime.disk
      .readDirectorySync('/data')
      .map(entry => entry.name)
      .find(one => one.endsWith('-delete'))!;
    expect([name.length, /^x+-12\.[0-9a-f]{32}-delete$/.test(name)]).toEqual([255, true]);
  });

  it('removes what was to be deleted after a restart, and leaves strays and strangers alone', async () => {
    const runtime = new ManualRuntime();
    for (const name of [
      'orders-0.0123456789abcdef0123456789abcdef-delete',
      'old-1.0123456789abcdef0123456789abcdef-stray',
      'lost+found',
      'kafka',
    ]) {
      runtime.disk.makeDirectorySync(`/data/${name}`);
    }
    runtime.disk.makeDirectorySync('/data/__cluster_metadata-0');
    const logger = new MemoryLogger();
    const manager = await openManager(runtime, LOG_CONFIG, {}, logger);
    expect(manager.logCount).toBe(0);
    expect(logger.messages('warn').length).toBe(3);
    runtime.advance(60_000);
    const directories = runtime.disk.readDirectorySync('/data').filter(entry => entry.isDirectory);
    expect(directories.map(entry => entry.name).sort()).toEqual([
      '__cluster_metadata-0',
      'kafka',
      'lost+found',
      'old-1.0123456789abcdef0123456789abcdef-stray',
    ]);
  });

  it('lets one process into a log directory (S12)', async () => {
    const runtime = new ManualRuntime();
    const manager = await openManager(runtime);
    await expect(openManager(runtime)).rejects.toBeInstanceOf(LockedError);
    await closeManager({ runtime, manager });
    expect((await openManager(runtime)).logCount).toBe(0);
  });

  describe('that finds one partition in two log directories', () => {
    const logDirs = ['/a', '/b'];
    /** Fills `/b` in another life, so that both have the partition; each batch is of one record in its epoch. */
    const duplicate = async (a: readonly number[], b: readonly number[], [idA, idB] = [ID, ID]) => {
      const runtime = new ManualRuntime();
      for (const [dir, epochs, id] of [['/a', a, idA] as const, ['/b', b, idB] as const]) {
        const manager = await openManager(runtime, LOG_CONFIG, { logDirs: [dir] });
        const log = manager.getOrCreateLog(TP, id);
        for (const epoch of epochs) log.appendAsLeader(batchOf({ text: dir }), epoch);
        runtime.turn();
        await closeManager({ runtime, manager });
      }
      const logger = new MemoryLogger();
      const manager = await openManager(runtime, LOG_CONFIG, { logDirs }, logger);
      return { runtime, manager, logger };
    };
    const strays = (runtime: ManualRuntime, dir: string) =>
      runtime.disk
        .readDirectorySync(dir)
        .map(({ name }) => name.replace(/[0-9a-f]{32}/, 'x'))
        .filter(name => name.startsWith('orders'));

    it('uses the one with the newest leader epoch, then the longest, and sets the other aside', async () => {
      for (const [a, b, kept] of [
        [[0, 0, 0], [0, 1], '/b'],
        [[0, 2], [0, 0, 1], '/a'],
        [[0, 1], [0, 1, 1], '/b'],
        [[0, 1], [], '/a'],
      ] as const) {
        const { runtime, manager, logger } = await duplicate(a, b);
        manager.setDuplicatesAside(() => ID);
        const log = manager.getLog(TP)!;
        expect(log.logDirectory).toBe(kept);
        const length = (kept === '/a' ? a : b).length;
        expect((await readAll(log)).map(({ text }) => text)).toEqual(Array.from({ length }, () => kept));
        const other = kept === '/a' ? '/b' : '/a';
        expect([strays(runtime, kept), strays(runtime, other)]).toEqual([['orders-0'], ['orders-0.x-stray']]);
        const warnings = logger.entries.filter(({ message }) => message.includes('the same partition'));
        expect(warnings.map(({ level, fields }) => [level, fields?.setAside])).toEqual([
          ['warn', `${other}/orders-0`],
        ]);
        // Nothing of that is deleted, and the next start finds one.
        runtime.advance(LOG_CONFIG.fileDeleteDelayMs * 2);
        await closeManager({ runtime, manager });
        const again = await openManager(runtime, LOG_CONFIG, { logDirs }, logger);
        again.setDuplicatesAside(() => ID);
        expect(again.getLog(TP)!.logEndOffset).toBe(length);
        expect(strays(runtime, other)).toEqual(['orders-0.x-stray']);
      }
    });

    it('uses the one of the topic as it is now, however short', async () => {
      const { runtime, manager } = await duplicate([0, 0, 7], [0], [OTHER_ID, ID]);
      manager.setDuplicatesAside(() => ID);
      expect([manager.getLog(TP)!.logDirectory, manager.getLog(TP)!.topicId]).toEqual(['/b', ID]);
      expect(strays(runtime, '/a')).toEqual(['orders-0.x-stray']);
    });

    it('stops in order before it has chosen, with both as they were', async () => {
      const { runtime, manager } = await duplicate([0], [0, 1]);
      await closeManager({ runtime, manager });
      expect(runtime.disk.openHandles).toBe(0);
      expect([strays(runtime, '/a'), strays(runtime, '/b')]).toEqual([['orders-0'], ['orders-0']]);
      expect((await openManager(runtime, LOG_CONFIG, { logDirs })).previousBrokerEpoch).toBe(7);
    });
  });

  it('starts with checkpoints that are missing or corrupt', async () => {
    for (const damage of [
      '',
      'x',
      '1\n0\n',
      '0\n5\norders 0 3\n',
      '0\n1\norders 0 notanumber\n',
      undefined,
    ]) {
      const runtime = new ManualRuntime();
      const manager = await openManager(runtime);
      const log = manager.getOrCreateLog(TP, ID);
      for (let i = 0; i < 5; i++) log.appendAsLeader(batchOf(), 0);
      runtime.turn();
      await closeManager({ runtime, manager });
      for (const name of [
        'recovery-point-offset-checkpoint',
        'replication-offset-checkpoint',
        'log-start-offset-checkpoint',
      ]) {
        if (damage === undefined) runtime.disk.removeFileSync(`/data/${name}`);
        else runtime.disk.setContent(`/data/${name}`, Buffer.from(damage));
      }
      const again = await openManager(runtime);
      expect([again.getLog(TP)?.logEndOffset, again.getLog(TP)?.highWatermark]).toEqual([5, 0]);
    }
  });

  it('clips a high watermark that is above the end of the log (S6)', async () => {
    const runtime = new ManualRuntime();
    const manager = await openManager(runtime);
    manager.getOrCreateLog(TP, ID).appendAsLeader(batchOf(), 0);
    runtime.turn();
    await closeManager({ runtime, manager });
    runtime.disk.setContent('/data/replication-offset-checkpoint', Buffer.from('0\n1\norders 0 77\n'));
    expect((await openManager(runtime)).getLog(TP)?.highWatermark).toBe(1);
  });

  it('does its periodic work: checkpoints, retention, expired producers', async () => {
    const runtime = new ManualRuntime();
    const manager = await openManager(runtime, { ...LOG_CONFIG, retentionMs: 1000, segmentBytes: 200 });
    const log = manager.getOrCreateLog(TP, ID);
    for (let i = 0; i < 4; i++) {
      log.appendAsLeader(
        batchOf({ producerId: 1, producerEpoch: 0, baseSequence: i, timestamp: runtime.clock.wallMs() }),
        0,
      );
      runtime.turn();
    }
    log.updateHighWatermark(4);
    runtime.advance(5000);
    expect(runtime.disk.contentOf('/data/replication-offset-checkpoint').toString()).toBe(
      '0\n1\norders 0 4\n',
    );
    runtime.advance(300_000);
    await runtime.settle();
    expect([log.logStartOffset, log.logEndOffset]).toEqual([4, 4]);
    expect(log.activeProducers.size).toBe(1);
    runtime.nowMs += 86_400_000;
    runtime.advance(600_000);
    expect(log.activeProducers.size).toBe(0);
    expect(manager.describeLogDirs()[0]).toMatchObject({
      errorCode: 0,
      totalBytes: 1_000_000_000,
      logs: [{ sizeInBytes: 0, offsetLag: 0 }],
    });
  });
});
