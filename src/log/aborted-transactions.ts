import type { Offset } from '../base/int64.ts';
import type { AbortedTransaction } from './fetch-data-info.ts';
import type { LogEnvironment } from './log-environment.ts';
import { replayProducerState, updateProducerState } from './log-replay.ts';
import type { LogSegment } from './log-segment.ts';
import type { LogSegments } from './log-segments.ts';
import { ProducerStateManager } from './producer-state-manager.ts';
import type { AbortedTxn } from './transaction-index.ts';

/** A log, as far as its aborted transactions need it. */
interface TransactionalLog {
  readonly directory: string;
  readonly logStartOffset: Offset;
  readonly logEndOffset: Offset;
  readonly segments: LogSegments;
  readonly producerState: ProducerStateManager;
}

/** The aborted transactions that overlap [`startOffset`, `upperBound`), as a reader needs them. */
export function abortedTransactions(
  environment: LogEnvironment,
  log: TransactionalLog,
  startOffset: Offset,
  upperBound: Offset,
): AbortedTransaction[] {
  const found = collectAbortedTxns(environment, log, startOffset, upperBound);
  return found.map(({ producerId, firstOffset }) => ({ producerId, firstOffset }));
}

/**
 * The aborted transactions that overlap [`startOffset`, `upperBound`), in the order of their markers. An index that was
 * damaged is made anew.
 */
export function collectAbortedTxns(
  environment: LogEnvironment,
  log: TransactionalLog,
  startOffset: Offset,
  upperBound: Offset,
): AbortedTxn[] {
  const found: AbortedTxn[] = [];
  for (const segment of log.segments.overlapping(startOffset, log.logEndOffset)) {
    if (segment.transactionIndex.isEmpty && !segment.transactionIndexLost) continue;
    segment.ensureIndexes();
    if (segment.transactionIndexLost) rebuildTransactionIndex(environment, log, segment);
    if (segment.transactionIndex.collect(startOffset, upperBound, found)) break;
  }
  return found;
}

/**
 * Makes the transaction index of `segment` anew from the producer state where it starts and from its
 * batches.
 */
function rebuildTransactionIndex(
  environment: LogEnvironment,
  log: TransactionalLog,
  segment: LogSegment,
): void {
  const { disk, logger, runtime } = environment;
  const { baseOffset } = segment;
  const snapshots = log.producerState.snapshotOffsets.filter(
    offset => offset > log.logStartOffset && offset <= baseOffset,
  );
  const state = new ProducerStateManager(
    disk,
    logger,
    log.directory,
    snapshots,
    () => Number.POSITIVE_INFINITY,
  );
  state.truncateAndReload(log.logStartOffset, baseOffset, runtime.clock.wallMs());
  replayProducerState(state, log.segments, baseOffset);
  segment.transactionIndex.index.reset();
  segment.scan(0, segment.writtenBytes, batch => {
    updateProducerState(state, batch, segment);
    return true;
  });
  segment.transactionIndexLost = false;
  segment.persistIndexes();
}
