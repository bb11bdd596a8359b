import { join } from 'node:path';
import type { Argv } from 'yargs';
import { LimitedLogger, type Logger } from '../base/logger.ts';
import { type LoggerLevel, LoggingController } from '../base/logging-controller.ts';
import { randomUuid } from '../base/uuid.ts';
import { formatConfigMessage } from '../config/config-loader.ts';
import type { KafkaConfig } from '../config/kafka-config.ts';
import { LOCK_FILE } from '../log/log-file-names.ts';
import { MetaPropertiesError, readMetaProperties } from '../log/meta-properties.ts';
import { KafkaError } from '../protocol/errors.ts';
import { NodeRuntime, type NodeRuntimeOptions } from '../runtime/node/node-runtime.ts';
import { createPinoLogger } from '../runtime/node/pino-logger.ts';
import { LockedError } from '../runtime/runtime.ts';
import type { KafkaRaftServer } from '../server/kafka-raft-server.ts';
import { loadPolicies } from './policy-loader.ts';
import { formatStorage } from './storage-formatter.ts';
import { loadConfig, OVERRIDE_OPTION, type ToolContext, ToolError } from './tool-context.ts';

const LOG_FORMATS = ['text', 'json'] as const;

/** What `--log-level` takes, with the level that the root logger begins with. */
const LOG_LEVELS: ReadonlyMap<string, LoggerLevel> = new Map([
  ['debug', 'DEBUG'],
  ['info', 'INFO'],
  ['warn', 'WARN'],
  ['error', 'ERROR'],
  ['silent', 'OFF'],
]);

/** `odradek server start|stop`. A server that runs ends the process by itself; other ends go to `done`. */
export function serverCommand(yargs: Argv, context: ToolContext, done: (exitCode: number) => void): Argv {
  return yargs
    .command(
      'start <config>',
      'start a node',
      args =>
        args
          .positional('config', { type: 'string', demandOption: true, describe: 'The configuration file' })
          .option('override', OVERRIDE_OPTION)
          .option('format-if-new', {
            type: 'boolean',
            default: false,
            describe: 'Format the storage if none of it is formatted',
          })
          .option('log-level', {
            choices: [...LOG_LEVELS.keys()],
            default: 'info',
            describe: 'The least that is logged, until it is changed in the running node',
          })
          .option('log-format', {
            choices: LOG_FORMATS,
            default: context.terminal ? ('text' as const) : ('json' as const),
            describe: 'Lines for people, or one JSON object a line',
          }),
      args => startServer(context, args, done),
    )
    .command(
      'stop [config]',
      'stop the node of a configuration, or all nodes of this user on this machine',
      args =>
        args
          .positional('config', { type: 'string', describe: 'The configuration file of the node' })
          .option('timeout', { type: 'number', default: 60, describe: 'Seconds to wait for the end of it' }),
      async args => done(await stopServer(context, args.config, args.timeout * 1000)),
    )
    .demandCommand(1, 'a subcommand is needed: start or stop')
    .strict();
}

interface StartOptions {
  /** The path of the configuration. */
  readonly config: string;
  readonly override: readonly string[];
  readonly formatIfNew: boolean;
  /** A key of {@link LOG_LEVELS}. */
  readonly logLevel: string;
  readonly logFormat: (typeof LOG_FORMATS)[number];
}

async function startServer(
  context: ToolContext,
  options: StartOptions,
  done: (exitCode: number) => void,
): Promise<void> {
  const { config, warnings } = loadConfig(context, options.config, options.override);
  const logging = new LoggingController(
    createPinoLogger({ terminal: options.logFormat === 'text' }),
    LOG_LEVELS.get(options.logLevel)!,
  );
  const logger = logging.root;
  for (const warning of warnings) logger.warn(formatConfigMessage(warning));
  let isStopping = (): boolean => false;
  try {
    const policies = await loadPolicies(context.runtime, logger, config, context.workingDirectory);
    prepareStorage(context, config, logger, options.formatIfNew);
    // Other commands need not load the server.
    const { KafkaRaftServer } = await import('../server/kafka-raft-server.ts');
    const { WORKER_TASKS } = await import('../server/worker-tasks.ts');
    const server = new KafkaRaftServer(serverRuntime(logger, WORKER_TASKS), config, logger, {
      logging,
      policies,
    });
    isStopping = stopOnSignals(server, logger, done);
    process.on('uncaughtException', error => {
      logger.error('an unexpected error', { error });
      done(1);
    });
    await server.start();
    server.failed.then(() => server.stop()).then(() => done(1));
  } catch (error) {
    // A stop ends a start under way, and says itself how it went.
    if (!isStopping()) throw startFailure(error);
  }
}

const ACCEPT_LOG_PERIOD_MS = 10_000;

/** The effects of the server; connections that cannot be taken (no descriptors are left) are logged. */
function serverRuntime(logger: Logger, tasks: NonNullable<NodeRuntimeOptions['tasks']>): NodeRuntime {
  const runtime: NodeRuntime = new NodeRuntime({
    tasks,
    onAcceptError: error =>
      limited.warn('accept', 'a connection could not be taken', { error: error.message }),
  });
  const limited = new LimitedLogger(logger, () => runtime.clock.monotonicMs(), ACCEPT_LOG_PERIOD_MS);
  return runtime;
}

/** Formats storage that is new if that is wanted, and otherwise says how to. */
function prepareStorage(
  context: ToolContext,
  config: KafkaConfig,
  logger: Logger,
  formatIfNew: boolean,
): void {
  const directories = [...new Set([config.metadataLogDir, ...config.logDirs])];
  if (directories.some(directory => readMetaProperties(context.runtime.disk, directory) !== undefined))
    return;
  if (!formatIfNew) {
    throw new ToolError(
      `${directories.join(', ')}: not formatted. Format once with 'bin/kafka-storage.sh format --standalone ` +
        "-t ID -c FILE', where 'bin/kafka-storage.sh random-uuid' makes an ID",
    );
  }
  const clusterId = randomUuid(size => context.runtime.random.bytes(size));
  formatStorage(context.runtime, config, {
    clusterId,
    initialVoters: { kind: config.quorumVoters.length > 0 ? 'fixed' : 'standalone' },
    ignoreFormatted: true,
  });
  logger.info('formatted new storage', { directories, clusterId });
}

/** Failures with a cause outside the program get a message without a stack. */
function startFailure(error: unknown): unknown {
  if (error instanceof LockedError) {
    const holder = error.holderPid === undefined ? 'another process' : `process ${error.holderPid}`;
    return new ToolError(`${error.path}: the directory is in use by ${holder}; stop that one first`);
  }
  if (error instanceof MetaPropertiesError || error instanceof KafkaError)
    return new ToolError(error.message);
  const { code, message } = error as { code?: unknown; message: string };
  // The system's errors name what was tried and where.
  if (typeof code === 'string' && /^E[A-Z0-9]+$/.test(code)) return new ToolError(message);
  return error;
}

/** The first signal stops cleanly; a second one ends the process at once. Tells whether there was one. */
function stopOnSignals(
  server: KafkaRaftServer,
  logger: Logger,
  done: (exitCode: number) => void,
): () => boolean {
  let stopping = false;
  const stop = (signal: NodeJS.Signals): void => {
    if (stopping) {
      logger.warn('ended in the middle of the stop', { signal });
      done(1);
      return;
    }
    stopping = true;
    logger.info('stopping', { signal });
    server.stop().then(
      () => done(0),
      (error: unknown) => {
        logger.error('the stop failed', { error });
        done(1);
      },
    );
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  return () => stopping;
}

const POLL_MS = 50;

async function stopServer(
  context: ToolContext,
  path: string | undefined,
  timeoutMs: number,
): Promise<number> {
  const pids =
    path === undefined ? runningServers(context) : holders(context, loadConfig(context, path).config);
  const running = pids.filter(pid => signal(pid, 'SIGTERM'));
  if (running.length === 0) {
    context.complain('No odradek server to stop');
    return 1;
  }
  const deadline = context.runtime.clock.monotonicMs() + timeoutMs;
  for (const pid of running) {
    while (signal(pid, 0)) {
      if (context.runtime.clock.monotonicMs() >= deadline) {
        throw new ToolError(`process ${pid} has not ended within ${timeoutMs / 1000} s`);
      }
      await new Promise<void>(resolve => context.runtime.timers.after(POLL_MS, resolve));
    }
    context.print(`Stopped process ${pid}`);
  }
  return 0;
}

/** The processes that hold the directories of a node. */
function holders(context: ToolContext, config: KafkaConfig): number[] {
  const pids = new Set<number>();
  for (const directory of [config.metadataLogDir, ...config.logDirs]) {
    try {
      context.runtime.disk.lockSync(join(directory, LOCK_FILE)).release();
    } catch (error) {
      if (error instanceof LockedError && error.holderPid !== undefined) pids.add(error.holderPid);
    }
  }
  return [...pids];
}

/** Servers among the processes of this machine, where the system lists them as Linux does. */
function runningServers(context: ToolContext): number[] {
  const { disk } = context.runtime;
  if (disk.statSync('/proc/self/cmdline') === undefined) {
    throw new ToolError('give the configuration file of the server to stop');
  }
  const pids: number[] = [];
  for (const { name } of disk.readDirectorySync('/proc')) {
    if (!/^\d+$/.test(name) || Number(name) === process.pid) continue;
    try {
      const words = disk.readFileSync(`/proc/${name}/cmdline`).toString('latin1').split('\0');
      const at = words.findIndex(word => /(^|\/)odradek(\.mjs|\.js)?$/.test(word));
      if (at >= 0 && words[at + 1] === 'server' && words[at + 2] === 'start') pids.push(Number(name));
    } catch {
      // It has ended meanwhile.
    }
  }
  return pids;
}

/** Whether the process was there to get the signal; 0 only asks. */
function signal(pid: number, name: 'SIGTERM' | 0): boolean {
  try {
    process.kill(pid, name);
    return true;
  } catch (error) {
    return (error as { code?: string }).code === 'EPERM' && name === 0;
  }
}
