import { boolean, int, type KeyDefinition, list, string } from '../config/key-definition.ts';
import { atLeast, between, oneOf, type Validator } from '../config/validators.ts';

/** A key of a group's configuration, with the broker's key that gives its default. */
export interface GroupKeyDefinition extends KeyDefinition {
  readonly brokerKey: string | undefined;
}

function group(brokerKey: string | undefined, definition: KeyDefinition): [string, GroupKeyDefinition] {
  return [definition.name, { ...definition, updateMode: 'cluster-wide', brokerKey }];
}

const ms = (name: string, value: number, what: string): KeyDefinition =>
  int(name, value, 'MEDIUM', what, { check: atLeast(1) });
const count = (name: string, value: number, what: string, least = 0): KeyDefinition =>
  int(name, value, 'MEDIUM', what, { check: atLeast(least) });

/** As java.time.Duration reads it: days, hours, minutes, seconds with a fraction. */
const DURATION = /^P(?=[\dT])(\d+D)?(T(?=\d)(\d+H)?(\d+M)?(\d+([.,]\d{0,9})?S)?)?$/i;

const OFFSET_RESET: Validator = {
  allowed: 'earliest, latest, or by_duration: with a duration of ISO 8601, like by_duration:PT1H',
  accepts: value =>
    value === 'earliest' ||
    value === 'latest' ||
    (typeof value === 'string' &&
      value.startsWith('by_duration:') &&
      DURATION.test(value.slice('by_duration:'.length))),
};

/** The configuration of a consumer, share or streams group, by key. */
export const GROUP_RESOURCE_KEYS: ReadonlyMap<string, GroupKeyDefinition> = new Map([
  group(
    'group.consumer.session.timeout.ms',
    ms('consumer.session.timeout.ms', 45000, 'Time in ms without a heartbeat after which a member is gone.'),
  ),
  group(
    'group.consumer.heartbeat.interval.ms',
    ms('consumer.heartbeat.interval.ms', 5000, 'Time in ms between two heartbeats of a member.'),
  ),
  group(
    'group.consumer.assignment.interval.ms',
    count('consumer.assignment.interval.ms', 1000, 'Least time in ms between two assignments.'),
  ),
  group(
    'group.share.session.timeout.ms',
    ms('share.session.timeout.ms', 45000, 'Time in ms without a heartbeat after which a member is gone.'),
  ),
  group(
    'group.share.heartbeat.interval.ms',
    ms('share.heartbeat.interval.ms', 5000, 'Time in ms between two heartbeats of a member.'),
  ),
  group(
    'group.share.assignment.interval.ms',
    count('share.assignment.interval.ms', 1000, 'Least time in ms between two assignments.'),
  ),
  group(
    'group.share.record.lock.duration.ms',
    int(
      'share.record.lock.duration.ms',
      30000,
      'MEDIUM',
      'How long in ms a record stays with one consumer.',
      {
        check: atLeast(1000),
      },
    ),
  ),
  group(
    'group.share.delivery.count.limit',
    int('share.delivery.count.limit', 5, 'MEDIUM', 'How often a record is delivered at most.', {
      check: atLeast(2),
    }),
  ),
  group(
    'group.share.partition.max.record.locks',
    int('share.partition.max.record.locks', 2000, 'MEDIUM', 'Records in delivery for a partition at most.', {
      check: atLeast(100),
    }),
  ),
  group(
    undefined,
    string(
      'share.auto.offset.reset',
      'latest',
      'MEDIUM',
      'Where a share group begins: earliest, latest, by_duration:<ISO 8601>.',
      { check: OFFSET_RESET },
    ),
  ),
  group(
    undefined,
    string(
      'share.isolation.level',
      'read_uncommitted',
      'MEDIUM',
      'Whether records of open transactions are delivered.',
      {
        check: oneOf('read_committed', 'read_uncommitted'),
      },
    ),
  ),
  group(
    undefined,
    boolean('share.renew.acknowledge.enable', true, 'MEDIUM', 'Whether a consumer may keep a record longer.'),
  ),
  group(
    'group.streams.session.timeout.ms',
    ms('streams.session.timeout.ms', 45000, 'Time in ms without a heartbeat after which a member is gone.'),
  ),
  group(
    'group.streams.heartbeat.interval.ms',
    ms('streams.heartbeat.interval.ms', 5000, 'Time in ms between two heartbeats of a member.'),
  ),
  group(
    'group.streams.assignment.interval.ms',
    count('streams.assignment.interval.ms', 1000, 'Least time in ms between two assignments.'),
  ),
  group(
    'group.streams.num.standby.replicas',
    count('streams.num.standby.replicas', 0, 'Standby replicas of each task.'),
  ),
  group(
    'group.streams.initial.rebalance.delay.ms',
    count('streams.initial.rebalance.delay.ms', 3000, 'How long in ms a new group waits for more members.'),
  ),
]);

/** The configuration of a subscription to the metrics of clients, by key (KIP-714). */
export const CLIENT_METRICS_KEYS: ReadonlyMap<string, KeyDefinition> = new Map(
  [
    int('interval.ms', 300000, 'MEDIUM', 'Time in ms between two reports of a client.', {
      check: between(100, 3600000),
    }),
    list('match', '', 'MEDIUM', 'Which clients: pairs of an attribute and a pattern.'),
    list('metrics', '', 'MEDIUM', 'Beginnings of the names of the metrics; * for all.'),
  ].map(key => [key.name, { ...key, updateMode: 'cluster-wide' }]),
);
