import type { LeaderEpoch, Offset } from '../base/int64.ts';
import { type Uuid, ZERO_UUID } from '../base/uuid.ts';
import { Errors } from '../protocol/errors.ts';
import type { Clock, Random } from '../runtime/runtime.ts';
import { CONSUMER, type FetchPartition } from './fetch-params.ts';
import { FetchTarget, type FetchTargetOwner, type TargetRead } from './fetch-target.ts';
import type { PartitionProgress } from './partition-waits.ts';
import type { FetchSource } from './replica.ts';

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
 *
 * A session watches its partitions. Those that have changed since they were last read, and those that the request
 * names, are *due*; the others are not looked at, so that thousands of idle partitions cost nothing.
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
  readonly logStartOffset: Offset;
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
  /** The broker id of a follower, else {@link CONSUMER}. */
  readonly replicaId: number;
  readonly partitions: readonly RequestedPartition[];
  readonly forgotten: readonly {
    readonly topic: string;
    readonly topicId: Uuid;
    readonly partition: number;
  }[];
}

/** Called when a target may have more to read; from inside an append: it only takes note. */
export type ProgressListener = (progress: PartitionProgress) => void;

/** One request in the light of its session. */
export interface FetchContext {
  /** Not 0: the request is answered with it alone. */
  readonly errorCode: number;
  /** The session, for the followers' state; undefined where there is none. */
  readonly source: FetchSource | undefined;
  /** Every target is answered, with news or without. */
  readonly isFull: boolean;
  /** What to read now, in this order. */
  due(): readonly FetchTarget[];
  /** A read of `target` has found nothing to tell: it is left alone until it has progress. */
  settle(target: FetchTarget): void;
  /** Waits for progress of the targets, until it is called with undefined. */
  listen(listener: ProgressListener | undefined): void;
  /** The client is gone: there will be no answer. */
  abandon(): void;
  /** Notes what is answered, of all that was due and read. */
  finish(reads: readonly TargetRead[]): { sessionId: number; included: readonly TargetRead[] };
  /** The answer is an empty one instead: what was read stays due. Gives the id of the session, if there is one. */
  withhold(): number;
}

function keyOf(
  partition: { topic: string; topicId: Uuid; partition: number },
  usesTopicIds: boolean,
): string {
  return `${usesTopicIds ? partition.topicId : partition.topic}-${partition.partition}`;
}

/** What a client has told once and what changed since. */
class FetchSession implements FetchTargetOwner, FetchSource, FetchContext {
  readonly id: number;
  readonly usesTopicIds: boolean;
  readonly isFollower: boolean;
  readonly replicaId: number;
  readonly targets = new Map<string, FetchTarget>();
  readonly createdMs: number;
  lastFetchMs: number;
  epoch = 1;
  readonly errorCode = Errors.NONE;
  readonly isFull = false;
  /** In the order in which they are read: those that had records go to the end. */
  private readonly dueTargets = new Set<FetchTarget>();
  private listener: ProgressListener | undefined;

  constructor(id: number, request: FetchSessionRequest, nowMs: number) {
    this.id = id;
    this.usesTopicIds = request.usesTopicIds;
    this.isFollower = request.replicaId !== CONSUMER;
    this.replicaId = request.replicaId;
    this.createdMs = nowMs;
    this.lastFetchMs = nowMs;
  }

  get source(): FetchSource {
    return this;
  }

  private add(key: string, target: FetchTarget): void {
    this.targets.set(key, target);
    this.dueTargets.add(target);
  }

  /** Takes over a target of the full fetch that begins the session. */
  take(key: string, target: FetchTarget): void {
    target.owner = this;
    this.add(key, target);
    if (this.isFollower) target.partition?.replica(this.replicaId)?.attach(this);
  }

  update(request: FetchSessionRequest, names: TopicNames): void {
    for (const forgotten of request.forgotten) this.forget(keyOf(forgotten, this.usesTopicIds));
    for (const requested of request.partitions) {
      const key = keyOf(requested, this.usesTopicIds);
      const wanted = resolve(requested, this.usesTopicIds, names);
      const known = this.targets.get(key);
      if (known === undefined) {
        this.add(key, new FetchTarget(wanted, this));
      } else {
        known.wanted = wanted;
        known.isNamed = true;
        this.dueTargets.add(known);
      }
    }
    // A topic may have been deleted and made again since the last look.
    for (const target of this.dueTargets) {
      if (target.isNamed) continue;
      const { topic, topicId } = target.wanted;
      target.wanted = resolve({ ...target.wanted, topic: topic ?? '', topicId }, this.usesTopicIds, names);
    }
  }

  private forget(key: string): void {
    const target = this.targets.get(key);
    if (target === undefined) return;
    this.targets.delete(key);
    this.dueTargets.delete(target);
    this.release(target);
  }

  /** The follower's silence means nothing any more: it has left the partition. */
  private release(target: FetchTarget): void {
    const { partition } = target;
    target.watch(undefined);
    if (!this.isFollower || partition === undefined) return;
    const end = partition.log?.logEndOffset;
    if (end !== undefined) partition.replica(this.replicaId)?.detach(this, end);
  }

  end(): void {
    for (const target of this.targets.values()) this.release(target);
    this.targets.clear();
    this.dueTargets.clear();
  }

  onTargetProgress(target: FetchTarget, progress: PartitionProgress): void {
    this.dueTargets.add(target);
    this.listener?.(progress);
  }

  due(): readonly FetchTarget[] {
    return [...this.dueTargets];
  }

  settle(target: FetchTarget): void {
    this.dueTargets.delete(target);
  }

  listen(listener: ProgressListener | undefined): void {
    this.listener = listener;
  }

  abandon(): void {}

  finish(reads: readonly TargetRead[]): { sessionId: number; included: readonly TargetRead[] } {
    const included: TargetRead[] = [];
    for (const read of reads) {
      const { target, result } = read;
      if (!target.isNews(result)) continue;
      target.told(result);
      included.push(read);
      if ((result.data?.sizeInBytes ?? 0) > 0 && this.dueTargets.delete(target)) this.dueTargets.add(target);
    }
    return { sessionId: this.id, included };
  }

  withhold(): number {
    return this.id;
  }
}

/** A fetch that names all that it wants, and may begin a session. */
class FullFetch implements FetchTargetOwner, FetchContext {
  readonly errorCode = Errors.NONE;
  readonly isFull = true;
  readonly isFollower: boolean;
  readonly source = undefined;
  private readonly targets: readonly FetchTarget[];
  private readonly onFinish: (targets: readonly FetchTarget[]) => number;
  private listener: ProgressListener | undefined;

  constructor(
    wanted: readonly FetchPartition[],
    isFollower: boolean,
    onFinish: (targets: readonly FetchTarget[]) => number,
  ) {
    this.isFollower = isFollower;
    this.targets = wanted.map(each => new FetchTarget(each, this));
    this.onFinish = onFinish;
  }

  due(): readonly FetchTarget[] {
    return this.targets;
  }

  settle(): void {}

  onTargetProgress(_target: FetchTarget, progress: PartitionProgress): void {
    this.listener?.(progress);
  }

  listen(listener: ProgressListener | undefined): void {
    this.listener = listener;
  }

  /** The targets that a new session has taken over stay watched. */
  abandon(): void {
    for (const target of this.targets) if (target.owner === this) target.watch(undefined);
  }

  finish(reads: readonly TargetRead[]): { sessionId: number; included: readonly TargetRead[] } {
    for (const { target, result } of reads) target.told(result);
    const sessionId = this.onFinish(this.targets);
    this.abandon();
    return { sessionId, included: reads };
  }

  /** As in Kafka, no session begins: the client asks for one again with its next full fetch. */
  withhold(): number {
    this.abandon();
    return NO_SESSION;
  }
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
    const { sessionId, sessionEpoch, usesTopicIds } = request;
    if (sessionEpoch !== FINAL_EPOCH && sessionEpoch !== INITIAL_EPOCH)
      return this.incremental(request, names);
    if (sessionId !== NO_SESSION) this.remove(this.sessions.get(sessionId));
    const wanted = request.partitions.map(requested => resolve(requested, usesTopicIds, names));
    return new FullFetch(wanted, request.replicaId !== CONSUMER, targets =>
      sessionEpoch === INITIAL_EPOCH ? this.create(request, targets) : NO_SESSION,
    );
  }

  private incremental(request: FetchSessionRequest, names: TopicNames): FetchContext {
    const session = this.sessions.get(request.sessionId);
    if (session === undefined || session.replicaId !== request.replicaId)
      return refused(Errors.FETCH_SESSION_ID_NOT_FOUND);
    if (session.epoch !== request.sessionEpoch) return refused(Errors.INVALID_FETCH_SESSION_EPOCH);
    if (session.usesTopicIds !== request.usesTopicIds) return refused(Errors.FETCH_SESSION_TOPIC_ID_ERROR);
    session.update(request, names);
    if (session.targets.size === 0) {
      this.remove(session);
      return refused(Errors.NONE);
    }
    session.epoch = session.epoch === 0x7fff_ffff ? 1 : session.epoch + 1;
    session.lastFetchMs = this.clock.monotonicMs();
    this.sessions.delete(session.id);
    this.sessions.set(session.id, session);
    return session;
  }

  /** The id of a new session for `request`, or {@link NO_SESSION} where all slots are taken. */
  private create(request: FetchSessionRequest, targets: readonly FetchTarget[]): number {
    const nowMs = this.clock.monotonicMs();
    const isFollower = request.replicaId !== CONSUMER;
    if (targets.length === 0 || !this.makeRoom(targets.length, isFollower, nowMs)) return NO_SESSION;
    const session = new FetchSession(this.newId(), request, nowMs);
    for (const [index, requested] of request.partitions.entries()) {
      session.take(keyOf(requested, request.usesTopicIds), targets[index]!);
    }
    this.sessions.set(session.id, session);
    return session.id;
  }

  private remove(session: FetchSession | undefined): boolean {
    if (session === undefined) return false;
    session.end();
    return this.sessions.delete(session.id);
  }

  private newId(): number {
    for (;;) {
      const id = this.random.below(0x7fff_ffff) + 1;
      if (!this.sessions.has(id)) return id;
    }
  }

  /**
   * A full cache gives up a session that is idle, an old one that is smaller than the new one, or for a follower that
   * of a consumer: replication would read all partitions at each fetch without one.
   */
  private makeRoom(partitionCount: number, isFollower: boolean, nowMs: number): boolean {
    if (this.slots <= 0) return false;
    if (this.sessions.size < this.slots) return true;
    const oldest: FetchSession = this.sessions.values().next().value!;
    if (nowMs - oldest.lastFetchMs > EVICTION_MIN_MS) return this.remove(oldest);
    for (const session of this.sessions.values()) {
      if (isFollower !== session.isFollower) {
        if (isFollower) return this.remove(session);
        continue;
      }
      const isOld = nowMs - session.createdMs > EVICTION_MIN_MS;
      if (isOld && session.targets.size < partitionCount) return this.remove(session);
    }
    return false;
  }
}

function refused(errorCode: number): FetchContext {
  return {
    errorCode,
    source: undefined,
    isFull: true,
    due: () => [],
    settle() {},
    listen() {},
    abandon() {},
    finish: () => ({ sessionId: NO_SESSION, included: [] }),
    withhold: () => NO_SESSION,
  };
}

/** Names are looked up at each request: a topic of a session may have been deleted and made again. */
function resolve(wanted: RequestedPartition, usesTopicIds: boolean, names: TopicNames): FetchPartition {
  const topic = usesTopicIds ? names.nameOf(wanted.topicId) : wanted.topic;
  const topicId = usesTopicIds ? wanted.topicId : (names.idOf(wanted.topic) ?? ZERO_UUID);
  return { ...wanted, topic, topicId };
}
