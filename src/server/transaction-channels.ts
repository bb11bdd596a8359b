import type { Logger } from '../base/logger.ts';
import { NetworkClient } from '../client/network-client.ts';
import type { KafkaConfig } from '../config/kafka-config.ts';
import { InternalTopic } from '../metadata/topic-name.ts';
import { Errors } from '../protocol/errors.ts';
import { brokerEndPoint } from '../replication/replication-options.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { AddPartitionsToTxnManager } from './add-partitions-to-txn-manager.ts';
import type { BrokerServices } from './broker-services.ts';
import { addPartitions } from './handlers/24-add-partitions-to-txn.ts';
import { writeTransactionMarkers } from './handlers/27-write-txn-markers.ts';
import { TransactionMarkerChannel } from './transaction-marker-channel.ts';

/** Of partitions that a producer begins to write to without a request of its own (KIP-890). */
const ADDED_TRANSACTION_VERSION = 2;
/** An answer has some bytes for each partition of a request, of which there are a few thousand at most. */
const FRAME_MAX_BYTES = 0x400_0000;

/**
 * What the brokers of a cluster have to do with each other for transactions: leaders of partitions ask coordinators,
 * who have leaders write markers. What concerns this broker itself takes no connection.
 */
export class TransactionChannels {
  readonly verifier: AddPartitionsToTxnManager;
  readonly markers: TransactionMarkerChannel;

  /** `broker` is asked for when it has its parts. */
  constructor(runtime: Runtime, logger: Logger, config: KafkaConfig, broker: () => BrokerServices) {
    const { nodeId } = config;
    const metadata = () => broker().metadata();
    const addressOf = (id: number) => brokerEndPoint(metadata(), id, config.interBrokerListenerName);
    const requestTimeoutMs = () => config.int('request.timeout.ms');
    const client = (purpose: string) =>
      new NetworkClient(runtime, logger, {
        clientId: `broker-${nodeId}-${purpose}`,
        connectTimeoutMs: config.long('socket.connection.setup.timeout.ms'),
        maxFrameBytes: FRAME_MAX_BYTES,
      });
    this.verifier = new AddPartitionsToTxnManager(logger, {
      nodeId,
      coordinatorOf: transactionalId => {
        const partition = broker().transactionCoordinator.partitionFor(transactionalId);
        return metadata().topics.partition(InternalTopic.TRANSACTION_STATE, partition)?.leader ?? -1;
      },
      addressOf,
      client: client('transaction-verifier'),
      requestTimeoutMs,
      askHere: async transactions => ({
        errorCode: Errors.NONE,
        resultsByTransaction: await addPartitions(transactions, ADDED_TRANSACTION_VERSION, broker()),
      }),
    });
    this.markers = new TransactionMarkerChannel(runtime, logger, {
      nodeId,
      metadata,
      addressOf,
      client: client('transaction-markers'),
      requestTimeoutMs,
      writeHere: request => writeTransactionMarkers(request, broker()),
    });
  }

  close(): void {
    this.verifier.close();
    this.markers.close();
  }
}
