import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { projectRoot } from '../support/project.ts';
import { runCommand } from '../support/run-command.ts';

/** What `npm test` has built before. */
const PACKAGE = join(projectRoot, 'dist/cluster/create-cluster.js');

const PROGRAM = `
const { createCluster } = await import(process.argv[1]);
const [one, other] = await Promise.all([createCluster(), createCluster({ brokers: 1 })]);
if (one.clusterId === other.clusterId) throw new Error('two clusters are one');
await one.brokers[0].kill();
await one.brokers[0].restart();
await one.close();
await other.close();
`;

describe.runIf(existsSync(PACKAGE))('the package in a process of its user', { timeout: 60_000 }, () => {
  test('runs two clusters at once, prints nothing, and lets the process end when both are closed', async () => {
    const args = ['--input-type=module', '--eval', PROGRAM, PACKAGE];
    // A handle that is left open lets this run into its time limit.
    const result = await runCommand(process.execPath, args, { timeoutMs: 30_000 });
    expect(result).toEqual({ exitCode: 0, stdout: '', stderr: '' });
  });
});
