import { describe, expect, it } from 'vitest';
import { ManualRuntime, NOW_MS } from '../support/manual-runtime.ts';
import { batchOf, markerOf, openLog } from './log-fixture.ts';

const EXPIRATION_MS = 60_000;
const CHECK_MS = 10_000;

describe('producers that write no more', () => {
  it('are forgotten after producer.id.expiration.ms, but for one with an open transaction', async () => {
    let expirationMs = EXPIRATION_MS;
    const { log, runtime } = await openLog({}, new ManualRuntime(), {
      producerIdExpirationMs: () => expirationMs,
      producerIdExpirationCheckMs: CHECK_MS,
    });
    const send = (producerId: number, isTransactional: boolean) =>
      log.appendAsLeader(
        batchOf({ producerId, producerEpoch: 0, baseSequence: 0, isTransactional, timestamp: NOW_MS }),
        0,
      );
    send(1, false);
    send(2, true);
    send(3, true);
    log.appendAsLeader(markerOf(3, 0, true), 0, { origin: 'coordinator' });
    runtime.turn();
    log.updateHighWatermark(4);
    const known = () => [...log.activeProducers.keys()];
    await runtime.pass(EXPIRATION_MS - 1);
    expect(known()).toEqual([1, 2, 3]);
    await runtime.pass(CHECK_MS);
    expect(known()).toEqual([2]);
    expect(log.lastStableOffset).toBe(1);
    // Once its transaction has ended, it counts from its marker on.
    log.appendAsLeader(markerOf(2, 0, false), 0, { origin: 'coordinator' });
    runtime.turn();
    log.updateHighWatermark(5);
    expect(log.lastStableOffset).toBe(5);
    expirationMs = 10 * EXPIRATION_MS;
    await runtime.pass(CHECK_MS);
    expect(known()).toEqual([2]);
    expirationMs = EXPIRATION_MS;
    await runtime.pass(CHECK_MS);
    expect(known()).toEqual([]);
  });
});
