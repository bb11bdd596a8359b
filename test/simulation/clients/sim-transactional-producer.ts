import type { Int64 } from '../../../src/base/int64.ts';
import { FeatureName } from '../../../src/metadata/features.ts';
import { Errors, isRetriable } from '../../../src/protocol/errors.ts';
import { ProduceRequest, ProduceResponse } from '../../../src/protocol/messages/00-produce.ts';
import { OffsetFetchRequest, OffsetFetchResponse } from '../../../src/protocol/messages/09-offset-fetch.ts';
import {
  FindCoordinatorRequest,
  FindCoordinatorResponse,
} from '../../../src/protocol/messages/10-find-coordinator.ts';
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
  TxnOffsetCommitRequest,
  TxnOffsetCommitResponse,
} from '../../../src/protocol/messages/28-txn-offset-commit.ts';
import type { Infer, Input, Message } from '../../../src/protocol/schema.ts';
import { incrementSequence } from '../../../src/record/record.ts';
import { RecordBatchBuilder } from '../../../src/record/record-batch-builder.ts';
import type { History, PartitionKey, TransactionOutcome } from '../checkers/history.ts';
import { type ClusterClient, type Cut, type KnownPartition, NO_BROKER } from './cluster-client.ts';
import { type Api, type LateBytes, Unanswered } from './protocol-connection.ts';
import { SimWorker, type WorkerSettings } from './sim-worker.ts';

export interface TransactionalProducerSettings extends WorkerSettings {
  readonly topic: string;
  readonly transactionalId: string;
  /** No other producer has its id. */
  readonly isAlone: boolean;
  /** 1: it adds partitions itself, and keeps its epoch. 2: it knows the protocol of KIP-890, too. */
  readonly newestVersion: 1 | 2;
  readonly transactionTimeoutMs: number;
  readonly valueBytes: number;
  readonly maxTransactions: number;
  // How often a transaction is ...
  readonly aborts: number;
  /** left open, with a new producer for the id, */
  readonly abandons: number;
  /** ended when its timeout is over, */
  readonly oversleeps: number;
  /** and, of each request that has to be sent again, how often the producer ends instead. */
  readonly crashes: number;
  /** How often it cuts its connection in the middle of a request of a transaction, whose bytes arrive late. */
  readonly cuts: number;
  /**
   * In the old protocol: whether the epoch is raised wherever a request was not answered. Kafka's producer does that only
   * after a transaction of which a part has failed.
   */
  readonly isCareful: boolean;
  /** Whether the offset of a group is committed in it. */
  readonly offsets: number;
  /** Acknowledged records may be lost, and with them what the end waits for. */
  readonly mayLose: boolean;
}

const PRODUCE = { request: ProduceRequest, response: ProduceResponse };
const OFFSET_FETCH = { request: OffsetFetchRequest, response: OffsetFetchResponse };
const FIND_COORDINATOR = { request: FindCoordinatorRequest, response: FindCoordinatorResponse };
const INIT_PRODUCER_ID = { request: InitProducerIdRequest, response: InitProducerIdResponse };
const ADD_PARTITIONS = { request: AddPartitionsToTxnRequest, response: AddPartitionsToTxnResponse };
const ADD_OFFSETS = { request: AddOffsetsToTxnRequest, response: AddOffsetsToTxnResponse };
const END_TXN = { request: EndTxnRequest, response: EndTxnResponse };
const TXN_OFFSET_COMMIT = { request: TxnOffsetCommitRequest, response: TxnOffsetCommitResponse };

const FIND_COORDINATOR_VERSION = 6;
const INIT_PRODUCER_ID_VERSION = 5;
const ADD_PARTITIONS_VERSION = 3;
const OFFSET_FETCH_VERSION = 9;
/** The newest versions of each protocol that name topics. */
const VERSIONS = {
  1: { produce: 11, endTxn: 4, txnOffsetCommit: 4 },
  2: { produce: 12, endTxn: 5, txnOffsetCommit: 5 },
} as const;
const COORDINATOR_TYPES = { group: 0, transaction: 1 } as const;
type CoordinatorKind = keyof typeof COORDINATOR_TYPES;

/** Those that belong to a transaction, and may do harm if they arrive when it is over. */
const OF_TRANSACTIONS: ReadonlySet<Message> = new Set<Message>([
  ProduceRequest,
  AddPartitionsToTxnRequest,
  AddOffsetsToTxnRequest,
  EndTxnRequest,
  TxnOffsetCommitRequest,
]);

const PRODUCE_TIMEOUT_MS = 1_500;
/** The longest time that the bytes of a connection that was cut take. */
const CUT_LATE_MS = 5_000;
/** How often something on its way from an earlier transaction arrives with a part of the present one. */
const RELEASES = 0.3;
const RETRY_BACKOFF_MS = 20;
/** How often the offset is read instead of a transaction. */
const READS = 0.05;
/** Of its transactions, before how many it has closed the connection to its coordinator: it was idle for long. */
const RECONNECTS = 0.05;
/** At the end, where what is waited for may have been lost. */
const GIVE_UP_MS = 20_000;

/** Another producer has the id, or the transaction was ended in this one's place. */
const FENCED: ReadonlySet<number> = new Set([
  Errors.PRODUCER_FENCED,
  Errors.INVALID_PRODUCER_EPOCH,
  Errors.INVALID_PRODUCER_ID_MAPPING,
]);
/** The coordinator has changed nothing, and will not. */
const REFUSED: ReadonlySet<number> = new Set([
  Errors.CONCURRENT_TRANSACTIONS,
  Errors.COORDINATOR_LOAD_IN_PROGRESS,
]);

interface Producer {
  readonly id: Int64;
  readonly epoch: number;
}

interface Answered<Res> {
  readonly answer: Res;
  readonly code: number;
  /** An earlier attempt may have been carried out. */
  readonly isRepeated: boolean;
}

/** One that is on its way though its connection was cut. */
interface HeldRequest {
  readonly name: string;
  /** How many transactions had begun then. */
  readonly transactions: number;
  readonly late: LateBytes;
}

/** What a transaction does. */
interface Draft {
  readonly partitions: readonly KnownPartition[];
  readonly batches: number;
  readonly withOffset: boolean;
  readonly end: 'commit' | 'abort' | 'abandon' | 'oversleep';
}

/** How far a step of a transaction has come. `fenced`: it cannot end it any more. `crashed`: the producer has ended. */
type Step = 'done' | 'failed' | 'fenced' | 'crashed';

/**
 * A producer with a transactional id, one transaction after another, with the rules of the Java client: what a coordinator
 * cannot do now is asked again, a transaction of which a part has failed is aborted, and who is fenced begins anew.
 *
 * In the old protocol a request of a transaction that comes late may touch the next one, which has the same epoch. A
 * careful producer raises the epoch before the next one where a request was not answered. Kafka's does so only where a part
 * has failed: else its next transactions are *exposed*, until the epoch changes for another reason. In the new protocol each
 * transaction has an epoch of its own, and nothing is done about late requests: the brokers promise that they do nothing.
 *
 * Which protocol it speaks is what brokers say of the feature `transaction.version` when they are connected to, as known when
 * the producer is initialized or a transaction ends. The first transaction of the new one has another epoch than all before.
 */
export class SimTransactionalProducer extends SimWorker<TransactionalProducerSettings> {
  private readonly sometimes: (state: string) => void;
  private readonly group: string;
  private readonly coordinators = new Map<CoordinatorKind, number>();
  private readonly sequences = new Map<PartitionKey, number>();
  private readonly held = new Set<HeldRequest>();
  private producer: Producer | undefined;
  /** The protocol of the present transaction, else of the next one. */
  private version: 1 | 2 = 1;
  private transactions = 0;
  private values = 0;
  /** A part of this transaction has failed: sequences may lack, and Kafka's producer raises its epoch. */
  private hasFailed = false;
  /** A request of this transaction was not answered, and may arrive when it is over. */
  private isTainted = false;
  /** One of an earlier transaction of this epoch may still arrive, in the old protocol. */
  private isExposed = false;
  private giveUpAtMs = Number.POSITIVE_INFINITY;

  /** `sometimes` hears of states that are worth reaching. */
  constructor(
    cluster: ClusterClient,
    settings: TransactionalProducerSettings,
    history: History,
    sometimes: (state: string) => void,
  ) {
    super(cluster, settings, history);
    this.sometimes = sometimes;
    this.group = `group of ${cluster.name}`;
  }

  protected override get isDone(): boolean {
    return this.transactions >= this.settings.maxTransactions;
  }

  protected override async work(): Promise<void> {
    const { cluster, settings } = this;
    const { random } = cluster;
    // Without a producer a transaction may be open that nobody ends: its offset is waited for.
    if (this.producer !== undefined && random.chance(READS)) return this.readOffset(false);
    const known = cluster.partitionsOf(settings.topic);
    if (known.length === 0 || !(await this.isInitialized())) return;
    const withOffset = random.chance(settings.offsets);
    const partitions = known.filter(() => random.chance(0.6));
    if (partitions.length === 0 && !withOffset) partitions.push(random.pick(known));
    await this.transaction({
      partitions,
      batches: random.between(1, 4),
      withOffset,
      end: this.drawEnd(),
    });
  }

  private drawEnd(): Draft['end'] {
    const { random } = this.cluster;
    const { aborts, abandons, oversleeps } = this.settings;
    if (random.chance(oversleeps)) return 'oversleep';
    if (random.chance(abandons)) return 'abandon';
    return random.chance(aborts) ? 'abort' : 'commit';
  }

  /**
   * A cluster that is whole commits a transaction in all partitions. The id is initialized once more after that: then all
   * partitions have the markers of all that was open.
   */
  protected override async finish(): Promise<void> {
    const { cluster, settings } = this;
    if (settings.mayLose) this.giveUpAtMs = cluster.nowMs() + GIVE_UP_MS;
    let isCommitted = false;
    let isIdle = false;
    while (!isIdle && cluster.nowMs() < this.giveUpAtMs) {
      cluster.forgetMetadata();
      await cluster.freshMetadata();
      const partitions = cluster.partitionsOf(settings.topic);
      if (isCommitted) {
        this.producer = undefined;
        isIdle = await this.isInitialized();
      } else if (partitions.length > 0 && (await this.isInitialized())) {
        const draft: Draft = { partitions, batches: partitions.length, withOffset: false, end: 'commit' };
        isCommitted = (await this.transaction(draft)) === 'committed';
      }
      // Another one with this id may be at the same.
      if (!isIdle) await cluster.sleep(RETRY_BACKOFF_MS + cluster.random.below(200));
    }
    await this.readOffset(true);
  }

  // Requests to coordinators

  /** Asks until the answer is one that stays. `undefined` if the producer ends before that. */
  private async call<Req extends Message, Res extends Message>(
    kind: CoordinatorKind,
    api: Api<Req, Res>,
    maxVersion: number,
    body: Input<Req>,
    codeOf: (answer: Infer<Res>) => number,
  ): Promise<Answered<Infer<Res>> | undefined> {
    const { cluster } = this;
    let isRepeated = false;
    for (;;) {
      try {
        const coordinator = this.coordinators.get(kind) ?? (await this.findCoordinator(kind));
        if (coordinator !== undefined) {
          const cut = this.drawCut(api.request);
          const answer = await cluster.ask(coordinator, api, () => body, { maxVersion, cut });
          const code = codeOf(answer);
          if (!isRetriable(code)) return { answer, code, isRepeated };
          if (!REFUSED.has(code)) {
            isRepeated = true;
            this.coordinators.delete(kind);
          }
        }
      } catch (error) {
        if (!(error instanceof Unanswered)) throw error;
        if (error.wasSent) isRepeated = this.isTainted = true;
        this.coordinators.delete(kind);
        cluster.forgetMetadata();
      }
      if (this.endsNow()) return undefined;
      await cluster.sleep(RETRY_BACKOFF_MS * (0.5 + 2 * cluster.random.next()));
      await cluster.freshMetadata();
    }
  }

  /** Of the requests of a transaction; not at the end, when all has to become whole. */
  private drawCut(request: Message): Cut | undefined {
    const { cluster, settings } = this;
    const { random } = cluster;
    if (this.isStopping || !OF_TRANSACTIONS.has(request) || !random.chance(settings.cuts)) return undefined;
    const { transactions } = this;
    const lateMs = random.scaled(5, CUT_LATE_MS);
    const onCut = (late: LateBytes): void => {
      const held: HeldRequest = { name: request.name, transactions, late };
      this.held.add(held);
      cluster.later(lateMs - 1, () => this.forget(held));
    };
    // Most often the whole request is still on its way, and is sent again before it arrives.
    return { afterMs: random.chance(0.7) ? 0 : random.between(1, 10), lateMs, onCut };
  }

  /** What earlier transactions have sent arrives, at times, just when a part of the present one is done. */
  private releaseHeld(): void {
    for (const held of this.held) {
      if (held.transactions === this.transactions || !this.cluster.random.chance(RELEASES)) continue;
      this.forget(held);
      held.late.release();
    }
  }

  /** It is about to arrive. */
  private forget(held: HeldRequest): void {
    const isLate = held.late.isPending && held.transactions < this.transactions;
    if (this.held.delete(held) && isLate) this.sometimes(`a late ${held.name} met a later transaction`);
  }

  private endsNow(): boolean {
    const { cluster, settings } = this;
    if (cluster.nowMs() >= this.giveUpAtMs) return true;
    if (this.isStopping && settings.mayLose && this.giveUpAtMs === Number.POSITIVE_INFINITY)
      this.giveUpAtMs = cluster.nowMs() + GIVE_UP_MS;
    return !this.isStopping && cluster.random.chance(settings.crashes);
  }

  private async findCoordinator(kind: CoordinatorKind): Promise<number | undefined> {
    const key = kind === 'group' ? this.group : this.settings.transactionalId;
    const answer = await this.cluster.ask(
      NO_BROKER,
      FIND_COORDINATOR,
      () => ({ keyType: COORDINATOR_TYPES[kind], coordinatorKeys: [key] }),
      { maxVersion: FIND_COORDINATOR_VERSION },
    );
    const found = answer.coordinators[0];
    if (found === undefined || found.errorCode !== Errors.NONE) return undefined;
    this.coordinators.set(kind, found.nodeId);
    return found.nodeId;
  }

  /** Whether the producer has an id and an epoch, if need be new ones: those of the present one are raised. */
  private async isInitialized(): Promise<boolean> {
    return this.producer !== undefined || this.initialize();
  }

  private async initialize(): Promise<boolean> {
    const { transactionalId, transactionTimeoutMs } = this.settings;
    const before = this.producer;
    this.producer = undefined;
    const answered = await this.call(
      'transaction',
      INIT_PRODUCER_ID,
      INIT_PRODUCER_ID_VERSION,
      {
        transactionalId,
        transactionTimeoutMs,
        producerId: before?.id ?? -1,
        producerEpoch: before?.epoch ?? -1,
      },
      ({ errorCode }) => errorCode,
    );
    if (answered?.code !== Errors.NONE) return false;
    if (before !== undefined && answered.isRepeated) this.sometimes('an epoch bump was retried');
    const { producerId, producerEpoch } = answered.answer;
    this.become({ id: producerId, epoch: producerEpoch });
    if (before === undefined) this.version = this.knownVersion();
    return true;
  }

  private knownVersion(): 1 | 2 {
    const level = this.cluster.featureLevel(FeatureName.TRANSACTION_VERSION);
    return level >= 2 ? this.settings.newestVersion : 1;
  }

  private become(producer: Producer): void {
    if (this.producer?.id !== producer.id || this.producer.epoch !== producer.epoch) {
      this.sequences.clear();
      this.isExposed = false;
    }
    this.producer = producer;
  }

  // A transaction

  private async transaction(draft: Draft): Promise<TransactionOutcome> {
    const { history, name, settings, cluster, version: transactionVersion } = this;
    const { transactionalId } = settings;
    const coordinator = this.coordinators.get('transaction');
    if (coordinator !== undefined && cluster.random.chance(RECONNECTS))
      cluster.disconnect(coordinator, 'it was idle for long');
    const txn = history.newOp();
    this.transactions++;
    this.hasFailed = this.isTainted = false;
    const { id: producerId, epoch: producerEpoch } = this.producer!;
    history.record(name, {
      kind: 'txnBegin',
      txn,
      transactionalId,
      producerId,
      producerEpoch,
      transactionVersion,
      isExposed: this.isExposed,
    });
    const outcome = await this.carryOut(txn, draft);
    history.record(name, { kind: 'txnEnd', txn, outcome });
    if (this.producer === undefined || transactionVersion === 2) return outcome;
    const isUpgraded = this.version === 2;
    if (isUpgraded) this.sometimes('a producer took up the new protocol');
    // What may come late is fenced.
    if (this.hasFailed || isUpgraded || (this.isTainted && settings.isCareful)) await this.initialize();
    else if (this.isTainted) this.isExposed = true;
    return outcome;
  }

  private async carryOut(txn: number, draft: Draft): Promise<TransactionOutcome> {
    const { cluster, settings } = this;
    const step = await this.fill(txn, draft);
    if (step === 'fenced' || step === 'crashed' || draft.end === 'abandon') {
      if (step === 'fenced') this.sometimes('a producer was fenced');
      this.producer = undefined;
      return 'aborted';
    }
    // In the old protocol sequences are contiguous within an epoch: one that was given up must be its last.
    if (step === 'failed') this.hasFailed = true;
    if (draft.end === 'oversleep')
      await cluster.sleep(settings.transactionTimeoutMs + cluster.random.below(1_000));
    const isCommit = step === 'done' && draft.end !== 'abort';
    return this.end(isCommit, draft.end === 'oversleep');
  }

  private async fill(txn: number, { partitions, batches, withOffset }: Draft): Promise<Step> {
    const { random } = this.cluster;
    if (this.version === 1 && partitions.length > 0) {
      const step = await this.addPartitions(partitions);
      if (step !== 'done') return step;
    }
    const offsetFirst = withOffset && random.chance(0.5);
    if (offsetFirst) {
      const step = await this.commitOffset(txn);
      if (step !== 'done') return step;
    }
    for (let batch = 0; batch < batches && partitions.length > 0; batch++) {
      const step = await this.send(txn, partitions[batch % partitions.length]!);
      if (step !== 'done') return step;
    }
    return withOffset && !offsetFirst ? this.commitOffset(txn) : 'done';
  }

  private async addPartitions(partitions: readonly KnownPartition[]): Promise<Step> {
    const { topic, transactionalId } = this.settings;
    const { id, epoch } = this.producer!;
    const answered = await this.call(
      'transaction',
      ADD_PARTITIONS,
      ADD_PARTITIONS_VERSION,
      {
        v3AndBelowTransactionalId: transactionalId,
        v3AndBelowProducerId: id,
        v3AndBelowProducerEpoch: epoch,
        v3AndBelowTopics: [{ name: topic, partitions: partitions.map(({ index }) => index) }],
      },
      ({ resultsByTopicV3AndBelow: [result] }) =>
        worstOf((result?.resultsByPartition ?? []).map(({ partitionErrorCode }) => partitionErrorCode)),
    );
    return stepOf(answered?.code);
  }

  private async send(txn: number, partition: KnownPartition): Promise<Step> {
    const { cluster, settings, history, name } = this;
    const { random } = cluster;
    const { id: producerId, epoch: producerEpoch } = this.producer!;
    const values = Array.from({ length: random.between(1, 3) }, () => `${name}:${++this.values}`);
    const op = history.newOp();
    history.record(name, { kind: 'txnSend', txn, op, partition: partition.key, values });
    const baseSequence = this.sequences.get(partition.key) ?? 0;
    const builder = new RecordBatchBuilder({
      producerId,
      producerEpoch,
      baseSequence,
      isTransactional: true,
    });
    const timestamp = cluster.runtime.clock.wallMs();
    for (const value of values)
      builder.append({ timestamp, key: null, value: Buffer.from(value.padEnd(settings.valueBytes, ' ')) });
    const records = builder.build();
    for (let attempts = random.between(2, 30); attempts > 0; attempts--) {
      const { code, offset } = await this.produce(partition, records);
      if (code === Errors.NONE || code === Errors.DUPLICATE_SEQUENCE_NUMBER) {
        this.sequences.set(partition.key, incrementSequence(baseSequence, values.length));
        history.record(name, { kind: 'txnSent', op, offset });
        this.releaseHeld();
        return 'done';
      }
      if (!isRetriable(code)) return stepOf(code);
      if (this.endsNow()) return 'crashed';
      await cluster.sleep(RETRY_BACKOFF_MS * (0.5 + 4 * random.next()));
      cluster.forgetMetadata();
      await cluster.freshMetadata();
    }
    return 'failed';
  }

  private async produce(
    { topic, index, leader }: KnownPartition,
    records: Buffer,
  ): Promise<{ code: number; offset: Int64 }> {
    if (leader < 0) return { code: Errors.LEADER_NOT_AVAILABLE, offset: -1 };
    const { transactionalId } = this.settings;
    try {
      const answer = await this.cluster.ask(
        leader,
        PRODUCE,
        () => ({
          transactionalId,
          acks: -1,
          timeoutMs: PRODUCE_TIMEOUT_MS,
          topicData: [{ name: topic, partitionData: [{ index, records }] }],
        }),
        { maxVersion: VERSIONS[this.version].produce, cut: this.drawCut(ProduceRequest) },
      );
      const result = answer.responses[0]?.partitionResponses[0];
      return { code: result?.errorCode ?? Errors.UNKNOWN_SERVER_ERROR, offset: result?.baseOffset ?? -1 };
    } catch (error) {
      if (!(error instanceof Unanswered)) throw error;
      if (error.wasSent) this.isTainted = true;
      return { code: Errors.NETWORK_EXCEPTION, offset: -1 };
    }
  }

  private async commitOffset(txn: number): Promise<Step> {
    const { history, name, group } = this;
    const { transactionalId, topic } = this.settings;
    const { id: producerId, epoch: producerEpoch } = this.producer!;
    const producer = { transactionalId, producerId, producerEpoch };
    const offset = history.newOp();
    history.record(name, { kind: 'txnOffset', txn, group, offset });
    if (this.version === 1) {
      const added = await this.call(
        'transaction',
        ADD_OFFSETS,
        ADD_PARTITIONS_VERSION,
        { ...producer, groupId: group },
        ({ errorCode }) => errorCode,
      );
      const step = stepOf(added?.code);
      if (step !== 'done') return step;
    }
    const committed = await this.call(
      'group',
      TXN_OFFSET_COMMIT,
      VERSIONS[this.version].txnOffsetCommit,
      {
        ...producer,
        groupId: group,
        memberId: '',
        topics: [
          {
            name: topic,
            partitions: [{ partitionIndex: 0, committedOffset: offset, committedMetadata: null }],
          },
        ],
      },
      ({ topics }) => topics[0]?.partitions[0]?.errorCode ?? Errors.UNKNOWN_SERVER_ERROR,
    );
    this.releaseHeld();
    return stepOf(committed?.code);
  }

  private async end(isCommit: boolean, isLate: boolean): Promise<TransactionOutcome> {
    const { transactionalId, isAlone } = this.settings;
    const { id: producerId, epoch: producerEpoch } = this.producer!;
    const { version } = this;
    this.version = this.knownVersion();
    if (this.version < version) this.sometimes('a producer went back to the old protocol');
    const answered = await this.call(
      'transaction',
      END_TXN,
      VERSIONS[version].endTxn,
      { transactionalId, producerId, producerEpoch, committed: isCommit },
      ({ errorCode }) => errorCode,
    );
    if (answered?.code === Errors.NONE) {
      const { answer } = answered;
      if (version === 2) this.become({ id: answer.producerId, epoch: answer.producerEpoch });
      if (isCommit) this.sometimes('a transaction was committed');
      return isCommit ? 'committed' : 'aborted';
    }
    this.producer = undefined;
    if (answered !== undefined && FENCED.has(answered.code)) {
      this.sometimes('a producer was fenced');
      if (isLate && isAlone) this.sometimes('a transaction was ended by timeout');
    }
    return isCommit && answered?.isRepeated !== false ? 'unknown' : 'aborted';
  }

  // Offsets

  private async readOffset(isLast: boolean): Promise<void> {
    const { history, name, group } = this;
    const answered = await this.call(
      'group',
      OFFSET_FETCH,
      OFFSET_FETCH_VERSION,
      {
        groups: [{ groupId: group, topics: [{ name: this.settings.topic, partitionIndexes: [0] }] }],
        requireStable: true,
      },
      ({ groups: [found] }) =>
        found?.errorCode || (found?.topics[0]?.partitions[0]?.errorCode ?? Errors.UNKNOWN_SERVER_ERROR),
    );
    if (answered?.code !== Errors.NONE) return;
    const offset = answered.answer.groups[0]!.topics[0]!.partitions[0]!.committedOffset;
    history.record(name, { kind: 'txnOffsetRead', group, offset, isLast });
  }
}

function stepOf(code: number | undefined): Step {
  if (code === undefined) return 'crashed';
  if (code === Errors.NONE) return 'done';
  return FENCED.has(code) ? 'fenced' : 'failed';
}

/** Of the codes of one answer the one that says most about what to do: one that stays before one that passes. */
function worstOf(codes: readonly number[]): number {
  const failed = codes.filter(code => code !== Errors.NONE);
  return failed.find(code => !isRetriable(code)) ?? failed[0] ?? Errors.NONE;
}
