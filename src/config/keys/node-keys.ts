import { atLeast, distinct, someOf } from '../validators.ts';
import { boolean, int, type KeyDefinition, LONG_MAX, list, long, string } from '../key-definition.ts';
import { CONTROLLER_TIMEOUT, INTERNAL, TURN } from './statuses.ts';

/** Who a node is, and the quorum of controllers. */
export const NODE_KEYS: readonly KeyDefinition[] = [
  list('process.roles', undefined, 'HIGH', 'What this node does: broker, controller, or both.', {
    check: someOf(['broker', 'controller']),
  }),
  int(
    'node.id',
    undefined,
    'HIGH',
    'The id of this node, different from that of every other node of the cluster.',
    {
      check: atLeast(0),
    },
  ),
  int('broker.id', -1, 'HIGH', 'The older name of node.id. If both are given they must be equal.'),
  string(
    'broker.rack',
    null,
    'MEDIUM',
    'Where the broker stands, in any words; clients may prefer a near one.',
  ),
  int(
    'broker.heartbeat.interval.ms',
    2000,
    'MEDIUM',
    'Time in ms between heartbeats of a broker to the controller.',
  ),
  boolean(
    'broker.crash.detection.enable',
    true,
    'MEDIUM',
    'Whether the active controller fences a broker that has missed two heartbeats and whose listeners refuse ' +
      'connections, without waiting for the end of its session: its process has ended. Only controllers use it.',
  ),
  int(
    'broker.session.timeout.ms',
    9000,
    'MEDIUM',
    'Time in ms without a heartbeat after which the controller fences a broker.',
  ),
  int(
    'initial.broker.registration.timeout.ms',
    60000,
    'MEDIUM',
    'Time in ms that a starting broker waits for its registration with the controller before it gives up.',
  ),
  boolean(
    'controlled.shutdown.enable',
    true,
    'MEDIUM',
    'Whether a broker moves its leaderships to other brokers before it stops.',
  ),
  list(
    'controller.listener.names',
    undefined,
    'HIGH',
    'The names of the listeners for controllers. The first is the one that brokers connect to.',
    { check: distinct(false) },
  ),
  list(
    'controller.quorum.voters',
    '',
    'HIGH',
    'The controllers of a quorum with fixed members, each as id@host:port. Leave it empty for a quorum whose members ' +
      'are in the metadata log.',
  ),
  list(
    'controller.quorum.bootstrap.servers',
    '',
    'HIGH',
    'Addresses, each as host:port, at which a node asks for the quorum when it does not know it yet.',
  ),
  boolean(
    'controller.quorum.auto.join.enable',
    false,
    'LOW',
    'Whether a controller adds itself to the voters when it starts.',
  ),
  int(
    'controller.quorum.append.linger.ms',
    25,
    'MEDIUM',
    'Time in ms that the leader of the quorum gathers records before it writes them.',
    { check: atLeast(0), ...TURN },
  ),
  int(
    'controller.quorum.election.timeout.ms',
    1000,
    'HIGH',
    'Time in ms without votes from a majority after which a candidate starts another election.',
    { check: atLeast(0) },
  ),
  int(
    'controller.quorum.election.backoff.max.ms',
    1000,
    'HIGH',
    'The longest time in ms, chosen at random below it, between two elections that fail.',
    { check: atLeast(0) },
  ),
  int(
    'controller.quorum.fetch.timeout.ms',
    2000,
    'HIGH',
    'Time in ms without an answer from the leader of the quorum after which a voter calls an election; also the time ' +
      'without requests of a majority after which a leader resigns.',
    { check: atLeast(0) },
  ),
  int(
    'controller.quorum.request.timeout.ms',
    2000,
    'MEDIUM',
    'Time in ms to wait for an answer inside the quorum.',
    {
      check: atLeast(0),
    },
  ),
  int(
    'controller.quorum.retry.backoff.ms',
    20,
    'LOW',
    'Time in ms before a request inside the quorum is sent again.',
    {
      check: atLeast(0),
    },
  ),
  int('controller.quorum.fetch.max.bytes', 1048576, 'LOW', 'Most bytes of one fetch from the metadata log.', {
    check: atLeast(1),
  }),
  int(
    'controller.quorum.fetch.snapshot.max.bytes',
    1048576,
    'LOW',
    'Most bytes of one fetch from a snapshot.',
    {
      check: atLeast(1),
    },
  ),
  int(
    'controller.socket.timeout.ms',
    30000,
    'MEDIUM',
    'Time in ms that a broker waits for an answer of the controller.',
    CONTROLLER_TIMEOUT,
  ),
  string(
    'metadata.log.dir',
    null,
    'HIGH',
    'The directory of the metadata log. Without it, the first of log.dirs.',
  ),
  int('metadata.log.segment.bytes', 1073741824, 'HIGH', 'Size in bytes of a segment of the metadata log.', {
    check: atLeast(8388608),
  }),
  long(
    'metadata.log.segment.ms',
    604800000,
    'HIGH',
    'Age in ms after which a segment of the metadata log is closed.',
  ),
  long(
    'metadata.log.max.record.bytes.between.snapshots',
    20971520,
    'HIGH',
    'Bytes of new metadata records after which a snapshot is made.',
    { check: atLeast(1) },
  ),
  long(
    'metadata.log.max.snapshot.interval.ms',
    3600000,
    'HIGH',
    'Longest time in ms before a snapshot is made, if there are new records. 0: only by bytes.',
    { check: atLeast(0) },
  ),
  long(
    'metadata.max.retention.bytes',
    104857600,
    'HIGH',
    'Bytes of the metadata log and its snapshots beyond which old ones are deleted, where a snapshot allows it.',
  ),
  long(
    'metadata.max.retention.ms',
    604800000,
    'HIGH',
    'Age in ms beyond which old parts of the metadata log are deleted, where a snapshot allows it.',
  ),
  int(
    'metadata.max.idle.interval.ms',
    500,
    'LOW',
    'Time in ms after which the controller writes a record that says nothing if it has no other. 0: never.',
    { check: atLeast(0) },
  ),
  boolean(
    'auto.leader.rebalance.enable',
    true,
    'HIGH',
    'Whether leadership goes back to the preferred replica of a partition in the background.',
  ),
  long(
    'leader.imbalance.check.interval.seconds',
    300,
    'HIGH',
    'Time in seconds between two checks for leaders that are not the preferred ones.',
    { check: atLeast(1) },
  ),
  long(
    'unclean.leader.election.interval.ms',
    300000,
    'MEDIUM',
    'Time in ms between two checks for partitions that need an unclean election.',
    { check: atLeast(1), internal: true },
  ),
  int(
    'internal.metadata.log.segment.bytes',
    null,
    'LOW',
    'As metadata.log.segment.bytes, without its lower limit.',
    {
      internal: true,
    },
  ),
  int(
    'internal.metadata.max.batch.size.in.bytes',
    8388608,
    'LOW',
    'Most bytes of one batch of metadata records.',
    {
      internal: true,
      ...INTERNAL,
    },
  ),
  long(
    'internal.metadata.delete.delay.millis',
    60000,
    'LOW',
    'Time in ms before files of the metadata log are removed.',
    { internal: true, ...INTERNAL },
  ),
  long(
    'controller.performance.always.log.threshold.ms',
    2000,
    'MEDIUM',
    'A controller event that takes longer, in ms, is logged.',
    { check: atLeast(0), internal: true, ...INTERNAL },
  ),
  long(
    'controller.performance.sample.period.ms',
    60000,
    'MEDIUM',
    'Time in ms between two lines about slow controller events.',
    { check: atLeast(100), internal: true, ...INTERNAL },
  ),
  long('server.max.startup.time.ms', LONG_MAX, 'MEDIUM', 'Longest time in ms that a start may take.', {
    check: atLeast(0),
    internal: true,
    ...INTERNAL,
  }),
  boolean(
    'unstable.api.versions.enable',
    false,
    'HIGH',
    'Whether versions of APIs that are not final are served.',
    {
      internal: true,
      ...INTERNAL,
    },
  ),
  boolean(
    'unstable.feature.versions.enable',
    false,
    'HIGH',
    'Whether feature levels that are not final are allowed.',
    {
      internal: true,
      ...INTERNAL,
    },
  ),
];
