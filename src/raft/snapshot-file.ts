import { MalformedError } from '../base/byte-reader.ts';
import { add64, type Offset, type Timestamp } from '../base/int64.ts';
import { RecordBatch } from '../record/record-batch.ts';
import type { ControlRecord } from './control-record.ts';
import type { CommittedBatch, OffsetAndEpoch, SnapshotReader, SnapshotWriter } from './raft-client.ts';
import { decodeBatch, encodeControlBatch, encodeDataBatch } from './raft-batch.ts';
import type { RawSnapshotReader, RawSnapshotWriter } from './replicated-log.ts';
import type { VoterSet } from './voter-set.ts';

/**
 * A snapshot is a run of record batches with offsets that count from 0 and have nothing to do with those of
 * the log:
 *
 *     control batch   SnapshotHeader; with kraft.version 1 or later also KRaftVersion and KRaftVoters
 *     data batches    metadata records
 *     control batch   SnapshotFooter
 *
 * All carry the epoch of the snapshot's id as their leader epoch.
 */
export interface SnapshotHeader {
  /** 0 if there is none. */
  readonly lastContainedLogTimestamp: Timestamp;
  readonly kraftVersion: number;
  readonly voters: VoterSet | undefined;
}

/** Bytes read at a time; a larger batch is read as a whole. */
const READ_BYTES = 1024 * 1024;

/** Encodes the parts of a snapshot, one batch after the other. */
class SnapshotEncoder {
  private readonly epoch: number;
  private readonly wallMs: () => number;
  private nextOffset: Offset = 0;

  constructor(epoch: number, wallMs: () => number) {
    this.epoch = epoch;
    this.wallMs = wallMs;
  }

  header({ lastContainedLogTimestamp, kraftVersion, voters }: SnapshotHeader): Buffer {
    const controls: ControlRecord[] = [{ type: 'snapshotHeader', lastContainedLogTimestamp }];
    if (kraftVersion > 0) {
      controls.push({ type: 'kraftVersion', level: kraftVersion });
      if (voters !== undefined) controls.push({ type: 'voters', voters });
    }
    return this.controls(controls);
  }

  data(records: readonly Buffer[]): Buffer {
    const bytes = encodeDataBatch(records, this.position());
    this.nextOffset = add64(this.nextOffset, records.length);
    return bytes;
  }

  footer(): Buffer {
    return this.controls([{ type: 'snapshotFooter' }]);
  }

  private controls(controls: readonly ControlRecord[]): Buffer {
    const bytes = encodeControlBatch(controls, this.position());
    this.nextOffset = add64(this.nextOffset, controls.length);
    return bytes;
  }

  private position(): { baseOffset: Offset; epoch: number; timestamp: Timestamp } {
    return { baseOffset: this.nextOffset, epoch: this.epoch, timestamp: this.wallMs() };
  }
}

/**
 * A whole small snapshot: `bootstrap.checkpoint`, or the `0-0` that formatting writes for a dynamic quorum.
 */
export function encodeSnapshot(
  epoch: number,
  header: SnapshotHeader,
  batches: readonly (readonly Buffer[])[],
  wallMs: () => number,
): Buffer {
  const encoder = new SnapshotEncoder(epoch, wallMs);
  const chunks = [encoder.header(header)];
  for (const records of batches) if (records.length > 0) chunks.push(encoder.data(records));
  chunks.push(encoder.footer());
  return Buffer.concat(chunks);
}

/**
 * Walks over all batches, header and footer included. Throws `MalformedError` for a batch that fails its CRC,
 * bytes that are no batch, or an end without a footer.
 */
export function* snapshotBatches(
  reader: Pick<RawSnapshotReader, 'sizeInBytes' | 'read'>,
): Generator<CommittedBatch> {
  let position = 0;
  let wanted = READ_BYTES;
  let ended = false;
  while (position < reader.sizeInBytes) {
    const chunk = reader.read(position, Math.min(wanted, reader.sizeInBytes - position));
    let used = 0;
    for (let batch = RecordBatch.at(chunk, 0); batch !== undefined; batch = RecordBatch.at(chunk, used)) {
      if (!batch.isValid())
        throw new MalformedError(`the snapshot's batch at byte ${position + used} fails its CRC`);
      used = batch.end;
      const decoded = decodeBatch(batch);
      ended = decoded.controlRecords.some(control => control.type === 'snapshotFooter');
      yield decoded;
    }
    if (used === 0) {
      if (chunk.length >= reader.sizeInBytes - position) {
        throw new MalformedError(`the snapshot ends in the middle of a batch at byte ${position}`);
      }
      wanted *= 2;
    } else {
      position += used;
      wanted = READ_BYTES;
    }
  }
  if (!ended) throw new MalformedError('the snapshot has no footer');
}

/** A buffer as a raw snapshot, to read what {@link encodeSnapshot} made. */
export function bufferSnapshot(bytes: Buffer): Pick<RawSnapshotReader, 'sizeInBytes' | 'read'> {
  return {
    sizeInBytes: bytes.length,
    read: (position, length) => bytes.subarray(position, position + length),
  };
}

/** What the first batch of a snapshot says. */
export function readSnapshotHeader(reader: Pick<RawSnapshotReader, 'sizeInBytes' | 'read'>): SnapshotHeader {
  let lastContainedLogTimestamp: Timestamp = 0;
  let kraftVersion = 0;
  let voters: VoterSet | undefined;
  for (const { controlRecords } of snapshotBatches(reader)) {
    for (const control of controlRecords) {
      if (control.type === 'snapshotHeader') lastContainedLogTimestamp = control.lastContainedLogTimestamp;
      else if (control.type === 'kraftVersion') kraftVersion = control.level;
      else if (control.type === 'voters') voters = control.voters;
    }
    break;
  }
  return { lastContainedLogTimestamp, kraftVersion, voters };
}

/** Why this is no whole snapshot; `undefined` if it is one. */
export function snapshotProblem(reader: Pick<RawSnapshotReader, 'sizeInBytes' | 'read'>): string | undefined {
  try {
    let isFirst = true;
    for (const { controlRecords } of snapshotBatches(reader)) {
      if (isFirst && controlRecords[0]?.type !== 'snapshotHeader') return 'the snapshot has no header';
      isFirst = false;
    }
    return undefined;
  } catch (error) {
    if (error instanceof MalformedError) return error.message;
    throw error;
  }
}

export class RecordsSnapshotReader implements SnapshotReader {
  readonly snapshotId: OffsetAndEpoch;
  readonly lastContainedLogTimestamp: Timestamp;
  private readonly raw: RawSnapshotReader;

  constructor(raw: RawSnapshotReader) {
    this.raw = raw;
    this.snapshotId = raw.id;
    this.lastContainedLogTimestamp = readSnapshotHeader(raw).lastContainedLogTimestamp;
  }

  *batches(): Generator<CommittedBatch> {
    for (const batch of snapshotBatches(this.raw)) {
      const marks = batch.controlRecords.some(
        control => control.type === 'snapshotHeader' || control.type === 'snapshotFooter',
      );
      if (!marks) yield batch;
      else {
        const controlRecords = batch.controlRecords.filter(
          control => control.type !== 'snapshotHeader' && control.type !== 'snapshotFooter',
        );
        if (controlRecords.length > 0) yield { ...batch, controlRecords };
      }
    }
  }
}

export class RecordsSnapshotWriter implements SnapshotWriter {
  readonly snapshotId: OffsetAndEpoch;
  private readonly raw: RawSnapshotWriter;
  private readonly encoder: SnapshotEncoder;
  private readonly onFrozen: () => void;
  private state: 'open' | 'frozen' | 'aborted' = 'open';

  constructor(raw: RawSnapshotWriter, header: SnapshotHeader, wallMs: () => number, onFrozen: () => void) {
    this.raw = raw;
    this.snapshotId = raw.id;
    this.onFrozen = onFrozen;
    this.encoder = new SnapshotEncoder(raw.id.epoch, wallMs);
    this.raw.append(this.encoder.header(header));
  }

  append(records: readonly Buffer[]): void {
    if (this.state !== 'open') throw new Error('the snapshot is closed');
    if (records.length > 0) this.raw.append(this.encoder.data(records));
  }

  async freeze(): Promise<void> {
    if (this.state !== 'open') throw new Error('the snapshot is closed');
    this.state = 'frozen';
    this.raw.append(this.encoder.footer());
    await this.raw.freeze();
    this.onFrozen();
  }

  abort(): void {
    if (this.state !== 'open') return;
    this.state = 'aborted';
    this.raw.close();
  }
}
