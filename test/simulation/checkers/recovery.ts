import type { Offset, Timestamp } from '../../../src/base/int64.ts';
import type { UnifiedLog } from '../../../src/log/unified-log.ts';
import { batchesOf } from '../../../src/record/record-batch.ts';
import type { WorldView } from '../simulation-types.ts';
import { Findings, type Violation } from './checker.ts';
import { isCompacted } from './compaction.ts';
import type { ReplicaAtRest } from './final-state.ts';
import { readReplicas } from './read-final-state.ts';

/** All replicas of a cluster at rest, before all nodes go down and after they have come up again. */
export interface Rest {
  readonly atMs: number;
  readonly replicas: readonly ReplicaAtRest[];
  /** By node and directory of the log: what it remembers of each producer, one line each, sorted. */
  readonly producers: ReadonlyMap<string, readonly string[]>;
}

const SEGMENT = /\/(\d{20})\.log$/;
/** Look-ups in one log; more say little that is new. */
const LOOKUPS = 40;

/** What the disks and the servers of all nodes have now. */
export function takeRest(world: WorldView): Rest {
  const producers = new Map<string, readonly string[]>();
  for (const [where, log] of logsOf(world)) {
    const lines = Array.from(log.activeProducers.values(), ({ producerId, producerEpoch, lastBatch }) => {
      const last =
        lastBatch === undefined ? 'nothing' : `${lastBatch.lastSequence} at ${lastBatch.lastOffset}`;
      return `producer ${producerId} epoch ${producerEpoch} sequence ${last}`;
    });
    producers.set(where, lines.sort());
  }
  return { atMs: world.nowMs, replicas: readReplicas(world), producers };
}

/** S4: each log is what it was, as nothing of it could be lost. S7: and so is what it knows of producers. */
export function checkRecovery(before: Rest, after: Rest): Violation[] {
  const findings = new Findings();
  const { atMs } = after;
  const key = ({ node, partition }: ReplicaAtRest): string => `${node} ${partition}`;
  const now = new Map(after.replicas.map(replica => [key(replica), replica]));
  for (const replica of before.replicas) {
    const recovered = now.get(key(replica));
    const where = `${replica.name} on node ${replica.node}`;
    if (recovered === undefined) {
      findings.add('S4', atMs, `${where} is gone after a restart`);
      continue;
    }
    // It may have been compacted further since.
    if (isCompacted(replica)) continue;
    const at = replica.batches.findIndex((batch, index) => recovered.batches[index]?.digest !== batch.digest);
    const lost = at < 0 ? undefined : replica.batches[at];
    if (lost !== undefined)
      findings.add('S4', atMs, `${where}: the batch at ${lost.baseOffset} is not there after a restart`);
    else if (recovered.batches.length > replica.batches.length)
      findings.add('S4', atMs, `${where}: there is more after a restart than before it`);
  }
  for (const [where, lines] of before.producers) {
    const recovered = after.producers.get(where);
    const lost = recovered === undefined ? undefined : lines.find(line => !recovered.includes(line));
    if (lost !== undefined)
      findings.add('S7', atMs, `${where}: ${lost}, before a restart; after it ${recovered!.join(', ')}`);
  }
  return findings.violations;
}

function* logsOf(world: WorldView): Generator<[where: string, log: UnifiedLog], void, undefined> {
  for (const node of world.nodes) {
    for (const { log } of node.server?.services?.replicaManager.partitions() ?? [])
      if (log !== undefined) yield [`${node.id} ${log.directory}`, log];
  }
}

interface BatchPlace {
  readonly segment: Offset;
  readonly position: number;
  readonly baseOffset: Offset;
  readonly records: readonly { readonly offset: Offset; readonly timestamp: Timestamp }[];
}

/** S3: look-ups by offset and by time in the logs of living servers, against a scan of their files. */
export function checkLookups(world: WorldView): Violation[] {
  const findings = new Findings();
  for (const node of world.nodes) {
    for (const { log, name } of node.server?.services?.replicaManager.partitions() ?? []) {
      if (log === undefined) continue;
      const places: BatchPlace[] = [];
      for (const path of node.disk.paths()) {
        const [, base] = path.startsWith(`${log.directory}/`) ? (SEGMENT.exec(path) ?? []) : [];
        if (base !== undefined) places.push(...placesOf(node.disk.contentOf(path), Number(base)));
      }
      checkLog(`${name} on node ${node.id}`, log, places, world.nowMs, findings);
    }
  }
  return findings.violations;
}

function placesOf(bytes: Buffer, segment: Offset): BatchPlace[] {
  const places: BatchPlace[] = [];
  let position = 0;
  for (const batch of batchesOf(bytes)) {
    const records = Array.from(batch.records(), ({ offset, timestamp }) => ({ offset, timestamp }));
    places.push({ segment, position, baseOffset: batch.baseOffset, records });
    position = batch.end;
  }
  return places;
}

function checkLog(
  where: string,
  log: UnifiedLog,
  places: readonly BatchPlace[],
  atMs: number,
  findings: Findings,
): void {
  const step = Math.max(1, Math.floor(places.length / LOOKUPS));
  const records = places.flatMap(place => place.records);
  const starts = new Set(places.map(({ segment, position }) => `${segment} ${position}`));
  for (let index = 0; index < places.length; index += step) {
    const { baseOffset, segment, position, records: own } = places[index]!;
    const found = log.offsetMetadata(baseOffset);
    const { segmentBaseOffset, relativePositionInSegment } = found;
    const isBatch = starts.has(`${segmentBaseOffset} ${relativePositionInSegment}`);
    if (segmentBaseOffset !== segment || relativePositionInSegment > position || !isBatch)
      findings.add(
        'S3',
        atMs,
        `${where}: offset ${baseOffset} lies in segment ${segment} at ${position}, it is looked for in ` +
          `${segmentBaseOffset} at ${relativePositionInSegment}`,
      );
    const target = own[0]?.timestamp;
    if (target === undefined) continue;
    const expected = records.find(
      ({ offset, timestamp }) => timestamp >= target && offset >= log.logStartOffset,
    );
    const answer = log.fetchOffsetByTimestamp(target, 'logEnd')?.offset;
    if (answer !== expected?.offset)
      findings.add(
        'S3',
        atMs,
        `${where}: the first record from ${target} on is ${expected?.offset}, found is ${answer}`,
      );
  }
}
