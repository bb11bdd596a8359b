import { describe, expect, test } from 'vitest';
import { brokerConfigProblem } from '../../src/controller/broker-config-validation.ts';
import { brokerConfig } from '../support/broker-config.ts';

/** As if nothing was set before, for a broker of this process. */
function problemOf(brokerName: string, key: string, value: string | undefined): string | undefined {
  const config = brokerConfig();
  const values = new Map(value === undefined ? [] : [[key, value]]);
  return brokerConfigProblem({
    brokerName,
    values,
    changed: new Set([key]),
    before: config,
    after: config.withDynamic(new Map(), values),
    isLocalBroker: true,
  });
}

/** What Apache Kafka 4.3 answers to the same request: every line was asked of it. */
const ACCEPTED: readonly [brokerName: string, key: string, value: string | undefined][] = [
  ['1', 'log.retention.ms', '5000'],
  ['', 'log.retention.ms', '-1'],
  ['1', 'log.segment.bytes', '1048576'],
  ['', 'log.cleanup.policy', 'compact,delete'],
  ['1', 'compression.type', 'gzip'],
  ['1', 'message.max.bytes', '1000000'],
  ['', 'unclean.leader.election.enable', 'true'],
  ['1', 'log.cleaner.threads', '2'],
  ['1', 'log.cleaner.backoff.ms', '1000'],
  ['1', 'log.cleaner.dedupe.buffer.size', '1048577'],
  ['1', 'log.cleaner.io.buffer.size', '2'],
  ['1', 'log.cleaner.io.max.bytes.per.second', '1000000'],
  ['', 'num.io.threads', '16'],
  ['1', 'num.io.threads', '4'],
  ['1', 'num.network.threads', '1'],
  ['1', 'background.threads', '20'],
  ['1', 'num.replica.fetchers', '2'],
  ['1', 'num.recovery.threads.per.data.dir', '1'],
  ['1', 'max.connections', '2'],
  ['', 'max.connections.per.ip', '5'],
  ['1', 'max.connections.per.ip.overrides', '127.0.0.1:100,localhost:5'],
  ['', 'max.connection.creation.rate', '2'],
  ['', 'listener.name.plaintext.max.connections', '7'],
  ['1', 'listener.name.plaintext.max.connection.creation.rate', '7'],
  ['1', 'listener.name.plaintext.num.network.threads', '4'],
  ['1', 'listener.name.plaintext.ssl.keystore.location', '/x'],
  ['1', 'producer.id.expiration.ms', '1'],
  ['1', 'transaction.partition.verification.enable', 'false'],
  ['', 'leader.replication.throttled.rate', '5'],
  ['1', 'replica.alter.log.dirs.io.max.bytes.per.second', '5'],
  ['1', 'remote.log.reader.threads', '20'],
  ['1', 'metric.reporters', ''],
  ['1', 'cordoned.log.dirs', '*'],
  ['1', 'cordoned.log.dirs', ''],
  // Nothing is set for these: to delete them changes nothing.
  ['1', 'node.id', undefined],
  ['', 'num.partitions', undefined],
  ['1', 'ssl.keystore.location', undefined],
];

const REFUSED: readonly [brokerName: string, key: string, value: string, why: string][] = [
  ['1', 'num.partitions', '3', "set it in the broker's file and restart"],
  ['', 'log.dirs', '/x', "set it in the broker's file and restart"],
  ['1', 'advertised.listeners', 'PLAINTEXT://a:1', "set it in the broker's file and restart"],
  ['1', 'log.retention.hours', '1', "set it in the broker's file and restart"],
  ['1', 'num.replica.alter.log.dirs.threads', '3', "set it in the broker's file and restart"],
  ['1', 'producer.id.expiration.check.interval.ms', '1000', "set it in the broker's file and restart"],
  ['1', 'quota.window.num', '5', "set it in the broker's file and restart"],
  ['1', 'listeners', 'PLAINTEXT://:1', "set it in the broker's file and restart"],
  ['', 'sasl.jaas.config', 'hunter2', 'broker by broker'],
  ['', 'listener.name.plaintext.ssl.keystore.location', '/x', 'broker by broker'],
  ['1', 'ssl.keystore.password', 'hunter2', 'listener by listener'],
  ['1', 'log.retention.ms', 'x', 'whole number'],
  ['1', 'log.retention.ms', '0', 'log.retention.ms'],
  ['1', 'log.roll.ms', '0', 'log.roll.ms'],
  ['1', 'log.local.retention.ms', '99999999999', 'log.retention.ms'],
  ['1', 'log.local.retention.ms', '-1', 'log.retention.ms'],
  ['1', 'log.cleanup.policy', 'shred', 'log.cleanup.policy'],
  ['1', 'num.io.threads', '0', 'at least 1'],
  ['1', 'num.io.threads', '3', 'half of 8'],
  ['', 'num.io.threads', '100', 'double of 8'],
  ['1', 'num.network.threads', '100', 'double of 3'],
  ['1', 'background.threads', '21', 'double of 10'],
  ['1', 'num.replica.fetchers', '3', 'double of 1'],
  ['1', 'num.recovery.threads.per.data.dir', '9', 'double of 2'],
  ['1', 'remote.log.reader.threads', '100', 'double of 10'],
  ['1', 'log.cleaner.threads', '3', 'double of 1'],
  ['1', 'log.cleaner.threads', '0', 'cannot become 0'],
  ['1', 'log.cleaner.dedupe.buffer.size', '1000', '1 MiB'],
  ['1', 'max.connections', '0', 'cannot become 0'],
  ['1', 'max.connection.creation.rate', '0', 'cannot become 0'],
  ['1', 'listener.name.plaintext.max.connections', 'x', 'listener.name.plaintext.max.connections'],
  ['1', 'max.connections.per.ip', '0', 'max.connections.per.ip.overrides'],
  ['1', 'max.connections.per.ip.overrides', 'nonsense', 'address:connections'],
  ['1', 'max.connections.per.ip.overrides', '127.0.0.1:x', 'address:connections'],
  ['1', 'min.insync.replicas', '0', 'at least 1'],
  ['1', 'cordoned.log.dirs', '/x', 'only directories of log.dirs'],
  ['1', 'cordoned.log.dirs', '*,/x', 'and others'],
  ['', 'cordoned.log.dirs', '*', 'broker by broker'],
  ['1', 'metric.reporters', 'no.such.Class', 'cannot be loaded'],
  ['1', 'ssl.engine.factory.class', 'no.such.Class', 'cannot be loaded'],
  ['1', 'producer.id.expiration.ms', '0', 'at least 1'],
  ['1', 'leader.replication.throttled.rate', '-1', 'at least 0'],
];

describe('what is set for a running broker', () => {
  test.each(ACCEPTED)('broker %j may have %s=%s', (brokerName, key, value) => {
    expect(problemOf(brokerName, key, value)).toBeUndefined();
  });

  test.each(REFUSED)('broker %j may not have %s=%s, and is told why', (brokerName, key, value, why) => {
    const problem = problemOf(brokerName, key, value);
    expect(problem).toContain(key);
    expect(problem).toContain(why);
    expect(problem).not.toContain('hunter2');
  });

  test('names the key that an unknown one may stand for', () => {
    expect(problemOf('1', 'log.retention.m', '5')).toContain("'log.retention.ms'");
  });

  test('leaves the number of threads of a broker elsewhere to that broker, whose file nobody knows here', () => {
    const config = brokerConfig();
    const values = new Map([['num.io.threads', '100']]);
    const change = { brokerName: '2', values, changed: new Set(values.keys()), before: config };
    const after = config.withDynamic(new Map(), values);
    expect(brokerConfigProblem({ ...change, after, isLocalBroker: false })).toBeUndefined();
  });
});
