import { describe, expect, it } from 'vitest';
import {
  decodeBootstrapCheckpoint,
  defaultBootstrapRecords,
  encodeBootstrapCheckpoint,
} from '../../src/metadata/bootstrap-metadata.ts';
import {
  defaultFeatureLevels,
  defaultKRaftVersion,
  SUPPORTED_FEATURES,
} from '../../src/metadata/features.ts';
import {
  METADATA_VERSION_LATEST,
  METADATA_VERSIONS,
  metadataVersionNamed,
  metadataVersionOf,
} from '../../src/metadata/metadata-version.ts';

describe('feature levels', () => {
  it('number metadata.version without a gap up to that of Kafka 4.3', () => {
    expect(METADATA_VERSIONS.map(version => version.level)).toEqual(
      Array.from({ length: 24 }, (_, i) => i + 7),
    );
    expect(metadataVersionOf(METADATA_VERSION_LATEST)?.name).toBe('4.3-IV0');
    expect(metadataVersionOf(6)).toBeUndefined();
    expect(metadataVersionOf(31)).toBeUndefined();
  });

  it.each([
    ['4.3-IV0', 30],
    ['4.3', 30],
    ['4.0.1', 25],
    ['3.7', 19],
    ['3.3', 7],
    ['2.8', undefined],
    ['', undefined],
  ])('finds %s', (name, level) => {
    expect(metadataVersionNamed(name)?.level).toBe(level);
  });

  it.each<[number, Record<string, number>, number]>([
    [7, {}, 0],
    [21, {}, 1],
    [22, { 'group.version': 1 }, 1],
    [25, { 'group.version': 1, 'transaction.version': 2 }, 1],
    [26, { 'eligible.leader.replicas.version': 1, 'group.version': 1, 'transaction.version': 2 }, 1],
    [
      30,
      {
        'eligible.leader.replicas.version': 1,
        'group.version': 1,
        'share.version': 1,
        'streams.version': 1,
        'transaction.version': 2,
      },
      1,
    ],
  ])('start a cluster at metadata.version %i as Kafka does', (level, others, kraft) => {
    expect(Object.fromEntries(defaultFeatureLevels(level))).toEqual({ 'metadata.version': level, ...others });
    expect(defaultKRaftVersion(level)).toBe(kraft);
  });

  it('are all supported', () => {
    for (const [name, level] of defaultFeatureLevels(METADATA_VERSION_LATEST)) {
      expect(SUPPORTED_FEATURES.get(name)!.max).toBeGreaterThanOrEqual(level);
    }
  });
});

describe('bootstrap.checkpoint', () => {
  it('gives back its records', () => {
    const records = defaultBootstrapRecords(METADATA_VERSION_LATEST);
    expect(decodeBootstrapCheckpoint(encodeBootstrapCheckpoint(records, () => 5))).toEqual(records);
  });

  it('refuses a damaged file', () => {
    const bytes = encodeBootstrapCheckpoint(defaultBootstrapRecords(30), () => 5);
    for (let i = 0; i < bytes.length; i += 7) {
      expect(() => decodeBootstrapCheckpoint(bytes.subarray(0, i))).toThrow();
    }
  });

  it('reads the file that Apache Kafka 4.3 writes', () => {
    expect(decodeBootstrapCheckpoint(Buffer.from(KAFKA_FILE, 'hex'))).toEqual(defaultBootstrapRecords(30));
  });
});

/** Written by the format command of Apache Kafka 4.3.0. */
const KAFKA_FILE =
  '00000000000000000000004700000000023e831116002000000000000001a1fcdd6ddc000001a1fcdd6ddcffffffffff' +
  'ffffffffffffffffff000000012a0000000800000003160000000000000000000000000000000000000001000000f100' +
  '00000002c9e7b9bf000000000005000001a1fcdd6df2000001a1fcdd6df2ffffffffffffffffffffffffffff00000006' +
  '3a000000012e010c00116d657461646174612e76657273696f6e001e00005a000002014e010c0021656c696769626c65' +
  '2e6c65616465722e7265706c696361732e76657273696f6e00010000340000040128010c000e67726f75702e76657273' +
  '696f6e00010000340000060128010c000e73686172652e76657273696f6e0001000038000008012c010c001073747265' +
  '616d732e76657273696f6e000100004000000a0134010c00147472616e73616374696f6e2e76657273696f6e00020000' +
  '00000000000000070000003f0000000002bc0b1740002000000000000001a1fcdd6df3000001a1fcdd6df3ffffffffff' +
  'ffffffffffffffffff000000011a00000008000000040600000000';
