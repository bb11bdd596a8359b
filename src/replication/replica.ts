import { type BrokerEpoch, max64, type Offset } from '../base/int64.ts';

const UNKNOWN: Offset = -1;

/** A fetch session of a follower, for partitions that it does not name because nothing has changed. */
export interface FetchSource {
  /** When the follower last fetched, on the monotonic clock, ms. */
  lastFetchMs: number;
}

/** What one fetch of a follower says about one partition. */
export interface FollowerFetch {
  /** It has everything below. */
  readonly fetchOffset: Offset;
  /** Its log start offset; -1 if it does not say. */
  readonly logStartOffset: Offset;
  /** -1 where the version of Fetch has none. */
  readonly brokerEpoch: BrokerEpoch;
  /** Monotonic, ms. */
  readonly nowMs: number;
  /** Of the leader, at this moment. */
  readonly leaderEndOffset: Offset;
  /** The session it came in, if there is one. */
  readonly source: FetchSource | undefined;
}

/**
 * A replica on another broker, as the leader knows it from its fetches.
 *
 * A follower in a fetch session does not name a partition that has nothing new. While it is at the end of the leader's
 * log, the time of the session's last fetch is when it was last caught up; {@link onLeaderAppend} takes it down before
 * the leader's log goes on.
 */
export class Replica {
  readonly brokerId: number;
  /** -1 until it has fetched from this leader. */
  logEndOffset: Offset = UNKNOWN;
  /** -1 while it is not known. */
  logStartOffset: Offset = UNKNOWN;
  /** In which it last fetched; undefined before it has. -1 where it does not say. */
  brokerEpoch: BrokerEpoch | undefined;
  /** When it was last at the end of the leader's log, monotonic, ms, if not {@link source} knows better. */
  private caughtUpMs = Number.NEGATIVE_INFINITY;
  private lastFetchMs = Number.NEGATIVE_INFINITY;
  private leaderEndAtLastFetch: Offset = UNKNOWN;
  private source: FetchSource | undefined;
  /** The one before {@link source}: bytes of an old connection that come late begin and end a session meanwhile. */
  private earlierSource: FetchSource | undefined;

  constructor(brokerId: number) {
    this.brokerId = brokerId;
  }

  /**
   * A new leader epoch. What is known of the log stays if the leader stays. A member of the ISR has from `nowMs` on the
   * whole time that a follower may lag.
   */
  reset(nowMs: number, isNewLeader: boolean, isInSync: boolean, leaderEndOffset: Offset): void {
    this.caughtUpMs = isInSync ? nowMs : Number.NEGATIVE_INFINITY;
    this.lastFetchMs = isInSync && !isNewLeader ? nowMs : Number.NEGATIVE_INFINITY;
    this.leaderEndAtLastFetch = isNewLeader ? UNKNOWN : leaderEndOffset;
    this.source = undefined;
    this.earlierSource = undefined;
    if (!isNewLeader) return;
    this.logEndOffset = UNKNOWN;
    this.logStartOffset = UNKNOWN;
    this.brokerEpoch = undefined;
  }

  update(fetch: FollowerFetch): void {
    const { fetchOffset, leaderEndOffset, nowMs } = fetch;
    if (fetchOffset >= leaderEndOffset) this.caughtUpMs = Math.max(this.caughtUpMs, nowMs);
    else if (this.leaderEndAtLastFetch >= 0 && fetchOffset >= this.leaderEndAtLastFetch) {
      // It has all that was there when it asked before: at that time it was behind by nothing.
      this.caughtUpMs = Math.max(this.caughtUpMs, this.lastFetchMs);
    }
    this.logStartOffset = fetch.logStartOffset;
    this.logEndOffset = fetchOffset;
    this.leaderEndAtLastFetch = leaderEndOffset;
    this.lastFetchMs = nowMs;
    this.brokerEpoch = fetch.brokerEpoch;
    if (fetch.source !== undefined) this.attach(fetch.source);
  }

  /** The leader's log is about to grow from `leaderEndOffset`. */
  onLeaderAppend(leaderEndOffset: Offset): void {
    const { source } = this;
    if (source === undefined || this.logEndOffset < leaderEndOffset) return;
    this.caughtUpMs = Math.max(this.caughtUpMs, source.lastFetchMs);
    this.lastFetchMs = this.caughtUpMs;
    this.leaderEndAtLastFetch = max64(this.leaderEndAtLastFetch, leaderEndOffset);
  }

  /** The partition belongs to a session from now on, whose fetches need not name it. */
  attach(source: FetchSource): void {
    if (source === this.source) return;
    this.earlierSource = this.source;
    this.source = source;
  }

  /** The session does not fetch this partition any more. */
  detach(source: FetchSource, leaderEndOffset: Offset): void {
    if (this.source === source) {
      this.onLeaderAppend(leaderEndOffset);
      this.source = this.earlierSource;
      this.earlierSource = undefined;
    } else if (this.earlierSource === source) this.earlierSource = undefined;
  }

  /** Whether it has fetched from this leader within `lagMaxMs`. */
  isFetching(nowMs: number, lagMaxMs: number): boolean {
    return nowMs - Math.max(this.lastFetchMs, this.source?.lastFetchMs ?? this.lastFetchMs) <= lagMaxMs;
  }

  /** Monotonic, ms; minus infinity if it never was. */
  lastCaughtUpMs(leaderEndOffset: Offset): number {
    const isAtEnd = this.source !== undefined && this.logEndOffset >= leaderEndOffset;
    return isAtEnd ? Math.max(this.caughtUpMs, this.source!.lastFetchMs) : this.caughtUpMs;
  }

  /** Whether it is at the end of the leader's log, or was within `lagMaxMs` (`replica.lag.time.max.ms`). */
  isCaughtUp(leaderEndOffset: Offset, nowMs: number, lagMaxMs: number): boolean {
    return this.logEndOffset === leaderEndOffset || nowMs - this.caughtUpMs <= lagMaxMs;
  }
}
