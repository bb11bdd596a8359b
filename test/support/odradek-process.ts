import { join } from 'node:path';
import type { BrokerLaunch } from './broker-process.ts';
import { projectRoot } from './project.ts';
import { runCommand } from './run-command.ts';

/**
 * How this project's broker is formatted and started, as a user would do it: by the scripts in `bin/`. The build in
 * `dist/` must be there (`npm run build`).
 */
export function odradek(): BrokerLaunch {
  const script = (name: string) => join(projectRoot, 'bin', name);
  return {
    name: 'odradek',
    async format(configFile, clusterId, more) {
      const args = ['format', '--cluster-id', clusterId, '--config', configFile, ...more];
      await runCommand(script('kafka-storage.sh'), args, { cwd: projectRoot, timeoutMs: 60_000 });
    },
    command(configFile) {
      return { file: script('kafka-server-start.sh'), args: [configFile] };
    },
  };
}
