import { fetchApacheKafka } from '../support/apache-kafka.ts';
import { runCommand } from '../support/run-command.ts';

/** The client gets Kafka's usual heap and the second compiler: it must not be what is measured. */
export const CLIENT_FLAGS: readonly string[] = ['-Xmx512M', '-Xms512M', '-XX:+UseG1GC'];

/** Runs a tool of Apache Kafka 4.3.0 and returns what it printed. */
export async function kafkaTool(
  mainClass: string,
  args: readonly string[],
  timeoutMs = 300_000,
): Promise<string> {
  const libraries = await fetchApacheKafka('4.3.0');
  const command = [...CLIENT_FLAGS, '-cp', `${libraries}/*`, `org.apache.kafka.tools.${mainClass}`, ...args];
  return (await runCommand('java', command, { timeoutMs })).stdout;
}

export interface ProducerShape {
  readonly recordBytes: number;
  readonly partitions: number;
  readonly records: number;
  /** Records a second; default: as many as go. */
  readonly throughput?: number;
  readonly config?: readonly string[];
}

export interface ProducerResult {
  readonly recordsPerSecond: number;
  /** Latencies in ms. */
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
}

/** One ProducerPerformance run with acks=all. Returns its last line's figures. */
export async function producerPerformance(
  bootstrap: string,
  topic: string,
  shape: ProducerShape,
): Promise<ProducerResult> {
  const args = [
    '--topic',
    topic,
    '--num-records',
    `${shape.records}`,
    '--record-size',
    `${shape.recordBytes}`,
  ];
  const properties = ['acks=all', ...(shape.config ?? [])].flatMap(property => [
    '--command-property',
    property,
  ]);
  const pace = ['--throughput', `${shape.throughput ?? -1}`];
  const output = await kafkaTool('ProducerPerformance', [
    ...args,
    ...pace,
    '--bootstrap-server',
    bootstrap,
    ...properties,
  ]);
  const line = output.trim().split('\n').at(-1) ?? '';
  const pattern = /([\d.]+) records\/sec .*?(\d+) ms 50th, \d+ ms 95th, (\d+) ms 99th, (\d+) ms 99.9th/;
  const [, recordsPerSecond, p50, p99, p999] = (pattern.exec(line) ?? []).map(Number);
  if (recordsPerSecond === undefined || p999 === undefined) throw new Error(`not understood: ${line}`);
  return { recordsPerSecond, p50: p50 ?? 0, p99: p99 ?? 0, p999 };
}

export interface ConsumerResult {
  readonly mbPerSecond: number;
  readonly recordsPerSecond: number;
}

/** One ConsumerPerformance run over the records of a topic from its start, without the time of joining the group. */
export async function consumerPerformance(
  bootstrap: string,
  topic: string,
  records: number,
  configFile: string,
): Promise<ConsumerResult> {
  const args = ['--bootstrap-server', bootstrap, '--topic', topic, '--num-records', `${records}`];
  const output = await kafkaTool('ConsumerPerformance', [
    ...args,
    '--command-config',
    configFile,
    '--timeout',
    '60000',
  ]);
  // start, end, MiB consumed, MiB/s, records, records/s, rebalance ms, fetch ms, fetch MiB/s, fetch records/s
  const columns = output.trim().split('\n').at(-1)?.split(',').map(Number) ?? [];
  const [, , , , read = 0, , , , fetchMibPerSecond = 0, fetchRecordsPerSecond = 0] = columns;
  if (read < records) throw new Error(`consumed ${read} of ${records} records`);
  return { mbPerSecond: (fetchMibPerSecond * 1_048_576) / 1e6, recordsPerSecond: fetchRecordsPerSecond };
}
