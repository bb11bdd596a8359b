import type { LeaderEpoch, Offset, Timestamp } from '../../base/int64.ts';
import type { UnifiedLog } from '../../log/unified-log.ts';
import { Errors, errorCodeOf, KafkaError } from '../../protocol/errors.ts';
import { ListOffsetsRequest, ListOffsetsResponse } from '../../protocol/messages/02-list-offsets.ts';
import type { BrokerServices } from '../broker-services.ts';
import { defineHandler, type RequestContext } from '../handler.ts';

const LATEST = -1;
/** There is no tiered storage that anything could wait for. */
const EARLIEST_PENDING_UPLOAD = -6;
const FIRST_VERSION_OF_LEADER_EPOCHS = 4;
/** The first version of ListOffsets that knows each of the timestamps with a meaning of their own. */
const FIRST_VERSION_OF: ReadonlyMap<Timestamp, number> = new Map([
  [LATEST, 0],
  [-2, 0], // earliest
  [-3, 7], // of the largest timestamp
  [-4, 8], // earliest on a local disk
  [-5, 9], // latest in tiered storage
  [EARLIEST_PENDING_UPLOAD, 11],
]);

type RequestedPartition = ListOffsetsRequest['topics'][number]['partitions'][number];

interface ListedOffset {
  readonly errorCode: number;
  readonly timestamp: Timestamp;
  readonly offset: Offset;
  readonly leaderEpoch: LeaderEpoch;
  readonly oldStyleOffsets: Offset[];
}

const NONE: ListedOffset = { errorCode: 0, timestamp: -1, offset: -1, leaderEpoch: -1, oldStyleOffsets: [] };

/**
 * ListOffsets, v0 to v11.
 *
 * - v0: the starts of segments before a timestamp. v1: one offset by timestamp. v2: isolation levels.
 * - v4: leader epochs. v6: flexible. v7: the largest timestamp. v8: earliest local. v9: latest tiered. v10: a timeout.
 * - v11: earliest not yet in tiered storage.
 */
export const listOffsetsHandler = defineHandler({
  request: ListOffsetsRequest,
  response: ListOffsetsResponse,
  listeners: ['broker'],
  authorize: ['Describe Topic'],
  handle(context, request, broker) {
    const seen = new Set<string>();
    const duplicates = new Set<string>();
    for (const { name, partitions } of request.topics) {
      for (const { partitionIndex } of partitions) {
        const key = `${name}-${partitionIndex}`;
        (seen.has(key) ? duplicates : seen).add(key);
      }
    }
    return {
      topics: request.topics.map(({ name, partitions }) => ({
        name,
        partitions: partitions.map(wanted => ({
          partitionIndex: wanted.partitionIndex,
          ...(duplicates.has(`${name}-${wanted.partitionIndex}`)
            ? { ...NONE, errorCode: Errors.INVALID_REQUEST }
            : listOne(context, request.isolationLevel === 1, name, wanted, broker)),
        })),
      })),
    };
  },
  failure: (request, errorCode) => ({
    topics: request.topics.map(({ name, partitions }) => ({
      name,
      partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode })),
    })),
  }),
});

function listOne(
  context: RequestContext,
  isReadCommitted: boolean,
  topic: string,
  wanted: RequestedPartition,
  broker: BrokerServices,
): ListedOffset {
  try {
    const { timestamp } = wanted;
    if (timestamp < 0 && context.apiVersion < (FIRST_VERSION_OF.get(timestamp) ?? Number.POSITIVE_INFINITY)) {
      throw new KafkaError(
        Errors.UNSUPPORTED_VERSION,
        `version ${context.apiVersion} has no timestamp ${timestamp}`,
      );
    }
    const partition = broker.replicaManager.partitionOrThrow({ topic, partition: wanted.partitionIndex });
    const log = partition.leaderLog();
    partition.checkLeaderEpoch(wanted.currentLeaderEpoch);
    if (context.apiVersion === 0) {
      return { ...NONE, oldStyleOffsets: segmentStarts(log, timestamp, wanted.maxNumOffsets) };
    }
    if (timestamp === EARLIEST_PENDING_UPLOAD) return NONE;
    const found = log.fetchOffsetByTimestamp(timestamp, isReadCommitted ? 'txnCommitted' : 'highWatermark');
    if (found === undefined) return NONE;
    const leaderEpoch = context.apiVersion >= FIRST_VERSION_OF_LEADER_EPOCHS ? found.leaderEpoch : -1;
    return { ...NONE, timestamp: found.timestamp, offset: found.offset, leaderEpoch };
  } catch (error) {
    return { ...NONE, errorCode: errorCodeOf(error) };
  }
}

/** v0: the newest first, the high watermark standing for the end of the log. */
function segmentStarts(log: UnifiedLog, timestamp: Timestamp, maxCount: number): Offset[] {
  const { highWatermark } = log;
  const offsets = log.legacyFetchOffsetsBefore(timestamp, maxCount);
  if (!offsets.some(offset => offset > highWatermark)) return offsets;
  return [highWatermark, ...offsets.filter(offset => offset < highWatermark)];
}
