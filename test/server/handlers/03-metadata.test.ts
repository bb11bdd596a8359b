import { beforeEach, describe, expect, test } from 'vitest';
import { ZERO_UUID } from '../../../src/base/uuid.ts';
import { DirectoryId } from '../../../src/metadata/directory-id.ts';
import type { MetadataImage } from '../../../src/metadata/metadata-image.ts';
import { Errors } from '../../../src/protocol/errors.ts';
import { MetadataRequest, MetadataResponse } from '../../../src/protocol/messages/03-metadata.ts';
import type { Input } from '../../../src/protocol/schema.ts';
import type { BrokerServices } from '../../../src/server/broker-services.ts';
import { metadata } from '../../../src/server/handlers/03-metadata.ts';
import { broker, ORDERS_ID, partition, topic } from './cluster-image.ts';
import { ask, imageOf, LOCAL_ADDRESS } from './handler-harness.ts';

const VERSIONS = Array.from({ length: 14 }, (_, version) => version);
const OTHER_ID = 'b3RoZXJvdGhlcm90aGVybw';

let image: MetadataImage;
let created: string[][];
let autoCreate: boolean;
let advertisesDialledAddress: boolean;

async function request(version: number, body: Input<typeof MetadataRequest>, listener?: string) {
  const services = {
    clusterId: 'cluster',
    runtime: { random: { below: () => 0 } },
    nodeId: 2,
    config: { boolean: () => autoCreate, advertisesDialledAddress },
    metadata: () => image,
    autoCreateTopics: (names: readonly string[]) => void created.push([...names]),
  } as unknown as BrokerServices;
  const from = { name: listener ?? 'PLAINTEXT', kind: 'broker' as const };
  return (await ask(metadata, services, [MetadataRequest, MetadataResponse], version, body, from))!;
}

beforeEach(() => {
  created = [];
  autoCreate = true;
  advertisesDialledAddress = false;
  image = imageOf(
    broker(1, { rack: 'r1' }),
    broker(2),
    topic('orders', ORDERS_ID),
    partition(ORDERS_ID, 0, { replicas: [1, 2] }),
    partition(ORDERS_ID, 1, { replicas: [2, 1] }),
    topic('__consumer_offsets', OTHER_ID),
    partition(OTHER_ID, 0),
  );
});

describe('Metadata', () => {
  test('with advertised.listeners=auto this broker is where the client dialled it, others where they say', async () => {
    advertisesDialledAddress = true;
    const { brokers } = await request(9, { topics: [] });
    expect(brokers).toMatchObject([
      { nodeId: 1, host: 'host1', port: 9001 },
      { nodeId: 2, ...LOCAL_ADDRESS },
    ]);
  });

  test.each(VERSIONS)('version %i tells of brokers, topics and partitions', async version => {
    const answer = await request(version, { topics: [{ name: 'orders' }] });
    expect(answer.brokers).toHaveLength(2);
    expect(answer.brokers[0]).toMatchObject({ nodeId: 1, host: 'host1', port: 9001 });
    expect(answer.brokers[0]!.rack).toBe(version >= 1 ? 'r1' : null);
    expect(answer.controllerId).toBe(version >= 1 ? 1 : -1);
    expect(answer.clusterId).toBe(version >= 2 ? 'cluster' : null);
    expect(answer.topics).toHaveLength(1);
    const [found] = answer.topics;
    expect(found).toMatchObject({
      errorCode: 0,
      name: 'orders',
      topicId: version >= 10 ? ORDERS_ID : ZERO_UUID,
    });
    expect(found!.topicAuthorizedOperations).toBe(-2147483648);
    expect(answer.clusterAuthorizedOperations).toBe(-2147483648);
    expect(found!.partitions).toEqual([
      {
        errorCode: 0,
        partitionIndex: 0,
        leaderId: 1,
        leaderEpoch: version >= 7 ? 5 : -1,
        replicaNodes: [1, 2],
        isrNodes: [1, 2],
        offlineReplicas: [],
      },
      expect.objectContaining({ partitionIndex: 1, leaderId: 2 }),
    ]);
    expect(created).toEqual([]);
  });

  test.each(VERSIONS)('version %i tells all topics from none', async version => {
    const all = await request(version, { topics: version === 0 ? [] : null });
    expect(all.topics.map(each => each.name).sort()).toEqual(['__consumer_offsets', 'orders']);
    const offsets = all.topics.find(each => each.name === '__consumer_offsets')!;
    expect(offsets.isInternal).toBe(version >= 1);
    if (version > 0) expect((await request(version, { topics: [] })).topics).toEqual([]);
    expect(created).toEqual([]);
  });

  test('a topic that is not there is created if client and broker allow it', async () => {
    const names = [{ name: 'new' }, { name: 'new' }, { name: 'orders' }, { name: '__proto__' }];
    const answer = await request(9, { topics: names, allowAutoTopicCreation: true });
    const codes = new Map(answer.topics.map(each => [each.name, each.errorCode]));
    expect(codes).toEqual(
      new Map([
        ['orders', 0],
        ['new', Errors.UNKNOWN_TOPIC_OR_PARTITION],
        ['__proto__', Errors.UNKNOWN_TOPIC_OR_PARTITION],
      ]),
    );
    expect(answer.topics).toHaveLength(3);
    expect(created).toEqual([['new', '__proto__']]);

    await request(9, { topics: [{ name: 'new' }], allowAutoTopicCreation: false });
    autoCreate = false;
    await request(9, { topics: [{ name: 'new' }], allowAutoTopicCreation: true });
    expect(created).toHaveLength(1);
  });

  test.each(['', '.', '..', '../x', 'a/b', 'a b', 'x'.repeat(250), 'x'.repeat(300), '😀', 'a\u0000b', 'ä'])(
    'the name %j is INVALID_TOPIC_EXCEPTION and is not created',
    async name => {
      const answer = await request(9, { topics: [{ name }] });
      expect(answer.topics).toMatchObject([
        { name, errorCode: Errors.INVALID_TOPIC_EXCEPTION, partitions: [] },
      ]);
      expect(created).toEqual([]);
    },
  );

  test('from version 12 on topics may be asked for by id', async () => {
    const unknown = 'AAAAAAAAAAAAAAAAAAAAZg';
    const answer = await request(12, {
      topics: [
        { topicId: ORDERS_ID, name: null },
        { topicId: unknown, name: null },
      ],
    });
    expect(answer.topics).toMatchObject([
      { name: 'orders', topicId: ORDERS_ID, errorCode: 0 },
      { name: null, topicId: unknown, errorCode: Errors.UNKNOWN_TOPIC_ID, partitions: [] },
    ]);
    expect(created).toEqual([]);
  });

  test.each([10, 11])('version %i refuses ids and null names', async version => {
    for (const wanted of [{ topicId: ORDERS_ID, name: 'orders' }, { name: null }]) {
      const answer = await request(version, { topics: [wanted] });
      expect(answer.topics).toMatchObject([{ errorCode: Errors.INVALID_REQUEST, name: wanted.name ?? '' }]);
    }
  });

  test('what the client may do is told when it asks', async () => {
    const body = {
      topics: null,
      includeClusterAuthorizedOperations: true,
      includeTopicAuthorizedOperations: true,
    };
    const answer = await request(8, body);
    expect(answer.clusterAuthorizedOperations).toBe(0b1_1111_1010_0000);
    expect(answer.topics[0]!.topicAuthorizedOperations).toBe(0b110111111000);
  });

  test('a partition whose leader cannot be reached says so as each version can', async () => {
    image = imageOf(
      broker(1),
      broker(2, { fenced: true }),
      broker(3, { listener: 'OTHER' }),
      topic('orders', ORDERS_ID),
      partition(ORDERS_ID, 0, { replicas: [2, 1, 3] }),
      partition(ORDERS_ID, 1, { replicas: [3, 1] }),
      partition(ORDERS_ID, 2, { replicas: [1, 2] }),
      partition(ORDERS_ID, 3, { replicas: [1], leader: -1 }),
    );
    const partitions = async (version: number) =>
      (await request(version, { topics: [{ name: 'orders' }] })).topics[0]!.partitions;
    const modern = await partitions(9);
    expect(modern.map(each => each.errorCode)).toEqual([
      Errors.LISTENER_NOT_FOUND,
      Errors.LISTENER_NOT_FOUND,
      Errors.NONE,
      Errors.LEADER_NOT_AVAILABLE,
    ]);
    expect(modern.map(each => each.leaderId)).toEqual([-1, -1, 1, -1]);
    expect(modern.map(each => each.offlineReplicas)).toEqual([[2, 3], [3], [2], []]);
    expect(modern[0]!.replicaNodes).toEqual([2, 1, 3]);
    const old = await partitions(0);
    expect(old.map(each => each.errorCode)).toEqual([
      Errors.LEADER_NOT_AVAILABLE,
      Errors.LEADER_NOT_AVAILABLE,
      Errors.REPLICA_NOT_AVAILABLE,
      Errors.LEADER_NOT_AVAILABLE,
    ]);
    expect(old.map(each => each.replicaNodes)).toEqual([[1], [1], [1], [1]]);
  });

  test('a replica in a directory that is not online is offline', async () => {
    const here = 'aGVyZWhlcmVoZXJlaGVyZQ';
    image = imageOf(
      broker(1, { logDirs: [here] }),
      topic('orders', ORDERS_ID),
      partition(ORDERS_ID, 0, { directories: [here] }),
      partition(ORDERS_ID, 1, { directories: [OTHER_ID] }),
      partition(ORDERS_ID, 2, { directories: [DirectoryId.LOST] }),
      partition(ORDERS_ID, 3, { directories: [DirectoryId.UNASSIGNED] }),
    );
    const [found] = (await request(9, { topics: null })).topics;
    expect(found!.partitions.map(each => each.offlineReplicas)).toEqual([[], [1], [1], []]);
  });

  test('a client of another listener sees only the brokers that have it', async () => {
    const answer = await request(9, { topics: null }, 'INTERNAL');
    expect(answer.brokers).toEqual([]);
    expect(answer.controllerId).toBe(-1);
  });
});
