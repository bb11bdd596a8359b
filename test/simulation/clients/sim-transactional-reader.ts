import { add64, type Int64, type Offset } from '../../../src/base/int64.ts';
import { Errors } from '../../../src/protocol/errors.ts';
import { FetchRequest, FetchResponse } from '../../../src/protocol/messages/01-fetch.ts';
import type { Infer } from '../../../src/protocol/schema.ts';
import { controlRecordTypeId, ControlRecordType } from '../../../src/record/control-records.ts';
import { batchesOf, type RecordBatch } from '../../../src/record/record-batch.ts';
import type { History, PartitionKey } from '../checkers/history.ts';
import type { ClusterClient, KnownPartition } from './cluster-client.ts';
import { Unanswered } from './protocol-connection.ts';
import { SimWorker, type WorkerSettings } from './sim-worker.ts';

export interface TransactionalReaderSettings extends WorkerSettings {
  readonly topic: string;
  /** Transactions may stay open for good, as what would have ended them is lost. */
  readonly mayLose: boolean;
  /** Disks are damaged in this run: a batch with a wrong checksum is read again, until another replica leads. */
  readonly meetsDamage: boolean;
}

const FETCH = { request: FetchRequest, response: FetchResponse };
/** The last one that does not compare the end of the log with the client's. */
const FETCH_VERSION = 11;
const READ_COMMITTED = 1;
const FETCH_WAIT_MS = 20;
const FETCH_BYTES = 20_000;
const RETRY_MS = 50;

type FetchedPartition = Infer<typeof FetchResponse>['responses'][number]['partitions'][number];

/** Reads what transactions have committed, from the beginning to the end, as a consumer with read_committed does. */
export class SimTransactionalReader extends SimWorker<TransactionalReaderSettings> {
  private readonly positions = new Map<PartitionKey, Offset>();
  private readonly whenWritten: Promise<unknown>;

  /** `whenWritten`: nobody writes any more. */
  constructor(
    cluster: ClusterClient,
    settings: TransactionalReaderSettings,
    history: History,
    whenWritten: Promise<unknown>,
  ) {
    super(cluster, settings, history);
    this.whenWritten = whenWritten;
  }

  override async stop(): Promise<void> {
    await this.whenWritten;
    await super.stop();
  }

  protected override async work(): Promise<void> {
    const partitions = this.cluster.partitionsOf(this.settings.topic);
    if (partitions.length > 0) await this.poll(this.cluster.random.pick(partitions), false);
  }

  /** All are read to the end, where nothing keeps a transaction open. */
  protected override async finish(): Promise<void> {
    const { cluster, settings } = this;
    if (settings.mayLose) return;
    for (const partition of cluster.partitionsOf(settings.topic)) {
      while (!(await this.poll(partition, true))) {
        await cluster.sleep(RETRY_MS);
        await cluster.freshMetadata();
      }
    }
  }

  /** Whether the answer has reached the end of the log. */
  private async poll(partition: KnownPartition, isLast: boolean): Promise<boolean> {
    const { cluster, history, name } = this;
    const { key, leaderEpoch } = partition;
    try {
      const fetched = await this.fetch(partition);
      if (fetched === undefined) return false;
      const { highWatermark, lastStableOffset } = fetched;
      const before = this.positions.get(key) ?? 0;
      const { records, position } = committedRecords(fetched, before);
      this.positions.set(key, position);
      const isAtEnd = position >= highWatermark;
      history.record(name, {
        kind: 'txnPoll',
        partition: key,
        leaderEpoch,
        records,
        position,
        lastStableOffset,
        highWatermark,
        isLast: isLast && isAtEnd,
      });
      return isAtEnd;
    } catch (error) {
      if (!(error instanceof Unanswered)) throw error;
      cluster.forgetMetadata();
      return false;
    }
  }

  private async fetch(partition: KnownPartition): Promise<FetchedPartition | undefined> {
    const { cluster } = this;
    const { topic, index, key, leader, leaderEpoch } = partition;
    if (leader < 0) {
      cluster.forgetMetadata();
      return undefined;
    }
    const answer = await cluster.ask(
      leader,
      FETCH,
      () => ({
        maxWaitMs: FETCH_WAIT_MS,
        minBytes: 1,
        maxBytes: FETCH_BYTES,
        isolationLevel: READ_COMMITTED,
        sessionId: 0,
        sessionEpoch: -1,
        topics: [
          {
            topic,
            partitions: [
              {
                partition: index,
                currentLeaderEpoch: leaderEpoch,
                fetchOffset: this.positions.get(key) ?? 0,
                partitionMaxBytes: FETCH_BYTES,
              },
            ],
          },
        ],
        forgottenTopicsData: [],
        rackId: '',
      }),
      { maxVersion: FETCH_VERSION },
    );
    const fetched = answer.responses[0]?.partitions[0];
    if (fetched?.errorCode !== Errors.NONE) {
      cluster.forgetMetadata();
      return undefined;
    }
    const damaged = [...batchesOf(fetched.records ?? Buffer.alloc(0))].find(batch => !batch.isValid());
    if (damaged === undefined) return fetched;
    if (!this.settings.meetsDamage) {
      const text = `broker ${leader} served a batch of ${key} at ${damaged.baseOffset} with a wrong CRC`;
      this.history.record(this.name, { kind: 'protocolError', text });
    }
    return undefined;
  }
}

/** The records of an answer without those of transactions that were aborted, as Kafka's consumer finds them. */
export function committedRecords(
  { records: bytes, abortedTransactions }: Pick<FetchedPartition, 'records' | 'abortedTransactions'>,
  from: Offset,
): { records: { offset: Offset; value: string }[]; position: Offset } {
  const aborted = [...(abortedTransactions ?? [])].sort((a, b) => (a.firstOffset < b.firstOffset ? -1 : 1));
  const abortedProducers = new Set<Int64>();
  const records: { offset: Offset; value: string }[] = [];
  let position = from;
  for (const batch of bytes === null ? [] : batchesOf(bytes)) {
    while (aborted.length > 0 && aborted[0]!.firstOffset <= batch.lastOffset)
      abortedProducers.add(aborted.shift()!.producerId);
    position = add64(batch.lastOffset, 1);
    if (batch.isControlBatch) {
      if (isAbort(batch)) abortedProducers.delete(batch.producerId);
    } else if (!batch.isTransactional || !abortedProducers.has(batch.producerId)) {
      for (const { offset, value } of batch.records())
        if (offset >= from) records.push({ offset, value: (value ?? '').toString('latin1').trimEnd() });
    }
  }
  return { records, position };
}

function isAbort(batch: RecordBatch): boolean {
  for (const { key } of batch.records()) return controlRecordTypeId(key) === ControlRecordType.ABORT;
  return false;
}
