import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PartitionIndex } from '../../src/controller/partition-index.ts';
import { ConfigResourceType } from '../../src/metadata/config-resource.ts';
import { MetadataDelta } from '../../src/metadata/metadata-delta.ts';
import { MetadataImage } from '../../src/metadata/metadata-image.ts';
import type { MetadataRecord } from '../../src/metadata/metadata-record.ts';
import type { PartitionRegistration } from '../../src/metadata/partition-registration.ts';
import { Errors, KafkaError } from '../../src/protocol/errors.ts';
import { ControllerHarness, heartbeat } from './support/controller-harness.ts';

const BROKERS = [1, 2, 3, 4];
const SAFE = 'safe';
const UNCLEAN = 'unclean';

/** What nodes do, with numbers that choose among what is there when it happens. */
type Step = readonly [action: (typeof ACTIONS)[number], a: number, b: number, c: number];

const ACTIONS = [
  'fence',
  'unfence',
  'heartbeat',
  'restart cleanly',
  'restart uncleanly',
  'restart uncleanly with an empty disk',
  'stop',
  'unregister',
  'alter the ISR',
  'alter the ISR',
  'alter the ISR as a stranger',
  'catch up',
  'catch up',
  'elect preferred',
  'elect uncleanly',
  'reassign',
  'cancel',
  'min.insync.replicas',
  'wait',
  'assign',
  'controller failover',
  'controller failover',
  'create and delete',
] as const;

/**
 * Who holds every acknowledged record of a partition. Records are acknowledged whenever the ISR is large enough, so from
 * then on only its members hold them all; while it is not, those that held them before still do.
 */
class Holders {
  private readonly byPartition = new Map<string, Set<number>>();

  of(key: string): ReadonlySet<number> {
    return this.byPartition.get(key) ?? new Set();
  }

  follow(key: string, partition: PartitionRegistration, minIsr: number): void {
    const isEnough = partition.isr.length >= Math.min(minIsr, partition.replicas.length);
    const before = isEnough ? [] : [...this.of(key)].filter(id => partition.replicas.includes(id));
    this.byPartition.set(key, new Set([...before, ...partition.isr]));
  }

  restart(key: string, isr: readonly number[]): void {
    this.byPartition.set(key, new Set(isr));
  }

  lose(brokerId: number, key?: string): void {
    for (const [each, holders] of this.byPartition) {
      if (key === undefined || key === each) holders.delete(brokerId);
    }
  }
}

class ClusterModel {
  readonly harness: ControllerHarness;
  private readonly holders = new Holders();
  private readonly cleanEpochs = new Map<number, number>();
  private shadow = MetadataImage.EMPTY;
  private seen = 0;
  private uncleanAsked = false;
  /** The ISR that a leader has just asked for: it knows that its members hold everything. */
  private askedIsr: readonly number[] = [];
  readonly minIsr = new Map([
    [SAFE, 2],
    [UNCLEAN, 2],
  ]);

  private constructor(harness: ControllerHarness) {
    this.harness = harness;
  }

  static async started(): Promise<ClusterModel> {
    const harness = await ControllerHarness.started(BROKERS);
    const assignments = [
      [1, 2, 3],
      [2, 3, 4],
      [3, 4, 1],
    ].map((brokerIds, partitionIndex) => ({ partitionIndex, brokerIds }));
    const topics = [SAFE, UNCLEAN].map(name => ({
      name,
      numPartitions: -1,
      replicationFactor: -1,
      assignments,
      configs: [
        { name: 'min.insync.replicas', value: '2' },
        { name: 'unclean.leader.election.enable', value: String(name === UNCLEAN) },
      ],
    }));
    await harness.controller.createTopics({ topics, timeoutMs: 1000, validateOnly: false });
    const model = new ClusterModel(harness);
    model.check();
    return model;
  }

  async run([action, a, b, c]: Step): Promise<void> {
    const { controller, clock } = this.harness;
    const brokerId = BROKERS[a % BROKERS.length]!;
    const topic = b % 2 === 0 ? SAFE : UNCLEAN;
    const partition = c % 3;
    switch (action) {
      case 'fence':
        await this.heartbeat(brokerId, { wantFence: true });
        break;
      case 'unfence':
      case 'heartbeat':
        await this.heartbeat(brokerId, {});
        break;
      case 'restart cleanly':
        await this.stop(brokerId);
        await this.register(brokerId, true);
        break;
      case 'restart uncleanly':
        await this.register(brokerId, false);
        break;
      case 'restart uncleanly with an empty disk':
        this.harness.wipe(brokerId);
        await this.register(brokerId, false);
        break;
      case 'stop':
        await this.stop(brokerId);
        break;
      case 'unregister':
        await ignoring(controller.unregisterBroker(brokerId));
        this.holders.lose(brokerId);
        break;
      case 'alter the ISR':
        await this.alterIsr(topic, partition, a + b, c);
        break;
      case 'alter the ISR as a stranger':
        await this.alterIsr(topic, partition, a, b, brokerId);
        break;
      case 'catch up':
        await this.alterIsr(topic, partition, 15, 0);
        break;
      case 'elect preferred':
        await controller.electLeaders({ electionType: 0, topicPartitions: null, timeoutMs: 1000 });
        break;
      case 'elect uncleanly': {
        this.uncleanAsked = true;
        const topicPartitions = [{ topic, partitions: [partition, partition] }];
        await controller.electLeaders({ electionType: 1, topicPartitions, timeoutMs: 1000 });
        break;
      }
      case 'reassign':
      case 'cancel': {
        const all = BROKERS.slice(a % 4).concat(BROKERS.slice(0, a % 4));
        const replicas = action === 'cancel' ? null : all.slice(0, 1 + (b % 4));
        const partitions = [{ partitionIndex: partition, replicas }];
        await controller.alterPartitionReassignments({
          topics: [{ name: topic, partitions }],
          allowReplicationFactorChange: c % 3 > 0,
          timeoutMs: 1000,
        });
        break;
      }
      case 'min.insync.replicas': {
        const value = String(1 + (a % 3));
        await controller.incrementalAlterConfigs({
          resources: [
            {
              resourceType: ConfigResourceType.TOPIC,
              resourceName: topic,
              configs: [{ name: 'min.insync.replicas', configOperation: 0, value }],
            },
          ],
          validateOnly: false,
        });
        this.minIsr.set(topic, Number(value));
        break;
      }
      case 'wait':
        clock.advance((a % 12) * 1000);
        await Promise.resolve();
        break;
      case 'controller failover':
        this.harness.restartController();
        break;
      case 'create and delete': {
        const other = `other${c}`;
        await this.harness.createTopics(other);
        const request = { topicNames: b % 3 > 0 ? [other] : [], topics: [], timeoutMs: 1000 };
        await controller.deleteTopics(request);
        break;
      }
      case 'assign':
        await this.assign(brokerId, topic, partition);
        break;
    }
    await Promise.resolve();
    this.check();
    this.uncleanAsked = false;
    this.askedIsr = [];
  }

  private broker(brokerId: number) {
    return this.harness.controller.image().cluster.broker(brokerId);
  }

  private async heartbeat(brokerId: number, changes: Parameters<typeof heartbeat>[2]): Promise<boolean> {
    const broker = this.broker(brokerId);
    if (broker === undefined) return false;
    const { controller } = this.harness;
    const stale = controller.processBrokerHeartbeat(heartbeat(brokerId, Number(broker.epoch) - 1));
    expect(await codeOf(stale)).toBe(Errors.STALE_BROKER_EPOCH);
    const reply = await controller.processBrokerHeartbeat(heartbeat(brokerId, Number(broker.epoch), changes));
    return reply.shouldShutDown;
  }

  private async stop(brokerId: number): Promise<void> {
    for (let i = 0; i < 3; i++) {
      if (!(await this.heartbeat(brokerId, { wantShutDown: true }))) continue;
      this.cleanEpochs.set(brokerId, Number(this.broker(brokerId)!.epoch));
      return;
    }
  }

  private async register(brokerId: number, clean: boolean): Promise<void> {
    const existing = this.broker(brokerId);
    const previousBrokerEpoch = clean ? (this.cleanEpochs.get(brokerId) ?? -1) : -1;
    const request = this.harness.registration(brokerId, { previousBrokerEpoch });
    const code = await codeOf(this.harness.controller.registerBroker(request));
    if (code === Errors.DUPLICATE_BROKER_REGISTRATION) return;
    expect(code).toBe(Errors.NONE);
    if (existing === undefined || previousBrokerEpoch !== existing.epoch) {
      this.holders.lose(brokerId);
      // R9: whoever may have lost records is neither in sync nor eligible.
      this.eachPartition((_key, partition) => {
        expect(partition.isr).not.toContain(brokerId);
        expect(partition.elr).not.toContain(brokerId);
      });
    }
  }

  /** `seed` chooses the new ISR, `stale` whether the sender has seen the latest epochs. */
  private async alterIsr(
    topicName: string,
    partitionIndex: number,
    seed: number,
    stale: number,
    sender?: number,
  ): Promise<void> {
    const { controller } = this.harness;
    const { topics, cluster } = controller.image();
    const topic = topics.topic(topicName)!;
    const before = topic.partitions[partitionIndex]!;
    const brokerId = sender ?? before.leader;
    const broker = cluster.broker(brokerId);
    if (broker === undefined) return;
    const isr = before.replicas.filter(
      (id, i) => id === before.leader || ((seed >> i) & 1 && cluster.isActive(id)),
    );
    const staleLeader = stale % 7 === 1 ? 1 : 0;
    const stalePartition = stale % 7 === 2 ? 1 : 0;
    const staleMember = stale % 7 === 3;
    const change = {
      partitionIndex,
      leaderEpoch: before.leaderEpoch - staleLeader,
      partitionEpoch: before.partitionEpoch - stalePartition,
      newIsr: [],
      newIsrWithEpochs: isr.map(id => ({
        brokerId: id,
        brokerEpoch: Number(cluster.broker(id)?.epoch ?? -1) - (staleMember ? 1 : 0),
      })),
      leaderRecoveryState: 0,
    };
    const request = {
      brokerId,
      brokerEpoch: broker.epoch,
      topics: [{ topicName: '', topicId: topic.id, partitions: [change] }],
    };
    this.askedIsr = isr;
    const response = await controller.alterPartition(request, 3);
    const result = response.topics![0]!.partitions![0]!;
    const after = controller.image().topics.partitionById(topic.id, partitionIndex)!;
    const isLeader = brokerId === before.leader;
    if (staleLeader || stalePartition || staleMember || !isLeader) {
      expect(result.errorCode).not.toBe(Errors.NONE);
      expect(after).toEqual(before);
    } else if (isr.every(id => cluster.isActive(id))) {
      expect([Errors.NONE, Errors.NEW_LEADER_ELECTED]).toContain(result.errorCode);
    }
    if (result.errorCode !== Errors.NONE) return;
    expect(result).toMatchObject({
      leaderId: after.leader,
      leaderEpoch: after.leaderEpoch,
      partitionEpoch: after.partitionEpoch,
      isr: [...after.isr],
    });
  }

  private async assign(brokerId: number, topicName: string, partitionIndex: number): Promise<void> {
    const broker = this.broker(brokerId);
    const topic = this.harness.controller.image().topics.topic(topicName)!;
    const partition = topic.partitions[partitionIndex]!;
    const index = partition.replicas.indexOf(brokerId);
    if (broker === undefined || index < 0) return;
    const directory = this.harness.directoryOf(brokerId);
    // Nobody has a replica anew while it is in sync.
    if (partition.directories[index] !== directory && !partition.isr.includes(brokerId)) {
      this.holders.lose(brokerId, `${topicName}-${partitionIndex}`);
    }
    await this.harness.controller.assignReplicasToDirs({
      brokerId,
      brokerEpoch: broker.epoch,
      directories: [{ id: directory, topics: [{ topicId: topic.id, partitions: [{ partitionIndex }] }] }],
    });
  }

  private eachPartition(visit: (key: string, partition: PartitionRegistration) => void): void {
    for (const topic of this.harness.controller.image().topics.topics()) {
      for (const [id, partition] of topic.partitions.entries()) visit(`${topic.name}-${id}`, partition);
    }
  }

  /** Looks at every record since the last time, and at what they lead to. */
  private check(): void {
    const records = this.harness.quorum.records();
    for (const record of records.slice(this.seen)) this.replay(record);
    this.seen = records.length;
    const image = this.harness.controller.image();
    this.eachPartition((key, partition) => {
      const { replicas, isr, elr, leader } = partition;
      for (const list of [replicas, isr, elr]) expect(new Set(list).size).toBe(list.length);
      expect(replicas).toEqual(expect.arrayContaining([...isr, ...elr, ...partition.removingReplicas]));
      expect(isr.filter(id => elr.includes(id))).toEqual([]);
      if (leader !== -1) expect(isr).toContain(leader);
      for (const id of isr) expect(image.cluster.isActive(id), `${key}: ${id} is in sync and up`).toBe(true);
      const { addingReplicas, removingReplicas } = partition;
      const targets = replicas.filter(id => !removingReplicas.includes(id));
      expect(replicas).toEqual(expect.arrayContaining([...addingReplicas]));
      // A reassignment with all targets in the ISR has ended.
      if (addingReplicas.length + removingReplicas.length > 0) {
        expect(targets.every(id => isr.includes(id))).toBe(false);
      }
      this.holders.follow(key, partition, this.minIsr.get(key.split('-')[0]!) ?? 1);
    });
    const kept = this.harness.controller['index'].at(image.topics);
    const counted = new PartitionIndex().at(image.topics);
    for (const id of [...BROKERS, 9]) {
      expect(sorted(kept.topicsOnBroker(id))).toEqual(sorted(counted.topicsOnBroker(id)));
      expect(kept.leaderships(id)).toBe(counted.leaderships(id));
    }
    expect(sorted(kept.leaderlessTopics())).toEqual(sorted(counted.leaderlessTopics()));
    expect(sorted(kept.imbalancedTopics())).toEqual(sorted(counted.imbalancedTopics()));
    expect(sorted(kept.reassigningTopics())).toEqual(sorted(counted.reassigningTopics()));
  }

  private replay(record: MetadataRecord): void {
    const delta = new MetadataDelta(this.shadow);
    delta.replay(record);
    const next = delta.apply(this.shadow.provenance);
    if (record.type === 'PartitionChangeRecord') {
      const { topicId, partitionId } = record.data;
      const topic = next.topics.topicById(topicId)!;
      const before = this.shadow.topics.partitionById(topicId, partitionId)!;
      const after = topic.partitions[partitionId]!;
      if (!this.minIsr.has(topic.name)) this.minIsr.set(topic.name, 1);
      this.checkChange(topic.name, partitionId, before, after);
      this.holders.follow(`${topic.name}-${partitionId}`, after, this.minIsr.get(topic.name)!);
    }
    this.shadow = next;
  }

  private checkChange(
    topic: string,
    id: number,
    before: PartitionRegistration,
    after: PartitionRegistration,
  ): void {
    const key = `${topic}-${id}`;
    expect(after.partitionEpoch).toBe(before.partitionEpoch + 1);
    expect(after.leaderEpoch - before.leaderEpoch).toBeLessThanOrEqual(1);
    if (after.leader !== before.leader) expect(after.leaderEpoch).toBe(before.leaderEpoch + 1);
    const isElected = after.leader !== -1 && after.leader !== before.leader;
    if (!isElected) return;
    // A change that takes the last target into the ISR ends a reassignment, and may give it leadership at once.
    if (this.askedIsr.includes(after.leader) && after.leaderRecoveryState === 0) return;
    if (before.isr.includes(after.leader) || before.elr.includes(after.leader)) {
      // A clean election: the new leader has all that was acknowledged.
      expect(this.holders.of(key), `${key}: ${after.leader} leads cleanly`).toContain(after.leader);
    } else {
      expect(after.isr).toEqual([after.leader]);
      expect(after.leaderRecoveryState).toBe(1);
      const wasLastKnown = before.lastKnownElr[0] === after.leader && before.elr.length === 0;
      expect(topic === UNCLEAN || this.uncleanAsked || wasLastKnown, `${key}: may elect uncleanly`).toBe(
        true,
      );
      this.holders.restart(key, after.isr);
    }
  }
}

function sorted<T>(items: Iterable<T>): T[] {
  return [...items].sort();
}

async function codeOf(promise: Promise<unknown>): Promise<number> {
  return promise.then(
    () => Errors.NONE,
    error => {
      if (!(error instanceof KafkaError)) throw error;
      return error.code;
    },
  );
}

async function ignoring(promise: Promise<unknown>): Promise<void> {
  await codeOf(promise);
}

describe('a cluster of four brokers, whatever happens to it', () => {
  it('keeps its invariants: leaders, ISR, ELR, epochs, no unclean election where none is allowed', async () => {
    const number = fc.nat(30);
    const step = fc.tuple(fc.constantFrom(...ACTIONS), number, number, number);
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 60 }), async steps => {
        const model = await ClusterModel.started();
        for (const each of steps) await model.run(each);
        model.harness.controller.close();
      }),
      { numRuns: Number(process.env['MODEL_RUNS'] ?? 120) },
    );
  }, 120_000);
});
