import type { BrokerEpoch, Offset } from '../base/int64.ts';
import { LimitedLogger, type Logger } from '../base/logger.ts';
import { ZERO_UUID } from '../base/uuid.ts';
import type { KafkaConfig } from '../config/kafka-config.ts';
import { isInternalTopic } from '../metadata/topic-name.ts';
import { Errors, errorCodeOf, errorName, KafkaError } from '../protocol/errors.ts';
import type { FetchRequest, FetchResponse } from '../protocol/messages/01-fetch.ts';
import type { Infer, Input } from '../protocol/schema.ts';
import type { Runtime, Timer } from '../runtime/runtime.ts';
import type { FetchedPartition, FetcherPartition } from './fetcher-partition.ts';
import { FetcherSession } from './fetcher-session.ts';
import type { LeaderEndPoint } from './leader-end-point.ts';
import { isThrottledReplica, type ReplicationQuota } from './replication-quota.ts';

export interface ReplicaFetcherOptions {
  readonly brokerId: number;
  readonly brokerEpoch: () => BrokerEpoch;
  readonly config: () => KafkaConfig;
  readonly quota: ReplicationQuota;
  /** Writes the log start offsets in these log directories, so that they outlive the process. */
  readonly persistLogStartOffsets: (logDirs: ReadonlySet<string>) => void;
}

type RequestedPartition = NonNullable<
  NonNullable<Input<typeof FetchRequest>['topics']>[number]['partitions']
>[number];
type ForgottenTopics = NonNullable<Input<typeof FetchRequest>['forgottenTopicsData']>;

const LATEST = -1;
const EARLIEST = -2;
/** The first version in which the leader tells that logs have diverged. Every broker of a KRaft cluster has it. */
const FIRST_VERSION_OF_DIVERGENCE = 12;
const FIRST_VERSION_OF_REPLICA_STATE = 15;
/** The wait after a first failure, ms; it doubles up to `replica.fetch.backoff.ms`. */
const BACKOFF_MIN_MS = 50;
const LOG_PERIOD_MS = 10_000;
/** How often a partition looks whether there is room again in its log directory. */
const ROOM_PERIOD_MS = 1_000;

/**
 * Follows one leader for some of the partitions that it leads. There is one fetch at a time; the next one is sent as
 * soon as what the last one brought is written, and names only what has changed since. Idle partitions cost nothing.
 *
 * ```text
 *            ┌──────────────────────────── written ◄─────────────────────────┐
 *            ▼                                                                │
 *  idle ─► request ─► leader waits ─► answer ─► each partition: ─► append ────┤
 *            ▲             │                     ├ diverged ───► truncate ────┤
 *            │             └ no answer           ├ out of range ► ask offsets ┤
 *            └── backoff ◄─────┘                 └ other error ──► backoff ───┘
 * ```
 */
export class ReplicaFetcher {
  private readonly runtime: Runtime;
  private readonly logger: Logger;
  private readonly limitedLogger: LimitedLogger;
  private readonly endPoint: LeaderEndPoint;
  private readonly options: ReplicaFetcherOptions;
  private readonly session = new FetcherSession();
  private readonly partitions = new Map<string, FetcherPartition>();
  /** Those that the next request of the session has to name. */
  private readonly changed = new Set<FetcherPartition>();
  /** Those that the session has and that are not fetched any more. */
  private readonly forgotten = new Map<string, FetcherPartition>();
  private readonly timers = new Set<Timer>();
  /** Log directories where a log starts elsewhere than before, and no checkpoint says so yet. */
  private readonly unsavedStarts = new Set<string>();
  private backoffTimer: Timer | undefined;
  private failures = 0;
  /** Partitions that are not left out for a while. */
  private fetching = 0;
  private isBusy = false;
  private isScheduled = false;
  private closed = false;

  constructor(runtime: Runtime, logger: Logger, endPoint: LeaderEndPoint, options: ReplicaFetcherOptions) {
    this.runtime = runtime;
    this.logger = logger;
    this.limitedLogger = new LimitedLogger(logger, () => runtime.clock.monotonicMs(), LOG_PERIOD_MS);
    this.endPoint = endPoint;
    this.options = options;
  }

  get isEmpty(): boolean {
    return this.partitions.size === 0;
  }

  /**
   * What an earlier leader epoch has staged here is written first: until then the end of the log and its last epoch do
   * not belong together, and nothing may be cut.
   */
  add(partition: FetcherPartition): void {
    this.partitions.set(keyOf(partition), partition);
    partition.status = 'waiting';
    partition.log.writeStaged();
    const settled = partition.log.settled();
    if (settled === undefined) {
      partition.prepare(this.logger);
      this.resume(partition);
    } else void settled.then(() => this.begin(partition));
  }

  private begin(partition: FetcherPartition): void {
    if (partition.status !== 'waiting') return;
    this.resume(partition);
    try {
      partition.prepare(this.logger);
    } catch (error) {
      this.onPartitionFailure(partition, error);
    }
  }

  remove(partition: FetcherPartition): void {
    if (partition.status === 'fetching') this.fetching--;
    partition.status = 'removed';
    const key = keyOf(partition);
    if (this.partitions.get(key) !== partition) return;
    this.partitions.delete(key);
    this.leaveSession(partition);
  }

  /** The leader may be reachable now: an attempt is made at once. */
  retryNow(): void {
    if (this.backoffTimer === undefined) return;
    this.backoffTimer.cancel();
    this.backoffTimer = undefined;
    this.schedule();
  }

  close(): void {
    this.closed = true;
    this.backoffTimer?.cancel();
    for (const timer of this.timers) timer.cancel();
    this.timers.clear();
    for (const partition of this.partitions.values()) partition.status = 'removed';
    this.partitions.clear();
    this.endPoint.close();
  }

  private leaveSession(partition: FetcherPartition): void {
    this.changed.delete(partition);
    if (partition.isRequested) this.forgotten.set(keyOf(partition), partition);
    partition.isRequested = false;
  }

  // The loop.

  /** All that one delta of the metadata adds goes into one request. */
  private schedule(): void {
    if (this.isScheduled || this.isBusy || this.closed) return;
    this.isScheduled = true;
    this.runtime.timers.soon(() => {
      this.isScheduled = false;
      this.fetch();
    });
  }

  private fetch(): void {
    if (this.isBusy || this.closed || this.backoffTimer !== undefined || this.fetching === 0) return;
    if (this.unsavedStarts.size > 0) {
      // The leader counts on what a fetch says of it, also after this process was killed.
      this.options.persistLogStartOffsets(this.unsavedStarts);
      this.unsavedStarts.clear();
    }
    const body = this.nextRequest();
    this.isBusy = true;
    this.endPoint
      .fetch(version => {
        if (version < FIRST_VERSION_OF_DIVERGENCE) {
          throw new KafkaError(Errors.UNSUPPORTED_VERSION, `broker ${this.endPoint.brokerId} is too old`);
        }
        const { brokerId, brokerEpoch } = this.options;
        return version >= FIRST_VERSION_OF_REPLICA_STATE
          ? { ...body, replicaState: { replicaId: brokerId, replicaEpoch: brokerEpoch() } }
          : { ...body, replicaId: brokerId };
      })
      .then(
        response => this.onResponse(response),
        error => this.onFailure(error),
      );
  }

  /** Full: all partitions. Incremental: those that have changed, and those to forget. */
  private nextRequest(): Input<typeof FetchRequest> {
    const { session } = this;
    const config = this.options.config();
    const partitionMaxBytes = config.int('replica.fetch.max.bytes');
    const named = session.isFull ? this.partitions.values() : this.changed;
    const topics: { topic: string; topicId: string; partitions: RequestedPartition[] }[] = [];
    for (const state of named) {
      if (state.status !== 'fetching') continue;
      state.isRequested = true;
      const { topic } = state.partition.topicPartition;
      const { topicId } = state.partition;
      let last = topics.at(-1);
      if (last?.topicId !== topicId) {
        last = { topic, topicId, partitions: [] };
        topics.push(last);
      }
      last.partitions.push({
        partition: state.index,
        currentLeaderEpoch: state.leaderEpoch,
        fetchOffset: state.fetchOffset,
        lastFetchedEpoch: state.lastFetchedEpoch,
        logStartOffset: state.log.logStartOffset,
        partitionMaxBytes,
      });
    }
    const forgottenTopicsData = session.isFull ? [] : this.forgottenTopics();
    this.changed.clear();
    this.forgotten.clear();
    return {
      maxWaitMs: config.int('replica.fetch.wait.max.ms'),
      minBytes: config.int('replica.fetch.min.bytes'),
      maxBytes: config.int('replica.fetch.response.max.bytes'),
      sessionId: session.id,
      sessionEpoch: session.epoch,
      topics,
      forgottenTopicsData,
    };
  }

  private forgottenTopics(): ForgottenTopics {
    const topics: { topic: string; topicId: string; partitions: number[] }[] = [];
    for (const { partition, index } of this.forgotten.values()) {
      const last = topics.at(-1);
      if (last?.topicId === partition.topicId) last.partitions.push(index);
      else {
        const { topic } = partition.topicPartition;
        topics.push({ topic, topicId: partition.topicId, partitions: [index] });
      }
    }
    return topics;
  }

  /** The whole request has failed, or nobody knows: the leader's session is not relied on. */
  private onFailure(error: unknown): void {
    this.isBusy = false;
    if (this.closed) return;
    this.session.reset();
    const delayMs = this.backoffMs(this.failures++);
    this.limitedLogger.warn(
      `fetch-${errorCodeOf(error)}`,
      'a fetch from a leader failed: its partitions here fall behind until it answers',
      { leaderId: this.endPoint.brokerId, error: String(error), retryMs: delayMs },
    );
    this.backoffTimer = this.runtime.timers.after(delayMs, () => {
      this.backoffTimer = undefined;
      this.fetch();
    });
  }

  private backoffMs(failures: number): number {
    const maxMs = this.options.config().int('replica.fetch.backoff.ms');
    return Math.min(maxMs, BACKOFF_MIN_MS * 2 ** Math.min(failures, 16));
  }

  private onResponse(response: Infer<typeof FetchResponse>): void {
    if (this.closed) return;
    const { errorCode } = response;
    if (errorCode !== Errors.NONE) {
      if (errorCode === Errors.FETCH_SESSION_ID_NOT_FOUND) {
        // The leader has given the session up, or it is another process now.
        this.session.forget();
        this.next();
      } else this.onFailure(new KafkaError(errorCode));
      return;
    }
    this.failures = 0;
    this.session.onAnswer(response.sessionId);
    const round = new Round(() => this.next());
    const outOfRange: FetcherPartition[] = [];
    for (const { topic, topicId, partitions } of response.responses) {
      for (const fetched of partitions) {
        const state = this.stateOf(topic, topicId, fetched.partitionIndex);
        if (state !== undefined) this.onPartition(state, fetched, round, outOfRange);
      }
    }
    if (outOfRange.length > 0) {
      round.begin();
      void this.resolveOutOfRange(outOfRange).then(() => round.end());
    }
    round.end();
  }

  /** Undefined for what was not asked for as it is now: the partition has moved meanwhile. */
  private stateOf(topic: string, topicId: string, index: number): FetcherPartition | undefined {
    let state: FetcherPartition | undefined;
    if (topicId !== ZERO_UUID) state = this.partitions.get(`${topicId}-${index}`);
    else {
      for (const each of this.partitions.values()) {
        if (each.index === index && each.partition.topicPartition.topic === topic) state = each;
      }
    }
    return state?.isRequested && state.status === 'fetching' ? state : undefined;
  }

  private next(): void {
    this.isBusy = false;
    this.fetch();
  }

  // One partition's answer.

  private onPartition(
    state: FetcherPartition,
    fetched: FetchedPartition,
    round: Round,
    outOfRange: FetcherPartition[],
  ): void {
    if (fetched.errorCode === Errors.OFFSET_OUT_OF_RANGE) {
      outOfRange.push(state);
      return;
    }
    try {
      if (fetched.errorCode !== Errors.NONE) {
        throw new KafkaError(fetched.errorCode, 'the leader refuses the fetch');
      }
      const { divergingEpoch, logStartOffset, records } = fetched;
      if (divergingEpoch.epoch >= 0 || divergingEpoch.endOffset >= 0) {
        const { fetchOffset, lastFetchedEpoch } = state;
        const { epoch, endOffset } = divergingEpoch;
        state.truncateToDivergence(epoch, endOffset, logStartOffset, this.logger);
        if (state.fetchOffset >= fetchOffset && state.lastFetchedEpoch >= lastFetchedEpoch) {
          throw new KafkaError(Errors.UNKNOWN_SERVER_ERROR, 'the leader names no point of divergence');
        }
        // What it has given in this epoch is in its log. To cut and fetch the same again could go on for ever.
        if (state.hasAppended) {
          state.contradictions++;
          throw new KafkaError(
            Errors.UNKNOWN_SERVER_ERROR,
            'the leader denies records that it has given itself',
          );
        }
        this.changed.add(state);
      } else if (records !== null && records.length > 0) {
        this.append(state, fetched, records, round);
      } else this.takeOffsets(state, fetched);
      state.failures = state.contradictions;
    } catch (error) {
      this.onPartitionFailure(state, error);
    }
  }

  private append(state: FetcherPartition, fetched: FetchedPartition, records: Buffer, round: Round): void {
    const { log } = state;
    if (lacksRoom(state)) log.checkSpace();
    const info = log.appendAsFollower(records);
    round.begin();
    log.writeStaged();
    info.onWritten(error => {
      if (state.status === 'fetching') {
        if (error !== undefined) this.onPartitionFailure(state, error);
        else this.onAppended(state, fetched, records.length);
      }
      round.end();
    });
  }

  private takeOffsets(state: FetcherPartition, { highWatermark, logStartOffset }: FetchedPartition): void {
    if (!state.onLeaderOffsets(highWatermark, logStartOffset)) return;
    this.unsavedStarts.add(state.log.logDirectory);
    // The leader may wait to hear of it.
    this.changed.add(state);
  }

  private onAppended(state: FetcherPartition, fetched: FetchedPartition, bytes: number): void {
    this.changed.add(state);
    state.hasAppended = true;
    try {
      this.takeOffsets(state, fetched);
    } catch (error) {
      this.onPartitionFailure(state, error);
      return;
    }
    const throttled = state.log.config.followerReplicationThrottledReplicas;
    const { topicPartition } = state.partition;
    if (!isThrottledReplica(throttled, topicPartition, this.options.brokerId)) return;
    // A replica in sync is not held back: the ISR would lose it.
    if (state.partition.isInSync(this.options.brokerId)) return;
    this.options.quota.record(bytes);
    const delayMs = this.options.quota.delayMs();
    if (delayMs > 0) this.pause(state, delayMs);
  }

  /**
   * | error                                             | what it means, and what follows                             |
   * |---------------------------------------------------|-------------------------------------------------------------|
   * | UNKNOWN_LEADER_EPOCH, NOT_LEADER_OR_FOLLOWER, ... | one of us is behind the metadata: again after a wait        |
   * | FENCED_LEADER_EPOCH                               | this broker is: again, until metadata brings the new epoch  |
   * | CORRUPT_MESSAGE, INVALID_RECORD                   | what came is not taken: again after a wait                  |
   * | KAFKA_STORAGE_ERROR here                          | the log directory is lost: the partition is taken out       |
   * | the same, and the directory is short of space     | it is not fetched until there is room                       |
   */
  private onPartitionFailure(state: FetcherPartition, error: unknown): void {
    if (state.log.isOffline) {
      this.remove(state);
      return;
    }
    const code = errorCodeOf(error);
    const fields = {
      partition: state.partition.name,
      leaderId: state.leaderId,
      leaderEpoch: state.leaderEpoch,
      fetchOffset: state.fetchOffset,
      error: error instanceof KafkaError ? `${errorName(code)}: ${error.message}` : String(error),
    };
    const isExpected = EXPECTED_ERRORS.has(code);
    if (isExpected) this.logger.debug('a leader refuses to serve a partition', fields);
    else if (state.log.isShortOfSpace) this.logger.debug('a partition waits for space on the disk', fields);
    else {
      const key = `partition-${code}`;
      this.limitedLogger.error(key, 'a partition cannot be replicated and is tried again', fields);
    }
    this.pause(state, this.backoffMs(state.failures++));
  }

  /** Leaves the partition out of fetches for a while. */
  private pause(state: FetcherPartition, delayMs: number): void {
    if (state.status !== 'fetching') return;
    this.fetching--;
    state.status = 'waiting';
    this.leaveSession(state);
    this.resumeLater(state, delayMs);
  }

  /** What there is no room for is not fetched. The leader takes the replica out of the ISR, as any that is behind. */
  private resumeLater(state: FetcherPartition, delayMs: number): void {
    const timer = this.runtime.timers.after(delayMs, () => {
      this.timers.delete(timer);
      if (state.status === 'waiting' && lacksRoom(state)) this.resumeLater(state, ROOM_PERIOD_MS);
      else this.resume(state);
    });
    this.timers.add(timer);
  }

  private resume(state: FetcherPartition): void {
    if (state.status !== 'waiting') return;
    state.status = 'fetching';
    this.fetching++;
    this.forgotten.delete(keyOf(state));
    this.changed.add(state);
    this.schedule();
  }

  // Out of range.

  /**
   * The leader has no record at the end of our log: it was cut behind our back (an unclean election), or has deleted
   * all that we have, or we are new and it does not start at 0.
   */
  private async resolveOutOfRange(states: readonly FetcherPartition[]): Promise<void> {
    try {
      const latest = await this.leaderOffsets(states, LATEST);
      const earliest = await this.leaderOffsets(states, EARLIEST);
      for (const state of states) {
        if (state.status !== 'fetching') continue;
        try {
          this.moveIntoRange(state, earliest.get(state), latest.get(state));
          this.changed.add(state);
        } catch (error) {
          this.onPartitionFailure(state, error);
        }
      }
    } catch (error) {
      for (const state of states) if (state.status === 'fetching') this.onPartitionFailure(state, error);
    }
  }

  private moveIntoRange(state: FetcherPartition, start: OffsetAnswer, end: OffsetAnswer): void {
    const refused = start instanceof KafkaError ? start : end instanceof KafkaError ? end : undefined;
    if (refused !== undefined) throw refused;
    if (typeof start !== 'object' || typeof end !== 'object') {
      throw new KafkaError(Errors.UNKNOWN_SERVER_ERROR, 'the leader did not tell its offsets');
    }
    const { log } = state;
    const [leaderStart, leaderEnd] = [(start as KnownOffset).offset, (end as KnownOffset).offset];
    if (leaderEnd < log.logEndOffset) {
      state.truncate(leaderEnd, this.logger);
    } else if (leaderStart > log.logEndOffset) {
      this.logger.warn('a replica starts again: the leader has deleted all that it had, and more', {
        partition: state.partition.name,
        logEndOffset: log.logEndOffset,
        leaderStart,
      });
      log.truncateFullyAndStartAt(leaderStart);
    }
  }

  private async leaderOffsets(
    states: readonly FetcherPartition[],
    timestamp: number,
  ): Promise<Map<FetcherPartition, OffsetAnswer>> {
    const byTopic = new Map<string, Map<number, FetcherPartition>>();
    for (const state of states) {
      const { topic } = state.partition.topicPartition;
      const partitions = byTopic.get(topic) ?? new Map<number, FetcherPartition>();
      byTopic.set(topic, partitions.set(state.index, state));
    }
    const response = await this.endPoint.listOffsets({
      replicaId: this.options.brokerId,
      topics: Array.from(byTopic, ([name, partitions]) => ({
        name,
        partitions: Array.from(partitions.values(), ({ index, leaderEpoch }) => ({
          partitionIndex: index,
          currentLeaderEpoch: leaderEpoch,
          timestamp,
        })),
      })),
    });
    const answers = new Map<FetcherPartition, OffsetAnswer>();
    for (const { name, partitions } of response.topics) {
      for (const { partitionIndex, errorCode, offset } of partitions) {
        const state = byTopic.get(name)?.get(partitionIndex);
        if (state === undefined) continue;
        answers.set(state, errorCode === Errors.NONE ? { offset } : new KafkaError(errorCode));
      }
    }
    return answers;
  }
}

interface KnownOffset {
  readonly offset: Offset;
}

type OffsetAnswer = KnownOffset | KafkaError | undefined;

/** These pass by themselves when the metadata has reached both sides. */
const EXPECTED_ERRORS: ReadonlySet<number> = new Set([
  Errors.UNKNOWN_LEADER_EPOCH,
  Errors.FENCED_LEADER_EPOCH,
  Errors.NOT_LEADER_OR_FOLLOWER,
  Errors.UNKNOWN_TOPIC_OR_PARTITION,
  Errors.UNKNOWN_TOPIC_ID,
  Errors.INCONSISTENT_TOPIC_ID,
  Errors.OFFSET_NOT_AVAILABLE,
]);

/** What one answer has set going: the next request is sent when all of it is done. */
class Round {
  private readonly onDone: () => void;
  /** One is the handling of the answer itself. */
  private pending = 1;

  constructor(onDone: () => void) {
    this.onDone = onDone;
  }

  begin(): void {
    this.pending++;
  }

  end(): void {
    if (--this.pending === 0) this.onDone();
  }
}

/** The records of Kafka's own topics are few, and the work of groups rests on them. */
function lacksRoom({ log, partition }: FetcherPartition): boolean {
  return log.hasNoRoom || (log.isShortOfSpace && !isInternalTopic(partition.topicPartition.topic));
}

function keyOf({ partition, index }: FetcherPartition): string {
  return `${partition.topicId}-${index}`;
}
