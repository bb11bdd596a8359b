import { recognizeBrokerKey } from '../config/broker-keys.ts';
import { cordonedProblem } from '../config/config-checks.ts';
import { newProblem } from '../config/dynamic-broker-config.ts';
import { brokerKey, READ_AT_START, runningBrokerKey } from '../config/dynamic-broker-keys.ts';
import type { KafkaConfig } from '../config/kafka-config.ts';
import type { KeyDefinition } from '../config/key-definition.ts';
import { valueProblem } from './value-problem.ts';

/** A change to what is set for one broker, or with the name '' for all. */
export interface BrokerConfigChange {
  readonly brokerName: string;
  /** All that will be set. */
  readonly values: ReadonlyMap<string, string>;
  readonly changed: ReadonlySet<string>;
  /** The whole configuration of the broker, of the controller's own for all, without and with the change. */
  readonly before: KafkaConfig;
  readonly after: KafkaConfig;
  /** Whether {@link before} is that of a broker in this process: what the file of another one has is not known. */
  readonly isLocalBroker: boolean;
}

/** Keys that Kafka changes in a running broker for each listener by itself only. */
const LISTENER_ONLY: ReadonlySet<string> = new Set([
  'ssl.key.password',
  'ssl.keystore.certificate.chain',
  'ssl.keystore.key',
  'ssl.keystore.location',
  'ssl.keystore.password',
  'ssl.keystore.type',
  'ssl.truststore.certificates',
  'ssl.truststore.location',
  'ssl.truststore.password',
  'ssl.truststore.type',
]);

/** What one listener may have for all brokers at once. */
const CLUSTER_WIDE_OF_LISTENERS: ReadonlySet<string> = new Set([
  'max.connection.creation.rate',
  'max.connections',
  'num.network.threads',
]);

/** Kafka changes the number of its threads by half or to double at most, and so is it with these here. */
const THREADS: readonly string[] = [
  'background.threads',
  'log.cleaner.threads',
  'num.io.threads',
  'num.network.threads',
  'num.recovery.threads.per.data.dir',
  'num.replica.fetchers',
  'remote.log.manager.copier.thread.pool.size',
  'remote.log.manager.expiration.thread.pool.size',
  'remote.log.manager.follower.thread.pool.size',
  'remote.log.reader.threads',
];

/** Numbers that a file may give as 0, and a request may not. */
const NOT_ZERO: ReadonlySet<string> = new Set([
  'log.cleaner.threads',
  'max.connection.creation.rate',
  'max.connections',
]);

/** Why the change cannot be made, as a sentence for the client; `undefined` if it can. To delete is never wrong. */
export function brokerConfigProblem(change: BrokerConfigChange): string | undefined {
  for (const name of change.changed) {
    const value = change.values.get(name);
    if (value === undefined) continue;
    const problem = keyProblem(name, change.brokerName) ?? valueProblemOf(name, value);
    if (problem !== undefined) return problem;
  }
  return (
    threadsProblem(change) ??
    cordoningProblem(change) ??
    localRetentionProblem(change.after) ??
    newProblem(change.before, change.after)
  );
}

function cordoningProblem({ after, changed, isLocalBroker }: BrokerConfigChange): string | undefined {
  const key = 'cordoned.log.dirs';
  const problem = isLocalBroker && changed.has(key) ? cordonedProblem(after) : undefined;
  return problem === undefined ? undefined : `${key} ${problem}`;
}

/** Why the key cannot be set for `brokerName`, whatever its value. */
function keyProblem(name: string, brokerName: string): string | undefined {
  const key = brokerKey(name);
  if (key === undefined) return unknownKeyProblem(name, brokerName);
  if (key.updateMode === 'read-only') {
    return `${name} cannot change while the broker runs: set it in the broker's file and restart the broker`;
  }
  if (LISTENER_ONLY.has(name)) return `${name} is set listener by listener: listener.name.<listener>.${name}`;
  if (key.updateMode === 'per-broker' && brokerName === '')
    return `${name} is set broker by broker: name one`;
  if (READ_AT_START.has(name)) {
    return `${name}: this version reads it when the broker starts: set it in the broker's file and restart the broker`;
  }
  return undefined;
}

function unknownKeyProblem(name: string, brokerName: string): string | undefined {
  const recognized = recognizeBrokerKey(name);
  if (recognized.kind === 'unknown') {
    const hint = recognized.nearest === undefined ? '' : `; the nearest is '${recognized.nearest}'`;
    return `there is no broker configuration key '${name}'${hint}`;
  }
  const ofListener = /^listener\.name\.[^.]+\.(.+)$/.exec(name)?.[1];
  if (ofListener !== undefined && brokerName === '' && !CLUSTER_WIDE_OF_LISTENERS.has(ofListener)) {
    return `${name} is set broker by broker: name one`;
  }
  if (recognized.kind === 'other' && recognized.status.kind === 'refused') {
    return `${name}: ${recognized.status.reason}`;
  }
  return undefined;
}

function valueProblemOf(name: string, value: string): string | undefined {
  const key: KeyDefinition | undefined = brokerKey(name) ?? runningBrokerKey(name);
  if (key === undefined) return undefined;
  const problem = valueProblem(key, value, name);
  if (problem !== undefined) return problem;
  if (key.status.kind === 'refused' && value !== key.defaultText) return `${name}: ${key.status.reason}`;
  if ((key.type === 'CLASS' || name === 'metric.reporters') && value.trim() !== '') {
    return `${name}: classes for the Java virtual machine cannot be loaded`;
  }
  if (NOT_ZERO.has(key.name) && Number(value) === 0) return `${name} cannot become 0 while the broker runs`;
  return undefined;
}

function threadsProblem({ before, after, isLocalBroker, changed }: BrokerConfigChange): string | undefined {
  if (!isLocalBroker) return undefined;
  for (const name of THREADS) {
    if (!changed.has(name)) continue;
    const [old, next] = [before.int(name), after.int(name)];
    if (next < Math.floor(old / 2))
      return `${name} can become ${Math.floor(old / 2)} at least: half of ${old}`;
    if (next > old * 2) return `${name} can become ${old * 2} at most: the double of ${old}`;
  }
  return undefined;
}

/** Tiered storage keeps a part of a log in the broker: -2 stands for all of it. */
function localRetentionProblem(config: KafkaConfig): string | undefined {
  const limits: [string, number, string][] = [
    ['log.local.retention.ms', config.effectiveNumber('log.retention.ms'), 'log.retention.ms'],
    ['log.local.retention.bytes', config.long('log.retention.bytes'), 'log.retention.bytes'],
  ];
  for (const [name, limit, limitName] of limits) {
    const local = config.long(name);
    if (limit < 0 || local === -2) continue;
    if (local === -1) return `${name} must not be -1 while ${limitName} is ${limit}`;
    if (local > limit) return `${name}, ${local}, must not be more than ${limitName}, ${limit}`;
  }
  return undefined;
}
