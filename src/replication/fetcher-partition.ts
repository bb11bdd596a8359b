import { type LeaderEpoch, max64, min64, type Offset } from '../base/int64.ts';
import type { Logger } from '../base/logger.ts';
import type { UnifiedLog } from '../log/unified-log.ts';
import type { FetchResponse } from '../protocol/messages/01-fetch.ts';
import type { Partition } from './partition.ts';

/** A partition's part of a leader's answer. */
export type FetchedPartition = FetchResponse['responses'][number]['partitions'][number];

/**
 * | status   | meaning                                                                                        |
 * |----------|------------------------------------------------------------------------------------------------|
 * | fetching | it is in the fetcher's session, or in its next request                                          |
 * | waiting  | an error, the throttle, or appends that are not written yet: it is left out until that is over  |
 * | removed  | another leader, another epoch, or no replica here any more: whatever comes for it is dropped    |
 */
export type FetcherPartitionStatus = 'fetching' | 'waiting' | 'removed';

/** A replica that follows a leader in one leader epoch. A new epoch makes a new one. */
export class FetcherPartition {
  readonly partition: Partition;
  readonly log: UnifiedLog;
  readonly leaderId: number;
  readonly leaderEpoch: LeaderEpoch;
  status: FetcherPartitionStatus = 'fetching';
  /** A request has named it, so that an answer may be for it. */
  isRequested = false;
  /** Failures in a row. */
  failures = 0;
  /** It has got records of this leader in this epoch. */
  hasAppended = false;
  /** How often the leader has said that these are not in its log. */
  contradictions = 0;
  /** Its log was cut below the high watermark: only the leader knows what is committed now. */
  private isUnclean = false;

  constructor(partition: Partition, log: UnifiedLog) {
    this.partition = partition;
    this.log = log;
    this.leaderId = partition.leaderId;
    this.leaderEpoch = partition.leaderEpoch;
  }

  get index(): number {
    return this.partition.topicPartition.partition;
  }

  get fetchOffset(): Offset {
    return this.log.logEndOffset;
  }

  /** The epoch of the last record; -1 of an empty log. */
  get lastFetchedEpoch(): LeaderEpoch {
    return this.log.latestEpoch ?? -1;
  }

  /**
   * Without leader epochs nothing tells which of the records behind the high watermark the leader has: they go, as they
   * did before there were epochs.
   */
  prepare(logger: Logger): void {
    const { log } = this;
    if (log.latestEpoch === undefined && log.logEndOffset > log.highWatermark) {
      this.truncate(log.highWatermark, logger);
    }
  }

  /** What the leader says of committed records and of where the log starts. Whether the start has moved. */
  onLeaderOffsets(highWatermark: Offset, logStartOffset: Offset): boolean {
    const { log } = this;
    const committed = min64(highWatermark, log.logEndOffset);
    if (this.isUnclean) log.updateHighWatermark(max64(committed, log.logStartOffset));
    else if (committed > log.highWatermark) log.maybeIncrementHighWatermark(committed);
    const start = min64(logStartOffset, log.highWatermark);
    return log.maybeIncrementLogStartOffset(start, 'the log start of the leader');
  }

  /**
   * The leader's log has parted from ours behind `leaderEnd` of `leaderEpoch`, the largest epoch not above our last one
   * that it knows (KIP-101, KIP-279). What lies behind the end of the largest epoch that both know goes; if we do not
   * know the leader's epoch either, the next fetch asks again from the end of the largest one below it.
   *
   * With the records below its log start the leader has forgotten their epochs: whether ours were the same nobody can
   * tell. Where nothing else is left of our log it begins anew at `leaderStart`, or the power would only have to fail
   * before that is on the disk for both to show records that differ (R1).
   */
  truncateToDivergence(
    leaderEpoch: LeaderEpoch,
    leaderEnd: Offset,
    leaderStart: Offset,
    logger: Logger,
  ): void {
    const { log } = this;
    const ours = log.endOffsetForEpoch(leaderEpoch);
    let offset = log.logEndOffset;
    if (ours === undefined || ours.leaderEpoch === leaderEpoch) offset = min64(offset, leaderEnd);
    if (ours !== undefined) offset = min64(offset, ours.offset);
    this.truncate(offset, logger);
    if (offset <= leaderStart && log.logStartOffset < leaderStart) log.truncateFullyAndStartAt(leaderStart);
  }

  /** Removes the records at and behind `offset` (R8). */
  truncate(offset: Offset, logger: Logger): void {
    const { log } = this;
    const fields = {
      partition: this.partition.name,
      to: offset,
      from: log.logEndOffset,
      highWatermark: log.highWatermark,
      leaderId: this.leaderId,
      leaderEpoch: this.leaderEpoch,
    };
    if (offset < log.highWatermark) {
      this.isUnclean = true;
      logger.warn(
        'a log is cut below its high watermark, as after an unclean election: committed records are lost',
        fields,
      );
    } else if (offset < log.logEndOffset) {
      logger.info('a log is cut to where it parts from that of the leader', fields);
    }
    log.truncateTo(offset);
  }
}
