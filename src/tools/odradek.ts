import { hostname } from 'node:os';
import yargs from 'yargs';
import { NodeRuntime } from '../runtime/node/node-runtime.ts';
import { serverCommand } from './server-command.ts';
import { type ToolContext, ToolError } from './tool-context.ts';

/* The `odradek` command. Only the subcommand that was asked for is loaded: a node starts the sooner. */

const context: ToolContext = {
  runtime: new NodeRuntime(),
  workingDirectory: process.cwd(),
  hostName: hostname(),
  terminal: process.stdout.isTTY === true,
  print: line => process.stdout.write(`${line}\n`),
  complain: line => process.stderr.write(`${line}\n`),
};

// What was printed must be gone before the process is.
const exit = (exitCode: number): void => {
  process.exitCode = exitCode;
  process.stdout.write('', () => process.stderr.write('', () => process.exit()));
};

try {
  await yargs(process.argv.slice(2))
    .scriptName('odradek')
    .usage('$0 <command>\n\nA broker server that speaks the protocol of Apache Kafka.')
    .command('server', 'start or stop a node', args => serverCommand(args, context, exit))
    .command('storage', 'format or look at the directories of a node', async args =>
      (await import('./storage-command.ts')).storageCommand(args, context, exit),
    )
    .command('config', 'look at a configuration', async args =>
      (await import('./config-command.ts')).configCommand(args, context, exit),
    )
    .command('cluster', 'start, look at and even out a cluster', async args =>
      (await import('./cluster-command.ts')).clusterCommand(args, context, exit),
    )
    .demandCommand(1, 'a command is needed: server, storage, config or cluster')
    .strict()
    .fail((message, error) => {
      throw error ?? new ToolError(`${message}\nUse --help to see what there is.`);
    })
    .parseAsync();
} catch (error) {
  context.complain(error instanceof ToolError ? error.message : ((error as Error).stack ?? String(error)));
  exit(1);
}
