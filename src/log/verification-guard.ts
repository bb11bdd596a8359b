import type { ProducerId } from '../base/int64.ts';

/**
 * Stands for one verification: the question to the coordinator whether a partition belongs to the open transaction of a
 * producer (KIP-890). It is compared by identity. A guard that was given out before a marker came is not the one that
 * the log has after it: a late answer about the transaction before does not let a record into the log.
 */
export class VerificationGuard {
  readonly producerId: ProducerId;

  constructor(producerId: ProducerId) {
    this.producerId = producerId;
  }
}

/** What a log remembers of a producer that has asked to begin a transaction, until its first records are in the log. */
export class VerificationStateEntry {
  readonly guard: VerificationGuard;
  /** When the first of its batches asked, wall clock. */
  readonly timestampMs: number;
  /** The producer gets a new epoch with each transaction (transaction version 2). */
  readonly supportsEpochBump: boolean;
  private epoch: number;
  private lowest: number;

  constructor(
    producerId: ProducerId,
    sequence: number,
    producerEpoch: number,
    supportsEpochBump: boolean,
    timestampMs: number,
  ) {
    this.guard = new VerificationGuard(producerId);
    this.timestampMs = timestampMs;
    this.supportsEpochBump = supportsEpochBump;
    this.epoch = producerEpoch;
    this.lowest = sequence;
  }

  get producerEpoch(): number {
    return this.epoch;
  }

  /**
   * The lowest sequence of the epoch that has asked. Where its verification fails and it is sent again, those behind it
   * may not get into the log before it: it would be out of order for ever.
   */
  get lowestSequence(): number {
    return this.lowest;
  }

  /** Another batch asks. */
  note(sequence: number, producerEpoch: number): void {
    if (producerEpoch === this.epoch && sequence < this.lowest) this.lowest = sequence;
    if (producerEpoch > this.epoch) {
      this.epoch = producerEpoch;
      this.lowest = sequence;
    }
  }
}
