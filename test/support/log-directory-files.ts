import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** How far the cleaner has come with a partition, as `cleaner-offset-checkpoint` has it; -1 if it says nothing. */
export function cleanedUpTo(logDirectory: string, topic: string, partition: number): number {
  let text: string;
  try {
    text = readFileSync(join(logDirectory, 'cleaner-offset-checkpoint'), 'utf8');
  } catch {
    return -1;
  }
  for (const line of text.split('\n').slice(2)) {
    const [name, index, offset] = line.split(' ');
    if (name === topic && Number(index) === partition) return Number(offset);
  }
  return -1;
}

/** The names of the segments' .log files of a partition, in order; none where there is no directory. */
export function segmentFiles(logDirectory: string, topic: string, partition: number): string[] {
  try {
    const names = readdirSync(join(logDirectory, `${topic}-${partition}`));
    return names.filter(name => name.endsWith('.log')).sort();
  } catch {
    return [];
  }
}

/** Where the last segment of a partition begins: a cleaner comes no further. */
export function activeSegmentStart(logDirectory: string, topic: string, partition: number): number {
  return Number.parseInt(segmentFiles(logDirectory, topic, partition).at(-1) ?? '0', 10);
}
