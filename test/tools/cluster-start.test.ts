import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { freePorts } from '../support/free-ports.ts';
import { projectRoot } from '../support/project.ts';
import { runCommand } from '../support/run-command.ts';

/** What `npm test` has built before. */
const PROGRAM = join(projectRoot, 'dist/tools/odradek.js');

let root: string;
let running: ChildProcess | undefined;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'odradek-cluster-start-'));
});

afterEach(async () => {
  const child = running;
  running = undefined;
  if (child !== undefined && child.exitCode === null && child.signalCode === null) {
    const ended = new Promise(resolve => child.on('exit', resolve));
    // Asked a second time it ends its nodes at once.
    child.kill('SIGTERM');
    child.kill('SIGINT');
    await ended;
  }
  rmSync(root, { recursive: true, force: true });
});

/** Three nodes in `nodes/`. Gives the ports for clients. */
async function writeConfigs(): Promise<number[]> {
  const ports = await freePorts(6);
  const voters = [1, 2, 3].map(id => `${id}@127.0.0.1:${ports[id + 2]}`).join(',');
  mkdirSync(join(root, 'nodes'));
  for (const id of [1, 2, 3]) {
    const text = `process.roles=broker,controller
node.id=${id}
listeners=PLAINTEXT://127.0.0.1:${ports[id - 1]},CONTROLLER://127.0.0.1:${ports[id + 2]}
controller.listener.names=CONTROLLER
controller.quorum.voters=${voters}
log.dirs=data/node-${id}
`;
    writeFileSync(join(root, 'nodes', `server-${id}.properties`), text);
  }
  return ports.slice(0, 3);
}

/** What a second node of the same configuration says of the first one. */
async function heldBy(node: string): Promise<string> {
  const args = [PROGRAM, 'server', 'start', join('nodes', `${node.replace('node', 'server')}.properties`)];
  return (await runCommand(process.execPath, args, { cwd: root, allowedExitCodes: [1] })).stderr;
}

describe.runIf(existsSync(PROGRAM))('odradek cluster start', { timeout: 60_000 }, () => {
  test('formats and starts the nodes of a directory, and stops them when it is told to', async () => {
    const ports = await writeConfigs();
    const child = spawn(process.execPath, [PROGRAM, 'cluster', 'start', 'nodes'], {
      cwd: root,
      stdio: 'pipe',
    });
    running = child;
    let text = '';
    const started = new Promise<void>((resolve, reject) => {
      const take = (chunk: Buffer): void => {
        text += chunk.toString();
        const lines = text.split('\n').filter(line => /^\d \| .*"msg":"started"/.test(line));
        if (lines.length === 3) resolve();
      };
      child.stdout.on('data', take);
      child.stderr.on('data', take);
      child.on('exit', code => reject(new Error(`it ended with ${code}: ${text}`)));
    });
    await started;
    expect(text).toContain(`clients: ${ports.map(port => `127.0.0.1:${port}`).join(',')}`);
    expect(new Set(text.match(/for node \d of cluster \S+/g)?.map(each => each.split(' ').at(-1))).size).toBe(
      1,
    );

    const server = `127.0.0.1:${ports[1]}`;
    const status = await runCommand(process.execPath, [PROGRAM, 'cluster', 'status', '-b', server, '--json']);
    expect(JSON.parse(status.stdout).brokers.map(({ state }: { state: string }) => state)).toEqual([
      'running',
      'running',
      'running',
    ]);

    const pid = Number(/process (\d+)/.exec(await heldBy('node-2'))![1]);
    process.kill(pid, 'SIGKILL');
    while (text.split('\n').filter(line => /^2 \| .*"msg":"started"/.test(line)).length < 2) {
      await new Promise(resolve => setTimeout(resolve, 50));
    }
    expect(text).toContain('2 | ended by SIGKILL; it is started again in 2 s');

    const ended = new Promise(resolve => child.on('exit', resolve));
    child.kill('SIGINT');
    expect(await ended).toBe(0);
    const ends = text.split('\n').filter(line => / \| ended with/.test(line));
    expect(ends.toSorted()).toEqual([1, 2, 3].map(id => `${id} | ended with exit code 0`));
    // The quorum can do without the last one, which goes first.
    expect(ends[0]).toBe('3 | ended with exit code 0');
  });

  test('says what is wrong with the directory', async () => {
    const start = (directory: string) =>
      runCommand(process.execPath, [PROGRAM, 'cluster', 'start', directory], {
        cwd: root,
        allowedExitCodes: [1],
      });
    expect(await start('none')).toMatchObject({ exitCode: 1, stderr: 'none: there is no such directory\n' });
    mkdirSync(join(root, 'empty'));
    expect((await start('empty')).stderr).toBe('empty: there is no .properties file in it\n');
    await writeConfigs();
    writeFileSync(join(root, 'nodes', 'server-2.properties'), 'node.id=1\nprocess.roles=broker\n');
    expect((await start('nodes')).exitCode).toBe(1);
  });
});
