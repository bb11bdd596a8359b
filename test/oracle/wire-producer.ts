import { ProduceRequest, ProduceResponse } from '../../src/protocol/messages/00-produce.ts';
import {
  FindCoordinatorRequest,
  FindCoordinatorResponse,
} from '../../src/protocol/messages/10-find-coordinator.ts';
import {
  InitProducerIdRequest,
  InitProducerIdResponse,
} from '../../src/protocol/messages/22-init-producer-id.ts';
import {
  AddPartitionsToTxnRequest,
  AddPartitionsToTxnResponse,
} from '../../src/protocol/messages/24-add-partitions-to-txn.ts';
import { EndTxnRequest, EndTxnResponse } from '../../src/protocol/messages/26-end-txn.ts';
import { type BatchOptions, batch } from './raw-batch.ts';
import { WireClient } from './wire-client.ts';

const FIND_VERSION = 3;
const INIT_VERSION = 4;
const ADD_VERSION = 3;
/** By the version of the transaction protocol: 2 adds partitions by writing to them, and has an epoch for each end. */
const PRODUCE_VERSIONS = { 1: 11, 2: 12 } as const;
const END_VERSIONS = { 1: 4, 2: 5 } as const;

/** Not yet: the leader or the coordinator loads or moves, or the coordinator ends the transaction before. */
const NOT_YET: readonly number[] = [6, 14, 15, 16, 51];
const PATIENCE_MS = 30_000;
const TRANSACTION = 1;
const TRANSACTIONAL = 0x10;

export interface WireProducerOptions {
  readonly timeoutMs?: number;
  /** Of the protocol. Default 1. */
  readonly transactionVersion?: 1 | 2;
}

/** What is written: three records without keys, unless it says so. */
type Written = Pick<BatchOptions, 'baseTimestamp' | 'gzip' | 'records'>;

/**
 * A transactional producer that sends one request at a time, so that it can be left at any point of a transaction. With
 * the id `null` it is idempotent only.
 */
export class WireProducer {
  private client: WireClient;
  private readonly transactionalId: string | null;
  private readonly timeoutMs: number;
  private readonly transactionVersion: 1 | 2;
  private identity: { producerId: number | bigint; producerEpoch: number } = {
    producerId: -1,
    producerEpoch: -1,
  };
  private readonly sequences = new Map<string, number>();

  private constructor(client: WireClient, transactionalId: string | null, options: WireProducerOptions) {
    this.client = client;
    this.transactionalId = transactionalId;
    this.timeoutMs = options.timeoutMs ?? 60_000;
    this.transactionVersion = options.transactionVersion ?? 1;
  }

  static async open(
    port: number,
    transactionalId: string | null,
    options: WireProducerOptions = {},
  ): Promise<WireProducer> {
    const client = await WireClient.open(port, PATIENCE_MS);
    const producer = new WireProducer(client, transactionalId, options);
    if (transactionalId !== null) {
      // The question for the coordinator has the broker create the coordinators' topic.
      const key = { key: transactionalId, keyType: TRANSACTION };
      await patiently(() => client.send(FindCoordinatorRequest, FindCoordinatorResponse, FIND_VERSION, key));
    }
    await producer.init();
    return producer;
  }

  get producerId(): number | bigint {
    return this.identity.producerId;
  }

  get producerEpoch(): number {
    return this.identity.producerEpoch;
  }

  /** Asks for the next epoch, as a producer does that starts anew. */
  async init(): Promise<void> {
    const { transactionalId, timeoutMs: transactionTimeoutMs } = this;
    const body = { transactionalId, transactionTimeoutMs, producerId: -1, producerEpoch: -1 };
    const answer = await patiently(() =>
      this.client.send(InitProducerIdRequest, InitProducerIdResponse, INIT_VERSION, body),
    );
    this.take(answer);
  }

  /** Goes on where it was, with the broker that serves `port` now. */
  async reconnect(port: number): Promise<void> {
    this.client.close();
    this.client = await WireClient.open(port, PATIENCE_MS);
  }

  private take({ producerId, producerEpoch }: { producerId: number | bigint; producerEpoch: number }): void {
    this.identity = { producerId, producerEpoch };
    this.sequences.clear();
  }

  async addPartitions(topic: string, ...partitions: number[]): Promise<void> {
    const body = {
      v3AndBelowTransactionalId: this.transactionalId ?? '',
      v3AndBelowProducerId: this.producerId,
      v3AndBelowProducerEpoch: this.producerEpoch,
      v3AndBelowTopics: [{ name: topic, partitions }],
    };
    await patiently(async () => {
      const answer = await this.client.send(
        AddPartitionsToTxnRequest,
        AddPartitionsToTxnResponse,
        ADD_VERSION,
        body,
      );
      const results = answer.resultsByTopicV3AndBelow[0]?.resultsByPartition ?? [];
      return { errorCode: results.find(result => result.partitionErrorCode !== 0)?.partitionErrorCode ?? 0 };
    });
  }

  /** Writes a batch to a partition, which with version 1 must have been added. Returns the offset of the first record. */
  async produce(topic: string, partition: number, written: Written = {}): Promise<number | bigint> {
    const at = `${topic}-${partition}`;
    const baseSequence = this.sequences.get(at) ?? 0;
    const { producerId, producerEpoch } = this;
    const records = batch({
      ...written,
      attributes: this.transactionalId === null ? 0 : TRANSACTIONAL,
      producerId: Number(producerId),
      producerEpoch,
      baseSequence,
    });
    const version = PRODUCE_VERSIONS[this.transactionVersion];
    const body = {
      transactionalId: this.transactionalId,
      acks: -1,
      timeoutMs: PATIENCE_MS,
      topicData: [{ name: topic, partitionData: [{ index: partition, records }] }],
    };
    const result = await patiently(async () => {
      const answer = await this.client.send(ProduceRequest, ProduceResponse, version, body);
      return answer.responses[0]!.partitionResponses[0]!;
    });
    this.sequences.set(at, baseSequence + (written.records?.length ?? 3));
    return result.baseOffset;
  }

  async end(committed: boolean): Promise<void> {
    const { transactionalId, transactionVersion } = this;
    if (transactionalId === null) throw new Error('it has no transactions');
    const body = { transactionalId, ...this.identity, committed };
    const version = END_VERSIONS[transactionVersion];
    const answer = await patiently(() => this.client.send(EndTxnRequest, EndTxnResponse, version, body));
    if (transactionVersion === 2) this.take(answer);
  }

  close(): void {
    this.client.close();
  }
}

/** Asks again while the answer is "not yet"; rejects on any other error. */
async function patiently<T extends { errorCode: number }>(ask: () => Promise<T>): Promise<T> {
  const deadline = performance.now() + PATIENCE_MS;
  for (;;) {
    const answer = await ask();
    if (answer.errorCode === 0) return answer;
    if (!NOT_YET.includes(answer.errorCode) || performance.now() > deadline) {
      throw new Error(`error ${answer.errorCode}`);
    }
    await new Promise(resolve => setTimeout(resolve, 50));
  }
}
