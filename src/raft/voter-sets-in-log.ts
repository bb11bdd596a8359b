import { add64, max64, type Offset, sub64 } from '../base/int64.ts';
import type { RecordBatch } from '../record/record-batch.ts';
import type { VoterSetAtOffset } from './log-summary.ts';
import { decodeBatch, validBatches } from './raft-batch.ts';
import type { ReplicatedLog } from './replicated-log.ts';
import { readSnapshotHeader } from './snapshot-file.ts';
import type { VoterSet } from './voter-set.ts';

const SCAN_BYTES = 4 * 1024 * 1024;

/**
 * The voter sets that the newest snapshot and the log behind it name, in the order of their offsets. The first one is
 * `staticVoters` where the snapshot names none. Throws if the log cannot be read.
 */
export async function readVoterSets(log: ReplicatedLog, staticVoters: VoterSet): Promise<VoterSetAtOffset[]> {
  let base: VoterSetAtOffset = { offset: -1, voters: staticVoters, kraftVersion: 0 };
  const id = log.latestSnapshotId();
  const raw = id === undefined ? undefined : log.readSnapshot(id);
  if (id !== undefined && raw !== undefined) {
    const { kraftVersion, voters } = readSnapshotHeader(raw);
    raw.close();
    if (voters !== undefined) base = { offset: sub64(id.offset, 1), voters, kraftVersion };
  }
  const sets = [base];
  let offset: Offset = max64(log.startOffset, id?.offset ?? 0);
  while (offset < log.endOffset) {
    const bytes = await log.read(offset, SCAN_BYTES);
    const from = offset;
    for (const batch of validBatches(bytes)) {
      offset = add64(batch.lastOffset, 1);
      if (batch.isControlBatch && batch.baseOffset >= from) noteControls(sets, batch);
    }
    if (offset === from) throw new Error(`the metadata log cannot be read at offset ${from}`);
  }
  return sets;
}

function noteControls(sets: VoterSetAtOffset[], batch: RecordBatch): void {
  const { controlRecords, baseOffset } = decodeBatch(batch);
  controlRecords.forEach((control, i) => {
    const { voters, kraftVersion } = sets.at(-1)!;
    const offset = add64(baseOffset, i);
    if (control.type === 'voters') sets.push({ offset, voters: control.voters, kraftVersion });
    else if (control.type === 'kraftVersion') sets.push({ offset, voters, kraftVersion: control.level });
  });
}
