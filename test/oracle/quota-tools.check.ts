import { afterAll, beforeAll, expect, test } from 'vitest';
import { KafkaToolDriver } from '../clients/kafka-tool-driver.ts';
import { type StartedTarget, startTarget, targetName } from '../support/broker-target.ts';

/*
 * kafka-configs of Apache Kafka 4.3 for users, client ids and addresses, against a broker of ours and one of Apache
 * Kafka: each command must have the same exit code and say the same. Of an error only its kind is compared, because the
 * sentences are our own.
 */

const sides: StartedTarget[] = [];
let tools: KafkaToolDriver;

beforeAll(async () => {
  for (const name of [targetName(), 'apache-kafka-4.3.0'] as const) {
    sides.push(await startTarget('quota-tools', {}, name));
  }
  tools = await KafkaToolDriver.start();
});

afterAll(async () => {
  await tools?.close();
  for (const side of sides) await side.dispose();
});

/** Lines and the values in them in order, since both come from hash tables. */
function normalised(exitCode: number, stdout: string, stderr: string): string {
  const lines = stdout
    .split('\n')
    .filter(line => line.trim() !== '' && !/^\s*at |^Error while executing/.test(line))
    .map(line =>
      line.replace(/( are )(.*)$/, (_, are, values) => are + values.split(', ').sort().join(', ')),
    );
  const error = /org\.apache\.kafka\.common\.errors\.\w+|IllegalArgumentException/.exec(
    `${stdout}\n${stderr}`,
  )?.[0];
  return [
    `exit code ${exitCode}`,
    ...lines.filter(line => !line.includes('Exception')).sort(),
    error ?? '',
  ].join('\n');
}

async function same(...args: string[]): Promise<string> {
  const outputs: string[] = [];
  for (const { broker } of sides) {
    const command = ['--bootstrap-server', broker.bootstrap, ...args];
    const { exitCode, stdout, stderr } = await tools.run('kafka.admin.ConfigCommand', command);
    outputs.push(normalised(exitCode, stdout, stderr));
    // What was written is in the metadata of the broker a moment later.
    await new Promise(resolve => setTimeout(resolve, 200));
  }
  expect.soft(outputs[0], args.join(' ')).toBe(outputs[1]);
  return outputs[0]!;
}

const USER = ['--entity-type', 'users', '--entity-name', 'alice'];
const CLIENT = ['--entity-type', 'clients', '--entity-name', 'app 1'];
const EVERY_USER = ['--entity-type', 'users', '--entity-default'];
const EVERY_CLIENT = ['--entity-type', 'clients', '--entity-default'];
const ADDRESS = ['--entity-type', 'ips', '--entity-name', '10.1.2.3'];
const EVERY_ADDRESS = ['--entity-type', 'ips', '--entity-default'];

test('kafka-configs sets, shows and removes quotas as with Apache Kafka', async () => {
  const add = (entity: string[], values: string) => same('--alter', ...entity, '--add-config', values);
  const remove = (entity: string[], keys: string) => same('--alter', ...entity, '--delete-config', keys);
  const show = (...entity: string[]) => same('--describe', ...entity);
  await add(USER, 'producer_byte_rate=1048576,consumer_byte_rate=2097152');
  await add(CLIENT, 'request_percentage=250.5');
  await add([...USER, ...CLIENT], 'controller_mutation_rate=12');
  await add([...EVERY_USER, ...EVERY_CLIENT], 'producer_byte_rate=1000000000');
  await add([...USER, ...EVERY_CLIENT], 'producer_byte_rate=999999999');
  await add(EVERY_USER, 'consumer_byte_rate=888888888');
  await add(EVERY_CLIENT, 'consumer_byte_rate=777777777');
  await add(ADDRESS, 'connection_creation_rate=50');
  await add(EVERY_ADDRESS, 'connection_creation_rate=100000');
  for (const entity of [USER, CLIENT, EVERY_USER, EVERY_CLIENT, ADDRESS, EVERY_ADDRESS]) {
    expect(await show(...entity)).toMatch(/_rate=|_percentage=/);
  }
  expect(await show(...USER, ...CLIENT)).toContain('controller_mutation_rate=12.0');
  await show(...EVERY_USER, ...EVERY_CLIENT);
  await show(...USER, ...EVERY_CLIENT);
  await show('--entity-type', 'users');
  await show('--entity-type', 'clients');
  await show('--entity-type', 'ips');
  await show('--entity-type', 'users', '--entity-type', 'clients');
  await show('--entity-type', 'users', '--entity-name', 'nobody');
  await add(USER, 'producer_byte_rate=5000');
  await remove(USER, 'consumer_byte_rate');
  await show(...USER);
  await remove(USER, 'consumer_byte_rate');
  await remove(USER, 'producer_byte_rate');
  await remove(CLIENT, 'request_percentage');
  await remove([...USER, ...CLIENT], 'controller_mutation_rate');
  await remove([...EVERY_USER, ...EVERY_CLIENT], 'producer_byte_rate');
  await remove([...USER, ...EVERY_CLIENT], 'producer_byte_rate');
  await remove(EVERY_USER, 'consumer_byte_rate');
  await remove(EVERY_CLIENT, 'consumer_byte_rate');
  await remove(ADDRESS, 'connection_creation_rate');
  await remove(EVERY_ADDRESS, 'connection_creation_rate');
  for (const type of ['users', 'clients', 'ips']) {
    expect(await show('--entity-type', type)).not.toMatch(/_rate=|_percentage=/);
  }
});

test('kafka-configs is refused what Apache Kafka refuses', async () => {
  const add = (entity: string[], values: string) => same('--alter', ...entity, '--add-config', values);
  expect(await add(USER, 'producer_byte_rate=0')).toContain('InvalidRequestException');
  await add(USER, 'producer_byte_rate=-5');
  await add(USER, 'producer_byte_rate=1.5');
  await add(USER, 'nope=1');
  await add(ADDRESS, 'connection_creation_rate=0');
  await add(ADDRESS, 'producer_byte_rate=1');
  await same('--describe', ...USER);
});
