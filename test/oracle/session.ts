import { ApiVersionsRequest, ApiVersionsResponse } from '../../src/protocol/messages/18-api-versions.ts';
import { CreateTopicsRequest, CreateTopicsResponse } from '../../src/protocol/messages/19-create-topics.ts';
import { ListOffsetsRequest, ListOffsetsResponse } from '../../src/protocol/messages/02-list-offsets.ts';
import { MetadataRequest, MetadataResponse } from '../../src/protocol/messages/03-metadata.ts';
import type { Infer, Input, Message } from '../../src/protocol/schema.ts';
import { BATCH_TIME } from './raw-batch.ts';
import { NoAnswer, WireClient } from './wire-client.ts';

/** A request of the table: what is sent to both brokers, at each version that both know. */
export interface DifferentialCase {
  /** The API whose versions are gone through. */
  readonly api: Message;
  readonly name: string;
  /** Inclusive; default all. */
  readonly minVersion?: number;
  readonly maxVersion?: number;
  run(session: Session): Promise<void>;
}

/** The version of CreateTopics and Metadata by which a case prepares what it needs. */
const CREATE_TOPICS_VERSION = 5;
const METADATA_VERSION = 12;
const LIST_OFFSETS_VERSION = 5;
const ZERO_UUID = 'AAAAAAAAAAAAAAAAAAAAAA';

/** One run of one case against one broker. Every answer is kept with what differs by nature replaced. */
export class Session {
  readonly version: number;
  /** The answers so far, in the order of the requests. */
  readonly transcript: { step: string; answer: unknown }[] = [];
  private readonly port: number;
  private readonly label: string;
  private readonly clients: WireClient[] = [];
  private readonly names = new Map<string, string>();

  constructor(port: number, label: string, version: number) {
    this.port = port;
    this.label = label;
    this.version = version;
  }

  /** A topic name of this case alone; legal unless the suffix is not. */
  name(suffix: string): string {
    return `${this.label}-${suffix}`;
  }

  /** The first connection, if there is one. */
  get first(): WireClient | undefined {
    return this.clients[0];
  }

  /** A connection of its own; closed with the session. */
  async connect(): Promise<WireClient> {
    const client = await WireClient.open(this.port);
    this.clients.push(client);
    return client;
  }

  /** Sends a request at the case's version on the session's first connection and keeps its answer. */
  async send<Q extends Message, R extends Message>(
    step: string,
    request: Q,
    response: R,
    body: Input<Q>,
    options: { version?: number; keep?: (answer: Infer<R>) => unknown } = {},
  ): Promise<Infer<R>> {
    const version = options.version ?? this.version;
    const client = this.clients[0] ?? (await this.connect());
    let answer: Infer<R>;
    try {
      answer = await client.send(request, response, version, body);
    } catch (error) {
      if (error instanceof NoAnswer) this.transcript.push({ step, answer: `<${error.kind}>` });
      throw error;
    }
    this.keep(step, options.keep === undefined ? answer : options.keep(answer));
    return answer;
  }

  keep(step: string, answer: unknown): void {
    this.transcript.push({ step, answer: this.normalise(answer, '') });
  }

  /** Creates a topic and waits until it has its leaders. Returns its id. */
  async createTopic(suffix: string, partitions = 1, configs: Record<string, string> = {}): Promise<string> {
    const name = this.name(suffix);
    const client = this.clients[0] ?? (await this.connect());
    const created = await client.send(CreateTopicsRequest, CreateTopicsResponse, CREATE_TOPICS_VERSION, {
      topics: [
        {
          name,
          numPartitions: partitions,
          replicationFactor: 1,
          assignments: [],
          configs: Object.entries(configs).map(([key, value]) => ({ name: key, value })),
        },
      ],
      timeoutMs: 10_000,
    });
    const code = created.topics[0]?.errorCode;
    if (code !== 0) throw new Error(`creating ${name}: error ${code}`);
    for (let attempt = 0; attempt < 200; attempt++) {
      const id = await this.topicId(name, partitions);
      if (id !== undefined) return id;
      await new Promise(resolve => setTimeout(resolve, 20));
    }
    throw new Error(`${name} has no leaders`);
  }

  private async topicId(name: string, partitions: number): Promise<string | undefined> {
    const client = this.clients[0] ?? (await this.connect());
    const metadata = await client.send(MetadataRequest, MetadataResponse, METADATA_VERSION, {
      topics: [{ name }],
      allowAutoTopicCreation: false,
    });
    const topic = metadata.topics[0];
    const ready =
      topic?.partitions.length === partitions &&
      topic.partitions.every(partition => partition.errorCode === 0);
    if (topic === undefined || !ready) return undefined;
    // Apache Kafka shows a leader before it is ready to serve as one, and then answers NOT_LEADER_OR_FOLLOWER.
    const indexes = topic.partitions.map(({ partitionIndex }) => ({ partitionIndex, timestamp: -1 }));
    const body = { replicaId: -1, topics: [{ name, partitions: indexes }] };
    const offsets = await client.send(ListOffsetsRequest, ListOffsetsResponse, LIST_OFFSETS_VERSION, body);
    if (offsets.topics[0]?.partitions.some(({ errorCode }) => errorCode !== 0)) return undefined;
    this.names.set(topic.topicId, name);
    return topic.topicId;
  }

  close(): void {
    for (const client of this.clients) client.close();
  }

  private normalise(value: unknown, key: string): unknown {
    if (Buffer.isBuffer(value)) return value.toString('hex');
    if (Array.isArray(value)) {
      const items = value.map(item => this.normalise(item, key));
      // The order of topics, partitions and configurations means nothing; numbers (replicas) keep theirs.
      if (items.some(item => typeof item === 'object')) {
        return items.sort((a, b) => compareText(JSON.stringify(a), JSON.stringify(b)));
      }
      return items;
    }
    if (typeof value === 'object' && value !== null) {
      return Object.fromEntries(
        Object.entries(value).map(([name, item]) => [name, this.normaliseField(name, item)]),
      );
    }
    if (typeof value === 'bigint') return `${value}n`;
    return value;
  }

  private normaliseField(name: string, value: unknown): unknown {
    const marker = FIELD_MARKERS.get(name);
    if (marker !== undefined) return marker(value);
    if (name === 'topicId' && typeof value === 'string' && value !== ZERO_UUID) {
      return this.names.has(value) ? `<id of ${this.names.get(value)}>` : `<unknown id>`;
    }
    if (name === 'port' && value === this.port) return '<port>';
    if (typeof value === 'number' && Math.abs(value - BATCH_TIME) < 3_600_000) {
      return value === BATCH_TIME ? '<batch time>' : '<now>';
    }
    return this.normalise(value, name);
  }
}

function text(value: unknown): unknown {
  return typeof value === 'string' && value !== '' ? '<text>' : value;
}

function positive(value: unknown): unknown {
  return typeof value === 'number' && value > 0 ? '<positive>' : value;
}

/** Fields whose value each broker chooses: only whether there is one is compared. */
const FIELD_MARKERS = new Map<string, (value: unknown) => unknown>([
  ['errorMessage', text],
  ['documentation', text],
  ['batchIndexErrorMessage', text],
  ['memberId', text],
  ['leader', value => (typeof value === 'string' ? text(value) : value)],
  ['logDir', text],
  ['producerId', value => (typeof value === 'number' && value >= 0 ? '<id>' : value)],
  ['sessionId', positive],
  ['size', positive],
  ['totalBytes', positive],
  ['usableBytes', positive],
]);

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** What a broker advertises: the range of versions of each API. */
export async function advertisedVersions(port: number): Promise<Map<number, { min: number; max: number }>> {
  const client = await WireClient.open(port);
  const answer = await client.send(ApiVersionsRequest, ApiVersionsResponse, 3, {
    clientSoftwareName: 'wire',
    clientSoftwareVersion: '1',
  });
  client.close();
  return new Map(
    answer.apiKeys.map(({ apiKey, minVersion, maxVersion }) => [
      apiKey,
      { min: minVersion, max: maxVersion },
    ]),
  );
}
