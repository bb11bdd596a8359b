import { resolve } from 'node:path';
import { BROKER_KEYS, brokerKeyFallbacks } from './broker-keys.ts';
import { parseConfigValue } from './config-value.ts';
import { isKeyWithoutEffect, runningBrokerKey } from './dynamic-broker-keys.ts';
import type { ConfigValue, KeyDefinition } from './key-definition.ts';
import {
  type EndPoint,
  type HostAndPort,
  parseEndPoint,
  parseHostAndPort,
  parseProtocolMap,
  parseQuorumVoter,
  type QuorumVoter,
  type SecurityProtocol,
} from './listeners.ts';

/** Where a value comes from. */
export type ConfigSource =
  | { readonly kind: 'default' }
  | { readonly kind: 'file'; readonly file: string; readonly line: number }
  /** `--override key=value` on the command line. */
  | { readonly kind: 'override' }
  /** Set while the cluster runs: for this broker, or for all. */
  | { readonly kind: 'dynamic-broker' }
  | { readonly kind: 'dynamic-default' };

export interface ConfigEntry {
  /** As it was given, without blanks at its ends. */
  readonly text: string | null;
  readonly value: ConfigValue;
  readonly source: ConfigSource;
  /** The weaker one that it hides. */
  readonly below?: ConfigEntry | undefined;
}

/** What the machine adds to a configuration. */
export interface ConfigSurroundings {
  /** Relative directories are relative to it. Absolute. */
  readonly workingDirectory: string;
  /** Advertised where a listener has no host. */
  readonly hostName: string;
}

/**
 * The configuration of a node, all keys parsed and checked ({@link loadKafkaConfig} makes one). A key is asked by name
 * with the getter of its type; a value that may be missing has a getter that says so.
 */
export class KafkaConfig {
  private readonly entries: ReadonlyMap<string, ConfigEntry>;
  private readonly surroundings: ConfigSurroundings;

  readonly nodeId: number;
  readonly processRoles: ReadonlySet<'broker' | 'controller'>;
  /** All listeners, those for controllers among them. */
  readonly listeners: readonly EndPoint[];
  readonly controllerListenerNames: readonly string[];
  readonly controllerListeners: readonly EndPoint[];
  readonly brokerListeners: readonly EndPoint[];
  /** What clients are told: one for each of {@link brokerListeners}. Port 0 stands for the port in use. */
  readonly advertisedListeners: readonly EndPoint[];
  /**
   * `advertised.listeners=auto`: each client is told the address that it dialled. {@link advertisedListeners} then holds
   * what is told to those who have dialled none: other brokers, by way of the metadata.
   */
  readonly advertisesDialledAddress: boolean;
  /** What the quorum is told about the listeners of this controller. */
  readonly advertisedControllerListeners: readonly EndPoint[];
  readonly interBrokerListenerName: string;
  /** Absolute. */
  readonly logDirs: readonly string[];
  /** Those of {@link logDirs} that get no new partitions. */
  readonly cordonedLogDirs: readonly string[];
  /** The directory that holds `__cluster_metadata-0`. Absolute. */
  readonly metadataLogDir: string;
  readonly quorumVoters: readonly QuorumVoter[];
  readonly quorumBootstrapServers: readonly HostAndPort[];
  /** Limits by address that stand in for `max.connections.per.ip`. */
  readonly maxConnectionsPerIpOverrides: ReadonlyMap<string, number>;

  /** `entries` holds every known key that has a default or a value. Throws if derived values do not parse. */
  constructor(entries: ReadonlyMap<string, ConfigEntry>, surroundings: ConfigSurroundings) {
    this.entries = entries;
    this.surroundings = surroundings;
    const absolute = (directory: string): string => resolve(surroundings.workingDirectory, directory);

    this.nodeId = this.isSet('node.id') ? this.int('node.id') : this.int('broker.id');
    this.processRoles = new Set(this.list('process.roles') as ('broker' | 'controller')[]);
    this.controllerListenerNames = this.optionalList('controller.listener.names').map(name =>
      name.toUpperCase(),
    );

    const protocols = protocolsOf(this);
    const isForControllers = (endPoint: EndPoint): boolean =>
      this.controllerListenerNames.includes(endPoint.listenerName);
    const parse = (text: string): EndPoint => unwrap(parseEndPoint(text, protocols));
    this.listeners = this.list('listeners').map(parse);
    this.controllerListeners = this.listeners.filter(isForControllers);
    this.brokerListeners = this.listeners.filter(endPoint => !isForControllers(endPoint));
    const advertisedTexts = this.optionalList('advertised.listeners');
    this.advertisesDialledAddress = isAdvertisedAuto(advertisedTexts);
    const advertised = this.advertisesDialledAddress ? [] : advertisedTexts.map(parse);
    const isNoAddress = (host: string): boolean =>
      host === '' || (this.advertisesDialledAddress && (host === '0.0.0.0' || host === '::'));
    const reachable = (endPoint: EndPoint): EndPoint =>
      isNoAddress(endPoint.host) ? { ...endPoint, host: surroundings.hostName } : endPoint;
    const chosen = advertised.filter(endPoint => !isForControllers(endPoint));
    this.advertisedListeners = (chosen.length > 0 ? chosen : this.brokerListeners).map(reachable);
    this.advertisedControllerListeners = this.controllerListeners.map(endPoint =>
      reachable(advertised.find(each => each.listenerName === endPoint.listenerName) ?? endPoint),
    );
    this.interBrokerListenerName = (
      this.optionalString('inter.broker.listener.name') ?? this.string('security.inter.broker.protocol')
    ).toUpperCase();

    const directories = this.optionalList('log.dirs');
    this.logDirs = (directories.length > 0 ? directories : this.list('log.dir')).map(absolute);
    const cordoned = this.list('cordoned.log.dirs');
    const isAll = cordoned.includes('*');
    this.cordonedLogDirs = this.logDirs.filter(path => isAll || cordoned.map(absolute).includes(path));
    const metadataDirectory = this.optionalString('metadata.log.dir');
    this.metadataLogDir = metadataDirectory === null ? this.logDirs[0]! : absolute(metadataDirectory);
    this.quorumVoters = this.list('controller.quorum.voters').map(each => unwrap(parseQuorumVoter(each)));
    this.quorumBootstrapServers = this.list('controller.quorum.bootstrap.servers').map(each =>
      unwrap(parseHostAndPort(each)),
    );
    this.maxConnectionsPerIpOverrides = new Map(
      parsePairs(this.string('max.connections.per.ip.overrides')).map(([address, count]) => [
        address,
        Number(count),
      ]),
    );
  }

  /** Of a listener that this node need not have itself; `undefined` if none is given for the name. */
  protocolOf(listenerName: string): SecurityProtocol | undefined {
    return protocolsOf(this).get(listenerName.toUpperCase());
  }

  /** Of type BOOLEAN. */
  boolean(name: string): boolean {
    return this.required(name, 'BOOLEAN') as boolean;
  }

  /** Of type INT or SHORT. */
  int(name: string): number {
    return this.required(name, 'INT', 'SHORT') as number;
  }

  /** Of type LONG (or INT). Past 2^53 it is rounded: such a value stands for "never". */
  long(name: string): number {
    return this.required(name, 'LONG', 'INT', 'SHORT') as number;
  }

  double(name: string): number {
    return this.required(name, 'DOUBLE') as number;
  }

  /** Of type STRING or CLASS. */
  string(name: string): string {
    return this.required(name, 'STRING', 'CLASS') as string;
  }

  list(name: string): readonly string[] {
    return this.required(name, 'LIST') as readonly string[];
  }

  /** `null` if there is none. */
  optionalString(name: string): string | null {
    return this.value(name, 'STRING', 'CLASS', 'PASSWORD') as string | null;
  }

  /** `null` if there is none. Of type INT, SHORT or LONG. */
  optionalNumber(name: string): number | null {
    return this.value(name, 'INT', 'SHORT', 'LONG') as number | null;
  }

  /** Empty if there is none. */
  optionalList(name: string): readonly string[] {
    return (this.value(name, 'LIST') as readonly string[] | null) ?? [];
  }

  /**
   * A number of ms that several keys can give (`log.retention.ms`, `.minutes`, `.hours`; `log.roll.ms`, ...): from the
   * strongest of them that has a value. Ask with the name of the strongest.
   */
  effectiveNumber(name: string): number {
    for (const { key, factor } of brokerKeyFallbacks(name)) {
      const value = this.optionalNumber(key);
      if (value !== null) return value < 0 ? value : value * factor;
    }
    throw new RangeError(`'${name}' has no value and no default`);
  }

  /** A number of one listener, of type INT: `listener.name.<listener>.<name>` if that is given, else `name`. */
  listenerInt(listenerName: string, name: string): number {
    const own = this.text(`listener.name.${listenerName.toLowerCase()}.${name}`);
    return own === null ? this.int(name) : Number(own);
  }

  /** As the text of a file; `null` for none. For keys that are not known too, if they were given. */
  text(name: string): string | null {
    return this.entries.get(name)?.text ?? null;
  }

  source(name: string): ConfigSource {
    return this.entries.get(name)?.source ?? { kind: 'default' };
  }

  /** Whether the value was given, and is not the default. */
  isSet(name: string): boolean {
    const entry = this.entries.get(name);
    return entry !== undefined && entry.source.kind !== 'default';
  }

  /** What was given for the key and its default, the strongest first. */
  layers(name: string): ConfigEntry[] {
    const layers: ConfigEntry[] = [];
    for (let entry = this.entries.get(name); entry !== undefined; entry = entry.below) layers.push(entry);
    return layers;
  }

  /** The names of all keys that have a value, in the order of the definitions, then of the file. */
  names(): IterableIterator<string> {
    return this.entries.keys();
  }

  /**
   * This configuration with values that were set while the cluster runs: `forAll` brokers, and stronger `forThis`.
   * Values that do not parse, and those of keys that a running broker does not change, are left out: they were checked
   * when they were set.
   */
  withDynamic(forAll: ReadonlyMap<string, string>, forThis: ReadonlyMap<string, string>): KafkaConfig {
    const entries = new Map(this.entries);
    const add = (values: ReadonlyMap<string, string>, kind: 'dynamic-default' | 'dynamic-broker'): void => {
      for (const [name, text] of values) {
        const value = runningValue(name, text);
        if (value === undefined) continue;
        entries.set(name, { text, value, source: { kind }, below: entries.get(name) });
      }
    };
    add(forAll, 'dynamic-default');
    add(forThis, 'dynamic-broker');
    return new KafkaConfig(entries, this.surroundings);
  }

  private required(name: string, ...types: KeyDefinition['type'][]): Exclude<ConfigValue, null> {
    const value = this.value(name, ...types);
    if (value === null) throw new RangeError(`'${name}' has no value`);
    return value;
  }

  private value(name: string, ...types: KeyDefinition['type'][]): ConfigValue {
    const key = BROKER_KEYS.get(name);
    if (key === undefined) throw new RangeError(`'${name}' is not a configuration key`);
    if (!types.includes(key.type))
      throw new TypeError(`'${name}' is of type ${key.type}, not ${types.join(' or ')}`);
    return this.entries.get(name)?.value ?? null;
  }
}

/** The value of a key of a running broker; `undefined` where there is none, or no such key. */
function runningValue(name: string, text: string): ConfigValue | undefined {
  const key = runningBrokerKey(name);
  if (key === undefined) return isKeyWithoutEffect(name) ? text : undefined;
  const parsed = parseConfigValue(key, text);
  return parsed.ok ? parsed.value : undefined;
}

/** The protocols of listeners. Listeners of controllers need no entry while the map is not given. */
function protocolsOf(config: KafkaConfig): ReadonlyMap<string, SecurityProtocol> {
  const protocols = unwrap(parseProtocolMap(config.string('listener.security.protocol.map')));
  if (config.isSet('listener.security.protocol.map')) return protocols;
  for (const name of config.controllerListenerNames) {
    if (!protocols.has(name)) protocols.set(name, 'PLAINTEXT');
  }
  return protocols;
}

/** Parses `name:value,...`; the name may hold colons (IPv6). */
export function parsePairs(text: string): [string, string][] {
  return text
    .split(',')
    .map(each => each.trim())
    .filter(each => each !== '')
    .map(each => {
      const colon = each.lastIndexOf(':');
      return [each.slice(0, Math.max(0, colon)).trim(), each.slice(colon + 1).trim()];
    });
}

function unwrap<T>(parsed: { ok: true; value: T } | { ok: false; problem: string }): T {
  if (!parsed.ok) throw new RangeError(parsed.problem);
  return parsed.value;
}

/** Whether `advertised.listeners` has the value that stands for the address which a client dialled. */
export function isAdvertisedAuto(values: readonly string[]): boolean {
  return values.length === 1 && values[0]!.toLowerCase() === 'auto';
}
