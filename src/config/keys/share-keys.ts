import { atLeast, between, distinct } from '../validators.ts';
import { int, type KeyDefinition, list, short, string } from '../key-definition.ts';
import { timings } from './group-keys.ts';
import { NO_SHARE_GROUPS } from './statuses.ts';

/** Share groups and the coordinator of their state. */
export const SHARE_KEYS: readonly KeyDefinition[] = [
  ...timings('share', 'of a share group', NO_SHARE_GROUPS),
  list(
    'group.share.assignors',
    'simple',
    'MEDIUM',
    'Server-side assignors of share groups, the default first.',
    {
      check: distinct(false),
      ...NO_SHARE_GROUPS,
    },
  ),
  int('group.share.max.size', 200, 'MEDIUM', 'Most members of a share group.', {
    check: between(1, 1000),
    ...NO_SHARE_GROUPS,
  }),
  int('group.share.max.share.sessions', 2000, 'MEDIUM', 'Share sessions that a broker keeps.', {
    check: atLeast(1),
    ...NO_SHARE_GROUPS,
  }),
  int('group.share.delivery.count.limit', 5, 'MEDIUM', 'How often a record is delivered at most.', {
    check: between(2, 10),
    ...NO_SHARE_GROUPS,
  }),
  int('group.share.min.delivery.count.limit', 2, 'MEDIUM', 'Lower limit of the delivery count of a group.', {
    check: between(2, 5),
    ...NO_SHARE_GROUPS,
  }),
  int('group.share.max.delivery.count.limit', 10, 'MEDIUM', 'Upper limit of the delivery count of a group.', {
    check: between(5, 25),
    ...NO_SHARE_GROUPS,
  }),
  int(
    'group.share.record.lock.duration.ms',
    30000,
    'MEDIUM',
    'Time in ms that a consumer has for a record.',
    {
      check: between(1000, 3600000),
      ...NO_SHARE_GROUPS,
    },
  ),
  int(
    'group.share.min.record.lock.duration.ms',
    15000,
    'MEDIUM',
    'Lower limit in ms of that time for a group.',
    {
      check: between(1000, 30000),
      ...NO_SHARE_GROUPS,
    },
  ),
  int(
    'group.share.max.record.lock.duration.ms',
    60000,
    'MEDIUM',
    'Upper limit in ms of that time for a group.',
    {
      check: between(30000, 3600000),
      ...NO_SHARE_GROUPS,
    },
  ),
  int(
    'group.share.partition.max.record.locks',
    2000,
    'MEDIUM',
    'Records of a partition in delivery at a time.',
    {
      check: between(100, 10000),
      ...NO_SHARE_GROUPS,
    },
  ),
  int(
    'group.share.min.partition.max.record.locks',
    100,
    'MEDIUM',
    'Lower limit of that number for a group.',
    {
      check: between(100, 2000),
      ...NO_SHARE_GROUPS,
    },
  ),
  int(
    'group.share.max.partition.max.record.locks',
    4000,
    'MEDIUM',
    'Upper limit of that number for a group.',
    {
      check: between(2000, 10000),
      ...NO_SHARE_GROUPS,
    },
  ),
  int(
    'group.share.initialize.retry.interval.ms',
    30000,
    'LOW',
    'Time in ms before a failed start of a state is tried again.',
    {
      check: atLeast(1),
      internal: true,
      ...NO_SHARE_GROUPS,
    },
  ),
  string(
    'group.share.persister.class.name',
    'org.apache.kafka.server.share.persister.DefaultStatePersister',
    'MEDIUM',
    'The class that keeps the state of share groups.',
    { internal: true, ...NO_SHARE_GROUPS },
  ),
  int(
    'share.fetch.purgatory.purge.interval.requests',
    1000,
    'MEDIUM',
    'Completed share fetches kept before a purge.',
    NO_SHARE_GROUPS,
  ),
  short(
    'share.coordinator.state.topic.replication.factor',
    3,
    'HIGH',
    'Replicas of the topic of share group state.',
    {
      check: atLeast(1),
      ...NO_SHARE_GROUPS,
    },
  ),
  short(
    'share.coordinator.state.topic.min.isr',
    2,
    'HIGH',
    'In-sync replicas that a write to that topic needs.',
    {
      check: atLeast(1),
      ...NO_SHARE_GROUPS,
    },
  ),
  int('share.coordinator.state.topic.num.partitions', 50, 'HIGH', 'Partitions of that topic.', {
    check: atLeast(1),
    ...NO_SHARE_GROUPS,
  }),
  int(
    'share.coordinator.state.topic.segment.bytes',
    104857600,
    'HIGH',
    'Size in bytes of a segment of that topic.',
    {
      check: atLeast(1),
      ...NO_SHARE_GROUPS,
    },
  ),
  int(
    'share.coordinator.state.topic.compression.codec',
    0,
    'HIGH',
    'Compression of that topic: 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd.',
    NO_SHARE_GROUPS,
  ),
  int(
    'share.coordinator.state.topic.prune.interval.ms',
    300000,
    'LOW',
    'Time in ms between two removals of its old records.',
    {
      check: atLeast(1),
      internal: true,
      ...NO_SHARE_GROUPS,
    },
  ),
  int(
    'share.coordinator.cold.partition.snapshot.interval.ms',
    300000,
    'LOW',
    'Time in ms between snapshots of idle partitions.',
    {
      check: atLeast(1),
      internal: true,
      ...NO_SHARE_GROUPS,
    },
  ),
  int(
    'share.coordinator.snapshot.update.records.per.snapshot',
    500,
    'MEDIUM',
    'Updates between two snapshots of a state.',
    {
      check: between(0, 500),
      ...NO_SHARE_GROUPS,
    },
  ),
  int(
    'share.coordinator.load.buffer.size',
    5242880,
    'HIGH',
    'Bytes read at a time when a coordinator loads its state.',
    {
      check: atLeast(1),
      ...NO_SHARE_GROUPS,
    },
  ),
  int(
    'share.coordinator.write.timeout.ms',
    5000,
    'HIGH',
    'Longest time in ms that a write of state waits for its replicas.',
    {
      check: atLeast(1),
      ...NO_SHARE_GROUPS,
    },
  ),
  int('share.coordinator.threads', 1, 'MEDIUM', 'Threads of the share coordinator.', {
    check: atLeast(1),
    ...NO_SHARE_GROUPS,
  }),
  int(
    'share.coordinator.append.linger.ms',
    -1,
    'MEDIUM',
    'Time in ms that the coordinator gathers records. -1: it decides.',
    {
      check: atLeast(-1),
      ...NO_SHARE_GROUPS,
    },
  ),
  int(
    'share.coordinator.cached.buffer.max.bytes',
    1048588,
    'MEDIUM',
    'Bytes of the buffer that the coordinator keeps.',
    {
      check: atLeast(524288),
      ...NO_SHARE_GROUPS,
    },
  ),
];
