import { add64, type Offset } from '../../../src/base/int64.ts';
import { type Checker, Findings } from './checker.ts';
import type { BatchAtRest, FinalState, MetadataAtRest } from './final-state.ts';

/**
 * The metadata logs on the disks of all nodes: S1 and S2 each, M3 (equal where they agree once), M6 (equal below what
 * both know committed), M8 (snapshots), and, at rest, that all nodes have come to the same metadata (M11).
 */
export const checkMetadataLogs: Checker = (_history, end, options) => {
  const findings = new Findings();
  const { atMs, metadataLogs } = end;
  for (const log of metadataLogs) checkOne(log, atMs, findings);
  for (let a = 0; a < metadataLogs.length; a++) {
    for (let b = a + 1; b < metadataLogs.length; b++)
      checkPair(metadataLogs[a]!, metadataLogs[b]!, atMs, findings);
  }
  if (options.atRest) checkConverged(end, findings);
  return findings.violations;
};

function checkOne(log: MetadataAtRest, atMs: number, findings: Findings): void {
  const where = `the metadata log of node ${log.node}`;
  if (log.damage !== undefined) findings.add('S2', atMs, `${where}: ${log.damage}`);
  let next: Offset | undefined;
  let epoch = -1;
  for (const batch of log.batches) {
    if (!batch.crcIsValid) findings.add('S2', atMs, `${where}: wrong CRC at ${batch.baseOffset}`);
    if (next !== undefined && batch.baseOffset !== next)
      findings.add('S1', atMs, `${where}: a batch at ${batch.baseOffset} where ${next} follows`);
    if (batch.leaderEpoch < epoch)
      findings.add('M3', atMs, `${where}: epoch ${batch.leaderEpoch} at ${batch.baseOffset} after ${epoch}`);
    next = add64(batch.lastOffset, 1);
    epoch = batch.leaderEpoch;
  }
  const { highWatermark, batches, snapshots } = log;
  for (const { offset } of snapshots) {
    if (highWatermark !== undefined && offset > highWatermark)
      findings.add('M8', atMs, `${where}: a snapshot at ${offset}, past the high watermark ${highWatermark}`);
  }
  const start = batches[0]?.baseOffset ?? 0;
  const oldest = snapshots[0]?.offset;
  if (start > 0 && (oldest === undefined || oldest < start)) {
    const newest = snapshots.at(-1)?.offset ?? 0;
    if (newest < start)
      findings.add(
        'M8',
        atMs,
        `${where} starts at ${start} and its newest snapshot is at ${newest}: records are missing`,
      );
  }
}

function checkPair(a: MetadataAtRest, b: MetadataAtRest, atMs: number, findings: Findings): void {
  const inB = new Map(b.batches.map(batch => [batch.baseOffset, batch]));
  let agreed: BatchAtRest | undefined;
  for (const batch of a.batches) {
    if (inB.get(batch.baseOffset)?.leaderEpoch === batch.leaderEpoch) agreed = batch;
  }
  const committed =
    a.highWatermark === undefined || b.highWatermark === undefined
      ? 0
      : a.highWatermark < b.highWatermark
        ? a.highWatermark
        : b.highWatermark;
  for (const batch of a.batches) {
    const other = inB.get(batch.baseOffset);
    if (other?.digest === batch.digest) continue;
    const isCommitted = batch.lastOffset < committed && other !== undefined;
    const isBelowAgreed = agreed !== undefined && batch.lastOffset < agreed.baseOffset && other !== undefined;
    if (!isCommitted && !isBelowAgreed) continue;
    findings.add(
      isCommitted ? 'M6' : 'M3',
      atMs,
      `the metadata logs of nodes ${a.node} and ${b.node} differ at ${batch.baseOffset}: epochs ` +
        `${batch.leaderEpoch} and ${other.leaderEpoch}`,
    );
    return;
  }
}

function checkConverged({ atMs, metadataLogs, up }: FinalState, findings: Findings): void {
  const alive = metadataLogs.filter(({ node }) => up.includes(node));
  const first = alive[0]?.image;
  for (const { node, image } of alive) {
    if (image === undefined) findings.add('M11', atMs, `node ${node} has no metadata at the end`);
    else if (first !== undefined && image.offset === first.offset && image.digest !== first.digest)
      findings.add(
        'M6',
        atMs,
        `nodes ${alive[0]!.node} and ${node} have different metadata as of ${image.offset}`,
      );
  }
}
