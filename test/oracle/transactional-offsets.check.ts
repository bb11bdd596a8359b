import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { OffsetCommitRequest, OffsetCommitResponse } from '../../src/protocol/messages/08-offset-commit.ts';
import { OffsetFetchRequest, OffsetFetchResponse } from '../../src/protocol/messages/09-offset-fetch.ts';
import {
  FindCoordinatorRequest,
  FindCoordinatorResponse,
} from '../../src/protocol/messages/10-find-coordinator.ts';
import { JoinGroupRequest, JoinGroupResponse } from '../../src/protocol/messages/11-join-group.ts';
import { SyncGroupRequest, SyncGroupResponse } from '../../src/protocol/messages/14-sync-group.ts';
import {
  WriteTxnMarkersRequest,
  WriteTxnMarkersResponse,
} from '../../src/protocol/messages/27-write-txn-markers.ts';
import {
  TxnOffsetCommitRequest,
  TxnOffsetCommitResponse,
} from '../../src/protocol/messages/28-txn-offset-commit.ts';
import { DeleteGroupsRequest, DeleteGroupsResponse } from '../../src/protocol/messages/42-delete-groups.ts';
import { OffsetDeleteRequest, OffsetDeleteResponse } from '../../src/protocol/messages/47-offset-delete.ts';
import type { Input } from '../../src/protocol/schema.ts';
import { type StartedTarget, startTarget } from '../support/broker-target.ts';
import { Session } from './session.ts';
import { NoAnswer, WireClient } from './wire-client.ts';

/**
 * Offsets in transactions, on our broker and on Apache Kafka 4.3.0: the same requests must have the same answers. The
 * test is the coordinator of the transactions, so that it can also be a late one: nobody verifies them.
 */
const properties = {
  'offsets.topic.num.partitions': '1',
  'transaction.partition.verification.enable': 'false',
  'group.min.session.timeout.ms': '1000',
};
/** From v5 on the coordinator of the transaction is asked whatever the configuration. */
const LAST_VERSION = 4;
/** From here on a request names its member. */
const MEMBER_MIN_VERSION = 3;
const SUBSCRIPTION = Buffer.from('0000000000010001740000000000', 'hex');

type Commit = Partial<Input<typeof TxnOffsetCommitRequest>>;
type Marker = Partial<NonNullable<Input<typeof WriteTxnMarkersRequest>['markers']>[number]>;

const brokers: StartedTarget[] = [];

beforeAll(async () => {
  brokers.push(await startTarget('transactional-offsets', { properties }));
  brokers.push(await startTarget('transactional-offsets-oracle', { properties }, 'apache-kafka-4.3.0'));
  for (const { broker } of brokers) await warmUp(broker.port);
});

afterAll(async () => {
  for (const broker of brokers) await broker.dispose();
});

/** Waits until groups are served. */
async function warmUp(port: number): Promise<void> {
  const client = await WireClient.open(port);
  for (let attempt = 0; attempt < 400; attempt++) {
    await client.send(FindCoordinatorRequest, FindCoordinatorResponse, 2, { key: 'g', keyType: 0 });
    const body = { groupId: 'warm', topics: null };
    const answer = await client.send(OffsetFetchRequest, OffsetFetchResponse, 5, body);
    if (answer.errorCode === 0) break;
    await new Promise(resolve => setTimeout(resolve, 50));
  }
  client.close();
}

/** What a case says to one broker. */
class Conversation {
  readonly session: Session;
  /** That of the case: no other has its transactions. */
  readonly producerId: number;
  readonly topic: string;
  readonly group: string;

  constructor(session: Session, producerId: number) {
    this.session = session;
    this.producerId = producerId;
    this.topic = session.name('t');
    this.group = session.name('g');
  }

  commit(step: string, offset: number, fields: Commit = {}, partition: object = {}) {
    const partitions = [{ partitionIndex: 0, committedOffset: offset, committedMetadata: 'm', ...partition }];
    const body = {
      transactionalId: 'txn',
      groupId: this.group,
      producerId: this.producerId,
      producerEpoch: 0,
      memberId: '',
      topics: [{ name: this.topic, partitions }],
      ...fields,
    };
    return this.session.send(step, TxnOffsetCommitRequest, TxnOffsetCommitResponse, body);
  }

  ordinaryCommit(step: string, offset: number) {
    const partitions = [{ partitionIndex: 0, committedOffset: offset, committedMetadata: '' }];
    const topics = [{ name: this.topic, partitions }];
    const body = { groupId: this.group, memberId: '', topics };
    return this.session.send(step, OffsetCommitRequest, OffsetCommitResponse, body, { version: 7 });
  }

  end(step: string, isCommit: boolean, fields: Marker = {}) {
    const marker = {
      producerId: this.producerId,
      producerEpoch: 0,
      transactionResult: isCommit,
      topics: [{ name: '__consumer_offsets', partitionIndexes: [0] }],
      coordinatorEpoch: 0,
      ...fields,
    };
    const version = marker.transactionVersion === undefined ? 1 : 2;
    const body = { markers: [marker] };
    return this.session.send(step, WriteTxnMarkersRequest, WriteTxnMarkersResponse, body, { version });
  }

  /** What consumers are told: those that want stable offsets, the others, and who asks for all of the group. */
  async look(step: string): Promise<void> {
    const topics = [{ name: this.topic, partitionIndexes: [0, 1] }];
    for (const [requireStable, asked] of [
      [true, topics],
      [false, topics],
      [true, null],
    ] as const) {
      const kind = `${step}: ${requireStable ? 'stable' : 'any'}${asked === null ? ', all' : ''}`;
      const body = { groupId: this.group, topics: asked, requireStable };
      await this.session.send(kind, OffsetFetchRequest, OffsetFetchResponse, body, { version: 7 });
    }
  }

  async join(memberId: string): Promise<{ memberId: string; generationId: number }> {
    const body = {
      groupId: this.group,
      sessionTimeoutMs: 10_000,
      rebalanceTimeoutMs: 10_000,
      memberId,
      protocolType: 'consumer',
      protocols: [{ name: 'range', metadata: SUBSCRIPTION }],
    };
    return this.session.send('join', JoinGroupRequest, JoinGroupResponse, body, { version: 5 });
  }
}

const cases: Record<string, (talk: Conversation) => Promise<void>> = {
  'commit and abort': async talk => {
    await talk.commit('first', 1);
    await talk.look('pending');
    await talk.end('aborted', false);
    await talk.look('aborted');
    await talk.commit('second', 2);
    await talk.commit('second, other partition', 3, {}, { partitionIndex: 1 });
    await talk.end('committed', true);
    await talk.look('committed');
    await talk.commit('third', 4);
    await talk.look('pending again');
    await talk.end('aborted again', false);
    await talk.end('aborted twice', false);
    await talk.look('aborted again');
  },

  'an ordinary commit in between': async talk => {
    await talk.commit('transactional', 1);
    await talk.ordinaryCommit('ordinary', 2);
    await talk.look('both');
    await talk.end('committed', true);
    await talk.look('the later one');
  },

  'what is not there': async talk => {
    await talk.commit('unknown partition', 1, {}, { partitionIndex: 9 });
    const partitions = [{ partitionIndex: 0, committedOffset: 1, committedMetadata: null }];
    const none = { name: talk.session.name('none'), partitions };
    await talk.commit('unknown topic', 1, { topics: [none] });
    await talk.commit('both', 1, { topics: [none, { name: talk.topic, partitions }] });
    await talk.commit('unknown topic, no group', 1, { groupId: '', topics: [none] });
    await talk.commit('no group', 1, { groupId: '' });
    await talk.commit('no topics', 1, { topics: [] });
    await talk.look('after');
    await talk.end('committed', true);
    await talk.look('committed');
  },

  'metadata that is too large': async talk => {
    await talk.commit('too large', 1, {}, { committedMetadata: 'x'.repeat(4097) });
    await talk.commit('just not', 1, {}, { committedMetadata: 'x'.repeat(4096) });
    await talk.end('committed', true);
    await talk.look('committed');
  },

  'epochs that are over': async talk => {
    await talk.commit('epoch 0', 1);
    await talk.end('by coordinator 5', true, { coordinatorEpoch: 5 });
    await talk.commit('epoch 1', 2, { producerEpoch: 1 });
    await talk.commit('epoch 0 again', 3);
    await talk.end('by coordinator 4', false, { producerEpoch: 1, coordinatorEpoch: 4 });
    await talk.end('of epoch 0', false, { coordinatorEpoch: 5 });
    await talk.look('pending');
    await talk.end('of epoch 1', true, { producerEpoch: 1, coordinatorEpoch: 5 });
    await talk.look('committed');
  },

  'transactions of version 2': async talk => {
    const next = { producerEpoch: 1, transactionVersion: 2 };
    await talk.commit('epoch 0', 1);
    await talk.end('of the same epoch', true, { transactionVersion: 2 });
    await talk.look('pending');
    await talk.end('of the next epoch', true, next);
    await talk.end('the same again', true, next);
    await talk.commit('late', 9);
    await talk.look('committed');
    await talk.commit('epoch 1', 2, { producerEpoch: 1 });
    await talk.end('late marker', false, next);
    await talk.look('pending again');
    await talk.end('epoch 2', true, { producerEpoch: 2, transactionVersion: 2 });
    await talk.look('committed again');
  },

  'an epoch far below 0': async talk => {
    await talk.commit('epoch 0', 1);
    await talk.commit('an epoch far below 0', 2, { producerEpoch: -2 });
    await talk.end('committed', true);
    await talk.look('committed');
  },

  'two producers': async talk => {
    const other = { producerId: talk.producerId + 1 };
    await talk.commit('first', 1);
    await talk.commit('second', 2, other);
    await talk.end('second committed', true, other);
    await talk.look('one left');
    await talk.end('first committed', true);
    await talk.look('both committed');
  },

  'deleting offsets and the group': async talk => {
    await talk.ordinaryCommit('ordinary', 1);
    await talk.commit('pending', 2);
    await talk.commit('pending, other partition', 3, {}, { partitionIndex: 1 });
    const topics = [{ name: talk.topic, partitions: [{ partitionIndex: 0 }] }];
    const deletion = { groupId: talk.group, topics };
    await talk.session.send('offset deleted', OffsetDeleteRequest, OffsetDeleteResponse, deletion, {
      version: 0,
    });
    await talk.look('one left');
    const groups = { groupsNames: [talk.group] };
    await talk.session.send('group deleted', DeleteGroupsRequest, DeleteGroupsResponse, groups, {
      version: 2,
    });
    await talk.look('none left');
    await talk.end('committed', true);
    await talk.look('committed');
  },

  'a group without members': async talk => {
    const named = (generationIdOrMemberEpoch: number, memberId: string) =>
      talk.session.version < MEMBER_MIN_VERSION ? {} : { generationIdOrMemberEpoch, memberId };
    await talk.commit('generation of none', 1, named(3, 'm'));
    await talk.commit('made', 1);
    await talk.commit('generation 3', 1, named(3, 'm'));
    await talk.commit('generation 0', 1, named(0, 'm'));
    await talk.commit('member', 1, named(-1, 'm'));
    await talk.end('committed', true);
    await talk.look('committed');
  },

  'a group with a member': async talk => {
    const { memberId, generationId } = await talk.join((await talk.join('')).memberId);
    const isNamed = talk.session.version >= MEMBER_MIN_VERSION;
    const named = (generation: number, member: string, instance: string | null = null) =>
      isNamed ? { generationIdOrMemberEpoch: generation, memberId: member, groupInstanceId: instance } : {};
    await talk.commit('before the assignment', 1, named(generationId, memberId));
    const body = {
      groupId: talk.group,
      generationId,
      memberId,
      assignments: [{ memberId, assignment: Buffer.alloc(0) }],
    };
    await talk.session.send('sync', SyncGroupRequest, SyncGroupResponse, body, { version: 3 });
    await talk.commit('as the member', 2, named(generationId, memberId));
    await talk.commit('as nobody', 3);
    await talk.commit('old generation', 4, named(generationId - 1, memberId));
    await talk.commit('no generation', 4, named(-1, memberId));
    await talk.commit('other member', 4, named(generationId, 'm'));
    await talk.commit('instance', 4, named(generationId, memberId, 'i'));
    await talk.end('committed', true);
    await talk.look('committed');
  },
};

const VERSIONS = Array.from({ length: LAST_VERSION + 1 }, (_, version) => version);

/** What both brokers answer, ours first. */
async function transcripts(
  label: string,
  version: number,
  producerId: number,
  run: (talk: Conversation) => Promise<void>,
) {
  return Promise.all(
    brokers.map(async ({ broker }) => {
      const session = new Session(broker.port, `${label}v${version}`, version);
      try {
        await session.createTopic('t', 2);
        await run(new Conversation(session, producerId));
      } catch (error) {
        if (!(error instanceof NoAnswer)) throw error;
      } finally {
        session.close();
      }
      return session.transcript;
    }),
  );
}

describe.each(Object.keys(cases).map((name, index) => ({ name, index })))('$name', ({ name, index }) => {
  test.each(VERSIONS)('with TxnOffsetCommit v%i', async version => {
    const [ours, theirs] = await transcripts(
      `x${index}`,
      version,
      1000 + 100 * index + 10 * version,
      cases[name]!,
    );
    expect(ours).toEqual(theirs);
  });
});

/**
 * The one place where answers differ. Apache Kafka commits the offsets of producer -1 outside of any transaction, those
 * of producer -2 in one that nothing can end, so that they are pending for good, and fails inside of itself on epoch -1.
 */
describe('a producer that is none', () => {
  test.each(VERSIONS)('commits nothing here with TxnOffsetCommit v%i', async version => {
    const kinds = Object.entries<Commit>({
      'no producer': { producerId: -1, producerEpoch: -1 },
      'a producer id below 0': { producerId: -1 },
      'an epoch below 0': { producerEpoch: -1 },
      'a producer id far below 0': { producerId: -2 },
    });
    const found = await transcripts('none', version, 900 + version, async talk => {
      for (const [kind, fields] of kinds) await talk.commit(kind, 1, fields);
      await talk.look('afterwards');
      await talk.ordinaryCommit('ordinary', 2);
      await talk.look('in the end');
    });
    const [ours, theirs] = found.map(
      transcript => new Map(transcript.map(({ step, answer }) => [step, JSON.stringify(answer)])),
    );
    const codes = (answers: Map<string, string> | undefined) =>
      kinds.map(([kind]) => Number(/"errorCode":(-?\d+)/.exec(answers?.get(kind) ?? '')?.[1]));
    expect(codes(ours)).toEqual([49, 49, 47, 49]);
    expect(codes(theirs)).toEqual([0, 0, -1, 0]);
    expect(ours?.get('afterwards: stable, all')).toContain('"topics":[]');
    expect(theirs?.get('afterwards: any')).toContain('"committedOffset":1');
    expect(ours?.get('in the end: stable')).toContain('"committedOffset":2');
    expect(theirs?.get('in the end: stable')).not.toContain('"committedOffset":2');
  });
});
