import type { Int64, LeaderEpoch, Offset } from '../base/int64.ts';
import { type Uuid, ZERO_UUID } from '../base/uuid.ts';
import { Errors } from '../protocol/errors.ts';
import type { Clock, Random } from '../runtime/runtime.ts';
import type { FetchPartition, FetchPartitionResult } from './fetch-params.ts';

/**
 * Incremental fetches (KIP-227): a client names its partitions once and then only what changed, and the answers hold
 * only what has news.
 *
 * ```text
 *  request (session id, epoch)   meaning
 *  any, -1                       a full fetch without a session; ends the session named
 *  any,  0                       a full fetch that asks for a session; ends the session named
 *  id,   n > 0                   the n-th incremental fetch of session id
 * ```
 */
export const FINAL_EPOCH = -1;
export const INITIAL_EPOCH = 0;
export const NO_SESSION = 0;

/** Until then a session that is in use is not evicted for a new one, ms. Kafka's figure. */
const EVICTION_MIN_MS = 120_000;

/** A partition as a Fetch request names it: by topic name up to v12, by topic id from v13. */
export interface RequestedPartition {
  readonly topic: string;
  readonly topicId: Uuid;
  readonly partition: number;
  readonly currentLeaderEpoch: LeaderEpoch;
  readonly fetchOffset: Offset;
  readonly lastFetchedEpoch: LeaderEpoch;
  readonly maxBytes: number;
}

/** What {@link FetchSessions} knows of the topics of the cluster. */
export interface TopicNames {
  nameOf(topicId: Uuid): string | undefined;
  idOf(topic: string): Uuid | undefined;
}

export interface FetchSessionRequest {
  readonly sessionId: number;
  readonly sessionEpoch: number;
  readonly usesTopicIds: boolean;
  readonly partitions: readonly RequestedPartition[];
  readonly forgotten: readonly {
    readonly topic: string;
    readonly topicId: Uuid;
    readonly partition: number;
  }[];
}

/** A partition of a session and what its client was last told. */
interface CachedPartition {
  wanted: RequestedPartition;
  highWatermark: Int64;
  logStartOffset: Int64;
}

interface FetchSession {
  readonly id: number;
  readonly usesTopicIds: boolean;
  /** In the order in which they are read: those that had records go to the end. */
  readonly partitions: Map<string, CachedPartition>;
  readonly createdMs: number;
  lastUsedMs: number;
  epoch: number;
}

/** One request in the light of its session. */
export interface FetchContext {
  /** Not 0: the request is answered with it alone. */
  readonly errorCode: number;
  /** What to read, in this order. */
  readonly partitions: readonly FetchPartition[];
  /** Notes what is answered. Returns the session id for the answer, and which of the results go into it. */
  finish(results: readonly FetchPartitionResult[]): {
    sessionId: number;
    included: readonly boolean[] | undefined;
  };
}

function keyOf(
  partition: { topic: string; topicId: Uuid; partition: number },
  usesTopicIds: boolean,
): string {
  return `${usesTopicIds ? partition.topicId : partition.topic}-${partition.partition}`;
}

/** The fetch sessions of a broker, at most `slots` of them. */
export class FetchSessions {
  private readonly clock: Clock;
  private readonly random: Random;
  private readonly slots: number;
  /** The one used longest ago comes first. */
  private readonly sessions = new Map<number, FetchSession>();

  constructor(clock: Clock, random: Random, slots: number) {
    this.clock = clock;
    this.random = random;
    this.slots = slots;
  }

  get size(): number {
    return this.sessions.size;
  }

  open(request: FetchSessionRequest, names: TopicNames): FetchContext {
    const { sessionId, sessionEpoch } = request;
    if (sessionEpoch !== FINAL_EPOCH && sessionEpoch !== INITIAL_EPOCH)
      return this.incremental(request, names);
    if (sessionId !== NO_SESSION) this.sessions.delete(sessionId);
    const partitions = request.partitions.map(wanted => resolve(wanted, request.usesTopicIds, names));
    return {
      errorCode: Errors.NONE,
      partitions,
      finish: results => ({
        sessionId: sessionEpoch === INITIAL_EPOCH ? this.create(request, results) : NO_SESSION,
        included: undefined,
      }),
    };
  }

  private incremental(request: FetchSessionRequest, names: TopicNames): FetchContext {
    const session = this.sessions.get(request.sessionId);
    if (session === undefined) return refused(Errors.FETCH_SESSION_ID_NOT_FOUND);
    if (session.epoch !== request.sessionEpoch) return refused(Errors.INVALID_FETCH_SESSION_EPOCH);
    if (session.usesTopicIds !== request.usesTopicIds) return refused(Errors.FETCH_SESSION_TOPIC_ID_ERROR);
    this.update(session, request);
    if (session.partitions.size === 0) {
      this.sessions.delete(session.id);
      return {
        errorCode: Errors.NONE,
        partitions: [],
        finish: () => ({ sessionId: NO_SESSION, included: undefined }),
      };
    }
    session.epoch = session.epoch === 0x7fff_ffff ? 1 : session.epoch + 1;
    session.lastUsedMs = this.clock.monotonicMs();
    this.sessions.delete(session.id);
    this.sessions.set(session.id, session);
    const cached = [...session.partitions.values()];
    return {
      errorCode: Errors.NONE,
      partitions: cached.map(({ wanted }) => resolve(wanted, session.usesTopicIds, names)),
      finish: results => ({ sessionId: session.id, included: includeNews(session, cached, results) }),
    };
  }

  private update(session: FetchSession, request: FetchSessionRequest): void {
    for (const forgotten of request.forgotten)
      session.partitions.delete(keyOf(forgotten, session.usesTopicIds));
    for (const wanted of request.partitions) {
      const key = keyOf(wanted, session.usesTopicIds);
      const known = session.partitions.get(key);
      if (known === undefined) session.partitions.set(key, { wanted, highWatermark: -1, logStartOffset: -1 });
      else known.wanted = wanted;
    }
  }

  /** The id of a new session for `request`, or {@link NO_SESSION} where all slots are taken. */
  private create(request: FetchSessionRequest, results: readonly FetchPartitionResult[]): number {
    const nowMs = this.clock.monotonicMs();
    if (!this.makeRoom(request.partitions.length, nowMs)) return NO_SESSION;
    const partitions = new Map<string, CachedPartition>();
    request.partitions.forEach((wanted, index) => {
      const { highWatermark, logStartOffset } = results[index]!;
      partitions.set(keyOf(wanted, request.usesTopicIds), { wanted, highWatermark, logStartOffset });
    });
    const id = this.newId();
    const { usesTopicIds } = request;
    this.sessions.set(id, { id, usesTopicIds, partitions, createdMs: nowMs, lastUsedMs: nowMs, epoch: 1 });
    return id;
  }

  private newId(): number {
    for (;;) {
      const id = this.random.below(0x7fff_ffff) + 1;
      if (!this.sessions.has(id)) return id;
    }
  }

  /** A full cache gives up a session that is idle, or an old one that is smaller than the new one. */
  private makeRoom(partitionCount: number, nowMs: number): boolean {
    if (this.slots <= 0) return false;
    if (this.sessions.size < this.slots) return true;
    const oldest: FetchSession = this.sessions.values().next().value!;
    if (nowMs - oldest.lastUsedMs > EVICTION_MIN_MS) return this.sessions.delete(oldest.id);
    for (const session of this.sessions.values()) {
      if (nowMs - session.createdMs > EVICTION_MIN_MS && session.partitions.size < partitionCount) {
        return this.sessions.delete(session.id);
      }
    }
    return false;
  }
}

function refused(errorCode: number): FetchContext {
  return { errorCode, partitions: [], finish: () => ({ sessionId: NO_SESSION, included: undefined }) };
}

/** Names are looked up at each request: a topic of a session may have been deleted and made again. */
function resolve(wanted: RequestedPartition, usesTopicIds: boolean, names: TopicNames): FetchPartition {
  const topic = usesTopicIds ? names.nameOf(wanted.topicId) : wanted.topic;
  const topicId = usesTopicIds ? wanted.topicId : (names.idOf(wanted.topic) ?? ZERO_UUID);
  return { ...wanted, topic, topicId };
}

/** An incremental answer leaves out the partitions that have nothing new to say. */
function includeNews(
  session: FetchSession,
  cached: readonly CachedPartition[],
  results: readonly FetchPartitionResult[],
): boolean[] {
  return results.map((result, index) => {
    const partition = cached[index]!;
    const hasRecords = (result.data?.sizeInBytes ?? 0) > 0;
    const isNews =
      hasRecords ||
      result.errorCode !== Errors.NONE ||
      result.divergingEpoch !== undefined ||
      result.highWatermark !== partition.highWatermark ||
      result.logStartOffset !== partition.logStartOffset;
    if (isNews) {
      partition.highWatermark = result.highWatermark;
      partition.logStartOffset = result.logStartOffset;
    }
    // An error is told again until it is gone, and once more what follows it: the client has dropped what it knew.
    if (result.errorCode !== Errors.NONE) partition.highWatermark = -1;
    const key = keyOf(partition.wanted, session.usesTopicIds);
    if (hasRecords && session.partitions.get(key) === partition) {
      session.partitions.delete(key);
      session.partitions.set(key, partition);
    }
    return isNews;
  });
}
