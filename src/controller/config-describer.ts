import {
  BROKER_KEYS,
  brokerKeyFallbacks,
  brokerKeysOfOneThing,
  isSensitiveBrokerKey,
  recognizeBrokerKey,
} from '../config/broker-keys.ts';
import { brokerKey, runningBrokerKey } from '../config/dynamic-broker-keys.ts';
import type { ConfigSource, KafkaConfig } from '../config/kafka-config.ts';
import type { KeyDefinition, KeyType } from '../config/key-definition.ts';
import { topicDefaultText } from '../config/topic-config.ts';
import { TOPIC_KEYS } from '../config/topic-keys.ts';
import { CLIENT_METRICS_KEYS, GROUP_RESOURCE_KEYS } from './resource-keys.ts';

/** Kafka's numbers for where a value comes from. */
export const ConfigSourceCode = {
  UNKNOWN: 0,
  DYNAMIC_TOPIC_CONFIG: 1,
  DYNAMIC_BROKER_CONFIG: 2,
  DYNAMIC_DEFAULT_BROKER_CONFIG: 3,
  STATIC_BROKER_CONFIG: 4,
  DEFAULT_CONFIG: 5,
  DYNAMIC_BROKER_LOGGER_CONFIG: 6,
  CLIENT_METRICS_CONFIG: 7,
  GROUP_CONFIG: 8,
} as const;

/** Kafka's numbers for the type of a value. */
const TYPE_CODES: { readonly [T in KeyType]: number } = {
  BOOLEAN: 1,
  STRING: 2,
  INT: 3,
  SHORT: 4,
  LONG: 5,
  DOUBLE: 6,
  LIST: 7,
  CLASS: 8,
  PASSWORD: 9,
};

const LISTENER_KEY = /^listener\.name\.[^.]+\.(.+)$/;

export interface DescribedSynonym {
  readonly name: string;
  readonly value: string | null;
  readonly source: number;
}

/** One key of a resource as DescribeConfigs shows it. */
export interface DescribedConfig {
  readonly name: string;
  /** Null for a value that is sensitive, or that there is none of. */
  readonly value: string | null;
  /** One of {@link ConfigSourceCode}. */
  readonly source: number;
  readonly readOnly: boolean;
  readonly isSensitive: boolean;
  /** The number of its type, 0 if it is not known. */
  readonly type: number;
  readonly documentation: string | null;
  /** Every place that has a value, the strongest first. */
  readonly synonyms: readonly DescribedSynonym[];
}

/** All keys of a topic with `own` values. `broker` gives the rest. */
export function describeTopicConfigs(
  broker: KafkaConfig,
  own: ReadonlyMap<string, string>,
): DescribedConfig[] {
  const described: DescribedConfig[] = [];
  for (const key of TOPIC_KEYS.values()) {
    if (key.internal && !own.has(key.name)) continue;
    const inherited = key.brokerKey === undefined ? [] : brokerSynonyms(broker, key.brokerKey);
    const value = own.get(key.name);
    const synonyms =
      value === undefined
        ? inherited
        : [{ name: key.name, value, source: ConfigSourceCode.DYNAMIC_TOPIC_CONFIG }, ...inherited];
    described.push(entry(key, value ?? topicDefaultText(broker, key), synonyms, false));
  }
  return described;
}

/** All keys of a broker. `config` has its dynamic values. */
export function describeBrokerConfigs(config: KafkaConfig): DescribedConfig[] {
  const names = new Set([...BROKER_KEYS.keys(), ...config.names()]);
  const described: DescribedConfig[] = [];
  for (const name of names) {
    const key = brokerKey(name);
    if (key?.internal && !config.isSet(name)) continue;
    const synonyms = brokerSynonyms(config, name);
    if (key !== undefined) {
      described.push(entry(key, shownText(config, name), synonyms, key.updateMode === 'read-only'));
    } else if (recognizeBrokerKey(name).kind === 'listener') {
      const listenerKey = { ...runningBrokerKey(name)!, name };
      described.push(entry(listenerKey, config.text(name), synonyms, false));
    } else {
      described.push(unknownEntry(name, config.text(name), synonyms));
    }
  }
  return described;
}

/** What was set for all brokers, and nothing else. */
export function describeDefaultBrokerConfigs(values: ReadonlyMap<string, string>): DescribedConfig[] {
  return [...values].map(([name, value]) => {
    const synonyms = [{ name, value, source: ConfigSourceCode.DYNAMIC_DEFAULT_BROKER_CONFIG }];
    const key = brokerKey(name);
    if (key === undefined) return unknownEntry(name, value, synonyms);
    return entry(key, value, synonyms, key.updateMode === 'read-only');
  });
}

export function describeGroupConfigs(
  broker: KafkaConfig,
  own: ReadonlyMap<string, string>,
): DescribedConfig[] {
  return [...GROUP_RESOURCE_KEYS.values()].map(key => {
    const brokerKey = key.brokerKey;
    const inherited = brokerKey === undefined ? [] : brokerSynonyms(broker, brokerKey);
    if (inherited.length === 0 && key.defaultText != null) {
      inherited.push({ name: key.name, value: key.defaultText, source: ConfigSourceCode.DEFAULT_CONFIG });
    }
    const value = own.get(key.name);
    const synonyms =
      value === undefined
        ? inherited
        : [{ name: key.name, value, source: ConfigSourceCode.GROUP_CONFIG }, ...inherited];
    return entry(key, synonyms[0]?.value ?? null, synonyms, false);
  });
}

export function describeClientMetricsConfigs(own: ReadonlyMap<string, string>): DescribedConfig[] {
  return [...CLIENT_METRICS_KEYS.values()].map(key => {
    const value = own.get(key.name);
    const source = ConfigSourceCode.CLIENT_METRICS_CONFIG;
    const synonyms = value === undefined ? [] : [{ name: key.name, value, source }];
    return entry(key, value ?? key.defaultText ?? null, synonyms, false);
  });
}

/**
 * Every value of a broker's key and of those that stand in for it (`log.retention.hours` for `log.retention.ms`,
 * `max.connections` for that of a listener), the strongest first. As in Kafka, the others are listed only behind a value
 * of the key itself.
 */
function brokerSynonyms(broker: KafkaConfig, name: string): DescribedSynonym[] {
  const ofAll = LISTENER_KEY.exec(name)?.[1];
  const names = ofAll === undefined ? brokerKeyFallbacks(name).map(({ key }) => key) : [name, ofAll];
  const synonyms: DescribedSynonym[] = [];
  for (const key of names) {
    for (const { text, source } of broker.layers(key)) {
      if (text !== null) synonyms.push({ name: key, value: text, source: sourceCode(source) });
    }
  }
  if (name === 'broker.id' && !broker.isSet(name)) {
    const value = String(broker.nodeId);
    synonyms.push({ name, value, source: ConfigSourceCode.STATIC_BROKER_CONFIG });
  }
  synonyms.sort((a, b) => a.source - b.source);
  const first = synonyms.findIndex(synonym => synonym.name === name);
  return first < 0 ? [] : synonyms.slice(first);
}

/**
 * The value of a broker's key. As in Kafka, a key that the file gives has its default while another one that stands for
 * the same thing is set in the running broker: `log.retention.hours`, beside `log.retention.ms`.
 */
function shownText(config: KafkaConfig, name: string): string | null {
  if (name === 'broker.id') return String(config.nodeId);
  const isHidden =
    (config.source(name).kind === 'file' || config.source(name).kind === 'override') &&
    brokerKeysOfOneThing(name).some(other => config.source(other).kind.startsWith('dynamic'));
  return isHidden ? (brokerKey(name)?.defaultText ?? null) : config.text(name);
}

function entry(
  key: KeyDefinition,
  value: string | null,
  synonyms: readonly DescribedSynonym[],
  readOnly: boolean,
): DescribedConfig {
  const isSensitive = key.type === 'PASSWORD';
  const shown = (text: string | null): string | null => {
    if (isSensitive || text === null) return null;
    return key.type === 'CLASS' ? text.replace(/^class /, '') : text;
  };
  return {
    name: key.name,
    value: shown(value),
    source: synonyms[0]?.source ?? ConfigSourceCode.DEFAULT_CONFIG,
    readOnly,
    isSensitive,
    type: TYPE_CODES[key.type],
    documentation: key.documentation,
    synonyms: synonyms.map(synonym => ({ ...synonym, value: shown(synonym.value) })),
  };
}

/** A key for a class that this broker does not have. Nobody can say whether it is a secret. */
function unknownEntry(
  name: string,
  value: string | null,
  synonyms: readonly DescribedSynonym[],
): DescribedConfig {
  const isSensitive = isSensitiveBrokerKey(name);
  return {
    name,
    value: isSensitive ? null : value,
    source: synonyms[0]?.source ?? ConfigSourceCode.STATIC_BROKER_CONFIG,
    readOnly: true,
    isSensitive,
    type: 0,
    documentation: null,
    synonyms: isSensitive ? synonyms.map(synonym => ({ ...synonym, value: null })) : synonyms,
  };
}

function sourceCode(source: ConfigSource): number {
  switch (source.kind) {
    case 'dynamic-broker':
      return ConfigSourceCode.DYNAMIC_BROKER_CONFIG;
    case 'dynamic-default':
      return ConfigSourceCode.DYNAMIC_DEFAULT_BROKER_CONFIG;
    case 'file':
    case 'override':
      return ConfigSourceCode.STATIC_BROKER_CONFIG;
    case 'default':
      return ConfigSourceCode.DEFAULT_CONFIG;
  }
}
