import { add64, type Offset } from '../../../src/base/int64.ts';
import { InternalTopic } from '../../../src/metadata/topic-name.ts';
import { type Checker, Findings } from './checker.ts';
import type { ReplicaAtRest } from './final-state.ts';
import type { History, KeyedRecord, PartitionKey } from './history.ts';

/** The topic whose logs are compacted. What holds for others does not for its replicas: each is compacted by itself. */
export const COMPACTED_TOPIC = 'compacted';
const COMPACTED: readonly string[] = [
  COMPACTED_TOPIC,
  InternalTopic.CONSUMER_OFFSETS,
  InternalTopic.TRANSACTION_STATE,
];

/** Whether a log is compacted: one of {@link COMPACTED_TOPIC}, or of a coordinator. */
export function isCompacted({ name }: { readonly name: string }): boolean {
  return COMPACTED.some(topic => name.startsWith(`${topic}-`));
}

/** What was written under one key of a partition. */
interface KeyWrites {
  /** The acknowledged write with the highest offset. */
  latest: { readonly offset: Offset; readonly value: string | null } | undefined;
  /** All that may be in the log. */
  readonly values: Set<string>;
  /** There was a tombstone. */
  wasDeleted: boolean;
  /** A tombstone whose write was not answered: it may have come. */
  mayBeDeleted: boolean;
}

/** The last record of each key of a replica, as text that can be compared. */
interface LastRecords {
  readonly where: string;
  readonly missedTombstones: boolean;
  readonly records: string;
  readonly neverDeleted: string;
}

interface FoundRecord {
  readonly offset: Offset;
  readonly value: string | null;
}

/**
 * S10, for each replica at rest: of each key the last record is what was acknowledged last, or something later; a key
 * that was deleted does not come back; nothing is there that nobody wrote, nor twice. Where nothing may be lost, all
 * replicas that are up agree on the last record of each key.
 *
 * A replica that falls behind for longer than `delete.retention.ms` may have an older record and never see the
 * tombstone, as in Kafka: for it, keys with tombstones may have come back.
 */
export const checkCompaction: Checker = (
  history,
  end,
  { lossAllowed, uncleanElections, atRest, hasLagged },
) => {
  const findings = new Findings();
  const writes = writesByKey(history);
  const mayLose = lossAllowed || uncleanElections;
  const lastByPartition = new Map<PartitionKey, LastRecords>();
  for (const replica of end.replicas) {
    if (!replica.name.startsWith(`${COMPACTED_TOPIC}-`)) continue;
    const where = `${replica.name} on node ${replica.node}`;
    const found = lastOfKeys(replica, where, end.atMs, findings);
    const known = writes.get(replica.partition) ?? new Map<string, KeyWrites>();
    for (const [key, { offset, value }] of found) {
      if (value !== null && known.get(key)?.values.has(value) !== true)
        findings.add('S10', end.atMs, `${where}: '${value}' at ${offset} was not written under ${key}`);
    }
    const partition = end.partitions.find(each => each.partition === replica.partition);
    const isWhole = atRest && partition?.replicas.includes(replica.node) === true;
    if (mayLose || !isWhole || !end.up.includes(replica.node)) continue;
    const missedTombstones = hasLagged?.(replica.partition, replica.node) === true;
    checkLatest(where, known, found, missedTombstones, end.atMs, findings);
    const records = [...found].filter(([, { value }]) => value !== null).sort();
    const neverDeleted = records.filter(([key]) => known.get(key)?.wasDeleted !== true);
    const mine = {
      where,
      missedTombstones,
      records: JSON.stringify(records),
      neverDeleted: JSON.stringify(neverDeleted),
    };
    const other = lastByPartition.get(replica.partition);
    lastByPartition.set(replica.partition, mine);
    if (other === undefined) continue;
    const compared = mine.missedTombstones || other.missedTombstones ? 'neverDeleted' : 'records';
    if (other[compared] !== mine[compared])
      findings.add('R11', end.atMs, `${where} has ${mine[compared]}, ${other.where} ${other[compared]}`);
  }
  return findings.violations;
};

function writesByKey(history: History): Map<PartitionKey, Map<string, KeyWrites>> {
  const partitions = new Map<PartitionKey, Map<string, KeyWrites>>();
  const sends = new Map<
    number,
    { readonly partition: PartitionKey; readonly records: readonly KeyedRecord[] }
  >();
  const writesOf = (partition: PartitionKey, key: string): KeyWrites => {
    let keys = partitions.get(partition);
    if (keys === undefined) partitions.set(partition, (keys = new Map()));
    let writes = keys.get(key);
    if (writes === undefined)
      keys.set(
        key,
        (writes = { latest: undefined, values: new Set(), wasDeleted: false, mayBeDeleted: false }),
      );
    return writes;
  };
  const acknowledged = new Set([...history.of('keyedSent')].map(({ op }) => op));
  for (const send of history.of('keyedSend')) {
    sends.set(send.op, send);
    for (const { key, value } of send.records) {
      const writes = writesOf(send.partition, key);
      if (value !== null) {
        writes.values.add(value);
        continue;
      }
      writes.wasDeleted = true;
      if (!acknowledged.has(send.op)) writes.mayBeDeleted = true;
    }
  }
  for (const { op, offset: first } of history.of('keyedSent')) {
    const { partition, records } = sends.get(op)!;
    for (const [index, { key, value }] of records.entries()) {
      const writes = writesOf(partition, key);
      const offset = add64(first, index);
      if (writes.latest === undefined || offset > writes.latest.offset) writes.latest = { offset, value };
    }
  }
  return partitions;
}

/** The last record of each key in a log. */
function lastOfKeys(
  replica: ReplicaAtRest,
  where: string,
  atMs: number,
  findings: Findings,
): Map<string, FoundRecord> {
  const last = new Map<string, FoundRecord>();
  const seen = new Map<string, Offset>();
  for (const { keys = [], values, offsets } of replica.batches) {
    for (const [index, key] of keys.entries()) {
      const offset = offsets[index]!;
      // Values are never empty.
      const value = values[index] === '' ? null : values[index]!;
      const before = last.get(key);
      if (before !== undefined && before.offset >= offset)
        findings.add('S1', atMs, `${where}: ${key} at ${offset} after ${before.offset}`);
      last.set(key, { offset, value });
      if (value === null) continue;
      if (seen.has(value))
        findings.add('T1', atMs, `${where}: '${value}' at ${seen.get(value)} and ${offset}`);
      seen.set(value, offset);
    }
  }
  return last;
}

function checkLatest(
  where: string,
  known: ReadonlyMap<string, KeyWrites>,
  found: ReadonlyMap<string, FoundRecord>,
  missedTombstones: boolean,
  atMs: number,
  findings: Findings,
): void {
  for (const [key, { latest, mayBeDeleted }] of known) {
    if (latest === undefined || (missedTombstones && latest.value === null)) continue;
    const record = found.get(key);
    if (record === undefined) {
      // A tombstone that came last may have gone.
      if (latest.value !== null && !mayBeDeleted)
        findings.add(
          'S10',
          atMs,
          `${where}: nothing of ${key}, '${latest.value}' was written at ${latest.offset}`,
        );
    } else if (record.offset < latest.offset && (latest.value !== null || record.value !== null)) {
      findings.add(
        'S10',
        atMs,
        `${where}: ${key} is '${record.value}' at ${record.offset}, '${latest.value}' was written at ${latest.offset}`,
      );
    } else if (record.offset === latest.offset && record.value !== latest.value) {
      findings.add(
        'S10',
        atMs,
        `${where}: ${key} at ${latest.offset} is '${record.value}', not '${latest.value}'`,
      );
    }
  }
}
