import type { ProducerId } from '../../base/int64.ts';
import type { TopicPartition } from '../../log/topic-partition.ts';
import { InternalTopic } from '../../metadata/topic-name.ts';
import { Errors, errorCodeOf, KafkaError } from '../../protocol/errors.ts';
import {
  WriteTxnMarkersRequest,
  WriteTxnMarkersResponse,
} from '../../protocol/messages/27-write-txn-markers.ts';
import { type TransactionMarker, transactionMarkerBatch } from '../../record/transaction-marker.ts';
import type { BrokerServices } from '../broker-services.ts';
import { defineHandler } from '../handler.ts';

type RequestedMarker = WriteTxnMarkersRequest['markers'][number];

const ALL_REPLICAS = -1;
/** Before other work gets its turn: about 5 ms. */
const MARKERS_PER_TURN = 500;

/** A coordinator of groups that is not ready yet, in words that the coordinator of transactions knows. */
const NOT_READY: ReadonlySet<number> = new Set([
  Errors.COORDINATOR_NOT_AVAILABLE,
  Errors.COORDINATOR_LOAD_IN_PROGRESS,
  Errors.NOT_COORDINATOR,
]);

/**
 * WriteTxnMarkers, v0 to v2: the coordinator of transactions has the leaders of partitions write how transactions have
 * ended (KIP-98); tools of an operator end those that hang (KIP-664). v1 is flexible. v2 has the version of the
 * transaction, by which the producer epoch is checked (KIP-890).
 *
 * Each partition has its own result. A marker that is sent again is written again, and changes nothing. What concerns
 * `__consumer_offsets` is the group coordinator's, whose state the marker changes.
 */
export const writeTxnMarkers = defineHandler({
  request: WriteTxnMarkersRequest,
  response: WriteTxnMarkersResponse,
  authorize: ['Alter Cluster', 'ClusterAction Cluster'],
  isExempt: () => true,
  handle: (_context, request, broker) => writeTransactionMarkers(request, broker),
  failure({ markers }, errorCode) {
    const results = new MarkerResults();
    for (const marker of markers) {
      for (const topicPartition of partitionsOf(marker)) {
        results.add(marker.producerId, topicPartition, errorCode);
      }
    }
    return results.response();
  },
});

/** What the handler does; the coordinator of this broker needs no connection for it. */
export async function writeTransactionMarkers(
  { markers }: Pick<WriteTxnMarkersRequest, 'markers'>,
  broker: BrokerServices,
): Promise<WriteTxnMarkersResponse> {
  const results = new MarkerResults();
  const writes: Promise<void>[] = [];
  const begin = (marker: TransactionMarker, partitions: readonly TopicPartition[]): void => {
    const written = write(marker, partitions, results, broker);
    // It may be known to have failed before all have begun, and is looked at then.
    written.catch(() => {});
    writes.push(written);
  };
  let left = MARKERS_PER_TURN;
  for (const requested of markers) {
    const marker = markerOf(requested);
    let partitions: TopicPartition[] = [];
    for (const topicPartition of partitionsOf(requested)) {
      partitions.push(topicPartition);
      if (--left > 0) continue;
      begin(marker, partitions);
      partitions = [];
      await new Promise<void>(resolve => broker.runtime.timers.soon(resolve));
      left = MARKERS_PER_TURN;
    }
    if (partitions.length > 0) begin(marker, partitions);
  }
  await Promise.all(writes);
  return results.response();
}

function markerOf(requested: RequestedMarker): TransactionMarker {
  const { producerId, producerEpoch, coordinatorEpoch, transactionResult, transactionVersion } = requested;
  return { producerId, producerEpoch, coordinatorEpoch, isCommit: transactionResult, transactionVersion };
}

/** Each partition once. */
function* partitionsOf({ topics }: RequestedMarker): Iterable<TopicPartition> {
  const seen = new Map<string, Set<number>>();
  for (const { name, partitionIndexes } of topics) {
    let indexes = seen.get(name);
    if (indexes === undefined) seen.set(name, (indexes = new Set()));
    for (const partition of partitionIndexes) {
      if (indexes.has(partition)) continue;
      indexes.add(partition);
      yield { topic: name, partition };
    }
  }
}

/** The synchronous half is done when this returns. */
async function write(
  marker: TransactionMarker,
  partitions: readonly TopicPartition[],
  results: MarkerResults,
  broker: BrokerServices,
): Promise<void> {
  const { replicaManager, runtime, config } = broker;
  const appends: { topicPartition: TopicPartition; records: Buffer }[] = [];
  const completions: Promise<void>[] = [];
  const timestamp = runtime.clock.wallMs();
  for (const topicPartition of partitions) {
    const { topic, partition } = topicPartition;
    const replica = replicaManager.partition(topic, partition);
    if (replica === undefined || replica.isOffline) {
      results.add(marker.producerId, topicPartition, Errors.UNKNOWN_TOPIC_OR_PARTITION);
    } else if (topic === InternalTopic.CONSUMER_OFFSETS) {
      completions.push(completeInGroups(marker, topicPartition, results, broker));
    } else {
      appends.push({ topicPartition, records: transactionMarkerBatch(marker, timestamp) });
    }
  }
  await new Promise<void>(resolve => {
    const { transactionVersion } = marker;
    const options = { origin: 'coordinator', transactionVersion } as const;
    replicaManager.appendRecords(
      appends,
      ALL_REPLICAS,
      config.int('request.timeout.ms'),
      options,
      answers => {
        for (const [at, { topicPartition }] of appends.entries()) {
          results.add(marker.producerId, topicPartition, answers[at]!.errorCode);
        }
        resolve();
      },
    );
  });
  await Promise.all(completions);
}

async function completeInGroups(
  marker: TransactionMarker,
  topicPartition: TopicPartition,
  results: MarkerResults,
  broker: BrokerServices,
): Promise<void> {
  let errorCode: number = Errors.NONE;
  try {
    await broker.groupCoordinator.completeTransaction(topicPartition.partition, marker);
  } catch (error) {
    if (!(error instanceof KafkaError)) throw error;
    const code = errorCodeOf(error);
    errorCode = NOT_READY.has(code) ? Errors.NOT_LEADER_OR_FOLLOWER : code;
  }
  results.add(marker.producerId, topicPartition, errorCode);
}

/** The last word on each partition, by producer. */
class MarkerResults {
  private readonly producers = new Map<ProducerId, Map<string, Map<number, number>>>();

  add(producerId: ProducerId, { topic, partition }: TopicPartition, errorCode: number): void {
    let topics = this.producers.get(producerId);
    if (topics === undefined) this.producers.set(producerId, (topics = new Map()));
    let partitions = topics.get(topic);
    if (partitions === undefined) topics.set(topic, (partitions = new Map()));
    partitions.set(partition, errorCode);
  }

  response(): WriteTxnMarkersResponse {
    return {
      markers: Array.from(this.producers, ([producerId, topics]) => ({
        producerId,
        topics: Array.from(topics, ([name, partitions]) => ({
          name,
          partitions: Array.from(partitions, ([partitionIndex, errorCode]) => ({
            partitionIndex,
            errorCode,
          })),
        })),
      })),
    };
  }
}
