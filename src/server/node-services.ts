import type { Logger } from '../base/logger.ts';
import type { Uuid } from '../base/uuid.ts';
import type { KafkaConfig } from '../config/kafka-config.ts';
import type { MetadataImage } from '../metadata/metadata-image.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { ServedApi } from './handler.ts';
import type { QuorumAccess } from './quorum-access.ts';
import type { QuotaManagers } from './quotas/quota-managers.ts';
import type { RuntimeLoggerManager } from './runtime-logger-manager.ts';

/** What handlers of brokers and of controllers both work with. */
export interface NodeServices {
  readonly runtime: Runtime;
  readonly logger: Logger;
  /** The levels of the loggers of this node, the same for both of its roles. */
  readonly loggers: RuntimeLoggerManager;
  /** With what was set while the cluster runs. It changes between calls. */
  readonly config: KafkaConfig;
  readonly nodeId: number;
  /** 22 characters, as `meta.properties` has it. */
  readonly clusterId: Uuid;
  /** The APIs that are served on this kind of listener, in the order of their keys. */
  readonly apis: { all(): Iterable<ServedApi> };
  /** The latest committed metadata that this node has seen. It changes between calls: take it once a request. */
  metadata(): MetadataImage;
  /** The level of the feature `kraft.version`, which the image does not have. */
  kraftVersion(): number;
  readonly quorum: QuorumAccess;
  /** What clients may use, and what they do use. */
  readonly quotas: QuotaManagers;
}
