import { sub64 } from '../base/int64.ts';
import type { LimitedLogger } from '../base/logger.ts';
import type { RaftEvent, Ready } from './ready.ts';
import type { RawSnapshotWriter, ReplicatedLog } from './replicated-log.ts';
import { readSnapshotHeader, snapshotProblem } from './snapshot-file.ts';

/** A piece of a snapshot, as the leader has sent it. Pieces come in order; one at 0 begins a snapshot anew. */
export type SnapshotChunk = NonNullable<Ready['snapshotChunk']>;

/** Writes the snapshot that a leader sends, and puts it in the place of the log when it is whole. */
export class SnapshotInstaller {
  private readonly log: ReplicatedLog;
  private readonly logger: LimitedLogger;
  private writer: RawSnapshotWriter | undefined;

  constructor(log: ReplicatedLog, logger: LimitedLogger) {
    this.log = log;
    this.logger = logger;
  }

  /** Gives what the core has to know: nothing before the last piece. `leaderId`: who sends it. */
  write(chunk: SnapshotChunk, leaderId: number | undefined): RaftEvent | undefined {
    const { log } = this;
    if (chunk.position === 0) {
      this.writer?.close();
      this.writer = log.createSnapshot(chunk.id);
    }
    this.writer?.append(chunk.bytes);
    if (!chunk.last) return undefined;
    const { writer } = this;
    this.writer = undefined;
    const problem = writer === undefined ? undefined : snapshotProblem(writer);
    if (problem !== undefined) {
      writer?.close();
      this.logger.error(
        'damaged snapshot',
        'the leader sent a snapshot that cannot be read, and which is asked for again. If it goes on, the disk of that ' +
          'node, or the network to it, damages data',
        { leaderId, ...chunk.id, problem },
      );
      return { type: 'snapshotRefused' };
    }
    writer?.freezeSync();
    const raw = log.readSnapshot(chunk.id);
    if (raw === undefined) throw new Error(`the snapshot ${chunk.id.offset}-${chunk.id.epoch} is not there`);
    const { kraftVersion, voters } = readSnapshotHeader(raw);
    raw.close();
    log.truncateToLatestSnapshot();
    return {
      type: 'snapshotInstalled',
      id: chunk.id,
      voters: voters === undefined ? undefined : { offset: sub64(chunk.id.offset, 1), voters, kraftVersion },
    };
  }

  close(): void {
    this.writer?.close();
  }
}
