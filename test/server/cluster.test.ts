import { Kafka, logLevel } from 'kafkajs';
import { afterEach, describe, expect, test } from 'vitest';
import { Errors } from '../../src/protocol/errors.ts';
import { ProduceRequest, ProduceResponse } from '../../src/protocol/messages/00-produce.ts';
import { MetadataRequest, MetadataResponse } from '../../src/protocol/messages/03-metadata.ts';
import {
  FindCoordinatorRequest,
  FindCoordinatorResponse,
} from '../../src/protocol/messages/10-find-coordinator.ts';
import {
  DescribeGroupsRequest,
  DescribeGroupsResponse,
} from '../../src/protocol/messages/15-describe-groups.ts';
import { ApiVersionsRequest, ApiVersionsResponse } from '../../src/protocol/messages/18-api-versions.ts';
import { CreateTopicsRequest, CreateTopicsResponse } from '../../src/protocol/messages/19-create-topics.ts';
import {
  InitProducerIdRequest,
  InitProducerIdResponse,
} from '../../src/protocol/messages/22-init-producer-id.ts';
import {
  DescribeConfigsRequest,
  DescribeConfigsResponse,
} from '../../src/protocol/messages/32-describe-configs.ts';
import {
  UpdateFeaturesRequest,
  UpdateFeaturesResponse,
} from '../../src/protocol/messages/57-update-features.ts';
import {
  DescribeClusterRequest,
  DescribeClusterResponse,
} from '../../src/protocol/messages/60-describe-cluster.ts';
import { TestCluster, type TestNode, until } from '../support/test-cluster.ts';
import { askOnce } from './raw-client.ts';
import { sampleRecords } from './sample-request.ts';

const COMBINED = ['broker,controller', 'broker,controller', 'broker,controller'] as const;
const SEPARATE = ['controller', 'broker', 'broker'] as const;

const SOFTWARE = { clientSoftwareName: 'test', clientSoftwareVersion: '1' };

let cluster: TestCluster;

afterEach(async () => {
  await cluster?.close();
});

const createTopic = (node: TestNode, name: string, replicationFactor: number, timeoutMs = 10_000) =>
  askOnce(node.port, [CreateTopicsRequest, CreateTopicsResponse] as const, 7, {
    topics: [{ name, numPartitions: 3, replicationFactor }],
    timeoutMs,
  });

function client(...nodes: TestNode[]): Kafka {
  return new Kafka({
    clientId: 'test',
    brokers: nodes.map(node => node.bootstrap),
    logLevel: logLevel.NOTHING,
    retry: { initialRetryTime: 50, retries: 20 },
  });
}

function everyNodeKnows(topic: string): Promise<void> {
  return until(`every node knows ${topic}`, () =>
    cluster.nodes.every(node => node.server.metadata()?.topics.topic(topic) !== undefined),
  );
}

describe('three nodes that are broker and controller', () => {
  test('elect one controller, register, and say the same of the cluster', async () => {
    cluster = await TestCluster.start({ roles: COMBINED });
    const active = cluster.nodes.filter(node => node.isActiveController);
    expect(active).toHaveLength(1);
    await until(
      'three controllers registered',
      () => active[0]!.server.metadata()!.cluster.controllers.size === 3,
    );
    for (const node of cluster.nodes) {
      await until('three brokers known here', () => {
        const { brokers } = node.server.metadata()!.cluster;
        return brokers.size === 3 && [...brokers.values()].every(({ fenced }) => !fenced);
      });
      const answer = await askOnce(node.port, [MetadataRequest, MetadataResponse] as const, 12, {
        topics: [],
      });
      expect(answer.clusterId).toBe(cluster.clusterId);
      expect(answer.brokers.map(each => each.port)).toEqual(cluster.nodes.map(each => each.port));
      const controllers = await askOnce(
        node.server.port('CONTROLLER')!,
        [DescribeClusterRequest, DescribeClusterResponse] as const,
        1,
        { endpointType: 2 },
      );
      expect(controllers).toMatchObject({
        errorCode: 0,
        clusterId: cluster.clusterId,
        controllerId: active[0]!.id,
      });
      await until('controllers known here', () => node.server.metadata()!.cluster.controllers.size === 3);
    }
    for (const node of cluster.nodes) expect(node.logger.messages('error')).toEqual([]);
  });

  test('take topics through any of them, with the errors of the controller', async () => {
    cluster = await TestCluster.start({ roles: COMBINED });
    for (const node of cluster.nodes) {
      const [created] = (await createTopic(node, `by-${node.id}`, 3)).topics;
      expect(created).toMatchObject({ errorCode: 0, numPartitions: 3, replicationFactor: 3 });
      const [again] = (await createTopic(node, `by-${node.id}`, 3)).topics;
      expect(again!.errorCode).toBe(Errors.TOPIC_ALREADY_EXISTS);
      expect(again!.errorMessage).toContain(`by-${node.id}`);
      const [tooMany] = (await createTopic(node, 'x', 4)).topics;
      expect(tooMany!.errorCode).toBe(Errors.INVALID_REPLICATION_FACTOR);
    }
    for (const { id } of cluster.nodes) await everyNodeKnows(`by-${id}`);
  });

  test('raise kraft.version when they are asked to, and say so', { timeout: 60_000 }, async () => {
    cluster = await TestCluster.start({ roles: COMBINED });
    const upgrade = async (node: TestNode, validateOnly: boolean) =>
      askOnce(node.port, [UpdateFeaturesRequest, UpdateFeaturesResponse] as const, 2, {
        timeoutMs: 10_000,
        featureUpdates: [{ feature: 'kraft.version', maxVersionLevel: 1, upgradeType: 1 }],
        validateOnly,
      });
    const levelAt = async (port: number): Promise<number | undefined> => {
      const { finalizedFeatures } = await askOnce(
        port,
        [ApiVersionsRequest, ApiVersionsResponse] as const,
        4,
        SOFTWARE,
      );
      return finalizedFeatures.find(each => each.name === 'kraft.version')?.maxVersionLevel;
    };
    const follower = cluster.nodes.find(node => !node.isActiveController)!;
    // Voters register, and say what they support, in their own time.
    for (let code: number = Errors.INVALID_UPDATE_VERSION; code !== Errors.NONE; ) {
      ({ errorCode: code } = await upgrade(follower, true));
      expect([Errors.NONE, Errors.INVALID_UPDATE_VERSION]).toContain(code);
      await new Promise(resolve => setTimeout(resolve, 20));
    }
    expect(await levelAt(follower.port)).toBeUndefined();
    expect(await upgrade(follower, false)).toMatchObject({ errorCode: Errors.NONE, errorMessage: null });
    const everyNodeSaysSo = async (): Promise<void> => {
      for (const { port, server } of cluster.nodes) {
        for (const each of [port, server.port('CONTROLLER')!]) {
          while ((await levelAt(each)) !== 1) await new Promise(resolve => setTimeout(resolve, 20));
        }
      }
    };
    await everyNodeSaysSo();
    await follower.restart();
    await everyNodeSaysSo();
    const [created] = (await createTopic(follower, 'after', 3)).topics;
    expect(created!.errorCode).toBe(Errors.NONE);
    for (const node of cluster.nodes) expect(node.logger.messages('error')).toEqual([]);
  });

  test('give every idempotent producer another id', async () => {
    cluster = await TestCluster.start({ roles: COMBINED });
    const ids = new Set();
    for (const node of [...cluster.nodes, ...cluster.nodes]) {
      const answer = await askOnce(node.port, [InitProducerIdRequest, InitProducerIdResponse] as const, 4, {
        transactionalId: null,
        producerId: -1,
        producerEpoch: -1,
      });
      expect(answer.errorCode).toBe(Errors.NONE);
      ids.add(answer.producerId);
    }
    expect(ids.size).toBe(6);
  });

  test('coordinate each group at one broker, which all name, and others refuse it', async () => {
    cluster = await TestCluster.start({ roles: COMBINED });
    const find = (node: TestNode) =>
      askOnce(node.port, [FindCoordinatorRequest, FindCoordinatorResponse] as const, 3, {
        key: 'group',
        keyType: 0,
      });
    expect((await find(cluster.node(1))).errorCode).toBe(Errors.COORDINATOR_NOT_AVAILABLE);
    await everyNodeKnows('__consumer_offsets');
    const answers = [];
    for (const node of cluster.nodes) answers.push(await find(node));
    expect(new Set(answers.map(answer => answer.nodeId)).size).toBe(1);
    const coordinator = answers[0]!.nodeId;
    expect(answers[0]).toMatchObject({ errorCode: 0, port: cluster.node(coordinator).port });
    for (const node of cluster.nodes) {
      const { groups } = await askOnce(
        node.port,
        [DescribeGroupsRequest, DescribeGroupsResponse] as const,
        5,
        {
          groups: ['group'],
        },
      );
      const codes =
        node.id === coordinator
          ? [Errors.NONE, Errors.COORDINATOR_LOAD_IN_PROGRESS]
          : [Errors.NOT_COORDINATOR];
      expect(codes).toContain(groups[0]!.errorCode);
    }
  });

  test('describe their own configuration, and send the client to the broker for that of another', async () => {
    cluster = await TestCluster.start({ roles: COMBINED });
    const resources = ['1', '2'].map(resourceName => ({
      resourceType: 4,
      resourceName,
      configurationKeys: null,
    }));
    const { results } = await askOnce(
      cluster.node(2).port,
      [DescribeConfigsRequest, DescribeConfigsResponse] as const,
      4,
      { resources },
    );
    expect(results.map(each => each.errorCode)).toEqual([Errors.INVALID_REQUEST, Errors.NONE]);
  });

  test('go on when the active controller stops: another one takes over and the others pass on to it', async () => {
    cluster = await TestCluster.start({ roles: COMBINED });
    const first = cluster.activeController!;
    const others = cluster.nodes.filter(node => node !== first);
    const stopped = first.server.stop();
    // Sent while the leadership moves: the broker asks until some controller has decided. A decision that was not known
    // to be committed when its controller stopped is met by the second attempt.
    const [created] = (await createTopic(others[0]!, 'during', 2)).topics;
    expect([Errors.NONE, Errors.TOPIC_ALREADY_EXISTS]).toContain(created!.errorCode);
    await stopped;
    await until(
      'the topic is there',
      () => others[0]!.server.metadata()!.topics.topic('during') !== undefined,
    );
    const [after] = (await createTopic(others[1]!, 'after', 2)).topics;
    expect(after!.errorCode).toBe(Errors.NONE);
    expect(others.filter(node => node.isActiveController)).toHaveLength(1);
    await first.restart();
    await until('all brokers in again', () =>
      [...first.server.metadata()!.cluster.brokers.values()].every(broker => !broker.fenced),
    );
    expect(first.server.metadata()!.topics.topic('after')).toBeDefined();
  });

  test('move leaderships away before one of them stops, and lose nothing over restarts of all', async () => {
    cluster = await TestCluster.start({ roles: COMBINED });
    expect((await createTopic(cluster.node(1), 'orders', 3)).topics[0]!.errorCode).toBe(Errors.NONE);
    await everyNodeKnows('orders');
    const kafka = client(...cluster.nodes);
    const producer = kafka.producer({ idempotent: true });
    await producer.connect();
    let sent = 0;
    const send = () =>
      producer.send({
        topic: 'orders',
        acks: -1,
        messages: [0, 1, 2].map(partition => ({ partition, value: `value-${sent++}` })),
      });
    await send();
    for (const node of cluster.nodes) {
      await node.server.stop();
      const survivor = cluster.nodes.find(each => each !== node)!;
      const { partitions } = survivor.server.metadata()!.topics.topic('orders')!;
      expect(partitions.map(each => each.leader)).not.toContain(node.id);
      expect(partitions.every(each => each.leader >= 0)).toBe(true);
      await send();
      await node.restart();
      await until(`node ${node.id} in sync again`, () =>
        node.server
          .metadata()!
          .topics.topic('orders')!
          .partitions.every(each => each.isr.length === 3),
      );
    }
    await producer.disconnect();
    const consumer = kafka.consumer({ groupId: 'readers', maxWaitTimeInMs: 100 });
    await consumer.connect();
    await consumer.subscribe({ topic: 'orders', fromBeginning: true });
    const values = new Set<string>();
    await consumer.run({ eachMessage: async ({ message }) => void values.add(message.value!.toString()) });
    await until('everything read', () => values.size === sent);
    await consumer.disconnect();
  }, 40_000);

  test('answer a fetch or a produce for a leader elsewhere with who it is', async () => {
    cluster = await TestCluster.start({ roles: COMBINED });
    await createTopic(cluster.node(1), 'orders', 1);
    await everyNodeKnows('orders');
    const topic = cluster.node(1).server.metadata()!.topics.topic('orders')!;
    const { leader } = topic.partitions[0]!;
    const other = cluster.nodes.find(node => node.id !== leader)!;
    const { responses } = await askOnce(other.port, [ProduceRequest, ProduceResponse] as const, 12, {
      acks: -1,
      timeoutMs: 1000,
      topicData: [{ name: 'orders', partitionData: [{ index: 0, records: sampleRecords() }] }],
    });
    expect(responses[0]!.partitionResponses[0]).toMatchObject({
      errorCode: Errors.NOT_LEADER_OR_FOLLOWER,
      currentLeader: { leaderId: leader },
    });
  });
});

describe('a controller and two brokers', () => {
  test('are a cluster: topics pass through the network, with the name of the client', async () => {
    cluster = await TestCluster.start({ roles: SEPARATE });
    const [controller, broker] = [cluster.node(1), cluster.node(2)];
    expect(controller.server.services).toBeUndefined();
    expect(broker.server.controllerServices).toBeUndefined();
    expect((await createTopic(broker, 'orders', 2)).topics[0]!.errorCode).toBe(Errors.NONE);
    expect((await createTopic(broker, 'orders', 2)).topics[0]!.errorCode).toBe(Errors.TOPIC_ALREADY_EXISTS);
    await everyNodeKnows('orders');
    const producer = client(broker).producer();
    await producer.connect();
    await producer.send({ topic: 'orders', acks: -1, messages: [{ value: 'a' }] });
    await producer.send({ topic: 'on-demand', messages: [{ value: 'a' }] });
    await producer.disconnect();
    expect(controller.server.metadata()!.topics.topic('on-demand')).toBeDefined();
    for (const node of cluster.nodes) expect(node.logger.messages('error')).toEqual([]);
  });

  test('each kind of listener serves its own APIs', async () => {
    cluster = await TestCluster.start({ roles: SEPARATE });
    const keysAt = async (port: number): Promise<number[]> => {
      const answer = await askOnce(port, [ApiVersionsRequest, ApiVersionsResponse] as const, 3, {
        clientSoftwareName: 'test',
        clientSoftwareVersion: '1',
      });
      expect(answer.finalizedFeatures.map(each => each.name)).toContain('metadata.version');
      return answer.apiKeys.map(each => each.apiKey);
    };
    const atController = await keysAt(cluster.node(1).server.port('CONTROLLER')!);
    expect(atController).toEqual(expect.arrayContaining([1, 18, 19, 52, 58, 60, 62, 63]));
    expect(atController).not.toContain(0);
    expect(atController).not.toContain(3);
    const atBroker = await keysAt(cluster.node(2).port);
    expect(atBroker).toEqual(expect.arrayContaining([0, 1, 3, 18, 19, 60]));
    for (const key of [52, 58, 62, 63]) expect(atBroker).not.toContain(key);
  });

  test('a request that no controller decides in its time is REQUEST_TIMED_OUT', async () => {
    // Without a controller nobody lets the brokers go at the end.
    const properties = { 'controlled.shutdown.enable': 'false' };
    cluster = await TestCluster.start({ roles: SEPARATE, properties });
    await cluster.node(1).server.stop();
    const [created] = (await createTopic(cluster.node(2), 'orders', 1, 500)).topics;
    expect(created!.errorCode).toBe(Errors.REQUEST_TIMED_OUT);
    expect(created!.errorMessage).toContain('no active controller answered');
  });

  test('brokers come before the controller, wait for it, and start when it is there', async () => {
    cluster = await TestCluster.create({ roles: SEPARATE });
    const [controller, broker] = [cluster.node(1), cluster.node(2)];
    const starting = broker.server.start();
    await until('the broker says what is missing', () =>
      broker.logger.entries.some(({ fields }) =>
        /ECONNREFUSED.*a quorum needs 1/.test(String(fields['waitsFor'])),
      ),
    );
    // Nobody can connect to a broker that does not know yet how to load its logs.
    expect(broker.server.port('PLAINTEXT')).toBeUndefined();
    await controller.server.start();
    await starting;
    expect(broker.server.metadata()!.cluster.broker(2)!.fenced).toBe(false);
  });

  test('a start that waits can be stopped', async () => {
    cluster = await TestCluster.create({ roles: SEPARATE });
    const { server, logger } = cluster.node(2);
    const outcome = expect(server.start()).rejects.toMatchObject({ code: Errors.BROKER_NOT_AVAILABLE });
    await until('it waits', () => logger.entries.some(({ message }) => message === 'still starting'));
    await server.stop();
    await outcome;
  });
});

describe('a node that does not belong', () => {
  test('of another cluster does not start, and says which directory has which id', async () => {
    cluster = await TestCluster.create({ roles: SEPARATE, strangers: [2] });
    await cluster.node(1).server.start();
    const stranger = cluster.node(2);
    await expect(stranger.server.start()).rejects.toMatchObject({
      code: Errors.INCONSISTENT_CLUSTER_ID,
      message: expect.stringContaining(cluster.clusterId),
    });
  });

  test('with the id of another broker waits and says who has it', async () => {
    cluster = await TestCluster.create({ roles: ['controller', 'broker', 'broker'], sameIds: [[3, 2]] });
    await cluster.node(1).server.start();
    await cluster.node(2).server.start();
    const twin = cluster.node(3);
    const starting = twin.server.start();
    const refused = expect(starting).rejects.toMatchObject({ code: Errors.BROKER_NOT_AVAILABLE });
    await until('the twin says who it is', () =>
      twin.logger.entries.some(({ fields }) => fields['error'] === 'DUPLICATE_BROKER_REGISTRATION'),
    );
    await twin.server.stop();
    await refused;
    expect(cluster.node(2).server.services).toBeDefined();
  });
});
