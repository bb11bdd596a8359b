import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { runKafkaTool } from '../support/apache-kafka.ts';

/** What DumpLogSegments says of a file that is not as it should be. */
const COMPLAINTS =
  /isvalid: false|Mismatch|mismatch|Found |Out of order|Exception|corrupt|not valid|trailing/i;

/** All files below a folder. */
export function allFiles(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap(entry => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? allFiles(path) : [path];
  });
}

/** What DumpLogSegments of Apache Kafka 4.3 prints of files. */
export async function dump(paths: readonly string[], ...options: string[]): Promise<string> {
  const args = ['--files', paths.join(','), ...options];
  const { stdout, stderr } = await runKafkaTool('org.apache.kafka.tools.DumpLogSegments', args, {
    allowedExitCodes: [1],
  });
  return stdout + stderr;
}

/** The lines in which the tool says that something is wrong. */
export function complaintsIn(text: string): string[] {
  return text.split('\n').filter(line => COMPLAINTS.test(line) && !line.includes('isvalid: true'));
}
