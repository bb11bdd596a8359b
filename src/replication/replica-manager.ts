import type { Offset } from '../base/int64.ts';
import type { Logger } from '../base/logger.ts';
import type { Uuid } from '../base/uuid.ts';
import type { LogConfig } from '../config/log-config.ts';
import type { LogManager } from '../log/log-manager.ts';
import { type TopicPartition, topicPartitionKey } from '../log/topic-partition.ts';
import type { AppendOptions } from '../log/unified-log.ts';
import type { PartitionRegistration } from '../metadata/partition-registration.ts';
import type { MetadataImage } from '../metadata/metadata-image.ts';
import type { TopicImage } from '../metadata/topics-image.ts';
import { Errors, errorCodeOf, KafkaError } from '../protocol/errors.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { DelayedFetch, type FetchRead } from './delayed-fetch.ts';
import { type AppendCallback, DelayedProduce } from './delayed-produce.ts';
import {
  failedFetch,
  type FetchParams,
  type FetchPartition,
  type FetchPartitionResult,
} from './fetch-params.ts';
import { FetchSessions } from './fetch-session.ts';
import { Partition } from './partition.ts';

export interface ReplicaManagerOptions {
  readonly brokerId: number;
  /** The configuration in force of a topic. */
  readonly topicConfig: (topic: string) => LogConfig;
  /** The latest metadata: it tells a partition that is elsewhere from one that does not exist. */
  readonly metadata: () => MetadataImage;
  /** `max.incremental.fetch.session.cache.slots` */
  readonly fetchSessionSlots: number;
}

/** The records for one partition of a Produce request. */
export interface AppendEntry {
  readonly topicPartition: TopicPartition;
  /** May be changed in place. Null where the client sent none. */
  readonly records: Buffer | null;
  /** Nothing is appended, this is the result. */
  readonly refusal?: KafkaError | undefined;
}

const ERRORS_WITHOUT_LOG_START: ReadonlySet<number> = new Set([
  Errors.UNKNOWN_TOPIC_OR_PARTITION,
  Errors.NOT_LEADER_OR_FOLLOWER,
  Errors.MESSAGE_TOO_LARGE,
  Errors.RECORD_LIST_TOO_LARGE,
  Errors.CORRUPT_MESSAGE,
  Errors.KAFKA_STORAGE_ERROR,
]);

interface HostedTopic {
  readonly id: Uuid;
  readonly name: string;
  readonly partitions: Map<number, Partition>;
}

/** The replicas of this broker: appends and reads by clients, and the roles that the metadata gives them. */
export class ReplicaManager {
  private readonly runtime: Runtime;
  private readonly logger: Logger;
  private readonly logManager: LogManager;
  private readonly options: ReplicaManagerOptions;
  private readonly topics = new Map<string, HostedTopic>();
  readonly fetchSessions: FetchSessions;

  constructor(runtime: Runtime, logger: Logger, logManager: LogManager, options: ReplicaManagerOptions) {
    this.runtime = runtime;
    this.logger = logger;
    this.logManager = logManager;
    this.options = options;
    this.fetchSessions = new FetchSessions(runtime.clock, runtime.random, options.fetchSessionSlots);
  }

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
    for (const { topicPartition, records, refusal } of entries) {
      try {
        if (refusal !== undefined) throw refusal;
        if (records === null || records.length === 0) {
          throw new KafkaError(Errors.INVALID_RECORD, 'the request holds no record batch for this partition');
        }
        const partition = this.partitionOrThrow(topicPartition);
        produce.add(partition, partition.appendAsLeader(records, acks, options));
      } catch (error) {
        if (!(error instanceof KafkaError)) this.logUnexpected('append', topicPartition, error);
        produce.addFailure(error, refusal === undefined ? this.logStartOffsetFor(topicPartition, error) : -1);
      }
    }
    produce.seal();
  }

  /** Kafka tells the log start offset with an error, unless the error is one of these. */
  private logStartOffsetFor({ topic, partition }: TopicPartition, error: unknown): Offset {
    if (ERRORS_WITHOUT_LOG_START.has(errorCodeOf(error))) return -1;
    return this.partition(topic, partition)?.log?.logStartOffset ?? -1;
  }

  private logUnexpected(what: string, topicPartition: TopicPartition, error: unknown): void {
    const fields = {
      partition: topicPartitionKey(topicPartition),
      error: String((error as Error)?.stack ?? error),
    };
    this.logger.error(
      `an ${what} failed for a reason that is none of the protocol's: please report it`,
      fields,
    );
  }

  /**
   * Reads from several partitions. `onComplete` gets a result for each, in their order, as soon as `minBytes` are there
   * or `maxWaitMs` are over. Returns a function that ends the wait without an answer.
   */
  fetch(
    params: FetchParams,
    partitions: readonly FetchPartition[],
    onComplete: (results: readonly FetchPartitionResult[]) => void,
  ): (() => void) | undefined {
    const read = (): FetchRead => this.readAll(params, partitions);
    const first = read();
    const { minBytes, maxWaitMs } = params;
    if (first.mustAnswer || first.sizeInBytes >= minBytes || maxWaitMs <= 0 || partitions.length === 0) {
      onComplete(first.results);
      return undefined;
    }
    const watched: Partition[] = [];
    for (const { topic, partition } of partitions) {
      const found = topic === undefined ? undefined : this.partition(topic, partition);
      if (found !== undefined) watched.push(found);
    }
    const delayed = new DelayedFetch(this.runtime.timers, watched, params, read, ({ results }) =>
      onComplete(results),
    );
    return () => delayed.cancel();
  }

  private readAll(params: FetchParams, partitions: readonly FetchPartition[]): FetchRead {
    const results: FetchPartitionResult[] = [];
    let sizeInBytes = 0;
    let mustAnswer = false;
    for (const wanted of partitions) {
      const left = params.maxBytes - sizeInBytes;
      const result = this.readOne(params, wanted, left, sizeInBytes === 0);
      results.push(result);
      sizeInBytes += result.data?.sizeInBytes ?? 0;
      if (result.errorCode !== Errors.NONE || result.divergingEpoch !== undefined) mustAnswer = true;
    }
    return { results, sizeInBytes, mustAnswer };
  }

  private readOne(
    params: FetchParams,
    wanted: FetchPartition,
    bytesLeft: number,
    minOneMessage: boolean,
  ): FetchPartitionResult {
    if (wanted.topic === undefined) return failedFetch(Errors.UNKNOWN_TOPIC_ID);
    const topicPartition = { topic: wanted.topic, partition: wanted.partition };
    try {
      const partition = this.partitionOrThrow(topicPartition);
      const log = partition.leaderLog();
      partition.checkLeaderEpoch(wanted.currentLeaderEpoch);
      const divergingEpoch = this.divergence(partition, wanted);
      const maxBytes = Math.max(0, Math.min(wanted.maxBytes, bytesLeft));
      const data =
        divergingEpoch === undefined
          ? log.read(wanted.fetchOffset, maxBytes, params.isolation, minOneMessage)
          : undefined;
      return {
        errorCode: Errors.NONE,
        highWatermark: log.highWatermark,
        lastStableOffset: log.lastStableOffset,
        logStartOffset: log.logStartOffset,
        data,
        abortedTransactions: data?.abortedTransactions,
        divergingEpoch,
      };
    } catch (error) {
      if (!(error instanceof KafkaError)) this.logUnexpected('fetch', topicPartition, error);
      return failedFetch(errorCodeOf(error));
    }
  }

  /** Where the fetcher's log parts from ours, if the epoch of its last record says that it does (KIP-595). */
  private divergence(partition: Partition, wanted: FetchPartition): FetchPartitionResult['divergingEpoch'] {
    if (wanted.lastFetchedEpoch < 0) return undefined;
    const end = partition.leaderLog().endOffsetForEpoch(wanted.lastFetchedEpoch);
    if (end === undefined) {
      throw new KafkaError(
        Errors.OFFSET_OUT_OF_RANGE,
        `no epoch up to ${wanted.lastFetchedEpoch} is in the log`,
      );
    }
    const diverges = end.leaderEpoch < wanted.lastFetchedEpoch || end.offset < wanted.fetchOffset;
    return diverges ? { epoch: end.leaderEpoch, endOffset: end.offset } : undefined;
  }

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

  private applyTopic(image: TopicImage): void {
    let topic = this.topics.get(image.name);
    if (topic !== undefined && topic.id !== image.id) {
      this.deleteTopic(topic);
      topic = undefined;
    }
    const config = this.options.topicConfig(image.name);
    for (let index = 0; index < image.partitions.length; index++) {
      const registration = image.partitions[index]!;
      if (!registration.replicas.includes(this.options.brokerId)) continue;
      topic ??= { id: image.id, name: image.name, partitions: new Map() };
      this.topics.set(image.name, topic);
      this.applyPartition(topic, index, registration, config);
    }
  }

  private applyPartition(
    topic: HostedTopic,
    index: number,
    registration: PartitionRegistration,
    config: LogConfig,
  ): void {
    const topicPartition: TopicPartition = { topic: topic.name, partition: index };
    let partition = topic.partitions.get(index);
    if (partition === undefined) {
      partition = new Partition(topicPartition, topic.id, this.options.brokerId, registration);
      topic.partitions.set(index, partition);
    }
    try {
      const log = partition.log ?? this.logManager.getOrCreateLog(topicPartition, topic.id, config);
      if (registration.leader === this.options.brokerId) partition.makeLeader(registration, log);
      else partition.makeFollower(registration, log);
    } catch (error) {
      const fields = { partition: topicPartitionKey(topicPartition), error: String(error) };
      this.logger.error('a partition could not be opened and is offline on this broker', fields);
      partition.markOffline(
        new KafkaError(Errors.KAFKA_STORAGE_ERROR, 'the log of the partition could not be opened'),
      );
    }
  }

  private deleteTopic(topic: HostedTopic): void {
    this.topics.delete(topic.name);
    for (const partition of topic.partitions.values()) {
      partition.close();
      this.logManager.asyncDelete(partition.topicPartition);
    }
  }

  /** The log directory `logDir` has failed: its partitions answer KAFKA_STORAGE_ERROR from now on. */
  onLogDirFailure(logDir: string): void {
    for (const partition of this.partitions()) {
      if (partition.log?.logDirectory !== logDir) continue;
      partition.markOffline(
        new KafkaError(Errors.KAFKA_STORAGE_ERROR, `the log directory ${logDir} has failed`),
      );
    }
  }
}
