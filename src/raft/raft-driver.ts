import { invariant } from '../base/assert.ts';
import { add64, type LeaderEpoch, type Offset, type Timestamp } from '../base/int64.ts';
import { LimitedLogger, type Logger } from '../base/logger.ts';
import { errorName, Errors, KafkaError } from '../protocol/errors.ts';
import type { Runtime, Timer } from '../runtime/runtime.ts';
import type { ControlRecord } from './control-record.ts';
import { type FetchedPayload, fetchedEntries } from './fetched-entries.ts';
import { ListenerPump } from './listener-pump.ts';
import type { LogEntry } from './log-summary.ts';
import { NO_ELECTION } from './quorum-state.ts';
import type { QuorumStateStore } from './quorum-state-store.ts';
import { decodeBatch, encodeControlBatch, encodeDataBatch } from './raft-batch.ts';
import type {
  CommittedBatch,
  LeaderAndEpoch,
  OffsetAndEpoch,
  RaftClient,
  RaftListener,
  SnapshotWriter,
} from './raft-client.ts';
import { RaftCore } from './raft-core.ts';
import type { RaftMessage } from './raft-message.ts';
import type { RaftTransport } from './raft-transport.ts';
import type { AppendBatch, QuorumStatus, RaftCoreOptions, RaftEvent, Ready } from './ready.ts';
import type { ReplicatedLog } from './replicated-log.ts';
import { RecordsSnapshotWriter } from './snapshot-file.ts';
import { type SnapshotChunk, SnapshotInstaller } from './snapshot-installer.ts';
import type { VoterChange } from './voter-changes.ts';
import type { ReplicaKey, VoterNode, VoterSet } from './voter-set.ts';
import { readVoterSets } from './voter-sets-in-log.ts';

export interface RaftDriverOptions extends Omit<RaftCoreOptions, 'random' | 'firstCorrelationId'> {
  /**
   * From `controller.quorum.voters`; empty where the voters are in the log or in the snapshot that formatting
   * wrote.
   */
  readonly staticVoters: VoterSet;
  /** Bytes of record values in one batch. Kafka's limit is 8 MiB. */
  readonly maxBatchBytes?: number;
  /** How often retention of snapshots and log is looked at, beside after each snapshot. */
  readonly cleanIntervalMs?: number;
  /**
   * The driver has stopped for good: a write failed, or an invariant does not hold. The process should end.
   */
  readonly onFatal: (error: Error) => void;
}

export interface RaftDriverParts {
  readonly log: ReplicatedLog;
  readonly store: QuorumStateStore;
  readonly transport: RaftTransport;
}

/** What a driver's log entries carry: values to encode, or a batch as the leader sent it. */
type EntryPayload =
  | { readonly type: 'values'; readonly values: readonly Buffer[]; readonly timestamp: Timestamp }
  | FetchedPayload;

const DEFAULT_MAX_BATCH_BYTES = 8 * 1024 * 1024;
/** What may go into one FetchResponse, and into one FetchSnapshotResponse, whatever was asked for. */
const FETCH_MAX_BYTES = 8 * 1024 * 1024;
/** How often it is said again that the same peer sends what nobody can use. */
const LOG_PERIOD_MS = 30_000;

/** How long a change of the voters may take, and what is waited for. */
export interface VoterChangeOptions {
  readonly timeoutMs: number;
  /** False: the change is only begun when the promise resolves. */
  readonly ackWhenCommitted: boolean;
}

/**
 * Does what the core orders, and owns the law of order: what must be durable is durable before anything is
 * said of it.
 *
 *     scheduleAppend ─┐ (all of a turn)
 *     message ────────┼─> core.step ─> quorum-state fsynced ─> truncate, append ─> messages sent
 *     timer ──────────┘        ^                                     │
 *                              └── flushed <── one fsync at a time <─┘   then: high watermark, listeners
 *
 * Appends of one turn are one write; those that arrive during an fsync share the next one. A failed write or
 * fsync stops the driver: it is never tried again.
 */
export class RaftDriver implements RaftClient {
  private readonly runtime: Runtime;
  private readonly logger: Logger;
  private readonly limitedLogger: LimitedLogger;
  private readonly options: RaftDriverOptions;
  private readonly log: ReplicatedLog;
  private readonly store: QuorumStateStore;
  private readonly transport: RaftTransport;
  private core!: RaftCore;
  private phase: 'new' | 'running' | 'stopped' | 'failed' = 'new';

  private readonly events: RaftEvent[] = [];
  private stepping = false;
  private timer: Timer | undefined;
  private timerAtMs = Number.POSITIVE_INFINITY;
  private cleanTimer: Timer | undefined;

  private staged: AppendBatch[] = [];
  private stagedRecords = 0;
  private flush: Promise<void> | undefined;
  private readonly installer: SnapshotInstaller;

  /** Looked at after steps: each says whether it is done waiting. */
  private readonly watches = new Set<() => boolean>();
  private checkingWatches = false;
  private leaderListener: () => void = () => {};

  private readonly listeners: ListenerPump;

  constructor(runtime: Runtime, logger: Logger, options: RaftDriverOptions, parts: RaftDriverParts) {
    this.runtime = runtime;
    this.logger = logger.child('raft');
    this.limitedLogger = new LimitedLogger(this.logger, () => this.nowMs(), LOG_PERIOD_MS);
    this.options = options;
    this.log = parts.log;
    this.store = parts.store;
    this.transport = parts.transport;
    this.installer = new SnapshotInstaller(parts.log, this.limitedLogger);
    this.listeners = new ListenerPump(runtime.timers, parts.log, {
      isRunning: () => this.isRunning,
      highWatermark: () => this.core.highWatermark,
      leaderAndEpoch: () => this.core.leaderAndEpoch,
      epochStartOffset: () => this.core.epochStartOffset,
      fail: error => this.fail(error),
    });
  }

  /**
   * Reads the log's control records and takes part in the quorum from then on. A sole voter leads when the
   * promise resolves; its listeners hear so once the start of its epoch is durable.
   */
  async start(): Promise<void> {
    invariant(this.phase === 'new', 'driver', 'started twice');
    const { log } = this;
    if (log.truncateToLatestSnapshot())
      this.logger.warn('the log was behind its newest snapshot and goes on from there');
    const voterSets = await readVoterSets(log, this.options.staticVoters);
    // What recovery found may be in the page cache only. The core takes it for durable, so it is made so.
    await log.flush();
    const election = this.store.read() ?? NO_ELECTION;
    const first = log.epochStarts()[0];
    const startEpoch =
      first !== undefined && first.startOffset < log.startOffset
        ? first.epoch
        : (log.snapshotIds().find(id => id.offset === log.startOffset)?.epoch ?? 0);
    const { random } = this.runtime;
    this.core = new RaftCore(
      {
        ...this.options,
        random: bound => random.below(bound),
        firstCorrelationId: random.below(0x4000_0000),
      },
      {
        election,
        log: {
          startOffset: log.startOffset,
          startEpoch,
          endOffset: log.endOffset,
          epochs: log.epochStarts(),
          latestSnapshotId: log.latestSnapshotId(),
          voterSets,
        },
      },
      this.nowMs(),
    );
    this.phase = 'running';
    this.scheduleClean();
    this.runSteps(() => this.core.start(this.nowMs()));
  }

  get nodeId(): number {
    return this.options.self.id;
  }

  leaderAndEpoch(): LeaderAndEpoch {
    return this.core.leaderAndEpoch;
  }

  highWatermark(): Offset | undefined {
    return this.core.highWatermark;
  }

  logEndOffset(): Offset {
    return this.core.log.endOffset;
  }

  status(): QuorumStatus {
    return this.core.status();
  }

  /** Nothing may be asked before it has started. */
  get hasStarted(): boolean {
    return this.phase !== 'new';
  }

  /** Whether it has started, and neither stopped nor failed. */
  get isRunning(): boolean {
    return this.phase === 'running';
  }

  /** The newest in the log, committed or not. */
  get voters(): VoterSet {
    return this.core.voters;
  }

  get isVoter(): boolean {
    return this.core.isVoter;
  }

  /** The level of `kraft.version`: 1 if the voters are in the log and may change. */
  get kraftVersion(): number {
    return this.core.log.voters.kraftVersion;
  }

  /** Calls `listener` after each change of leader or epoch. There is one listener. */
  watchLeader(listener: () => void): void {
    this.leaderListener = listener;
  }

  /**
   * Adds a voter, once it has caught up with this epoch and no other change is under way. Rejects with `KafkaError`:
   * NOT_LEADER_OR_FOLLOWER, also if leadership was lost before the change was committed, which may yet be;
   * UNSUPPORTED_VERSION if the voters are configuration; DUPLICATE_VOTER; REQUEST_TIMED_OUT.
   */
  addVoter(voter: VoterNode, options: VoterChangeOptions): Promise<void> {
    return this.changeVoters({ type: 'addVoter', voter }, options);
  }

  /** Likewise. VOTER_NOT_FOUND; INVALID_REQUEST for the last voter. A leader that removes itself resigns afterwards. */
  removeVoter(voter: ReplicaKey, options: VoterChangeOptions): Promise<void> {
    return this.changeVoters({ type: 'removeVoter', voter }, options);
  }

  /** Replaces endpoints and versions of a voter. Likewise. */
  updateVoter(voter: VoterNode, options: VoterChangeOptions): Promise<void> {
    return this.changeVoters({ type: 'updateVoter', voter }, options);
  }

  register(listener: RaftListener): void {
    this.listeners.register(listener);
  }

  unregister(listener: RaftListener): void {
    this.listeners.unregister(listener);
  }

  scheduleAppend(epoch: LeaderEpoch, records: readonly Buffer[]): Offset {
    if (this.phase !== 'running' || !this.core.isLeader || epoch !== this.core.epoch) {
      throw new KafkaError(
        Errors.NOT_LEADER_OR_FOLLOWER,
        `this node does not lead the metadata quorum in epoch ${epoch}`,
      );
    }
    if (records.length === 0) throw new RangeError('a batch needs a record');
    const size = records.reduce((sum, record) => sum + record.length, 0);
    const limit = this.options.maxBatchBytes ?? DEFAULT_MAX_BATCH_BYTES;
    if (size > limit) {
      throw new KafkaError(
        Errors.RECORD_LIST_TOO_LARGE,
        `${size} bytes of records in a batch, at most ${limit} may be`,
      );
    }
    const payload: EntryPayload = {
      type: 'values',
      values: [...records],
      timestamp: this.runtime.clock.wallMs(),
    };
    if (this.staged.length === 0) this.runtime.timers.soon(() => this.appendStaged());
    this.staged.push({ recordCount: records.length, payload });
    this.stagedRecords += records.length;
    return add64(this.core.log.endOffset, this.stagedRecords - 1);
  }

  createSnapshot(id: OffsetAndEpoch, lastContainedLogTimestamp: Timestamp): SnapshotWriter | undefined {
    const highWatermark = this.core.highWatermark ?? 0;
    if (id.offset > highWatermark) {
      throw new RangeError(`a snapshot at ${id.offset} is past the high watermark ${highWatermark}`);
    }
    const known = this.log.latestSnapshotId();
    if (known !== undefined && known.offset >= id.offset) return undefined;
    const end = this.log.endOffsetForEpoch(id.epoch);
    if (end.epoch !== id.epoch || end.offset < id.offset) {
      throw new RangeError(`offset ${id.offset} was not written in epoch ${id.epoch}`);
    }
    const raw = this.log.createSnapshot(id);
    if (raw === undefined) return undefined;
    const { voters, kraftVersion } = this.core.log.votersBelow(id.offset);
    const header = { lastContainedLogTimestamp, kraftVersion, voters };
    return new RecordsSnapshotWriter(
      raw,
      header,
      () => this.runtime.clock.wallMs(),
      () => {
        this.dispatch({ type: 'snapshotCreated', id });
        this.clean();
      },
    );
  }

  latestSnapshotId(): OffsetAndEpoch | undefined {
    return this.log.latestSnapshotId();
  }

  /**
   * Raises `kraft.version`: `voters`, which are those of the configuration, are records from then on. Kafka's error if
   * that cannot be done now; the records are appended when it returns.
   */
  upgradeVoters(voters: VoterSet, kraftVersion: number): number | undefined {
    return this.tryChange({ type: 'upgradeVoters', voters, kraftVersion });
  }

  resign(epoch: LeaderEpoch): void {
    this.dispatch({ type: 'resign', epoch });
  }

  /** A message from another replica. `records`: the bytes that came with a FetchResponse. */
  receive(message: RaftMessage, records: Buffer | undefined): void {
    this.warnOfSecondLeader(message);
    if (message.type !== 'fetchResponse' || records === undefined) {
      this.dispatch({ type: 'receive', message });
      return;
    }
    const { entries, problem } = fetchedEntries(records);
    if (problem !== undefined) {
      const { from } = message;
      this.limitedLogger.error(
        `damaged ${from}`,
        'the leader sent records that cannot be in a metadata log; what came before them is taken, the rest asked for ' +
          'again. If it goes on, the disk of that node, or the network to it, damages data',
        { from, offset: this.core.log.endOffset, problem },
      );
      // Nothing that it could go on with: it asks again after a pause, and after a fetch timeout for another leader.
      if (entries.length === 0) {
        this.requestFailed(message.from, message.correlationId);
        return;
      }
    }
    this.dispatch({ type: 'receive', message: { ...message, entries } });
  }

  /** The core goes by the leader it knows; somebody should look what this other node is. */
  private warnOfSecondLeader({ type, from, leaderId, epoch }: RaftMessage & { leaderId?: number }): void {
    const { leaderId: known, epoch: ours } = this.leaderAndEpoch();
    if (leaderId === undefined || known === undefined || leaderId === known || epoch !== ours) return;
    this.limitedLogger.error(
      `second leader ${from}`,
      'a node names another leader of this epoch than the one that this node follows, and is not believed: two nodes ' +
        'have one id, or one of them has lost its quorum-state file',
      { message: type, from, leaderId, known, epoch },
    );
  }

  /**
   * The transport could not send a request, or its connection closed before the response. `refused`: the peer's host
   * says that nobody listens there.
   */
  requestFailed(peer: number, correlationId: number, refused = false): void {
    this.dispatch({ type: 'requestFailed', peer, correlationId, refused });
  }

  async shutdown(): Promise<void> {
    if (this.phase !== 'running') return;
    this.listeners.beginShutdown();
    this.appendStaged();
    while (this.flush !== undefined) await this.flush;
    if (this.phase !== 'running') return;
    if (this.core.voters.size > 1 && this.core.isLeader) {
      this.resign(this.core.epoch);
      await this.handedOver();
    }
    if (this.phase !== 'running') return;
    this.stop('stopped');
    while (this.flush !== undefined) await this.flush;
    await this.log.close();
  }

  /** Resolves when all voters know that this node has resigned, when one of them leads, or when it takes too long. */
  private handedOver(): Promise<void> {
    return new Promise(resolve => {
      const watch = (): boolean => {
        if (this.phase === 'running' && !this.core.hasHandedOver) return false;
        timer.cancel();
        resolve();
        return true;
      };
      const timer = this.runtime.timers.after(this.options.requestTimeoutMs, () => {
        this.watches.delete(watch);
        resolve();
      });
      if (!watch()) this.watches.add(watch);
    });
  }

  // Changes of the voters.

  private changeVoters(event: VoterChange, options: VoterChangeOptions): Promise<void> {
    return new Promise((resolve, reject) => {
      const refuse = (code: number, why: string): void => reject(new KafkaError(code, why));
      /** Of the record, once it is appended, and in which epoch. */
      let appended: { readonly offset: Offset; readonly epoch: LeaderEpoch } | undefined;
      const isDone = (): boolean => {
        if (this.phase !== 'running') {
          refuse(Errors.NOT_LEADER_OR_FOLLOWER, 'this node is stopping');
          return true;
        }
        if (appended === undefined) {
          const refused = this.tryChange(event);
          if (refused === Errors.REQUEST_TIMED_OUT && this.isRunning) return false;
          if (refused !== undefined) {
            refuse(refused, `the quorum refuses this change of its voters: ${errorName(refused)}`);
            return true;
          }
          const { core } = this;
          appended = { offset: core.log.voters.offset, epoch: core.epoch };
        }
        if (this.core.epoch !== appended.epoch) {
          refuse(Errors.NOT_LEADER_OR_FOLLOWER, 'leadership was lost before the change was committed');
          return true;
        }
        if (options.ackWhenCommitted && (this.core.highWatermark ?? 0) <= appended.offset) {
          if (this.core.isLeader) return false;
          refuse(Errors.NOT_LEADER_OR_FOLLOWER, 'leadership was lost before the change was committed');
          return true;
        }
        resolve();
        return true;
      };
      const watch = (): boolean => {
        const done = isDone();
        if (done) timer.cancel();
        return done;
      };
      const timer = this.runtime.timers.after(options.timeoutMs, () => {
        if (!this.watches.delete(watch)) return;
        refuse(
          Errors.REQUEST_TIMED_OUT,
          appended === undefined
            ? 'another change of the voters is under way, or the new voter does not catch up'
            : 'the change was not committed in time: it may yet be',
        );
      });
      if (!watch()) this.watches.add(watch);
    });
  }

  /** One attempt at a change of the voters: Kafka's error if it was refused. */
  private tryChange(event: VoterChange): number | undefined {
    let refused: number | undefined = Errors.NOT_LEADER_OR_FOLLOWER;
    // Offsets were promised to what is staged.
    this.appendStaged();
    if (this.phase !== 'running') return refused;
    this.runSteps(() => {
      const ready = this.core.step(event, this.nowMs());
      refused = ready.refused;
      return ready;
    });
    return refused;
  }

  private checkWatches(): void {
    if (this.checkingWatches || this.watches.size === 0) return;
    this.checkingWatches = true;
    for (const watch of this.watches) if (watch()) this.watches.delete(watch);
    this.checkingWatches = false;
  }

  // Steps.

  private nowMs(): number {
    return this.runtime.clock.monotonicMs();
  }

  private dispatch(event: RaftEvent): void {
    if (this.phase !== 'running') return;
    this.events.push(event);
    if (!this.stepping) this.runSteps();
  }

  /** Steps until no event is left. An effect of a step may add more. */
  private runSteps(first?: () => Ready): void {
    this.stepping = true;
    try {
      if (first !== undefined) this.process(first());
      for (let event = this.events.shift(); event !== undefined; event = this.events.shift()) {
        // Offsets were promised to what is staged: it goes before anything that the core itself may append.
        if (event.type !== 'append' && this.staged.length > 0) this.stepStaged();
        this.process(this.core.step(event, this.nowMs()));
      }
    } catch (error) {
      this.fail(error);
    } finally {
      this.stepping = false;
    }
    if (this.phase !== 'running') return;
    this.startFlush();
    this.listeners.schedule();
    this.checkWatches();
  }

  private appendStaged(): void {
    if (this.staged.length > 0) this.dispatch({ type: 'tick' });
  }

  private stepStaged(): void {
    const batches = this.staged;
    this.staged = [];
    this.stagedRecords = 0;
    // Whoever scheduled them hears of the lost leadership, and that nothing of its epoch will be committed.
    if (!this.core.isLeader) return;
    this.process(this.core.step({ type: 'append', epoch: this.core.epoch, batches }, this.nowMs()));
  }

  private process(ready: Ready): void {
    const { log, core } = this;
    if (ready.persist !== undefined) {
      this.store.write(ready.persist, core.log.voters.kraftVersion, core.voters);
    }
    if (ready.truncateTo !== undefined) {
      const { truncateTo } = ready;
      log.truncateToEndOffset(truncateTo);
      this.listeners.truncatedTo(truncateTo);
    }
    if (ready.appends.length > 0) this.append(ready.appends);
    if (ready.snapshotChunk !== undefined) this.writeSnapshotChunk(ready.snapshotChunk);
    if (ready.highWatermark !== undefined) log.updateHighWatermark(ready.highWatermark);
    if (ready.leaderAndEpoch !== undefined) {
      this.logger.info('the metadata quorum has a new epoch or leader', { ...ready.leaderAndEpoch });
    }
    for (const message of ready.messages) this.send(message);
    this.setTimer(ready.nextDeadlineMs);
    if (ready.leaderAndEpoch !== undefined) this.leaderListener();
  }

  private append(entries: readonly LogEntry[]): void {
    const { log, core } = this;
    const chunks: Buffer[] = [];
    const asLeader = core.isLeader;
    for (const entry of entries) {
      const batch = this.encode(entry);
      chunks.push(batch.bytes);
      this.listeners.appended(batch.committed);
    }
    const records = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
    if (asLeader && entries[0]!.baseOffset === core.epochStartOffset) log.initializeLeaderEpoch(core.epoch);
    const range = asLeader
      ? log.appendAsLeader(records, core.epoch)
      : log.appendAsFollower(records, core.epoch);
    invariant(
      range.firstOffset === entries[0]!.baseOffset && range.lastOffset === entries.at(-1)!.lastOffset,
      'M3',
      () => `the log took offsets ${range.firstOffset} to ${range.lastOffset}`,
    );
  }

  private encode(entry: LogEntry): { bytes: Buffer; committed: CommittedBatch } {
    const { baseOffset, lastOffset, epoch } = entry;
    const payload = entry.payload as EntryPayload | undefined;
    if (payload?.type === 'bytes')
      return { bytes: payload.batch.bytes, committed: decodeBatch(payload.batch) };
    const appendTimestamp = payload?.timestamp ?? this.runtime.clock.wallMs();
    const position = { baseOffset, epoch, timestamp: appendTimestamp };
    const values = payload?.values ?? [];
    const controlRecords: readonly ControlRecord[] = entry.controls;
    const bytes =
      payload === undefined
        ? encodeControlBatch(controlRecords, position)
        : encodeDataBatch(values, position);
    const committed: CommittedBatch = {
      baseOffset,
      lastOffset,
      epoch,
      appendTimestamp,
      sizeInBytes: bytes.length,
      records: values,
      controlRecords,
    };
    return { bytes, committed };
  }

  /** One fsync at a time; whatever is appended meanwhile waits for the next. */
  private startFlush(): void {
    const summary = this.core.log;
    if (this.flush !== undefined || this.phase !== 'running') return;
    if (summary.durableEndOffset === summary.endOffset) return;
    const { endOffset, truncations } = summary;
    const flush = this.log.flush().then(
      () => {
        this.flush = undefined;
        this.dispatch({ type: 'flushed', endOffset, truncations });
      },
      (error: unknown) => {
        this.flush = undefined;
        this.fail(error);
      },
    );
    this.flush = flush;
  }

  private send(message: RaftMessage): void {
    if (message.type === 'fetchResponse' && message.readFrom !== undefined) {
      const bytes = this.log.read(
        message.readFrom,
        Math.min(FETCH_MAX_BYTES, message.maxBytes ?? FETCH_MAX_BYTES),
      );
      if (Buffer.isBuffer(bytes)) this.transport.send(message, bytes);
      else {
        bytes
          .catch(nothingIfGone)
          .then(records => this.transport.send(message, records))
          .catch(error => this.fail(error));
      }
      return;
    }
    if (message.type === 'fetchSnapshotResponse' && message.error === Errors.NONE) {
      const raw = this.log.readSnapshot(message.snapshotId);
      if (raw === undefined) {
        this.transport.send({ ...message, error: Errors.SNAPSHOT_NOT_FOUND }, undefined);
        return;
      }
      const bytes = raw.read(
        message.position,
        Math.min(
          FETCH_MAX_BYTES,
          message.maxBytes ?? FETCH_MAX_BYTES,
          Math.max(0, raw.sizeInBytes - message.position),
        ),
      );
      this.transport.send({ ...message, size: raw.sizeInBytes, bytes }, undefined);
      raw.close();
      return;
    }
    this.transport.send(message, undefined);
  }

  private writeSnapshotChunk(chunk: SnapshotChunk): void {
    const event = this.installer.write(chunk, this.leaderAndEpoch().leaderId);
    if (event === undefined) return;
    if (event.type === 'snapshotInstalled') this.listeners.replacedBySnapshot();
    this.events.unshift(event);
  }

  private setTimer(atMs: number): void {
    if (atMs === this.timerAtMs) return;
    this.timer?.cancel();
    this.timer = undefined;
    this.timerAtMs = atMs;
    if (atMs === Number.POSITIVE_INFINITY || this.phase !== 'running') return;
    this.timer = this.runtime.timers.after(Math.max(0, atMs - this.nowMs()), () => {
      this.timerAtMs = Number.POSITIVE_INFINITY;
      this.dispatch({ type: 'tick' });
    });
  }

  // Snapshots behind us.

  private scheduleClean(): void {
    this.cleanTimer = this.runtime.timers.after(this.options.cleanIntervalMs ?? 60_000, () => {
      this.clean();
      if (this.phase === 'running') this.scheduleClean();
    });
  }

  private clean(): void {
    if (this.phase !== 'running') return;
    try {
      if (!this.log.maybeClean()) return;
    } catch (error) {
      this.fail(error);
      return;
    }
    this.dispatch({ type: 'logStartAdvanced', startOffset: this.log.startOffset });
  }

  // Start and end.

  private fail(error: unknown): void {
    if (this.phase === 'failed' || this.phase === 'stopped') return;
    this.stop('failed');
    const cause = error instanceof Error ? error : new Error(String(error));
    this.logger.error('the metadata quorum stops on this node', { error: cause.message });
    this.listeners.beginShutdown();
    this.options.onFatal(cause);
  }

  private stop(phase: 'stopped' | 'failed'): void {
    this.phase = phase;
    this.timer?.cancel();
    this.cleanTimer?.cancel();
    this.installer.close();
    this.staged = [];
    this.events.length = 0;
    this.checkWatches();
  }
}

/** Records that a change of leader has cut off, or a snapshot replaced, since it was decided to send them. */
function nothingIfGone(error: unknown): Buffer {
  if (error instanceof KafkaError && error.code === Errors.OFFSET_OUT_OF_RANGE) return Buffer.alloc(0);
  throw error;
}
