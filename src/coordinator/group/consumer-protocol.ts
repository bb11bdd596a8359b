import { ByteReader } from '../../base/byte-reader.ts';

/**
 * The topics that consumers subscribe to, out of the metadata of their JoinGroup (ConsumerProtocolSubscription, whose
 * versions all begin with `version int16 | topics []string`). `undefined` if one of them cannot be read: a client may
 * use the protocol type `consumer` with metadata of its own.
 */
export function subscribedTopicsOf(subscriptions: readonly Buffer[]): ReadonlySet<string> | undefined {
  const topics = new Set<string>();
  try {
    for (const subscription of subscriptions) {
      const reader = new ByteReader(subscription);
      if (reader.int16() < 0) return undefined;
      const count = reader.int32();
      if (count < 0 || count * 2 > reader.remaining) return undefined;
      for (let i = 0; i < count; i++) topics.add(reader.utf8(reader.int16()));
    }
  } catch {
    return undefined;
  }
  return topics;
}
