import { join } from 'node:path';
import { randomUuid, type Uuid } from '../base/uuid.ts';
import type { KafkaConfig } from '../config/kafka-config.ts';
import { LOCK_FILE } from '../log/log-file-names.ts';
import {
  META_PROPERTIES_FILE,
  type MetaProperties,
  readMetaProperties,
  writeMetaProperties,
} from '../log/meta-properties.ts';
import {
  BOOTSTRAP_CHECKPOINT,
  encodeBootstrapCheckpoint,
  featureLevelRecords,
} from '../metadata/bootstrap-metadata.ts';
import {
  defaultFeatureLevels,
  defaultKRaftVersion,
  FeatureName,
  requiredMetadataVersion,
  SUPPORTED_FEATURES,
} from '../metadata/features.ts';
import {
  METADATA_VERSION_LATEST,
  METADATA_VERSIONS,
  metadataVersionNamed,
  metadataVersionOf,
} from '../metadata/metadata-version.ts';
import { encodeSnapshot } from '../raft/snapshot-file.ts';
import { type VoterNode, VoterSet } from '../raft/voter-set.ts';
import type { DiskLock, Runtime } from '../runtime/runtime.ts';
import { METADATA_DIRECTORY } from '../server/metadata-log-names.ts';
import { snapshotFileName } from '../server/snapshot-files.ts';

/** The snapshot before the first record of the metadata log: it says who votes. */
const FIRST_SNAPSHOT_FILE = snapshotFileName({ offset: 0, epoch: 0 });

/** Who the first voters are. `fixed`: those of `controller.quorum.voters`. */
export type InitialVoters =
  | { readonly kind: 'fixed' }
  | { readonly kind: 'standalone' }
  | { readonly kind: 'none' }
  | { readonly kind: 'listed'; readonly voters: readonly ListedVoter[] };

/** One of `--initial-controllers`. */
export interface ListedVoter {
  readonly id: number;
  readonly host: string;
  readonly port: number;
  readonly directoryId: Uuid;
}

export interface FormatOptions {
  readonly clusterId: string;
  /** `4.3` or `4.3-IV0`; the newest if it is not given. */
  readonly releaseVersion?: string | undefined;
  /** Levels of features other than those that come with the release. */
  readonly features?: ReadonlyMap<string, number>;
  readonly initialVoters: InitialVoters;
  /** Leaves formatted directories alone; otherwise they are an error. */
  readonly ignoreFormatted: boolean;
}

/** The storage cannot be formatted so. */
export class FormatError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'FormatError';
  }
}

export interface FormatResult {
  /** Directories that were formatted now. */
  readonly formatted: readonly string[];
  /** `4.3-IV0` */
  readonly metadataVersion: string;
}

/**
 * Makes the directories of a node ready for its first start, with the files that Kafka's tool writes:
 * `bootstrap.checkpoint` (feature levels for a new cluster), the first snapshot of the metadata log (its voters) unless
 * they are fixed by configuration, and last `meta.properties`, which marks the directory as formatted.
 */
export function formatStorage(runtime: Runtime, config: KafkaConfig, options: FormatOptions): FormatResult {
  const { disk } = runtime;
  const levels = featureLevels(options);
  checkVoters(config, options.initialVoters);
  const directories = [...new Set([config.metadataLogDir, ...config.logDirs])];
  const locks: DiskLock[] = [];
  try {
    for (const directory of directories) {
      disk.makeDirectorySync(directory);
      locks.push(disk.lockSync(join(directory, LOCK_FILE)));
    }
    const fresh = directories.filter(directory => !isFormatted(runtime, config, options, directory));
    for (const directory of fresh) formatDirectory(runtime, config, options, levels, directory);
    return { formatted: fresh, metadataVersion: metadataVersionOf(levels.metadataVersion)!.name };
  } finally {
    for (const lock of locks) lock.release();
  }
}

interface Levels {
  readonly metadataVersion: number;
  readonly kraftVersion: number;
  /** In the order of their records. */
  readonly records: ReadonlyMap<string, number>;
}

/** The feature levels of a new cluster. */
function featureLevels(options: FormatOptions): Levels {
  const { releaseVersion, features = new Map() } = options;
  const named =
    releaseVersion === undefined
      ? metadataVersionOf(METADATA_VERSION_LATEST)
      : metadataVersionNamed(releaseVersion);
  if (named === undefined) {
    const known = METADATA_VERSIONS.map(version => version.name).join(', ');
    throw new FormatError(`'${releaseVersion}' is not a release; known are ${known}`);
  }
  for (const [name, level] of features) {
    const range = SUPPORTED_FEATURES.get(name);
    if (range === undefined)
      throw new FormatError(
        `'${name}' is not a feature; known are ${[...SUPPORTED_FEATURES.keys()].join(', ')}`,
      );
    if (level < range.min || level > range.max) {
      throw new FormatError(`${name}=${level}: the level must be between ${range.min} and ${range.max}`);
    }
  }
  const explicit: number | undefined = features.get(FeatureName.METADATA_VERSION);
  if (explicit !== undefined && releaseVersion !== undefined) {
    throw new FormatError('give either a release version or a level of metadata.version, not both');
  }
  const metadataVersion = explicit ?? named.level;
  const records = defaultFeatureLevels(metadataVersion);
  for (const [name, level] of features) {
    const required = requiredMetadataVersion(name, level);
    if (metadataVersion < required) {
      throw new FormatError(
        `${name}=${level} needs metadata.version ${metadataVersionOf(required)?.name ?? required}`,
      );
    }
    if (name === FeatureName.METADATA_VERSION || name === FeatureName.KRAFT_VERSION) continue;
    if (level === 0) records.delete(name);
    else records.set(name, level);
  }
  const kraftVersion = features.get(FeatureName.KRAFT_VERSION) ?? defaultKRaftVersion(metadataVersion);
  if (options.initialVoters.kind === 'standalone' || options.initialVoters.kind === 'listed') {
    if (kraftVersion === 0) throw new FormatError('voters in the metadata log need kraft.version=1');
  }
  // metadata.version comes first, the others by name.
  const [first, ...others] = [...records];
  return {
    metadataVersion,
    kraftVersion,
    records: new Map([first!, ...others.sort(([a], [b]) => (a < b ? -1 : 1))]),
  };
}

function checkVoters(config: KafkaConfig, initialVoters: InitialVoters): void {
  const isController = config.processRoles.has('controller');
  const fixed = config.quorumVoters.length > 0;
  if (fixed && initialVoters.kind !== 'fixed') {
    throw new FormatError(
      'controller.quorum.voters is set: its voters are fixed, so --standalone, --initial-controllers and ' +
        '--no-initial-controllers cannot be used',
    );
  }
  if (!fixed && initialVoters.kind === 'fixed' && isController) {
    throw new FormatError(
      'Because controller.quorum.voters is not set on this controller, you must specify one of the following: ' +
        '--standalone, --initial-controllers, or --no-initial-controllers.',
    );
  }
  if (initialVoters.kind === 'standalone' && !isController) {
    throw new FormatError('--standalone is for a node that is a controller');
  }
  if (initialVoters.kind === 'listed') {
    if (!isController) throw new FormatError('--initial-controllers is for a node that is a controller');
    const { voters } = initialVoters;
    if (new Set(voters.map(voter => voter.id)).size < voters.length) {
      throw new FormatError('--initial-controllers names a node twice');
    }
    if (new Set(voters.map(voter => voter.directoryId)).size < voters.length) {
      throw new FormatError('--initial-controllers gives two nodes one directory id; each needs its own');
    }
    if (!voters.some(voter => voter.id === config.nodeId)) {
      throw new FormatError(`--initial-controllers does not name this node, ${config.nodeId}`);
    }
  }
}

function isFormatted(
  runtime: Runtime,
  config: KafkaConfig,
  options: FormatOptions,
  directory: string,
): boolean {
  const properties = readMetaProperties(runtime.disk, directory);
  if (properties === undefined) return false;
  if (!options.ignoreFormatted) {
    throw new FormatError(
      `Log directory ${directory} is already formatted. Use --ignore-formatted to ignore this directory and format the others.`,
    );
  }
  const path = join(directory, META_PROPERTIES_FILE);
  if (properties.clusterId !== options.clusterId) {
    throw new FormatError(
      `${path}: the directory is of the cluster ${properties.clusterId}, not ${options.clusterId}`,
    );
  }
  if (properties.nodeId !== config.nodeId) {
    throw new FormatError(`${path}: the directory is of node ${properties.nodeId}, not ${config.nodeId}`);
  }
  return true;
}

function formatDirectory(
  runtime: Runtime,
  config: KafkaConfig,
  options: FormatOptions,
  levels: Levels,
  directory: string,
): void {
  const { disk, clock } = runtime;
  const isMetadataDirectory = directory === config.metadataLogDir;
  const listed = options.initialVoters.kind === 'listed' ? options.initialVoters.voters : [];
  const own = isMetadataDirectory ? listed.find(voter => voter.id === config.nodeId) : undefined;
  const directoryId = own?.directoryId ?? randomUuid(size => runtime.random.bytes(size));

  const now = (): number => clock.wallMs();
  disk.replaceFileSync(
    join(directory, BOOTSTRAP_CHECKPOINT),
    encodeBootstrapCheckpoint(featureLevelRecords(levels.records), now),
  );
  const voters = isMetadataDirectory ? firstVoters(config, options.initialVoters, directoryId) : undefined;
  if (voters !== undefined) {
    const metadataDirectory = join(directory, METADATA_DIRECTORY);
    disk.makeDirectorySync(metadataDirectory);
    const header = { lastContainedLogTimestamp: now(), kraftVersion: levels.kraftVersion, voters };
    disk.replaceFileSync(join(metadataDirectory, FIRST_SNAPSHOT_FILE), encodeSnapshot(0, header, [], now));
  }
  const properties: MetaProperties = { clusterId: options.clusterId, nodeId: config.nodeId, directoryId };
  writeMetaProperties(disk, directory, properties);
}

function firstVoters(
  config: KafkaConfig,
  initialVoters: InitialVoters,
  directoryId: Uuid,
): VoterSet | undefined {
  const name = config.controllerListenerNames[0]!;
  const versions = { minKRaftVersion: 0, maxKRaftVersion: 1 };
  if (initialVoters.kind === 'standalone') {
    const endpoints = config.advertisedControllerListeners.map(({ listenerName, host, port }) => ({
      name: listenerName,
      host,
      port,
    }));
    return new VoterSet([{ id: config.nodeId, directoryId, endpoints, ...versions }]);
  }
  if (initialVoters.kind === 'listed') {
    const voters = initialVoters.voters.map(
      ({ id, host, port, directoryId }): VoterNode => ({
        id,
        directoryId,
        endpoints: [{ name, host, port }],
        ...versions,
      }),
    );
    return new VoterSet(voters);
  }
  return undefined;
}
