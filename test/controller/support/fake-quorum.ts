import { add64, sub64 } from '../../../src/base/int64.ts';
import { decodeMetadataRecord } from '../../../src/metadata/metadata-record-serde.ts';
import type { MetadataRecord } from '../../../src/metadata/metadata-record.ts';
import { Errors, KafkaError } from '../../../src/protocol/errors.ts';
import type {
  CommittedBatch,
  LeaderAndEpoch,
  OffsetAndEpoch,
  RaftListener,
  SnapshotWriter,
} from '../../../src/raft/raft-client.ts';

/** A snapshot as the fake keeps it. */
export interface FakeSnapshot {
  readonly id: OffsetAndEpoch;
  readonly batches: Buffer[][];
  frozen: boolean;
  aborted: boolean;
}

/**
 * A quorum whose commits, elections and losses a test decides. What was appended stands in the log at once and is heard
 * of when it is committed; a new leader may cut off what was not.
 */
export class FakeQuorum {
  readonly nodeId: number;
  readonly batches: CommittedBatch[] = [];
  readonly snapshots: FakeSnapshot[] = [];
  /** Commits whatever is appended, in the next microtask. */
  autoCommit = true;
  private readonly listeners: RaftListener[] = [];
  private leader: LeaderAndEpoch = { leaderId: undefined, epoch: 0 };
  private end = 0;
  private committed = 0;
  private heard = 0;

  constructor(nodeId = 1) {
    this.nodeId = nodeId;
  }

  leaderAndEpoch(): LeaderAndEpoch {
    return this.leader;
  }

  highWatermark(): number {
    return this.committed;
  }

  logEndOffset(): number {
    return this.end;
  }

  register(listener: RaftListener): void {
    this.listeners.push(listener);
  }

  scheduleAppend(epoch: number, records: readonly Buffer[]): number {
    if (this.leader.leaderId !== this.nodeId || this.leader.epoch !== epoch) {
      throw new KafkaError(Errors.NOT_LEADER_OR_FOLLOWER);
    }
    this.push(epoch, records);
    if (this.autoCommit) queueMicrotask(() => this.commit());
    return this.end - 1;
  }

  resign(): void {}

  createSnapshot(id: OffsetAndEpoch): SnapshotWriter {
    const snapshot: FakeSnapshot = { id, batches: [], frozen: false, aborted: false };
    this.snapshots.push(snapshot);
    return {
      snapshotId: id,
      append: records => void snapshot.batches.push([...records]),
      freeze: async () => {
        snapshot.frozen = true;
      },
      abort: () => {
        snapshot.aborted = true;
      },
    };
  }

  /** This node, or another, leads from now on. The leader's first record is committed at once, as are those before it. */
  elect(leaderId: number | undefined): void {
    this.leader = { leaderId, epoch: this.leader.epoch + 1 };
    if (leaderId === this.nodeId) {
      this.push(this.leader.epoch, []);
      this.commit();
    }
    for (const listener of this.listeners) listener.handleLeaderChange(this.leader);
  }

  /** Another node leads, and what was not committed is gone. */
  loseUncommitted(leaderId: number): void {
    while (this.batches.length > 0 && this.batches.at(-1)!.lastOffset >= this.committed) this.batches.pop();
    this.end = this.committed;
    this.elect(leaderId);
  }

  /** Commits everything below `end`. */
  commit(end = this.end): void {
    this.committed = Math.max(this.committed, end);
    const batches = this.batches.filter(
      batch => batch.baseOffset >= this.heard && batch.lastOffset < this.committed,
    );
    if (batches.length === 0) return;
    this.heard = Number(batches.at(-1)!.lastOffset) + 1;
    for (const listener of this.listeners) listener.handleCommit(batches);
  }

  /** Appends a batch that another leader wrote. */
  append(...records: Buffer[]): void {
    this.push(this.leader.epoch, records);
  }

  /** Every data record, in order. */
  records(): MetadataRecord[] {
    return this.batches.flatMap(batch => batch.records.map(value => decodeMetadataRecord(value)));
  }

  private push(epoch: number, records: readonly Buffer[]): void {
    const count = Math.max(1, records.length);
    this.batches.push({
      baseOffset: this.end,
      lastOffset: sub64(add64(this.end, count), 1),
      epoch,
      appendTimestamp: 1000 + this.end,
      sizeInBytes: records.reduce((sum, value) => sum + value.length, 61),
      records,
      controlRecords: [],
    });
    this.end += count;
  }
}
