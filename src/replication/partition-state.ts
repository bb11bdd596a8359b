import type { BrokerEpoch } from '../base/int64.ts';

/** A member of a proposed ISR, with the epoch in which it last fetched: -1 where it did not say. */
export interface BrokerState {
  readonly brokerId: number;
  readonly brokerEpoch: BrokerEpoch;
}

/**
 * What a leader knows of its ISR. The controller decides it; while a proposal is under way the leader does not know
 * which of the two is in force, and takes for each question the answer that is safe under both.
 *
 * ```text
 *                maybeExpandIsr                           maybeShrinkIsr
 *   pending  ◄─────────────────── committed(isr, epoch) ───────────────────► pending
 *   expansion                            ▲                                   shrink
 *      │                                 │                                      │
 *      └──── the controller's answer, or newer metadata: committed(isr', epoch') ┘
 *
 *                       committed    pending expansion    pending shrink
 *   isr                 isr          isr                  isr
 *   maximalIsr          isr          isr + joining        isr            the high watermark waits for all of these
 * ```
 *
 * A member that joins counts for the high watermark from the proposal on, since the controller may have let it in; one
 * that leaves counts until the controller has let it go (R3, R6).
 */
export interface PartitionState {
  readonly kind: 'committed' | 'pendingExpand' | 'pendingShrink';
  /** Broker ids as the controller last told them. */
  readonly isr: readonly number[];
  /** Of the controller's last word; the next proposal holds only on top of it. */
  readonly partitionEpoch: number;
  /** The union of all that the ISR may be now. */
  readonly maximalIsr: readonly number[];
}

export function committedState(isr: readonly number[], partitionEpoch: number): PartitionState {
  return { kind: 'committed', isr, partitionEpoch, maximalIsr: isr };
}

export function pendingExpandState(committed: PartitionState, joining: number): PartitionState {
  const { isr, partitionEpoch } = committed;
  return { kind: 'pendingExpand', isr, partitionEpoch, maximalIsr: [...isr, joining] };
}

export function pendingShrinkState(committed: PartitionState): PartitionState {
  const { isr, partitionEpoch } = committed;
  return { kind: 'pendingShrink', isr, partitionEpoch, maximalIsr: isr };
}
