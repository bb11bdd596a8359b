import { describe, expect, it } from 'vitest';
import { ByteReader } from '../../../src/base/byte-reader.ts';
import { ByteWriter } from '../../../src/base/byte-writer.ts';
import { codecOf } from '../../../src/protocol/codec.ts';
import { errorCodeOf, Errors } from '../../../src/protocol/errors.ts';
import type { BrokerServices } from '../../../src/server/broker-services.ts';
import type { Handler, RequestContext } from '../../../src/server/handler.ts';
import { offsetCommit } from '../../../src/server/handlers/08-offset-commit.ts';
import { offsetFetch } from '../../../src/server/handlers/09-offset-fetch.ts';
import { findCoordinator } from '../../../src/server/handlers/10-find-coordinator.ts';
import { joinGroup } from '../../../src/server/handlers/11-join-group.ts';
import { heartbeat } from '../../../src/server/handlers/12-heartbeat.ts';
import { leaveGroup } from '../../../src/server/handlers/13-leave-group.ts';
import { syncGroup } from '../../../src/server/handlers/14-sync-group.ts';
import { describeGroups } from '../../../src/server/handlers/15-describe-groups.ts';
import { listGroups } from '../../../src/server/handlers/16-list-groups.ts';
import { txnOffsetCommit } from '../../../src/server/handlers/28-txn-offset-commit.ts';
import { deleteGroups } from '../../../src/server/handlers/42-delete-groups.ts';
import { offsetDelete } from '../../../src/server/handlers/47-offset-delete.ts';
import { GroupHarness } from '../../coordinator/group-harness.ts';

const T = 'AQIDBAUGBwgJCgsMDQ4PEA';
const UNKNOWN = 'EAECAwQFBgcICQoLDA0ODw';

// biome-ignore lint/suspicious/noExplicitAny: which fields there are depends on the message and its version.
type Wire = any;

interface Topic {
  name: string;
  id: string;
  partitions: { leader: number }[];
}

/** A broker with topic `t` of two partitions, and `__consumer_offsets` unless told otherwise. */
class Server {
  readonly harness: GroupHarness;
  readonly created: string[] = [];
  readonly topics: Topic[] = [{ name: 't', id: T, partitions: [{ leader: 1 }, { leader: 1 }] }];

  constructor(harness: GroupHarness) {
    this.harness = harness;
    this.topics.push({
      name: '__consumer_offsets',
      id: UNKNOWN.replace('E', 'F'),
      partitions: [{ leader: 1 }],
    });
  }

  static async start(): Promise<Server> {
    return new Server(await GroupHarness.started({ initialRebalanceDelayMs: 10 }));
  }

  private get broker(): BrokerServices {
    const find = (key: 'name' | 'id') => (value: string) => this.topics.find(topic => topic[key] === value);
    const endpoint = { host: 'here', port: 9092 };
    const broker = { id: 1, fenced: false, listeners: new Map([['PLAINTEXT', endpoint]]) };
    return {
      groupCoordinator: this.harness.coordinator,
      metadata: () => ({
        topics: { topic: find('name'), topicById: find('id') },
        cluster: { broker: (id: number) => (id === 1 ? broker : undefined) },
      }),
      autoCreateTopics: (names: string[]) => this.created.push(...names),
    } as unknown as BrokerServices;
  }

  /** The answer to a request, both as they come off the wire in that version. */
  async ask(handler: Handler<BrokerServices>, apiVersion: number, request: object): Promise<Wire> {
    const context = {
      apiVersion,
      clientId: 'c',
      clientAddress: '127.0.0.1',
      listenerName: 'PLAINTEXT',
    } as RequestContext;
    const decoded = through(handler.request, apiVersion, request);
    const answering = (async () => handler.handle(context, decoded, this.broker))().catch(error =>
      handler.failure(decoded, errorCodeOf(error), 'message', context),
    );
    await this.harness.clock.pass(20);
    return through(handler.response, apiVersion, (await answering) as object);
  }
}

function through(message: Handler<BrokerServices>['request'], version: number, value: object): Wire {
  const codec = codecOf(message, version);
  const writer = new ByteWriter();
  codec.encode(writer, value);
  return codec.decode(new ByteReader(writer.concat()));
}

function versions(handler: Handler<BrokerServices>, from = handler.minVersion): number[] {
  return Array.from({ length: handler.maxVersion - from + 1 }, (_, i) => from + i);
}

const topicIn = (version: number, topic: { name?: string; topicId?: string }) =>
  version >= 10 ? { topicId: topic.topicId ?? T } : { name: topic.name ?? 't' };

describe('TxnOffsetCommit', () => {
  const request = (version: number, fields: object = {}) => {
    const topic = version >= 6 ? { topicId: T } : { name: 't' };
    const partitions = [{ partitionIndex: 1, committedOffset: 7, committedMetadata: 'm' }];
    const ids = { transactionalId: 'txn', groupId: 'g', producerId: 9, producerEpoch: 2, memberId: '' };
    return { ...ids, topics: [{ ...topic, partitions }], ...fields };
  };

  it('commits with the transaction, in every version, when that has been verified', async () => {
    for (const version of versions(txnOffsetCommit)) {
      const server = await Server.start();
      const asked: unknown[] = [];
      server.harness.partitions.verify = transaction => {
        asked.push(transaction);
        return undefined;
      };
      const { topics } = await server.ask(txnOffsetCommit, version, request(version));
      const named = version >= 6 ? { topicId: T } : { name: 't' };
      expect(topics).toMatchObject([{ ...named, partitions: [{ partitionIndex: 1, errorCode: 0 }] }]);
      const operation =
        version >= 5 ? 'addPartition' : version === 4 ? 'genericErrorSupported' : 'defaultError';
      const transaction = { transactionalId: 'txn', producerId: 9, producerEpoch: 2, operation };
      expect(asked).toEqual([transaction]);
      expect(await server.harness.fetch(1)).toBe(-1);
      await server.harness.end(9, true, { producerEpoch: 2 });
      expect(await server.harness.fetch(1)).toBe(7);
    }
  });

  it('tells a topic that is not there by its name or its id, and asks nobody about it', async () => {
    const server = await Server.start();
    server.harness.partitions.verify = () => {
      throw new Error('asked');
    };
    for (const version of versions(txnOffsetCommit)) {
      const topic = version >= 6 ? { topicId: UNKNOWN } : { name: 'x' };
      const partitions = [{ partitionIndex: 0, committedOffset: 7, committedMetadata: '' }];
      const topics = [{ ...topic, partitions }];
      const answer = await server.ask(txnOffsetCommit, version, request(version, { topics }));
      expect(answer.topics[0].partitions[0].errorCode).toBe(
        version >= 6 ? Errors.UNKNOWN_TOPIC_ID : Errors.UNKNOWN_TOPIC_OR_PARTITION,
      );
    }
  });
});

describe('OffsetCommit and OffsetFetch', () => {
  it('carry an offset from one version to all others', async () => {
    for (const version of versions(offsetCommit, 1)) {
      const server = await Server.start();
      const partitions = [{ partitionIndex: 1, committedOffset: 7, committedMetadata: 'm' }];
      const answer = await server.ask(offsetCommit, version, {
        groupId: 'g',
        topics: [{ ...topicIn(version, {}), partitions }],
      });
      expect(answer.topics).toMatchObject([
        { ...topicIn(version, {}), partitions: [{ partitionIndex: 1, errorCode: 0 }] },
      ]);
      for (const fetchVersion of versions(offsetFetch, 1)) {
        const found = { committedOffset: 7, metadata: 'm', errorCode: 0 };
        const topics = [{ ...topicIn(fetchVersion, {}), partitionIndexes: [1] }];
        const request = fetchVersion >= 8 ? { groups: [{ groupId: 'g', topics }] } : { groupId: 'g', topics };
        const fetched = await server.ask(offsetFetch, fetchVersion, request);
        const of = fetchVersion >= 8 ? fetched.groups[0] : fetched;
        expect(of).toMatchObject({ topics: [{ ...topicIn(fetchVersion, {}), partitions: [found] }] });
        if (fetchVersion < 2) continue;
        const all =
          fetchVersion >= 8 ? { groups: [{ groupId: 'g', topics: null }] } : { groupId: 'g', topics: null };
        const fetchedAll = await server.ask(offsetFetch, fetchVersion, all);
        expect(fetchVersion >= 8 ? fetchedAll.groups[0] : fetchedAll).toMatchObject({
          topics: [{ ...topicIn(fetchVersion, {}), partitions: [found] }],
        });
      }
    }
  });

  it('refuse version 0, whose offsets were in ZooKeeper', async () => {
    const server = await Server.start();
    const partitions = [{ partitionIndex: 0, committedOffset: 7, committedMetadata: '' }];
    const commit = await server.ask(offsetCommit, 0, { groupId: 'g', topics: [{ name: 't', partitions }] });
    expect(commit.topics[0].partitions[0].errorCode).toBe(Errors.UNSUPPORTED_VERSION);
    const fetch = await server.ask(offsetFetch, 0, {
      groupId: 'g',
      topics: [{ name: 't', partitionIndexes: [0] }],
    });
    expect(fetch.topics[0].partitions[0]).toMatchObject({
      committedOffset: -1,
      errorCode: Errors.UNSUPPORTED_VERSION,
    });
  });

  it('tell topics and partitions that are not there from those that are', async () => {
    const server = await Server.start();
    for (const version of [9, 10]) {
      const commit = (partitionIndex: number) => ({
        partitionIndex,
        committedOffset: 3,
        committedMetadata: '',
      });
      const answer = await server.ask(offsetCommit, version, {
        groupId: 'g',
        topics: [
          { ...topicIn(version, { name: 'x', topicId: UNKNOWN }), partitions: [commit(0)] },
          { ...topicIn(version, {}), partitions: [commit(9), commit(0)] },
        ],
      });
      const missing = version >= 10 ? Errors.UNKNOWN_TOPIC_ID : Errors.UNKNOWN_TOPIC_OR_PARTITION;
      expect(answer.topics.map((topic: Wire) => topic.partitions)).toEqual([
        [{ partitionIndex: 0, errorCode: missing }],
        [
          { partitionIndex: 9, errorCode: Errors.UNKNOWN_TOPIC_OR_PARTITION },
          { partitionIndex: 0, errorCode: Errors.NONE },
        ],
      ]);
    }
    const fetched = await server.ask(offsetFetch, 10, {
      groups: [
        {
          groupId: 'g',
          topics: [
            { topicId: UNKNOWN, partitionIndexes: [0] },
            { topicId: T, partitionIndexes: [0] },
          ],
        },
        { groupId: 'none', topics: null },
      ],
    });
    expect(fetched.groups[0].topics).toMatchObject([
      { topicId: UNKNOWN, partitions: [{ committedOffset: -1, errorCode: Errors.UNKNOWN_TOPIC_ID }] },
      { topicId: T, partitions: [{ committedOffset: 3, errorCode: Errors.NONE }] },
    ]);
    expect(fetched.groups[1]).toMatchObject({ groupId: 'none', topics: [], errorCode: Errors.NONE });
  });

  it('put an error of the group where each version has room for it', async () => {
    const server = await Server.start();
    server.harness.coordinator.onResignation(0, 9);
    const topics = [{ name: 't', partitionIndexes: [0] }];
    const v1 = await server.ask(offsetFetch, 1, { groupId: 'g', topics });
    expect(v1.topics[0].partitions[0]).toMatchObject({
      committedOffset: -1,
      errorCode: Errors.NOT_COORDINATOR,
    });
    expect(await server.ask(offsetFetch, 5, { groupId: 'g', topics })).toMatchObject({
      errorCode: Errors.NOT_COORDINATOR,
    });
    const v9 = await server.ask(offsetFetch, 9, { groups: [{ groupId: 'g', topics }] });
    expect(v9.groups).toMatchObject([{ groupId: 'g', topics: [], errorCode: Errors.NOT_COORDINATOR }]);
    const partitions = [{ partitionIndex: 0, committedOffset: 7, committedMetadata: '' }];
    const commit = await server.ask(offsetCommit, 9, { groupId: 'g', topics: [{ name: 't', partitions }] });
    expect(commit.topics[0].partitions[0].errorCode).toBe(Errors.NOT_COORDINATOR);
  });
});

describe('FindCoordinator', () => {
  it('names the leader of the partition that the group belongs to, in every version', async () => {
    const server = await Server.start();
    for (const version of versions(findCoordinator)) {
      const answer = await server.ask(
        findCoordinator,
        version,
        version < 4 ? { key: 'g' } : { coordinatorKeys: ['g', ''] },
      );
      const found = version < 4 ? answer : answer.coordinators[0];
      expect(found).toMatchObject({ nodeId: 1, host: 'here', port: 9092, errorCode: Errors.NONE });
      if (version >= 4) expect(answer.coordinators).toHaveLength(2);
    }
  });

  it('has the topic created when it is asked for the first time', async () => {
    const server = await Server.start();
    server.topics.pop();
    const answer = await server.ask(findCoordinator, 3, { key: 'g' });
    expect(answer).toMatchObject({
      nodeId: -1,
      host: '',
      port: -1,
      errorCode: Errors.COORDINATOR_NOT_AVAILABLE,
    });
    expect(server.created).toEqual(['__consumer_offsets']);
  });

  it('does not name a leader that is not there, nor coordinators that do not exist', async () => {
    const server = await Server.start();
    server.topics[1]!.partitions[0]!.leader = 2;
    const ask = async (version: number, keyType: number) =>
      (await server.ask(findCoordinator, version, { coordinatorKeys: ['g'], keyType })).coordinators[0]
        .errorCode;
    expect(await ask(6, 0)).toBe(Errors.COORDINATOR_NOT_AVAILABLE);
    expect(await ask(6, 1)).toBe(Errors.COORDINATOR_NOT_AVAILABLE);
    expect(await ask(6, 2)).toBe(Errors.COORDINATOR_NOT_AVAILABLE);
    expect(await ask(5, 2)).toBe(Errors.INVALID_REQUEST);
    expect(await ask(6, 3)).toBe(Errors.INVALID_REQUEST);
  });
});

describe('the member APIs', () => {
  it('bring a member in and out of a group in every version', async () => {
    for (const version of versions(joinGroup)) {
      const server = await Server.start();
      const join = (memberId: string) =>
        server.ask(joinGroup, version, {
          groupId: 'g',
          sessionTimeoutMs: 10_000,
          ...(version >= 1 ? { rebalanceTimeoutMs: 60_000 } : {}),
          memberId,
          protocolType: 'consumer',
          protocols: [{ name: 'range', metadata: Buffer.alloc(0) }],
        });
      let joined = await join('');
      if (version >= 4) {
        expect(joined).toMatchObject({ errorCode: Errors.MEMBER_ID_REQUIRED, generationId: -1 });
        joined = await join(joined.memberId);
      }
      expect(joined).toMatchObject({ errorCode: Errors.NONE, generationId: 1, protocolName: 'range' });
      const member = { groupId: 'g', generationId: 1, memberId: joined.memberId };
      const syncVersion = Math.min(version, syncGroup.maxVersion);
      const synced = await server.ask(syncGroup, syncVersion, {
        ...member,
        ...(syncVersion >= 5 ? { protocolType: 'consumer', protocolName: 'range' } : {}),
        assignments: [{ memberId: joined.memberId, assignment: Buffer.from('all') }],
      });
      expect(synced.errorCode).toBe(Errors.NONE);
      expect(synced.assignment.toString()).toBe('all');
      const beat = await server.ask(heartbeat, Math.min(version, heartbeat.maxVersion), member);
      expect(beat.errorCode).toBe(Errors.NONE);
      const leaveVersion = Math.min(version, leaveGroup.maxVersion);
      const leave = async () =>
        server.ask(leaveGroup, leaveVersion, {
          groupId: 'g',
          ...(leaveVersion < 3
            ? { memberId: joined.memberId }
            : { members: [{ memberId: joined.memberId }] }),
        });
      const left = await leave();
      expect(left.errorCode).toBe(Errors.NONE);
      if (leaveVersion >= 3)
        expect(left.members).toMatchObject([{ memberId: joined.memberId, errorCode: Errors.NONE }]);
      const leftTwice = await leave();
      expect(leaveVersion < 3 ? leftTwice.errorCode : leftTwice.members[0].errorCode).toBe(
        Errors.UNKNOWN_MEMBER_ID,
      );
    }
  });

  it('answer a refused join in every version', async () => {
    const server = await Server.start();
    for (const version of versions(joinGroup)) {
      const request = {
        groupId: 'g',
        sessionTimeoutMs: 1,
        memberId: 'm',
        protocolType: 'consumer',
        protocols: [],
      };
      expect(await server.ask(joinGroup, version, request)).toMatchObject({
        errorCode: Errors.INVALID_SESSION_TIMEOUT,
        memberId: 'm',
        protocolName: version >= 7 ? null : '',
      });
    }
  });

  it('want the protocol with SyncGroup since version 5', async () => {
    const server = await Server.start();
    const request = { groupId: 'g', generationId: 1, memberId: 'm' };
    expect((await server.ask(syncGroup, 5, request)).errorCode).toBe(Errors.INCONSISTENT_GROUP_PROTOCOL);
    expect((await server.ask(syncGroup, 4, request)).errorCode).toBe(Errors.UNKNOWN_MEMBER_ID);
  });
});

describe('the admin APIs of groups', () => {
  it('describe, list and delete in every version', async () => {
    const server = await Server.start();
    await server.harness.stable(1);
    for (const version of versions(describeGroups)) {
      const answer = await server.ask(describeGroups, version, {
        groups: ['g', 'x'],
        ...(version >= 3 ? { includeAuthorizedOperations: true } : {}),
      });
      expect(answer.groups[0]).toMatchObject({ groupId: 'g', groupState: 'Stable', errorCode: Errors.NONE });
      expect(answer.groups[0].authorizedOperations).toBe(version >= 3 ? 3400 : -2147483648);
      expect(answer.groups[1]).toMatchObject({
        groupState: 'Dead',
        errorCode: version >= 6 ? Errors.GROUP_ID_NOT_FOUND : Errors.NONE,
      });
    }
    for (const version of versions(listGroups)) {
      const answer = await server.ask(listGroups, version, version >= 4 ? { statesFilter: ['Stable'] } : {});
      expect(answer.groups).toEqual([
        {
          groupId: 'g',
          protocolType: 'consumer',
          groupState: version >= 4 ? 'Stable' : '',
          groupType: version >= 5 ? 'classic' : '',
        },
      ]);
    }
    for (const version of versions(deleteGroups)) {
      await server.harness.commit(1, { group: 'simple' });
      const answer = await server.ask(deleteGroups, version, { groupsNames: ['g', 'simple'] });
      expect(answer.results.map((result: Wire) => [result.groupId, result.errorCode])).toEqual([
        ['g', Errors.NON_EMPTY_GROUP],
        ['simple', Errors.NONE],
      ]);
    }
  });

  it('delete offsets of partitions that there are', async () => {
    const server = await Server.start();
    await server.harness.commit(1, { group: 'simple' });
    const partitions = [{ partitionIndex: 9 }, { partitionIndex: 0 }];
    const answer = await server.ask(offsetDelete, 0, {
      groupId: 'simple',
      topics: [
        { name: 'x', partitions },
        { name: 't', partitions },
      ],
    });
    const missing = Errors.UNKNOWN_TOPIC_OR_PARTITION;
    expect(answer.errorCode).toBe(Errors.NONE);
    expect(
      answer.topics.map((topic: Wire) => topic.partitions.map((partition: Wire) => partition.errorCode)),
    ).toEqual([
      [missing, missing],
      [missing, Errors.NONE],
    ]);
    expect(await server.harness.fetchAll('simple')).toEqual({});
    expect((await server.ask(offsetDelete, 0, { groupId: 'none', topics: [] })).errorCode).toBe(
      Errors.GROUP_ID_NOT_FOUND,
    );
  });
});
