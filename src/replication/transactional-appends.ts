import type { ProducerId } from '../base/int64.ts';
import type { VerificationGuard } from '../log/verification-guard.ts';
import { Errors, errorName, KafkaError } from '../protocol/errors.ts';
import type { TransactionOperation } from '../protocol/transaction-operation.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { Partition } from './partition.ts';
import type { TransactionVerifier } from './transaction-verifier.ts';

/** What a Produce request says of its transactional records. */
export interface TransactionalRequest {
  readonly transactionalId: string;
  readonly operation: TransactionOperation;
}

/** The header of a transactional batch. */
export interface TransactionalBatch {
  readonly producerId: ProducerId;
  readonly producerEpoch: number;
  readonly baseSequence: number;
}

/** Records for one partition. One of the two is called, in the turn in which it is known which. */
export interface TransactionalAppend {
  readonly partition: Partition;
  readonly batch: TransactionalBatch;
  append(guard: VerificationGuard | undefined): void;
  refuse(error: KafkaError): void;
}

/** `add.partitions.to.txn.retry.backoff.ms` and how long it is tried, ms. */
export interface AddPartitionRetry {
  readonly backoffMs: number;
  readonly forMs: number;
}

/** The question to the coordinator about one partition. */
interface Verification extends TransactionalRequest {
  readonly partition: Partition;
  readonly batch: TransactionalBatch;
  guard: VerificationGuard | undefined;
  answer: 'none' | 'verified' | KafkaError;
}

/** An append that stands behind a verification: its own, or that of one before it. */
interface Waiting {
  readonly append: TransactionalAppend;
  readonly verification: Verification | undefined;
}

/** The appends of one producer to one partition, in the order in which they came; never empty. */
type Queue = Waiting[];

/** The coordinator cannot say, and may later. Clients know how to try again after NOT_ENOUGH_REPLICAS. */
const NOT_VERIFIABLE: ReadonlySet<number> = new Set([
  Errors.NETWORK_EXCEPTION,
  Errors.COORDINATOR_LOAD_IN_PROGRESS,
  Errors.COORDINATOR_NOT_AVAILABLE,
  Errors.NOT_COORDINATOR,
]);

/**
 * Holds transactional records back until the coordinator of their transaction has said that their partition belongs to
 * it (KIP-890). Only a transaction that is not open in the partition yet is asked about.
 *
 * Requests of one connection overlap. So the appends of one producer to one partition stand in a queue while the first
 * of them waits, and those that come meanwhile share its answer: they get into the log in the order in which they came,
 * or fail together. Other producers and partitions go on.
 *
 * | the coordinator says                                   | the client is told                                  |
 * |--------------------------------------------------------|-----------------------------------------------------|
 * | COORDINATOR_* or NOT_COORDINATOR, or cannot be reached | NOT_ENOUGH_REPLICAS: it tries again                 |
 * | CONCURRENT_TRANSACTIONS, to `addPartition`             | nothing yet: asked again for a while, then the same |
 * | CONCURRENT_TRANSACTIONS, to the others                 | NOT_ENOUGH_REPLICAS                                 |
 * | another error                                          | the same                                            |
 */
export class TransactionalAppends {
  private readonly runtime: Runtime;
  private readonly verifier: TransactionVerifier | undefined;
  private readonly retry: () => AddPartitionRetry;
  private readonly queues = new Map<Partition, Map<ProducerId, Queue>>();

  constructor(runtime: Runtime, verifier: TransactionVerifier | undefined, retry: () => AddPartitionRetry) {
    this.runtime = runtime;
    this.verifier = verifier;
    this.retry = retry;
  }

  /** The appends of one request, of one producer. Those that wait for nothing are done when this returns. */
  submit(request: TransactionalRequest, appends: readonly TransactionalAppend[]): void {
    const asked: Verification[] = [];
    for (const append of appends) {
      const { partition, batch } = append;
      try {
        const guard = startVerification(request.operation, partition, batch);
        const queue = this.queues.get(partition)?.get(batch.producerId);
        if (queue === undefined && (guard === undefined || this.verifier === undefined)) {
          append.append(guard);
          continue;
        }
        let verification = queue?.findLast(waiting => waiting.verification !== undefined)?.verification;
        if (guard === undefined) verification = undefined;
        else if (verification === undefined || !isSame(verification, request, batch, guard)) {
          verification = { ...request, partition, batch, guard, answer: 'none' };
          asked.push(verification);
        }
        this.enqueue({ append, verification });
      } catch (error) {
        if (!(error instanceof KafkaError)) throw error;
        append.refuse(error);
      }
    }
    if (asked.length > 0) this.ask(asked, this.runtime.clock.monotonicMs());
  }

  private enqueue(waiting: Waiting): void {
    const { partition, batch } = waiting.append;
    let producers = this.queues.get(partition);
    if (producers === undefined) this.queues.set(partition, (producers = new Map()));
    const queue = producers.get(batch.producerId);
    if (queue === undefined) producers.set(batch.producerId, [waiting]);
    else queue.push(waiting);
  }

  /** `verifications` are of one request. */
  private ask(verifications: readonly Verification[], begunMs: number): void {
    const { transactionalId, operation, batch } = verifications[0]!;
    const { producerId, producerEpoch } = batch;
    const partitions = verifications.map(({ partition }) => partition.topicPartition);
    void this.verifier!.verify({ transactionalId, producerId, producerEpoch, operation, partitions }).then(
      errorCodes => this.onAnswer(verifications, errorCodes, begunMs),
    );
  }

  private onAnswer(
    verifications: readonly Verification[],
    errorCodes: readonly number[],
    begunMs: number,
  ): void {
    const { backoffMs, forMs } = this.retry();
    const isOver = this.runtime.clock.monotonicMs() - begunMs >= forMs;
    const again: Verification[] = [];
    for (const [at, verification] of verifications.entries()) {
      const code = errorCodes[at]!;
      if (code === Errors.CONCURRENT_TRANSACTIONS && verification.operation === 'addPartition' && !isOver) {
        again.push(verification);
      } else {
        this.settle(verification, code === Errors.NONE ? 'verified' : refusal(code, verification.operation));
      }
    }
    // The client would wait longer, and would send its records once more.
    if (again.length > 0) this.runtime.timers.after(backoffMs, () => this.askAgain(again, begunMs));
  }

  /** The marker of the transaction before may have come meanwhile: each needs the guard of now. */
  private askAgain(verifications: readonly Verification[], begunMs: number): void {
    const asked: Verification[] = [];
    for (const verification of verifications) {
      const { operation, partition, batch } = verification;
      try {
        verification.guard = startVerification(operation, partition, batch);
        if (verification.guard === undefined) this.settle(verification, 'verified');
        else asked.push(verification);
      } catch (error) {
        if (!(error instanceof KafkaError)) throw error;
        this.settle(verification, error);
      }
    }
    if (asked.length > 0) this.ask(asked, begunMs);
  }

  private settle(verification: Verification, answer: 'verified' | KafkaError): void {
    verification.answer = answer;
    const { partition, batch } = verification;
    const producers = this.queues.get(partition)!;
    const queue = producers.get(batch.producerId)!;
    const waitsFor = (each: Waiting) =>
      each.verification !== undefined && each.verification.answer === 'none';
    const first = queue.findIndex(waitsFor);
    const ready = queue.splice(0, first < 0 ? queue.length : first);
    if (queue.length === 0) producers.delete(batch.producerId);
    if (producers.size === 0) this.queues.delete(partition);
    for (const waiting of ready) finish(waiting);
  }
}

function startVerification(
  operation: TransactionOperation,
  partition: Partition,
  { producerId, producerEpoch, baseSequence }: TransactionalBatch,
): VerificationGuard | undefined {
  const supportsEpochBump = operation === 'addPartition';
  return partition.maybeStartTransactionVerification(
    producerId,
    baseSequence,
    producerEpoch,
    supportsEpochBump,
  );
}

function isSame(
  asked: Verification,
  { transactionalId, operation }: TransactionalRequest,
  { producerEpoch }: TransactionalBatch,
  guard: VerificationGuard,
): boolean {
  return (
    asked.answer === 'none' &&
    asked.guard === guard &&
    asked.transactionalId === transactionalId &&
    asked.operation === operation &&
    asked.batch.producerEpoch === producerEpoch
  );
}

function finish({ append, verification }: Waiting): void {
  if (verification?.answer instanceof KafkaError) append.refuse(verification.answer);
  else append.append(verification?.guard);
}

function refusal(code: number, operation: TransactionOperation): KafkaError {
  const isBusy = code === Errors.CONCURRENT_TRANSACTIONS && operation !== 'addPartition';
  if (isBusy || NOT_VERIFIABLE.has(code)) {
    return new KafkaError(
      Errors.NOT_ENOUGH_REPLICAS,
      `it cannot be verified that the partition belongs to the transaction: ${errorName(code)}`,
    );
  }
  if (code === Errors.INVALID_TXN_STATE) {
    return new KafkaError(code, 'the partition was not added to the transaction');
  }
  return new KafkaError(code);
}
