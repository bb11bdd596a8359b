import { invariant } from '../base/assert.ts';
import { add64, type LeaderEpoch, max64, type Offset, sub64 } from '../base/int64.ts';
import type { Logger } from '../base/logger.ts';
import { MetadataDelta } from '../metadata/metadata-delta.ts';
import type { MetadataImage } from '../metadata/metadata-image.ts';
import type { MetadataRecord, MetadataRecordOf } from '../metadata/metadata-record.ts';
import { encodeMetadataRecord } from '../metadata/metadata-record-serde.ts';
import { LeaderRecoveryState } from '../metadata/partition-registration.ts';
import { Errors, KafkaError } from '../protocol/errors.ts';
import type { RaftClient } from '../raft/raft-client.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { ControllerDecision } from './controller-result.ts';
import { DeferredResponses } from './deferred-responses.ts';
import type { PartitionIndex } from './partition-index.ts';

/** Records of one batch, where an operation need not be atomic. */
const RECORDS_PER_BATCH = 5_000;

/** What the controller uses of the quorum. */
export type ControllerLog = Pick<RaftClient, 'nodeId' | 'logEndOffset' | 'scheduleAppend' | 'resign'>;

/** What the controller uses of the loader, which it is a publisher of. */
export interface CommittedMetadata {
  image(): MetadataImage;
  readonly inTransaction: boolean;
}

/** Of an active controller, for as long as it leads in one epoch. */
export interface ActiveState {
  readonly epoch: LeaderEpoch;
  /** With everything that was appended, committed or not. */
  readonly image: MetadataImage;
  /** Of the next record. */
  readonly nextOffset: Offset;
  readonly lastWriteMs: number;
}

type MutableState = { -readonly [K in keyof ActiveState]: ActiveState[K] };

/**
 * Writes what the active controller decides into the log, and keeps the image with it.
 *
 * An operation runs at once on the newest image, committed or not, and gives records; the image with them is the next
 * operation's. Its answer waits until the records are committed and published to this node, so whoever gets it finds
 * the effect in the broker's image too. An operation without records waits for those before it, on which its answer may
 * rest. What concerns very many partitions, and need not take effect at once, is decided in steps, each on the newest
 * image, between which others have their turn. When leadership is lost, everything uncommitted is forgotten and its
 * answers are NOT_CONTROLLER, which does not say that it did not happen.
 *
 * The committed image is the loader's: here is none beside it, only the uncommitted one, and that only while it differs.
 */
export class ControllerLogWriter {
  private readonly runtime: Runtime;
  private readonly logger: Logger;
  private readonly log: ControllerLog;
  private readonly committed: CommittedMetadata;
  private readonly index: PartitionIndex;
  private readonly onRenounced: () => void;
  private readonly deferred = new DeferredResponses();
  private state: MutableState | undefined;

  /** `index` is kept at the newest image; `onRenounced` runs whenever this node stops being the active controller. */
  constructor(
    runtime: Runtime,
    logger: Logger,
    log: ControllerLog,
    committed: CommittedMetadata,
    index: PartitionIndex,
    onRenounced: () => void,
  ) {
    this.runtime = runtime;
    this.logger = logger;
    this.log = log;
    this.committed = committed;
    this.index = index;
    this.onRenounced = onRenounced;
  }

  /** Undefined while this node is not the active controller. */
  get active(): ActiveState | undefined {
    return this.state;
  }

  /** This node leads in `epoch`: from now on it writes, on the image that is committed. */
  claim(epoch: LeaderEpoch): void {
    const state = {
      epoch,
      image: this.committed.image(),
      nextOffset: this.log.logEndOffset(),
      lastWriteMs: this.nowMs(),
    };
    this.state = state;
    this.logger.info('became the active controller', { epoch, offset: state.nextOffset });
  }

  /** Appends the first records of a claim, and starts the index from them. */
  activate(records: readonly MetadataRecord[]): void {
    const state = this.mustBeActive();
    if (records.length > 0) this.appendTo(state, records, true);
    this.index.at(state.image.topics);
  }

  /** This node leads no more, or not in that epoch. */
  renounce(): void {
    const { state } = this;
    if (state === undefined) return;
    this.state = undefined;
    this.index.clear();
    this.onRenounced();
    this.logger.info('is no longer the active controller', { epoch: state.epoch });
    this.deferred.failAll(notController());
  }

  /** Everything up to this image is committed and published to this node. */
  onCommitted(image: MetadataImage): void {
    const { state } = this;
    if (state === undefined) return;
    // With nothing uncommitted left, both images say the same: keeping one halves the memory.
    if (image.highestOffset >= sub64(state.nextOffset, 1)) {
      this.index.rebase(state.image.topics, image.topics);
      state.image = image;
    }
    this.deferred.completeUpTo(image.highestOffset);
  }

  /**
   * Runs one operation and gives its answer when it is committed. `timeoutMs` is the client's patience: after it the
   * answer is REQUEST_TIMED_OUT, whatever becomes of the records. Without any (0 or less) nothing is done, as in Kafka.
   */
  write<T>(
    name: string,
    timeoutMs: number | undefined,
    operation: (state: ActiveState) => ControllerDecision<T>,
  ): Promise<T> {
    const { state } = this;
    if (state === undefined) return Promise.reject(notController());
    if (timeoutMs !== undefined && timeoutMs <= 0) return Promise.reject(timedOut(name, timeoutMs));
    return new Promise((resolve, reject) => {
      const timer =
        timeoutMs === undefined
          ? undefined
          : this.runtime.timers.after(timeoutMs, () => reject(timedOut(name, timeoutMs)));
      const fail = (error: unknown): void => {
        timer?.cancel();
        reject(error);
      };
      const run = (step: (state: ActiveState) => ControllerDecision<T>): void => {
        let decision: ControllerDecision<T>;
        try {
          decision = this.decide(name, state, step);
        } catch (error) {
          fail(error);
          return;
        }
        if ('rest' in decision) {
          const { rest } = decision;
          this.runtime.timers.soon(() => run(({ image, nextOffset }) => rest(image, nextOffset)));
          return;
        }
        const { response } = decision;
        const done = (): void => {
          timer?.cancel();
          resolve(response);
        };
        const offset = sub64(state.nextOffset, 1);
        if (this.committed.image().highestOffset >= offset) done();
        else this.deferred.add(offset, error => (error === undefined ? done() : fail(error)));
      };
      run(operation);
    });
  }

  /** Runs an operation, or a step of it, and appends its records. */
  private decide<T>(
    name: string,
    state: MutableState,
    operation: (state: ActiveState) => ControllerDecision<T>,
  ): ControllerDecision<T> {
    // Leadership may have been lost, and won again, since the step before.
    if (this.state !== state) throw notController();
    try {
      this.skipOthersRecords(state);
      const decision = operation(state);
      this.appendTo(state, decision.records, 'atomic' in decision && decision.atomic);
      return decision;
    } catch (error) {
      if (!(error instanceof KafkaError))
        this.logger.error('an operation failed', { name, error: String(error) });
      throw error;
    }
  }

  /** Appends the records of what no request asks for, and so nobody waits for. NOT_CONTROLLER. */
  append(records: readonly MetadataRecord[], atomic: boolean): void {
    this.appendTo(this.mustBeActive(), records, atomic);
  }

  /** Appends the records and moves the uncommitted image on. */
  private appendTo(state: MutableState, records: readonly MetadataRecord[], atomic: boolean): void {
    if (records.length === 0) return;
    const size = atomic ? records.length : RECORDS_PER_BATCH;
    for (let start = 0; start < records.length; start += size) {
      const batch = records.slice(start, start + size);
      const delta = new MetadataDelta(state.image);
      for (const record of batch) {
        delta.replay(record);
        if (isUncleanElection(record)) this.warnOfUncleanElection(record);
      }
      const imageUpTo = (lastContainedOffset: Offset): MetadataImage =>
        delta.apply({
          lastContainedOffset,
          lastContainedEpoch: state.epoch,
          lastContainedLogTimeMs: this.runtime.clock.wallMs(),
        });
      this.skipOthersRecords(state);
      const expected = add64(state.nextOffset, batch.length - 1);
      let image = imageUpTo(expected);
      const lastOffset = this.schedule(state, batch.map(encodeMetadataRecord));
      invariant(lastOffset >= expected, 'M6', () => `records ended at ${lastOffset}, before ${expected}`);
      // A record of the quorum's own may wait to be written between the controller's last one and these.
      if (lastOffset !== expected) image = imageUpTo(lastOffset);
      if (delta.topics !== undefined) this.index.advance(delta.topics, image.topics);
      state.image = image;
      state.nextOffset = add64(lastOffset, 1);
      state.lastWriteMs = this.nowMs();
    }
  }

  /** The quorum may have written records of its own since. */
  private skipOthersRecords(state: MutableState): void {
    state.nextOffset = max64(state.nextOffset, this.log.logEndOffset());
  }

  private warnOfUncleanElection({ data }: MetadataRecordOf<'PartitionChangeRecord'>): void {
    const { topicId, partitionId, leader } = data;
    this.logger.warn('elected a leader that may lack records: those that only others have are lost', {
      topicId,
      partitionId,
      leader,
    });
  }

  private schedule(state: MutableState, values: readonly Buffer[]): Offset {
    try {
      return this.log.scheduleAppend(state.epoch, values);
    } catch (error) {
      // The quorum knows before the controller hears of it.
      if (error instanceof KafkaError && error.code === Errors.NOT_LEADER_OR_FOLLOWER) {
        this.renounce();
        throw notController();
      }
      throw error;
    }
  }
  /** Does at once what no request asks for, and so nobody waits for. Not if this node is not the active controller. */
  unasked(name: string, operation: (active: ActiveState) => void): void {
    const { active } = this;
    if (active === undefined) return;
    try {
      operation(active);
    } catch (error) {
      this.giveUp(name, error);
    }
  }

  /** Leadership was lost on the way: the next controller looks for itself. What is no such error is a bug. */
  giveUp(name: string, error: unknown): void {
    if (!(error instanceof KafkaError)) throw error;
    if (error.code === Errors.NOT_CONTROLLER) return;
    this.logger.error('what the controller does by itself has failed', { name, error: error.message });
  }
  private mustBeActive(): MutableState {
    if (this.state === undefined) throw notController();
    return this.state;
  }

  private nowMs(): number {
    return this.runtime.clock.monotonicMs();
  }
}

function isUncleanElection(record: MetadataRecord): record is MetadataRecordOf<'PartitionChangeRecord'> {
  return (
    record.type === 'PartitionChangeRecord' &&
    record.data.leaderRecoveryState === LeaderRecoveryState.RECOVERING &&
    record.data.leader >= 0
  );
}

function notController(): KafkaError {
  return new KafkaError(Errors.NOT_CONTROLLER, 'this node is not the active controller');
}

function timedOut(name: string, timeoutMs: number): KafkaError {
  return new KafkaError(Errors.REQUEST_TIMED_OUT, `${name} was not committed within ${timeoutMs} ms`);
}
