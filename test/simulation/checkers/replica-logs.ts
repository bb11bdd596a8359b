import { add64, type Offset, sub64 } from '../../../src/base/int64.ts';
import { incrementSequence } from '../../../src/record/record.ts';
import { type Checker, type CheckOptions, Findings } from './checker.ts';
import type { BatchAtRest, FinalState, PartitionAtRest, ReplicaAtRest } from './final-state.ts';
import { isCompacted } from './compaction.ts';
import type { History, PartitionKey } from './history.ts';

/**
 * Compares what the replicas have on their disks, with each other and with what was acknowledged:
 * S1, S2 (each file), R1 (equal prefixes), R4 (acknowledged records), R11 (all equal at rest), T1 (sequences). Logs
 * that are compacted are looked at one by one only, and may have gaps.
 */
export const checkReplicaLogs: Checker = (history, end, options) => {
  const findings = new Findings();
  const byPartition = new Map<PartitionKey, ReplicaAtRest[]>();
  for (const replica of end.replicas) {
    checkOneLog(replica, end.atMs, findings);
    if (isCompacted(replica)) continue;
    checkSequences(replica, end.atMs, options.lossAllowed, findings);
    const replicas = byPartition.get(replica.partition);
    if (replicas === undefined) byPartition.set(replica.partition, [replica]);
    else replicas.push(replica);
  }
  for (const replicas of byPartition.values()) {
    for (let a = 0; a < replicas.length; a++) {
      for (let b = a + 1; b < replicas.length; b++) checkMatching(replicas[a]!, replicas[b]!, end, findings);
    }
  }
  if (options.atRest) {
    for (const partition of end.partitions)
      if (!isCompacted(partition)) checkAtRest(partition, byPartition, end, findings);
  }
  checkAcknowledged(history, byPartition, end, options, findings);
  return findings.violations;
};

/** S1 and S2 for one log. */
function checkOneLog(replica: ReplicaAtRest, atMs: number, findings: Findings): void {
  const { node, name, batches, damage } = replica;
  if (damage !== undefined) findings.add('S2', atMs, `${name} on node ${node}: ${damage}`);
  let next: Offset | undefined;
  let epoch = -1;
  for (const batch of batches) {
    const where = `${name} on node ${node}, batch ${batch.baseOffset} to ${batch.lastOffset}`;
    if (!batch.crcIsValid) findings.add('S2', atMs, `${where}: wrong CRC`);
    if (batch.lastOffset < batch.baseOffset) findings.add('S1', atMs, `${where}: ends before it starts`);
    if (next !== undefined && batch.baseOffset < next)
      findings.add('S1', atMs, `${where}: the one before it ends at ${sub64(next, 1)}`);
    if (next !== undefined && batch.baseOffset > next && !isCompacted(replica))
      findings.add('S1', atMs, `${where}: offsets from ${next} on are missing`);
    if (batch.leaderEpoch < epoch)
      findings.add('S11', atMs, `${where}: leader epoch ${batch.leaderEpoch} after ${epoch}`);
    next = add64(batch.lastOffset, 1);
    epoch = batch.leaderEpoch;
  }
}

/**
 * T1: of each producer and epoch the sequences in a log follow each other, each there once. Where records may be lost
 * (`mayLose`), so may the snapshot that alone knew a producer whose records had been deleted: then some may lack.
 */
function checkSequences(
  { node, name, batches }: ReplicaAtRest,
  atMs: number,
  mayLose: boolean,
  findings: Findings,
): void {
  const producers = new Map<string, { epoch: number; next: number }>();
  for (const batch of batches) {
    if (batch.producerId < 0 || batch.isControl) continue;
    const key = String(batch.producerId);
    const known = producers.get(key);
    const where = `${name} on node ${node}, batch ${batch.baseOffset} of producer ${key}`;
    if (known !== undefined && batch.producerEpoch < known.epoch) {
      findings.add('T3', atMs, `${where}: producer epoch ${batch.producerEpoch} after ${known.epoch}`);
    } else if (known !== undefined && batch.producerEpoch === known.epoch) {
      const isGap = batch.baseSequence > known.next;
      if (batch.baseSequence !== known.next && !(isGap && mayLose))
        findings.add('T1', atMs, `${where}: sequence ${batch.baseSequence} where ${known.next} follows`);
    } else if (known !== undefined && batch.baseSequence !== 0) {
      findings.add(
        'T1',
        atMs,
        `${where}: epoch ${batch.producerEpoch} begins with sequence ${batch.baseSequence}`,
      );
    }
    const count = Number(sub64(batch.lastOffset, batch.baseOffset)) + 1;
    producers.set(key, { epoch: batch.producerEpoch, next: incrementSequence(batch.baseSequence, count) });
  }
}

function named(replica: ReplicaAtRest): string {
  return `${replica.name} on node ${replica.node}`;
}

/**
 * R1: where two logs have a batch at the same offset in the same leader epoch, all that both have up to it is equal,
 * byte for byte.
 */
function checkMatching(a: ReplicaAtRest, b: ReplicaAtRest, { atMs }: FinalState, findings: Findings): void {
  const inB = new Map(b.batches.map(batch => [batch.baseOffset, batch]));
  let last: BatchAtRest | undefined;
  for (const batch of a.batches) {
    if (inB.get(batch.baseOffset)?.leaderEpoch === batch.leaderEpoch) last = batch;
  }
  if (last === undefined) return;
  const from = a.logStartOffset > b.logStartOffset ? a.logStartOffset : b.logStartOffset;
  const difference = firstDifference(a.batches, b.batches, from, add64(last.lastOffset, 1));
  if (difference === undefined) return;
  findings.add(
    'R1',
    atMs,
    `${named(a)} and ${named(b)} agree at ${last.baseOffset} and differ: ${difference}`,
  );
}

/** Where two runs of batches differ between two offsets (`to` is exclusive); undefined if they do not. */
function firstDifference(
  a: readonly BatchAtRest[],
  b: readonly BatchAtRest[],
  from: Offset,
  to: Offset,
): string | undefined {
  const inRange = (batch: BatchAtRest): boolean => batch.lastOffset >= from && batch.baseOffset < to;
  const left = a.filter(inRange);
  const right = b.filter(inRange);
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const x = left[i];
    const y = right[i];
    if (x === undefined || y === undefined) {
      return `one has nothing where the other has a batch at ${(x ?? y)!.baseOffset}`;
    }
    if (x.digest === y.digest) continue;
    const describe = ({ baseOffset, lastOffset, leaderEpoch, values }: BatchAtRest): string =>
      `${baseOffset}..${lastOffset} of epoch ${leaderEpoch} ('${values[0] ?? ''}')`;
    return `${describe(x)} against ${describe(y)}`;
  }
  return undefined;
}

/** R11: when all is healed and quiet the replicas of a partition have equal logs, and all are in sync. */
function checkAtRest(
  { partition, name, leader, replicas, isr }: PartitionAtRest,
  byPartition: ReadonlyMap<PartitionKey, readonly ReplicaAtRest[]>,
  end: FinalState,
  findings: Findings,
): void {
  const { atMs, up } = end;
  if (!replicas.every(id => up.includes(id))) return;
  if (leader < 0) {
    findings.add('M11', atMs, `${name} has no leader though all its replicas are up`);
    return;
  }
  const missing = replicas.filter(id => !isr.includes(id));
  if (missing.length > 0)
    findings.add('R11', atMs, `${name}: ${missing.join(', ')} did not come back in sync`);
  const logs = (byPartition.get(partition) ?? []).filter(({ node }) => replicas.includes(node));
  const first = logs.find(({ node }) => node === leader);
  for (const id of replicas) {
    if (!logs.some(({ node }) => node === id)) findings.add('R11', atMs, `${name} has no log on node ${id}`);
  }
  if (first === undefined) return;
  for (const log of logs) {
    if (log === first) continue;
    const start = first.logStartOffset > log.logStartOffset ? first.logStartOffset : log.logStartOffset;
    const endOf = ({ batches }: ReplicaAtRest): Offset => add64(batches.at(-1)?.lastOffset ?? -1, 1);
    const to = endOf(first) > endOf(log) ? endOf(first) : endOf(log);
    const difference = firstDifference(first.batches, log.batches, start, to);
    if (difference !== undefined)
      findings.add(
        'R11',
        atMs,
        `${named(log)} is not equal to the leader's on node ${leader}: ${difference}`,
      );
  }
}

/** R4: the leader at the end has each acknowledged record (acks=all) at its offset. */
function checkAcknowledged(
  history: History,
  byPartition: ReadonlyMap<PartitionKey, readonly ReplicaAtRest[]>,
  end: FinalState,
  { lossAllowed, uncleanElections }: CheckOptions,
  findings: Findings,
): void {
  if (lossAllowed || uncleanElections) return;
  const sends = new Map([...history.of('send')].map(send => [send.op, send]));
  const leaders = new Map(end.partitions.map(({ partition, leader }) => [partition, leader]));
  const contents = new Map<PartitionKey, Map<Offset, string> | undefined>();
  const contentOf = (partition: PartitionKey): Map<Offset, string> | undefined => {
    if (contents.has(partition)) return contents.get(partition);
    const log = byPartition.get(partition)?.find(({ node }) => node === leaders.get(partition));
    const values = log === undefined ? undefined : new Map<Offset, string>();
    for (const batch of log?.batches ?? [])
      for (const [i, value] of batch.values.entries()) values!.set(batch.offsets[i]!, value);
    contents.set(partition, values);
    return values;
  };
  const deletedBelow = history.deletedBelow();
  for (const sent of history.of('sent')) {
    const send = sends.get(sent.op);
    if (send === undefined || send.acks !== -1 || sent.offset < 0) continue;
    const content = contentOf(send.partition);
    if (content === undefined) continue;
    send.values.forEach((value, index) => {
      const offset = add64(sent.offset, index);
      if (offset < (deletedBelow.get(send.partition) ?? 0)) return;
      const found = content.get(offset);
      if (found !== value) {
        const what = found === undefined ? 'nothing' : `'${found}'`;
        findings.add(
          'R4',
          sent.atMs,
          `'${value}' was acknowledged at ${send.partition} ${offset}; the leader at the end has ${what} there`,
        );
      }
    });
  }
}
