import { join } from 'node:path';
import { CreateTopicsRequest, CreateTopicsResponse } from '../../src/protocol/messages/19-create-topics.ts';
import { ListOffsetsRequest, ListOffsetsResponse } from '../../src/protocol/messages/02-list-offsets.ts';
import { MetadataRequest, MetadataResponse } from '../../src/protocol/messages/03-metadata.ts';
import { WireClient } from '../oracle/wire-client.ts';
import { projectRoot } from '../support/project.ts';
import { runCommand } from '../support/run-command.ts';
import type { LoadOptions, LoadResult } from './load-generator.ts';

const PATIENCE_MS = 120_000;

/** Creates topics one after the other, as a tool would, over one connection. */
export async function createTopics(
  port: number,
  names: readonly string[],
  partitions: number,
  settings: Readonly<Record<string, string>> = {},
): Promise<void> {
  const client = await WireClient.open(port, PATIENCE_MS);
  const configs = Object.entries(settings).map(([name, value]) => ({ name, value }));
  for (const name of names) {
    const answer = await client.send(CreateTopicsRequest, CreateTopicsResponse, 5, {
      topics: [{ name, numPartitions: partitions, replicationFactor: 1, assignments: [], configs }],
      timeoutMs: 60_000,
    });
    const code = answer.topics[0]?.errorCode;
    if (code !== 0) throw new Error(`creating ${name} was answered with error ${code}`);
  }
  client.close();
}

/** Waits until every partition of the topics has a leader that serves: Metadata and ListOffsets say so. */
export async function waitForLeaders(
  port: number,
  names: readonly string[],
  partitions: number,
): Promise<void> {
  const client = await WireClient.open(port, PATIENCE_MS);
  const deadline = performance.now() + PATIENCE_MS;
  const indexes = Array.from({ length: partitions }, (_, partitionIndex) => partitionIndex);
  while (performance.now() < deadline) {
    const metadata = await client.send(MetadataRequest, MetadataResponse, 8, {
      topics: names.map(name => ({ name })),
      allowAutoTopicCreation: false,
    });
    const led = metadata.topics.every(
      topic =>
        topic.partitions.length === partitions && topic.partitions.every(({ leaderId }) => leaderId >= 0),
    );
    if (led) {
      const offsets = await client.send(ListOffsetsRequest, ListOffsetsResponse, 5, {
        replicaId: -1,
        topics: names.map(name => ({
          name,
          partitions: indexes.map(partitionIndex => ({ partitionIndex, timestamp: -1 })),
        })),
      });
      if (offsets.topics.every(topic => topic.partitions.every(({ errorCode }) => errorCode === 0))) {
        client.close();
        return;
      }
    }
    await new Promise(resolve => setTimeout(resolve, 10));
  }
  throw new Error('not every partition has a leader');
}

/** Creates topics whose partitions serve when this returns. */
export async function createServingTopics(
  port: number,
  names: readonly string[],
  partitions: number,
  settings: Readonly<Record<string, string>> = {},
): Promise<void> {
  await createTopics(port, names, partitions, settings);
  await waitForLeaders(port, names, partitions);
}

/** Runs the load generator in a process of its own. */
export async function load(options: LoadOptions): Promise<LoadResult> {
  const program = join(projectRoot, '.bench/build/test/bench/load-generator.js');
  const timeoutMs = options.maxSeconds * 1000 + 120_000;
  const { stdout } = await runCommand(process.execPath, [program, JSON.stringify(options)], { timeoutMs });
  return JSON.parse(stdout) as LoadResult;
}
