import { controllerMutants } from './controller-mutants.ts';
import { logMutants } from './log-mutants.ts';
import type { Mutant } from './mutant.ts';
import { raftMutants } from './raft-mutants.ts';
import { replicationMutants } from './replication-mutants.ts';
import { transactionMutants } from './transaction-mutants.ts';

const list: readonly Mutant[] = [
  ...replicationMutants,
  ...raftMutants,
  ...controllerMutants,
  ...logMutants,
  ...transactionMutants,
];

/** All mutants by name. `canary` is the one that must be found in every run of the tests. */
export const mutants: ReadonlyMap<string, Mutant> = new Map(list.map(mutant => [mutant.name, mutant]));
