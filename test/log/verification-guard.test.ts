import { describe, expect, it } from 'vitest';
import type { UnifiedLog } from '../../src/log/unified-log.ts';
import type { VerificationGuard } from '../../src/log/verification-guard.ts';
import { Errors, type KafkaError } from '../../src/protocol/errors.ts';
import { ManualRuntime } from '../support/manual-runtime.ts';
import { batchOf, LOG_CONFIG, markerOf, openLog, openManager, TP } from './log-fixture.ts';

const EXPIRATION_MS = 60_000;
const VERIFYING = { verifiesTransactions: () => true, producerIdExpirationMs: () => EXPIRATION_MS };
const verifying = () => openLog({}, new ManualRuntime(), VERIFYING);

const PRODUCER = 7;

const ask = (log: UnifiedLog, sequence = 0, epoch = 0, supportsEpochBump = false) =>
  log.maybeStartTransactionVerification(PRODUCER, sequence, epoch, supportsEpochBump);

/** The error code of an append of one transactional record, or NONE. */
function append(log: UnifiedLog, guard: VerificationGuard | undefined, sequence = 0, epoch = 0): number {
  const ids = { producerId: PRODUCER, producerEpoch: epoch, baseSequence: sequence, isTransactional: true };
  return codeOf(() => log.appendAsLeader(batchOf(ids), 0, { verificationGuard: guard }));
}

function end(log: UnifiedLog, epoch: number, transactionVersion = 0): void {
  log.appendAsLeader(markerOf(PRODUCER, epoch, false), 0, { origin: 'coordinator', transactionVersion });
}

function codeOf(action: () => unknown): number {
  try {
    action();
    return Errors.NONE;
  } catch (error) {
    return (error as KafkaError).code;
  }
}

describe('the verification of transactions in a log', () => {
  it('lets a transaction begin only with the guard that was given out for it', async () => {
    const { log } = await verifying();
    const other = (await verifying()).log;
    expect(append(log, undefined)).toBe(Errors.INVALID_TXN_STATE);
    const guard = ask(log);
    expect(append(log, undefined)).toBe(Errors.INVALID_TXN_STATE);
    expect(append(log, ask(other))).toBe(Errors.INVALID_TXN_STATE);
    expect(append(log, guard)).toBe(Errors.NONE);
    expect(ask(log, 1)).toBeUndefined();
    expect(append(log, undefined, 1)).toBe(Errors.NONE);
  });

  it('asks once for batches that come while it is asked, and takes them in any turn of the lowest first', async () => {
    const { log } = await verifying();
    const guard = ask(log, 3);
    expect(ask(log, 1)).toBe(guard);
    expect(ask(log, 2)).toBe(guard);
    expect(append(log, guard, 3)).toBe(Errors.OUT_OF_ORDER_SEQUENCE_NUMBER);
    expect(append(log, guard, 1)).toBe(Errors.NONE);
    expect(append(log, guard, 2)).toBe(Errors.NONE);
    expect(append(log, guard, 3)).toBe(Errors.NONE);
  });

  it('goes on with the sequence after the last one, whatever has come late of the transaction before', async () => {
    const { log } = await verifying();
    expect(append(log, ask(log, 0), 0)).toBe(Errors.NONE);
    expect(append(log, undefined, 1)).toBe(Errors.NONE);
    end(log, 0);
    // It was sent twice, and its coordinator is asked for the copy that has been on its way till now.
    const guard = ask(log, 0);
    expect(ask(log, 2)).toBe(guard);
    expect(append(log, guard, 3)).toBe(Errors.OUT_OF_ORDER_SEQUENCE_NUMBER);
    expect(append(log, guard, 2)).toBe(Errors.NONE);
  });

  it('forgets the lowest sequence with a new epoch', async () => {
    const { log } = await verifying();
    const guard = ask(log, 0, 0);
    expect(ask(log, 5, 1)).toBe(guard);
    expect(append(log, guard, 5, 1)).toBe(Errors.NONE);
  });

  it('takes no answer for a transaction that has ended since it was asked', async () => {
    const { log } = await verifying();
    const late = ask(log);
    end(log, 0);
    expect(append(log, late)).toBe(Errors.INVALID_TXN_STATE);
    const guard = ask(log);
    expect(guard).not.toBe(late);
    expect(append(log, late)).toBe(Errors.INVALID_TXN_STATE);
    expect(append(log, guard)).toBe(Errors.NONE);
    end(log, 0);
    expect(append(log, guard, 1)).toBe(Errors.INVALID_TXN_STATE);
  });

  it('keeps the guard of the next transaction of version 2 when the marker of the one before comes late', async () => {
    const { log } = await verifying();
    expect(append(log, ask(log, 0, 0, true))).toBe(Errors.NONE);
    const next = ask(log, 0, 1, true);
    expect(next).toBeDefined();
    end(log, 1, 2);
    expect(append(log, next, 0, 1)).toBe(Errors.NONE);
    const last = ask(log, 0, 2, true);
    // The transaction of epoch 2 has been aborted before it wrote anything here.
    end(log, 3, 2);
    expect(append(log, last, 0, 2)).toBe(Errors.INVALID_PRODUCER_EPOCH);
    expect(append(log, last, 0, 3)).toBe(Errors.INVALID_TXN_STATE);
  });

  it('has a new producer of version 2 begin at sequence 0', async () => {
    const { log } = await verifying();
    expect(append(log, ask(log, 4, 0, true), 4)).toBe(Errors.OUT_OF_ORDER_SEQUENCE_NUMBER);
    expect(append(log, ask(log, 0, 0, true), 0)).toBe(Errors.NONE);
    const old = (await verifying()).log;
    expect(append(old, ask(old, 4), 4)).toBe(Errors.NONE);
  });

  it('asks nothing for an epoch that is over', async () => {
    const { log } = await verifying();
    expect(append(log, ask(log, 0, 3), 0, 3)).toBe(Errors.NONE);
    expect(codeOf(() => ask(log, 1, 2))).toBe(Errors.INVALID_PRODUCER_EPOCH);
    expect(append(log, undefined, 1, 2)).toBe(Errors.INVALID_PRODUCER_EPOCH);
  });

  it('holds for what coordinators write, not for markers, followers, the metadata log and duplicates', async () => {
    const { log, runtime } = await verifying();
    const data = () =>
      batchOf({
        producerId: PRODUCER,
        producerEpoch: 0,
        baseSequence: -1,
        isTransactional: true,
        partitionLeaderEpoch: 0,
      });
    const byCoordinator = (verificationGuard?: VerificationGuard) =>
      codeOf(() => log.appendAsLeader(data(), 0, { origin: 'coordinator', verificationGuard }));
    expect(byCoordinator()).toBe(Errors.INVALID_TXN_STATE);
    expect(codeOf(() => log.appendAsLeader(data(), 0, { origin: 'raftLeader' }))).toBe(Errors.NONE);
    end(log, 0);
    expect(byCoordinator(ask(log, -1))).toBe(Errors.NONE);
    end(log, 0);
    const sequence = 0;
    const ids = { producerId: 8, producerEpoch: 0, baseSequence: sequence, isTransactional: true };
    log.appendAsFollower(batchOf({ ...ids, baseOffset: log.stagedEndOffset }));
    log.appendAsLeader(markerOf(8, 0, true), 0, { origin: 'coordinator' });
    expect(log.appendAsLeader(batchOf(ids), 0).duplicate).toBe(true);
    runtime.turn();
    expect(log.logEndOffset).toBe(6);
  });

  it('forgets what was asked when producers expire and when records are taken away', async () => {
    const { log, runtime } = await verifying();
    const expired = ask(log);
    const now = runtime.clock.wallMs();
    log.producerState.removeExpiredProducers(now + EXPIRATION_MS - 1);
    expect(ask(log)).toBe(expired);
    log.producerState.removeExpiredProducers(now + EXPIRATION_MS);
    expect(append(log, expired)).toBe(Errors.INVALID_TXN_STATE);
    for (let at = 0; at < 3; at++) log.appendAsLeader(batchOf(), 0);
    runtime.turn();
    const cut = ask(log);
    log.truncateTo(1);
    expect(append(log, cut)).toBe(Errors.INVALID_TXN_STATE);
    const emptied = ask(log);
    log.truncateFullyAndStartAt(10);
    expect(append(log, emptied)).toBe(Errors.INVALID_TXN_STATE);
  });

  it('goes with the log to another log directory', async () => {
    const runtime = new ManualRuntime();
    const options = { ...VERIFYING, logDirs: ['/data', '/other'] };
    const manager = await openManager(runtime, LOG_CONFIG, options);
    const log = manager.getOrCreateLog(TP, '4sYNNVlkRVWWN2t2xZ0lpg', undefined, '/data');
    const guard = ask(log);
    const future = manager.futures.create(log, '/other');
    let moved: UnifiedLog | undefined;
    manager.futures.promote(log, future, adopted => (moved = adopted));
    expect(append(moved!, guard)).toBe(Errors.NONE);
  });

  it('is asked for by nobody where it is switched off, from the next append on', async () => {
    let isOn = true;
    const { log } = await openLog({}, new ManualRuntime(), { verifiesTransactions: () => isOn });
    expect(append(log, undefined)).toBe(Errors.INVALID_TXN_STATE);
    isOn = false;
    expect(ask(log)).toBeUndefined();
    // The coordinator has to be told of the partition.
    expect(ask(log, 0, 0, true)).toBeDefined();
    expect(append(log, undefined)).toBe(Errors.NONE);
  });
});
