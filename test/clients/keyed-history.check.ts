import { createHash } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, describe, expect, test } from 'vitest';
import { prepareCodecs } from '../../src/compression/codecs.ts';
import { batchesOf } from '../../src/record/record-batch.ts';
import { readReplica } from '../failover/replicas.ts';
import { temporaryFolder } from '../support/broker-target.ts';
import { ClusterProcess, type ClusterNode, combinedNodes } from '../support/cluster-process.ts';
import { createTopic } from '../support/cluster-process-admin.ts';
import { lastValues, readTopic, type WrittenRecord, writeTopic } from '../support/kcat-records.ts';
import { odradek } from '../support/odradek-process.ts';

const TOPIC = 'history';
const PARTITIONS = 2;
const KEYS = 900;
const ROUNDS = 4;
const RECORDS = 4_000;
const CODECS = ['none', 'gzip', 'snappy', 'lz4', 'zstd'];
const VALUE_BYTES_MAX = 1_800;
const TOMBSTONES = 0.15;
/** For one that is being written: a cleaning takes a second or more, so that a kill meets one. */
const CLEANER_BYTES_PER_SECOND = 2_000_000;
const KILL_WITHIN_MS = 8_000;
const PATIENCE_MS = 30_000;

/** The same history for the same seed; `SEED=n` repeats one. */
const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31));

/** Numbers from 0 up to 1 (mulberry32). */
function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** It does not compress well: otherwise a few segments would hold the whole history. */
function valueOfRecord(place: number, bytes: number): string {
  const hash = createHash('shake256', { outputLength: bytes }).update(`${place}`);
  return `${place}.${hash.digest('base64')}`;
}

/** Values begin with the record's place in the history; some keys come more often than others. */
function randomHistory(random: () => number, first: number): WrittenRecord[] {
  return Array.from({ length: RECORDS }, (_, index) => {
    const key = `key-${Math.floor(random() ** 2 * KEYS)}`;
    if (random() < TOMBSTONES) return { key, value: null };
    return { key, value: valueOfRecord(first + index, Math.floor(random() * VALUE_BYTES_MAX)) };
  });
}

/** Whether a cleaning of the topic is in the middle of its files. */
function isCleaning({ process }: ClusterNode): boolean {
  return readdirSync(process.dataDirectory)
    .filter(name => name.startsWith(`${TOPIC}-`))
    .some(name =>
      readdirSync(join(process.dataDirectory, name)).some(file => /\.(cleaned|swap)$/.test(file)),
    );
}

/** Kills the first broker that is met in a cleaning, or one of them in any case. Whether it was in a cleaning. */
async function killWhileCleaning(nodes: readonly ClusterNode[], random: () => number): Promise<boolean> {
  const deadline = performance.now() + KILL_WITHIN_MS;
  // Not always where the files are just begun.
  const later = random() * 300;
  for (;;) {
    const found = nodes.find(isCleaning);
    if (found !== undefined) await sleep(later);
    const victim = found ?? (performance.now() > deadline ? nodes[0] : undefined);
    if (victim === undefined) {
      await sleep(5);
      continue;
    }
    await victim.process.kill();
    const wasCleaning = isCleaning(victim);
    await victim.process.start();
    return wasCleaning;
  }
}

/** Each record that is there is one that was written, and those of a partition are in the order of the history. */
function strangers(
  records: readonly (WrittenRecord & { partition: number })[],
  history: readonly WrittenRecord[],
) {
  const last = new Map<number, number>();
  return records.filter(({ partition, key, value }) => {
    if (value === null) return false;
    const place = Number.parseInt(value, 10);
    const inOrder = place > (last.get(partition) ?? -1);
    last.set(partition, place);
    return !inOrder || history[place]?.key !== key || history[place]?.value !== value;
  });
}

/** The records of a replica as they stand on disk; the checksums of its batches and the order of its offsets hold. */
function recordsOnDisk(node: ClusterNode, partition: number) {
  const bytes = readReplica(node, `${TOPIC}-${partition}`)?.bytes ?? Buffer.alloc(0);
  const records: (WrittenRecord & { partition: number })[] = [];
  let next = 0;
  for (const batch of batchesOf(bytes)) {
    expect(batch.isValid(), `checksum of the batch at ${batch.baseOffset} on node ${node.id}`).toBe(true);
    expect(Number(batch.baseOffset)).toBeGreaterThanOrEqual(next);
    next = Number(batch.nextOffset);
    for (const { key, value } of batch.records())
      records.push({ partition, key: `${key}`, value: value === null ? null : `${value}` });
  }
  return records;
}

beforeAll(prepareCodecs);

describe.each([
  { brokers: 'one broker', ids: [1], replicas: 1, inSync: 1 },
  { brokers: 'three brokers', ids: [1, 2, 3], replicas: 3, inSync: 2 },
])('a compacted topic on $brokers', ({ ids, replicas, inSync }) => {
  test(`has the last value of each key, with kill -9 in the middle of cleanings (SEED=${SEED})`, async () => {
    const folder = temporaryFolder('keyed-history');
    const cluster = await ClusterProcess.create({
      workDirectory: folder.path,
      nodes: combinedNodes(odradek(), ids),
      properties: {
        'offsets.topic.replication.factor': `${replicas}`,
        'log.cleaner.backoff.ms': '100',
        'log.cleaner.dedupe.buffer.size': '2097152',
        'log.cleaner.io.buffer.size': '262144',
        'log.cleaner.io.max.bytes.per.second': `${CLEANER_BYTES_PER_SECOND}`,
      },
    });
    try {
      await cluster.start();
      const configs = {
        'cleanup.policy': 'compact',
        'segment.bytes': '1048576',
        'min.cleanable.dirty.ratio': '0.05',
        'delete.retention.ms': '1000',
        'file.delete.delay.ms': '100',
        'min.insync.replicas': `${inSync}`,
      };
      await createTopic(cluster, {
        name: TOPIC,
        partitions: PARTITIONS,
        replicationFactor: replicas,
        configs,
      });
      await cluster.waitUntilHealthy([TOPIC]);
      const random = randomNumbers(SEED);
      const history: WrittenRecord[] = [];
      let killedInCleaning = 0;
      for (let round = 0; round < ROUNDS; round++) {
        const part = randomHistory(random, history.length);
        const codec = CODECS[Math.floor(random() * CODECS.length)]!;
        const written = writeTopic(cluster.bootstrap, TOPIC, part, { codec });
        if (await killWhileCleaning(cluster.brokers, random)) killedInCleaning++;
        await written;
        history.push(...part);
        const found = await readTopic(cluster.bootstrap, TOPIC);
        expect(lastValues(found), `after round ${round}`).toEqual(lastValues(history));
        expect(strangers(found, history)).toEqual([]);
      }
      expect(killedInCleaning).toBeGreaterThan(0);

      // The active segments hold up to 1 MiB each that is not compacted.
      const deadline = performance.now() + PATIENCE_MS;
      const count = async () => (await readTopic(cluster.bootstrap, TOPIC)).length;
      let left = await count();
      for (; left > history.length * 0.4 && performance.now() < deadline; left = await count())
        await sleep(500);
      expect(left).toBeLessThanOrEqual(history.length * 0.4);
      await cluster.waitUntilHealthy([TOPIC]);
      await Promise.all(cluster.brokers.map(({ process }) => process.kill()));
      for (const node of cluster.brokers) {
        const records = Array.from({ length: PARTITIONS }, (_, partition) =>
          recordsOnDisk(node, partition),
        ).flat();
        expect(lastValues(records), `on node ${node.id}`).toEqual(lastValues(history));
        expect(strangers(records, history)).toEqual([]);
      }
    } finally {
      await cluster.dispose();
      folder.remove();
    }
  });
});
