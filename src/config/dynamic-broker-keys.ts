import { INT64_MAX } from '../base/int64.ts';
import { BROKER_KEYS, recognizeBrokerKey } from './broker-keys.ts';
import { type KeyDefinition, long } from './key-definition.ts';
import { atLeast } from './validators.ts';

/**
 * Keys of brokers that exist only while the cluster runs: no file has them. How many bytes a second may go into moving
 * replicas, of one broker or of each.
 */
export const DYNAMIC_BROKER_KEYS: ReadonlyMap<string, KeyDefinition> = new Map(
  [
    ['leader.replication.throttled.rate', 'Bytes/s that a leader sends to throttled replicas at most.'],
    [
      'follower.replication.throttled.rate',
      'Bytes/s that a follower fetches for throttled replicas at most.',
    ],
    [
      'replica.alter.log.dirs.io.max.bytes.per.second',
      'Bytes/s that replicas moving between directories copy at most.',
    ],
  ].map(([name, documentation]) => {
    const key = long(name!, INT64_MAX, 'MEDIUM', documentation!, { check: atLeast(0) });
    return [name!, { ...key, updateMode: 'cluster-wide' }];
  }),
);

/** The key of a broker that `name` stands for, whether files may have it or not. */
export function brokerKey(name: string): KeyDefinition | undefined {
  return BROKER_KEYS.get(name) ?? DYNAMIC_BROKER_KEYS.get(name);
}

/** Keys that Kafka changes in a running broker, and that are read here when the broker starts. */
export const READ_AT_START: ReadonlySet<string> = new Set(['listener.security.protocol.map', 'listeners']);

/**
 * The key of a running broker that `name` stands for, a key of one listener among them; `undefined` where a value has
 * its place in the file, or nowhere.
 */
export function runningBrokerKey(name: string): KeyDefinition | undefined {
  const key = brokerKey(name);
  if (key !== undefined) {
    const isDynamic = key.updateMode !== 'read-only' && key.status.kind !== 'refused';
    return isDynamic && !READ_AT_START.has(name) ? key : undefined;
  }
  const recognized = recognizeBrokerKey(name);
  return recognized.kind === 'listener' ? recognized.definition : undefined;
}

/** Whether it is a key for a part that this version does not have: such a value is kept and shown, and that is all. */
export function isKeyWithoutEffect(name: string): boolean {
  const recognized = recognizeBrokerKey(name);
  return recognized.kind === 'other' && recognized.status.kind === 'no-effect';
}
