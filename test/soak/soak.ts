import { readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { ListOffsetsRequest, ListOffsetsResponse } from '../../src/protocol/messages/02-list-offsets.ts';
import { ApiVersionsRequest, ApiVersionsResponse } from '../../src/protocol/messages/18-api-versions.ts';
import { WireClient } from '../oracle/wire-client.ts';
import { temporaryFolder } from '../support/broker-target.ts';
import { type ClusterNode, ClusterProcess, combinedNodes } from '../support/cluster-process.ts';
import { createTopic, electPreferredLeaders, leadersOf } from '../support/cluster-process-admin.ts';
import { deleteRecords } from '../support/delete-records.ts';
import { readTopic } from '../support/kcat-records.ts';
import { LiveMemory } from '../support/live-memory.ts';
import { odradek } from '../support/odradek-process.ts';
import { numberIn, PartitionHistory, type SoakRecord, type TopicPolicy } from './partition-history.ts';
import { replicaProblems } from './replica-problems.ts';
import { type ResourceSample, trendsOf } from './resource-slope.ts';
import { SoakTraffic, type TrafficShape } from './soak-traffic.ts';

/**
 * Three brokers with regular, compacted, and compacted and deleted-from topics of small segments, for a long time:
 * retention and the cleaner run, records are deleted, and every minute one of two brokers is killed (kill -9) and
 * started again. The third one lives through it all, so that a slope of its memory, its open files or the delay of its
 * event loop can be seen. At the end, what clients were told is held against what is there, on every replica.
 */
const USAGE = 'npm run soak -- [--minutes N] (default 20, at least 2)\n';

const PARTITIONS = 2;
/** The node that is never killed. */
const SURVIVOR = 3;
const KILL_EVERY_MS = 60_000;
const DOWN_MS = 3_000;
const DELETE_EVERY_MS = 20_000;
const OFFSETS_EVERY_MS = 3_000;
const PING_EVERY_MS = 100;
const PINGS_PER_SAMPLE = 10;
/** Of a sample a second: every minute of the longest soaks, and often enough in the shortest. */
const SAMPLES_PER_LOOK_AT_MEMORY = 5;
const HEALTHY_WITHIN_MS = 60_000;
const SILENCE_MAX_MS = 45_000;
const EARLIEST = -2;
const LATEST = -1;

interface SoakTopic {
  readonly name: string;
  readonly policy: TopicPolicy;
  readonly shape: TrafficShape;
  readonly configs: Readonly<Record<string, string>>;
}

const TOPICS: readonly SoakTopic[] = [
  {
    name: 'regular',
    policy: { isCompacted: false, isDeletedFrom: true },
    shape: { valueBytesMax: 900, keysMoveOn: false },
    configs: { 'cleanup.policy': 'delete', 'retention.ms': '45000' },
  },
  {
    name: 'compacted',
    policy: { isCompacted: true, isDeletedFrom: false },
    shape: { valueBytesMax: 900, keysMoveOn: false },
    configs: { 'cleanup.policy': 'compact', 'delete.retention.ms': '5000' },
  },
  {
    name: 'both',
    policy: { isCompacted: true, isDeletedFrom: true },
    // Its compacted segments must fill, so that they are not merged with young ones, and get old.
    shape: { valueBytesMax: 8_000, keysMoveOn: true },
    configs: { 'cleanup.policy': 'compact,delete', 'retention.ms': '30000', 'delete.retention.ms': '5000' },
  },
];

const TOPIC_CONFIGS = {
  'segment.bytes': '1048576',
  'segment.ms': '10000',
  'min.cleanable.dirty.ratio': '0.1',
  'file.delete.delay.ms': '1000',
  'min.insync.replicas': '2',
};

const PROPERTIES = {
  'log.cleaner.backoff.ms': '500',
  'log.cleaner.dedupe.buffer.size': '4194304',
  'log.retention.check.interval.ms': '2000',
  'log.initial.task.delay.ms': '1000',
};

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** The part of the soak that runs: everything that is done again and again until it ends. */
class Soak {
  readonly problems: string[] = [];
  readonly lives: { readonly node: number; readonly samples: ResourceSample[] }[] = [];
  kills = 0;
  deletions = 0;
  private readonly cluster: ClusterProcess;
  private readonly traffics: readonly SoakTraffic[];
  private readonly liveMemory: LiveMemory;
  private ending = false;
  private work: Promise<void>[] = [];

  constructor(cluster: ClusterProcess, traffics: readonly SoakTraffic[], liveMemory: LiveMemory) {
    this.cluster = cluster;
    this.traffics = traffics;
    this.liveMemory = liveMemory;
  }

  start(): void {
    for (const node of this.cluster.brokers) this.startSampling(node);
    this.work = [this.repeat(KILL_EVERY_MS, turn => this.killOne(turn))];
    this.work.push(this.repeat(OFFSETS_EVERY_MS, () => this.lookAtOffsets()));
    this.work.push(this.repeat(DELETE_EVERY_MS, turn => this.deleteRecords(turn)));
    this.work.push(this.repeat(OFFSETS_EVERY_MS, async () => this.listen()));
  }

  async stop(): Promise<void> {
    this.ending = true;
    await Promise.all(this.work);
  }

  private async repeat(everyMs: number, act: (turn: number) => Promise<void>): Promise<void> {
    for (let turn = 0; ; turn++) {
      const until = performance.now() + everyMs;
      while (performance.now() < until) {
        if (this.ending) return;
        await sleep(100);
      }
      try {
        await act(turn);
      } catch (error) {
        this.problems.push(error instanceof Error ? error.message : String(error));
      }
    }
  }

  private async killOne(turn: number): Promise<void> {
    const node = this.cluster.node(1 + (turn % 2));
    await node.process.kill();
    this.kills++;
    await sleep(DOWN_MS);
    const startMs = await node.process.start();
    this.startSampling(node);
    const names = TOPICS.map(({ name }) => name);
    await this.cluster.waitUntilHealthy(names, HEALTHY_WITHIN_MS);
    // It is to lead again, so that the next kill meets a leader.
    for (const name of names) await electPreferredLeaders(this.cluster, name);
    say(`node ${node.id} was killed, and served again ${Math.round(startMs)} ms after its start`);
  }

  /** Until the process ends, or a request fails for another reason. */
  private startSampling(node: ClusterNode): void {
    const life = { node: node.id, samples: [] as ResourceSample[] };
    this.lives.push(life);
    const { pid } = node.process;
    const startedAt = performance.now();
    const run = async () => {
      const client = await WireClient.open(node.process.port, 10_000);
      try {
        while (!this.ending && node.process.running && node.process.pid === pid) {
          let delayMs = 0;
          for (let ping = 0; ping < PINGS_PER_SAMPLE; ping++) {
            const sentAt = performance.now();
            await client.send(ApiVersionsRequest, ApiVersionsResponse, 0, {});
            delayMs = Math.max(delayMs, performance.now() - sentAt);
            await sleep(PING_EVERY_MS);
          }
          const seconds = (performance.now() - startedAt) / 1000;
          const openFiles = readdirSync(`/proc/${pid}/fd`).length;
          const sample = { seconds, residentBytes: node.process.residentBytes(), openFiles, delayMs };
          const isLook = node.id === SURVIVOR && life.samples.length % SAMPLES_PER_LOOK_AT_MEMORY === 0;
          life.samples.push(isLook ? { ...sample, liveBytes: await this.liveMemory.bytesOf(pid) } : sample);
        }
      } finally {
        client.close();
      }
    };
    run().catch(error => {
      const lives = node.process.running && node.process.pid === pid && !this.ending;
      // Of a broker that is just being killed, the end of the connection is seen first.
      if (lives && node.id === SURVIVOR) this.problems.push(`node ${SURVIVOR} does not answer: ${error}`);
    });
  }

  private async lookAtOffsets(): Promise<void> {
    for (const { topic, histories } of this.traffics) {
      const leaders = await leadersOf(this.cluster, topic);
      for (const [partition, history] of histories.entries()) {
        const leader = this.cluster.brokers.find(({ id }) => id === leaders[partition]);
        if (leader === undefined || !leader.process.responsive) continue;
        // Nobody answers for a broker that is just being killed.
        const offsets = await offsetsAt(leader, topic, partition).catch(() => undefined);
        if (offsets !== undefined) history.takeOffsets(offsets.startOffset, offsets.highWatermark);
      }
    }
  }

  private async deleteRecords(turn: number): Promise<void> {
    const [traffic] = this.traffics;
    const partition = turn % PARTITIONS;
    const history = traffic?.histories[partition];
    if (traffic === undefined || history === undefined) return;
    const { startOffset, highWatermark } = history.present;
    const offset = Math.floor((Math.max(0, startOffset) + highWatermark) / 2);
    if (highWatermark <= 0) return;
    const leaders = await leadersOf(this.cluster, traffic.topic);
    const leader = this.cluster.brokers.find(({ id }) => id === leaders[partition]);
    if (leader === undefined || !leader.process.responsive) return;
    try {
      await deleteRecords(leader.process.port, traffic.topic, partition, offset);
      history.takeDeleted(offset);
      this.deletions++;
    } catch (error) {
      // Retention may have been faster, or a broker that is needed is down: then nothing is known.
      say(`up to ${offset}: ${error instanceof Error ? error.message : error}`);
    }
  }

  private listen(): void {
    for (const { histories, lastAcks } of this.traffics) {
      for (const [partition, history] of histories.entries()) {
        const silentMs = performance.now() - (lastAcks[partition] ?? 0);
        if (silentMs > SILENCE_MAX_MS)
          this.problems.push(`${history.name}: no acknowledgement for ${Math.round(silentMs)} ms`);
      }
    }
  }
}

/** Where the log of a partition starts, and its high watermark; `undefined` if the node says that it does not lead. */
async function offsetsAt(node: ClusterNode, topic: string, partition: number) {
  const client = await WireClient.open(node.process.port, 3_000);
  try {
    const found: number[] = [];
    for (const timestamp of [EARLIEST, LATEST]) {
      const answer = await client.send(ListOffsetsRequest, ListOffsetsResponse, 5, {
        replicaId: -1,
        topics: [{ name: topic, partitions: [{ partitionIndex: partition, timestamp }] }],
      });
      const result = answer.topics[0]?.partitions[0];
      if (result === undefined || result.errorCode !== 0) return undefined;
      found.push(Number(result.offset));
    }
    const [startOffset = 0, highWatermark = 0] = found;
    return { startOffset, highWatermark };
  } finally {
    client.close();
  }
}

/** What clients find at the end, held against what they were told. */
async function contentProblems(cluster: ClusterProcess, traffics: readonly SoakTraffic[]): Promise<string[]> {
  const problems: string[] = [];
  for (const { topic, histories } of traffics) {
    const leaders = await leadersOf(cluster, topic);
    const starts = await Promise.all(
      histories.map((_, partition) => offsetsAt(cluster.node(leaders[partition] ?? 3), topic, partition)),
    );
    const records = await readTopic(cluster.bootstrap, topic);
    // Retention goes on: what was deleted while it was read is not there any more, and need not be.
    for (const [partition, history] of histories.entries()) {
      const after = await offsetsAt(cluster.node(leaders[partition] ?? 3), topic, partition);
      const first = after?.startOffset ?? starts[partition]?.startOffset ?? 0;
      const end = new Map<number, SoakRecord>();
      for (const { offset, key, value, partition: of } of records)
        if (of === partition && offset >= first) end.set(offset, { key, number: numberIn(value) });
      problems.push(...history.verdict(first, end));
      say(`${history.name}: ${history.acked.size} acknowledged, starts at ${first}, ${end.size} left`);
    }
  }
  return problems;
}

function resourceProblems(lives: Soak['lives']): string[] {
  const problems: string[] = [];
  for (const { node, samples } of lives) {
    const worst = Math.max(...samples.map(({ delayMs }) => delayMs));
    const last = samples.at(-1);
    if (last === undefined) continue;
    const used = `${(last.residentBytes / 1e6).toFixed(0)} MB, ${last.openFiles} files at its end`;
    say(`node ${node}, ${last.seconds.toFixed(0)} s: ${used}, longest delay ${worst.toFixed(0)} ms`);
  }
  const longest = lives.find(({ node }) => node === SURVIVOR);
  for (const { resource, usual, growth, isSteady } of trendsOf(longest?.samples ?? [])) {
    const unit = resource.endsWith('Bytes') ? 1e6 : 1;
    const figures = `${(usual / unit).toFixed(1)}, ${(growth / unit).toFixed(1)} more at the end`;
    say(`node ${SURVIVOR}, ${resource}: usually ${figures}${isSteady ? '' : ': NOT STEADY'}`);
    if (!isSteady) problems.push(`${resource} of node ${SURVIVOR} grows: usually ${figures}`);
  }
  return problems;
}

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { minutes: { type: 'string', default: '20' } } });
  const minutes = Number(values.minutes);
  if (!(minutes >= 2)) {
    process.stderr.write(USAGE);
    return 2;
  }
  const folder = temporaryFolder('soak');
  const liveMemory = new LiveMemory(folder.path);
  const cluster = await ClusterProcess.create({
    workDirectory: folder.path,
    nodes: combinedNodes(liveMemory.watched(odradek())),
    properties: PROPERTIES,
  });
  const traffics: SoakTraffic[] = [];
  try {
    await cluster.start();
    for (const { name, configs } of TOPICS)
      await createTopic(cluster, { name, partitions: PARTITIONS, configs: { ...TOPIC_CONFIGS, ...configs } });
    await cluster.waitUntilHealthy(TOPICS.map(({ name }) => name));
    for (const { name, policy, shape } of TOPICS) {
      const histories = Array.from(
        { length: PARTITIONS },
        (_, i) => new PartitionHistory(`${name}-${i}`, policy),
      );
      const traffic = new SoakTraffic(cluster.bootstrap, name, histories, shape);
      traffics.push(traffic);
      await traffic.start();
    }
    const soak = new Soak(cluster, traffics, liveMemory);
    soak.start();
    await sleep(minutes * 60_000);
    await soak.stop();
    await Promise.all(traffics.map(traffic => traffic.drain()));
    await cluster.waitUntilHealthy(TOPICS.map(({ name }) => name));
    const problems = [
      ...soak.problems,
      ...(await contentProblems(cluster, traffics)),
      ...(await replicaProblems(
        cluster.brokers,
        traffics.flatMap(({ histories }) => histories),
      )),
      ...resourceProblems(soak.lives),
    ];
    say(
      `${minutes} minutes, ${soak.kills} kills, ${soak.deletions} DeleteRecords: ${problems.length} problems`,
    );
    for (const problem of problems) say(problem);
    if (problems.length > 0) say(cluster.logTails());
    return problems.length === 0 ? 0 : 1;
  } finally {
    for (const traffic of traffics) traffic.end();
    await cluster.dispose();
    folder.remove();
  }
}

process.exitCode = await main();
