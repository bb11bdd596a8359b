import { atLeast, between, betweenOr, oneOf, someOf } from '../validators.ts';
import {
  boolean,
  DOUBLE_MAX,
  double,
  int,
  type KeyDefinition,
  LONG_MAX,
  list,
  long,
  noEffect,
  string,
} from '../key-definition.ts';
import { INTERNAL, NO_TIERED_STORAGE, THREADS } from './statuses.ts';

const COMPRESSION_TYPES = ['uncompressed', 'zstd', 'lz4', 'snappy', 'gzip', 'producer'] as const;

/** Where and how records are stored. */
export const LOG_KEYS: readonly KeyDefinition[] = [
  list('log.dir', '/tmp/kafka-logs', 'HIGH', 'The directory for records, if log.dirs is not given.'),
  list('log.dirs', null, 'HIGH', 'The directories for records. Without it, log.dir.'),
  list('cordoned.log.dirs', '', 'MEDIUM', 'Directories of log.dirs that get no new partitions; * for all.'),
  string(
    'log.durability',
    'page-cache',
    'HIGH',
    'When a write counts as done. page-cache: when the operating system has it, as in Apache Kafka, where replicas ' +
      'protect from the loss of a machine. fsync: when it is on disk; the writes of one moment share one fsync.',
    { check: oneOf('page-cache', 'fsync') },
  ),
  long(
    'log.dirs.min.free.bytes',
    104857600,
    'HIGH',
    'Bytes that are kept free on the file system of each log directory. With less, records of producers are refused ' +
      'there with KAFKA_STORAGE_ERROR, which they retry, and followers fetch none, while reads, deletes, retention, ' +
      'offset commits and metadata go on; with a tenth more records are taken again. The default, 100 MiB, is ' +
      'hours of those, and more than a busy broker writes between two looks. 0: nothing is kept free.',
    { check: atLeast(0) },
  ),
  int('log.segment.bytes', 1073741824, 'HIGH', 'Size in bytes of a segment file.', {
    check: atLeast(1048576),
  }),
  long(
    'log.roll.ms',
    null,
    'HIGH',
    'Age in ms of a segment after which a new one begins. Without it, log.roll.hours.',
  ),
  int('log.roll.hours', 168, 'HIGH', 'Age in hours of a segment after which a new one begins.', {
    check: atLeast(1),
  }),
  long(
    'log.roll.jitter.ms',
    null,
    'HIGH',
    'Most ms, chosen at random, by which a segment ends before log.roll.ms. Without it, log.roll.jitter.hours.',
  ),
  int('log.roll.jitter.hours', 0, 'HIGH', 'Most hours, chosen at random, by which a segment ends earlier.', {
    check: atLeast(0),
  }),
  long(
    'log.retention.ms',
    null,
    'HIGH',
    'Age in ms after which records may be deleted. -1: never. Without it, log.retention.minutes.',
  ),
  int(
    'log.retention.minutes',
    null,
    'HIGH',
    'Age in minutes after which records may be deleted. -1: never. Without it, log.retention.hours.',
  ),
  int('log.retention.hours', 168, 'HIGH', 'Age in hours after which records may be deleted. -1: never.'),
  long(
    'log.retention.bytes',
    -1,
    'HIGH',
    'Bytes of a partition beyond which its oldest segments are deleted. -1: no limit.',
  ),
  long(
    'log.retention.check.interval.ms',
    300000,
    'MEDIUM',
    'Time in ms between two checks for old segments.',
    {
      check: atLeast(1),
    },
  ),
  long(
    'log.initial.task.delay.ms',
    30000,
    'LOW',
    'Time in ms after the start before the first of these checks.',
    {
      check: atLeast(0),
      internal: true,
      ...INTERNAL,
    },
  ),
  list(
    'log.cleanup.policy',
    'delete',
    'MEDIUM',
    'What happens to old records: delete, compact, both, or nothing. This version takes compact and keeps every record.',
    {
      check: someOf(['compact', 'delete'], true),
    },
  ),
  long(
    'log.segment.delete.delay.ms',
    60000,
    'HIGH',
    'Time in ms between the deletion of a segment and of its files.',
    {
      check: atLeast(0),
    },
  ),
  int('log.index.size.max.bytes', 10485760, 'MEDIUM', 'Most bytes of an index file.', { check: atLeast(4) }),
  int('log.index.interval.bytes', 4096, 'MEDIUM', 'Bytes of records between two entries of an index.', {
    check: atLeast(0),
  }),
  long('log.flush.interval.messages', LONG_MAX, 'HIGH', 'Records of a partition after which it is fsynced.', {
    check: atLeast(1),
  }),
  long(
    'log.flush.interval.ms',
    null,
    'HIGH',
    'Longest time in ms before records are fsynced. Without it, log.flush.scheduler.interval.ms.',
  ),
  long(
    'log.flush.scheduler.interval.ms',
    LONG_MAX,
    'HIGH',
    'Time in ms between two checks for what must be fsynced.',
  ),
  int(
    'log.flush.offset.checkpoint.interval.ms',
    60000,
    'HIGH',
    'Time in ms between two writes of the recovery points.',
    {
      check: atLeast(0),
    },
  ),
  int(
    'log.flush.start.offset.checkpoint.interval.ms',
    60000,
    'HIGH',
    'Time in ms between two writes of the first offsets of all logs.',
    { check: atLeast(0) },
  ),
  boolean('log.preallocate', false, 'MEDIUM', 'Whether a new segment takes its whole size on disk at once.', {
    status: noEffect('segments grow as they are written'),
  }),
  string(
    'log.message.timestamp.type',
    'CreateTime',
    'MEDIUM',
    'Whether a record keeps the time of its producer (CreateTime) or gets that of the broker (LogAppendTime).',
    { check: oneOf('CreateTime', 'LogAppendTime') },
  ),
  long(
    'log.message.timestamp.before.max.ms',
    LONG_MAX,
    'MEDIUM',
    "Most ms that a record's time may lie before the broker's.",
    { check: atLeast(0) },
  ),
  long(
    'log.message.timestamp.after.max.ms',
    3600000,
    'MEDIUM',
    "Most ms that a record's time may lie after the broker's.",
    { check: atLeast(0) },
  ),
  int('message.max.bytes', 1048588, 'HIGH', 'Most bytes of one record batch, after compression.', {
    check: atLeast(0),
  }),
  string(
    'compression.type',
    'producer',
    'HIGH',
    'How record batches are compressed on disk: as the producer sent them (producer), or with one codec for all.',
    { check: oneOf(...COMPRESSION_TYPES) },
  ),
  int(
    'compression.gzip.level',
    -1,
    'MEDIUM',
    'Level of gzip, if compression.type is gzip. -1: its default.',
    {
      check: betweenOr(1, 9, -1),
    },
  ),
  int('compression.lz4.level', 9, 'MEDIUM', 'Level of lz4, if compression.type is lz4.', {
    check: between(1, 17),
  }),
  int('compression.zstd.level', 3, 'MEDIUM', 'Level of zstd, if compression.type is zstd.', {
    check: between(-131072, 22),
  }),
  int(
    'num.recovery.threads.per.data.dir',
    2,
    'HIGH',
    'Threads for each directory at the start and the stop.',
    {
      check: atLeast(1),
      ...THREADS,
    },
  ),
  int(
    'num.replica.alter.log.dirs.threads',
    null,
    'HIGH',
    'Threads that move replicas between directories.',
    THREADS,
  ),
  long(
    'log.dir.failure.timeout.ms',
    30000,
    'LOW',
    'Time in ms after which a broker stops if it cannot tell the controller of a directory that failed.',
    { check: atLeast(1), status: noEffect('the controller is in the same process') },
  ),
  long(
    'log.local.retention.ms',
    -2,
    'MEDIUM',
    'Age in ms of records kept here when they are also in tiered storage.',
    {
      check: atLeast(-2),
      ...NO_TIERED_STORAGE,
    },
  ),
  long(
    'log.local.retention.bytes',
    -2,
    'MEDIUM',
    'Bytes of a partition kept here when they are also in tiered storage.',
    { check: atLeast(-2), ...NO_TIERED_STORAGE },
  ),
  boolean('log.cleaner.enable', true, 'MEDIUM', 'Whether logs with the policy compact are compacted.', {}),
  int(
    'log.cleaner.threads',
    1,
    'MEDIUM',
    'Logs that are compacted at the same time. Worker threads do it, one less than there are processors at most.',
    { check: atLeast(0) },
  ),
  long('log.cleaner.backoff.ms', 15000, 'MEDIUM', 'Time in ms to wait when there is nothing to compact.', {
    check: atLeast(0),
  }),
  long(
    'log.cleaner.dedupe.buffer.size',
    134217728,
    'MEDIUM',
    'Bytes for the keys of logs in compaction, for all of log.cleaner.threads together: 12 for each key. What does not fit needs several rounds.',
  ),
  int('log.cleaner.io.buffer.size', 524288, 'MEDIUM', 'Bytes for reading and writing in compaction.', {
    check: atLeast(0),
  }),
  double('log.cleaner.io.buffer.load.factor', '0.9', 'MEDIUM', 'How full the memory for keys may get.'),
  double(
    'log.cleaner.io.max.bytes.per.second',
    DOUBLE_MAX,
    'MEDIUM',
    'Most bytes a second that compaction reads and writes.',
  ),
  double(
    'log.cleaner.min.cleanable.ratio',
    '0.5',
    'MEDIUM',
    'Share of a log not yet compacted from which it is.',
    {
      check: between(0, 1),
    },
  ),
  long(
    'log.cleaner.delete.retention.ms',
    86400000,
    'MEDIUM',
    'Time in ms that tombstones stay in a compacted log.',
    {
      check: atLeast(0),
    },
  ),
  long(
    'log.cleaner.min.compaction.lag.ms',
    0,
    'MEDIUM',
    'Age in ms below which a record is not compacted away.',
    {
      check: atLeast(0),
    },
  ),
  long(
    'log.cleaner.max.compaction.lag.ms',
    LONG_MAX,
    'MEDIUM',
    'Age in ms above which a record takes part in compaction.',
    { check: atLeast(1) },
  ),
  int(
    'producer.id.expiration.ms',
    86400000,
    'LOW',
    'Time in ms without a write after which a producer is forgotten.',
    {
      check: atLeast(1),
    },
  ),
  int(
    'producer.id.expiration.check.interval.ms',
    600000,
    'LOW',
    'Time in ms between two checks for producers to forget.',
    { check: atLeast(1), internal: true },
  ),
];
