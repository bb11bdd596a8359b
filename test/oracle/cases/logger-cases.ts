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

/* Loggers of a running broker. The root is the only one that both brokers have under one name. */

const TOPIC = 2;
const BROKER_LOGGER = 8;

const SET = 0;
const DELETE = 1;
const APPEND = 2;
const SUBTRACT = 3;

type Change = readonly [logger: string, operation: number, value: string | null];
type Resource = readonly [type: number, name: string, changes: readonly Change[]];

function alter(
  session: Session,
  step: string,
  resources: readonly Resource[],
  { version = session.version, validateOnly = false } = {},
) {
  return session.send(
    step,
    IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
    {
      resources: resources.map(([resourceType, resourceName, changes]) => ({
        resourceType,
        resourceName,
        configs: changes.map(([name, configOperation, value]) => ({ name, configOperation, value })),
      })),
      validateOnly,
    },
    { version },
  );
}

const alterOwn = (session: Session, step: string, ...changes: Change[]) =>
  alter(session, step, [[BROKER_LOGGER, '1', changes]]);

function describe(session: Session, step: string, name: string, more: object = {}) {
  return session.send(step, DescribeConfigsRequest, DescribeConfigsResponse, {
    resources: [{ resourceType: BROKER_LOGGER, resourceName: name, configurationKeys: ['root'] }],
    ...more,
  });
}

const describeRoot = (session: Session, step: string) =>
  session.send(
    step,
    DescribeConfigsRequest,
    DescribeConfigsResponse,
    { resources: [{ resourceType: BROKER_LOGGER, resourceName: '1', configurationKeys: ['root'] }] },
    { version: 4 },
  );

export const loggerCases: readonly DifferentialCase[] = [
  {
    api: DescribeConfigsRequest,
    name: 'loggers',
    async run(session) {
      await alter(session, 'set', [[BROKER_LOGGER, '1', [['root', SET, 'ERROR']]]], { version: 1 });
      await describe(session, 'one', '1');
      await describe(session, 'one that does not exist', '1', {
        resources: [{ resourceType: BROKER_LOGGER, resourceName: '1', configurationKeys: ['nobody'] }],
      });
      if (session.version >= 1) await describe(session, 'synonyms', '1', { includeSynonyms: true });
      if (session.version >= 3) await describe(session, 'documentation', '1', { includeDocumentation: true });
      await describe(session, 'of all', '');
      await describe(session, 'of another broker', '7');
      await describe(session, 'of what is no id', 'one');
      await describe(session, 'of an id with a zero', '01');
      await describe(session, 'of an id beyond integers', '4294967297');
      await alter(session, 'set back', [[BROKER_LOGGER, '1', [['root', SET, 'INFO']]]], { version: 1 });
    },
  },
  {
    api: IncrementalAlterConfigsRequest,
    name: 'loggers',
    async run(session) {
      for (const level of ['TRACE', 'DEBUG', 'WARN', 'ERROR', 'FATAL', 'INFO', 'OFF', 'ALL', 'debug', '']) {
        await alterOwn(session, `to '${level}'`, ['root', SET, level]);
        await describeRoot(session, `after '${level}'`);
      }
      await alterOwn(session, 'to null', ['root', SET, null]);
      await alterOwn(session, 'delete the root', ['root', DELETE, null]);
      await alterOwn(session, 'append', ['root', APPEND, 'INFO']);
      await alterOwn(session, 'subtract', ['root', SUBTRACT, 'INFO']);
      await alterOwn(session, 'no such logger', ['nobody', SET, 'INFO']);
      await alterOwn(session, 'delete no such logger', ['nobody', DELETE, null]);
      await alterOwn(session, 'a logger without a name', ['', SET, 'INFO']);
      await alterOwn(session, 'one twice', ['root', SET, 'WARN'], ['root', SET, 'ERROR']);
      await alterOwn(session, 'good and bad', ['root', SET, 'WARN'], ['nobody', SET, 'WARN']);
      await alterOwn(session, 'nothing');
      await describeRoot(session, 'nothing has changed');
      await alter(session, 'only to see', [[BROKER_LOGGER, '1', [['root', SET, 'WARN']]]], {
        validateOnly: true,
      });
      await describeRoot(session, 'nothing has changed yet');
      for (const name of ['', '7', 'one', '01']) {
        await alter(session, `of '${name}'`, [[BROKER_LOGGER, name, [['root', SET, 'INFO']]]]);
      }
      await alter(session, 'the broker twice', [
        [BROKER_LOGGER, '1', [['root', SET, 'WARN']]],
        [BROKER_LOGGER, '1', [['root', SET, 'ERROR']]],
      ]);
      await describeRoot(session, 'none of the two');
    },
  },
  {
    api: IncrementalAlterConfigsRequest,
    name: 'loggers beside topics',
    async run(session) {
      await session.createTopic('t', 1);
      const topic = session.name('t');
      await alter(session, 'between two', [
        [TOPIC, topic, [['retention.ms', SET, '1234']]],
        [BROKER_LOGGER, '1', [['root', SET, 'WARN']]],
        [TOPIC, session.name('nothing'), [['retention.ms', SET, '1234']]],
      ]);
      await describeRoot(session, 'the logger');
      await alter(session, 'the topic twice', [
        [TOPIC, topic, [['retention.ms', SET, '1']]],
        [BROKER_LOGGER, '1', [['root', SET, 'INFO']]],
        [TOPIC, topic, [['retention.ms', SET, '2']]],
      ]);
      await describeRoot(session, 'the logger again');
      await alter(session, 'a bad one beside a good topic', [
        [BROKER_LOGGER, '1', [['nobody', SET, 'INFO']]],
        [TOPIC, topic, [['retention.ms', DELETE, null]]],
      ]);
    },
  },
  {
    api: AlterConfigsRequest,
    name: 'loggers',
    async run(session) {
      await session.send('a level', AlterConfigsRequest, AlterConfigsResponse, {
        resources: [
          { resourceType: BROKER_LOGGER, resourceName: '1', configs: [{ name: 'root', value: 'INFO' }] },
        ],
      });
    },
  },
];
