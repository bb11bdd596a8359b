import { brokerKey } from '../config/dynamic-broker-keys.ts';
import { isSensitiveBrokerKey } from '../config/broker-keys.ts';
import { type ConfigReport, formatConfigMessage, formatSource } from '../config/config-loader.ts';
import { parseConfigValue } from '../config/config-value.ts';
import type { ConfigEntry } from '../config/kafka-config.ts';
import type { AdminClient, BrokerConfigEntry, BrokerConfigLayer } from './admin/admin-client.ts';
import { textTable } from './text-table.ts';
import { type ToolContext, ToolError } from './tool-context.ts';

export interface ConfigDiffOptions {
  /** Of the broker; that of the file if it is left out. */
  readonly broker: number | undefined;
  /** Keys that are equal everywhere too. */
  readonly all: boolean;
  readonly json: boolean;
}

/** One key as the file has it, and as the running broker does. `null`: no value. Secrets are hidden. */
interface DiffRow {
  readonly key: string;
  readonly file: string | null;
  /** `server.properties:7`, or `default`. */
  readonly fileSource: string;
  readonly running: string | null;
  /** Which of the places that have a value counts. */
  readonly counts: 'this broker' | 'cluster default' | 'start' | 'default';
  readonly clusterDefault: string | null;
  readonly thisBroker: string | null;
  readonly differs: boolean;
  /** The file's value is not the one that the broker has been started with. */
  readonly restart: boolean;
  readonly note: string;
}

const HIDDEN = '(hidden)';
const VALUE_WIDTH_MAX = 36;

/** `odradek config diff`: a file beside the broker that was started with it, and what was set for it since then. */
export async function diffConfig(
  context: ToolContext,
  admin: AdminClient,
  report: ConfigReport,
  options: ConfigDiffOptions,
): Promise<void> {
  const id = options.broker ?? nodeIdOf(report);
  const { brokers } = await admin.describeCluster();
  const broker = brokers.find(each => each.id === id);
  if (broker === undefined) {
    const others = brokers.map(each => each.id).join(', ');
    throw new ToolError(
      `node ${id} is no broker of this cluster, which has ${others}: give the file of one of them, or --broker`,
    );
  }
  if (broker.fenced)
    throw new ToolError(`broker ${id} is not running: start it, or give --broker of another`);
  const running = new Map((await admin.brokerConfig(broker)).map(entry => [entry.name, entry]));
  // Brokers do not speak of Kafka's internal keys unless they are given.
  const known = [...report.entries].filter(
    ([key, { source }]) => running.has(key) || source.kind !== 'default',
  );
  const rows = [...new Set([...known.map(([key]) => key), ...running.keys()])]
    .map(key => rowOf(key, report, running.get(key)))
    .filter(row => options.all || row.differs || row.note !== '');
  if (options.json) {
    const keys = rows.map(({ note: _, ...row }) => row);
    context.print(JSON.stringify({ broker: id, address: `${broker.host}:${broker.port}`, keys }, null, 2));
  } else {
    print(context, id, rows);
  }
  for (const problem of report.problems) context.complain(`error: ${formatConfigMessage(problem)}`);
}

function nodeIdOf({ entries }: ConfigReport): number {
  for (const key of ['node.id', 'broker.id']) {
    const entry = entries.get(key);
    if (entry !== undefined && entry.source.kind !== 'default') return Number(entry.value);
  }
  throw new ToolError('the file has no node.id: say with --broker which broker it is to be compared with');
}

/** A broker says of `broker.id` that it is `node.id`, unless its file has both. */
function entryOf({ entries }: ConfigReport, key: string): ConfigEntry | undefined {
  const entry = entries.get(key);
  return key === 'broker.id' && entry?.source.kind === 'default' ? entries.get('node.id') : entry;
}

function rowOf(key: string, report: ConfigReport, entry: BrokerConfigEntry | undefined): DiffRow {
  const given = entryOf(report, key);
  const inFile = given?.text ?? null;
  const layers = entry?.layers ?? [];
  const from = (source: BrokerConfigLayer['source']): BrokerConfigLayer | undefined =>
    layers.find(each => each.source === source);
  const dynamic = from('this broker') ?? from('cluster default');
  const started = from('start') ?? from('default');
  const winner = dynamic ?? started;
  const isSensitive = entry?.isSensitive === true || (inFile !== null && isSensitiveBrokerKey(key));
  const changed = isSensitive
    ? (inFile !== null) !== (started !== undefined)
    : !sameValue(key, inFile, started?.value ?? null);
  const shown = (value: string | null): string | null => (value !== null && isSensitive ? HIDDEN : value);
  const textOf = (layer: BrokerConfigLayer | undefined): string | null =>
    layer !== undefined && isSensitive ? HIDDEN : (layer?.value ?? null);
  return {
    key,
    file: shown(inFile),
    fileSource: formatSource(given?.source ?? { kind: 'default' }),
    running: textOf(winner),
    counts: winner?.source ?? 'default',
    clusterDefault: textOf(from('cluster default')),
    thisBroker: textOf(from('this broker')),
    differs: changed || dynamic !== undefined,
    restart: changed,
    note: noteOf(changed, entry, dynamic, isSensitive && inFile !== null && started !== undefined),
  };
}

/** What it takes for the file to count. */
function noteOf(
  changed: boolean,
  entry: BrokerConfigEntry | undefined,
  dynamic: BrokerConfigLayer | undefined,
  isUnknown: boolean,
): string {
  if (isUnknown) return 'secrets are not compared';
  if (!changed) return '';
  if (dynamic !== undefined) return `after a restart, and when the ${dynamic.source} value is deleted`;
  return entry?.readOnly === false ? 'after a restart, or set it while it runs' : 'after a restart';
}

/** Whether two texts mean the same: blanks in lists, capitals of booleans, Java's word before the name of a class. */
function sameValue(key: string, a: string | null, b: string | null): boolean {
  if (a === b) return true;
  const definition = brokerKey(key);
  if (a === null || b === null || definition === undefined) return false;
  const parse = (text: string) => parseConfigValue(definition, text.replace(/^class /, ''));
  const [one, other] = [parse(a), parse(b)];
  return one.ok && other.ok && JSON.stringify(one.value) === JSON.stringify(other.value);
}

function print(context: ToolContext, id: number, rows: readonly DiffRow[]): void {
  if (rows.length === 0) {
    context.print(`Broker ${id} runs with what is in the file, and nothing else is set`);
    return;
  }
  const head = ['key', 'file', 'running', 'cluster default', 'this broker', 'counts', 'the file counts'];
  const cells = rows.map(row => [
    row.key,
    shorten(row.file ?? '(none)'),
    shorten(row.running ?? '(none)'),
    row.clusterDefault === null ? '' : shorten(row.clusterDefault),
    row.thisBroker === null ? '' : shorten(row.thisBroker),
    row.counts,
    row.note,
  ]);
  for (const line of textTable(head, cells)) context.print(line);
  context.print('');
  const restarts = rows.filter(row => row.restart).length;
  context.print(
    `Broker ${id}: ${rows.filter(row => row.differs).length} keys differ, ${restarts} of them in what it was started with`,
  );
}

function shorten(value: string): string {
  if (value === '') return '(empty)';
  return value.length > VALUE_WIDTH_MAX ? `${value.slice(0, VALUE_WIDTH_MAX - 3)}...` : value;
}
