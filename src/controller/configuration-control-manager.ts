import type { KafkaConfig } from '../config/kafka-config.ts';
import { logConfigOf, topicDefaultText } from '../config/topic-config.ts';
import { TOPIC_KEYS } from '../config/topic-keys.ts';
import { type ConfigResource, configResourceKey, ConfigResourceType } from '../metadata/config-resource.ts';
import type { ConfigurationsImage } from '../metadata/configurations-image.ts';
import { FeatureName } from '../metadata/features.ts';
import type { MetadataImage } from '../metadata/metadata-image.ts';
import { type MetadataRecord, metadataRecord } from '../metadata/metadata-record.ts';
import { Errors, KafkaError } from '../protocol/errors.ts';
import type { AlterConfigsRequest } from '../protocol/messages/33-alter-configs.ts';
import type { IncrementalAlterConfigsRequest } from '../protocol/messages/44-incremental-alter-configs.ts';
import { checkResource, keysOf, validateBrokerConfigs, validateConfigs } from './config-validation.ts';
import { atomicResult, type ControllerResult } from './controller-result.ts';
import type { TopicElectionConfigs } from './partition-changes.ts';
import type { PolicyChecks } from './policies.ts';

/** Bytes. The limit of a string in the record formats of old. */
const CONFIG_VALUE_MAX_BYTES = 32767;

export const ConfigOperation = { SET: 0, DELETE: 1, APPEND: 2, SUBTRACT: 3 } as const;

export interface ConfigAlteration {
  readonly name: string;
  /** One of {@link ConfigOperation}. */
  readonly operation: number;
  readonly value: string | null;
  /** The old form of a request removes what it does not name; policies are not asked about that, as in Kafka. */
  readonly implied?: boolean;
}

export interface ResourceResult {
  readonly resourceType: number;
  readonly resourceName: string;
  readonly errorCode: number;
  readonly errorMessage: string | null;
}

/** Dynamic configurations: of topics, brokers, client metrics and groups. */
export class ConfigurationControlManager implements TopicElectionConfigs {
  private readonly staticConfig: KafkaConfig;
  private readonly nodeId: number;
  private readonly policies: PolicyChecks;
  private cached: { image: ConfigurationsImage; config: KafkaConfig } | undefined;

  constructor(staticConfig: KafkaConfig, policies: PolicyChecks) {
    this.staticConfig = staticConfig;
    this.policies = policies;
    this.nodeId = staticConfig.nodeId;
  }

  /** The configuration of this node with what was set for it while the cluster runs. */
  brokerConfig(image: MetadataImage): KafkaConfig {
    // A memo of a pure function: a configurations image is made for each change only.
    if (this.cached?.image !== image.configs) {
      const config = this.staticConfig.withDynamic(
        image.configs.defaultBroker(),
        image.configs.broker(this.nodeId),
      );
      this.cached = { image: image.configs, config };
    }
    return this.cached.config;
  }

  minInsyncReplicas(image: MetadataImage, topic: string): number {
    const own = Number(image.configs.topic(topic).get('min.insync.replicas') ?? Number.NaN);
    return Number.isInteger(own) ? own : logConfigOf(this.brokerConfig(image), NO_VALUES).minInsyncReplicas;
  }

  uncleanLeaderElection(image: MetadataImage, topic: string): boolean {
    const own = image.configs.topic(topic).get('unclean.leader.election.enable');
    return own === undefined
      ? logConfigOf(this.brokerConfig(image), NO_VALUES).uncleanLeaderElection
      : own.toLowerCase() === 'true';
  }

  /**
   * The records that turn the configuration of `resource` into what the alterations say; none for a value that is
   * there already. Throws `KafkaError` as {@link checkResource} and {@link validateConfigs} do, INVALID_REQUEST for
   * alterations that contradict each other, INVALID_CONFIG for lists that are none, and POLICY_VIOLATION.
   */
  alter(
    image: MetadataImage,
    resource: ConfigResource,
    alterations: readonly ConfigAlteration[],
    isNewTopic: (name: string) => boolean = () => false,
  ): MetadataRecord[] {
    checkResource(image, resource, isNewTopic);
    checkAlterations(alterations);
    const old = image.configs.values(resource.type, resource.name);
    const values = new Map(old);
    for (const alteration of alterations) {
      const value = this.newValue(image, resource, alteration, values);
      if (value === null) values.delete(alteration.name);
      else values.set(alteration.name, value);
    }
    const changed = new Set(alterations.map(alteration => alteration.name));
    if (resource.type === ConfigResourceType.BROKER) {
      this.validateBroker(image, resource.name, values, changed);
      this.checkMinInsyncReplicas(image, resource, values, changed);
    } else {
      validateConfigs(resource, values, this.brokerConfig(image));
    }
    // A topic that is created without configurations is no change of any, as in Kafka.
    if (alterations.length > 0 || !isNewTopic(resource.name)) {
      this.policies.checkAlterConfig(resource, askedOf(resource, alterations, values, old));
    }
    const records: MetadataRecord[] = [];
    for (const name of changed) {
      const value = values.get(name) ?? null;
      if (value === (old.get(name) ?? null)) continue;
      records.push(
        metadataRecord('ConfigRecord', {
          resourceType: resource.type,
          resourceName: resource.name,
          name,
          value,
        }),
      );
    }
    return records;
  }

  private validateBroker(
    { configs }: MetadataImage,
    brokerName: string,
    values: ReadonlyMap<string, string>,
    changed: ReadonlySet<string>,
  ): void {
    const { staticConfig, nodeId } = this;
    const isForAll = brokerName === '';
    const ofThis = configs.broker(isForAll ? nodeId : Number(brokerName));
    validateBrokerConfigs({
      brokerName,
      values,
      changed,
      before: staticConfig.withDynamic(configs.defaultBroker(), ofThis),
      after: isForAll
        ? staticConfig.withDynamic(values, ofThis)
        : staticConfig.withDynamic(configs.defaultBroker(), values),
      isLocalBroker: staticConfig.processRoles.has('broker') && (isForAll || Number(brokerName) === nodeId),
    });
  }

  incrementalAlterConfigs(
    image: MetadataImage,
    request: IncrementalAlterConfigsRequest,
  ): ControllerResult<ResourceResult[]> {
    return this.alterAll(image, request.validateOnly, request.resources, resource =>
      resource.configs.map(config => ({
        name: config.name,
        operation: config.configOperation,
        value: config.value,
      })),
    );
  }

  /** The old form: what the request does not name is removed. */
  legacyAlterConfigs(image: MetadataImage, request: AlterConfigsRequest): ControllerResult<ResourceResult[]> {
    return this.alterAll(image, request.validateOnly, request.resources, resource => {
      const named = new Set(resource.configs.map(config => config.name));
      const sets = resource.configs.map(({ name, value }) => ({
        name,
        operation: ConfigOperation.SET,
        value,
      }));
      const present = image.configs.values(resource.resourceType, resource.resourceName).keys();
      const deletes = [...present]
        .filter(name => !named.has(name))
        .map(name => ({ name, operation: ConfigOperation.DELETE, value: null, implied: true }));
      return [...sets, ...deletes];
    });
  }

  /** Each resource succeeds or fails by itself. */
  private alterAll<R extends { readonly resourceType: number; readonly resourceName: string }>(
    image: MetadataImage,
    validateOnly: boolean,
    resources: readonly R[],
    alterationsOf: (resource: R) => ConfigAlteration[],
  ): ControllerResult<ResourceResult[]> {
    const counts = new Map<string, number>();
    for (const { resourceType, resourceName } of resources) {
      const key = configResourceKey(resourceType, resourceName);
      counts.set(key, (counts.get(key) ?? 0) + 1);
    }
    const records: MetadataRecord[] = [];
    const results = resources.map(resource => {
      const { resourceType, resourceName } = resource;
      try {
        if (counts.get(configResourceKey(resourceType, resourceName)) !== 1) {
          throw new KafkaError(Errors.INVALID_REQUEST, 'a resource may be in a request only once');
        }
        records.push(
          ...this.alter(image, { type: resourceType, name: resourceName }, alterationsOf(resource)),
        );
        return { resourceType, resourceName, errorCode: Errors.NONE, errorMessage: null };
      } catch (error) {
        if (!(error instanceof KafkaError)) throw error;
        return { resourceType, resourceName, errorCode: error.code, errorMessage: error.message };
      }
    });
    return atomicResult(validateOnly ? [] : records, results);
  }

  private newValue(
    image: MetadataImage,
    resource: ConfigResource,
    alteration: ConfigAlteration,
    values: ReadonlyMap<string, string>,
  ): string | null {
    const { name, operation, value } = alteration;
    if (operation === ConfigOperation.DELETE) return null;
    if (value === null) {
      throw new KafkaError(Errors.INVALID_REQUEST, `${name} cannot be set to null: delete it instead`);
    }
    let next = value;
    if (operation === ConfigOperation.APPEND || operation === ConfigOperation.SUBTRACT) {
      const definition = keysOf(resource.type)?.get(name);
      if (definition?.type !== 'LIST') {
        throw new KafkaError(Errors.INVALID_CONFIG, `${name} is not a list: set it as a whole`);
      }
      const present = elements(values.get(name) ?? this.defaultText(image, resource, name));
      const given = elements(value);
      next =
        operation === ConfigOperation.APPEND
          ? [...present, ...given.filter(each => !present.includes(each))].join(',')
          : present.filter(each => !given.includes(each)).join(',');
    }
    if (Buffer.byteLength(next) > CONFIG_VALUE_MAX_BYTES) {
      throw new KafkaError(
        Errors.INVALID_CONFIG,
        `the value of ${name} is longer than ${CONFIG_VALUE_MAX_BYTES} bytes`,
      );
    }
    return next;
  }

  /** What a list is before anything was set for it. */
  private defaultText(image: MetadataImage, resource: ConfigResource, name: string): string | null {
    if (resource.type === ConfigResourceType.TOPIC) {
      const key = TOPIC_KEYS.get(name);
      return key === undefined ? null : topicDefaultText(this.brokerConfig(image), key);
    }
    if (resource.type === ConfigResourceType.BROKER) return this.staticConfig.text(name);
    return keysOf(resource.type)?.get(name)?.defaultText ?? null;
  }

  /** With eligible leader replicas the controller must know min.insync.replicas, the same for all brokers. */
  private checkMinInsyncReplicas(
    image: MetadataImage,
    resource: ConfigResource,
    values: ReadonlyMap<string, string>,
    changed: ReadonlySet<string>,
  ): void {
    if (resource.type !== ConfigResourceType.BROKER || !changed.has('min.insync.replicas')) return;
    if (image.features.level(FeatureName.ELIGIBLE_LEADER_REPLICAS_VERSION) === 0) return;
    const invalid = (text: string): KafkaError => new KafkaError(Errors.INVALID_CONFIG, text);
    if (resource.name !== '') {
      throw invalid(
        'min.insync.replicas is the same for all brokers while eligible leader replicas are in use',
      );
    }
    if (!values.has('min.insync.replicas')) {
      throw invalid('min.insync.replicas of the cluster must stay while eligible leader replicas are in use');
    }
  }
}

const NO_VALUES: ReadonlyMap<string, string> = new Map();

/** What a policy is asked about, as in Kafka: the keys that change, and of a broker all that the request names. */
function askedOf(
  resource: ConfigResource,
  alterations: readonly ConfigAlteration[],
  values: ReadonlyMap<string, string>,
  old: ReadonlyMap<string, string>,
): Map<string, string | null> {
  const asked = new Map<string, string | null>();
  for (const { name, implied } of alterations) {
    if (implied === true) continue;
    const value = values.get(name) ?? null;
    const changes = value !== (old.get(name) ?? null);
    if (changes || resource.type === ConfigResourceType.BROKER) asked.set(name, value);
  }
  return asked;
}

function checkAlterations(alterations: readonly ConfigAlteration[]): void {
  const seen = new Set<string>();
  for (const { name, operation } of alterations) {
    if (seen.has(name)) throw new KafkaError(Errors.INVALID_REQUEST, `${name} is in the request twice`);
    seen.add(name);
    if (operation < ConfigOperation.SET || operation > ConfigOperation.SUBTRACT) {
      throw new KafkaError(Errors.INVALID_REQUEST, `there is no configuration operation ${operation}`);
    }
  }
}

function elements(text: string | null): string[] {
  return text === null
    ? []
    : text
        .split(',')
        .map(each => each.trim())
        .filter(each => each !== '');
}

/**
 * The keys that `records` change, each with the topics that it changes for; '' stands for all topics, whose defaults are
 * in the configuration of brokers.
 */
export function changedConfigs(records: readonly MetadataRecord[]): ReadonlyMap<string, ReadonlySet<string>> {
  const changed = new Map<string, Set<string>>();
  for (const record of records) {
    if (record.type !== 'ConfigRecord') continue;
    const { resourceType, resourceName, name } = record.data;
    let topics = changed.get(name);
    if (topics === undefined) {
      topics = new Set();
      changed.set(name, topics);
    }
    topics.add(resourceType === ConfigResourceType.TOPIC ? resourceName : '');
  }
  return changed;
}
