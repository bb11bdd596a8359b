import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Kafka, logLevel } from 'kafkajs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { freePorts } from '../support/free-ports.ts';
import { projectRoot } from '../support/project.ts';
import { runCommand } from '../support/run-command.ts';

/* What a user sees of nodes that cannot start as they are: real processes, and their output. */

/** What `npm test` has built before. */
const PROGRAM = join(projectRoot, 'dist/tools/odradek.js');
const CLUSTER_ID = 'MkU3OEVBNTcwNTJENDM2Qk';
const OTHER_CLUSTER_ID = 'YX4_mcB2TT2zmpmrpbKiPQ';

let root: string;
let ports: number[];
const running: ChildProcess[] = [];

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'odradek-start-errors-'));
  ports = await freePorts(6);
});

afterEach(async () => {
  for (const child of running.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    const ended = new Promise(resolve => child.on('exit', resolve));
    child.kill('SIGKILL');
    await ended;
  }
  rmSync(root, { recursive: true, force: true });
});

interface NodeOptions {
  readonly voters?: readonly number[];
  readonly roles?: string;
  readonly clusterId?: string;
  /** Tells files of nodes with the same id apart. */
  readonly name?: string;
  readonly lines?: string;
  readonly host?: string;
  /** The place of its ports in `ports`. */
  readonly at?: number;
}

/** Formats node `id`, and gives the name of its configuration. */
async function prepare(id: number, options: NodeOptions = {}): Promise<string> {
  const {
    voters = [1],
    roles = 'broker,controller',
    clusterId = CLUSTER_ID,
    name = `node-${id}`,
    lines = '',
    host = '127.0.0.1',
    at = id - 1,
  } = options;
  const controller = `,CONTROLLER://127.0.0.1:${ports[at + 3]}`;
  const text = `process.roles=${roles}
node.id=${id}
listeners=PLAINTEXT://${host}:${ports[at]}${roles.includes('controller') ? controller : ''}
controller.listener.names=CONTROLLER
controller.quorum.voters=${voters.map(voter => `${voter}@127.0.0.1:${ports[voter + 2]}`).join(',')}
log.dirs=${name}
${lines}
`;
  const file = `${name}.properties`;
  mkdirSync(root, { recursive: true });
  writeFileSync(join(root, file), text);
  if (!existsSync(join(root, name))) {
    await runCommand(process.execPath, [PROGRAM, 'storage', 'format', '-t', clusterId, '-c', file], {
      cwd: root,
    });
  }
  return file;
}

interface Started {
  readonly child: ChildProcess;
  output(): string;
  /** Resolves when the output has `text` in it; rejects with all of it when the process ends before. */
  says(text: string): Promise<string>;
  readonly ended: Promise<number | null>;
}

function start(file: string): Started {
  const child = spawn(process.execPath, [PROGRAM, 'server', 'start', file], { cwd: root, stdio: 'pipe' });
  running.push(child);
  let output = '';
  const waiting = new Set<() => void>();
  const take = (chunk: Buffer): void => {
    output += chunk.toString();
    for (const look of waiting) look();
  };
  child.stdout.on('data', take);
  child.stderr.on('data', take);
  const ended = new Promise<number | null>(resolve => child.on('close', code => resolve(code)));
  return {
    child,
    output: () => output,
    ended,
    says: text =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          if (!output.includes(text)) return;
          waiting.delete(look);
          resolve(output);
        };
        waiting.add(look);
        look();
        ended.then(code => reject(new Error(`it ended with ${code} and did not say '${text}':\n${output}`)));
      }),
  };
}

describe.runIf(existsSync(PROGRAM))('a node that cannot start as it is', { timeout: 60_000 }, () => {
  test('says which voters a quorum is missing, and why they cannot be reached', async () => {
    const node = start(await prepare(1, { voters: [1, 2, 3] }));
    await node.says(
      `no quorum: cannot reach controller 2 at 127.0.0.1:${ports[4]} (ECONNREFUSED), cannot reach controller 3 at ` +
        `127.0.0.1:${ports[5]} (ECONNREFUSED); 1 of 3 voters reachable; a quorum needs 2`,
    );
    node.child.kill('SIGTERM');
    expect(await node.ended).toBe(0);
  });

  test('of another cluster says whose disk has which id, and ends', async () => {
    await start(await prepare(1)).says('"msg":"started"');
    const node = start(await prepare(2, { roles: 'broker', clusterId: OTHER_CLUSTER_ID }));
    expect(await node.ended).toBe(1);
    expect(node.output()).toContain(`meta.properties says that this node is of cluster ${OTHER_CLUSTER_ID}`);
    expect(node.output()).toContain(`controller 1 at 127.0.0.1:${ports[3]} is of cluster ${CLUSTER_ID}`);
    // It is a message to a person: no stack of the program.
    expect(node.output()).not.toMatch(/\n\s+at /);
  });

  test('with an id that is taken says who has it', async () => {
    await start(await prepare(1)).says('"msg":"started"');
    await start(await prepare(2, { roles: 'broker' })).says('"msg":"started"');
    const twin = start(await prepare(2, { roles: 'broker', name: 'twin', at: 2 }));
    const output = await twin.says('"waitsFor"');
    expect(output).toMatch(/broker 2|id 2/);
    expect(output).toContain(`127.0.0.1:${ports[1]}`);
  });

  test('with the disk of another node says so, and ends', async () => {
    await prepare(1);
    const file = await prepare(2, { voters: [2], name: 'node-1' });
    const node = start(file);
    expect(await node.ended).toBe(1);
    expect(node.output()).toContain('meta.properties: the directory is of node 1, not of this one, 2');
    expect(node.output()).not.toMatch(/\n\s+at /);
  });

  test('starts, and warns of an advertised address at which it does not find itself', async () => {
    const lines = 'advertised.listeners=PLAINTEXT://127.0.0.1:1';
    const node = start(await prepare(1, { lines }));
    const output = await node.says('this broker does not find itself at an address that it advertises');
    expect(output).toContain('"address":"127.0.0.1:1"');
    expect(output).toContain('ECONNREFUSED');
    expect(output).toContain('set advertised.listeners to one that they can reach');
  });
});

describe.runIf(existsSync(PROGRAM))('advertised.listeners=auto', { timeout: 60_000 }, () => {
  test('names to each client the address that it has dialled', async () => {
    const lines = 'advertised.listeners=auto\noffsets.topic.replication.factor=1';
    await start(await prepare(1, { host: '0.0.0.0', lines })).says('"msg":"started"');
    for (const host of ['127.0.0.1', '127.0.0.2']) {
      const kafka = new Kafka({ brokers: [`${host}:${ports[0]}`], logLevel: logLevel.NOTHING });
      const admin = kafka.admin();
      await admin.connect();
      const { brokers } = await admin.describeCluster();
      expect(brokers).toEqual([{ nodeId: 1, host, port: ports[0] }]);
      await admin.createTopics({ topics: [{ topic: `at-${host}` }], waitForLeaders: true });
      await admin.disconnect();
      // Groups find their coordinator there too.
      const consumer = kafka.consumer({ groupId: `group-${host}` });
      const joined = new Promise(resolve => consumer.on('consumer.group_join', resolve));
      await consumer.connect();
      await consumer.subscribe({ topic: `at-${host}`, fromBeginning: true });
      await consumer.run({ eachMessage: async () => {} });
      await joined;
      await consumer.disconnect();
    }
  });
});
