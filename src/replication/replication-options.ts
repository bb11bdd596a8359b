import type { BrokerEpoch } from '../base/int64.ts';
import type { Uuid } from '../base/uuid.ts';
import type { HostAndPort } from '../client/network-client.ts';
import type { KafkaConfig } from '../config/kafka-config.ts';
import type { LogConfig } from '../config/log-config.ts';
import type { MetadataImage } from '../metadata/metadata-image.ts';
import type { SendAlterPartition } from './alter-partition-manager.ts';
import type { LeaderEndPoint } from './leader-end-point.ts';
import type { TransactionVerifier } from './transaction-verifier.ts';

/** What the replicas of a broker need of the world around them. */
export interface ReplicaManagerOptions {
  readonly brokerId: number;
  /** The configuration in force of a topic. */
  readonly topicConfig: (topic: string) => LogConfig;
  /** The latest metadata: brokers that may join an ISR, racks, partitions that are elsewhere. */
  readonly metadata: () => MetadataImage;
  /** The broker's configuration in force: `replica.*`, `num.replica.fetchers`, the throttle rates. */
  readonly config: () => KafkaConfig;
  /** Of this broker, as the controller has given it; -1 before it is registered. */
  readonly brokerEpoch: () => BrokerEpoch;
  /**
   * A way to the broker that leads, with a connection of its own: a fetcher waits in a long poll. Called once for each
   * fetcher; closed by it.
   */
  readonly leaderEndPoint: (leaderId: number, fetcherId: number) => LeaderEndPoint;
  /**
   * Asks the coordinators of transactions about records that begin one in a partition. Left out where
   * `transaction.partition.verification.enable` is off for good: without it such records are not taken.
   */
  readonly transactionVerifier?: TransactionVerifier;
  /** Brings an AlterPartition request to the active controller. */
  readonly alterPartition: SendAlterPartition;
  /**
   * A replica was put in another log directory than the one that the metadata names for it: the controller has to be
   * told (AssignReplicasToDirs).
   */
  readonly onDirectoryAssigned?: (topicId: Uuid, partition: number, directoryId: Uuid) => void;
}

/** Where brokers listen for each other: the end point of `listenerName` (`inter.broker.listener.name`) in `image`. */
export function brokerEndPoint(
  { cluster }: MetadataImage,
  brokerId: number,
  listenerName: string,
): HostAndPort | undefined {
  const endPoint = cluster.broker(brokerId)?.listeners.get(listenerName);
  return endPoint === undefined ? undefined : { host: endPoint.host, port: endPoint.port };
}
