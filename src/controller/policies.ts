import type { LimitedLogger } from '../base/logger.ts';
import { type ConfigResource, ConfigResourceType } from '../metadata/config-resource.ts';
import { Errors, KafkaError } from '../protocol/errors.ts';
import type { Clock } from '../runtime/runtime.ts';

/* Policies: a user's own rules for which topics may be created and which configurations may be set. */

/** A topic that somebody wants to create, as far as the broker finds nothing wrong with it. */
export interface CreateTopicRequestMetadata {
  readonly topic: string;
  /** With the broker's default, if the request gives none; `null` if replicas are assigned by hand. */
  readonly numPartitions: number | null;
  /** The same. */
  readonly replicationFactor: number | null;
  /** Broker ids by partition, where the request assigns them by hand; else `null`. */
  readonly replicasAssignments: ReadonlyMap<number, readonly number[]> | null;
  /** What the request gives, without defaults. */
  readonly configs: ReadonlyMap<string, string>;
}

/** A change of a configuration that somebody wants to make, as far as the broker finds nothing wrong with it. */
export interface AlterConfigRequestMetadata {
  readonly resource: {
    readonly type: 'TOPIC' | 'BROKER' | 'GROUP' | 'CLIENT_METRICS';
    /** Of a broker its id; empty for the default of all brokers. */
    readonly name: string;
  };
  /** The keys that change, with what they will be; `null` for one that is removed. */
  readonly configs: ReadonlyMap<string, string | null>;
}

/**
 * The default export of the module that `create.topic.policy` names.
 *
 * ```ts
 * import type { CreateTopicPolicy } from 'odradek';
 *
 * const policy: CreateTopicPolicy = {
 *   validate({ topic, replicationFactor }) {
 *     if (!topic.startsWith('team-')) throw new Error(`'${topic}' does not begin with 'team-'`);
 *   },
 * };
 * export default policy;
 * ```
 */
export interface CreateTopicPolicy {
  /**
   * Returns if the topic may be created, and throws if not: whoever asked gets POLICY_VIOLATION with the message. It is
   * synchronous, and is broken off if it takes too long.
   */
  validate(metadata: CreateTopicRequestMetadata): void;
}

/** The default export of the module that `alter.config.policy` names: see {@link CreateTopicPolicy}. */
export interface AlterConfigPolicy {
  validate(metadata: AlterConfigRequestMetadata): void;
}

/** Runs code that may never end; `false` if it was broken off after `limitMs`. */
export type RunWithin = (limitMs: number, run: () => void) => boolean;

export interface Policies {
  readonly createTopic?: CreateTopicPolicy | undefined;
  readonly alterConfig?: AlterConfigPolicy | undefined;
  readonly runWithin: RunWithin;
}

/**
 * A policy that compares names and numbers takes a few millionths of a second. This is time on the wall, though, and a
 * busy machine may let the process wait in the middle of one.
 */
const CALL_MAX_MS = 500;
/** What policies may take of the event loop, which the controller needs for others. */
const WINDOW_MS = 5000;
const WINDOW_BUDGET_MS = 1000;
/** Messages are in answers whose strings have 15 bits for their length in bytes, at up to 3 bytes a unit. */
const MESSAGE_MAX = 2000;

/**
 * Asks the policies of this node's user. Their code is not the broker's: what it throws refuses, what it gives back is
 * a refusal too (nobody should take `return false` for one that was not heard), and the time that it may take has a
 * bound, after which everything is refused for some seconds.
 */
export class PolicyChecks {
  private readonly clock: Clock;
  private readonly logger: LimitedLogger;
  private readonly policies: Policies | undefined;
  private windowStartMs = Number.NEGATIVE_INFINITY;
  private spentMs = 0;

  constructor(clock: Clock, logger: LimitedLogger, policies: Policies | undefined) {
    this.clock = clock;
    this.logger = logger;
    this.policies = policies;
  }

  /** Throws POLICY_VIOLATION if the topic may not be created. */
  checkCreateTopic(metadata: CreateTopicRequestMetadata): void {
    const policy = this.policies?.createTopic;
    if (policy !== undefined) this.ask('create.topic.policy', () => policy.validate(metadata));
  }

  /** Throws POLICY_VIOLATION if the configuration may not be set. */
  checkAlterConfig({ type, name }: ConfigResource, configs: ReadonlyMap<string, string | null>): void {
    const policy = this.policies?.alterConfig;
    if (policy === undefined) return;
    const resource = { type: resourceTypeName(type), name };
    this.ask('alter.config.policy', () => policy.validate({ resource, configs }));
  }

  private ask(key: string, validate: () => unknown): void {
    const { clock } = this;
    const askedMs = clock.monotonicMs();
    if (askedMs - this.windowStartMs >= WINDOW_MS) {
      this.windowStartMs = askedMs;
      this.spentMs = 0;
    }
    if (this.spentMs >= WINDOW_BUDGET_MS) throw violation(`${key} takes too long; try again later`);
    let refusal: string | undefined;
    let misbehaved = false;
    const ended = this.policies!.runWithin(CALL_MAX_MS, () => {
      const startMs = clock.monotonicMs();
      try {
        const given = validate();
        misbehaved = given !== undefined;
        if (misbehaved)
          refusal = `${key} gave back a value: it must throw to refuse, and else give back nothing`;
        // A rejection that nobody waits for would end the process.
        if (given instanceof Promise) given.catch(() => {});
      } catch (error) {
        misbehaved = isMistake(error);
        refusal = messageOf(error);
      }
      this.spentMs += clock.monotonicMs() - startMs;
    });
    if (!ended) {
      this.spentMs = WINDOW_BUDGET_MS;
      misbehaved = true;
      refusal = `${key} was broken off after ${CALL_MAX_MS} ms`;
    }
    if (refusal === undefined) return;
    if (misbehaved) this.logger.error(key, 'a policy does not work as it should', { key, problem: refusal });
    throw violation(refusal);
  }
}

function violation(text: string): KafkaError {
  return new KafkaError(Errors.POLICY_VIOLATION, text);
}

/** These come of a mistake in the policy more likely than of a decision: they refuse too, and are logged. */
function isMistake(error: unknown): boolean {
  return error instanceof TypeError || error instanceof ReferenceError;
}

/** Of whatever was thrown, some of which throws when it is printed. */
function messageOf(error: unknown): string {
  try {
    const text = error instanceof Error ? String(error.message) : String(error);
    return text === '' ? 'refused by a policy' : text.slice(0, MESSAGE_MAX);
  } catch {
    return 'refused by a policy, for a reason that cannot be printed';
  }
}

function resourceTypeName(type: number): AlterConfigRequestMetadata['resource']['type'] {
  switch (type) {
    case ConfigResourceType.TOPIC:
      return 'TOPIC';
    case ConfigResourceType.BROKER:
      return 'BROKER';
    case ConfigResourceType.GROUP:
      return 'GROUP';
    default:
      return 'CLIENT_METRICS';
  }
}
