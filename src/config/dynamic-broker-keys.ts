import { INT64_MAX } from '../base/int64.ts';
import { BROKER_KEYS } from './broker-keys.ts';
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
