import type { LeaderEpoch } from '../../base/int64.ts';
import { Errors, errorCodeOf } from '../../protocol/errors.ts';
import {
  OffsetForLeaderEpochRequest,
  OffsetForLeaderEpochResponse,
} from '../../protocol/messages/23-offset-for-leader-epoch.ts';
import type { BrokerServices } from '../broker-services.ts';
import { defineHandler } from '../handler.ts';

/**
 * OffsetForLeaderEpoch, v0 to v4: where the records of a leader epoch end, for those who look for truncated records.
 *
 * - v1: the epoch found. v2: the client's own leader epoch. v3: the replica's id. v4: flexible.
 */
export const offsetForLeaderEpochHandler = defineHandler({
  request: OffsetForLeaderEpochRequest,
  response: OffsetForLeaderEpochResponse,
  authorize: ['Describe Topic', 'ClusterAction Cluster'],
  handle: (_context, request, broker) => ({
    topics: request.topics.map(({ topic, partitions }) => ({
      topic,
      partitions: partitions.map(({ partition, currentLeaderEpoch, leaderEpoch }) => ({
        partition,
        ...endOffsetOf(broker, topic, partition, currentLeaderEpoch, leaderEpoch),
      })),
    })),
  }),
  failure: (request, errorCode) => ({
    topics: request.topics.map(({ topic, partitions }) => ({
      topic,
      partitions: partitions.map(({ partition }) => ({ partition, errorCode })),
    })),
  }),
});

function endOffsetOf(
  broker: BrokerServices,
  topic: string,
  index: number,
  currentLeaderEpoch: LeaderEpoch,
  leaderEpoch: LeaderEpoch,
) {
  try {
    const partition = broker.replicaManager.partitionOrThrow({ topic, partition: index });
    const log = partition.leaderLog();
    partition.checkLeaderEpoch(currentLeaderEpoch);
    const end = log.endOffsetForEpoch(leaderEpoch);
    if (end === undefined) return { errorCode: Errors.NONE, leaderEpoch: -1, endOffset: -1 };
    return { errorCode: Errors.NONE, leaderEpoch: end.leaderEpoch, endOffset: end.offset };
  } catch (error) {
    return { errorCode: errorCodeOf(error), leaderEpoch: -1, endOffset: -1 };
  }
}
