import type { Uuid } from '../../../src/base/uuid.ts';
import { Errors, errorName } from '../../../src/protocol/errors.ts';
import { MetadataRequest, MetadataResponse } from '../../../src/protocol/messages/03-metadata.ts';
import {
  CreateTopicsRequest,
  CreateTopicsResponse,
} from '../../../src/protocol/messages/19-create-topics.ts';
import {
  DeleteTopicsRequest,
  DeleteTopicsResponse,
} from '../../../src/protocol/messages/20-delete-topics.ts';
import {
  DescribeConfigsRequest,
  DescribeConfigsResponse,
} from '../../../src/protocol/messages/32-describe-configs.ts';
import {
  CreatePartitionsRequest,
  CreatePartitionsResponse,
} from '../../../src/protocol/messages/37-create-partitions.ts';
import {
  ElectLeadersRequest,
  ElectLeadersResponse,
} from '../../../src/protocol/messages/43-elect-leaders.ts';
import {
  IncrementalAlterConfigsRequest,
  IncrementalAlterConfigsResponse,
} from '../../../src/protocol/messages/44-incremental-alter-configs.ts';
import {
  AlterPartitionReassignmentsRequest,
  AlterPartitionReassignmentsResponse,
} from '../../../src/protocol/messages/45-alter-partition-reassignments.ts';
import type { AdminCall, History } from '../checkers/history.ts';
import { type ClusterClient, type KnownPartition, NO_BROKER } from './cluster-client.ts';
import { Unanswered } from './protocol-connection.ts';
import { SimWorker, type WorkerSettings } from './sim-worker.ts';

export interface TopicPlan {
  readonly topic: string;
  readonly partitions: number;
  readonly configs: readonly { readonly name: string; readonly value: string }[];
}

export interface AdminSettings extends WorkerSettings {
  /** Topics that clients read and write: made at the start, never deleted. */
  readonly dataTopics: readonly TopicPlan[];
  /** Made at the start too. */
  readonly otherTopics: readonly TopicPlan[];
  /** Names that are created and deleted over and over. */
  readonly shortLived: readonly string[];
  readonly replicationFactor: number;
  /** Moves replicas of data topics between brokers. */
  readonly reassigns: boolean;
  readonly elects: boolean;
  readonly altersConfigs: boolean;
}

interface Outcome {
  readonly error: number;
  readonly topicId?: Uuid | undefined;
  readonly value?: string | undefined;
}

const METADATA = { request: MetadataRequest, response: MetadataResponse };
const CREATE_TOPICS = { request: CreateTopicsRequest, response: CreateTopicsResponse };
const DELETE_TOPICS = { request: DeleteTopicsRequest, response: DeleteTopicsResponse };
const DESCRIBE_CONFIGS = { request: DescribeConfigsRequest, response: DescribeConfigsResponse };
const CREATE_PARTITIONS = { request: CreatePartitionsRequest, response: CreatePartitionsResponse };
const ELECT_LEADERS = { request: ElectLeadersRequest, response: ElectLeadersResponse };
const ALTER_CONFIGS = {
  request: IncrementalAlterConfigsRequest,
  response: IncrementalAlterConfigsResponse,
};
const REASSIGN = {
  request: AlterPartitionReassignmentsRequest,
  response: AlterPartitionReassignmentsResponse,
};
const TOPIC_RESOURCE = 2;
const BROKER_RESOURCE = 4;
const SET = 0;
const DELETE = 1;
/** Keys of running brokers that may have any of these values at any time, and lose nothing by it. */
const TUNED: readonly (readonly [name: string, values: readonly string[]])[] = [
  ['num.replica.fetchers', ['1', '2', '3', '4']],
  ['log.cleaner.threads', ['1', '2']],
  ['log.cleaner.backoff.ms', ['50', '500', '5000']],
  ['log.cleaner.io.max.bytes.per.second', ['20000', '1000000']],
  ['log.flush.interval.messages', ['1', '10', '1000']],
  ['log.index.interval.bytes', ['1', '300', '4096']],
  ['log.dirs.min.free.bytes', ['0', '1000000', '104857600']],
  ['max.connections', ['500', '2147483647']],
];
const PREFERRED_ELECTION = 0;
const CALL_TIMEOUT_MS = 3_000;
/** The configuration that serves as a register: any number of ms, far from the length of a run. */
export const REGISTER_KEY = 'retention.ms';
const REGISTER_BASE_MS = 1_000_000_000;
const MAX_PARTITIONS = 6;

/** Errors after which the change has not been made and will not be. */
const NOT_DONE: ReadonlySet<number> = new Set([
  Errors.TOPIC_ALREADY_EXISTS,
  Errors.UNKNOWN_TOPIC_OR_PARTITION,
  Errors.UNKNOWN_TOPIC_ID,
  Errors.INVALID_REPLICATION_FACTOR,
  Errors.INVALID_PARTITIONS,
  Errors.INVALID_CONFIG,
  Errors.INVALID_TOPIC_EXCEPTION,
  Errors.INVALID_REPLICA_ASSIGNMENT,
  Errors.THROTTLING_QUOTA_EXCEEDED,
]);

/** An operator in a hurry: one call after another, each through whichever broker answers. */
export class SimAdmin extends SimWorker<AdminSettings> {
  private readonly maker: boolean;
  private nextValue = 1;

  /** `maker`: makes the data topics before anything else. */
  constructor(cluster: ClusterClient, settings: AdminSettings, history: History, maker: boolean) {
    super(cluster, settings, history);
    this.maker = maker;
  }

  protected override async prepare(): Promise<void> {
    if (this.maker) await this.makeDataTopics();
  }

  private async makeDataTopics(): Promise<void> {
    const waiting = new Set([...this.settings.dataTopics, ...this.settings.otherTopics]);
    while (waiting.size > 0) {
      for (const plan of [...waiting]) {
        const error = await this.createTopic(plan);
        if (error === Errors.NONE || error === Errors.TOPIC_ALREADY_EXISTS) waiting.delete(plan);
        else await this.cluster.sleep(100);
      }
    }
  }

  protected override async work(): Promise<void> {
    const { settings } = this;
    const { random } = this.cluster;
    const topic = random.pick(settings.shortLived);
    const dice = random.below(settings.reassigns ? 13 : 10);
    if (dice < 3) await this.createTopic({ topic, partitions: 1 + random.below(3), configs: [] });
    else if (dice < 5) await this.deleteTopic(topic);
    else if (dice < 6) await this.describeTopic(topic);
    else if (dice < 7) await (settings.altersConfigs ? this.alterConfig() : this.describeTopic(topic));
    else if (dice < 8) await this.getConfig();
    else if (dice < 9) await (settings.elects ? this.electLeader() : this.getConfig());
    else if (dice < 10) await this.createPartitions(topic);
    else await this.reassign();
  }

  /** Makes a call and records its beginning and its end. */
  private async call(call: AdminCall, run: () => Promise<Outcome>): Promise<number> {
    const op = this.history.newOp();
    this.history.record(this.name, { kind: 'admin', op, call });
    let outcome: Outcome;
    let wasSent = true;
    try {
      outcome = await run();
    } catch (error) {
      if (!(error instanceof Unanswered)) throw error;
      wasSent = error.wasSent;
      outcome = { error: Errors.NETWORK_EXCEPTION };
      this.cluster.forgetMetadata();
    }
    const { error, topicId, value } = outcome;
    const definite = error === Errors.NONE || !wasSent || NOT_DONE.has(error);
    this.history.record(this.name, {
      kind: 'adminDone',
      op,
      error: errorName(error),
      definite,
      topicId,
      value,
    });
    return error;
  }

  private createTopic({ topic, partitions, configs }: TopicPlan): Promise<number> {
    const { replicationFactor } = this.settings;
    return this.call({ name: 'createTopic', topic }, async () => {
      const answer = await this.cluster.ask(
        NO_BROKER,
        CREATE_TOPICS,
        () => ({
          topics: [{ name: topic, numPartitions: partitions, replicationFactor, assignments: [], configs }],
          timeoutMs: CALL_TIMEOUT_MS,
        }),
        { timeoutMs: 2 * CALL_TIMEOUT_MS },
      );
      const result = answer.topics[0];
      return { error: result?.errorCode ?? Errors.UNKNOWN_SERVER_ERROR, topicId: result?.topicId };
    });
  }

  private deleteTopic(topic: string): Promise<number> {
    return this.call({ name: 'deleteTopic', topic }, async () => {
      const answer = await this.cluster.ask(
        NO_BROKER,
        DELETE_TOPICS,
        () => ({ topics: [{ name: topic }], topicNames: [topic], timeoutMs: CALL_TIMEOUT_MS }),
        { timeoutMs: 2 * CALL_TIMEOUT_MS },
      );
      return { error: answer.responses[0]?.errorCode ?? Errors.UNKNOWN_SERVER_ERROR };
    });
  }

  private describeTopic(topic: string): Promise<number> {
    const { cluster } = this;
    const brokers = cluster.knownBrokers();
    if (brokers.length === 0) return Promise.resolve(Errors.BROKER_NOT_AVAILABLE);
    const broker = cluster.random.pick(brokers);
    return this.call({ name: 'describeTopic', topic, broker }, async () => {
      const answer = await cluster.ask(broker, METADATA, () => ({
        topics: [{ name: topic }],
        allowAutoTopicCreation: false,
      }));
      const found = answer.topics[0];
      return { error: found?.errorCode ?? Errors.UNKNOWN_SERVER_ERROR, topicId: found?.topicId };
    });
  }

  private alterConfig(): Promise<number> {
    return this.cluster.random.chance(0.5) ? this.setConfig() : this.tuneBrokers();
  }

  /** Another value for a key of one broker or of all, or none any more. */
  private tuneBrokers(): Promise<number> {
    const { cluster } = this;
    const { random } = cluster;
    const broker = random.chance(0.5) ? '' : String(random.pick([...cluster.knownBrokers(), 1]));
    const [name, values] = random.pick(TUNED);
    const value = random.chance(0.3) ? null : random.pick(values);
    return this.call({ name: 'other', what: `${name}=${value} for broker '${broker}'` }, async () => {
      const configs = [{ name, configOperation: value === null ? DELETE : SET, value }];
      const answer = await cluster.ask(
        NO_BROKER,
        ALTER_CONFIGS,
        () => ({ resources: [{ resourceType: BROKER_RESOURCE, resourceName: broker, configs }] }),
        { timeoutMs: 2 * CALL_TIMEOUT_MS },
      );
      return { error: answer.responses[0]?.errorCode ?? Errors.UNKNOWN_SERVER_ERROR };
    });
  }

  private setConfig(): Promise<number> {
    const { cluster, settings } = this;
    const { topic } = cluster.random.pick(settings.dataTopics);
    const value = String(
      REGISTER_BASE_MS + Number(this.name.replace(/\D/g, '')) * 100_000 + this.nextValue++,
    );
    return this.call({ name: 'setConfig', topic, key: REGISTER_KEY, value }, async () => {
      const answer = await cluster.ask(
        NO_BROKER,
        ALTER_CONFIGS,
        () => ({
          resources: [
            {
              resourceType: TOPIC_RESOURCE,
              resourceName: topic,
              configs: [{ name: REGISTER_KEY, configOperation: SET, value }],
            },
          ],
        }),
        { timeoutMs: 2 * CALL_TIMEOUT_MS },
      );
      return { error: answer.responses[0]?.errorCode ?? Errors.UNKNOWN_SERVER_ERROR };
    });
  }

  private getConfig(): Promise<number> {
    const { cluster, settings } = this;
    const { topic } = cluster.random.pick(settings.dataTopics);
    const brokers = cluster.knownBrokers();
    if (brokers.length === 0) return Promise.resolve(Errors.BROKER_NOT_AVAILABLE);
    const broker = cluster.random.pick(brokers);
    return this.call({ name: 'getConfig', topic, key: REGISTER_KEY, broker }, async () => {
      const answer = await cluster.ask(broker, DESCRIBE_CONFIGS, () => ({
        resources: [{ resourceType: TOPIC_RESOURCE, resourceName: topic, configurationKeys: [REGISTER_KEY] }],
      }));
      const result = answer.results[0];
      const value = result?.configs.find(({ name }) => name === REGISTER_KEY)?.value ?? undefined;
      return { error: result?.errorCode ?? Errors.UNKNOWN_SERVER_ERROR, value };
    });
  }

  private pickDataPartition(): KnownPartition | undefined {
    const { cluster, settings } = this;
    const partitions = cluster.partitionsOf(cluster.random.pick(settings.dataTopics).topic);
    return partitions.length === 0 ? undefined : cluster.random.pick(partitions);
  }

  private async electLeader(): Promise<void> {
    const partition = this.pickDataPartition();
    if (partition === undefined) return;
    const { topic, index } = partition;
    await this.call({ name: 'other', what: `elect the preferred leader of ${topic}-${index}` }, async () => {
      const answer = await this.cluster.ask(
        NO_BROKER,
        ELECT_LEADERS,
        () => ({
          electionType: PREFERRED_ELECTION,
          topicPartitions: [{ topic, partitions: [index] }],
          timeoutMs: CALL_TIMEOUT_MS,
        }),
        { timeoutMs: 2 * CALL_TIMEOUT_MS },
      );
      return { error: answer.errorCode };
    });
  }

  private async reassign(): Promise<void> {
    const { cluster } = this;
    const { random } = cluster;
    const partition = this.pickDataPartition();
    if (partition === undefined) return;
    const { topic, index } = partition;
    const brokers = [...cluster.knownBrokers()];
    if (brokers.length < partition.replicas.length) return;
    const replicas: number[] = [];
    while (replicas.length < partition.replicas.length) {
      replicas.push(...brokers.splice(random.below(brokers.length), 1));
    }
    const target = random.chance(0.15) ? null : replicas;
    const what = `move ${topic}-${index} to ${target === null ? 'where it was' : target.join()}`;
    await this.call({ name: 'other', what }, async () => {
      const answer = await cluster.ask(
        NO_BROKER,
        REASSIGN,
        () => ({
          timeoutMs: CALL_TIMEOUT_MS,
          topics: [{ name: topic, partitions: [{ partitionIndex: index, replicas: target }] }],
        }),
        { timeoutMs: 2 * CALL_TIMEOUT_MS },
      );
      return { error: answer.errorCode };
    });
  }

  private async createPartitions(topic: string): Promise<void> {
    const count = 2 + this.cluster.random.below(MAX_PARTITIONS - 2);
    await this.call({ name: 'other', what: `${topic} shall have ${count} partitions` }, async () => {
      const answer = await this.cluster.ask(
        NO_BROKER,
        CREATE_PARTITIONS,
        () => ({ topics: [{ name: topic, count, assignments: null }], timeoutMs: CALL_TIMEOUT_MS }),
        { timeoutMs: 2 * CALL_TIMEOUT_MS },
      );
      return { error: answer.results[0]?.errorCode ?? Errors.UNKNOWN_SERVER_ERROR };
    });
  }
}
