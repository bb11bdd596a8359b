import { BROKER_KEYS, brokerKeyFallbacks, recognizeBrokerKey } from '../config/broker-keys.ts';
import { parseConfigValue } from '../config/config-value.ts';
import { DYNAMIC_BROKER_KEYS } from '../config/dynamic-broker-keys.ts';
import type { KafkaConfig } from '../config/kafka-config.ts';
import type { KeyDefinition } from '../config/key-definition.ts';
import { validateTopicConfigs } from '../config/topic-config.ts';
import { TOPIC_KEYS } from '../config/topic-keys.ts';
import { type ConfigResource, ConfigResourceType } from '../metadata/config-resource.ts';
import type { MetadataImage } from '../metadata/metadata-image.ts';
import { topicNameProblem } from '../metadata/topic-name.ts';
import { Errors, KafkaError } from '../protocol/errors.ts';
import { CLIENT_METRICS_KEYS, GROUP_RESOURCE_KEYS } from './resource-keys.ts';

/** The broker's keys that stand behind those of topics: a changed value is in the next append, no restart needed. */
const TOPIC_DEFAULT_KEYS: ReadonlySet<string> = new Set(
  [...TOPIC_KEYS.values()].flatMap(key =>
    key.brokerKey === undefined ? [] : brokerKeyFallbacks(key.brokerKey).map(fallback => fallback.key),
  ),
);

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

/**
 * Throws unless the resource may have `values`, of which `changed` are new: INVALID_CONFIG for topics and groups,
 * INVALID_REQUEST for brokers and client metrics, as in Kafka.
 */
export function validateConfigs(
  resource: ConfigResource,
  values: ReadonlyMap<string, string>,
  changed: ReadonlySet<string>,
  config: KafkaConfig,
): void {
  const fail = (code: number, problem: string | undefined): void => {
    if (problem !== undefined) throw new KafkaError(code, problem);
  };
  switch (resource.type) {
    case ConfigResourceType.TOPIC:
      fail(Errors.INVALID_CONFIG, validateTopicConfigs(values, config));
      break;
    case ConfigResourceType.BROKER:
      fail(Errors.INVALID_REQUEST, brokerProblem(resource.name, values, changed));
      break;
    case ConfigResourceType.GROUP:
      fail(
        Errors.INVALID_CONFIG,
        tableProblem(GROUP_RESOURCE_KEYS, values) ?? groupLimitProblem(values, config),
      );
      break;
    default:
      fail(Errors.INVALID_REQUEST, tableProblem(keysOf(resource.type)!, values));
  }
}

/** The broker sets limits to what groups may ask for: `group.consumer.min.session.timeout.ms` and the like. */
function groupLimitProblem(values: ReadonlyMap<string, string>, config: KafkaConfig): string | undefined {
  for (const [name, value] of values) {
    const brokerKey = GROUP_RESOURCE_KEYS.get(name)?.brokerKey;
    const parts = brokerKey === undefined ? null : /^(group\.[a-z]+)\.(.+)$/.exec(brokerKey);
    if (parts === null) continue;
    const least = `${parts[1]}.min.${parts[2]}`;
    const most = `${parts[1]}.max.${parts[2]}`;
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

function valueProblem(key: KeyDefinition, value: string): string | undefined {
  const parsed = parseConfigValue(key, value);
  if (parsed.ok) return undefined;
  const shown = key.type === 'PASSWORD' ? 'the value' : `'${value}'`;
  return `${shown} cannot be the value of ${key.name}: it ${parsed.problem}`;
}

function brokerProblem(
  brokerName: string,
  values: ReadonlyMap<string, string>,
  changed: ReadonlySet<string>,
): string | undefined {
  for (const name of changed) {
    const value = values.get(name);
    const dynamic = DYNAMIC_BROKER_KEYS.get(name);
    if (dynamic !== undefined) {
      const problem = value === undefined ? undefined : valueProblem(dynamic, value);
      if (problem !== undefined) return problem;
      continue;
    }
    const recognized = recognizeBrokerKey(name);
    if (recognized.kind === 'unknown') {
      const hint = recognized.nearest === undefined ? '' : `; the nearest is '${recognized.nearest}'`;
      return `there is no broker configuration key '${name}'${hint}`;
    }
    if (recognized.kind === 'listener') return `${name}: this version reads it only when the broker starts`;
    if (recognized.kind === 'other') {
      if (recognized.status.kind === 'refused') return `${name}: ${recognized.status.reason}`;
      continue;
    }
    const key = recognized.definition;
    if (key.updateMode === 'read-only') {
      return `${name} cannot change while the broker runs`;
    }
    if (key.updateMode === 'per-broker' && brokerName === '') {
      return `${name} is set broker by broker: name one`;
    }
    if (value === undefined) continue;
    const problem = valueProblem(key, value);
    if (problem !== undefined) return problem;
    if (key.status.kind === 'refused' && value !== key.defaultText) return `${name}: ${key.status.reason}`;
    if (key.status.kind === 'supported' && !TOPIC_DEFAULT_KEYS.has(name)) {
      return `${name}: this version reads it only when the broker starts`;
    }
  }
  return undefined;
}
