import { readdirSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Errors } from '../../src/protocol/errors.ts';
import { ProduceRequest, ProduceResponse } from '../../src/protocol/messages/00-produce.ts';
import { MetadataRequest, MetadataResponse } from '../../src/protocol/messages/03-metadata.ts';
import { OffsetCommitRequest, OffsetCommitResponse } from '../../src/protocol/messages/08-offset-commit.ts';
import { OffsetFetchRequest, OffsetFetchResponse } from '../../src/protocol/messages/09-offset-fetch.ts';
import {
  FindCoordinatorRequest,
  FindCoordinatorResponse,
} from '../../src/protocol/messages/10-find-coordinator.ts';
import {
  DescribeGroupsRequest,
  DescribeGroupsResponse,
} from '../../src/protocol/messages/15-describe-groups.ts';
import { CreateTopicsRequest, CreateTopicsResponse } from '../../src/protocol/messages/19-create-topics.ts';
import { DeleteTopicsRequest, DeleteTopicsResponse } from '../../src/protocol/messages/20-delete-topics.ts';
import {
  DescribeConfigsRequest,
  DescribeConfigsResponse,
} from '../../src/protocol/messages/32-describe-configs.ts';
import { RecordBatchBuilder } from '../../src/record/record-batch-builder.ts';
import type { RawClient } from '../server/raw-client.ts';
import { HostileHarness } from './hostile-harness.ts';

/** Threat rows 11, 21 and 23: names that want to be a path, a pattern or the key of an object. */

const LEGAL = [
  '__proto__',
  'constructor',
  'prototype',
  'toString',
  'hasOwnProperty',
  'a'.repeat(249),
  '-',
  '...',
  '_',
];
const ILLEGAL = [
  '',
  '.',
  '..',
  '../x',
  '/etc/x',
  'a/b',
  'a\\b',
  'x'.repeat(250),
  'x'.repeat(300),
  '😀',
  'a b',
  'a\u0000',
  '(a+)+$',
  'ä',
  'a\n',
];

let harness: HostileHarness;
let client: RawClient;

beforeAll(async () => {
  harness = await HostileHarness.start();
  client = await harness.connect();
});

afterAll(async () => {
  client?.close();
  await harness?.close();
});

async function create(name: string): Promise<number> {
  const topics = [{ name, numPartitions: 1, replicationFactor: 1 }];
  const answer = await client.ask([CreateTopicsRequest, CreateTopicsResponse], 7, {
    topics,
    timeoutMs: 5000,
  });
  return answer!.topics[0]!.errorCode;
}

async function produce(name: string): Promise<{ errorCode: number; baseOffset: unknown }> {
  const records = new RecordBatchBuilder({})
    .append({ timestamp: 1, key: null, value: Buffer.from(name) })
    .build();
  const body = { acks: -1, timeoutMs: 5000, topicData: [{ name, partitionData: [{ index: 0, records }] }] };
  const answer = await client.ask([ProduceRequest, ProduceResponse], 9, body);
  return answer!.responses[0]!.partitionResponses[0]!;
}

describe('names of topics', () => {
  test.each(LEGAL)('%s is a topic as any other', async name => {
    await harness.survives(async () => {
      expect(await create(name)).toBe(0);
      expect(await create(name)).toBe(Errors.TOPIC_ALREADY_EXISTS);
      expect(await produce(name)).toMatchObject({ errorCode: 0, baseOffset: 0 });
      const found = await client.ask([MetadataRequest, MetadataResponse], 9, { topics: [{ name }] });
      expect(found!.topics).toMatchObject([{ name, errorCode: 0, partitions: [{ leaderId: 1 }] }]);
      const configs = await client.ask([DescribeConfigsRequest, DescribeConfigsResponse], 4, {
        resources: [
          { resourceType: 2, resourceName: name, configurationKeys: ['__proto__', 'retention.ms'] },
        ],
      });
      expect(configs!.results[0]!.configs.map(each => each.name)).toEqual(['retention.ms']);
      const deleted = await client.ask([DeleteTopicsRequest, DeleteTopicsResponse], 5, {
        topicNames: [name],
        timeoutMs: 5000,
      });
      expect(deleted!.responses[0]!.errorCode).toBe(0);
    });
    expect(await produce(name)).toMatchObject({ errorCode: Errors.UNKNOWN_TOPIC_OR_PARTITION });
  });

  test.each(ILLEGAL)('%j is refused everywhere and reaches no path', async name => {
    const before = readdirSync(harness.broker.directory);
    await harness.survives(async () => {
      expect(await create(name)).toBe(Errors.INVALID_TOPIC_EXCEPTION);
      const found = await client.ask([MetadataRequest, MetadataResponse], 9, {
        topics: [{ name }],
        allowAutoTopicCreation: true,
      });
      expect(found!.topics[0]!.errorCode).toBe(Errors.INVALID_TOPIC_EXCEPTION);
      if (name !== '') expect((await produce(name)).errorCode).not.toBe(0);
      const deleted = await client.ask([DeleteTopicsRequest, DeleteTopicsResponse], 5, {
        topicNames: [name],
        timeoutMs: 5000,
      });
      expect(deleted!.responses[0]!.errorCode).not.toBe(0);
    });
    expect(readdirSync(harness.broker.directory)).toEqual(before);
  });
});

describe('names of groups', () => {
  test.each([...LEGAL, ...ILLEGAL.filter(name => name !== ''), 'g'.repeat(30_000)])(
    '%j is a group',
    async groupId => {
      await harness.survives(async () => {
        const coordinator = await client.ask([FindCoordinatorRequest, FindCoordinatorResponse], 4, {
          keyType: 0,
          coordinatorKeys: [groupId],
        });
        expect([0, Errors.COORDINATOR_NOT_AVAILABLE]).toContain(coordinator!.coordinators[0]!.errorCode);
        const commit = () =>
          client.ask([OffsetCommitRequest, OffsetCommitResponse], 8, {
            groupId,
            generationIdOrMemberEpoch: -1,
            memberId: '',
            topics: [
              {
                name: 'orders',
                partitions: [
                  { partitionIndex: 0, committedOffset: 42, committedMetadata: groupId.slice(0, 4000) },
                ],
              },
            ],
          });
        let code = -1;
        for (let attempt = 0; attempt < 100; attempt++) {
          code = (await commit())!.topics[0]!.partitions[0]!.errorCode;
          if (
            code !== Errors.NOT_COORDINATOR &&
            code !== Errors.COORDINATOR_LOAD_IN_PROGRESS &&
            code !== Errors.COORDINATOR_NOT_AVAILABLE
          )
            break;
          await new Promise(resolve => setTimeout(resolve, 20));
        }
        expect([0, Errors.OFFSET_METADATA_TOO_LARGE]).toContain(code);
        if (code !== 0) return;
        const fetched = await client.ask([OffsetFetchRequest, OffsetFetchResponse], 7, {
          groupId,
          topics: [{ name: 'orders', partitionIndexes: [0] }],
        });
        expect(fetched!.topics[0]!.partitions[0]).toMatchObject({ committedOffset: 42, errorCode: 0 });
        const described = await client.ask([DescribeGroupsRequest, DescribeGroupsResponse], 5, {
          groups: [groupId],
        });
        expect(described!.groups).toMatchObject([{ groupId, errorCode: 0 }]);
      });
    },
  );
});
