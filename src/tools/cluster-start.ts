import { type ChildProcess, spawn } from 'node:child_process';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { randomUuid } from '../base/uuid.ts';
import type { KafkaConfig } from '../config/kafka-config.ts';
import { MetaPropertiesError, readMetaProperties } from '../log/meta-properties.ts';
import { FormatError, formatStorage } from './storage-formatter.ts';
import { loadConfig, type ToolContext, ToolError } from './tool-context.ts';

/** As `kafka-server-start.sh` has it: a heap that starts larger is collected less often. */
const NODE_FLAGS = ['--initial-old-space-size=128'];

interface NodeFile {
  readonly path: string;
  readonly config: KafkaConfig;
}

interface NodeProcess {
  readonly isController: boolean;
  readonly child: ChildProcess;
  /** Resolves when the process has ended. */
  readonly ended: Promise<void>;
}

/**
 * `odradek cluster start`: one process for each configuration of a directory, with one cluster id for all that is not
 * formatted yet. Their output comes with the node in front. The first signal stops the nodes one after the other, a
 * second one ends them at once.
 */
export async function startCluster(
  context: ToolContext,
  directory: string,
  done: (exitCode: number) => void,
): Promise<void> {
  const nodes = readNodes(context, directory);
  formatNew(context, nodes);
  const processes = nodes.map(node => startNode(context, node));
  const brokers = nodes.flatMap(({ config }) => config.advertisedListeners.slice(0, 1));
  context.print(
    `Starting ${nodes.length} nodes; clients: ${brokers.map(at => `${at.host}:${at.port}`).join(',')}`,
  );

  let stopping = false;
  const stop = (): void => {
    if (stopping) {
      for (const { child } of processes) child.kill('SIGKILL');
      return;
    }
    stopping = true;
    context.print('Stopping the nodes one after the other; once more Ctrl-C ends them at once');
    stopInOrder(processes);
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, stop);
  process.on('exit', () => {
    for (const { child } of processes) child.kill('SIGKILL');
  });
  await Promise.all(processes.map(({ ended }) => ended));
  done(stopping ? 0 : 1);
}

function readNodes(context: ToolContext, directory: string): NodeFile[] {
  const absolute = resolve(context.workingDirectory, directory);
  const { disk } = context.runtime;
  if (disk.statSync(absolute)?.isDirectory !== true)
    throw new ToolError(`${directory}: there is no such directory`);
  const names = disk
    .readDirectorySync(absolute)
    .filter(({ name, isDirectory }) => !isDirectory && name.endsWith('.properties'))
    .map(({ name }) => name)
    .sort();
  if (names.length === 0) throw new ToolError(`${directory}: there is no .properties file in it`);
  const nodes = names.map(name => {
    const path = join(directory, name);
    return { path, config: loadConfig(context, path).config };
  });
  const byId = new Map<number, NodeFile>();
  for (const node of nodes) {
    const { nodeId } = node.config;
    const other = byId.get(nodeId);
    if (other !== undefined) throw new ToolError(`${other.path} and ${node.path} are both of node ${nodeId}`);
    byId.set(nodeId, node);
  }
  return nodes.sort((a, b) => a.config.nodeId - b.config.nodeId);
}

/** Formats what is new: with the cluster id of what is not, so that a node may be added later. */
function formatNew(context: ToolContext, nodes: readonly NodeFile[]): void {
  const { runtime } = context;
  try {
    const known = nodes.flatMap(({ config }) =>
      [config.metadataLogDir, ...config.logDirs].map(
        path => readMetaProperties(runtime.disk, path)?.clusterId,
      ),
    );
    const clusterId = known.find(id => id !== undefined) ?? randomUuid(size => runtime.random.bytes(size));
    for (const { config } of nodes) {
      const { formatted } = formatStorage(runtime, config, {
        clusterId,
        initialVoters: { kind: config.quorumVoters.length > 0 ? 'fixed' : 'none' },
        ignoreFormatted: true,
      });
      for (const path of formatted)
        context.print(`Formatted ${path} for node ${config.nodeId} of cluster ${clusterId}`);
    }
  } catch (error) {
    if (error instanceof FormatError || error instanceof MetaPropertiesError)
      throw new ToolError(error.message);
    throw error;
  }
}

function startNode(context: ToolContext, { path, config }: NodeFile): NodeProcess {
  const program = fileURLToPath(new URL('odradek.js', import.meta.url));
  const format = context.terminal ? 'text' : 'json';
  const args = [...NODE_FLAGS, program, 'server', 'start', path, '--log-format', format];
  const child = spawn(process.execPath, args, {
    cwd: context.workingDirectory,
    stdio: ['ignore', 'pipe', 'pipe'],
    // Ctrl-C of the terminal would go to all of them at the same time.
    detached: true,
  });
  const prefix = `${config.nodeId} | `;
  printLines(child.stdout!, line => context.print(prefix + line));
  printLines(child.stderr!, line => context.complain(prefix + line));
  const ended = new Promise<void>(resolveEnded => {
    child.on('close', (code, signal) => {
      context.print(`${prefix}ended ${signal === null ? `with exit code ${code}` : `by ${signal}`}`);
      resolveEnded();
    });
    child.on('error', error => {
      context.complain(`${prefix}could not be started: ${error.message}`);
      resolveEnded();
    });
  });
  return { isController: config.processRoles.has('controller'), child, ended };
}

function printLines(stream: NodeJS.ReadableStream, print: (line: string) => void): void {
  let rest = '';
  stream.setEncoding('utf8');
  stream.on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop()!;
    for (const line of lines) print(line);
  });
  stream.on('end', () => {
    if (rest !== '') print(rest);
  });
}

/**
 * The last node first, each handing over its leadership to ones that still run. The ones that the metadata quorum needs
 * stop together at the end: one of them alone would wait for a controller in vain.
 */
async function stopInOrder(processes: readonly NodeProcess[]): Promise<void> {
  const left = [...processes];
  const controllers = (): number => left.filter(({ isController }) => isController).length;
  const majority = Math.floor(controllers() / 2) + 1;
  while (left.length > 0 && (controllers() > majority || left.at(-1)?.isController === false)) {
    const { child, ended } = left.pop()!;
    child.kill('SIGTERM');
    await ended;
  }
  for (const { child } of left) child.kill('SIGTERM');
}
