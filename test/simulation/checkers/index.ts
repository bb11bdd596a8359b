import type { CheckOptions, Checker, Violation } from './checker.ts';
import { checkCompaction } from './compaction.ts';
import { checkClientAnomalies, checkWatermarks } from './client-anomalies.ts';
import type { FinalState } from './final-state.ts';
import type { History } from './history.ts';
import { checkMetadataLinearizable } from './metadata-linearizability.ts';
import { checkMetadataLogs } from './metadata-logs.ts';
import { checkReplicaLogs } from './replica-logs.ts';
import { checkTransactions } from './transactions.ts';

export const checkers: readonly Checker[] = [
  checkClientAnomalies,
  checkWatermarks,
  checkReplicaLogs,
  checkCompaction,
  checkTransactions,
  checkMetadataLogs,
  checkMetadataLinearizable,
];

/** What all checkers find in a run that is over, in the order of the time at which it showed. */
export function checkAll(history: History, end: FinalState, options: CheckOptions): Violation[] {
  return checkers.flatMap(check => check(history, end, options)).sort((a, b) => a.atMs - b.atMs);
}
