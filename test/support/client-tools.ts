import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fetchWithMaven } from './apache-kafka.ts';
import { projectRoot, toolsDirectory } from './project.ts';
import { type CommandOptions, type CommandResult, runCommand } from './run-command.ts';

/** The versions of the Java client that the suites drive, oldest first. */
export const JAVA_CLIENT_VERSIONS = [
  '0.8.2.2',
  '0.9.0.1',
  '0.10.2.2',
  '0.11.0.3',
  '1.1.1',
  '2.8.2',
  '3.9.1',
  '4.3.0',
] as const;

export type JavaClientVersion = (typeof JAVA_CLIENT_VERSIONS)[number];

const CONFLUENT_KAFKA_VERSION = '2.6.1';

/** Whether one dotted version is at least another: `atLeast('0.11.0.3', '0.10.1')`. */
export function atLeast(version: string, minimum: string): boolean {
  const left = version.split('.').map(Number);
  const right = minimum.split('.').map(Number);
  for (let i = 0; i < right.length; i++) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return true;
}

/** Fetches one version of the Java client. Returns the folder of its jars. */
export function fetchJavaClient(version: JavaClientVersion): Promise<string> {
  const pom = join(projectRoot, 'test/clients/java/pom.xml');
  return fetchWithMaven(pom, 'client.version', version, join(toolsDirectory, 'java-client', version));
}

/** Fetches Kafka Streams 4.3.0 and its published tests. Returns the folder of their jars. */
export function fetchKafkaStreams(): Promise<string> {
  const pom = join(projectRoot, 'test/conformance/java/streams-pom.xml');
  return fetchWithMaven(pom, 'streams.version', '4.3.0', join(toolsDirectory, 'kafka-streams', '4.3.0'));
}

/**
 * Compiles the Java program of `test/clients/java/<program>/` against one client version (once for each state of
 * its sources) and returns the class path that runs it.
 */
export async function compileJava(program: string, version: JavaClientVersion): Promise<string> {
  const libraries = await fetchJavaClient(version);
  return compileAgainst(libraries, join(projectRoot, 'test/clients/java', program), version);
}

/** As `compileJava`, of a program of `test/conformance/java/<program>/` against what was fetched to `libraries`. */
export function compileConformanceProgram(program: string, libraries: string): Promise<string> {
  return compileAgainst(libraries, join(projectRoot, 'test/conformance/java', program), 'conformance');
}

async function compileAgainst(libraries: string, sourceFolder: string, label: string): Promise<string> {
  const sources = readdirSync(sourceFolder).filter(name => name.endsWith('.java'));
  const hash = createHash('sha256');
  for (const name of sources) hash.update(name).update(readFileSync(join(sourceFolder, name)));
  const digest = hash.digest('hex').slice(0, 16);
  const classes = join(toolsDirectory, 'java-classes', label, `${basename(sourceFolder)}-${digest}`);
  if (!existsSync(join(classes, '.complete'))) {
    rmSync(classes, { recursive: true, force: true });
    mkdirSync(classes, { recursive: true });
    const files = sources.map(name => join(sourceFolder, name));
    await runCommand('javac', ['-nowarn', '-d', classes, '-cp', `${libraries}/*`, ...files]);
    writeFileSync(join(classes, '.complete'), '');
  }
  return `${classes}:${libraries}/*`;
}

/** Runs the class `Main` of a Java program under `test/clients/java/`. */
export async function runJava(
  program: string,
  version: JavaClientVersion,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  const classPath = await compileJava(program, version);
  return runCommand('java', [...JAVA_FLAGS, '-cp', classPath, 'Main', ...args], options);
}

/** Short-lived programs: a small heap, and no time spent on the second compiler. */
export const JAVA_FLAGS = ['-Xmx256M', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1'] as const;

/** kcat, from the system's packages; installs it where it is missing and the user may. */
export async function fetchKcat(): Promise<string> {
  const works = async () =>
    runCommand('kcat', ['-V'], { timeoutMs: 10_000 }).then(
      () => true,
      () => false,
    );
  if (await works()) return 'kcat';
  const sudo = process.getuid?.() === 0 ? [] : ['sudo', '-n'];
  const apt = async (...args: string[]) => {
    const [file = 'apt-get', ...rest] = [...sudo, 'apt-get', ...args];
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    await runCommand(file, rest, { env, timeoutMs: 300_000 });
  };
  await apt('update', '-qq');
  await apt('install', '-y', '-qq', 'kcat');
  if (!(await works())) throw new Error('kcat is installed but does not run');
  return 'kcat';
}

/** A Python environment with confluent-kafka. Returns its interpreter. */
export async function fetchPython(): Promise<string> {
  const folder = join(toolsDirectory, 'python');
  const interpreter = join(folder, 'bin/python');
  const marker = join(folder, `.confluent-kafka-${CONFLUENT_KAFKA_VERSION}`);
  if (existsSync(marker)) return interpreter;
  rmSync(folder, { recursive: true, force: true });
  await runCommand('python3', ['-m', 'venv', folder], { timeoutMs: 120_000 });
  const requirement = `confluent-kafka==${CONFLUENT_KAFKA_VERSION}`;
  await runCommand(interpreter, ['-m', 'pip', 'install', '-q', requirement], { timeoutMs: 300_000 });
  writeFileSync(marker, '');
  return interpreter;
}

/** Builds a franz-go program: that of `test/clients/go`, or of a folder in it. Returns the program's path. */
export async function buildFranzGo(program?: 'traffic' | 'transactions' | 'steps'): Promise<string> {
  const output = join(toolsDirectory, 'franz-go', program ?? 'franzgo');
  const cwd = join(projectRoot, 'test/clients/go');
  const folder = program === undefined ? '.' : `./${program}`;
  await runCommand('go', ['build', '-o', output, folder], { cwd, timeoutMs: 400_000 });
  return output;
}
