import { fetchKcat } from './client-tools.ts';
import { runCommand } from './run-command.ts';

/** A record as kcat shows it. */
export interface ReadRecord {
  readonly partition: number;
  readonly offset: number;
  readonly timestamp: number;
  readonly key: string;
  /** `null` for a tombstone. */
  readonly value: string | null;
  /** `name=value`, with commas between them. */
  readonly headers: string;
}

/** What is written of a record; keys and values have no tab and no line end. */
export interface WrittenRecord {
  readonly key: string;
  readonly value: string | null;
}

const FORMAT = '%p\t%o\t%T\t%k\t%S\t%s\t%h\n';

/** All records of a topic from its start to its present end, each partition in order of its offsets. */
export async function readTopic(
  bootstrap: string,
  topic: string,
  timeoutMs = 60_000,
  isolation: 'read_committed' | 'read_uncommitted' = 'read_committed',
): Promise<ReadRecord[]> {
  const args = ['-b', bootstrap, '-C', '-q', '-t', topic, '-o', 'beginning', '-e', '-f', FORMAT];
  // Damage must not pass for the end of a topic.
  const checked = ['-X', 'check.crcs=true', '-X', `isolation.level=${isolation}`];
  const { stdout } = await runCommand(await fetchKcat(), [...args, ...checked], { timeoutMs });
  const records = stdout
    .split('\n')
    .filter(line => line !== '')
    .map((line): ReadRecord => {
      const [partition, offset, timestamp, key = '', size, value = '', headers = ''] = line.split('\t');
      const numbers = { partition: Number(partition), offset: Number(offset), timestamp: Number(timestamp) };
      return { ...numbers, key, value: Number(size) < 0 ? null : value, headers };
    });
  // Stable: what came out of order within a partition stays so and is found by the checks.
  return records.sort((a, b) => a.partition - b.partition);
}

/**
 * Writes records in order with an idempotent producer, which waits for brokers that are away (`-E`); returns when all are acknowledged. Without a `partition` the key
 * says which.
 */
export async function writeTopic(
  bootstrap: string,
  topic: string,
  records: readonly WrittenRecord[],
  options: { codec?: string; partition?: number; headers?: readonly string[]; timeoutMs?: number } = {},
): Promise<void> {
  const { codec = 'none', partition, headers = [], timeoutMs = 120_000 } = options;
  const input = records.map(({ key, value }) => `${key}\t${value ?? ''}\n`).join('');
  const settings = ['enable.idempotence=true', `compression.codec=${codec}`, 'batch.size=16384'];
  const args = [
    ...['-b', bootstrap, '-P', '-E', '-t', topic, '-K', '\t', '-Z'],
    ...(partition === undefined ? [] : ['-p', `${partition}`]),
    ...headers.flatMap(header => ['-H', header]),
    ...settings.flatMap(setting => ['-X', setting]),
  ];
  await runCommand(await fetchKcat(), args, { input, timeoutMs });
}

/** The last value of each key; a key whose last record is a tombstone has none. */
export function lastValues(records: Iterable<WrittenRecord>): Map<string, string> {
  const last = new Map<string, string>();
  for (const { key, value } of records) {
    if (value === null) last.delete(key);
    else last.set(key, value);
  }
  return last;
}
