import { expect } from 'vitest';
import { ByteReader } from '../../src/base/byte-reader.ts';
import { ByteWriter } from '../../src/base/byte-writer.ts';
import type { Offset } from '../../src/base/int64.ts';
import { type Logger, silentLogger } from '../../src/base/logger.ts';
import { type Uuid, ZERO_UUID } from '../../src/base/uuid.ts';
import type { KafkaConfig } from '../../src/config/kafka-config.ts';
import type { LogConfig } from '../../src/config/log-config.ts';
import { LogManager } from '../../src/log/log-manager.ts';
import type { BrokerRegistration } from '../../src/metadata/broker-registration.ts';
import { ClusterImage } from '../../src/metadata/cluster-image.ts';
import { MetadataImage } from '../../src/metadata/metadata-image.ts';
import type { PartitionRegistration } from '../../src/metadata/partition-registration.ts';
import { type TopicImage, TopicsImage } from '../../src/metadata/topics-image.ts';
import { PersistentMap } from '../../src/base/persistent-map.ts';
import { codecOf } from '../../src/protocol/codec.ts';
import { Errors, KafkaError } from '../../src/protocol/errors.ts';
import { FetchRequest, FetchResponse } from '../../src/protocol/messages/01-fetch.ts';
import { ListOffsetsRequest, ListOffsetsResponse } from '../../src/protocol/messages/02-list-offsets.ts';
import {
  AlterPartitionRequest,
  AlterPartitionResponse,
} from '../../src/protocol/messages/56-alter-partition.ts';
import type { Infer, Input, Message } from '../../src/protocol/schema.ts';
import { RecordBatchBuilder, type RecordBatchOptions } from '../../src/record/record-batch-builder.ts';
import type { PartitionAppendResult } from '../../src/replication/delayed-produce.ts';
import type { LeaderEndPoint } from '../../src/replication/leader-end-point.ts';
import type { Partition } from '../../src/replication/partition.ts';
import { ReplicaManager } from '../../src/replication/replica-manager.ts';
import type { TransactionVerifier } from '../../src/replication/transaction-verifier.ts';
import type { Runtime } from '../../src/runtime/runtime.ts';
import type { BrokerServices } from '../../src/server/broker-services.ts';
import type { RequestContext } from '../../src/server/handler.ts';
import { fetchHandler } from '../../src/server/handlers/01-fetch.ts';
import { NO_RATE_LIMITS } from '../../src/server/quotas/connection-rates.ts';
import { QuotaManagers } from '../../src/server/quotas/quota-managers.ts';
import { listOffsetsHandler } from '../../src/server/handlers/02-list-offsets.ts';
import { LOG_CONFIG } from '../log/log-fixture.ts';
import { brokerConfig } from '../support/broker-config.ts';
import { ManualRuntime } from '../support/manual-runtime.ts';
import { MemoryDisk } from '../support/memory-disk.ts';

export const TOPIC = 't';
export const TOPIC_ID = 'AAAAAAAAAAAAAAAAAAAAEA';
const FETCH_VERSION = 17;
const LIST_OFFSETS_VERSION = 10;
const ALTER_PARTITION_VERSION = 3;

export function registration(fields: Partial<PartitionRegistration> = {}): PartitionRegistration {
  const replicas = fields.replicas ?? [1];
  return {
    replicas,
    directories: replicas.map(() => ZERO_UUID),
    isr: replicas,
    removingReplicas: [],
    addingReplicas: [],
    elr: [],
    lastKnownElr: [],
    leader: replicas[0]!,
    leaderRecoveryState: 0,
    leaderEpoch: 0,
    partitionEpoch: 0,
    ...fields,
  };
}

/** `directory.id` of the log directory at `index`. */
export function directoryIdOf(index: number): Uuid {
  return `${String.fromCharCode(98 + index)}${'A'.repeat(21)}`;
}

export function batch(count = 1, valueBytes = 10, options: RecordBatchOptions = {}): Buffer {
  const builder = new RecordBatchBuilder(options);
  for (let i = 0; i < count; i++) {
    const value = Buffer.alloc(valueBytes, i);
    builder.append({ timestamp: 1_700_000_000_000, key: null, value, headers: [] });
  }
  return builder.build();
}

/** As it is after it went over the wire, with every default in its place. */
function overTheWire<M extends Message>(message: M, version: number, body: Input<M>): Infer<M> {
  const codec = codecOf(message, version);
  const writer = new ByteWriter();
  codec.encode(writer, body);
  return codec.decode(new ByteReader(Buffer.concat(writer.chunks())));
}

export interface BrokerFields {
  readonly rack?: string;
  readonly fenced?: boolean;
  readonly inControlledShutdown?: boolean;
}

/** One broker of the cluster: what it has on its disk outlives its process. */
export class TestBroker {
  readonly id: number;
  readonly disk = new MemoryDisk();
  epoch: number;
  fields: BrokerFields = {};
  /** The metadata that has reached it. */
  image: MetadataImage = MetadataImage.EMPTY;
  isUp = false;
  /** Of its clients; empty until a test sets some. */
  quotas!: QuotaManagers;
  /** What the controller was told of where its replicas are. */
  readonly assigned: Uuid[] = [];
  logManager!: LogManager;
  replicaManager!: ReplicaManager;
  private readonly cluster: TestCluster;
  /** Ends what an earlier life of the broker has under way. */
  life = 0;

  constructor(cluster: TestCluster, id: number) {
    this.cluster = cluster;
    this.id = id;
    this.epoch = 100 + id;
    for (const dir of cluster.logDirs) this.disk.makeDirectorySync(dir);
  }

  async start(): Promise<void> {
    const { cluster, id } = this;
    this.life++;
    const life = this.life;
    const runtime: Runtime = { ...cluster.clock, disk: this.disk };
    this.quotas = new QuotaManagers(cluster.clock.clock, silentLogger, cluster.config, NO_RATE_LIMITS);
    this.logManager = new LogManager(runtime, silentLogger, {
      logDirs: cluster.logDirs,
      directoryIds: new Map(cluster.logDirs.map((dir, index) => [dir, directoryIdOf(index)])),
      defaultConfig: cluster.logConfig,
      minFreeBytes: () => cluster.minFreeBytes,
      verifiesTransactions: () => cluster.transactionVerifier !== undefined,
      onLogDirFailure: dir => this.replicaManager.onLogDirFailure(dir),
    });
    await this.logManager.startup();
    this.replicaManager = new ReplicaManager(runtime, cluster.logger, this.logManager, {
      brokerId: id,
      topicConfig: () => cluster.logConfig,
      metadata: () => this.image,
      config: () => cluster.config,
      brokerEpoch: () => this.epoch,
      onDirectoryAssigned: (_topicId, _partition, directoryId) => this.assigned.push(directoryId),
      transactionVerifier: { verify: asked => cluster.transactionVerifier!.verify(asked) },
      leaderEndPoint: leaderId => cluster.endPoint(this, leaderId, life),
      alterPartition: body =>
        cluster.alterPartition(this, life, overTheWire(AlterPartitionRequest, 3, body(3))),
    });
    this.replicaManager.startup();
    this.isUp = true;
  }

  /** The process is gone; `mode` says what its disk keeps. */
  async crash(mode: 'keep' | 'lose' | (() => number) = 'keep'): Promise<void> {
    this.isUp = false;
    this.life++;
    await this.replicaManager.shutdown();
    this.disk.crash(mode === 'keep' ? 'keep' : mode);
  }

  partition(index = 0): Partition {
    return this.replicaManager.partition(TOPIC, index)!;
  }

  get log() {
    return this.partition().log!;
  }

  /** Where the partition's log is: [log end offset, high watermark]. */
  get ends(): [Offset, Offset] {
    return [this.log.logEndOffset, this.log.highWatermark];
  }

  append(records: Buffer, acks = -1, partition = 0): { result?: PartitionAppendResult } {
    const outcome: { result?: PartitionAppendResult } = {};
    const entry = { topicPartition: { topic: TOPIC, partition }, records };
    this.replicaManager.appendRecords([entry], acks, 30_000, { origin: 'client' }, ([result]) => {
      outcome.result = result!;
    });
    return outcome;
  }

  /** A request as its handler serves it, from whoever sends it. */
  async fetch(
    body: Input<typeof FetchRequest>,
    version = FETCH_VERSION,
    onClose?: (close: () => void) => void,
  ) {
    const context = {
      apiVersion: version,
      principal: 'User:ANONYMOUS',
      clientId: 'consumer',
      onClose: onClose ?? (() => {}),
    } as unknown as RequestContext;
    const request = overTheWire(FetchRequest, version, body);
    const answer = await fetchHandler.handle(context, request, this.services);
    return answer === undefined
      ? undefined
      : overTheWire(FetchResponse, version, answer as Input<typeof FetchResponse>);
  }

  async listOffsets(body: Input<typeof ListOffsetsRequest>, version = LIST_OFFSETS_VERSION) {
    const context = { apiVersion: version } as unknown as RequestContext;
    const request = overTheWire(ListOffsetsRequest, version, body);
    const answer = await listOffsetsHandler.handle(context, request, this.services);
    return overTheWire(ListOffsetsResponse, version, answer as Input<typeof ListOffsetsResponse>);
  }

  private get services(): BrokerServices {
    const { cluster, replicaManager } = this;
    return {
      config: cluster.config,
      metadata: () => this.image,
      quotas: this.quotas,
      replicaManager,
    } as unknown as BrokerServices;
  }
}

/** Brokers that replicate one topic in one process, with the controller played by the test. */
export class TestCluster {
  readonly clock: ManualRuntime;
  readonly brokers = new Map<number, TestBroker>();
  readonly logger: Logger;
  config: KafkaConfig;
  logConfig: LogConfig;
  /** Partitions of the topic, as the controller has them. */
  partitions: PartitionRegistration[] = [];
  image: MetadataImage = MetadataImage.EMPTY;
  /** AlterPartition requests are answered with it, and nothing changes. */
  alterPartitionError: number = Errors.NONE;
  /** New metadata reaches these brokers only. */
  reachable: (brokerId: number) => boolean = () => true;
  /** Whether a request of `from` gets to `to`. */
  isLinked: (from: number, to: number) => boolean = () => true;
  readonly alterPartitionRequests: Infer<typeof AlterPartitionRequest>[] = [];
  fetches = 0;
  /** Of each broker. */
  readonly logDirs: readonly string[];
  /** Transactions are verified where there is one. */
  transactionVerifier: TransactionVerifier | undefined;
  /** `log.dirs.min.free.bytes` */
  minFreeBytes = 0;
  /** Dynamic configuration of all brokers. */
  readonly rates = new Map<string, string>();

  constructor(
    brokerIds: readonly number[],
    options: {
      lines?: string;
      logConfig?: Partial<LogConfig>;
      logger?: Logger;
      seed?: number;
      logDirs?: readonly string[];
    } = {},
  ) {
    this.logDirs = options.logDirs ?? ['/data'];
    this.clock = new ManualRuntime({ seed: options.seed ?? 1 });
    this.logger = options.logger ?? silentLogger;
    this.config = brokerConfig(options.lines ?? '');
    this.logConfig = { ...LOG_CONFIG, ...options.logConfig };
    for (const id of brokerIds) this.brokers.set(id, new TestBroker(this, id));
  }

  broker(id: number): TestBroker {
    return this.brokers.get(id)!;
  }

  async start(...partitions: Partial<PartitionRegistration>[]): Promise<void> {
    for (const broker of this.brokers.values()) await broker.start();
    this.partitions = partitions.map(registration);
    await this.publish();
  }

  /** Makes an image of what the controller has, and brings it to the brokers that are reachable. */
  async publish(): Promise<void> {
    const topic: TopicImage = { name: TOPIC, id: TOPIC_ID, partitions: this.partitions };
    const topics = new TopicsImage(
      PersistentMap.from([[TOPIC_ID, topic]]),
      PersistentMap.from([[TOPIC, topic]]),
      PersistentMap.empty(),
      this.partitions.length,
    );
    const brokers = Array.from(
      this.brokers.values(),
      ({ id, epoch, fields }): [number, BrokerRegistration] => [
        id,
        {
          id,
          epoch,
          incarnationId: ZERO_UUID,
          listeners: new Map(),
          supportedFeatures: new Map(),
          rack: fields.rack ?? null,
          fenced: fields.fenced ?? false,
          inControlledShutdown: fields.inControlledShutdown ?? false,
          isMigratingZkBroker: false,
          directories: [],
          cordonedDirectories: null,
        },
      ],
    );
    const cluster = new ClusterImage(PersistentMap.from(brokers), PersistentMap.empty());
    this.image = Object.assign(Object.create(MetadataImage.prototype), MetadataImage.EMPTY, {
      topics,
      cluster,
      configs: { broker: () => new Map<string, string>(), defaultBroker: () => this.rates },
    });
    for (const broker of this.brokers.values()) {
      if (!broker.isUp || !this.reachable(broker.id)) continue;
      broker.image = this.image;
      broker.replicaManager.applyTopics([topic], []);
      broker.replicaManager.onBrokersChanged();
    }
    await this.clock.settle();
  }

  /** Moves time on by `ms` in steps that let what is under way between brokers come to its end. */
  async run(ms: number): Promise<void> {
    for (let passed = 0; passed < ms; passed += 50) await this.clock.pass(50);
  }

  /** Elects `leader`, with an ISR if it is another one now. */
  async elect(leader: number, isr?: readonly number[], index = 0): Promise<void> {
    const old = this.partitions[index]!;
    this.partitions = this.partitions.slice();
    this.partitions[index] = {
      ...old,
      leader,
      isr: isr ?? old.isr,
      leaderEpoch: old.leaderEpoch + 1,
      partitionEpoch: old.partitionEpoch + 1,
    };
    await this.publish();
  }

  /** As the controller does it: compare and set on the partition epoch. */
  async alterPartition(
    from: TestBroker,
    life: number,
    request: Infer<typeof AlterPartitionRequest>,
  ): Promise<Infer<typeof AlterPartitionResponse>> {
    if (!this.reachable(from.id) || from.life !== life) {
      throw new KafkaError(Errors.REQUEST_TIMED_OUT, 'the controller cannot be reached');
    }
    this.alterPartitionRequests.push(request);
    const topics = request.topics.map(({ topicId, partitions }) => ({
      topicId,
      partitions: partitions.map(({ partitionIndex, leaderEpoch, partitionEpoch, newIsrWithEpochs }) => {
        const old = this.partitions[partitionIndex]!;
        let errorCode = this.alterPartitionError;
        if (errorCode === Errors.NONE) {
          if (leaderEpoch < old.leaderEpoch) errorCode = Errors.FENCED_LEADER_EPOCH;
          else if (partitionEpoch !== old.partitionEpoch) errorCode = Errors.INVALID_UPDATE_VERSION;
          else if (newIsrWithEpochs.some(state => !this.isEligible(state.brokerId, state.brokerEpoch)))
            errorCode = Errors.INELIGIBLE_REPLICA;
        }
        if (errorCode !== Errors.NONE) return { partitionIndex, errorCode };
        const isr = newIsrWithEpochs.map(state => state.brokerId);
        this.partitions = this.partitions.slice();
        const changed = { ...old, isr, partitionEpoch: old.partitionEpoch + 1 };
        this.partitions[partitionIndex] = changed;
        return {
          partitionIndex,
          errorCode,
          leaderId: changed.leader,
          leaderEpoch: changed.leaderEpoch,
          isr,
          partitionEpoch: changed.partitionEpoch,
        };
      }),
    }));
    return overTheWire(AlterPartitionResponse, ALTER_PARTITION_VERSION, { topics });
  }

  private isEligible(brokerId: number, brokerEpoch: number | bigint): boolean {
    const { epoch, fields } = this.broker(brokerId);
    if (fields.fenced === true || fields.inControlledShutdown === true) return false;
    return brokerEpoch === -1 || brokerEpoch === epoch;
  }

  endPoint(from: TestBroker, leaderId: number, life: number): LeaderEndPoint {
    let closed = false;
    const call = async <T>(ask: (leader: TestBroker) => Promise<T>): Promise<T> => {
      const leader = this.broker(leaderId);
      const leaderLife = leader.life;
      const check = () => {
        if (
          closed ||
          from.life !== life ||
          leader.life !== leaderLife ||
          !leader.isUp ||
          !this.isLinked(from.id, leaderId)
        ) {
          throw new KafkaError(Errors.NETWORK_EXCEPTION, 'the link is down');
        }
      };
      check();
      const answer = await ask(leader);
      check();
      return answer;
    };
    return {
      brokerId: leaderId,
      fetch: body =>
        call(async leader => {
          this.fetches++;
          return (await leader.fetch(body(FETCH_VERSION)))!;
        }),
      listOffsets: body => call(leader => leader.listOffsets(body)),
      close() {
        closed = true;
      },
    };
  }

  /** Every replica that is up has the same bytes from the highest start to the smallest end (R1). */
  expectSameLogs(...ids: number[]): void {
    const logs = ids.map(id => this.broker(id).log);
    const ends = logs.map(log => log.logEndOffset);
    expect(new Set(ends).size, `log end offsets ${ends}`).toBe(1);
    const [first, ...others] = ids.map(id => this.contentOf(id));
    for (const other of others) expect(other!.equals(first!)).toBe(true);
  }

  contentOf(id: number): Buffer {
    const { log } = this.broker(id);
    return Buffer.concat(
      log.segments.all.map(segment =>
        segment.writtenBytes === 0
          ? Buffer.alloc(0)
          : this.broker(id).disk.readFileSync(segment.log.path).subarray(0, segment.writtenBytes),
      ),
    );
  }
}
