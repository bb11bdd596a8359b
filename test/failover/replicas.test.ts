import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { ClusterNode } from '../support/cluster-process.ts';
import { type Placement, waitForEqualReplicas } from './replicas.ts';

const TOPIC = 'traffic-java-0';
const EVERYWHERE: Placement = new Map([[TOPIC, [1, 2, 3]]]);

let folder: string;
let nodes: ClusterNode[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'odradek-replicas-'));
  nodes = [1, 2, 3].map(id => {
    const dataDirectory = join(folder, `${id}`);
    mkdirSync(dataDirectory);
    return { id, roles: ['broker'], process: { dataDirectory } } as unknown as ClusterNode;
  });
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

function write(id: number, bytes: string, partition = TOPIC, segment = '00000000000000000000.log'): void {
  const directory = join(folder, `${id}`, partition);
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, segment), bytes);
}

const found = (placement = EVERYWHERE): Promise<string[]> => waitForEqualReplicas(nodes, placement, 0);

describe('the comparison of replicas', () => {
  test('finds nothing when all hold the same bytes, however they are cut into segments', async () => {
    write(1, 'one two');
    write(2, 'one two');
    write(3, 'one ');
    write(3, 'two', TOPIC, '00000000000000000004.log');
    expect(await found()).toEqual([]);
  });

  test.each([
    ['other bytes', 'one tvo', /node 1 and node 3 have 7 and 7 bytes, alike up to byte 5/],
    ['a missing end', 'one', /node 1 and node 3 have 7 and 3 bytes, alike up to byte 3/],
    ['an empty log', '', /node 1 and node 3 have 7 and 0 bytes/],
  ])('names %s', async (_, bytes, problem) => {
    for (const id of [1, 2]) write(id, 'one two');
    write(3, bytes);
    expect((await found()).join('\n')).toMatch(problem);
  });

  test('names another start', async () => {
    for (const id of [1, 2]) write(id, 'one two');
    write(3, 'one two', TOPIC, '00000000000000000004.log');
    expect((await found()).join('\n')).toMatch(/start at 0 and 4/);
  });

  test('names a replica without a log, and a log without a replica', async () => {
    write(1, 'one');
    write(2, 'one');
    expect(await found()).toEqual([`${TOPIC}: node 3 has no log`]);
    expect(await found(new Map([[TOPIC, [1]]]))).toEqual([`${TOPIC}: node 2 has a log, and is no replica`]);
  });
});
