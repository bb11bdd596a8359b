import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BrokerLaunch } from './broker-process.ts';
import { projectRoot, toolsDirectory } from './project.ts';
import { type CommandOptions, type CommandResult, runCommand } from './run-command.ts';

/**
 * The versions of Apache Kafka that serve as oracles: 4.3.0, and 3.9.1 for the API versions that 4.0 dropped.
 */
export type ApacheKafkaVersion = '4.3.0' | '3.9.1';

/** The flags of Kafka's own start script, so that the oracle runs as its makers mean it to. */
const SERVER_FLAGS = [
  '-server',
  '-Xms1G',
  '-Xmx1G',
  '-XX:+UseG1GC',
  '-XX:MaxGCPauseMillis=20',
  '-XX:InitiatingHeapOccupancyPercent=35',
  '-XX:+ExplicitGCInvokesConcurrent',
  '-Djava.awt.headless=true',
];

/** Short-lived tools: the flags save start-up time and change nothing else. */
const TOOL_FLAGS = ['-Xmx256M', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Djava.awt.headless=true'];

/** Copies a Maven artifact's whole class path into a folder of `.tools/`, once. Returns the folder. */
export async function fetchWithMaven(
  pom: string,
  property: string,
  version: string,
  folder: string,
): Promise<string> {
  const marker = join(folder, '.complete');
  if (existsSync(marker)) return folder;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const goal = 'dependency:copy-dependencies';
  const args = ['-q', '-B', '-f', pom, `-D${property}=${version}`, `-DoutputDirectory=${folder}`, goal];
  try {
    await runCommand('mvn', args, { cwd: projectRoot, timeoutMs: 300_000 });
  } catch {
    // A broken download is common enough to try a second time.
    await runCommand('mvn', args, { cwd: projectRoot, timeoutMs: 300_000 });
  }
  writeFileSync(marker, '');
  return folder;
}

/** Fetches the broker and its tools. Returns the folder of their jars. */
export function fetchApacheKafka(version: ApacheKafkaVersion): Promise<string> {
  const pom = join(projectRoot, 'test/support/apache-kafka/pom.xml');
  return fetchWithMaven(pom, 'broker.version', version, join(toolsDirectory, 'apache-kafka', version));
}

/** Runs one of Apache Kafka's command-line tools by its main class. */
export async function runKafkaTool(
  mainClass: string,
  args: readonly string[],
  options: CommandOptions & { version?: ApacheKafkaVersion; javaFlags?: readonly string[] } = {},
): Promise<CommandResult> {
  const libraries = await fetchApacheKafka(options.version ?? '4.3.0');
  const flags = options.javaFlags ?? TOOL_FLAGS;
  return runCommand(
    'java',
    [...flags, ...quietLogging(), '-cp', `${libraries}/*`, mainClass, ...args],
    options,
  );
}

/** How Apache Kafka is formatted and started: one combined node with a heap of 1 GB. */
export async function apacheKafka(version: ApacheKafkaVersion = '4.3.0'): Promise<BrokerLaunch> {
  const libraries = await fetchApacheKafka(version);
  return {
    name: `apache-kafka-${version}`,
    async format(configFile, clusterId, more) {
      const args = ['format', '--cluster-id', clusterId, '--config', configFile, ...more];
      await runKafkaTool('kafka.tools.StorageTool', args, { version, timeoutMs: 60_000 });
    },
    command(configFile) {
      const args = [...SERVER_FLAGS, ...quietLogging(), '-cp', `${libraries}/*`, 'kafka.Kafka', configFile];
      return { file: 'java', args };
    },
  };
}

/** Warnings and errors to standard error; for the broker, the workers of Connect and the tools alike. */
export function quietLogging(): string[] {
  return [`-Dlog4j2.configurationFile=${join(projectRoot, 'test/support/apache-kafka/log4j2.properties')}`];
}
