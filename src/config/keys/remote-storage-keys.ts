import { atLeast, between, nonEmpty } from '../validators.ts';
import { boolean, double, int, type KeyDefinition, LONG_MAX, long, string } from '../key-definition.ts';
import { NO_TIERED_STORAGE, REFUSED_TIERED_STORAGE } from './statuses.ts';

const POSITIVE = { check: atLeast(1), ...NO_TIERED_STORAGE };
const INNER = { internal: true, ...POSITIVE };

/** Tiered storage. */
export const REMOTE_STORAGE_KEYS: readonly KeyDefinition[] = [
  boolean(
    'remote.log.storage.system.enable',
    false,
    'MEDIUM',
    'Whether old segments may go to tiered storage.',
    REFUSED_TIERED_STORAGE,
  ),
  string('remote.log.storage.manager.class.name', null, 'MEDIUM', 'The class that stores segments.', {
    check: nonEmpty,
    ...NO_TIERED_STORAGE,
  }),
  string('remote.log.storage.manager.class.path', null, 'MEDIUM', 'Where that class is.', NO_TIERED_STORAGE),
  string(
    'remote.log.storage.manager.impl.prefix',
    'rsm.config.',
    'MEDIUM',
    'The prefix of keys for that class.',
    {
      check: nonEmpty,
      ...NO_TIERED_STORAGE,
    },
  ),
  string(
    'remote.log.metadata.manager.class.name',
    'org.apache.kafka.server.log.remote.metadata.storage.TopicBasedRemoteLogMetadataManager',
    'MEDIUM',
    'The class that keeps track of stored segments.',
    { check: nonEmpty, ...NO_TIERED_STORAGE },
  ),
  string('remote.log.metadata.manager.class.path', null, 'MEDIUM', 'Where that class is.', NO_TIERED_STORAGE),
  string(
    'remote.log.metadata.manager.impl.prefix',
    'rlmm.config.',
    'MEDIUM',
    'The prefix of keys for that class.',
    {
      check: nonEmpty,
      ...NO_TIERED_STORAGE,
    },
  ),
  string('remote.log.metadata.manager.listener.name', null, 'MEDIUM', 'The listener that it uses.', {
    check: nonEmpty,
    ...NO_TIERED_STORAGE,
  }),
  int(
    'remote.log.metadata.custom.metadata.max.bytes',
    128,
    'LOW',
    'Most bytes that the store adds to a segment.',
    {
      check: atLeast(0),
      ...NO_TIERED_STORAGE,
    },
  ),
  long(
    'remote.log.index.file.cache.total.size.bytes',
    1073741824,
    'LOW',
    'Bytes of indexes of stored segments kept here.',
    POSITIVE,
  ),
  long('remote.log.index.file.cache.ttl.ms', 900000, 'LOW', 'Time in ms that such an index is kept unused.', {
    check: atLeast(-1),
    internal: true,
    ...NO_TIERED_STORAGE,
  }),
  int('remote.log.manager.thread.pool.size', 2, 'MEDIUM', 'Threads of tiered storage.', POSITIVE),
  int('remote.log.manager.copier.thread.pool.size', 10, 'MEDIUM', 'Threads that copy segments.', POSITIVE),
  int(
    'remote.log.manager.expiration.thread.pool.size',
    10,
    'MEDIUM',
    'Threads that remove stored segments.',
    POSITIVE,
  ),
  int('remote.log.manager.follower.thread.pool.size', 2, 'MEDIUM', 'Threads for followers.', POSITIVE),
  long(
    'remote.log.manager.task.interval.ms',
    30000,
    'LOW',
    'Time in ms between two rounds of copying.',
    POSITIVE,
  ),
  long(
    'remote.log.manager.task.retry.backoff.ms',
    500,
    'LOW',
    'Time in ms before a failed round is tried again.',
    INNER,
  ),
  long(
    'remote.log.manager.task.retry.backoff.max.ms',
    30000,
    'LOW',
    'The longest that this time grows to.',
    INNER,
  ),
  double('remote.log.manager.task.retry.jitter', '0.2', 'LOW', 'The random share of this time.', {
    check: between(0, 0.5),
    internal: true,
    ...NO_TIERED_STORAGE,
  }),
  long(
    'remote.log.manager.copy.max.bytes.per.second',
    LONG_MAX,
    'MEDIUM',
    'Most bytes a second to the store.',
    POSITIVE,
  ),
  int('remote.log.manager.copy.quota.window.num', 11, 'MEDIUM', 'Samples kept for that limit.', POSITIVE),
  int(
    'remote.log.manager.copy.quota.window.size.seconds',
    1,
    'MEDIUM',
    'Length in seconds of each of these samples.',
    POSITIVE,
  ),
  long(
    'remote.log.manager.fetch.max.bytes.per.second',
    LONG_MAX,
    'MEDIUM',
    'Most bytes a second from the store.',
    POSITIVE,
  ),
  int('remote.log.manager.fetch.quota.window.num', 11, 'MEDIUM', 'Samples kept for that limit.', POSITIVE),
  int(
    'remote.log.manager.fetch.quota.window.size.seconds',
    1,
    'MEDIUM',
    'Length in seconds of each of these samples.',
    POSITIVE,
  ),
  int('remote.log.reader.threads', 10, 'MEDIUM', 'Threads that read from the store.', POSITIVE),
  int(
    'remote.log.reader.max.pending.tasks',
    100,
    'MEDIUM',
    'Reads that may wait for such a thread.',
    POSITIVE,
  ),
  int(
    'remote.fetch.max.wait.ms',
    500,
    'MEDIUM',
    'Longest time in ms that a fetch waits for the store.',
    POSITIVE,
  ),
  long(
    'remote.list.offsets.request.timeout.ms',
    30000,
    'MEDIUM',
    'Longest time in ms that ListOffsets waits for the store.',
    POSITIVE,
  ),
];
