import type { Handler } from './handler.ts';

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
