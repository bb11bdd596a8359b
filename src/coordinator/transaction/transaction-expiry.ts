import { diff64, type ProducerId } from '../../base/int64.ts';
import type { TimelineMap } from '../../base/timeline-map.ts';
import {
  type CoordinatorResult,
  type CoordinatorShardContext,
  emptyResult,
} from '../runtime/coordinator-shard.ts';
import type { TransactionCoordinatorConfig } from './transaction-coordinator-config.ts';
import type { TransactionManager } from './transaction-manager.ts';
import { NO_TRANSACTION_TIMEOUT_MS, type TransactionMetadata } from './transaction-metadata.ts';
import type { TransactionRecord } from './transaction-records.ts';
import { isIdle, TransactionState } from './transaction-state.ts';

type Result = CoordinatorResult<void, TransactionRecord>;

/** Transactions that are aborted before other work gets its turn. */
const ABORTS_PER_TURN = 500;
/** Ids that are looked at before other work gets its turn: about 5 ms. */
const IDS_PER_TURN = 10_000;

const ABORT_KEY = 'abort-timed-out';
const EXPIRE_KEY = 'expire-ids';

/** What time does to transactional ids: transactions past their timeout are aborted, ids that nobody uses forgotten. */
export class TransactionExpiry {
  private readonly context: CoordinatorShardContext<TransactionRecord>;
  private readonly transactions: TimelineMap<string, TransactionMetadata>;
  private readonly manager: TransactionManager;
  private readonly config: TransactionCoordinatorConfig;
  private readonly nextProducerId: () => Promise<ProducerId>;
  private isActive = false;
  /** Ids that are left to look at; `undefined` between two checks. */
  private ids: Iterator<string> | undefined;

  /** `nextProducerId` asks the controller, if need be. */
  constructor(
    context: CoordinatorShardContext<TransactionRecord>,
    manager: TransactionManager,
    config: TransactionCoordinatorConfig,
    nextProducerId: () => Promise<ProducerId>,
  ) {
    this.context = context;
    this.transactions = manager.transactions;
    this.manager = manager;
    this.config = config;
    this.nextProducerId = nextProducerId;
  }

  onLoaded(): void {
    this.isActive = true;
    const { abortTimedOutIntervalMs, removeExpiredIntervalMs } = this.config;
    this.context.timer.schedule(ABORT_KEY, abortTimedOutIntervalMs, () => this.abortTimedOut());
    this.context.timer.schedule(EXPIRE_KEY, removeExpiredIntervalMs, () => this.removeExpired());
  }

  onUnloaded(): void {
    this.isActive = false;
  }

  private abortTimedOut(): Result {
    const aborts: Result[] = [];
    let delayMs = this.config.abortTimedOutIntervalMs;
    for (const transactionalId of this.manager.openTransactions()) {
      if (!this.isTimedOut(transactionalId)) continue;
      if (aborts.length === ABORTS_PER_TURN) {
        delayMs = 0;
        break;
      }
      const abort = this.manager.fence(transactionalId, this.transactions.get(transactionalId)!, undefined);
      if (abort === undefined) void this.abortWithNewProducerId(transactionalId);
      else aborts.push(abort);
    }
    this.context.timer.schedule(ABORT_KEY, delayMs, () => this.abortTimedOut());
    if (aborts.length > 0) {
      this.context.logger.info('aborting transactions that are past their timeout', {
        partition: this.context.partition,
        count: aborts.length,
      });
    }
    return {
      records: aborts.flatMap(({ records }) => records),
      response: undefined,
      atomic: false,
      onCompleted: code => {
        for (const abort of aborts) abort.onCompleted?.(code);
      },
    };
  }

  /** If the controller gives none, the next check asks again. */
  private async abortWithNewProducerId(transactionalId: string): Promise<void> {
    let producerId: ProducerId;
    try {
      producerId = await this.nextProducerId();
    } catch (error) {
      this.context.logger.warn('a transaction past its timeout is not aborted for want of a producer id', {
        transactionalId,
        error: String(error),
      });
      return;
    }
    if (!this.isActive) return;
    this.context.timer.run(`abort-${transactionalId}`, () => {
      if (!this.isTimedOut(transactionalId)) return emptyResult();
      return this.manager.fence(transactionalId, this.transactions.get(transactionalId)!, producerId)!;
    });
  }

  private isTimedOut(transactionalId: string): boolean {
    const metadata = this.transactions.get(transactionalId);
    if (metadata?.state !== TransactionState.ONGOING) return false;
    const { transactionTimeoutMs, startTimestamp } = metadata;
    if (transactionTimeoutMs === NO_TRANSACTION_TIMEOUT_MS) return false;
    return diff64(this.context.runtime.clock.wallMs(), startTimestamp) > transactionTimeoutMs;
  }

  private removeExpired(): Result {
    const records: TransactionRecord[] = [];
    const ids = (this.ids ??= this.transactions.keys());
    let delayMs = 0;
    for (let i = 0; i < IDS_PER_TURN; i++) {
      const next = ids.next();
      if (next.done === true) {
        this.ids = undefined;
        delayMs = this.config.removeExpiredIntervalMs;
        break;
      }
      if (this.isExpired(next.value)) records.push({ transactionalId: next.value, metadata: null });
    }
    this.context.timer.schedule(EXPIRE_KEY, delayMs, () => this.removeExpired());
    if (records.length > 0) {
      this.context.logger.info('removing expired transactional ids', {
        partition: this.context.partition,
        count: records.length,
      });
    }
    return { records, response: undefined, atomic: false };
  }

  private isExpired(transactionalId: string): boolean {
    const metadata = this.transactions.get(transactionalId);
    if (metadata === undefined || !isIdle(metadata.state)) return false;
    const unusedMs = diff64(this.context.runtime.clock.wallMs(), metadata.lastUpdateTimestamp);
    return unusedMs >= this.config.idExpirationMs;
  }
}
