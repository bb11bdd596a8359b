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
/** Together they have the time of one that hangs. */
const QUESTIONS_AT_ONCE = 100;
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

  /** Of each topic why it may not be created (POLICY_VIOLATION), or `undefined`. */
  checkCreateTopics(topics: readonly CreateTopicRequestMetadata[]): (KafkaError | undefined)[] {
    const policy = this.policies?.createTopic;
    if (policy === undefined) return [];
    const questions = topics.map(metadata => () => policy.validate(metadata));
    return this.ask('create.topic.policy', questions);
  }

  /** Throws POLICY_VIOLATION if the configuration may not be set. */
  checkAlterConfig({ type, name }: ConfigResource, configs: ReadonlyMap<string, string | null>): void {
    const policy = this.policies?.alterConfig;
    if (policy === undefined) return;
    const resource = { type: resourceTypeName(type), name };
    const [refusal] = this.ask('alter.config.policy', [() => policy.validate({ resource, configs })]);
    if (refusal !== undefined) throw refusal;
  }

  /** The watch over a policy costs more than most policies: it is for many questions at a time. */
  private ask(key: string, questions: readonly (() => unknown)[]): (KafkaError | undefined)[] {
    const answers: Answer[] = [];
    while (answers.length < questions.length) {
      if (!this.hasTime()) {
        answers.push({ refusal: `${key} takes too long; try again later`, isMistake: false });
        continue;
      }
      const end = Math.min(questions.length, answers.length + QUESTIONS_AT_ONCE);
      const ended = this.policies!.runWithin(CALL_MAX_MS, () => {
        while (answers.length < end && this.spentMs < WINDOW_BUDGET_MS)
          answers.push(this.answer(key, questions[answers.length]!));
      });
      if (ended) continue;
      this.spentMs = WINDOW_BUDGET_MS;
      answers.push({ refusal: `${key} was broken off after ${CALL_MAX_MS} ms`, isMistake: true });
    }
    // The watch may have broken off the last one when it had just been answered.
    return answers.slice(0, questions.length).map(({ refusal, isMistake }) => {
      if (isMistake) this.logger.error(key, 'a policy does not work as it should', { key, problem: refusal });
      return refusal === undefined ? undefined : violation(refusal);
    });
  }

  private hasTime(): boolean {
    const nowMs = this.clock.monotonicMs();
    if (nowMs - this.windowStartMs >= WINDOW_MS) {
      this.windowStartMs = nowMs;
      this.spentMs = 0;
    }
    return this.spentMs < WINDOW_BUDGET_MS;
  }

  /** Runs in the time that is watched, and may not come back. */
  private answer(key: string, question: () => unknown): Answer {
    const startMs = this.clock.monotonicMs();
    try {
      const given = question();
      // A rejection that nobody waits for would end the process.
      if (given instanceof Promise) given.catch(() => {});
      if (given === undefined) return ALLOWED;
      const refusal = `${key} gave back a value: it must throw to refuse, and else give back nothing`;
      return { refusal, isMistake: true };
    } catch (error) {
      return { refusal: messageOf(error), isMistake: isMistake(error) };
    } finally {
      this.spentMs += this.clock.monotonicMs() - startMs;
    }
  }
}

interface Answer {
  readonly refusal: string | undefined;
  /** Of the policy, more likely than a decision. */
  readonly isMistake: boolean;
}

const ALLOWED: Answer = { refusal: undefined, isMistake: false };

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
