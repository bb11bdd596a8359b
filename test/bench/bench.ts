import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { apacheKafka } from '../support/apache-kafka.ts';
import { type BrokerLaunch, BrokerProcess } from '../support/broker-process.ts';
import { temporaryFolder } from '../support/broker-target.ts';
import { ClusterProcess, combinedNodes } from '../support/cluster-process.ts';
import { javaLiveBytes, LiveMemory } from '../support/live-memory.ts';
import { odradek } from '../support/odradek-process.ts';
import {
  type AnyBenchCase,
  type ClusterBenchCase,
  type FigureInfo,
  type Figures,
  FULL,
  QUICK,
  type Scale,
} from './bench-case.ts';
import { CASES } from './cases.ts';

/**
 * Compares this broker with Apache Kafka 4.3.0 on the same machine: both run in turn, each in a new directory, with
 * the same client; the order changes from round to round. A figure is the median of its rounds, and its ratio is
 * ours divided by Apache Kafka's. Only ratios of one run count: machines differ and are noisy.
 */
const USAGE = `npm run bench -- [--only CASE]... [--rounds N] [--quick | --share X] [--json] [--broker odradek|apache-kafka]
--share X: as the full scale, with X times as many records and bytes; for a case that takes long
cases: ${CASES.map(({ name }) => name).join(', ')}
`;

interface FigureRow extends FigureInfo {
  readonly case: string;
  readonly figure: string;
  readonly odradek?: number;
  readonly apacheKafka?: number;
  readonly ratio?: number;
  /** Whether the bar is met; undefined where there is none. */
  readonly met?: boolean;
}

async function runRound(launch: BrokerLaunch, bench: AnyBenchCase, scale: Scale): Promise<Figures> {
  if ('runOnCluster' in bench) return runClusterRound(launch, bench, scale);
  const folder = temporaryFolder(`bench-${bench.name}`);
  const properties = bench.properties ?? {};
  const memory = launch.name === 'odradek' ? new LiveMemory(folder.path) : undefined;
  const probed = bench.looksAtLiveMemory ? (memory?.watched(launch) ?? launch) : launch;
  const broker = await BrokerProcess.create(probed, { workDirectory: folder.path, properties });
  const liveBytes = (): Promise<number> => memory?.bytesOf(broker.pid) ?? javaLiveBytes(broker.pid);
  try {
    const startMs = await broker.start();
    return await bench.run({ broker, liveBytes, scale, workDirectory: folder.path, startMs });
  } finally {
    await broker.dispose();
    folder.remove();
  }
}

async function runClusterRound(
  launch: BrokerLaunch,
  bench: ClusterBenchCase,
  scale: Scale,
): Promise<Figures> {
  const folder = temporaryFolder(`bench-${bench.name}`);
  const cluster = await ClusterProcess.create({
    workDirectory: folder.path,
    nodes: combinedNodes(launch),
    properties: bench.properties ?? {},
  });
  try {
    const startMs = await cluster.start();
    return await bench.runOnCluster({ cluster, scale, workDirectory: folder.path, startMs });
  } finally {
    await cluster.dispose();
    folder.remove();
  }
}

function median(values: readonly number[]): number | undefined {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle];
  if (upper === undefined) return undefined;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? upper)) / 2;
}

function rowsOf(bench: AnyBenchCase, rounds: Map<string, Figures[]>): FigureRow[] {
  return Object.entries(bench.figures).map(([figure, info]) => {
    const medianOf = (name: string) =>
      median((rounds.get(name) ?? []).map(figures => figures[figure] ?? Number.NaN));
    const ours = medianOf('odradek');
    const theirs = medianOf('apache-kafka-4.3.0');
    const ratio = ours !== undefined && theirs !== undefined && theirs !== 0 ? ours / theirs : undefined;
    const met = meetsBars(info, ours, ratio);
    return {
      case: bench.name,
      figure,
      ...info,
      ...(ours === undefined ? {} : { odradek: ours }),
      ...(theirs === undefined ? {} : { apacheKafka: theirs }),
      ...(ratio === undefined ? {} : { ratio }),
      ...(met === undefined ? {} : { met }),
    };
  });
}

function meetsBars(
  info: FigureInfo,
  ours: number | undefined,
  ratio: number | undefined,
): boolean | undefined {
  const results: boolean[] = [];
  const holds = (value: number, bar: number) => (info.better === 'more' ? value >= bar : value <= bar);
  if (info.barRatio !== undefined && ratio !== undefined) results.push(holds(ratio, info.barRatio));
  if (info.barValue !== undefined && ours !== undefined) results.push(holds(ours, info.barValue));
  return results.length === 0 ? undefined : results.every(Boolean);
}

function formatNumber(value: number | undefined): string {
  if (value === undefined || Number.isNaN(value)) return '-';
  if (value >= 1000) return Math.round(value).toLocaleString('en');
  return value >= 100 ? value.toFixed(0) : value.toFixed(value >= 10 ? 1 : 2);
}

function formatBar(row: FigureRow): string {
  const sign = row.better === 'more' ? '>=' : '<=';
  const bars: string[] = [];
  if (row.barRatio !== undefined) bars.push(`${sign} ${formatNumber(row.barRatio)} x`);
  if (row.barValue !== undefined) bars.push(`${sign} ${formatNumber(row.barValue)} ${row.unit}`);
  return bars.join(', ');
}

function printRows(bench: AnyBenchCase, rows: readonly FigureRow[]): void {
  const lines = [`\n${bench.name}: ${bench.about}`];
  const head = ['', 'Apache Kafka', 'Odradek', 'ratio', 'bar', ''];
  const table = rows.map(row => [
    `${row.figure} (${row.unit})`,
    formatNumber(row.apacheKafka),
    formatNumber(row.odradek),
    row.ratio === undefined ? '-' : row.ratio.toFixed(2),
    formatBar(row),
    row.met === undefined ? '' : row.met ? 'met' : 'missed',
  ]);
  const widths = head.map((title, column) =>
    Math.max(title.length, ...table.map(cells => cells[column]?.length ?? 0)),
  );
  for (const cells of [head, ...table]) {
    const padded = cells.map((cell, column) =>
      column === 0 || column >= 4 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
    );
    lines.push(`  ${padded.join('  ').trimEnd()}`);
  }
  process.stdout.write(`${lines.join('\n')}\n`);
}

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      only: { type: 'string', multiple: true },
      rounds: { type: 'string' },
      quick: { type: 'boolean', default: false },
      share: { type: 'string' },
      json: { type: 'boolean', default: false },
      broker: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  const only = values.only ?? [];
  const unknown = only.filter(name => !CASES.some(bench => bench.name === name));
  const rounds = Number(values.rounds ?? (values.quick ? 1 : 3));
  const share = Number(values.share ?? FULL.share);
  if (values.help || unknown.length > 0 || !Number.isInteger(rounds) || rounds < 1 || !(share > 0)) {
    say(unknown.length > 0 ? `no such case: ${unknown.join(', ')}\n${USAGE}` : USAGE);
    return values.help ? 0 : 2;
  }
  const scale = values.quick ? QUICK : { ...FULL, share };
  const launches: BrokerLaunch[] = [];
  if (values.broker !== 'odradek') launches.push(await apacheKafka('4.3.0'));
  if (values.broker !== 'apache-kafka') launches.push(odradek());
  const rows: FigureRow[] = [];
  let failures = 0;
  for (const bench of CASES.filter(({ name }) => only.length === 0 || only.includes(name))) {
    const figures = new Map<string, Figures[]>(launches.map(({ name }) => [name, []]));
    for (let round = 0; round < rounds; round++) {
      for (const launch of round % 2 === 0 ? launches : [...launches].reverse()) {
        say(`${bench.name}, round ${round + 1} of ${rounds}: ${launch.name}`);
        try {
          figures.get(launch.name)?.push(await runRound(launch, bench, scale));
        } catch (error) {
          failures++;
          say(`failed: ${error instanceof Error ? error.message : error}`);
        }
      }
    }
    const caseRows = rowsOf(bench, figures);
    rows.push(...caseRows);
    if (!values.json) printRows(bench, caseRows);
  }
  const machine = `${cpus().length} cores, Node ${process.versions.node}`;
  const size = share === 1 ? scale.name : `${share} of ${scale.name}`;
  if (values.json)
    process.stdout.write(`${JSON.stringify({ scale: size, rounds, machine, rows }, null, 2)}\n`);
  else process.stdout.write(`\n${size} scale, median of ${rounds} rounds, ${machine}\n`);
  return failures === 0 ? 0 : 1;
}

process.exitCode = await main();
