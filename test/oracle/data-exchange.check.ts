import { describe, expect, test } from 'vitest';
import { BrokerProcess } from '../support/broker-process.ts';
import { freePort } from '../support/free-ports.ts';
import { launchOf, type TargetName, targetName, temporaryFolder } from '../support/broker-target.ts';
import {
  type BrokerContents,
  clientOf,
  COMMITTED_OFFSET,
  FILLED_TOPIC,
  fillBroker,
  produceBatches,
  readContents,
} from './fill-broker.ts';

const BATCHES = 12;
const ORACLE: TargetName = 'apache-kafka-4.3.0';

/** Two kinds of broker that take turns on one data directory, with the same ports and the same config. */
async function turnsOnOneDirectory(first: TargetName, second: TargetName) {
  const folder = temporaryFolder('exchange');
  const ports = { port: await freePort(), controllerPort: await freePort() };
  // Few partitions, so that a start loads quickly.
  const properties = { 'offsets.topic.num.partitions': '4' };
  const dataDirectory = `${folder.path}/data`;
  const create = async (name: TargetName, turn: string) =>
    BrokerProcess.create(await launchOf(name), {
      workDirectory: `${folder.path}/${turn}`,
      dataDirectory,
      properties,
      ...ports,
    });
  return {
    first: await create(first, 'first'),
    second: await create(second, 'second'),
    remove: folder.remove,
  };
}

function expectFilled(contents: BrokerContents, batches: number): void {
  expect(contents.topics).toEqual([FILLED_TOPIC]);
  expect(contents.ends).toEqual([batches * 10, batches * 10, batches * 10]);
  expect(contents.committed).toEqual([COMMITTED_OFFSET, COMMITTED_OFFSET, COMMITTED_OFFSET]);
  expect(contents.retentionMs).toBe('86400000');
}

describe.each([
  { first: ORACLE, second: targetName() },
  { first: targetName(), second: ORACLE },
])('$second on a directory that $first wrote', ({ first, second }) => {
  test.each(['stop', 'kill'] as const)('finds topics, records and committed offsets after %s', async end => {
    const turns = await turnsOnOneDirectory(first, second);
    try {
      await turns.first.start();
      await fillBroker(turns.first, 'first', BATCHES);
      const written = await readContents(turns.first);
      expectFilled(written, BATCHES);
      await turns.first[end]();

      await turns.second.start();
      expect(await readContents(turns.second)).toEqual(written);
      await produceBatches(clientOf(turns.second), 'second', BATCHES);
      const grown = await readContents(turns.second);
      expectFilled(grown, 2 * BATCHES);
      await turns.second[end]();

      await turns.first.start();
      expect(await readContents(turns.first)).toEqual(grown);
    } finally {
      await turns.first.dispose();
      await turns.second.dispose();
      turns.remove();
    }
  });
});
