import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Kafka, logLevel, Partitioners } from 'kafkajs';
import { KafkaToolDriver } from '../clients/kafka-tool-driver.ts';
import { launchOf, type TargetName, temporaryFolder } from '../support/broker-target.ts';
import type { BrokerLaunch } from '../support/broker-process.ts';
import { type ClusterOptions, ClusterProcess } from '../support/cluster-process.ts';
import { SAME_MEANINGS } from './tool-words.ts';

/** Brokers 1, 2 and 3; voters 1 and this one, so that brokers 2 and 3 may both be down. */
export const SPARE_CONTROLLER = 11;

const LOG_DIRS = ['one', 'two'];

type Folder = ReturnType<typeof temporaryFolder>;

/** One of two clusters that are compared, with a JVM for the tools that are run against it. */
export class ToolSide {
  readonly name: TargetName;
  readonly cluster: ClusterProcess;
  private readonly driver: KafkaToolDriver;
  private readonly folder: Folder;

  private constructor(name: TargetName, cluster: ClusterProcess, driver: KafkaToolDriver, folder: Folder) {
    this.name = name;
    this.cluster = cluster;
    this.driver = driver;
    this.folder = folder;
  }

  static start(name: TargetName): Promise<ToolSide> {
    return ToolSide.startWith(
      name,
      launch => ({
        nodes: [
          { id: 1, roles: ['broker', 'controller'], launch },
          { id: 2, roles: ['broker'], launch },
          { id: 3, roles: ['broker'], launch },
          { id: SPARE_CONTROLLER, roles: ['controller'], launch },
        ],
        properties: { 'replica.lag.time.max.ms': '5000', 'num.partitions': '2' },
      }),
      // Not all at once: the JVMs of one cluster alone take a small machine for many seconds.
      [
        [1, SPARE_CONTROLLER],
        [2, 3],
      ],
    );
  }

  /** One node with two log directories, {@link ToolSide.logDirs}. `more` are further properties of it. */
  static startOne(name: TargetName, more: Readonly<Record<string, string>> = {}): Promise<ToolSide> {
    return ToolSide.startWith(
      name,
      (launch, folder) => {
        const logDirs = LOG_DIRS.map(directory => join(folder, directory));
        for (const directory of logDirs) mkdirSync(directory);
        const properties = {
          'log.dirs': logDirs.join(','),
          'metadata.log.dir': join(folder, 'metadata'),
          'default.replication.factor': '1',
          'min.insync.replicas': '1',
          ...more,
        };
        return { nodes: [{ id: 1, roles: ['broker', 'controller'], launch }], properties };
      },
      [[1]],
    );
  }

  private static async startWith(
    name: TargetName,
    shape: (launch: BrokerLaunch, folder: string) => Pick<ClusterOptions, 'nodes' | 'properties'>,
    order: readonly (readonly number[])[],
  ): Promise<ToolSide> {
    const folder = temporaryFolder('cluster-tools');
    const { nodes, properties } = shape(await launchOf(name), folder.path);
    const cluster = await ClusterProcess.create({
      workDirectory: folder.path,
      quorum: 'dynamic',
      nodes,
      // Records get old timestamps, the same on both sides; retention must not take them away in the middle of a test.
      properties: { ...properties, 'log.retention.ms': '-1' },
    });
    try {
      for (const ids of order) await Promise.all(ids.map(id => cluster.node(id).process.start()));
      return new ToolSide(name, cluster, await KafkaToolDriver.start(), folder);
    } catch (error) {
      await cluster.dispose();
      folder.remove();
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.driver.close();
    await this.cluster.dispose();
    this.folder.remove();
  }

  /** Addresses of the controllers, for tools that may ask these. */
  get controllers(): string {
    const nodes = this.cluster.nodes.filter(({ roles }) => roles.includes('controller'));
    return nodes.map(({ process }) => `127.0.0.1:${process.controllerPort}`).join(',');
  }

  /** Of {@link ToolSide.startOne}. */
  get logDirs(): readonly string[] {
    return LOG_DIRS.map(directory => join(this.folder.path, directory));
  }

  /** Writes a file that a tool reads, and returns its path. */
  file(name: string, text: string): string {
    const path = join(this.folder.path, name);
    writeFileSync(path, text);
    return path;
  }

  /** The command line as it is the same for both sides. */
  named(command: readonly string[]): string {
    return this.normalised(command.join(' ')).replace(/--bootstrap-\S+ \S+(?: port \d+>\S*)* /, '');
  }

  /** Exit code and output of a tool, normalised, its errors by their meaning. */
  async output(command: readonly string[]): Promise<string> {
    const [name = '', ...args] = command;
    const { exitCode, stdout, stderr } = await this.driver.run(`org.apache.kafka.tools.${name}`, args);
    let text = this.normalised(`exit code ${exitCode}\n${stdout}\n${stderr}`);
    const line = this.named(command);
    for (const same of SAME_MEANINGS) {
      if (same.command !== undefined && !line.includes(same.command)) continue;
      const [pattern, replacement] = this.name === 'odradek' ? same.ours : same.theirs;
      text = text.replaceAll(pattern, replacement);
    }
    return text;
  }

  /**
   * What differs between any two clusters: ports, directories, ids that are drawn, the order in which replicas came
   * into sync or out of it, and the traces of stacks. Runs of blanks are one, because the width of a column is that of its longest
   * cell.
   */
  private normalised(text: string): string {
    let result = text;
    for (const { id, process } of this.cluster.nodes) {
      result = result.replaceAll(process.dataDirectory, `<directory ${id}>`);
      result = result.replaceAll(process.configFile, `<configuration ${id}>`);
      result = result.replaceAll(new RegExp(`\\b${process.port}\\b`, 'g'), `<port ${id}>`);
      result = result.replaceAll(
        new RegExp(`\\b${process.controllerPort}\\b`, 'g'),
        `<controller port ${id}>`,
      );
    }
    return result
      .replaceAll(this.folder.path, '<folder>')
      .replaceAll(/(?<![\w.-])\w[\w-]{21}(?![\w-])/g, '<uuid>')
      .replaceAll(
        /(Isr: |Elr: )([\d,]+)/g,
        (_, name, ids: string) => `${name}${ids.split(',').sort().join(',')}`,
      )
      .split('\n')
      .map(line => line.replaceAll(/\s+/g, ' ').trim())
      .filter(line => line !== '' && !/^at |^\.\.\. \d+ more/.test(line))
      .join('\n');
  }
}

/** The same bytes for every cluster that is given them: batches of ten records. */
export async function produceBatches(
  { bootstrap }: ClusterProcess,
  topic: string,
  partition: number,
  batches: number,
  size: number,
): Promise<void> {
  const kafka = new Kafka({ brokers: bootstrap.split(','), logLevel: logLevel.NOTHING });
  const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner });
  await producer.connect();
  for (let batch = 0; batch < batches; batch++) {
    const messages = Array.from({ length: 10 }, (_, at) => ({
      partition,
      timestamp: `${1_700_000_000_000 + at}`,
      value: `${batch}-${at}-${'x'.repeat(size)}`,
    }));
    await producer.send({ topic, acks: -1, messages });
  }
  await producer.disconnect();
}

/** The lines in order, for what a tool takes from a hash table. */
export function sortedLines(text: string): string {
  return text.split('\n').sort().join('\n');
}

/** The lines in order, and the lists of partitions in them. */
export function sortedPartitions(text: string, kept: (partition: string) => boolean = () => true): string {
  const sorted = text.replaceAll(
    /(partitions )([^\n]*)$/gm,
    (_, before, list: string) => `${before}${list.split(', ').filter(kept).sort().join(', ')}`,
  );
  return sortedLines(sorted);
}

/** Every list of a JSON document in order, and free space left out. */
export function sortedJson(json: string): string {
  const inOrder = (key: string, value: unknown): unknown => {
    if (key === 'totalBytes' || key === 'usableBytes') return '<bytes>';
    if (!Array.isArray(value)) return value;
    const items = value.map(item => JSON.stringify(item)).sort();
    return items.map(item => JSON.parse(item) as unknown);
  };
  return JSON.stringify(JSON.parse(json, inOrder));
}

/** Numbers that depend on time and on who leads, in lines whose order does so too. */
export function withoutNumbers(text: string): string {
  return sortedLines(text.replaceAll(/(?<![\w<.-])-?\d+(?![\w>.-])/g, '<number>'));
}
