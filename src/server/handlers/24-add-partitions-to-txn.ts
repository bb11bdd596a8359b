import { type TopicPartition, topicPartitionKey } from '../../log/topic-partition.ts';
import { Errors } from '../../protocol/errors.ts';
import {
  AddPartitionsToTxnRequest,
  AddPartitionsToTxnResponse,
} from '../../protocol/messages/24-add-partitions-to-txn.ts';
import type { BrokerServices } from '../broker-services.ts';
import { defineHandler } from '../handler.ts';
import { partitionsByTopic } from '../partitions-by-topic.ts';
import { producerErrorCode } from '../producer-error-code.ts';

type RequestedTransaction = AddPartitionsToTxnRequest['transactions'][number];
type TransactionResult = AddPartitionsToTxnResponse['resultsByTransaction'][number];

/** Clients know PRODUCER_FENCED from here on. */
const FENCED_MIN_VERSION = 2;
/** Brokers ask from here on, for several transactions at once. */
const BROKER_MIN_VERSION = 4;
/** Brokers add partitions for producers of transaction version 2 from here on. */
const EPOCH_BUMP_MIN_VERSION = 5;

/**
 * AddPartitionsToTxn, v0 to v5. A producer names the partitions that it will write to (v0 to v3); a broker asks whether
 * partitions belong to a transaction, or adds those that a producer has begun to write to (v4 and v5, KIP-890).
 *
 * - v2: PRODUCER_FENCED. v3: flexible. v4: several transactions, and verification. v5: TRANSACTION_ABORTABLE; what is
 *   added is a transaction of version 2.
 *
 * If one partition of a transaction is not there, none is added: OPERATION_NOT_ATTEMPTED.
 */
export const addPartitionsToTxn = defineHandler({
  request: AddPartitionsToTxnRequest,
  response: AddPartitionsToTxnResponse,
  authorize: ['Write TransactionalId', 'Write Topic', 'ClusterAction Cluster'],
  isExempt: ({ apiVersion }) => apiVersion >= BROKER_MIN_VERSION,
  async handle({ apiVersion }, request, broker) {
    if (apiVersion >= BROKER_MIN_VERSION) {
      const transactionVersion = apiVersion >= EPOCH_BUMP_MIN_VERSION ? 2 : 0;
      const resultsByTransaction = await addPartitions(request.transactions, transactionVersion, broker);
      return { resultsByTransaction };
    }
    const [result] = await addPartitions([transactionOf(request)], 0, broker);
    const { topicResults } = result!;
    for (const { resultsByPartition } of topicResults) {
      for (const each of resultsByPartition)
        each.partitionErrorCode = producerErrorCode(each.partitionErrorCode, apiVersion, FENCED_MIN_VERSION);
    }
    return { resultsByTopicV3AndBelow: topicResults };
  },
  failure(request, errorCode, _message, { apiVersion }) {
    if (apiVersion >= BROKER_MIN_VERSION) return { errorCode };
    const transaction = transactionOf(request);
    const results = topicResults(partitionsOf(transaction), () => errorCode);
    return { resultsByTopicV3AndBelow: withEmptyTopics(results, transaction) };
  },
});

function transactionOf(request: AddPartitionsToTxnRequest): RequestedTransaction {
  return {
    transactionalId: request.v3AndBelowTransactionalId,
    producerId: request.v3AndBelowProducerId,
    producerEpoch: request.v3AndBelowProducerEpoch,
    verifyOnly: false,
    topics: request.v3AndBelowTopics,
  };
}

/** What the handler does for brokers; a broker needs no connection to ask its own coordinator. */
export function addPartitions(
  transactions: readonly RequestedTransaction[],
  transactionVersion: number,
  broker: BrokerServices,
): Promise<TransactionResult[]> {
  return Promise.all(
    transactions.map(async transaction => {
      const partitions = partitionsOf(transaction);
      const { transactionalId, verifyOnly } = transaction;
      const missing = missingAmong(partitions, broker);
      const codes = missing ?? (await codesFor(transaction, partitions, transactionVersion, broker));
      const results = topicResults(partitions, at => codes[at]!);
      const isOfWhole = missing === undefined && !verifyOnly;
      return {
        transactionalId,
        topicResults: isOfWhole ? withEmptyTopics(results, transaction) : results,
      };
    }),
  );
}

/** Where partitions are not there, a code for each; else `undefined`. */
function missingAmong(
  partitions: readonly TopicPartition[],
  broker: BrokerServices,
): readonly number[] | undefined {
  const { topics } = broker.metadata();
  const isThere = partitions.map(({ topic, partition }) => topics.partition(topic, partition) !== undefined);
  if (!isThere.includes(false)) return undefined;
  return isThere.map(there => (there ? Errors.OPERATION_NOT_ATTEMPTED : Errors.UNKNOWN_TOPIC_OR_PARTITION));
}

/** One for each partition, which are all there. The synchronous half is done when this returns. */
async function codesFor(
  transaction: RequestedTransaction,
  partitions: readonly TopicPartition[],
  transactionVersion: number,
  broker: BrokerServices,
): Promise<readonly number[]> {
  const { transactionalId, producerId, producerEpoch, verifyOnly } = transaction;
  const producer = { transactionalId, producerId, producerEpoch };
  const coordinator = broker.transactionCoordinator;
  if (verifyOnly) return coordinator.verifyPartitions(producer, partitions);
  const code = await coordinator.addPartitions({ ...producer, partitions, transactionVersion });
  return partitions.map(() => code);
}

/** Each partition once. */
function partitionsOf({ topics }: RequestedTransaction): TopicPartition[] {
  const all = new Map<string, TopicPartition>();
  for (const { name, partitions } of topics) {
    for (const partition of partitions) {
      const each = { topic: name, partition };
      all.set(topicPartitionKey(each), each);
    }
  }
  return [...all.values()];
}

function topicResults(
  partitions: readonly TopicPartition[],
  codeAt: (index: number) => number,
): TransactionResult['topicResults'] {
  const codes = new Map(partitions.map((each, at) => [topicPartitionKey(each), codeAt(at)]));
  return partitionsByTopic(partitions, (name, indexes) => ({
    name,
    resultsByPartition: indexes.map(partitionIndex => ({
      partitionIndex,
      partitionErrorCode: codes.get(topicPartitionKey({ topic: name, partition: partitionIndex }))!,
    })),
  }));
}

/** With the topics of which no partition was named: an answer for the whole transaction has them too, as Kafka's has. */
function withEmptyTopics(
  results: TransactionResult['topicResults'],
  { topics }: RequestedTransaction,
): TransactionResult['topicResults'] {
  const answered = new Set(results.map(({ name }) => name));
  const empty = new Set(topics.map(({ name }) => name).filter(name => !answered.has(name)));
  return [...results, ...Array.from(empty, name => ({ name, resultsByPartition: [] }))];
}
