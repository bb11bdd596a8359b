import { resolve } from 'node:path';
import {
  type ConfigInput,
  ConfigError,
  type ConfigMessage,
  formatConfigMessage,
  loadKafkaConfig,
} from '../config/config-loader.ts';
import type { KafkaConfig } from '../config/kafka-config.ts';
import { parsePropertiesFile, type PropertiesFile } from '../config/properties-file.ts';
import type { Disk, Runtime } from '../runtime/runtime.ts';

/** What a command has of the process it runs in. */
export interface ToolContext {
  readonly runtime: Runtime;
  /** Absolute. */
  readonly workingDirectory: string;
  readonly hostName: string;
  /** Whether the standard output is a terminal. */
  readonly terminal: boolean;
  /** A line on the standard output. */
  print(line: string): void;
  /** A line on the standard error output. */
  complain(line: string): void;
}

/** A failure that a person can do something about: its message is all that is printed. */
export class ToolError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'ToolError';
  }
}

/** Reads a properties file that the command line names. */
function readPropertiesFile(context: ToolContext, path: string): PropertiesFile {
  const absolute = resolve(context.workingDirectory, path);
  return parsePropertiesFile(path, readFile(context.runtime.disk, absolute, path));
}

function readFile(disk: Disk, absolute: string, shown: string): Buffer {
  try {
    return disk.readFileSync(absolute);
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    throw new ToolError(code === 'ENOENT' ? `${shown}: there is no such file` : `${shown}: ${message}`);
  }
}

/** The option of commands that read a configuration: `--override key=value`, any number of times. */
export const OVERRIDE_OPTION = {
  type: 'string',
  array: true,
  nargs: 1,
  default: [] as string[],
  describe: 'key=value that counts more than the file',
} as const;

/** What the configuration of a node is read from. Overrides are `key=value`. */
export function configInput(context: ToolContext, path: string, overrides: readonly string[]): ConfigInput {
  return {
    file: readPropertiesFile(context, path),
    overrides: overrides.map(parseOverride),
    workingDirectory: context.workingDirectory,
    hostName: context.hostName,
  };
}

function parseOverride(text: string): [string, string] {
  const equals = text.indexOf('=');
  if (equals <= 0) throw new ToolError(`--override ${text}: it must be key=value`);
  return [text.slice(0, equals).trim(), text.slice(equals + 1)];
}

/** Loads the configuration of a node; all that is wrong with it is one {@link ToolError}. */
export function loadConfig(
  context: ToolContext,
  path: string,
  overrides: readonly string[] = [],
): { config: KafkaConfig; warnings: readonly ConfigMessage[] } {
  try {
    return loadKafkaConfig(configInput(context, path, overrides));
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    throw new ToolError(error.problems.map(formatConfigMessage).join('\n'));
  }
}
