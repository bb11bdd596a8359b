import { describe, expect, it } from 'vitest';
import type { LogManager } from '../../src/log/log-manager.ts';
import type { UnifiedLog } from '../../src/log/unified-log.ts';
import { Errors } from '../../src/protocol/errors.ts';
import { ManualRuntime } from '../support/manual-runtime.ts';
import { appendKeyed, CLEANER_CONFIG, COMPACT, readKeyed } from './cleaner/cleaner-fixture.ts';
import { batchOf, bytesOf, LOG_CONFIG, openManager, readAll, TP } from './log-fixture.ts';

const ID = '4sYNNVlkRVWWN2t2xZ0lpg';
const DIRS = ['/data', '/other'];

async function filled(runtime = new ManualRuntime()) {
  const config = { ...LOG_CONFIG, segmentBytes: 500 };
  const manager = await openManager(runtime, config, { logDirs: DIRS, tailCacheBytes: 0 });
  const log = manager.getOrCreateLog(TP, ID, undefined, '/data');
  for (let i = 0; i < 5; i++) log.appendAsLeader(batchOf({ valueBytes: 200, text: `r${i}` }), 3);
  runtime.turn();
  log.updateHighWatermark(4);
  return { runtime, manager, log };
}

/** All of `log` in `future`. */
async function copy(log: UnifiedLog, future: UnifiedLog): Promise<void> {
  while (future.logEndOffset < log.logEndOffset) {
    future.appendAsFollower(await bytesOf(log.read(future.logEndOffset, 1_000, 'logEnd', true)));
    future.writeStaged();
  }
}

function promote(manager: LogManager, log: UnifiedLog, future: UnifiedLog): UnifiedLog {
  let adopted: UnifiedLog | undefined;
  manager.futures.promote(log, future, moved => (adopted = moved));
  return adopted!;
}

describe('a log that moves to another log directory', () => {
  it('takes the place of the old one, whose reads that have begun go on until its files are gone', async () => {
    const { runtime, manager, log } = await filled();
    const future = manager.futures.create(log, '/other');
    expect(future.directory).toMatch(/^\/other\/orders-0\.[0-9a-f]{32}-future$/);
    await copy(log, future);
    const before = await bytesOf(log.read(0, 10_000, 'highWatermark', true));
    const begun = log.read(0, 10_000, 'highWatermark', true);
    // No handle of the old files is open: they are found by their new name.
    log.releaseFiles();
    const moved = promote(manager, log, future);
    expect(manager.getLog(TP)).toBe(moved);
    expect(manager.futures.all).toEqual([]);
    expect([moved.directory, moved.topicId, moved.highWatermark, moved.latestEpoch]).toEqual([
      '/other/orders-0',
      ID,
      4,
      3,
    ]);
    expect((await bytesOf(begun)).equals(before)).toBe(true);
    expect((await readAll(moved)).map(({ text }) => text)).toEqual(['r0', 'r1', 'r2', 'r3', 'r4']);
    expect(() => log.appendAsLeader(batchOf(), 3)).toThrow(
      expect.objectContaining({ code: Errors.NOT_LEADER_OR_FOLLOWER }),
    );
    await runtime.pass(LOG_CONFIG.fileDeleteDelayMs);
    expect(runtime.disk.paths().filter(path => path.startsWith('/data/orders'))).toEqual([]);
    const checkpoint = (dir: string) =>
      runtime.disk.contentOf(`${dir}/replication-offset-checkpoint`).toString();
    expect([checkpoint('/other'), checkpoint('/data')]).toEqual(['0\n1\norders 0 4\n', '0\n0\n']);
  });

  it('has on disk all that its recovery point says (S6)', async () => {
    const { runtime, manager, log } = await filled();
    const future = manager.futures.create(log, '/other');
    await copy(log, future);
    const { recoveryPoint } = promote(manager, log, future);
    expect(recoveryPoint).toBe(5);
    runtime.die();
    runtime.disk.crash('lose');
    const again = await openManager(runtime, LOG_CONFIG, { logDirs: DIRS });
    again.setDuplicatesAside(() => ID);
    expect([again.getLog(TP)!.logDirectory, again.getLog(TP)!.logEndOffset]).toEqual(['/other', 5]);
  });

  it('is not compacted while it moves, and afterwards from where the cleaner was', async () => {
    const runtime = new ManualRuntime();
    const config = { ...LOG_CONFIG, ...COMPACT };
    const manager = await openManager(runtime, config, {
      logDirs: DIRS,
      cleanerConfig: () => CLEANER_CONFIG,
    });
    const log = manager.getOrCreateLog(TP, ID, undefined, '/data');
    const fill = (to: UnifiedLog) => {
      for (let i = 0; i < 60; i++)
        appendKeyed({ runtime, manager, log: to }, [[`k${i % 3}`, 'v'.repeat(100)]]);
    };
    fill(log);
    manager.startCleaner();
    await runtime.pass(2_000);
    const compacted = await readKeyed(log);
    expect(compacted.length).toBeLessThan(40);
    const checkpoint = log.cleanerCheckpoint!;
    fill(log);
    const future = manager.futures.create(log, '/other');
    await runtime.pass(10_000);
    expect(log.cleanerCheckpoint).toBe(checkpoint);
    const before = await readKeyed(log);
    await copy(log, future);
    const moved = promote(manager, log, future);
    expect(moved.cleanerCheckpoint).toBe(checkpoint);
    expect(await readKeyed(moved)).toEqual(before);
    await runtime.pass(2_000);
    expect(moved.cleanerCheckpoint).not.toBe(checkpoint);
    expect((await readKeyed(moved)).length).toBeLessThan(before.length);
    await manager.shutdown();
  });

  it('is not made where the name is taken, unknown or too long', async () => {
    const { runtime, manager, log } = await filled();
    const { futures } = manager;
    const codeOf = (work: () => unknown): number => {
      try {
        work();
        return 0;
      } catch (error) {
        return (error as { code: number }).code;
      }
    };
    expect(codeOf(() => futures.checkDestination(TP, '/other'))).toBe(0);
    expect(codeOf(() => futures.checkDestination(TP, '/'))).toBe(Errors.LOG_DIR_NOT_FOUND);
    const long = { topic: 'x'.repeat(220), partition: 0 };
    expect(codeOf(() => futures.checkDestination(long, '/other'))).toBe(Errors.INVALID_TOPIC_EXCEPTION);
    runtime.disk.makeDirectorySync('/other/orders-0');
    expect(codeOf(() => futures.create(log, '/other'))).toBe(Errors.KAFKA_STORAGE_ERROR);
    expect(manager.hasOfflineLogDirs).toBe(false);
  });
});
