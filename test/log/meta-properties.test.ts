import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  loadMetaProperties,
  MetaPropertiesError,
  readMetaProperties,
  writeMetaProperties,
} from '../../src/log/meta-properties.ts';
import { NodeDisk } from '../../src/runtime/node/node-disk.ts';
import { MemoryDisk } from '../support/memory-disk.ts';

const CLUSTER_ID = 'MkU3OEVBNTcwNTJENDM2Qk';
const DIRECTORY_ID = 'uDle0zWhSACrzlBfHwnO0Q';
const OTHER_DIRECTORY_ID = 'KifmDBqQGRZMQAxWiM905Q';

let root: string;
const disk = new NodeDisk();

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'odradek-meta-'));
});

afterEach(() => {
  rmSync(root, { recursive: true });
});

function directory(name: string, content?: string): string {
  const path = join(root, name);
  mkdirSync(path);
  if (content !== undefined) writeFileSync(join(path, 'meta.properties'), content);
  return path;
}

function content(nodeId: number, directoryId: string, clusterId = CLUSTER_ID): string {
  return `node.id=${nodeId}\ndirectory.id=${directoryId}\nversion=1\ncluster.id=${clusterId}\n`;
}

describe('meta.properties', () => {
  test('is read as Kafka wrote it', () => {
    const path = directory('a', `#\n#Sat Nov 21 06:24:56 UTC 2026\n${content(1, DIRECTORY_ID)}`);
    expect(readMetaProperties(disk, path)).toEqual({
      clusterId: CLUSTER_ID,
      nodeId: 1,
      directoryId: DIRECTORY_ID,
    });
  });

  test('comes back as it was written', () => {
    const properties = { clusterId: CLUSTER_ID, nodeId: 7, directoryId: DIRECTORY_ID };
    const path = directory('a');
    expect(readMetaProperties(disk, path)).toBeUndefined();
    writeMetaProperties(disk, path, properties);
    expect(readMetaProperties(disk, path)).toEqual(properties);
    writeMetaProperties(disk, path, { ...properties, directoryId: undefined });
    expect(readMetaProperties(disk, path)?.directoryId).toBeUndefined();
  });

  test.each([
    ['', 'version is missing'],
    ['version=0\nbroker.id=1\ncluster.id=x\n', 'version 0 is that of a cluster with ZooKeeper'],
    ['version=2\n', 'version 2 is not known'],
    ['version=1\ncluster.id=x\n', 'node.id is missing'],
    ['version=1\nnode.id=1\n', 'cluster.id is missing'],
    ['version=1\nnode.id=one\ncluster.id=x\n', "node.id 'one' is not a number"],
    ['version=1\nnode.id=1\ncluster.id=x\ndirectory.id=y\n', "directory.id 'y' is not a UUID"],
    ['version=1\nnode.id=1\ncluster.id=x\ndirectory.id=AAAAAAAAAAAAAAAAAAAAAA\n', 'is not a UUID'],
    ['\0\0\0\0', 'version is missing'],
  ])('that makes no sense is refused with its name: %j', (text, message) => {
    const path = directory('a', text);
    expect(() => readMetaProperties(disk, path)).toThrow(MetaPropertiesError);
    expect(() => readMetaProperties(disk, path)).toThrow(join(path, 'meta.properties'));
    expect(() => readMetaProperties(disk, path)).toThrow(message);
  });
});

describe('the directories of a node', () => {
  test('are known by their ids, and may have new ones among them', () => {
    const a = directory('a', content(1, DIRECTORY_ID));
    const b = directory('b', content(1, OTHER_DIRECTORY_ID));
    const c = directory('c');
    expect(loadMetaProperties(disk, [a, b, c, a], 1)).toEqual({
      clusterId: CLUSTER_ID,
      directoryIds: new Map([
        [a, DIRECTORY_ID],
        [b, OTHER_DIRECTORY_ID],
      ]),
      unformatted: [c],
      unreadable: new Map(),
    });
  });

  test('must be formatted, at least one of them', () => {
    expect(() => loadMetaProperties(disk, [directory('a'), join(root, 'none')], 1)).toThrow('not formatted');
  });

  test('must be of this node, of one cluster, and no copies of each other', () => {
    const a = directory('a', content(1, DIRECTORY_ID));
    expect(() => loadMetaProperties(disk, [a], 2)).toThrow('the directory is of node 1, not of this one, 2');
    const b = directory('b', content(1, OTHER_DIRECTORY_ID, 'other'));
    expect(() => loadMetaProperties(disk, [a, b], 1)).toThrow('the directory is of the cluster other');
    const c = directory('c', content(1, DIRECTORY_ID));
    expect(() => loadMetaProperties(disk, [a, c], 1)).toThrow(`directory.id is that of ${a}`);
  });

  test('that cannot be read leave the others, and are fatal only where none is left', () => {
    const memory = new MemoryDisk();
    for (const [i, name] of ['/a', '/b'].entries()) {
      memory.makeDirectorySync(name);
      const directoryId = [DIRECTORY_ID, OTHER_DIRECTORY_ID][i]!;
      writeMetaProperties(memory, name, { clusterId: CLUSTER_ID, nodeId: 1, directoryId });
    }
    memory.fault = (_operation, path) => (path.startsWith('/a/') ? { code: 'EIO' } : undefined);
    const ensemble = loadMetaProperties(memory, ['/a', '/b'], 1);
    expect([...ensemble.unreadable.keys()]).toEqual(['/a']);
    expect([...ensemble.directoryIds]).toEqual([['/b', OTHER_DIRECTORY_ID]]);
    expect(ensemble.unformatted).toEqual([]);
    memory.fault = () => ({ code: 'EIO' });
    expect(() => loadMetaProperties(memory, ['/a', '/b'], 1)).toThrow('EIO');
  });
});
