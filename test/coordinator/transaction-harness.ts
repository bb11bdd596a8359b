import type { LeaderEpoch, ProducerId } from '../../src/base/int64.ts';
import { MemoryLogger } from '../../src/base/logger.ts';
import { ProducerIdManager } from '../../src/coordinator/transaction/producer-id-manager.ts';
import {
  DEFAULT_TRANSACTION_COORDINATOR_CONFIG,
  type TransactionCoordinatorConfig,
} from '../../src/coordinator/transaction/transaction-coordinator-config.ts';
import type { ProducerAnswer } from '../../src/coordinator/transaction/transaction-manager.ts';
import type {
  MarkerOutcome,
  TransactionMarkers,
  TransactionMarkerWriter,
} from '../../src/coordinator/transaction/transaction-marker-writer.ts';
import type { TransactionMetadata } from '../../src/coordinator/transaction/transaction-metadata.ts';
import { listPartitions } from '../../src/coordinator/transaction/transaction-partitions.ts';
import { transactionRecordSerde } from '../../src/coordinator/transaction/transaction-records.ts';
import { TRANSACTION_STATE_NAMES } from '../../src/coordinator/transaction/transaction-state.ts';
import { TransactionCoordinator } from '../../src/coordinator/transaction-coordinator.ts';
import { errorName } from '../../src/protocol/errors.ts';
import { RecordBatchBuilder } from '../../src/record/record-batch-builder.ts';
import { ManualRuntime } from '../support/manual-runtime.ts';
import { MemoryPartitions } from './memory-partition.ts';

/** Markers on their way, which arrive when the test says so. */
export class MemoryMarkers implements TransactionMarkerWriter {
  /** While set, markers have this outcome at once. */
  outcome: MarkerOutcome | undefined = 'written';
  readonly written: TransactionMarkers[] = [];
  readonly waiting: {
    markers: TransactionMarkers;
    isWanted: () => boolean;
    end: (outcome: MarkerOutcome) => void;
  }[] = [];

  write(markers: TransactionMarkers, isWanted: () => boolean): Promise<MarkerOutcome> {
    this.written.push(markers);
    if (this.outcome !== undefined) return Promise.resolve(this.outcome);
    return new Promise(end => void this.waiting.push({ markers, isWanted, end }));
  }

  /** Ends all that wait. */
  release(outcome: MarkerOutcome = 'written'): void {
    for (const { end } of this.waiting.splice(0)) end(outcome);
  }
}

export interface InitOptions {
  id?: string | null;
  timeoutMs?: number;
  producer?: Producer;
  enable2Pc?: boolean;
  keepPreparedTxn?: boolean;
}

export interface Producer {
  readonly producerId: ProducerId;
  readonly producerEpoch: number;
}

/** A transaction coordinator with one partition in memory and a clock that stands still. */
export class TransactionHarness {
  readonly clock = new ManualRuntime();
  readonly partitions = new MemoryPartitions();
  readonly markers = new MemoryMarkers();
  readonly logger = new MemoryLogger();
  readonly config: TransactionCoordinatorConfig;
  /** The level of the feature `transaction.version`. */
  level = 2;
  /** Producer ids start here; each block has two. */
  nextBlock = 1000;
  /** While set, the controller gives no producer ids. */
  producerIdError: Error | undefined;
  coordinator: TransactionCoordinator;
  epoch: LeaderEpoch = 0;

  constructor(config: Partial<TransactionCoordinatorConfig> = {}) {
    this.config = { ...DEFAULT_TRANSACTION_COORDINATOR_CONFIG, ...config };
    this.coordinator = this.make();
  }

  private make(): TransactionCoordinator {
    return new TransactionCoordinator(this.clock, this.logger, {
      config: this.config,
      writer: this.partitions,
      reader: this.partitions,
      markerWriter: this.markers,
      producerIds: new ProducerIdManager(async () => {
        if (this.producerIdError !== undefined) throw this.producerIdError;
        const firstProducerId = this.nextBlock;
        this.nextBlock += 2;
        return { firstProducerId, size: 2 };
      }),
      partitionCount: () => 1,
      transactionVersion: () => this.level,
    });
  }

  static async started(
    options: Partial<TransactionCoordinatorConfig> & { level?: number } = {},
  ): Promise<TransactionHarness> {
    const { level = 2, ...config } = options;
    const harness = new TransactionHarness(config);
    harness.level = level;
    await harness.elect();
    return harness;
  }

  async elect(): Promise<void> {
    const load = this.coordinator.onElection(0, ++this.epoch);
    await this.clock.settle();
    await load;
    await this.clock.settle();
  }

  /** The broker goes without a word, and another loads what it has written. */
  async failOver(): Promise<void> {
    this.coordinator.shutdown();
    this.coordinator = this.make();
    await this.elect();
  }

  /** Puts an id into the log as some coordinator before this one has left it. Before the election. */
  store(id: string, metadata: TransactionMetadata | null): void {
    this.storeAll([[id, metadata]]);
  }

  /** {@link store} of many, in one batch. */
  storeAll(ids: Iterable<[string, TransactionMetadata | null]>): void {
    const serde = transactionRecordSerde(() => this.level);
    const builder = new RecordBatchBuilder({});
    for (const [transactionalId, metadata] of ids) {
      const { key, value } = serde.serialize({ transactionalId, metadata });
      builder.append({ timestamp: this.clock.clock.wallMs(), key, value });
    }
    this.partitions.append({ topic: '__transaction_state', partition: 0 }, this.epoch, builder.build());
  }

  /** The last record of an id; `null` for a tombstone, `undefined` for none. */
  stored(id = 'x'): TransactionMetadata | null | undefined {
    const serde = transactionRecordSerde(() => this.level);
    let last: TransactionMetadata | null | undefined;
    for (const { key, value } of this.partitions.records()) {
      const record = serde.deserialize(key, value)!;
      if (record.transactionalId === id) last = record.metadata;
    }
    return last;
  }

  /** The last record in words: state, producer id and epoch, partitions. */
  storedText(id = 'x'): string {
    const stored = this.stored(id);
    if (stored === undefined) return 'nothing';
    if (stored === null) return 'tombstone';
    const partitions = listPartitions(stored.partitions).map(
      ({ topic, partition }) => `${topic}-${partition}`,
    );
    const { state, producerId, producerEpoch } = stored;
    return [TRANSACTION_STATE_NAMES[state], `${producerId}/${producerEpoch}`, ...partitions].join(' ');
  }

  async init(options: InitOptions = {}): Promise<string> {
    return text(await this.settled(this.initLater(options)));
  }

  initLater({ id = 'x', timeoutMs = 60_000, producer, ...rest }: InitOptions = {}): Promise<ProducerAnswer> {
    return this.coordinator.initProducerId({
      transactionalId: id,
      transactionTimeoutMs: timeoutMs,
      producerId: producer?.producerId ?? -1,
      producerEpoch: producer?.producerEpoch ?? -1,
      enable2Pc: rest.enable2Pc ?? false,
      keepPreparedTxn: rest.keepPreparedTxn ?? false,
    });
  }

  async add(
    { producerId, producerEpoch }: Producer,
    partitions: readonly number[] = [0],
    { id = 'x', version = 2 } = {},
  ): Promise<string> {
    const adding = this.coordinator.addPartitions({
      transactionalId: id,
      producerId,
      producerEpoch,
      partitions: partitions.map(partition => ({ topic: 't', partition })),
      transactionVersion: version,
    });
    return errorName(await this.settled(adding));
  }

  async verify(
    { producerId, producerEpoch }: Producer,
    partitions: readonly number[],
    id = 'x',
  ): Promise<string[]> {
    const verifying = this.coordinator.verifyPartitions(
      { transactionalId: id, producerId, producerEpoch },
      partitions.map(partition => ({ topic: 't', partition })),
    );
    return (await this.settled(verifying)).map(errorName);
  }

  async end(producer: Producer, what: 'commit' | 'abort', options: EndOptions = {}): Promise<string> {
    return text(await this.settled(this.endLater(producer, what, options)));
  }

  endLater(
    { producerId, producerEpoch }: Producer,
    what: 'commit' | 'abort',
    { id = 'x', version = 2 }: EndOptions = {},
  ): Promise<ProducerAnswer> {
    return this.coordinator.endTransaction({
      transactionalId: id,
      producerId,
      producerEpoch,
      isCommit: what === 'commit',
      transactionVersion: version,
    });
  }

  private async settled<T>(promise: Promise<T>): Promise<T> {
    await this.clock.settle();
    return promise;
  }
}

export interface EndOptions {
  id?: string;
  version?: number;
}

export function producer(producerId: ProducerId, producerEpoch: number): Producer {
  return { producerId, producerEpoch };
}

/** `id/epoch`, or the name of the error. */
export function text({ errorCode, producerId, producerEpoch }: ProducerAnswer): string {
  return errorCode === 0 ? `${producerId}/${producerEpoch}` : errorName(errorCode);
}
