import { checkKafkaConfig } from './config-checks.ts';
import { isSensitiveBrokerKey } from './broker-keys.ts';
import { DYNAMIC_BROKER_KEYS } from './dynamic-broker-keys.ts';
import type { KafkaConfig } from './kafka-config.ts';
import type { LogConfig } from './log-config.ts';
import { logConfigOf } from './topic-config.ts';

/** One key whose value is another now. Values that must not be shown are null. */
export interface ChangedKey {
  readonly name: string;
  readonly from: string | null;
  readonly to: string | null;
}

/** What is done when the configuration has changed. `before` is undefined for the first call. */
export type ConfigListener = (config: KafkaConfig, before: KafkaConfig | undefined) => void;

/**
 * The configuration of a node as it is now: that of its file, with what was set while the cluster runs, for all brokers
 * and, stronger, for this one. Whatever reads a value when it needs it asks {@link current}; whatever holds on to one
 * subscribes.
 */
export class DynamicBrokerConfig {
  readonly staticConfig: KafkaConfig;
  private config: KafkaConfig;
  /** Of topics that have no values of their own: mostly all of them. */
  private logDefaults: LogConfig | undefined;
  private readonly listeners: ConfigListener[] = [];

  constructor(staticConfig: KafkaConfig) {
    this.staticConfig = staticConfig;
    this.config = staticConfig;
  }

  get current(): KafkaConfig {
    return this.config;
  }

  /** The configuration of the logs of a topic with `own` values. */
  logConfig(own: ReadonlyMap<string, string>): LogConfig {
    if (own.size > 0) return logConfigOf(this.config, own);
    this.logDefaults ??= logConfigOf(this.config, own);
    return this.logDefaults;
  }

  /** Calls `listener` now, and after each change. */
  subscribe(listener: ConfigListener): void {
    this.listeners.push(listener);
    listener(this.config, undefined);
  }

  /**
   * Takes what is set now: `forAll` brokers, and for this one. Gives what that changes. What is set was checked then;
   * values of a cluster that checks less, and contradict each other, change nothing: throws RangeError.
   */
  update(forAll: ReadonlyMap<string, string>, forThis: ReadonlyMap<string, string>): ChangedKey[] {
    const before = this.config;
    const config = this.staticConfig.withDynamic(forAll, forThis);
    const changes = changedKeys(before, config);
    if (changes.length > 0) {
      const problem = newProblem(before, config);
      if (problem !== undefined) throw new RangeError(problem);
    }
    // Also where only the source of a value is another: DescribeConfigs shows it.
    this.config = config;
    if (changes.length === 0) return changes;
    this.logDefaults = undefined;
    for (const listener of this.listeners) listener(config, before);
    return changes;
  }
}

/** What is wrong in `after` that is not in `before`: values that are each right, and contradict each other. */
export function newProblem(before: KafkaConfig, after: KafkaConfig): string | undefined {
  const problemsOf = (config: KafkaConfig): string[] =>
    checkKafkaConfig(config)
      // Of another broker's directories nothing is known here; those that are none are passed over.
      .filter(({ key }) => key !== 'cordoned.log.dirs')
      .map(({ key, message }) => `${key} ${message}`);
  const known = new Set(problemsOf(before));
  return problemsOf(after).find(text => !known.has(text));
}

function changedKeys(before: KafkaConfig, after: KafkaConfig): ChangedKey[] {
  const changes: ChangedKey[] = [];
  for (const name of new Set([...before.names(), ...after.names()])) {
    const [from, to] = [before.text(name), after.text(name)];
    if (from === to) continue;
    const isSensitive = !DYNAMIC_BROKER_KEYS.has(name) && isSensitiveBrokerKey(name);
    changes.push(isSensitive ? { name, from: null, to: null } : { name, from, to });
  }
  return changes;
}
