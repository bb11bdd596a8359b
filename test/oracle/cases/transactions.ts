import { ProduceRequest, ProduceResponse } from '../../../src/protocol/messages/00-produce.ts';
import { FetchRequest, FetchResponse } from '../../../src/protocol/messages/01-fetch.ts';
import { ListOffsetsRequest, ListOffsetsResponse } from '../../../src/protocol/messages/02-list-offsets.ts';
import { OffsetFetchRequest, OffsetFetchResponse } from '../../../src/protocol/messages/09-offset-fetch.ts';
import {
  FindCoordinatorRequest,
  FindCoordinatorResponse,
} from '../../../src/protocol/messages/10-find-coordinator.ts';
import {
  DeleteRecordsRequest,
  DeleteRecordsResponse,
} from '../../../src/protocol/messages/21-delete-records.ts';
import {
  InitProducerIdRequest,
  InitProducerIdResponse,
} from '../../../src/protocol/messages/22-init-producer-id.ts';
import {
  AddPartitionsToTxnRequest,
  AddPartitionsToTxnResponse,
} from '../../../src/protocol/messages/24-add-partitions-to-txn.ts';
import {
  AddOffsetsToTxnRequest,
  AddOffsetsToTxnResponse,
} from '../../../src/protocol/messages/25-add-offsets-to-txn.ts';
import { EndTxnRequest, EndTxnResponse } from '../../../src/protocol/messages/26-end-txn.ts';
import {
  WriteTxnMarkersRequest,
  WriteTxnMarkersResponse,
} from '../../../src/protocol/messages/27-write-txn-markers.ts';
import {
  TxnOffsetCommitRequest,
  TxnOffsetCommitResponse,
} from '../../../src/protocol/messages/28-txn-offset-commit.ts';
import {
  DescribeProducersRequest,
  DescribeProducersResponse,
} from '../../../src/protocol/messages/61-describe-producers.ts';
import {
  DescribeTransactionsRequest,
  DescribeTransactionsResponse,
} from '../../../src/protocol/messages/65-describe-transactions.ts';
import {
  ListTransactionsRequest,
  ListTransactionsResponse,
} from '../../../src/protocol/messages/66-list-transactions.ts';
import type { Infer, Input, Message } from '../../../src/protocol/schema.ts';
import { type BatchOptions, batch } from '../raw-batch.ts';
import type { Session } from '../session.ts';

/** The versions of what a case sends besides the API that it is about, by the version of the transaction protocol. */
const VERSIONS = new Map<Message, Readonly<Record<1 | 2, number>>>([
  [ProduceRequest, { 1: 11, 2: 12 }],
  [FetchRequest, { 1: 12, 2: 12 }],
  [ListOffsetsRequest, { 1: 7, 2: 7 }],
  [OffsetFetchRequest, { 1: 7, 2: 7 }],
  [FindCoordinatorRequest, { 1: 2, 2: 2 }],
  [DeleteRecordsRequest, { 1: 2, 2: 2 }],
  [InitProducerIdRequest, { 1: 4, 2: 5 }],
  [AddPartitionsToTxnRequest, { 1: 3, 2: 3 }],
  [AddOffsetsToTxnRequest, { 1: 3, 2: 4 }],
  [EndTxnRequest, { 1: 4, 2: 5 }],
  [WriteTxnMarkersRequest, { 1: 1, 2: 1 }],
  [TxnOffsetCommitRequest, { 1: 3, 2: 5 }],
]);

/** The versions from which on an API's client speaks the second protocol. */
const SECOND_PROTOCOL = new Map<Message, number>([
  [ProduceRequest, 12],
  [EndTxnRequest, 5],
  [TxnOffsetCommitRequest, 5],
]);

/** LOAD_IN_PROGRESS, NOT_AVAILABLE, NOT_COORDINATOR, CONCURRENT_TRANSACTIONS: to be asked again. */
const AGAIN: ReadonlySet<number> = new Set([14, 15, 16, 51]);
const TRANSACTION = 1;
const TRANSACTIONAL = 0x10;
const NONE = 0;

export interface Producer {
  readonly producerId: number | bigint;
  readonly producerEpoch: number;
}

export const NOBODY: Producer = { producerId: -1, producerEpoch: -1 };
/** A producer id that no broker has given. */
export const STRANGER_ID = 1_000_000_000;

export function after({ producerId, producerEpoch }: Producer, bumps: number): Producer {
  return { producerId, producerEpoch: producerEpoch + bumps };
}

/** What a batch is written with instead of what a good producer has. */
interface Written extends BatchOptions {
  readonly partition?: number;
  readonly transactionalId?: string | null;
}

type Marker = NonNullable<Input<typeof WriteTxnMarkersRequest>['markers']>[number];

/**
 * A transactional id for one case, with a topic of three partitions: the API under test goes at the case's version, all
 * others at a fixed one.
 */
export class Transactions {
  readonly session: Session;
  readonly id: string;
  readonly topic: string;
  readonly group: string;
  private readonly api: Message;
  private readonly protocol: 1 | 2;
  private topicId = '';
  private isStuck = false;
  /** By partition, producer id and epoch. */
  private readonly sequences = new Map<string, number>();
  /** By producer id: for the fields that the session does not know. */
  private readonly names = new Map<string, string>();

  private constructor(session: Session, api: Message, id: string) {
    this.session = session;
    this.api = api;
    this.id = id;
    this.topic = session.name('t');
    this.group = session.name('g');
    this.protocol = session.version >= (SECOND_PROTOCOL.get(api) ?? Number.POSITIVE_INFINITY) ? 2 : 1;
  }

  static async start(
    session: Session,
    api: Message,
    configs: Record<string, string> = {},
  ): Promise<Transactions> {
    const self = new Transactions(session, api, session.name('x'));
    self.topicId = await session.createTopic('t', 3, configs);
    await self.findCoordinator();
    return self;
  }

  /** As {@link start}, with a producer that has its id. */
  static async initialised(
    session: Session,
    api: Message,
    configs: Record<string, string> = {},
  ): Promise<[Transactions, Producer]> {
    const self = await Transactions.start(session, api, configs);
    return [self, await self.init('init')];
  }

  /** As {@link initialised}, with partitions added. */
  static async begun(
    session: Session,
    api: Message,
    partitions: number[],
  ): Promise<[Transactions, Producer]> {
    const [self, producer] = await Transactions.initialised(session, api);
    await self.add('begin', producer, partitions);
    return [self, producer];
  }

  /** Another transactional id, on the same topic. */
  async another(suffix: string): Promise<[Transactions, Producer]> {
    const other = new Transactions(this.session, this.api, this.session.name(suffix));
    other.topicId = this.topicId;
    await other.findCoordinator();
    return [other, await other.init(`init of ${suffix}`)];
  }

  /** A client of the first protocol with the same transactional id. */
  olderClient(): Transactions {
    const other = new Transactions(this.session, InitProducerIdRequest, this.id);
    other.topicId = this.topicId;
    return other;
  }

  private async findCoordinator(): Promise<void> {
    await this.ask(
      FindCoordinatorRequest,
      FindCoordinatorResponse,
      { key: this.id, keyType: TRANSACTION },
      2,
    );
  }

  versionOf(request: Message): number {
    return this.api === request ? this.session.version : (VERSIONS.get(request)?.[this.protocol] ?? 0);
  }

  /** Asks until the answer is one that stays, and keeps only that. */
  private async ask<Q extends Message, R extends Message>(
    request: Q,
    response: R,
    body: Input<Q>,
    version = this.versionOf(request),
  ): Promise<Infer<R>> {
    const client = this.session.first ?? (await this.session.connect());
    for (let attempt = 0; ; attempt++) {
      const answer = await client.send(request, response, version, body);
      if (this.isStuck || attempt === 200 || !codesOf(answer).some(code => AGAIN.has(code))) return answer;
      await new Promise(resolve => setTimeout(resolve, 25));
    }
  }

  /** From here on a transaction does not come to its end: CONCURRENT_TRANSACTIONS is an answer that stays. */
  stuck(): void {
    this.isStuck = true;
  }
  private async kept<Q extends Message, R extends Message>(
    step: string,
    request: Q,
    response: R,
    body: Input<Q>,
    keep: (answer: Infer<R>) => unknown = answer => answer,
  ): Promise<Infer<R>> {
    const answer = await this.ask(request, response, body);
    this.session.keep(step, keep(answer));
    return answer;
  }

  async init(step: string, producer = NOBODY, extra: Partial<Input<typeof InitProducerIdRequest>> = {}) {
    const body = { transactionalId: this.id, transactionTimeoutMs: 60_000, ...identity(producer), ...extra };
    const answer = await this.kept(step, InitProducerIdRequest, InitProducerIdResponse, body);
    if (answer.errorCode === NONE)
      this.names.set(`${answer.producerId}`, body.transactionalId ?? 'idempotent');
    return answer;
  }

  async add(
    step: string,
    producer: Producer,
    partitions: number[],
    { id = this.id, topic = this.topic } = {},
  ) {
    return this.addTopics(step, producer, [{ name: topic, partitions }], id);
  }

  async addTopics(
    step: string,
    producer: Producer,
    topics: { name: string; partitions: number[] }[],
    id = this.id,
  ) {
    const body =
      this.versionOf(AddPartitionsToTxnRequest) < 4
        ? {
            v3AndBelowTransactionalId: id,
            v3AndBelowProducerId: producer.producerId,
            v3AndBelowProducerEpoch: producer.producerEpoch,
            v3AndBelowTopics: topics,
          }
        : { transactions: [{ transactionalId: id, ...identity(producer), verifyOnly: false, topics }] };
    return this.kept(step, AddPartitionsToTxnRequest, AddPartitionsToTxnResponse, body);
  }

  async verify(step: string, producer: Producer, partitions: number[], id = this.id) {
    return this.verifyTopics(step, producer, [{ name: this.topic, partitions }], id);
  }

  async verifyTopics(
    step: string,
    producer: Producer,
    topics: { name: string; partitions: number[] }[],
    id = this.id,
  ) {
    return this.kept(step, AddPartitionsToTxnRequest, AddPartitionsToTxnResponse, {
      transactions: [{ transactionalId: id, ...identity(producer), verifyOnly: true, topics }],
    });
  }

  async addOffsets(step: string, producer: Producer, id = this.id) {
    const body = { transactionalId: id, ...identity(producer), groupId: this.group };
    return this.kept(step, AddOffsetsToTxnRequest, AddOffsetsToTxnResponse, body);
  }

  /** Returns the producer that goes on: the second protocol has given it another epoch. */
  async end(step: string, producer: Producer, committed: boolean, id = this.id): Promise<Producer> {
    const body = { transactionalId: id, ...identity(producer), committed };
    const answer = await this.kept(step, EndTxnRequest, EndTxnResponse, body);
    if (answer.errorCode !== NONE) return producer;
    // The answer comes before the markers.
    if (!this.isStuck) await this.states([id]);
    if (answer.producerId >= 0) this.names.set(`${answer.producerId}`, id);
    return answer.producerId >= 0 ? answer : producer;
  }

  /** The answer of DescribeTransactions when no transaction is on its way to its end. */
  private async states(transactionalIds: string[]) {
    for (;;) {
      const answer = await this.ask(DescribeTransactionsRequest, DescribeTransactionsResponse, {
        transactionalIds,
      });
      // Apache Kafka lists partitions in the order of their hashes, which is another one each time.
      for (const { topics } of answer.transactionStates)
        for (const { partitions } of topics) partitions.sort((a, b) => a - b);
      // How long a transaction takes to end is each broker's own.
      const isEnding = answer.transactionStates.some(each => each.transactionState.startsWith('Prepare'));
      if (this.isStuck || !isEnding) return answer;
    }
  }

  async describe(step: string, transactionalIds: string[]): Promise<void> {
    this.session.keep(step, await this.states(transactionalIds));
  }

  /** Waits until the id is in a state, which takes its coordinator some time. */
  async until(state: string): Promise<void> {
    for (let attempt = 0; attempt < 400; attempt++) {
      const { transactionStates } = await this.states([this.id]);
      if (transactionStates[0]?.transactionState === state) return;
      await new Promise(resolve => setTimeout(resolve, 25));
    }
    throw new Error(`${this.id} does not come to ${state}`);
  }

  async list(step: string, body: Input<typeof ListTransactionsRequest>) {
    return this.kept(step, ListTransactionsRequest, ListTransactionsResponse, body);
  }

  /** Writes a batch with the producer's next sequence; `transactionalId` is the case's own. */
  async produce(step: string, producer: Producer, written: Written = {}): Promise<void> {
    const { partition = 0, transactionalId = this.id, ...options } = written;
    const at = `${partition} ${producer.producerId} ${producer.producerEpoch}`;
    const baseSequence = options.baseSequence ?? this.sequences.get(at) ?? 0;
    const records = batch({
      attributes: TRANSACTIONAL,
      producerId: Number(producer.producerId),
      producerEpoch: producer.producerEpoch,
      ...options,
      baseSequence,
    });
    const { topic: name, topicId } = this;
    const body = {
      transactionalId,
      acks: -1,
      timeoutMs: 5_000,
      topicData: [{ name, topicId, partitionData: [{ index: partition, records }] }],
    };
    // We say why a batch was refused; Apache Kafka leaves the message out for most errors.
    const answer = await this.kept(step, ProduceRequest, ProduceResponse, body, ({ responses }) =>
      responses.flatMap(each => each.partitionResponses.map(({ errorMessage: _, ...fields }) => fields)),
    );
    const isWritten = answer.responses[0]?.partitionResponses[0]?.errorCode === NONE;
    const next = baseSequence + (options.records?.length ?? 3);
    if (isWritten) this.sequences.set(at, Math.max(next, this.sequences.get(at) ?? 0));
  }

  /** What a reader of the isolation level is answered at an offset, with up to about `maxBytes` of records. */
  private async fetchOnce(isolationLevel: 0 | 1, fetchOffset: number, partition: number, maxBytes: number) {
    const { topic, topicId } = this;
    const partitions = [{ partition, fetchOffset, partitionMaxBytes: maxBytes, currentLeaderEpoch: -1 }];
    const body = {
      maxWaitMs: 0,
      minBytes: 0,
      maxBytes,
      isolationLevel,
      topics: [{ topic, topicId, partitions }],
    };
    const answer = await this.ask(FetchRequest, FetchResponse, body);
    const { records, abortedTransactions, ...fields } = answer.responses[0]!.partitions[0]!;
    return {
      ...fields,
      aborted: abortedTransactions?.map(
        ({ producerId, firstOffset }) => `${firstOffset} of ${this.names.get(`${producerId}`)}`,
      ),
      batches: outlineOf(records ?? Buffer.alloc(0)),
    };
  }

  /**
   * Keeps all that a reader of the isolation level gets from an offset on, in as many answers as it takes: Apache Kafka
   * ends one at the end of a segment, we do not.
   */
  async fetch(step: string, isolationLevel: 0 | 1, offset = 0, partition = 0, maxBytes = 1_000_000) {
    const first = await this.fetchOnce(isolationLevel, offset, partition, maxBytes);
    const batches = new Map<number, string>();
    const aborted = new Set(first.aborted);
    for (let answer = first; answer.batches.length > 0; ) {
      for (const { baseOffset, text } of answer.batches) batches.set(baseOffset, text);
      for (const each of answer.aborted ?? []) aborted.add(each);
      const next = answer.batches.at(-1)!.lastOffset + 1;
      answer = await this.fetchOnce(isolationLevel, next, partition, maxBytes);
    }
    const isNull = first.aborted === undefined;
    this.session.keep(step, {
      ...first,
      aborted: isNull ? null : [...aborted].sort(),
      batches: [...batches.values()],
    });
  }

  /** Both isolation levels, from several offsets. */
  async read(step: string, ...offsets: number[]): Promise<void> {
    for (const offset of offsets) {
      await this.fetch(`${step}: committed from ${offset}`, 1, offset);
      await this.fetch(`${step}: any from ${offset}`, 0, offset);
    }
  }

  async listOffsets(step: string, timestamp: number, isolationLevel: 0 | 1, partitionIndex = 0) {
    const partitions = [{ partitionIndex, timestamp, currentLeaderEpoch: -1 }];
    return this.kept(step, ListOffsetsRequest, ListOffsetsResponse, {
      replicaId: -1,
      isolationLevel,
      topics: [{ name: this.topic, partitions }],
    });
  }

  async deleteRecords(step: string, offset: number, partitionIndex = 0) {
    return this.kept(step, DeleteRecordsRequest, DeleteRecordsResponse, {
      topics: [{ name: this.topic, partitions: [{ partitionIndex, offset }] }],
      timeoutMs: 5_000,
    });
  }

  /** A marker as a coordinator sends it, of the present epoch 0 unless told otherwise. */
  async mark(step: string, producer: Producer, fields: Partial<Marker> = {}) {
    const marker = {
      ...identity(producer),
      transactionResult: true,
      topics: [{ name: this.topic, partitionIndexes: [0] }],
      coordinatorEpoch: 0,
      ...fields,
    };
    return this.kept(step, WriteTxnMarkersRequest, WriteTxnMarkersResponse, { markers: [marker] });
  }

  /** The producers that a partition knows. */
  async producers(step: string, partitions = [0], topic = this.topic) {
    const topics = [{ name: topic, partitionIndexes: partitions }];
    return this.kept(step, DescribeProducersRequest, DescribeProducersResponse, { topics });
  }

  async commitOffset(
    step: string,
    producer: Producer,
    committedOffset: number,
    fields: Partial<Input<typeof TxnOffsetCommitRequest>> = {},
  ) {
    const { topic: name, topicId } = this;
    const partitions = [{ partitionIndex: 0, committedOffset, committedMetadata: '' }];
    return this.kept(step, TxnOffsetCommitRequest, TxnOffsetCommitResponse, {
      transactionalId: this.id,
      groupId: this.group,
      ...identity(producer),
      memberId: '',
      topics: [{ name, topicId, partitions }],
      ...fields,
    });
  }

  /** The offsets of the group for those who want stable ones, and for the others. */
  async offsets(step: string): Promise<void> {
    const { topic: name, topicId, group: groupId } = this;
    const topics = [{ name, topicId, partitionIndexes: [0] }];
    for (const requireStable of [true, false]) {
      const body =
        this.versionOf(OffsetFetchRequest) < 8 ? { groupId, topics } : { groups: [{ groupId, topics }] };
      const kind = `${step}: ${requireStable ? 'stable' : 'any'}`;
      await this.kept(kind, OffsetFetchRequest, OffsetFetchResponse, { ...body, requireStable });
    }
  }
}

/** Answers are producers too: nothing else of them goes into a request. */
function identity({ producerId, producerEpoch }: Producer): Producer {
  return { producerId, producerEpoch };
}

/** Every error code in an answer. */
function codesOf(value: unknown): number[] {
  if (typeof value !== 'object' || value === null || Buffer.isBuffer(value)) return [];
  return Object.entries(value).flatMap(([name, item]) =>
    /errorCode$/i.test(name) && typeof item === 'number' ? [item] : codesOf(item),
  );
}

const OVERHEAD = 12;
const ATTRIBUTES_AT = 21;
const CONTROL = 0x20;
/** Of a control batch: behind the header, and of the record its length, attributes, deltas and key length. */
const MARKER_TYPE_AT = 61 + 5 + 2;

/** One line for each whole batch: markers have the time and the checksum of their broker. */
function outlineOf(records: Buffer): { baseOffset: number; lastOffset: number; text: string }[] {
  const found: ReturnType<typeof outlineOf> = [];
  for (let rest = records; rest.length >= OVERHEAD; ) {
    const size = OVERHEAD + rest.readInt32BE(8);
    if (rest.length < size) break;
    const isControl = (rest.readInt16BE(ATTRIBUTES_AT) & CONTROL) !== 0;
    const kind = isControl ? `marker ${rest.readInt16BE(MARKER_TYPE_AT)}` : 'data';
    const baseOffset = Number(rest.readBigInt64BE(0));
    const lastOffset = baseOffset + rest.readInt32BE(23);
    const state = `epoch ${rest.readInt16BE(51)} sequence ${rest.readInt32BE(53)}`;
    found.push({ baseOffset, lastOffset, text: `${baseOffset}-${lastOffset} ${kind} ${state}` });
    rest = rest.subarray(size);
  }
  return found;
}
