import { join } from 'node:path';
import type { BrokerLaunch } from './broker-process.ts';
import { projectRoot } from './project.ts';
import { runCommand } from './run-command.ts';

/**
 * How this project's broker is formatted and started, as a user would do it: by `bin/odradek.mjs`. The build in
 * `dist/` must be there (`npm run build`).
 */
export function odradek(nodeExecutable: string = process.execPath): BrokerLaunch {
  const program = join(projectRoot, 'bin/odradek.mjs');
  return {
    name: 'odradek',
    async format(configFile, clusterId) {
      const args = [program, 'storage', 'format', '--cluster-id', clusterId, '--config', configFile];
      await runCommand(nodeExecutable, args, { cwd: projectRoot, timeoutMs: 60_000 });
    },
    command(configFile) {
      return { file: nodeExecutable, args: [program, 'server', 'start', configFile] };
    },
  };
}
