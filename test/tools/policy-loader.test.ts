import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import * as net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Admin, Kafka, logLevel, Partitioners } from 'kafkajs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { MemoryLogger } from '../../src/base/logger.ts';
import { type Cluster, createCluster } from '../../src/cluster/create-cluster.ts';
import { projectRoot } from '../support/project.ts';
import { runCommand } from '../support/run-command.ts';

/** What `npm test` has built before. */
const PROGRAM = join(projectRoot, 'dist/tools/odradek.js');
const TOPIC = 2;
const BROKER = 4;

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'odradek-policy-'));
});

afterEach(() => {
  rmSync(root, { recursive: true });
});

function write(name: string, ...lines: string[]): string {
  writeFileSync(join(root, name), `${lines.join('\n')}\n`);
  return join(root, name);
}

describe.runIf(existsSync(PROGRAM))('a server whose policy cannot be used does not start', () => {
  async function startError(...lines: string[]): Promise<string> {
    write(
      'server.properties',
      'process.roles=broker,controller',
      'node.id=1',
      'listeners=PLAINTEXT://127.0.0.1:0,CONTROLLER://127.0.0.1:0',
      'controller.listener.names=CONTROLLER',
      'controller.quorum.bootstrap.servers=127.0.0.1:1',
      'log.dirs=data',
      ...lines,
    );
    const args = [PROGRAM, 'server', 'start', 'server.properties', '--format-if-new'];
    const options = { cwd: root, timeoutMs: 30_000, allowedExitCodes: [1] };
    const { exitCode, stderr } = await runCommand(process.execPath, args, options);
    expect(exitCode).toBe(1);
    // Nothing is written before the policies are known to be there.
    expect(existsSync(join(root, 'data'))).toBe(false);
    return stderr.trimEnd();
  }

  const cases: [what: string, name: string, content: string, problem: string][] = [
    [
      'is not there',
      'other.mjs',
      '',
      'there is no such file; a relative path is relative to where the server',
    ],
    ['has no default export', 'policy.mjs', 'export const validate = () => {};', 'it has no default export'],
    ['has no validate', 'policy.mjs', 'export default { check() {} };', 'has no function validate(metadata)'],
    [
      'exports a class',
      'policy.mjs',
      'export default class { validate() {} }',
      'of a class, export an instance',
    ],
    [
      'is async',
      'policy.mjs',
      'export default { async validate() {} };',
      'its validate() is async; it must be synchronous',
    ],
    ['throws', 'policy.mjs', "throw new Error('no such rule');", 'it cannot be loaded: Error: no such rule'],
    ['is no JavaScript', 'policy.mjs', 'export default {', 'it cannot be loaded: SyntaxError'],
  ];
  test.each(cases)('because it %s', async (_what, name, content, problem) => {
    write(name, content);
    const error = await startError('create.topic.policy=policy.mjs');
    expect(error).toContain(`server.properties:7: create.topic.policy: ${join(root, 'policy.mjs')}: `);
    expect(error).toContain(problem);
    expect(error).not.toContain('\n');
  });

  test('because it is a directory', async () => {
    mkdirSync(join(root, 'policy.mjs'));
    expect(await startError('alter.config.policy=policy.mjs')).toContain('this is a directory');
  });

  test('because it names a class of Java, and says what there is instead', async () => {
    const error = await startError(
      'create.topic.policy.class.name=com.example.Policy',
      'alter.config.policy.class.name=com.example.Policy',
    );
    expect(error).toContain('create.topic.policy names a module that does the same');
    expect(error).toContain('alter.config.policy names a module that does the same');
  });

  test.skipIf((process.features as { typescript?: unknown }).typescript !== undefined)(
    'because it is TypeScript, and this Node does not read that',
    async () => {
      write('policy.ts', 'export default { validate(): void {} };');
      expect(await startError('create.topic.policy=policy.ts')).toContain(
        `Node ${process.version} cannot read TypeScript: compile it to JavaScript, or use Node 22.18 or later`,
      );
    },
  );
});

describe('policies of a cluster', { timeout: 60_000 }, () => {
  let cluster: Cluster;
  let kafka: Kafka;
  let admin: Admin;
  let logger: MemoryLogger;
  let received: Buffer[];

  beforeEach(async () => {
    logger = new MemoryLogger();
    cluster = await createCluster({
      logger,
      brokers: 1,
      properties: {
        'create.topic.policy': join(projectRoot, 'test/tools/policies/create-topic.mjs'),
        'alter.config.policy': join(projectRoot, 'test/tools/policies/alter-config.mjs'),
        'auto.create.topics.enable': true,
        'num.partitions': 7,
      },
    });
    received = [];
    kafka = new Kafka({
      brokers: [cluster.bootstrapServers],
      logLevel: logLevel.NOTHING,
      retry: { initialRetryTime: 50, retries: 4 },
      // kafkajs reads the message of an error and drops it: it is looked for in the bytes that it was sent.
      socketFactory: ({ host, port, onConnect }) => {
        const socket = net.connect({ host, port }, onConnect);
        socket.on('data', chunk => received.push(chunk));
        return socket;
      },
    });
    admin = kafka.admin();
    await admin.connect();
  });

  afterEach(async () => {
    await admin.disconnect();
    await cluster.close();
  });

  /** How a request ended, and whether `text` came with the answer. */
  async function outcome(request: Promise<unknown>, text: string): Promise<string> {
    const error = await request.then(
      () => undefined,
      (thrown: { type?: string; errors?: { type: string }[] }) => thrown.errors?.[0]?.type ?? thrown.type,
    );
    const told = Buffer.concat(received.splice(0)).includes(text);
    return `${error ?? 'done'}, ${told ? 'with' : 'without'} the text`;
  }

  function create(
    topic: string,
    numPartitions: number,
    { validateOnly = false, retention }: { validateOnly?: boolean; retention?: string } = {},
  ): Promise<unknown> {
    const configEntries = retention === undefined ? [] : [{ name: 'retention.ms', value: retention }];
    return admin.createTopics({ topics: [{ topic, numPartitions, configEntries }], validateOnly });
  }

  test('refuse topics and configurations in their own words, as a client sees them', async () => {
    const refused = 'POLICY_VIOLATION, with the text';
    const many = 'many: 6 partitions are enough, not 7';
    expect(await outcome(create('many', 7), many)).toBe(refused);
    expect(await outcome(create('many', 7, { validateOnly: true }), many)).toBe(refused);
    const kept = create('kept', 1, { retention: '-1' });
    expect(await outcome(kept, 'TOPIC kept: nothing is kept for ever')).toBe(refused);
    expect(await outcome(create('few', 6), 'few:')).toBe('done, without the text');
    const altered = admin.alterConfigs({
      validateOnly: false,
      resources: [{ type: TOPIC, name: 'few', configEntries: [{ name: 'retention.ms', value: '-1' }] }],
    });
    expect(await outcome(altered, 'TOPIC few: nothing is kept for ever')).toBe(refused);
    const defaults = admin.alterConfigs({
      validateOnly: false,
      resources: [{ type: BROKER, name: '1', configEntries: [{ name: 'log.retention.ms', value: '-1' }] }],
    });
    expect(await outcome(defaults, 'BROKER 1: nothing is kept for ever')).toBe(refused);
    expect(await admin.listTopics()).toEqual(['few']);
  });

  test('refuse a topic that would be created because it is asked for, and the log says why', async () => {
    const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner });
    await producer.connect();
    const sent = producer.send({ topic: 'asked.for', messages: [{ value: 'x' }] });
    await expect(sent).rejects.toThrow('This server does not host this topic-partition');
    await producer.disconnect();
    expect(await admin.listTopics()).toEqual([]);
    expect(logger.entries).toContainEqual(
      expect.objectContaining({
        message: 'a topic could not be created on demand',
        fields: expect.objectContaining({
          topic: 'asked.for',
          reason: 'POLICY_VIOLATION: asked.for: 6 partitions are enough, not 7',
        }),
      }),
    );
  });

  test('that never end do not hold up the controller, and a mistake in them is logged', async () => {
    const text = 'create.topic.policy was broken off after 500 ms';
    expect(await outcome(create('endless', 1), text)).toBe('POLICY_VIOLATION, with the text');
    const later = create('few', 1);
    expect(await outcome(later, 'create.topic.policy takes too long; try again later')).toBe(
      'POLICY_VIOLATION, with the text',
    );
    await expect.poll(() => create('few', 1).catch(() => false), { timeout: 20_000 }).toBe(true);
    const broken = create('broken', 1);
    expect(await outcome(broken, 'topic.noSuchFunction is not a function')).toBe(
      'POLICY_VIOLATION, with the text',
    );
    const problems = logger.entries
      .filter(({ message }) => message === 'a policy does not work as it should')
      .map(({ fields }) => fields.problem);
    expect(problems).toContain(text);
  });
});
