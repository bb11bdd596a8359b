import { type Offset, parseInt64 } from '../base/int64.ts';
import type { Logger } from '../base/logger.ts';
import type { Uuid } from '../base/uuid.ts';
import type { LogManager } from '../log/log-manager.ts';
import { type TopicPartition, topicPartitionKey } from '../log/topic-partition.ts';
import type { AppendOptions, UnifiedLog } from '../log/unified-log.ts';
import { DirectoryId } from '../metadata/directory-id.ts';
import type { PartitionRegistration } from '../metadata/partition-registration.ts';
import type { TopicImage } from '../metadata/topics-image.ts';
import { Errors, errorCodeOf, KafkaError } from '../protocol/errors.ts';
import type { Runtime, Timer } from '../runtime/runtime.ts';
import { AlterPartitionManager } from './alter-partition-manager.ts';
import {
  DelayedDeleteRecords,
  type DeleteRecordsCallback,
  type DeleteRecordsEntry,
} from './delayed-delete-records.ts';
import { DelayedFetch, type FetchRead } from './delayed-fetch.ts';
import { type AppendCallback, DelayedProduce } from './delayed-produce.ts';
import type { FetchParams } from './fetch-params.ts';
import { FetchReader } from './fetch-reader.ts';
import { type FetchContext, FetchSessions } from './fetch-session.ts';
import type { TargetRead } from './fetch-target.ts';
import { Partition } from './partition.ts';
import type { PartitionContext } from './partition-context.ts';
import { ReplicaAlterLogDirsManager } from './replica-alter-log-dirs.ts';
import { ReplicaFetcherManager } from './replica-fetcher-manager.ts';
import type { ReplicaManagerOptions } from './replication-options.ts';
import { RACK_AWARE_REPLICA_SELECTOR } from './replica-selector.ts';
import { ReplicationQuota } from './replication-quota.ts';
import {
  type TransactionalAppend,
  TransactionalAppends,
  type TransactionalBatch,
  type TransactionalRequest,
} from './transactional-appends.ts';

export type { ReplicaManagerOptions } from './replication-options.ts';

/** The records for one partition of a Produce request. */
export interface AppendEntry {
  readonly topicPartition: TopicPartition;
  /** May be changed in place. Null where the client sent none. */
  readonly records: Buffer | null;
  /** Nothing is appended, this is the result. */
  readonly refusal?: KafkaError | undefined;
}

/** One whose records are transactional has the header of their batch. */
export interface TransactionalEntry extends AppendEntry {
  readonly batch?: TransactionalBatch | undefined;
}

const CLIENT: AppendOptions = { origin: 'client' };

const ERRORS_WITHOUT_LOG_START: ReadonlySet<number> = new Set([
  Errors.UNKNOWN_TOPIC_OR_PARTITION,
  Errors.NOT_LEADER_OR_FOLLOWER,
  Errors.MESSAGE_TOO_LARGE,
  Errors.RECORD_LIST_TOO_LARGE,
  Errors.CORRUPT_MESSAGE,
  Errors.KAFKA_STORAGE_ERROR,
]);

/** Before an ISR is proposed again that the controller has refused, ms. */
const ISR_RETRY_MS = 500;

interface HostedTopic {
  readonly id: Uuid;
  readonly name: string;
  readonly partitions: Map<number, Partition>;
}

/** The replicas of this broker: appends and reads by clients and followers, and the roles that metadata gives them. */
export class ReplicaManager {
  private readonly runtime: Runtime;
  private readonly logger: Logger;
  private readonly logManager: LogManager;
  private readonly options: ReplicaManagerOptions;
  private readonly topics = new Map<string, HostedTopic>();
  private readonly alterPartitions: AlterPartitionManager;
  private readonly partitionContext: PartitionContext;
  private readonly reader: FetchReader;
  private readonly transactionalAppends: TransactionalAppends;
  private isrTimer: Timer | undefined;
  private isrRetryTimer: Timer | undefined;
  /** Those whose proposal the controller has refused, or that could not make one yet. */
  private readonly isrRetries = new Set<Partition>();
  readonly fetchSessions: FetchSessions;
  /** The followers' side. */
  readonly fetchers: ReplicaFetcherManager;
  /** Moves between log directories. */
  readonly moves: ReplicaAlterLogDirsManager;
  /** Where replicas are to be made that are not here yet, by partition: AlterReplicaLogDirs may come first. */
  private readonly preferredLogDirs = new Map<string, string>();

  constructor(
    runtime: Runtime,
    parentLogger: Logger,
    logManager: LogManager,
    options: ReplicaManagerOptions,
  ) {
    const logger = parentLogger.child('replication');
    const { brokerId, brokerEpoch, config, metadata } = options;
    this.runtime = runtime;
    this.logger = logger;
    this.logManager = logManager;
    this.options = options;
    const slots = config().int('max.incremental.fetch.session.cache.slots');
    this.fetchSessions = new FetchSessions(runtime.clock, runtime.random, slots);
    this.alterPartitions = new AlterPartitionManager(runtime.timers, logger, {
      brokerId,
      brokerEpoch,
      send: options.alterPartition,
    });
    this.partitionContext = {
      localId: brokerId,
      clock: runtime.clock,
      logger,
      alterPartitions: this.alterPartitions,
      cluster: () => metadata().cluster,
      localBrokerEpoch: brokerEpoch,
      checkIsrLater: partition => this.checkIsrLater(partition),
      replicaLagTimeMaxMs: () => config().long('replica.lag.time.max.ms'),
    };
    const window = {
      samples: config().int('replication.quota.window.num'),
      sampleMs: config().int('replication.quota.window.size.seconds') * 1_000,
    };
    this.reader = new FetchReader(runtime.clock, logger, {
      brokerId,
      partition: topicPartition => this.partitionOrThrow(topicPartition),
      cluster: () => metadata().cluster,
      selectsByRack: () => this.selectsByRack,
      leaderQuota: new ReplicationQuota(runtime.clock, window, () => throttledRate(options, 'leader')),
    });
    this.transactionalAppends = new TransactionalAppends(runtime, options.transactionVerifier, () => ({
      backoffMs: config().int('add.partitions.to.txn.retry.backoff.ms'),
      forMs: Math.min(
        config().int('add.partitions.to.txn.retry.backoff.max.ms'),
        config().int('request.timeout.ms'),
      ),
    }));
    this.fetchers = new ReplicaFetcherManager(runtime, logger.child('fetcher'), {
      brokerId,
      brokerEpoch,
      config,
      leaderEndPoint: options.leaderEndPoint,
      quota: new ReplicationQuota(runtime.clock, window, () => throttledRate(options, 'follower')),
      persistLogStartOffsets: logDirs => logManager.checkpointStartOffsets(logDirs),
    });
    this.moves = new ReplicaAlterLogDirsManager(runtime, logger, {
      logManager,
      bytesPerSecond: () => dynamicRate(options, 'replica.alter.log.dirs.io.max.bytes.per.second'),
      onMoved: (partition, log) => this.onMoved(partition, log),
    });
  }

  /** Begins the periodic check of the ISRs. */
  startup(): void {
    this.checkIsrsLater();
  }

  /** Stops fetching and all waits for the controller; partitions keep their roles and answer what they can. */
  async shutdown(): Promise<void> {
    this.isrTimer?.cancel();
    this.isrTimer = undefined;
    this.isrRetryTimer?.cancel();
    this.alterPartitions.close();
    this.moves.shutdown();
    await this.fetchers.shutdown();
  }

  /** The broker's configuration is another now. */
  onConfigChanged(): void {
    this.fetchers.onConfigChanged();
    this.moves.onConfigChanged();
  }

  /** Consumers are sent to replicas in their rack. */
  get selectsByRack(): boolean {
    return this.options.config().optionalString('replica.selector.class') === RACK_AWARE_REPLICA_SELECTOR;
  }

  /** Twice in `replica.lag.time.max.ms`, so that a follower is dropped after one and a half of it at the latest. */
  private checkIsrsLater(): void {
    const periodMs = Math.max(1, Math.floor(this.partitionContext.replicaLagTimeMaxMs() / 2));
    this.isrTimer = this.runtime.timers.after(Math.min(periodMs, 0x7fff_ffff), () => {
      for (const partition of this.partitions()) {
        partition.maybeShrinkIsr();
        partition.maybeExpandIsrs();
      }
      this.checkIsrsLater();
    });
  }

  private checkIsrLater(partition: Partition): void {
    this.isrRetries.add(partition);
    if (this.isrRetries.size > 1) return;
    this.isrRetryTimer = this.runtime.timers.after(ISR_RETRY_MS, () => {
      const partitions = [...this.isrRetries];
      this.isrRetries.clear();
      for (const each of partitions) {
        each.maybeShrinkIsr();
        each.maybeExpandIsrs();
      }
    });
  }

  // Partitions.

  /** The replica here; undefined if this broker has none. */
  partition(topic: string, partition: number): Partition | undefined {
    return this.topics.get(topic)?.partitions.get(partition);
  }

  /** The replica here. Throws UNKNOWN_TOPIC_OR_PARTITION, or NOT_LEADER_OR_FOLLOWER if it is on other brokers only. */
  partitionOrThrow({ topic, partition }: TopicPartition): Partition {
    const found = this.partition(topic, partition);
    if (found !== undefined) return found;
    const isElsewhere = this.options.metadata().topics.partition(topic, partition) !== undefined;
    throw new KafkaError(
      isElsewhere ? Errors.NOT_LEADER_OR_FOLLOWER : Errors.UNKNOWN_TOPIC_OR_PARTITION,
      'this broker has no replica of that partition',
    );
  }

  *partitions(): Iterable<Partition> {
    for (const topic of this.topics.values()) yield* topic.partitions.values();
  }

  // Appending.

  /**
   * Appends to several partitions. `onComplete` gets a result for each entry, in their order, when all are written and,
   * under acks=all, replicated, or when `timeoutMs` is over. The synchronous half is done when this returns.
   */
  appendRecords(
    entries: readonly AppendEntry[],
    acks: number,
    timeoutMs: number,
    options: AppendOptions,
    onComplete: AppendCallback,
  ): void {
    const produce = new DelayedProduce(this.runtime.timers, acks, timeoutMs, onComplete);
    for (const entry of entries) this.append(entry, acks, options, produce);
    produce.seal();
  }

  private append(
    { topicPartition, records, refusal }: AppendEntry,
    acks: number,
    options: AppendOptions,
    produce: DelayedProduce,
  ): void {
    try {
      if (refusal !== undefined) throw refusal;
      if (records === null || records.length === 0) {
        throw new KafkaError(Errors.INVALID_RECORD, 'the request holds no record batch for this partition');
      }
      const partition = this.partitionOrThrow(topicPartition);
      produce.add(partition, partition.appendAsLeader(records, acks, options));
    } catch (error) {
      if (!(error instanceof KafkaError)) this.logUnexpected(topicPartition, error);
      produce.addFailure(error, refusal === undefined ? this.logStartOffsetFor(topicPartition, error) : -1);
    }
  }

  /**
   * As {@link appendRecords}, for a client's request with transactional records. Those that begin a transaction in
   * their partition wait for the coordinator of `request`, and hold up what the same producer writes to that partition.
   */
  appendTransactional(
    entries: readonly TransactionalEntry[],
    acks: number,
    timeoutMs: number,
    request: TransactionalRequest,
    onComplete: AppendCallback,
  ): void {
    const produce = new DelayedProduce(this.runtime.timers, acks, timeoutMs, onComplete);
    const appends: TransactionalAppend[] = [];
    for (const entry of entries) {
      const { topicPartition, records, batch } = entry;
      if (batch === undefined || records === null) {
        this.append(entry, acks, CLIENT, produce);
        continue;
      }
      const { topic, partition: number } = topicPartition;
      const partition = this.partition(topic, number);
      if (partition === undefined) {
        // It says which of the reasons there are.
        this.append(entry, acks, CLIENT, produce);
        continue;
      }
      const index = produce.addLater();
      appends.push({
        partition,
        batch,
        append: verificationGuard => {
          try {
            const info = partition.appendAsLeader(records, acks, { origin: 'client', verificationGuard });
            produce.begin(index, partition, info);
          } catch (error) {
            if (!(error instanceof KafkaError)) this.logUnexpected(topicPartition, error);
            produce.refuse(index, error, this.logStartOffsetFor(topicPartition, error));
          }
        },
        refuse: error => produce.refuse(index, error),
      });
    }
    this.transactionalAppends.submit(request, appends);
    produce.seal();
  }

  /** Kafka tells the log start offset with an error, unless the error is one of these. */
  private logStartOffsetFor({ topic, partition }: TopicPartition, error: unknown): Offset {
    if (ERRORS_WITHOUT_LOG_START.has(errorCodeOf(error))) return -1;
    return this.partition(topic, partition)?.log?.logStartOffset ?? -1;
  }

  private logUnexpected(topicPartition: TopicPartition, error: unknown): void {
    const stack = String((error as Error)?.stack ?? error);
    const fields = { partition: topicPartitionKey(topicPartition), error: stack };
    this.logger.error(
      "an append failed for a reason that is none of the protocol's: please report it",
      fields,
    );
  }

  // Deleting.

  /**
   * Moves the log start offsets of several partitions up. `onComplete` gets a result for each entry, in their order,
   * when all live replicas have moved theirs, or when `timeoutMs` is over.
   */
  deleteRecords(
    entries: readonly DeleteRecordsEntry[],
    timeoutMs: number,
    onComplete: DeleteRecordsCallback,
  ): void {
    const options = {
      timers: this.runtime.timers,
      timeoutMs,
      partition: (topicPartition: TopicPartition) => this.partitionOrThrow(topicPartition),
      persist: (logDirs: ReadonlySet<string>) => this.logManager.checkpointStartOffsets(logDirs),
    };
    new DelayedDeleteRecords(entries, options, onComplete);
  }

  // Reading.

  /**
   * Reads the partitions of `context` that are due. `onComplete` gets what was read as soon as `minBytes` are there or
   * `maxWaitMs` are over. Returns a function that ends the wait without an answer.
   */
  fetch(
    params: FetchParams,
    context: FetchContext,
    onComplete: (reads: readonly TargetRead[]) => void,
  ): (() => void) | undefined {
    const complete = (read: FetchRead): void => {
      this.reader.recordSent(params, read.reads);
      onComplete(read.reads);
    };
    const read = (): FetchRead => this.reader.readAll(params, context);
    const first = read();
    const { minBytes, maxWaitMs } = params;
    const isEmpty = context.isFull && first.reads.length === 0;
    if (first.mustAnswer || first.sizeInBytes >= minBytes || maxWaitMs <= 0 || isEmpty) {
      complete(first);
      return undefined;
    }
    const delayed = new DelayedFetch(this.runtime.timers, context, params, read, complete);
    return () => delayed.cancel();
  }

  // Roles.

  /**
   * Takes the roles that new metadata gives this broker. `changed` are the topics with any change, as they are now;
   * `deleted` those that are gone.
   */
  applyTopics(
    changed: Iterable<TopicImage>,
    deleted: Iterable<{ readonly id: Uuid; readonly name: string }>,
  ): void {
    for (const { id, name } of deleted) {
      const topic = this.topics.get(name);
      if (topic !== undefined && topic.id === id) this.deleteTopic(topic);
    }
    for (const image of changed) this.applyTopic(image);
  }

  /** Brokers have come, gone or been fenced: followers may join ISRs that could not before. */
  onBrokersChanged(): void {
    for (const partition of this.partitions()) partition.onBrokersChanged();
    this.fetchers.onBrokersChanged();
  }

  private applyTopic(image: TopicImage): void {
    let topic = this.topics.get(image.name);
    if (topic !== undefined && topic.id !== image.id) {
      this.deleteTopic(topic);
      topic = undefined;
    }
    const config = this.options.topicConfig(image.name);
    const { brokerId } = this.options;
    for (let index = 0; index < image.partitions.length; index++) {
      const registration = image.partitions[index]!;
      let partition = topic?.partitions.get(index);
      if (!registration.replicas.includes(brokerId)) {
        if (partition !== undefined) this.removePartition(topic!, partition);
        continue;
      }
      // Images share what has not changed.
      if (partition?.registration === registration && partition.log !== undefined) continue;
      topic ??= { id: image.id, name: image.name, partitions: new Map() };
      this.topics.set(image.name, topic);
      if (partition === undefined) {
        const topicPartition: TopicPartition = { topic: topic.name, partition: index };
        partition = new Partition(topicPartition, topic.id, this.partitionContext, registration);
        topic.partitions.set(index, partition);
      }
      this.applyPartition(partition, registration, () => this.openLog(partition, registration, config));
    }
  }

  private applyPartition(
    partition: Partition,
    registration: PartitionRegistration,
    openLog: () => UnifiedLog,
  ): void {
    // What its directory holds is not to be trusted any more, until the broker starts anew.
    if (partition.log?.isOffline === true) return;
    const isOpen = partition.log !== undefined;
    try {
      const log = partition.log ?? openLog();
      if (registration.leader === this.options.brokerId) {
        this.fetchers.remove(partition);
        partition.makeLeader(registration, log);
      } else {
        partition.makeFollower(registration, log);
        this.fetchers.follow(partition);
      }
      if (!isOpen) this.moves.resume(partition);
    } catch (error) {
      const fields = { partition: partition.name, error: String(error) };
      this.logger.error('a partition could not be opened and is offline on this broker', fields);
      this.takeOffline(partition, 'the log of the partition could not be opened');
    }
  }

  /**
   * In the log directory that the metadata names, if it is one of ours that works. Where that may be one that has
   * failed, the log may be in there: another one, which knows nothing, does not take its place.
   */
  private openLog(
    partition: Partition,
    registration: PartitionRegistration,
    config: ReturnType<ReplicaManagerOptions['topicConfig']>,
  ): UnifiedLog {
    const { logManager } = this;
    const { topicPartition, topicId } = partition;
    const assigned = registration.directories[registration.replicas.indexOf(this.options.brokerId)];
    const logDir = logManager.onlineLogDirs.find(path => logManager.directoryIdOf(path) === assigned);
    const isNamed = assigned !== undefined && !isNoDirectory(assigned);
    const mayBeLost = isNamed && logDir === undefined && logManager.hasOfflineLogDirs;
    if (mayBeLost && logManager.getLog(topicPartition) === undefined) {
      throw new KafkaError(
        Errors.KAFKA_STORAGE_ERROR,
        `${partition.name} is in log directory ${assigned}, which does not work: repair its disk and start again`,
      );
    }
    const preferred = this.preferredLogDirs.get(partition.name);
    this.preferredLogDirs.delete(partition.name);
    const isUsable = preferred !== undefined && logManager.onlineLogDirs.includes(preferred);
    const place = logDir ?? (isUsable ? preferred : undefined);
    const log = logManager.getOrCreateLog(topicPartition, topicId, config, place);
    if (log.isOffline) throw new KafkaError(Errors.KAFKA_STORAGE_ERROR, `${log.logDirectory} has failed`);
    this.tellDirectory(partition, log, assigned);
    return log;
  }

  /** The controller is told where the replica is, if it takes it to be in `assigned`, or nowhere. */
  private tellDirectory(
    { topicPartition, topicId }: Partition,
    log: UnifiedLog,
    assigned: Uuid | undefined,
  ): void {
    const directoryId = this.logManager.directoryIdOf(log.logDirectory);
    if (directoryId === undefined || assigned === undefined || directoryId === assigned) return;
    this.options.onDirectoryAssigned?.(topicId, topicPartition.partition, directoryId);
  }

  // Moves between log directories.

  /**
   * Has the replica here move to the log directory `logDir`, or be made there when it comes. Throws LOG_DIR_NOT_FOUND,
   * KAFKA_STORAGE_ERROR, INVALID_TOPIC_EXCEPTION, and what {@link partitionOrThrow} throws.
   */
  alterReplicaLogDir(topicPartition: TopicPartition, logDir: string): void {
    const { topic, partition: index } = topicPartition;
    const isHere = this.partition(topic, index) !== undefined;
    this.logManager.futures.checkDestination(topicPartition, logDir);
    if (!isHere && this.options.metadata().topics.partition(topic, index) !== undefined) {
      this.preferredLogDirs.set(topicPartitionKey(topicPartition), logDir);
    }
    this.moves.alter(this.partitionOrThrow(topicPartition), logDir);
  }

  private onMoved(partition: Partition, log: UnifiedLog): void {
    if (!partition.isLeader) {
      this.fetchers.remove(partition);
      this.fetchers.follow(partition);
    }
    const { directories, replicas } = partition.registration;
    this.tellDirectory(partition, log, directories[replicas.indexOf(this.options.brokerId)]);
  }

  private deleteTopic(topic: HostedTopic): void {
    for (const partition of [...topic.partitions.values()]) this.removePartition(topic, partition);
  }

  /** The topic was deleted, or this replica was moved to another broker. */
  private removePartition(topic: HostedTopic, partition: Partition): void {
    topic.partitions.delete(partition.topicPartition.partition);
    if (topic.partitions.size === 0) this.topics.delete(topic.name);
    this.fetchers.remove(partition);
    this.moves.cancel(partition);
    partition.close();
    this.logManager.asyncDelete(partition.topicPartition);
  }

  /** The log directory `logDir` has failed: its partitions answer KAFKA_STORAGE_ERROR from now on. */
  onLogDirFailure(logDir: string): void {
    this.moves.onLogDirFailure(logDir);
    for (const partition of this.partitions()) {
      if (partition.log?.logDirectory !== logDir) continue;
      this.takeOffline(partition, `the log directory ${logDir} has failed`);
    }
  }

  private takeOffline(partition: Partition, reason: string): void {
    this.fetchers.remove(partition);
    partition.markOffline(new KafkaError(Errors.KAFKA_STORAGE_ERROR, reason));
  }
}

/** The metadata does not say in which directory the replica is. */
function isNoDirectory(id: Uuid): boolean {
  return id === DirectoryId.UNASSIGNED || id === DirectoryId.MIGRATING;
}

/**
 * `leader.` or `follower.replication.throttled.rate`, bytes a second. They are set while the cluster runs and stand in
 * no file of properties.
 */
function throttledRate(options: ReplicaManagerOptions, role: 'leader' | 'follower'): number {
  return dynamicRate(options, `${role}.replication.throttled.rate`);
}

function dynamicRate({ metadata, brokerId }: ReplicaManagerOptions, key: string): number {
  const { configs } = metadata();
  const text = configs.broker(brokerId).get(key) ?? configs.defaultBroker().get(key);
  const rate = text === undefined ? undefined : parseInt64(text);
  return rate === undefined || typeof rate === 'bigint' ? Number.MAX_SAFE_INTEGER : rate;
}
