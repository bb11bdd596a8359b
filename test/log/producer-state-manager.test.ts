import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { silentLogger } from '../../src/base/logger.ts';
import { ProducerStateManager } from '../../src/log/producer-state-manager.ts';
import { Errors } from '../../src/protocol/errors.ts';
import { RecordBatch } from '../../src/record/record-batch.ts';
import { MemoryDisk } from '../support/memory-disk.ts';
import { NOW_MS } from '../support/manual-runtime.ts';
import { batchOf, markerOf } from './log-fixture.ts';

function managerOn(disk: MemoryDisk, snapshots: number[] = []): ProducerStateManager {
  disk.makeDirectorySync('/p');
  return new ProducerStateManager(disk, silentLogger, '/p', snapshots, () => 86_400_000);
}

const refusal = (code: number) => expect.objectContaining({ code });

function batchAt(baseOffset: number, options: Parameters<typeof batchOf>[0]): RecordBatch {
  return new RecordBatch(batchOf({ baseOffset, timestamp: NOW_MS, ...options }));
}

function stateOf(manager: ProducerStateManager) {
  const producers = [...manager.activeProducers.values()].map(entry => ({
    id: entry.producerId,
    epoch: entry.producerEpoch,
    coordinatorEpoch: entry.coordinatorEpoch,
    txn: entry.currentTxnFirstOffset,
    last: entry.lastBatch,
  }));
  return {
    producers: producers.sort((a, b) => Number(a.id) - Number(b.id)),
    undecided: manager.firstUndecidedOffset,
  };
}

describe('ProducerStateManager', () => {
  it('remembers five batches of a producer, and none of an older epoch', () => {
    const manager = managerOn(new MemoryDisk());
    const sent = [0, 1, 2, 3, 4, 5].map(i =>
      batchAt(i, { producerId: 1, producerEpoch: 0, baseSequence: i }),
    );
    for (const batch of sent) manager.update(batch);
    expect(sent.map(batch => manager.findDuplicate(batch)?.lastOffset)).toEqual([undefined, 1, 2, 3, 4, 5]);
    manager.update(batchAt(6, { producerId: 1, producerEpoch: 1, baseSequence: 0 }));
    expect(sent.map(batch => manager.findDuplicate(batch))).toEqual(Array(6).fill(undefined));
  });

  it('lets an unknown producer begin anywhere, and a known one only where it left off', () => {
    const manager = managerOn(new MemoryDisk());
    const first = batchAt(0, { producerId: 1, producerEpoch: 3, baseSequence: 17, count: 3 });
    expect(() => manager.validate(first, 'client')).not.toThrow();
    manager.update(first);
    expect(() =>
      manager.validate(batchAt(3, { producerId: 1, producerEpoch: 3, baseSequence: 20 }), 'client'),
    ).not.toThrow();
    for (const baseSequence of [0, 19, 21]) {
      const batch = batchAt(3, { producerId: 1, producerEpoch: 3, baseSequence });
      expect(() => manager.validate(batch, 'client')).toThrow(refusal(Errors.OUT_OF_ORDER_SEQUENCE_NUMBER));
      expect(() => manager.validate(batch, 'replication')).not.toThrow();
      expect(() => manager.validate(batch, 'coordinator')).not.toThrow();
    }
    const old = batchAt(3, { producerId: 1, producerEpoch: 2, baseSequence: 20 });
    expect(() => manager.validate(old, 'coordinator')).toThrow(refusal(Errors.INVALID_PRODUCER_EPOCH));
  });

  it('refuses a plain batch inside a transaction, and markers of an older coordinator or epoch', () => {
    const manager = managerOn(new MemoryDisk());
    manager.update(batchAt(0, { producerId: 1, producerEpoch: 4, baseSequence: 0, isTransactional: true }));
    const plain = batchAt(1, { producerId: 1, producerEpoch: 4, baseSequence: 1 });
    expect(() => manager.validate(plain, 'client')).toThrow(refusal(Errors.INVALID_TXN_STATE));
    const marker = (epoch: number, coordinatorEpoch: number) =>
      new RecordBatch(markerOf(1, epoch, true, coordinatorEpoch));
    expect(() => manager.validate(marker(4, 5), 'coordinator', 2)).toThrow(
      refusal(Errors.INVALID_PRODUCER_EPOCH),
    );
    manager.completeTxn(manager.update(marker(5, 5))!);
    expect(() => manager.validate(marker(5, 5), 'coordinator', 2)).not.toThrow();
    expect(() => manager.validate(marker(5, 4), 'coordinator')).toThrow(
      refusal(Errors.TRANSACTION_COORDINATOR_FENCED),
    );
  });

  it('says the same after a scan of everything as after a snapshot and the rest (S7)', () => {
    const step = fc.record({
      producer: fc.integer({ min: 1, max: 4 }),
      count: fc.integer({ min: 1, max: 3 }),
      kind: fc.integer({ min: 0, max: 9 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), fc.nat(), (steps, at) => {
        const log: RecordBatch[] = [];
        const producers = new Map<number, { epoch: number; sequence: number; open: boolean }>();
        let offset = 0;
        for (const { producer, count, kind } of steps) {
          const known = producers.get(producer) ?? { epoch: 0, sequence: 0x7fff_fff0, open: false };
          producers.set(producer, known);
          const transactional = producer % 2 === 0;
          if (kind === 0) {
            known.epoch++;
            known.sequence = 0;
          }
          if (transactional && kind > 6) {
            const marker = new RecordBatch(markerOf(producer, known.epoch, kind === 8, kind));
            marker.setBaseOffset(offset++);
            log.push(marker);
            continue;
          }
          log.push(
            batchAt(offset, {
              producerId: producer,
              producerEpoch: known.epoch,
              baseSequence: known.sequence,
              count,
              isTransactional: transactional,
            }),
          );
          known.sequence = (known.sequence + count) % 0x8000_0000;
          offset += count;
        }
        const disk = new MemoryDisk();
        const scan = managerOn(disk);
        const split = log.length === 0 ? 0 : at % (log.length + 1);
        let snapshotAt = 0;
        const apply = (manager: ProducerStateManager, batch: RecordBatch) => {
          const completed = manager.update(batch);
          if (completed !== undefined) manager.completeTxn(completed);
          manager.updateMapEndOffset(batch.nextOffset);
        };
        for (const [i, batch] of log.entries()) {
          if (i === split) scan.takeSnapshot();
          if (i < split) snapshotAt = Number(batch.nextOffset);
          apply(scan, batch);
        }
        if (snapshotAt === 0 || split === log.length) return;
        const resumed = managerOn(disk, [snapshotAt]);
        resumed.truncateAndReload(0, snapshotAt, NOW_MS);
        expect(resumed.mapEndOffset).toBe(snapshotAt);
        for (const batch of log.slice(split)) apply(resumed, batch);
        const left = stateOf(resumed);
        const right = stateOf(scan);
        expect(left.undecided).toEqual(right.undecided);
        expect(
          left.producers.map(({ last, ...rest }) => ({
            ...rest,
            lastSequence: last?.lastSequence,
            lastOffset: last?.lastOffset,
          })),
        ).toEqual(
          right.producers.map(({ last, ...rest }) => ({
            ...rest,
            lastSequence: last?.lastSequence,
            lastOffset: last?.lastOffset,
          })),
        );
      }),
      { numRuns: 150 },
    );
  });

  it('takes the older snapshot where the newer is torn, and forgets producers that were silent too long', () => {
    const disk = new MemoryDisk();
    const manager = managerOn(disk);
    manager.update(batchAt(0, { producerId: 1, producerEpoch: 0, baseSequence: 0 }));
    manager.updateMapEndOffset(1);
    manager.takeSnapshot();
    manager.update(batchAt(1, { producerId: 1, producerEpoch: 0, baseSequence: 1 }));
    manager.updateMapEndOffset(2);
    manager.takeSnapshot();
    const newer = '/p/00000000000000000002.snapshot';
    const content = Buffer.from(disk.contentOf(newer));
    for (let at = 0; at < content.length; at++) {
      const damaged = Buffer.from(content);
      damaged[at]! ^= 1;
      disk.setContent(newer, at % 2 === 0 ? damaged : content.subarray(0, at));
      const again = managerOn(disk, [1, 2]);
      again.truncateAndReload(0, 2, NOW_MS);
      expect([again.mapEndOffset, again.activeProducers.get(1)?.lastSequence, disk.statSync(newer)]).toEqual([
        1,
        0,
        undefined,
      ]);
    }
    const late = managerOn(disk, [1]);
    late.truncateAndReload(0, 1, NOW_MS + 86_400_000);
    expect(late.activeProducers.size).toBe(0);
  });
});
