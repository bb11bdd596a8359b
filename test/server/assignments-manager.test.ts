import { beforeEach, describe, expect, test } from 'vitest';
import { MemoryLogger } from '../../src/base/logger.ts';
import { Errors, KafkaError } from '../../src/protocol/errors.ts';
import { AssignmentsManager } from '../../src/server/assignments-manager.ts';
import type { BrokerToControllerChannel } from '../../src/server/broker-to-controller-channel.ts';
import { ManualRuntime } from '../support/manual-runtime.ts';

const TOPIC = 'b3JkZXJzb3JkZXJzb3JkZXI';
const [A, B] = ['YWFhYWFhYWFhYWFhYWFhYQ', 'YmJiYmJiYmJiYmJiYmJiYg'];

interface Sent {
  readonly body: {
    directories: { id: string; topics: { topicId: string; partitions: { partitionIndex: number }[] }[] }[];
  };
  answer(codeOf?: (partition: number) => number): void;
  reject(error: unknown): void;
}

let runtime: ManualRuntime;
let logger: MemoryLogger;
let sent: Sent[];
let epoch: number;
let manager: AssignmentsManager;

async function settle(): Promise<void> {
  for (let i = 0; i < 5; i++) await Promise.resolve();
}

const partitionsOf = ({ body }: Sent) =>
  body.directories.map(({ id, topics }) => [id, topics[0]!.partitions.map(each => each.partitionIndex)]);

beforeEach(() => {
  runtime = new ManualRuntime();
  logger = new MemoryLogger();
  sent = [];
  epoch = 7;
  const channel = {
    send: (_api: unknown, body: Sent['body']) =>
      new Promise((resolve, reject) =>
        sent.push({
          body,
          reject,
          answer: (codeOf = () => Errors.NONE) =>
            resolve({
              errorCode: 0,
              directories: body.directories.map(({ id, topics }) => ({
                id,
                topics: topics.map(({ topicId, partitions }) => ({
                  topicId,
                  partitions: partitions.map(({ partitionIndex }) => ({
                    partitionIndex,
                    errorCode: codeOf(partitionIndex),
                  })),
                })),
              })),
            }),
        }),
      ),
  } as unknown as BrokerToControllerChannel;
  manager = new AssignmentsManager(runtime, logger, channel, 1, () => epoch);
});

describe('AssignmentsManager', () => {
  test('tells of the replicas of one moment together, by directory, and of each once', async () => {
    manager.assign(TOPIC, 0, A);
    manager.assign(TOPIC, 1, B);
    manager.assign(TOPIC, 2, A);
    expect(sent).toEqual([]);
    runtime.advance(20);
    expect(sent[0]!.body).toMatchObject({ brokerId: 1, brokerEpoch: 7 });
    expect(partitionsOf(sent[0]!)).toEqual([
      [A, [0, 2]],
      [B, [1]],
    ]);
    sent[0]!.answer();
    await settle();
    runtime.advance(60_000);
    expect(sent).toHaveLength(1);
  });

  test('tells again what was refused, and leaves what is gone', async () => {
    for (const partition of [0, 1, 2]) manager.assign(TOPIC, partition, A);
    runtime.advance(20);
    sent[0]!.answer(
      partition => [Errors.NONE, Errors.NOT_CONTROLLER, Errors.UNKNOWN_TOPIC_OR_PARTITION][partition]!,
    );
    await settle();
    runtime.advance(500);
    expect(partitionsOf(sent[1]!)).toEqual([[A, [1]]]);
  });

  test('tells all again after a failure, with the newest word on each', async () => {
    manager.assign(TOPIC, 0, A);
    runtime.advance(20);
    manager.assign(TOPIC, 0, B);
    sent[0]!.reject(new KafkaError(Errors.REQUEST_TIMED_OUT));
    await settle();
    expect(logger.messages('warn')).toHaveLength(1);
    runtime.advance(500);
    expect(partitionsOf(sent[1]!)).toEqual([[B, [0]]]);
  });

  test('a replica that was moved while its old place was told of is told of again', async () => {
    manager.assign(TOPIC, 0, A);
    runtime.advance(20);
    manager.assign(TOPIC, 0, B);
    sent[0]!.answer();
    await settle();
    runtime.advance(500);
    expect(partitionsOf(sent[1]!)).toEqual([[B, [0]]]);
  });

  test('waits for the registration', () => {
    epoch = -1;
    manager.assign(TOPIC, 0, A);
    runtime.advance(20);
    expect(sent).toEqual([]);
    epoch = 8;
    runtime.advance(500);
    expect(sent[0]!.body).toMatchObject({ brokerEpoch: 8 });
  });
});
