import { atLeast, between, distinct, oneOfIgnoringCase, someOf } from '../validators.ts';
import { INT_MAX, int, type KeyDefinition, list, long, short, string } from '../key-definition.ts';
import { INTERNAL, NO_CONSUMER_GROUPS, NO_STREAMS_GROUPS, THREADS } from './statuses.ts';

/** Consumer groups and their offsets. */
export const GROUP_KEYS: readonly KeyDefinition[] = [
  int(
    'group.min.session.timeout.ms',
    6000,
    'MEDIUM',
    'The shortest session timeout, in ms, that a member may ask for.',
  ),
  int(
    'group.max.session.timeout.ms',
    1800000,
    'MEDIUM',
    'The longest session timeout, in ms, that a member may ask for.',
  ),
  int(
    'group.initial.rebalance.delay.ms',
    3000,
    'MEDIUM',
    'Time in ms that an empty group waits for more members before its first rebalance.',
  ),
  int('group.max.size', INT_MAX, 'MEDIUM', 'Most members of a group.', { check: atLeast(1) }),
  list(
    'group.coordinator.rebalance.protocols',
    'classic,consumer,streams',
    'MEDIUM',
    'The rebalance protocols that are served.',
    { check: someOf(['consumer', 'classic', 'share', 'streams']), ...NO_CONSUMER_GROUPS },
  ),
  int('group.coordinator.threads', 4, 'HIGH', 'Threads of the group coordinator.', {
    check: atLeast(1),
    ...THREADS,
  }),
  int(
    'group.coordinator.background.threads',
    2,
    'HIGH',
    'Threads for background work of the group coordinator.',
    {
      check: atLeast(1),
      ...THREADS,
    },
  ),
  int(
    'group.coordinator.append.linger.ms',
    -1,
    'MEDIUM',
    'Time in ms that the coordinator gathers records before it writes them. -1: it decides by itself.',
    { check: atLeast(-1) },
  ),
  int(
    'group.coordinator.cached.buffer.max.bytes',
    1048588,
    'MEDIUM',
    'Bytes of the buffer for records that the coordinator keeps between writes.',
    { check: atLeast(524288), ...INTERNAL },
  ),

  short('offsets.topic.replication.factor', 3, 'HIGH', 'Replicas of the topic of committed offsets.', {
    check: atLeast(1),
  }),
  int(
    'offsets.topic.num.partitions',
    50,
    'HIGH',
    'Partitions of the topic of committed offsets. Fixed once it is there.',
    {
      check: atLeast(1),
    },
  ),
  int(
    'offsets.topic.segment.bytes',
    104857600,
    'HIGH',
    'Size in bytes of a segment of the topic of committed offsets.',
    {
      check: atLeast(1),
    },
  ),
  int(
    'offsets.topic.compression.codec',
    0,
    'HIGH',
    'Compression of the topic of committed offsets: 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd.',
    { check: between(0, 4) },
  ),
  int(
    'offsets.retention.minutes',
    10080,
    'HIGH',
    'Time in minutes that the offsets of an empty group are kept.',
    {
      check: atLeast(1),
    },
  ),
  long(
    'offsets.retention.check.interval.ms',
    600000,
    'HIGH',
    'Time in ms between two checks for offsets to remove.',
    {
      check: atLeast(1),
    },
  ),
  int('offsets.commit.timeout.ms', 5000, 'HIGH', 'Longest time in ms that a commit waits for its replicas.', {
    check: atLeast(1),
  }),
  int(
    'offsets.load.buffer.size',
    5242880,
    'HIGH',
    'Bytes read at a time when a coordinator loads its state.',
    {
      check: atLeast(1),
      ...INTERNAL,
    },
  ),
  int(
    'offset.metadata.max.bytes',
    4096,
    'HIGH',
    'Most bytes of the text that comes with a committed offset.',
  ),

  list('group.consumer.assignors', 'uniform,range', 'MEDIUM', 'Server-side assignors, the default first.', {
    check: distinct(false),
    ...NO_CONSUMER_GROUPS,
  }),
  string(
    'group.consumer.migration.policy',
    'bidirectional',
    'MEDIUM',
    'Which groups may change between the classic and the consumer protocol.',
    { check: oneOfIgnoringCase('disabled', 'downgrade', 'upgrade', 'bidirectional'), ...NO_CONSUMER_GROUPS },
  ),
  int('group.consumer.max.size', INT_MAX, 'MEDIUM', 'Most members of a group of the consumer protocol.', {
    check: atLeast(1),
    ...NO_CONSUMER_GROUPS,
  }),
  ...timings('consumer', 'of the consumer protocol', NO_CONSUMER_GROUPS),
  int(
    'group.consumer.regex.refresh.interval.ms',
    600000,
    'MEDIUM',
    'Time in ms between two resolutions of a subscription by pattern.',
    { check: atLeast(10000), internal: true, ...NO_CONSUMER_GROUPS },
  ),

  int('group.streams.max.size', INT_MAX, 'MEDIUM', 'Most members of a streams group.', {
    check: atLeast(1),
    ...NO_STREAMS_GROUPS,
  }),
  ...timings('streams', 'of a streams group', NO_STREAMS_GROUPS),
  int(
    'group.streams.initial.rebalance.delay.ms',
    3000,
    'MEDIUM',
    'Time in ms before the first tasks are given out.',
    {
      check: atLeast(0),
      ...NO_STREAMS_GROUPS,
    },
  ),
  int('group.streams.num.standby.replicas', 0, 'MEDIUM', 'Standby replicas of each task.', {
    check: atLeast(0),
    ...NO_STREAMS_GROUPS,
  }),
  int('group.streams.max.standby.replicas', 2, 'MEDIUM', 'Most standby replicas that a group may ask for.', {
    check: atLeast(0),
    ...NO_STREAMS_GROUPS,
  }),
];

/** The timing keys that consumer, streams and share groups have alike. */
export function timings(
  kind: string,
  whose: string,
  status: { status?: KeyDefinition['status'] },
): KeyDefinition[] {
  const positive = { check: atLeast(1), ...status };
  const natural = { check: atLeast(0), ...status };
  const name = (rest: string): string => `group.${kind}.${rest}`;
  return [
    int(name('session.timeout.ms'), 45000, 'MEDIUM', `Session timeout in ms of a member ${whose}.`, positive),
    int(
      name('min.session.timeout.ms'),
      45000,
      'MEDIUM',
      `Shortest session timeout in ms ${whose}.`,
      positive,
    ),
    int(name('max.session.timeout.ms'), 60000, 'MEDIUM', `Longest session timeout in ms ${whose}.`, positive),
    int(
      name('heartbeat.interval.ms'),
      5000,
      'MEDIUM',
      `Time in ms between heartbeats of a member ${whose}.`,
      positive,
    ),
    int(
      name('min.heartbeat.interval.ms'),
      5000,
      'MEDIUM',
      `Shortest time in ms between heartbeats ${whose}.`,
      positive,
    ),
    int(
      name('max.heartbeat.interval.ms'),
      15000,
      'MEDIUM',
      `Longest time in ms between heartbeats ${whose}.`,
      positive,
    ),
    int(
      name('assignment.interval.ms'),
      1000,
      'MEDIUM',
      `Shortest time in ms between assignments ${whose}.`,
      natural,
    ),
    int(
      name('min.assignment.interval.ms'),
      0,
      'MEDIUM',
      `Lower limit in ms of that interval ${whose}.`,
      natural,
    ),
    int(
      name('max.assignment.interval.ms'),
      15000,
      'MEDIUM',
      `Upper limit in ms of that interval ${whose}.`,
      natural,
    ),
  ];
}
