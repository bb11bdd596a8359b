import { afterAll, beforeAll, expect, test } from 'vitest';
import { KafkaToolDriver } from '../clients/kafka-tool-driver.ts';
import { type StartedTarget, startTarget, targetName } from '../support/broker-target.ts';

/*
 * kafka-configs of Apache Kafka 4.3 for every type of entity, against a broker of ours and one of Apache Kafka: each
 * command must have the same exit code and say the same. Of an error only its kind is compared, because the sentences
 * are our own. Users, clients and addresses are in quota-tools.check.ts too, with all that quotas need.
 */

const sides: StartedTarget[] = [];
let tools: KafkaToolDriver;

beforeAll(async () => {
  const properties = { 'log.retention.hours': '100', 'ssl.truststore.password': 'hunter2' };
  for (const name of [targetName(), 'apache-kafka-4.3.0'] as const) {
    sides.push(await startTarget('config-tools', { properties }, name));
  }
  tools = await KafkaToolDriver.start();
  for (const { broker } of sides) {
    for (const topic of ['plain', 'own']) {
      const create = ['--create', '--topic', topic, '--partitions', '1', '--replication-factor', '1'];
      const { exitCode } = await tools.run('org.apache.kafka.tools.TopicCommand', [
        '--bootstrap-server',
        broker.bootstrap,
        ...create,
      ]);
      expect(exitCode).toBe(0);
    }
  }
});

afterAll(async () => {
  await tools?.close();
  for (const side of sides) await side.dispose();
});

/** Keys of ours, which Apache Kafka does not have. */
const OWN_KEYS =
  /^ {2}(alter\.config\.policy|broker\.crash\.detection\.enable|create\.topic\.policy|log\.dirs\.min\.free\.bytes|log\.durability)=/;
/** What two brokers cannot have in common: ports and directories. */
const OWN_VALUES = /^ {2}(advertised\.listeners|controller\.quorum\.\w+|listeners|log\.dirs)=/;

/** Lines in order, since they come from hash tables, and of an error the kind. */
function normalised(exitCode: number, stdout: string, stderr: string): string {
  const lines = stdout
    .split('\n')
    .filter(line => line.trim() !== '' && !/^\s*at |^Error while executing|^Caused by/.test(line))
    .filter(line => !OWN_KEYS.test(line) && !OWN_VALUES.test(line));
  const error =
    /org\.apache\.kafka\.common\.errors\.\w+|\w*(IllegalArgument|InvalidConfiguration)Exception/.exec(
      `${stdout}\n${stderr}`,
    )?.[0];
  const kept = lines.filter(line => !line.includes('Exception'));
  return [`exit code ${exitCode}`, ...kept.sort(), error ?? ''].join('\n');
}

/**
 * Loggers are parts of a program, so no two programs have the same: only the root has one name in both. `SOME_LOGGER` in
 * a command and in an output stands for one that either has, and the lines of all others are left out.
 */
const SOME_LOGGER = { odradek: 'log.cleaner', apacheKafka: 'kafka.server.BrokerServer' };
const LOGGER_LINE = /^ {2}\S+=[A-Z]+ sensitive=false synonyms=\{\}$/;

function withoutOtherLoggers(stdout: string, someLogger: string): string {
  return stdout
    .split('\n')
    .map(line => line.replace(`  ${someLogger}=`, '  SOME_LOGGER='))
    .filter(line => !LOGGER_LINE.test(line) || /^ {2}(root|SOME_LOGGER)=/.test(line))
    .join('\n');
}

async function same(...args: string[]): Promise<string> {
  return sameAt(({ bootstrap }) => ['--bootstrap-server', bootstrap], args);
}

/** As {@link same}, with what reaches a broker in words for the tool. */
async function sameAt(
  target: (broker: StartedTarget['broker']) => readonly string[],
  args: readonly string[],
): Promise<string> {
  const outputs: string[] = [];
  for (const [index, { broker }] of sides.entries()) {
    const isOurs = index === 0 && targetName() === 'odradek';
    const someLogger = isOurs ? SOME_LOGGER.odradek : SOME_LOGGER.apacheKafka;
    const words = args.map(word => word.replace('SOME_LOGGER', someLogger));
    const command = [...target(broker), ...words];
    const { exitCode, stdout, stderr } = await tools.run('kafka.admin.ConfigCommand', command);
    outputs.push(normalised(exitCode, withoutOtherLoggers(stdout, someLogger), stderr));
    // The tool itself repeats its arguments.
    const said = `${stdout}${stderr}`.replace(/^Error while executing .*$/m, '');
    expect.soft(said).not.toContain('hunter2');
    // What was written is in the metadata of the broker a moment later.
    await new Promise(resolve => setTimeout(resolve, 200));
  }
  expect.soft(outputs[0], args.join(' ')).toBe(outputs[1]);
  return outputs[0]!;
}

type Entity = readonly string[];

const entity = (type: string, name?: string): Entity =>
  name === undefined ? ['--entity-type', type] : ['--entity-type', type, '--entity-name', name];
const add = (of: Entity, values: string) => same('--alter', ...of, '--add-config', values);
const remove = (of: Entity, keys: string) => same('--alter', ...of, '--delete-config', keys);
const show = (of: Entity, ...more: string[]) => same('--describe', ...of, ...more);

const PLAIN = entity('topics', 'plain');
const OWN = entity('topics', 'own');
const BROKER = entity('brokers', '1');
const ALL_BROKERS = [...entity('brokers'), '--entity-default'];

test('topics: what is set, what stands behind it, and what is refused', async () => {
  await show(OWN);
  await add(OWN, 'retention.ms=1234,cleanup.policy=[compact,delete],max.message.bytes=2000000');
  expect(await show(OWN)).toContain('retention.ms=1234');
  await show(OWN, '--all');
  await show(entity('topics'));
  await add(OWN, 'retention.ms=soon');
  await add(OWN, 'no.such.key=1');
  await add(OWN, 'segment.bytes=1');
  await add(entity('topics', 'nothing'), 'retention.ms=1');
  await show(entity('topics', 'nothing'));
  await remove(OWN, 'no.such.key');
  await remove(OWN, 'retention.ms,max.message.bytes');
  await remove(OWN, 'retention.ms');
  await show(OWN, '--all');
  await show(PLAIN, '--all');
});

test('brokers: one and all, the narrower over the wider, over the file, and over the default', async () => {
  await show(BROKER);
  await show(ALL_BROKERS);
  await show(BROKER, '--all');
  await add(
    ALL_BROKERS,
    'log.retention.ms=5000,message.max.bytes=2000000,unclean.leader.election.enable=true',
  );
  await add(BROKER, 'log.retention.ms=6000,log.cleaner.threads=2,max.connections.per.ip=1000');
  await add(BROKER, 'listener.name.plaintext.max.connections=500');
  await add(BROKER, 'leader.replication.throttled.rate=1000000');
  expect(await show(BROKER)).toContain('DYNAMIC_DEFAULT_BROKER_CONFIG:log.retention.ms=5000');
  await show(BROKER, '--all');
  await show(ALL_BROKERS);
  await show(entity('brokers'));
  expect(await show(PLAIN, '--all')).toContain('retention.ms=6000');
  await remove(BROKER, 'log.retention.ms');
  expect(await show(PLAIN, '--all')).toContain('retention.ms=5000');
  await remove(ALL_BROKERS, 'log.retention.ms,message.max.bytes,unclean.leader.election.enable');
  await remove(
    BROKER,
    'log.cleaner.threads,max.connections.per.ip,listener.name.plaintext.max.connections,leader.replication.throttled.rate',
  );
  await show(BROKER);
  await show(ALL_BROKERS);
  await show(PLAIN, '--all');
});

test('brokers: what does not change while they run, or not like that', async () => {
  for (const values of [
    'num.partitions=3',
    'log.retention.hours=3',
    'advertised.listeners=[PLAINTEXT://a:1]',
    'log.retention.ms=0',
    'log.retention.ms=x',
    'log.cleaner.threads=100',
    'num.io.threads=100',
    'num.network.threads=0',
    'max.connections=0',
    'max.connections.per.ip=0',
    'max.connections.per.ip.overrides=nonsense',
    'ssl.keystore.password=hunter2',
    'log.cleaner.dedupe.buffer.size=1000',
  ]) {
    expect(await add(BROKER, values), values).toContain('exit code 1');
    expect(await add(ALL_BROKERS, values), values).toContain('exit code 1');
  }
  await add(ALL_BROKERS, 'sasl.jaas.config=hunter2');
  await add(ALL_BROKERS, 'listener.name.plaintext.ssl.truststore.password=hunter2');
  await add(entity('brokers', '7'), 'log.retention.ms=1');
  await show(entity('brokers', '7'));
  await add(entity('brokers', 'one'), 'log.retention.ms=1');
  await remove(BROKER, 'num.partitions');
  await add(BROKER, 'listener.name.plaintext.ssl.truststore.password=hunter2');
  await show(BROKER);
  await remove(BROKER, 'listener.name.plaintext.ssl.truststore.password');
  await show(BROKER);
});

test('groups', async () => {
  const group = entity('groups', 'g');
  await show(group);
  await show(group, '--all');
  await add(group, 'consumer.session.timeout.ms=50000,consumer.heartbeat.interval.ms=6000');
  await add(group, 'share.auto.offset.reset=earliest,streams.num.standby.replicas=1');
  await show(group);
  await show(group, '--all');
  await show(entity('groups'));
  await add(group, 'consumer.session.timeout.ms=1');
  await add(group, 'consumer.session.timeout.ms=x');
  await add(group, 'consumer.heartbeat.interval.ms=50000');
  await add(group, 'share.auto.offset.reset=whenever');
  await add(group, 'share.isolation.level=none');
  await add(group, 'share.delivery.count.limit=100');
  await add(group, 'no.such.key=1');
  await remove(group, 'consumer.session.timeout.ms,consumer.heartbeat.interval.ms');
  await remove(group, 'share.auto.offset.reset,streams.num.standby.replicas');
  await show(group);
  await show(entity('groups'));
});

test('client metrics', async () => {
  const metrics = entity('client-metrics', 'm');
  await show(metrics);
  await add(metrics, 'interval.ms=1000,metrics=[org.apache.kafka.producer.,org.apache.kafka.consumer.]');
  await add(metrics, 'match=[client_id=app-.*,client_software_version=3.*]');
  await show(metrics);
  await show(metrics, '--all');
  await show(entity('client-metrics'));
  for (const values of [
    'interval.ms=1',
    'interval.ms=x',
    'interval.ms=3600001',
    'match=[no_such_attribute=x]',
    'match=[client_id]',
    'match=[client_id=(]',
    'no.such.key=1',
  ]) {
    await add(metrics, values);
  }
  await remove(metrics, 'interval.ms,metrics,match');
  await show(metrics);
  await show(entity('client-metrics'));
});

test('broker loggers: their levels, and what is refused', async () => {
  const loggers = entity('broker-loggers', '1');
  await add(loggers, 'root=WARN,SOME_LOGGER=ERROR');
  const set = await show(loggers);
  expect(set).toContain('  root=WARN sensitive=false synonyms={}');
  expect(set).toContain('  SOME_LOGGER=ERROR sensitive=false synonyms={}');
  await show(loggers, '--all');
  await add(loggers, 'root=DEBUG');
  await add(loggers, 'root=INFO');
  await remove(loggers, 'SOME_LOGGER');
  expect(await show(loggers)).toContain('  SOME_LOGGER=INFO ');
  await remove(loggers, 'SOME_LOGGER');
  for (const values of [
    'root=LOUD',
    'root=debug',
    'SOME_LOGGER=OFF',
    'SOME_LOGGER=',
    'SOME_LOGGER=[DEBUG,INFO]',
    'no.such.logger=INFO',
    'root=WARN,no.such.logger=INFO',
    'root=WARN,SOME_LOGGER=LOUD',
  ]) {
    expect(await add(loggers, values), values).toContain('exit code 1');
  }
  expect(await remove(loggers, 'root')).toContain('exit code 1');
  await remove(loggers, 'no.such.logger');
  expect(await show(loggers)).toContain('  root=INFO ');
  await show(entity('broker-loggers', 'one'));
  await add(entity('broker-loggers', 'one'), 'root=INFO');
  await show(entity('broker-loggers'));
  await add(entity('broker-loggers'), 'root=INFO');
  await same('--describe', '--entity-type', 'broker-loggers', '--entity-default');
});

test('broker loggers: through the listener of a controller, whose node has one set of levels', async () => {
  const loggers = entity('broker-loggers', '1');
  const atController = (...args: string[]) =>
    sameAt(({ controllerPort }) => ['--bootstrap-controller', `127.0.0.1:${controllerPort}`], args);
  await atController('--alter', ...loggers, '--add-config', 'root=ERROR');
  expect(await atController('--describe', ...loggers)).toContain('  root=ERROR ');
  expect(await show(loggers)).toContain('  root=ERROR ');
  expect(await atController('--alter', ...loggers, '--delete-config', 'root')).toContain('exit code 1');
  await add(loggers, 'root=INFO');
});

test('users, clients, addresses', async () => {
  for (const [of, values, key] of [
    [entity('users', 'alice'), 'producer_byte_rate=1000', 'producer_byte_rate'],
    [entity('clients', 'app'), 'request_percentage=50', 'request_percentage'],
    [entity('ips', '10.0.0.1'), 'connection_creation_rate=7', 'connection_creation_rate'],
  ] as const) {
    await show(of);
    await add(of, values);
    expect(await show(of)).toContain(values);
    await remove(of, key);
    await show(of);
  }
});

test('an entity of no such type, and commands that contradict themselves', async () => {
  await show(entity('planets', 'mars'));
  await same('--alter', ...BROKER);
  await same('--describe', '--alter', ...BROKER);
  await same('--alter', ...entity('topics'), '--add-config', 'retention.ms=1');
  await same('--alter', ...entity('topics'), '--entity-default', '--add-config', 'retention.ms=1');
  await same(
    '--alter',
    ...entity('groups'),
    '--entity-default',
    '--add-config',
    'consumer.session.timeout.ms=1',
  );
});
