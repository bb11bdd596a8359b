import { MalformedError } from '../../base/byte-reader.ts';
import { ByteWriter } from '../../base/byte-writer.ts';
import { codecOf } from '../../protocol/codec.ts';
import { Errors, errorCodeOf } from '../../protocol/errors.ts';
import { FetchRequest, FetchResponse } from '../../protocol/messages/01-fetch.ts';
import { type Input, inVersions } from '../../protocol/schema.ts';
import {
  CONSUMER,
  type FetchParams,
  type FetchPartition,
  type FetchPartitionResult,
} from '../../replication/fetch-params.ts';
import {
  FINAL_EPOCH,
  type FetchContext,
  NO_SESSION,
  type RequestedPartition,
} from '../../replication/fetch-session.ts';
import type { TargetRead } from '../../replication/fetch-target.ts';
import type { BrokerServices } from '../broker-services.ts';
import { type Answer, defineHandler, type RequestContext } from '../handler.ts';
import { leaderIdAndEpoch } from '../partition-metadata.ts';
import { behindUnreadable, hasOldFormat, inVersion } from './01-fetch-old-formats.ts';

const READ_COMMITTED = 1;
/** The length of an answer, in front of it. */
const LENGTH_BYTES = 4;
/** The replica id of tools that compare replicas: they read all that any replica has. */
const DEBUGGING_CONSUMER = -2;
const FIRST_VERSION_OF_RACKS = 11;
const FIRST_VERSION_OF_TOPIC_IDS = 13;
const FIRST_VERSION_OF_REPLICA_STATE = 15;
const FIRST_VERSION_OF_CURRENT_LEADER = 12;

/** One partition's part of an answer. */
interface PartitionAnswer {
  readonly wanted: FetchPartition;
  readonly result: FetchPartitionResult;
  readonly errorCode: number;
  readonly records: Buffer[];
}

/**
 * Fetch, v0 to v18.
 *
 * - v0 to v3: records in the old formats, converted down. v3: a limit for the whole answer.
 * - v4: record batches v2, isolation levels. v5: the log start offset. v7: sessions (KIP-227).
 * - v9: the leader epoch of the client. v10: zstd. v11: racks. v12: flexible, divergence by epochs.
 * - v13: topics by id. v15: the fetching replica moves to a tagged field. v16: where leaders are. v17: directory ids.
 * - v18: the high watermark that a follower knows.
 */
export const fetchHandler = defineHandler({
  request: FetchRequest,
  response: FetchResponse,
  largeAnswers: true,
  authorize: ['Read Topic', 'ClusterAction Cluster'],
  isExempt: (context, request) => followerIdOf(context, request) !== CONSUMER,
  handle(context, request, broker) {
    const isConsumer = followerIdOf(context, request) === CONSUMER;
    if (!isConsumer || !hasOldFormat(context.apiVersion)) return serve(context, request, broker);
    return behindUnreadable(request, broker).then(moved => serve(context, moved, broker));
  },
  failure(request, errorCode, _message, context) {
    if (context.apiVersion >= 7) return { errorCode };
    return {
      responses: request.topics.map(({ topic, partitions }) => ({
        topic,
        partitions: partitions.map(({ partition }) => ({
          partitionIndex: partition,
          errorCode,
          highWatermark: -1,
          records: null,
        })),
      })),
    };
  },
});

type FetchAnswer = Answer<Input<typeof FetchResponse>>;

function serve(
  context: RequestContext,
  request: FetchRequest,
  broker: BrokerServices,
): FetchAnswer | Promise<FetchAnswer> {
  const session = openSession(context, request, broker);
  if (session.errorCode !== Errors.NONE) return { errorCode: session.errorCode };
  const params = paramsOf(context, request, broker);
  return new Promise(resolve => {
    const cancel = broker.replicaManager.fetch(params, session, reads => {
      const throttleTimeMs = throttleOf(context, params, session, reads, broker);
      if (throttleTimeMs > 0) {
        resolve({ throttleTimeMs, sessionId: session.withhold() });
        return;
      }
      const { sessionId, included } = session.finish(reads);
      const answers = answersOf(context, included);
      if (answers instanceof Promise)
        answers.then(ready => resolve(responseOf(context, sessionId, ready, broker)));
      else resolve(responseOf(context, sessionId, answers, broker));
    });
    if (cancel !== undefined) {
      context.onClose(() => {
        cancel();
        resolve(undefined);
      });
    }
  });
}

function openSession(context: RequestContext, request: FetchRequest, broker: BrokerServices): FetchContext {
  const { topics } = broker.metadata();
  const partitions: RequestedPartition[] = [];
  for (const { topic, topicId, partitions: wanted } of request.topics) {
    for (const {
      partition,
      currentLeaderEpoch,
      fetchOffset,
      lastFetchedEpoch,
      logStartOffset,
      partitionMaxBytes,
    } of wanted) {
      const maxBytes = partitionMaxBytes;
      partitions.push({
        topic,
        topicId,
        partition,
        currentLeaderEpoch,
        fetchOffset,
        lastFetchedEpoch,
        logStartOffset,
        maxBytes,
      });
    }
  }
  const hasSessions = context.apiVersion >= 7;
  return broker.replicaManager.fetchSessions.open(
    {
      sessionId: hasSessions ? request.sessionId : NO_SESSION,
      sessionEpoch: hasSessions ? request.sessionEpoch : FINAL_EPOCH,
      usesTopicIds: context.apiVersion >= FIRST_VERSION_OF_TOPIC_IDS,
      replicaId: followerIdOf(context, request),
      partitions,
      forgotten: request.forgottenTopicsData.flatMap(({ topic, topicId, partitions: indexes }) =>
        indexes.map(partition => ({ topic, topicId, partition })),
      ),
    },
    { nameOf: id => topics.topicById(id)?.name, idOf: name => topics.topic(name)?.id },
  );
}

function replicaIdOf({ apiVersion }: RequestContext, request: FetchRequest): number {
  return apiVersion >= FIRST_VERSION_OF_REPLICA_STATE ? request.replicaState.replicaId : request.replicaId;
}

/** Whose state the leader keeps; {@link CONSUMER} for everybody else. */
function followerIdOf(context: RequestContext, request: FetchRequest): number {
  return Math.max(CONSUMER, replicaIdOf(context, request));
}

function paramsOf(context: RequestContext, request: FetchRequest, broker: BrokerServices): FetchParams {
  const replicaId = followerIdOf(context, request);
  const maxBytes = Math.min(
    request.maxBytes,
    broker.config.int('fetch.max.bytes'),
    // More than its quota has room for would be held back however often it is asked for.
    replicaId === CONSUMER ? Math.floor(broker.quotas.fetch.maxValueInWindow(context)) : request.maxBytes,
  );
  const isDebugging = replicaIdOf(context, request) === DEBUGGING_CONSUMER;
  const canMove = isDebugging || context.apiVersion >= FIRST_VERSION_OF_RACKS;
  return {
    replicaId,
    ignoresHighWatermark: replicaId !== CONSUMER && !broker.replicaManager.selectsByRack,
    replicaEpoch:
      context.apiVersion >= FIRST_VERSION_OF_REPLICA_STATE ? request.replicaState.replicaEpoch : -1,
    clientRack: canMove ? request.rackId : undefined,
    maxWaitMs: request.maxWaitMs,
    minBytes: Math.min(request.minBytes, maxBytes),
    maxBytes,
    isolation: isDebugging
      ? 'logEnd'
      : request.isolationLevel === READ_COMMITTED
        ? 'txnCommitted'
        : 'highWatermark',
  };
}

/**
 * For how long a consumer must wait instead of getting what was read, ms; 0 if it gets it. What it does not get is not
 * counted. Replication has quotas of its own.
 */
function throttleOf(
  context: RequestContext,
  params: FetchParams,
  session: FetchContext,
  reads: readonly TargetRead[],
  broker: BrokerServices,
): number {
  const quota = broker.quotas.fetch;
  if (!quota.isEnabled || params.replicaId !== CONSUMER) return 0;
  const size = sizeOf(context, session, reads, broker);
  const throttleMs = quota.recordAndGetThrottleMs(context, size);
  if (throttleMs > 0) quota.record(context, -size);
  return throttleMs;
}

/**
 * Bytes of the answer before any conversion, as Apache Kafka counts them: the length in front and the body, of which
 * all but the records is encoded for it.
 */
function sizeOf(
  context: RequestContext,
  session: FetchContext,
  reads: readonly TargetRead[],
  broker: BrokerServices,
): number {
  const told = reads.filter(({ target, result }) => session.isFull || target.isNews(result));
  const answers = told.map(({ target, result }) => {
    return { wanted: target.wanted, result, errorCode: result.errorCode, records: [] };
  });
  const writer = new ByteWriter();
  codecOf(FetchResponse, context.apiVersion).encode(writer, responseOf(context, NO_SESSION, answers, broker));
  const isFlexible = inVersions(FetchResponse.flexible, context.apiVersion);
  const ofRecords = told.map(({ result }) => {
    const sizeInBytes = result.data?.sizeInBytes ?? 0;
    // One byte for the length of no records is in what was encoded.
    return sizeInBytes + (isFlexible ? uvarintBytes(sizeInBytes + 1) - 1 : 0);
  });
  return ofRecords.reduce((size, bytes) => size + bytes, LENGTH_BYTES + writer.size);
}

/** How many bytes a length takes in the flexible versions: 7 bits each. */
function uvarintBytes(value: number): number {
  let bytes = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes++;
  return bytes;
}

/** Loads the records of the partitions that go into the answer; at once where all are in memory. */
function answersOf(
  context: RequestContext,
  reads: readonly TargetRead[],
): PartitionAnswer[] | Promise<PartitionAnswer[]> {
  let isReady = true;
  const answers = reads.map(({ target, result }) => {
    const answer = loadRecords(context, target.wanted, result);
    if (answer instanceof Promise) isReady = false;
    return answer;
  });
  return isReady ? (answers as PartitionAnswer[]) : Promise.all(answers);
}

function loadRecords(
  context: RequestContext,
  wanted: FetchPartition,
  result: FetchPartitionResult,
): PartitionAnswer | Promise<PartitionAnswer> {
  const slices = result.data?.slices ?? [];
  const loads = slices.map(slice => slice.load());
  const convert = (records: Buffer[]): PartitionAnswer => {
    try {
      const inFormat = inVersion(context.apiVersion, records, wanted);
      return { wanted, result, errorCode: result.errorCode, records: inFormat };
    } catch (error) {
      return unreadable(wanted, result, error);
    }
  };
  if (loads.every(load => Buffer.isBuffer(load))) return convert(loads as Buffer[]);
  return Promise.all(loads).then(convert, error => unreadable(wanted, result, error));
}

function unreadable(wanted: FetchPartition, result: FetchPartitionResult, error: unknown): PartitionAnswer {
  const errorCode = error instanceof MalformedError ? Errors.CORRUPT_MESSAGE : errorCodeOf(error);
  return { wanted, result, errorCode, records: [] };
}

function responseOf(
  context: RequestContext,
  sessionId: number,
  answers: readonly PartitionAnswer[],
  broker: BrokerServices,
): Input<typeof FetchResponse> {
  type Topic = { topic: string; topicId: string; partitions: ReturnType<typeof partitionOf>[] };
  const responses: Topic[] = [];
  let current: Topic | undefined;
  for (const answer of answers) {
    const { topic, topicId } = answer.wanted;
    if (current === undefined || current.topicId !== topicId || current.topic !== (topic ?? '')) {
      current = { topic: topic ?? '', topicId, partitions: [] };
      responses.push(current);
    }
    current.partitions.push(partitionOf(context, answer, broker));
  }
  return { sessionId, responses };
}

function partitionOf(context: RequestContext, answer: PartitionAnswer, broker: BrokerServices) {
  const { wanted, result, errorCode, records } = answer;
  // Kafka has an empty list where it did not come as far as a log, else null for what was not asked.
  const isUnknown = errorCode === Errors.UNKNOWN_TOPIC_OR_PARTITION || errorCode === Errors.UNKNOWN_TOPIC_ID;
  const partition = {
    partitionIndex: wanted.partition,
    errorCode,
    highWatermark: result.highWatermark,
    lastStableOffset: result.lastStableOffset,
    logStartOffset: result.logStartOffset,
    abortedTransactions: result.abortedTransactions ?? (isUnknown ? [] : null),
    preferredReadReplica: result.preferredReadReplica,
    records,
    ...(result.divergingEpoch === undefined ? {} : { divergingEpoch: result.divergingEpoch }),
  };
  const isMoved = errorCode === Errors.NOT_LEADER_OR_FOLLOWER || errorCode === Errors.FENCED_LEADER_EPOCH;
  if (!isMoved || context.apiVersion < FIRST_VERSION_OF_CURRENT_LEADER) return partition;
  const registration = broker.metadata().topics.partition(wanted.topic ?? '', wanted.partition);
  return { ...partition, currentLeader: leaderIdAndEpoch(registration) };
}
