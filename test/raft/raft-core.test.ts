import { describe, expect, it } from 'vitest';
import { ZERO_UUID } from '../../src/base/uuid.ts';
import { Errors } from '../../src/protocol/errors.ts';
import type { FetchRequest, RaftMessage, VoteRequest, VoteResponse } from '../../src/raft/raft-message.ts';
import { VoterSet, voterNode } from '../../src/raft/voter-set.ts';
import { directoryId, RaftSimulation } from './support/raft-simulation.ts';

const LIMIT_MS = 20_000;

function quorum(nodes: number, dynamic = false): RaftSimulation {
  const simulation = new RaftSimulation({ nodes, dynamic, seed: 3 });
  simulation.startAll();
  return simulation;
}

function elected(nodes: number, dynamic = false): RaftSimulation {
  const simulation = quorum(nodes, dynamic);
  simulation.settle(() => simulation.leader?.core?.highWatermark !== undefined, LIMIT_MS);
  return simulation;
}

function others(simulation: RaftSimulation): number[] {
  return [...simulation.nodes.keys()].filter(id => id !== simulation.leader!.id);
}

function commit(simulation: RaftSimulation, count = 1): void {
  const { leader } = simulation;
  for (let i = 0; i < count; i++) simulation.propose(leader!.id);
  simulation.settle(() => leader!.core!.highWatermark === leader!.core!.log.endOffset, LIMIT_MS);
}

function voteRequest(changes: Partial<VoteRequest>): VoteRequest {
  return {
    type: 'vote',
    from: 2,
    to: 1,
    correlationId: 77,
    epoch: 1,
    candidate: { id: 2, directoryId: ZERO_UUID },
    voter: { id: 1, directoryId: ZERO_UUID },
    lastEpoch: 0,
    lastOffset: 0,
    preVote: false,
    ...changes,
  };
}

/** What node 1 answers. */
function answer(simulation: RaftSimulation, message: RaftMessage): VoteResponse {
  simulation.drop(() => true);
  simulation.network.push(message);
  simulation.deliver(0);
  const found = simulation.network.find(reply => reply.type === 'voteResponse');
  return found as VoteResponse;
}

describe('5.1 terms (epochs)', () => {
  it('a request of an older epoch is refused, with the newer one in the answer', () => {
    const simulation = elected(3);
    const epoch = simulation.node(1).core!.epoch;
    const reply = answer(simulation, voteRequest({ epoch: epoch - 1 }));
    expect(reply).toMatchObject({ error: Errors.FENCED_LEADER_EPOCH, voteGranted: false, epoch });
  });

  it('a leader that hears of a newer epoch steps down', () => {
    const simulation = elected(1);
    answer(simulation, voteRequest({ epoch: 50, lastEpoch: 50, lastOffset: 100 }));
    expect(simulation.node(1).core!.epoch).toBeGreaterThanOrEqual(50);
  });
});

describe('5.2 leader election', () => {
  it('a voter votes once in an epoch, for whoever asks first', () => {
    const simulation = quorum(3);
    expect(answer(simulation, voteRequest({ epoch: 5 })).voteGranted).toBe(true);
    const second = voteRequest({ epoch: 5, from: 3, candidate: { id: 3, directoryId: ZERO_UUID } });
    expect(answer(simulation, second).voteGranted).toBe(false);
    expect(answer(simulation, voteRequest({ epoch: 5 })).voteGranted).toBe(true);
  });

  it('a voter remembers its vote over a crash (M2)', () => {
    const simulation = quorum(3);
    expect(answer(simulation, voteRequest({ epoch: 5 })).voteGranted).toBe(true);
    simulation.crash(1, 0);
    simulation.start(1);
    const second = voteRequest({ epoch: 5, from: 3, candidate: { id: 3, directoryId: ZERO_UUID } });
    expect(answer(simulation, second).voteGranted).toBe(false);
  });

  it('a leader does not go on leading its epoch after a crash, and votes for nobody in it', () => {
    const simulation = elected(3);
    const leader = simulation.leader!;
    const { epoch } = leader.core!;
    const [other] = others(simulation);
    simulation.crash(leader.id, 0);
    simulation.start(leader.id);
    expect(leader.core!.stateName).toBe('resigned');
    expect(leader.core!.leaderAndEpoch).toEqual({ leaderId: undefined, epoch });
    const request = voteRequest({
      epoch,
      to: leader.id,
      from: other!,
      lastEpoch: epoch,
      lastOffset: 100,
      candidate: { id: other!, directoryId: ZERO_UUID },
      voter: { id: leader.id, directoryId: ZERO_UUID },
    });
    expect(answer(simulation, request).voteGranted).toBe(false);
  });

  it('split votes end, since timeouts differ', () => {
    const simulation = quorum(4);
    expect(simulation.settle(() => simulation.leader !== undefined, LIMIT_MS)).toBeLessThan(LIMIT_MS);
  });
});

describe('5.3 log replication', () => {
  it('an entry is committed once a majority has it on disk, and not before', () => {
    const simulation = elected(3);
    const leader = simulation.leader!;
    const before = leader.core!.highWatermark;
    simulation.propose(leader.id);
    // Everything is delivered, nothing flushed: followers do not claim what is only in memory.
    for (let i = 0; i < 50; i++) simulation.deliver(0);
    expect(leader.core!.highWatermark).toBe(before);
    simulation.flush(others(simulation)[0]!);
    simulation.settle(() => leader.core!.highWatermark !== before, LIMIT_MS);
  });

  it('a leader may commit what is on the disks of a majority without it', () => {
    const simulation = elected(3);
    const leader = simulation.leader!;
    const before = Number(leader.core!.highWatermark);
    simulation.propose(leader.id);
    for (let round = 0; round < 20; round++) {
      simulation.deliver(0);
      for (const id of others(simulation)) simulation.flush(id);
    }
    expect(leader.durableEndOffset).toBe(before);
    expect(leader.core!.highWatermark).toBe(before + 1);
  });

  it('a follower cuts off what its leader does not have', () => {
    const simulation = elected(3);
    const old = simulation.leader!;
    simulation.drop(() => true);
    for (let i = 0; i < 5; i++) simulation.propose(old.id);
    simulation.flush(old.id);
    simulation.crash(old.id, 0);
    simulation.drop(() => true);
    simulation.settle(() => simulation.leader !== undefined, LIMIT_MS);
    commit(simulation);
    simulation.start(old.id);
    const leader = simulation.leader!;
    simulation.settle(() => old.core!.highWatermark === leader.core!.log.endOffset, LIMIT_MS);
    expect(old.entries.map(entry => entry.payload)).toEqual(leader.entries.map(entry => entry.payload));
    expect(simulation.reached.get('truncation')).toBeGreaterThan(0);
  });
});

describe('5.4 safety', () => {
  it('a vote goes only to a log that is at least as far: first by epoch, then by offset (5.4.1)', () => {
    const simulation = elected(3);
    commit(simulation, 3);
    const { core } = simulation.node(1);
    const lastEpoch = core!.log.lastEpoch;
    const end = Number(core!.log.endOffset);
    const ask = (epoch: number, log: { lastEpoch: number; lastOffset: number }): boolean =>
      answer(simulation, voteRequest({ epoch, ...log })).voteGranted;
    expect(ask(100, { lastEpoch, lastOffset: end - 1 })).toBe(false);
    expect(ask(101, { lastEpoch: lastEpoch - 1, lastOffset: end + 100 })).toBe(false);
    expect(ask(102, { lastEpoch, lastOffset: end })).toBe(true);
    expect(ask(103, { lastEpoch: lastEpoch + 1, lastOffset: 1 })).toBe(true);
  });

  it('entries of earlier epochs are committed only along with one of the present (5.4.2, figure 8)', () => {
    const simulation = elected(3);
    const old = simulation.leader!;
    const before = Number(old.core!.highWatermark);
    // On the disks of a majority, but the leader never hears of it.
    simulation.propose(old.id);
    for (let round = 0; round < 20; round++) {
      const index = simulation.network.findIndex(message => message.to !== old.id);
      if (index >= 0) simulation.deliver(index);
      simulation.flushAll();
    }
    simulation.crash(old.id, 0);
    simulation.drop(() => true);
    simulation.settle(() => simulation.leader !== undefined, LIMIT_MS);
    const leader = simulation.leader!;
    const epochStart = Number(leader.core!.epochStartOffset);
    expect(epochStart).toBe(before + 1);
    const steps: number[] = [];
    simulation.onReady = (node, ready) => {
      if (node === leader && ready.highWatermark !== undefined) steps.push(Number(ready.highWatermark));
    };
    simulation.settle(() => Number(leader.core!.highWatermark) > before, LIMIT_MS);
    // It went from below the old entry to behind the new epoch's first in one step.
    expect(Number(leader.core!.highWatermark)).toBe(epochStart + 1);
    for (const step of steps) expect(step).toBeGreaterThan(epochStart);
  });
});

describe('6 membership changes', () => {
  it('are made one at a time, by a leader that has committed in its epoch (M9)', () => {
    const simulation = elected(3, true);
    const leader = simulation.leader!;
    simulation.addObserver(4);
    simulation.start(4);
    const caughtUp = (): boolean =>
      leader
        .core!.status()
        .replicas.some(replica => replica.id === 4 && replica.logEndOffset === leader.core!.log.endOffset);
    simulation.settle(caughtUp, LIMIT_MS);
    const { highWatermark } = leader.core!;
    expect(simulation.addVoter(leader.id, 4)).toBeUndefined();
    expect(simulation.removeVoter(leader.id, 4)).toBe(Errors.REQUEST_TIMED_OUT);
    simulation.settle(() => leader.core!.highWatermark !== highWatermark, LIMIT_MS);
    expect(leader.core!.voters.ids).toEqual([1, 2, 3, 4]);
    expect(simulation.addVoter(leader.id, 4)).toBe(Errors.DUPLICATE_VOTER);
    expect(simulation.removeVoter(leader.id, 9)).toBe(Errors.VOTER_NOT_FOUND);
  });

  it('a leader that removes itself leads until that is committed, and another takes over', () => {
    const simulation = elected(3, true);
    const old = simulation.leader!;
    expect(simulation.removeVoter(old.id, old.id)).toBeUndefined();
    expect(old.core!.isLeader).toBe(true);
    simulation.settle(() => simulation.leader !== undefined && simulation.leader !== old, LIMIT_MS);
    expect(simulation.leader!.core!.voters.get(old.id)).toBeUndefined();
  });

  it('are refused where the voters are configuration', () => {
    const simulation = elected(3);
    expect(simulation.removeVoter(simulation.leader!.id, 2)).toBe(Errors.UNSUPPORTED_VERSION);
  });

  it('a replica that cannot win does not disturb a quorum that works: pre-votes are refused', () => {
    const simulation = elected(3);
    const { epoch } = simulation.leader!.core!;
    const [away] = others(simulation);
    // Cut off, it asks again and again.
    for (let i = 0; i < 400; i++) {
      simulation.tick(50);
      simulation.drop(message => message.to === away || message.from === away);
      for (let n = 0; n < 20; n++) {
        simulation.deliver(0);
        simulation.drop(message => message.to === away || message.from === away);
        simulation.flushAll();
      }
    }
    expect(simulation.node(away!).core!.epoch).toBe(epoch);
    simulation.settle(() => simulation.node(away!).core!.stateName === 'follower', LIMIT_MS);
    expect(simulation.leader!.core!.epoch).toBe(epoch);
  });

  it('a voter whose disk was replaced neither votes nor runs (M12)', () => {
    const simulation = elected(3, true);
    const [wiped] = others(simulation);
    const old = simulation.node(wiped!).self;
    simulation.wipe(wiped!);
    simulation.start(wiped!);
    const request = voteRequest({
      epoch: 90,
      from: simulation.leader!.id,
      to: wiped!,
      candidate: simulation.leader!.self,
      voter: old,
    });
    const reply = answer(simulation, request);
    expect(reply).toMatchObject({ error: Errors.INVALID_VOTER_KEY, voteGranted: false });
    expect(simulation.node(wiped!).core!.isVoter).toBe(false);
    expect(old.directoryId).toBe(directoryId(wiped!));
  });
});

describe('a leader that ends', () => {
  /** Kills the leader. How long it takes until there is another one, ms. */
  function failover(refusesWhenDown: boolean): number {
    const simulation = elected(3);
    simulation.refusesWhenDown = refusesWhenDown;
    const { id } = simulation.leader!;
    simulation.crash(id, 0);
    simulation.disconnect(id);
    return simulation.settle(() => simulation.leader !== undefined, LIMIT_MS);
  }

  it('is noticed within the fetch timeout, and long before it where its host says that it is gone', () => {
    expect(failover(false)).toBeGreaterThan(1500);
    expect(failover(true)).toBeLessThan(200);
  });

  it('leads on where only one follower cannot connect to it', () => {
    const simulation = elected(3);
    const { epoch } = simulation.leader!.core!;
    const leader = simulation.leader!.id;
    const [away, other] = others(simulation);
    for (let i = 0; i < 400; i++) {
      simulation.tick(50);
      for (let n = 0; n < 20 && simulation.network.length > 0; n++) {
        const { from, to, type } = simulation.network[0]!;
        if (from === away && to === leader && !type.endsWith('Response')) simulation.refuse(0);
        else simulation.deliver(0);
        simulation.flushAll();
      }
    }
    expect(simulation.reached.get('refused')).toBeGreaterThan(0);
    expect(simulation.leader!.id).toBe(leader);
    expect(simulation.node(other!).core!.epoch).toBe(epoch);
  });
});

describe('check-quorum', () => {
  it('a leader that no majority fetches from resigns after 1.5 fetch timeouts', () => {
    const simulation = elected(3);
    const leader = simulation.leader!;
    for (let ms = 0; ms < 2900; ms += 100) {
      simulation.drop(() => true);
      simulation.tick(100);
    }
    expect(leader.core!.isLeader).toBe(true);
    simulation.tick(200);
    expect(leader.core!.isLeader).toBe(false);
  });

  it('a sole voter needs nobody', () => {
    const simulation = elected(1);
    simulation.tick(1_000_000);
    expect(simulation.leader?.id).toBe(1);
    expect(simulation.node(1).nextDeadlineMs).toBe(Number.POSITIVE_INFINITY);
  });
});

describe('resignation', () => {
  it('hands over to the most caught up voter without waiting for a timeout', () => {
    const simulation = elected(3);
    commit(simulation, 2);
    const old = simulation.leader!;
    simulation.resign(old.id);
    const ms = simulation.settle(() => simulation.leader !== undefined, LIMIT_MS);
    expect(simulation.leader).not.toBe(old);
    expect(ms).toBeLessThan(200);
  });
});

describe('a fetch that is held', () => {
  const fetch = (simulation: RaftSimulation, changes: Partial<FetchRequest>): FetchRequest => {
    const { id, core } = simulation.leader!;
    const { endOffset, lastEpoch } = core!.log;
    return {
      type: 'fetch',
      from: 9,
      to: id,
      correlationId: 500,
      epoch: core!.epoch,
      replica: { id: 9, directoryId: directoryId(9) },
      fetchOffset: endOffset,
      lastFetchedEpoch: lastEpoch,
      highWatermark: endOffset,
      maxWaitMs: 100,
      ...changes,
    };
  };
  const answers = (simulation: RaftSimulation, request: FetchRequest): number[] =>
    simulation
      .leader!.core!.step({ type: 'receive', message: request }, simulation.nowMs)
      .messages.map(message => message.correlationId);

  it('is answered when the same replica fetches again, as it has forgotten the first one', () => {
    const simulation = elected(1);
    expect(answers(simulation, fetch(simulation, { correlationId: 1 }))).toEqual([]);
    expect(answers(simulation, fetch(simulation, { correlationId: 2 }))).toEqual([1]);
  });

  it('of readers that are no replicas is held beside others, and is no progress of anyone', () => {
    const simulation = elected(1);
    const reader = { replica: { id: -1, directoryId: ZERO_UUID }, from: -1 };
    expect(answers(simulation, fetch(simulation, { ...reader, correlationId: 1 }))).toEqual([]);
    expect(answers(simulation, fetch(simulation, { ...reader, correlationId: 2 }))).toEqual([]);
    const { core } = simulation.leader!;
    expect(core!.status().replicas.map(({ id }) => id)).toEqual([1]);
    const late = core!.step({ type: 'tick' }, simulation.nowMs + 100);
    expect(late.messages.map(message => message.correlationId)).toEqual([1, 2]);
  });

  it('carries the limit of its request to who reads the records', () => {
    const simulation = elected(1);
    const request = fetch(simulation, { fetchOffset: 0, lastFetchedEpoch: 0, maxBytes: 7 });
    const { messages } = simulation.leader!.core!.step(
      { type: 'receive', message: request },
      simulation.nowMs,
    );
    expect(messages).toMatchObject([{ readFrom: 0, maxBytes: 7 }]);
  });
});

describe('changes of what a voter is', () => {
  const step = (simulation: RaftSimulation, event: Parameters<NonNullable<typeof core>['step']>[0]) =>
    simulation.leader!.core!.step(event, simulation.nowMs);
  const core = elected(1).leader!.core;
  const endpoints = [{ name: 'CONTROLLER', host: 'moved', port: 1 }];

  it('replaces the address and the versions of a voter, and of no other', () => {
    const simulation = elected(3, true);
    const moved = voterNode(2, directoryId(2), endpoints, 0, 1);
    const { refused, appends } = step(simulation, { type: 'updateVoter', voter: moved });
    expect(refused).toBeUndefined();
    expect(appends[0]!.controls).toMatchObject([{ type: 'voters' }]);
    const { voters } = simulation.leader!.core!;
    expect(voters.ids).toEqual([1, 2, 3]);
    expect(voters.get(2)!.endpoints).toEqual(endpoints);
    expect(voters.get(3)!.endpoints).toEqual([]);
  });

  it('refuses it for a voter with another disk, for none, and for versions that exclude the level in use', () => {
    const simulation = elected(3, true);
    for (const [voter, code] of [
      [voterNode(2, directoryId(2, 1), endpoints), Errors.VOTER_NOT_FOUND],
      [voterNode(2, ZERO_UUID, endpoints), Errors.VOTER_NOT_FOUND],
      [voterNode(8, directoryId(8), endpoints), Errors.VOTER_NOT_FOUND],
      [voterNode(2, directoryId(2), endpoints, 0, 0), Errors.INVALID_REQUEST],
    ] as const) {
      expect(step(simulation, { type: 'updateVoter', voter }).refused).toBe(code);
    }
  });

  it('makes records of the voters of the configuration, once, and of the same voters only', () => {
    const simulation = elected(3);
    const voters = (ids: number[]) => new VoterSet(ids.map(id => voterNode(id, directoryId(id), endpoints)));
    const upgrade = (ids: number[]) =>
      step(simulation, { type: 'upgradeVoters', voters: voters(ids), kraftVersion: 1 });
    expect(upgrade([1, 2]).refused).toBe(Errors.INVALID_REQUEST);
    const { refused, appends } = upgrade([1, 2, 3]);
    expect(refused).toBeUndefined();
    expect(appends[0]!.controls.map(control => control.type)).toEqual(['kraftVersion', 'voters']);
    expect(simulation.leader!.core!.log.voters.kraftVersion).toBe(1);
    expect(upgrade([1, 2, 3]).refused).toBe(Errors.INVALID_UPDATE_VERSION);
  });
});
