import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { batchesOf } from '../../src/record/record-batch.ts';
import type { ClusterNode } from '../support/cluster-process.ts';

/** All bytes of a replica's log, from the start of its first segment. */
export interface Replica {
  readonly node: number;
  readonly startOffset: number;
  readonly bytes: Buffer;
}

/** The log of a partition on a node, its segments one after the other; `undefined` where there is no directory. */
export function readReplica(node: ClusterNode, partition: string): Replica | undefined {
  const folder = join(node.process.dataDirectory, partition);
  let names: string[];
  try {
    names = readdirSync(folder).filter(name => name.endsWith('.log'));
  } catch {
    return undefined;
  }
  names.sort();
  const bytes = Buffer.concat(names.map(name => readFileSync(join(folder, name))));
  return { node: node.id, startOffset: Number(names[0]?.slice(0, -'.log'.length) ?? 0), bytes };
}

/** The names (topic-partition) of the partitions of which a node has a directory. */
export function partitionsOn(node: ClusterNode): string[] {
  const entries = readdirSync(node.process.dataDirectory, { withFileTypes: true });
  const folders = entries.filter(entry => entry.isDirectory() && /^[^.]+-\d+$/.test(entry.name));
  return folders.map(({ name }) => name).filter(name => !name.startsWith('__cluster_metadata'));
}

/** Where two logs of one partition first differ, in words; `undefined` if they hold the same bytes. */
export function difference(left: Replica, right: Replica): string | undefined {
  if (left.startOffset === right.startOffset && left.bytes.equals(right.bytes)) return undefined;
  const where = `node ${left.node} and node ${right.node}`;
  if (left.startOffset !== right.startOffset) {
    return `${where} start at ${left.startOffset} and ${right.startOffset}`;
  }
  const shared = Math.min(left.bytes.length, right.bytes.length);
  let at = 0;
  while (at < shared && left.bytes[at] === right.bytes[at]) at++;
  const batches = [left, right].map(({ bytes }) => describeBatchAt(bytes, at)).join(' | ');
  return `${where} have ${left.bytes.length} and ${right.bytes.length} bytes, alike up to byte ${at}: ${batches}`;
}

/** Where a replica's log ends, in words. */
export function describeEnd({ node, bytes }: Replica): string {
  let last = 'nothing';
  for (const batch of batchesOf(bytes)) last = describeBatchAt(bytes, batch.position);
  return `node ${node} ends with ${last}`;
}

function describeBatchAt(bytes: Buffer, position: number): string {
  for (const batch of batchesOf(bytes)) {
    if (batch.end <= position) continue;
    const { baseOffset, lastOffset, partitionLeaderEpoch, producerId, producerEpoch, baseSequence } = batch;
    const producer = `producer ${producerId}, its epoch ${producerEpoch}, sequence ${baseSequence}`;
    return `offsets ${baseOffset} to ${lastOffset}, leader epoch ${partitionLeaderEpoch}, ${producer}`;
  }
  return 'the end';
}

/** The name (topic-partition) of each partition, and the ids of the nodes that replicate it. */
export type Placement = ReadonlyMap<string, readonly number[]>;

/**
 * Waits until the replicas of every partition are where they should be, nowhere else, and hold the same bytes: a follower
 * may be a fetch behind the last record. Returns what differs when the time is over.
 */
export async function waitForEqualReplicas(
  nodes: readonly ClusterNode[],
  placement: Placement,
  timeoutMs: number,
): Promise<string[]> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const differences = differencesAmong(nodes, placement);
    if (differences.length === 0 || performance.now() > deadline) return differences;
    await sleep(200);
  }
}

function differencesAmong(nodes: readonly ClusterNode[], placement: Placement): string[] {
  const found: string[] = [];
  for (const name of new Set([...placement.keys(), ...nodes.flatMap(partitionsOn)])) {
    const wanted = placement.get(name) ?? [];
    const replicas: Replica[] = [];
    for (const node of nodes) {
      const replica = readReplica(node, name);
      if (replica !== undefined) replicas.push(replica);
      if ((replica !== undefined) === wanted.includes(node.id)) continue;
      found.push(
        `${name}: node ${node.id} ${replica === undefined ? 'has no log' : 'has a log, and is no replica'}`,
      );
    }
    const [first, ...others] = replicas;
    if (first === undefined) continue;
    for (const other of others) {
      const different = difference(first, other);
      if (different !== undefined) found.push(`${name}: ${different}`);
    }
  }
  return found.sort();
}

/** The records of a log: the value at each offset, and in words which batch brought it. */
export interface LogContents {
  readonly values: readonly string[];
  readonly batchOf: (offset: number) => string;
}

/** Reads a log from offset 0 on; a gap in the offsets and a wrong checksum are errors. */
export function contentsOf(replica: Replica | undefined): LogContents {
  const bytes = replica?.bytes ?? Buffer.alloc(0);
  const values: string[] = [];
  const positions: number[] = [];
  for (const batch of batchesOf(bytes)) {
    if (!batch.isValid()) throw new Error(`the batch at offset ${batch.baseOffset} has a wrong checksum`);
    for (const { offset, value } of batch.records()) {
      if (offset !== values.length) throw new Error(`offset ${offset} where ${values.length} was due`);
      values.push(value?.toString() ?? '');
      positions.push(batch.position);
    }
  }
  return { values, batchOf: offset => describeBatchAt(bytes, positions[offset] ?? bytes.length) };
}
