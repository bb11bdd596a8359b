import { MetadataRequest, MetadataResponse } from '../../../src/protocol/messages/03-metadata.ts';
import { ApiVersionsRequest, ApiVersionsResponse } from '../../../src/protocol/messages/18-api-versions.ts';
import {
  CreateTopicsRequest,
  CreateTopicsResponse,
} from '../../../src/protocol/messages/19-create-topics.ts';
import {
  DeleteTopicsRequest,
  DeleteTopicsResponse,
} from '../../../src/protocol/messages/20-delete-topics.ts';
import {
  DescribeConfigsRequest,
  DescribeConfigsResponse,
} from '../../../src/protocol/messages/32-describe-configs.ts';
import {
  AlterConfigsRequest,
  AlterConfigsResponse,
} from '../../../src/protocol/messages/33-alter-configs.ts';
import {
  DescribeLogDirsRequest,
  DescribeLogDirsResponse,
} from '../../../src/protocol/messages/35-describe-log-dirs.ts';
import {
  CreatePartitionsRequest,
  CreatePartitionsResponse,
} from '../../../src/protocol/messages/37-create-partitions.ts';
import {
  IncrementalAlterConfigsRequest,
  IncrementalAlterConfigsResponse,
} from '../../../src/protocol/messages/44-incremental-alter-configs.ts';
import {
  DescribeClusterRequest,
  DescribeClusterResponse,
} from '../../../src/protocol/messages/60-describe-cluster.ts';
import {
  ListConfigResourcesRequest,
  ListConfigResourcesResponse,
} from '../../../src/protocol/messages/74-list-config-resources.ts';
import {
  DescribeTopicPartitionsRequest,
  DescribeTopicPartitionsResponse,
} from '../../../src/protocol/messages/75-describe-topic-partitions.ts';
import type { Input } from '../../../src/protocol/schema.ts';
import type { DifferentialCase, Session } from '../session.ts';

const UNKNOWN_ID = 'QUJDREVGR0hJSktMTU5PUA';
const TOPIC = 2;
const BROKER = 4;

type NewTopic = NonNullable<Input<typeof CreateTopicsRequest>['topics']>[number];

function create(session: Session, step: string, topics: NewTopic[], validateOnly = false) {
  const body = { topics, timeoutMs: 10_000, ...(session.version >= 1 ? { validateOnly } : {}) };
  return session.send(step, CreateTopicsRequest, CreateTopicsResponse, body, {
    // The configurations of a new topic are compared by DescribeConfigs, once and not for every step here.
    keep: answer =>
      answer.topics.map(({ configs, ...topic }) => ({ ...topic, configured: (configs ?? []).length > 0 })),
  });
}

function newTopic(name: string, extra: Partial<NewTopic> = {}): NewTopic {
  return { name, numPartitions: 1, replicationFactor: 1, assignments: [], configs: [], ...extra };
}

function metadata(session: Session, step: string, body: Input<typeof MetadataRequest>) {
  return session.send(step, MetadataRequest, MetadataResponse, body);
}

function incremental(
  session: Session,
  step: string,
  name: string,
  changes: [string, number, string | null][],
  type = TOPIC,
) {
  const configs = changes.map(([key, configOperation, value]) => ({ name: key, configOperation, value }));
  return session.send(step, IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse, {
    resources: [{ resourceType: type, resourceName: name, configs }],
    validateOnly: false,
  });
}

function describeConfigs(
  session: Session,
  step: string,
  type: number,
  name: string,
  keys: string[] | null,
  extra: Partial<Input<typeof DescribeConfigsRequest>> & { version?: number } = {},
) {
  const { version = session.version, ...rest } = extra;
  const resources = [{ resourceType: type, resourceName: name, configurationKeys: keys }];
  return session.send(
    step,
    DescribeConfigsRequest,
    DescribeConfigsResponse,
    { resources, ...rest },
    { version },
  );
}

/** Illegal names, and legal ones that have made others stumble. */
const NAMES = [
  '',
  '.',
  '..',
  'a b',
  'a/b',
  '../x',
  'ä',
  '😀',
  'x'.repeat(249),
  'x'.repeat(250),
  '__proto__',
  'a:b',
  'a\u0000b',
];

export const topicCases: readonly DifferentialCase[] = [
  {
    api: ApiVersionsRequest,
    name: 'good and bad software names',
    async run(session) {
      const ask = (step: string, body: Input<typeof ApiVersionsRequest>) =>
        session.send(step, ApiVersionsRequest, ApiVersionsResponse, body, {
          keep: ({ errorCode, throttleTimeMs }) => ({ errorCode, throttleTimeMs }),
        });
      await ask('good', { clientSoftwareName: 'wire', clientSoftwareVersion: '1.0' });
      if (session.version < 3) return;
      await ask('empty', { clientSoftwareName: '', clientSoftwareVersion: '' });
      await ask('illegal', { clientSoftwareName: 'w i r e', clientSoftwareVersion: '1' });
    },
  },
  {
    api: MetadataRequest,
    name: 'known and unknown topics',
    async run(session) {
      await session.createTopic('t', 3);
      const extra = session.version >= 4 ? { allowAutoTopicCreation: false } : {};
      await metadata(session, 'known', { topics: [{ name: session.name('t') }], ...extra });
      if (session.version < 4) return;
      await metadata(session, 'unknown', { topics: [{ name: session.name('none') }], ...extra });
      const both = [{ name: session.name('t') }, { name: session.name('none') }, { name: session.name('t') }];
      await metadata(session, 'both and one twice', { topics: both, ...extra });
      for (const name of NAMES.filter(name => name.length < 249 && name !== '__proto__')) {
        await metadata(session, `the name ${JSON.stringify(name)}`, { topics: [{ name }], ...extra });
      }
      if (session.version >= 1) await metadata(session, 'none', { topics: [], ...extra });
    },
  },
  {
    api: MetadataRequest,
    minVersion: 4,
    name: 'a topic that is created by asking',
    async run(session) {
      const body = { topics: [{ name: session.name('auto') }], allowAutoTopicCreation: true };
      await metadata(session, 'first', body);
      await new Promise(resolve => setTimeout(resolve, 400));
      await session.send('second', MetadataRequest, MetadataResponse, body, {
        keep: ({ topics }) => topics.map(({ topicId: _, ...topic }) => topic),
      });
    },
  },
  {
    api: MetadataRequest,
    minVersion: 10,
    name: 'topics by id',
    async run(session) {
      const topicId = await session.createTopic('t', 1);
      const extra = { allowAutoTopicCreation: false };
      if (session.version >= 12) {
        await metadata(session, 'known', { topics: [{ topicId, name: null }], ...extra });
        await metadata(session, 'unknown', { topics: [{ topicId: UNKNOWN_ID, name: null }], ...extra });
      }
      await metadata(session, 'authorised operations', {
        topics: [{ name: session.name('t') }],
        includeTopicAuthorizedOperations: true,
        ...extra,
      });
    },
  },
  {
    api: CreateTopicsRequest,
    name: 'good and bad topics',
    async run(session) {
      const name = session.name('t');
      await create(session, 'good', [newTopic(name, { numPartitions: 2 })]);
      await create(session, 'again', [newTopic(name)]);
      await create(session, 'twice in one request', [
        newTopic(session.name('d')),
        newTopic(session.name('d')),
      ]);
      await create(session, 'no partitions', [newTopic(session.name('p0'), { numPartitions: 0 })]);
      await create(session, 'negative partitions', [newTopic(session.name('pn'), { numPartitions: -2 })]);
      await create(session, 'default partitions', [newTopic(session.name('pd'), { numPartitions: -1 })]);
      await create(session, 'default replicas', [newTopic(session.name('rd'), { replicationFactor: -1 })]);
      await create(session, 'no replicas', [newTopic(session.name('r0'), { replicationFactor: 0 })]);
      await create(session, 'three replicas', [newTopic(session.name('r3'), { replicationFactor: 3 })]);
      await create(session, 'a name that collides', [
        newTopic(name.replaceAll('-', '.')),
        newTopic(name.replaceAll('-', '_')),
      ]);
      for (const bad of NAMES.filter(candidate => candidate !== '__proto__' && candidate.length !== 249)) {
        await create(session, `the name ${JSON.stringify(bad)}`, [newTopic(bad)]);
      }
    },
  },
  {
    api: CreateTopicsRequest,
    name: 'configurations',
    async run(session) {
      const withConfig = (suffix: string, name: string, value: string | null) =>
        create(session, `${name}=${value}`, [newTopic(session.name(suffix), { configs: [{ name, value }] })]);
      await withConfig('c1', 'retention.ms', '1000');
      await withConfig('c2', 'retention.ms', 'soon');
      await withConfig('c3', 'no.such.key', '1');
      await withConfig('c4', 'cleanup.policy', 'compact, delete');
      await withConfig('c5', 'cleanup.policy', 'shred');
      await withConfig('c6', 'segment.bytes', '10');
      await withConfig('c7', 'compression.type', 'lzma');
      await withConfig('c8', 'min.insync.replicas', '0');
      await withConfig('c9', 'max.message.bytes', '-1');
      await withConfig('c10', 'retention.ms', null);
      await withConfig('c11', 'message.timestamp.type', 'Never');
    },
  },
  {
    api: CreateTopicsRequest,
    name: 'manual assignments',
    async run(session) {
      const assigned = (suffix: string, assignments: [number, number[]][], extra: Partial<NewTopic> = {}) =>
        create(session, suffix, [
          newTopic(session.name(suffix), {
            numPartitions: -1,
            replicationFactor: -1,
            assignments: assignments.map(([partitionIndex, brokerIds]) => ({ partitionIndex, brokerIds })),
            ...extra,
          }),
        ]);
      await assigned('good', [
        [0, [1]],
        [1, [1]],
      ]);
      await assigned('unknown-broker', [[0, [9]]]);
      await assigned('gap', [
        [0, [1]],
        [2, [1]],
      ]);
      await assigned('no-brokers', [[0, []]]);
      await assigned('twice', [[0, [1, 1]]]);
      await assigned('uneven', [
        [0, [1]],
        [1, [1, 9]],
      ]);
      await assigned('with-a-count', [[0, [1]]], { numPartitions: 1 });
      await assigned('with-a-factor', [[0, [1]]], { replicationFactor: 1 });
    },
  },
  {
    api: CreateTopicsRequest,
    minVersion: 1,
    name: 'validate only',
    async run(session) {
      await create(session, 'good', [newTopic(session.name('v'))], true);
      await create(session, 'good again', [newTopic(session.name('v'))], true);
      await create(session, 'bad', [newTopic(session.name('v'), { replicationFactor: 2 })], true);
    },
  },
  {
    api: DeleteTopicsRequest,
    name: 'by name and by id',
    async run(session) {
      await session.createTopic('a');
      const id = await session.createTopic('b');
      const remove = (step: string, names: string[]) =>
        session.send(step, DeleteTopicsRequest, DeleteTopicsResponse, {
          timeoutMs: 10_000,
          ...(session.version < 6 ? { topicNames: names } : { topics: names.map(name => ({ name })) }),
        });
      await remove('known', [session.name('a')]);
      await remove('again', [session.name('a')]);
      await remove('unknown', [session.name('none')]);
      await remove('none', []);
      await remove('illegal', ['a b']);
      if (session.version < 6) return;
      const removeIds = (step: string, ids: string[]) =>
        session.send(step, DeleteTopicsRequest, DeleteTopicsResponse, {
          timeoutMs: 10_000,
          topics: ids.map(topicId => ({ topicId, name: null })),
        });
      await removeIds('twice in one request', [id, id]);
      await removeIds('by id', [id]);
      await removeIds('unknown id', [UNKNOWN_ID]);
      await removeIds('zero id', ['AAAAAAAAAAAAAAAAAAAAAA']);
    },
  },
  {
    api: CreatePartitionsRequest,
    name: 'more, fewer and with assignments',
    async run(session) {
      await session.createTopic('t', 2);
      const grow = (
        step: string,
        count: number,
        brokers: number[][] | null = null,
        name = session.name('t'),
        validateOnly = false,
      ) =>
        session.send(step, CreatePartitionsRequest, CreatePartitionsResponse, {
          topics: [
            { name, count, assignments: brokers === null ? null : brokers.map(brokerIds => ({ brokerIds })) },
          ],
          timeoutMs: 10_000,
          validateOnly,
        });
      await grow('validate only', 3, null, session.name('t'), true);
      await grow('to 3', 3);
      await grow('to 3 again', 3);
      await grow('to 1', 1);
      await grow('to -1', -1);
      await grow('to 4 by hand', 4, [[1]]);
      await grow('to 5 by hand with too many', 5, [[1], [1]]);
      await grow('to 5 on an unknown broker', 5, [[9]]);
      await grow('to 5 with no broker', 5, [[]]);
      await grow('unknown topic', 5, null, session.name('none'));
      await grow('illegal name', 5, null, 'a b');
    },
  },
  {
    // Version 0 has only 3.9.1 as its oracle, which has keys that 4.0 dropped: some keys, by name.
    api: DescribeConfigsRequest,
    maxVersion: 0,
    name: 'some keys',
    async run(session) {
      await session.createTopic('t', 1, { 'retention.ms': '1234' });
      await describeConfigs(session, 'a topic', TOPIC, session.name('t'), ['retention.ms', 'segment.ms']);
      await describeConfigs(session, 'unknown topic', TOPIC, session.name('none'), null);
    },
  },
  {
    api: DescribeConfigsRequest,
    minVersion: 1,
    name: 'topics and brokers',
    async run(session) {
      await session.createTopic('t', 1, { 'retention.ms': '1234', 'cleanup.policy': 'compact' });
      const name = session.name('t');
      await describeConfigs(session, 'all of a topic', TOPIC, name, null);
      await describeConfigs(session, 'some of a topic', TOPIC, name, [
        'retention.ms',
        'no.such.key',
        'retention.ms',
      ]);
      await describeConfigs(session, 'none of a topic', TOPIC, name, []);
      await describeConfigs(session, 'unknown topic', TOPIC, session.name('none'), null);
      await describeConfigs(session, 'illegal topic', TOPIC, 'a b', null);
      await describeConfigs(session, 'some of the broker', BROKER, '1', [
        'node.id',
        'num.partitions',
        'log.retention.hours',
      ]);
      await describeConfigs(session, 'defaults of brokers', BROKER, '', null);
      await describeConfigs(session, 'another broker', BROKER, '77', null);
      await describeConfigs(session, 'a broker by no number', BROKER, 'one', null);
      await describeConfigs(session, 'unknown type', 99, 'x', null);
      await describeConfigs(session, 'synonyms', TOPIC, name, ['retention.ms', 'segment.bytes'], {
        includeSynonyms: true,
      });
      if (session.version >= 3) {
        await describeConfigs(session, 'documentation', TOPIC, name, null, { includeDocumentation: true });
      }
    },
  },
  {
    api: AlterConfigsRequest,
    name: 'the whole configuration at once',
    async run(session) {
      await session.createTopic('t', 1, { 'retention.ms': '1234' });
      const alter = (
        step: string,
        configs: [string, string | null][],
        name = session.name('t'),
        type = TOPIC,
      ) =>
        session.send(step, AlterConfigsRequest, AlterConfigsResponse, {
          resources: [
            {
              resourceType: type,
              resourceName: name,
              configs: configs.map(([key, value]) => ({ name: key, value })),
            },
          ],
          validateOnly: false,
        });
      await alter('good', [['segment.ms', '5555']]);
      await describeConfigs(session, 'replaced', TOPIC, session.name('t'), ['retention.ms', 'segment.ms'], {
        version: 4,
      });
      await alter('null value', [['segment.ms', null]]);
      await alter('bad value', [['segment.ms', 'x']]);
      await alter('unknown key', [['no.such.key', '1']]);
      await alter('a key twice', [
        ['segment.ms', '1000'],
        ['segment.ms', '2000'],
      ]);
      await alter('unknown topic', [['segment.ms', '1000']], session.name('none'));
      await alter('unknown broker', [], '77', BROKER);
      await alter('unknown type', [], 'x', 99);
    },
  },
  {
    api: IncrementalAlterConfigsRequest,
    name: 'set, delete, append and subtract',
    async run(session) {
      await session.createTopic('t', 1, { 'retention.ms': '1234' });
      const name = session.name('t');
      await incremental(session, 'set', name, [['segment.ms', 0, '5555']]);
      await incremental(session, 'append', name, [['cleanup.policy', 2, 'compact']]);
      await incremental(session, 'append what is there', name, [['cleanup.policy', 2, 'compact']]);
      await incremental(session, 'subtract', name, [['cleanup.policy', 3, 'delete']]);
      await incremental(session, 'delete', name, [['retention.ms', 1, null]]);
      await incremental(session, 'delete what is not there', name, [['retention.bytes', 1, null]]);
      await incremental(session, 'append to a number', name, [['segment.ms', 2, '1']]);
      await incremental(session, 'set to null', name, [['segment.ms', 0, null]]);
      await incremental(session, 'bad value', name, [['segment.ms', 0, 'x']]);
      await incremental(session, 'unknown key', name, [['no.such.key', 0, '1']]);
      await incremental(session, 'unknown operation', name, [['segment.ms', 9, '1']]);
      await incremental(session, 'a key twice', name, [
        ['segment.ms', 0, '1000'],
        ['segment.ms', 1, null],
      ]);
      await incremental(session, 'unknown topic', session.name('none'), [['segment.ms', 0, '1000']]);
      await incremental(session, 'unknown broker', '77', [['log.cleaner.threads', 0, '2']], BROKER);
      await incremental(session, 'a read-only key', '1', [['node.id', 0, '2']], BROKER);
      await incremental(session, 'unknown type', 'x', [['segment.ms', 0, '1']], 99);
      await describeConfigs(
        session,
        'after all',
        TOPIC,
        name,
        ['retention.ms', 'segment.ms', 'cleanup.policy'],
        { version: 4 },
      );
    },
  },
  {
    api: DescribeLogDirsRequest,
    name: 'known and unknown partitions',
    async run(session) {
      await session.createTopic('t', 2);
      const ask = (step: string, topic: string, partitions: number[]) =>
        session.send(step, DescribeLogDirsRequest, DescribeLogDirsResponse, {
          topics: [{ topic, partitions }],
        });
      await ask('known', session.name('t'), [0, 1]);
      await ask('unknown partition', session.name('t'), [7]);
      await ask('unknown topic', session.name('none'), [0]);
      await session.send('no topics', DescribeLogDirsRequest, DescribeLogDirsResponse, { topics: [] });
    },
  },
  {
    api: DescribeClusterRequest,
    name: 'brokers and controllers',
    async run(session) {
      const ask = (step: string, body: Input<typeof DescribeClusterRequest>) =>
        session.send(step, DescribeClusterRequest, DescribeClusterResponse, body);
      await ask('plain', {});
      await ask('authorised operations', { includeClusterAuthorizedOperations: true });
      if (session.version >= 1) await ask('controllers, of a broker', { endpointType: 2 });
      if (session.version >= 1) await ask('unknown endpoint type', { endpointType: 9 });
      if (session.version >= 2) await ask('fenced brokers too', { includeFencedBrokers: true });
    },
  },
  {
    api: ListConfigResourcesRequest,
    minVersion: 1,
    name: 'by type',
    async run(session) {
      await session.createTopic('t', 1, { 'retention.ms': '1234' });
      for (const type of [TOPIC, BROKER, 16, 32, 99]) {
        await session.send(
          `type ${type}`,
          ListConfigResourcesRequest,
          ListConfigResourcesResponse,
          { resourceTypes: [type] },
          {
            // Other cases leave topics behind.
            keep: answer => ({
              errorCode: answer.errorCode,
              resources: answer.configResources.filter(
                ({ resourceName, resourceType }) =>
                  resourceType !== TOPIC || resourceName === session.name('t'),
              ),
            }),
          },
        );
      }
    },
  },
  {
    api: DescribeTopicPartitionsRequest,
    name: 'with limits and cursors',
    async run(session) {
      await session.createTopic('a', 3);
      await session.createTopic('b', 2);
      const names = ['b', 'a', 'none'].map(suffix => ({ name: session.name(suffix) }));
      const ask = (step: string, body: Input<typeof DescribeTopicPartitionsRequest>) =>
        session.send(step, DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse, body);
      await ask('all', { topics: names });
      await ask('limit of 2', { topics: names, responsePartitionLimit: 2 });
      await ask('limit of 4', { topics: names, responsePartitionLimit: 4 });
      await ask('limit of 0', { topics: names, responsePartitionLimit: 0 });
      await ask('from a cursor', {
        topics: names,
        cursor: { topicName: session.name('a'), partitionIndex: 1 },
      });
      await ask('from an unknown cursor', {
        topics: names,
        cursor: { topicName: session.name('zz'), partitionIndex: 0 },
      });
      await ask('a negative cursor', {
        topics: names,
        cursor: { topicName: session.name('a'), partitionIndex: -1 },
      });
      await ask('illegal name', { topics: [{ name: 'a b' }] });
    },
  },
];
