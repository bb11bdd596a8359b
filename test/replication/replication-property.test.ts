import { describe, expect, it } from 'vitest';
import { add64, type Offset } from '../../src/base/int64.ts';
import { MemoryLogger } from '../../src/base/logger.ts';
import { batchesOf } from '../../src/record/record-batch.ts';
import type { PartitionAppendResult } from '../../src/replication/delayed-produce.ts';
import { batch, TestCluster } from './replication-fixture.ts';

const BROKERS = [1, 2, 3];
const SEEDS = 60;
const STEPS = 60;

/** mulberry32: the same choices for the same seed. */
function choices(seed: number): (bound: number) => number {
  let state = seed;
  return bound => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * bound);
  };
}

/** What a producer was told: the records that begin at `offset` have values of `size` bytes. */
interface Acknowledged {
  readonly offset: Offset;
  readonly size: number;
}

/**
 * A cluster under random appends, broken links, lost metadata, crashes and elections from the ISR. The test plays the
 * controller: it fences a broker that crashes, and elects members of the ISR only.
 */
class Chaos {
  readonly cluster: TestCluster;
  readonly logger = new MemoryLogger();
  readonly acknowledged: Acknowledged[] = [];
  private readonly below: (bound: number) => number;
  private readonly unreachable = new Set<number>();
  private readonly broken = new Set<string>();
  /** The last high watermark of each replica in each of its lives. */
  private readonly highWatermarks = new Map<string, Offset>();
  private size = 10;
  private pending: { state: { result?: PartitionAppendResult }; size: number }[] = [];

  constructor(seed: number) {
    this.below = choices(seed);
    this.cluster = new TestCluster(BROKERS, {
      lines: 'replica.lag.time.max.ms=2000\nreplica.fetch.backoff.ms=100',
      logConfig: {
        minInsyncReplicas: 1 + this.below(2),
        durability: this.below(2) === 0 ? 'fsync' : 'page-cache',
        segmentBytes: [600, 4_000, 1_000_000][this.below(3)]!,
      },
      logger: this.logger,
      seed,
    });
    this.cluster.reachable = id => !this.unreachable.has(id);
    this.cluster.isLinked = (from, to) => !this.broken.has(`${from}-${to}`);
  }

  async run(): Promise<void> {
    await this.cluster.start({ replicas: BROKERS });
    for (let step = 0; step < STEPS; step++) {
      await this.step();
      this.check();
    }
    await this.heal();
    this.checkEnd();
  }

  private async step(): Promise<void> {
    const { below, cluster } = this;
    const id = BROKERS[below(3)]!;
    const broker = cluster.broker(id);
    switch (below(14)) {
      case 0:
      case 1:
      case 2:
      case 3:
        // The leader that clients know, which may be the wrong one, or any broker.
        for (let i = 0; i <= below(4); i++) this.append(below(3) === 0 ? id : cluster.partitions[0]!.leader);
        break;
      case 4:
        this.broken.add(`${id}-${BROKERS[below(3)]}`);
        break;
      case 5:
        this.broken.clear();
        break;
      case 6:
        this.unreachable.add(id);
        break;
      case 7:
        this.unreachable.clear();
        await cluster.publish();
        break;
      case 8:
        if (broker.isUp) await this.crash(id);
        break;
      case 9:
        if (!broker.isUp) await this.restart(id);
        break;
      case 10:
        await this.electAnother();
        break;
      case 11:
      case 12:
        await this.moveBackAndForth();
        break;
      default:
        await this.pass(3_000);
    }
    await this.pass(1 + below(400));
  }

  private append(id: number): void {
    const broker = this.cluster.brokers.get(id);
    if (broker?.isUp !== true) return;
    this.size++;
    const { size } = this;
    const acks = this.below(3) === 0 ? 1 : -1;
    const state = broker.append(batch(1 + this.below(3), size), acks);
    if (acks === -1) this.pending.push({ state, size });
  }

  private async pass(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 50) {
      await this.cluster.clock.pass(50);
      this.check();
    }
  }

  /** A leader that is in the ISR and up; nobody if there is none. */
  private async electFrom(isr: readonly number[]): Promise<void> {
    const alive = isr.filter(id => this.cluster.broker(id).isUp);
    const leader = alive.length === 0 ? -1 : alive[this.below(alive.length)]!;
    await this.cluster.elect(leader, isr);
  }

  private async electAnother(): Promise<void> {
    const { isr, leader } = this.cluster.partitions[0]!;
    const others = isr.filter(id => id !== leader);
    // The old leader leaves the ISR or stays in it, as after a fence or a preferred election.
    if (others.length > 0) await this.electFrom(this.below(2) === 0 ? others : isr);
  }

  /** Elections as fast as the metadata comes, in the middle of appends, back to the same leader too. */
  private async moveBackAndForth(): Promise<void> {
    const { cluster, below } = this;
    for (let i = 0; i <= below(5); i++) {
      const { isr, leader } = cluster.partitions[0]!;
      if (leader === -1) return;
      for (let j = below(3); j > 0; j--) this.append(leader);
      if (below(3) === 0) await cluster.elect(leader, isr);
      else await this.electFrom(isr);
      if (below(2) === 0) await this.pass(1 + below(60));
    }
  }

  private async crash(id: number): Promise<void> {
    const { cluster } = this;
    await cluster.broker(id).crash();
    cluster.broker(id).fields = { fenced: true };
    const { isr, leader } = cluster.partitions[0]!;
    const rest = isr.filter(member => member !== id);
    if (leader === id) await this.electFrom(rest.length > 0 ? rest : isr);
    else if (rest.length > 0 && isr.includes(id)) {
      const old = cluster.partitions[0]!;
      cluster.partitions = [{ ...old, isr: rest, partitionEpoch: old.partitionEpoch + 1 }];
      await cluster.publish();
    } else await cluster.publish();
  }

  private async restart(id: number): Promise<void> {
    const broker = this.cluster.broker(id);
    broker.epoch += 1_000;
    broker.fields = {};
    this.unreachable.delete(id);
    await broker.start();
    const { isr, leader } = this.cluster.partitions[0]!;
    if (leader === -1 && isr.includes(id)) await this.electFrom(isr);
    else await this.cluster.publish();
  }

  /** R3: within a leader epoch it only grows, and is not above a member of the maximal ISR. */
  private check(): void {
    const { cluster } = this;
    this.pending = this.pending.filter(({ state, size }) => {
      if (state.result?.errorCode === 0) this.acknowledged.push({ offset: state.result.baseOffset, size });
      return state.result === undefined;
    });
    for (const id of BROKERS) {
      const broker = cluster.broker(id);
      const partition = broker.isUp ? broker.partition() : undefined;
      if (partition?.log === undefined) continue;
      const { highWatermark, logEndOffset } = partition.log;
      expect(highWatermark <= logEndOffset, 'S6').toBe(true);
      const key = `${id} in life ${broker.life}`;
      const before = this.highWatermarks.get(key) ?? 0;
      expect(highWatermark >= before, `R3: ${key} went from ${before} to ${highWatermark}`).toBe(true);
      this.highWatermarks.set(key, highWatermark);
    }
  }

  private async heal(): Promise<void> {
    const { cluster } = this;
    this.broken.clear();
    this.unreachable.clear();
    for (const id of BROKERS) if (!cluster.broker(id).isUp) await this.restart(id);
    if (cluster.partitions[0]!.leader === -1) await this.electFrom(cluster.partitions[0]!.isr);
    await cluster.publish();
    await this.pass(6_000);
    this.append(cluster.partitions[0]!.leader);
    await this.pass(3_000);
  }

  private checkEnd(): void {
    const { cluster } = this;
    expect(this.logger.entries.filter(({ message }) => message.includes('unclean'))).toEqual([]);
    expect(this.logger.entries.filter(({ level }) => level === 'error')).toEqual([]);
    expect(cluster.partitions[0]!.isr.toSorted()).toEqual(BROKERS);
    cluster.expectSameLogs(...BROKERS);
    const epochs = BROKERS.map(id => cluster.broker(id).log.epochEntries);
    const [first] = epochs;
    for (const each of epochs) {
      expect(each.map(({ epoch }) => epoch)).toEqual(
        each.map(({ epoch }) => epoch).toSorted((a, b) => a - b),
      );
      expect(each.at(-1)).toEqual(first!.at(-1));
    }
    const sizes = new Map<Offset, number>();
    for (const { baseOffset, ...rest } of this.batches()) sizes.set(baseOffset, rest.size);
    for (const { offset, size } of this.acknowledged) {
      expect(sizes.get(offset), `R4: what was acknowledged at offset ${offset}`).toBe(size);
    }
  }

  private batches(): { baseOffset: Offset; size: number }[] {
    const found: { baseOffset: Offset; size: number }[] = [];
    let next: Offset = 0;
    for (const each of batchesOf(this.cluster.contentOf(1))) {
      expect(each.baseOffset, 'S1').toBe(next);
      next = add64(each.baseOffset, each.count);
      for (const { value } of each.records()) {
        found.push({ baseOffset: each.baseOffset, size: value!.length });
        break;
      }
    }
    return found;
  }
}

describe('replication under random faults', () => {
  it('loses nothing that was acknowledged, and converges to equal logs (R1, R3, R4, R8, R11)', async () => {
    let acknowledged = 0;
    for (let seed = 1; seed <= SEEDS; seed++) {
      const chaos = new Chaos(seed);
      try {
        await chaos.run();
      } catch (error) {
        throw new Error(`seed ${seed}: ${(error as Error).message}`, { cause: error });
      }
      acknowledged += chaos.acknowledged.length;
    }
    expect(acknowledged).toBeGreaterThan(SEEDS * 5);
  }, 120_000);
});
