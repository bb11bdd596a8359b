import { updateModeOf } from './update-modes.ts';
import type { Validator } from './validators.ts';

export type KeyType =
  | 'BOOLEAN'
  | 'STRING'
  | 'INT'
  | 'SHORT'
  | 'LONG'
  | 'DOUBLE'
  | 'LIST'
  | 'CLASS'
  | 'PASSWORD';

export type Importance = 'HIGH' | 'MEDIUM' | 'LOW';

/**
 * What a key does in this broker. `no-effect`: it is read and checked, and nothing depends on it. `refused`: a value
 * other than the default does not start, for it would change what clients or administrators rely on.
 */
export type KeyStatus =
  | { readonly kind: 'supported' }
  | { readonly kind: 'no-effect'; readonly reason: string }
  | { readonly kind: 'refused'; readonly reason: string };

/** How Kafka lets a running broker change the key. */
export type UpdateMode = 'read-only' | 'per-broker' | 'cluster-wide';

/** One configuration key. */
export interface KeyDefinition {
  readonly name: string;
  readonly type: KeyType;
  /** As it would stand in a file; `null` for none; `undefined` if the key must be given. */
  readonly defaultText: string | null | undefined;
  readonly importance: Importance;
  /** One or two sentences, with the unit. */
  readonly documentation: string;
  readonly validator: Validator | undefined;
  readonly status: KeyStatus;
  readonly updateMode: UpdateMode;
  /** Kafka leaves it out of its documentation. */
  readonly internal: boolean;
}

/**
 * A parsed value. INT, SHORT, LONG and DOUBLE are numbers: a LONG past 2^53 comes rounded, which no key minds (such a
 * value stands for "never").
 */
export type ConfigValue = boolean | number | string | readonly string[] | null;

const SUPPORTED: KeyStatus = { kind: 'supported' };

/** What a key may have besides name, default, importance and documentation. */
export interface KeyOptions {
  readonly check?: Validator;
  readonly status?: KeyStatus;
  readonly internal?: boolean;
}

type Default<T> = T | null | undefined;

function define(
  type: KeyType,
  name: string,
  defaultText: string | null | undefined,
  importance: Importance,
  documentation: string,
  options: KeyOptions,
): KeyDefinition {
  const { check: validator, status = SUPPORTED, internal = false } = options;
  const updateMode = updateModeOf(name);
  return { name, type, defaultText, importance, documentation, validator, status, updateMode, internal };
}

type Definer<T> = (
  name: string,
  defaultValue: Default<T>,
  importance: Importance,
  documentation: string,
  options?: KeyOptions,
) => KeyDefinition;

function definer<T extends boolean | number | bigint | string>(type: KeyType): Definer<T> {
  return (name, defaultValue, importance, documentation, options = {}) => {
    const text = defaultValue === null || defaultValue === undefined ? defaultValue : String(defaultValue);
    return define(type, name, text, importance, documentation, options);
  };
}

/** The definers of keys, one for each type: `int('num.partitions', 1, 'MEDIUM', 'Partitions of ...', {...})`. */
export const boolean: Definer<boolean> = definer('BOOLEAN');
export const int: Definer<number> = definer('INT');
export const short: Definer<number> = definer('SHORT');
export const long: Definer<number | bigint> = definer('LONG');
/** A DOUBLE's default is text: Kafka prints the largest one in its own way. */
export const double: Definer<string> = definer('DOUBLE');
export const string: Definer<string> = definer('STRING');
export const className: Definer<string> = definer('CLASS');
export const password: Definer<string> = definer('PASSWORD');
export const list: Definer<string> = definer('LIST');

/** {@link KeyStatus} for a key that is read and checked, and changes nothing. */
export function noEffect(reason: string): KeyStatus {
  return { kind: 'no-effect', reason };
}

/** {@link KeyStatus} for a key that must keep its default. */
export function refused(reason: string): KeyStatus {
  return { kind: 'refused', reason };
}

export const LONG_MAX = 9223372036854775807n;
export const INT_MAX = 2147483647;
export const DOUBLE_MAX = '1.7976931348623157E308';
