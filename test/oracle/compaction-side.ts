import { copyFileSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ProduceRequest, ProduceResponse } from '../../src/protocol/messages/00-produce.ts';
import {
  IncrementalAlterConfigsRequest,
  IncrementalAlterConfigsResponse,
} from '../../src/protocol/messages/44-incremental-alter-configs.ts';
import {
  DescribeProducersRequest,
  DescribeProducersResponse,
} from '../../src/protocol/messages/61-describe-producers.ts';
import { createTopic } from '../clients/records.ts';
import type { BrokerProcess } from '../support/broker-process.ts';
import { type ReadRecord, readTopic } from '../support/kcat-records.ts';
import { activeSegmentStart, cleanedUpTo, segmentFiles } from '../support/log-directory-files.ts';
import { type DumpedBatch, dumpSegments, segmentBase } from './dumped-log.ts';
import { BATCH_TIME, batch, type RawRecord } from './raw-batch.ts';
import { WireClient } from './wire-client.ts';
import { WireProducer, type WireProducerOptions } from './wire-producer.ts';

/** Two topics with one history: what is to be deleted later goes with the next pass, or not for a day. */
export const COMPACTED_TOPICS = { short: '200', long: '86400000' } as const;
export type CompactedTopic = keyof typeof COMPACTED_TOPICS;
const TOPICS = Object.keys(COMPACTED_TOPICS) as CompactedTopic[];

/** Longer than the delete horizon of `short`. */
const HORIZON_MS = 500;
const PATIENCE_MS = 30_000;
/** By the records' time; the next segment's is twice as much later, so that brokers roll where the history says. */
const SEGMENT_MS = 3_600_000;
const TOPIC_RESOURCE = 2;
const BROKER_RESOURCE = 4;
const SET = 0;
/** Nothing is dirtier than this; anything is dirtier than the other. */
const NEVER = '1';
const ALWAYS = '0';

/** A batch in a form that two brokers' can be compared in. */
type ComparableBatch = Omit<DumpedBatch, 'producerId' | 'deleteHorizonMs' | 'maxTimestamp'> & {
  readonly producer: string;
  readonly hasDeleteHorizon: boolean;
  /** From the start of the history on; a marker has the time of its broker. */
  readonly maxTimestamp: number | 'now';
};

/** What is to be seen of a topic at one point of the history, on either broker. */
export interface CompactedView {
  /** `offset key=value`. */
  readonly committed: string[];
  readonly uncommitted: string[];
  /** `name epoch lastSequence coordinatorEpoch currentTxnStartOffset` of producers that the broker knows. */
  readonly producers: string[];
}

export interface CompactedFiles {
  /** The batches of each segment, by its base offset. */
  readonly batches: Record<number, ComparableBatch[]>;
  /** The aborted transactions of each segment's index. */
  readonly aborted: Record<number, string[]>;
}

/** One broker to which a history of transactions is written, and which compacts it when it is told to. */
export class CompactionSide {
  private broker: BrokerProcess;
  private readonly copies: string;
  private readonly producers = new Map<string, WireProducer>();
  private readonly names = new Map<string, string>();
  private segments = 0;

  /** `copies` is a folder of this side alone. */
  constructor(broker: BrokerProcess, copies: string) {
    this.broker = broker;
    this.copies = copies;
  }

  async createTopics(): Promise<void> {
    for (const topic of TOPICS) {
      await createTopic(this.broker.bootstrap, topic, 1, {
        'cleanup.policy': 'compact',
        'segment.ms': `${SEGMENT_MS}`,
        'min.cleanable.dirty.ratio': NEVER,
        'delete.retention.ms': COMPACTED_TOPICS[topic],
        'file.delete.delay.ms': '100',
        'message.timestamp.after.max.ms': `${1_000 * SEGMENT_MS}`,
      });
    }
  }

  /** `null` as the options: idempotent without transactions. */
  async open(name: string, options: WireProducerOptions | null = {}): Promise<void> {
    const producer = await WireProducer.open(this.broker.port, options && name, options ?? {});
    this.producers.set(name, producer);
    this.names.set(`${producer.producerId}`, name);
  }

  async init(name: string): Promise<void> {
    await this.producer(name).init();
    this.names.set(`${this.producer(name).producerId}`, name);
  }

  private producer(name: string): WireProducer {
    const found = this.producers.get(name);
    if (found === undefined) throw new Error(`no producer ${name}`);
    return found;
  }

  /** Adds both topics to the transaction of a producer of the first protocol. */
  async add(name: string): Promise<void> {
    for (const topic of TOPICS) await this.producer(name).addPartitions(topic, 0);
  }

  /** Writes one batch to each topic; `null` is a tombstone. Returns its first offset, which is one for both. */
  async write(name: string, records: Record<string, string | null>, gzip = false): Promise<number> {
    return this.writeEach(
      written => this.producer(name).produce(written.topic, 0, { ...written, gzip }),
      records,
    );
  }

  /** A batch of no producer. */
  async plain(records: Record<string, string | null>): Promise<number> {
    const client = await WireClient.open(this.broker.port, PATIENCE_MS);
    try {
      return await this.writeEach(async ({ topic, ...written }) => {
        const answer = await client.send(ProduceRequest, ProduceResponse, 11, {
          acks: -1,
          timeoutMs: PATIENCE_MS,
          topicData: [{ name: topic, partitionData: [{ index: 0, records: batch(written) }] }],
        });
        const result = answer.responses[0]!.partitionResponses[0]!;
        if (result.errorCode !== 0) throw new Error(`writing to ${topic}: error ${result.errorCode}`);
        return result.baseOffset;
      }, records);
    } finally {
      client.close();
    }
  }

  private async writeEach(
    write: (what: { topic: string; records: RawRecord[]; baseTimestamp: number }) => Promise<number | bigint>,
    values: Record<string, string | null>,
  ): Promise<number> {
    const records = Object.entries(values).map(([key, value]) => ({ key, value }));
    const baseTimestamp = BATCH_TIME + this.segments * 2 * SEGMENT_MS;
    const offsets = new Set<number>();
    for (const topic of TOPICS) offsets.add(Number(await write({ topic, records, baseTimestamp })));
    const [offset, ...others] = offsets;
    if (others.length > 0) throw new Error(`offsets ${[...offsets]} of one batch`);
    return offset!;
  }

  async end(name: string, committed: boolean): Promise<void> {
    await this.producer(name).end(committed);
    // The answer comes before the markers.
    await eventually(`${name}'s transaction ends`, async () => !(await this.isOpen(name)));
  }

  private async isOpen(name: string): Promise<boolean> {
    const id = this.producer(name).producerId;
    const known = (await Promise.all(TOPICS.map(topic => this.describeProducers(topic)))).flat();
    return known.some(
      ({ producerId, currentTxnStartOffset }) => producerId === id && currentTxnStartOffset >= 0,
    );
  }

  /** From here on, what is written goes into another segment. */
  async segment(): Promise<number> {
    this.segments++;
    return this.plain({ [`segment-${this.segments}`]: 'begins' });
  }

  /** Compacts what is dirty below `end`, the base of a segment; by default all but the active segment. */
  async compact(end?: number): Promise<void> {
    await this.configure(TOPICS.map(topic => [TOPIC_RESOURCE, topic, 'min.cleanable.dirty.ratio', ALWAYS]));
    for (const topic of TOPICS) {
      const { dataDirectory } = this.broker;
      const wanted = end ?? activeSegmentStart(dataDirectory, topic, 0);
      await eventually(
        `${this.broker.name} compacts ${topic} up to ${wanted}`,
        () => cleanedUpTo(dataDirectory, topic, 0) === wanted,
      );
    }
    await this.configure(TOPICS.map(topic => [TOPIC_RESOURCE, topic, 'min.cleanable.dirty.ratio', NEVER]));
  }

  /** Waits until the delete horizons of the topic `short` are over. */
  async passHorizon(): Promise<void> {
    await sleep(HORIZON_MS);
  }

  /** Has the broker forget producers that have not written for `ms`, and waits until `names` are forgotten. */
  async expire(ms: number, names: readonly string[]): Promise<void> {
    await this.configure([[BROKER_RESOURCE, '', 'producer.id.expiration.ms', `${ms}`]]);
    await eventually(`${names} are forgotten`, async () => {
      const known = (await Promise.all(TOPICS.map(topic => this.describeProducers(topic)))).flat();
      return names.every(name => known.every(({ producerId }) => this.nameOf(producerId) !== name));
    });
  }

  private async configure(
    changes: [type: number, resource: string, key: string, value: string][],
  ): Promise<void> {
    const client = await WireClient.open(this.broker.port, PATIENCE_MS);
    try {
      const answer = await client.send(IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse, 1, {
        resources: changes.map(([resourceType, resourceName, name, value]) => ({
          resourceType,
          resourceName,
          configs: [{ name, configOperation: SET, value }],
        })),
        validateOnly: false,
      });
      const bad = answer.responses.find(({ errorCode }) => errorCode !== 0);
      if (bad !== undefined) throw new Error(`configuring: error ${bad.errorCode} ${bad.errorMessage}`);
    } finally {
      client.close();
    }
  }

  private async describeProducers(topic: CompactedTopic) {
    const client = await WireClient.open(this.broker.port, PATIENCE_MS);
    try {
      const topics = [{ name: topic, partitionIndexes: [0] }];
      const answer = await client.send(DescribeProducersRequest, DescribeProducersResponse, 0, { topics });
      const partition = answer.topics[0]!.partitions[0]!;
      if (partition.errorCode !== 0) throw new Error(`DescribeProducers: error ${partition.errorCode}`);
      return partition.activeProducers;
    } finally {
      client.close();
    }
  }

  private nameOf(producerId: number | bigint): string {
    return `${producerId}` === '-1' ? 'none' : (this.names.get(`${producerId}`) ?? `producer ${producerId}`);
  }

  /** What clients see now. */
  async look(topic: CompactedTopic): Promise<CompactedView> {
    const read = async (isolation: 'read_committed' | 'read_uncommitted') =>
      (await readTopic(this.broker.bootstrap, topic, PATIENCE_MS, isolation)).map(shown);
    const producers = await this.describeProducers(topic);
    return {
      committed: await read('read_committed'),
      uncommitted: await read('read_uncommitted'),
      producers: producers
        .map(each => {
          const { producerEpoch, lastSequence, coordinatorEpoch, currentTxnStartOffset } = each;
          const state = [producerEpoch, lastSequence, coordinatorEpoch, currentTxnStartOffset];
          return `${this.nameOf(each.producerId)} ${state.join(' ')}`;
        })
        .sort(),
    };
  }

  /** Copies the logs and transaction indexes as they are now, for {@link files}. */
  copy(stage: string): void {
    for (const topic of TOPICS) {
      const source = join(this.broker.dataDirectory, `${topic}-0`);
      const target = join(this.copies, stage, `${topic}-0`);
      mkdirSync(target, { recursive: true });
      for (const name of readdirSync(source)) {
        if (/^\d+\.(log|txnindex)$/.test(name)) copyFileSync(join(source, name), join(target, name));
      }
    }
  }

  /** The paths of a stage's copied logs of a topic, in order. */
  copied(stage: string, topic: CompactedTopic): string[] {
    return segmentFiles(join(this.copies, stage), topic, 0).map(name =>
      join(this.copies, stage, `${topic}-0`, name),
    );
  }

  /** What the tool of Apache Kafka says of all that was copied, by stage and topic: `<stage>/<topic>`. */
  async files(stages: readonly string[]): Promise<Map<string, CompactedFiles>> {
    const folders = stages.flatMap(stage =>
      TOPICS.map(topic => [`${stage}/${topic}`, stage, topic] as const),
    );
    const paths = folders.flatMap(([, stage, topic]) => {
      const folder = join(this.copies, stage, `${topic}-0`);
      return readdirSync(folder)
        .sort()
        .map(name => join(folder, name));
    });
    const dumped = await dumpSegments(paths);
    return new Map(
      folders.map(([title, stage, topic]) => {
        const folder = join(this.copies, stage, `${topic}-0`);
        const files: CompactedFiles = { batches: {}, aborted: {} };
        for (const [segment, { batches, aborted }] of dumped) {
          if (!segment.startsWith(`${folder}/`)) continue;
          files.batches[segmentBase(segment)] = batches.map(each => this.comparable(each));
          files.aborted[segmentBase(segment)] = aborted.map(
            ({ producerId, firstOffset, lastOffset, lastStableOffset }) =>
              `${this.nameOf(producerId)} ${firstOffset}-${lastOffset} lso ${lastStableOffset}`,
          );
        }
        return [title, files];
      }),
    );
  }

  private comparable({ producerId, deleteHorizonMs, maxTimestamp, ...fields }: DumpedBatch): ComparableBatch {
    return {
      ...fields,
      producer: this.nameOf(producerId),
      hasDeleteHorizon: deleteHorizonMs !== undefined,
      maxTimestamp: fields.isControl && maxTimestamp > 0 ? 'now' : maxTimestamp - BATCH_TIME,
    };
  }

  async stop(): Promise<void> {
    await this.broker.stop();
  }

  /** Goes on with another broker, which has been started on the directory. */
  async goOnWith(broker: BrokerProcess): Promise<void> {
    this.broker = broker;
    for (const producer of this.producers.values()) await producer.reconnect(broker.port);
  }

  close(): void {
    for (const producer of this.producers.values()) producer.close();
  }
}

function shown({ offset, timestamp, key, value }: ReadRecord): string {
  return `${offset} ${key}${value === null ? '' : `=${value}`} at ${timestamp - BATCH_TIME}`;
}

async function eventually(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`${what}: not within ${PATIENCE_MS} ms`);
    await sleep(50);
  }
}
