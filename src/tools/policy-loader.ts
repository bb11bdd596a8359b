import { extname, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Logger } from '../base/logger.ts';
import { formatConfigMessage } from '../config/config-loader.ts';
import type { KafkaConfig } from '../config/kafka-config.ts';
import type { AlterConfigPolicy, CreateTopicPolicy, Policies } from '../controller/policies.ts';
import { createRunWithin } from '../runtime/node/run-within.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { ToolError } from './tool-context.ts';

/** A module that has not loaded by then waits for something that it should not need. */
const LOAD_MAX_MS = 10_000;
const TYPESCRIPT: ReadonlySet<string> = new Set(['.ts', '.mts', '.cts']);

/**
 * Loads the modules that `create.topic.policy` and `alter.config.policy` name, if the node is a controller. Throws
 * `ToolError` for a module that cannot be used: topics must not be created without the rules that somebody made.
 */
export async function loadPolicies(
  runtime: Runtime,
  logger: Logger,
  config: KafkaConfig,
  workingDirectory: string,
): Promise<Policies | undefined> {
  const load = async (key: string): Promise<unknown> => {
    const file = config.optionalString(key);
    if (file === null || file === '') return undefined;
    if (!config.processRoles.has('controller')) {
      logger.warn('a policy is not loaded, because this node is no controller', { key, file });
      return undefined;
    }
    const path = resolve(workingDirectory, file);
    try {
      const policy = await loadPolicy(runtime, path);
      logger.info('loaded a policy', { key, path });
      return policy;
    } catch (error) {
      if (!(error instanceof UnusableModuleError)) throw error;
      const message = `${path}: ${error.message}`;
      throw new ToolError(formatConfigMessage({ key, source: config.source(key), message }));
    }
  };
  const createTopic = (await load('create.topic.policy')) as CreateTopicPolicy | undefined;
  const alterConfig = (await load('alter.config.policy')) as AlterConfigPolicy | undefined;
  if (createTopic === undefined && alterConfig === undefined) return undefined;
  return { createTopic, alterConfig, runWithin: createRunWithin() };
}

class UnusableModuleError extends Error {}

async function loadPolicy(runtime: Runtime, path: string): Promise<{ validate: unknown }> {
  const stat = runtime.disk.statSync(path);
  if (stat === undefined || stat.isDirectory) {
    const what = stat === undefined ? 'there is no such file' : 'this is a directory, not a file';
    throw new UnusableModuleError(`${what}; a relative path is relative to where the server is started`);
  }
  if (TYPESCRIPT.has(extname(path)) && !readsTypeScript()) {
    throw new UnusableModuleError(
      `Node ${process.version} cannot read TypeScript: compile it to JavaScript, or use Node 22.18 or later`,
    );
  }
  const { default: policy } = await importWithin(runtime, path);
  if (policy === undefined) {
    throw new UnusableModuleError(
      'it has no default export: write `export default { validate(metadata) { ... } }`',
    );
  }
  const validate = (policy as { validate?: unknown } | null)?.validate;
  if (typeof validate === 'function') {
    if (validate.constructor.name !== 'AsyncFunction') return policy as { validate: unknown };
    throw new UnusableModuleError('its validate() is async; it must be synchronous, and throw to refuse');
  }
  const hint =
    typeof policy === 'function' ? '; of a class, export an instance: `export default new X()`' : '';
  throw new UnusableModuleError(`its default export has no function validate(metadata)${hint}`);
}

async function importWithin(runtime: Runtime, path: string): Promise<{ default?: unknown }> {
  const late = new Promise<'late'>(end => runtime.timers.after(LOAD_MAX_MS, () => end('late')));
  let loaded: unknown;
  try {
    loaded = await Promise.race([import(pathToFileURL(path).href), late]);
  } catch (error) {
    throw new UnusableModuleError(`it cannot be loaded: ${reasonOf(error, path)}`);
  }
  if (loaded === 'late') {
    throw new UnusableModuleError(`it has not loaded within ${LOAD_MAX_MS / 1000} s: what does it wait for?`);
  }
  return loaded as { default?: unknown };
}

function reasonOf(error: unknown, path: string): string {
  const text = String(error);
  const isCommonJs = error instanceof SyntaxError && /\b(export|import)\b/.test(text) && path.endsWith('.js');
  const hint =
    '; Node takes a .js file for CommonJS unless a package.json beside it has "type": "module": name it .mjs';
  return isCommonJs ? `${text}${hint}` : text;
}

/** Node strips the types of a file itself, from some version on. */
function readsTypeScript(): boolean {
  const { typescript } = process.features as { readonly typescript?: unknown };
  return typescript === 'strip' || typescript === 'transform';
}
