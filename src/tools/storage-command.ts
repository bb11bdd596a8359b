import type { Argv } from 'yargs';
import { isUuid, METADATA_TOPIC_ID, randomUuid, ZERO_UUID } from '../base/uuid.ts';
import { parseHostAndPort } from '../config/listeners.ts';
import { MetaPropertiesError, readMetaProperties } from '../log/meta-properties.ts';
import { FormatError, formatStorage, type InitialVoters, type ListedVoter } from './storage-formatter.ts';
import { loadConfig, type ToolContext, ToolError } from './tool-context.ts';

/** `odradek storage format|info|random-uuid`, with the flags of `kafka-storage.sh`. */
export function storageCommand(yargs: Argv, context: ToolContext, done: (exitCode: number) => void): Argv {
  return yargs
    .command(
      'format',
      'make the directories of a node ready for its first start',
      args =>
        args
          .option('config', {
            alias: 'c',
            type: 'string',
            demandOption: true,
            describe: 'The configuration file',
          })
          .option('cluster-id', {
            alias: 't',
            type: 'string',
            demandOption: true,
            describe: 'The id of the cluster',
          })
          .option('ignore-formatted', {
            alias: 'g',
            type: 'boolean',
            default: false,
            describe: 'Leave formatted directories alone',
          })
          .option('release-version', {
            alias: 'r',
            type: 'string',
            describe: 'The release whose feature levels the cluster begins with',
          })
          .option('feature', {
            alias: 'f',
            type: 'string',
            array: true,
            nargs: 1,
            default: [],
            describe: 'feature=level',
          })
          .option('standalone', {
            alias: 's',
            type: 'boolean',
            default: false,
            describe: 'This controller is the first and only voter',
          })
          .option('no-initial-controllers', {
            alias: 'N',
            type: 'boolean',
            default: false,
            describe: 'The voters are elsewhere',
          })
          .option('initial-controllers', {
            alias: 'I',
            type: 'string',
            describe: 'The first voters, each as id@host:port:directory',
          })
          .option('add-scram', { alias: 'S', type: 'string', array: true, nargs: 1, hidden: true })
          // yargs would read --no-initial-controllers as the absence of --initial-controllers.
          .parserConfiguration({ 'boolean-negation': false }),
      args => {
        if (args.addScram !== undefined)
          throw new ToolError('--add-scram: this version has no SASL listeners');
        const { config } = loadConfig(context, args.config);
        const { formatted, metadataVersion } = attempt(() =>
          formatStorage(context.runtime, config, {
            clusterId: checkedClusterId(args.clusterId),
            releaseVersion: args.releaseVersion,
            features: parseFeatures(args.feature),
            initialVoters: initialVoters(args),
            ignoreFormatted: args.ignoreFormatted,
          }),
        );
        if (formatted.length === 0) context.print('All of the log directories are already formatted.');
        for (const directory of formatted) {
          const kind = directory === config.metadataLogDir ? 'metadata directory' : 'data directory';
          context.print(`Formatting ${kind} ${directory} with metadata.version ${metadataVersion}.`);
        }
        done(0);
      },
    )
    .command(
      'info',
      'say what is in the directories of a node',
      args =>
        args.option('config', {
          alias: 'c',
          type: 'string',
          demandOption: true,
          describe: 'The configuration file',
        }),
      args => done(printInfo(context, args.config)),
    )
    .command('random-uuid', 'print a new UUID, for the id of a cluster', {}, () => {
      context.print(randomUuid(size => context.runtime.random.bytes(size)));
      done(0);
    })
    .demandCommand(1, 'a subcommand is needed: format, info or random-uuid')
    .strict();
}

function checkedClusterId(text: string): string {
  // Kafka takes ids whose last character has bits that stand for nothing; its own documentation has such a one.
  if (/^[A-Za-z0-9_-]{22}$/.test(text) && text !== ZERO_UUID && text !== METADATA_TOPIC_ID) return text;
  throw new ToolError(
    `Cluster ID string ${text} does not appear to be a valid UUID: 22 characters of URL-safe base64; 'random-uuid' makes one`,
  );
}

function parseFeatures(texts: readonly string[]): Map<string, number> {
  const features = new Map<string, number>();
  for (const text of texts) {
    const [, name, level] = /^([^=]+)=(\d{1,5})$/.exec(text) ?? [];
    if (name === undefined) throw new ToolError(`--feature ${text}: it must be feature=level`);
    if (features.has(name)) throw new ToolError(`--feature: ${name} is given twice`);
    features.set(name, Number(level));
  }
  return features;
}

function initialVoters(args: {
  standalone: boolean;
  noInitialControllers: boolean;
  initialControllers: string | undefined;
}): InitialVoters {
  const given = [args.standalone, args.noInitialControllers, args.initialControllers !== undefined].filter(
    Boolean,
  );
  if (given.length > 1) {
    throw new ToolError('give only one of --standalone, --no-initial-controllers and --initial-controllers');
  }
  if (args.standalone) return { kind: 'standalone' };
  if (args.noInitialControllers) return { kind: 'none' };
  if (args.initialControllers === undefined) return { kind: 'fixed' };
  return { kind: 'listed', voters: args.initialControllers.split(',').map(parseListedVoter) };
}

function parseListedVoter(text: string): ListedVoter {
  const [, id, address, directoryId] = /^(\d{1,9})@(.+):([^:]+)$/.exec(text.trim()) ?? [];
  const parsed = address === undefined ? undefined : parseHostAndPort(address);
  if (parsed === undefined || !parsed.ok || !isUuid(directoryId!)) {
    throw new ToolError(`--initial-controllers: '${text}' is not of the form id@host:port:directory`);
  }
  return { id: Number(id), ...parsed.value, directoryId: directoryId! };
}

function printInfo(context: ToolContext, path: string): number {
  const { config } = loadConfig(context, path);
  const directories = [...new Set([config.metadataLogDir, ...config.logDirs])].sort();
  const found: string[] = [];
  const problems: string[] = [];
  let first: { text: string; clusterId: string } | undefined;
  for (const directory of directories) {
    const stat = context.runtime.disk.statSync(directory);
    if (stat?.isDirectory !== true) {
      problems.push(stat === undefined ? `${directory} does not exist` : `${directory} is not a directory`);
      continue;
    }
    found.push(directory);
    try {
      const properties = readMetaProperties(context.runtime.disk, directory);
      if (properties === undefined) {
        problems.push(`${directory} is not formatted.`);
        continue;
      }
      const { clusterId, directoryId, nodeId } = properties;
      const directoryText = directoryId === undefined ? '' : `directory.id=${directoryId}, `;
      const text = `{cluster.id=${clusterId}, ${directoryText}node.id=${nodeId}, version=1}`;
      first ??= { text, clusterId };
      if (clusterId !== first.clusterId) problems.push(`${directory} is of another cluster, ${clusterId}`);
      if (nodeId !== config.nodeId)
        problems.push(`${directory} is of node ${nodeId}, not of ${config.nodeId}`);
    } catch (error) {
      if (!(error instanceof MetaPropertiesError)) throw error;
      problems.push(error.message);
    }
  }
  printSection(context, found.length === 1 ? 'Found log directory:' : 'Found log directories:', found);
  if (first !== undefined) context.print(`Found metadata: ${first.text}\n`);
  printSection(context, problems.length === 1 ? 'Found problem:' : 'Found problems:', problems);
  return problems.length === 0 ? 0 : 1;
}

function printSection(context: ToolContext, title: string, lines: readonly string[]): void {
  if (lines.length > 0) context.print([title, ...lines.map(line => `  ${line}`), ''].join('\n'));
}

/** Failures that are answers, not defects. */
function attempt<T>(action: () => T): T {
  try {
    return action();
  } catch (error) {
    if (error instanceof FormatError || error instanceof MetaPropertiesError)
      throw new ToolError(error.message);
    throw error;
  }
}
