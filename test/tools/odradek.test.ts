import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import * as net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ConfigResourceType } from '../../src/metadata/config-resource.ts';
import {
  DescribeConfigsRequest,
  DescribeConfigsResponse,
} from '../../src/protocol/messages/32-describe-configs.ts';
import {
  IncrementalAlterConfigsRequest,
  IncrementalAlterConfigsResponse,
} from '../../src/protocol/messages/44-incremental-alter-configs.ts';
import { RawClient } from '../server/raw-client.ts';
import { freePorts } from '../support/free-ports.ts';
import { projectRoot } from '../support/project.ts';
import { type CommandResult, runCommand } from '../support/run-command.ts';

/** What `npm test` has built before. */
const PROGRAM = join(projectRoot, 'dist/tools/odradek.js');
const CLUSTER_ID = 'MkU3OEVBNTcwNTJENDM2Qk';

let root: string;
const running: ChildProcess[] = [];

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'odradek-tool-'));
});

afterEach(async () => {
  for (const child of running.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill('SIGKILL');
    await new Promise(resolve => child.on('exit', resolve));
  }
  rmSync(root, { recursive: true });
});

function odradek(...args: string[]): Promise<CommandResult> {
  return runCommand(process.execPath, [PROGRAM, ...args], {
    cwd: root,
    timeoutMs: 15_000,
    allowedExitCodes: [1],
  });
}

async function writeConfig(lines = ''): Promise<string> {
  const [port, controllerPort] = await freePorts(2);
  const text = `process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}
controller.listener.names=CONTROLLER
controller.quorum.bootstrap.servers=127.0.0.1:${controllerPort}
log.dirs=data
offsets.topic.replication.factor=1
${lines}`;
  writeFileSync(join(root, 'server.properties'), text);
  return 'server.properties';
}

/** A server that has written a line with `until` in it. */
function startServer(
  until: string,
  ...args: string[]
): Promise<{ child: ChildProcess; output: () => string }> {
  const child = spawn(process.execPath, [PROGRAM, 'server', 'start', ...args], { cwd: root, stdio: 'pipe' });
  running.push(child);
  let text = '';
  return new Promise((resolve, reject) => {
    const take = (chunk: Buffer): void => {
      text += chunk.toString();
      if (text.includes(until)) resolve({ child, output: () => text });
    };
    child.stdout.on('data', take);
    child.stderr.on('data', take);
    child.on('exit', code => reject(new Error(`the server ended with ${code}: ${text}`)));
  });
}

function exitCode(child: ChildProcess): Promise<number | null> {
  return new Promise(resolve => child.on('exit', resolve));
}

describe.runIf(existsSync(PROGRAM))('the odradek command', () => {
  test('says what there is when it is called wrongly', async () => {
    expect(await odradek()).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('a command is needed'),
    });
    expect(await odradek('sever')).toMatchObject({ exitCode: 1, stderr: expect.stringContaining('sever') });
    expect(await odradek('storage', 'format', '-c', 'x')).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('cluster-id'),
    });
    expect(await odradek('server', 'start', 'none.properties')).toMatchObject({
      exitCode: 1,
      stderr: 'none.properties: there is no such file\n',
    });
    expect((await odradek('--help')).stdout).toContain('odradek storage');
  });

  test('refuses a wrong configuration before anything is written', async () => {
    const config = await writeConfig('num.partitons=3\nlog.segment.bytes=1g\n');
    const expected = [
      'server.properties:8: num.partitons: is not a known key; the nearest known one is num.partitions',
      "server.properties:9: log.segment.bytes: '1g' must be a whole number, without a unit ('g'): " +
        'the unit is in the name of the key',
      '',
    ].join('\n');
    const started = await odradek('server', 'start', config, '--format-if-new');
    expect(started).toMatchObject({ exitCode: 1, stdout: '', stderr: expected });
    expect(await odradek('storage', 'format', '-t', CLUSTER_ID, '-s', '-c', config)).toMatchObject({
      exitCode: 1,
    });
    expect(readdirSync(root)).toEqual(['server.properties']);
    const checked = await odradek('config', 'check', config);
    expect(checked.exitCode).toBe(1);
    expect(checked.stdout).toContain(`error: ${expected.split('\n')[0]}`);
    expect(checked.stdout.trimEnd().split('\n').at(-1)).toBe('2 errors, 0 warnings');
  });

  test('explains a configuration, with nothing secret in it', async () => {
    const config = await writeConfig('num.io.threads=3\nssl.keystore.password=hunter2\n');
    const table = await odradek('config', 'check', config, '--override', 'num.partitions=7');
    expect(table.exitCode).toBe(0);
    expect(table.stdout).toMatch(/^num\.partitions +7 +--override +Partitions of a topic/m);
    expect(table.stdout).toMatch(/^node\.id +1 +server\.properties:2 +The id of this node/m);
    expect(table.stdout).toMatch(/^num\.io\.threads +3 +server\.properties:8 +no effect: one event loop/m);
    expect(table.stdout).toMatch(/^log\.segment\.bytes +1073741824 +default +Size in bytes/m);
    const json = await odradek('config', 'check', config, '--json');
    const report = JSON.parse(json.stdout);
    expect(report).toMatchObject({ valid: true, problems: [] });
    expect(report.warnings.map((warning: { key: string }) => warning.key)).toEqual([
      'num.io.threads',
      'ssl.keystore.password',
    ]);
    expect(report.values).toContainEqual(
      expect.objectContaining({
        key: 'ssl.keystore.password',
        value: '(hidden)',
        source: 'server.properties:9',
      }),
    );
    expect(table.stdout + json.stdout).not.toContain('hunter2');
  });

  test('formats storage once, and tells what is in it', async () => {
    const config = await writeConfig();
    expect(await odradek('storage', 'info', '-c', config)).toMatchObject({
      exitCode: 1,
      stdout: `Found problem:\n  ${join(root, 'data')} does not exist\n\n`,
    });
    const format = ['storage', 'format', '--cluster-id', CLUSTER_ID, '--config', config];
    expect(await odradek(...format)).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('--standalone'),
    });
    expect(await odradek(...format, '--standalone', '-N')).toMatchObject({ exitCode: 1 });
    expect(await odradek('storage', 'format', '-t', 'short', '-c', config, '-s')).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('does not appear to be a valid UUID'),
    });
    expect(existsSync(join(root, 'data'))).toBe(false);
    expect(await odradek(...format, '--standalone', '--feature', 'group.version=0')).toMatchObject({
      exitCode: 0,
      stdout: `Formatting metadata directory ${join(root, 'data')} with metadata.version 4.3-IV0.\n`,
    });
    expect(await odradek(...format, '-s')).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('already'),
    });
    expect(await odradek(...format, '-s', '-g')).toMatchObject({
      exitCode: 0,
      stdout: 'All of the log directories are already formatted.\n',
    });
    const info = await odradek('storage', 'info', '-c', config);
    expect(info.exitCode).toBe(0);
    expect(info.stdout).toMatch(
      /^Found log directory:\n {2}.*data\n\nFound metadata: \{cluster\.id=MkU3.*, directory\.id=.{22}, node\.id=1, version=1\}\n\n$/,
    );
  });

  test('formats the voters of a dynamic quorum, given in one way', async () => {
    const file = await writeConfig();
    const voters = ['--initial-controllers', `1@127.0.0.1:9093:YX4_mcB2TT2zmpmrpbKiPQ`];
    const both = await odradek('storage', 'format', '-t', CLUSTER_ID, '-c', file, '--standalone', ...voters);
    expect(both).toMatchObject({ exitCode: 1 });
    expect(both.stderr).toContain('give only one of --standalone, --no-initial-controllers and');
    const one = await odradek('storage', 'format', '-t', CLUSTER_ID, '-c', file, ...voters);
    expect(one).toMatchObject({ exitCode: 0, stderr: '' });
  });

  test('makes UUIDs', async () => {
    expect((await odradek('storage', 'random-uuid')).stdout).toMatch(/^[A-Za-z0-9_][A-Za-z0-9_-]{21}\n$/);
  });

  test('starts no server on storage that is not formatted, unless it is told to format it', async () => {
    const config = await writeConfig();
    const refused = await odradek('server', 'start', config);
    expect(refused).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining('not formatted. Format once with'),
    });
    expect(existsSync(join(root, 'data'))).toBe(false);
    const { child, output } = await startServer('"msg":"started"', config, '--format-if-new');
    expect(output()).toContain('formatted new storage');
    child.kill('SIGTERM');
    expect(await exitCode(child)).toBe(0);
    const again = await startServer('"msg":"started"', config, '--format-if-new');
    expect(again.output()).not.toContain('formatted new storage');
    again.child.kill('SIGINT');
    expect(await exitCode(again.child)).toBe(0);
    expect(existsSync(join(root, 'data/.kafka_cleanshutdown'))).toBe(true);
    expect(existsSync(join(root, 'data/.lock'))).toBe(false);
  }, 40_000);

  test('logs from the level on that it is started with, until that of the root is changed', async () => {
    const config = await writeConfig();
    const level = async (name: string): Promise<string> => {
      const { child, output } = await startServer(
        '"msg":"started"',
        config,
        '--format-if-new',
        '--log-level',
        name,
      );
      const port = Number(/"PLAINTEXT":(\d+)/.exec(output())![1]);
      const client = await RawClient.connect(port);
      const root = { resourceType: ConfigResourceType.BROKER_LOGGER, resourceName: '1' };
      const shown = await client.ask([DescribeConfigsRequest, DescribeConfigsResponse], 4, {
        resources: [{ ...root, configurationKeys: ['root'] }],
      });
      await client.ask([IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse], 1, {
        resources: [{ ...root, configs: [{ name: 'root', configOperation: 0, value: 'ERROR' }] }],
      });
      client.close();
      const ended = exitCode(child);
      child.kill('SIGTERM');
      expect(await ended).toBe(0);
      expect(output()).not.toContain('"msg":"stopped"');
      expect(output().includes('"level":"debug"')).toBe(name === 'debug');
      return shown!.results[0]!.configs[0]!.value!;
    };
    expect(await level('debug')).toBe('DEBUG');
    expect(await level('info')).toBe('INFO');
  }, 40_000);

  test('names the process that holds a directory, and stops it', async () => {
    const config = await writeConfig();
    const { child } = await startServer('"msg":"started"', config, '--format-if-new');
    const ended = exitCode(child);
    expect(readFileSync(join(root, 'data/.lock'), 'latin1')).toMatch(new RegExp(`^${child.pid} `));
    const second = await odradek(
      'server',
      'start',
      config,
      '--override',
      'listeners=PLAINTEXT://:0,CONTROLLER://:0',
    );
    expect(second).toMatchObject({
      exitCode: 1,
      stderr: `${join(root, 'data/.lock')}: the directory is in use by process ${child.pid}; stop that one first\n`,
    });
    expect(await odradek('server', 'stop', config)).toMatchObject({
      exitCode: 0,
      stdout: `Stopped process ${child.pid}\n`,
    });
    expect(await ended).toBe(0);
    expect(await odradek('server', 'stop', config)).toMatchObject({ exitCode: 1 });
  }, 40_000);

  test('says which port is taken', async () => {
    const config = await writeConfig();
    const taken = net.createServer();
    await new Promise<void>(resolve => taken.listen(0, '127.0.0.1', resolve));
    const { port } = taken.address() as net.AddressInfo;
    const listeners = `listeners=PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:0`;
    const refused = await odradek('server', 'start', config, '--format-if-new', '--override', listeners);
    await new Promise(resolve => taken.close(resolve));
    expect(refused.exitCode).toBe(1);
    expect(refused.stderr).toBe(`listen EADDRINUSE: address already in use 127.0.0.1:${port}\n`);
    expect(existsSync(join(root, 'data/.lock'))).toBe(false);
  });

  test('ends at once with the second signal', async () => {
    const config = await writeConfig();
    const { child } = await startServer('"msg":"started"', config, '--format-if-new');
    const ended = exitCode(child);
    child.kill('SIGTERM');
    child.kill('SIGINT');
    expect([0, 1]).toContain(await ended);
  }, 40_000);
});
