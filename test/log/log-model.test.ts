import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { UnifiedLog } from '../../src/log/unified-log.ts';
import { RecordBatch } from '../../src/record/record-batch.ts';
import { ManualRuntime, NOW_MS } from '../support/manual-runtime.ts';
import { batchOf, bytesOf, closeManager, LOG_DIR, type OpenedLog, openLog, readAll } from './log-fixture.ts';

/** What the log should be: its batches as an array. */
interface Model {
  batches: { baseOffset: number; nextOffset: number; epoch: number; timestamp: number; text: string }[];
  startOffset: number;
  endOffset: number;
  highWatermark: number;
  epoch: number;
  sequence: number;
  written: number;
}

interface Real {
  opened: OpenedLog;
  config: Parameters<typeof openLog>[0];
  options: Parameters<typeof openLog>[2];
}

type Command = fc.AsyncCommand<Model, Real>;

function command(name: string, run: (model: Model, real: Real) => Promise<void>): Command {
  return { check: () => true, run, toString: () => name };
}

async function checkAll(model: Model, log: UnifiedLog): Promise<void> {
  expect([log.logStartOffset, log.logEndOffset, log.highWatermark]).toEqual([
    model.startOffset,
    model.endOffset,
    model.highWatermark,
  ]);
  const expected: { offset: number; text: string }[] = [];
  for (const { baseOffset, nextOffset, text } of model.batches) {
    for (let offset = Math.max(baseOffset, model.startOffset); offset < nextOffset; offset++)
      expected.push({ offset, text });
  }
  expect(await readAll(log, log.logStartOffset, 700)).toEqual(expected);
  const known = model.batches.at(-1);
  if (known !== undefined) expect(log.latestEpoch).toBe(known.epoch);
  // S11: both strictly increase.
  const epochs = log.epochEntries;
  for (let i = 1; i < epochs.length; i++) {
    expect(
      epochs[i]!.epoch > epochs[i - 1]!.epoch && epochs[i]!.startOffset > epochs[i - 1]!.startOffset,
    ).toBe(true);
  }
  // S7: what a scan of everything that is left says of the producer.
  const entry = log.activeProducers.get(7);
  if (known !== undefined && known.baseOffset >= model.startOffset) {
    expect(entry?.lastBatch?.lastOffset).toBe(known.nextOffset - 1);
    expect(entry?.lastSequence).toBe(model.sequence - 1);
  }
}

const append = (count: number, bytes: number, newEpoch: boolean) =>
  command(`append ${count} x ${bytes}${newEpoch ? ' in a new epoch' : ''}`, async (model, { opened }) => {
    if (newEpoch) model.epoch++;
    const timestamp = NOW_MS + model.written++;
    const text = `t${model.written}`;
    const batch = batchOf({
      count,
      valueBytes: bytes,
      text,
      timestamp,
      producerId: 7,
      producerEpoch: 0,
      baseSequence: model.sequence,
    });
    const info = opened.log.appendAsLeader(batch, model.epoch);
    expect(info.firstOffset).toBe(model.endOffset);
    model.batches.push({
      baseOffset: model.endOffset,
      nextOffset: model.endOffset + count,
      epoch: model.epoch,
      timestamp,
      text,
    });
    model.sequence += count;
    model.endOffset += count;
  });

const turn = command('turn', async (model, { opened }) => {
  opened.runtime.turn();
  expect(opened.log.logEndOffset).toBe(model.endOffset);
});

const raise = (part: number) =>
  command(`high watermark ${part}`, async (model, { opened }) => {
    opened.runtime.turn();
    const index = Math.floor(part * (model.batches.length + 1));
    const offset = index === model.batches.length ? model.endOffset : model.batches[index]!.baseOffset;
    if (offset < model.highWatermark) return;
    model.highWatermark = opened.log.updateHighWatermark(offset) as number;
  });

const readSome = (part: number, maxBytes: number, committed: boolean) =>
  command(`read ${part} ${maxBytes}`, async (model, { opened: { log, runtime } }) => {
    runtime.turn();
    const start = model.startOffset + Math.floor(part * (model.endOffset - model.startOffset));
    const bytes = await bytesOf(log.read(start, maxBytes, committed ? 'highWatermark' : 'logEnd', true));
    const bound = committed ? model.highWatermark : model.endOffset;
    if (start >= bound) {
      expect(bytes.length).toBe(0);
      return;
    }
    const first = new RecordBatch(bytes);
    expect(first.baseOffset <= start && first.lastOffset >= start).toBe(true);
    expect(bytes.length <= maxBytes || bytes.length === first.sizeInBytes).toBe(true);
    for (let at = 0; at < bytes.length; at = new RecordBatch(bytes, at).end) {
      expect(new RecordBatch(bytes, at).isValid() && new RecordBatch(bytes, at).lastOffset < bound).toBe(
        true,
      );
    }
  });

const findByTime = (part: number) =>
  command(`by time ${part}`, async (model, { opened: { log, runtime } }) => {
    runtime.turn();
    const target = NOW_MS + Math.floor(part * model.written);
    const batch = model.batches.find(one => one.timestamp >= target && one.nextOffset > model.startOffset);
    const offset = batch === undefined ? undefined : Math.max(batch.baseOffset, model.startOffset);
    expect(log.fetchOffsetByTimestamp(target, 'logEnd')?.offset).toBe(offset);
  });

const roll = command('roll', async (_model, { opened }) => opened.log.roll());

const truncate = (part: number) =>
  command(`truncate ${part}`, async (model, { opened }) => {
    opened.runtime.turn();
    const from = Math.max(model.highWatermark, model.startOffset);
    const cut = model.batches.find(batch => batch.baseOffset >= from + part * (model.endOffset - from));
    if (cut === undefined) return;
    opened.log.truncateTo(cut.baseOffset);
    model.endOffset = cut.baseOffset;
    const removed = model.batches.filter(batch => batch.baseOffset >= cut.baseOffset);
    model.batches = model.batches.filter(batch => batch.baseOffset < cut.baseOffset);
    for (const batch of removed) model.sequence -= batch.nextOffset - batch.baseOffset;
    if (opened.log.activeProducers.get(7) === undefined) model.sequence = 0;
  });

const deleteRecords = (part: number) =>
  command(`delete records ${part}`, async (model, { opened }) => {
    opened.runtime.turn();
    const offset = model.startOffset + Math.floor(part * (model.highWatermark - model.startOffset));
    opened.log.maybeIncrementLogStartOffset(offset, 'test');
    model.startOffset = Math.max(model.startOffset, offset);
    opened.log.deleteOldSegments();
    expect(opened.log.segments.first!.baseOffset <= model.startOffset).toBe(true);
  });

const flush = command('flush', async (model, { opened }) => {
  const flushed = opened.log.flush();
  await opened.runtime.settle();
  await flushed;
  expect(opened.log.recoveryPoint).toBe(model.endOffset);
});

const reopen = (clean: boolean) =>
  command(clean ? 'restart' : 'kill', async (model, real) => {
    const { opened } = real;
    opened.runtime.turn();
    if (clean) {
      await closeManager(opened);
    } else {
      // The checkpoints are written now and then; here before every kill.
      opened.manager.checkpointHighWatermarks();
      opened.manager.checkpointStartOffsets(new Set([LOG_DIR]));
      opened.runtime.die();
      opened.runtime.disk.crash('keep');
    }
    real.opened = await openLog(real.config, opened.runtime, real.options);
    model.highWatermark = Math.max(model.highWatermark, model.startOffset);
    await checkAll(model, real.opened.log);
  });

const unit = fc.integer({ min: 0, max: 1000 }).map(n => n / 1001);

describe('UnifiedLog against an array', () => {
  it.each([
    ['from memory', {}],
    [
      'from files, with few handles and no memory for indexes',
      { tailCacheBytes: 0, maxOpenFiles: 2, indexMemoryBytes: 1 },
    ],
  ])(
    'holds whatever is done to it, %s',
    async (_name, options) => {
      const commands = fc.commands(
        [
          fc
            .tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 3, max: 300 }), fc.boolean())
            .map(args => append(...args)),
          fc
            .tuple(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 3, max: 300 }), fc.constant(false))
            .map(args => append(...args)),
          fc.constant(turn),
          unit.map(raise),
          fc.tuple(unit, fc.integer({ min: 1, max: 3000 }), fc.boolean()).map(args => readSome(...args)),
          unit.map(findByTime),
          fc.constant(roll),
          unit.map(truncate),
          unit.map(deleteRecords),
          fc.constant(flush),
          fc.boolean().map(reopen),
        ],
        { maxCommands: 60, size: '+1' },
      );
      await fc.assert(
        fc.asyncProperty(commands, async steps => {
          const config = { segmentBytes: 2000, indexIntervalBytes: 100 };
          const real: Real = { config, options, opened: await openLog(config, new ManualRuntime(), options) };
          const model: Model = {
            batches: [],
            startOffset: 0,
            endOffset: 0,
            highWatermark: 0,
            epoch: 0,
            sequence: 0,
            written: 0,
          };
          await fc.asyncModelRun(() => ({ model, real }), steps);
          real.opened.runtime.turn();
          await checkAll(model, real.opened.log);
          await reopen(false).run(model, real);
        }),
        { numRuns: 120 },
      );
    },
    60_000,
  );
});
