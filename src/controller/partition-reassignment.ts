import { Errors, KafkaError } from '../protocol/errors.ts';
import type { PartitionRegistration } from '../metadata/partition-registration.ts';

/** Replicas on their way: `replicas` has the targets in order, then those that go when all targets are in sync. */
export interface Reassignment {
  readonly replicas: readonly number[];
  readonly adding: readonly number[];
  readonly removing: readonly number[];
}

/**
 * From the present replicas to `target`, which has no broker twice. Where a reassignment is under way already, this one
 * takes its place: what counts as added is still seen from the replicas before the first, so that a cancellation goes
 * back to those. A replica that the earlier one was adding, and nobody wants now, goes at once unless it is in sync.
 */
export function reassignmentTo(partition: PartitionRegistration, target: readonly number[]): Reassignment {
  const { replicas, addingReplicas, isr, elr } = partition;
  const isOriginal = (id: number): boolean => replicas.includes(id) && !addingReplicas.includes(id);
  const ascending = (a: number, b: number): number => a - b;
  const removing = replicas
    .filter(id => !target.includes(id) && (isOriginal(id) || isr.includes(id) || elr.includes(id)))
    .sort(ascending);
  const adding = target.filter(id => !isOriginal(id)).sort(ascending);
  return { replicas: [...target, ...removing], adding, removing };
}

/** What a reassignment leaves once all of its targets are in the ISR; `undefined` before, and where there is none. */
export function completedReassignment(
  state: Reassignment & { readonly isr: readonly number[] },
): { readonly replicas: readonly number[]; readonly isr: readonly number[] } | undefined {
  const { replicas, adding, removing } = state;
  if (adding.length === 0 && removing.length === 0) return undefined;
  const stays = (id: number): boolean => !removing.includes(id);
  const targets = replicas.filter(stays);
  const isr = state.isr.filter(stays);
  if (targets.length === 0 || !targets.every(id => isr.includes(id))) return undefined;
  return { replicas: targets, isr };
}

/**
 * How a partition is without the replicas that its reassignment was adding. `unclean` if none of the others is in sync,
 * so that the ISR begins anew with the first of them. INVALID_REPLICA_ASSIGNMENT if there are no others.
 */
export function revertedReassignment(partition: PartitionRegistration): {
  readonly replicas: readonly number[];
  readonly isr: readonly number[];
  readonly unclean: boolean;
} {
  const stays = (id: number): boolean => !partition.addingReplicas.includes(id);
  const replicas = partition.replicas.filter(stays);
  const isr = partition.isr.filter(stays);
  if (isr.length > 0) return { replicas, isr, unclean: false };
  const [first] = replicas;
  if (first === undefined) {
    const text = 'the reassignment cannot be cancelled: it was adding all of the replicas';
    throw new KafkaError(Errors.INVALID_REPLICA_ASSIGNMENT, text);
  }
  return { replicas, isr: [first], unclean: true };
}
