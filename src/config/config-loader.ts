import { BROKER_KEYS, recognizeBrokerKey } from './broker-keys.ts';
import { checkKafkaConfig } from './config-checks.ts';
import { parseConfigValue } from './config-value.ts';
import {
  type ConfigEntry,
  type ConfigSource,
  type ConfigSurroundings,
  isAdvertisedAuto,
  KafkaConfig,
} from './kafka-config.ts';
import type { KeyDefinition } from './key-definition.ts';
import { parseEndPoint, parseHostAndPort, parseProtocolMap, parseQuorumVoter } from './listeners.ts';
import type { PropertiesFile } from './properties-file.ts';

/** What configures a node: its file, and what the command line says on top of it. */
export interface ConfigInput extends ConfigSurroundings {
  readonly file: PropertiesFile | undefined;
  /** In the order of the command line; the last one of a key counts. */
  readonly overrides: readonly (readonly [key: string, value: string])[];
}

/** Something about one key, or about a place of the file if `key` is empty. */
export interface ConfigMessage {
  readonly key: string;
  readonly source: ConfigSource;
  readonly message: string;
}

export interface ConfigReport {
  /** Only if there are no problems. */
  readonly config: KafkaConfig | undefined;
  /** What keeps the node from starting. */
  readonly problems: readonly ConfigMessage[];
  /** Keys that have no effect, given twice, and the like. */
  readonly warnings: readonly ConfigMessage[];
  /** Every key with a value, whether it is valid or not, in the order of the definitions, then others as given. */
  readonly entries: ReadonlyMap<string, ConfigEntry>;
}

/** The configuration is not one to start with. The message has a line for each problem. */
export class ConfigError extends Error {
  readonly problems: readonly ConfigMessage[];

  constructor(problems: readonly ConfigMessage[]) {
    super(problems.map(formatConfigMessage).join('\n'));
    this.name = 'ConfigError';
    this.problems = problems;
  }
}

/** Reads a configuration, or throws {@link ConfigError} with all that is wrong with it. */
export function loadKafkaConfig(input: ConfigInput): {
  config: KafkaConfig;
  warnings: readonly ConfigMessage[];
} {
  const { config, problems, warnings } = inspectKafkaConfig(input);
  if (config === undefined) throw new ConfigError(problems);
  return { config, warnings };
}

/** `file:line: key: message`. */
export function formatConfigMessage({ key, source, message }: ConfigMessage): string {
  const subject = key === '' ? message : `${key}: ${message}`;
  return source.kind === 'default' ? subject : `${formatSource(source)}: ${subject}`;
}

export function formatSource(source: ConfigSource): string {
  switch (source.kind) {
    case 'default':
      return 'default';
    case 'file':
      return `${source.file}:${source.line}`;
    case 'override':
      return '--override';
    case 'dynamic-broker':
      return 'set for this broker';
    case 'dynamic-default':
      return 'set for all brokers';
  }
}

/** Reads a configuration and says all that there is to say about it. */
export function inspectKafkaConfig(input: ConfigInput): ConfigReport {
  const problems: ConfigMessage[] = [];
  const warnings: ConfigMessage[] = [];
  const given = gather(input, problems, warnings);
  const entries = new Map<string, ConfigEntry>();

  for (const key of BROKER_KEYS.values()) {
    const raw = given.get(key.name);
    given.delete(key.name);
    const entry = raw === undefined ? defaultEntry(key) : givenEntry(key, raw, problems, warnings);
    if (entry !== undefined) entries.set(key.name, entry);
    else if (raw === undefined && isMissing(key, entries, input)) {
      problems.push({
        key: key.name,
        source: { kind: 'default' },
        message: 'is missing, and has no default',
      });
    }
  }
  for (const [name, raw] of given) {
    entries.set(name, { text: raw.text, value: raw.text, source: raw.source });
    judgeOther(name, raw, problems, warnings);
  }

  checkForms(entries, problems);
  // Relations between keys are only worth looking at when each of them is right.
  const config = problems.length === 0 ? new KafkaConfig(entries, input) : undefined;
  if (config !== undefined) problems.push(...checkKafkaConfig(config));
  problems.sort(byPlace);
  return {
    config: problems.length === 0 ? config : undefined,
    problems,
    warnings: warnings.sort(byPlace),
    entries,
  };
}

interface Given {
  readonly text: string;
  readonly source: ConfigSource;
}

/** The strongest value given for each key. */
function gather(
  input: ConfigInput,
  problems: ConfigMessage[],
  warnings: ConfigMessage[],
): Map<string, Given> {
  const given = new Map<string, Given>();
  const { file } = input;
  if (file !== undefined) {
    for (const { line, message } of file.problems) {
      problems.push({ key: '', source: { kind: 'file', file: file.name, line }, message });
    }
    for (const { key, value, line } of file.entries) {
      const source: ConfigSource = { kind: 'file', file: file.name, line };
      const before = given.get(key);
      if (before !== undefined) {
        const message = `stands in line ${(before.source as { line: number }).line} too; this one counts`;
        warnings.push({ key, source, message });
      }
      given.set(key, { text: value.trim(), source });
    }
  }
  for (const [key, value] of input.overrides)
    given.set(key, { text: value.trim(), source: { kind: 'override' } });
  return given;
}

function defaultEntry(key: KeyDefinition): ConfigEntry | undefined {
  if (key.defaultText === undefined) return undefined;
  const parsed = parseConfigValue(key, key.defaultText);
  const value = parsed.ok ? parsed.value : null;
  return { text: key.defaultText, value, source: { kind: 'default' } };
}

function givenEntry(
  key: KeyDefinition,
  { text, source }: Given,
  problems: ConfigMessage[],
  warnings: ConfigMessage[],
): ConfigEntry {
  const parsed = parseConfigValue(key, text);
  if (!parsed.ok) {
    problems.push({ key: key.name, source, message: `${shownValue(key, text)} ${parsed.problem}` });
    return { text, value: null, source };
  }
  const changed = !sameValue(parsed.value, defaultEntry(key)?.value ?? null);
  const { status } = key;
  if (changed && status.kind === 'refused') {
    const kept =
      key.defaultText == null || key.defaultText === ''
        ? 'it must not be given'
        : `it must be ${key.defaultText}`;
    problems.push({
      key: key.name,
      source,
      message: `${shownValue(key, text)} is refused: ${status.reason}; ${kept}`,
    });
  }
  if (changed && status.kind === 'no-effect') {
    warnings.push({ key: key.name, source, message: `has no effect: ${status.reason}` });
  }
  return { text, value: parsed.value, source, below: defaultEntry(key) };
}

/** Judges a key that has no definition. */
function judgeOther(
  name: string,
  { text, source }: Given,
  problems: ConfigMessage[],
  warnings: ConfigMessage[],
): void {
  const recognized = recognizeBrokerKey(name);
  if (recognized.kind === 'listener') {
    const { definition } = recognized;
    const parsed = parseConfigValue(definition, text);
    if (!parsed.ok) {
      problems.push({ key: name, source, message: `${shownValue(definition, text)} ${parsed.problem}` });
    }
  } else if (recognized.kind === 'unknown') {
    const hint = recognized.nearest === undefined ? '' : `; the nearest known one is ${recognized.nearest}`;
    problems.push({ key: name, source, message: `is not a known key${hint}` });
  } else if (recognized.kind === 'other') {
    const { status } = recognized;
    if (status.kind === 'refused')
      problems.push({ key: name, source, message: `is refused: ${status.reason}` });
    if (status.kind === 'no-effect')
      warnings.push({ key: name, source, message: `has no effect: ${status.reason}` });
  }
}

/** Whether a key without a default must be there: `broker.id` stands in for `node.id`. */
function isMissing(
  key: KeyDefinition,
  entries: ReadonlyMap<string, ConfigEntry>,
  input: ConfigInput,
): boolean {
  if (key.name !== 'node.id') return true;
  if (entries.get('broker.id')?.source.kind !== 'default' && entries.has('broker.id')) return false;
  const named = (name: string): boolean => name === 'broker.id';
  return !(
    input.overrides.some(([name]) => named(name)) ||
    (input.file?.entries.some(each => named(each.key)) ?? false)
  );
}

/** Checks the values that have a form of their own, before anything is derived from them. */
function checkForms(entries: ReadonlyMap<string, ConfigEntry>, problems: ConfigMessage[]): void {
  const check = <T>(
    name: string,
    parse: (text: string) => { ok: true; value: T } | { ok: false; problem: string },
  ): void => {
    const entry = entries.get(name);
    if (entry === undefined || entry.value === null) return;
    const texts = typeof entry.value === 'string' ? [entry.value] : (entry.value as readonly string[]);
    for (const text of texts) {
      const parsed = parse(text);
      if (!parsed.ok) problems.push({ key: name, source: entry.source, message: parsed.problem });
    }
  };
  check('listener.security.protocol.map', parseProtocolMap);
  check('controller.quorum.voters', parseQuorumVoter);
  check('controller.quorum.bootstrap.servers', parseHostAndPort);
  if (problems.length > 0) return;

  const map = entries.get('listener.security.protocol.map')!;
  const protocols = parseProtocolMap(map.value as string);
  if (!protocols.ok) return;
  if (map.source.kind === 'default') {
    for (const name of (entries.get('controller.listener.names')?.value as readonly string[] | undefined) ??
      []) {
      if (!protocols.value.has(name.toUpperCase())) protocols.value.set(name.toUpperCase(), 'PLAINTEXT');
    }
  }
  check('listeners', text => parseEndPoint(text, protocols.value));
  const advertised = entries.get('advertised.listeners')?.value;
  if (!isAdvertisedAuto(Array.isArray(advertised) ? advertised : [])) {
    check('advertised.listeners', text => parseEndPoint(text, protocols.value));
  }
}

function shownValue(key: KeyDefinition, text: string): string {
  return key.type === 'PASSWORD' ? 'the value' : `'${text}'`;
}

function sameValue(a: unknown, b: unknown): boolean {
  return Array.isArray(a) && Array.isArray(b) ? a.join('\n') === b.join('\n') : a === b;
}

function byPlace(a: ConfigMessage, b: ConfigMessage): number {
  const place = ({ source }: ConfigMessage): number =>
    source.kind === 'file' ? source.line : source.kind === 'override' ? 1e9 : 2e9;
  return place(a) - place(b);
}
