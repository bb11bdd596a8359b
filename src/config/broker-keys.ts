import { nearest } from './edit-distance.ts';
import { type KeyDefinition, type KeyStatus, noEffect, refused } from './key-definition.ts';
import { GROUP_KEYS } from './keys/group-keys.ts';
import { LISTENER_KEYS } from './keys/listener-keys.ts';
import { LOG_KEYS } from './keys/log-keys.ts';
import { NODE_KEYS } from './keys/node-keys.ts';
import { OPERATION_KEYS } from './keys/operation-keys.ts';
import { REMOTE_STORAGE_KEYS } from './keys/remote-storage-keys.ts';
import { SECURITY_KEYS } from './keys/security-keys.ts';
import { SHARE_KEYS } from './keys/share-keys.ts';
import { TOPIC_AND_REPLICATION_KEYS } from './keys/topic-and-replication-keys.ts';
import { TRANSACTION_KEYS } from './keys/transaction-keys.ts';

/** The keys of `server.properties` by subject, in the order of the documentation. */
export const BROKER_KEY_GROUPS: readonly {
  readonly title: string;
  readonly keys: readonly KeyDefinition[];
}[] = [
  { title: 'Nodes and the quorum of controllers', keys: NODE_KEYS },
  { title: 'Listeners and connections', keys: LISTENER_KEYS },
  { title: 'Logs', keys: LOG_KEYS },
  { title: 'Topics and replication', keys: TOPIC_AND_REPLICATION_KEYS },
  { title: 'Consumer groups and offsets', keys: GROUP_KEYS },
  { title: 'Transactions', keys: TRANSACTION_KEYS },
  { title: 'Share groups', keys: SHARE_KEYS },
  { title: 'Tiered storage', keys: REMOTE_STORAGE_KEYS },
  { title: 'Quotas, metrics, sources of values', keys: OPERATION_KEYS },
  { title: 'Security', keys: SECURITY_KEYS },
];

/** Every key of `server.properties` by name. */
export const BROKER_KEYS: ReadonlyMap<string, KeyDefinition> = new Map(
  BROKER_KEY_GROUPS.flatMap(group => group.keys).map(key => [key.name, key]),
);

/** Keys that Apache Kafka had before 4.0 and now passes over. Value: what became of them. */
const OBSOLETE_KEYS: ReadonlyMap<string, string> = new Map([
  ['auto.include.jmx.reporter', 'metric.reporters says it all'],
  ['broker.id.generation.enable', 'ids are given with node.id'],
  ['control.plane.listener.name', 'controllers have listeners of their own: controller.listener.names'],
  ['controlled.shutdown.max.retries', 'the controller decides when a broker may stop'],
  ['controlled.shutdown.retry.backoff.ms', 'the controller decides when a broker may stop'],
  ['delegation.token.master.key', 'it is now delegation.token.secret.key'],
  ['eligible.leader.replicas.enable', 'it is a feature level of the cluster'],
  ['group.coordinator.new.enable', 'there is only one group coordinator'],
  ['group.share.enable', 'it is a feature level of the cluster'],
  ['inter.broker.protocol.version', 'it is the feature level metadata.version of the cluster'],
  ['leader.imbalance.per.broker.percentage', 'the controller balances partition by partition'],
  ['log.message.downconversion.enable', 'records are converted for old clients without it'],
  ['log.message.format.version', 'records are stored in format v2'],
  [
    'log.message.timestamp.difference.max.ms',
    'it became log.message.timestamp.before.max.ms and .after.max.ms',
  ],
  ['message.downconversion.enable', 'records are converted for old clients without it'],
  ['offsets.commit.required.acks', 'commits wait for all in-sync replicas'],
  ['password.encoder.cipher.algorithm', 'it was for ZooKeeper'],
  ['password.encoder.iterations', 'it was for ZooKeeper'],
  ['password.encoder.key.length', 'it was for ZooKeeper'],
  ['password.encoder.keyfactory.algorithm', 'it was for ZooKeeper'],
  ['password.encoder.old.secret', 'it was for ZooKeeper'],
  ['password.encoder.secret', 'it was for ZooKeeper'],
  ['reserved.broker.max.id', 'ids are given with node.id'],
]);

/** Keys of the classes that the refused `authorizer.class.name` would load. */
const AUTHORIZER_KEYS: ReadonlySet<string> = new Set(['super.users', 'allow.everyone.if.no.acl.found']);

/** Beginnings of keys that are for classes or for other parts. */
const FOREIGN_PREFIXES: readonly { readonly prefix: string; readonly status: KeyStatus }[] = [
  { prefix: 'zookeeper.', status: noEffect('Apache Kafka 4 no longer has it: it was for ZooKeeper') },
  { prefix: 'rsm.config.', status: noEffect('this version has no tiered storage') },
  { prefix: 'rlmm.config.', status: noEffect('this version has no tiered storage') },
  { prefix: 'remote.log.metadata.', status: noEffect('this version has no tiered storage') },
  { prefix: 'metrics.context.', status: noEffect('this version publishes no metrics') },
  { prefix: 'config.providers.', status: noEffect('values of other sources cannot be loaded') },
];

const LISTENER_PREFIX = /^listener\.name\.([^.]+)\.(.+)$/;

/** The keys that a listener may have values of its own for. */
const KEYS_OF_LISTENERS: ReadonlySet<string> = new Set(['max.connection.creation.rate', 'max.connections']);

/** What a key of a file is. */
export type RecognizedKey =
  | { readonly kind: 'known'; readonly definition: KeyDefinition }
  /** Of one listener; the definition is that of the key for all. */
  | { readonly kind: 'listener'; readonly definition: KeyDefinition }
  | { readonly kind: 'other'; readonly status: KeyStatus }
  | { readonly kind: 'unknown'; readonly nearest: string | undefined };

/** Finds out what the key of that name is, for files, overrides and requests alike. */
export function recognizeBrokerKey(name: string): RecognizedKey {
  const definition = BROKER_KEYS.get(name);
  if (definition !== undefined) return { kind: 'known', definition };
  const obsolete = OBSOLETE_KEYS.get(name);
  if (obsolete !== undefined) {
    return { kind: 'other', status: noEffect(`Apache Kafka 4 no longer has it: ${obsolete}`) };
  }
  if (AUTHORIZER_KEYS.has(name)) return { kind: 'other', status: noEffect('this version has no authorizer') };
  for (const { prefix, status } of FOREIGN_PREFIXES) {
    if (name.startsWith(prefix) && name.length > prefix.length) return { kind: 'other', status };
  }
  const prefixed = LISTENER_PREFIX.exec(name);
  if (prefixed !== null) return recognizeListenerKey(prefixed[2]!, name);
  return { kind: 'unknown', nearest: nearest(name, BROKER_KEYS.keys()) };
}

/** A key for one listener: `listener.name.<listener>.<key>` or `listener.name.<listener>.<SASL mechanism>.<key>`. */
function recognizeListenerKey(rest: string, name: string): RecognizedKey {
  const plain = BROKER_KEYS.get(rest) ?? BROKER_KEYS.get(rest.slice(rest.indexOf('.') + 1));
  if (plain === undefined) {
    const near = nearest(rest, BROKER_KEYS.keys());
    return { kind: 'unknown', nearest: near === undefined ? undefined : name.slice(0, -rest.length) + near };
  }
  if (KEYS_OF_LISTENERS.has(rest)) return { kind: 'listener', definition: plain };
  if (plain.status.kind !== 'supported') return { kind: 'other', status: plain.status };
  return { kind: 'other', status: refused('this version has no values for a single listener') };
}

/** Where the value of a key comes from when it has none of its own, with the factor between the units. */
export interface Fallback {
  readonly key: string;
  readonly factor: number;
}

const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;

/** Keys that stand for one thing, the strongest first. A negative value means "no limit" and is not multiplied. */
const FALLBACKS: ReadonlyMap<string, readonly Fallback[]> = new Map([
  [
    'log.retention.ms',
    [
      { key: 'log.retention.ms', factor: 1 },
      { key: 'log.retention.minutes', factor: MINUTE_MS },
      { key: 'log.retention.hours', factor: HOUR_MS },
    ],
  ],
  [
    'log.roll.ms',
    [
      { key: 'log.roll.ms', factor: 1 },
      { key: 'log.roll.hours', factor: HOUR_MS },
    ],
  ],
  [
    'log.roll.jitter.ms',
    [
      { key: 'log.roll.jitter.ms', factor: 1 },
      { key: 'log.roll.jitter.hours', factor: HOUR_MS },
    ],
  ],
  [
    'log.flush.interval.ms',
    [
      { key: 'log.flush.interval.ms', factor: 1 },
      { key: 'log.flush.scheduler.interval.ms', factor: 1 },
    ],
  ],
]);

/** The keys that give the value of `name`, the strongest first; for most keys only itself. */
export function brokerKeyFallbacks(name: string): readonly Fallback[] {
  return FALLBACKS.get(name) ?? [{ key: name, factor: 1 }];
}

/** The other keys that stand for the same as `name`, weaker or stronger. */
export function brokerKeysOfOneThing(name: string): readonly string[] {
  for (const fallbacks of FALLBACKS.values()) {
    const names = fallbacks.map(({ key }) => key);
    if (names.includes(name)) return names.filter(other => other !== name);
  }
  return [];
}

/** Whether the value must never be shown. A key that nobody knows may be a secret of a class. */
export function isSensitiveBrokerKey(name: string): boolean {
  const definition =
    BROKER_KEYS.get(name) ??
    BROKER_KEYS.get(LISTENER_PREFIX.exec(name)?.[2]?.replace(/^[^.]+\.(?=sasl\.)/, '') ?? '');
  return definition === undefined ? true : definition.type === 'PASSWORD';
}
