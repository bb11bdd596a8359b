import { METADATA_VERSION_LATEST, METADATA_VERSION_MIN } from './metadata-version.ts';

/** The names of the features whose levels the cluster agrees on. */
export const FeatureName = {
  METADATA_VERSION: 'metadata.version',
  KRAFT_VERSION: 'kraft.version',
  TRANSACTION_VERSION: 'transaction.version',
  GROUP_VERSION: 'group.version',
  ELIGIBLE_LEADER_REPLICAS_VERSION: 'eligible.leader.replicas.version',
  SHARE_VERSION: 'share.version',
  STREAMS_VERSION: 'streams.version',
} as const;

/** Inclusive. */
export interface FeatureRange {
  readonly min: number;
  readonly max: number;
}

interface FeatureLevel {
  readonly level: number;
  /** New storage gets this level from this level of `metadata.version` on. */
  readonly bootstrapMetadataVersion: number;
  /** The lowest level of `metadata.version` that it may be raised at. */
  readonly requiredMetadataVersion: number;
}

const LEVELS: ReadonlyMap<string, readonly FeatureLevel[]> = new Map([
  [FeatureName.KRAFT_VERSION, [{ level: 1, bootstrapMetadataVersion: 21, requiredMetadataVersion: 0 }]],
  [
    FeatureName.TRANSACTION_VERSION,
    [
      { level: 1, bootstrapMetadataVersion: 24, requiredMetadataVersion: 0 },
      { level: 2, bootstrapMetadataVersion: 24, requiredMetadataVersion: 0 },
    ],
  ],
  [FeatureName.GROUP_VERSION, [{ level: 1, bootstrapMetadataVersion: 22, requiredMetadataVersion: 0 }]],
  [
    FeatureName.ELIGIBLE_LEADER_REPLICAS_VERSION,
    [{ level: 1, bootstrapMetadataVersion: 26, requiredMetadataVersion: 23 }],
  ],
  [FeatureName.SHARE_VERSION, [{ level: 1, bootstrapMetadataVersion: 28, requiredMetadataVersion: 0 }]],
  [FeatureName.STREAMS_VERSION, [{ level: 1, bootstrapMetadataVersion: 29, requiredMetadataVersion: 0 }]],
]);

/**
 * The levels that this broker can live with, which are those of Kafka 4.3, so that each can take over the other's
 * storage. What a client may use is said by the APIs that are advertised: a level alone brings none of them.
 */
export const SUPPORTED_FEATURES: ReadonlyMap<string, FeatureRange> = new Map([
  [FeatureName.METADATA_VERSION, { min: METADATA_VERSION_MIN, max: METADATA_VERSION_LATEST }],
  ...[...LEVELS].map(([name, levels]): [string, FeatureRange] => [
    name,
    { min: 0, max: levels.at(-1)!.level },
  ]),
]);

/**
 * The levels that new storage starts with at a level of `metadata.version`, as Kafka's format tool chooses them:
 * `metadata.version` first, then the others above 0 by name. `kraft.version` is not among them: it is a control record
 * of the Raft log, see {@link defaultKRaftVersion}.
 */
export function defaultFeatureLevels(metadataVersion: number): Map<string, number> {
  const levels = new Map<string, number>([[FeatureName.METADATA_VERSION, metadataVersion]]);
  for (const name of [...LEVELS.keys()].sort()) {
    if (name === FeatureName.KRAFT_VERSION) continue;
    const level = defaultLevel(name, metadataVersion);
    if (level > 0) levels.set(name, level);
  }
  return levels;
}

/** The level of `kraft.version` that a new quorum starts with: 1 allows its voters to change. */
export function defaultKRaftVersion(metadataVersion: number): number {
  return defaultLevel(FeatureName.KRAFT_VERSION, metadataVersion);
}

/** The level of `metadata.version` without which `feature` may not be at `level`. */
export function requiredMetadataVersion(feature: string, level: number): number {
  return LEVELS.get(feature)?.find(each => each.level === level)?.requiredMetadataVersion ?? 0;
}

function defaultLevel(feature: string, metadataVersion: number): number {
  const reached = LEVELS.get(feature)?.findLast(each => metadataVersion >= each.bootstrapMetadataVersion);
  return reached?.level ?? 0;
}
