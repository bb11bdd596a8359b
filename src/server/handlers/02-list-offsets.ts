import type { LeaderEpoch, Offset, Timestamp } from '../../base/int64.ts';
import type { FetchIsolation } from '../../log/fetch-data-info.ts';
import type { UnifiedLog } from '../../log/unified-log.ts';
import { Errors, errorCodeOf, KafkaError } from '../../protocol/errors.ts';
import { ListOffsetsRequest, ListOffsetsResponse } from '../../protocol/messages/02-list-offsets.ts';
import type { Partition } from '../../replication/partition.ts';
import type { BrokerServices } from '../broker-services.ts';
import { defineHandler, type RequestContext } from '../handler.ts';

const CONSUMER = -1;
/** The replica id of tools that compare replicas. */
const DEBUGGING_CONSUMER = -2;
const LATEST = -1;
/** There is no tiered storage that anything could wait for. */
const EARLIEST_PENDING_UPLOAD = -6;
const FIRST_VERSION_OF_LEADER_EPOCHS = 4;
const FIRST_VERSION_OF_OFFSET_NOT_AVAILABLE = 5;
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
            : listOne(context, request, name, wanted, broker)),
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

/** A follower, or a tool that compares replicas, asks for the end of the log itself. */
function isolationOf({ replicaId, isolationLevel }: ListOffsetsRequest): FetchIsolation {
  if (replicaId !== CONSUMER) return 'logEnd';
  return isolationLevel === 1 ? 'txnCommitted' : 'highWatermark';
}

function listOne(
  context: RequestContext,
  request: ListOffsetsRequest,
  topic: string,
  wanted: RequestedPartition,
  broker: BrokerServices,
): ListedOffset {
  try {
    const { timestamp } = wanted;
    const isolation = isolationOf(request);
    if (timestamp < 0 && context.apiVersion < (FIRST_VERSION_OF.get(timestamp) ?? Number.POSITIVE_INFINITY)) {
      throw new KafkaError(
        Errors.UNSUPPORTED_VERSION,
        `version ${context.apiVersion} has no timestamp ${timestamp}`,
      );
    }
    const partition = broker.replicaManager.partitionOrThrow({ topic, partition: wanted.partitionIndex });
    const log = request.replicaId === DEBUGGING_CONSUMER ? partition.anyLog() : partition.leaderLog();
    partition.checkLeaderEpoch(wanted.currentLeaderEpoch);
    if (context.apiVersion === 0) {
      return { ...NONE, oldStyleOffsets: segmentStarts(log, timestamp, wanted.maxNumOffsets) };
    }
    if (timestamp === EARLIEST_PENDING_UPLOAD) return NONE;
    if (timestamp === LATEST && isolation !== 'logEnd') checkOffsetsAreKnown(context, partition, log);
    const found = log.fetchOffsetByTimestamp(timestamp, isolation);
    if (found === undefined) {
      if (isolation !== 'logEnd') checkOffsetsAreKnown(context, partition, log);
      return NONE;
    }
    const leaderEpoch = context.apiVersion >= FIRST_VERSION_OF_LEADER_EPOCHS ? found.leaderEpoch : -1;
    return { ...NONE, timestamp: found.timestamp, offset: found.offset, leaderEpoch };
  } catch (error) {
    return { ...NONE, errorCode: errorCodeOf(error) };
  }
}

/**
 * A new leader does not know at first how far its predecessor had committed. It does when its high watermark has come
 * to where its epoch began: until then it might tell an end that lies before one that was told already (KIP-207).
 */
function checkOffsetsAreKnown(context: RequestContext, partition: Partition, log: UnifiedLog): void {
  const start = partition.leaderEpochStartOffset;
  if (start === undefined || start <= log.highWatermark) return;
  throw new KafkaError(
    context.apiVersion >= FIRST_VERSION_OF_OFFSET_NOT_AVAILABLE
      ? Errors.OFFSET_NOT_AVAILABLE
      : Errors.LEADER_NOT_AVAILABLE,
    'the leader is new and does not know yet what is committed',
  );
}

/** v0: the newest first, the high watermark standing for the end of the log. */
function segmentStarts(log: UnifiedLog, timestamp: Timestamp, maxCount: number): Offset[] {
  const { highWatermark } = log;
  const offsets = log.legacyFetchOffsetsBefore(timestamp, maxCount);
  if (!offsets.some(offset => offset > highWatermark)) return offsets;
  return [highWatermark, ...offsets.filter(offset => offset < highWatermark)];
}
