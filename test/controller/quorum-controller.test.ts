import { describe, expect, it } from 'vitest';
import { MetadataDelta } from '../../src/metadata/metadata-delta.ts';
import { MetadataImage, NO_PROVENANCE } from '../../src/metadata/metadata-image.ts';
import { metadataRecord } from '../../src/metadata/metadata-record.ts';
import { encodeMetadataRecord } from '../../src/metadata/metadata-record-serde.ts';
import { Errors, type KafkaError } from '../../src/protocol/errors.ts';
import type { CreateTopicsRequest } from '../../src/protocol/messages/19-create-topics.ts';
import { canonical } from '../metadata/support/canonical.ts';
import { ControllerHarness, heartbeat } from './support/controller-harness.ts';
import { FakeQuorum } from './support/fake-quorum.ts';

function create(...names: string[]): CreateTopicsRequest {
  const topics = names.map(name => ({
    name,
    numPartitions: 2,
    replicationFactor: 1,
    assignments: [],
    configs: [{ name: 'retention.ms', value: '1000' }],
  }));
  return { topics, timeoutMs: 1000, validateOnly: false };
}

async function codeOf(promise: Promise<unknown>): Promise<number> {
  return promise.then(
    () => Errors.NONE,
    (error: KafkaError) => error.code,
  );
}

describe('QuorumController', () => {
  it('gives an empty log its first records in one batch, with min.insync.replicas for all brokers to agree on', () => {
    const harness = new ControllerHarness({ config: { 'min.insync.replicas': '2' } });
    harness.quorum.elect(1);
    expect(harness.quorum.batches).toHaveLength(2);
    expect(harness.quorum.records()).toEqual([
      metadataRecord('BeginTransactionRecord', { name: 'Bootstrap records' }),
      ...[
        ['metadata.version', 30],
        ['eligible.leader.replicas.version', 1],
        ['group.version', 1],
        ['share.version', 1],
        ['streams.version', 1],
        ['transaction.version', 2],
      ].map(([name, featureLevel]) =>
        metadataRecord('FeatureLevelRecord', { name: name as string, featureLevel: featureLevel as number }),
      ),
      metadataRecord('ConfigRecord', {
        resourceType: 4,
        resourceName: '',
        name: 'min.insync.replicas',
        value: '2',
      }),
      metadataRecord('EndTransactionRecord', {}),
    ]);
  });

  it('writes no first records into a log that has some, and aborts a transaction that was left open', () => {
    const first = new ControllerHarness();
    first.quorum.elect(1);
    const before = first.quorum.records().length;
    first.quorum.elect(2);
    first.quorum.append(encodeMetadataRecord(metadataRecord('BeginTransactionRecord', { name: 'x' })));
    first.quorum.append(
      encodeMetadataRecord(
        metadataRecord('TopicRecord', { name: 'half', topicId: 'zzzzzzzzQzzzzzzzzzzzzA' }),
      ),
    );
    first.quorum.elect(1);
    expect(
      first.quorum
        .records()
        .slice(before)
        .map(record => record.type),
    ).toEqual(['BeginTransactionRecord', 'TopicRecord', 'AbortTransactionRecord']);
    first.quorum.commit();
    expect(first.loader.image().topics.size).toBe(0);
    expect(first.loader.inTransaction).toBe(false);
  });

  it('answers only when the records are committed, and the image of this node has them then', async () => {
    const { controller, quorum, loader } = await ControllerHarness.started();
    quorum.autoCommit = false;
    let answered = false;
    const answer = controller.createTopics(create('__proto__'));
    void answer.then(() => {
      answered = true;
    });
    await Promise.resolve();
    expect(answered).toBe(false);
    expect(loader.image().topics.topic('__proto__')).toBeUndefined();
    expect(controller.image().topics.topic('__proto__')).toBeDefined();
    quorum.commit();
    const [result] = await answer;
    expect(result).toMatchObject({ name: '__proto__', errorCode: 0, numPartitions: 2, replicationFactor: 1 });
    expect(loader.image().topics.topic('__proto__')?.id).toBe(result!.topicId);
  });

  it('keeps one image once everything is committed', async () => {
    const { controller, loader } = await ControllerHarness.started();
    await controller.createTopics(create('a'));
    expect(controller.image()).toBe(loader.image());
  });

  it('decides on what is not committed yet, and holds such an answer back until it is', async () => {
    const { controller, quorum } = await ControllerHarness.started();
    quorum.autoCommit = false;
    const order: string[] = [];
    const first = controller
      .createTopics(create('a'))
      .then(([result]) => order.push(`first ${result!.errorCode}`));
    const second = controller
      .createTopics(create('a'))
      .then(([result]) => order.push(`second ${result!.errorCode}`));
    await new Promise(resolve => setImmediate(resolve));
    expect(order).toEqual([]);
    quorum.commit();
    await Promise.all([first, second]);
    expect(order).toEqual(['first 0', `second ${Errors.TOPIC_ALREADY_EXISTS}`]);
  });

  it('forgets what was not committed when it loses leadership, answers NOT_CONTROLLER, and can lead again', async () => {
    const { controller, quorum, loader } = await ControllerHarness.started();
    await controller.createTopics(create('kept'));
    quorum.autoCommit = false;
    const lost = codeOf(controller.createTopics(create('lost')));
    expect(controller.image().topics.topic('lost')).toBeDefined();
    quorum.loseUncommitted(2);
    expect(await lost).toBe(Errors.NOT_CONTROLLER);
    expect(controller.isActive()).toBe(false);
    expect(controller.image().topics.topic('lost')).toBeUndefined();
    expect(await codeOf(controller.createTopics(create('b')))).toBe(Errors.NOT_CONTROLLER);
    quorum.elect(1);
    expect(controller.curClaimEpoch).toBe(quorum.leaderAndEpoch().epoch);
    quorum.autoCommit = true;
    const [again] = await controller.createTopics(create('lost'));
    expect(again!.errorCode).toBe(0);
    expect([...loader.image().topics.byName.keys()].sort()).toEqual(['kept', 'lost']);
  });

  it('gives up at once when the quorum refuses an append', async () => {
    const { controller, quorum } = await ControllerHarness.started();
    quorum.scheduleAppend = () => FakeQuorum.prototype.scheduleAppend.call(quorum, -7, []);
    expect(await codeOf(controller.createTopics(create('a')))).toBe(Errors.NOT_CONTROLLER);
    expect(controller.isActive()).toBe(false);
  });

  const never = { 'metadata.max.idle.interval.ms': '0' };
  it.each([
    ['writes an empty record', [1, 2], {}, 1_000],
    ['fences a broker', [1, 2], never, 20_000],
  ])('ends quietly when the quorum has gone on while it %s', async (_what, brokers, config, ms) => {
    const { controller, quorum, clock } = await ControllerHarness.started(brokers, { config });
    let asked = 0;
    quorum.scheduleAppend = () => {
      asked++;
      return FakeQuorum.prototype.scheduleAppend.call(quorum, -7, []);
    };
    clock.advance(ms);
    expect(asked).toBe(1);
    expect(controller.isActive()).toBe(false);
    expect(clock.pendingTimers).toBe(0);
  });

  it('ends quietly when the quorum has gone on before its first records', () => {
    const { controller, quorum, clock } = new ControllerHarness();
    quorum.scheduleAppend = () => FakeQuorum.prototype.scheduleAppend.call(quorum, -7, []);
    quorum.elect(1);
    expect(controller.isActive()).toBe(false);
    expect(clock.pendingTimers).toBe(0);
  });

  it('answers REQUEST_TIMED_OUT when the commit takes longer than the client waits', async () => {
    const { controller, quorum, clock } = await ControllerHarness.started();
    quorum.autoCommit = false;
    const slow = codeOf(controller.createTopics(create('a')));
    clock.advance(999);
    clock.advance(1);
    expect(await slow).toBe(Errors.REQUEST_TIMED_OUT);
    quorum.commit();
    expect(controller.image().topics.topic('a')).toBeDefined();
  });

  it('holds in memory exactly what its log says, after all kinds of operations', async () => {
    const { controller, quorum, loader } = await ControllerHarness.started([1, 2, 3]);
    await controller.createTopics(create('a.b', '__proto__', 'c'));
    await controller.deleteTopics({ topics: [], topicNames: ['c'], timeoutMs: 1000 });
    await controller.createPartitions({
      topics: [{ name: 'a.b', count: 7, assignments: null }],
      timeoutMs: 1000,
      validateOnly: false,
    });
    await controller.createTopics(create('__consumer_offsets', 'auto'));
    const epoch = controller.image().cluster.broker(2)!.epoch;
    await controller.allocateProducerIds(2, epoch);
    await controller.processBrokerHeartbeat(heartbeat(2, Number(epoch), { wantFence: true }));
    const delta = new MetadataDelta(MetadataImage.EMPTY);
    for (const record of quorum.records()) delta.replay(record);
    expect(canonical(delta.apply(NO_PROVENANCE))).toEqual(canonical(loader.image()));
    expect(canonical(controller.image())).toEqual(canonical(loader.image()));
    expect(controller.image().provenance.lastContainedOffset).toBe(quorum.logEndOffset() - 1);
  });

  it('gives blocks of producer ids that never overlap, also after a restart from the log', async () => {
    const { controller, quorum } = await ControllerHarness.started();
    const epoch = controller.image().cluster.broker(1)!.epoch;
    expect(await controller.allocateProducerIds(1, epoch)).toEqual({ firstProducerId: 0, size: 1000 });
    expect(await controller.allocateProducerIds(1, epoch)).toEqual({ firstProducerId: 1000, size: 1000 });
    expect(await codeOf(controller.allocateProducerIds(1, 999))).toBe(Errors.STALE_BROKER_EPOCH);
    expect(await codeOf(controller.allocateProducerIds(7, 0))).toBe(Errors.BROKER_ID_NOT_REGISTERED);
    const values = quorum.records().map(record => encodeMetadataRecord(record));
    const second = new ControllerHarness();
    second.quorum.append(...values);
    second.quorum.elect(1);
    const restarted = await second.join(1);
    expect(await second.controller.allocateProducerIds(1, restarted)).toEqual({
      firstProducerId: 2000,
      size: 1000,
    });
  });

  it('writes empty records only while somebody else could miss them', async () => {
    const alone = await ControllerHarness.started([1]);
    const before = alone.quorum.logEndOffset();
    const epoch = Number(alone.controller.image().cluster.broker(1)!.epoch);
    for (let second = 0; second < 60; second += 5) {
      alone.clock.advance(5_000);
      await alone.controller.processBrokerHeartbeat(heartbeat(1, epoch));
    }
    expect(alone.quorum.logEndOffset()).toBe(before);
    const two = await ControllerHarness.started([1, 2]);
    const written = two.quorum.logEndOffset();
    two.clock.advance(1000);
    expect(
      two.quorum
        .records()
        .slice(-2)
        .map(record => record.type),
    ).toEqual(['NoOpRecord', 'NoOpRecord']);
    expect(two.quorum.logEndOffset()).toBe(written + 2);
  });

  it('fences a broker with many partitions in steps, and to the end though it is heard of meanwhile', async () => {
    const harness = await ControllerHarness.started([1, 2], { config: never });
    const { controller, clock } = harness;
    await controller.createTopics({
      topics: [{ name: 't', numPartitions: 2_500, replicationFactor: 2, assignments: [], configs: [] }],
      timeoutMs: 1000,
      validateOnly: false,
    });
    const epochs = [1, 2].map(id => Number(controller.image().cluster.broker(id)!.epoch));
    const steps: (() => void)[] = [];
    Object.assign(clock.timers, { soon: (step: () => void) => steps.push(step) });
    while (steps.length === 0) {
      await controller.processBrokerHeartbeat(heartbeat(1, epochs[0]!));
      clock.advance(1_000);
    }
    const inSync = () =>
      controller
        .image()
        .topics.topic('t')!
        .partitions.filter(each => each.isr.includes(2)).length;
    const left = [inSync()];
    while (steps.length > 0) {
      await controller.processBrokerHeartbeat(heartbeat(2, epochs[1]!, { wantFence: false }));
      steps.shift()!();
      left.push(inSync());
      if (!controller.image().cluster.isActive(2)) break;
    }
    expect(left).toEqual([2_000, 1_500, 1_000, 500, 0, 0]);
    const partitions = controller.image().topics.topic('t')!.partitions;
    expect(partitions.every(each => each.leader === 1)).toBe(true);
    const reply = await controller.processBrokerHeartbeat(heartbeat(2, epochs[1]!));
    expect(reply.isFenced).toBe(false);
    expect(controller.image().cluster.isActive(2)).toBe(true);
  });

  it('leaves no timer behind when it closes', async () => {
    const { controller, clock, quorum } = await ControllerHarness.started();
    quorum.autoCommit = false;
    const lost = codeOf(controller.createTopics(create('a')));
    controller.close();
    expect(await lost).toBe(Errors.NOT_CONTROLLER);
    expect(clock.pendingTimers).toBe(0);
    quorum.elect(1);
    expect(controller.isActive()).toBe(false);
  });

  it('creates 10 topics of 1,000 partitions without work that grows with what is there', async () => {
    const { controller, loader, quorum } = await ControllerHarness.started();
    for (let i = 0; i < 10; i++) {
      const [result] = await controller.createTopics({
        topics: [{ name: `t${i}`, numPartitions: 1000, replicationFactor: 1, assignments: [], configs: [] }],
        timeoutMs: 1000,
        validateOnly: false,
      });
      expect(result!.errorCode).toBe(0);
    }
    expect(loader.image().topics.partitionCount).toBe(10_000);
    expect(quorum.batches.at(-1)!.records).toHaveLength(1001);
  });
});
