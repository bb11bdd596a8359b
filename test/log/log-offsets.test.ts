import { describe, expect, it } from 'vitest';
import type { Offset } from '../../src/base/int64.ts';
import { silentLogger } from '../../src/base/logger.ts';
import { LogOffsets } from '../../src/log/log-offsets.ts';
import { ProducerStateManager } from '../../src/log/producer-state-manager.ts';
import { Errors } from '../../src/protocol/errors.ts';
import { RecordBatch } from '../../src/record/record-batch.ts';
import { MemoryDisk } from '../support/memory-disk.ts';
import { batchOf, markerOf } from './log-fixture.ts';

/** The offsets of a log whose end is moved by hand. */
class Harness {
  readonly log = { logEndOffset: 100 as Offset };
  readonly producerState: ProducerStateManager;
  readonly offsets: LogOffsets;

  constructor(logStartOffset = 10) {
    const disk = new MemoryDisk();
    disk.makeDirectorySync('/p');
    this.producerState = new ProducerStateManager(disk, silentLogger, '/p', [], () => 86_400_000);
    this.offsets = new LogOffsets(this.log, this.producerState, logStartOffset);
  }

  /** Producer 1 has records of a transaction at `offset`. */
  open(offset: number): void {
    const batch = { baseOffset: offset, producerId: 1, producerEpoch: 0, baseSequence: 0 };
    this.producerState.update(new RecordBatch(batchOf({ ...batch, isTransactional: true })));
  }

  /** Its transaction ends with a marker at `offset`. */
  end(offset: number): void {
    const marker = new RecordBatch(markerOf(1, 0, true, 0));
    marker.setBaseOffset(offset);
    this.producerState.completeTxn(this.producerState.update(marker)!);
  }

  /** Start, high watermark, last stable offset. */
  get all(): Offset[] {
    const { logStartOffset, highWatermark, lastStableOffset } = this.offsets;
    return [logStartOffset, highWatermark, lastStableOffset];
  }
}

describe('the offsets of a log', () => {
  it('keep the high watermark between the start and the end of the log', () => {
    const h = new Harness();
    expect(h.all).toEqual([10, 10, 10]);
    expect([h.offsets.updateHighWatermark(50), h.offsets.updateHighWatermark(50)]).toEqual([true, false]);
    expect(h.all).toEqual([10, 50, 50]);
    expect(h.offsets.updateHighWatermark(101)).toBe(true);
    expect(h.offsets.highWatermark).toBe(100);
    expect(h.offsets.updateHighWatermark(9)).toBe(true);
    expect(h.offsets.highWatermark).toBe(10);
  });

  it('hold the last stable offset at the open transaction, until its marker is below the high watermark', () => {
    const h = new Harness();
    h.open(40);
    h.offsets.updateHighWatermark(30);
    expect(h.all).toEqual([10, 30, 30]);
    h.offsets.updateHighWatermark(60);
    expect(h.all).toEqual([10, 60, 40]);
    h.end(70);
    h.offsets.updateHighWatermark(70);
    expect(h.all).toEqual([10, 70, 40]);
    h.offsets.updateHighWatermark(71);
    expect(h.all).toEqual([10, 71, 71]);
  });

  it('let a reader see what its isolation allows', () => {
    const h = new Harness();
    h.open(40);
    h.offsets.updateHighWatermark(60);
    const bounds = (['logEnd', 'highWatermark', 'txnCommitted'] as const).map(isolation =>
      h.offsets.upperBound(isolation),
    );
    expect(bounds).toEqual([100, 60, 40]);
    for (const offset of [10, 60, 100]) expect(() => h.offsets.checkInRange(offset)).not.toThrow();
    for (const offset of [-1, 9, 101]) {
      expect(() => h.offsets.checkInRange(offset)).toThrow(
        expect.objectContaining({ code: Errors.OFFSET_OUT_OF_RANGE }),
      );
    }
  });

  it('have no unstable offset below the start', () => {
    const h = new Harness();
    h.open(20);
    h.offsets.updateHighWatermark(60);
    h.offsets.incrementLogStartOffset(30);
    expect(h.all).toEqual([30, 60, 30]);
  });

  it('go back with a log that is cut below its start, and on with one that starts anew', () => {
    const h = new Harness();
    h.offsets.updateHighWatermark(60);
    h.offsets.lowerLogStartOffset(20);
    expect(h.offsets.logStartOffset).toBe(10);
    h.offsets.lowerLogStartOffset(5);
    expect(h.all).toEqual([5, 60, 60]);
    h.log.logEndOffset = 200;
    h.offsets.restartAt(200);
    expect(h.all).toEqual([200, 200, 200]);
    h.log.logEndOffset = 20;
    h.offsets.restartAt(20);
    // Whoever cuts the log moves it, and tells of that.
    expect(h.offsets.highWatermark).toBe(200);
    expect(h.offsets.updateHighWatermark(20)).toBe(true);
    expect(h.all).toEqual([20, 20, 20]);
  });
});
