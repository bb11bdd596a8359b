import { randomUuid, type Uuid } from '../../../src/base/uuid.ts';
import { loadKafkaConfig } from '../../../src/config/config-loader.ts';
import type { KafkaConfig } from '../../../src/config/kafka-config.ts';
import { silentLogger } from '../../../src/base/logger.ts';
import type { Policies } from '../../../src/controller/policies.ts';
import { QuorumController } from '../../../src/controller/quorum-controller.ts';
import { defaultBootstrapRecords } from '../../../src/metadata/bootstrap-metadata.ts';
import { SUPPORTED_FEATURES } from '../../../src/metadata/features.ts';
import { MetadataLoader } from '../../../src/metadata/metadata-loader.ts';
import type { MetadataRecord } from '../../../src/metadata/metadata-record.ts';
import { METADATA_VERSION_LATEST } from '../../../src/metadata/metadata-version.ts';
import type { BrokerHeartbeatRequest } from '../../../src/protocol/messages/63-broker-heartbeat.ts';
import type { BrokerRegistrationRequest } from '../../../src/protocol/messages/62-broker-registration.ts';
import { ManualRuntime } from '../../support/manual-runtime.ts';
import { FakeQuorum } from './fake-quorum.ts';

export const CLUSTER_ID = 'MkU3OEVBNTcwNTJENDM2Qg';

/** A combined node with id 1 and `values` over Kafka's defaults. */
export function testConfig(values: Readonly<Record<string, string>> = {}): KafkaConfig {
  const settings = {
    'node.id': '1',
    'process.roles': 'broker,controller',
    'controller.listener.names': 'CONTROLLER',
    'controller.quorum.voters': '1@localhost:9093',
    listeners: 'PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093',
    ...values,
  };
  return loadKafkaConfig({
    file: undefined,
    overrides: Object.entries(settings),
    workingDirectory: '/work',
    hostName: 'localhost',
  }).config;
}

/** A controller over a {@link FakeQuorum}, with the loader between them. */
export class ControllerHarness {
  readonly clock = new ManualRuntime();
  readonly quorum: FakeQuorum;
  readonly loader: MetadataLoader;
  readonly controller: QuorumController;
  readonly config: KafkaConfig;
  private readonly directories = new Map<number, Uuid>();

  constructor(
    options: {
      config?: Readonly<Record<string, string>>;
      bootstrap?: readonly MetadataRecord[];
      quorum?: FakeQuorum;
      /** May use the clock of the harness, which is made before them. */
      policies?: (clock: ManualRuntime) => Policies;
    } = {},
  ) {
    this.quorum = options.quorum ?? new FakeQuorum();
    this.loader = new MetadataLoader(silentLogger, this.quorum);
    this.config = testConfig(options.config);
    this.controller = new QuorumController(this.clock, silentLogger, this.quorum, this.loader, {
      config: this.config,
      clusterId: CLUSTER_ID,
      bootstrapRecords: options.bootstrap ?? defaultBootstrapRecords(METADATA_VERSION_LATEST),
      policies: options.policies?.(this.clock),
    });
    this.loader.addPublisher(this.controller);
    this.quorum.register(this.loader);
  }

  /** With this node leading, and `brokers` registered and unfenced. */
  static async started(
    brokers: readonly number[] = [1],
    options: ConstructorParameters<typeof ControllerHarness>[0] = {},
  ): Promise<ControllerHarness> {
    const harness = new ControllerHarness(options);
    harness.quorum.elect(1);
    for (const id of brokers) await harness.join(id);
    return harness;
  }

  /** Registers a broker and lets it in. Gives its epoch. */
  async join(brokerId: number, changes: Partial<BrokerRegistrationRequest> = {}): Promise<number> {
    const epoch = Number(await this.controller.registerBroker(this.registration(brokerId, changes)));
    await this.controller.processBrokerHeartbeat(
      heartbeat(brokerId, epoch, { currentMetadataOffset: epoch }),
    );
    return epoch;
  }

  /** The one log directory of a broker, the same in each of its lives. */
  directoryOf(brokerId: number): Uuid {
    let directory = this.directories.get(brokerId);
    if (directory === undefined) {
      directory = randomUuid(size => this.clock.random.bytes(size));
      this.directories.set(brokerId, directory);
    }
    return directory;
  }

  /** The broker's next life begins with an empty directory. */
  wipe(brokerId: number): void {
    this.directories.delete(brokerId);
  }

  /** With the defaults of the cluster. */
  async createTopics(...names: string[]): Promise<void> {
    const topics = names.map(name => ({
      name,
      numPartitions: -1,
      replicationFactor: -1,
      assignments: [],
      configs: [],
    }));
    await this.controller.createTopics({ topics, timeoutMs: 1000, validateOnly: false });
  }

  /** The answer of an operation that may take several turns of the event loop. */
  async finished<T>(operation: Promise<T>): Promise<T> {
    await this.clock.settle();
    return operation;
  }

  /** As if this node's process had begun anew and led again: it has heard of nobody. */
  restartController(): void {
    this.quorum.elect(2);
    this.quorum.elect(1);
  }

  registration(
    brokerId: number,
    changes: Partial<BrokerRegistrationRequest> = {},
  ): BrokerRegistrationRequest {
    const random = (size: number): Buffer => this.clock.random.bytes(size);
    return {
      brokerId,
      clusterId: CLUSTER_ID,
      incarnationId: randomUuid(random),
      listeners: [{ name: 'PLAINTEXT', host: `host${brokerId}`, port: 9092, securityProtocol: 0 }],
      features: [...SUPPORTED_FEATURES].map(([name, { min, max }]) => ({
        name,
        minSupportedVersion: min,
        maxSupportedVersion: max,
      })),
      rack: null,
      isMigratingZkBroker: false,
      logDirs: [this.directoryOf(brokerId)],
      previousBrokerEpoch: -1,
      ...changes,
    };
  }
}

export function heartbeat(
  brokerId: number,
  brokerEpoch: number,
  changes: Partial<BrokerHeartbeatRequest> = {},
): BrokerHeartbeatRequest {
  return {
    brokerId,
    brokerEpoch,
    currentMetadataOffset: 1_000_000,
    wantFence: false,
    wantShutDown: false,
    offlineLogDirs: [],
    cordonedLogDirs: null,
    ...changes,
  };
}
