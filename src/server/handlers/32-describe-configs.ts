import {
  ConfigSourceCode,
  type DescribedConfig,
  describeBrokerConfigs,
  describeClientMetricsConfigs,
  describeDefaultBrokerConfigs,
  describeGroupConfigs,
  describeTopicConfigs,
} from '../../controller/config-describer.ts';
import { ConfigResourceType } from '../../metadata/config-resource.ts';
import { topicNameProblem } from '../../metadata/topic-name.ts';
import { Errors, KafkaError } from '../../protocol/errors.ts';
import {
  DescribeConfigsRequest,
  DescribeConfigsResponse,
} from '../../protocol/messages/32-describe-configs.ts';
import { failedResources } from '../failed-resources.ts';
import { defineNodeHandler } from '../handler.ts';
import type { NodeServices } from '../node-services.ts';

/**
 * DescribeConfigs, 0 to 4. v0 says only whether a value is the default; v1 says where it comes from, with synonyms; v3
 * type and documentation. Every resource succeeds or fails by itself.
 */
export const describeConfigs = defineNodeHandler({
  request: DescribeConfigsRequest,
  response: DescribeConfigsResponse,
  authorize: ['DescribeConfigs Cluster', 'DescribeConfigs Topic', 'DescribeConfigs Group'],
  handle({ apiVersion }, request, node) {
    const results = request.resources.map(({ resourceType, resourceName, configurationKeys }) => {
      try {
        // An empty list asks for everything too, in Kafka.
        const wanted = configurationKeys?.length ? new Set(configurationKeys) : undefined;
        // Of a logger Kafka gives the documentation, which is empty, unasked.
        const isLogger = resourceType === ConfigResourceType.BROKER_LOGGER;
        const configs = describeResource(node, resourceType, resourceName)
          .filter(config => wanted?.has(config.name) ?? true)
          .map(config => ({
            name: config.name,
            value: config.value,
            readOnly: config.readOnly,
            isDefault: apiVersion === 0 && config.source === ConfigSourceCode.DEFAULT_CONFIG,
            configSource: config.source,
            isSensitive: config.isSensitive,
            synonyms: request.includeSynonyms ? config.synonyms : [],
            configType: config.type,
            documentation: request.includeDocumentation || isLogger ? config.documentation : null,
          }));
        return { errorCode: Errors.NONE, errorMessage: '', resourceType, resourceName, configs };
      } catch (error) {
        if (!(error instanceof KafkaError)) throw error;
        return {
          errorCode: error.code,
          errorMessage: error.message,
          resourceType,
          resourceName,
          configs: [],
        };
      }
    });
    return { results };
  },
  failure: ({ resources }, errorCode, errorMessage) => ({
    results: failedResources(resources, errorCode, errorMessage).map(failed => ({ ...failed, configs: [] })),
  }),
});

function describeResource(node: NodeServices, type: number, name: string): DescribedConfig[] {
  const { topics, configs } = node.metadata();
  const { config } = node;
  const invalid = (text: string): KafkaError => new KafkaError(Errors.INVALID_REQUEST, text);
  switch (type) {
    case ConfigResourceType.TOPIC: {
      const problem = topicNameProblem(name);
      if (problem !== undefined) throw new KafkaError(Errors.INVALID_TOPIC_EXCEPTION, problem);
      if (topics.topic(name) === undefined) {
        throw new KafkaError(Errors.UNKNOWN_TOPIC_OR_PARTITION, `there is no topic '${name}'`);
      }
      return describeTopicConfigs(config, configs.topic(name));
    }
    case ConfigResourceType.BROKER:
      if (name === '') return describeDefaultBrokerConfigs(configs.defaultBroker());
      if (name === String(node.nodeId)) return describeBrokerConfigs(config);
      throw invalid(`this is broker ${node.nodeId}: it knows its own configuration, not that of '${name}'`);
    case ConfigResourceType.BROKER_LOGGER:
      return node.loggers.describe(name);
    case ConfigResourceType.CLIENT_METRICS:
      if (name === '') throw invalid('a subscription to client metrics must have a name');
      return describeClientMetricsConfigs(configs.values(type, name));
    case ConfigResourceType.GROUP:
      if (name === '') throw invalid('groups have no common configuration: name a group');
      return describeGroupConfigs(config, configs.values(type, name));
    default:
      throw invalid(`there is no configuration of resource type ${type}`);
  }
}
