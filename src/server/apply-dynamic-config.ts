import type { Logger } from '../base/logger.ts';
import type { DynamicBrokerConfig } from '../config/dynamic-broker-config.ts';
import type { MetadataImage } from '../metadata/metadata-image.ts';

/** Has a node use what the metadata sets for it, and says what that changes. Secrets are not shown. */
export function applyDynamicConfig(
  logger: Logger,
  config: DynamicBrokerConfig,
  nodeId: number,
  { configs }: MetadataImage,
): void {
  try {
    for (const { name, from, to } of config.update(configs.defaultBroker(), configs.broker(nodeId))) {
      logger.info('a configuration key has another value now', { key: name, from, to });
    }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    logger.error('what was set for this broker contradicts itself: the configuration stays as it was', {
      reason: error.message,
    });
  }
}
