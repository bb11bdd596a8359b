import { describe, expect, it } from 'vitest';
import {
  ClusterInvariants,
  type ClusterSnapshot,
  type ImageSnapshot,
  type QuorumSnapshot,
  type ReplicaSnapshot,
  type VoteSnapshot,
} from './cluster-invariants.ts';

function replica(node: number, more: Partial<ReplicaSnapshot> = {}): ReplicaSnapshot {
  return {
    node,
    incarnation: 1,
    losses: 0,
    log: node,
    partition: 'topic:0',
    name: 'topic-0',
    isLeader: false,
    leaderEpoch: 1,
    highWatermark: 5,
    logEndOffset: 10,
    logStartOffset: 0,
    maximalIsr: [],
    partitionEpoch: 1,
    isUnderMinIsr: false,
    stagedEndOffset: 10,
    producersEndOffset: 0,
    lastEpochStart: 0,
    producers: [],
    ...more,
  };
}

function leader(node: number, more: Partial<ReplicaSnapshot> = {}): ReplicaSnapshot {
  return replica(node, { isLeader: true, maximalIsr: [1, 2], ...more });
}

function voter(node: number, more: Partial<QuorumSnapshot> = {}): QuorumSnapshot {
  return {
    node,
    incarnation: 1,
    wipes: 0,
    epoch: 1,
    leaderId: 1,
    highWatermark: 5,
    logEndOffset: 10,
    ...more,
  };
}

function moment(atMs: number, more: Partial<ClusterSnapshot> = {}): ClusterSnapshot {
  return {
    atMs,
    replicas: [],
    quorum: [],
    voters: [],
    votes: [],
    images: [],
    acknowledged: new Map(),
    ...more,
  };
}

/** What is found over a sequence of moments, by invariant. */
function found(moments: readonly Partial<ClusterSnapshot>[], mayLose = false): string[] {
  const invariants = new ClusterInvariants(mayLose);
  return moments.flatMap((more, index) =>
    invariants.observe(moment(index, more)).map(({ invariant }) => invariant),
  );
}

const replicas = (...list: ReplicaSnapshot[]) => ({ replicas: list });
const quorum = (...list: QuorumSnapshot[]) => ({ quorum: list });
const votes = (...list: VoteSnapshot[]) => ({ votes: list });
const images = (...list: ImageSnapshot[]) => ({ images: list });

describe('replicas of a living cluster', () => {
  it('finds nothing in a change of the leader that goes as it should', () => {
    expect(
      found([
        replicas(leader(1), replica(2)),
        replicas(leader(1, { highWatermark: 10 }), replica(2)),
        replicas(leader(1, { highWatermark: 10 }), leader(2, { leaderEpoch: 2 })),
        replicas(
          replica(1, { leaderEpoch: 2, highWatermark: 10 }),
          leader(2, { leaderEpoch: 2, highWatermark: 10 }),
        ),
      ]),
    ).toEqual([]);
  });

  it('R2: two nodes lead in one epoch, at once or one after the other', () => {
    expect(found([replicas(leader(1), leader(2))])).toEqual(['R2']);
    expect(found([replicas(leader(1)), replicas(leader(2))])).toEqual(['R2']);
  });

  it('R2: the leader epoch of a replica goes back', () => {
    expect(found([replicas(replica(1, { leaderEpoch: 2 })), replicas(replica(1))])).toEqual(['R2']);
  });

  it('S7: a leader forgets a batch of a producer while it remembers fewer than five', () => {
    const knows = (...batchEnds: number[]) =>
      replicas(leader(1, { producers: [{ id: 7, epoch: 0, batchEnds }] }));
    expect(found([knows(3), knows(3, 4), knows(3, 4, 5, 6, 7), knows(5, 6, 7, 8, 9)])).toEqual([]);
    expect(found([knows(3), knows(4)])).toEqual(['S7']);
    expect(found([knows(3, 4, 5), knows(4, 5, 6)])).toEqual(['S7']);
    // As a leader of a later epoch it may have cut it off before.
    const later = { leaderEpoch: 2, producers: [{ id: 7, epoch: 0, batchEnds: [4] }] };
    expect(found([knows(3), replicas(leader(1, later))])).toEqual([]);
  });

  it('R3: the high watermark is past the end of a member of the ISR', () => {
    const behind = replica(2, { logEndOffset: 4, highWatermark: 4 });
    expect(found([replicas(leader(1), behind)])).toEqual(['R3']);
    expect(found([replicas(leader(1, { maximalIsr: [1] }), behind)])).toEqual([]);
  });

  it('R3: a disk that lost something is not held against the leader', () => {
    const lost = replica(2, { logEndOffset: 4, highWatermark: 4, losses: 1 });
    expect(found([replicas(leader(1), lost)])).toEqual([]);
  });

  it('R3: the high watermark of a leader goes back in its epoch', () => {
    expect(found([replicas(leader(1)), replicas(leader(1, { highWatermark: 4 }))])).toEqual(['R3']);
    expect(found([replicas(leader(1)), replicas(leader(1, { highWatermark: 4, leaderEpoch: 2 }))])).toEqual(
      [],
    );
  });

  it('R3: the high watermark moves while fewer are in sync than must be', () => {
    const few = { isUnderMinIsr: true, maximalIsr: [1] };
    const moved = { ...few, highWatermark: 6 };
    expect(found([replicas(leader(1, few)), replicas(leader(1, moved))])).toEqual(['R3']);
    expect(found([replicas(leader(1, few)), replicas(leader(1, { ...moved, partitionEpoch: 2 }))])).toEqual(
      [],
    );
  });

  it('R4: the newest leader has less than was acknowledged', () => {
    const acknowledged = new Map([['topic:0', 11]]);
    expect(found([{ ...replicas(leader(1)), acknowledged }])).toEqual(['R4']);
    expect(found([{ ...replicas(leader(1)), acknowledged }], true)).toEqual([]);
    const newer = leader(2, { leaderEpoch: 2, logEndOffset: 11, maximalIsr: [2] });
    expect(found([{ ...replicas(leader(1), newer), acknowledged }])).toEqual([]);
  });

  it('R4: a member of the ISR has less than was acknowledged', () => {
    const acknowledged = new Map([['topic:0', 8]]);
    const behind = replica(2, { logEndOffset: 7 });
    expect(found([{ ...replicas(leader(1), behind), acknowledged }])).toEqual(['R4']);
    expect(found([{ ...replicas(leader(1, { maximalIsr: [1] }), behind), acknowledged }])).toEqual([]);
    expect(found([{ ...replicas(leader(1), replica(2, { logEndOffset: 8 })), acknowledged }])).toEqual([]);
  });

  it('R8: a log is cut below the high watermark it had', () => {
    const cut = replica(1, { logEndOffset: 4, highWatermark: 4 });
    expect(found([replicas(replica(1)), replicas(cut)])).toEqual(['R8']);
    expect(found([replicas(replica(1)), replicas({ ...cut, incarnation: 2, log: 9 })])).toEqual(['R8']);
  });

  it('R8: not where the disk lost it, nor where the replica was moved away and back', () => {
    const cut = replica(1, { logEndOffset: 4, highWatermark: 4 });
    expect(found([replicas(replica(1)), replicas({ ...cut, losses: 1, incarnation: 2 })])).toEqual([]);
    expect(found([replicas(replica(1)), replicas({ ...cut, log: 9 })])).toEqual([]);
    const away = images({ node: 1, incarnation: 1, offset: 1, digest: 'x' });
    expect(found([replicas(replica(1)), away, replicas({ ...cut, incarnation: 2 })])).toEqual([]);
    expect(found([replicas(replica(1)), replicas(cut)], true)).toEqual([]);
  });

  it('S6: a high watermark past the log end, but for a replica that starts inside of a batch on its way', () => {
    expect(found([replicas(replica(1, { highWatermark: 7, logEndOffset: 5 }))])).toEqual(['S6']);
    const starting = replica(1, { logStartOffset: 7, highWatermark: 7, logEndOffset: 5 });
    expect(found([replicas(starting)])).toEqual([]);
  });

  it('S6: the high watermark is past the end, and the start goes back', () => {
    expect(found([replicas(replica(1, { highWatermark: 11 }))])).toEqual(['S6']);
    expect(found([replicas(replica(1, { logStartOffset: 3 })), replicas(replica(1))])).toEqual(['S6']);
  });
});

describe('the metadata quorum of a living cluster', () => {
  it('finds nothing in an election that goes as it should', () => {
    expect(
      found([
        quorum(voter(1), voter(2)),
        quorum(voter(1), voter(2, { epoch: 2, leaderId: undefined })),
        quorum(voter(1), voter(2, { epoch: 2, leaderId: 2 })),
        quorum(
          voter(1, { epoch: 2, leaderId: 2 }),
          voter(2, { epoch: 2, leaderId: 2, highWatermark: 11, logEndOffset: 11 }),
        ),
      ]),
    ).toEqual([]);
  });

  it('M1: two leaders in one epoch', () => {
    expect(found([quorum(voter(1), voter(2, { leaderId: 2 }))])).toEqual(['M1']);
    expect(found([quorum(voter(1)), quorum(voter(1, { leaderId: 2 }))])).toEqual(['M1']);
  });

  it('M2: another vote in the same epoch; a wiped disk is another voter', () => {
    const vote = (voted: string, wipes = 0): VoteSnapshot => ({
      node: 1,
      wipes,
      epoch: 3,
      voted,
      leaderId: undefined,
    });
    expect(found([votes(vote('1')), votes(vote('2'))])).toEqual(['M2']);
    expect(found([votes(vote('1')), votes(vote('1'))])).toEqual([]);
    expect(found([votes(vote('1')), votes(vote('2', 1))])).toEqual([]);
  });

  it('M4: a leader lacks what was committed', () => {
    const committed = quorum(voter(1, { highWatermark: 10 }));
    const next = (logEndOffset: number) =>
      quorum(voter(2, { epoch: 2, leaderId: 2, logEndOffset, highWatermark: undefined }));
    expect(found([committed, next(9)])).toEqual(['M4']);
    expect(found([committed, next(10)])).toEqual([]);
  });

  it('M7: epoch and high watermark go back, and the latter is past the log', () => {
    expect(
      found([quorum(voter(1, { epoch: 2 })), quorum(voter(1, { epoch: 1, leaderId: undefined }))]),
    ).toEqual(['M7']);
    expect(found([quorum(voter(1)), quorum(voter(1, { highWatermark: 4 }))])).toEqual(['M7']);
    expect(found([quorum(voter(1)), quorum(voter(1, { highWatermark: undefined, incarnation: 2 }))])).toEqual(
      [],
    );
    expect(found([quorum(voter(1, { highWatermark: 11 }))])).toContain('M7');
  });

  it('M6: two nodes made different metadata of the same records', () => {
    const image = (node: number, digest: string): ImageSnapshot => ({
      node,
      incarnation: 1,
      offset: 3,
      digest,
    });
    expect(found([images(image(1, 'a')), images(image(2, 'b'))])).toEqual(['M6']);
    expect(found([images(image(1, 'a')), images(image(2, 'a'))])).toEqual([]);
  });

  it('M10: the metadata of a node go back', () => {
    const image = (offset: number, incarnation = 1): ImageSnapshot => ({
      node: 1,
      incarnation,
      offset,
      digest: `${offset}`,
    });
    expect(found([images(image(3)), images(image(2))])).toEqual(['M10']);
    expect(found([images(image(3)), images(image(2, 2))])).toEqual([]);
  });
});
