import type { BrokerEpoch } from '../base/int64.ts';
import type { Logger } from '../base/logger.ts';
import type { ClusterImage } from '../metadata/cluster-image.ts';
import type { Clock } from '../runtime/runtime.ts';
import type { AlterPartitionManager } from './alter-partition-manager.ts';
import type { Partition } from './partition.ts';

/** What all partitions of a broker share. */
export interface PartitionContext {
  readonly localId: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly alterPartitions: AlterPartitionManager;
  /** The brokers as the latest metadata has them. */
  cluster(): ClusterImage;
  localBrokerEpoch(): BrokerEpoch;
  /** `replica.lag.time.max.ms` */
  replicaLagTimeMaxMs(): number;
  /** Looks at the ISR of the partition again in a while. */
  checkIsrLater(partition: Partition): void;
}
