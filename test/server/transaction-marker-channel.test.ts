import { beforeEach, describe, expect, test } from 'vitest';
import { silentLogger } from '../../src/base/logger.ts';
import type { HostAndPort, NetworkClient } from '../../src/client/network-client.ts';
import type { TransactionMarkers } from '../../src/coordinator/transaction/transaction-marker-writer.ts';
import type { MetadataImage } from '../../src/metadata/metadata-image.ts';
import { Errors, KafkaError } from '../../src/protocol/errors.ts';
import { TransactionMarkerChannel } from '../../src/server/transaction-marker-channel.ts';
import { ManualRuntime } from '../support/manual-runtime.ts';

const NODE = 1;
const RETRY_MS = 100;

interface SentMarker {
  producerId: number;
  producerEpoch: number;
  transactionResult: boolean;
  coordinatorEpoch: number;
  transactionVersion: number;
  topics: { name: string; partitionIndexes: number[] }[];
}

/** One WriteTxnMarkers request on its way. `to` is the broker. */
interface Sent {
  readonly to: number;
  readonly markers: SentMarker[];
  /** Answers every partition with a code: the same for all, or by `topic-partition`. */
  answer(code: number | ((partition: string) => number)): void;
  reject(error: unknown): void;
}

let runtime: ManualRuntime;
let leaders: Map<string, number>;
let addresses: Map<number, HostAndPort>;
let sent: Sent[];
let channel: TransactionMarkerChannel;

async function settle(): Promise<void> {
  for (let i = 0; i < 10; i++) {
    runtime.advance(0);
    await Promise.resolve();
  }
}

async function pass(ms: number): Promise<void> {
  runtime.advance(ms);
  await settle();
}

function requestTo(to: number, { markers }: { markers: SentMarker[] }): Promise<unknown> {
  return new Promise((resolve, reject) => {
    sent.push({
      to,
      markers,
      reject,
      answer: code =>
        resolve({
          markers: markers.map(({ producerId, topics }) => ({
            producerId,
            topics: topics.map(({ name, partitionIndexes }) => ({
              name,
              partitions: partitionIndexes.map(partitionIndex => ({
                partitionIndex,
                errorCode: typeof code === 'number' ? code : code(`${name}-${partitionIndex}`),
              })),
            })),
          })),
        }),
    });
  });
}

function markersOf(producerId: number, ...partitions: string[]): TransactionMarkers {
  return {
    transactionalId: `id-${producerId}`,
    producerId,
    producerEpoch: 3,
    coordinatorEpoch: 7,
    isCommit: true,
    transactionVersion: 2,
    partitions: partitions.map(each => {
      const [topic = '', partition] = each.split('-');
      return { topic, partition: Number(partition) };
    }),
  };
}

/** What a `write` came to, `undefined` while it goes on. */
function outcomeOf(markers: TransactionMarkers, isWanted = () => true): () => string | undefined {
  let outcome: string | undefined;
  void channel.write(markers, isWanted).then(result => {
    outcome = result;
  });
  return () => outcome;
}

beforeEach(() => {
  runtime = new ManualRuntime();
  sent = [];
  leaders = new Map([
    ['a-0', 1],
    ['a-1', 2],
    ['b-0', 2],
    ['b-1', 3],
  ]);
  addresses = new Map([1, 2, 3].map(id => [id, { host: `b${id}`, port: 9092 }]));
  const partition = (topic: string, index: number) => {
    const leader = leaders.get(`${topic}-${index}`);
    return leader === undefined ? undefined : { leader };
  };
  channel = new TransactionMarkerChannel(runtime, silentLogger, {
    nodeId: NODE,
    metadata: () => ({ topics: { partition } }) as unknown as MetadataImage,
    addressOf: id => addresses.get(id),
    client: {
      send: (to: HostAndPort, _api: unknown, body: { markers: SentMarker[] }) =>
        requestTo(Number(to.host.slice(1)), body),
      close() {},
    } as unknown as NetworkClient,
    requestTimeoutMs: () => 30_000,
    writeHere: body => requestTo(NODE, body as { markers: SentMarker[] }) as never,
  });
});

describe('TransactionMarkerChannel', () => {
  test('sends the leader of each partition its markers, and has written when all have answered', async () => {
    const outcome = outcomeOf(markersOf(10, 'a-0', 'a-1', 'b-0', 'b-1'));
    await settle();
    expect(sent.map(({ to }) => to).sort()).toEqual([1, 2, 3]);
    const two = sent.find(({ to }) => to === 2)!;
    expect(two.markers).toEqual([
      {
        producerId: 10,
        producerEpoch: 3,
        transactionResult: true,
        coordinatorEpoch: 7,
        transactionVersion: 2,
        topics: [
          { name: 'a', partitionIndexes: [1] },
          { name: 'b', partitionIndexes: [0] },
        ],
      },
    ]);
    for (const request of sent.slice(0, 2)) request.answer(Errors.NONE);
    await settle();
    expect(outcome()).toBeUndefined();
    sent[2]!.answer(Errors.NONE);
    await settle();
    expect(outcome()).toBe('written');
  });

  test('sends the transactions of one turn to a broker together, but never two of one producer', async () => {
    const outcomes = [markersOf(10, 'b-0'), markersOf(11, 'b-0'), markersOf(10, 'a-1')].map(each =>
      outcomeOf(each),
    );
    await settle();
    expect(sent.map(({ markers }) => markers.map(({ producerId }) => producerId))).toEqual([[10, 11], [10]]);
    for (const request of sent) request.answer(Errors.NONE);
    await settle();
    expect(outcomes.map(outcome => outcome())).toEqual(['written', 'written', 'written']);
  });

  test('has no more than five requests to a broker in flight; the next takes all that waits', async () => {
    for (let id = 0; id < 8; id++) {
      outcomeOf(markersOf(id, 'b-0'));
      await settle();
    }
    expect(sent).toHaveLength(5);
    sent[0]!.answer(Errors.NONE);
    await settle();
    expect(sent).toHaveLength(6);
    expect(sent[5]!.markers.map(({ producerId }) => producerId)).toEqual([5, 6, 7]);
  });

  test.each([
    Errors.NOT_LEADER_OR_FOLLOWER,
    Errors.UNKNOWN_TOPIC_OR_PARTITION,
    Errors.NOT_ENOUGH_REPLICAS,
    Errors.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
    Errors.REQUEST_TIMED_OUT,
    Errors.KAFKA_STORAGE_ERROR,
    Errors.COORDINATOR_LOAD_IN_PROGRESS,
    Errors.CLUSTER_AUTHORIZATION_FAILED,
    Errors.UNKNOWN_SERVER_ERROR,
  ])('sends a partition that answers with %i its marker again, to whoever leads it then', async code => {
    const outcome = outcomeOf(markersOf(10, 'a-1', 'b-0'));
    await settle();
    sent[0]!.answer(partition => (partition === 'a-1' ? Errors.NONE : code));
    await settle();
    leaders.set('b-0', 3);
    await pass(RETRY_MS - 1);
    expect(sent).toHaveLength(1);
    await pass(1);
    expect(sent).toHaveLength(2);
    expect(sent[1]!.to).toBe(3);
    expect(sent[1]!.markers[0]!.topics).toEqual([{ name: 'b', partitionIndexes: [0] }]);
    sent[1]!.answer(Errors.NONE);
    await settle();
    expect(outcome()).toBe('written');
  });

  test.each([
    ['a connection that closes', () => sent[0]!.reject(new KafkaError(Errors.NETWORK_EXCEPTION))],
    [
      'an answer that leaves the partition out',
      () => sent[0]!.markers.splice(0) && sent[0]!.answer(Errors.NONE),
    ],
  ])('sends markers again after %s', async (_what, fail) => {
    const outcome = outcomeOf(markersOf(10, 'b-0'));
    await settle();
    fail();
    await settle();
    await pass(RETRY_MS);
    expect(sent).toHaveLength(2);
    sent[1]!.answer(Errors.NONE);
    await settle();
    expect(outcome()).toBe('written');
  });

  test('waits for a leader and for its address, and takes a partition that is deleted for done', async () => {
    leaders.set('a-1', -1).delete('a-0');
    addresses.delete(3);
    const outcome = outcomeOf(markersOf(10, 'a-0', 'a-1', 'b-1'));
    await pass(5 * RETRY_MS);
    expect(sent).toHaveLength(0);
    expect(outcome()).toBeUndefined();
    leaders.set('a-1', 2).delete('b-1');
    await pass(RETRY_MS);
    expect(sent.map(({ to }) => to)).toEqual([2]);
    sent[0]!.answer(Errors.NONE);
    await settle();
    expect(outcome()).toBe('written');
  });

  test.each([Errors.TRANSACTION_COORDINATOR_FENCED, Errors.INVALID_PRODUCER_EPOCH])(
    'ends as fenced when a partition answers with %i, and sends nothing of it any more',
    async code => {
      const outcome = outcomeOf(markersOf(10, 'a-1', 'b-1'));
      await settle();
      sent.find(({ to }) => to === 2)!.answer(code);
      sent.find(({ to }) => to === 3)!.answer(Errors.NOT_LEADER_OR_FOLLOWER);
      await pass(10 * RETRY_MS);
      expect(outcome()).toBe('fenced');
      expect(sent).toHaveLength(2);
    },
  );

  test('ends as cancelled when nobody wants it any more, whatever the answer is', async () => {
    let isWanted = true;
    const outcomes = [markersOf(10, 'a-1'), markersOf(11, 'b-1')].map(each =>
      outcomeOf(each, () => isWanted),
    );
    await settle();
    sent[0]!.answer(Errors.NOT_LEADER_OR_FOLLOWER);
    await settle();
    isWanted = false;
    sent[1]!.answer(Errors.NONE);
    await pass(RETRY_MS);
    expect(outcomes.map(outcome => outcome())).toEqual(['cancelled', 'cancelled']);
    expect(sent).toHaveLength(2);
  });

  test('splits what a new coordinator has to end into requests of some thousand partitions', async () => {
    for (let i = 0; i < 5_000; i++) leaders.set(`t-${i}`, 2);
    const each = Array.from({ length: 5_000 }, (_, i) => outcomeOf(markersOf(i, `t-${i}`)));
    await settle();
    expect(sent.map(({ markers }) => markers.length)).toEqual([2_000, 2_000, 1_000]);
    for (const request of sent) request.answer(Errors.NONE);
    await settle();
    expect(each.every(outcome => outcome() === 'written')).toBe(true);
  });
});
