import type { Argv } from 'yargs';
import type { AdminClient } from './admin/admin-client.ts';
import { decommission } from './admin/decommission.ts';
import { rebalance } from './admin/rebalance.ts';
import { printStatus } from './admin/status.ts';
import { BOOTSTRAP_OPTION, withAdmin } from './admin/with-admin.ts';
import { startCluster } from './cluster-start.ts';
import { type ToolContext, ToolError } from './tool-context.ts';

const JSON_OPTION = { type: 'boolean', default: false, describe: 'Print JSON' } as const;

const THROTTLE_OPTION = {
  type: 'number',
  default: 50_000_000,
  describe: 'Bytes a second that a broker sends and receives for it at most; 0 for no limit',
} as const;

const CONCURRENCY_OPTION = {
  type: 'number',
  default: 20,
  describe: 'Partitions that move at a time',
} as const;

/** `odradek cluster start|status|rebalance|decommission`. */
export function clusterCommand(yargs: Argv, context: ToolContext, done: (exitCode: number) => void): Argv {
  const ask = async (bootstrap: string, run: (admin: AdminClient) => Promise<void>): Promise<void> => {
    await withAdmin(context, bootstrap, run);
    done(0);
  };
  return yargs
    .command(
      'start [directory]',
      'start the nodes of a directory of configurations on this machine, one process each',
      args =>
        args.positional('directory', {
          type: 'string',
          default: 'config/cluster',
          describe: 'Holds a .properties file for each node',
        }),
      args => startCluster(context, args.directory, done),
    )
    .command(
      'status',
      'show brokers, racks, controllers, leaders and replicas that are not in sync',
      args => args.option('bootstrap-server', BOOTSTRAP_OPTION).option('json', JSON_OPTION),
      args => ask(args.bootstrapServer, admin => printStatus(context, admin, args.json)),
    )
    .command(
      'rebalance',
      'plan how replicas and leaders are spread evenly, and move them if that is wanted',
      args =>
        args
          .option('bootstrap-server', BOOTSTRAP_OPTION)
          .option('execute', {
            type: 'boolean',
            default: false,
            describe: 'Move; otherwise only the plan is shown',
          })
          .option('json', JSON_OPTION)
          .option('throttle', THROTTLE_OPTION)
          .option('concurrency', CONCURRENCY_OPTION)
          .check(checkLimits),
      args => ask(args.bootstrapServer, admin => rebalance(context, admin, args)),
    )
    .command(
      'decommission <node>',
      'move everything off a broker, then take it out of the cluster',
      args =>
        args
          .positional('node', { type: 'number', demandOption: true, describe: 'The id of the broker' })
          .option('bootstrap-server', BOOTSTRAP_OPTION)
          .option('throttle', THROTTLE_OPTION)
          .option('concurrency', CONCURRENCY_OPTION)
          .option('remove-voter', {
            type: 'boolean',
            default: false,
            describe: 'Take it out of the metadata quorum too, if it is a controller',
          })
          .check(checkLimits),
      args => ask(args.bootstrapServer, admin => decommission(context, admin, args.node, args)),
    )
    .demandCommand(1, 'a subcommand is needed: start, status, rebalance or decommission')
    .strict();
}

function checkLimits({ throttle, concurrency }: { throttle: number; concurrency: number }): true {
  if (!Number.isSafeInteger(throttle) || throttle < 0) {
    throw new ToolError('--throttle: it must be a whole number of bytes a second, or 0 for no limit');
  }
  if (!Number.isSafeInteger(concurrency) || concurrency < 1) {
    throw new ToolError('--concurrency: it must be a whole number from 1 on');
  }
  return true;
}
