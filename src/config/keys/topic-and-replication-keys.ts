import { atLeast, oneOf } from '../validators.ts';
import { boolean, className, int, type KeyDefinition, long, refused, string } from '../key-definition.ts';
import { NO_JAVA, NO_PURGATORY, NO_TIERED_STORAGE, SYSTEM_BUFFERS } from './statuses.ts';

/** The creation of topics, and how they are replicated. */
export const TOPIC_AND_REPLICATION_KEYS: readonly KeyDefinition[] = [
  boolean(
    'auto.create.topics.enable',
    true,
    'HIGH',
    'Whether a topic is created when a client asks for one that is missing.',
  ),
  boolean('delete.topic.enable', true, 'HIGH', 'Whether topics may be deleted.'),
  int('num.partitions', 1, 'MEDIUM', 'Partitions of a topic that is created without a number of its own.', {
    check: atLeast(1),
  }),
  int(
    'default.replication.factor',
    1,
    'MEDIUM',
    'Replicas of a topic that is created without a number of its own.',
  ),
  int(
    'min.insync.replicas',
    1,
    'HIGH',
    'Replicas that must be in sync for a write with acks=all to be taken.',
    { check: atLeast(1) },
  ),
  boolean(
    'unclean.leader.election.enable',
    false,
    'HIGH',
    'Whether a replica that is not in sync may become leader when no other can, at the cost of records.',
  ),
  className(
    'create.topic.policy.class.name',
    null,
    'LOW',
    'A class that decides which topics may be created.',
    { status: refused(`${NO_JAVA}; create.topic.policy names a module that does the same`) },
  ),
  className(
    'alter.config.policy.class.name',
    null,
    'LOW',
    'A class that decides which configurations may be set.',
    { status: refused(`${NO_JAVA}; alter.config.policy names a module that does the same`) },
  ),
  string(
    'create.topic.policy',
    null,
    'LOW',
    'A JavaScript or TypeScript module that decides which topics may be created. Controllers load it when they start.',
  ),
  string(
    'alter.config.policy',
    null,
    'LOW',
    'A JavaScript or TypeScript module that decides which configurations may be set. Controllers load it when they start.',
  ),
  int('num.replica.fetchers', 1, 'HIGH', 'Fetchers for each broker that is followed.', {
    check: atLeast(1),
  }),
  long(
    'replica.lag.time.max.ms',
    30000,
    'HIGH',
    'Time in ms after which a follower that is behind is out of sync.',
  ),
  int(
    'replica.socket.timeout.ms',
    30000,
    'HIGH',
    'Time in ms that a follower waits for an answer of its leader.',
  ),
  int(
    'replica.socket.receive.buffer.bytes',
    65536,
    'HIGH',
    'Size in bytes of the receive buffer of a follower.',
    SYSTEM_BUFFERS,
  ),
  int('replica.fetch.max.bytes', 1048576, 'MEDIUM', 'Bytes of one partition that a follower asks for.', {
    check: atLeast(0),
  }),
  int(
    'replica.fetch.wait.max.ms',
    500,
    'HIGH',
    'Longest time in ms that a leader waits before it answers a follower.',
  ),
  int('replica.fetch.min.bytes', 1, 'HIGH', 'Bytes that a leader waits for before it answers a follower.'),
  int(
    'replica.fetch.response.max.bytes',
    10485760,
    'MEDIUM',
    'Bytes of one answer that a follower asks for.',
    {
      check: atLeast(0),
    },
  ),
  int('replica.fetch.backoff.ms', 1000, 'MEDIUM', 'Time in ms that a follower waits after a failure.', {
    check: atLeast(0),
  }),
  long(
    'replica.high.watermark.checkpoint.interval.ms',
    5000,
    'HIGH',
    'Time in ms between two writes of the high watermarks of all logs.',
  ),
  string(
    'replica.selector.class',
    null,
    'MEDIUM',
    'A class that chooses the replica that a consumer reads from. Without one, consumers read from the leader.',
    { check: oneOf('org.apache.kafka.common.replica.RackAwareReplicaSelector') },
  ),
  boolean(
    'follower.fetch.last.tiered.offset.enable',
    false,
    'MEDIUM',
    'Whether a new follower begins where tiered storage ends.',
    NO_TIERED_STORAGE,
  ),
  int(
    'fetch.purgatory.purge.interval.requests',
    1000,
    'MEDIUM',
    'Completed fetches kept before a purge.',
    NO_PURGATORY,
  ),
  int(
    'producer.purgatory.purge.interval.requests',
    1000,
    'MEDIUM',
    'Completed produces kept before a purge.',
    NO_PURGATORY,
  ),
  int(
    'delete.records.purgatory.purge.interval.requests',
    1,
    'MEDIUM',
    'Completed deletions kept before a purge.',
    NO_PURGATORY,
  ),
];
