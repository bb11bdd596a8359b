import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { loadKafkaConfig } from '../../src/config/config-loader.ts';
import type { KafkaConfig } from '../../src/config/kafka-config.ts';
import { parsePropertiesFile } from '../../src/config/properties-file.ts';
import { readMetaProperties } from '../../src/log/meta-properties.ts';
import { readSnapshotHeader } from '../../src/raft/snapshot-file.ts';
import { directoryId } from '../raft/support/raft-simulation.ts';
import { decodeBootstrapCheckpoint } from '../../src/metadata/bootstrap-metadata.ts';
import { NodeRuntime } from '../../src/runtime/node/node-runtime.ts';
import { LockedError, type Runtime } from '../../src/runtime/runtime.ts';
import { FormatError, type FormatOptions, formatStorage } from '../../src/tools/storage-formatter.ts';

/** What Apache Kafka 4.3.0's StorageTool wrote for the configuration below with --standalone. */
const KAFKA_BOOTSTRAP_CHECKPOINT =
  'AAAAAAAAAAAAAABHAAAAAAIkxJheACAAAAAAAAABofzHggsAAAGh/MeCC///////////////////AAAAASoAAAAIAAAAAxYAAAAA' +
  'AAAAAAAAAAAAAAAAAAAAAQAAAPEAAAAAArgOvvIAAAAAAAUAAAGh/MeCjwAAAaH8x4KP//////////////////8AAAAGOgAAAAEu' +
  'AQwAEW1ldGFkYXRhLnZlcnNpb24AHgAAWgAAAgFOAQwAIWVsaWdpYmxlLmxlYWRlci5yZXBsaWNhcy52ZXJzaW9uAAEAADQAAAQB' +
  'KAEMAA5ncm91cC52ZXJzaW9uAAEAADQAAAYBKAEMAA5zaGFyZS52ZXJzaW9uAAEAADgAAAgBLAEMABBzdHJlYW1zLnZlcnNpb24A' +
  'AQAAQAAACgE0AQwAFHRyYW5zYWN0aW9uLnZlcnNpb24AAgAAAAAAAAAAAAcAAAA/AAAAAAJpMREiACAAAAAAAAABofzHgpAAAAGh' +
  '/MeCkP//////////////////AAAAARoAAAAIAAAABAYAAAAA';
const KAFKA_FIRST_SNAPSHOT =
  'AAAAAAAAAAAAAACaAAAAAAI14vUVACAAAAACAAABofzHguQAAAGh/MeC5P//////////////////AAAAAyoAAAAIAAAAAxYAAAAA' +
  'AaH8x4K4AAAeAAACCAAAAAUKAAAAAQAAggEAAAQIAAAABm4AAAIAAAABuDle0zWhSACrzlBfHwnO0QILQ09OVFJPTExFUgpsb2Nh' +
  'bGhvc3QjhQAAAAABAAAAAAAAAAAAAAADAAAAPwAAAAACbLlddgAgAAAAAAAAAaH8x4LzAAABofzHgvP//////////////////wAA' +
  'AAEaAAAACAAAAAQGAAAAAA==';
/** The directory id in it, and the clock when it was written: three times for each file, and one for its content. */
const KAFKA_DIRECTORY_ID = 'uDle0zWhSACrzlBfHwnO0Q';
const KAFKA_CLOCK = [0x20b, 0x28f, 0x290, 0x2b8, 0x2e4, 0x2f3].map(last => 0x1a1fcc78000 + last);

const CLUSTER_ID = 'MkU3OEVBNTcwNTJENDM2Qk';
const FIRST_SNAPSHOT = '__cluster_metadata-0/00000000000000000000-0000000000.checkpoint';

let root: string;
const runtime = new NodeRuntime();

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'odradek-format-'));
});

afterEach(() => {
  rmSync(root, { recursive: true });
});

function config(overrides: Record<string, string> = {}): KafkaConfig {
  const text = `process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://:9092,CONTROLLER://:9093
advertised.listeners=PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093
controller.listener.names=CONTROLLER
controller.quorum.bootstrap.servers=localhost:9093
log.dirs=d1,d2
`;
  const file = parsePropertiesFile('f', Buffer.from(text));
  return loadKafkaConfig({
    file,
    overrides: Object.entries(overrides),
    workingDirectory: root,
    hostName: 'h',
  }).config;
}

function format(
  options: Partial<FormatOptions> = {},
  overrides: Record<string, string> = {},
  on: Runtime = runtime,
) {
  return formatStorage(on, config(overrides), {
    clusterId: CLUSTER_ID,
    initialVoters: { kind: 'standalone' },
    ignoreFormatted: false,
    ...options,
  });
}

function levels(directory = 'd1'): Record<string, number> {
  const records = decodeBootstrapCheckpoint(readFileSync(join(root, directory, 'bootstrap.checkpoint')));
  return Object.fromEntries(
    records.map(({ data }) => {
      const { name, featureLevel } = data as { name: string; featureLevel: number };
      return [name, featureLevel];
    }),
  );
}

describe('formatting', () => {
  test('writes the bytes that Kafka writes', () => {
    const times = [...KAFKA_CLOCK];
    const ids = [Buffer.from(KAFKA_DIRECTORY_ID, 'base64url')];
    const like: Runtime = {
      ...runtime,
      clock: { wallMs: () => times.shift()!, monotonicMs: () => 0 },
      random: { bytes: () => ids.shift()!, below: () => 0 },
    };
    format({}, { 'log.dirs': 'd1' }, like);
    expect(readFileSync(join(root, 'd1/bootstrap.checkpoint')).toString('base64')).toBe(
      KAFKA_BOOTSTRAP_CHECKPOINT,
    );
    expect(readFileSync(join(root, 'd1', FIRST_SNAPSHOT)).toString('base64')).toBe(KAFKA_FIRST_SNAPSHOT);
    expect(readFileSync(join(root, 'd1/meta.properties'), 'utf8')).toBe(
      `#\nnode.id=1\ndirectory.id=${KAFKA_DIRECTORY_ID}\nversion=1\ncluster.id=${CLUSTER_ID}\n`,
    );
  });

  test('gives each directory an id, and only the metadata directory its voters', () => {
    const result = format({}, { 'metadata.log.dir': 'm' });
    expect(result).toEqual({
      formatted: ['m', 'd1', 'd2'].map(name => join(root, name)),
      metadataVersion: '4.3-IV0',
    });
    const found = ['m', 'd1', 'd2'].map(name => readMetaProperties(runtime.disk, join(root, name))!);
    expect(found).toMatchObject(Array(3).fill({ clusterId: CLUSTER_ID, nodeId: 1 }));
    expect(new Set(found.map(each => each.directoryId)).size).toBe(3);
    expect(existsSync(join(root, 'm', FIRST_SNAPSHOT))).toBe(true);
    expect(existsSync(join(root, 'd1', FIRST_SNAPSHOT))).toBe(false);
    expect(readdirSync(join(root, 'd1')).sort()).toEqual(['bootstrap.checkpoint', 'meta.properties']);
  });

  test('writes no voters where they are fixed, or elsewhere', () => {
    format({ initialVoters: { kind: 'none' } }, { 'log.dirs': 'a' });
    expect(existsSync(join(root, 'a/__cluster_metadata-0'))).toBe(false);
    format(
      { initialVoters: { kind: 'fixed' } },
      { 'log.dirs': 'b', 'controller.quorum.voters': '1@localhost:9093' },
    );
    expect(existsSync(join(root, 'b/__cluster_metadata-0'))).toBe(false);
  });

  test('takes the directory id of a listed voter', () => {
    const voters = [{ id: 1, host: 'h', port: 9093, directoryId: KAFKA_DIRECTORY_ID }];
    format({ initialVoters: { kind: 'listed', voters } });
    expect(readMetaProperties(runtime.disk, join(root, 'd1'))?.directoryId).toBe(KAFKA_DIRECTORY_ID);
    expect(readMetaProperties(runtime.disk, join(root, 'd2'))?.directoryId).not.toBe(KAFKA_DIRECTORY_ID);
  });

  test('writes all voters of a list into the first snapshot, the same ones at each of them', () => {
    const voters = [1, 2, 3].map(id => ({ id, host: `h${id}`, port: 9093, directoryId: directoryId(id) }));
    const file = '__cluster_metadata-0/00000000000000000000-0000000000.checkpoint';
    for (const id of [1, 2]) {
      const node = { 'node.id': `${id}`, 'log.dirs': `n${id}` };
      format({ initialVoters: { kind: 'listed', voters } }, node);
      expect(readMetaProperties(runtime.disk, join(root, `n${id}`))?.directoryId).toBe(directoryId(id));
      const raw = readFileSync(join(root, `n${id}`, file));
      const header = readSnapshotHeader({
        sizeInBytes: raw.length,
        read: (position, length) => raw.subarray(position, position + length),
      });
      expect(header.kraftVersion).toBe(1);
      expect(header.voters?.voters.map(voter => [voter.id, voter.directoryId, voter.endpoints])).toEqual(
        voters.map(voter => [
          voter.id,
          voter.directoryId,
          [{ name: 'CONTROLLER', host: voter.host, port: voter.port }],
        ]),
      );
    }
  });

  test('formats a node that is only a broker without a word about voters', () => {
    format(
      { initialVoters: { kind: 'fixed' } },
      { 'process.roles': 'broker', listeners: 'PLAINTEXT://:9092', 'log.dirs': 'a' },
    );
    expect(existsSync(join(root, 'a/__cluster_metadata-0'))).toBe(false);
    expect(readMetaProperties(runtime.disk, join(root, 'a'))?.nodeId).toBe(1);
  });

  test('takes the feature levels of a release, and others that are asked for', () => {
    format({ releaseVersion: '3.9', initialVoters: { kind: 'none' } }, { 'log.dirs': 'a' });
    expect(levels('a')).toEqual({ 'metadata.version': 21 });
    const features = new Map([
      ['transaction.version', 1],
      ['share.version', 0],
    ]);
    format({ releaseVersion: '4.2-IV1', features }, { 'log.dirs': 'b' });
    expect(levels('b')).toEqual({
      'metadata.version': 29,
      'eligible.leader.replicas.version': 1,
      'group.version': 1,
      'streams.version': 1,
      'transaction.version': 1,
    });
  });

  test('leaves formatted directories alone if it is told to, and refuses them otherwise', () => {
    format({}, { 'log.dirs': 'd1' });
    const before = statSync(join(root, 'd1/meta.properties')).mtimeMs;
    expect(() => format()).toThrow(`Log directory ${join(root, 'd1')} is already formatted.`);
    expect(existsSync(join(root, 'd2/meta.properties'))).toBe(false);
    expect(format({ ignoreFormatted: true }).formatted).toEqual([join(root, 'd2')]);
    expect(format({ ignoreFormatted: true }).formatted).toEqual([]);
    expect(statSync(join(root, 'd1/meta.properties')).mtimeMs).toBe(before);
    expect(() => format({ ignoreFormatted: true, clusterId: 'AAAAAAAAAAAAAAAAAAAABA' })).toThrow(
      'is of the cluster',
    );
  });

  test('keeps out of a directory that a process holds', () => {
    runtime.disk.makeDirectorySync(join(root, 'd1'));
    const lock = runtime.disk.lockSync(join(root, 'd1/.lock'));
    expect(() => format()).toThrow(LockedError);
    lock.release();
    format();
    expect(existsSync(join(root, 'd1/.lock'))).toBe(false);
  });

  test.each<[string, Partial<FormatOptions>, Record<string, string>, string]>([
    [
      'no word about voters',
      { initialVoters: { kind: 'fixed' } },
      {},
      'you must specify one of the following',
    ],
    ['voters said twice', {}, { 'controller.quorum.voters': '1@a:1' }, 'its voters are fixed'],
    ['an unknown release', { releaseVersion: '9.9' }, {}, "'9.9' is not a release"],
    ['an unknown feature', { features: new Map([['x', 1]]) }, {}, "'x' is not a feature"],
    [
      'a level out of range',
      { features: new Map([['group.version', 7]]) },
      {},
      'the level must be between 0 and 1',
    ],
    [
      'voters without kraft.version',
      { features: new Map([['kraft.version', 0]]) },
      {},
      'need kraft.version=1',
    ],
    [
      'two words about the release',
      { releaseVersion: '4.3', features: new Map([['metadata.version', 29]]) },
      {},
      'not both',
    ],
    [
      'a list without this node',
      {
        initialVoters: {
          kind: 'listed',
          voters: [{ id: 2, host: 'h', port: 1, directoryId: KAFKA_DIRECTORY_ID }],
        },
      },
      {},
      'does not name this node, 1',
    ],
    [
      'a list that names a node twice',
      {
        initialVoters: {
          kind: 'listed',
          voters: [1, 2].map(n => ({ id: 1, host: 'h', port: n, directoryId: directoryId(n) })),
        },
      },
      {},
      'names a node twice',
    ],
    [
      'one directory id for two voters',
      {
        initialVoters: {
          kind: 'listed',
          voters: [1, 2].map(id => ({ id, host: 'h', port: 1, directoryId: KAFKA_DIRECTORY_ID })),
        },
      },
      {},
      'each needs its own',
    ],
  ] as const)('refuses %s, and writes nothing', (_, options, overrides, message) => {
    expect(() => format(options, overrides)).toThrow(FormatError);
    expect(() => format(options, overrides)).toThrow(message);
    expect(readdirSync(root)).toEqual([]);
  });
});
