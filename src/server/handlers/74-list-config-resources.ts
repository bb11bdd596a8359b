import { ConfigResourceType } from '../../metadata/config-resource.ts';
import type { MetadataImage } from '../../metadata/metadata-image.ts';
import { Errors, KafkaError } from '../../protocol/errors.ts';
import {
  ListConfigResourcesRequest,
  ListConfigResourcesResponse,
} from '../../protocol/messages/74-list-config-resources.ts';
import { defineHandler } from '../handler.ts';

/** What is listed where no types are asked for. */
const ALL_TYPES: readonly number[] = [
  ConfigResourceType.TOPIC,
  ConfigResourceType.BROKER,
  ConfigResourceType.BROKER_LOGGER,
  ConfigResourceType.CLIENT_METRICS,
  ConfigResourceType.GROUP,
];

/**
 * ListConfigResources, 0 and 1. v0 lists subscriptions to client metrics; v1 resources of any type. Topics and brokers
 * are listed whether or not anything was set for them.
 */
export const listConfigResources = defineHandler({
  request: ListConfigResourcesRequest,
  response: ListConfigResourcesResponse,
  authorize: ['DescribeConfigs Cluster'],
  handle({ apiVersion }, request, broker) {
    const asked = apiVersion === 0 ? [ConfigResourceType.CLIENT_METRICS] : request.resourceTypes;
    const types = asked.length === 0 ? ALL_TYPES : [...new Set(asked)];
    const image = broker.metadata();
    const configResources = [];
    for (const resourceType of types) {
      if (!ALL_TYPES.includes(resourceType)) {
        throw new KafkaError(
          Errors.UNSUPPORTED_VERSION,
          `resources of type ${resourceType} cannot be listed`,
        );
      }
      for (const resourceName of namesOf(image, resourceType))
        configResources.push({ resourceName, resourceType });
    }
    return { errorCode: Errors.NONE, configResources };
  },
});

function* namesOf(image: MetadataImage, type: number): Iterable<string> {
  switch (type) {
    case ConfigResourceType.TOPIC:
      yield* image.topics.byName.keys();
      return;
    case ConfigResourceType.BROKER:
    case ConfigResourceType.BROKER_LOGGER:
      for (const id of image.cluster.brokers.keys()) yield String(id);
      return;
    default:
      for (const { resource } of image.configs.ofType(type)) yield resource.name;
  }
}
