import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Errors } from '../../../src/protocol/errors.ts';
import { GroupHarness, type Joined, type Synced } from '../group-harness.ts';
import type { Pending } from '../pending.ts';

const PARTITIONS = [0, 1, 2, 3, 4, 5];
const SESSION_MS = 10_000;
const REBALANCE_MS = 15_000;

/** What all clients together have seen, and what must hold of it. */
class World {
  /** Generation -> partition -> member that owns it. */
  readonly owners = new Map<number, Map<number, string>>();
  /** The highest generation that the present coordinator has announced. */
  announced = 0;
  /** The highest generation whose assignment anybody has got. */
  assigned = 0;
  /** What a fetch may find: the last acknowledged commit, and those after it whose fate is unknown. */
  possible = new Set<unknown>([-1]);
  nextOffset = 1;
  /** The generation of a group that became empty may be nowhere but in the coordinator. */
  appendsFailed = false;

  onJoined(generationId: number): void {
    // G1: a generation that somebody works in is never given out again.
    expect(generationId).toBeGreaterThanOrEqual(this.announced);
    expect(generationId).toBeGreaterThanOrEqual(this.assigned);
    this.announced = generationId;
  }

  onAssigned(generationId: number, memberId: string, assignment: string): void {
    this.assigned = Math.max(this.assigned, generationId);
    let owners = this.owners.get(generationId);
    if (owners === undefined) this.owners.set(generationId, (owners = new Map()));
    for (const partition of assignment.split(',').filter(Boolean).map(Number)) {
      const owner = owners.get(partition);
      // G2: one owner; a static member that came back is the same owner under another id.
      if (owner !== undefined && owner !== memberId) expect(instanceOf(owner)).toBe(instanceOf(memberId));
      owners.set(partition, memberId);
    }
  }
}

/** Member ids of static members begin with their instance id. */
function instanceOf(memberId: string): string {
  return memberId.startsWith('static') ? memberId.slice(0, 'static0'.length) : memberId;
}

type Phase = 'out' | 'joining' | 'joined' | 'syncing' | 'in' | 'dead';

/** A consumer, as clients are written: it joins, syncs, sends heartbeats, and does what errors tell it. */
class Client {
  private readonly h: GroupHarness;
  private readonly world: World;
  readonly instance: string | undefined;
  private readonly version: number;
  memberId = '';
  generationId = -1;
  phase: Phase = 'out';
  private join: Pending<Joined> | undefined;
  private sync: Pending<Synced> | undefined;

  constructor(h: GroupHarness, world: World, instance: string | undefined, version: number) {
    this.h = h;
    this.world = world;
    this.instance = instance;
    this.version = version;
  }

  private get static() {
    return this.instance === undefined ? {} : { instance: this.instance };
  }

  async step(): Promise<void> {
    if (this.phase === 'out') {
      const { memberId, version } = this;
      const timeouts = { sessionTimeoutMs: SESSION_MS, rebalanceTimeoutMs: REBALANCE_MS };
      this.join = this.h.join({ memberId, version, client: 'dynamic', ...timeouts, ...this.static });
      this.phase = 'joining';
    } else if (this.phase === 'joined') {
      const joined = this.join!.get();
      const leads =
        joined.leader === this.memberId && joined.skipAssignment !== true && joined.members!.length > 0;
      this.sync = this.h.sync(this.memberId, this.generationId, leads ? assign(joined) : {}, this.static);
      this.phase = 'syncing';
    } else if (this.phase === 'in') {
      const { memberId, generationId } = this;
      const beating = this.h.heartbeat(memberId, generationId, this.instance ?? null).then(error => {
        const isSame = this.memberId === memberId && this.generationId === generationId;
        if (this.phase === 'in' && isSame) this.on(error);
      });
      // While commits are held back the answer waits behind them: for longer than this step.
      if (this.h.partitions.autoCommit) await beating;
    }
    await this.h.clock.settle();
    this.look();
  }

  /** Takes answers that have come. */
  look(): void {
    if (this.phase === 'joining' && this.join!.isThere) {
      const joined = this.join!.get();
      this.phase = 'out';
      if (joined.error === 'MEMBER_ID_REQUIRED') this.memberId = joined.memberId!;
      else if (this.on(joined.error)) {
        this.memberId = joined.memberId!;
        this.generationId = joined.generationId!;
        this.world.onJoined(this.generationId);
        this.phase = 'joined';
      }
    }
    if (this.phase === 'syncing' && this.sync!.isThere) {
      const synced = this.sync!.get();
      this.phase = 'out';
      if (this.on(synced.error)) {
        this.world.onAssigned(this.generationId, this.memberId, synced.assignment!.toString());
        this.phase = 'in';
      }
    }
  }

  private on(error: string): boolean {
    switch (error) {
      case 'NONE':
        return true;
      case 'UNKNOWN_MEMBER_ID':
      case 'ILLEGAL_GENERATION':
        this.memberId = '';
        this.phase = 'out';
        return false;
      case 'FENCED_INSTANCE_ID':
        this.phase = 'dead';
        return false;
      case 'REBALANCE_IN_PROGRESS':
        this.phase = 'out';
        return false;
      default:
        expect(['NOT_COORDINATOR', 'COORDINATOR_NOT_AVAILABLE', 'COORDINATOR_LOAD_IN_PROGRESS']).toContain(
          error,
        );
        return false;
    }
  }

  /** Commits with its generation, or one that has passed or is yet to come. */
  async commit(drift: number, wait: boolean): Promise<void> {
    const { world, memberId } = this;
    const generationId = this.generationId + drift;
    const offset = world.nextOffset++;
    if (memberId === '' || generationId < 0) return;
    const committing = this.h.commit(offset, { memberId, generationId, ...this.static });
    if (!wait) {
      world.possible.add(offset);
      committing.catch(() => {});
      return;
    }
    const error = await committing;
    if (error === 'NONE') {
      // G3: only who is of the present generation commits. Where a group was empty meanwhile, or its coordinator has
      // changed, nobody may have heard of that one, but it is written.
      const present = Math.max(world.announced, world.assigned, this.h.writtenGeneration());
      if (world.appendsFailed) expect(generationId).toBeGreaterThanOrEqual(present);
      else expect(generationId).toBe(present);
      world.possible = new Set([offset]);
    }
  }
}

function assign(joined: Joined): Record<string, string> {
  const members = joined.members!.map(member => member.memberId);
  return Object.fromEntries(
    members.map((id, i) => [id, PARTITIONS.filter(partition => partition % members.length === i).join(',')]),
  );
}

const action = fc.oneof(
  { weight: 14, arbitrary: fc.record({ type: fc.constant('step' as const), client: fc.nat(3) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constant('commit' as const),
      client: fc.nat(3),
      drift: fc.constantFrom(0, 0, 0, -1, 1),
    }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('leave' as const), client: fc.nat(3) }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('crash' as const), client: fc.nat(3) }) },
  {
    weight: 5,
    arbitrary: fc.record({
      type: fc.constant('pass' as const),
      ms: fc.constantFrom(100, 3000, 9000, 16_000),
    }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('fail' as const), on: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('hold' as const), on: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('failover' as const) }) },
);

describe('a group under members that crash, appends that fail and coordinators that change', () => {
  it('keeps G1, G2, G3, G4 and comes to rest (G7)', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(action, { minLength: 10, maxLength: 80 }), async actions => {
        const h = await GroupHarness.started({ initialRebalanceDelayMs: 1000 });
        const world = new World();
        const make = (i: number) => new Client(h, world, i < 2 ? `static${i}` : undefined, i === 3 ? 3 : 9);
        const clients = [0, 1, 2, 3].map(make);
        const lookAll = () => {
          for (const client of clients) client.look();
        };
        const heal = () => {
          h.partitions.failWith = undefined;
          h.partitions.autoCommit = true;
          h.partitions.commit();
        };
        for (const step of actions) {
          if (step.type === 'step') await clients[step.client]!.step();
          else if (step.type === 'commit')
            await clients[step.client]!.commit(step.drift, h.partitions.autoCommit);
          else if (step.type === 'leave') {
            const { memberId, instance } = clients[step.client]!;
            if (h.partitions.autoCommit)
              await h.leave([{ memberId, ...(instance === undefined ? {} : { instance }) }]);
          } else if (step.type === 'crash') clients[step.client] = make(step.client);
          else if (step.type === 'pass') await h.clock.pass(step.ms);
          else if (step.type === 'fail') {
            h.partitions.failWith = step.on ? Errors.NOT_ENOUGH_REPLICAS : undefined;
            world.appendsFailed ||= step.on;
          } else if (step.type === 'hold') {
            h.partitions.autoCommit = !step.on;
            if (!step.on) h.partitions.commit();
          } else {
            // What is in the log is there for the next coordinator, acknowledged or not.
            lookAll();
            h.partitions.commit();
            world.announced = 0;
            await h.failOver();
          }
          await h.clock.settle();
          lookAll();
          if (h.partitions.autoCommit) expect(world.possible).toContain(await h.fetch());
        }

        heal();
        await h.clock.settle();
        // Everybody who is left behind has its session to live, then the rebalance has its time.
        for (let ms = 0; ms < SESSION_MS + 2 * REBALANCE_MS + 5000; ms += 1000) {
          for (const [i, client] of clients.entries()) {
            // A static member that was let in and not yet written down is fenced after a failover: it is started again.
            if (client.phase === 'dead') clients[i] = make(i);
            await clients[i]!.step();
          }
          await h.clock.pass(1000);
          lookAll();
        }
        expect(clients.map(client => client.phase)).toEqual(['in', 'in', 'in', 'in']);
        expect(new Set(clients.map(client => client.generationId)).size).toBe(1);
        expect(h.state()).toBe('Stable');
        const owners = world.owners.get(clients[0]!.generationId)!;
        expect([...owners.keys()].sort()).toEqual(PARTITIONS);

        // A coordinator that reads the log knows all of it.
        const before = { groups: h.coordinator.describeGroups(['g'], 6), offsets: await h.fetchAll() };
        await h.failOver();
        expect({ groups: h.coordinator.describeGroups(['g'], 6), offsets: await h.fetchAll() }).toEqual(
          before,
        );
      }),
      { numRuns: 60 },
    );
  }, 60_000);
});
