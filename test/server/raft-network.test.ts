import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { randomUuid, ZERO_UUID } from '../../src/base/uuid.ts';
import { silentLogger } from '../../src/base/logger.ts';
import { NetworkClient } from '../../src/client/network-client.ts';
import { Errors } from '../../src/protocol/errors.ts';
import { FetchRequest, FetchResponse } from '../../src/protocol/messages/01-fetch.ts';
import { VoteRequest, VoteResponse } from '../../src/protocol/messages/52-vote.ts';
import {
  BeginQuorumEpochRequest,
  BeginQuorumEpochResponse,
} from '../../src/protocol/messages/53-begin-quorum-epoch.ts';
import {
  DescribeQuorumRequest,
  DescribeQuorumResponse,
} from '../../src/protocol/messages/55-describe-quorum.ts';
import {
  FetchSnapshotRequest,
  FetchSnapshotResponse,
} from '../../src/protocol/messages/59-fetch-snapshot.ts';
import { AddRaftVoterRequest, AddRaftVoterResponse } from '../../src/protocol/messages/80-add-raft-voter.ts';
import {
  RemoveRaftVoterRequest,
  RemoveRaftVoterResponse,
} from '../../src/protocol/messages/81-remove-raft-voter.ts';
import {
  UpdateRaftVoterRequest,
  UpdateRaftVoterResponse,
} from '../../src/protocol/messages/82-update-raft-voter.ts';
import { NodeRuntime } from '../../src/runtime/node/node-runtime.ts';
import type { InitialVoters } from '../../src/tools/storage-formatter.ts';
import { Quorum, type QuorumNode } from '../raft/support/quorum-node.ts';
import { freePort } from '../support/free-ports.ts';

const TOPIC = '__cluster_metadata';
const VOTE = { request: VoteRequest, response: VoteResponse };
const BEGIN = { request: BeginQuorumEpochRequest, response: BeginQuorumEpochResponse };
const FETCH = { request: FetchRequest, response: FetchResponse };
const FETCH_SNAPSHOT = { request: FetchSnapshotRequest, response: FetchSnapshotResponse };
const DESCRIBE = { request: DescribeQuorumRequest, response: DescribeQuorumResponse };
const ADD = { request: AddRaftVoterRequest, response: AddRaftVoterResponse };
const REMOVE = { request: RemoveRaftVoterRequest, response: RemoveRaftVoterResponse };
const UPDATE = { request: UpdateRaftVoterRequest, response: UpdateRaftVoterResponse };
const WITHIN = { timeoutMs: 20_000 };

const runtime = new NodeRuntime();
let quorum: Quorum;
let client: NetworkClient;

beforeEach(() => {
  quorum = new Quorum();
  client = new NetworkClient(runtime, silentLogger, {
    clientId: 'test',
    connectTimeoutMs: 10_000,
    maxFrameBytes: 16 * 1024 * 1024,
  });
});
afterEach(async () => {
  client.close();
  await quorum.close();
});

const uuid = (): string => randomUuid(size => runtime.random.bytes(size));
const addressOf = ({ port }: QuorumNode) => ({ host: '127.0.0.1', port });

/** Three controllers whose voters are configuration (`kraft.version` 0). */
async function fixedQuorum(properties: Record<string, string> = {}): Promise<QuorumNode[]> {
  const ports = [await freePort(), await freePort(), await freePort()];
  const voters = ports.map((port, index) => `${index + 1}@127.0.0.1:${port}`).join(',');
  for (const [index, port] of ports.entries()) {
    await quorum.add({
      id: index + 1,
      port,
      initialVoters: { kind: 'fixed' },
      properties: { 'controller.quorum.voters': voters, ...properties },
    });
  }
  await Promise.all(quorum.nodes.map(node => node.start()));
  return quorum.nodes;
}

/** One controller whose voters are records, and where others find it. */
async function dynamicQuorum(): Promise<{ first: QuorumNode; bootstrap: Record<string, string> }> {
  const port = await freePort();
  const bootstrap = { 'controller.quorum.bootstrap.servers': `127.0.0.1:${port}` };
  const initialVoters: InitialVoters = { kind: 'standalone' };
  const first = await quorum.add({ id: 1, port, initialVoters, properties: bootstrap });
  await first.start();
  return { first, bootstrap };
}

async function addObserver(
  id: number,
  properties: Record<string, string>,
  roles = 'controller',
): Promise<QuorumNode> {
  const kind = properties['controller.quorum.voters'] === undefined ? 'none' : 'fixed';
  const node = await quorum.add({ id, roles, initialVoters: { kind }, properties });
  await node.start();
  return node;
}

function addVoter(to: QuorumNode, voter: QuorumNode) {
  return client.send(
    addressOf(to),
    ADD,
    {
      clusterId: quorum.clusterId,
      timeoutMs: 15_000,
      voterId: voter.id,
      voterDirectoryId: voter.directoryId,
      listeners: [{ name: 'CONTROLLER', host: '127.0.0.1', port: voter.port }],
    },
    WITHIN,
  );
}

function removeVoter(to: QuorumNode, voterId: number, voterDirectoryId: string) {
  return client.send(
    addressOf(to),
    REMOVE,
    { clusterId: quorum.clusterId, voterId, voterDirectoryId },
    WITHIN,
  );
}

describe('a quorum of three over TCP', () => {
  it('elects a leader that all follow, and has every record everywhere', { timeout: 60_000 }, async () => {
    const nodes = await fixedQuorum();
    const leader = await quorum.leader();
    await quorum.replicate('a', 'b', 'c');
    await quorum.replicate('d');
    for (const node of nodes) {
      expect(node.values).toEqual(['a', 'b', 'c', 'd']);
      expect(node.network.leaderEndpoint()).toEqual({ id: leader.id, host: '127.0.0.1', port: leader.port });
      expect(node.network.voterEndpoints().map(({ port }) => port)).toEqual(nodes.map(({ port }) => port));
    }
  });

  it('goes on when its leader is gone, and takes it back as a follower', { timeout: 60_000 }, async () => {
    await fixedQuorum();
    const old = await quorum.leader();
    await quorum.replicate('a');
    await old.kill();
    const next = await quorum.leader();
    expect(next.id).not.toBe(old.id);
    await quorum.replicate('b');
    await old.start();
    await quorum.replicate('c');
    expect(old.values).toEqual(['a', 'b', 'c']);
  });

  it('has another leader at once when its leader stops in good order', { timeout: 60_000 }, async () => {
    // Who waited for a silent leader would wait for longer than this test does.
    await fixedQuorum({ 'controller.quorum.fetch.timeout.ms': '600000' });
    await quorum.replicate('a');
    const old = await quorum.leader();
    await old.stop();
    const next = await quorum.leader();
    expect(next.id).not.toBe(old.id);
    await quorum.replicate('b');
  });

  it('commits nothing without a majority, and what was written then is committed or cut', {
    timeout: 60_000,
  }, async () => {
    await fixedQuorum();
    await quorum.replicate('a');
    const leader = await quorum.leader();
    const others = quorum.nodes.filter(node => node !== leader);
    await Promise.all(others.map(node => node.kill()));
    leader.driver.scheduleAppend(leader.driver.leaderAndEpoch().epoch, [Buffer.from('alone')]);
    await quorum.until('the leader resigns', () => leader.driver.leaderAndEpoch().leaderId === undefined);
    expect(leader.values).toEqual(['a']);
    await Promise.all(others.map(node => node.start()));
    await quorum.replicate('b');
    const logs = new Set(quorum.nodes.map(node => node.values.join()));
    expect(logs.size).toBe(1);
  });

  it('brings one that was away for long back by a snapshot in several parts', {
    timeout: 60_000,
  }, async () => {
    await fixedQuorum();
    await quorum.replicate('a');
    const leader = await quorum.leader();
    const away = quorum.nodes.find(node => node !== leader)!;
    await away.kill();
    const big = 'x'.repeat(700_000);
    for (let round = 0; round < 4; round++) {
      await quorum.replicate(`${round}${big}`);
      for (const node of quorum.nodes.filter(each => each.running)) {
        const { epoch } = node.driver.leaderAndEpoch();
        const writer = node.driver.createSnapshot({ offset: node.driver.highWatermark()!, epoch }, 1)!;
        for (const value of node.values) writer.append([Buffer.from(value)]);
        await writer.freeze();
      }
    }
    await away.start();
    await quorum.replicate('z');
    expect(away.snapshotsLoaded).toBe(1);
    expect(away.values).toEqual(leader.values);
  });

  it('is followed by a broker that has no vote', { timeout: 60_000 }, async () => {
    const nodes = await fixedQuorum();
    const voters = nodes.map(({ id, port }) => `${id}@127.0.0.1:${port}`).join(',');
    await quorum.replicate('a');
    const broker = await addObserver(10, { 'controller.quorum.voters': voters }, 'broker');
    await quorum.replicate('b');
    expect(broker.values).toEqual(['a', 'b']);
    const leader = await quorum.leader();
    expect(broker.network.leaderEndpoint()).toEqual({ id: leader.id, host: '127.0.0.1', port: leader.port });
    let changes = 0;
    const end = broker.network.onLeaderChange(() => changes++);
    await leader.stop();
    await quorum.leader();
    await quorum.replicate('c');
    expect(changes).toBeGreaterThan(0);
    end();
    expect(broker.driver.isVoter).toBe(false);
  });

  it('raises kraft.version to 1 with what the voters have said of themselves', {
    timeout: 60_000,
  }, async () => {
    await fixedQuorum();
    await quorum.replicate('a');
    const leader = await quorum.leader();
    expect(leader.network.membership.finalizedKRaftVersion()).toBe(0);
    await quorum.until('all voters have reported', () => {
      try {
        leader.network.membership.upgradeKRaftVersion(1, true);
        return true;
      } catch {
        return false;
      }
    });
    leader.network.membership.upgradeKRaftVersion(1, false);
    await quorum.until('kraft.version 1 everywhere', () =>
      quorum.nodes.every(node => node.driver.kraftVersion === 1),
    );
    for (const node of quorum.nodes) {
      expect(node.driver.voters.voters).toEqual(
        quorum.nodes.map(({ id, port, directoryId }) => ({
          id,
          directoryId,
          endpoints: [{ name: 'CONTROLLER', host: '127.0.0.1', port }],
          minKRaftVersion: 0,
          maxKRaftVersion: 1,
        })),
      );
    }
    await leader.kill();
    await quorum.replicate('b');
    await leader.start();
    await quorum.replicate('c');
    expect(leader.driver.kraftVersion).toBe(1);
  });
});

describe('a quorum whose voters are records', () => {
  it('is found through bootstrap servers, and takes voters and lets them go', {
    timeout: 60_000,
  }, async () => {
    const { first, bootstrap } = await dynamicQuorum();
    const second = await addObserver(2, bootstrap);
    const third = await addObserver(3, bootstrap);
    await quorum.replicate('a');
    expect(first.driver.voters.ids).toEqual([1]);

    expect(await addVoter(first, second)).toMatchObject({ errorCode: Errors.NONE });
    expect(first.driver.voters.ids).toEqual([1, 2]);
    expect(await addVoter(first, third)).toMatchObject({ errorCode: Errors.NONE });
    await quorum.replicate('b');
    expect(third.driver.voters.ids).toEqual([1, 2, 3]);
    expect(third.driver.isVoter).toBe(true);

    expect(await removeVoter(first, 1, first.directoryId)).toMatchObject({ errorCode: Errors.NONE });
    const next = await quorum.until('a voter leads', () =>
      [second, third].find(node => node.heardLeader.leaderId === node.id),
    );
    await quorum.replicate('c');
    expect(next.driver.voters.ids).toEqual([2, 3]);
    expect(first.driver.isVoter).toBe(false);
  });

  it('survives a restart of all, with voters that only the log names', { timeout: 60_000 }, async () => {
    const { first, bootstrap } = await dynamicQuorum();
    const second = await addObserver(2, bootstrap);
    await quorum.replicate('a');
    await addVoter(first, second);
    await quorum.replicate('b');
    await Promise.all(quorum.nodes.map(node => node.kill()));
    await Promise.all(quorum.nodes.map(node => node.start()));
    await quorum.replicate('c');
    expect(quorum.nodes.map(node => node.values)).toEqual([
      ['a', 'b', 'c'],
      ['a', 'b', 'c'],
    ]);
  });

  it('takes controllers that join by themselves, also with a new disk', { timeout: 60_000 }, async () => {
    const { first, bootstrap } = await dynamicQuorum();
    const joins = { ...bootstrap, 'controller.quorum.auto.join.enable': 'true' };
    await addObserver(2, joins);
    const third = await addObserver(3, joins);
    await quorum.until('three voters', () => first.driver.voters.ids.join() === '1,2,3');
    await quorum.replicate('a');
    await third.kill();
    const { port } = third;
    quorum.nodes.splice(quorum.nodes.indexOf(third), 1);
    const again = await quorum.add({ id: 3, port, initialVoters: { kind: 'none' }, properties: joins });
    third.remove();
    await again.start();
    await quorum.until('the new disk is a voter', () => again.driver.isVoter);
    await quorum.replicate('b');
    expect(first.driver.voters.get(3)?.directoryId).toBe(again.directoryId);
  });

  it('has the address of a voter corrected when that has moved', { timeout: 60_000 }, async () => {
    const { first, bootstrap } = await dynamicQuorum();
    const second = await addObserver(2, bootstrap);
    await addVoter(first, second);
    await quorum.replicate('a');
    const endpoints = [{ name: 'CONTROLLER', host: 'localhost', port: second.port }];
    second.network.attach(second.driver, endpoints);
    await quorum.until('the new address is in the voter set', () =>
      quorum.nodes.every(node => node.driver.voters.get(2)?.endpoints[0]?.host === 'localhost'),
    );
  });

  it('refuses changes that cannot be made, with what to do', { timeout: 60_000 }, async () => {
    const { first, bootstrap } = await dynamicQuorum();
    const second = await addObserver(2, bootstrap);
    await quorum.replicate('a');
    expect(await addVoter(first, first)).toMatchObject({
      errorCode: Errors.DUPLICATE_VOTER,
      errorMessage: 'node 1 is a voter already: remove it first',
    });
    expect(await addVoter(second, second)).toMatchObject({ errorCode: Errors.NOT_LEADER_OR_FOLLOWER });
    expect(await removeVoter(first, 1, first.directoryId)).toMatchObject({
      errorCode: Errors.INVALID_REQUEST,
    });
    expect(await removeVoter(first, 1, uuid())).toMatchObject({ errorCode: Errors.VOTER_NOT_FOUND });
    expect(await removeVoter(first, 7, uuid())).toMatchObject({ errorCode: Errors.VOTER_NOT_FOUND });
    const add = (change: object) =>
      client.send(
        addressOf(first),
        ADD,
        {
          clusterId: quorum.clusterId,
          timeoutMs: 500,
          voterId: 9,
          voterDirectoryId: uuid(),
          listeners: [{ name: 'CONTROLLER', host: '127.0.0.1', port: second.port }],
          ...change,
        },
        WITHIN,
      );
    expect(await add({ clusterId: uuid() })).toMatchObject({ errorCode: Errors.INCONSISTENT_CLUSTER_ID });
    expect(await add({ listeners: [] })).toMatchObject({ errorCode: Errors.INVALID_REQUEST });
    expect(await add({ voterDirectoryId: ZERO_UUID })).toMatchObject({ errorCode: Errors.INVALID_REQUEST });
    // It answers, and never fetches.
    expect(await add({})).toMatchObject({ errorCode: Errors.REQUEST_TIMED_OUT });
    const nobody = [{ name: 'CONTROLLER', host: '127.0.0.1', port: await freePort() }];
    expect((await add({ listeners: nobody })).errorMessage).toContain('cannot be asked what it supports');
    expect(first.driver.voters.ids).toEqual([1]);

    const update = (change: object) =>
      client.send(
        addressOf(first),
        UPDATE,
        {
          clusterId: quorum.clusterId,
          currentLeaderEpoch: first.driver.leaderAndEpoch().epoch,
          voterId: 1,
          voterDirectoryId: first.directoryId,
          listeners: [{ name: 'CONTROLLER', host: '127.0.0.1', port: first.port }],
          kRaftVersionFeature: { minSupportedVersion: 0, maxSupportedVersion: 1 },
          ...change,
        },
        WITHIN,
      );
    expect(await update({ currentLeaderEpoch: 0 })).toMatchObject({
      errorCode: Errors.FENCED_LEADER_EPOCH,
      currentLeader: { leaderId: 1, host: '127.0.0.1', port: first.port },
    });
    expect(await update({ voterId: 5 })).toMatchObject({ errorCode: Errors.VOTER_NOT_FOUND });
    const tooOld = { kRaftVersionFeature: { minSupportedVersion: 0, maxSupportedVersion: 0 } };
    expect(await update(tooOld)).toMatchObject({ errorCode: Errors.INVALID_REQUEST });
  });

  it('is described by its leader, with replicas that have no vote', { timeout: 60_000 }, async () => {
    const { first, bootstrap } = await dynamicQuorum();
    const second = await addObserver(2, bootstrap);
    await quorum.replicate('a');
    const topics = [
      { topicName: TOPIC, partitions: [{ partitionIndex: 0 }] },
      { topicName: 'other', partitions: [{ partitionIndex: 3 }] },
    ];
    const described = await client.send(addressOf(first), DESCRIBE, { topics }, WITHIN);
    const [metadata, other] = described.topics;
    expect(other!.partitions).toMatchObject([
      { partitionIndex: 3, errorCode: Errors.UNKNOWN_TOPIC_OR_PARTITION },
    ]);
    const partition = metadata!.partitions[0]!;
    expect(partition).toMatchObject({
      errorCode: 0,
      leaderId: 1,
      highWatermark: first.driver.highWatermark(),
    });
    expect(partition.currentVoters).toMatchObject([{ replicaId: 1, replicaDirectoryId: first.directoryId }]);
    expect(partition.observers).toMatchObject([{ replicaId: 2, replicaDirectoryId: second.directoryId }]);
    expect(Math.abs(Number(partition.observers[0]!.lastFetchTimestamp) - Date.now())).toBeLessThan(60_000);
    expect(described.nodes).toMatchObject([
      { nodeId: 1, listeners: [{ name: 'CONTROLLER', host: '127.0.0.1', port: first.port }] },
    ]);
    expect(
      await client.send(addressOf(first), DESCRIBE, { topics }, { ...WITHIN, maxVersion: 0 }),
    ).toMatchObject({
      topics: [{}, {}],
    });
    expect(await client.send(addressOf(second), DESCRIBE, { topics }, WITHIN)).toMatchObject({
      errorCode: Errors.NOT_LEADER_OR_FOLLOWER,
    });
  });
});

describe('a request to a member of the quorum', () => {
  const partitionsOf = (partition: object) => [
    { topicName: TOPIC, partitions: [{ partitionIndex: 0, ...partition }] },
  ];

  it('of another cluster is refused, and the other side hears why', { timeout: 60_000 }, async () => {
    const { first, bootstrap } = await dynamicQuorum();
    const stranger = new Quorum();
    try {
      const node = await stranger.add({ id: 2, initialVoters: { kind: 'none' }, properties: bootstrap });
      await node.start();
      await stranger.until('the words', () =>
        node.logger.messages('error').some(message => message.includes('belongs to another cluster')),
      );
    } finally {
      await stranger.close();
    }
    const clusterId = uuid();
    for (const answer of [
      client.send(addressOf(first), VOTE, { clusterId, topics: partitionsOf({}) }, WITHIN),
      client.send(addressOf(first), BEGIN, { clusterId, topics: partitionsOf({}) }, WITHIN),
      client.send(addressOf(first), FETCH, { clusterId }, WITHIN),
      client.send(addressOf(first), FETCH_SNAPSHOT, { clusterId }, WITHIN),
    ]) {
      expect(await answer).toMatchObject({ errorCode: Errors.INCONSISTENT_CLUSTER_ID });
    }
  });

  it('about anything but the metadata log, or with numbers that make no sense, is refused', {
    timeout: 60_000,
  }, async () => {
    const { first } = await dynamicQuorum();
    const to = addressOf(first);
    const refused = { errorCode: Errors.INVALID_REQUEST };
    const other = [{ topicName: 'other', partitions: [{ partitionIndex: 0 }] }];
    const two = [{ topicName: TOPIC, partitions: [{ partitionIndex: 0 }, { partitionIndex: 1 }] }];
    for (const topics of [[], other, two, partitionsOf({ partitionIndex: 5 })]) {
      expect(await client.send(to, VOTE, { topics }, WITHIN)).toMatchObject(refused);
      expect(await client.send(to, BEGIN, { topics }, WITHIN)).toMatchObject(refused);
    }
    expect(await client.send(to, VOTE, { topics: partitionsOf({ replicaId: -5 }) }, WITHIN)).toMatchObject(
      refused,
    );
    const fetch = (partition: object, replicaId = 7) =>
      client.send(
        to,
        FETCH,
        {
          replicaState: { replicaId },
          topics: [
            { topicId: 'AAAAAAAAAAAAAAAAAAAAAQ', partitions: [{ lastFetchedEpoch: 0, ...partition }] },
          ],
        },
        WITHIN,
      );
    expect(await fetch({ fetchOffset: -1 })).toMatchObject(refused);
    expect(await fetch({ lastFetchedEpoch: -1, currentLeaderEpoch: 1 })).toMatchObject(refused);
    expect(await fetch({ currentLeaderEpoch: -1 })).toMatchObject(refused);
    // The id of the node that is asked.
    expect(await fetch({ currentLeaderEpoch: 1, replicaDirectoryId: uuid() }, 1)).toMatchObject(refused);
    expect(first.logger.messages('error').join()).toContain('another node uses the node id of this one');
    expect(first.fatal).toBeUndefined();
  });

  it('says where the leader is when another is asked', { timeout: 60_000 }, async () => {
    const { first, bootstrap } = await dynamicQuorum();
    const second = await addObserver(2, bootstrap);
    await quorum.replicate('a');
    const { epoch } = first.driver.leaderAndEpoch();
    const answer = await client.send(
      addressOf(second),
      FETCH,
      {
        clusterId: quorum.clusterId,
        replicaState: { replicaId: 7 },
        topics: [
          {
            topicId: 'AAAAAAAAAAAAAAAAAAAAAQ',
            partitions: [{ currentLeaderEpoch: epoch, lastFetchedEpoch: 0 }],
          },
        ],
      },
      WITHIN,
    );
    expect(answer.responses[0]!.partitions[0]).toMatchObject({
      errorCode: Errors.NOT_LEADER_OR_FOLLOWER,
      currentLeader: { leaderId: 1, leaderEpoch: epoch },
    });
    expect(answer.nodeEndpoints).toMatchObject([{ nodeId: 1, host: '127.0.0.1', port: first.port }]);
  });

  it('for records is held until there are some, or until its time is over', { timeout: 60_000 }, async () => {
    const { first } = await dynamicQuorum();
    await quorum.replicate('a');
    const { epoch } = first.driver.leaderAndEpoch();
    const end = first.driver.logEndOffset();
    const fetch = (maxWaitMs: number, replicaId: number) =>
      client.send(
        addressOf(first),
        FETCH,
        {
          maxWaitMs,
          replicaState: { replicaId },
          topics: [
            {
              topicId: 'AAAAAAAAAAAAAAAAAAAAAQ',
              partitions: [
                { currentLeaderEpoch: epoch, fetchOffset: end, lastFetchedEpoch: epoch, highWatermark: end },
              ],
            },
          ],
        },
        WITHIN,
      );
    const empty = (await fetch(50, 7)).responses[0]!.partitions[0]!;
    expect(empty).toMatchObject({ errorCode: 0, highWatermark: end });
    expect(empty.records).toHaveLength(0);
    const held = fetch(15_000, -1);
    await quorum.replicate('b');
    expect((await held).responses[0]!.partitions[0]!.records!.length).toBeGreaterThan(0);
  });
});
