import type { Disk } from '../runtime/runtime.ts';
import { type Offset, parseInt64 } from '../base/int64.ts';
import { type TopicPartition, topicPartitionKey } from './topic-partition.ts';

/** A checkpoint that is not in Kafka's format. */
export class CorruptCheckpointError extends Error {
  constructor(path: string, reason: string) {
    super(`${path}: ${reason}`);
    this.name = 'CorruptCheckpointError';
  }
}

/**
 * Kafka's text format of all checkpoints: a line with the version (0), a line with the number of entries, a
 * line for each entry. It is replaced as a whole, never changed in place.
 */
export const CheckpointFile = {
  /** `undefined` if there is no file. Throws {@link CorruptCheckpointError}. */
  read(disk: Disk, path: string): string[] | undefined {
    if (disk.statSync(path) === undefined) return undefined;
    const content = disk.readFileSync(path);
    // Kafka makes the file before it has anything to say.
    if (content.length === 0) return [];
    const lines = content.toString('utf8').split('\n');
    if (lines[0]?.trim() !== '0') throw new CorruptCheckpointError(path, 'the version is not 0');
    const count = lines[1]?.trim() ?? '';
    if (!/^\d{1,9}$/.test(count)) throw new CorruptCheckpointError(path, 'there is no number of entries');
    const entries = lines.slice(2).filter(line => line.trim() !== '');
    if (entries.length !== Number(count)) {
      throw new CorruptCheckpointError(path, `${count} entries announced, ${entries.length} found`);
    }
    return entries;
  },

  format(entries: readonly string[]): Buffer {
    return Buffer.from(`0\n${entries.length}\n${entries.map(entry => `${entry}\n`).join('')}`);
  },
};

export interface PartitionOffset {
  readonly topicPartition: TopicPartition;
  readonly offset: Offset;
}

/** A checkpoint of one offset for each partition: `topic partition offset`. */
export class OffsetCheckpointFile {
  readonly path: string;
  private readonly disk: Disk;
  private written: string | undefined;
  private keys = new Set<string>();

  constructor(disk: Disk, path: string) {
    this.disk = disk;
    this.path = path;
  }

  /** By {@link topicPartitionKey}; empty if there is no file. Throws {@link CorruptCheckpointError}. */
  read(): Map<string, Offset> {
    const offsets = new Map<string, Offset>();
    for (const line of CheckpointFile.read(this.disk, this.path) ?? []) {
      const [topic, partition, text, ...rest] = line.trim().split(/\s+/);
      const offset = text === undefined ? undefined : parseInt64(text);
      if (
        topic === undefined ||
        !/^\d{1,10}$/.test(partition ?? '') ||
        offset === undefined ||
        rest.length > 0
      ) {
        throw new CorruptCheckpointError(this.path, `'${line}' is not an entry`);
      }
      offsets.set(topicPartitionKey({ topic, partition: Number(partition) }), offset);
    }
    this.keys = new Set(offsets.keys());
    return offsets;
  }

  /** Whether the file, as last read or written, has any entry. */
  get isWritten(): boolean {
    return this.keys.size > 0;
  }

  /** Whether the file, as last read or written, has an entry for the partition. */
  names(topicPartition: TopicPartition): boolean {
    return this.keys.has(topicPartitionKey(topicPartition));
  }

  /** Replaces the file, if that changes it. */
  write(offsets: Iterable<PartitionOffset>): void {
    const entries: string[] = [];
    const keys = new Set<string>();
    for (const { topicPartition, offset } of offsets) {
      keys.add(topicPartitionKey(topicPartition));
      entries.push(`${topicPartition.topic} ${topicPartition.partition} ${offset}`);
    }
    const content = CheckpointFile.format(entries);
    const text = content.toString('latin1');
    if (text === this.written) return;
    this.disk.replaceFileSync(this.path, content);
    this.written = text;
    this.keys = keys;
  }
}
