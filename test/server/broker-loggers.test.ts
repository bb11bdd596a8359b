import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { ConfigResourceType } from '../../src/metadata/config-resource.ts';
import { Errors } from '../../src/protocol/errors.ts';
import { CreateTopicsRequest, CreateTopicsResponse } from '../../src/protocol/messages/19-create-topics.ts';
import {
  DescribeConfigsRequest,
  DescribeConfigsResponse,
} from '../../src/protocol/messages/32-describe-configs.ts';
import { AlterConfigsRequest, AlterConfigsResponse } from '../../src/protocol/messages/33-alter-configs.ts';
import {
  IncrementalAlterConfigsRequest,
  IncrementalAlterConfigsResponse,
} from '../../src/protocol/messages/44-incremental-alter-configs.ts';
import { TestCluster, type TestNode, until } from '../support/test-cluster.ts';
import { askOnce } from './raw-client.ts';

/* The levels of the loggers of running nodes, over the wire. */

const COMBINED = ['broker,controller', 'broker,controller', 'broker,controller'] as const;
const SEPARATE = ['broker', 'broker', 'controller'] as const;

const SET = 0;
const DELETE = 1;
const { BROKER_LOGGER, TOPIC } = ConfigResourceType;

let cluster: TestCluster;

afterEach(async () => {
  await cluster?.close();
});

type Change = readonly [name: string, operation: number, value: string | null];
type Resource = readonly [type: number, name: string, changes: readonly Change[]];

/** The error codes, in the order of the answer, which must be that of the request. */
async function alter(port: number, version: number, ...resources: Resource[]): Promise<number[]> {
  const { responses } = await askOnce(
    port,
    [IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse],
    version,
    {
      resources: resources.map(([resourceType, resourceName, changes]) => ({
        resourceType,
        resourceName,
        configs: changes.map(([name, configOperation, value]) => ({ name, configOperation, value })),
      })),
    },
  );
  expect(responses.map(({ resourceType, resourceName }) => [resourceType, resourceName])).toEqual(
    resources.map(([type, name]) => [type, name]),
  );
  return responses.map(({ errorCode }) => errorCode);
}

async function describeLoggers(port: number, resourceName: string, version = 4) {
  const { results } = await askOnce(port, [DescribeConfigsRequest, DescribeConfigsResponse], version, {
    resources: [{ resourceType: BROKER_LOGGER, resourceName, configurationKeys: null }],
  });
  return results[0]!;
}

async function levelsOf(port: number, id: number): Promise<Map<string, string | null>> {
  const { errorCode, configs } = await describeLoggers(port, String(id));
  expect(errorCode).toBe(Errors.NONE);
  return new Map(configs.map(({ name, value }) => [name, value]));
}

const retentionOf = (node: TestNode, topic: string): string | undefined =>
  node.server.metadata()!.configs.topic(topic).get('retention.ms');

test.each([0, 1, 2, 3, 4])(
  'DescribeConfigs v%i shows the loggers of the broker that is asked',
  async version => {
    cluster = await TestCluster.start({ roles: ['broker,controller'] });
    const { port } = cluster.nodes[0]!;
    const { configs } = await describeLoggers(port, '1', version);
    const names = configs.map(({ name }) => name);
    for (const name of ['root', 'raft', 'controller', 'network', 'log', 'log.cleaner', 'replication'])
      expect(names).toContain(name);
    for (const config of configs) {
      expect(config).toMatchObject({ value: 'DEBUG', readOnly: false, isSensitive: false, isDefault: false });
      expect(config.configSource).toBe(version === 0 ? -1 : 6);
      expect(config.synonyms).toEqual([]);
      expect(config.documentation).toBe('');
    }
    for (const name of ['', '2', 'one']) {
      expect(await describeLoggers(port, name, version)).toMatchObject({
        errorCode: Errors.INVALID_REQUEST,
        configs: [],
      });
    }
  },
);

test('the manual names every logger', async () => {
  cluster = await TestCluster.start({ roles: ['broker,controller'] });
  const manual = readFileSync(join(import.meta.dirname, '../../docs/OPERATIONS.md'), 'utf8');
  const names = [...(await levelsOf(cluster.nodes[0]!.port, 1)).keys()];
  expect(names.filter(name => !manual.includes(`\`${name}\``))).toEqual([]);
});

describe.each([
  { nodes: 'nodes with both roles', roles: COMBINED },
  { nodes: 'brokers apart from the controller', roles: SEPARATE },
])('$nodes', ({ roles }) => {
  test('have levels of their own, whoever leads, and what else is in the request is done too', async () => {
    cluster = await TestCluster.start({ roles });
    const [one, two] = [cluster.nodes[0]!, cluster.nodes[1]!];
    await askOnce(one.port, [CreateTopicsRequest, CreateTopicsResponse], 7, {
      topics: [{ name: 'orders', numPartitions: 1, replicationFactor: 1 }],
      timeoutMs: 10_000,
    });
    const retention = (ms: string): Resource => [TOPIC, 'orders', [['retention.ms', SET, ms]]];
    for (const version of [0, 1]) {
      const ms = String(1000 + version);
      const codes = await alter(
        one.port,
        version,
        [BROKER_LOGGER, '2', [['log', SET, 'ERROR']]],
        retention(ms),
        [BROKER_LOGGER, '1', [['log', SET, version === 0 ? 'ERROR' : 'WARN']]],
        [TOPIC, 'nothing', [['retention.ms', SET, '1']]],
      );
      expect(codes).toEqual([
        Errors.INVALID_REQUEST,
        Errors.NONE,
        Errors.NONE,
        Errors.UNKNOWN_TOPIC_OR_PARTITION,
      ]);
      await until('the topic is changed', () => retentionOf(two, 'orders') === ms);
    }
    expect((await levelsOf(one.port, 1)).get('log.cleaner')).toBe('WARN');
    expect((await levelsOf(two.port, 2)).get('log.cleaner')).toBe('DEBUG');
    // The rest succeeds or fails whatever becomes of the loggers.
    const logger: Resource = [BROKER_LOGGER, '1', [['log', DELETE, null]]];
    expect(await alter(one.port, 1, logger, retention('7'), logger)).toEqual([
      Errors.INVALID_REQUEST,
      Errors.NONE,
      Errors.INVALID_REQUEST,
    ]);
    expect(await alter(one.port, 1, retention('1'), logger, retention('2'))).toEqual([
      Errors.INVALID_REQUEST,
      Errors.NONE,
      Errors.INVALID_REQUEST,
    ]);
    expect((await levelsOf(one.port, 1)).get('log')).toBe('DEBUG');
    for (const node of cluster.nodes) expect(node.logger.messages('error')).toEqual([]);
  });

  test('change their levels without any controller, and have those of the start after a restart', async () => {
    cluster = await TestCluster.start({ roles });
    const [one, ...others] = cluster.nodes;
    for (const node of others) await node.server.stop();
    expect(await alter(one!.port, 1, [BROKER_LOGGER, '1', [['root', SET, 'ERROR']]])).toEqual([Errors.NONE]);
    expect((await levelsOf(one!.port, 1)).get('log')).toBe('ERROR');
    await Promise.all(cluster.nodes.map(node => node.restart()));
    expect((await levelsOf(one!.port, 1)).get('log')).toBe('DEBUG');
  });
});

test('a logger says what its level lets through, and nothing else', async () => {
  cluster = await TestCluster.start({ roles: ['broker,controller'] });
  const { logger, port } = cluster.nodes[0]!;
  const change = (level: string) => alter(port, 1, [BROKER_LOGGER, '1', [['root', SET, level]]]);
  /** Sets a key of the broker, which then says at level info what it has taken over. */
  const saidAtChange = async (retentionMs: number): Promise<boolean> => {
    await alter(port, 1, [ConfigResourceType.BROKER, '1', [['log.retention.ms', SET, String(retentionMs)]]]);
    const keys = logger.entries.filter(({ message }) => message.startsWith('a configuration key'));
    return keys.some(({ level, fields }) => level === 'info' && fields['to'] === String(retentionMs));
  };
  expect(await saidAtChange(1001)).toBe(true);
  expect(await change('WARN')).toEqual([Errors.NONE]);
  expect(await saidAtChange(1002)).toBe(false);
  expect(await change('INFO')).toEqual([Errors.NONE]);
  expect(await saidAtChange(1003)).toBe(true);
});

test('a controller answers for its own loggers at its own listener', async () => {
  cluster = await TestCluster.start({ roles: SEPARATE });
  const controller = cluster.nodes[2]!;
  const port = controller.server.port('CONTROLLER')!;
  expect(await alter(port, 1, [BROKER_LOGGER, '3', [['controller', SET, 'WARN']]])).toEqual([Errors.NONE]);
  const levels = await levelsOf(port, 3);
  expect(levels.get('controller')).toBe('WARN');
  expect(levels.has('log.cleaner')).toBe(false);
  expect(await alter(port, 1, [BROKER_LOGGER, '1', [['root', SET, 'WARN']]])).toEqual([
    Errors.INVALID_REQUEST,
  ]);
});

test('both roles of a node have one set of levels', async () => {
  cluster = await TestCluster.start({ roles: ['broker,controller'] });
  const node = cluster.nodes[0]!;
  const controllerPort = node.server.port('CONTROLLER')!;
  expect(await alter(controllerPort, 1, [BROKER_LOGGER, '1', [['log', SET, 'WARN']]])).toEqual([Errors.NONE]);
  expect(await levelsOf(node.port, 1)).toEqual(await levelsOf(controllerPort, 1));
  expect((await levelsOf(node.port, 1)).get('log')).toBe('WARN');
});

test('the old AlterConfigs knows no loggers', async () => {
  cluster = await TestCluster.start({ roles: ['broker,controller'] });
  const { port } = cluster.nodes[0]!;
  for (const version of [0, 1, 2]) {
    const { responses } = await askOnce(port, [AlterConfigsRequest, AlterConfigsResponse], version, {
      resources: [
        { resourceType: BROKER_LOGGER, resourceName: '1', configs: [{ name: 'root', value: 'WARN' }] },
      ],
    });
    expect(responses[0]!.errorCode).toBe(Errors.INVALID_REQUEST);
  }
  expect((await levelsOf(port, 1)).get('root')).toBe('DEBUG');
});
