import { renameSync, writeFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/*
 * Loaded into a broker beside its own program (`--import`). At SIGUSR2 it collects all garbage and writes how much is
 * left to the file that LIVE_BYTES_FILE names: what only grows there is a leak, which resident memory does not tell from
 * garbage that nobody has collected yet.
 */
setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;
const file = process.env['LIVE_BYTES_FILE'] ?? '';

process.on('SIGUSR2', () => {
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  writeFileSync(`${file}.new`, String(heapUsed + external));
  renameSync(`${file}.new`, file);
});
