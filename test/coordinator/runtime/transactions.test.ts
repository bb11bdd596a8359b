import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MemoryLogger } from '../../../src/base/logger.ts';
import { TimelineMap } from '../../../src/base/timeline-map.ts';
import { CoordinatorRuntime } from '../../../src/coordinator/runtime/coordinator-runtime.ts';
import type {
  CoordinatorShard,
  CoordinatorShardContext,
  RecordPosition,
} from '../../../src/coordinator/runtime/coordinator-shard.ts';
import type { PartitionWriter } from '../../../src/coordinator/runtime/partition-writer.ts';
import { Errors, KafkaError } from '../../../src/protocol/errors.ts';
import { batchesOf, RecordBatch } from '../../../src/record/record-batch.ts';
import type { TransactionMarker } from '../../../src/record/transaction-marker.ts';
import { ManualRuntime } from '../../support/manual-runtime.ts';
import { MemoryPartitions } from '../memory-partition.ts';
import { outcomeOf, type Pending } from '../pending.ts';

const TRANSACTION = {
  transactionalId: 't',
  producerId: 9,
  producerEpoch: 3,
  operation: 'addPartition' as const,
};

type Entry = readonly [key: string, value: string];

/** A map whose entries in transactions count from the commit on. */
class LedgerShard implements CoordinatorShard<Entry> {
  private readonly entries: TimelineMap<string, string>;
  /** By `producer id/key`. */
  private readonly pending: TimelineMap<string, string>;

  constructor({ registry }: CoordinatorShardContext<Entry>) {
    this.entries = new TimelineMap(registry);
    this.pending = new TimelineMap(registry);
  }

  replay([key, value]: Entry, { producerId, producerEpoch, offset }: RecordPosition): void {
    if (value === 'poison') throw new Error('poisoned');
    const text = `${value}@${offset}`;
    if (producerId === -1) this.entries.set(key, text);
    else this.pending.set(`${producerId}/${key}`, `${text}e${producerEpoch}`);
  }

  replayEndTransactionMarker(producerId: number, producerEpoch: number, committed: boolean): void {
    if (producerEpoch === 666) throw new Error('poisoned');
    for (const [name, value] of [...this.pending.entries()]) {
      const [owner, key] = name.split('/') as [string, string];
      if (Number(owner) !== producerId) continue;
      this.pending.delete(name);
      if (committed) this.entries.set(key, value);
    }
  }

  onLoaded(): void {}

  onUnloaded(): void {}

  state(): Record<string, string> {
    return Object.fromEntries([...this.entries.entries(), ...this.pending.entries()].sort());
  }
}

class Harness {
  readonly clock = new ManualRuntime();
  readonly logger = new MemoryLogger();
  readonly partitions: MemoryPartitions;
  readonly runtime: CoordinatorRuntime<LedgerShard, Entry>;

  constructor(partitions = new MemoryPartitions()) {
    this.partitions = partitions;
    this.runtime = new CoordinatorRuntime(this.clock, this.logger, {
      topic: 'state',
      serde: {
        serialize: ([key, value]) => ({ key: Buffer.from(key), value: Buffer.from(value) }),
        deserialize: (key, value) => [key.toString(), value!.toString()] as const,
      },
      shardFactory: context => new LedgerShard(context),
      writer: partitions,
      reader: partitions,
      appendLingerMs: -1,
      writeTimeoutMs: 5000,
      compression: 0,
    });
  }

  static async active(partitions?: MemoryPartitions): Promise<Harness> {
    const harness = new Harness(partitions);
    const load = harness.runtime.load(0, 1);
    await harness.clock.settle();
    await load;
    return harness;
  }

  write(...records: Entry[]): Pending<string> {
    return outcomeOf(this.runtime.write(0, () => ({ records, response: 'ok' })));
  }

  writeIn(producerId: number, ...records: Entry[]): Pending<string> {
    const transaction = { ...TRANSACTION, producerId };
    return outcomeOf(
      this.runtime.writeTransactional(0, transaction, () => ({ records, response: 'ok', atomic: false })),
    );
  }

  end(producerId: number, isCommit: boolean, more: Partial<TransactionMarker> = {}): Pending<string> {
    const marker = {
      producerId,
      producerEpoch: 3,
      coordinatorEpoch: 7,
      isCommit,
      transactionVersion: 0,
      ...more,
    };
    return outcomeOf(this.runtime.completeTransaction(0, marker).then(() => 'ok'));
  }

  state(): Record<string, string> {
    return this.runtime.read(0, shard => shard.state());
  }

  batches(): RecordBatch[] {
    return this.partitions.log().batches.flatMap(buffer => [...batchesOf(buffer)]);
  }
}

describe('a write in a transaction', () => {
  it('is a batch of the producer, behind what was written before, and is answered when committed', async () => {
    const h = await Harness.active();
    h.partitions.autoCommit = false;
    const before = h.write(['a', '1']);
    const inside = h.writeIn(9, ['a', '2'], ['b', '2']);
    const after = h.write(['c', '3']);
    expect(h.state()).toEqual({ a: '1@0', '9/a': '2@1e3', '9/b': '2@2e3', c: '3@3' });
    // The batch of the last one is still open.
    const [first, second] = h.batches();
    expect(first).toMatchObject({ isTransactional: false, producerId: -1, count: 1 });
    expect(second).toMatchObject({
      isTransactional: true,
      isControlBatch: false,
      producerId: 9,
      producerEpoch: 3,
      baseSequence: 0,
      count: 2,
    });
    await h.clock.settle();
    expect(h.batches()).toHaveLength(3);
    expect([before.value, inside.value, after.value]).toEqual([undefined, undefined, undefined]);
    h.partitions.commit(0, 3);
    await h.clock.settle();
    expect([before.value, inside.value, after.value]).toEqual(['ok', 'ok', undefined]);
  });

  it('that fails takes itself back, and nothing that others have written in the same turn', async () => {
    const h = await Harness.active();
    const other = h.write(['a', '1']);
    const append = h.partitions.append.bind(h.partitions);
    h.partitions.append = (...args) => {
      if (new RecordBatch(args[2]).isTransactional) throw new KafkaError(Errors.INVALID_PRODUCER_EPOCH);
      return append(...args);
    };
    const refused = h.writeIn(9, ['a', '2'], ['b', '2']);
    await h.clock.settle();
    expect([other.value, refused.value]).toEqual(['ok', `error ${Errors.INVALID_PRODUCER_EPOCH}`]);
    expect(h.state()).toEqual({ a: '1@0' });
  });

  it('does not run when what was written before it is lost', async () => {
    const h = await Harness.active();
    const other = h.write(['a', '1']);
    h.partitions.failWith = Errors.NOT_ENOUGH_REPLICAS;
    let ran = false;
    const inside = outcomeOf(
      h.runtime.writeTransactional(0, TRANSACTION, () => {
        ran = true;
        return { records: [], response: 'ok' };
      }),
    );
    await h.clock.settle();
    const lost = `error ${Errors.COORDINATOR_NOT_AVAILABLE}`;
    expect([other.value, inside.value, ran]).toEqual([lost, lost, false]);
    expect(h.state()).toEqual({});
  });

  it('is never divided, and fails where it is too large for a batch', async () => {
    const h = await Harness.active();
    h.partitions.maxBytes = 300;
    const large = h.writeIn(9, ['a', 'x'.repeat(150)], ['b', 'x'.repeat(150)]);
    await h.clock.settle();
    expect(large.value).toBe(`error ${Errors.UNKNOWN_SERVER_ERROR}`);
    expect(h.state()).toEqual({});
    expect(h.batches()).toEqual([]);
  });
});

describe('the end of a transaction', () => {
  it('counts or drops what the producer has written, at once, and leaves other producers alone', async () => {
    const h = await Harness.active();
    h.partitions.autoCommit = false;
    h.writeIn(8, ['a', '8'], ['b', '8']);
    h.writeIn(9, ['a', '9']);
    const committed = h.end(8, true);
    expect(h.state()).toEqual({ a: '8@0e3', b: '8@1e3', '9/a': '9@2e3' });
    const aborted = h.end(9, false);
    expect(h.state()).toEqual({ a: '8@0e3', b: '8@1e3' });
    await h.clock.settle();
    expect([committed.value, aborted.value]).toEqual([undefined, undefined]);
    h.partitions.commit(0, 4);
    await h.clock.settle();
    expect([committed.value, aborted.value]).toEqual(['ok', undefined]);
    h.partitions.commit();
    await h.clock.settle();
    expect(aborted.value).toBe('ok');
    const [commit, abort] = h.batches().slice(2);
    expect(commit).toMatchObject({
      isControlBatch: true,
      isTransactional: true,
      producerId: 8,
      producerEpoch: 3,
    });
    const records = [...commit!.records(), ...abort!.records()];
    expect(records.map(({ key, value }) => [key!.toString('hex'), value!.toString('hex')])).toEqual([
      ['00000001', '000000000007'],
      ['00000000', '000000000007'],
    ]);
  });

  it('comes behind records that wait for their batch', async () => {
    const h = await Harness.active();
    h.writeIn(9, ['a', '9']);
    h.write(['b', '1']);
    h.end(9, true);
    expect(h.batches().map(batch => batch.isControlBatch)).toEqual([false, false, true]);
    expect(h.state()).toEqual({ a: '9@0e3', b: '1@1' });
  });

  it.each([
    ['the coordinator has been replaced', Errors.TRANSACTION_COORDINATOR_FENCED],
    ['the producer has a later epoch', Errors.INVALID_PRODUCER_EPOCH],
  ])('changes nothing when %s', async (_, code) => {
    const h = await Harness.active();
    h.writeIn(9, ['a', '9']);
    h.partitions.failWith = code;
    const fenced = h.end(9, false);
    await h.clock.settle();
    expect(fenced.value).toBe(`error ${code}`);
    expect(h.state()).toEqual({ '9/a': '9@0e3' });
    h.partitions.failWith = undefined;
    const accepted = h.end(9, true);
    await h.clock.settle();
    expect(accepted.value).toBe('ok');
    expect(h.state()).toEqual({ a: '9@0e3' });
  });

  it('tells the log the version of transactions, which the marker itself does not hold', async () => {
    const h = await Harness.active();
    const versions: (number | undefined)[] = [];
    const writer: PartitionWriter = h.partitions;
    const append = writer.append.bind(writer);
    writer.append = (partition, leaderEpoch, batch, options) => {
      versions.push(options?.transactionVersion);
      return append(partition, leaderEpoch, batch, options);
    };
    h.writeIn(9, ['a', '9']);
    h.end(9, true, { transactionVersion: 2, producerEpoch: 4 });
    expect(versions).toEqual([undefined, 2]);
  });

  it('that cannot be replayed is not written', async () => {
    const h = await Harness.active();
    h.writeIn(9, ['a', '9']);
    const poisoned = h.end(9, true, { producerEpoch: 666 });
    await h.clock.settle();
    expect(poisoned.value).toBe(`error ${Errors.UNKNOWN_SERVER_ERROR}`);
    expect(h.batches()).toHaveLength(1);
    expect(h.state()).toEqual({ '9/a': '9@0e3' });
  });

  it('is answered by nobody who does not lead the partition', async () => {
    const h = await Harness.active();
    h.runtime.unload(0, 2);
    const outcome = h.end(9, true);
    await h.clock.settle();
    expect(outcome.value).toBe(`error ${Errors.NOT_COORDINATOR}`);
  });
});

describe('a shard whose partition somebody else has written to', () => {
  it('is loaded anew: its offsets are not those of the log any more', async () => {
    const h = await Harness.active();
    h.write(['a', '1']);
    await h.clock.settle();
    const stranger = await Harness.active();
    stranger.write(['z', '1']);
    await stranger.clock.settle();
    h.partitions.append({ topic: 'state', partition: 0 }, 1, stranger.partitions.log().batches[0]!);
    const lost = h.write(['b', '2']);
    await h.clock.settle();
    expect(lost.value).toBe(`error ${Errors.NOT_COORDINATOR}`);
    expect(h.logger.messages('error')).toEqual(['the log of a coordinator has other records than its state']);
    await h.clock.pass(2000);
    expect(h.state()).toEqual({ a: '1@0', z: '1@1', b: '2@2' });
  });
});

type Step =
  | { readonly type: 'write'; readonly key: string }
  | { readonly type: 'writeIn'; readonly producerId: number; readonly key: string }
  | { readonly type: 'end'; readonly producerId: number; readonly isCommit: boolean }
  | { readonly type: 'turn' }
  | { readonly type: 'fail'; readonly fails: boolean };

const key = fc.constantFrom('a', 'b', 'c');
const producerId = fc.constantFrom(8, 9);
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ type: fc.constant('write' as const), key }),
  fc.record({ type: fc.constant('writeIn' as const), producerId, key }),
  fc.record({ type: fc.constant('end' as const), producerId, isCommit: fc.boolean() }),
  fc.constant({ type: 'turn' as const }),
  fc.record({ type: fc.constant('fail' as const), fails: fc.boolean() }),
);

describe('the state of a shard with transactions', () => {
  it('is what any prefix of its log says, whatever failed in between', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 25 }), async steps => {
        const h = await Harness.active();
        /** By the number of batches in the log. */
        const states = new Map<number, Record<string, string>>([[0, {}]]);
        for (const [i, s] of steps.entries()) {
          if (s.type === 'write') h.write([s.key, `v${i}`]);
          else if (s.type === 'writeIn') h.writeIn(s.producerId, [s.key, `v${i}`]);
          else if (s.type === 'end') h.end(s.producerId, s.isCommit);
          else if (s.type === 'turn') await h.clock.settle();
          else h.partitions.failWith = s.fails ? Errors.NOT_ENOUGH_REPLICAS : undefined;
          // Nothing of a batch that is still open may be compared with the log.
          if (s.type !== 'write' && s.type !== 'fail') states.set(h.batches().length, h.state());
        }
        for (const [count, state] of states) {
          const prefix = new MemoryPartitions();
          for (const batch of h.partitions.log().batches.slice(0, count))
            prefix.append({ topic: 'state', partition: 0 }, 1, Buffer.from(batch));
          const loaded = await Harness.active(prefix);
          expect(loaded.state()).toEqual(state);
        }
      }),
      { numRuns: 150 },
    );
  });
});
