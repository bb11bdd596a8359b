import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { silentLogger } from '../../src/base/logger.ts';
import { type Cluster, createCluster } from '../../src/cluster/create-cluster.ts';
import { NodeRuntime } from '../../src/runtime/node/node-runtime.ts';
import { AdminClient } from '../../src/tools/admin/admin-client.ts';
import { projectRoot } from '../support/project.ts';
import { runCommand } from '../support/run-command.ts';

/** What `npm test` has built before. */
const PROGRAM = join(projectRoot, 'dist/tools/odradek.js');

let root: string;
let cluster: Cluster;

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'odradek-diff-'));
  cluster = await createCluster({
    brokers: 1,
    properties: {
      'log.retention.ms': 1000,
      'log.cleaner.delete.retention.ms': 5000,
      'num.partitions': 3,
      'ssl.key.password': 'swordfish',
    },
  });
});

afterEach(async () => {
  await cluster.close();
  rmSync(root, { recursive: true });
});

function diff(...args: string[]) {
  const all = [PROGRAM, 'config', 'diff', '--config', 'server.properties', ...args];
  return runCommand(process.execPath, all, { cwd: root, timeoutMs: 30_000, allowedExitCodes: [1] });
}

/** A file that has what the cluster has been started with, for the keys of these tests, and `lines` after that. */
function writeFile(...lines: string[]): void {
  const own = ['log.retention.ms=1000', 'log.cleaner.delete.retention.ms=5000', 'num.partitions=3'];
  const secret = 'ssl.key.password=swordfish';
  writeFileSync(join(root, 'server.properties'), ['node.id=1', ...own, secret, ...lines].join('\n'));
}

/** For the broker of that name; '' for all. */
async function set(name: string, values: Record<string, string>): Promise<void> {
  const { host, port } = cluster.brokers[0]!;
  const admin = new AdminClient(new NodeRuntime(), silentLogger, [{ host, port }]);
  const changes = Object.entries(values).map(([key, value]) => ({
    resource: 'broker' as const,
    name,
    key,
    value,
  }));
  await admin.alterConfigs(changes);
  admin.close();
}

async function keys(...args: string[]): Promise<Map<string, Record<string, unknown>>> {
  const { stdout } = await diff('--bootstrap-server', cluster.bootstrapServers, '--json', ...args);
  const { keys: rows } = JSON.parse(stdout) as { keys: { key: string }[] };
  return new Map(rows.map(row => [row.key, { ...row }]));
}

describe.runIf(existsSync(PROGRAM))('odradek config diff', { timeout: 60_000 }, () => {
  test('shows file, running and cluster default side by side, and which of them counts', async () => {
    writeFile('num.partitions=7', 'log.retention.ms=9000', 'auto.create.topics.enable=TRUE');
    await set('', { 'log.retention.ms': '2000', 'log.cleaner.delete.retention.ms': '6000' });
    await set('1', { 'log.cleaner.delete.retention.ms': '7000' });
    const found = await keys();
    expect(found.get('num.partitions')).toEqual({
      key: 'num.partitions',
      file: '7',
      fileSource: 'server.properties:6',
      running: '3',
      counts: 'start',
      clusterDefault: null,
      thisBroker: null,
      differs: true,
      restart: true,
    });
    const dynamic = { counts: 'cluster default', running: '2000', clusterDefault: '2000', thisBroker: null };
    expect(found.get('log.retention.ms')).toMatchObject({ ...dynamic, file: '9000', restart: true });
    expect(found.get('log.cleaner.delete.retention.ms')).toMatchObject({
      file: '5000',
      running: '7000',
      counts: 'this broker',
      clusterDefault: '6000',
      thisBroker: '7000',
      restart: false,
    });
    // The same value, written in another way.
    expect(found.has('auto.create.topics.enable')).toBe(false);
    expect(found.has('log.segment.bytes')).toBe(false);
    // It is node.id, which is given.
    expect(found.has('broker.id')).toBe(false);
    // Internal keys, which a broker does not tell, and names of classes, which it tells without Java's word for them.
    expect(found.has('log.initial.task.delay.ms')).toBe(false);
    expect(found.has('principal.builder.class')).toBe(false);
    expect((await keys('--all')).get('log.segment.bytes')).toMatchObject({
      differs: false,
      counts: 'default',
    });
  });

  test('prints a table that says what it takes for the file to count', async () => {
    writeFile('num.partitions=7', 'log.retention.ms=9000', 'log.roll.ms=5');
    await set('', { 'log.retention.ms': '2000' });
    const { stdout, exitCode } = await diff('--bootstrap-server', cluster.bootstrapServers);
    expect(exitCode).toBe(0);
    const line = (key: string): string =>
      stdout
        .split('\n')
        .find(each => each.startsWith(`${key} `))!
        .replaceAll(/ {2,}/g, ' | ');
    expect(line('key')).toBe(
      'key | file | running | cluster default | this broker | counts | the file counts',
    );
    expect(line('num.partitions')).toBe('num.partitions | 7 | 3 | start | after a restart');
    expect(line('log.retention.ms')).toBe(
      'log.retention.ms | 9000 | 2000 | 2000 | cluster default | ' +
        'after a restart, and when the cluster default value is deleted',
    );
    expect(line('log.roll.ms')).toBe(
      'log.roll.ms | 5 | (none) | default | after a restart, or set it while it runs',
    );
  });

  test('never shows a secret, and says that it has not compared it', async () => {
    writeFile('ssl.key.password=another', 'ssl.keystore.password=third');
    for (const args of [[], ['--json'], ['--all'], ['--all', '--json']]) {
      const { stdout, stderr } = await diff('--bootstrap-server', cluster.bootstrapServers, ...args);
      expect(stdout).toContain('(hidden)');
      expect(stdout + stderr).not.toMatch(/swordfish|another|third/);
    }
    const { stdout } = await diff('--bootstrap-server', cluster.bootstrapServers);
    expect(stdout).toContain('secrets are not compared');
    expect((await keys()).get('ssl.keystore.password')).toMatchObject({ running: null, differs: true });
  });

  test('says what to do when it cannot compare', async () => {
    writeFile();
    expect(await diff('--bootstrap-server', cluster.bootstrapServers, '--broker', '9')).toMatchObject({
      exitCode: 1,
      stderr: 'node 9 is no broker of this cluster, which has 1: give the file of one of them, or --broker\n',
    });
    writeFileSync(join(root, 'server.properties'), 'num.partitions=3\n');
    expect(await diff('--bootstrap-server', cluster.bootstrapServers)).toMatchObject({
      exitCode: 1,
      stderr: 'the file has no node.id: say with --broker which broker it is to be compared with\n',
    });
    expect((await diff('--bootstrap-server', 'localhost')).stderr).toContain('--bootstrap-server: ');
    expect((await diff('--bootstrap-server', '127.0.0.1:1', '--broker', '1')).stderr).toContain(
      'cannot describe the cluster',
    );
  });
});
