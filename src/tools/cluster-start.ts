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
  /** Of its newest process, which may have ended. */
  kill(signal: 'SIGTERM' | 'SIGKILL'): void;
  /** Resolves when it has ended for good. */
  readonly ended: Promise<void>;
}

/** A node that something has killed is started again after so long. */
const RESTART_MS = 2_000;

/**
 * `odradek cluster start`: one process for each configuration of a directory, with one cluster id for all that is not
 * formatted yet. Their output comes with the node in front. A node that a signal has killed is started again, as a
 * supervisor does; one that ends by itself, or is asked to, stays down. The first signal stops the nodes one after the
 * other, a second one ends them at once.
 */
export async function startCluster(
  context: ToolContext,
  directory: string,
  done: (exitCode: number) => void,
): Promise<void> {
  const nodes = readNodes(context, directory);
  formatNew(context, nodes);
  let stopping = false;
  const processes = nodes.map(node => superviseNode(context, node, () => stopping));
  const brokers = nodes.flatMap(({ config }) => config.advertisedListeners.slice(0, 1));
  context.print(
    `Starting ${nodes.length} nodes; clients: ${brokers.map(at => `${at.host}:${at.port}`).join(',')}`,
  );

  const stop = (): void => {
    if (stopping) {
      for (const node of processes) node.kill('SIGKILL');
      return;
    }
    stopping = true;
    context.print('Stopping the nodes one after the other; once more Ctrl-C ends them at once');
    stopInOrder(processes);
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, stop);
  process.on('exit', () => {
    for (const node of processes) node.kill('SIGKILL');
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

function superviseNode(context: ToolContext, node: NodeFile, isStopping: () => boolean): NodeProcess {
  const prefix = `${node.config.nodeId} | `;
  let child = startProcess(context, node, prefix);
  const run = async (): Promise<void> => {
    for (;;) {
      const { how, signal } = await endOf(child);
      if (isStopping()) {
        context.print(`${prefix}${how}`);
        return;
      }
      if (signal === null) {
        context.print(`${prefix}${how}; start it again with: odradek server start ${node.path}`);
        return;
      }
      context.print(`${prefix}${how}; it is started again in ${RESTART_MS / 1000} s`);
      await new Promise<void>(resolveRest => context.runtime.timers.after(RESTART_MS, resolveRest));
      if (isStopping()) return;
      child = startProcess(context, node, prefix);
    }
  };
  return {
    isController: node.config.processRoles.has('controller'),
    kill: signal => child.kill(signal),
    ended: run(),
  };
}

function startProcess(context: ToolContext, { path }: NodeFile, prefix: string): ChildProcess {
  const program = fileURLToPath(new URL('odradek.js', import.meta.url));
  const format = context.terminal ? 'text' : 'json';
  const args = [...NODE_FLAGS, program, 'server', 'start', path, '--log-format', format];
  const child = spawn(process.execPath, args, {
    cwd: context.workingDirectory,
    stdio: ['ignore', 'pipe', 'pipe'],
    // Ctrl-C of the terminal would go to all of them at the same time.
    detached: true,
  });
  printLines(child.stdout!, line => context.print(prefix + line));
  printLines(child.stderr!, line => context.complain(prefix + line));
  return child;
}

function endOf(child: ChildProcess): Promise<{ how: string; signal: NodeJS.Signals | null }> {
  return new Promise(resolveEnd => {
    child.on('close', (code, signal) => {
      resolveEnd({ how: `ended ${signal === null ? `with exit code ${code}` : `by ${signal}`}`, signal });
    });
    child.on('error', error => resolveEnd({ how: `could not be started: ${error.message}`, signal: null }));
  });
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
    const node = left.pop()!;
    node.kill('SIGTERM');
    await node.ended;
  }
  for (const node of left) node.kill('SIGTERM');
}
