/** What the transaction coordinator takes from the broker's configuration, by the keys given. Times in ms. */
export interface TransactionCoordinatorConfig {
  /** `transaction.state.log.num.partitions`: of `__transaction_state` when it is created. */
  readonly topicPartitions: number;
  /** `transaction.max.timeout.ms`. */
  readonly maxTimeoutMs: number;
  /** `transactional.id.expiration.ms`. */
  readonly idExpirationMs: number;
  /** `transaction.abort.timed.out.transaction.cleanup.interval.ms`. */
  readonly abortTimedOutIntervalMs: number;
  /** `transaction.remove.expired.transaction.cleanup.interval.ms`. */
  readonly removeExpiredIntervalMs: number;
  /** `transaction.two.phase.commit.enable`. */
  readonly twoPhaseCommitEnabled: boolean;
  /** `request.timeout.ms`: of every write of the coordinator. */
  readonly writeTimeoutMs: number;
}

/** Kafka's defaults. */
export const DEFAULT_TRANSACTION_COORDINATOR_CONFIG: TransactionCoordinatorConfig = {
  topicPartitions: 50,
  maxTimeoutMs: 15 * 60 * 1000,
  idExpirationMs: 7 * 24 * 60 * 60 * 1000,
  abortTimedOutIntervalMs: 10_000,
  removeExpiredIntervalMs: 60 * 60 * 1000,
  twoPhaseCommitEnabled: false,
  writeTimeoutMs: 30_000,
};

/** The part of `KafkaConfig` that is read here. */
export interface ConfigValues {
  int(key: string): number;
  boolean(key: string): boolean;
}

/** The coordinator's part of a broker configuration. */
export function transactionCoordinatorConfigOf(config: ConfigValues): TransactionCoordinatorConfig {
  return {
    topicPartitions: config.int('transaction.state.log.num.partitions'),
    maxTimeoutMs: config.int('transaction.max.timeout.ms'),
    idExpirationMs: config.int('transactional.id.expiration.ms'),
    abortTimedOutIntervalMs: config.int('transaction.abort.timed.out.transaction.cleanup.interval.ms'),
    removeExpiredIntervalMs: config.int('transaction.remove.expired.transaction.cleanup.interval.ms'),
    twoPhaseCommitEnabled: config.boolean('transaction.two.phase.commit.enable'),
    writeTimeoutMs: config.int('request.timeout.ms'),
  };
}
