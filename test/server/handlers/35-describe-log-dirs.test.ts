import { describe, expect, test } from 'vitest';
import { Errors } from '../../../src/protocol/errors.ts';
import {
  DescribeLogDirsRequest,
  DescribeLogDirsResponse,
} from '../../../src/protocol/messages/35-describe-log-dirs.ts';
import type { Input } from '../../../src/protocol/schema.ts';
import type { BrokerServices } from '../../../src/server/broker-services.ts';
import { describeLogDirs } from '../../../src/server/handlers/35-describe-log-dirs.ts';
import { broker } from './cluster-image.ts';
import { ask, imageOf } from './handler-harness.ts';

const log = (topic: string, partition: number, sizeInBytes: number) => ({
  topicPartition: { topic, partition },
  sizeInBytes,
  offsetLag: 0,
  isFuture: false,
});
const services = {
  nodeId: 1,
  metadata: () => imageOf(broker(1)),
  logManager: {
    describeLogDirs: () => [
      {
        logDir: '/a',
        directoryId: undefined,
        errorCode: 0,
        totalBytes: 2 ** 50,
        usableBytes: 10,
        logs: [log('t', 0, 5), log('t', 1, 6), log('__proto__', 0, 7)],
      },
      {
        logDir: '/b',
        directoryId: undefined,
        errorCode: 56,
        totalBytes: -1,
        usableBytes: -1,
        logs: [log('t', 2, 1)],
      },
    ],
  },
} as unknown as BrokerServices;

async function request(version: number, body: Input<typeof DescribeLogDirsRequest>) {
  return (await ask(
    describeLogDirs,
    services,
    [DescribeLogDirsRequest, DescribeLogDirsResponse],
    version,
    body,
  ))!;
}

describe('DescribeLogDirs', () => {
  test.each([0, 1, 2, 3, 4, 5])('version %i tells of every directory and what is in it', async version => {
    const { results } = await request(version, { topics: null });
    expect(results.map(each => [each.logDir, each.errorCode])).toEqual([
      ['/a', 0],
      ['/b', Errors.KAFKA_STORAGE_ERROR],
    ]);
    expect(results[0]!.topics).toEqual([
      {
        name: 't',
        partitions: [
          { partitionIndex: 0, partitionSize: 5, offsetLag: 0, isFutureKey: false },
          { partitionIndex: 1, partitionSize: 6, offsetLag: 0, isFutureKey: false },
        ],
      },
      {
        name: '__proto__',
        partitions: [{ partitionIndex: 0, partitionSize: 7, offsetLag: 0, isFutureKey: false }],
      },
    ]);
    expect(results[0]!.totalBytes).toBe(version >= 4 ? 2 ** 50 : -1);
    expect(results[1]!.topics).toEqual([]);
  });

  test('only the partitions asked for are listed, in every directory', async () => {
    const { results } = await request(1, { topics: [{ topic: 't', partitions: [1, 9] }] });
    expect(
      results.map(each => each.topics.flatMap(t => t.partitions.map(p => `${t.name}-${p.partitionIndex}`))),
    ).toEqual([['t-1'], []]);
    const none = await request(1, { topics: [] });
    expect(none.results.map(each => each.topics)).toEqual([[], []]);
  });
});
