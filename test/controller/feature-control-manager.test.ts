import { beforeEach, describe, expect, it } from 'vitest';
import { defaultBootstrapRecords } from '../../src/metadata/bootstrap-metadata.ts';
import { Errors, errorName, KafkaError } from '../../src/protocol/errors.ts';
import { FeatureControlManager } from '../../src/controller/feature-control-manager.ts';
import { ControllerHarness, heartbeat } from './support/controller-harness.ts';
import { epochOf, partitionOf, withReplicas } from './support/topics.ts';

const [UPGRADE, SAFE, UNSAFE] = [1, 2, 3];
const MV = 'metadata.version';
const ELR = 'eligible.leader.replicas.version';

describe('updateFeatures', () => {
  let harness: ControllerHarness;
  type Update = readonly [feature: string, level: number, upgradeType?: number];
  const update = async (
    updates: readonly Update[],
    { version = 2, validateOnly = false, allowDowngrade = false } = {},
  ) => {
    const featureUpdates = updates.map(([feature, maxVersionLevel, upgradeType = UPGRADE!]) => ({
      feature,
      maxVersionLevel,
      upgradeType,
      allowDowngrade,
    }));
    const response = await harness.controller.updateFeatures(
      { featureUpdates, validateOnly, timeoutMs: 1000 },
      version,
    );
    return { ...response, code: errorName(response.errorCode!) };
  };
  const level = (name: string) => harness.controller.image().features.level(name);

  beforeEach(async () => {
    harness = await ControllerHarness.started([1, 2], { bootstrap: defaultBootstrapRecords(25) });
  });

  it('raises levels, or only says whether it could', async () => {
    expect(await update([[MV, 29]], { validateOnly: true })).toMatchObject({ code: 'NONE', results: [] });
    expect(level(MV)).toBe(25);
    expect(
      await update([
        [MV, 29],
        ['share.version', 1],
      ]),
    ).toMatchObject({ code: 'NONE', errorMessage: null });
    expect([level(MV), level('share.version')]).toEqual([29, 1]);
    expect(await update([[MV, 29]])).toMatchObject({ code: 'NONE' });
  });

  it('lowers them when it is asked to and nothing is lost', async () => {
    await update([
      [MV, 29],
      ['share.version', 1],
    ]);
    expect(await update([[MV, 26, SAFE]])).toMatchObject({ code: 'NONE' });
    expect(await update([[MV, 25]], { version: 0, allowDowngrade: true })).toMatchObject({ code: 'NONE' });
    expect(await update([['share.version', 0, UNSAFE]])).toMatchObject({ code: 'NONE' });
    expect([level(MV), level('share.version')]).toEqual([25, 0]);
    expect(harness.controller.image().features.finalizedVersions.has('share.version')).toBe(false);
  });

  it.each<[string, Update[], string]>([
    ['a feature that does not exist', [['constructor', 1]], 'there is no such feature'],
    ['a level below 0', [[MV, -1]], 'cannot be below 0'],
    ['a level that nobody supports', [[MV, 31]], 'this controller supports 7 to 30'],
    ['a level below all', [[MV, 6, SAFE]], 'this controller supports'],
    ['level 0 of metadata.version', [[MV, 0, SAFE]], 'this controller supports'],
    ['a downgrade that was not asked for', [[MV, 24]], 'ask for a downgrade'],
    ['an upgrade as a downgrade', [[MV, 26, SAFE]], 'is no downgrade'],
    ['a downgrade that loses metadata', [[MV, 22, SAFE]], '4.0-IV1'],
    ['one by force', [[MV, 22, UNSAFE]], 'would be lost'],
    ['a kind of upgrade that does not exist', [[MV, 26, 0]], 'upgrade type 0'],
    [
      'a feature twice',
      [
        [MV, 26],
        [MV, 27],
      ],
      'only once',
    ],
    ['the log of a quorum that cannot change', [['kraft.version', 1]], 'kraft.version'],
  ])('refuses %s', async (_what, updates, message) => {
    const before = harness.quorum.logEndOffset();
    const response = await update(updates);
    expect(response.code).toBe(message === 'only once' ? 'INVALID_REQUEST' : 'INVALID_UPDATE_VERSION');
    expect(response.errorMessage).toContain(message);
    expect(harness.quorum.logEndOffset()).toBe(before);
  });

  it('changes all or nothing, and says so for each feature to clients of old', async () => {
    const response = await update(
      [
        ['share.version', 1],
        [MV, 31],
      ],
      { version: 1 },
    );
    expect(response.code).toBe('INVALID_UPDATE_VERSION');
    expect(response.results?.map(each => [each.feature, each.errorCode])).toEqual([
      ['share.version', Errors.INVALID_UPDATE_VERSION],
      [MV, Errors.INVALID_UPDATE_VERSION],
    ]);
    expect(level('share.version')).toBe(0);
  });

  it('asks every registered broker and controller', async () => {
    const features = harness
      .registration(3)
      .features.map(each => (each.name === MV ? { ...each, maxSupportedVersion: 26 } : each));
    await harness.join(3, { features });
    expect((await update([[MV, 27]])).errorMessage).toContain('broker 3 supports 7 to 26');
    expect((await update([[MV, 26]])).code).toBe('NONE');
    await harness.controller.unregisterBroker(3);
    const { incarnationId, listeners } = harness.registration(9);
    await harness.controller.registerController({
      controllerId: 9,
      incarnationId,
      zkMigrationReady: false,
      listeners,
      features,
    });
    expect((await update([[MV, 27]])).errorMessage).toContain('controller 9 supports');
    await harness.controller.unregisterController(9);
    expect((await update([[MV, 27]])).code).toBe('NONE');
  });

  it('waits for voters that have not registered', async () => {
    const manager = new FeatureControlManager({
      nodeId: 1,
      minInsyncReplicas: 1,
      kraftVersion: undefined,
      voterIds: () => [1, 7],
    });
    const featureUpdates = [
      { feature: MV, maxVersionLevel: 26, upgradeType: UPGRADE!, allowDowngrade: false },
    ];
    const request = { featureUpdates, validateOnly: false, timeoutMs: 1 };
    const { response } = manager.updateFeatures(harness.controller.image(), request, 2);
    expect(response.errorMessage).toContain('controller 7 has not registered');
  });

  it('leaves kraft.version to the quorum', async () => {
    const asked: [number, boolean][] = [];
    const manager = new FeatureControlManager({
      nodeId: 1,
      minInsyncReplicas: 1,
      kraftVersion: {
        finalized: () => 0,
        upgrade: (to, validateOnly) => {
          if (asked.length > 0) throw new KafkaError(Errors.INVALID_UPDATE_VERSION, 'not now');
          asked.push([to, validateOnly]);
        },
      },
      voterIds: () => [],
    });
    const request = (validateOnly: boolean) => ({
      featureUpdates: [
        { feature: 'kraft.version', maxVersionLevel: 1, upgradeType: UPGRADE!, allowDowngrade: false },
      ],
      validateOnly,
      timeoutMs: 1,
    });
    const image = harness.controller.image();
    expect(manager.updateFeatures(image, request(true), 2)).toMatchObject({
      records: [],
      response: { errorCode: 0 },
    });
    expect(asked).toEqual([[1, true]]);
    expect(manager.updateFeatures(image, request(false), 2).response.errorMessage).toContain('not now');
  });

  it('gives the cluster one min.insync.replicas when eligible leader replicas begin to count', async () => {
    await harness.controller.incrementalAlterConfigs({
      resources: [
        {
          resourceType: 4,
          resourceName: '2',
          configs: [{ name: 'min.insync.replicas', configOperation: 0, value: '2' }],
        },
      ],
      validateOnly: false,
    });
    expect((await update([[ELR, 1]])).code).toBe('NONE');
    const { configs } = harness.controller.image();
    expect(configs.defaultBroker().get('min.insync.replicas')).toBe('1');
    expect(configs.broker(2).has('min.insync.replicas')).toBe(false);
  });

  it('forgets who is eligible when they do not count any more', async () => {
    await update([[ELR, 1]]);
    await withReplicas(harness, 't', [[1, 2]], { 'min.insync.replicas': '2' });
    await harness.controller.processBrokerHeartbeat(heartbeat(2, epochOf(harness, 2), { wantFence: true }));
    expect(partitionOf(harness, 't').elr).toEqual([2]);
    expect((await update([[ELR, 0, SAFE]])).code).toBe('NONE');
    expect(partitionOf(harness, 't').elr).toEqual([]);
  });

  it('does not go below what another feature needs', async () => {
    harness = await ControllerHarness.started([1], { bootstrap: defaultBootstrapRecords(22) });
    expect((await update([[ELR, 1]])).errorMessage).toContain('needs metadata.version 23');
    expect(
      (
        await update([
          [ELR, 1],
          [MV, 23],
        ])
      ).code,
    ).toBe('NONE');
  });
});
