import type { Offset, Timestamp } from '../base/int64.ts';
import { abortedTransactions, collectAbortedTxns } from './aborted-transactions.ts';
import type { FetchDataInfo, FetchIsolation, LogOffsetMetadata } from './fetch-data-info.ts';
import type { LocalLog } from './local-log.ts';
import type { LogEnvironment } from './log-environment.ts';
import {
  fetchOffsetByTimestamp,
  legacyFetchOffsetsBefore,
  type TimestampAndOffset,
} from './log-offset-lookup.ts';
import type { LogOffsets } from './log-offsets.ts';
import type { AbortedTxn } from './transaction-index.ts';
import type { UnifiedLog } from './unified-log.ts';

/** What one log is asked: records from an offset on, offsets by time, aborted transactions, as far as they count. */
export class LogQueries {
  private readonly environment: LogEnvironment;
  private readonly log: UnifiedLog;
  private readonly local: LocalLog;
  private readonly offsets: LogOffsets;

  constructor(environment: LogEnvironment, log: UnifiedLog, local: LocalLog, offsets: LogOffsets) {
    this.environment = environment;
    this.log = log;
    this.local = local;
    this.offsets = offsets;
  }

  /** See {@link UnifiedLog.read}. */
  read(
    startOffset: Offset,
    maxBytes: number,
    isolation: FetchIsolation,
    minOneMessage: boolean,
  ): FetchDataInfo {
    const { local, offsets } = this;
    local.checkOnline();
    offsets.checkInRange(startOffset);
    const committed = isolation === 'txnCommitted';
    const maxOffset = offsets.upperBound(isolation);
    if (startOffset >= maxOffset || (maxBytes <= 0 && !minOneMessage)) {
      return {
        fetchOffset: this.offsetMetadata(startOffset),
        slices: [],
        sizeInBytes: 0,
        abortedTransactions: committed ? [] : undefined,
      };
    }
    const { fetchOffset, slices, sizeInBytes, upperBound } = local.reader.plan(
      startOffset,
      maxBytes,
      maxOffset,
      minOneMessage,
    );
    const aborted = committed
      ? local.dir.onDisk(() => abortedTransactions(this.environment, this.log, startOffset, upperBound))
      : undefined;
    return { fetchOffset, slices, sizeInBytes, abortedTransactions: aborted };
  }

  /** See {@link UnifiedLog.offsetMetadata}. */
  offsetMetadata(offset: Offset): LogOffsetMetadata {
    const { local } = this;
    return local.reader.offsetMetadata(offset, local.logEndOffset);
  }

  /** See {@link UnifiedLog.fetchOffsetByTimestamp}. */
  fetchOffsetByTimestamp(target: Timestamp, isolation: FetchIsolation): TimestampAndOffset | undefined {
    const { local, log, offsets } = this;
    local.checkOnline();
    return local.dir.onDisk(() => fetchOffsetByTimestamp(log, target, offsets.upperBound(isolation)));
  }

  /** See {@link UnifiedLog.legacyFetchOffsetsBefore}. */
  legacyFetchOffsetsBefore(timestamp: Timestamp, maxOffsets: number): Offset[] {
    const { environment, local, log } = this;
    local.checkOnline();
    return local.dir.onDisk(() => legacyFetchOffsetsBefore(log, environment.disk, timestamp, maxOffsets));
  }

  /** See {@link UnifiedLog.collectAbortedTxns}. */
  collectAbortedTxns(from: Offset, to: Offset): AbortedTxn[] {
    const { environment, local, log } = this;
    return local.dir.onDisk(() => collectAbortedTxns(environment, log, from, to));
  }
}
