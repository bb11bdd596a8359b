import { atLeast } from '../validators.ts';
import { boolean, int, type KeyDefinition, short } from '../key-definition.ts';
import { INTERNAL, NO_TWO_PHASE_COMMIT } from './statuses.ts';

const POSITIVE = { check: atLeast(1) };

/** Transactions and the coordinator of their state. */
export const TRANSACTION_KEYS: readonly KeyDefinition[] = [
  int(
    'transaction.max.timeout.ms',
    900000,
    'HIGH',
    'The longest transaction timeout, in ms, that a producer may ask for.',
    POSITIVE,
  ),
  int(
    'transactional.id.expiration.ms',
    604800000,
    'HIGH',
    'Time in ms without use after which a transactional id is forgotten.',
    POSITIVE,
  ),
  boolean(
    'transaction.partition.verification.enable',
    true,
    'LOW',
    'Whether a partition asks the coordinator if it belongs to the transaction of a write.',
  ),
  boolean(
    'transaction.two.phase.commit.enable',
    false,
    'LOW',
    'Whether transactions may take part in a two-phase commit.',
    NO_TWO_PHASE_COMMIT,
  ),
  int(
    'transaction.abort.timed.out.transaction.cleanup.interval.ms',
    10000,
    'LOW',
    'Time in ms between two checks for transactions that are past their timeout.',
    POSITIVE,
  ),
  int(
    'transaction.remove.expired.transaction.cleanup.interval.ms',
    3600000,
    'LOW',
    'Time in ms between two checks for transactional ids to forget.',
    POSITIVE,
  ),
  short(
    'transaction.state.log.replication.factor',
    3,
    'HIGH',
    'Replicas of the topic of transaction state.',
    POSITIVE,
  ),
  int(
    'transaction.state.log.min.isr',
    2,
    'HIGH',
    'In-sync replicas that a write to that topic needs.',
    POSITIVE,
  ),
  int('transaction.state.log.num.partitions', 50, 'HIGH', 'Partitions of that topic.', POSITIVE),
  int(
    'transaction.state.log.segment.bytes',
    104857600,
    'HIGH',
    'Size in bytes of a segment of that topic.',
    POSITIVE,
  ),
  int(
    'transaction.state.log.load.buffer.size',
    5242880,
    'HIGH',
    'Bytes read at a time when a coordinator loads its state.',
    { ...POSITIVE, ...INTERNAL },
  ),
  int(
    'add.partitions.to.txn.retry.backoff.ms',
    20,
    'HIGH',
    'Time in ms before a partition is added to a transaction again.',
    POSITIVE,
  ),
  int(
    'add.partitions.to.txn.retry.backoff.max.ms',
    100,
    'HIGH',
    'How long, in ms, a partition is tried to be added to a transaction while the one before it ends.',
    { check: atLeast(0) },
  ),
];
