import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { MemoryLogger, silentLogger } from '../../src/base/logger.ts';
import { randomUuid } from '../../src/base/uuid.ts';
import { type Api, NetworkClient } from '../../src/client/network-client.ts';
import { loadKafkaConfig } from '../../src/config/config-loader.ts';
import { SUPPORTED_FEATURES } from '../../src/metadata/features.ts';
import { Errors } from '../../src/protocol/errors.ts';
import { CreateTopicsRequest, CreateTopicsResponse } from '../../src/protocol/messages/19-create-topics.ts';
import {
  DescribeQuorumRequest,
  DescribeQuorumResponse,
} from '../../src/protocol/messages/55-describe-quorum.ts';
import {
  BrokerRegistrationRequest,
  BrokerRegistrationResponse,
} from '../../src/protocol/messages/62-broker-registration.ts';
import { AddRaftVoterRequest, AddRaftVoterResponse } from '../../src/protocol/messages/80-add-raft-voter.ts';
import {
  RemoveRaftVoterRequest,
  RemoveRaftVoterResponse,
} from '../../src/protocol/messages/81-remove-raft-voter.ts';
import type { Infer, Input, Message } from '../../src/protocol/schema.ts';
import { NodeRuntime } from '../../src/runtime/node/node-runtime.ts';
import { KafkaRaftServer } from '../../src/server/kafka-raft-server.ts';
import { formatStorage, type InitialVoters } from '../../src/tools/storage-formatter.ts';
import { apacheKafka, runKafkaTool } from '../support/apache-kafka.ts';
import { type BrokerLaunch, BrokerProcess } from '../support/broker-process.ts';
import { freePort } from '../support/free-ports.ts';

const DESCRIBE = { request: DescribeQuorumRequest, response: DescribeQuorumResponse };
const ADD = { request: AddRaftVoterRequest, response: AddRaftVoterResponse };
const REMOVE = { request: RemoveRaftVoterRequest, response: RemoveRaftVoterResponse };
const METADATA = [{ topicName: '__cluster_metadata', partitions: [{ partitionIndex: 0 }] }];
/** Of the node that is Apache Kafka's. */
const APACHE = 3;
const ALL = [1, 2, APACHE];

const runtime = new NodeRuntime();
const uuid = (): string => randomUuid(size => runtime.random.bytes(size));

/** A controller, ours in this process or Apache Kafka's in its own. */
interface Controller {
  readonly id: number;
  readonly port: number;
  readonly dataDirectory: string;
  start(): Promise<void>;
  stop(): Promise<void>;
  /** For one that may just be starting, which Apache Kafka takes badly. */
  kill(): Promise<void>;
}

/** Controllers 1 and 2 are ours, 3 is Apache Kafka's. */
class MixedQuorum {
  readonly clusterId = uuid();
  readonly controllers = new Map<number, Controller>();
  readonly running = new Set<number>();
  private readonly folder = mkdtempSync(join(tmpdir(), 'odradek-mixed-'));
  private readonly client = new NetworkClient(runtime, silentLogger, {
    clientId: 'check',
    connectTimeoutMs: 2_000,
    maxFrameBytes: 16 * 1024 * 1024,
  });

  ours(id: number, port: number, quorum: Record<string, string>, initialVoters: InitialVoters): void {
    const dataDirectory = join(this.folder, `node-${id}`);
    const { config } = loadKafkaConfig({
      file: undefined,
      overrides: Object.entries({
        'process.roles': 'controller',
        'node.id': String(id),
        listeners: `CONTROLLER://127.0.0.1:${port}`,
        'controller.listener.names': 'CONTROLLER',
        'log.dirs': dataDirectory,
        ...quorum,
      }),
      workingDirectory: this.folder,
      hostName: '127.0.0.1',
    });
    const { clusterId } = this;
    formatStorage(runtime, config, { clusterId, initialVoters, ignoreFormatted: false });
    const logger = new MemoryLogger();
    let server: KafkaRaftServer | undefined;
    this.controllers.set(id, {
      id,
      port,
      dataDirectory,
      start: async () => {
        server = new KafkaRaftServer(runtime, config, logger);
        void server.failed.then(error => {
          throw error;
        });
        void server.start().catch(() => {});
      },
      stop: async () => {
        await server?.stop();
      },
      kill: async () => {
        await server?.stop();
      },
    });
  }

  async apache(
    port: number,
    quorum: Record<string, string>,
    format: (properties: string, clusterId: string) => string[],
  ): Promise<void> {
    const kafka = await apacheKafka();
    const launch: BrokerLaunch = {
      ...kafka,
      async format(configFile, clusterId) {
        await runKafkaTool('kafka.tools.StorageTool', format(configFile, clusterId), { timeoutMs: 60_000 });
      },
    };
    const process = await BrokerProcess.create(launch, {
      workDirectory: join(this.folder, 'apache'),
      clusterId: this.clusterId,
      controllerPort: port,
      properties: {
        'process.roles': 'controller',
        'node.id': String(APACHE),
        listeners: `CONTROLLER://127.0.0.1:${port}`,
        'advertised.listeners': null,
        'inter.broker.listener.name': null,
        'controller.listener.names': 'CONTROLLER',
        'controller.quorum.voters': null,
        ...quorum,
      },
      ready: async () => true,
    });
    this.controllers.set(APACHE, {
      id: APACHE,
      port,
      dataDirectory: process.dataDirectory,
      start: async () => {
        await process.start();
      },
      stop: async () => {
        await process.stop();
      },
      kill: () => process.kill(),
    });
  }

  async start(...ids: number[]): Promise<void> {
    for (const id of ids) {
      this.running.add(id);
      await this.controllers.get(id)!.start();
    }
  }

  async stop(...ids: number[]): Promise<void> {
    for (const id of ids) {
      this.running.delete(id);
      await this.controllers.get(id)!.stop();
    }
  }

  send<Req extends Message, Res extends Message>(
    id: number,
    api: Api<Req, Res>,
    body: Input<Req>,
  ): Promise<Infer<Res>> {
    const { port } = this.controllers.get(id)!;
    return this.client.send({ host: '127.0.0.1', port }, api, body, { timeoutMs: 20_000 });
  }

  async kill(...ids: number[]): Promise<void> {
    for (const id of ids) {
      this.running.delete(id);
      await this.controllers.get(id)!.kill();
    }
  }

  /** What the leader says of the quorum, if one leads. */
  async described() {
    for (const id of this.running) {
      try {
        const answer = await this.send(id, DESCRIBE, { topics: METADATA });
        const partition = answer.topics[0]?.partitions[0];
        if (
          answer.errorCode === Errors.NONE &&
          partition?.errorCode === Errors.NONE &&
          partition.leaderId === id
        ) {
          return partition;
        }
      } catch {
        // It starts, or has gone.
      }
    }
    return undefined;
  }

  /** Waits until one leads and every running node has all that is committed. Returns the leader's id. */
  async settled(): Promise<number> {
    for (const endMs = performance.now() + 60_000; performance.now() < endMs; await sleep(50)) {
      const quorum = await this.described();
      if (quorum === undefined) continue;
      const replicas = [...quorum.currentVoters, ...quorum.observers];
      const caughtUp = [...this.running].every(id => {
        const replica = replicas.find(({ replicaId }) => replicaId === id);
        return (
          replica !== undefined && replica.logEndOffset >= quorum.highWatermark && quorum.highWatermark > 0
        );
      });
      if (caughtUp) return quorum.leaderId;
    }
    throw new Error(
      `no quorum: ${JSON.stringify(await this.described(), (_, v) => (typeof v === 'bigint' ? `${v}` : v))}`,
    );
  }

  /** Has leaders stop and come back until the node that is wanted leads. */
  async madeLeader(wanted: (id: number) => boolean): Promise<number> {
    for (let round = 0; round < 10; round++) {
      const leader = await this.settled();
      if (wanted(leader)) return leader;
      await this.stop(leader);
      await this.settled();
      await this.start(leader);
    }
    throw new Error('the node that is wanted never led');
  }

  /** The bytes of the metadata log of a stopped node. */
  log(id: number): Buffer {
    const folder = join(this.controllers.get(id)!.dataDirectory, '__cluster_metadata-0');
    const files = readdirSync(folder).filter(name => name.endsWith('.log'));
    return Buffer.concat(files.sort().map(name => readFileSync(join(folder, name))));
  }

  async close(): Promise<void> {
    this.client.close();
    await Promise.all([...this.running].map(id => this.kill(id).catch(() => {})));
    rmSync(this.folder, { recursive: true, force: true });
  }
}

let quorum: MixedQuorum;
let ports: number[];

beforeEach(async () => {
  quorum = new MixedQuorum();
  ports = [await freePort(), await freePort(), await freePort()];
});
afterEach(() => quorum.close());

/** Any record will do: a registration that the leader refuses writes none, so topics are not needed. */
async function writeMetadata(leader: number, topic: string): Promise<void> {
  const register = { request: BrokerRegistrationRequest, response: BrokerRegistrationResponse };
  const answer = await quorum.send(leader, register, {
    brokerId: 100,
    clusterId: quorum.clusterId,
    incarnationId: uuid(),
    listeners: [{ name: 'PLAINTEXT', host: 'nowhere', port: 9, securityProtocol: 0 }],
    features: [...SUPPORTED_FEATURES].map(([name, { min, max }]) => ({
      name,
      minSupportedVersion: min,
      maxSupportedVersion: max,
    })),
    logDirs: [uuid()],
  });
  expect(answer.errorCode).toBe(Errors.NONE);
  const create = { request: CreateTopicsRequest, response: CreateTopicsResponse };
  const created = await quorum.send(leader, create, {
    topics: [{ name: topic, numPartitions: 1, replicationFactor: 1, assignments: [] }],
    timeoutMs: 10_000,
  });
  // A broker that has sent no heartbeat is fenced: some leaders place nothing on it. Either is an answer.
  expect([Errors.NONE, Errors.INVALID_REPLICATION_FACTOR]).toContain(created.topics[0]!.errorCode);
}

/** Stops all, and holds their logs against each other. */
async function expectEqualLogs(): Promise<void> {
  const leader = await quorum.settled();
  await quorum.kill(...[...quorum.running].filter(id => id !== leader), leader);
  const logs = ALL.map(id => quorum.log(id)).sort((a, b) => a.length - b.length);
  // Who stopped first has missed the end.
  for (const log of logs) expect(logs[2]!.subarray(0, log.length).equals(log)).toBe(true);
  expect(logs[0]!.length).toBeGreaterThan(500);
}

describe('a voter of Apache Kafka 4.3 beside two of ours', () => {
  test('elects and is elected, follows and is followed, with voters from the configuration', async () => {
    const voters = ALL.map((id, index) => `${id}@127.0.0.1:${ports[index]}`).join(',');
    const fixed = { 'controller.quorum.voters': voters };
    quorum.ours(1, ports[0]!, fixed, { kind: 'fixed' });
    quorum.ours(2, ports[1]!, fixed, { kind: 'fixed' });
    await quorum.apache(ports[2]!, fixed, (config, clusterId) => [
      'format',
      '--cluster-id',
      clusterId,
      '--config',
      config,
    ]);
    await quorum.start(...ALL);

    await writeMetadata(await quorum.madeLeader(id => id !== APACHE), 'first');
    expect(await quorum.madeLeader(id => id === APACHE)).toBe(APACHE);
    await writeMetadata(APACHE, 'second');
    await quorum.settled();
    // The leadership that Apache Kafka gives up goes to one of ours.
    await quorum.stop(APACHE);
    const ours = await quorum.settled();
    expect(ours).not.toBe(APACHE);
    await writeMetadata(ours, 'third');
    await quorum.start(APACHE);
    await expectEqualLogs();
  });

  test('is added to and removed from a quorum of ours whose voters are records', async () => {
    const bootstrap = { 'controller.quorum.bootstrap.servers': `127.0.0.1:${ports[0]}` };
    quorum.ours(1, ports[0]!, bootstrap, { kind: 'standalone' });
    quorum.ours(2, ports[1]!, bootstrap, { kind: 'none' });
    await quorum.apache(ports[2]!, bootstrap, (config, clusterId) => [
      'format',
      '--cluster-id',
      clusterId,
      '--config',
      config,
      '--no-initial-controllers',
    ]);
    await quorum.start(...ALL);
    expect(await quorum.settled()).toBe(1);
    for (const id of [2, APACHE]) {
      const observer = (await quorum.described())!.observers.find(({ replicaId }) => replicaId === id)!;
      const added = await quorum.send(1, ADD, {
        clusterId: quorum.clusterId,
        timeoutMs: 20_000,
        voterId: id,
        voterDirectoryId: observer.replicaDirectoryId,
        listeners: [{ name: 'CONTROLLER', host: '127.0.0.1', port: ports[id - 1]! }],
      });
      expect(added).toMatchObject({ errorCode: Errors.NONE, errorMessage: null });
    }
    await writeMetadata(1, 'first');
    expect(await quorum.madeLeader(id => id === APACHE)).toBe(APACHE);
    await writeMetadata(APACHE, 'second');
    // Apache Kafka, as the leader, changes the voters of which two are ours.
    const voter = (await quorum.described())!.currentVoters.find(({ replicaId }) => replicaId === 2)!;
    const change = { clusterId: quorum.clusterId, voterId: 2, voterDirectoryId: voter.replicaDirectoryId };
    expect(await quorum.send(APACHE, REMOVE, change)).toMatchObject({ errorCode: Errors.NONE });
    await quorum.settled();
    expect((await quorum.described())!.currentVoters.map(({ replicaId }) => replicaId).sort()).toEqual([
      1,
      APACHE,
    ]);
    const listeners = [{ name: 'CONTROLLER', host: '127.0.0.1', port: ports[1]! }];
    expect(await quorum.send(APACHE, ADD, { ...change, timeoutMs: 20_000, listeners })).toMatchObject({
      errorCode: Errors.NONE,
    });
    await expectEqualLogs();
  });
});
