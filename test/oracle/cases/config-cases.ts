import {
  DescribeConfigsRequest,
  DescribeConfigsResponse,
} from '../../../src/protocol/messages/32-describe-configs.ts';
import {
  AlterConfigsRequest,
  AlterConfigsResponse,
} from '../../../src/protocol/messages/33-alter-configs.ts';
import {
  IncrementalAlterConfigsRequest,
  IncrementalAlterConfigsResponse,
} from '../../../src/protocol/messages/44-incremental-alter-configs.ts';
import type { DifferentialCase, Session } from '../session.ts';

const TOPIC = 2;
const BROKER = 4;
const CLIENT_METRICS = 16;
const GROUP = 32;

const SET = 0;
const DELETE = 1;
const APPEND = 2;
const SUBTRACT = 3;
const DESCRIBE_VERSION = 4;

type Resource = readonly [type: number, name: string];
type Change = readonly [key: string, operation: number, value: string | null];

/** What Apache Kafka publishes reaches its broker a moment after the answer. */
const published = () => new Promise(resolve => setTimeout(resolve, 200));

function alter(session: Session, step: string, resources: [Resource, Change[]][], validateOnly = false) {
  return session.send(step, IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse, {
    resources: resources.map(([[resourceType, resourceName], changes]) => ({
      resourceType,
      resourceName,
      configs: changes.map(([name, configOperation, value]) => ({ name, configOperation, value })),
    })),
    validateOnly,
  });
}

function replace(
  session: Session,
  step: string,
  resources: [Resource, Record<string, string | null>][],
  validateOnly = false,
) {
  return session.send(step, AlterConfigsRequest, AlterConfigsResponse, {
    resources: resources.map(([[resourceType, resourceName], values]) => ({
      resourceType,
      resourceName,
      configs: Object.entries(values).map(([name, value]) => ({ name, value })),
    })),
    validateOnly,
  });
}

async function describe(
  session: Session,
  step: string,
  [resourceType, resourceName]: Resource,
  keys: string[],
) {
  await published();
  const resources = [{ resourceType, resourceName, configurationKeys: keys.length === 0 ? null : keys }];
  const body = { resources, includeSynonyms: true };
  await session.send(step, DescribeConfigsRequest, DescribeConfigsResponse, body, {
    version: DESCRIBE_VERSION,
  });
}

/** Keys and values of a running broker, for it and for all: what is taken, and what is refused. */
const ASKED: readonly (readonly [key: string, value: string])[] = [
  ['log.retention.ms', '5000'],
  ['log.retention.ms', '0'],
  ['log.retention.ms', 'x'],
  ['log.retention.hours', '1'],
  ['log.segment.bytes', '1'],
  ['log.cleanup.policy', 'compact,delete'],
  ['log.cleanup.policy', 'shred'],
  ['compression.type', 'zstd'],
  ['min.insync.replicas', '0'],
  ['num.partitions', '2'],
  ['log.dirs', '/x'],
  ['advertised.listeners', 'PLAINTEXT://a:1'],
  ['num.io.threads', '4'],
  ['num.io.threads', '3'],
  ['num.io.threads', '17'],
  ['num.network.threads', '6'],
  ['num.network.threads', '7'],
  ['background.threads', '21'],
  ['num.replica.fetchers', '2'],
  ['num.replica.fetchers', '3'],
  ['num.recovery.threads.per.data.dir', '5'],
  ['num.replica.alter.log.dirs.threads', '2'],
  ['log.cleaner.threads', '2'],
  ['log.cleaner.threads', '3'],
  ['log.cleaner.threads', '0'],
  ['log.cleaner.backoff.ms', '-1'],
  ['log.cleaner.dedupe.buffer.size', '1000'],
  ['log.cleaner.io.max.bytes.per.second', '0.5'],
  ['max.connections', '0'],
  ['max.connections', '100'],
  ['max.connections.per.ip', '0'],
  ['max.connections.per.ip.overrides', '127.0.0.1:5'],
  ['max.connections.per.ip.overrides', 'nonsense'],
  ['max.connection.creation.rate', '0'],
  ['listener.name.plaintext.max.connections', '7'],
  ['listener.name.plaintext.max.connections', 'x'],
  ['listener.name.plaintext.ssl.keystore.location', '/x'],
  ['ssl.keystore.location', '/x'],
  ['sasl.jaas.config', 'x'],
  ['metric.reporters', 'no.such.Class'],
  ['producer.id.expiration.ms', '1000'],
  ['producer.id.expiration.check.interval.ms', '1000'],
  ['transaction.partition.verification.enable', 'maybe'],
  ['leader.replication.throttled.rate', '5'],
  ['leader.replication.throttled.rate', '-1'],
  ['log.local.retention.ms', '99999999999'],
  ['remote.log.reader.threads', '100'],
  ['cordoned.log.dirs', '*'],
  ['cordoned.log.dirs', '*,/x'],
  ['cordoned.log.dirs', '/x'],
  ['cordoned.log.dirs', ''],
];

const ONE: Resource = [BROKER, '1'];
const ALL: Resource = [BROKER, ''];

export const configCases: readonly DifferentialCase[] = [
  {
    api: IncrementalAlterConfigsRequest,
    name: 'what a running broker may have',
    async run(session) {
      for (const [key, value] of ASKED) {
        await alter(session, `${key}=${value} for one`, [[ONE, [[key, SET, value]]]], true);
        await alter(session, `${key}=${value} for all`, [[ALL, [[key, SET, value]]]], true);
      }
      await alter(session, 'delete a read-only key', [[ONE, [['num.partitions', DELETE, null]]]], true);
      await alter(session, 'to null', [[ONE, [['log.retention.ms', SET, null]]]], true);
      await alter(session, 'append to a number', [[ONE, [['log.retention.ms', APPEND, '1']]]], true);
      await describe(session, 'nothing was set', ONE, [
        'log.retention.ms',
        'num.io.threads',
        'max.connections',
      ]);
    },
  },
  {
    api: IncrementalAlterConfigsRequest,
    name: 'one broker and all brokers',
    async run(session) {
      const keys = ['log.flush.interval.messages', 'log.cleanup.policy', 'max.connections.per.ip'];
      await alter(session, 'for all', [
        [
          ALL,
          [
            ['log.flush.interval.messages', SET, '500'],
            ['max.connections.per.ip', SET, '900'],
          ],
        ],
      ]);
      await alter(session, 'for one', [[ONE, [['log.flush.interval.messages', SET, '600']]]]);
      await describe(session, 'both', ONE, keys);
      await describe(session, 'those for all', ALL, []);
      await session.createTopic('t', 1, { 'retention.ms': '1234' });
      await describe(session, 'a topic', [TOPIC, session.name('t')], ['flush.messages', 'retention.ms']);
      await alter(session, 'append to the default', [[ONE, [['log.cleanup.policy', APPEND, 'compact']]]]);
      await describe(session, 'appended', ONE, keys);
      await alter(session, 'subtract', [[ONE, [['log.cleanup.policy', SUBTRACT, 'delete']]]]);
      await describe(session, 'subtracted', ONE, keys);
      await alter(session, 'delete', [
        [ONE, keys.map((key): Change => [key, DELETE, null])],
        [ALL, keys.map((key): Change => [key, DELETE, null])],
      ]);
      await describe(session, 'as at first', ONE, keys);
      await describe(session, 'nothing for all', ALL, []);
    },
  },
  {
    api: IncrementalAlterConfigsRequest,
    name: 'groups and subscriptions to metrics',
    async run(session) {
      const group: Resource = [GROUP, session.name('g')];
      const metrics: Resource = [CLIENT_METRICS, session.name('m')];
      await describe(session, 'a group', group, []);
      await describe(session, 'a subscription', metrics, []);
      await alter(session, 'set', [
        [
          group,
          [
            ['consumer.session.timeout.ms', SET, '50000'],
            ['share.isolation.level', SET, 'read_committed'],
          ],
        ],
        [
          metrics,
          [
            ['interval.ms', SET, '2000'],
            ['metrics', SET, 'a.,b.'],
            ['match', SET, 'client_id=x.*'],
          ],
        ],
      ]);
      await alter(session, 'append to a subscription', [[metrics, [['metrics', APPEND, 'c.']]]], true);
      await describe(session, 'the group then', group, []);
      await describe(session, 'the subscription then', metrics, []);
      for (const [key, value] of [
        ['consumer.session.timeout.ms', '1'],
        ['consumer.session.timeout.ms', 'x'],
        ['consumer.heartbeat.interval.ms', '1'],
        ['share.auto.offset.reset', 'by_duration:PT1H'],
        ['share.auto.offset.reset', 'by_duration:1 hour'],
        ['share.auto.offset.reset', 'whenever'],
        ['share.record.lock.duration.ms', '1000000'],
        ['streams.num.standby.replicas', '100'],
        ['no.such.key', '1'],
      ] as const) {
        await alter(session, `${key}=${value}`, [[group, [[key, SET, value]]]], true);
      }
      for (const [key, value] of [
        ['interval.ms', '1'],
        ['interval.ms', 'x'],
        ['match', 'no_such_attribute=x'],
        ['match', 'client_id'],
        ['match', 'client_id=('],
        ['no.such.key', '1'],
      ] as const) {
        await alter(session, `${key}=${value}`, [[metrics, [[key, SET, value]]]], true);
      }
      await alter(session, 'without a name', [
        [[GROUP, ''], [['consumer.session.timeout.ms', SET, '50000']]],
      ]);
      await alter(session, 'a subscription without a name', [
        [[CLIENT_METRICS, ''], [['interval.ms', SET, '2000']]],
      ]);
      await alter(session, 'a group twice', [
        [group, [['consumer.session.timeout.ms', SET, '50000']]],
        [group, [['consumer.session.timeout.ms', SET, '51000']]],
      ]);
    },
  },
  {
    api: AlterConfigsRequest,
    minVersion: 1,
    name: 'brokers, groups and subscriptions as a whole',
    async run(session) {
      const group: Resource = [GROUP, session.name('g')];
      const metrics: Resource = [CLIENT_METRICS, session.name('m')];
      const keys = ['log.flush.interval.messages', 'log.flush.interval.ms'];
      await replace(session, 'a broker', [[ONE, { 'log.flush.interval.messages': '700' }]]);
      await replace(session, 'only to see', [[ONE, { 'log.flush.interval.ms': '9' }]], true);
      await describe(session, 'one key', ONE, keys);
      await replace(session, 'another key', [[ONE, { 'log.flush.interval.ms': '9000' }]]);
      await describe(session, 'the first has gone', ONE, keys);
      await replace(session, 'a read-only key', [[ONE, { 'num.partitions': '3' }]]);
      await replace(session, 'a null', [[ONE, { 'log.flush.interval.ms': null }]]);
      await replace(session, 'nothing', [[ONE, {}]]);
      await describe(session, 'as at first', ONE, keys);
      await replace(session, 'a group and a subscription', [
        [group, { 'consumer.session.timeout.ms': '50000' }],
        [metrics, { 'interval.ms': '2000' }],
      ]);
      await replace(session, 'others', [
        [group, { 'consumer.heartbeat.interval.ms': '6000' }],
        [metrics, { metrics: '*' }],
      ]);
      await describe(session, 'the group', group, []);
      await describe(session, 'the subscription', metrics, []);
      await replace(session, 'unknown key', [[group, { 'no.such.key': '1' }]]);
    },
  },
];
