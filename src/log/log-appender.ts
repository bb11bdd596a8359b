import { invariant } from '../base/assert.ts';
import { diff64, type LeaderEpoch } from '../base/int64.ts';
import { Errors, KafkaError } from '../protocol/errors.ts';
import { NO_PRODUCER_ID } from '../record/record.ts';
import { BATCH_LENGTH_POSITION, LOG_OVERHEAD, RecordBatch } from '../record/record-batch.ts';
import type { LocalLog } from './local-log.ts';
import type { LogAppendInfo } from './log-append-info.ts';
import type { LogEnvironment } from './log-environment.ts';
import { updateProducerState } from './log-replay.ts';
import type { LogRoller } from './log-roller.ts';
import { MAX_RELATIVE_OFFSET } from './log-segment.ts';
import { type AppendOrigin, validateAndAssignOffsets } from './log-validator.ts';
import { type AppendedRecords, PendingAppend } from './pending-append.ts';
import type { BatchMetadata } from './producer-state-entry.ts';
import type { ProducerStateManager } from './producer-state-manager.ts';
import { batchAround, runsOf, validateReplicated } from './replicated-records.ts';
import type { UnifiedLog } from './unified-log.ts';
import type { VerificationGuard } from './verification-guard.ts';

export interface AppendOptions {
  /** Default `client`. */
  readonly origin?: Exclude<AppendOrigin, 'replication'>;
  /** Of the transaction that a marker ends (KIP-890). Default 0. */
  readonly transactionVersion?: number;
  /** What {@link UnifiedLog.maybeStartTransactionVerification} gave for these records. */
  readonly verificationGuard?: VerificationGuard | undefined;
}

/**
 * The first half of the appends to one log: validates, assigns offsets, updates producer state, leader epochs and
 * indexes, and stages the bytes.
 */
export class LogAppender {
  private readonly environment: LogEnvironment;
  private readonly log: UnifiedLog;
  private readonly local: LocalLog;
  private readonly roller: LogRoller;
  private readonly producerState: ProducerStateManager;

  constructor(environment: LogEnvironment, log: UnifiedLog, local: LocalLog, roller: LogRoller) {
    this.environment = environment;
    this.log = log;
    this.local = local;
    this.roller = roller;
    this.producerState = log.producerState;
  }

  /** See {@link UnifiedLog.appendAsLeader}. */
  appendAsLeader(records: Buffer, leaderEpoch: LeaderEpoch, options: AppendOptions = {}): LogAppendInfo {
    const { local } = this;
    local.checkOnline();
    local.dir.space?.checkNotFull();
    const origin = options.origin ?? 'client';
    const nowMs = this.environment.runtime.clock.wallMs();
    const valid = validateAndAssignOffsets(records, {
      origin,
      firstOffset: local.stagedEndOffset,
      leaderEpoch,
      nowMs,
      config: local.config,
    });
    if (valid.recordCount === 0)
      return PendingAppend.empty(leaderEpoch, this.log.logStartOffset, local.stagedEndOffset);
    const { segmentBytes } = local.config;
    if (valid.records.length > segmentBytes) {
      throw new KafkaError(
        Errors.RECORD_LIST_TOO_LARGE,
        `${valid.records.length} bytes do not fit in a segment of ${segmentBytes}`,
      );
    }
    const first = new RecordBatch(valid.records, 0);
    if (first.producerId !== NO_PRODUCER_ID) {
      if (origin === 'client') {
        const duplicate = this.producerState.findDuplicate(first);
        if (duplicate !== undefined) return this.duplicateOf(duplicate, leaderEpoch, valid.recordCount);
      }
      this.validateProducers(valid.records, origin, options);
    }
    return this.stage(valid, leaderEpoch, nowMs);
  }

  /** See {@link UnifiedLog.appendAsFollower}. */
  appendAsFollower(records: Buffer): LogAppendInfo {
    const { log, local } = this;
    const { logStartOffset } = log;
    local.checkOnline();
    local.dir.space?.checkNotFull();
    const { stagedEndOffset } = local;
    const around = stagedEndOffset === logStartOffset ? batchAround(records, logStartOffset) : undefined;
    const whole = validateReplicated(records, around?.baseOffset ?? stagedEndOffset);
    if (around !== undefined) log.truncateFullyAndStartAt(around.baseOffset, logStartOffset);
    const nowMs = this.environment.runtime.clock.wallMs();
    let pending: LogAppendInfo | undefined;
    for (const run of runsOf(whole, local.config.segmentBytes)) {
      // Batches of several epochs come in one fetch.
      for (const batch of run.batches)
        log.assignEpochStartOffset(batch.partitionLeaderEpoch, batch.baseOffset);
      pending = this.stage(run, run.leaderEpoch, nowMs);
    }
    return pending ?? PendingAppend.empty(log.latestEpoch ?? -1, logStartOffset, local.stagedEndOffset);
  }

  private validateProducers(records: Buffer, origin: AppendOrigin, options: AppendOptions): void {
    for (let at = 0; at < records.length; ) {
      const batch = new RecordBatch(records, at);
      if (batch.isTransactional && origin !== 'raftLeader' && this.environment.verifiesTransactions()) {
        this.producerState.checkVerified(batch, options.verificationGuard);
      }
      this.producerState.validate(batch, origin, options.transactionVersion);
      at = batch.end;
    }
  }

  private stage(append: AppendedRecords, leaderEpoch: LeaderEpoch, nowMs: number): LogAppendInfo {
    const { local, producerState } = this;
    const { records, firstOffset, lastOffset, maxTimestamp } = append;
    const { stagedEndOffset } = local;
    invariant(firstOffset >= stagedEndOffset, 'S1', () => `offset ${firstOffset} below ${stagedEndOffset}`);
    this.log.assignEpochStartOffset(leaderEpoch, firstOffset);
    if (local.shouldRoll(records.length, lastOffset, maxTimestamp, nowMs)) {
      // Records of a compacted log may begin behind the end. No gap may stand between two segments nevertheless: a
      // start after a crash takes one for the end of the first, lost.
      const fits = diff64(lastOffset, stagedEndOffset) <= MAX_RELATIVE_OFFSET;
      this.roller.roll(fits ? stagedEndOffset : firstOffset);
    }
    const segment = local.segments.active;
    const position = segment.stage(records, local.config.indexIntervalBytes);
    for (let at = 0; at < records.length; ) {
      updateProducerState(producerState, new RecordBatch(records, at), segment);
      at += records.readInt32BE(at + BATCH_LENGTH_POSITION) + LOG_OVERHEAD;
    }
    const pending = PendingAppend.staged(append, leaderEpoch, this.log.logStartOffset, segment, position);
    producerState.updateMapEndOffset(pending.endOffset);
    local.stage(pending);
    return pending;
  }

  private duplicateOf(batch: BatchMetadata, leaderEpoch: LeaderEpoch, recordCount: number): LogAppendInfo {
    const pending = PendingAppend.duplicateOf(batch, leaderEpoch, recordCount, this.log.logStartOffset);
    // The first one may be staged still: the answer waits behind it.
    if (batch.lastOffset < this.local.logEndOffset) pending.settle();
    else this.local.stage(pending);
    return pending;
  }
}
