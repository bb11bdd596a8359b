import { describe, expect, it } from 'vitest';
import { silentLogger } from '../../src/base/logger.ts';
import { PersistentMap } from '../../src/base/persistent-map.ts';
import type { BrokerRegistration } from '../../src/metadata/broker-registration.ts';
import { ClusterImage } from '../../src/metadata/cluster-image.ts';
import { Errors } from '../../src/protocol/errors.ts';
import { AlterPartitionManager } from '../../src/replication/alter-partition-manager.ts';
import { Partition } from '../../src/replication/partition.ts';
import type { PartitionContext } from '../../src/replication/partition-context.ts';
import { batchOf, openLog, TP } from '../log/log-fixture.ts';
import { registration, TOPIC_ID } from './replication-fixture.ts';

const LAG_MAX_MS = 30_000;
const BROKER_EPOCH = 7;

interface Proposed {
  readonly isr: readonly number[];
  readonly epochs: readonly unknown[];
  /** The controller's word: an error, or the ISR that is in force from then on. */
  answer(word: number | { readonly isr: number[]; readonly partitionEpoch: number }): Promise<void>;
}

/** Broker 1 leads brokers 2 and 3, in leader epoch 4 and partition epoch 10. */
async function leader(isr: readonly number[]) {
  const { log, runtime } = await openLog();
  const proposed: Proposed[] = [];
  const alterPartitions = new AlterPartitionManager(runtime.timers, silentLogger, {
    brokerId: 1,
    brokerEpoch: () => BROKER_EPOCH,
    send: body =>
      new Promise(resolve => {
        const { topicId, partitions } = body(3).topics![0]!;
        const { partitionIndex, newIsrWithEpochs } = partitions![0]!;
        proposed.push({
          isr: newIsrWithEpochs!.map(member => member.brokerId!),
          epochs: newIsrWithEpochs!.map(member => member.brokerEpoch),
          async answer(word) {
            const decided = typeof word === 'number' ? { isr: [], partitionEpoch: -1 } : word;
            const errorCode = typeof word === 'number' ? word : Errors.NONE;
            const known = { ...decided, leaderId: 1, leaderEpoch: 4, leaderRecoveryState: 0 };
            const topic = {
              topicName: '',
              topicId: topicId!,
              partitions: [{ partitionIndex: partitionIndex!, errorCode, ...known }],
            };
            resolve({ throttleTimeMs: 0, errorCode: Errors.NONE, topics: [topic] });
            await runtime.settle();
          },
        });
      }),
  });
  const brokers = new Map(
    [1, 2, 3].map(id => [id, { id, epoch: BROKER_EPOCH + id, fenced: false, inControlledShutdown: false }]),
  );
  const later: Partition[] = [];
  const context: PartitionContext = {
    localId: 1,
    clock: runtime.clock,
    logger: silentLogger,
    alterPartitions,
    cluster: () =>
      new ClusterImage(
        PersistentMap.from([...brokers] as unknown as [number, BrokerRegistration][]),
        PersistentMap.empty(),
      ),
    localBrokerEpoch: () => BROKER_EPOCH,
    replicaLagTimeMaxMs: () => LAG_MAX_MS,
    checkIsrLater: each => later.push(each),
  };
  const known = registration({ replicas: [1, 2, 3], isr, leaderEpoch: 4, partitionEpoch: 10 });
  const partition = new Partition(TP, TOPIC_ID, context, known);
  partition.makeLeader(known, log);
  return {
    partition,
    proposed,
    later,
    brokers,
    runtime,
    known,
    log,
    async append() {
      partition.appendAsLeader(batchOf(), 1, {});
      await runtime.settle();
    },
    async fetch(brokerId: number, fetchOffset: number) {
      const brokerEpoch = BROKER_EPOCH + brokerId;
      const nowMs = runtime.clock.monotonicMs();
      const leaderEndOffset = log.logEndOffset;
      const fetch = {
        fetchOffset,
        logStartOffset: 0,
        brokerEpoch,
        nowMs,
        leaderEndOffset,
        source: undefined,
      };
      partition.updateFollowerFetchState(brokerId, fetch);
      await runtime.settle();
    },
  };
}

describe('the ISR of a partition', () => {
  it('is what the controller answers, and the next follower is proposed on top of that', async () => {
    const { partition, proposed, fetch, append, log } = await leader([1]);
    await append();
    await fetch(2, 1);
    await fetch(3, 1);
    expect(proposed).toMatchObject([{ isr: [1, 2], epochs: [BROKER_EPOCH, BROKER_EPOCH + 2] }]);
    expect(partition.partitionState).toMatchObject({ kind: 'pendingExpand', isr: [1], maximalIsr: [1, 2] });
    await proposed[0]!.answer({ isr: [1, 2], partitionEpoch: 11 });
    expect(proposed[1]).toMatchObject({ isr: [1, 2, 3] });
    expect(partition.partitionState).toMatchObject({
      isr: [1, 2],
      maximalIsr: [1, 2, 3],
      partitionEpoch: 11,
    });
    await proposed[1]!.answer({ isr: [1, 2, 3], partitionEpoch: 12 });
    const all = [1, 2, 3];
    expect(partition.partitionState).toEqual({
      kind: 'committed',
      isr: all,
      maximalIsr: all,
      partitionEpoch: 12,
    });
    expect(log.highWatermark).toBe(1);
  });

  it.each([Errors.INELIGIBLE_REPLICA, Errors.OPERATION_NOT_ATTEMPTED])(
    'stays what it was where the controller does not want the follower (%i), and is looked at again',
    async code => {
      const { partition, proposed, later, fetch } = await leader([1]);
      await fetch(2, 0);
      await proposed[0]!.answer(code);
      expect(partition.partitionState).toMatchObject({
        kind: 'committed',
        maximalIsr: [1],
        partitionEpoch: 10,
      });
      expect(later).toEqual([partition]);
      expect(proposed).toHaveLength(1);
      await fetch(2, 0);
      expect(proposed[1]).toMatchObject({ isr: [1, 2] });
    },
  );

  it.each([Errors.FENCED_LEADER_EPOCH, Errors.INVALID_UPDATE_VERSION])(
    'may be either where the controller knows more (%i), until metadata tells',
    async code => {
      const { partition, proposed, later, fetch, known, log } = await leader([1]);
      await fetch(2, 0);
      await proposed[0]!.answer(code);
      await fetch(3, 0);
      expect(partition.partitionState).toMatchObject({ kind: 'pendingExpand', isr: [1], maximalIsr: [1, 2] });
      expect([proposed.length, later]).toEqual([1, []]);
      partition.makeLeader({ ...known, isr: [1, 2], partitionEpoch: 11 }, log);
      expect(partition.partitionState).toMatchObject({ kind: 'committed', isr: [1, 2], partitionEpoch: 11 });
      await fetch(3, 0);
      expect(proposed[1]).toMatchObject({ isr: [1, 2, 3] });
    },
  );

  it('takes nobody in who is fenced, is shutting down, or fetched in another life', async () => {
    const { proposed, brokers, fetch, partition } = await leader([1]);
    const broker = brokers.get(2)!;
    for (const change of [{ fenced: true }, { inControlledShutdown: true }, { epoch: broker.epoch - 1 }]) {
      brokers.set(2, { ...broker, ...change });
      await fetch(2, 0);
      expect(proposed).toEqual([]);
    }
    brokers.set(2, broker);
    partition.onBrokersChanged();
    await fetch(2, 0);
    expect(proposed).toMatchObject([{ isr: [1, 2] }]);
  });

  it('loses who lags for too long, who counts for the high watermark until the controller has agreed', async () => {
    const { partition, proposed, runtime, append, fetch, log } = await leader([1, 2, 3]);
    await append();
    partition.maybeShrinkIsr();
    await runtime.pass(LAG_MAX_MS + 1);
    await fetch(2, 1);
    partition.maybeShrinkIsr();
    await runtime.settle();
    expect(proposed).toMatchObject([{ isr: [1, 2] }]);
    expect(partition.partitionState).toMatchObject({ kind: 'pendingShrink', maximalIsr: [1, 2, 3] });
    expect(log.highWatermark).toBe(0);
    await proposed[0]!.answer({ isr: [1, 2], partitionEpoch: 11 });
    expect([log.highWatermark, partition.partitionState.isr]).toEqual([1, [1, 2]]);
  });

  it('takes no answer to a leader that has been deposed', async () => {
    const { partition, proposed, fetch, known, log } = await leader([1]);
    await fetch(2, 0);
    partition.makeFollower({ ...known, leader: 3, leaderEpoch: 5, partitionEpoch: 11 }, log);
    await proposed[0]!.answer({ isr: [1, 2], partitionEpoch: 12 });
    expect(partition.partitionState).toMatchObject({ kind: 'committed', isr: [1], partitionEpoch: 11 });
  });
});
