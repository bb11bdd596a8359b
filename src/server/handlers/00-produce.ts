import { checkProducedRecords } from '../../log/log-validator.ts';
import { Errors, KafkaError } from '../../protocol/errors.ts';
import { ProduceRequest, ProduceResponse } from '../../protocol/messages/00-produce.ts';
import type { Input } from '../../protocol/schema.ts';
import { transactionOperationOf } from '../../protocol/transaction-operation.ts';
import type { RecordBatch } from '../../record/record-batch.ts';
import {
  type AppendCallback,
  failedAppend,
  type PartitionAppendResult,
} from '../../replication/delayed-produce.ts';
import type { TransactionalEntry } from '../../replication/replica-manager.ts';
import type { TransactionalBatch } from '../../replication/transactional-appends.ts';
import type { BrokerServices } from '../broker-services.ts';
import { defineHandler } from '../handler.ts';
import { leaderIdAndEpoch } from '../partition-metadata.ts';

/**
 * Produce, v0 to v13.
 *
 * - v0, v1: message sets of the old formats; they are stored as v2. v1 adds the throttle time.
 * - v2: the log append time in the answer. v3: record batches v2, the transactional id.
 * - v5: the log start offset. v7: zstd. v8: which records were at fault. v9: flexible.
 * - v10: where the leader is, if it is not here. v11: TRANSACTION_ABORTABLE. v12: the partition is added to the
 *   transaction (KIP-890).
 * - v13: topics by id.
 */
export const produceHandler = defineHandler({
  request: ProduceRequest,
  response: ProduceResponse,
  authorize: ['Write Topic', 'Write TransactionalId'],
  handle(context, request, broker) {
    const { acks } = request;
    if (acks !== 0 && acks !== 1 && acks !== -1) {
      throw new KafkaError(Errors.INVALID_REQUIRED_ACKS, `acks is ${acks}: it may be -1 (all), 0 or 1`);
    }
    const entries = entriesOf(context.apiVersion, request, broker);
    return new Promise((resolve, reject) => {
      const onComplete: AppendCallback = results => {
        const { produce } = broker.quotas;
        const throttleTimeMs = produce.isEnabled
          ? produce.recordAndGetThrottleMs(context, context.frame.length)
          : 0;
        // Without an answer nobody can be told, but the connection is muted all the same.
        if (throttleTimeMs > 0) context.throttle(throttleTimeMs);
        if (acks !== 0) resolve(answer(context.apiVersion, request, results, broker, throttleTimeMs));
        else if (results.every(result => result.errorCode === Errors.NONE)) resolve(undefined);
        else reject(firstError(results));
      };
      const { replicaManager } = broker;
      const { timeoutMs, transactionalId } = request;
      if (transactionalId === null) {
        replicaManager.appendRecords(entries, acks, timeoutMs, { origin: 'client' }, onComplete);
      } else {
        checkProducer(entries);
        const operation = transactionOperationOf('Produce', context.apiVersion);
        const transaction = { transactionalId, operation };
        replicaManager.appendTransactional(entries, acks, timeoutMs, transaction, onComplete);
      }
    });
  },
  failure(request, errorCode, message) {
    // With acks=0 there is nobody to tell: the closed connection makes the client look at the metadata again.
    if (request.acks === 0) return undefined;
    const result = failedAppend(new KafkaError(errorCode, message ?? undefined));
    return {
      responses: request.topicData.map(topic => ({
        name: topic.name,
        topicId: topic.topicId,
        partitionResponses: topic.partitionData.map(({ index }) => ({ index, ...result })),
      })),
    };
  },
});

/** Throws TRANSACTIONAL_ID_AUTHORIZATION_FAILED for transactional records without a transactional id. */
function entriesOf(version: number, request: ProduceRequest, broker: BrokerServices): TransactionalEntry[] {
  const entries: TransactionalEntry[] = [];
  for (const { name, topicId, partitionData } of request.topicData) {
    const topic = name !== '' ? name : broker.metadata().topics.topicById(topicId)?.name;
    for (const { index, records } of partitionData) {
      const topicPartition = { topic: topic ?? '', partition: index };
      let refusal: KafkaError | undefined;
      let batch: RecordBatch | undefined;
      if (topic === undefined) refusal = new KafkaError(Errors.UNKNOWN_TOPIC_ID, 'no topic has this id');
      else if (records !== null) {
        try {
          batch = checkProducedRecords(records, version);
        } catch (error) {
          if (!(error instanceof KafkaError)) throw error;
          // They are not what this version of Produce may carry.
          refusal = error;
        }
      }
      if (batch === undefined || !batch.isTransactional) {
        entries.push({ topicPartition, records, refusal });
        continue;
      }
      if (request.transactionalId === null) {
        throw new KafkaError(
          Errors.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
          'transactional records need a transactional id in the request',
        );
      }
      entries.push({ topicPartition, records, refusal, batch: headerOf(batch) });
    }
  }
  return entries;
}

/** What outlives the request: others of the same producer may wait for what it waits for. */
function headerOf({ producerId, producerEpoch, baseSequence, hasProducerId }: RecordBatch) {
  // Without a producer id it is refused by the log.
  return hasProducerId ? { producerId, producerEpoch, baseSequence } : undefined;
}

/** The transactional records of a request are of one producer, in one epoch. */
function checkProducer(entries: readonly TransactionalEntry[]): void {
  let first: TransactionalBatch | undefined;
  for (const { batch } of entries) {
    if (batch === undefined) continue;
    first ??= batch;
    if (batch.producerId === first.producerId && batch.producerEpoch === first.producerEpoch) continue;
    throw new KafkaError(
      Errors.INVALID_PRODUCER_ID_MAPPING,
      'the transactional records of a request have to be of one producer, in one epoch',
    );
  }
}

function firstError(results: readonly PartitionAppendResult[]): KafkaError {
  const failed = results.find(result => result.errorCode !== Errors.NONE)!;
  return new KafkaError(failed.errorCode, failed.errorMessage ?? undefined);
}

function answer(
  version: number,
  request: ProduceRequest,
  results: readonly PartitionAppendResult[],
  broker: BrokerServices,
  throttleTimeMs: number,
): Input<typeof ProduceResponse> {
  let next = 0;
  return {
    throttleTimeMs,
    responses: request.topicData.map(({ name, topicId, partitionData }) => ({
      name,
      topicId,
      partitionResponses: partitionData.map(({ index }) => {
        const result = results[next++]!;
        const isMoved = version >= 10 && result.errorCode === Errors.NOT_LEADER_OR_FOLLOWER;
        if (!isMoved) return { index, ...result };
        return { index, ...result, currentLeader: leaderOf(broker, name, topicId, index) };
      }),
    })),
  };
}

function leaderOf(broker: BrokerServices, name: string, topicId: string, partition: number) {
  const { topics } = broker.metadata();
  return leaderIdAndEpoch(
    name !== '' ? topics.partition(name, partition) : topics.partitionById(topicId, partition),
  );
}
