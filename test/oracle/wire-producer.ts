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
import { batch } from './raw-batch.ts';
import { WireClient } from './wire-client.ts';

/** Of the first transaction protocol: the last versions that do not name a transaction's partitions by themselves. */
const FIND_VERSION = 3;
const INIT_VERSION = 4;
const ADD_VERSION = 3;
const PRODUCE_VERSION = 11;
const END_VERSION = 4;

/** Not yet: the coordinator loads, moves, or ends the transaction before. */
const NOT_YET: readonly number[] = [14, 15, 16, 51];
const PATIENCE_MS = 30_000;
const TRANSACTION = 1;
const TRANSACTIONAL = 0x10;

/** A transactional producer that sends one request at a time, so that it can be left at any point of a transaction. */
export class WireProducer {
  readonly producerId: number | bigint;
  readonly producerEpoch: number;
  private readonly client: WireClient;
  private readonly transactionalId: string;
  private readonly sequences = new Map<string, number>();

  private constructor(
    client: WireClient,
    transactionalId: string,
    producerId: number | bigint,
    producerEpoch: number,
  ) {
    this.client = client;
    this.transactionalId = transactionalId;
    this.producerId = producerId;
    this.producerEpoch = producerEpoch;
  }

  static async open(port: number, transactionalId: string, timeoutMs = 60_000): Promise<WireProducer> {
    const client = await WireClient.open(port, PATIENCE_MS);
    // The question for the coordinator has the broker create the coordinators' topic.
    const key = { key: transactionalId, keyType: TRANSACTION };
    await patiently(() => client.send(FindCoordinatorRequest, FindCoordinatorResponse, FIND_VERSION, key));
    const body = { transactionalId, transactionTimeoutMs: timeoutMs, producerId: -1, producerEpoch: -1 };
    const answer = await patiently(() =>
      client.send(InitProducerIdRequest, InitProducerIdResponse, INIT_VERSION, body),
    );
    return new WireProducer(client, transactionalId, answer.producerId, answer.producerEpoch);
  }

  private get identity() {
    const { transactionalId, producerId, producerEpoch } = this;
    return { transactionalId, producerId, producerEpoch };
  }

  async addPartitions(topic: string, ...partitions: number[]): Promise<void> {
    const body = {
      v3AndBelowTransactionalId: this.transactionalId,
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

  /** Writes three records to a partition that must have been added. Returns the offset of the first. */
  async produce(topic: string, partition: number, baseTimestamp?: number): Promise<number | bigint> {
    const at = `${topic}-${partition}`;
    const baseSequence = this.sequences.get(at) ?? 0;
    const { producerId, producerEpoch } = this;
    const records = batch({
      attributes: TRANSACTIONAL,
      producerId: Number(producerId),
      producerEpoch,
      baseSequence,
      ...(baseTimestamp === undefined ? {} : { baseTimestamp }),
    });
    const answer = await this.client.send(ProduceRequest, ProduceResponse, PRODUCE_VERSION, {
      transactionalId: this.transactionalId,
      acks: -1,
      timeoutMs: PATIENCE_MS,
      topicData: [{ name: topic, partitionData: [{ index: partition, records }] }],
    });
    const result = answer.responses[0]?.partitionResponses[0];
    if (result?.errorCode !== 0) throw new Error(`writing to ${at}: error ${result?.errorCode}`);
    this.sequences.set(at, baseSequence + 3);
    return result.baseOffset;
  }

  async end(committed: boolean): Promise<void> {
    const body = { ...this.identity, committed };
    await patiently(() => this.client.send(EndTxnRequest, EndTxnResponse, END_VERSION, body));
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
