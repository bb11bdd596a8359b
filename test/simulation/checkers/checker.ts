import type { FinalState } from './final-state.ts';
import type { History, PartitionKey } from './history.ts';

/** Something that must not be: what a checker or the probe found. */
export interface Violation {
  /** The number of the invariant (`R3`, `M1`), or the name of the anomaly (`lost-write`). */
  readonly invariant: string;
  /** Virtual time, ms. */
  readonly atMs: number;
  /** What was seen, with the values that show it. */
  readonly message: string;
}

/** What the faults of a run leave to be asked for. */
export interface CheckOptions {
  /** The faults went beyond what acknowledged records must survive: some may be gone, but replicas still must agree. */
  readonly lossAllowed: boolean;
  /** A topic allowed unclean elections, or one was ordered: committed records may be cut off. */
  readonly uncleanElections: boolean;
  /** The cluster was healed and had its time: replicas must be equal and every acknowledged record read. */
  readonly atRest: boolean;
  /**
   * Bytes of a connection could be taken in long after it was given up. Brokers send a request again when the connection
   * to the controller fails, so the first one may still be carried out after the second one was answered.
   */
  readonly lateBytes: boolean;
  /** Whether a replica was ever out of the ISR of its partition; nobody was where this is left out. */
  readonly hasLagged?: (partition: PartitionKey, node: number) => boolean;
}

/** Looks at a run that is over. It changes nothing, and gives the same answer for the same input. */
export type Checker = (history: History, end: FinalState, options: CheckOptions) => Violation[];

/** More of one kind than this say nothing new. */
const MAX_OF_A_KIND = 5;

/** Collects violations, of each kind a few. */
export class Findings {
  readonly violations: Violation[] = [];
  private readonly counts = new Map<string, number>();

  add(invariant: string, atMs: number, message: string): void {
    const count = (this.counts.get(invariant) ?? 0) + 1;
    this.counts.set(invariant, count);
    if (count <= MAX_OF_A_KIND) this.violations.push({ invariant, atMs, message });
  }
}
