import { ProduceRequest, ProduceResponse } from '../../src/protocol/messages/00-produce.ts';
import { WireClient } from '../oracle/wire-client.ts';
import { askMetadata, type ClusterProcess } from '../support/cluster-process.ts';
import { plainBatch } from './load-generator.ts';

const PRODUCE_VERSION = 7;
const ACKS_ALL = -1;
/** A lost leader is noticed by this or by its closed connection, whichever comes first. */
const PATIENCE_MS = 200;
const RETRY_MS = 5;

/**
 * Writes one record after the other to one partition with acks=all and notes when each is acknowledged. It asks for
 * the leader again at once when something fails, so that the brokers' time is measured and not a client's backoff.
 */
export class FailoverProbe {
  private readonly cluster: ClusterProcess;
  private readonly topic: string;
  private readonly partition: number;
  private readonly records = plainBatch(100, 1);
  private client: WireClient | undefined;
  private stopped = false;
  private lastAckedAt = 0;
  private longestMs = 0;
  private readonly running: Promise<void>;

  constructor(cluster: ClusterProcess, topic: string, partition: number) {
    this.cluster = cluster;
    this.topic = topic;
    this.partition = partition;
    this.running = this.run();
  }

  /** Waits for an acknowledgement from now on. */
  async acknowledged(timeoutMs: number): Promise<void> {
    const since = performance.now();
    while (this.lastAckedAt <= since) {
      if (performance.now() - since > timeoutMs) {
        throw new Error(`no acknowledged write within ${timeoutMs} ms\n${this.cluster.logTails()}`);
      }
      await new Promise(resolve => setTimeout(resolve, 1));
    }
  }

  /** The longest time between two acknowledgements since the last call, in ms. */
  takeLongest(): number {
    const longest = this.longestMs;
    this.longestMs = 0;
    return longest;
  }

  async stop(): Promise<void> {
    this.stopped = true;
    await this.running;
    this.client?.close();
  }

  private async run(): Promise<void> {
    while (!this.stopped) {
      try {
        this.client ??= await this.connect();
        await this.write(this.client);
        const now = performance.now();
        if (this.lastAckedAt > 0) this.longestMs = Math.max(this.longestMs, now - this.lastAckedAt);
        this.lastAckedAt = now;
      } catch {
        this.client?.close();
        this.client = undefined;
        await new Promise(resolve => setTimeout(resolve, RETRY_MS));
      }
    }
  }

  private async write(client: WireClient): Promise<void> {
    const answer = await client.send(ProduceRequest, ProduceResponse, PRODUCE_VERSION, {
      acks: ACKS_ALL,
      timeoutMs: PATIENCE_MS,
      topicData: [{ name: this.topic, partitionData: [{ index: this.partition, records: this.records }] }],
    });
    const code = answer.responses[0]?.partitionResponses[0]?.errorCode;
    if (code !== 0) throw new Error(`Produce was answered with error ${code}`);
  }

  /** A connection to the leader in the eyes of the first broker that knows a living one. */
  private async connect(): Promise<WireClient> {
    for (const { process } of this.cluster.brokers) {
      if (!process.responsive) continue;
      const leader = await this.leaderSeenAt(process.port).catch(() => undefined);
      if (leader === undefined || !this.cluster.node(leader).process.responsive) continue;
      return WireClient.open(this.cluster.node(leader).process.port, PATIENCE_MS);
    }
    throw new Error('nobody knows a living leader');
  }

  private async leaderSeenAt(port: number): Promise<number | undefined> {
    const client = await WireClient.open(port, PATIENCE_MS);
    try {
      const { topics } = await askMetadata(client, [this.topic]);
      const found = topics[0]?.partitions.find(({ partitionIndex }) => partitionIndex === this.partition);
      return found === undefined || found.leaderId < 0 ? undefined : found.leaderId;
    } finally {
      client.close();
    }
  }
}
