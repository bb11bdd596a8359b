import { describe, expect, test } from 'vitest';
import {
  type ConfigInput,
  ConfigError,
  formatConfigMessage,
  inspectKafkaConfig,
  loadKafkaConfig,
} from '../../src/config/config-loader.ts';
import type { KafkaConfig } from '../../src/config/kafka-config.ts';
import { parsePropertiesFile } from '../../src/config/properties-file.ts';

/** The least that starts. */
const MINIMAL = `
process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://:9092,CONTROLLER://:9093
controller.listener.names=CONTROLLER
controller.quorum.bootstrap.servers=localhost:9093
`;

/** The facts of the file that Apache Kafka 4.3 ships as config/server.properties. */
const SHIPPED = `
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=localhost:9093
listeners=PLAINTEXT://:9092,CONTROLLER://:9093
inter.broker.listener.name=PLAINTEXT
advertised.listeners=PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL
num.network.threads=3
num.io.threads=8
socket.send.buffer.bytes=102400
socket.receive.buffer.bytes=102400
socket.request.max.bytes=104857600
log.dirs=/tmp/kraft-combined-logs
num.partitions=1
num.recovery.threads.per.data.dir=2
offsets.topic.replication.factor=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
#log.flush.interval.messages=10000
#log.flush.interval.ms=1000
log.retention.hours=168
#log.retention.bytes=1073741824
log.segment.bytes=1073741824
log.retention.check.interval.ms=300000
`;

function input(text: string, overrides: [string, string][] = []): ConfigInput {
  const file = parsePropertiesFile('server.properties', Buffer.from(text.trimStart()));
  return { file, overrides, workingDirectory: '/srv/odradek', hostName: 'host.example' };
}

function load(text: string, overrides: [string, string][] = []): KafkaConfig {
  return loadKafkaConfig(input(text, overrides)).config;
}

/** A node of one role among three controllers. */
const oneRole = (role: 'broker' | 'controller', listeners: string): string => `
process.roles=${role}
node.id=${role === 'broker' ? 4 : 1}
listeners=${listeners}
controller.listener.names=CONTROLLER
controller.quorum.voters=1@a:9093,2@b:9093,3@c:9093
`;

/** All that is wrong with the minimal configuration and `lines`. */
function problemsOf(lines: string, base = MINIMAL): string[] {
  return inspectKafkaConfig(input(base + lines)).problems.map(formatConfigMessage);
}

describe('loading a configuration', () => {
  test('takes the file that Apache Kafka ships, unchanged and without a problem', () => {
    const config = load(SHIPPED);
    expect(config.nodeId).toBe(1);
    expect([...config.processRoles]).toEqual(['broker', 'controller']);
    expect(config.logDirs).toEqual(['/tmp/kraft-combined-logs']);
    expect(config.metadataLogDir).toBe('/tmp/kraft-combined-logs');
    expect(config.listeners).toEqual([
      { listenerName: 'PLAINTEXT', securityProtocol: 'PLAINTEXT', host: '', port: 9092 },
      { listenerName: 'CONTROLLER', securityProtocol: 'PLAINTEXT', host: '', port: 9093 },
    ]);
    expect(config.advertisedListeners.map(each => `${each.listenerName} ${each.host}:${each.port}`)).toEqual([
      'PLAINTEXT localhost:9092',
    ]);
    expect(config.advertisedControllerListeners.map(each => `${each.host}:${each.port}`)).toEqual([
      'localhost:9093',
    ]);
    expect(config.interBrokerListenerName).toBe('PLAINTEXT');
    expect(config.quorumBootstrapServers).toEqual([{ host: 'localhost', port: 9093 }]);
    expect(config.effectiveNumber('log.retention.ms')).toBe(604_800_000);
    expect(config.int('log.segment.bytes')).toBe(1_073_741_824);
  });

  test('fills in defaults, and what the machine adds', () => {
    const config = load(`${MINIMAL}log.dirs=a,/b\n`);
    expect(config.logDirs).toEqual(['/srv/odradek/a', '/b']);
    expect(config.metadataLogDir).toBe('/srv/odradek/a');
    expect(config.advertisedListeners).toMatchObject([{ host: 'host.example', port: 9092 }]);
    expect(config.advertisedControllerListeners).toMatchObject([{ host: 'host.example', port: 9093 }]);
    expect(config.boolean('auto.create.topics.enable')).toBe(true);
    expect(config.long('log.flush.interval.messages')).toBe(2 ** 63);
    expect(config.optionalNumber('log.retention.ms')).toBeNull();
    expect(config.list('group.coordinator.rebalance.protocols')).toEqual(['classic', 'consumer', 'streams']);
    expect(config.double('log.cleaner.min.cleanable.ratio')).toBe(0.5);
    expect(config.string('log.durability')).toBe('page-cache');
    expect(load(MINIMAL).logDirs).toEqual(['/tmp/kafka-logs']);
  });

  test('ranks an override over the file and the file over the default, and knows which it was', () => {
    const config = load(`${MINIMAL}num.partitions=3\n`, [
      ['num.partitions', '5'],
      ['num.partitions', '7'],
    ]);
    expect(config.int('num.partitions')).toBe(7);
    expect(config.source('num.partitions')).toEqual({ kind: 'override' });
    expect(config.source('node.id')).toEqual({ kind: 'file', file: 'server.properties', line: 2 });
    expect(config.source('num.io.threads')).toEqual({ kind: 'default' });
    expect([config.isSet('node.id'), config.isSet('num.io.threads')]).toEqual([true, false]);
    expect(config.layers('num.partitions').map(layer => layer.text)).toEqual(['7', '1']);
  });

  test('takes the strongest of the keys for one thing', () => {
    expect(load(`${MINIMAL}log.retention.minutes=2\n`).effectiveNumber('log.retention.ms')).toBe(120_000);
    expect(
      load(`${MINIMAL}log.retention.minutes=2\nlog.retention.ms=5\n`).effectiveNumber('log.retention.ms'),
    ).toBe(5);
    expect(load(`${MINIMAL}log.retention.hours=-1\n`).effectiveNumber('log.retention.ms')).toBe(-1);
    expect(load(`${MINIMAL}log.roll.hours=2\n`).effectiveNumber('log.roll.ms')).toBe(7_200_000);
  });

  test('takes broker.id for node.id', () => {
    expect(load(MINIMAL.replace('node.id', 'broker.id')).nodeId).toBe(1);
    expect(load(`${MINIMAL}broker.id=1\n`).nodeId).toBe(1);
  });

  test('hides nothing of a quorum with fixed voters', () => {
    const text = MINIMAL.replace(
      'controller.quorum.bootstrap.servers=localhost:9093',
      'controller.quorum.voters=1@[::1]:9093',
    );
    expect(load(text).quorumVoters).toEqual([{ nodeId: 1, host: '::1', port: 9093 }]);
  });

  test('takes nodes of one role in a quorum of three', () => {
    const broker = load(oneRole('broker', 'PLAINTEXT://:9092'));
    expect(broker.controllerListeners).toEqual([]);
    expect(broker.advertisedControllerListeners).toEqual([]);
    expect(broker.quorumVoters.map(voter => voter.nodeId)).toEqual([1, 2, 3]);
    expect(broker.protocolOf('controller')).toBe('PLAINTEXT');
    const controller = load(oneRole('controller', 'CONTROLLER://:9093'));
    expect(controller.brokerListeners).toEqual([]);
    expect(controller.advertisedListeners).toEqual([]);
    expect(controller.advertisedControllerListeners).toMatchObject([{ host: 'host.example', port: 9093 }]);
  });

  test('asks of a broker where the controllers listen', () => {
    const text = oneRole('broker', 'PLAINTEXT://:9092');
    const map = 'listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SECURE:SSL\n';
    expect(problemsOf(map, text)).toEqual([
      'server.properties:4: controller.listener.names: names CONTROLLER, which has no protocol in ' +
        'listener.security.protocol.map',
    ]);
    expect(problemsOf(`${map}controller.listener.names=SECURE\n`, text)).toEqual([
      'server.properties:7: controller.listener.names: SECURE is refused: this version has no TLS listeners',
    ]);
  });

  test('takes auto for the addresses that clients are told, and has an address for other brokers still', () => {
    const config = load(`${MINIMAL}advertised.listeners=auto\n`);
    expect(config.advertisesDialledAddress).toBe(true);
    expect(config.advertisedListeners).toMatchObject([{ host: 'host.example', port: 9092 }]);
    expect(config.advertisedControllerListeners).toMatchObject([{ host: 'host.example', port: 9093 }]);
    expect(load(MINIMAL).advertisesDialledAddress).toBe(false);
    const bound = 'listeners=PLAINTEXT://0.0.0.0:9092,CONTROLLER://:9093\n';
    expect(load(`${MINIMAL}${bound}advertised.listeners=AUTO\n`).advertisedListeners).toMatchObject([
      { host: 'host.example', port: 9092 },
    ]);
    expect(problemsOf('advertised.listeners=auto,PLAINTEXT://a:1\n').join()).toContain(
      "'auto' is not of the form NAME://host:port",
    );
  });

  test('applies values that were set while the cluster runs, in their order', () => {
    const config = load(`${MINIMAL}min.insync.replicas=1\n`).withDynamic(
      new Map([
        ['min.insync.replicas', '2'],
        ['compression.type', 'zstd'],
        ['node.id', '9'],
        ['message.max.bytes', 'lots'],
      ]),
      new Map([['min.insync.replicas', '3']]),
    );
    expect(config.int('min.insync.replicas')).toBe(3);
    expect(config.layers('min.insync.replicas').map(layer => layer.source.kind)).toEqual([
      'dynamic-broker',
      'dynamic-default',
      'file',
      'default',
    ]);
    expect(config.string('compression.type')).toBe('zstd');
    expect(config.nodeId).toBe(1);
    expect(config.int('message.max.bytes')).toBe(1_048_588);
  });

  test('refuses a getter of the wrong type and a key that is none', () => {
    const config = load(MINIMAL);
    expect(() => config.int('listeners')).toThrow("'listeners' is of type LIST");
    expect(() => config.int('num.partitons')).toThrow('is not a configuration key');
    expect(() => config.string('broker.rack')).toThrow('has no value');
  });
});

describe('a wrong configuration', () => {
  test('gets all its problems reported with file, line and nearest key', () => {
    const text = 'num.partitons=1\nlog.segment.bytes=1g\nauto.create.topics.enable=yes\nnode.id=1\nbogus=1\n';
    let error: unknown;
    try {
      load(text, [['log.dir.s', '/x']]);
    } catch (caught) {
      error = caught;
    }
    expect(error).toBeInstanceOf(ConfigError);
    expect((error as ConfigError).message.split('\n')).toEqual([
      'server.properties:1: num.partitons: is not a known key; the nearest known one is num.partitions',
      "server.properties:2: log.segment.bytes: '1g' must be a whole number, without a unit ('g'): the unit is in the name of the key",
      "server.properties:3: auto.create.topics.enable: 'yes' must be true or false",
      'server.properties:5: bogus: is not a known key',
      '--override: log.dir.s: is not a known key; the nearest known one is log.dirs',
      'process.roles: is missing, and has no default',
      'controller.listener.names: is missing, and has no default',
    ]);
  });

  test.each([
    ['num.partitions=0', "num.partitions: '0' must be at least 1"],
    [
      'num.partitions=99999999999',
      "num.partitions: '99999999999' must be between -2147483648 and 2147483647 (INT)",
    ],
    [
      'log.retention.bytes=99999999999999999999999',
      'must be between -9223372036854775808 and 9223372036854775807 (LONG)',
    ],
    ['compression.type=brotli', 'must be one of uncompressed, zstd, lz4, snappy, gzip, producer'],
    ['log.cleanup.policy=compact,compact', 'must be any of compact, delete'],
    ['log.cleaner.min.cleanable.ratio=2', 'must be 0 to 1'],
    ['compression.gzip.level=0', 'must be 1 to 9, or -1'],
    ['log.dirs=/a,/a', 'log.dirs: holds /a twice'],
    ['broker.id=2', 'broker.id: is 2, but node.id is 1; they must be equal'],
    ['listeners=PLAINTEXT://:9092,CONTROLLER://:9092', 'holds port 9092 twice'],
    ['listeners=PLAINTEXT://:9092,plaintext://:9094,CONTROLLER://:9093', 'holds PLAINTEXT twice'],
    [
      'listeners=EXTERNAL://:9092,CONTROLLER://:9093',
      'the listener EXTERNAL has no protocol in listener.security.protocol.map',
    ],
    ['listeners=localhost:9092', "'localhost:9092' is not of the form NAME://host:port"],
    ['listeners=PLAINTEXT://:99999,CONTROLLER://:9093', 'a port is between 0 and 65535'],
    ['listeners=CONTROLLER://:9093', 'holds no listener for clients'],
    [
      'listeners=PLAINTEXT://:9092',
      'controller.listener.names: names CONTROLLER, which is not one of listeners',
    ],
    [
      'listeners=SSL://:9094,PLAINTEXT://:9092,CONTROLLER://:9093',
      'SSL://:9094 is refused: this version has no TLS listeners',
    ],
    [
      'advertised.listeners=SSL://a:1,PLAINTEXT://a:2',
      'advertised.listeners: holds SSL, which is not one of listeners',
    ],
    ['advertised.listeners=PLAINTEXT://0.0.0.0:9092', '0.0.0.0 is no address that clients could connect to'],
    [
      'listener.security.protocol.map=PLAINTEXT:NOPE',
      "'PLAINTEXT:NOPE': a protocol is one of PLAINTEXT, SSL",
    ],
    [
      'inter.broker.listener.name=SSL',
      'inter.broker.listener.name: the listener among brokers, SSL, is not one of the advertised ones',
    ],
    [
      'inter.broker.listener.name=CONTROLLER',
      'CONTROLLER cannot be both the listener among brokers and one of controllers',
    ],
    [
      'inter.broker.listener.name=PLAINTEXT\nsecurity.inter.broker.protocol=PLAINTEXT',
      'security.inter.broker.protocol: must not be given together with inter.broker.listener.name',
    ],
    [
      'process.roles=broker',
      'listeners: holds CONTROLLER://:9093, which controller.listener.names says is for controllers; this node is none',
    ],
    [
      'process.roles=broker\ncontroller.quorum.voters=1@a:1',
      'controller.quorum.voters: names this node, 1, which is no controller',
    ],
    [
      'process.roles=controller',
      'listeners: holds PLAINTEXT://:9092, which is not in controller.listener.names; this node is only a controller',
    ],
    ['controller.quorum.voters=1@a:1,2@b:1,2@c:1', 'controller.quorum.voters: holds a node id twice'],
    ['controller.quorum.voters=2@a:1', 'controller.quorum.voters: does not name this node, 1'],
    [
      'controller.quorum.auto.join.enable=true\ncontroller.quorum.voters=1@a:1',
      'can be true only if controller.quorum.voters is not given',
    ],
    [
      'process.roles=broker\ncontroller.quorum.auto.join.enable=true',
      'controller.quorum.auto.join.enable: can be true only for a controller',
    ],
    ['controller.quorum.bootstrap.servers=', 'must be given if controller.quorum.voters is not'],
    [
      'remote.log.storage.system.enable=true',
      "'true' is refused: this version has no tiered storage; it must be false",
    ],
    ['authorizer.class.name=org.example.A', 'is refused: this version has no authorizer'],
    ['delegation.token.secret.key=hunter2', 'delegation.token.secret.key: the value is refused'],
    ['log.retention.ms=0', 'log.retention.ms: gives 0 ms; it must be at least 1, or -1 for no limit'],
    ['log.retention.hours=-2', 'log.retention.hours: gives -2 ms'],
    ['broker.heartbeat.interval.ms=6000', 'must be at most half of broker.session.timeout.ms'],
    [
      'group.min.session.timeout.ms=9\ngroup.max.session.timeout.ms=8',
      'must not be more than group.max.session.timeout.ms',
    ],
    [
      'group.consumer.session.timeout.ms=99999',
      'must not be more than group.consumer.max.session.timeout.ms, 60000',
    ],
    ['max.connections.per.ip=0', 'may be 0 only together with max.connections.per.ip.overrides'],
    ['max.connections.per.ip.overrides=127.0.0.1', 'is not of the form address:connections'],
    ['queued.max.request.bytes=5', "'5' is refused: this version limits the requests of each connection"],
    [
      'listener.name.plaintext.connections.max.idle.ms=5',
      'is refused: this version has no values for a single listener',
    ],
    ['listener.name.plaintext.max.connections=-1', 'must be at least 0'],
    ['listener.name.plaintext.max.connection.creation.rate=x', "'x' "],
    ['a\\u00zz=1', '\\u must be followed by four hexadecimal digits'],
    ['=1', 'a value without a key'],
  ])('is refused: %s', (lines, expected) => {
    const problems = problemsOf(`${lines}\n`);
    expect(problems.join('\n')).toContain(expected);
    expect(problems.join('\n')).not.toContain('hunter2');
    expect(problems.some(problem => problem.startsWith('server.properties:'))).toBe(true);
  });

  test('is not found where the default of a refused key is repeated', () => {
    expect(
      problemsOf('remote.log.storage.system.enable=false\nsasl.mechanism.inter.broker.protocol=GSSAPI\n'),
    ).toEqual([]);
    expect(
      problemsOf(
        'listeners=PLAINTEXT://0.0.0.0:9092,CONTROLLER://:9093\nadvertised.listeners=PLAINTEXT://a:9092\n',
      ),
    ).toEqual([]);
    expect(problemsOf('listeners=PLAINTEXT://1.2.3.4:9092,CONTROLLER://[::1]:9092\n')).toEqual([]);
  });
});

describe('a configuration with keys of no effect', () => {
  const warningsOf = (lines: string): string[] =>
    inspectKafkaConfig(input(MINIMAL + lines)).warnings.map(formatConfigMessage);

  test('starts, and says why they have none', () => {
    expect(warningsOf('num.io.threads=16\nnum.network.threads=3\n')).toEqual([
      'server.properties:6: num.io.threads: has no effect: one event loop handles all requests; there is no pool of threads to size',
    ]);
    expect(warningsOf('zookeeper.connect=zk:2181\n')).toEqual([
      'server.properties:6: zookeeper.connect: has no effect: Apache Kafka 4 no longer has it: it was for ZooKeeper',
    ]);
  });

  test('warns of a key that is given twice, of which the last counts', () => {
    expect(warningsOf('num.partitions=2\nnum.partitions=3\n')).toEqual([
      'server.properties:7: num.partitions: stands in line 6 too; this one counts',
    ]);
    expect(load(`${MINIMAL}num.partitions=2\nnum.partitions=3\n`).int('num.partitions')).toBe(3);
  });
});
