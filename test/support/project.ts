import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * The project's root folder. Found by walking up to the lock file, because these helpers also run compiled from
 * a folder of their own (the benchmarks).
 */
export const projectRoot: string = findRoot(dirname(fileURLToPath(import.meta.url)));

/** Where fetched tools live: Java class paths, a Python environment, a Go program. Git ignores it. */
export const toolsDirectory: string = join(projectRoot, '.tools');

function findRoot(start: string): string {
  let folder = start;
  while (!existsSync(join(folder, 'package-lock.json'))) {
    const parent = dirname(folder);
    if (parent === folder) throw new Error(`no package-lock.json above ${start}`);
    folder = parent;
  }
  return folder;
}
