import { describe, expect, it } from 'vitest';
import { MemoryLogger } from '../../../src/base/logger.ts';
import { TimelineMap } from '../../../src/base/timeline-map.ts';
import { CoordinatorRuntime } from '../../../src/coordinator/runtime/coordinator-runtime.ts';
import type {
  CoordinatorResult,
  CoordinatorShard,
  CoordinatorShardContext,
} from '../../../src/coordinator/runtime/coordinator-shard.ts';
import { Errors, KafkaError } from '../../../src/protocol/errors.ts';
import { ManualRuntime } from '../../support/manual-runtime.ts';
import { MemoryPartitions } from '../memory-partition.ts';
import { outcomeOf, type Pending } from '../pending.ts';

type Record = readonly [key: string, value: string | null];

/** A map from names to texts. */
class MapShard implements CoordinatorShard<Record> {
  readonly map: TimelineMap<string, string>;
  readonly context: CoordinatorShardContext<Record>;
  readonly events: string[] = [];

  constructor(context: CoordinatorShardContext<Record>) {
    this.context = context;
    this.map = new TimelineMap(context.registry);
  }

  replay([key, value]: Record): void {
    if (value === 'poison') throw new Error('poisoned');
    if (value === null) this.map.delete(key);
    else this.map.set(key, value);
  }

  replayEndTransactionMarker(): void {}

  onLoaded(): void {
    this.events.push('loaded');
  }

  onUnloaded(): void {
    this.events.push('unloaded');
  }
}

class Harness {
  readonly clock = new ManualRuntime();
  readonly partitions = new MemoryPartitions();
  readonly logger = new MemoryLogger();
  readonly shards: MapShard[] = [];
  readonly runtime: CoordinatorRuntime<MapShard, Record>;

  constructor(appendLingerMs = -1) {
    this.runtime = new CoordinatorRuntime(this.clock, this.logger, {
      topic: 'state',
      serde: {
        serialize: ([key, value]) => ({
          key: Buffer.from(key),
          value: value === null ? null : Buffer.from(value),
        }),
        deserialize: (key, value) => [key.toString(), value === null ? null : value.toString()] as const,
      },
      shardFactory: context => {
        const shard = new MapShard(context);
        this.shards.push(shard);
        return shard;
      },
      writer: this.partitions,
      reader: this.partitions,
      appendLingerMs,
      writeTimeoutMs: 5000,
      compression: 0,
    });
  }

  static async active(appendLingerMs?: number): Promise<Harness> {
    const harness = new Harness(appendLingerMs);
    const load = harness.runtime.load(0, 1);
    await harness.clock.settle();
    await load;
    return harness;
  }

  write(records: Record[], more: Partial<CoordinatorResult<string, Record>> = {}): Pending<string> {
    return outcomeOf(this.runtime.write(0, () => ({ records, response: 'ok', ...more })));
  }

  get(key: string): string | undefined {
    return this.runtime.read(0, (shard, committed) => shard.map.get(key, committed));
  }

  now(key: string): string | undefined {
    return this.runtime.read(0, shard => shard.map.get(key));
  }
}

describe('a write operation', () => {
  it('changes the state at once, shares its batch with others of the turn, and is answered when committed', async () => {
    const h = await Harness.active();
    h.partitions.autoCommit = false;
    const first = h.write([['a', '1']]);
    const second = h.write([['b', '2']]);
    expect(h.now('a')).toBe('1');
    expect(h.get('a')).toBeUndefined();
    expect(h.partitions.log().batches).toHaveLength(0);
    await h.clock.settle();
    expect(h.partitions.log().batches).toHaveLength(1);
    expect(first.value).toBeUndefined();
    h.partitions.commit();
    await h.clock.settle();
    expect([first.value, second.value]).toEqual(['ok', 'ok']);
    expect(h.get('a')).toBe('1');
  });

  it('that writes nothing waits for what it may have seen', async () => {
    const h = await Harness.active();
    h.partitions.autoCommit = false;
    h.write([['a', '1']]);
    const inBatch = h.write([]);
    await h.clock.settle();
    const afterBatch = h.write([]);
    await h.clock.settle();
    expect([inBatch.value, afterBatch.value]).toEqual([undefined, undefined]);
    h.partitions.commit();
    await h.clock.settle();
    expect([inBatch.value, afterBatch.value]).toEqual(['ok', 'ok']);
    const quiet = h.write([]);
    await Promise.resolve();
    await Promise.resolve();
    expect(quiet.value).toBe('ok');
  });

  it('goes to the log at once, or after the linger, where that is configured', async () => {
    const atOnce = await Harness.active(0);
    atOnce.write([['a', '1']]);
    expect(atOnce.partitions.log().batches).toHaveLength(1);
    const later = await Harness.active(10);
    later.write([['a', '1']]);
    await later.clock.pass(9);
    later.write([['b', '1']]);
    expect(later.partitions.log().batches).toHaveLength(0);
    await later.clock.pass(1);
    expect(later.partitions.log().batches).toHaveLength(1);
    expect(later.partitions.records()).toHaveLength(2);
  });

  it('whose append fails takes its whole batch back, and nothing before it', async () => {
    const h = await Harness.active();
    h.partitions.autoCommit = false;
    const kept = h.write([['a', '1']]);
    await h.clock.settle();
    h.partitions.failWith = Errors.NOT_ENOUGH_REPLICAS;
    const codes: (number | undefined)[] = [];
    const lost = h.write(
      [
        ['a', '2'],
        ['b', '2'],
      ],
      { onCompleted: code => codes.push(code) },
    );
    const seen = h.write([]);
    await h.clock.settle();
    expect([lost.value, seen.value]).toEqual([
      `error ${Errors.COORDINATOR_NOT_AVAILABLE}`,
      `error ${Errors.COORDINATOR_NOT_AVAILABLE}`,
    ]);
    expect(codes).toEqual([Errors.COORDINATOR_NOT_AVAILABLE]);
    expect(h.now('a')).toBe('1');
    expect(h.now('b')).toBeUndefined();
    h.partitions.failWith = undefined;
    h.partitions.commit();
    await h.clock.settle();
    expect(kept.value).toBe('ok');
  });

  it('starts a new batch where the records do not fit, and fails where they never will', async () => {
    const h = await Harness.active();
    h.partitions.maxBytes = 300;
    const outcomes = [
      h.write([['a', 'x'.repeat(150)]]),
      h.write([['b', 'x'.repeat(150)]]),
      h.write([['c', 'x'.repeat(300)]]),
    ];
    await h.clock.settle();
    expect(outcomes.map(write => write.value)).toEqual(['ok', 'ok', `error ${Errors.UNKNOWN_SERVER_ERROR}`]);
    expect(h.partitions.log().batches).toHaveLength(2);
    const many = h.write(
      Array.from({ length: 20 }, (_, i) => [`k${i}`, 'y'.repeat(50)] as const),
      { atomic: false },
    );
    await h.clock.settle();
    expect(many.value).toBe('ok');
    expect(h.get('k19')).toBe('y'.repeat(50));
    for (const batch of h.partitions.log().batches) expect(batch.length).toBeLessThanOrEqual(300);
  });

  it('that throws, or whose record cannot be replayed, is undone', async () => {
    const h = await Harness.active();
    const refused = h.runtime.write(0, () => {
      throw new KafkaError(Errors.ILLEGAL_GENERATION);
    });
    await expect(refused).rejects.toMatchObject({ code: Errors.ILLEGAL_GENERATION });
    const poisoned = h.write([
      ['a', '1'],
      ['b', 'poison'],
    ]);
    await h.clock.settle();
    expect(poisoned.value).toBe(`error ${Errors.UNKNOWN_SERVER_ERROR}`);
    expect(h.now('a')).toBeUndefined();
    expect(h.partitions.records()).toEqual([]);
  });

  it('gives up waiting after the timeout; its records stay', async () => {
    const h = await Harness.active();
    h.partitions.autoCommit = false;
    const first = h.write([['a', '1']]);
    await h.clock.pass(3000);
    const second = h.write([['b', '1']]);
    await h.clock.pass(2000);
    expect(first.value).toBe(`error ${Errors.COORDINATOR_NOT_AVAILABLE}`);
    expect(second.value).toBeUndefined();
    h.partitions.commit();
    await h.clock.settle();
    expect(second.value).toBe('ok');
    expect(h.get('a')).toBe('1');
  });

  it('is answered in part when the high watermark passes one batch of two', async () => {
    const h = await Harness.active();
    h.partitions.autoCommit = false;
    const first = h.write([
      ['a', '1'],
      ['a', '2'],
    ]);
    await h.clock.settle();
    const second = h.write([['a', '3']]);
    await h.clock.settle();
    h.partitions.commit(0, 1);
    expect(h.get('a')).toBeUndefined();
    h.partitions.commit(0, 2);
    await h.clock.settle();
    expect([first.value, second.value]).toEqual(['ok', undefined]);
    expect(h.get('a')).toBe('2');
    expect(h.now('a')).toBe('3');
  });
});

describe('a shard', () => {
  it('answers nothing before it has loaded', async () => {
    const h = new Harness();
    expect(() => h.get('a')).toThrow('NOT_COORDINATOR');
    const load = h.runtime.load(0, 1);
    expect(() => h.get('a')).toThrow('COORDINATOR_LOAD_IN_PROGRESS');
    expect(h.runtime.isLoading()).toBe(true);
    await h.clock.settle();
    await load;
    expect(h.get('a')).toBeUndefined();
    expect(h.shards[0]!.events).toEqual(['loaded']);
  });

  it('has the state of the log when it has loaded, read in pieces, and serves when all of it is committed', async () => {
    const h = await Harness.active(0);
    for (let i = 0; i < 50; i++) h.write([[`k${i % 7}`, `v${i}`]]);
    h.partitions.autoCommit = false;
    h.write([
      ['k0', 'not yet'],
      ['new', 'not yet'],
    ]);
    const other = new Harness();
    const { log } = h.partitions;
    Object.assign(other.partitions.log(), { endOffset: log.call(h.partitions).endOffset, highWatermark: 50 });
    other.partitions.log().batches.push(...h.partitions.log().batches);
    other.partitions.readBytesMax = 200;
    const load = other.runtime.load(0, 1);
    await other.clock.settle();
    await load;
    // What lies above the high watermark may have been acknowledged by the leader before.
    expect(() => other.get('k0')).toThrow('COORDINATOR_LOAD_IN_PROGRESS');
    expect(other.shards[0]!.events).toEqual([]);
    other.partitions.commit();
    expect(other.shards[0]!.events).toEqual(['loaded']);
    expect(other.get('k0')).toBe('not yet');
    expect(other.get('k1')).toBe('v43');
    expect(other.get('new')).toBe('not yet');
  });

  it('that is unloaded answers all who wait, and hears nothing more', async () => {
    const h = await Harness.active();
    h.partitions.autoCommit = false;
    const appended = h.write([['a', '1']]);
    await h.clock.settle();
    const batched = h.write([['b', '1']]);
    h.shards[0]!.context.timer.schedule('t', 10, () => {
      throw new Error('a timer of an unloaded shard ran');
    });
    h.runtime.unload(0, 2);
    await h.clock.pass(100);
    expect([appended.value, batched.value]).toEqual([
      `error ${Errors.NOT_COORDINATOR}`,
      `error ${Errors.NOT_COORDINATOR}`,
    ]);
    expect(() => h.get('a')).toThrow('NOT_COORDINATOR');
    expect(h.shards[0]!.events).toEqual(['loaded', 'unloaded']);
    expect(h.partitions.log().listeners.size).toBe(0);
    expect(h.partitions.log().batches).toHaveLength(1);
  });

  it('obeys leader epochs: old news change nothing', async () => {
    const h = await Harness.active();
    h.write([['a', '1']]);
    await h.clock.settle();
    h.runtime.unload(0, 0);
    expect(h.get('a')).toBe('1');
    await h.runtime.load(0, 1);
    await h.runtime.load(0, 5);
    expect(h.get('a')).toBe('1');
    h.runtime.unload(0, 4);
    expect(h.get('a')).toBe('1');
    h.runtime.unload(0);
    expect(() => h.get('a')).toThrow('NOT_COORDINATOR');
    expect(h.shards).toHaveLength(1);
  });

  it('that is unloaded while it loads never serves', async () => {
    const h = new Harness();
    h.partitions.append({ topic: 'state', partition: 0 }, 0, await batchOf('a', '1'));
    const load = h.runtime.load(0, 1);
    h.runtime.unload(0, 2);
    await h.clock.settle();
    await load;
    expect(h.shards[0]!.events).toEqual([]);
    expect(() => h.get('a')).toThrow('NOT_COORDINATOR');
  });

  it('fails when the log cannot be written, until it is led anew', async () => {
    const h = await Harness.active();
    h.partitions.autoCommit = false;
    const write = h.write([['a', '1']]);
    await h.clock.settle();
    for (const listener of h.partitions.log().listeners) listener.onWriteFailed(Errors.KAFKA_STORAGE_ERROR);
    await h.clock.settle();
    expect(write.value).toBe(`error ${Errors.NOT_COORDINATOR}`);
    expect(() => h.get('a')).toThrow('NOT_COORDINATOR');
    const load = h.runtime.load(0, 2);
    await h.clock.settle();
    await load;
    h.partitions.commit();
    expect(h.now('a')).toBe('1');
  });

  it('is loaded anew in the same epoch when a write has failed and the log is there', async () => {
    const h = await Harness.active();
    h.partitions.autoCommit = false;
    h.write([['a', '1']]);
    await h.clock.settle();
    for (const listener of h.partitions.log().listeners) listener.onWriteFailed(Errors.KAFKA_STORAGE_ERROR);
    await h.clock.pass(900);
    expect(() => h.get('a')).toThrow('NOT_COORDINATOR');
    await h.clock.pass(200);
    h.partitions.commit();
    expect(h.now('a')).toBe('1');
  });

  it('fails to load a damaged log, and says so', async () => {
    const h = new Harness();
    const batch = await batchOf('a', '1');
    batch[batch.length - 2]! ^= 1;
    h.partitions.append({ topic: 'state', partition: 0 }, 0, batch);
    const load = h.runtime.load(0, 1);
    await h.clock.settle();
    await load;
    expect(() => h.get('a')).toThrow('NOT_COORDINATOR');
    expect(h.logger.messages('error')).toEqual(['a coordinator shard failed to load']);
  });
});

describe('a timer of a shard', () => {
  it('runs as a write operation, can be put off and called off', async () => {
    const h = await Harness.active();
    const { timer } = h.shards[0]!.context;
    const set = (value: string) => () => ({ records: [['t', value] as const], response: undefined });
    timer.schedule('a', 100, set('late'));
    timer.schedule('b', 100, set('never'));
    timer.cancel('b');
    await h.clock.pass(60);
    timer.schedule('a', 100, set('later'));
    await h.clock.pass(99);
    expect(h.get('t')).toBeUndefined();
    expect(timer.isScheduled('a')).toBe(true);
    await h.clock.pass(1);
    expect(h.get('t')).toBe('later');
    expect(timer.isScheduled('a')).toBe(false);
    timer.schedule('a', 100, set('slow'));
    timer.schedule('a', 10, set('quick'));
    await h.clock.pass(10);
    expect(h.get('t')).toBe('quick');
    await h.clock.pass(100);
    expect(h.get('t')).toBe('quick');
  });

  it('may run longer than a timer of the event loop can', async () => {
    const h = await Harness.active();
    const { timer } = h.shards[0]!.context;
    timer.schedule('a', 5e9, () => ({ records: [['t', 'x']], response: undefined }));
    await h.clock.pass(4.999e9);
    expect(h.get('t')).toBeUndefined();
    await h.clock.pass(1e6);
    expect(h.get('t')).toBe('x');
  });

  it('is tried again when its append fails', async () => {
    const h = await Harness.active();
    h.partitions.failWith = Errors.NOT_ENOUGH_REPLICAS;
    h.shards[0]!.context.timer.schedule('a', 1, () => ({ records: [['t', 'x']], response: undefined }));
    await h.clock.pass(10);
    h.partitions.failWith = undefined;
    expect(h.now('t')).toBeUndefined();
    await h.clock.pass(500);
    expect(h.get('t')).toBe('x');
  });
});

async function batchOf(key: string, value: string): Promise<Buffer> {
  const writer = await Harness.active(0);
  writer.write([[key, value]]);
  return writer.partitions.log().batches[0]!;
}
