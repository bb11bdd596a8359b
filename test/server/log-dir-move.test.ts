import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { Errors } from '../../src/protocol/errors.ts';
import { ProduceRequest, ProduceResponse } from '../../src/protocol/messages/00-produce.ts';
import { CreateTopicsRequest, CreateTopicsResponse } from '../../src/protocol/messages/19-create-topics.ts';
import {
  AlterReplicaLogDirsRequest,
  AlterReplicaLogDirsResponse,
} from '../../src/protocol/messages/34-alter-replica-log-dirs.ts';
import {
  DescribeLogDirsRequest,
  DescribeLogDirsResponse,
} from '../../src/protocol/messages/35-describe-log-dirs.ts';
import { TestBroker } from '../support/test-broker.ts';
import { RawClient } from './raw-client.ts';
import { sampleRecords } from './sample-request.ts';

const folder = mkdtempSync(join(tmpdir(), 'odradek-move-'));
const DIRS = ['one', 'two'].map(name => join(folder, name));

let broker: TestBroker;
let client: RawClient;

afterEach(async () => {
  client?.close();
  await broker?.close();
  rmSync(folder, { recursive: true, force: true });
});

/** Where DescribeLogDirs shows the replica, and whether that is a copy on its way. */
async function shown(): Promise<string[]> {
  const types = [DescribeLogDirsRequest, DescribeLogDirsResponse] as const;
  const answer = await client.ask(types, 4, { topics: [{ topic: 'orders', partitions: [0] }] });
  return answer!.results.flatMap(({ logDir, topics }) =>
    topics.flatMap(topic => topic.partitions.map(each => `${logDir}${each.isFutureKey ? ' future' : ''}`)),
  );
}

test('a replica moves to another log directory while it is written, the metadata says so, and a start finds it', async () => {
  broker = await TestBroker.start({
    properties: { 'log.dirs': DIRS.join(','), 'metadata.log.dir': DIRS[0]! },
  });
  client = await RawClient.connect(broker.port);
  const configs = [{ name: 'file.delete.delay.ms', value: '0' }];
  const topics = [{ name: 'orders', numPartitions: 1, replicationFactor: 1, configs }];
  const created = await client.ask([CreateTopicsRequest, CreateTopicsResponse], 7, {
    topics,
    timeoutMs: 5000,
  });
  const { topicId } = created!.topics[0]!;
  let count = 0;
  const produce = async (to: RawClient) => {
    const topicData = [{ topicId, partitionData: [{ index: 0, records: sampleRecords() }] }];
    const body = { acks: -1, timeoutMs: 5000, topicData };
    const answer = await to.ask([ProduceRequest, ProduceResponse], 13, body);
    expect(answer!.responses[0]!.partitionResponses[0]!.errorCode).toBe(Errors.NONE);
    count++;
  };
  for (let i = 0; i < 100; i++) await produce(client);
  const [from] = await shown();
  const to = DIRS.find(dir => dir !== from)!;
  const writer = await RawClient.connect(broker.port);
  let stopped = false;
  const writing = (async () => {
    while (!stopped) await produce(writer);
  })();
  const types = [AlterReplicaLogDirsRequest, AlterReplicaLogDirsResponse] as const;
  const dirs = [{ path: to, topics: [{ name: 'orders', partitions: [0] }] }];
  const answer = await client.ask(types, 2, { dirs });
  expect(answer!.results[0]!.partitions[0]!.errorCode).toBe(Errors.NONE);
  await expect.poll(shown, { timeout: 20_000 }).toEqual([to]);
  const wanted = broker.services.logManager.directoryIdOf(to);
  const directory = () => broker.services.metadata().topics.partition('orders', 0)!.directories[0];
  await expect.poll(directory, { timeout: 20_000 }).toBe(wanted);
  stopped = true;
  await writing;
  writer.close();
  await expect.poll(() => readdirSync(from!).filter(name => name.startsWith('orders-'))).toEqual([]);
  const end = broker.services.logManager.getLog({ topic: 'orders', partition: 0 })!.logEndOffset;
  await broker.restart();
  client.close();
  client = await RawClient.connect(broker.port);
  expect(await shown()).toEqual([to]);
  const log = broker.services.logManager.getLog({ topic: 'orders', partition: 0 })!;
  expect(log.logEndOffset).toBe(end);
  expect(count).toBeGreaterThan(100);
});
