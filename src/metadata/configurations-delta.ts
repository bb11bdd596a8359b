import { type ConfigResource, configResourceKey } from './config-resource.ts';
import { type ConfigurationImage, ConfigurationsImage } from './configurations-image.ts';
import type { MetadataRecordData } from './metadata-record.ts';

/** The changed keys of one resource; null for a key that is gone. */
export interface ConfigurationDelta {
  readonly resource: ConfigResource;
  readonly changes: Map<string, string | null>;
}

/** Changes of dynamic configurations on top of an image. */
export class ConfigurationsDelta {
  readonly image: ConfigurationsImage;
  /** By {@link configResourceKey}. */
  readonly changes = new Map<string, ConfigurationDelta>();

  constructor(image: ConfigurationsImage) {
    this.image = image;
  }

  replay(record: MetadataRecordData<'ConfigRecord'>): void {
    this.delta(record.resourceType, record.resourceName).changes.set(record.name, record.value);
  }

  /** The configuration of a removed topic goes with it. */
  removeResource(type: number, name: string): void {
    const delta = this.delta(type, name);
    delta.changes.clear();
    for (const key of this.image.values(type, name).keys()) delta.changes.set(key, null);
  }

  changed(type: number, name: string): ConfigurationDelta | undefined {
    return this.changes.get(configResourceKey(type, name));
  }

  /** A snapshot has been read: what it did not name is gone. */
  finishSnapshot(): void {
    for (const { resource, values } of this.image.resources.values()) {
      const delta = this.delta(resource.type, resource.name);
      for (const key of values.keys()) {
        if (!delta.changes.has(key)) delta.changes.set(key, null);
      }
    }
  }

  apply(): ConfigurationsImage {
    const resources = this.image.resources.mutate(draft => {
      for (const [key, { resource, changes }] of this.changes) {
        const values = new Map(draft.get(key)?.values);
        for (const [name, value] of changes) {
          if (value === null) values.delete(name);
          else values.set(name, value);
        }
        const next: ConfigurationImage = { resource, values };
        if (values.size === 0) draft.delete(key);
        else draft.set(key, next);
      }
    });
    return new ConfigurationsImage(resources);
  }

  private delta(type: number, name: string): ConfigurationDelta {
    const key = configResourceKey(type, name);
    let delta = this.changes.get(key);
    if (delta === undefined) {
      delta = { resource: { type, name }, changes: new Map() };
      this.changes.set(key, delta);
    }
    return delta;
  }
}
