import { createHash } from 'node:crypto';
import type { Offset } from '../../../src/base/int64.ts';
import { PARTITION_METADATA } from '../../../src/log/log-file-names.ts';
import { PartitionMetadataFile } from '../../../src/log/partition-metadata-file.ts';
import type { MetadataImage } from '../../../src/metadata/metadata-image.ts';
import { batchesOf, type RecordBatch } from '../../../src/record/record-batch.ts';
import type { SimNode, WorldView } from '../simulation-types.ts';
import type {
  BatchAtRest,
  FinalState,
  MetadataAtRest,
  PartitionAtRest,
  ReplicaAtRest,
  TransactionMarkerAtRest,
} from './final-state.ts';
import { partitionKey } from './history.ts';
import { digestOfImage } from './probe.ts';

const METADATA_DIRECTORY = '__cluster_metadata-0';
const SEGMENT = /^(\d{20})\.log$/;
const SNAPSHOT = /^(\d{20})-(\d{10})\.checkpoint$/;
const REPLICA_DIRECTORY = /^(.+)-(\d+)$/;

/** Files of a disk: where they are and what is in them. */
export interface FileTree {
  paths(): readonly string[];
  contentOf(path: string): Buffer;
}

/** Reads what a run has left on the disks, with a parser of its own, and the newest metadata of the nodes that live. */
export function readFinalState(world: WorldView): FinalState {
  const metadataLogs: MetadataAtRest[] = [];
  let newest: MetadataImage | undefined;
  const up: number[] = [];
  for (const node of world.nodes) {
    const directories = directoriesOf(node.disk);
    const image = node.server?.metadata();
    if (node.isUp) up.push(node.id);
    if (image !== undefined && image.highestOffset > (newest?.highestOffset ?? -1)) newest = image;
    metadataLogs.push(readMetadata(node, directories, image));
  }
  const replicas = readReplicas(world);
  return { atMs: world.nowMs, replicas, metadataLogs, partitions: partitionsOf(newest), up };
}

/** The logs of partitions on the disks of all nodes. */
export function readReplicas(world: WorldView): ReplicaAtRest[] {
  const replicas: ReplicaAtRest[] = [];
  for (const node of world.nodes) {
    for (const [directory, files] of directoriesOf(node.disk)) {
      const replica = readReplica(node.id, directory, files, node.disk);
      if (replica !== undefined) replicas.push(replica);
    }
  }
  return replicas;
}

/** File names by directory, each sorted. */
function directoriesOf(tree: FileTree): Map<string, string[]> {
  const directories = new Map<string, string[]>();
  for (const path of tree.paths()) {
    const slash = path.lastIndexOf('/');
    const directory = path.slice(0, slash);
    const files = directories.get(directory);
    if (files === undefined) directories.set(directory, [path.slice(slash + 1)]);
    else files.push(path.slice(slash + 1));
  }
  for (const files of directories.values()) files.sort();
  return directories;
}

function readReplica(
  node: number,
  directory: string,
  files: readonly string[],
  tree: FileTree,
): ReplicaAtRest | undefined {
  const name = directory.slice(directory.lastIndexOf('/') + 1);
  const match = REPLICA_DIRECTORY.exec(name);
  if (match === null || name === METADATA_DIRECTORY || !files.includes(PARTITION_METADATA)) return undefined;
  const topicId = PartitionMetadataFile.parse(tree.contentOf(`${directory}/${PARTITION_METADATA}`));
  if (topicId === undefined) return undefined;
  const { batches, damage, start } = readBatches(directory, files, tree, true);
  return {
    node,
    partition: partitionKey(topicId, Number(match[2])),
    name,
    batches,
    logStartOffset: start,
    damage,
  };
}

/** All batches of the segments of a log. `start` is the base offset of the first. */
export function readBatches(
  directory: string,
  files: readonly string[],
  tree: FileTree,
  withValues: boolean,
): { batches: BatchAtRest[]; damage: string | undefined; start: Offset } {
  const batches: BatchAtRest[] = [];
  let damage: string | undefined;
  let start: Offset | undefined;
  for (const file of files) {
    const match = SEGMENT.exec(file);
    if (match === null) continue;
    start ??= Number(match[1]);
    const bytes = tree.contentOf(`${directory}/${file}`);
    let end = 0;
    try {
      for (const batch of batchesOf(bytes)) {
        batches.push(describeBatch(batch, withValues));
        end = batch.end;
      }
      if (end !== bytes.length) damage ??= `${file} has ${bytes.length - end} bytes behind its last batch`;
    } catch (error) {
      damage ??= `${file} at ${end}: ${String(error)}`;
    }
  }
  return { batches, damage, start: start ?? 0 };
}

function describeBatch(batch: RecordBatch, withValues: boolean): BatchAtRest {
  const values: string[] = [];
  const keys: string[] = [];
  const offsets: Offset[] = [];
  const crcIsValid = batch.isValid();
  if (withValues && crcIsValid && !batch.isControlBatch) {
    for (const { offset, key, value } of batch.records()) {
      if (key !== null) keys.push(key.toString('latin1'));
      values.push(value === null ? '' : value.toString('latin1').trimEnd());
      offsets.push(offset);
    }
  }
  const marker = withValues && crcIsValid && batch.isControlBatch ? markerIn(batch) : undefined;
  return {
    baseOffset: batch.baseOffset,
    lastOffset: batch.lastOffset,
    leaderEpoch: batch.partitionLeaderEpoch,
    producerId: batch.producerId,
    producerEpoch: batch.producerEpoch,
    baseSequence: batch.baseSequence,
    isControl: batch.isControlBatch,
    isTransactional: batch.isTransactional,
    ...(marker === undefined ? {} : { marker }),
    crcIsValid,
    values,
    ...(keys.length > 0 ? { keys } : {}),
    offsets,
    digest: digest(batch.bytes),
  };
}

/** `key: version int16 | type int16 (0 abort, 1 commit)`, `value: version int16 | coordinatorEpoch int32`. */
function markerIn(batch: RecordBatch): TransactionMarkerAtRest | undefined {
  for (const { key, value } of batch.records()) {
    const type = key?.readInt16BE(2);
    if (value === null || (type !== 0 && type !== 1)) continue;
    return { isCommit: type === 1, coordinatorEpoch: value.readInt32BE(2) };
  }
  return undefined;
}

function digest(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex').slice(0, 16);
}

function readMetadata(
  node: SimNode,
  directories: ReadonlyMap<string, readonly string[]>,
  image: MetadataImage | undefined,
): MetadataAtRest {
  const directory = `${node.config.metadataLogDir}/${METADATA_DIRECTORY}`;
  const files = directories.get(directory) ?? [];
  const { batches, damage } = readBatches(directory, files, node.disk, false);
  const raft = node.server?.sharedServer?.raft;
  return {
    node: node.id,
    batches,
    snapshots: files.flatMap(file => {
      const match = SNAPSHOT.exec(file);
      return match === null ? [] : [{ offset: Number(match[1]), epoch: Number(match[2]) }];
    }),
    image: image === undefined ? undefined : { offset: image.highestOffset, digest: digestOfImage(image) },
    highWatermark: raft?.isRunning === true ? raft.highWatermark() : undefined,
    damage,
  };
}

function partitionsOf(image: MetadataImage | undefined): PartitionAtRest[] {
  const partitions: PartitionAtRest[] = [];
  for (const topic of image?.topics.topics() ?? []) {
    topic.partitions.forEach(({ leader, leaderEpoch, replicas, isr }, index) => {
      partitions.push({
        partition: partitionKey(topic.id, index),
        name: `${topic.name}-${index}`,
        leader,
        leaderEpoch,
        replicas: [...replicas],
        isr: [...isr],
      });
    });
  }
  return partitions;
}
