import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Offset } from '../../../src/base/int64.ts';
import { Errors, errorName, KafkaError } from '../../../src/protocol/errors.ts';
import { OffsetFetchRequest, OffsetFetchResponse } from '../../../src/protocol/messages/09-offset-fetch.ts';
import {
  FindCoordinatorRequest,
  FindCoordinatorResponse,
} from '../../../src/protocol/messages/10-find-coordinator.ts';
import {
  CreateTopicsRequest,
  CreateTopicsResponse,
} from '../../../src/protocol/messages/19-create-topics.ts';
import {
  InitProducerIdRequest,
  InitProducerIdResponse,
} from '../../../src/protocol/messages/22-init-producer-id.ts';
import {
  AddOffsetsToTxnRequest,
  AddOffsetsToTxnResponse,
} from '../../../src/protocol/messages/25-add-offsets-to-txn.ts';
import { EndTxnRequest, EndTxnResponse } from '../../../src/protocol/messages/26-end-txn.ts';
import {
  WriteTxnMarkersRequest,
  WriteTxnMarkersResponse,
} from '../../../src/protocol/messages/27-write-txn-markers.ts';
import {
  TxnOffsetCommitRequest,
  TxnOffsetCommitResponse,
} from '../../../src/protocol/messages/28-txn-offset-commit.ts';
import type { Input } from '../../../src/protocol/schema.ts';
import type { BrokerServices } from '../../../src/server/broker-services.ts';
import { txnOffsetCommit } from '../../../src/server/handlers/28-txn-offset-commit.ts';
import { TestBroker } from '../../support/test-broker.ts';
import { RawClient } from '../raw-client.ts';
import { ask } from './handler-harness.ts';

const TYPES = [TxnOffsetCommitRequest, TxnOffsetCommitResponse] as const;
/** The last that needs no coordinator of transactions here: from v5 on it is asked whatever the configuration. */
const VERSION = 4;
const UNSTABLE = 'UNSTABLE_OFFSET_COMMIT';

type Commit = Input<typeof TxnOffsetCommitRequest>;
type Marker = NonNullable<Input<typeof WriteTxnMarkersRequest>['markers']>[number];

/** The code of each partition, by name. */
function told(answer: TxnOffsetCommitResponse | undefined): string[] {
  return answer!.topics.flatMap(topic => topic.partitions.map(partition => errorName(partition.errorCode)));
}

describe('TxnOffsetCommit', () => {
  let broker: TestBroker;
  let client: RawClient;

  beforeAll(async () => {
    broker = await TestBroker.start({
      properties: {
        'offsets.topic.num.partitions': '1',
        // No coordinator of transactions has a part in this: the tests are one.
        'transaction.partition.verification.enable': 'false',
      },
    });
    client = await RawClient.connect(broker.port);
    const topics = ['t', '__consumer_offsets'].map((name, i) => ({
      name,
      numPartitions: i === 0 ? 2 : 1,
      replicationFactor: 1,
    }));
    await client.ask([CreateTopicsRequest, CreateTopicsResponse], 7, {
      topics,
      timeoutMs: 5000,
    });
    await vi.waitFor(async () => expect(await stable('anybody')).toBe(-1));
  });

  afterAll(async () => {
    client.close();
    await broker.close();
  });

  /** One offset for partition 0 of `t`, unless `fields` say something else. */
  async function commit(
    version: number,
    producerId: number,
    offset: Offset,
    fields: Partial<Commit> = {},
  ): Promise<string[]> {
    const partitions = [{ partitionIndex: 0, committedOffset: offset, committedMetadata: null }];
    const answer = await client.ask(TYPES, version, {
      transactionalId: 'txn',
      groupId: `g${producerId}`,
      producerId,
      producerEpoch: 0,
      memberId: '',
      topics: [{ name: 't', partitions }],
      ...fields,
    });
    return told(answer);
  }

  async function end(producerId: number, isCommit: boolean, fields: Partial<Marker> = {}): Promise<string> {
    const answer = await client.ask([WriteTxnMarkersRequest, WriteTxnMarkersResponse], 2, {
      markers: [
        {
          producerId,
          producerEpoch: 0,
          transactionResult: isCommit,
          topics: [{ name: '__consumer_offsets', partitionIndexes: [0] }],
          coordinatorEpoch: 0,
          ...fields,
        },
      ],
    });
    return errorName(answer!.markers[0]!.topics[0]!.partitions[0]!.errorCode);
  }

  /** The offset of partition 0 for who asks for stable ones, or the name of an error. */
  async function fetch(group: string, requireStable: boolean): Promise<unknown> {
    const topics = [{ name: 't', partitionIndexes: [0] }];
    const answer = await client.ask([OffsetFetchRequest, OffsetFetchResponse], 8, {
      groups: [{ groupId: group, topics }],
      requireStable,
    });
    const [found] = answer!.groups;
    if (found!.errorCode !== Errors.NONE) return errorName(found!.errorCode);
    const { errorCode, committedOffset } = found!.topics[0]!.partitions[0]!;
    return errorCode === Errors.NONE ? committedOffset : errorName(errorCode);
  }

  const stable = (group: string) => fetch(group, true);

  it('commits offsets with the transaction, in every version that has added its partition to it', async () => {
    for (let version = 0; version <= VERSION; version++) {
      const producerId = 100 + version;
      const group = `g${producerId}`;
      expect(await commit(version, producerId, 2n ** 60n)).toEqual(['NONE']);
      expect([await stable(group), await fetch(group, false)]).toEqual([UNSTABLE, -1]);
      expect(await end(producerId, true)).toBe('NONE');
      expect([await stable(group), await fetch(group, false)]).toEqual([2n ** 60n, 2n ** 60n]);
    }
  });

  it('drops them with an abort, and in a later transaction commits others', async () => {
    await commit(VERSION, 200, 1);
    await end(200, true);
    await commit(VERSION, 200, 2);
    expect(await end(200, false)).toBe('NONE');
    expect(await stable('g200')).toBe(1);
    await commit(VERSION, 200, 3);
    expect(await stable('g200')).toBe(UNSTABLE);
    await end(200, true);
    expect(await stable('g200')).toBe(3);
  });

  it('keeps two producers of one partition apart', async () => {
    await commit(VERSION, 210, 10, { groupId: 'shared' });
    await commit(VERSION, 211, 11, { groupId: 'shared' });
    await end(211, false);
    expect(await stable('shared')).toBe(UNSTABLE);
    await end(210, true);
    expect(await stable('shared')).toBe(10);
  });

  it('tells topics and partitions that are not there from those that are', async () => {
    const partition = (partitionIndex: number) => ({
      partitionIndex,
      committedOffset: 7,
      committedMetadata: '',
    });
    const topics = [
      { name: 'none', partitions: [partition(0)] },
      { name: 't', partitions: [partition(9), partition(0)] },
    ];
    const missing = 'UNKNOWN_TOPIC_OR_PARTITION';
    expect(await commit(VERSION, 220, 0, { topics })).toEqual([missing, missing, 'NONE']);
    expect(await commit(VERSION, 220, 0, { groupId: '', topics: [topics[0]!] })).toEqual([missing]);
  });

  it('refuses a group without a name, a generation that is not there, and metadata that is too large', async () => {
    expect(await commit(VERSION, 230, 1, { groupId: '' })).toEqual(['INVALID_GROUP_ID']);
    expect(await commit(VERSION, 230, 1, { generationIdOrMemberEpoch: 4, memberId: 'm' })).toEqual([
      'ILLEGAL_GENERATION',
    ]);
    const partitions = [{ partitionIndex: 0, committedOffset: 1, committedMetadata: 'x'.repeat(4097) }];
    expect(await commit(VERSION, 230, 1, { topics: [{ name: 't', partitions }] })).toEqual([
      'OFFSET_METADATA_TOO_LARGE',
    ]);
    expect(await commit(VERSION, -1, 1)).toEqual(['INVALID_PRODUCER_ID_MAPPING']);
    expect(await stable('g230')).toBe(-1);
  });

  it('takes nothing of a transaction that is over, nor a marker of a coordinator that has been replaced', async () => {
    await commit(VERSION, 240, 1);
    expect(await end(240, true, { coordinatorEpoch: 3 })).toBe('NONE');
    await commit(VERSION, 240, 2, { producerEpoch: 1 });
    expect(await commit(VERSION, 240, 9)).toEqual(['INVALID_PRODUCER_EPOCH']);
    expect(await end(240, false, { producerEpoch: 1, coordinatorEpoch: 2 })).toBe(
      'TRANSACTION_COORDINATOR_FENCED',
    );
    expect(await end(240, false, { producerEpoch: 0, coordinatorEpoch: 3 })).toBe('INVALID_PRODUCER_EPOCH');
    expect([await stable('g240'), await fetch('g240', false)]).toEqual([UNSTABLE, 1]);
    expect(await end(240, true, { producerEpoch: 1, coordinatorEpoch: 3 })).toBe('NONE');
    expect(await stable('g240')).toBe(2);
  });

  it('lets no request of a transaction of version 2 touch the next one (T8)', async () => {
    const ended = { producerEpoch: 1, transactionVersion: 2 };
    await commit(VERSION, 250, 1);
    expect(await end(250, true, ended)).toBe('NONE');
    // What was under way on another connection arrives now.
    expect(await commit(VERSION, 250, 9)).toEqual(['INVALID_PRODUCER_EPOCH']);
    expect(await stable('g250')).toBe(1);
    await commit(VERSION, 250, 2, { producerEpoch: 1 });
    expect(await end(250, false, ended)).toBe('INVALID_PRODUCER_EPOCH');
    expect(await stable('g250')).toBe(UNSTABLE);
    expect(await end(250, true, { producerEpoch: 2, transactionVersion: 2 })).toBe('NONE');
    expect(await stable('g250')).toBe(2);
  });

  it('says to old clients what they know while the group is being loaded', async () => {
    const loading = new KafkaError(Errors.COORDINATOR_LOAD_IN_PROGRESS);
    const services = {
      metadata: () => ({ topics: { topic: () => ({ name: 't', partitions: [{}] }) } }),
      groupCoordinator: { commitTransactionalOffsets: () => Promise.reject(loading) },
    } as unknown as BrokerServices;
    const codes = [];
    for (const version of [0, 1, 2, 5]) {
      const partitions = [{ partitionIndex: 0, committedOffset: 1, committedMetadata: '' }];
      const body = {
        transactionalId: 'txn',
        groupId: 'g',
        producerId: 1,
        producerEpoch: 0,
        memberId: '',
        topics: [{ name: 't', partitions }],
      };
      codes.push(...told(await ask(txnOffsetCommit, services, TYPES, version, body)));
    }
    expect(codes).toEqual([
      'COORDINATOR_NOT_AVAILABLE',
      'COORDINATOR_NOT_AVAILABLE',
      'COORDINATOR_LOAD_IN_PROGRESS',
      'COORDINATOR_LOAD_IN_PROGRESS',
    ]);
  });

  it('keeps offsets pending over a restart of the broker, until the marker comes', async () => {
    await commit(VERSION, 260, 1);
    await end(260, true);
    await commit(VERSION, 260, 2);
    await commit(VERSION, 261, 3);
    client.close();
    await broker.restart();
    client = await RawClient.connect(broker.port);
    await vi.waitFor(async () => expect(await stable('g260')).toBe(UNSTABLE), 5000);
    expect([await fetch('g260', false), await stable('g261'), await fetch('g261', false)]).toEqual([
      1,
      UNSTABLE,
      -1,
    ]);
    expect(await end(260, true)).toBe('NONE');
    expect(await end(261, false)).toBe('NONE');
    expect([await stable('g260'), await stable('g261')]).toEqual([2, -1]);
  });
});

describe('TxnOffsetCommit with the coordinator of its transaction', () => {
  let broker: TestBroker;
  let client: RawClient;
  let topicId: string;

  beforeAll(async () => {
    broker = await TestBroker.start({
      properties: {
        'offsets.topic.num.partitions': '1',
        'transaction.state.log.num.partitions': '1',
        'transaction.state.log.replication.factor': '1',
        'transaction.state.log.min.isr': '1',
      },
    });
    client = await RawClient.connect(broker.port);
    const topics = ['t', '__consumer_offsets'].map(name => ({
      name,
      numPartitions: 1,
      replicationFactor: 1,
    }));
    const types = [CreateTopicsRequest, CreateTopicsResponse] as const;
    const created = await client.ask(types, 7, { topics, timeoutMs: 5000 });
    topicId = created!.topics.find(({ name }) => name === 't')!.topicId;
    const key = { key: 'txn', keyType: 1 };
    await vi.waitFor(async () => {
      const found = await client.ask([FindCoordinatorRequest, FindCoordinatorResponse], 2, key);
      expect(found!.errorCode).toBe(Errors.NONE);
    }, 5000);
  });

  afterAll(async () => {
    client.close();
    await broker.close();
  });

  async function begin(transactionalId: string) {
    const body = { transactionalId, transactionTimeoutMs: 60_000 };
    return vi.waitFor(async () => {
      const answer = await client.ask([InitProducerIdRequest, InitProducerIdResponse], 4, body);
      expect(errorName(answer!.errorCode)).toBe('NONE');
      return { transactionalId, producerId: answer!.producerId, producerEpoch: answer!.producerEpoch };
    }, 5000);
  }

  async function commit(version: number, group: string, ids: Partial<Commit>): Promise<string[]> {
    const topic = version >= 6 ? { topicId } : { name: 't' };
    const partitions = [{ partitionIndex: 0, committedOffset: version, committedMetadata: null }];
    const body = { groupId: group, memberId: '', topics: [{ ...topic, partitions }] };
    return told(await client.ask(TYPES, version, { ...body, ...ids } as Commit));
  }

  async function offsetOf(group: string): Promise<unknown> {
    const groups = [{ groupId: group, topics: [{ name: 't', partitionIndexes: [0] }] }];
    const types = [OffsetFetchRequest, OffsetFetchResponse] as const;
    const answer = await client.ask(types, 8, { groups, requireStable: true });
    const { errorCode, committedOffset } = answer!.groups[0]!.topics[0]!.partitions[0]!;
    return errorCode === Errors.NONE ? committedOffset : errorName(errorCode);
  }

  it.each([5, 6])('version %i adds its partition itself', async version => {
    const ids = await begin(`adds-${version}`);
    const group = `a${version}`;
    expect(await commit(version, group, ids)).toEqual(['NONE']);
    expect(await offsetOf(group)).toBe(UNSTABLE);
    const ended = await client.ask([EndTxnRequest, EndTxnResponse], 5, { ...ids, committed: true });
    expect(errorName(ended!.errorCode)).toBe('NONE');
    await vi.waitFor(async () => expect(await offsetOf(group)).toBe(version), 5000);
    // A request that was under way on another connection (T8).
    expect(await commit(version, group, ids)).toEqual(['INVALID_PRODUCER_EPOCH']);
    expect(await offsetOf(group)).toBe(version);
  });

  it.each([
    [3, 'INVALID_TXN_STATE'],
    [4, 'TRANSACTION_ABORTABLE'],
  ])('version %i is refused with %s until the partition has been added', async (version, refusal) => {
    const ids = await begin(`added-${version}`);
    const group = `b${version}`;
    expect(await commit(version, group, ids)).toEqual([refusal]);
    const types = [AddOffsetsToTxnRequest, AddOffsetsToTxnResponse] as const;
    const added = await client.ask(types, 3, { ...ids, groupId: group });
    expect(errorName(added!.errorCode)).toBe('NONE');
    expect(await commit(version, group, ids)).toEqual(['NONE']);
    await client.ask([EndTxnRequest, EndTxnResponse], 4, { ...ids, committed: false });
    await vi.waitFor(async () => expect(await offsetOf(group)).toBe(-1), 5000);
  });
});
