import { diff64, type Int64, type ProducerId, type Timestamp } from '../../base/int64.ts';
import { TransactionalIdPattern } from './transactional-id-pattern.ts';
import type { TransactionMetadata } from './transaction-metadata.ts';
import { type TransactionState, transactionStateOf } from './transaction-state.ts';

/** As the fields of ListTransactions. */
export interface TransactionFilters {
  readonly stateFilters: readonly string[];
  readonly producerIdFilters: readonly ProducerId[];
  /** ms; below 0 for any. */
  readonly durationFilter: Int64;
  readonly transactionalIdPattern: string | null;
}

/** Which transactional ids are listed: those that all filters let through that were given. */
export class TransactionFilter {
  /** Names that are of no state. */
  readonly unknownStates: readonly string[];
  private readonly states: ReadonlySet<TransactionState> | undefined;
  private readonly producerIds: ReadonlySet<ProducerId> | undefined;
  private readonly durationMs: Int64;
  private readonly nowMs: Timestamp;
  private readonly pattern: TransactionalIdPattern | undefined;

  /** Throws `INVALID_REGULAR_EXPRESSION`. */
  constructor(filters: TransactionFilters, nowMs: Timestamp) {
    const names = [...new Set(filters.stateFilters)];
    this.unknownStates = names.filter(name => transactionStateOf(name) === undefined);
    // Names that are of no state let nothing through.
    this.states =
      names.length === 0 ? undefined : new Set(names.flatMap(name => transactionStateOf(name) ?? []));
    const { producerIdFilters, transactionalIdPattern } = filters;
    this.producerIds = producerIdFilters.length === 0 ? undefined : new Set(producerIdFilters);
    this.durationMs = filters.durationFilter;
    this.nowMs = nowMs;
    this.pattern =
      transactionalIdPattern === null || transactionalIdPattern === ''
        ? undefined
        : new TransactionalIdPattern(transactionalIdPattern);
  }

  /** About how much work {@link matches} is, as a part of what a turn may do. */
  cost(transactionalId: string): number {
    const matching = this.pattern?.steps(transactionalId) ?? 0;
    return COST_OF_ENTRY + matching / TransactionalIdPattern.STEPS_PER_TURN;
  }

  /** Throws `INVALID_REGULAR_EXPRESSION`. */
  matches(transactionalId: string, metadata: TransactionMetadata): boolean {
    if (this.producerIds?.has(metadata.producerId) === false) return false;
    if (this.states?.has(metadata.state) === false) return false;
    // As in Apache Kafka an id whose producer has begun nothing has been open since the beginning of time.
    if (this.durationMs >= 0 && diff64(this.nowMs, metadata.startTimestamp) <= Number(this.durationMs))
      return false;
    return this.pattern?.matches(transactionalId) ?? true;
  }
}

/** A turn looks at so many ids if there is no pattern. */
const COST_OF_ENTRY = 1 / 10_000;
