import type { Disk } from '../runtime/runtime.ts';

const LIMITS_FILE = '/proc/self/limits';

/**
 * How many files and sockets this process may have open; `undefined` where the system does not say so in Linux's way.
 * Connections must leave some of them: a log file that cannot be opened takes its log directory offline.
 */
export function descriptorLimit(disk: Disk): number | undefined {
  if (disk.statSync(LIMITS_FILE) === undefined) return undefined;
  return parseDescriptorLimit(disk.readFileSync(LIMITS_FILE).toString('latin1'));
}

/** The soft limit of open files in the text of `/proc/<pid>/limits`; `undefined` if there is none. */
export function parseDescriptorLimit(text: string): number | undefined {
  const soft = /^Max open files\s+(\d+)\s/m.exec(text)?.[1];
  return soft === undefined ? undefined : Number(soft);
}
