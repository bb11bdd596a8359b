import type { Logger } from '../base/logger.ts';
import type { HostAndPort, NetworkClient } from '../client/network-client.ts';
import { topicPartitionKey } from '../log/topic-partition.ts';
import { Errors, errorCodeOf } from '../protocol/errors.ts';
import {
  AddPartitionsToTxnRequest,
  AddPartitionsToTxnResponse,
} from '../protocol/messages/24-add-partitions-to-txn.ts';
import type { TransactionOperation } from '../protocol/transaction-operation.ts';
import type { TransactionVerification, TransactionVerifier } from '../replication/transaction-verifier.ts';
import { partitionsByTopic } from './partitions-by-topic.ts';

const ADD_PARTITIONS_TO_TXN = { request: AddPartitionsToTxnRequest, response: AddPartitionsToTxnResponse };
/** From here on brokers ask, for several transactions at once. */
const BROKER_MIN_VERSION = 4;

type RequestedTransaction = AddPartitionsToTxnRequest['transactions'][number];
type Answer = Pick<AddPartitionsToTxnResponse, 'errorCode' | 'resultsByTransaction'>;

export interface AddPartitionsToTxnManagerOptions {
  readonly nodeId: number;
  /** The broker that leads the transactional id's partition of `__transaction_state`; -1 while nobody does. */
  readonly coordinatorOf: (transactionalId: string) => number;
  /** Where another broker listens for this one; `undefined` while that is not known. */
  readonly addressOf: (brokerId: number) => HostAndPort | undefined;
  /** This manager's own. */
  readonly client: NetworkClient;
  readonly requestTimeoutMs: () => number;
  /** Asks the coordinator of this broker. */
  readonly askHere: (transactions: readonly RequestedTransaction[]) => Promise<Answer>;
}

/**
 * Asks the transaction coordinator, before a broker writes the first records of a transaction to a partition, whether
 * the partition belongs to the transaction that is open; for producers of KIP-890's second protocol it adds the partition.
 * Questions about one coordinator are answered in their order.
 */
export class AddPartitionsToTxnManager implements TransactionVerifier {
  private readonly logger: Logger;
  private readonly options: AddPartitionsToTxnManagerOptions;

  constructor(logger: Logger, options: AddPartitionsToTxnManagerOptions) {
    this.logger = logger.child('add-partitions-to-txn');
    this.options = options;
  }

  /** See {@link TransactionVerifier}. */
  async verify(verification: TransactionVerification): Promise<readonly number[]> {
    const { transactionalId, operation, partitions } = verification;
    const all = (code: number): number[] => partitions.map(() => code);
    let answer: Answer;
    try {
      const asked = await this.ask(verification);
      if (asked === undefined) return all(Errors.COORDINATOR_NOT_AVAILABLE);
      answer = asked;
    } catch (error) {
      const { code, reason } = { code: errorCodeOf(error), reason: String(error) };
      this.logger.warn('a transaction coordinator could not be asked for a transaction', {
        transactionalId,
        reason,
      });
      // A broker of an old version cannot tell: its word is not waited for, as before there was such a question.
      if (code === Errors.UNSUPPORTED_VERSION && operation !== 'addPartition') return all(Errors.NONE);
      return all(code === Errors.REQUEST_TIMED_OUT ? Errors.NETWORK_EXCEPTION : code);
    }
    if (answer.errorCode !== Errors.NONE) {
      // That this broker may not ask is no fault of the producer's, who must not take it for one.
      const isForbidden = answer.errorCode === Errors.CLUSTER_AUTHORIZATION_FAILED;
      return all(isForbidden ? Errors.INVALID_TXN_STATE : answer.errorCode);
    }
    const codes = new Map<string, number>();
    for (const { name, resultsByPartition } of answer.resultsByTransaction[0]?.topicResults ?? []) {
      for (const { partitionIndex, partitionErrorCode } of resultsByPartition) {
        codes.set(topicPartitionKey({ topic: name, partition: partitionIndex }), partitionErrorCode);
      }
    }
    return partitions.map(each =>
      codeForProducer(codes.get(topicPartitionKey(each)) ?? Errors.UNKNOWN_SERVER_ERROR, operation),
    );
  }

  close(): void {
    this.options.client.close();
  }

  /** `undefined` if no coordinator can be reached. */
  private async ask(verification: TransactionVerification): Promise<Answer | undefined> {
    const { nodeId, coordinatorOf, addressOf, client, requestTimeoutMs, askHere } = this.options;
    const { transactionalId, producerId, producerEpoch, operation, partitions } = verification;
    const transaction = {
      transactionalId,
      producerId,
      producerEpoch,
      verifyOnly: operation !== 'addPartition',
      topics: partitionsByTopic(partitions, (name, indexes) => ({ name, partitions: indexes })),
    };
    const transactions = [transaction];
    const coordinator = coordinatorOf(transactionalId);
    if (coordinator === nodeId) return askHere(transactions);
    const address = addressOf(coordinator);
    if (address === undefined) return undefined;
    return client.send(
      address,
      ADD_PARTITIONS_TO_TXN,
      { transactions },
      {
        timeoutMs: requestTimeoutMs(),
        minVersion: BROKER_MIN_VERSION,
      },
    );
  }
}

/** The code as the producer of the records may see it: older producers know fewer. */
function codeForProducer(code: number, operation: TransactionOperation): number {
  if (code === Errors.PRODUCER_FENCED) return Errors.INVALID_PRODUCER_EPOCH;
  const isUnknown = code === Errors.TRANSACTION_ABORTABLE && operation === 'defaultError';
  return isUnknown ? Errors.INVALID_TXN_STATE : code;
}
