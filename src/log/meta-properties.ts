import { join } from 'node:path';
import { isUuid, type Uuid, ZERO_UUID } from '../base/uuid.ts';
import { parsePropertiesFile } from '../config/properties-file.ts';
import type { Disk } from '../runtime/runtime.ts';
import { isDiskError } from './log-environment.ts';

export const META_PROPERTIES_FILE = 'meta.properties';

/**
 * Whose a log directory is: the content of its `meta.properties`, written when the storage is formatted.
 *
 * ```
 * node.id=1
 * directory.id=uDle0zWhSACrzlBfHwnO0Q
 * version=1
 * cluster.id=MkU3OEVBNTcwNTJENDM2Qk
 * ```
 */
export interface MetaProperties {
  readonly clusterId: string;
  readonly nodeId: number;
  /** Different for each directory of a cluster. Kafka wrote none before 3.7. */
  readonly directoryId: Uuid | undefined;
}

/** The directory is not one to start on. The message names the file. */
export class MetaPropertiesError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'MetaPropertiesError';
  }
}

/** `undefined` if the directory is not formatted. Throws {@link MetaPropertiesError} for a file that makes no sense. */
export function readMetaProperties(disk: Disk, logDir: string): MetaProperties | undefined {
  const path = join(logDir, META_PROPERTIES_FILE);
  if (disk.statSync(path) === undefined) return undefined;
  const file = parsePropertiesFile(path, disk.readFileSync(path));
  const values = new Map(file.entries.map(({ key, value }) => [key, value.trim()]));
  const given = (key: string): string => {
    const value = values.get(key);
    if (value === undefined || value === '') throw new MetaPropertiesError(`${path}: ${key} is missing`);
    return value;
  };
  const version = given('version');
  if (version === '0') {
    throw new MetaPropertiesError(
      `${path}: version 0 is that of a cluster with ZooKeeper; migrate it with Kafka first`,
    );
  }
  if (version !== '1') throw new MetaPropertiesError(`${path}: version ${version} is not known, only 1 is`);
  const nodeId = given('node.id');
  if (!/^\d{1,10}$/.test(nodeId))
    throw new MetaPropertiesError(`${path}: node.id '${nodeId}' is not a number`);
  const directoryId = values.get('directory.id');
  if (directoryId !== undefined && (!isUuid(directoryId) || directoryId === ZERO_UUID)) {
    throw new MetaPropertiesError(`${path}: directory.id '${directoryId}' is not a UUID`);
  }
  return { clusterId: given('cluster.id'), nodeId: Number(nodeId), directoryId };
}

/** Writes the file in one step that survives a crash. */
export function writeMetaProperties(disk: Disk, logDir: string, properties: MetaProperties): void {
  const lines = ['#', `node.id=${properties.nodeId}`];
  if (properties.directoryId !== undefined) lines.push(`directory.id=${properties.directoryId}`);
  lines.push('version=1', `cluster.id=${properties.clusterId}`);
  disk.replaceFileSync(join(logDir, META_PROPERTIES_FILE), Buffer.from(`${lines.join('\n')}\n`, 'latin1'));
}

/** The directories of a node, as they were found on its disks. */
export interface MetaPropertiesEnsemble {
  readonly clusterId: string;
  /** By log directory. */
  readonly directoryIds: ReadonlyMap<string, Uuid>;
  /** Directories that exist or could, and are not formatted: new disks of a node that is. */
  readonly unformatted: readonly string[];
  /** Directories on a disk that fails, with how: they are offline from the start (S8). */
  readonly unreadable: ReadonlyMap<string, Error>;
}

/**
 * Reads the directories of a node and checks that they belong to it and together. Throws {@link MetaPropertiesError} if
 * none is formatted, if one is of another cluster or node, or if two have one id; the error of the disk if none can be
 * read.
 */
export function loadMetaProperties(
  disk: Disk,
  logDirs: Iterable<string>,
  nodeId: number,
): MetaPropertiesEnsemble {
  const directoryIds = new Map<string, Uuid>();
  const unformatted: string[] = [];
  const unreadable = new Map<string, Error>();
  let first: { logDir: string; clusterId: string } | undefined;
  for (const logDir of new Set(logDirs)) {
    let properties: MetaProperties | undefined;
    try {
      properties = readMetaProperties(disk, logDir);
    } catch (error) {
      if (!isDiskError(error)) throw error;
      unreadable.set(logDir, error);
      continue;
    }
    if (properties === undefined) {
      unformatted.push(logDir);
      continue;
    }
    const path = join(logDir, META_PROPERTIES_FILE);
    if (properties.nodeId !== nodeId) {
      throw new MetaPropertiesError(
        `${path}: the directory is of node ${properties.nodeId}, not of this one, ${nodeId}`,
      );
    }
    first ??= { logDir, clusterId: properties.clusterId };
    if (properties.clusterId !== first.clusterId) {
      const other = `${first.logDir} of ${first.clusterId}`;
      throw new MetaPropertiesError(
        `${path}: the directory is of the cluster ${properties.clusterId}, but ${other}`,
      );
    }
    if (properties.directoryId === undefined) continue;
    for (const [other, id] of directoryIds) {
      if (id === properties.directoryId) {
        throw new MetaPropertiesError(
          `${path}: directory.id is that of ${other}; is one a copy of the other?`,
        );
      }
    }
    directoryIds.set(logDir, properties.directoryId);
  }
  if (first === undefined) {
    for (const error of unreadable.values()) throw error;
    const names = unformatted.join(', ');
    throw new MetaPropertiesError(`${names}: not formatted; run 'bin/kafka-storage.sh format' first`);
  }
  return { clusterId: first.clusterId, directoryIds, unformatted, unreadable };
}
