import { beforeEach, describe, expect, it } from 'vitest';
import { Errors, errorName } from '../../../src/protocol/errors.ts';
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
  CreatePartitionsRequest,
  CreatePartitionsResponse,
} from '../../../src/protocol/messages/37-create-partitions.ts';
import {
  IncrementalAlterConfigsRequest,
  IncrementalAlterConfigsResponse,
} from '../../../src/protocol/messages/44-incremental-alter-configs.ts';
import {
  ListConfigResourcesRequest,
  ListConfigResourcesResponse,
} from '../../../src/protocol/messages/74-list-config-resources.ts';
import type { BrokerServices } from '../../../src/server/broker-services.ts';
import type { ControllerServices } from '../../../src/server/controller-services.ts';
import { createTopics } from '../../../src/server/handlers/19-create-topics.ts';
import { deleteTopics } from '../../../src/server/handlers/20-delete-topics.ts';
import { describeConfigs } from '../../../src/server/handlers/32-describe-configs.ts';
import { alterConfigs } from '../../../src/server/handlers/33-alter-configs.ts';
import { createPartitions } from '../../../src/server/handlers/37-create-partitions.ts';
import { incrementalAlterConfigs } from '../../../src/server/handlers/44-incremental-alter-configs.ts';
import { listConfigResources } from '../../../src/server/handlers/74-list-config-resources.ts';
import { NO_RATE_LIMITS } from '../../../src/server/quotas/connection-rates.ts';
import { QuotaManagers } from '../../../src/server/quotas/quota-managers.ts';
import { DynamicBrokerConfig } from '../../../src/config/dynamic-broker-config.ts';
import { silentLogger } from '../../../src/base/logger.ts';
import { ControllerHarness } from '../../controller/support/controller-harness.ts';
import { ask } from './handler-harness.ts';

const CREATE = [CreateTopicsRequest, CreateTopicsResponse] as const;
const DELETE = [DeleteTopicsRequest, DeleteTopicsResponse] as const;
const DESCRIBE = [DescribeConfigsRequest, DescribeConfigsResponse] as const;
const INCREMENTAL = [IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse] as const;
const LEGACY = [AlterConfigsRequest, AlterConfigsResponse] as const;
const PARTITIONS = [CreatePartitionsRequest, CreatePartitionsResponse] as const;
const LIST = [ListConfigResourcesRequest, ListConfigResourcesResponse] as const;

const versions = (last: number): number[] => Array.from({ length: last + 1 }, (_, version) => version);

function servicesOf(harness: ControllerHarness): Partial<ControllerServices & BrokerServices> {
  const { controller, loader } = harness;
  const dynamicConfig = new DynamicBrokerConfig(harness.config);
  return {
    nodeId: 1,
    controller,
    quotas: new QuotaManagers(harness.clock.clock, silentLogger, harness.config, NO_RATE_LIMITS),
    metadata: () => loader.image(),
    get config() {
      const { configs } = loader.image();
      dynamicConfig.update(configs.defaultBroker(), configs.broker(1));
      return dynamicConfig.current;
    },
  };
}

describe('the APIs of the controller', () => {
  let broker: Partial<ControllerServices & BrokerServices>;
  let harness: ControllerHarness;

  beforeEach(async () => {
    harness = await ControllerHarness.started([1], { config: { 'ssl.keystore.password': 'hunter2' } });
    broker = servicesOf(harness);
  });

  const create = (version: number, name: string) => {
    const topic = {
      name,
      numPartitions: 2,
      replicationFactor: 1,
      configs: [{ name: 'retention.ms', value: '5' }],
    };
    return ask(createTopics, broker, CREATE, version, { topics: [topic], timeoutMs: 1000 });
  };
  const describeOne = async (
    version: number,
    resourceType: number,
    resourceName: string,
    keys: string[] | null = null,
  ) => {
    const answer = await ask(describeConfigs, broker, DESCRIBE, version, {
      resources: [{ resourceType, resourceName, configurationKeys: keys }],
      includeSynonyms: version >= 1,
      includeDocumentation: version >= 3,
    });
    return answer!.results[0]!;
  };

  it('serve every version of create, add and delete', async () => {
    for (const version of versions(7)) {
      const name = version === 0 ? '__proto__' : `t${version}`;
      const answer = await create(version, name);
      expect(answer!.topics).toHaveLength(1);
      const [topic] = answer!.topics;
      expect(topic).toMatchObject({ name, errorCode: 0, numPartitions: version >= 5 ? 2 : -1 });
      expect(topic!.configs!.length > 0).toBe(version >= 5);
      expect(topic!.topicId === harness.loader.image().topics.topic(name)!.id).toBe(version >= 7);
      const added = await ask(createPartitions, broker, PARTITIONS, Math.min(version, 3), {
        topics: [{ name, count: 3, assignments: null }],
        timeoutMs: 1000,
      });
      expect(added!.results).toEqual([{ name, errorCode: 0, errorMessage: null }]);
      const last = Math.min(version, 6);
      const wanted = last >= 6 ? { topics: [{ name }] } : { topicNames: [name] };
      const deleted = await ask(deleteTopics, broker, DELETE, last, { ...wanted, timeoutMs: 1000 });
      expect(deleted!.responses).toMatchObject([{ name, errorCode: 0 }]);
      expect(harness.loader.image().topics.size).toBe(0);
    }
  });

  it('serve every version of the alterations', async () => {
    await create(7, 'a');
    for (const version of versions(1)) {
      const answer = await ask(incrementalAlterConfigs, broker, INCREMENTAL, version, {
        resources: [
          {
            resourceType: 2,
            resourceName: 'a',
            configs: [{ name: 'segment.ms', configOperation: 0, value: `${version}9` }],
          },
        ],
      });
      expect(answer!.responses).toEqual([
        { errorCode: 0, errorMessage: null, resourceType: 2, resourceName: 'a' },
      ]);
      expect(harness.loader.image().configs.topic('a').get('segment.ms')).toBe(`${version}9`);
    }
    for (const version of versions(2)) {
      const answer = await ask(alterConfigs, broker, LEGACY, version, {
        resources: [{ resourceType: 2, resourceName: 'a', configs: [{ name: 'segment.bytes', value: 'x' }] }],
      });
      expect(errorName(answer!.responses[0]!.errorCode)).toBe('INVALID_CONFIG');
    }
  });

  it('say for each topic or resource that this node is not the controller', async () => {
    harness.quorum.elect(2);
    expect((await create(1, 'a'))!.topics).toMatchObject([{ name: 'a', errorCode: Errors.NOT_CONTROLLER }]);
    const deleted = await ask(deleteTopics, broker, DELETE, 6, { topics: [{ name: 'a' }], timeoutMs: 1000 });
    expect(deleted!.responses).toMatchObject([{ name: 'a', errorCode: Errors.NOT_CONTROLLER }]);
    const added = await ask(createPartitions, broker, PARTITIONS, 3, {
      topics: [{ name: 'a', count: 2 }],
      timeoutMs: 1,
    });
    expect(added!.results).toMatchObject([{ name: 'a', errorCode: Errors.NOT_CONTROLLER }]);
    const resources = [{ resourceType: 2, resourceName: 'a', configs: [] }];
    const altered = await ask(incrementalAlterConfigs, broker, INCREMENTAL, 1, { resources });
    expect(altered!.responses).toMatchObject([{ resourceName: 'a', errorCode: Errors.NOT_CONTROLLER }]);
    const replaced = await ask(alterConfigs, broker, LEGACY, 2, { resources });
    expect(replaced!.responses).toMatchObject([{ resourceName: 'a', errorCode: Errors.NOT_CONTROLLER }]);
  });

  it('refuse deletion with INVALID_REQUEST to clients that know no better code', async () => {
    harness = await ControllerHarness.started([1], { config: { 'delete.topic.enable': 'false' } });
    broker = servicesOf(harness);
    const codes = [];
    for (const version of versions(5)) {
      const answer = await ask(deleteTopics, broker, DELETE, version, { topicNames: ['a'], timeoutMs: 1000 });
      codes.push(errorName(answer!.responses[0]!.errorCode));
    }
    expect(codes).toEqual([...Array(3).fill('INVALID_REQUEST'), ...Array(3).fill('TOPIC_DELETION_DISABLED')]);
  });

  describe('DescribeConfigs', () => {
    it('says where a value of a topic comes from, in each version as far as it can', async () => {
      await create(7, 'a');
      for (const version of versions(4)) {
        const { errorCode, configs } = await describeOne(version, 2, 'a', [
          'retention.ms',
          'cleanup.policy',
          'nope',
        ]);
        expect(errorCode).toBe(0);
        const own = configs.find(config => config.name === 'retention.ms')!;
        const inherited = configs.find(config => config.name === 'cleanup.policy')!;
        expect(configs).toHaveLength(2);
        expect([own.value, inherited.value]).toEqual(['5', 'delete']);
        if (version === 0) expect([own.isDefault, inherited.isDefault]).toEqual([false, true]);
        else {
          expect([own.configSource, inherited.configSource]).toEqual([1, 5]);
          expect(own.synonyms).toEqual([{ name: 'retention.ms', value: '5', source: 1 }]);
          expect(inherited.synonyms).toEqual([{ name: 'log.cleanup.policy', value: 'delete', source: 5 }]);
        }
        expect([own.configType, inherited.configType]).toEqual(version >= 3 ? [5, 7] : [0, 0]);
        if (version >= 3) expect(own.documentation).toMatch(/\w/);
      }
    });

    it('lists what was set for brokers before what is in the file', async () => {
      await create(7, 'a');
      const set = (resourceName: string, value: string) => ({
        resourceType: 4,
        resourceName,
        configs: [{ name: 'log.retention.ms', configOperation: 0, value }],
      });
      await ask(incrementalAlterConfigs, broker, INCREMENTAL, 1, {
        resources: [set('', '10'), set('1', '20')],
      });
      await ask(alterConfigs, broker, LEGACY, 2, {
        resources: [{ resourceType: 2, resourceName: 'a', configs: [] }],
      });
      const expected = [
        { name: 'log.retention.ms', value: '20', source: 2 },
        { name: 'log.retention.ms', value: '10', source: 3 },
        { name: 'log.retention.hours', value: '168', source: 5 },
      ];
      const topic = (await describeOne(4, 2, 'a', ['retention.ms'])).configs[0]!;
      expect(topic).toMatchObject({ value: '20', configSource: 2, readOnly: false });
      expect(topic.synonyms).toEqual(expected);
      const own = (await describeOne(4, 4, '1', ['log.retention.ms'])).configs[0]!;
      expect(own).toMatchObject({ value: '20', configSource: 2, readOnly: false });
      expect(own.synonyms).toEqual(expected);
      const all = (await describeOne(4, 4, '')).configs;
      expect(all.map(config => [config.name, config.value, config.configSource]).sort()).toEqual([
        ['log.retention.ms', '10', 3],
        ['min.insync.replicas', '1', 3],
      ]);
    });

    it('shows the whole file of this broker, but no secret', async () => {
      const { configs } = await describeOne(4, 4, '1', []);
      expect(configs.length).toBeGreaterThan(250);
      expect(configs.find(config => config.name === 'node.id')).toMatchObject({
        value: '1',
        configSource: 4,
        readOnly: true,
      });
      const secret = configs.find(config => config.name === 'ssl.keystore.password')!;
      expect(secret).toMatchObject({ value: null, isSensitive: true, configType: 9 });
      expect(JSON.stringify(configs)).not.toContain('hunter2');
    });

    it('describes groups and client metrics, set or not', async () => {
      const value = (type: number, name: string, key: string) =>
        describeOne(4, type, name, [key]).then(result =>
          result.configs.map(c => [c.value, c.configSource, c.synonyms]),
        );
      expect(await value(32, 'g', 'consumer.session.timeout.ms')).toEqual([
        ['45000', 5, [{ name: 'group.consumer.session.timeout.ms', value: '45000', source: 5 }]],
      ]);
      expect(await value(16, 'm', 'interval.ms')).toEqual([['300000', 5, []]]);
    });

    it.each<[string, number, string, string]>([
      ['an unknown topic', 2, 'nope', 'UNKNOWN_TOPIC_OR_PARTITION'],
      ['an illegal topic', 2, '../x', 'INVALID_TOPIC_EXCEPTION'],
      ['another broker', 4, '2', 'INVALID_REQUEST'],
      ['a broker that is no number', 4, 'x', 'INVALID_REQUEST'],
      ['metrics without a name', 16, '', 'INVALID_REQUEST'],
      ['a group without a name', 32, '', 'INVALID_REQUEST'],
      ['an unknown type', 99, 'x', 'INVALID_REQUEST'],
    ])('refuses %s', async (_what, type, name, expected) => {
      const result = await describeOne(4, type, name);
      expect(errorName(result.errorCode)).toBe(expected);
      expect(result.configs).toEqual([]);
    });
  });

  it('list resources of the types that are asked for, all of them for none, metrics only in version 0', async () => {
    await create(7, '__proto__');
    const set = (resourceType: number, resourceName: string, name: string, value: string) => ({
      resourceType,
      resourceName,
      configs: [{ name, configOperation: 0, value }],
    });
    await ask(incrementalAlterConfigs, broker, INCREMENTAL, 1, {
      resources: [set(16, 'm', 'interval.ms', '1000'), set(32, 'g', 'consumer.session.timeout.ms', '46000')],
    });
    const list = async (version: number, resourceTypes: number[]) => {
      const answer = await ask(
        listConfigResources,
        broker,
        LIST,
        version,
        version === 0 ? {} : { resourceTypes },
      );
      return answer!.configResources.map(each => `${each.resourceType}:${each.resourceName}`).sort();
    };
    expect(await list(0, [])).toEqual(['16:m']);
    expect(await list(1, [2, 2])).toEqual(['2:__proto__']);
    expect(await list(1, [])).toEqual(['16:m', '2:__proto__', '32:g', '4:1', '8:1']);
    const unknown = await ask(listConfigResources, broker, LIST, 1, { resourceTypes: [3] });
    expect(errorName(unknown!.errorCode)).toBe('UNSUPPORTED_VERSION');
  });
});
