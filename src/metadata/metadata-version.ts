/** What a level of the feature `metadata.version` means for the metadata log and between brokers. */
export interface MetadataVersion {
  readonly level: number;
  /** As Kafka prints it: release, then the count of changes in it (`4.3-IV0`). */
  readonly name: string;
  /** Whether its records differ from those of the level before, so that a downgrade past it loses metadata. */
  readonly didMetadataChange: boolean;
}

const NAMES: readonly (readonly [level: number, name: string, didMetadataChange: boolean])[] = [
  [7, '3.3-IV3', true],
  [8, '3.4-IV0', true],
  [9, '3.5-IV0', false],
  [10, '3.5-IV1', false],
  [11, '3.5-IV2', true],
  [12, '3.6-IV0', false],
  [13, '3.6-IV1', true],
  [14, '3.6-IV2', true],
  [15, '3.7-IV0', true],
  [16, '3.7-IV1', false],
  [17, '3.7-IV2', true],
  [18, '3.7-IV3', false],
  [19, '3.7-IV4', false],
  [20, '3.8-IV0', false],
  [21, '3.9-IV0', false],
  [22, '4.0-IV0', false],
  [23, '4.0-IV1', true],
  [24, '4.0-IV2', false],
  [25, '4.0-IV3', false],
  [26, '4.1-IV0', false],
  [27, '4.1-IV1', false],
  [28, '4.2-IV0', false],
  [29, '4.2-IV1', false],
  [30, '4.3-IV0', true],
];

export const METADATA_VERSIONS: readonly MetadataVersion[] = NAMES.map(
  ([level, name, didMetadataChange]) => ({
    level,
    name,
    didMetadataChange,
  }),
);

/** The first level that Kafka 4 still reads. */
export const METADATA_VERSION_MIN = 7;
/** The newest level, that of Kafka 4.3: what new storage is formatted with. */
export const METADATA_VERSION_LATEST = 30;

/** `undefined` for a level that does not exist. */
export function metadataVersionOf(level: number): MetadataVersion | undefined {
  return METADATA_VERSIONS[level - METADATA_VERSION_MIN];
}

/** Finds a level by its name (`4.1-IV0`) or by a release (`4.1`, which is the newest level in it). */
export function metadataVersionNamed(name: string): MetadataVersion | undefined {
  const release = /^(\d+\.\d+)(\.\d+)*$/.exec(name)?.[1];
  return METADATA_VERSIONS.findLast(
    version => version.name === name || version.name.split('-')[0] === release,
  );
}

/** The versions of those records that changed over time, at a level of `metadata.version`. */
export const recordVersions = {
  registerBroker: (level: number) => (level >= 30 ? 4 : level >= 17 ? 3 : level >= 8 ? 2 : 1),
  partition: (level: number) => (level >= 23 ? 2 : level >= 17 ? 1 : 0),
  partitionChange: (level: number) => (level >= 23 ? 2 : level >= 17 ? 1 : 0),
} as const;

/** What came with which level of `metadata.version`. */
export const metadataVersionSupports = {
  scram: (level: number) => level >= 11,
  /** Gone with level 12: until then brokers needed a new leader epoch when an ISR shrank. */
  leaderEpochBumpOnIsrShrink: (level: number) => level < 12,
  transactions: (level: number) => level >= 13,
  delegationTokens: (level: number) => level >= 14,
  controllerRegistration: (level: number) => level >= 15,
  directoryAssignment: (level: number) => level >= 17,
  eligibleLeaderReplicas: (level: number) => level >= 23,
  cordonedLogDirs: (level: number) => level >= 30,
} as const;
