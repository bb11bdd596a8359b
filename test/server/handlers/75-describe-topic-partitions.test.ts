import { describe, expect, test } from 'vitest';
import { Errors } from '../../../src/protocol/errors.ts';
import {
  DescribeTopicPartitionsRequest,
  DescribeTopicPartitionsResponse,
} from '../../../src/protocol/messages/75-describe-topic-partitions.ts';
import type { Input } from '../../../src/protocol/schema.ts';
import type { BrokerServices } from '../../../src/server/broker-services.ts';
import { describeTopicPartitions } from '../../../src/server/handlers/75-describe-topic-partitions.ts';
import { broker, partition, topic } from './cluster-image.ts';
import { ask, imageOf } from './handler-harness.ts';

const IDS = ['AAAAAAAAAAAAAAAAAAAAZA', 'AAAAAAAAAAAAAAAAAAAAZQ', 'AAAAAAAAAAAAAAAAAAAAZg'] as const;
const image = imageOf(
  broker(1),
  ...['b', 'a', 'c'].flatMap((name, i) => [
    topic(name, IDS[i]!),
    ...[0, 1, 2].map(id => partition(IDS[i]!, id)),
  ]),
);

async function request(body: Input<typeof DescribeTopicPartitionsRequest>, configLimit = 2000) {
  const services = { metadata: () => image, config: { int: () => configLimit } } as unknown as BrokerServices;
  const messages = [DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse] as const;
  return (await ask(describeTopicPartitions, services, messages, 0, body))!;
}

type Page = Awaited<ReturnType<typeof request>>;
const content = (page: Page) =>
  page.topics.map(each => `${each.name}:${each.partitions.map(p => p.partitionIndex)}`);

describe('DescribeTopicPartitions', () => {
  test('all topics come in the order of their names', async () => {
    const page = await request({});
    expect(content(page)).toEqual(['a:0,1,2', 'b:0,1,2', 'c:0,1,2']);
    expect(page.nextCursor).toBeNull();
    expect(page.topics[0]).toMatchObject({
      topicId: IDS[1],
      isInternal: false,
      topicAuthorizedOperations: 0b110111111000,
    });
    expect(page.topics[0]!.partitions[0]).toMatchObject({
      errorCode: 0,
      leaderId: 1,
      leaderEpoch: 5,
      replicaNodes: [1],
      isrNodes: [1],
      eligibleLeaderReplicas: [],
      lastKnownElr: [],
      offlineReplicas: [],
    });
  });

  test.each([1, 2, 3, 4, 5, 8, 9, 10])('pages of %i partitions cover everything once', async limit => {
    const seen: string[] = [];
    let cursor: Page['nextCursor'] = null;
    for (let pages = 0; pages < 20; pages++) {
      const page: Page = await request({ responsePartitionLimit: limit, cursor });
      let size = 0;
      for (const each of page.topics) {
        size += each.partitions.length;
        seen.push(...each.partitions.map(p => `${each.name}-${p.partitionIndex}`));
      }
      expect(size).toBeLessThanOrEqual(limit);
      cursor = page.nextCursor;
      if (cursor === null) break;
      expect(size).toBe(limit);
    }
    expect(seen).toEqual(['a', 'b', 'c'].flatMap(name => [0, 1, 2].map(id => `${name}-${id}`)));
  });

  test('the limit of the broker holds against that of the client, and is never below one', async () => {
    expect(content(await request({ responsePartitionLimit: 100 }, 4))).toEqual(['a:0,1,2', 'b:0']);
    expect(content(await request({ responsePartitionLimit: -5 }))).toEqual(['a:0']);
  });

  test('unknown and illegal names have their codes, a name given twice comes once', async () => {
    const page = await request({ topics: ['c', 'nope', '../x', 'c'].map(name => ({ name })) });
    expect(page.topics.map(each => [each.name, each.errorCode])).toEqual([
      ['../x', Errors.INVALID_TOPIC_EXCEPTION],
      ['c', 0],
      ['nope', Errors.UNKNOWN_TOPIC_OR_PARTITION],
    ]);
  });

  test('a cursor on a topic that has gone, or past its end, goes on behind it', async () => {
    expect(content(await request({ cursor: { topicName: 'bb', partitionIndex: 1 } }))).toEqual(['c:0,1,2']);
    expect(content(await request({ cursor: { topicName: 'b', partitionIndex: 7 } }))).toEqual([
      'b:',
      'c:0,1,2',
    ]);
  });

  test('a negative cursor is INVALID_REQUEST for each topic', async () => {
    const page = await request({ topics: [{ name: 'a' }], cursor: { topicName: 'a', partitionIndex: -1 } });
    expect(page.topics).toMatchObject([{ name: 'a', errorCode: Errors.INVALID_REQUEST }]);
  });
});
