import type { Logger } from '../base/logger.ts';
import type { Uuid } from '../base/uuid.ts';
import type { KafkaConfig } from '../config/kafka-config.ts';
import type { QuorumController } from '../controller/quorum-controller.ts';
import type { GroupCoordinator } from '../coordinator/group-coordinator.ts';
import type { ProducerIdManager } from '../coordinator/transaction/producer-id-manager.ts';
import type { LogManager } from '../log/log-manager.ts';
import type { MetadataImage } from '../metadata/metadata-image.ts';
import type { ReplicaManager } from '../replication/replica-manager.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { HandlerTable } from './handler-table.ts';

/** The parts of a running broker that handlers work with. */
export interface BrokerServices {
  readonly runtime: Runtime;
  readonly logger: Logger;
  readonly config: KafkaConfig;
  readonly nodeId: number;
  /** 22 characters, as `meta.properties` has it. */
  readonly clusterId: Uuid;
  /** The APIs that this process serves. */
  readonly handlers: HandlerTable;
  /** The latest committed metadata that this broker has seen. It changes between calls: take it once a request. */
  metadata(): MetadataImage;
  readonly controller: QuorumController;
  /** The level of the feature `kraft.version`, which the image does not have. */
  kraftVersion(): number;
  /** The node that leads the metadata quorum, if there is one. */
  activeControllerId(): number | undefined;
  /** Has the controller create topics that somebody asked for, in its own time. Names that it works on are left out. */
  autoCreateTopics(names: readonly string[]): void;
  readonly replicaManager: ReplicaManager;
  readonly logManager: LogManager;
  readonly groupCoordinator: GroupCoordinator;
  readonly producerIdManager: ProducerIdManager;
}
