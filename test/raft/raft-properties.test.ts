import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { InvariantError } from '../../src/base/assert.ts';
import type { LeaderState } from '../../src/raft/leader-state.ts';
import { RaftCore } from '../../src/raft/raft-core.ts';
import { RaftSimulation, type SimulationOptions, Violation } from './support/raft-simulation.ts';

type Options = Omit<SimulationOptions, 'seed' | 'nodes' | 'dynamic'> & { wipes?: boolean };

interface Case {
  readonly nodes: number;
  readonly dynamic: boolean;
  readonly seed: number;
  readonly decisions: readonly number[];
}

const cases = (steps: number): fc.Arbitrary<Case> =>
  fc.record({
    nodes: fc.integer({ min: 1, max: 5 }),
    dynamic: fc.boolean(),
    seed: fc.integer({ min: 0, max: 0x7fff_ffff }),
    decisions: fc.array(fc.nat({ max: 0x3fff_ffff }), { minLength: steps, maxLength: steps * 2 }),
  });

/** One decision: what happens next, and to whom. */
function act(simulation: RaftSimulation, decision: number, dynamic: boolean, wipes: boolean): void {
  const kind = decision % 128;
  const pick = Math.floor(decision / 128);
  const ids = [...simulation.nodes.keys()];
  const id = ids[pick % ids.length]!;
  const leaderId = simulation.leader?.id;
  const message = simulation.network.length === 0 ? 0 : pick % simulation.network.length;
  if (kind < 56) simulation.deliver(message);
  else if (kind < 60) simulation.deliver(message, true);
  else if (kind < 62) simulation.drop(other => other === simulation.network[message]);
  else if (kind < 63) simulation.refuse(message);
  else if (kind < 80) simulation.tick(1 + (pick % 400));
  else if (kind < 92) simulation.propose(leaderId ?? id, 1 + (pick % 3));
  else if (kind < 110) simulation.flush(id);
  else if (kind < 113) simulation.crash(id, pick % 3);
  else if (kind < 120) simulation.start(id);
  else if (kind < 122) simulation.snapshot(id);
  else if (kind < 123) simulation.resign(id);
  else if (kind < 124) {
    if (wipes) simulation.wipe(id);
  } else if (dynamic && leaderId !== undefined) {
    if (kind < 126) simulation.removeVoter(leaderId, id);
    else simulation.addVoter(leaderId, id);
  }
}

function run({ nodes, dynamic, seed, decisions }: Case, options: Options = {}): RaftSimulation {
  const simulation = new RaftSimulation({ ...options, nodes, dynamic, seed });
  simulation.startAll();
  for (const decision of decisions) act(simulation, decision, dynamic, options.wipes ?? dynamic);
  return simulation;
}

/** The invariant that a mutant breaks in one of `runs` cases, or `undefined` if nothing is noticed. */
function killedBy(options: Options, runs: number, only: Partial<Case> = {}): string | undefined {
  for (const sample of fc.sample(cases(500), { numRuns: runs, seed: 7 })) {
    try {
      run({ ...sample, ...only }, options);
    } catch (error) {
      if (error instanceof Violation) return error.name;
      if (error instanceof InvariantError) return error.invariant;
      throw error;
    }
  }
  return undefined;
}

describe('a quorum of pure cores under faults', () => {
  const reached = new Map<string, number>();

  it('keeps M1 to M7 whatever is lost, doubled, reordered, crashed, wiped and restarted', () => {
    fc.assert(
      fc.property(cases(400), sample => {
        for (const [what, count] of run(sample).reached) reached.set(what, (reached.get(what) ?? 0) + count);
      }),
      { numRuns: 200, seed: 20260101 },
    );
  });

  it('has been in the situations that matter', () => {
    for (const what of [
      'leader',
      'truncation',
      'snapshot installed',
      'crash with an unflushed tail',
      'crash of a leader',
      'voter added',
      'voter removed',
      'wiped disk',
    ]) {
      expect(reached.get(what) ?? 0, what).toBeGreaterThan(0);
    }
  });

  it('elects a leader and commits again within ten election timeouts after everything heals (M11)', () => {
    fc.assert(
      fc.property(cases(200), sample => {
        const simulation = run({ ...sample, dynamic: false });
        simulation.startAll();
        simulation.settle(() => simulation.leader !== undefined, 20_000);
        const before = simulation.committed.size;
        simulation.settle(() => {
          const { leader } = simulation;
          if (leader !== undefined && leader.core!.log.endOffset === leader.core!.highWatermark) {
            if (simulation.committed.size > before) return true;
            simulation.propose(leader.id);
          }
          return false;
        }, 20_000);
      }),
      { numRuns: 40, seed: 20260102 },
    );
  });
});

describe('the checker', () => {
  it('has nothing to say about the core as it is, on the cases that the mutants get', () => {
    expect(killedBy({}, 100, { nodes: 3, dynamic: false })).toBeUndefined();
  });

  it('notices a vote that was not fsynced', () => {
    expect(killedBy({ forgetsElection: true }, 200, { nodes: 3, dynamic: false })).toBe('M2');
  });

  it('notices entries of an earlier epoch committed by count', () => {
    class CommitsOldEpochs extends RaftCore {
      protected override mayCommit(_offset: number | bigint, _leader: LeaderState): boolean {
        return true;
      }
    }
    const makeCore: Options['makeCore'] = (options, init, nowMs) =>
      new CommitsOldEpochs(options, init, nowMs);
    expect(killedBy({ makeCore }, 200, { nodes: 3, dynamic: false })).toBe('M5');
  });

  it('notices a wiped voter that votes as its old self, where voters have no directory ids', () => {
    expect(killedBy({ wipes: true }, 200, { nodes: 3, dynamic: false })).toMatch(/^M[1-7]$/);
  });

  it('notices a leader that counts what is not on its disk', () => {
    class CountsUnflushed extends RaftCore {
      override step(...[event, nowMs]: Parameters<RaftCore['step']>): ReturnType<RaftCore['step']> {
        this.log.durableEndOffset = this.log.endOffset;
        return super.step(event, nowMs);
      }
    }
    const makeCore: Options['makeCore'] = (options, init, nowMs) => new CountsUnflushed(options, init, nowMs);
    expect(killedBy({ makeCore }, 50, { nodes: 3, dynamic: false })).toBe('M5');
  });
});
