import { describe, expect, it } from 'vitest';
import { batchesOf } from '../../src/record/record-batch.ts';
import { batchOf, bytesOf, markerOf, openLog } from './log-fixture.ts';

describe('the aborted transactions of a read', () => {
  it.each([150, 1000, 4000])(
    'are complete for all that is read, from wherever it begins (%i bytes)',
    async maxBytes => {
      const { log, runtime } = await openLog({ segmentBytes: 6000, indexIntervalBytes: 800 }, undefined, {
        tailCacheBytes: 0,
      });
      for (let at = 0; at < 60; at++) {
        const ids = { producerId: at, producerEpoch: 0, baseSequence: 0, isTransactional: true };
        log.appendAsLeader(batchOf({ ...ids, valueBytes: 100 + (at % 7) * 30 }), 0);
        log.appendAsLeader(markerOf(at, 0, at % 5 === 0), 0, { origin: 'coordinator' });
        runtime.turn();
      }
      log.updateHighWatermark(log.logEndOffset);
      for (let offset = 0; offset < log.logEndOffset; offset++) {
        const info = log.read(offset, maxBytes, 'txnCommitted', true);
        const aborted = new Set(info.abortedTransactions!.map(({ producerId }) => producerId));
        for (const batch of batchesOf(await bytesOf(info))) {
          const isMissing =
            !batch.isControlBatch && Number(batch.producerId) % 5 !== 0 && !aborted.has(batch.producerId);
          expect([offset, batch.baseOffset, isMissing]).toEqual([offset, batch.baseOffset, false]);
        }
      }
    },
  );
});
