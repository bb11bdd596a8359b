import { beforeEach, describe, expect, it } from 'vitest';
import { ZERO_UUID } from '../../src/base/uuid.ts';
import { Errors, errorName } from '../../src/protocol/errors.ts';
import type { CreatableTopic } from '../../src/controller/topic-control-manager.ts';
import { ControllerHarness, heartbeat } from './support/controller-harness.ts';

const NOBODY = 'zzzzzzzzQzzzzzzzzzzzzA';

function topic(name: string, changes: Partial<CreatableTopic> = {}): CreatableTopic {
  return { name, numPartitions: 1, replicationFactor: 1, assignments: [], configs: [], ...changes };
}

function manual(...replicas: number[][]): Partial<CreatableTopic> {
  const assignments = replicas.map((brokerIds, partitionIndex) => ({ partitionIndex, brokerIds }));
  return { numPartitions: -1, replicationFactor: -1, assignments };
}

describe('TopicControlManager over two brokers and a fenced one', () => {
  let harness: ControllerHarness;
  const create = (topics: CreatableTopic[], validateOnly = false) =>
    harness.controller.createTopics({ topics, timeoutMs: 1000, validateOnly });
  const codes = async (...topics: CreatableTopic[]): Promise<string[]> =>
    (await create(topics)).map(result => errorName(result.errorCode));
  const partitions = (name: string) => harness.loader.image().topics.topic(name)?.partitions;

  beforeEach(async () => {
    harness = await ControllerHarness.started([1, 2, 3]);
    const epoch = Number(harness.controller.image().cluster.broker(3)!.epoch);
    await harness.controller.processBrokerHeartbeat(heartbeat(3, epoch, { wantFence: true }));
    await create([topic('taken.name'), topic('__proto__', { numPartitions: 2 })]);
  });

  it.each<[string, CreatableTopic, keyof typeof Errors]>([
    ['an empty name', topic(''), 'INVALID_TOPIC_EXCEPTION'],
    ['a dot', topic('.'), 'INVALID_TOPIC_EXCEPTION'],
    ['two dots', topic('..'), 'INVALID_TOPIC_EXCEPTION'],
    ['a path', topic('../x'), 'INVALID_TOPIC_EXCEPTION'],
    ['250 characters', topic('x'.repeat(250)), 'INVALID_TOPIC_EXCEPTION'],
    ['an emoji', topic('😀'), 'INVALID_TOPIC_EXCEPTION'],
    ['a name that collides', topic('taken_name'), 'INVALID_TOPIC_EXCEPTION'],
    ['the log of the controllers', topic('__cluster_metadata'), 'INVALID_REQUEST'],
    ['a name that is taken', topic('__proto__'), 'TOPIC_ALREADY_EXISTS'],
    [
      'a taken name with a bad configuration',
      topic('__proto__', { configs: [{ name: 'x', value: '1' }] }),
      'TOPIC_ALREADY_EXISTS',
    ],
    ['no partitions', topic('a', { numPartitions: 0 }), 'INVALID_PARTITIONS'],
    ['-2 partitions', topic('a', { numPartitions: -2 }), 'INVALID_PARTITIONS'],
    ['no replicas', topic('a', { replicationFactor: 0, numPartitions: 0 }), 'INVALID_REPLICATION_FACTOR'],
    ['-2 replicas', topic('a', { replicationFactor: -2 }), 'INVALID_REPLICATION_FACTOR'],
    ['more replicas than brokers', topic('a', { replicationFactor: 4 }), 'INVALID_REPLICATION_FACTOR'],
    ['more partitions than a request may create', topic('a', { numPartitions: 10_001 }), 'POLICY_VIOLATION'],
    ['an absurd count of partitions', topic('a', { numPartitions: 2 ** 31 - 1 }), 'POLICY_VIOLATION'],
    ['an unknown key', topic('a', { configs: [{ name: 'constructor', value: '1' }] }), 'INVALID_CONFIG'],
    ['a bad value', topic('a', { configs: [{ name: 'retention.ms', value: 'x' }] }), 'INVALID_CONFIG'],
    ['a null value', topic('a', { configs: [{ name: 'retention.ms', value: null }] }), 'INVALID_CONFIG'],
    ['assignments beside a count', topic('a', { ...manual([1]), numPartitions: 1 }), 'INVALID_REQUEST'],
    ['assignments beside a factor', topic('a', { ...manual([1]), replicationFactor: 1 }), 'INVALID_REQUEST'],
    ['an empty assignment', topic('a', manual([])), 'INVALID_REPLICA_ASSIGNMENT'],
    ['a broker twice', topic('a', manual([1, 1])), 'INVALID_REPLICA_ASSIGNMENT'],
    ['an unknown broker', topic('a', manual([9])), 'INVALID_REPLICA_ASSIGNMENT'],
    ['only a fenced broker', topic('a', manual([3])), 'INVALID_REPLICA_ASSIGNMENT'],
    ['assignments of unequal length', topic('a', manual([1], [1, 2])), 'INVALID_REPLICA_ASSIGNMENT'],
    [
      'a gap between assigned partitions',
      topic('a', { ...manual([1]), assignments: [{ partitionIndex: 1, brokerIds: [1] }] }),
      'INVALID_REPLICA_ASSIGNMENT',
    ],
    [
      'a partition assigned twice',
      topic('a', {
        ...manual([1]),
        assignments: [
          { partitionIndex: 0, brokerIds: [1] },
          { partitionIndex: 0, brokerIds: [2] },
        ],
      }),
      'INVALID_REPLICA_ASSIGNMENT',
    ],
  ])('refuses to create a topic with %s, and still creates the others', async (_what, bad, expected) => {
    const results = await create([bad, topic('good')]);
    const shared = expected === 'POLICY_VIOLATION';
    expect(results.map(result => errorName(result.errorCode))).toEqual([
      expected,
      shared ? expected : 'NONE',
    ]);
    expect(results[0]).toMatchObject({
      topicId: ZERO_UUID,
      numPartitions: -1,
      replicationFactor: -1,
      configs: [],
    });
    expect(results[0]!.errorMessage).toMatch(/\w/);
    expect(partitions('a')).toBeUndefined();
    expect(partitions('good') === undefined).toBe(shared);
  });

  it('refuses a topic that is in one request twice, once', async () => {
    const results = await create([topic('a'), topic('b'), topic('a')]);
    expect(results.map(result => [result.name, result.errorCode])).toEqual([
      ['a', Errors.INVALID_REQUEST],
      ['b', 0],
    ]);
    expect(partitions('a')).toBeUndefined();
  });

  it('uses the defaults for counts of -1, and the last of two values of a key', async () => {
    const configs = [
      { name: 'retention.ms', value: '1' },
      { name: 'retention.ms', value: '2' },
    ];
    const [result] = await create([topic('a', { numPartitions: -1, replicationFactor: -1, configs })]);
    expect(result).toMatchObject({
      errorCode: 0,
      numPartitions: 1,
      replicationFactor: 1,
      topicConfigErrorCode: 0,
    });
    expect(result!.configs?.find(config => config.name === 'retention.ms')).toEqual({
      name: 'retention.ms',
      value: '2',
      readOnly: false,
      configSource: 1,
      isSensitive: false,
    });
    expect(harness.loader.image().configs.topic('a').get('retention.ms')).toBe('2');
  });

  it('validates without a record', async () => {
    const before = harness.quorum.logEndOffset();
    const [result] = await create([topic('a', { numPartitions: 5 })], true);
    expect(result).toMatchObject({ errorCode: 0, numPartitions: 5 });
    expect(harness.quorum.logEndOffset()).toBe(before);
    expect(partitions('a')).toBeUndefined();
  });

  it('does nothing for a client that does not wait', async () => {
    const request = { topics: [topic('a')], timeoutMs: 0, validateOnly: false };
    await expect(harness.controller.createTopics(request)).rejects.toMatchObject({
      code: Errors.REQUEST_TIMED_OUT,
    });
    expect(partitions('a')).toBeUndefined();
  });

  it('places replicas as told, with the first unfenced one as leader and no fenced one in sync', async () => {
    expect(await codes(topic('a', manual([3, 2], [1, 3])))).toEqual(['NONE']);
    expect(partitions('a')).toMatchObject([
      { replicas: [3, 2], isr: [2], leader: 2, leaderEpoch: 0, partitionEpoch: 0 },
      { replicas: [1, 3], isr: [1], leader: 1 },
    ]);
    const { cluster } = harness.loader.image();
    expect(partitions('a')![0]!.directories).toEqual([
      cluster.broker(3)!.directories[0],
      cluster.broker(2)!.directories[0],
    ]);
  });

  it('spreads leaders over unfenced brokers only', async () => {
    await create([topic('a', { numPartitions: 30, replicationFactor: 3 })]);
    const leaders = partitions('a')!.map(partition => partition.leader);
    expect(new Set(leaders)).toEqual(new Set([1, 2]));
    expect(leaders.filter(leader => leader === 1)).toHaveLength(15);
  });

  describe('deleteTopics', () => {
    const remove = (...topics: { name: string | null; topicId?: string }[]) =>
      harness.controller.deleteTopics({
        topics: topics.map(({ name, topicId = ZERO_UUID }) => ({ name, topicId })),
        topicNames: [],
        timeoutMs: 1000,
      });

    it('deletes by name and by id, with the configuration', async () => {
      const { topics } = harness.loader.image();
      const ids = [topics.topic('__proto__')!.id, topics.topic('taken.name')!.id];
      const results = await remove({ name: '__proto__' }, { name: null, topicId: ids[1]! });
      expect(results).toEqual([
        { name: '__proto__', topicId: ids[0], errorCode: 0, errorMessage: null },
        { name: 'taken.name', topicId: ids[1], errorCode: 0, errorMessage: null },
      ]);
      expect(harness.loader.image().topics.size).toBe(0);
      expect(await codes(topic('taken_name'))).toEqual(['NONE']);
    });

    it.each<[string, { name: string | null; topicId?: string }[], keyof typeof Errors]>([
      ['an unknown name', [{ name: '../x' }], 'UNKNOWN_TOPIC_OR_PARTITION'],
      ['an unknown id', [{ name: null, topicId: NOBODY }], 'UNKNOWN_TOPIC_ID'],
      ['neither name nor id', [{ name: null }], 'INVALID_REQUEST'],
      ['both', [{ name: '__proto__', topicId: NOBODY }], 'INVALID_REQUEST'],
      ['a name twice', [{ name: '__proto__' }, { name: '__proto__' }], 'INVALID_REQUEST'],
      [
        'an id twice',
        [
          { name: null, topicId: NOBODY },
          { name: null, topicId: NOBODY },
        ],
        'INVALID_REQUEST',
      ],
    ])('refuses %s', async (_what, topics, expected) => {
      const results = await remove(...topics);
      expect(results.map(result => errorName(result.errorCode))).toEqual([expected]);
      expect(partitions('__proto__')).toBeDefined();
    });

    it('refuses all when deletion is disabled', async () => {
      const other = await ControllerHarness.started([1], { config: { 'delete.topic.enable': 'false' } });
      await other.controller.createTopics({ topics: [topic('a')], timeoutMs: 1000, validateOnly: false });
      const [result] = await other.controller.deleteTopics({
        topics: [],
        topicNames: ['a'],
        timeoutMs: 1000,
      });
      expect(errorName(result!.errorCode)).toBe('TOPIC_DELETION_DISABLED');
    });
  });

  describe('createPartitions', () => {
    const add = (
      validateOnly: boolean,
      ...topics: [name: string, count: number, assignments?: number[][]][]
    ) =>
      harness.controller.createPartitions({
        topics: topics.map(([name, count, assignments]) => ({
          name,
          count,
          assignments: assignments?.map(brokerIds => ({ brokerIds })) ?? null,
        })),
        timeoutMs: 1000,
        validateOnly,
      });

    it('adds partitions, placed by hand or not, and none when it only validates', async () => {
      expect(await add(true, ['__proto__', 5])).toEqual([
        { name: '__proto__', errorCode: 0, errorMessage: null },
      ]);
      expect(partitions('__proto__')).toHaveLength(2);
      await add(false, ['__proto__', 4, [[2], [1]]]);
      expect(
        partitions('__proto__')!
          .map(partition => partition.leader)
          .slice(2),
      ).toEqual([2, 1]);
      await add(false, ['__proto__', 9]);
      expect(partitions('__proto__')).toHaveLength(9);
    });

    it.each<[string, [string, number, number[][]?], keyof typeof Errors]>([
      ['an unknown topic', ['nope', 3], 'UNKNOWN_TOPIC_OR_PARTITION'],
      ['as many as there are', ['__proto__', 2], 'INVALID_PARTITIONS'],
      ['fewer', ['__proto__', 1], 'INVALID_PARTITIONS'],
      ['a negative count', ['__proto__', -1], 'INVALID_PARTITIONS'],
      ['too many', ['__proto__', 10_003], 'POLICY_VIOLATION'],
      ['an absurd count', ['__proto__', 2 ** 31 - 1], 'POLICY_VIOLATION'],
      ['too few assignments', ['__proto__', 4, [[1]]], 'INVALID_REPLICA_ASSIGNMENT'],
      ['an unknown broker', ['__proto__', 3, [[9]]], 'INVALID_REPLICA_ASSIGNMENT'],
      ['another replication factor', ['__proto__', 3, [[1, 2]]], 'INVALID_REPLICA_ASSIGNMENT'],
      ['an empty assignment', ['__proto__', 3, [[]]], 'INVALID_REPLICA_ASSIGNMENT'],
    ])('refuses %s', async (_what, request, expected) => {
      const [result] = await add(false, request);
      expect(errorName(result!.errorCode)).toBe(expected);
      expect(partitions('__proto__')).toHaveLength(2);
    });

    it('refuses a topic that is in one request twice', async () => {
      const results = await add(false, ['__proto__', 3], ['__proto__', 4]);
      expect(results.map(result => result.errorCode)).toEqual([Errors.INVALID_REQUEST]);
    });
  });
});
