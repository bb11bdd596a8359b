import type { ProducerId } from '../base/int64.ts';
import type { Logger } from '../base/logger.ts';
import type { HostAndPort, NetworkClient } from '../client/network-client.ts';
import type {
  MarkerOutcome,
  TransactionMarkers,
  TransactionMarkerWriter,
} from '../coordinator/transaction/transaction-marker-writer.ts';
import { type TopicPartition, topicPartitionKey } from '../log/topic-partition.ts';
import type { MetadataImage } from '../metadata/metadata-image.ts';
import { NO_LEADER } from '../metadata/partition-registration.ts';
import { Errors, errorName, KafkaError } from '../protocol/errors.ts';
import {
  WriteTxnMarkersRequest,
  WriteTxnMarkersResponse,
} from '../protocol/messages/27-write-txn-markers.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { partitionsByTopic } from './partitions-by-topic.ts';

const WRITE_TXN_MARKERS = { request: WriteTxnMarkersRequest, response: WriteTxnMarkersResponse };

/** Before the markers of a partition that could not take one are sent again, ms. */
const RETRY_MS = 100;
/** Requests to one broker that wait for their answer; what comes meanwhile shares the next one. */
const IN_FLIGHT_MAX = 5;
/** Of one request: a coordinator that has been elected may have thousands of transactions to end. */
const PARTITIONS_MAX = 2_000;

/** The partition takes no marker of this transaction: a later coordinator or a later epoch has written there. */
const FENCED: ReadonlySet<number> = new Set([
  Errors.TRANSACTION_COORDINATOR_FENCED,
  Errors.INVALID_PRODUCER_EPOCH,
]);
/** What passes by itself, and is not worth a line of the log. */
const PASSING: ReadonlySet<number> = new Set([
  Errors.UNKNOWN_TOPIC_OR_PARTITION,
  Errors.NOT_LEADER_OR_FOLLOWER,
  Errors.NOT_ENOUGH_REPLICAS,
  Errors.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
  Errors.REQUEST_TIMED_OUT,
  Errors.NETWORK_EXCEPTION,
  Errors.KAFKA_STORAGE_ERROR,
  Errors.COORDINATOR_LOAD_IN_PROGRESS,
  Errors.COORDINATOR_NOT_AVAILABLE,
  Errors.NOT_COORDINATOR,
]);

type WritableTxnMarker = WriteTxnMarkersRequest['markers'][number];

export interface TransactionMarkerChannelOptions {
  readonly nodeId: number;
  readonly metadata: () => MetadataImage;
  /** Where another broker listens for this one; `undefined` while that is not known. */
  readonly addressOf: (brokerId: number) => HostAndPort | undefined;
  /** This channel's own. */
  readonly client: NetworkClient;
  readonly requestTimeoutMs: () => number;
  /** Writes markers to partitions that this broker leads. */
  readonly writeHere: (request: WriteTxnMarkersRequest) => Promise<WriteTxnMarkersResponse>;
}

/** The markers of one transaction on their way. */
interface Job {
  readonly markers: TransactionMarkers;
  readonly isWanted: () => boolean;
  readonly resolve: (outcome: MarkerOutcome) => void;
  /** Partitions without a marker yet, by their key. */
  readonly left: Map<string, TopicPartition>;
  isDone: boolean;
}

interface Destination {
  readonly brokerId: number;
  readonly queue: Map<Job, TopicPartition[]>;
  inFlight: number;
  isScheduled: boolean;
}

/**
 * Sends transaction markers to the leaders of their partitions, many transactions to a broker in one request, and again
 * until each partition has its marker: a marker that is written twice ends nothing twice.
 */
export class TransactionMarkerChannel implements TransactionMarkerWriter {
  private readonly runtime: Runtime;
  private readonly logger: Logger;
  private readonly options: TransactionMarkerChannelOptions;
  private readonly destinations = new Map<number, Destination>();
  private closed = false;

  constructor(runtime: Runtime, logger: Logger, options: TransactionMarkerChannelOptions) {
    this.runtime = runtime;
    this.logger = logger.child('transaction-markers');
    this.options = options;
  }

  /** See {@link TransactionMarkerWriter}. */
  write(markers: TransactionMarkers, isWanted: () => boolean): Promise<MarkerOutcome> {
    return new Promise(resolve => {
      const left = new Map(markers.partitions.map(each => [topicPartitionKey(each), each]));
      this.send({ markers, isWanted, resolve, left, isDone: false }, [...left.values()]);
    });
  }

  /** What is on its way ends as cancelled. */
  close(): void {
    this.closed = true;
    this.options.client.close();
  }

  private isOver(job: Job): boolean {
    if (job.isDone) return true;
    if (!this.closed && job.isWanted()) return false;
    end(job, 'cancelled');
    return true;
  }

  /** Has the leaders of some partitions of a job write its markers. */
  private send(job: Job, partitions: readonly TopicPartition[]): void {
    if (this.isOver(job)) return;
    const { topics } = this.options.metadata();
    const leaderless: TopicPartition[] = [];
    for (const each of partitions) {
      const leader = topics.partition(each.topic, each.partition)?.leader;
      // It was there when it was added to the transaction: it has been deleted since.
      if (leader === undefined) job.left.delete(topicPartitionKey(each));
      else if (leader === NO_LEADER) leaderless.push(each);
      else this.enqueue(job, leader, each);
    }
    if (job.left.size === 0) end(job, 'written');
    else if (leaderless.length > 0) this.sendLater(job, leaderless);
  }

  private sendLater(job: Job, partitions: readonly TopicPartition[]): void {
    this.runtime.timers.after(RETRY_MS, () => this.send(job, partitions));
  }

  private enqueue(job: Job, brokerId: number, partition: TopicPartition): void {
    let destination = this.destinations.get(brokerId);
    if (destination === undefined) {
      destination = { brokerId, queue: new Map(), inFlight: 0, isScheduled: false };
      this.destinations.set(brokerId, destination);
    }
    const waiting = destination.queue.get(job);
    if (waiting === undefined) destination.queue.set(job, [partition]);
    else waiting.push(partition);
    this.schedule(destination);
  }

  /** All that is decided in one turn of the event loop goes to a broker together. */
  private schedule(destination: Destination): void {
    if (destination.isScheduled || destination.inFlight >= IN_FLIGHT_MAX || destination.queue.size === 0)
      return;
    destination.isScheduled = true;
    this.runtime.timers.soon(() => {
      destination.isScheduled = false;
      void this.flush(destination);
    });
  }

  private async flush(destination: Destination): Promise<void> {
    const jobs = this.takeJobs(destination);
    if (jobs.size === 0) {
      this.forgetIfIdle(destination);
      return;
    }
    destination.inFlight++;
    this.schedule(destination);
    try {
      const answer = await this.request(destination.brokerId, [...jobs]);
      for (const [job, partitions] of jobs) this.take(destination.brokerId, job, partitions, answer);
    } catch (error) {
      this.logger.debug('transaction markers are sent again', {
        broker: destination.brokerId,
        error: String(error),
      });
      for (const [job, partitions] of jobs) this.sendLater(job, partitions);
    } finally {
      destination.inFlight--;
      this.schedule(destination);
      this.forgetIfIdle(destination);
    }
  }

  private forgetIfIdle({ brokerId, inFlight, isScheduled, queue }: Destination): void {
    if (inFlight === 0 && !isScheduled && queue.size === 0) this.destinations.delete(brokerId);
  }

  /** Those to send now: of each producer one transaction, for an answer names the producer only. */
  private takeJobs({ queue }: Destination): Map<Job, TopicPartition[]> {
    const taken = new Map<Job, TopicPartition[]>();
    const producers = new Set<ProducerId>();
    let count = 0;
    for (const [job, partitions] of queue) {
      if (count >= PARTITIONS_MAX) break;
      if (producers.has(job.markers.producerId)) continue;
      queue.delete(job);
      if (this.isOver(job)) continue;
      producers.add(job.markers.producerId);
      taken.set(job, partitions);
      count += partitions.length;
    }
    return taken;
  }

  /** The error codes of the answer by producer id and partition. */
  private async request(
    brokerId: number,
    jobs: readonly (readonly [Job, readonly TopicPartition[]])[],
  ): Promise<AnsweredCodes> {
    const { nodeId, addressOf, client, requestTimeoutMs, writeHere } = this.options;
    const body = { markers: jobs.map(([{ markers }, partitions]) => markerOf(markers, partitions)) };
    if (brokerId === nodeId) return codesIn(await writeHere(body));
    const address = addressOf(brokerId);
    if (address === undefined) throw new KafkaError(Errors.BROKER_NOT_AVAILABLE);
    return codesIn(await client.send(address, WRITE_TXN_MARKERS, body, { timeoutMs: requestTimeoutMs() }));
  }

  private take(
    brokerId: number,
    job: Job,
    partitions: readonly TopicPartition[],
    codes: AnsweredCodes,
  ): void {
    if (this.isOver(job)) return;
    const byPartition = codes.get(job.markers.producerId);
    const again: TopicPartition[] = [];
    for (const each of partitions) {
      const key = topicPartitionKey(each);
      const code = byPartition?.get(key) ?? Errors.UNKNOWN_SERVER_ERROR;
      if (FENCED.has(code)) {
        const { transactionalId, producerEpoch, coordinatorEpoch } = job.markers;
        const why = { partition: key, broker: brokerId, error: errorName(code) };
        this.logger.info('a transaction is not ended by this coordinator: it has been fenced', {
          transactionalId,
          producerEpoch,
          coordinatorEpoch,
          ...why,
        });
        end(job, 'fenced');
        return;
      }
      // A partition that stores records in a format without transactions has none of this one.
      if (code === Errors.NONE || code === Errors.UNSUPPORTED_FOR_MESSAGE_FORMAT) job.left.delete(key);
      else {
        if (!PASSING.has(code)) this.tell(brokerId, job, key, code);
        again.push(each);
      }
    }
    if (job.left.size === 0) end(job, 'written');
    else if (again.length > 0) this.sendLater(job, again);
  }

  private tell(brokerId: number, { markers }: Job, partition: string, code: number): void {
    this.logger.error(
      'a transaction marker cannot be written, and the transaction does not end before it is',
      {
        transactionalId: markers.transactionalId,
        partition,
        broker: brokerId,
        error: errorName(code),
      },
    );
  }
}

type AnsweredCodes = ReadonlyMap<ProducerId, ReadonlyMap<string, number>>;

function end(job: Job, outcome: MarkerOutcome): void {
  job.isDone = true;
  job.resolve(outcome);
}

function markerOf(markers: TransactionMarkers, partitions: readonly TopicPartition[]): WritableTxnMarker {
  const { producerId, producerEpoch, coordinatorEpoch, isCommit, transactionVersion } = markers;
  return {
    producerId,
    producerEpoch,
    transactionResult: isCommit,
    topics: partitionsByTopic(partitions, (name, partitionIndexes) => ({ name, partitionIndexes })),
    coordinatorEpoch,
    transactionVersion,
  };
}

function codesIn({ markers }: WriteTxnMarkersResponse): AnsweredCodes {
  const codes = new Map<ProducerId, ReadonlyMap<string, number>>();
  for (const { producerId, topics } of markers) {
    const byPartition = new Map<string, number>();
    for (const { name, partitions } of topics) {
      for (const { partitionIndex, errorCode } of partitions) {
        byPartition.set(topicPartitionKey({ topic: name, partition: partitionIndex }), errorCode);
      }
    }
    codes.set(producerId, byPartition);
  }
  return codes;
}
