import { PersistentMap } from '../base/persistent-map.ts';
import { type ConfigResource, configResourceKey, ConfigResourceType } from './config-resource.ts';
import { type MetadataRecord, metadataRecord } from './metadata-record.ts';

/** What has been set for one resource: never empty. */
export interface ConfigurationImage {
  readonly resource: ConfigResource;
  readonly values: ReadonlyMap<string, string>;
}

const NO_VALUES: ReadonlyMap<string, string> = new Map();

/** All dynamic configurations. */
export class ConfigurationsImage {
  static readonly EMPTY = new ConfigurationsImage(PersistentMap.empty());

  /** By {@link configResourceKey}. */
  readonly resources: PersistentMap<string, ConfigurationImage>;

  constructor(resources: PersistentMap<string, ConfigurationImage>) {
    this.resources = resources;
  }

  /** Only what has been set for this resource itself; empty if nothing has. */
  values(type: number, name: string): ReadonlyMap<string, string> {
    return this.resources.get(configResourceKey(type, name))?.values ?? NO_VALUES;
  }

  topic(name: string): ReadonlyMap<string, string> {
    return this.values(ConfigResourceType.TOPIC, name);
  }

  /** Without the default of all brokers, which is {@link defaultBroker}. */
  broker(brokerId: number): ReadonlyMap<string, string> {
    return this.values(ConfigResourceType.BROKER, String(brokerId));
  }

  defaultBroker(): ReadonlyMap<string, string> {
    return this.values(ConfigResourceType.BROKER, '');
  }

  *ofType(type: number): Iterable<ConfigurationImage> {
    for (const configuration of this.resources.values()) {
      if (configuration.resource.type === type) yield configuration;
    }
  }

  *records(): Iterable<MetadataRecord> {
    for (const { resource, values } of this.resources.values()) {
      for (const [name, value] of values) {
        yield metadataRecord('ConfigRecord', {
          resourceType: resource.type,
          resourceName: resource.name,
          name,
          value,
        });
      }
    }
  }
}
