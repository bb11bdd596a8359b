import { describe, expect, it } from 'vitest';
import type { CreatableTopic } from '../../src/controller/topic-control-manager.ts';
import type {
  AlterConfigRequestMetadata,
  CreateTopicRequestMetadata,
  Policies,
} from '../../src/controller/policies.ts';
import { Errors } from '../../src/protocol/errors.ts';
import { createRunWithin } from '../../src/runtime/node/run-within.ts';
import { ControllerHarness } from './support/controller-harness.ts';

const SET = 0;
const DELETE = 1;
const TOPIC = 2;
const BROKER = 4;
const REFUSED = Errors.POLICY_VIOLATION;

function topic(name: string, changes: Partial<CreatableTopic> = {}): CreatableTopic {
  return { name, numPartitions: -1, replicationFactor: -1, assignments: [], configs: [], ...changes };
}

/** Nothing that is asked here takes any time. */
const runWithin: Policies['runWithin'] = (_limitMs, run) => {
  run();
  return true;
};

/** A controller over two brokers whose policies write down what they are asked, and refuse what holds 'bad'. */
async function recording() {
  const created: CreateTopicRequestMetadata[] = [];
  const altered: AlterConfigRequestMetadata[] = [];
  const harness = await ControllerHarness.started([1, 2], {
    config: { 'num.partitions': '3', 'default.replication.factor': '2' },
    policies: () => ({
      createTopic: {
        validate(metadata) {
          created.push(metadata);
          if (metadata.topic.includes('bad')) throw new Error(`'${metadata.topic}' is no name for a topic`);
        },
      },
      alterConfig: {
        validate(metadata) {
          altered.push(metadata);
          if ([...metadata.configs.values()].includes('13')) throw new Error('13 brings bad luck');
        },
      },
      runWithin,
    }),
  });
  return { harness, created, altered };
}

/** The answer to the creation of one topic, where `validate` is the policy. */
async function answerOf(validate: () => unknown, run: Policies['runWithin'] = runWithin) {
  const createTopic = { validate: validate as () => void };
  const harness = await ControllerHarness.started([1], { policies: () => ({ createTopic, runWithin: run }) });
  const [result] = await harness.controller.createTopics({
    topics: [topic('a')],
    timeoutMs: 1000,
    validateOnly: false,
  });
  return result!;
}

describe('a policy for the creation of topics', () => {
  it('refuses one topic of a request with its own words, and the others are created', async () => {
    const { harness } = await recording();
    const results = await harness.controller.createTopics({
      topics: [topic('good'), topic('bad')],
      timeoutMs: 1000,
      validateOnly: false,
    });
    expect(results.map(({ name, errorCode, errorMessage }) => [name, errorCode, errorMessage])).toEqual([
      ['good', Errors.NONE, null],
      ['bad', REFUSED, "'bad' is no name for a topic"],
    ]);
    expect(harness.loader.image().topics.topic('bad')).toBeUndefined();
    expect(harness.loader.image().topics.topic('good')).toBeDefined();
  });

  it('is asked with the defaults of the broker, or with the replicas that were assigned by hand', async () => {
    const { harness, created } = await recording();
    const assignments = [
      { partitionIndex: 1, brokerIds: [1] },
      { partitionIndex: 0, brokerIds: [2] },
    ];
    await harness.controller.createTopics({
      topics: [
        topic('a', { configs: [{ name: 'retention.ms', value: '7' }] }),
        topic('b', { numPartitions: 1, replicationFactor: 1 }),
        topic('c', { assignments }),
      ],
      timeoutMs: 1000,
      validateOnly: false,
    });
    const none = { replicasAssignments: null, configs: new Map() };
    expect(created).toEqual([
      {
        ...none,
        topic: 'a',
        numPartitions: 3,
        replicationFactor: 2,
        configs: new Map([['retention.ms', '7']]),
      },
      { ...none, topic: 'b', numPartitions: 1, replicationFactor: 1 },
      {
        ...none,
        topic: 'c',
        numPartitions: null,
        replicationFactor: null,
        replicasAssignments: new Map([
          [0, [2]],
          [1, [1]],
        ]),
      },
    ]);
  });

  it('is asked about a validation too, not about what is wrong anyway, and not about more partitions', async () => {
    const { harness, created } = await recording();
    const create = (name: string, changes: Partial<CreatableTopic>, validateOnly: boolean) =>
      harness.controller.createTopics({ topics: [topic(name, changes)], timeoutMs: 1000, validateOnly });
    expect(await create('bad', {}, true)).toMatchObject([{ errorCode: REFUSED }]);
    expect(created).toHaveLength(1);
    expect(await create('bad', { numPartitions: 0 }, false)).toMatchObject([
      { errorCode: Errors.INVALID_PARTITIONS },
    ]);
    await create('a', {}, false);
    expect(created).toHaveLength(2);
    const more = {
      topics: [{ name: 'a', count: 9, assignments: null }],
      timeoutMs: 1000,
      validateOnly: false,
    };
    expect(await harness.controller.createPartitions(more)).toMatchObject([{ errorCode: Errors.NONE }]);
    expect(created).toHaveLength(2);
  });

  it('refuses by whatever it throws, and by anything it gives back', async () => {
    const throwing = (thrown: unknown) => () => {
      throw thrown;
    };
    const unprintable = Object.create(null) as unknown;
    const cases: [() => unknown, string][] = [
      [throwing('text'), 'text'],
      [throwing(new Error('')), 'refused by a policy'],
      [throwing(undefined), 'undefined'],
      [throwing(new Error('x'.repeat(100_000))), 'x'.repeat(2000)],
      [throwing(unprintable), 'refused by a policy, for a reason that cannot be printed'],
      [
        () => false,
        'create.topic.policy gave back a value: it must throw to refuse, and else give back nothing',
      ],
      [
        () => Promise.reject(new Error('heard by nobody')),
        'create.topic.policy gave back a value: it must throw to refuse, and else give back nothing',
      ],
    ];
    for (const [validate, errorMessage] of cases) {
      expect(await answerOf(validate)).toMatchObject({ errorCode: REFUSED, errorMessage });
    }
    expect(await answerOf(() => undefined)).toMatchObject({ errorCode: Errors.NONE });
  });

  it('that had to be broken off is not asked again for a while, and refuses meanwhile', async () => {
    const asked: string[] = [];
    let clock: { nowMs: number };
    const harness = await ControllerHarness.started([1], {
      policies: manual => {
        clock = manual;
        return {
          createTopic: {
            validate(metadata) {
              asked.push(metadata.topic);
              if (metadata.topic === 'endless') for (;;);
            },
          },
          runWithin: createRunWithin(),
        };
      },
    });
    const create = async (...names: string[]) => {
      const topics = names.map(name => topic(name));
      const results = await harness.controller.createTopics({ topics, timeoutMs: 1000, validateOnly: false });
      return results.map(({ errorMessage }) => errorMessage);
    };
    const later = 'create.topic.policy takes too long; try again later';
    expect(await create('a', 'endless', 'b')).toEqual([
      null,
      'create.topic.policy was broken off after 500 ms',
      later,
    ]);
    expect(await create('b')).toEqual([later]);
    expect(asked).toEqual(['a', 'endless']);
    clock!.nowMs += 5000;
    expect(await create('b')).toEqual([null]);
  });

  it('is asked about many topics under one watch', async () => {
    let watches = 0;
    const harness = await ControllerHarness.started([1], {
      policies: () => ({
        createTopic: {
          validate(metadata) {
            if (metadata.topic === 't150') throw new Error('not this one');
          },
        },
        runWithin: (limitMs, run) => {
          watches++;
          return runWithin(limitMs, run);
        },
      }),
    });
    const topics = Array.from({ length: 250 }, (_, i) => topic(`t${i}`));
    const results = await harness.controller.createTopics({ topics, timeoutMs: 1000, validateOnly: true });
    expect(results.filter(({ errorCode }) => errorCode !== Errors.NONE).map(({ name }) => name)).toEqual([
      't150',
    ]);
    expect(watches).toBe(3);
  });

  it('that is slow each time has a second of every five', async () => {
    let asked = 0;
    const harness = await ControllerHarness.started([1], {
      policies: clock => ({
        createTopic: {
          validate: () => {
            asked++;
            clock.nowMs += 200;
          },
        },
        runWithin,
      }),
    });
    const topics = Array.from({ length: 20 }, (_, i) => topic(`t${i}`));
    const results = await harness.controller.createTopics({ topics, timeoutMs: 1000, validateOnly: true });
    expect(asked).toBe(5);
    expect(results.filter(({ errorCode }) => errorCode === REFUSED)).toHaveLength(15);
  });
});

describe('a policy for configurations', () => {
  const alter = (
    harness: ControllerHarness,
    resourceType: number,
    resourceName: string,
    changes: [name: string, operation: number, value: string | null][],
  ) => {
    const configs = changes.map(([name, configOperation, value]) => ({ name, configOperation, value }));
    const resources = [{ resourceType, resourceName, configs }];
    return harness.controller.incrementalAlterConfigs({ resources, validateOnly: false });
  };

  it('refuses with its own words, and nothing of the resource is set', async () => {
    const { harness } = await recording();
    await harness.createTopics('a');
    const [result] = await alter(harness, TOPIC, 'a', [
      ['retention.ms', SET, '13'],
      ['segment.ms', SET, '7'],
    ]);
    expect(result).toMatchObject({ errorCode: REFUSED, errorMessage: '13 brings bad luck' });
    expect(harness.loader.image().configs.values(TOPIC, 'a').size).toBe(0);
  });

  it('is asked about the keys that change, with null for one that is removed', async () => {
    const { harness, altered } = await recording();
    await harness.createTopics('a');
    await alter(harness, TOPIC, 'a', [['retention.ms', SET, '1']]);
    await alter(harness, TOPIC, 'a', [
      ['retention.ms', DELETE, null],
      ['segment.ms', SET, '8'],
    ]);
    await alter(harness, TOPIC, 'a', [['segment.ms', SET, '8']]);
    const resource = { type: 'TOPIC', name: 'a' };
    expect(altered).toEqual([
      { resource, configs: new Map([['retention.ms', '1']]) },
      {
        resource,
        configs: new Map<string, string | null>([
          ['retention.ms', null],
          ['segment.ms', '8'],
        ]),
      },
      { resource, configs: new Map() },
    ]);
  });

  it('is asked about all that is said of brokers, one or all', async () => {
    const { harness, altered } = await recording();
    for (const name of ['', '1', '']) await alter(harness, BROKER, name, [['log.retention.ms', SET, '5']]);
    const configs = new Map([['log.retention.ms', '5']]);
    expect(altered).toEqual(['', '1', ''].map(name => ({ resource: { type: 'BROKER', name }, configs })));
  });

  it('is not asked about what the old form of a request removes by not naming it', async () => {
    const { harness, altered } = await recording();
    await harness.createTopics('a');
    await alter(harness, TOPIC, 'a', [['retention.ms', SET, '1']]);
    const configs = [{ name: 'segment.ms', value: '8' }];
    const resources = [{ resourceType: TOPIC, resourceName: 'a', configs }];
    await harness.controller.legacyAlterConfigs({ resources, validateOnly: false });
    expect(altered[1]!.configs).toEqual(new Map([['segment.ms', '8']]));
    expect(Object.fromEntries(harness.loader.image().configs.values(TOPIC, 'a'))).toEqual({
      'segment.ms': '8',
    });
  });

  it('is asked about the configurations of a new topic, if it is given any', async () => {
    const { harness, altered } = await recording();
    const results = await harness.controller.createTopics({
      topics: [topic('a'), topic('b', { configs: [{ name: 'retention.ms', value: '13' }] })],
      timeoutMs: 1000,
      validateOnly: false,
    });
    expect(results.map(({ errorMessage }) => errorMessage)).toEqual([null, '13 brings bad luck']);
    expect(altered).toHaveLength(1);
  });
});
