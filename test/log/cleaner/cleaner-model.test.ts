import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CompressionType } from '../../../src/compression/compression-type.ts';
import type { CrashMode, DiskOperation } from '../../support/memory-disk.ts';
import { ManualRuntime } from '../../support/manual-runtime.ts';
import { closeManager, DIRECTORY, markerOf, type OpenedLog } from '../log-fixture.ts';
import {
  appendKeyed,
  type KeyValue,
  lastOf,
  openCompacted,
  readCommitted,
  readKeyed,
  type StoredRecord,
} from './cleaner-fixture.ts';

const CONFIG = { segmentBytes: 600, deleteRetentionMs: 3000, fileDeleteDelayMs: 2000 };
const CHANGES: ReadonlySet<DiskOperation> = new Set([
  'open',
  'write',
  'truncate',
  'sync',
  'rename',
  'remove',
  'replace',
  'syncDirectory',
]);

/**
 * The process dies before the operation of this number, counted from now, that changes something on the disk: nothing
 * that it does reaches the disk any more.
 */
function dieAfter({ disk }: ManualRuntime, changes: number): { readonly isDead: boolean } {
  const state = { isDead: false, left: changes };
  disk.fault = operation => {
    if (state.isDead || (CHANGES.has(operation) && --state.left < 0)) {
      state.isDead = true;
      return { code: 'EIO' };
    }
    return undefined;
  };
  return state;
}

async function flushAll({ log, runtime }: OpenedLog): Promise<void> {
  const flushed = log.flush();
  await runtime.settle();
  await flushed;
}

async function reopen(runtime: ManualRuntime, mode: CrashMode): Promise<OpenedLog> {
  runtime.die();
  runtime.disk.crash(mode);
  const opened = await openCompacted(CONFIG, runtime);
  opened.log.updateHighWatermark(opened.log.logEndOffset);
  return opened;
}

function leftovers({ disk }: ManualRuntime): string[] {
  return disk.paths().filter(path => /\.(cleaned|swap|deleted)$/.test(path) && path.startsWith(DIRECTORY));
}

/** Records of a log as they were written, by offset. */
type Written = ReadonlyMap<unknown, StoredRecord>;

function expectPartOf(found: readonly StoredRecord[], written: Written): void {
  for (const [at, record] of found.entries()) {
    expect(written.get(record.offset)).toEqual(record);
    if (at > 0) expect(record.offset).toBeGreaterThan(found[at - 1]!.offset as number);
  }
}

describe('a process that ends in the middle of a compaction', () => {
  it.each<[string, () => CrashMode]>([
    ['killed', () => 'keep'],
    ['without power, nothing but what was synced left', () => 'lose'],
    ['without power, any part of the rest left', () => randomOf(5)],
  ])(
    'leaves a log with the same last records, at every step (S5, S10): %s',
    async (_name, mode) => {
      for (let step = 0; ; step++) {
        const opened = await openCompacted(CONFIG);
        const { runtime, log } = opened;
        for (let at = 0; at < 16; at++) {
          const records: KeyValue[] = [0, 1].map(each => [
            `k${(at * 3 + each) % 7}`,
            `${at}.${each}${'.'.repeat(80)}`,
          ]);
          if (at === 8) records.push(['k2', null]);
          appendKeyed(opened, records, {
            producerId: 5,
            producerEpoch: 0,
            baseSequence: at * 2 + (at > 8 ? 1 : 0),
          });
        }
        await flushAll(opened);
        const before = await readKeyed(log);
        const written = new Map(before.map(record => [record.offset, record]));
        const end = log.logEndOffset;
        const death = dieAfter(runtime, step);
        for (let i = 0; i < 4; i++) await runtime.pass(1000);
        const { isDead } = death;

        const again = await reopen(runtime, mode());
        const found = await readKeyed(again.log);
        expectPartOf(found, written);
        expect([step, lastOf(found)]).toEqual([step, lastOf(before)]);
        expect(again.log.logEndOffset).toBe(end);
        expect(again.log.activeProducers.get(5)?.lastSequence).toBe(log.activeProducers.get(5)?.lastSequence);
        expect(leftovers(runtime)).toEqual([]);
        // It may have gone on compacting meanwhile.
        const once = await reopen(runtime, mode());
        const foundOnce = await readKeyed(once.log);
        expectPartOf(foundOnce, new Map(found.map(record => [record.offset, record])));
        expect(lastOf(foundOnce)).toEqual(lastOf(before));
        for (let i = 0; i < 6; i++) await runtime.pass(1000);
        expect(lastOf(await readKeyed(once.log))).toEqual(lastOf(before));
        expect(once.log.cleanerCheckpoint).toBe(once.log.segments.active.baseOffset);
        expect(leftovers(runtime)).toEqual([]);
        if (!isDead) {
          expect(step).toBeGreaterThan(50);
          return;
        }
      }
    },
    120_000,
  );
});

function randomOf(seed: number): () => number {
  const runtime = new ManualRuntime({ seed });
  return () => runtime.random.below(1_000_000) / 1_000_000;
}

/** What a compacted log should hold: all that was written, and the committed records among it. */
interface Model {
  readonly written: Map<unknown, StoredRecord>;
  committed: StoredRecord[];
  readonly open: Map<number, StoredRecord[]>;
  readonly sequences: Map<number, number>;
  marks: number;
}

interface Real {
  opened: OpenedLog;
}

type Command = fc.AsyncCommand<Model, Real>;

function command(name: string, run: (model: Model, real: Real) => Promise<void>): Command {
  return { check: () => true, run, toString: () => name };
}

const keyedRecord = fc.tuple(
  fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', '__proto__', ''),
  fc.option(fc.integer({ min: 0, max: 90 }), { freq: 4 }),
);

/** Producer 0 is none; 1 and 2 are idempotent, 3 and 4 have transactions. */
const append = (
  records: (readonly [string, number | null])[],
  producer: number,
  compression: CompressionType,
) =>
  command(
    `append ${records.map(([key, size]) => `${key}=${size}`)} by ${producer} as ${compression}`,
    async (model, { opened }) => {
      const mark = ++model.marks;
      const keyed = records.map(
        ([key, size]): KeyValue => [key, size === null ? null : `${mark}${'.'.repeat(size)}`],
      );
      const sequence = model.sequences.get(producer) ?? 0;
      const isTransactional = producer >= 3;
      const ids =
        producer === 0
          ? {}
          : { producerId: producer, producerEpoch: 0, baseSequence: sequence, isTransactional };
      const first = opened.log.logEndOffset as number;
      appendKeyed(opened, keyed, { ...ids, compression });
      model.sequences.set(producer, sequence + records.length);
      const stored = keyed.map(([key, value], at) => ({ offset: first + at, key, value }));
      for (const record of stored) model.written.set(record.offset, record);
      if (isTransactional) model.open.set(producer, [...(model.open.get(producer) ?? []), ...stored]);
      else model.committed.push(...stored);
    },
  );

const endTransaction = (producer: number, commit: boolean) =>
  command(`${commit ? 'commit' : 'abort'} ${producer}`, async (model, { opened: { log, runtime } }) => {
    const stored = model.open.get(producer);
    if (stored === undefined) return;
    log.appendAsLeader(markerOf(producer, 0, commit), 0, { origin: 'coordinator' });
    runtime.turn();
    log.updateHighWatermark(log.logEndOffset);
    model.open.delete(producer);
    if (commit)
      model.committed = [...model.committed, ...stored].sort((a, b) => Number(a.offset) - Number(b.offset));
  });

const roll = command('roll', async (_model, { opened }) => opened.log.roll());

const pass = (ms: number) =>
  command(`pass ${ms}`, async (model, { opened }) => {
    await opened.runtime.pass(ms);
    await check(model, opened);
  });

/** The disk keeps what is synced, and all of that was. */
const crash = (changes: number, ms: number, mode: 'keep' | 'lose' | 'tear') =>
  command(`crash (${mode}) after ${changes} changes`, async (model, real) => {
    const { opened } = real;
    opened.log.roll();
    await flushAll(opened);
    dieAfter(opened.runtime, changes);
    await opened.runtime.pass(ms);
    real.opened = await reopen(opened.runtime, mode === 'tear' ? randomOf(changes + ms) : mode);
    await check(model, real.opened);
  });

const restart = command('restart', async (model, real) => {
  const { opened } = real;
  await closeManager(opened);
  real.opened = await openCompacted(CONFIG, opened.runtime);
  real.opened.log.updateHighWatermark(real.opened.log.logEndOffset);
  await check(model, real.opened);
});

async function check(model: Model, { log }: OpenedLog): Promise<void> {
  expectPartOf(await readKeyed(log), model.written);
  const firstOpen = Math.min(...[...model.open.values()].map(stored => Number(stored[0]!.offset)));
  const committed = await readCommitted(log);
  const expected = model.committed.filter(({ offset }) => Number(offset) < firstOpen);
  expect(lastOf(committed)).toEqual(lastOf(expected));
  const known = new Set(expected.map(({ offset }) => offset));
  expect(committed.filter(({ offset }) => !known.has(offset))).toEqual([]);
  for (const [producer, sequence] of model.sequences) {
    if (producer > 0)
      expect([producer, log.activeProducers.get(producer)?.lastSequence]).toEqual([producer, sequence - 1]);
    expect([producer, log.producerState.hasOngoingTransaction(producer, 0)]).toEqual([
      producer,
      model.open.has(producer),
    ]);
  }
  const epochs = log.epochEntries;
  expect(epochs.every((entry, at) => at === 0 || entry.startOffset > epochs[at - 1]!.startOffset)).toBe(true);
}

describe('a compacted log against a plain map', () => {
  it('has the last committed record of each key, whatever is written, cleaned and broken off', async () => {
    const codec = fc.constantFrom(
      CompressionType.NONE,
      CompressionType.NONE,
      CompressionType.GZIP,
      CompressionType.SNAPPY,
      CompressionType.LZ4,
    );
    const batch = fc.tuple(
      fc.array(keyedRecord, { minLength: 1, maxLength: 4 }),
      fc.integer({ min: 0, max: 4 }),
      codec,
    );
    const commands = fc.commands(
      [
        batch.map(args => append(...args)),
        batch.map(args => append(...args)),
        batch.map(args => append(...args)),
        fc.tuple(fc.integer({ min: 3, max: 4 }), fc.boolean()).map(args => endTransaction(...args)),
        fc.constant(roll),
        fc.constantFrom(500, 1000, 4000).map(pass),
        fc.constantFrom(500, 1000, 4000).map(pass),
        fc
          .tuple(
            fc.integer({ min: 0, max: 150 }),
            fc.constantFrom(1000, 3000),
            fc.constantFrom('keep' as const, 'lose' as const, 'tear' as const),
          )
          .map(args => crash(...args)),
        fc.constant(restart),
      ],
      { maxCommands: 80, size: '+1' },
    );
    await fc.assert(
      fc.asyncProperty(commands, async steps => {
        const real: Real = { opened: await openCompacted(CONFIG) };
        const model: Model = {
          written: new Map(),
          committed: [],
          open: new Map(),
          sequences: new Map(),
          marks: 0,
        };
        await fc.asyncModelRun(() => ({ model, real }), steps);
        await pass(20_000).run(model, real);
      }),
      { numRuns: 60 },
    );
  }, 120_000);
});
