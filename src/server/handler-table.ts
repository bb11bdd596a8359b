import type { VersionRange } from '../client/network-client.ts';
import type { Handler, ServedApi } from './handler.ts';

/**
 * The APIs of one kind of listener by key: the one source of dispatch, of ApiVersions and of `docs/PROTOCOL.md`. A node
 * has one table for its broker listeners and one for its controller listeners.
 */
export class HandlerTable<Services> {
  private readonly byKey = new Map<number, Handler<Services>>();

  /** Throws if two handlers claim one API key. */
  constructor(handlers: readonly Handler<Services>[]) {
    for (const handler of [...handlers].sort((a, b) => a.apiKey - b.apiKey)) {
      const other = this.byKey.get(handler.apiKey);
      if (other !== undefined)
        throw new Error(`${handler.name} and ${other.name} both claim API key ${handler.apiKey}`);
      this.byKey.set(handler.apiKey, handler);
    }
  }

  /** `undefined` if the API is not served. */
  find(apiKey: number): Handler<Services> | undefined {
    return this.byKey.get(apiKey);
  }

  /** In the order of their keys. */
  all(): Iterable<Handler<Services>> {
    return this.byKey.values();
  }
}

/**
 * What a broker says it serves: its own APIs, and of those that it passes on the versions that the active controller
 * serves too, which may be another version of this program or Apache Kafka. All of its table while it does not know.
 */
export class AdvertisedApis {
  private readonly table: { all(): Iterable<ServedApi> };
  private readonly controllerVersions: () => ReadonlyMap<number, VersionRange> | undefined;

  constructor(
    table: { all(): Iterable<ServedApi> },
    controllerVersions: () => ReadonlyMap<number, VersionRange> | undefined,
  ) {
    this.table = table;
    this.controllerVersions = controllerVersions;
  }

  *all(): Iterable<ServedApi> {
    const versions = this.controllerVersions();
    for (const api of this.table.all()) {
      if (versions === undefined || !api.forwarded) {
        yield api;
        continue;
      }
      const theirs = versions.get(api.apiKey);
      if (theirs === undefined) continue;
      const minVersion = Math.max(api.minVersion, theirs.minVersion);
      const maxVersion = Math.min(api.maxVersion, theirs.maxVersion);
      if (minVersion <= maxVersion) yield { ...api, minVersion, maxVersion };
    }
  }
}
