import { describe, expect, it } from 'vitest';
import { silentLogger } from '../../src/base/logger.ts';
import { ZERO_UUID } from '../../src/base/uuid.ts';
import { Errors } from '../../src/protocol/errors.ts';
import type { ElectionState } from '../../src/raft/quorum-state.ts';
import type { QuorumStateStore } from '../../src/raft/quorum-state-store.ts';
import type {
  CommittedBatch,
  LeaderAndEpoch,
  RaftListener,
  SnapshotReader,
} from '../../src/raft/raft-client.ts';
import { RaftDriver } from '../../src/raft/raft-driver.ts';
import type { RaftMessage } from '../../src/raft/raft-message.ts';
import { noTransport, type RaftTransport } from '../../src/raft/raft-transport.ts';
import { DEFAULT_TIMEOUTS } from '../../src/raft/ready.ts';
import { VoterSet, voterNode } from '../../src/raft/voter-set.ts';
import { encodeControlBatch, encodeDataBatch } from '../../src/raft/raft-batch.ts';
import { RecordBatch } from '../../src/record/record-batch.ts';
import { encodeSnapshot } from '../../src/raft/snapshot-file.ts';
import { ManualRuntime } from '../support/manual-runtime.ts';
import { MemoryLog } from './support/memory-log.ts';
import { directoryId } from './support/raft-simulation.ts';

class MemoryStore implements QuorumStateStore {
  election: ElectionState | undefined;
  readonly calls: string[];
  failure: Error | undefined;

  constructor(calls: string[]) {
    this.calls = calls;
  }

  read(): ElectionState | undefined {
    return this.election;
  }

  write(election: ElectionState): void {
    if (this.failure !== undefined) throw this.failure;
    this.election = election;
    this.calls.push(`quorum-state ${election.epoch}`);
  }
}

/** Writes down what it hears. */
class Recorder implements RaftListener {
  readonly heard: string[] = [];
  values: string[] = [];

  handleCommit(batches: readonly CommittedBatch[]): void {
    for (const { baseOffset, records, controlRecords } of batches) {
      const values = records.map(record => record.toString());
      this.values.push(...values);
      this.heard.push(
        `${baseOffset}: ${[...values, ...controlRecords.map(control => control.type)].join(' ')}`,
      );
    }
  }

  handleLoadSnapshot(reader: SnapshotReader): void {
    this.values = [...reader.batches()].flatMap(batch => batch.records.map(record => record.toString()));
    this.heard.push(`snapshot ${reader.snapshotId.offset}`);
  }

  handleLeaderChange({ leaderId, epoch }: LeaderAndEpoch): void {
    this.heard.push(`leader ${leaderId} epoch ${epoch}`);
  }

  beginShutdown(): void {
    this.heard.push('shutdown');
  }
}

class Harness {
  readonly clock = new ManualRuntime();
  readonly calls: string[] = [];
  readonly log = new MemoryLog(this.calls);
  readonly store = new MemoryStore(this.calls);
  readonly fatal: Error[] = [];
  driver: RaftDriver;

  constructor(voters = VoterSet.ofIds([1]), transport: RaftTransport = noTransport) {
    this.driver = this.newDriver(voters, transport);
  }

  newDriver(voters = VoterSet.ofIds([1]), transport: RaftTransport = noTransport): RaftDriver {
    this.driver = new RaftDriver(
      this.clock,
      silentLogger,
      {
        ...DEFAULT_TIMEOUTS,
        self: { id: 1, directoryId: directoryId(1) },
        staticVoters: voters,
        onFatal: error => this.fatal.push(error),
      },
      { log: this.log, store: this.store, transport },
    );
    return this.driver;
  }

  /** Lets promises and the ends of turns run until nothing is left to do. */
  async settle(): Promise<void> {
    for (let round = 0; round < 10; round++) {
      this.clock.turn();
      for (let i = 0; i < 10; i++) await Promise.resolve();
    }
  }
}

const value = (text: string): Buffer => Buffer.from(text);

describe('RaftDriver of a sole voter', () => {
  it('leads when start resolves, and its listeners hear so when the start of the epoch is on disk', async () => {
    const harness = new Harness();
    await harness.driver.start();
    expect(harness.driver.leaderAndEpoch()).toEqual({ leaderId: 1, epoch: 1 });
    const recorder = new Recorder();
    harness.log.manual = true;
    harness.driver.register(recorder);
    await harness.settle();
    expect(recorder.heard).toEqual(['0: leaderChange', 'leader 1 epoch 1']);
    expect(harness.calls).toEqual(['fsync', 'quorum-state 1', 'epoch 1', 'append 0-0', 'fsync', 'commit 1']);
  });

  it('commits nothing before the fsync that follows its append has ended', async () => {
    const harness = new Harness();
    await harness.driver.start();
    await harness.settle();
    harness.log.manual = true;
    harness.calls.length = 0;
    const recorder = new Recorder();
    harness.driver.register(recorder);
    expect(harness.driver.scheduleAppend(1, [value('a'), value('b')])).toBe(2);
    await harness.settle();
    expect(harness.calls).toEqual(['append 1-2', 'fsync']);
    expect(harness.driver.highWatermark()).toBe(1);
    expect(recorder.values).toEqual([]);
    harness.log.finishFlush();
    await harness.settle();
    expect(harness.calls).toEqual(['append 1-2', 'fsync', 'commit 3']);
    expect(recorder.values).toEqual(['a', 'b']);
  });

  it('writes all batches of a turn at once, and those that come during an fsync share the next one', async () => {
    const harness = new Harness();
    await harness.driver.start();
    await harness.settle();
    harness.log.manual = true;
    harness.calls.length = 0;
    const { driver } = harness;
    expect([
      driver.scheduleAppend(1, [value('a')]),
      driver.scheduleAppend(1, [value('b'), value('c')]),
    ]).toEqual([1, 3]);
    await harness.settle();
    driver.scheduleAppend(1, [value('d')]);
    await harness.settle();
    driver.scheduleAppend(1, [value('e')]);
    await harness.settle();
    expect(harness.calls).toEqual(['append 1-3', 'fsync', 'append 4-4', 'append 5-5']);
    harness.log.finishFlush();
    await harness.settle();
    expect(harness.calls.slice(4)).toEqual(['commit 4', 'fsync']);
    harness.log.finishFlush();
    await harness.settle();
    expect(driver.highWatermark()).toBe(6);
  });

  it('stops for good when an fsync fails: nothing more is committed and whoever asks is refused', async () => {
    const harness = new Harness();
    await harness.driver.start();
    await harness.settle();
    const recorder = new Recorder();
    harness.driver.register(recorder);
    await harness.settle();
    harness.log.manual = true;
    harness.driver.scheduleAppend(1, [value('a')]);
    await harness.settle();
    harness.log.finishFlush(new Error('EIO'));
    await harness.settle();
    expect(harness.fatal.map(error => error.message)).toEqual(['EIO']);
    expect(recorder.heard.at(-1)).toBe('shutdown');
    expect(recorder.values).toEqual([]);
    expect(() => harness.driver.scheduleAppend(1, [value('b')])).toThrow(
      expect.objectContaining({ code: Errors.NOT_LEADER_OR_FOLLOWER }),
    );
    expect(harness.calls.filter(call => call === 'fsync')).toHaveLength(3);
  });

  it('stops when the quorum state cannot be written, before it has appended anything', async () => {
    const harness = new Harness();
    harness.store.failure = new Error('ENOSPC');
    await harness.driver.start();
    await harness.settle();
    expect(harness.fatal.map(error => error.message)).toEqual(['ENOSPC']);
    expect(harness.log.batches).toEqual([]);
  });

  it('refuses an append in an epoch that it does not lead in, and one that is too large', async () => {
    const harness = new Harness();
    await harness.driver.start();
    await harness.settle();
    expect(() => harness.driver.scheduleAppend(0, [value('a')])).toThrow(
      expect.objectContaining({ code: Errors.NOT_LEADER_OR_FOLLOWER }),
    );
    expect(() => harness.driver.scheduleAppend(1, [Buffer.alloc(9 * 1024 * 1024)])).toThrow(
      expect.objectContaining({ code: Errors.RECORD_LIST_TOO_LARGE }),
    );
  });

  it('replays the log to a listener after a restart, and tells it of the leader only then', async () => {
    const harness = new Harness();
    await harness.driver.start();
    await harness.settle();
    harness.driver.scheduleAppend(1, [value('a')]);
    await harness.settle();
    await harness.driver.shutdown();
    expect(harness.log.closed).toBe(true);
    const driver = harness.newDriver();
    const recorder = new Recorder();
    driver.register(recorder);
    await driver.start();
    await harness.settle();
    expect(recorder.heard).toEqual(['0: leaderChange', '1: a', '2: leaderChange', 'leader 1 epoch 2']);
  });

  it('gives a listener that comes late the snapshot and what follows', async () => {
    const harness = new Harness();
    await harness.driver.start();
    await harness.settle();
    const { driver } = harness;
    driver.scheduleAppend(1, [value('a')]);
    driver.scheduleAppend(1, [value('b')]);
    await harness.settle();
    const writer = driver.createSnapshot({ offset: 3, epoch: 1 }, 5);
    writer!.append([value('a and b')]);
    await writer!.freeze();
    driver.scheduleAppend(1, [value('c')]);
    await harness.settle();
    const recorder = new Recorder();
    driver.register(recorder);
    await harness.settle();
    expect(recorder.heard).toEqual(['snapshot 3', '3: c', 'leader 1 epoch 1']);
    expect(recorder.values).toEqual(['a and b', 'c']);
  });

  it('makes no snapshot above the high watermark, of another epoch, or twice', async () => {
    const harness = new Harness();
    await harness.driver.start();
    await harness.settle();
    const { driver } = harness;
    expect(() => driver.createSnapshot({ offset: 2, epoch: 1 }, 0)).toThrow(RangeError);
    expect(() => driver.createSnapshot({ offset: 1, epoch: 7 }, 0)).toThrow(RangeError);
    await driver.createSnapshot({ offset: 1, epoch: 1 }, 0)!.freeze();
    expect(driver.createSnapshot({ offset: 1, epoch: 1 }, 0)).toBeUndefined();
    expect(driver.latestSnapshotId()).toEqual({ offset: 1, epoch: 1 });
  });

  it('takes its voters from the snapshot of formatting and writes them into the log', async () => {
    const harness = new Harness(new VoterSet([]));
    const voters = new VoterSet([
      voterNode(1, directoryId(1), [{ name: 'CONTROLLER', host: 'localhost', port: 9093 }]),
    ]);
    const header = { lastContainedLogTimestamp: 0, kraftVersion: 1, voters };
    harness.log.snapshots.push({
      id: { offset: 0, epoch: 0 },
      bytes: encodeSnapshot(0, header, [], () => 0),
    });
    const recorder = new Recorder();
    harness.driver.register(recorder);
    await harness.driver.start();
    await harness.settle();
    expect(recorder.heard).toEqual(['0: leaderChange kraftVersion voters', 'leader 1 epoch 1']);
    expect(harness.driver.status().voters.get(1)?.endpoints[0]?.port).toBe(9093);
  });

  it('does not lead where the snapshot of formatting names another directory id', async () => {
    const harness = new Harness(new VoterSet([]));
    const voters = new VoterSet([voterNode(1, directoryId(9))]);
    const header = { lastContainedLogTimestamp: 0, kraftVersion: 1, voters };
    harness.log.snapshots.push({
      id: { offset: 0, epoch: 0 },
      bytes: encodeSnapshot(0, header, [], () => 0),
    });
    await harness.driver.start();
    await harness.settle();
    expect(harness.driver.leaderAndEpoch()).toEqual({ leaderId: undefined, epoch: 0 });
  });
});

describe('RaftDriver among three voters', () => {
  it('writes down its vote before it sends it', async () => {
    const calls: string[] = [];
    const transport: RaftTransport = { send: message => calls.push(`send ${message.type}`) };
    const harness = new Harness(VoterSet.ofIds([1, 2, 3]), transport);
    await harness.driver.start();
    const write = harness.store.write.bind(harness.store);
    harness.store.write = election => {
      calls.push(`vote for ${election.votedKey?.id} written`);
      write(election);
    };
    const vote: RaftMessage = {
      type: 'vote',
      from: 2,
      to: 1,
      correlationId: 1,
      epoch: 4,
      candidate: { id: 2, directoryId: ZERO_UUID },
      voter: { id: 1, directoryId: ZERO_UUID },
      lastEpoch: 0,
      lastOffset: 0,
      preVote: false,
    };
    harness.driver.receive(vote, undefined);
    expect(calls).toEqual(['vote for 2 written', 'send voteResponse']);
  });

  /** A follower of node 2 in epoch 1, which answers its fetches as a test says. */
  async function following(): Promise<{
    harness: Harness;
    last(type: RaftMessage['type']): RaftMessage;
    claim(leaderId: number, epoch: number): void;
    answer(changes: object, records?: Buffer): void;
    nextRequest(): Promise<RaftMessage>;
  }> {
    const sent: RaftMessage[] = [];
    /** How much had been sent when the last answer came. */
    let answered = 0;
    const harness = new Harness(VoterSet.ofIds([1, 2, 3]), { send: message => sent.push(message) });
    await harness.driver.start();
    const claim = (leaderId: number, epoch: number): void =>
      harness.driver.receive(
        {
          type: 'beginQuorumEpoch',
          from: leaderId,
          to: 1,
          correlationId: 1,
          epoch,
          leaderId,
          voter: { id: 1, directoryId: ZERO_UUID },
        },
        undefined,
      );
    const last = (type: RaftMessage['type']): RaftMessage => sent.findLast(each => each.type === type)!;
    const nextRequest = async (): Promise<RaftMessage> => {
      await harness.settle();
      if (sent.length === answered) harness.clock.advance(DEFAULT_TIMEOUTS.retryBackoffMs);
      await harness.settle();
      expect(sent.length).toBe(answered + 1);
      return sent.at(-1)!;
    };
    const answer = (changes: object, records?: Buffer): void => {
      answered = sent.length;
      const { correlationId } = sent.at(-1)!;
      const common = { from: 2, to: 1, correlationId, error: 0, leaderId: 2, epoch: 1 };
      const fetched = { type: 'fetchResponse', highWatermark: 0, logStartOffset: 0 };
      harness.driver.receive({ ...common, ...fetched, ...changes } as RaftMessage, records);
    };
    claim(2, 1);
    expect(sent.at(-1)).toMatchObject({ type: 'fetch', to: 2, fetchOffset: 0 });
    return { harness, last, claim, answer, nextRequest };
  }

  const at = (baseOffset: number) => ({ baseOffset, epoch: 1, timestamp: 0 });
  const good = encodeDataBatch([value('a'), value('b')], at(0));
  const changed = (bytes: Buffer, change: (batch: RecordBatch) => void): Buffer => {
    const batch = new RecordBatch(Buffer.from(bytes));
    change(batch);
    batch.updateCrc();
    return batch.buffer;
  };

  it.each([
    ['with another checksum', Buffer.concat([good.subarray(0, -1), value('c')])],
    ['of another magic', Buffer.concat([good.subarray(0, 16), Buffer.of(1), good.subarray(17)])],
    ['that declares more records than it holds', changed(good, ({ buffer }) => buffer.writeInt32BE(3, 57))],
    ['with fewer offsets than records', changed(good, ({ buffer }) => buffer.writeInt32BE(0, 23))],
    ['that ends before it begins', changed(good, ({ buffer }) => buffer.writeInt32BE(-7, 23))],
    ['of a producer', changed(good, ({ buffer }) => buffer.writeBigInt64BE(5n, 43))],
    ['of no epoch', changed(good, batch => batch.setPartitionLeaderEpoch(-1))],
    ['compressed with a codec that there is not', changed(good, ({ buffer }) => buffer.writeInt16BE(6, 21))],
    ['whose records are cut', changed(good, ({ buffer }) => buffer.writeInt8(120, 61))],
    ['of control records that are none', changed(good, ({ buffer }) => buffer.writeInt16BE(0x20, 21))],
    ['that names a voter twice', twice()],
  ])('takes a batch %s for none, and asks again later', async (_what, bad) => {
    const { harness, answer, nextRequest } = await following();
    answer({}, Buffer.concat([good, changed(bad, batch => batch.setBaseOffset(2))]));
    expect(await nextRequest()).toMatchObject({ type: 'fetch', fetchOffset: 2 });
    expect(harness.log.endOffset).toBe(2);
    answer({}, bad);
    expect(await nextRequest()).toMatchObject({ type: 'fetch', fetchOffset: 2 });
    answer({}, encodeDataBatch([value('c')], at(2)));
    expect(await nextRequest()).toMatchObject({ type: 'fetch', fetchOffset: 3 });
    expect(harness.fatal).toEqual([]);
  });

  function twice(): Buffer {
    const batch = encodeControlBatch([{ type: 'voters', voters: VoterSet.ofIds([1, 2]) }], at(0));
    // The first voter's id follows the version and the length of the list: it becomes that of the second one.
    const first = batch.indexOf(Buffer.of(0, 0, 0, 1), 61 + 8);
    batch.writeInt32BE(2, first);
    return changed(batch, () => {});
  }

  const snapshotId = { offset: 9, epoch: 1 };
  const header = { lastContainedLogTimestamp: 0, kraftVersion: 0, voters: undefined };
  const snapshot = encodeSnapshot(1, header, [[value('a')]], () => 0);

  it.each([
    ['with a damaged byte', Buffer.from(snapshot.map((byte, index) => (index === 70 ? byte ^ 1 : byte)))],
    ['that is cut', snapshot.subarray(0, -3)],
    ['without a footer', snapshot.subarray(0, new RecordBatch(snapshot).end)],
    ['without a header', snapshot.subarray(new RecordBatch(snapshot).end)],
  ])('installs no snapshot %s, and fetches it again', async (_what, bytes) => {
    const { harness, answer, nextRequest } = await following();
    const ask = async (): Promise<void> => {
      answer({ snapshotId });
      expect(await nextRequest()).toMatchObject({ type: 'fetchSnapshot', snapshotId, position: 0 });
    };
    const part = { type: 'fetchSnapshotResponse', snapshotId, position: 0 };
    await ask();
    answer({ ...part, size: bytes.length, bytes });
    expect(await nextRequest()).toMatchObject({ type: 'fetch', fetchOffset: 0 });
    expect(harness.log.snapshots).toEqual([]);
    await ask();
    answer({ ...part, size: snapshot.length, bytes: snapshot });
    expect(await nextRequest()).toMatchObject({ type: 'fetch', fetchOffset: 9, lastFetchedEpoch: 1 });
    expect(harness.log.snapshots).toHaveLength(1);
    expect(harness.fatal).toEqual([]);
  });

  it('goes on when a snapshot from its leader overtakes the one that it writes itself', async () => {
    const { harness, answer, nextRequest } = await following();
    answer({ highWatermark: 2 }, good);
    await nextRequest();
    const own = harness.driver.createSnapshot({ offset: 2, epoch: 1 }, 0)!;
    answer({ snapshotId });
    await nextRequest();
    const part = { type: 'fetchSnapshotResponse', snapshotId, position: 0 };
    answer({ ...part, size: snapshot.length, bytes: snapshot });
    await nextRequest();
    harness.log.maybeClean = () => true;
    await own.freeze();
    expect(harness.log.startOffset).toBe(9);
    expect(harness.fatal).toEqual([]);
  });

  it.each([
    ['a snapshot of what it has', { snapshotId: { offset: 1, epoch: 1 } }],
    ['a snapshot of nothing', { snapshotId: { offset: 0, epoch: 0 } }],
    ['a log that parts from its own below the start', { divergingEpoch: { epoch: 1, offset: -5 } }],
    ['a log that parts from its own in a later epoch', { divergingEpoch: { epoch: 7, offset: 1 } }],
  ])('asks again when the leader speaks of %s', async (_what, changes) => {
    const { harness, answer, nextRequest } = await following();
    answer({}, good);
    expect(await nextRequest()).toMatchObject({ type: 'fetch', fetchOffset: 2 });
    answer(changes);
    expect(await nextRequest()).toMatchObject({ type: 'fetch', fetchOffset: 2 });
    expect(harness.fatal).toEqual([]);
  });

  it('does not believe that a second node leads in the epoch of its leader', async () => {
    const { harness, last, claim, answer } = await following();
    claim(3, 1);
    expect(last('beginQuorumEpochResponse')).toMatchObject({ error: Errors.INVALID_REQUEST, leaderId: 2 });
    answer({ leaderId: 3 });
    expect(harness.driver.leaderAndEpoch()).toEqual({ leaderId: 2, epoch: 1 });
    expect(harness.fatal).toEqual([]);
  });

  it('goes to no epoch after which there could not be another', async () => {
    const { harness, last, claim, answer } = await following();
    claim(3, 0x7fff_ffff);
    expect(last('beginQuorumEpochResponse')).toMatchObject({ error: Errors.INVALID_REQUEST });
    answer({ leaderId: undefined, epoch: 0x7fff_ffff });
    expect(harness.driver.leaderAndEpoch()).toEqual({ leaderId: 2, epoch: 1 });
  });

  /** A leader of a quorum of two whose other voter says what a test has it say. */
  async function leading(): Promise<{
    harness: Harness;
    sent: RaftMessage[];
    answer(type: RaftMessage['type'], changes: object): void;
    fetch(fetchOffset: number, id?: number, disk?: number): void;
  }> {
    const sent: RaftMessage[] = [];
    const transport: RaftTransport = { send: message => sent.push(message) };
    const harness = new Harness(new VoterSet([]), transport);
    const voters = new VoterSet([voterNode(1, directoryId(1)), voterNode(2, directoryId(2))]);
    const header = { lastContainedLogTimestamp: 0, kraftVersion: 1, voters };
    harness.log.snapshots.push({
      id: { offset: 0, epoch: 0 },
      bytes: encodeSnapshot(0, header, [], () => 0),
    });
    const answer = (type: RaftMessage['type'], changes: object): void => {
      const request = sent.findLast(message => `${message.type}Response` === type)!;
      const { correlationId, epoch } = request as RaftMessage & { epoch: number };
      const message = {
        type,
        from: 2,
        to: 1,
        correlationId,
        error: 0,
        leaderId: undefined,
        epoch,
        ...changes,
      };
      harness.driver.receive(message as RaftMessage, undefined);
    };
    let correlationId = 1_000;
    const fetch = (fetchOffset: number, id = 2, disk = id): void => {
      harness.driver.receive(
        {
          type: 'fetch',
          from: id,
          to: 1,
          correlationId: correlationId++,
          epoch: 1,
          replica: { id, directoryId: directoryId(disk) },
          fetchOffset,
          lastFetchedEpoch: fetchOffset === 0 ? 0 : 1,
          highWatermark: -1,
          maxWaitMs: 0,
        },
        undefined,
      );
    };
    await harness.driver.start();
    harness.clock.advance(2_000);
    answer('voteResponse', { voteGranted: true });
    answer('voteResponse', { voteGranted: true });
    await harness.settle();
    expect(harness.driver.leaderAndEpoch()).toEqual({ leaderId: 1, epoch: 1 });
    return { harness, sent, answer, fetch };
  }

  /** What became of a promise so far. */
  function outcomeOf(promise: Promise<unknown>): { value: unknown } {
    const outcome: { value: unknown } = { value: 'pending' };
    promise.then(
      () => {
        outcome.value = 'done';
      },
      (error: { code: number }) => {
        outcome.value = error.code;
      },
    );
    return outcome;
  }

  it('does not take a node that came back with another disk for the voter that it was', async () => {
    const { harness, fetch } = await leading();
    fetch(3, 2, 9);
    expect(harness.driver.status().replicas).toMatchObject([
      { id: 1, isVoter: true },
      { id: 2, directoryId: directoryId(2), isVoter: true, logEndOffset: -1 },
      { id: 2, directoryId: directoryId(9), isVoter: false, logEndOffset: 3 },
    ]);
    for (let ms = 0; ms < 3 * DEFAULT_TIMEOUTS.fetchTimeoutMs; ms += 500) {
      harness.clock.advance(500);
      fetch(3, 2, 9);
    }
    expect(harness.driver.leaderAndEpoch().leaderId).toBeUndefined();
  });

  it('answers for a new voter only when that has caught up and the record is committed', async () => {
    const { harness, fetch } = await leading();
    fetch(3);
    await harness.settle();
    const options = { timeoutMs: 1_000, ackWhenCommitted: true };
    const added = outcomeOf(harness.driver.addVoter(voterNode(3, directoryId(3)), options));
    await harness.settle();
    expect(harness.driver.voters.ids).toEqual([1, 2]);
    fetch(3, 3);
    await harness.settle();
    expect(harness.driver.voters.ids).toEqual([1, 2, 3]);
    expect(added.value).toBe('pending');
    fetch(4, 3);
    await harness.settle();
    expect(added.value).toBe('done');
  });

  it('answers for a new voter at once if asked to, when the record is appended', async () => {
    const { harness, fetch } = await leading();
    fetch(3);
    fetch(3, 3);
    const options = { timeoutMs: 1_000, ackWhenCommitted: false };
    const added = outcomeOf(harness.driver.addVoter(voterNode(3, directoryId(3)), options));
    await harness.settle();
    expect(added.value).toBe('done');
    expect(harness.driver.highWatermark()).toBe(3);
  });

  it('gives up on a new voter that does not catch up, and on a change that is not committed, in time', async () => {
    const { harness, fetch } = await leading();
    fetch(3);
    const options = { timeoutMs: 1_000, ackWhenCommitted: true };
    const added = outcomeOf(harness.driver.addVoter(voterNode(3, directoryId(3)), options));
    const removed = outcomeOf(harness.driver.removeVoter({ id: 2, directoryId: directoryId(2) }, options));
    await harness.settle();
    // The one that goes has no say in it: the leader alone is the majority that is left.
    expect(removed.value).toBe('done');
    const moved = voterNode(1, directoryId(1), [{ name: 'C', host: 'h', port: 1 }]);
    harness.log.manual = true;
    const updated = outcomeOf(harness.driver.updateVoter(moved, options));
    harness.clock.advance(1_000);
    await harness.settle();
    expect([added.value, updated.value]).toEqual([Errors.REQUEST_TIMED_OUT, Errors.REQUEST_TIMED_OUT]);
  });

  it('says that a change may be lost when leadership is', async () => {
    const { harness, fetch } = await leading();
    fetch(3);
    const moved = voterNode(2, directoryId(2), [{ name: 'C', host: 'h', port: 1 }]);
    const updated = outcomeOf(
      harness.driver.updateVoter(moved, { timeoutMs: 9_000, ackWhenCommitted: true }),
    );
    await harness.settle();
    expect(updated.value).toBe('pending');
    harness.driver.resign(1);
    await harness.settle();
    expect(updated.value).toBe(Errors.NOT_LEADER_OR_FOLLOWER);
  });

  it('waits with its end until the others know that it has resigned, or too long', async () => {
    const { harness, sent, answer, fetch } = await leading();
    fetch(3);
    await harness.settle();
    const stopped = outcomeOf(harness.driver.shutdown());
    await harness.settle();
    expect(sent.at(-1)).toMatchObject({ type: 'endQuorumEpoch', preferredCandidates: [{ id: 2 }] });
    expect(stopped.value).toBe('pending');
    answer('endQuorumEpochResponse', { leaderId: 1 });
    await harness.settle();
    expect(stopped.value).toBe('done');
    expect(harness.log.closed).toBe(true);

    const silent = await leading();
    const late = outcomeOf(silent.harness.driver.shutdown());
    await silent.harness.settle();
    expect(late.value).toBe('pending');
    silent.harness.clock.advance(DEFAULT_TIMEOUTS.requestTimeoutMs);
    await silent.harness.settle();
    expect(late.value).toBe('done');
  });

  it('tells who watches of each leader and epoch', async () => {
    const { harness } = await leading();
    let changes = 0;
    harness.driver.watchLeader(() => changes++);
    harness.driver.resign(1);
    await harness.settle();
    expect(changes).toBe(1);
  });
});
