import { add64, type Offset } from '../base/int64.ts';
import type { CommittedBatch, LeaderAndEpoch, RaftListener } from './raft-client.ts';
import type { ReplicatedLog } from './replicated-log.ts';
import { decodeBatch, validBatches } from './raft-batch.ts';
import { RecordsSnapshotReader } from './snapshot-file.ts';

/** Bytes given to a listener at a time when it reads from the log. */
const CATCH_UP_BYTES = 256 * 1024;
/** Records given to a listener at a time when they are still in memory: it acts on them in the same turn. */
const RECORDS_PER_TURN = 500;

/** Where one listener is. */
export class ListenerContext {
  readonly listener: RaftListener;
  /** Of the next batch to hear of. */
  nextOffset: Offset = 0;
  reading = false;
  removed = false;
  private heardLeader: LeaderAndEpoch | undefined;
  private started = false;

  constructor(listener: RaftListener) {
    this.listener = listener;
  }

  /** Loads the newest snapshot if the log no longer has what comes next, or if nothing was heard yet. */
  maybeLoadSnapshot(log: ReplicatedLog): void {
    const id = log.latestSnapshotId();
    const isFirst = !this.started;
    this.started = true;
    if (id === undefined || id.offset === 0) return;
    if (this.nextOffset >= log.startOffset && !(isFirst && this.nextOffset < id.offset)) return;
    const raw = log.readSnapshot(id);
    if (raw === undefined) throw new Error(`the snapshot ${id.offset}-${id.epoch} is not there`);
    try {
      this.listener.handleLoadSnapshot(new RecordsSnapshotReader(raw));
    } finally {
      raw.close();
    }
    this.nextOffset = id.offset;
  }

  deliver(batches: readonly CommittedBatch[]): void {
    const last = batches.at(-1);
    if (last === undefined) return;
    this.nextOffset = add64(last.lastOffset, 1);
    this.listener.handleCommit(batches);
  }

  /** `epochStartOffset`: where the epoch begins, if this node leads it. */
  maybeTellLeader(leader: LeaderAndEpoch, epochStartOffset: Offset | undefined): void {
    if (this.heardLeader?.epoch === leader.epoch && this.heardLeader.leaderId === leader.leaderId) return;
    if (epochStartOffset !== undefined && this.nextOffset <= epochStartOffset) return;
    this.heardLeader = leader;
    this.listener.handleLeaderChange(leader);
  }
}

/** The first of `batches`, one at least, as many as a listener gets in one turn of the event loop. */
export function forOneTurn(batches: readonly CommittedBatch[]): readonly CommittedBatch[] {
  let records = 0;
  const end = batches.findIndex(batch => {
    records += batch.records.length;
    return records > RECORDS_PER_TURN;
  });
  return end === -1 ? batches : batches.slice(0, Math.max(1, end));
}

/**
 * The committed batches of the log from `startOffset` to `endOffset` (exclusive), a part of them at a time.
 */
export function readCommitted(
  log: ReplicatedLog,
  startOffset: Offset,
  endOffset: Offset,
): CommittedBatch[] | Promise<CommittedBatch[]> {
  const decode = (bytes: Buffer): CommittedBatch[] => {
    const batches: CommittedBatch[] = [];
    for (const batch of validBatches(bytes)) {
      if (batch.baseOffset < startOffset) continue;
      if (batch.baseOffset >= endOffset) break;
      batches.push(decodeBatch(batch));
    }
    return batches;
  };
  const bytes = log.read(startOffset, CATCH_UP_BYTES);
  return Buffer.isBuffer(bytes) ? decode(bytes) : bytes.then(decode);
}
