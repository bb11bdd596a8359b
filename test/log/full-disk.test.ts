import { describe, expect, it } from 'vitest';
import type { Offset } from '../../src/base/int64.ts';
import type { LogConfig } from '../../src/config/log-config.ts';
import type { LogManagerOptions } from '../../src/log/log-manager.ts';
import { Errors, KafkaError } from '../../src/protocol/errors.ts';
import { ManualRuntime } from '../support/manual-runtime.ts';
import {
  batchOf,
  closeManager,
  DIRECTORY,
  markerOf,
  type OpenedLog,
  openLog,
  readAll,
} from './log-fixture.ts';

const MIB = 1024 * 1024;

interface Written {
  readonly offset: Offset;
  readonly text: string;
}

/** Appends to a log until it is refused, over and over; `acknowledged` is what it said was written. */
class Filler {
  readonly acknowledged: Written[] = [];
  refusals = 0;
  private next = 0;
  private sequence = 0;

  /** Batches of one turn, of an idempotent producer. A refused one is sent again with the sequence it had. */
  async turn({ log, runtime }: OpenedLog, batches: number): Promise<void> {
    const sent: { text: string; first: Offset; error?: KafkaError | undefined; done: boolean }[] = [];
    const from = this.sequence;
    for (let i = 0; i < batches; i++) {
      const text = `r${this.next++}`;
      try {
        const baseSequence = from + i;
        const valueBytes = 50 + ((this.next * 37) % 400);
        const info = log.appendAsLeader(
          batchOf({ text, valueBytes, producerId: 9, producerEpoch: 0, baseSequence }),
          0,
        );
        const one: (typeof sent)[number] = { text, first: info.firstOffset, done: false };
        sent.push(one);
        info.onWritten(error => {
          one.error = error;
          one.done = true;
        });
      } catch (error) {
        if (!(error instanceof KafkaError) || error.code !== Errors.KAFKA_STORAGE_ERROR) throw error;
        this.refusals++;
        break;
      }
    }
    await runtime.settle();
    for (const { text, first, error, done } of sent) {
      expect(done).toBe(true);
      if (error === undefined) {
        this.acknowledged.push({ offset: first, text });
        this.sequence++;
      } else {
        expect(error.code).toBe(Errors.KAFKA_STORAGE_ERROR);
        this.refusals++;
      }
    }
  }
}

const modes: [string, Partial<LogConfig>, Partial<LogManagerOptions>][] = [
  ['writes on the event loop', {}, {}],
  ['writes off it', {}, { writeMode: 'pooled' }],
  ['an fsync for each answer', { durability: 'fsync' }, {}],
  [
    'an fsync for each answer, and writes off the event loop',
    { durability: 'fsync' },
    { writeMode: 'pooled' },
  ],
];

describe('a disk that is filled to the end', () => {
  for (const [name, config, options] of modes) {
    it(`keeps all that was acknowledged and nothing else, and goes on when there is room, with ${name}`, async () => {
      const runtime = new ManualRuntime();
      const offline: string[] = [];
      const opened = await openLog({ segmentBytes: 3_000, indexIntervalBytes: 200, ...config }, runtime, {
        onLogDirFailure: dir => offline.push(dir),
        ...options,
      });
      const { log } = opened;
      const filler = new Filler();
      await filler.turn(opened, 3);
      // Each length of what is left cuts the write that does not fit at another place.
      for (let left = 0; left < 1_500; left += 97) {
        runtime.disk.capacityBytes = runtime.disk.usedBytes + left;
        for (let i = 0; i < 4; i++) await filler.turn(opened, 1 + (left % 4));
        expect(filler.refusals).toBeGreaterThan(0);
        expect(log.logEndOffset).toBe(filler.acknowledged.length);
        expect(await readAll(log)).toEqual(filler.acknowledged);
        const refusals = filler.refusals;
        runtime.disk.capacityBytes = runtime.disk.usedBytes + 2 * MIB;
        await runtime.pass(1_000);
        await filler.turn(opened, 2);
        expect(filler.refusals).toBe(refusals);
        expect(await readAll(log)).toEqual(filler.acknowledged);
      }
      expect(offline).toEqual([]);
      expect(log.segments.size).toBeGreaterThan(3);
      runtime.disk.capacityBytes = Number.POSITIVE_INFINITY;
      runtime.die();
      runtime.disk.crash('keep');
      const again = await openLog({}, runtime);
      expect(await readAll(again.log)).toEqual(filler.acknowledged);
      await filler.turn(again, 2);
      expect(await readAll(again.log)).toEqual(filler.acknowledged);
    });
  }

  it('leaves no part of a batch in the file that had no room for it', async () => {
    const opened = await openLog();
    const { log, runtime } = opened;
    const filler = new Filler();
    await filler.turn(opened, 2);
    const before = Buffer.from(runtime.disk.contentOf(`${DIRECTORY}/00000000000000000000.log`));
    runtime.disk.capacityBytes = runtime.disk.usedBytes + 70;
    await filler.turn(opened, 3);
    expect(runtime.disk.contentOf(`${DIRECTORY}/00000000000000000000.log`).equals(before)).toBe(true);
    expect([log.logEndOffset, log.stagedEndOffset]).toEqual([2, 2]);
    expect(log.activeProducers.get(9)?.lastSequence).toBe(1);
  });

  it('keeps what is written and waits for its fsync when the next write has no room', async () => {
    const { log, runtime } = await openLog({ durability: 'fsync' });
    const answers: string[] = [];
    const send = (name: string) =>
      log
        .appendAsLeader(batchOf({ text: name }), 0)
        .onWritten(error => answers.push(`${name} ${error?.code ?? 'ok'}`));
    send('a');
    runtime.turn();
    runtime.disk.capacityBytes = runtime.disk.usedBytes + 20;
    send('b');
    runtime.turn();
    expect([log.logEndOffset, log.stagedEndOffset]).toEqual([0, 1]);
    await runtime.settle();
    expect(answers).toEqual([`b ${Errors.KAFKA_STORAGE_ERROR}`, 'a ok']);
    runtime.disk.capacityBytes = runtime.disk.usedBytes + 2 * MIB;
    await runtime.pass(1_000);
    send('c');
    await runtime.settle();
    expect(await readAll(log)).toEqual([
      { offset: 0, text: 'a' },
      { offset: 1, text: 'c' },
    ]);
  });

  it('lets segments be deleted, offsets be read and a stop come to its end', async () => {
    const opened = await openLog({ segmentBytes: 600, retentionBytes: 0 });
    const { log, runtime, manager } = opened;
    const filler = new Filler();
    for (let i = 0; i < 5; i++) await filler.turn(opened, 1);
    runtime.disk.capacityBytes = runtime.disk.usedBytes;
    await filler.turn(opened, 1);
    expect(filler.refusals).toBe(1);
    log.updateHighWatermark(log.logEndOffset);
    log.maybeIncrementLogStartOffset(3, 'test');
    expect(log.fetchOffsetByTimestamp(-2)?.offset).toBe(3);
    const segments = log.segments.size;
    log.updateConfig({ ...log.config, retentionBytes: 300 });
    expect(log.deleteOldSegments()).toBeGreaterThan(0);
    expect(log.segments.size).toBeLessThan(segments);
    runtime.advance(log.config.fileDeleteDelayMs);
    await runtime.settle();
    expect(manager.hasOfflineLogDirs).toBe(false);
    await closeManager({ runtime, manager });
  });

  it('is not what an fsync that fails is: that one loses the directory (S8)', async () => {
    const opened = await openLog({ durability: 'fsync' });
    const { log, runtime, manager } = opened;
    runtime.disk.fault = operation => (operation === 'sync' ? { code: 'ENOSPC' } : undefined);
    let code = 0;
    log.appendAsLeader(batchOf(), 0).onWritten(error => (code = error?.code ?? 0));
    await runtime.settle();
    expect(code).toBe(Errors.KAFKA_STORAGE_ERROR);
    expect(manager.hasOfflineLogDirs).toBe(true);
  });
});

describe('a producer whose appends found no room', () => {
  async function sevenBatches(isTransactional: boolean) {
    const runtime = new ManualRuntime();
    const { log } = await openLog({}, runtime);
    const appendBytes = async (bytes: Buffer, origin: 'client' | 'coordinator') => {
      const info = log.appendAsLeader(bytes, 0, { origin });
      const written = new Promise<Error | undefined>(resolve => info.onWritten(resolve));
      await runtime.settle();
      return { info, error: await written };
    };
    const append = (baseSequence: number) => {
      const producer = { producerId: 9, producerEpoch: 0, baseSequence, isTransactional };
      const batch = batchOf({ ...producer, text: 'x', timestamp: runtime.clock.wallMs() });
      return appendBytes(batch, 'client');
    };
    for (let sequence = 0; sequence < 7; sequence++) await append(sequence);
    // A snapshot has the last batch only.
    log.producerState.takeSnapshot();
    return {
      append,
      /** `write` finds no room. */
      async refuse(write: (append: typeof appendBytes) => Promise<{ error: Error | undefined }>) {
        runtime.disk.capacityBytes = runtime.disk.usedBytes;
        expect((await write(appendBytes)).error).toMatchObject({ code: Errors.KAFKA_STORAGE_ERROR });
        runtime.disk.capacityBytes = Number.POSITIVE_INFINITY;
        await runtime.pass(1_000);
      },
      async repeatFive() {
        for (let sequence = 2; sequence < 7; sequence++) {
          expect((await append(sequence)).info).toMatchObject({ duplicate: true, firstOffset: sequence });
        }
        expect((await append(7)).error).toBeUndefined();
        expect(log.logEndOffset).toBe(8);
      },
    };
  }

  it('may still repeat the five batches before them, which those had pushed out of memory (S7)', async () => {
    const { append, refuse, repeatFive } = await sevenBatches(false);
    await refuse(() => append(7));
    await repeatFive();
  });

  it('may still repeat the five batches before a marker of the next epoch that found none (S7)', async () => {
    const { refuse, repeatFive } = await sevenBatches(true);
    await refuse(appendBytes => appendBytes(markerOf(9, 1, false), 'coordinator'));
    await repeatFive();
  });
});

describe('log.dirs.min.free.bytes', () => {
  it('refuses before the disk is full, with the reserve untouched, and takes records again by itself', async () => {
    const runtime = new ManualRuntime();
    const opened = await openLog({}, runtime, { minFreeBytes: () => 2 * MIB });
    const { log } = opened;
    runtime.disk.capacityBytes = runtime.disk.usedBytes + 2 * MIB + 5_000;
    await runtime.pass(1_000);
    expect(log.isShortOfSpace).toBe(false);
    const looks = () => runtime.disk.counts.get('space') ?? 0;
    const looksBefore = looks();
    let appends = 0;
    for (; !log.isShortOfSpace && appends < 100; appends++) {
      log.appendAsLeader(batchOf({ valueBytes: 200 }), 0);
      runtime.turn();
    }
    expect(appends).toBeLessThan(30);
    expect(looks() - looksBefore).toBeLessThan(5);
    expect(() => log.checkSpace()).toThrow(expect.objectContaining({ code: Errors.KAFKA_STORAGE_ERROR }));
    expect(runtime.disk.spaceSync('/data').usableBytes).toBeGreaterThan(2 * MIB - 300);
    // Coordinators go on.
    expect(log.appendAsLeader(batchOf(), 0, { origin: 'coordinator' }).firstOffset).toBe(appends);
    runtime.turn();
    runtime.disk.capacityBytes = runtime.disk.usedBytes + 4 * MIB;
    await runtime.pass(1_000);
    expect(() => log.checkSpace()).not.toThrow();
  });
});
