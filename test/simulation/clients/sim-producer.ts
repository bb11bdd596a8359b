import type { Int64 } from '../../../src/base/int64.ts';
import type { CompressionType } from '../../../src/compression/compression-type.ts';
import { Errors, errorName, isRetriable } from '../../../src/protocol/errors.ts';
import { ProduceRequest, ProduceResponse } from '../../../src/protocol/messages/00-produce.ts';
import {
  InitProducerIdRequest,
  InitProducerIdResponse,
} from '../../../src/protocol/messages/22-init-producer-id.ts';
import type { Infer, Input } from '../../../src/protocol/schema.ts';
import { incrementSequence } from '../../../src/record/record.ts';
import { RecordBatchBuilder } from '../../../src/record/record-batch-builder.ts';
import type { History, Observation } from '../checkers/history.ts';
import type { SimClient } from '../simulation-types.ts';
import {
  type ClusterClient,
  type KnownPartition,
  NO_BROKER,
  type TrafficSettings,
} from './cluster-client.ts';
import { type ProtocolConnection, Unanswered } from './protocol-connection.ts';

export interface ProducerSettings extends TrafficSettings {
  readonly acks: -1 | 0 | 1;
  /** With a producer id and sequence numbers; acks is -1 then. */
  readonly idempotent: boolean;
  /** Requests that may be unanswered on one connection. */
  readonly maxInFlight: number;
  readonly deliveryTimeoutMs: number;
  readonly retryBackoffMs: number;
  readonly produceTimeoutMs: number;
  /** Between two new batches, on average. */
  readonly thinkMs: number;
  readonly maxBatchRecords: number;
  readonly valueBytes: number;
  readonly compression: CompressionType;
  /** Batches in all; then it only finishes. */
  readonly maxBatches: number;
}

interface Batch {
  readonly op: number;
  readonly values: readonly string[];
  readonly createdMs: number;
  readonly partition: PartitionQueue;
  /** Undefined until it is sent for the first time, and for good without idempotence. */
  sequence: number | undefined;
  producerId: Int64;
  producerEpoch: number;
  notBeforeMs: number;
  /** One of those that show at the end that the partition takes records again. */
  readonly isLast: boolean;
  /** Some attempt may have been written. */
  indefinite: boolean;
  /**
   * One after it may have been written first: it was acknowledged first, went to another leader, or was under way when
   * this one was refused. A leader that knows nothing of the producer takes any sequence, as in Kafka.
   */
  overtaken: boolean;
  /** The connection of the last attempt. */
  sentOn: ProtocolConnection | undefined;
  done: boolean;
}

interface PartitionQueue {
  readonly partition: KnownPartition;
  /** New batches, and those to be sent again, in the order in which they must go. */
  readonly queue: Batch[];
  /** Sent with a sequence and not over: on the wire, or queued again. By sequence. */
  readonly unacknowledged: Batch[];
  nextSequence: number;
  producerId: Int64;
  producerEpoch: number;
  /** A batch was given up whose sequence may have been used: nothing new goes before the others are over. */
  unresolved: boolean;
}

const PRODUCE = { request: ProduceRequest, response: ProduceResponse };
const INIT_PRODUCER_ID = { request: InitProducerIdRequest, response: InitProducerIdResponse };
const NO_ID = -1;
/** A sweep for expired batches and for those whose backoff is over. */
const SWEEP_MS = 25;

/** An answer with one of these says that nothing was written by that attempt. */
const NOT_WRITTEN: ReadonlySet<number> = new Set([
  Errors.NOT_ENOUGH_REPLICAS,
  Errors.CORRUPT_MESSAGE,
  Errors.INVALID_RECORD,
  Errors.MESSAGE_TOO_LARGE,
  Errors.RECORD_LIST_TOO_LARGE,
  Errors.INVALID_TIMESTAMP,
  Errors.INVALID_TOPIC_EXCEPTION,
  Errors.OUT_OF_ORDER_SEQUENCE_NUMBER,
  Errors.INVALID_PRODUCER_EPOCH,
  Errors.UNKNOWN_PRODUCER_ID,
  Errors.UNKNOWN_TOPIC_ID,
  Errors.INVALID_REQUIRED_ACKS,
]);

type PartitionAnswer = Infer<typeof ProduceResponse>['responses'][number]['partitionResponses'][number];

/**
 * A producer with the rules of the Java client: batches of a partition leave in order, several requests may be
 * unanswered, retriable errors send again with the same sequence, a batch that is given up while its fate is open makes
 * the producer raise its epoch and start its sequences anew. One rule is stricter: at a raised epoch a batch is given up
 * instead of sent again if it may have been written already, so that a value is never written twice, and if a later one was
 * acknowledged, so that the order of a partition is that of the sends. Brokers can promise neither from one epoch to the
 * next, and Kafka's client, which does send them again, does not ask it of them.
 */
export class SimProducer implements SimClient {
  readonly name: string;
  private readonly cluster: ClusterClient;
  private readonly settings: ProducerSettings;
  private readonly history: History;
  private readonly queues = new Map<string, PartitionQueue>();
  private readonly requestsInFlight = new Map<number, number>();
  private producerId: Int64 = NO_ID;
  private producerEpoch = -1;
  private asksForId = false;
  private made = 0;
  private open = 0;
  private stopping = false;
  private whenDone: (() => void) | undefined;

  constructor(cluster: ClusterClient, settings: ProducerSettings, history: History) {
    this.name = cluster.name;
    this.cluster = cluster;
    this.settings = settings;
    this.history = history;
  }

  private note(observation: Observation): void {
    this.history.record(this.name, observation);
  }

  start(): void {
    void this.produce();
    void this.sweep();
  }

  /**
   * Resolves when every batch is acknowledged or given up, and after that one more in each partition is acknowledged:
   * a cluster that is whole takes records.
   */
  async stop(): Promise<void> {
    this.stopping = true;
    const { cluster, settings } = this;
    while (settings.topics.some(topic => cluster.partitionsOf(topic).length === 0)) {
      cluster.forgetMetadata();
      await cluster.sleep(SWEEP_MS);
    }
    for (const topic of settings.topics) {
      for (const partition of cluster.partitionsOf(topic)) this.enqueue(partition, true);
    }
    await new Promise<void>(resolve => {
      this.whenDone = resolve;
      this.checkDone();
    });
  }

  private checkDone(): void {
    if (this.whenDone === undefined || this.open > 0) return;
    this.cluster.close();
    this.whenDone();
  }

  /** The last batch of a partition has failed: another one is the last. */
  private async anotherLast(partition: KnownPartition): Promise<void> {
    this.open++;
    await this.cluster.sleep(SWEEP_MS);
    this.open--;
    this.enqueue(partition, true);
  }

  /** Makes batches until it is told to stop. */
  private async produce(): Promise<void> {
    const { cluster, settings } = this;
    const { random } = cluster;
    while (!this.stopping && this.made < settings.maxBatches) {
      await cluster.sleep(settings.thinkMs * 2 * random.next());
      await cluster.freshMetadata();
      if (this.stopping) return;
      const partitions = cluster.partitionsOf(random.pick(settings.topics));
      if (partitions.length > 0) this.enqueue(random.pick(partitions));
    }
  }

  private enqueue(partition: KnownPartition, isLast = false): void {
    const { settings, cluster } = this;
    const count = 1 + cluster.random.below(settings.maxBatchRecords);
    const values = Array.from({ length: count }, (_, index) => `${this.name}.${this.made}.${index}`);
    this.made++;
    let queue = this.queues.get(partition.key);
    if (queue === undefined) {
      queue = {
        partition,
        queue: [],
        unacknowledged: [],
        nextSequence: 0,
        producerId: NO_ID,
        producerEpoch: -1,
        unresolved: false,
      };
      this.queues.set(partition.key, queue);
    }
    const batch: Batch = {
      op: this.history.newOp(),
      values,
      createdMs: cluster.nowMs(),
      partition: queue,
      sequence: undefined,
      producerId: NO_ID,
      producerEpoch: -1,
      notBeforeMs: 0,
      isLast,
      indefinite: false,
      overtaken: false,
      sentOn: undefined,
      done: false,
    };
    this.open++;
    queue.queue.push(batch);
    const { acks, idempotent } = settings;
    this.note({ kind: 'send', op: batch.op, partition: partition.key, values, acks, idempotent });
    this.pump();
  }

  private async sweep(): Promise<void> {
    while (!this.cluster.isClosed) {
      await this.cluster.sleep(SWEEP_MS);
      this.expire();
      await this.cluster.freshMetadata();
      this.pump();
    }
  }

  private expire(): void {
    const nowMs = this.cluster.nowMs();
    for (const queue of this.queues.values()) {
      for (const batch of [...queue.unacknowledged, ...queue.queue]) {
        if (batch.done || nowMs - batch.createdMs < this.settings.deliveryTimeoutMs) continue;
        this.giveUp(batch, 'expired');
      }
    }
  }

  // What goes out.

  private pump(): void {
    if (this.cluster.isClosed) return;
    if (this.settings.idempotent && this.producerId === NO_ID) {
      void this.askForId();
      return;
    }
    const byLeader = new Map<number, Batch[]>();
    for (const queue of this.queues.values()) {
      const batch = this.nextOf(queue);
      const { leader } = queue.partition;
      if (batch === undefined || leader < 0) {
        if (batch !== undefined) this.cluster.forgetMetadata();
        continue;
      }
      const batches = byLeader.get(leader);
      if (batches === undefined) byLeader.set(leader, [batch]);
      else batches.push(batch);
    }
    for (const [leader, batches] of byLeader) {
      const inFlight = this.requestsInFlight.get(leader) ?? 0;
      if (inFlight >= this.settings.maxInFlight) continue;
      this.requestsInFlight.set(leader, inFlight + 1);
      for (const batch of batches) this.take(batch);
      void this.send(leader, batches).then(() => {
        this.requestsInFlight.set(leader, (this.requestsInFlight.get(leader) ?? 1) - 1);
        this.pump();
      });
    }
  }

  private nextOf(queue: PartitionQueue): Batch | undefined {
    const { settings } = this;
    if (queue.unacknowledged.length === 0) {
      if (queue.unresolved) {
        queue.unresolved = false;
        this.raiseEpoch(queue);
      }
      if (queue.producerId !== this.producerId || queue.producerEpoch !== this.producerEpoch) {
        queue.producerId = this.producerId;
        queue.producerEpoch = this.producerEpoch;
        queue.nextSequence = 0;
      }
    }
    const batch = queue.queue[0];
    if (batch === undefined || batch.notBeforeMs > this.cluster.nowMs()) return undefined;
    if (!settings.idempotent) return batch;
    if (batch.sequence === undefined) {
      // A new one waits for those that are sent again, and where the fate of an older one is open.
      if (queue.unresolved || queue.unacknowledged.length >= settings.maxInFlight) return undefined;
      return queue.producerEpoch === this.producerEpoch && queue.producerId === this.producerId
        ? batch
        : undefined;
    }
    return batch === queue.unacknowledged[0] ? batch : undefined;
  }

  /** Moves a batch from the queue to the wire. */
  private take(batch: Batch): void {
    const queue = batch.partition;
    queue.queue.splice(queue.queue.indexOf(batch), 1);
    if (!this.settings.idempotent || batch.sequence !== undefined) return;
    batch.sequence = queue.nextSequence;
    batch.producerId = queue.producerId;
    batch.producerEpoch = queue.producerEpoch;
    queue.nextSequence = incrementSequence(queue.nextSequence, batch.values.length);
    queue.unacknowledged.push(batch);
  }

  private async send(leader: number, batches: readonly Batch[]): Promise<void> {
    const { cluster, settings } = this;
    const { random } = cluster;
    try {
      const connection = await cluster.connection(leader);
      const version = connection.versionOf(PRODUCE, settings.maxVersion);
      if (version === undefined) throw new Unanswered('no version of Produce in common', false);
      const records = new Map(batches.map(batch => [batch, this.encode(batch)]));
      const body = this.request(batches, records, version);
      for (const batch of batches) {
        batch.indefinite = batch.indefinite || settings.acks === 0;
        batch.sentOn = connection;
        const order = batch.partition.unacknowledged;
        for (const earlier of order.slice(0, Math.max(0, order.indexOf(batch))))
          if (earlier.sentOn !== connection) earlier.overtaken = true;
      }
      if (settings.acks === 0) {
        connection.send(ProduceRequest, version, body);
        for (const batch of batches) this.acknowledge(batch, -1);
        return;
      }
      const answer = connection.requestAt(PRODUCE, version, body, cluster.options.requestTimeoutMs);
      if (random.chance(settings.misbehaves)) this.misbehave(leader, version, body, batches);
      this.onAnswer(await answer, batches, version);
    } catch (error) {
      if (!(error instanceof Unanswered)) throw error;
      const { wasSent } = error;
      cluster.forgetMetadata();
      for (const batch of batches) {
        if (wasSent) batch.indefinite = true;
        this.sendAgain(batch, 'unanswered');
      }
    }
  }

  /**
   * What TCP and impatient clients do to a broker: a connection that is cut with the request delivered, and the bytes
   * of an old connection that arrive after the request was sent again on another.
   */
  private misbehave(
    leader: number,
    version: number,
    body: Input<typeof ProduceRequest>,
    batches: readonly Batch[],
  ): void {
    const { cluster, settings } = this;
    if (!settings.idempotent || cluster.random.chance(0.5)) {
      const afterMs = cluster.random.below(20);
      void cluster.sleep(afterMs).then(() => cluster.disconnect(leader, 'cut by the client'));
      return;
    }
    const lateMs = cluster.random.below(3_000);
    for (const batch of batches) batch.indefinite = true;
    void cluster.sleep(lateMs).then(async () => {
      try {
        const connection = await cluster.connection(leader);
        await connection.requestAt(PRODUCE, version, body, cluster.options.requestTimeoutMs);
      } catch {
        // Whatever comes of it: the broker may not write it a second time.
      }
    });
  }

  private encode(batch: Batch): Buffer {
    const { settings } = this;
    const builder = new RecordBatchBuilder({
      compression: settings.compression,
      ...(batch.sequence === undefined
        ? {}
        : {
            producerId: batch.producerId,
            producerEpoch: batch.producerEpoch,
            baseSequence: batch.sequence,
          }),
    });
    const timestamp = this.cluster.runtime.clock.wallMs();
    for (const value of batch.values) {
      builder.append({ timestamp, key: null, value: Buffer.from(value.padEnd(settings.valueBytes, ' ')) });
    }
    return builder.build();
  }

  private request(
    batches: readonly Batch[],
    records: ReadonlyMap<Batch, Buffer>,
    version: number,
  ): Input<typeof ProduceRequest> {
    const { acks, produceTimeoutMs } = this.settings;
    const topics = new Map<string, Batch[]>();
    for (const batch of batches) {
      const { topicId, topic } = batch.partition.partition;
      const id = version >= 13 ? topicId : topic;
      const list = topics.get(id);
      if (list === undefined) topics.set(id, [batch]);
      else list.push(batch);
    }
    return {
      acks,
      timeoutMs: produceTimeoutMs,
      topicData: [...topics.values()].map(list => ({
        name: list[0]!.partition.partition.topic,
        topicId: list[0]!.partition.partition.topicId,
        partitionData: list.map(batch => ({
          index: batch.partition.partition.index,
          records: records.get(batch)!,
        })),
      })),
    };
  }

  // What comes back.

  private onAnswer(answer: Infer<typeof ProduceResponse>, batches: readonly Batch[], version: number): void {
    for (const batch of batches) {
      const { partition } = batch.partition;
      const topic = answer.responses.find(({ name, topicId }) =>
        version >= 13 ? topicId === partition.topicId : name === partition.topic,
      );
      const result = topic?.partitionResponses.find(({ index }) => index === partition.index);
      if (result === undefined) {
        batch.indefinite = true;
        this.sendAgain(batch, 'not in the answer');
        continue;
      }
      this.onResult(batch, result, answer.nodeEndpoints);
    }
  }

  private onResult(
    batch: Batch,
    result: PartitionAnswer,
    endpoints: readonly { readonly nodeId: number; readonly host: string; readonly port: number }[],
  ): void {
    const { errorCode } = result;
    if (errorCode === Errors.NONE || errorCode === Errors.DUPLICATE_SEQUENCE_NUMBER) {
      this.acknowledge(batch, result.baseOffset);
      return;
    }
    if (!NOT_WRITTEN.has(errorCode)) batch.indefinite = true;
    const { partition } = batch.partition;
    if (!this.cluster.learnLeader(partition, result.currentLeader, endpoints)) this.cluster.forgetMetadata();
    switch (errorCode) {
      case Errors.OUT_OF_ORDER_SEQUENCE_NUMBER:
      case Errors.UNKNOWN_PRODUCER_ID:
      case Errors.INVALID_PRODUCER_EPOCH:
        this.onSequenceError(batch, errorCode);
        return;
      default:
        if (isRetriable(errorCode)) this.sendAgain(batch, errorName(errorCode));
        else this.giveUp(batch, errorName(errorCode));
    }
  }

  private onSequenceError(batch: Batch, errorCode: number): void {
    const queue = batch.partition;
    if (batch.done) return;
    if (queue.unacknowledged[0] !== batch && errorCode !== Errors.INVALID_PRODUCER_EPOCH) {
      // One before it has not been written yet.
      this.sendAgain(batch, errorName(errorCode));
      return;
    }
    this.note({
      kind: 'sequenceError',
      op: batch.op,
      partition: queue.partition.key,
      error: errorName(errorCode),
      // One that may have been written already may be forgotten: a snapshot of the producers keeps their last batch only,
      // as in Kafka, so that a broker that has read its state from one does not know the four before it.
      unexpected:
        !queue.unresolved &&
        !batch.indefinite &&
        !batch.overtaken &&
        batch.producerEpoch === queue.producerEpoch,
    });
    this.raiseEpoch(queue);
  }

  /** Starts the sequences of a partition anew, in a higher epoch of the producer. */
  private raiseEpoch(queue: PartitionQueue): void {
    if (!this.settings.idempotent) return;
    if (this.producerEpoch >= 0x7fff) {
      this.producerId = NO_ID;
      this.producerEpoch = -1;
    } else {
      this.producerEpoch++;
    }
    queue.producerId = this.producerId;
    queue.producerEpoch = this.producerEpoch;
    queue.nextSequence = 0;
    queue.unresolved = false;
    const waiting = [...queue.unacknowledged];
    for (const batch of waiting) {
      if (!queue.queue.includes(batch)) batch.indefinite = true;
      // One that was overtaken would be written behind a batch that was sent after it.
      if (batch.indefinite || batch.overtaken) {
        this.giveUp(batch, 'its epoch ended');
        continue;
      }
      queue.unacknowledged.splice(queue.unacknowledged.indexOf(batch), 1);
      batch.sequence = undefined;
    }
  }

  private acknowledge(batch: Batch, offset: Int64): void {
    const order = batch.partition.unacknowledged;
    for (const earlier of order.slice(0, Math.max(0, order.indexOf(batch)))) earlier.overtaken = true;
    if (!this.finish(batch)) return;
    this.note({ kind: 'sent', op: batch.op, offset });
    this.checkDone();
  }

  private giveUp(batch: Batch, error: string): void {
    const queue = batch.partition;
    // One that is on the wire may be written yet, by an answer's error or not.
    const onTheWire = batch.sequence !== undefined && !queue.queue.includes(batch);
    const definite = !batch.indefinite && !(onTheWire && error === 'expired');
    if (!this.finish(batch)) return;
    if (batch.sequence !== undefined && batch.producerEpoch === queue.producerEpoch) queue.unresolved = true;
    this.note({ kind: 'sendFailed', op: batch.op, error, definite });
    if (batch.isLast) void this.anotherLast(queue.partition);
    this.checkDone();
  }

  private finish(batch: Batch): boolean {
    if (batch.done) return false;
    batch.done = true;
    this.open--;
    const { queue, unacknowledged } = batch.partition;
    for (const list of [queue, unacknowledged]) {
      const at = list.indexOf(batch);
      if (at >= 0) list.splice(at, 1);
    }
    return true;
  }

  private sendAgain(batch: Batch, error: string): void {
    if (batch.done) return;
    const { cluster, settings } = this;
    if (!settings.idempotent && batch.indefinite) {
      // Without a sequence a second attempt might write it twice.
      this.giveUp(batch, error);
      return;
    }
    batch.notBeforeMs = cluster.nowMs() + settings.retryBackoffMs * (0.8 + 0.4 * cluster.random.next());
    const { queue } = batch.partition;
    const { sequence } = batch;
    if (sequence === undefined || batch.producerEpoch !== batch.partition.producerEpoch) {
      queue.unshift(batch);
      return;
    }
    const order = batch.partition.unacknowledged;
    const before = order.indexOf(batch);
    if (order.slice(before + 1).some(later => !queue.includes(later))) batch.overtaken = true;
    const at = queue.findIndex(other => {
      const position = order.indexOf(other);
      return position < 0 || position > before;
    });
    queue.splice(at < 0 ? queue.length : at, 0, batch);
  }

  private async askForId(): Promise<void> {
    if (this.asksForId) return;
    this.asksForId = true;
    try {
      const answer = await this.cluster.ask(NO_BROKER, INIT_PRODUCER_ID, () => ({
        transactionalId: null,
        transactionTimeoutMs: 0x7fff_ffff,
      }));
      if (answer.errorCode === Errors.NONE) {
        this.producerId = answer.producerId;
        this.producerEpoch = answer.producerEpoch;
      }
    } catch {
      // The sweep asks again.
    } finally {
      this.asksForId = false;
    }
    if (this.producerId !== NO_ID) this.pump();
  }
}
