import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLogger } from '../../src/base/logger.ts';
import { METADATA_TOPIC_ID } from '../../src/base/uuid.ts';
import { defaultLogConfig } from '../../src/config/topic-config.ts';
import { FileQuorumStateStore } from '../../src/raft/quorum-state-store.ts';
import { encodeDataBatch } from '../../src/raft/raft-batch.ts';
import type {
  LeaderAndEpoch,
  OffsetAndEpoch,
  RaftListener,
  SnapshotReader,
} from '../../src/raft/raft-client.ts';
import { RaftDriver } from '../../src/raft/raft-driver.ts';
import { noTransport } from '../../src/raft/raft-transport.ts';
import { DEFAULT_TIMEOUTS } from '../../src/raft/ready.ts';
import { encodeSnapshot } from '../../src/raft/snapshot-file.ts';
import { VoterSet } from '../../src/raft/voter-set.ts';
import { batchesOf } from '../../src/record/record-batch.ts';
import { NodeRuntime } from '../../src/runtime/node/node-runtime.ts';
import { KafkaMetadataLog, type KafkaMetadataLogOptions } from '../../src/server/kafka-metadata-log.ts';
import { parseSnapshotFileName, snapshotFileName } from '../../src/server/snapshot-files.ts';
import { DYNAMIC_FIRST_BATCH, FORMATTED_CHECKPOINT } from '../raft/support/kafka-bytes.ts';

const runtime = new NodeRuntime();
const DIRECTORY_ID = 'LBZNBVmqTZWO3bA5eT8ptQ';
let root: string;
let partition: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'odradek-metadata-log-'));
  partition = join(root, '__cluster_metadata-0');
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function open(changes: Partial<KafkaMetadataLogOptions> = {}): KafkaMetadataLog {
  return KafkaMetadataLog.open(runtime, silentLogger, {
    metadataLogDir: root,
    baseConfig: defaultLogConfig(),
    segmentBytes: 1024 * 1024,
    segmentMs: 600_000,
    retentionBytes: -1,
    retentionMs: -1,
    ...changes,
  });
}

function append(log: KafkaMetadataLog, epoch: number, ...values: string[]): void {
  const records = values.map(value => Buffer.from(value));
  log.appendAsLeader(
    encodeDataBatch(records, { baseOffset: log.endOffset, epoch, timestamp: 1_700_000_000_000 }),
    epoch,
  );
}

function snapshot(log: KafkaMetadataLog, id: OffsetAndEpoch, timestamp = 1): void {
  const writer = log.createSnapshot(id)!;
  const header = { lastContainedLogTimestamp: timestamp, kraftVersion: 0, voters: undefined };
  writer.append(encodeSnapshot(id.epoch, header, [[Buffer.from('all')]], () => 5));
  writer.freezeSync();
}

async function values(log: KafkaMetadataLog, from = log.startOffset): Promise<string[]> {
  const found: string[] = [];
  for (const batch of batchesOf(await log.read(from, 1_000_000))) {
    for (const cursor = batch.cursor(); !cursor.done; ) {
      cursor.next();
      found.push(cursor.value()!.toString());
    }
  }
  return found;
}

describe('a log that was cut behind a snapshot inside its first segment', () => {
  it('starts there again, as it no longer knows the epochs of what lies before', async () => {
    const log = open();
    log.initializeLeaderEpoch(1);
    append(log, 1, 'a', 'b');
    log.initializeLeaderEpoch(2);
    append(log, 2, 'c');
    log.updateHighWatermark(3);
    snapshot(log, { offset: 2, epoch: 1 });
    expect(log.deleteBeforeSnapshot({ offset: 2, epoch: 1 })).toBe(true);
    expect(log.startOffset).toBe(2);
    await log.flush();
    await log.close();
    expect(readdirSync(partition)).toContain('00000000000000000000.log');
    const again = open();
    expect(again.startOffset).toBe(2);
    expect(again.endOffset).toBe(3);
    expect(again.epochStarts()).toEqual([{ epoch: 2, startOffset: 2 }]);
    expect(again.endOffsetForEpoch(1)).toEqual({ epoch: 1, offset: 2 });
    await again.close();
  });

  it('starts at the snapshot that is left if it was cut again and its process ended before it wrote the epochs', async () => {
    const log = open();
    log.initializeLeaderEpoch(1);
    append(log, 1, 'a', 'b');
    log.initializeLeaderEpoch(2);
    append(log, 2, 'c', 'd', 'e');
    log.updateHighWatermark(5);
    snapshot(log, { offset: 2, epoch: 1 });
    log.deleteBeforeSnapshot({ offset: 2, epoch: 1 });
    await log.close();
    const killed = open();
    snapshot(killed, { offset: 4, epoch: 2 });
    killed.updateHighWatermark(5);
    expect(killed.deleteBeforeSnapshot({ offset: 4, epoch: 2 })).toBe(true);
    expect(readFileSync(join(partition, 'leader-epoch-checkpoint'), 'utf8')).toContain('2 2');
    const again = open();
    expect(again.snapshotIds()).toEqual([{ offset: 4, epoch: 2 }]);
    expect([again.startOffset, again.endOffset]).toEqual([4, 5]);
    await again.close();
    await killed.close();
  });
});

describe('an append', () => {
  it('may bring more than a segment holds: it goes on in the next ones, and has one range', () => {
    const log = open({ segmentBytes: 512 });
    const batches = Array.from({ length: 20 }, (_, offset) =>
      encodeDataBatch([Buffer.alloc(100, offset)], { baseOffset: offset, epoch: 1, timestamp: 1 }),
    );
    expect(log.appendAsFollower(Buffer.concat(batches.slice(0, 12)))).toEqual({
      firstOffset: 0,
      lastOffset: 11,
    });
    expect(log.appendAsLeader(Buffer.concat(batches.slice(12)), 1)).toEqual({
      firstOffset: 12,
      lastOffset: 19,
    });
    expect(log.endOffset).toBe(20);
    const segments = readdirSync(partition).filter(name => name.endsWith('.log'));
    expect(segments.length).toBeGreaterThan(5);
  });

  it('is there when it returns, whatever the policy for topics is', () => {
    const baseConfig = { ...defaultLogConfig(), durability: 'fsync', flushMessages: 1 } as const;
    const log = open({ baseConfig });
    append(log, 1, 'a', 'b');
    expect(log.endOffset).toBe(2);
  });
});

describe('KafkaMetadataLog', () => {
  it('makes a directory with the topic id of the metadata log, and finds what was appended again', async () => {
    const log = open();
    log.initializeLeaderEpoch(1);
    append(log, 1, 'a', 'b');
    expect(log.endOffset).toBe(2);
    expect(await values(log)).toEqual(['a', 'b']);
    await log.flush();
    await log.close();
    expect(readFileSync(join(partition, 'partition.metadata'), 'utf8')).toContain(METADATA_TOPIC_ID);
    const again = open();
    expect(again.endOffset).toBe(2);
    expect(again.lastFetchedEpoch).toBe(1);
    expect(again.epochStarts()).toEqual([{ epoch: 1, startOffset: 0 }]);
    expect(await values(again)).toEqual(['a', 'b']);
    await again.close();
  });

  it('cuts a torn tail when it opens, whatever way the last process ended', async () => {
    const log = open();
    log.initializeLeaderEpoch(1);
    append(log, 1, 'a');
    append(log, 1, 'torn');
    await log.close();
    const file = join(partition, '00000000000000000000.log');
    truncateSync(file, statSync(file).size - 3);
    const again = open();
    expect(again.endOffset).toBe(1);
    expect(await values(again)).toEqual(['a']);
    await again.close();
  });

  it('knows where epochs end', async () => {
    const log = open();
    log.initializeLeaderEpoch(2);
    append(log, 2, 'a', 'b');
    log.initializeLeaderEpoch(5);
    append(log, 5, 'c');
    expect(log.endOffsetForEpoch(7)).toEqual({ epoch: 5, offset: 3 });
    expect(log.endOffsetForEpoch(5)).toEqual({ epoch: 5, offset: 3 });
    expect(log.endOffsetForEpoch(4)).toEqual({ epoch: 2, offset: 2 });
    log.truncateToEndOffset(2);
    expect(log.endOffset).toBe(2);
    expect(log.lastFetchedEpoch).toBe(2);
    await log.close();
  });

  it('does not cut below its high watermark', async () => {
    const log = open();
    log.initializeLeaderEpoch(1);
    append(log, 1, 'a', 'b');
    log.updateHighWatermark(2);
    expect(() => log.truncateToEndOffset(1)).toThrow(/high watermark/);
    await log.close();
  });

  it('gives a snapshot its name only when it is whole, and forgets what a crash left of one', async () => {
    const log = open();
    log.initializeLeaderEpoch(1);
    append(log, 1, 'a', 'b');
    log.updateHighWatermark(2);
    const name = snapshotFileName({ offset: 2, epoch: 1 });
    const writer = log.createSnapshot({ offset: 2, epoch: 1 })!;
    writer.append(Buffer.from('half'));
    expect(readdirSync(partition)).toContain(`${name}.part`);
    expect(log.latestSnapshotId()).toBeUndefined();
    await log.close();
    const again = open();
    expect(readdirSync(partition).filter(file => file.includes('checkpoint.part'))).toEqual([]);
    snapshot(again, { offset: 2, epoch: 1 });
    expect(again.createSnapshot({ offset: 2, epoch: 1 })).toBeUndefined();
    expect(existsSync(join(partition, name))).toBe(true);
    await again.close();
    expect(open().latestSnapshotId()).toEqual({ offset: 2, epoch: 1 });
  });

  it('keeps no snapshot that a newer one has overtaken while it was written', async () => {
    const log = open();
    log.initializeLeaderEpoch(1);
    append(log, 1, 'a', 'b');
    log.updateHighWatermark(2);
    const late = log.createSnapshot({ offset: 2, epoch: 1 })!;
    snapshot(log, { offset: 100, epoch: 7 });
    expect(log.truncateToLatestSnapshot()).toBe(true);
    await late.freeze();
    expect(log.snapshotIds()).toEqual([{ offset: 100, epoch: 7 }]);
    expect(readdirSync(partition).filter(name => name.includes('.checkpoint'))).toEqual([
      snapshotFileName({ offset: 100, epoch: 7 }),
    ]);
    await log.close();
  });

  it('is cut behind the next snapshot when log and snapshots are too large', async () => {
    const log = open({ segmentBytes: 4096, retentionBytes: 6000 });
    log.initializeLeaderEpoch(1);
    for (let i = 0; i < 12; i++) append(log, 1, 'x'.repeat(1000));
    log.updateHighWatermark(12);
    snapshot(log, { offset: 4, epoch: 1 });
    expect(log.maybeClean()).toBe(false);
    snapshot(log, { offset: 10, epoch: 1 });
    expect(log.maybeClean()).toBe(true);
    expect(log.startOffset).toBe(10);
    expect(log.snapshotIds()).toEqual([{ offset: 10, epoch: 1 }]);
    expect(await values(log, 10)).toHaveLength(2);
    await log.close();
    const again = open({ segmentBytes: 4096 });
    expect(again.startOffset).toBe(10);
    expect(again.lastFetchedEpoch).toBe(1);
    expect(again.endOffset).toBe(12);
    await again.close();
  });

  it('is cut behind the next snapshot when the oldest is too old', async () => {
    const log = open({ retentionMs: 60_000 });
    log.initializeLeaderEpoch(1);
    append(log, 1, 'a');
    append(log, 1, 'b');
    log.updateHighWatermark(2);
    snapshot(log, { offset: 1, epoch: 1 }, Date.now());
    snapshot(log, { offset: 2, epoch: 1 }, Date.now());
    expect(log.maybeClean()).toBe(false);
    await log.close();
    const unlimited = open({ retentionMs: -1 });
    expect(unlimited.maybeClean()).toBe(false);
    await unlimited.close();
  });

  it('is cut after a restart too, before anybody has told it a high watermark', async () => {
    const log = open();
    log.initializeLeaderEpoch(1);
    append(log, 1, 'a');
    append(log, 1, 'b');
    log.updateHighWatermark(2);
    snapshot(log, { offset: 1, epoch: 1 }, 1);
    snapshot(log, { offset: 2, epoch: 1 }, 1);
    await log.close();
    const again = open({ retentionMs: 60_000 });
    expect(again.maybeClean()).toBe(true);
    expect(again.startOffset).toBe(2);
    expect(again.snapshotIds()).toEqual([{ offset: 2, epoch: 1 }]);
    await again.close();
  });

  it('goes on from a snapshot that is ahead of it', async () => {
    const log = open();
    log.initializeLeaderEpoch(1);
    append(log, 1, 'a');
    snapshot(log, { offset: 100, epoch: 7 });
    expect(log.truncateToLatestSnapshot()).toBe(true);
    expect([log.startOffset, log.endOffset, log.lastFetchedEpoch]).toEqual([100, 100, 7]);
    log.initializeLeaderEpoch(8);
    append(log, 8, 'b');
    await log.close();
    const again = open();
    expect([again.startOffset, again.endOffset, again.lastFetchedEpoch]).toEqual([100, 101, 8]);
    expect(await values(again)).toEqual(['b']);
    await again.close();
  });

  it('names snapshots as Kafka does', () => {
    expect(snapshotFileName({ offset: 1234, epoch: 7 })).toBe('00000000000000001234-0000000007.checkpoint');
    expect(parseSnapshotFileName('00000000000000001234-0000000007.checkpoint')).toEqual({
      offset: 1234,
      epoch: 7,
    });
    expect(parseSnapshotFileName('00000000000000001234.log')).toBeUndefined();
    const large = { offset: 9_007_199_254_740_993n, epoch: 1 };
    expect(parseSnapshotFileName(snapshotFileName(large))).toEqual(large);
  });
});

describe('a quorum of one over files', () => {
  class Recorder implements RaftListener {
    readonly values: string[] = [];
    leader: ((leader: LeaderAndEpoch) => void) | undefined;
    handleCommit(batches: Parameters<RaftListener['handleCommit']>[0]): void {
      for (const { records } of batches) this.values.push(...records.map(record => record.toString()));
    }
    handleLoadSnapshot(reader: SnapshotReader): void {
      for (const { records } of reader.batches())
        this.values.push(...records.map(record => record.toString()));
    }
    handleLeaderChange(leader: LeaderAndEpoch): void {
      this.leader?.(leader);
    }
  }

  async function start(): Promise<{ driver: RaftDriver; recorder: Recorder; leader: LeaderAndEpoch }> {
    const log = open();
    const driver = new RaftDriver(
      runtime,
      silentLogger,
      {
        ...DEFAULT_TIMEOUTS,
        self: { id: 1, directoryId: DIRECTORY_ID },
        staticVoters: new VoterSet([]),
        onFatal: error => {
          throw error;
        },
      },
      {
        log,
        store: new FileQuorumStateStore(runtime.disk, join(partition, 'quorum-state')),
        transport: noTransport,
      },
    );
    const recorder = new Recorder();
    const heard = new Promise<LeaderAndEpoch>(resolve => {
      recorder.leader = resolve;
    });
    driver.register(recorder);
    await driver.start();
    return { driver, recorder, leader: await heard };
  }

  it('starts from what formatting wrote, and its first batch holds what that of Kafka holds', async () => {
    runtime.disk.makeDirectorySync(partition);
    writeFileSync(join(partition, '00000000000000000000-0000000000.checkpoint'), FORMATTED_CHECKPOINT);
    const { driver, leader } = await start();
    expect(leader).toEqual({ leaderId: 1, epoch: 1 });
    await driver.shutdown();
    const bytes = readFileSync(join(partition, '00000000000000000000.log'));
    const recordsOf = (batch: Buffer): string => batch.subarray(57).toString('hex');
    expect(recordsOf(bytes)).toBe(recordsOf(DYNAMIC_FIRST_BATCH));
    expect(readFileSync(join(partition, 'quorum-state'), 'utf8')).toBe(
      '{"leaderId":1,"leaderEpoch":1,"votedId":-1,"votedDirectoryId":"AAAAAAAAAAAAAAAAAAAAAA","data_version":1}',
    );
  });

  it('hears everything again after a stop, from the snapshot and the log behind it', async () => {
    runtime.disk.makeDirectorySync(partition);
    writeFileSync(join(partition, '00000000000000000000-0000000000.checkpoint'), FORMATTED_CHECKPOINT);
    const first = await start();
    const committed = new Promise<void>(resolve => {
      const { handleCommit } = first.recorder;
      first.recorder.handleCommit = batches => {
        handleCommit.call(first.recorder, batches);
        resolve();
      };
    });
    const last = first.driver.scheduleAppend(1, [Buffer.from('a'), Buffer.from('b')]);
    await committed;
    const end = Number(last) + 1;
    expect(first.driver.highWatermark()).toBe(end);
    const writer = first.driver.createSnapshot({ offset: end, epoch: 1 }, 9)!;
    writer.append([Buffer.from('a+b')]);
    await writer.freeze();
    first.driver.scheduleAppend(1, [Buffer.from('c')]);
    await first.driver.shutdown();
    const second = await start();
    expect(second.recorder.values).toEqual(['a+b', 'c']);
    expect(second.leader).toEqual({ leaderId: 1, epoch: 2 });
    expect(second.driver.status().voters.get(1)?.directoryId).toBe(DIRECTORY_ID);
    await second.driver.shutdown();
  });
});
