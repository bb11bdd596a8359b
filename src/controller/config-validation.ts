import { BROKER_KEYS } from '../config/broker-keys.ts';
import type { KafkaConfig } from '../config/kafka-config.ts';
import type { KeyDefinition } from '../config/key-definition.ts';
import { validateTopicConfigs } from '../config/topic-config.ts';
import { TOPIC_KEYS } from '../config/topic-keys.ts';
import { type ConfigResource, ConfigResourceType } from '../metadata/config-resource.ts';
import type { MetadataImage } from '../metadata/metadata-image.ts';
import { topicNameProblem } from '../metadata/topic-name.ts';
import { Errors, KafkaError } from '../protocol/errors.ts';
import { type BrokerConfigChange, brokerConfigProblem } from './broker-config-validation.ts';
import { validateClientMetrics } from './client-metrics-validation.ts';
import { CLIENT_METRICS_KEYS, GROUP_RESOURCE_KEYS } from './resource-keys.ts';
import { valueProblem } from './value-problem.ts';

/** The definitions of a resource's keys; `undefined` for a type that has none. */
export function keysOf(resourceType: number): ReadonlyMap<string, KeyDefinition> | undefined {
  switch (resourceType) {
    case ConfigResourceType.TOPIC:
      return TOPIC_KEYS;
    case ConfigResourceType.BROKER:
      return BROKER_KEYS;
    case ConfigResourceType.CLIENT_METRICS:
      return CLIENT_METRICS_KEYS;
    case ConfigResourceType.GROUP:
      return GROUP_RESOURCE_KEYS;
    default:
      return undefined;
  }
}

/** Throws INVALID_REQUEST, INVALID_TOPIC_EXCEPTION or UNKNOWN_TOPIC_OR_PARTITION. */
export function checkResource(
  image: MetadataImage,
  resource: ConfigResource,
  isNewTopic: (name: string) => boolean,
): void {
  const { type, name } = resource;
  const invalid = (text: string): KafkaError => new KafkaError(Errors.INVALID_REQUEST, text);
  switch (type) {
    case ConfigResourceType.TOPIC: {
      if (name === '') throw invalid('topics have no common configuration: name a topic');
      const problem = topicNameProblem(name);
      if (problem !== undefined) throw new KafkaError(Errors.INVALID_TOPIC_EXCEPTION, problem);
      if (image.topics.topic(name) === undefined && !isNewTopic(name)) {
        throw new KafkaError(Errors.UNKNOWN_TOPIC_OR_PARTITION, `there is no topic '${name}'`);
      }
      return;
    }
    case ConfigResourceType.BROKER:
      if (name === '') return;
      if (!/^\d{1,10}$/.test(name)) throw invalid(`'${name}' is not the id of a broker`);
      if (image.cluster.broker(Number(name)) === undefined) {
        throw invalid(`broker ${name} is not registered`);
      }
      return;
    case ConfigResourceType.CLIENT_METRICS:
      if (name === '') throw invalid('a subscription to client metrics must have a name');
      return;
    case ConfigResourceType.GROUP:
      if (name === '') throw invalid('groups have no common configuration: name a group');
      return;
    default:
      throw invalid(`there is no configuration of resource type ${type}`);
  }
}

/** Throws INVALID_REQUEST unless the change can be made while brokers run. */
export function validateBrokerConfigs(change: BrokerConfigChange): void {
  fail(Errors.INVALID_REQUEST, brokerConfigProblem(change));
}

/**
 * Throws unless the resource, which is no broker, may have `values`: INVALID_CONFIG for topics and groups,
 * what {@link validateClientMetrics} throws for client metrics.
 */
export function validateConfigs(
  resource: ConfigResource,
  values: ReadonlyMap<string, string>,
  config: KafkaConfig,
): void {
  switch (resource.type) {
    case ConfigResourceType.TOPIC:
      fail(Errors.INVALID_CONFIG, validateTopicConfigs(values, config));
      break;
    case ConfigResourceType.GROUP:
      fail(
        Errors.INVALID_CONFIG,
        tableProblem(GROUP_RESOURCE_KEYS, values) ?? groupLimitProblem(values, config),
      );
      break;
    default:
      validateClientMetrics(values);
  }
}

function fail(code: number, problem: string | undefined): void {
  if (problem !== undefined) throw new KafkaError(code, problem);
}

/** The broker sets limits to what groups may ask for: `group.consumer.min.session.timeout.ms` and the like. */
function groupLimitProblem(values: ReadonlyMap<string, string>, config: KafkaConfig): string | undefined {
  for (const [name, value] of values) {
    const brokerKey = GROUP_RESOURCE_KEYS.get(name)?.brokerKey;
    const parts = brokerKey === undefined ? null : /^(group\.[a-z]+)\.(.+)$/.exec(brokerKey);
    if (parts === null) continue;
    // num.standby.replicas is limited by max.standby.replicas.
    const what = parts[2]!.replace(/^num\./, '');
    const least = `${parts[1]}.min.${what}`;
    const most = `${parts[1]}.max.${what}`;
    if (BROKER_KEYS.has(least) && Number(value) < config.int(least)) {
      return `${name} may not be below the broker's ${least}, ${config.int(least)}`;
    }
    if (BROKER_KEYS.has(most) && Number(value) > config.int(most)) {
      return `${name} may not be above the broker's ${most}, ${config.int(most)}`;
    }
  }
  return undefined;
}

function tableProblem(
  keys: ReadonlyMap<string, KeyDefinition>,
  values: ReadonlyMap<string, string>,
): string | undefined {
  for (const [name, value] of values) {
    const key = keys.get(name);
    if (key === undefined) return `there is no configuration key '${name}' here`;
    const problem = valueProblem(key, value);
    if (problem !== undefined) return problem;
  }
  return undefined;
}
