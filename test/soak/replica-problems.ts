import { setTimeout as sleep } from 'node:timers/promises';
import { batchesOf } from '../../src/record/record-batch.ts';
import { type Replica, readReplica } from '../failover/replicas.ts';
import type { ClusterNode } from '../support/cluster-process.ts';
import type { PartitionHistory } from './partition-history.ts';

const WITHIN_MS = 60_000;

/** The end of a log, and what it says: each replica is compacted and deleted from at times of its own. */
interface Held {
  readonly node: number;
  readonly startOffset: number;
  readonly nextOffset: number;
  /** Of a compacted log: the last value of each key, with its offset. Otherwise what each offset holds. */
  readonly last: ReadonlyMap<string, string>;
}

/** Throws for a batch that is damaged or out of order (S1, S2). */
export function heldBy({ node, startOffset, bytes }: Replica, isCompacted: boolean): Held {
  const last = new Map<string, string>();
  let next = startOffset;
  for (const batch of batchesOf(bytes)) {
    const offset = Number(batch.baseOffset);
    if (!batch.isValid()) throw new Error(`node ${node}: a wrong checksum at offset ${offset}`);
    if (offset < next) throw new Error(`node ${node}: offset ${offset} where ${next} or more was due`);
    if (offset > next && !isCompacted)
      throw new Error(`node ${node}: offset ${offset} where ${next} was due`);
    next = Number(batch.nextOffset);
    for (const record of batch.records()) {
      const key = isCompacted ? `${record.key}` : `${record.offset}`;
      if (isCompacted && record.value === null) last.delete(key);
      else last.set(key, `${record.offset} ${record.key} ${record.value}`);
    }
  }
  return { node, startOffset, nextOffset: next, last };
}

/** What two replicas of one partition disagree on, from where both have it. */
export function disagreement(left: Held, right: Held): string | undefined {
  const nodes = `node ${left.node} and node ${right.node}`;
  if (left.nextOffset !== right.nextOffset)
    return `${nodes} end at ${left.nextOffset} and ${right.nextOffset}`;
  const from = Math.max(left.startOffset, right.startOffset);
  const shared = ({ last }: Held) => [...last].filter(([, text]) => Number.parseInt(text, 10) >= from);
  for (const [one, other] of [
    [left, right],
    [right, left],
  ] as const) {
    for (const [key, text] of shared(one)) {
      if (other.last.get(key) === text) continue;
      return `${nodes}: ${key} is '${text.slice(0, 40)}' and '${other.last.get(key)?.slice(0, 40)}'`;
    }
  }
  return undefined;
}

/** What replicas disagree on (R1, R11). Cleaning and retention go on meanwhile: they are looked at until they agree. */
export async function replicaProblems(
  nodes: readonly ClusterNode[],
  histories: readonly PartitionHistory[],
): Promise<string[]> {
  const problems: string[] = [];
  for (const { name, policy } of histories) {
    const deadline = performance.now() + WITHIN_MS;
    for (;;) {
      const problem = problemOf(nodes, name, policy.isCompacted);
      if (problem === undefined) break;
      if (performance.now() > deadline) {
        problems.push(`${name}: ${problem}`);
        break;
      }
      await sleep(500);
    }
  }
  return problems;
}

function problemOf(nodes: readonly ClusterNode[], name: string, isCompacted: boolean): string | undefined {
  try {
    const held: Held[] = [];
    for (const node of nodes) {
      const replica = readReplica(node, name);
      if (replica === undefined) return `node ${node.id} has no log`;
      held.push(heldBy(replica, isCompacted));
    }
    const [first, ...others] = held;
    for (const other of others) {
      const found = disagreement(first!, other);
      if (found !== undefined) return found;
    }
    return undefined;
  } catch (error) {
    // Files that are replaced while they are read, too: they are looked at again.
    return error instanceof Error ? error.message : String(error);
  }
}
