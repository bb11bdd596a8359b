import { invariant } from '../../base/assert.ts';
import { max64, type ProducerId, type Timestamp } from '../../base/int64.ts';
import type { TopicPartition } from '../../log/topic-partition.ts';
import { Errors, KafkaError } from '../../protocol/errors.ts';
import { NO_PARTITIONS, type TransactionPartitions, withPartitions } from './transaction-partitions.ts';
import { checkTransition, isIdle, TransactionState } from './transaction-state.ts';

export const NO_PRODUCER_ID = -1;
export const NO_PRODUCER_EPOCH = -1;

/** The largest epoch. No client has it: one is left over for the coordinator to fence with. */
export const PRODUCER_EPOCH_MAX = 0x7fff;

/** Transactions of this version and later end with a new epoch of their producer (KIP-890). */
const EPOCH_BUMP_MIN_VERSION = 2;

/** From this on a two-phase commit has no timeout of its own (KIP-939). */
export const NO_TRANSACTION_TIMEOUT_MS = 0x7fff_ffff;

/** A transactional id: whose it is, and what its transaction does. Never changed in place. */
export interface TransactionMetadata {
  readonly producerId: ProducerId;
  /** The one before, if the last InitProducerId or end of a transaction has changed it; else this one, or -1. */
  readonly previousProducerId: ProducerId;
  /** The producer id that follows when the prepared transaction is complete; -1 if this one stays. */
  readonly nextProducerId: ProducerId;
  /** -1 before the first InitProducerId is answered. */
  readonly producerEpoch: number;
  /**
   * The epoch that the producer gave when it was given this one, so that its repeated request is known; -1 for none. It
   * is not in the log: a coordinator that has loaded knows none.
   */
  readonly lastProducerEpoch: number;
  /** Of a transaction, ms. */
  readonly transactionTimeoutMs: number;
  readonly state: TransactionState;
  /** Empty if the state is neither Ongoing nor a prepared one. */
  readonly partitions: TransactionPartitions;
  /** When the first partition was added; -1 if none ever was since InitProducerId. */
  readonly startTimestamp: Timestamp;
  readonly lastUpdateTimestamp: Timestamp;
  /** Of the client that has brought the id into its state: 0 for the old protocol, 2 for that of KIP-890. */
  readonly clientTransactionVersion: number;
}

/** Of an id that nobody has asked for before. */
export function newTransactionMetadata(
  producerId: ProducerId,
  transactionTimeoutMs: number,
  nowMs: Timestamp,
): TransactionMetadata {
  return {
    producerId,
    previousProducerId: NO_PRODUCER_ID,
    nextProducerId: NO_PRODUCER_ID,
    producerEpoch: NO_PRODUCER_EPOCH,
    lastProducerEpoch: NO_PRODUCER_EPOCH,
    transactionTimeoutMs,
    state: TransactionState.EMPTY,
    partitions: NO_PARTITIONS,
    startTimestamp: -1,
    lastUpdateTimestamp: nowMs,
    clientTransactionVersion: 0,
  };
}

/** No more epochs can be given out: the next producer needs a new id. */
export function isEpochExhausted(producerEpoch: number): boolean {
  return producerEpoch >= PRODUCER_EPOCH_MAX - 1;
}

export function supportsEpochBump(transactionVersion: number): boolean {
  return transactionVersion >= EPOCH_BUMP_MIN_VERSION;
}

/**
 * For InitProducerId: the next epoch of the same producer id. `expectedEpoch` is the one that the client says it has;
 * if it is the last one, then this is the same request again, and the epoch it was given stays.
 *
 * Throws `PRODUCER_FENCED`.
 */
export function withNextEpoch(
  metadata: TransactionMetadata,
  expectedEpoch: number | undefined,
  transactionTimeoutMs: number,
  nowMs: Timestamp,
): TransactionMetadata {
  const { producerEpoch, lastProducerEpoch } = metadata;
  const isFirst = producerEpoch === NO_PRODUCER_EPOCH;
  const isPresent = expectedEpoch === undefined || isFirst || expectedEpoch === producerEpoch;
  if (!isPresent && expectedEpoch !== lastProducerEpoch) throw new KafkaError(Errors.PRODUCER_FENCED);
  const epochs = isPresent
    ? {
        producerEpoch: producerEpoch + 1,
        lastProducerEpoch: expectedEpoch === undefined ? NO_PRODUCER_EPOCH : producerEpoch,
      }
    : {};
  return transition(metadata, TransactionState.EMPTY, nowMs, {
    ...epochs,
    previousProducerId: metadata.producerId,
    transactionTimeoutMs,
    startTimestamp: -1,
  });
}

/** For InitProducerId: a new producer id, because the epochs of the present one are used up. */
export function withNewProducerId(
  metadata: TransactionMetadata,
  producerId: ProducerId,
  keepsLastEpoch: boolean,
  transactionTimeoutMs: number,
  nowMs: Timestamp,
): TransactionMetadata {
  return transition(metadata, TransactionState.EMPTY, nowMs, {
    producerId,
    previousProducerId: metadata.producerId,
    producerEpoch: 0,
    lastProducerEpoch: keepsLastEpoch ? metadata.producerEpoch : NO_PRODUCER_EPOCH,
    transactionTimeoutMs,
    startTimestamp: -1,
  });
}

/** More partitions; the first ones begin a transaction. */
export function withAddedPartitions(
  metadata: TransactionMetadata,
  added: readonly TopicPartition[],
  clientTransactionVersion: number,
  nowMs: Timestamp,
): TransactionMetadata {
  return transition(metadata, TransactionState.ONGOING, nowMs, {
    partitions: withPartitions(metadata.partitions, added),
    startTimestamp: isIdle(metadata.state) ? nowMs : metadata.startTimestamp,
    clientTransactionVersion,
  });
}

/** How a transaction ends. */
export interface EndOfTransaction {
  readonly isCommit: boolean;
  readonly transactionVersion: number;
  /** Where the epoch rises to the last one: the producer id that follows; else -1. */
  readonly nextProducerId: ProducerId;
}

/**
 * The decision. From transaction version 2 on the epoch rises with it, so that nothing that the producer sent for this
 * transaction can touch its next one (T8).
 */
export function prepared(
  metadata: TransactionMetadata,
  { isCommit, transactionVersion, nextProducerId }: EndOfTransaction,
  nowMs: Timestamp,
): TransactionMetadata {
  const state = isCommit ? TransactionState.PREPARE_COMMIT : TransactionState.PREPARE_ABORT;
  const { producerEpoch } = metadata;
  const epochs = supportsEpochBump(transactionVersion)
    ? { producerEpoch: Math.min(producerEpoch + 1, PRODUCER_EPOCH_MAX), lastProducerEpoch: producerEpoch }
    : {};
  return transition(metadata, state, nowMs, {
    ...epochs,
    nextProducerId,
    startTimestamp: isIdle(metadata.state) ? nowMs : metadata.startTimestamp,
    clientTransactionVersion: transactionVersion,
  });
}

/**
 * The abort of an open transaction whose producer is to be kept from going on with it. Its epoch rises in either
 * version; with version 0 nobody gets the new one.
 */
export function fenced(
  metadata: TransactionMetadata,
  transactionVersion: number,
  nextProducerId: ProducerId,
  nowMs: Timestamp,
): TransactionMetadata {
  const isBumpedByEnd = supportsEpochBump(transactionVersion);
  const base = isBumpedByEnd
    ? metadata
    : {
        ...metadata,
        producerEpoch: Math.min(metadata.producerEpoch + 1, PRODUCER_EPOCH_MAX),
        lastProducerEpoch: NO_PRODUCER_EPOCH,
      };
  const end = {
    isCommit: false,
    transactionVersion: isBumpedByEnd ? transactionVersion : 0,
    nextProducerId: isBumpedByEnd ? nextProducerId : NO_PRODUCER_ID,
  };
  return prepared(base, end, nowMs);
}

/** All partitions have their marker. */
export function completed(metadata: TransactionMetadata, nowMs: Timestamp): TransactionMetadata {
  const state =
    metadata.state === TransactionState.PREPARE_COMMIT
      ? TransactionState.COMPLETE_COMMIT
      : TransactionState.COMPLETE_ABORT;
  const { nextProducerId, clientTransactionVersion } = metadata;
  const isRotated = supportsEpochBump(clientTransactionVersion) && nextProducerId !== NO_PRODUCER_ID;
  return transition(metadata, state, nowMs, {
    ...(isRotated
      ? { producerId: nextProducerId, previousProducerId: metadata.producerId, producerEpoch: 0 }
      : {}),
    nextProducerId: NO_PRODUCER_ID,
  });
}

function transition(
  metadata: TransactionMetadata,
  state: TransactionState,
  nowMs: Timestamp,
  changes: Partial<TransactionMetadata>,
): TransactionMetadata {
  checkTransition(metadata.state, state);
  const next: TransactionMetadata = {
    ...metadata,
    partitions: isIdle(state) ? NO_PARTITIONS : metadata.partitions,
    ...changes,
    state,
    // A wall clock that was set back does not make an id look older than it is.
    lastUpdateTimestamp: max64(metadata.lastUpdateTimestamp, nowMs),
  };
  const isSameProducer = next.producerId === metadata.producerId;
  invariant(
    next.producerEpoch >= 0 && next.producerEpoch <= PRODUCER_EPOCH_MAX,
    'T3',
    () => `producer epoch ${next.producerEpoch}`,
  );
  invariant(
    isSameProducer ? next.producerEpoch >= metadata.producerEpoch : next.producerEpoch === 0,
    'T3',
    () =>
      `producer ${metadata.producerId} of epoch ${metadata.producerEpoch} becomes ` +
      `${next.producerId} of epoch ${next.producerEpoch}`,
  );
  invariant(
    isSameProducer || isIdle(state),
    'T10',
    () => `producer id ${metadata.producerId} changes inside a transaction`,
  );
  return next;
}
