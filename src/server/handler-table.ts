import type { Handler, ListenerKind } from './handler.ts';

/** The registered APIs by key: the one source of dispatch, of ApiVersions and of `docs/PROTOCOL.md`. */
export class HandlerTable {
  private readonly byKey = new Map<number, Handler>();

  /** Throws if two handlers claim one API key. */
  constructor(handlers: readonly Handler[]) {
    for (const handler of [...handlers].sort((a, b) => a.apiKey - b.apiKey)) {
      const other = this.byKey.get(handler.apiKey);
      if (other !== undefined)
        throw new Error(`${handler.name} and ${other.name} both claim API key ${handler.apiKey}`);
      this.byKey.set(handler.apiKey, handler);
    }
  }

  /** The handler of `apiKey` on a listener of `kind`; `undefined` if it is not served there. */
  find(apiKey: number, kind: ListenerKind): Handler | undefined {
    const handler = this.byKey.get(apiKey);
    return handler?.listeners.includes(kind) ? handler : undefined;
  }

  /** All handlers, or those of a listener, in the order of their keys. */
  *all(kind?: ListenerKind): Iterable<Handler> {
    for (const handler of this.byKey.values()) {
      if (kind === undefined || handler.listeners.includes(kind)) yield handler;
    }
  }
}
