import { expect, test } from 'vitest';
import { CompressionType } from '../../../src/compression/compression-type.ts';
import { Errors } from '../../../src/protocol/errors.ts';
import { RecordBatch } from '../../../src/record/record-batch.ts';
import { ManualRuntime } from '../../support/manual-runtime.ts';
import type { CheckOptions } from '../checkers/checker.ts';
import { checkClientAnomalies } from '../checkers/client-anomalies.ts';
import { History } from '../checkers/history.ts';
import { SimRandom } from '../sim-random.ts';
import type { ClusterClient, KnownPartition } from './cluster-client.ts';
import { SimProducer } from './sim-producer.ts';

const PARTITION: KnownPartition = {
  key: 'AAAAAAAAAAAAAAAAAAAAAQ:0',
  topic: 'data',
  topicId: 'AAAAAAAAAAAAAAAAAAAAAQ',
  index: 0,
  leader: 1,
  leaderEpoch: 0,
  replicas: [1, 2],
};
const CHECKS: CheckOptions = { lossAllowed: false, uncleanElections: false, atRest: false, lateBytes: false };

/** The leader of one partition, which takes sequences as Kafka's does: any from a producer that it knows nothing of. */
class FakeLeader {
  /** Requests that are answered so before anything is looked at. */
  refusals = 0;
  refused = 0;
  outOfOrder = 0;
  private endOffset = 0;
  private producer: { epoch: number; nextSequence: number } | undefined;

  produce(records: Buffer) {
    const answer = (errorCode: number, baseOffset: number) => ({
      index: 0,
      errorCode,
      baseOffset,
      currentLeader: { leaderId: -1, leaderEpoch: -1 },
    });
    if (this.refused < this.refusals) {
      this.refused++;
      return answer(Errors.NOT_ENOUGH_REPLICAS, -1);
    }
    const { producerEpoch: epoch, baseSequence: sequence, lastOffsetDelta } = new RecordBatch(records, 0);
    const { producer } = this;
    const isNext =
      producer === undefined || sequence === (producer.epoch === epoch ? producer.nextSequence : 0);
    if (!isNext) {
      this.outOfOrder++;
      return answer(Errors.OUT_OF_ORDER_SEQUENCE_NUMBER, -1);
    }
    this.producer = { epoch, nextSequence: sequence + lastOffsetDelta + 1 };
    const baseOffset = this.endOffset;
    this.endOffset += lastOffsetDelta + 1;
    return answer(Errors.NONE, baseOffset);
  }
}

/** Of a cluster of one partition: each request takes 20 ms, of which `leader` sees the first half. */
function clusterOf(leader: FakeLeader, runtime: ManualRuntime): ClusterClient {
  let isClosed = false;
  const sleep = (ms: number): Promise<void> =>
    new Promise(resolve => void runtime.timers.after(ms, () => resolve()));
  const cluster = {
    name: 'producer-1',
    runtime,
    random: new SimRandom(1),
    options: { requestTimeoutMs: 1_000 },
    get isClosed() {
      return isClosed;
    },
    nowMs: () => runtime.clock.monotonicMs(),
    sleep,
    partitionsOf: () => [PARTITION],
    freshMetadata: () => Promise.resolve(),
    forgetMetadata: () => {},
    learnLeader: () => true,
    close: () => void (isClosed = true),
    ask: () => Promise.resolve({ errorCode: Errors.NONE, producerId: 7, producerEpoch: 0 }),
    connection: () =>
      Promise.resolve({
        versionOf: () => 13,
        requestAt: async (_api: unknown, _version: number, body: FakeProduce) => {
          await sleep(10);
          const { records } = body.topicData[0]!.partitionData[0]!;
          const partitionResponses = [leader.produce(records)];
          await sleep(10);
          return {
            responses: [{ name: 'data', topicId: PARTITION.topicId, partitionResponses }],
            nodeEndpoints: [],
          };
        },
      }),
  };
  return cluster as unknown as ClusterClient;
}

interface FakeProduce {
  readonly topicData: readonly { readonly partitionData: readonly { readonly records: Buffer }[] }[];
}

test('a batch that a later one has overtaken is not written behind it in a higher epoch', async () => {
  const runtime = new ManualRuntime();
  const leader = new FakeLeader();
  // The ISR is too small for the first two, and not any more when the third one comes.
  leader.refusals = 2;
  const history = new History(() => runtime.nowMs);
  const producer = new SimProducer(
    clusterOf(leader, runtime),
    {
      topics: ['data'],
      acks: -1,
      idempotent: true,
      maxInFlight: 5,
      deliveryTimeoutMs: 20_000,
      retryBackoffMs: 100,
      produceTimeoutMs: 1_000,
      thinkMs: 2,
      maxBatchRecords: 1,
      valueBytes: 20,
      compression: CompressionType.NONE,
      maxVersion: 13,
      misbehaves: 0,
      maxBatches: 8,
    },
    history,
  );
  producer.start();
  for (let i = 0; i < 100; i++) await runtime.pass(10);
  const stopped = producer.stop();
  for (let i = 0; i < 100; i++) await runtime.pass(10);
  await stopped;
  expect([leader.refused, leader.outOfOrder > 0]).toEqual([2, true]);
  const end = { atMs: runtime.nowMs, replicas: [], metadataLogs: [], partitions: [], up: [] };
  const violations = checkClientAnomalies(history, end, CHECKS);
  expect(violations.filter(({ invariant }) => invariant === 'nonmonotonic-send')).toEqual([]);
  const failed = [...history.of('sendFailed')];
  expect(failed.length).toBe(2);
  expect([...history.of('sent')].length).toBe(9 - failed.length);
});
