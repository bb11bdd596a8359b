import { describe, expect, it } from 'vitest';
import { silentLogger } from '../../src/base/logger.ts';
import { Errors, KafkaError } from '../../src/protocol/errors.ts';
import {
  AlterPartitionManager,
  type AlterPartitionResult,
} from '../../src/replication/alter-partition-manager.ts';
import { ManualRuntime } from '../support/manual-runtime.ts';

const TOPIC_ID = 'AAAAAAAAAAAAAAAAAAAAEA';

interface Sent {
  readonly partitions: number[];
  answer(errorCode: number, ofPartition?: (index: number) => number | undefined): void;
  fail(): void;
}

function harness() {
  const clock = new ManualRuntime();
  const sent: Sent[] = [];
  const manager = new AlterPartitionManager(clock.timers, silentLogger, {
    brokerId: 1,
    brokerEpoch: () => 7,
    send: body =>
      new Promise((resolve, reject) => {
        const request = body(3) as { topics: { partitions: { partitionIndex: number }[] }[] };
        const partitions = request.topics.flatMap(topic => topic.partitions.map(each => each.partitionIndex));
        sent.push({
          partitions,
          answer(errorCode, ofPartition = () => Errors.NONE) {
            const answers = partitions.flatMap(partitionIndex => {
              const code = ofPartition(partitionIndex);
              if (code === undefined) return [];
              const known = {
                leaderId: 1,
                leaderEpoch: 0,
                isr: [1],
                leaderRecoveryState: 0,
                partitionEpoch: 1,
              };
              return [{ partitionIndex, errorCode: code, ...known }];
            });
            const topics = [{ topicName: '', topicId: TOPIC_ID, partitions: answers }];
            resolve({ throttleTimeMs: 0, errorCode, topics });
          },
          fail: () => reject(new KafkaError(Errors.REQUEST_TIMED_OUT)),
        });
      }),
  });
  const results = new Map<number, AlterPartitionResult>();
  const submit = (partition: number, leaderEpoch = 0): boolean =>
    manager.submit(
      {
        topicPartition: { topic: 't', partition },
        topicId: TOPIC_ID,
        leaderEpoch,
        partitionEpoch: 0,
        isr: [{ brokerId: 1, brokerEpoch: 7 }],
      },
      result => results.set(partition, result),
    );
  return { clock, sent, submit, results };
}

describe('proposals of new ISRs', () => {
  it('share one request, and those that come while it is under way share the next', async () => {
    const { clock, sent, submit, results } = harness();
    expect([submit(0), submit(1)]).toEqual([true, true]);
    await clock.settle();
    expect(sent.map(each => each.partitions)).toEqual([[0, 1]]);
    expect([submit(1), submit(2), submit(3)]).toEqual([false, true, true]);
    await clock.settle();
    expect(sent).toHaveLength(1);
    sent[0]!.answer(Errors.NONE, index => (index === 1 ? Errors.INVALID_UPDATE_VERSION : Errors.NONE));
    await clock.settle();
    expect(results.get(0)).toMatchObject({ errorCode: Errors.NONE, isr: [1], partitionEpoch: 1 });
    expect(results.get(1)).toEqual({ errorCode: Errors.INVALID_UPDATE_VERSION });
    expect(sent[1]!.partitions).toEqual([2, 3]);
  });

  it('are sent again when nobody has decided them', async () => {
    const { clock, sent, submit, results } = harness();
    submit(0);
    submit(1);
    await clock.settle();
    sent[0]!.fail();
    await clock.pass(50);
    expect(sent[1]!.partitions).toEqual([0, 1]);
    sent[1]!.answer(Errors.STALE_BROKER_EPOCH);
    await clock.pass(50);
    expect(sent[2]!.partitions).toEqual([0, 1]);
    // One is left out of the answer, the other meets a controller that is behind.
    sent[2]!.answer(Errors.NONE, index => (index === 0 ? undefined : Errors.NOT_CONTROLLER));
    await clock.pass(50);
    expect(results.size).toBe(0);
    expect(sent[3]!.partitions).toEqual([0, 1]);
    sent[3]!.answer(Errors.NONE);
    await clock.settle();
    expect([...results.keys()]).toEqual([0, 1]);
    await clock.pass(1_000);
    expect(sent).toHaveLength(4);
  });

  it('give way to those of a later leader epoch that come before they are sent', async () => {
    const { clock, sent, submit, results } = harness();
    submit(0, 1);
    expect(submit(0, 2)).toBe(true);
    await clock.settle();
    expect(sent.map(each => each.partitions)).toEqual([[0]]);
    sent[0]!.answer(Errors.NONE);
    await clock.settle();
    expect(results.size).toBe(1);
  });
});
