import type { CommittedBatch, RaftListener, SnapshotReader } from '../raft/raft-client.ts';

/** Follows `kraft.version`, the one feature whose level is a matter of the Raft log and not of the metadata image. */
export class KRaftVersionListener implements RaftListener {
  private current = 0;

  /** As far as the log has been read; 0 where it names none. */
  get level(): number {
    return this.current;
  }

  handleCommit(batches: readonly CommittedBatch[]): void {
    for (const batch of batches) this.read(batch);
  }

  /** The first batch of a snapshot has its control records. */
  handleLoadSnapshot(reader: SnapshotReader): void {
    for (const batch of reader.batches()) {
      this.read(batch);
      return;
    }
  }

  handleLeaderChange(): void {}

  private read({ controlRecords }: CommittedBatch): void {
    for (const control of controlRecords) {
      if (control.type === 'kraftVersion') this.current = control.level;
    }
  }
}
