import { beforeEach, describe, expect, it } from 'vitest';
import { LimitedLogger, silentLogger } from '../../src/base/logger.ts';
import {
  ConfigOperation,
  ConfigurationControlManager,
} from '../../src/controller/configuration-control-manager.ts';
import { PolicyChecks } from '../../src/controller/policies.ts';
import { errorName } from '../../src/protocol/errors.ts';
import { ControllerHarness } from './support/controller-harness.ts';

const { SET, DELETE, APPEND, SUBTRACT } = ConfigOperation;
const TOPIC = 2;
const BROKER = 4;
const CLIENT_METRICS = 16;
const GROUP = 32;

type Change = [name: string, operation: number, value: string | null];

describe('ConfigurationControlManager', () => {
  let harness: ControllerHarness;
  const alter = async (
    type: number,
    name: string,
    changes: Change[],
    validateOnly = false,
  ): Promise<string> => {
    const configs = changes.map(([key, configOperation, value]) => ({ name: key, configOperation, value }));
    const resources = [{ resourceType: type, resourceName: name, configs }];
    const [result] = await harness.controller.incrementalAlterConfigs({ resources, validateOnly });
    expect(result).toMatchObject({ resourceType: type, resourceName: name });
    expect(result!.errorMessage === null).toBe(result!.errorCode === 0);
    return errorName(result!.errorCode);
  };
  const values = (type: number, name: string) =>
    Object.fromEntries(harness.loader.image().configs.values(type, name));

  beforeEach(async () => {
    harness = await ControllerHarness.started([1]);
    await harness.createTopics('__proto__', 'b');
  });

  it('sets, deletes, appends to and subtracts from keys, beginning with the default of a list', async () => {
    expect(
      await alter(TOPIC, '__proto__', [
        ['retention.ms', SET, '7'],
        ['segment.ms', SET, '8'],
      ]),
    ).toBe('NONE');
    expect(values(TOPIC, '__proto__')).toEqual({ 'retention.ms': '7', 'segment.ms': '8' });
    expect(
      await alter(TOPIC, '__proto__', [
        ['retention.ms', DELETE, null],
        ['cleanup.policy', APPEND, 'compact'],
      ]),
    ).toBe('NONE');
    expect(values(TOPIC, '__proto__')).toEqual({ 'segment.ms': '8', 'cleanup.policy': 'delete,compact' });
    await alter(TOPIC, '__proto__', [['cleanup.policy', APPEND, 'compact,delete']]);
    expect(values(TOPIC, '__proto__')['cleanup.policy']).toBe('delete,compact');
    await alter(TOPIC, '__proto__', [['cleanup.policy', SUBTRACT, 'delete']]);
    expect(values(TOPIC, '__proto__')['cleanup.policy']).toBe('compact');
  });

  it('writes no record for a value that is there already, or for a validation', async () => {
    await alter(TOPIC, 'b', [['retention.ms', SET, '7']]);
    const before = harness.quorum.logEndOffset();
    expect(
      await alter(TOPIC, 'b', [
        ['retention.ms', SET, '7'],
        ['segment.ms', DELETE, null],
      ]),
    ).toBe('NONE');
    expect(await alter(TOPIC, 'b', [['retention.ms', SET, '9']], true)).toBe('NONE');
    expect(await alter(TOPIC, 'b', [])).toBe('NONE');
    expect(harness.quorum.logEndOffset()).toBe(before);
  });

  it.each<[string, number, string, Change[], string]>([
    ['an unknown key', TOPIC, 'b', [['nope', SET, '1']], 'INVALID_CONFIG'],
    ['a key of every object', TOPIC, 'b', [['__proto__', SET, '1']], 'INVALID_CONFIG'],
    ['a bad value', TOPIC, 'b', [['retention.ms', SET, 'x']], 'INVALID_CONFIG'],
    [
      'values that contradict',
      TOPIC,
      'b',
      [
        ['min.compaction.lag.ms', SET, '2'],
        ['max.compaction.lag.ms', SET, '1'],
      ],
      'INVALID_CONFIG',
    ],
    ['appending to a number', TOPIC, 'b', [['retention.ms', APPEND, '1']], 'INVALID_CONFIG'],
    [
      'a value that is too long',
      TOPIC,
      'b',
      [['follower.replication.throttled.replicas', SET, '1:1,'.repeat(9000)]],
      'INVALID_CONFIG',
    ],
    ['a null value', TOPIC, 'b', [['retention.ms', SET, null]], 'INVALID_REQUEST'],
    [
      'a key twice',
      TOPIC,
      'b',
      [
        ['retention.ms', SET, '1'],
        ['retention.ms', DELETE, null],
      ],
      'INVALID_REQUEST',
    ],
    ['an unknown operation', TOPIC, 'b', [['retention.ms', 9, '1']], 'INVALID_REQUEST'],
    ['an unknown topic', TOPIC, 'nope', [['retention.ms', SET, '1']], 'UNKNOWN_TOPIC_OR_PARTITION'],
    ['an illegal topic', TOPIC, '../x', [['retention.ms', SET, '1']], 'INVALID_TOPIC_EXCEPTION'],
    ['no topic', TOPIC, '', [['retention.ms', SET, '1']], 'INVALID_REQUEST'],
    ['an unknown type of resource', 3, 'b', [['retention.ms', SET, '1']], 'INVALID_REQUEST'],
    ['broker loggers', 8, '1', [['root', SET, 'INFO']], 'INVALID_REQUEST'],
    ['an unknown broker', BROKER, '9', [['log.retention.ms', SET, '1']], 'INVALID_REQUEST'],
    ['a broker that is no number', BROKER, 'x', [['log.retention.ms', SET, '1']], 'INVALID_REQUEST'],
    ['a key that needs a restart', BROKER, '1', [['num.partitions', SET, '2']], 'INVALID_REQUEST'],
    ['an unknown broker key', BROKER, '1', [['nope', SET, '2']], 'INVALID_REQUEST'],
    ['a bad broker value', BROKER, '1', [['log.retention.ms', SET, 'x']], 'INVALID_REQUEST'],
    ['listeners for all brokers', BROKER, '', [['listeners', SET, 'PLAINTEXT://:1']], 'INVALID_REQUEST'],
    ['min.insync.replicas of one broker', BROKER, '1', [['min.insync.replicas', SET, '1']], 'INVALID_CONFIG'],
    ['the end of min.insync.replicas', BROKER, '', [['min.insync.replicas', DELETE, null]], 'INVALID_CONFIG'],
    ['a bad interval of metrics', CLIENT_METRICS, 'm', [['interval.ms', SET, '1']], 'INVALID_REQUEST'],
    ['a subscription without a name', CLIENT_METRICS, '', [['interval.ms', SET, '1000']], 'INVALID_REQUEST'],
    [
      'more standbys than brokers allow',
      GROUP,
      'g',
      [['streams.num.standby.replicas', SET, '3']],
      'INVALID_CONFIG',
    ],
    ['an unknown group key', GROUP, 'g', [['x', SET, '1']], 'INVALID_CONFIG'],
    [
      'a session below the limit of the broker',
      GROUP,
      'g',
      [['consumer.session.timeout.ms', SET, '1']],
      'INVALID_CONFIG',
    ],
    [
      'a session above the limit of the broker',
      GROUP,
      'g',
      [['consumer.session.timeout.ms', SET, '60001']],
      'INVALID_CONFIG',
    ],
    ['no group', GROUP, '', [['consumer.session.timeout.ms', SET, '46000']], 'INVALID_REQUEST'],
  ])('refuses %s and writes nothing', async (_what, type, name, changes, expected) => {
    const before = harness.quorum.logEndOffset();
    expect(await alter(type, name, changes)).toBe(expected);
    expect(harness.quorum.logEndOffset()).toBe(before);
  });

  it('does the good resources of a request and refuses one that is in it twice', async () => {
    const set = (name: string) => ({
      resourceType: TOPIC,
      resourceName: name,
      configs: [{ name: 'retention.ms', configOperation: SET, value: '5' }],
    });
    const request = { resources: [set('b'), set('__proto__'), set('b')], validateOnly: false };
    const results = await harness.controller.incrementalAlterConfigs(request);
    expect(results.map(result => errorName(result.errorCode))).toEqual([
      'INVALID_REQUEST',
      'NONE',
      'INVALID_REQUEST',
    ]);
    expect(values(TOPIC, '__proto__')).toEqual({ 'retention.ms': '5' });
    expect(values(TOPIC, 'b')).toEqual({});
  });

  it('replaces all values in the old form of the request', async () => {
    await alter(TOPIC, 'b', [
      ['retention.ms', SET, '7'],
      ['segment.ms', SET, '8'],
    ]);
    const configs = [{ name: 'segment.ms', value: '9' }];
    const resources = [{ resourceType: TOPIC, resourceName: 'b', configs }];
    await harness.controller.legacyAlterConfigs({ resources, validateOnly: false });
    expect(values(TOPIC, 'b')).toEqual({ 'segment.ms': '9' });
    await harness.controller.legacyAlterConfigs({
      resources: [{ resourceType: TOPIC, resourceName: 'b', configs: [] }],
      validateOnly: false,
    });
    expect(values(TOPIC, 'b')).toEqual({});
  });

  it('keeps values for brokers, metrics and groups, and gives the broker its own over those of all', async () => {
    await alter(BROKER, '', [
      ['log.retention.ms', SET, '1000'],
      ['message.max.bytes', SET, '2000000'],
    ]);
    await alter(BROKER, '1', [['log.retention.ms', SET, '2000']]);
    await alter(CLIENT_METRICS, 'm', [
      ['interval.ms', SET, '1000'],
      ['metrics', SET, '*'],
    ]);
    await alter(GROUP, '__proto__', [['consumer.session.timeout.ms', SET, '46000']]);
    expect(values(CLIENT_METRICS, 'm')).toEqual({ 'interval.ms': '1000', metrics: '*' });
    expect(values(GROUP, '__proto__')).toEqual({ 'consumer.session.timeout.ms': '46000' });
    const policies = new PolicyChecks(
      harness.clock.clock,
      new LimitedLogger(silentLogger, () => 0, 0),
      undefined,
    );
    const manager = new ConfigurationControlManager(harness.config, policies);
    const config = manager.brokerConfig(harness.loader.image());
    expect(config.effectiveNumber('log.retention.ms')).toBe(2000);
    expect(config.int('message.max.bytes')).toBe(2000000);
  });
});
