import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { FetchIsolation } from '../../src/log/fetch-data-info.ts';
import type { UnifiedLog } from '../../src/log/unified-log.ts';
import { Errors, type KafkaError } from '../../src/protocol/errors.ts';
import { ControlRecordType, controlRecordTypeId } from '../../src/record/control-records.ts';
import { batchesOf } from '../../src/record/record-batch.ts';
import { ManualRuntime } from '../support/manual-runtime.ts';
import { batchOf, bytesOf, closeManager, markerOf, type OpenedLog, openLog } from './log-fixture.ts';

/** A batch of the log, as it should be. */
interface Entry {
  readonly offset: number;
  readonly count: number;
  readonly producer: number;
  readonly epoch: number;
  readonly sequence: number;
  readonly transactional: boolean;
  /** Of a marker. */
  readonly commit?: boolean;
  readonly coordinatorEpoch?: number;
  readonly text: string;
}

interface Txn {
  readonly producer: number;
  readonly first: number;
  end: number | undefined;
  commit: boolean | undefined;
  /** Ended, above the high watermark, when the process started: a snapshot does not say so. */
  forgotten: boolean;
}

interface Producer {
  epoch: number;
  nextSequence: number;
  lastSequence: number;
  coordinatorEpoch: number;
  open: Txn | undefined;
  last: Entry | undefined;
}

/** What the batches of a log mean, worked out from the first to the last. */
class Model {
  entries: Entry[] = [];
  highWatermark = 0;
  start = 0;
  /** Transactions that {@link Txn.forgotten} holds for, by first offset. */
  readonly forgotten = new Set<number>();

  get end(): number {
    const last = this.entries.at(-1);
    return last === undefined ? 0 : last.offset + last.count;
  }

  fold(): { producers: Map<number, Producer>; txns: Txn[]; txnOf: Map<Entry, Txn> } {
    const producers = new Map<number, Producer>();
    const txns: Txn[] = [];
    const txnOf = new Map<Entry, Txn>();
    for (const entry of this.entries) {
      const known = producers.get(entry.producer);
      const fresh = { epoch: -1, nextSequence: 0, lastSequence: -1, coordinatorEpoch: -1, open: undefined };
      const state: Producer = known ?? { ...fresh, last: undefined };
      producers.set(entry.producer, state);
      if (entry.epoch !== state.epoch) Object.assign(state, { nextSequence: 0, lastSequence: -1 });
      if (entry.epoch !== state.epoch) state.last = undefined;
      state.epoch = entry.epoch;
      if (entry.commit !== undefined) {
        state.coordinatorEpoch = entry.coordinatorEpoch!;
        if (state.open !== undefined) {
          state.open.end = entry.offset;
          state.open.commit = entry.commit;
          state.open = undefined;
        }
        continue;
      }
      if (entry.transactional && state.open === undefined) {
        const forgotten = this.forgotten.has(entry.offset);
        state.open = {
          producer: entry.producer,
          first: entry.offset,
          end: undefined,
          commit: undefined,
          forgotten,
        };
        txns.push(state.open);
      }
      if (state.open !== undefined) txnOf.set(entry, state.open);
      state.lastSequence = entry.sequence + entry.count - 1;
      state.nextSequence = state.lastSequence + 1;
      state.last = entry;
    }
    return { producers, txns, txnOf };
  }

  stableOffset(counts: (txn: Txn) => boolean): number {
    let stable = this.highWatermark;
    for (const txn of this.fold().txns) {
      if (counts(txn)) stable = Math.min(stable, Math.max(txn.first, this.start));
    }
    return stable;
  }

  /** T5, at its lowest and its highest. */
  get lastStableOffset(): [number, number] {
    const isOpen = (txn: Txn) => txn.end === undefined || txn.end >= this.highWatermark;
    return [this.stableOffset(isOpen), this.stableOffset(txn => isOpen(txn) && !(txn.forgotten && txn.end))];
  }

  /** What a consumer gets. */
  readable(isolation: FetchIsolation, from: number, bound: number): string[] {
    const { txnOf } = this.fold();
    const texts: string[] = [];
    for (const entry of this.entries) {
      if (entry.commit !== undefined) continue;
      if (isolation === 'txnCommitted' && txnOf.get(entry)?.commit === false) continue;
      for (let at = 0; at < entry.count; at++) {
        const offset = entry.offset + at;
        if (offset >= Math.max(from, this.start) && offset < bound) texts.push(`${offset}:${entry.text}`);
      }
    }
    return texts;
  }
}

/** Reads to the end as a consumer does, which drops what the answers say was aborted. */
async function consume(
  log: UnifiedLog,
  isolation: FetchIsolation,
  from: number,
  maxBytes: number,
): Promise<string[]> {
  const texts: string[] = [];
  let next = from;
  for (;;) {
    const info = log.read(next, maxBytes, isolation, true);
    const bytes = await bytesOf(info);
    if (bytes.length === 0) return texts;
    const waiting = [...(info.abortedTransactions ?? [])].sort(
      (a, b) => Number(a.firstOffset) - Number(b.firstOffset),
    );
    const aborted = new Set<unknown>();
    for (const batch of batchesOf(bytes)) {
      while (waiting.length > 0 && waiting[0]!.firstOffset <= batch.lastOffset)
        aborted.add(waiting.shift()!.producerId);
      if (batch.isControlBatch) {
        const [record] = batch.records();
        if (controlRecordTypeId(record!.key) === ControlRecordType.ABORT) aborted.delete(batch.producerId);
      } else if (!(batch.isTransactional && aborted.has(batch.producerId))) {
        for (const { offset, value } of batch.records()) {
          if (offset >= next) texts.push(`${offset}:${value!.toString().replace(/\.+$/, '')}`);
        }
      }
      next = Number(batch.nextOffset);
    }
  }
}

function codeOf(action: () => unknown): number {
  try {
    action();
    return Errors.NONE;
  } catch (error) {
    return (error as KafkaError).code;
  }
}

const CONFIG = { segmentBytes: 700, indexIntervalBytes: 150 };
const OPTIONS = { verifiesTransactions: () => true, producerIdExpirationMs: () => Number.MAX_SAFE_INTEGER };

/** The log and its model, and what happens to both. */
class Run {
  readonly model = new Model();
  opened: OpenedLog;
  private stable = 0;
  private written = 0;
  private readonly tailCacheBytes: number;

  constructor(opened: OpenedLog, tailCacheBytes: number) {
    this.opened = opened;
    this.tailCacheBytes = tailCacheBytes;
  }

  private get log(): UnifiedLog {
    return this.opened.log;
  }

  private stateOf(producer: number): Producer {
    const known = this.model.fold().producers.get(producer);
    const fresh = { epoch: 0, nextSequence: 0, lastSequence: -1, coordinatorEpoch: -1 };
    return known ?? { ...fresh, open: undefined, last: undefined };
  }

  produce(producer: number, count: number): void {
    const transactional = producer < 4;
    const { epoch, nextSequence: sequence } = this.stateOf(producer);
    const text = `r${this.written++}`;
    const ids = { producerId: producer, producerEpoch: epoch, baseSequence: sequence };
    const records = () => batchOf({ ...ids, count, text, isTransactional: transactional });
    const guard = transactional
      ? this.log.maybeStartTransactionVerification(producer, sequence, epoch, false)
      : undefined;
    expect(guard !== undefined).toBe(transactional && this.stateOf(producer).open === undefined);
    if (guard !== undefined) {
      expect(codeOf(() => this.log.appendAsLeader(records(), 0))).toBe(Errors.INVALID_TXN_STATE);
    }
    const offset = this.model.end;
    const info = this.log.appendAsLeader(records(), 0, { verificationGuard: guard });
    expect([info.firstOffset, info.duplicate]).toEqual([offset, false]);
    this.model.entries.push({ offset, count, producer, epoch, sequence, transactional, text });
  }

  /** T1: what was sent before is known, and what leaves a gap is refused. */
  sendAgain(producer: number): void {
    const { last, epoch, nextSequence } = this.stateOf(producer);
    if (last === undefined) return;
    const { sequence, count, transactional } = last;
    const ids = { producerId: producer, producerEpoch: epoch, isTransactional: transactional };
    const info = this.log.appendAsLeader(batchOf({ ...ids, baseSequence: sequence, count }), 0);
    expect([info.duplicate, info.firstOffset]).toEqual([true, last.offset]);
    const guard = transactional
      ? this.log.maybeStartTransactionVerification(producer, nextSequence + 2, epoch, false)
      : undefined;
    const gap = batchOf({ ...ids, baseSequence: nextSequence + 2 });
    expect(codeOf(() => this.log.appendAsLeader(gap, 0, { verificationGuard: guard }))).toBe(
      Errors.OUT_OF_ORDER_SEQUENCE_NUMBER,
    );
  }

  /** T3: nothing of an epoch that is over. */
  sendStale(producer: number): void {
    const { epoch } = this.stateOf(producer);
    if (epoch < 1) return;
    const ids = { producerId: producer, producerEpoch: epoch - 1, baseSequence: 0, isTransactional: true };
    expect(codeOf(() => this.log.appendAsLeader(batchOf(ids), 0))).toBe(Errors.INVALID_PRODUCER_EPOCH);
    const marker = markerOf(producer, epoch - 1, true, 99);
    expect(codeOf(() => this.log.appendAsLeader(marker, 0, { origin: 'coordinator' }))).toBe(
      Errors.INVALID_PRODUCER_EPOCH,
    );
  }

  end(producer: number, commit: boolean, version: number): void {
    const { epoch: last, coordinatorEpoch: before, open } = this.stateOf(producer);
    const epoch = version === 2 ? last + 1 : last;
    const coordinatorEpoch = Math.max(0, before) + (version === 2 ? 1 : 0);
    const options = { origin: 'coordinator', transactionVersion: version } as const;
    if (before > 0) {
      const zombie = markerOf(producer, epoch, commit, before - 1);
      expect(codeOf(() => this.log.appendAsLeader(zombie, 0, options))).toBe(
        Errors.TRANSACTION_COORDINATOR_FENCED,
      );
    }
    if (version === 2 && open !== undefined) {
      const sameEpoch = markerOf(producer, last, commit, coordinatorEpoch);
      expect(codeOf(() => this.log.appendAsLeader(sameEpoch, 0, options))).toBe(
        Errors.INVALID_PRODUCER_EPOCH,
      );
    }
    const offset = this.model.end;
    const marker = markerOf(producer, epoch, commit, coordinatorEpoch);
    this.log.appendAsLeader(marker, 0, options);
    const ids = { producer, epoch, sequence: -1, count: 1, transactional: true, text: '' };
    this.model.entries.push({ offset, ...ids, commit, coordinatorEpoch });
  }

  /** An answer about a transaction that has ended meanwhile. */
  lateAnswer(producer: number): void {
    const { epoch, nextSequence, open } = this.stateOf(producer);
    const guard = this.log.maybeStartTransactionVerification(producer, nextSequence, epoch, false);
    expect(guard === undefined).toBe(open !== undefined);
    this.end(producer, false, 0);
    const ids = { producerId: producer, producerEpoch: epoch, baseSequence: nextSequence };
    const late = batchOf({ ...ids, isTransactional: true });
    expect(codeOf(() => this.log.appendAsLeader(late, 0, { verificationGuard: guard }))).toBe(
      Errors.INVALID_TXN_STATE,
    );
  }

  private boundary(part: number, from: number): number {
    const places = [...this.model.entries.map(({ offset }) => offset), this.model.end];
    const fit = places.filter(offset => offset >= from);
    return fit[Math.floor(part * fit.length)] ?? from;
  }

  raise(part: number): void {
    const offset = this.boundary(part, this.model.highWatermark);
    this.model.highWatermark = Number(this.log.updateHighWatermark(offset));
  }

  truncate(part: number): void {
    const offset = this.boundary(part, this.model.highWatermark);
    this.log.truncateTo(offset);
    // Without its marker a transaction is open again, which a snapshot had taken for ended.
    if (this.model.forgotten.size > 0) this.stable = 0;
    this.model.entries = this.model.entries.filter(entry => entry.offset < offset);
    for (const first of this.model.forgotten) if (first >= offset) this.model.forgotten.delete(first);
  }

  deleteRecords(part: number): void {
    const offset = Math.floor(part * this.model.highWatermark);
    this.log.maybeIncrementLogStartOffset(offset, 'test');
    this.model.start = Math.max(this.model.start, offset);
  }

  async restart(clean: boolean): Promise<void> {
    const { runtime, manager } = this.opened;
    const { highWatermark, start } = this.model;
    if (clean) await closeManager(this.opened);
    else {
      runtime.die();
      runtime.disk.crash('keep');
    }
    const { tailCacheBytes } = this;
    const fresh = new ManualRuntime({ disk: runtime.disk, startMs: runtime.clock.wallMs() });
    this.opened = await openLog(CONFIG, fresh, { ...OPTIONS, tailCacheBytes });
    expect(manager).not.toBe(this.opened.manager);
    const { log } = this;
    log.updateHighWatermark(highWatermark);
    if (start > log.logStartOffset) log.maybeIncrementLogStartOffset(start, 'test');
    for (const { first, end } of this.model.fold().txns) {
      if (end !== undefined && end >= highWatermark) this.model.forgotten.add(first);
    }
    this.stable = 0;
  }

  async check(part: number, maxBytes: number): Promise<void> {
    const { log, model } = this;
    this.opened.runtime.turn();
    expect([log.logEndOffset, log.highWatermark, log.logStartOffset]).toEqual([
      model.end,
      model.highWatermark,
      model.start,
    ]);
    const [low, high] = model.lastStableOffset;
    const stable = Number(log.lastStableOffset);
    expect(stable >= low && stable <= high, `${low} <= ${stable} <= ${high}`).toBe(true);
    expect(stable).toBeGreaterThanOrEqual(this.stable);
    this.stable = stable;
    for (const isolation of ['txnCommitted', 'highWatermark', 'logEnd'] as const) {
      const bound = { txnCommitted: stable, highWatermark: model.highWatermark, logEnd: model.end }[
        isolation
      ];
      const from = model.start + Math.floor(part * (bound - model.start));
      if (from > bound) continue;
      // Batches are given whole.
      const whole = model.entries.filter(({ offset, count }) => offset + count <= bound).at(-1);
      const end = whole === undefined ? 0 : whole.offset + whole.count;
      expect(await consume(log, isolation, from, maxBytes)).toEqual(model.readable(isolation, from, end));
    }
    if (model.start > 0) return;
    // S7.
    for (const [producer, expected] of model.fold().producers) {
      const entry = log.activeProducers.get(producer)!;
      expect(
        [entry.producerEpoch, entry.lastSequence, entry.coordinatorEpoch, entry.currentTxnFirstOffset],
        `producer ${producer}`,
      ).toEqual([expected.epoch, expected.lastSequence, expected.coordinatorEpoch, expected.open?.first]);
    }
  }

  /** A follower that has fetched all of it tells consumers the same. */
  async checkFollower(maxBytes: number): Promise<void> {
    const { log, model } = this;
    if (model.start > 0) return;
    const { tailCacheBytes } = this;
    const follower = await openLog({ ...CONFIG, segmentBytes: 500 }, new ManualRuntime(), { tailCacheBytes });
    while (follower.log.logEndOffset < log.logEndOffset) {
      follower.log.appendAsFollower(
        await bytesOf(log.read(follower.log.logEndOffset, maxBytes, 'logEnd', true)),
      );
      follower.runtime.turn();
    }
    follower.log.updateHighWatermark(model.highWatermark);
    const [low] = model.lastStableOffset;
    expect(follower.log.lastStableOffset).toBe(low);
    const whole = model.readable('txnCommitted', 0, low);
    expect(await consume(follower.log, 'txnCommitted', 0, maxBytes)).toEqual(whole);
  }
}

const ACTIONS = [
  ...Array<string>(8).fill('produce'),
  ...Array<string>(4).fill('end'),
  'plain',
  'again',
  'stale',
  'late',
  'raise',
  'raise',
  'truncate',
  'truncate',
  'deleteRecords',
  'restart',
  'crash',
  'roll',
] as const;

describe('transactions in a log', () => {
  it('are what a simple model says, through truncations, restarts and reads of every isolation', async () => {
    const part = fc.nat(999).map(value => value / 1_000);
    const step = fc.record({
      action: fc.constantFrom(...ACTIONS),
      producer: fc.integer({ min: 1, max: 3 }),
      number: fc.nat(5),
      part,
      maxBytes: fc.constantFrom(1, 200, 500, 5_000),
    });
    const script = fc.array(step, { minLength: 5, maxLength: 45 });
    await fc.assert(
      fc.asyncProperty(script, fc.constantFrom(0, 400, 1_000_000), async (steps, tailCacheBytes) => {
        const run = new Run(
          await openLog(CONFIG, new ManualRuntime(), { ...OPTIONS, tailCacheBytes }),
          tailCacheBytes,
        );
        for (const { action, producer, number, part: place, maxBytes } of steps) {
          if (action === 'produce') run.produce(producer, 1 + (number % 3));
          else if (action === 'plain') run.produce(9, 1 + (number % 3));
          else if (action === 'end') run.end(producer, number % 2 === 0, number < 3 ? 2 : 0);
          else if (action === 'again') run.sendAgain(number === 0 ? 9 : producer);
          else if (action === 'stale') run.sendStale(producer);
          else if (action === 'late') run.lateAnswer(producer);
          else if (action === 'raise') run.raise(place);
          else if (action === 'roll') run.opened.log.roll();
          else if (action === 'deleteRecords') {
            // What is deleted is forgotten when the log is read again: few of the scripts do it.
            if (number === 0) run.deleteRecords(place);
          } else if (run.model.start === 0) {
            run.opened.runtime.turn();
            if (action === 'truncate') run.truncate(place);
            else await run.restart(action === 'restart');
          }
          await run.check(place, maxBytes);
        }
        await run.checkFollower(300);
      }),
      { numRuns: 150 },
    );
  });

  it('that ended stay so when records behind them are taken away, and wait for their markers', async () => {
    const begin = async () => new Run(await openLog(CONFIG, new ManualRuntime(), OPTIONS), 0);
    const replicated = await begin();
    replicated.produce(2, 1);
    replicated.end(2, true, 2);
    await replicated.check(0, 1);
    replicated.raise(0.9);
    replicated.produce(1, 1);
    await replicated.check(0, 1);
    replicated.truncate(0);
    // The last stable offset does not go back to their first records.
    await replicated.check(0, 1);

    const unreplicated = await begin();
    for (let at = 0; at < 3; at++) unreplicated.produce(1, 1);
    await unreplicated.check(0, 1);
    unreplicated.raise(0.25);
    unreplicated.end(1, true, 2);
    // With a snapshot behind the marker.
    unreplicated.opened.log.roll();
    for (let at = 0; at < 2; at++) unreplicated.produce(1, 1);
    await unreplicated.check(0, 1);
    unreplicated.truncate(0.5);
    await unreplicated.check(0, 1);
    expect(unreplicated.opened.log.lastStableOffset).toBe(0);
  });
});
