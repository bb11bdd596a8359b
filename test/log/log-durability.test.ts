import { describe, expect, it } from 'vitest';
import { batchesOf } from '../../src/record/record-batch.ts';
import { Errors, type KafkaError } from '../../src/protocol/errors.ts';
import { ManualRuntime, NOW_MS } from '../support/manual-runtime.ts';
import {
  batchOf,
  bytesOf,
  closeManager,
  DIRECTORY,
  openLog,
  openManager,
  LOG_CONFIG,
  readAll,
  TP,
} from './log-fixture.ts';

const failing = (operation: string, code: string, writtenBytes?: number) => (done: string, path: string) =>
  done === operation && path.endsWith('.log')
    ? { code, ...(writtenBytes === undefined ? {} : { writtenBytes }) }
    : undefined;

describe('durability', () => {
  it('acknowledges under the fsync policy only what is synced, with one fsync for all that waited', async () => {
    const { log, runtime } = await openLog({ durability: 'fsync' });
    const answered: number[] = [];
    const send = (i: number) => log.appendAsLeader(batchOf(), 0).onWritten(() => answered.push(i));
    send(0);
    runtime.turn();
    // Written, and its fsync on the way: these come together in the next one.
    for (const i of [1, 2, 3]) {
      send(i);
      runtime.turn();
    }
    expect([answered, log.logEndOffset, log.stagedEndOffset]).toEqual([[], 0, 4]);
    await runtime.settle();
    expect([answered, log.logEndOffset]).toEqual([[0, 1, 2, 3], 4]);
    expect(runtime.disk.counts.get('sync')).toBe(2);
    runtime.die();
    runtime.disk.crash('lose');
    expect((await readAll((await openLog({}, runtime)).log)).length).toBe(4);
  });

  it('syncs before the answer once flush.messages records are not on disk', async () => {
    const { log, runtime } = await openLog({ flushMessages: 3 });
    let answered = 0;
    for (let i = 0; i < 4; i++) {
      log.appendAsLeader(batchOf(), 0).onWritten(() => answered++);
      runtime.turn();
    }
    expect(answered).toBe(2);
    await runtime.settle();
    expect(answered).toBe(4);
  });

  it('moves the recovery point with a flush, and not above what a truncation left', async () => {
    const { log, runtime } = await openLog();
    for (let i = 0; i < 4; i++) log.appendAsLeader(batchOf(), 0);
    runtime.turn();
    expect(log.recoveryPoint).toBe(0);
    const flushed = log.flush();
    await runtime.settle();
    await flushed;
    expect(log.recoveryPoint).toBe(4);
    log.appendAsLeader(batchOf(), 0);
    const second = log.flush();
    await Promise.resolve();
    log.truncateTo(2);
    log.appendAsLeader(batchOf(), 0);
    await runtime.settle();
    await second;
    expect(log.recoveryPoint <= 3).toBe(true);
    runtime.die();
    runtime.disk.crash('lose');
    expect(Number((await openLog({}, runtime)).log.logEndOffset)).toBeGreaterThanOrEqual(
      Number(log.recoveryPoint),
    );
  });

  it('does not mind that the log is removed while a flush syncs it', async () => {
    const { log, runtime, manager } = await openLog({ fileDeleteDelayMs: 0 });
    for (const timestamp of [NOW_MS, NOW_MS + 1]) log.appendAsLeader(batchOf({ timestamp }), 0);
    runtime.turn();
    const flushed = log.flush().then(
      () => 'done',
      (error: KafkaError) => error.message,
    );
    await Promise.resolve();
    await Promise.resolve();
    await Promise.resolve();
    manager.asyncDelete(TP);
    const [removed] = runtime.disk.paths().filter(path => path.includes('-delete/'));
    runtime.disk.removeTreeSync(removed!.slice(0, removed!.lastIndexOf('/')));
    await runtime.settle();
    expect(await flushed).toBe('done');
  });

  it.each(['removed', 'cut'] as const)(
    'does not mind that the log is %s while appends wait for the fsync of several segments',
    async what => {
      const { manager, log, runtime } = await openLog({ durability: 'fsync', segmentBytes: 200 });
      const answered: number[] = [];
      for (let i = 0; i < 6; i++) log.appendAsLeader(batchOf(), 0).onWritten(() => answered.push(i));
      runtime.turn();
      expect([log.segments.size > 2, answered]).toEqual([true, []]);
      if (what === 'removed') manager.asyncDelete(TP);
      else log.truncateTo(1);
      await runtime.settle();
      expect(answered.sort()).toEqual([0, 1, 2, 3, 4, 5]);
      expect(manager.hasOfflineLogDirs).toBe(false);
      const logs = runtime.disk.paths().filter(path => path.endsWith('.log'));
      if (what === 'cut') expect(logs).toEqual([log.segments.active.log.path]);
    },
  );

  it('has no hole where a power failure brings segments back that a truncation had removed (S1, S4)', async () => {
    const ends = new Set<unknown>();
    for (let seed = 0; seed < 60; seed++) {
      const config = { segmentBytes: 200 };
      const { manager, log, runtime } = await openLog(config);
      for (let i = 0; i < 12; i++) {
        log.appendAsLeader(batchOf({ text: `${i}` }), 0);
        runtime.turn();
      }
      // All of it is synced, and the checkpoint says so.
      await closeManager({ manager, runtime });
      const again = await openLog(config, runtime);
      again.log.truncateTo(4);
      again.log.appendAsLeader(batchOf({ text: 'new' }), 1);
      runtime.turn();
      runtime.die();
      let state = seed;
      runtime.disk.crash(() => (state = (state * 16_807 + 11) % 2_147_483_647) / 2_147_483_647);
      const { log: found } = await openLog(config, runtime);
      const offsets = (await readAll(found)).map(({ offset }) => offset);
      expect(offsets).toEqual(offsets.map((_, index) => index));
      ends.add(found.logEndOffset);
    }
    // The truncation undone, and done.
    expect(ends.size).toBeGreaterThan(1);
  });

  it('has the time index on the disk with a flush: where clocks were set back, nothing shows that it is cut short', async () => {
    const { log, runtime } = await openLog({ segmentBytes: 1_000, indexIntervalBytes: 100 });
    const times = Array.from({ length: 40 }, (_, i) => NOW_MS - Math.floor(i / 10) * 1_000 + (i % 10));
    for (const timestamp of times) {
      log.appendAsLeader(batchOf({ timestamp }), 0);
      runtime.turn();
    }
    const flushed = log.flush();
    await runtime.settle();
    await flushed;
    const timeIndexes = () =>
      runtime.disk
        .paths()
        .filter(path => path.endsWith('.timeindex'))
        .map(path => [path, runtime.disk.contentOf(path).toString('hex')]);
    const before = timeIndexes();
    runtime.die();
    runtime.disk.crash('lose');
    // One that is not there at all is made anew from the log: that of the last segment had no name yet.
    const after = timeIndexes();
    expect(after.length).toBe(3);
    expect(after).toEqual(before.slice(0, 3));
    expect(after.every(([, content]) => content !== '')).toBe(true);
  });

  for (const [name, fault, durability] of [
    ['an I/O error in the middle of a write', failing('write', 'EIO', 30), 'page-cache'],
    ['an I/O error of a write', failing('write', 'EIO'), 'page-cache'],
    ['a full disk when it syncs', failing('sync', 'ENOSPC'), 'fsync'],
    ['an I/O error of an fsync', failing('sync', 'EIO'), 'fsync'],
  ] as const) {
    it(`takes the log directory offline after ${name}, and acknowledges nothing that depends on it (S8)`, async () => {
      const failures: [string, number][] = [];
      const runtime = new ManualRuntime();
      const manager = await openManager(
        runtime,
        { ...LOG_CONFIG, durability },
        {
          logDirs: ['/data', '/other'],
          onLogDirFailure: (dir, _error, remaining) => failures.push([dir, remaining]),
        },
      );
      const log = manager.getOrCreateLog(TP, undefined, undefined, '/data');
      const neighbour = manager.getOrCreateLog(
        { topic: 'orders', partition: 1 },
        undefined,
        undefined,
        '/data',
      );
      const elsewhere = manager.getOrCreateLog({ topic: 'orders', partition: 2 });
      expect(elsewhere.logDirectory).toBe('/other');
      const answers: [string, number | undefined][] = [];
      const send = (name: string, to: typeof log) =>
        to.appendAsLeader(batchOf(), 0).onWritten(error => answers.push([name, error?.code]));
      send('before', log);
      await runtime.settle();
      runtime.disk.fault = (operation, path, _bytes) =>
        path.startsWith(DIRECTORY) ? fault(operation, path) : undefined;
      send('first', log);
      send('second', log);
      send('neighbour', neighbour);
      send('elsewhere', elsewhere);
      await runtime.settle();
      runtime.disk.fault = undefined;
      await runtime.settle();
      expect(answers.filter(([name]) => name === 'before')).toEqual([['before', undefined]]);
      expect(
        answers.filter(([name]) => name === 'first' || name === 'second').map(([, code]) => code),
      ).toEqual([Errors.KAFKA_STORAGE_ERROR, Errors.KAFKA_STORAGE_ERROR]);
      expect(answers.find(([name]) => name === 'neighbour')?.[1]).toBe(Errors.KAFKA_STORAGE_ERROR);
      expect(answers.find(([name]) => name === 'elsewhere')?.[1]).toBeUndefined();
      expect(failures).toEqual([['/data', 1]]);
      expect(() => log.appendAsLeader(batchOf(), 0)).toThrow(
        expect.objectContaining({ code: Errors.KAFKA_STORAGE_ERROR }),
      );
      expect(() => neighbour.read(0, 100, 'logEnd', true)).toThrow(
        expect.objectContaining({ code: Errors.KAFKA_STORAGE_ERROR }),
      );
      expect(manager.describeLogDirs().map(({ logDir, errorCode }) => [logDir, errorCode])).toEqual([
        ['/data', Errors.KAFKA_STORAGE_ERROR],
        ['/other', Errors.NONE],
      ]);
      expect(manager.getOrCreateLog({ topic: 'late', partition: 0 }).logDirectory).toBe('/other');
      await closeManager({ runtime, manager });
      expect(runtime.disk.paths().filter(path => path.endsWith('cleanshutdown'))).toEqual([
        '/other/.kafka_cleanshutdown',
      ]);
      runtime.die();
      runtime.disk.crash('keep');
      const again = await openManager(runtime, LOG_CONFIG, { logDirs: ['/data', '/other'] });
      const records = await readAll(again.getLog(TP)!);
      expect(records.length).toBeGreaterThanOrEqual(1);
      expect(records.map(record => record.offset)).toEqual(records.map((_, i) => i));
    });
  }

  it('answers KAFKA_STORAGE_ERROR when a read fails, and CORRUPT_MESSAGE when what it finds is no batch', async () => {
    const opened = await openLog({}, new ManualRuntime(), { tailCacheBytes: 0 });
    opened.log.appendAsLeader(batchOf(), 0);
    opened.log.appendAsLeader(batchOf(), 0);
    opened.runtime.turn();
    const path = `${DIRECTORY}/00000000000000000000.log`;
    const content = Buffer.from(opened.runtime.disk.contentOf(path));
    await closeManager(opened);
    const damaged = Buffer.from(content);
    damaged[content.length / 2 + 16] = 9;
    opened.runtime.disk.setContent(path, damaged);
    const { log, runtime } = await openLog({}, opened.runtime, { tailCacheBytes: 0 });
    // A clean stop promises whole batches: the damage is found at the end of the log, and cut.
    expect(log.logEndOffset).toBe(1);
    runtime.disk.contentOf(path)[16] = 9;
    await expect(bytesOf(log.read(0, 1000, 'logEnd', true))).rejects.toMatchObject({
      code: Errors.CORRUPT_MESSAGE,
    });
    runtime.disk.fault = failing('read', 'EIO');
    const error = await bytesOf(log.read(0, 1000, 'logEnd', true)).catch((caught: KafkaError) => caught);
    expect((error as KafkaError).code).toBe(Errors.KAFKA_STORAGE_ERROR);
    expect(log.isOffline).toBe(true);
  });

  it('does not read on behind a damaged batch that seems to end before the offset', async () => {
    const { log, runtime } = await openLog({}, new ManualRuntime(), { tailCacheBytes: 0 });
    for (let i = 0; i < 2; i++) log.appendAsLeader(batchOf({ count: 3 }), 0);
    runtime.turn();
    const content = runtime.disk.contentOf(`${DIRECTORY}/00000000000000000000.log`);
    const lastOffsetDelta = 23;
    for (const batch of [0, 1]) {
      const at = (content.length / 2) * batch + lastOffsetDelta;
      content.writeInt32BE(0, at);
      await expect(bytesOf(log.read(3 * batch + 1, 1000, 'logEnd', true))).rejects.toMatchObject({
        code: Errors.CORRUPT_MESSAGE,
      });
      content.writeInt32BE(2, at);
      await expect(bytesOf(log.read(3 * batch + 1, 1000, 'logEnd', true))).resolves.not.toHaveLength(0);
    }
    // An older batch, whole, stands where the wanted one was: found from the start of the segment, and from where the
    // last read has ended.
    content.copyWithin(content.length / 2, 0, content.length / 2);
    for (const maxBytes of [1000, 1]) {
      await expect(bytesOf(log.read(3, maxBytes, 'logEnd', true))).rejects.toMatchObject({
        code: Errors.CORRUPT_MESSAGE,
      });
      await expect(bytesOf(log.read(0, 1, 'logEnd', true))).resolves.toHaveLength(content.length / 2);
    }
  });

  it('does not take a segment for shorter than it is because its end was damaged for a while', async () => {
    const { log, runtime } = await openLog({ segmentBytes: 250 }, new ManualRuntime(), { tailCacheBytes: 0 });
    for (let i = 0; i < 3; i++) log.appendAsLeader(batchOf({ count: 3 }), 0);
    runtime.turn();
    expect(runtime.disk.contentOf(`${DIRECTORY}/00000000000000000006.log`)).not.toHaveLength(0);
    const content = runtime.disk.contentOf(`${DIRECTORY}/00000000000000000000.log`);
    const right = Buffer.from(content);
    const half = content.length / 2;
    const damages = [
      () => content.writeInt32BE(0, half + 23),
      () => content.copyWithin(half, 0, half),
      () => content.fill(0, half),
    ];
    for (const damage of damages) {
      damage();
      await expect(bytesOf(log.read(4, 1000, 'logEnd', true))).rejects.toMatchObject({
        code: Errors.CORRUPT_MESSAGE,
      });
      right.copy(content);
      const [first] = [...batchesOf(await bytesOf(log.read(4, 1000, 'logEnd', true)))];
      expect(first?.baseOffset).toBe(3);
    }
  });

  it('writes off the event loop where that is asked for, in order and with the same outcome', async () => {
    for (const durability of ['page-cache', 'fsync'] as const) {
      const { log, runtime, manager } = await openLog(
        { durability, segmentBytes: 300 },
        new ManualRuntime(),
        { writeMode: 'pooled' },
      );
      const answered: number[] = [];
      for (let i = 0; i < 20; i++) {
        log.appendAsLeader(batchOf({ text: `r${i}` }), 0).onWritten(() => answered.push(i));
        if (i % 3 === 0) runtime.turn();
        if (i % 7 === 0) await Promise.resolve();
      }
      expect(log.settled()).toBeInstanceOf(Promise);
      await runtime.settle();
      expect(answered).toEqual(Array.from({ length: 20 }, (_, i) => i));
      expect((await readAll(log)).map(record => record.text)).toEqual(answered.map(i => `r${i}`));
      expect(log.truncateTo(5)).toBe(true);
      await closeManager({ runtime, manager });
      expect((await readAll((await openLog({}, runtime)).log)).length).toBe(5);
    }
  });

  it('has cut a segment for good when it is written to again, also with a power failure (S2, R8)', async () => {
    for (const durability of ['page-cache', 'fsync'] as const) {
      const { log, runtime } = await openLog({ durability });
      for (let i = 0; i < 6; i++) log.appendAsLeader(batchOf({ text: `old${i}`, valueBytes: 50 }), 0);
      await runtime.settle();
      await log.flush();
      log.truncateTo(4);
      log.roll();
      log.appendAsLeader(batchOf({ text: 'new' }), 1);
      await runtime.settle();
      await log.flush();
      runtime.disk.crash('lose');
      runtime.die();
      const again = (await openLog({ durability }, runtime)).log;
      expect((await readAll(again)).map(({ text }) => text)).toEqual(['old0', 'old1', 'old2', 'old3', 'new']);
      const [first] = again.segments.all;
      expect(runtime.disk.contentOf(first!.log.path).length).toBe(first!.writtenBytes);
      expect([...batchesOf(runtime.disk.contentOf(first!.log.path))].length).toBe(4);
    }
  });

  it('keeps what it has acknowledged also if an earlier process had left the log empty, in good order or not', async () => {
    for (const stop of ['cleanly', 'by kill -9'] as const) {
      const opened = await openLog({ durability: 'fsync' });
      const { runtime } = opened;
      if (stop === 'cleanly') await closeManager(opened);
      runtime.die();
      runtime.disk.crash('keep');
      const { log } = await openLog({ durability: 'fsync' }, runtime);
      let answered = 0;
      log.appendAsLeader(batchOf(), 0).onWritten(() => answered++);
      await runtime.settle();
      expect([stop, answered, log.logEndOffset]).toEqual([stop, 1, 1]);
      runtime.die();
      runtime.disk.crash('lose');
      expect([stop, (await openLog({}, runtime)).log.logEndOffset]).toEqual([stop, 1]);
    }
  });

  it('has synced what a killed process had only written, before it counts as the end of the log', async () => {
    for (const config of [{ durability: 'fsync' as const }, { flushMessages: 2 }]) {
      const { log, runtime } = await openLog(config);
      // Written, and the fsync does not come about.
      runtime.disk.fault = failing('sync', 'EIO');
      const errors: (number | undefined)[] = [];
      for (let i = 0; i < 2; i++)
        log.appendAsLeader(batchOf(), 0).onWritten(error => errors.push(error?.code));
      await runtime.settle();
      expect(errors).toEqual([Errors.KAFKA_STORAGE_ERROR, Errors.KAFKA_STORAGE_ERROR]);
      runtime.die();
      runtime.disk.crash('keep');
      const again = (await openLog(config, runtime)).log;
      expect(again.logEndOffset).toBe(2);
      runtime.die();
      runtime.disk.crash('lose');
      expect((await openLog(config, runtime)).log.logEndOffset).toBe(2);
    }
  });

  it('does not start on a log directory whose records cannot be made durable', async () => {
    const { log, runtime } = await openLog({ durability: 'fsync' });
    log.appendAsLeader(batchOf(), 0);
    runtime.turn();
    runtime.die();
    runtime.disk.crash('keep');
    runtime.disk.fault = failing('sync', 'EIO');
    const failures: string[] = [];
    const config = { ...LOG_CONFIG, durability: 'fsync' as const };
    const manager = await openManager(runtime, config, { onLogDirFailure: dir => failures.push(dir) });
    expect([failures, manager.onlineLogDirs]).toEqual([['/data'], []]);
  });

  it('never begins behind offset 0 because its process ended before it wrote what it had staged (S1, R4)', async () => {
    for (const durability of ['page-cache', 'fsync'] as const) {
      const config = { durability, segmentBytes: 200 };
      const { log, runtime } = await openLog(config);
      // As a follower that catches up: several segments in one turn of the event loop.
      for (let i = 0; i < 6; i++) log.appendAsLeader(batchOf({ valueBytes: 60 }), 0);
      expect(log.segments.size).toBeGreaterThan(2);
      runtime.die();
      runtime.disk.crash('keep');
      const again = (await openLog(config, runtime)).log;
      expect([again.logStartOffset, again.logEndOffset]).toEqual([0, 0]);
    }
  });

  it('lets the appends of other logs through when a callback throws', async () => {
    const { manager, log, runtime } = await openLog();
    const other = manager.getOrCreateLog({ topic: 'orders', partition: 1 });
    log.appendAsLeader(batchOf(), 0).onWritten(() => {
      throw new Error('a mistake');
    });
    other.appendAsLeader(batchOf(), 0);
    expect(() => runtime.turn()).toThrow('a mistake');
    runtime.turn();
    expect(other.logEndOffset).toBe(1);
  });
});
