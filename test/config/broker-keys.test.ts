import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import {
  BROKER_KEYS,
  brokerKeyFallbacks,
  isSensitiveBrokerKey,
  recognizeBrokerKey,
} from '../../src/config/broker-keys.ts';
import { parseConfigValue } from '../../src/config/config-value.ts';
import type { KeyDefinition } from '../../src/config/key-definition.ts';
import { TOPIC_KEYS } from '../../src/config/topic-keys.ts';

/** Keys that Apache Kafka does not have. */
const OWN_KEYS = [
  'alter.config.policy',
  'broker.crash.detection.enable',
  'create.topic.policy',
  'log.dirs.min.free.bytes',
  'log.durability',
];

/** Rows of a table printed from a running Apache Kafka 4.3.0. */
function reference(name: string): Map<string, string[]> {
  const text = readFileSync(new URL(`./reference/${name}`, import.meta.url), 'utf8');
  const rows = text
    .trimEnd()
    .split('\n')
    .slice(1)
    .map(line => line.split('\t'));
  return new Map(rows.map(([key, ...rest]) => [key!, rest]));
}

/** A default as the table has it: lists in brackets, an object for "must be given". */
function defaultOf(key: KeyDefinition): string {
  if (key.defaultText === undefined) return '(none)';
  if (key.defaultText === null) return 'null';
  return key.type === 'LIST' ? `[${key.defaultText.split(',').join(', ')}]` : key.defaultText;
}

function cells(type: string, defaultText: string): string[] {
  return [type, defaultText.startsWith('java.lang.Object@') ? '(none)' : defaultText];
}

describe('the keys of the broker', () => {
  const expected = reference('broker-configs.tsv');

  test('are those of Apache Kafka, with its types, defaults and importances', () => {
    const ours = new Map<string, string[]>();
    for (const key of BROKER_KEYS.values()) {
      if (key.internal || OWN_KEYS.includes(key.name)) continue;
      ours.set(key.name, [key.type, defaultOf(key), key.importance]);
    }
    const theirs = new Map(
      [...expected].map(([name, [type, text, importance]]) => [name, [...cells(type!, text!), importance]]),
    );
    expect(Object.fromEntries(ours)).toEqual(Object.fromEntries(theirs));
  });

  test('have each a default that is valid', () => {
    for (const key of BROKER_KEYS.values()) {
      if (key.defaultText === undefined) continue;
      // Kafka allows "no brokers known" as a default though it refuses an empty list in a file.
      expect(parseConfigValue(key, key.defaultText), key.name).toMatchObject({ ok: true });
    }
  });

  test('have each a sentence of documentation, and a reason if they do nothing', () => {
    for (const key of [...BROKER_KEYS.values(), ...TOPIC_KEYS.values()]) {
      expect(key.documentation, key.name).toMatch(/^[A-Z'].{10,}\.$/s);
      if (key.status.kind !== 'supported') expect(key.status.reason, key.name).toMatch(/^[a-z].{10,}[^.]$/);
    }
  });

  test('are found with their neighbours when they are misspelt', () => {
    const nearestOf = (name: string): string | undefined => {
      const recognized = recognizeBrokerKey(name);
      return recognized.kind === 'unknown' ? recognized.nearest : `${name} is known`;
    };
    expect(nearestOf('num.partitons')).toBe('num.partitions');
    expect(nearestOf('log.retention.hour')).toBe('log.retention.hours');
    expect(nearestOf('advertised.listner')).toBe('advertised.listeners');
    expect(nearestOf('xyzzy')).toBeUndefined();
    expect(nearestOf('__proto__')).toBeUndefined();
    expect(nearestOf('listener.name.external.ssl.keystore.locaton')).toBe(
      'listener.name.external.ssl.keystore.location',
    );
  });

  test('are recognised for one listener, and as obsolete', () => {
    expect(recognizeBrokerKey('listener.name.internal.ssl.keystore.location')).toMatchObject({
      kind: 'other',
      status: { kind: 'no-effect' },
    });
    expect(recognizeBrokerKey('listener.name.external.scram-sha-256.sasl.jaas.config')).toMatchObject({
      kind: 'other',
    });
    expect(recognizeBrokerKey('listener.name.external.connections.max.idle.ms')).toMatchObject({
      status: { kind: 'refused' },
    });
    expect(recognizeBrokerKey('listener.name.external.max.connections')).toMatchObject({ kind: 'listener' });
    for (const name of ['zookeeper.connect', 'broker.id.generation.enable', 'log.message.format.version']) {
      expect(recognizeBrokerKey(name)).toMatchObject({ status: { kind: 'no-effect' } });
    }
  });

  test('hide passwords, and keys that nobody knows', () => {
    expect(isSensitiveBrokerKey('ssl.keystore.password')).toBe(true);
    expect(isSensitiveBrokerKey('listener.name.a.ssl.keystore.password')).toBe(true);
    expect(isSensitiveBrokerKey('listener.name.a.plain.sasl.jaas.config')).toBe(true);
    expect(isSensitiveBrokerKey('my.plugin.token')).toBe(true);
    expect(isSensitiveBrokerKey('listener.name.a.ssl.keystore.location')).toBe(false);
    expect(isSensitiveBrokerKey('num.partitions')).toBe(false);
  });

  test('that stand for one thing in several units are joined', () => {
    expect(brokerKeyFallbacks('log.retention.ms').map(each => each.key)).toEqual([
      'log.retention.ms',
      'log.retention.minutes',
      'log.retention.hours',
    ]);
    expect(brokerKeyFallbacks('num.partitions')).toEqual([{ key: 'num.partitions', factor: 1 }]);
  });
});

describe('the keys of topics', () => {
  test('are those of Apache Kafka, with its types and defaults', () => {
    const ours = new Map([...TOPIC_KEYS.values()].map(key => [key.name, [key.type, defaultOf(key)]]));
    const theirs = new Map(
      [...reference('topic-configs.tsv')].map(([name, [type, text]]) => [name, cells(type!, text!)]),
    );
    expect(Object.fromEntries(ours)).toEqual(Object.fromEntries(theirs));
  });
});
