import type { ConfigValue } from './key-definition.ts';

/** A condition on a parsed value. */
export interface Validator {
  /** What is allowed, for people: `at least 1`, `one of none, requested, required`. */
  readonly allowed: string;
  accepts(value: Exclude<ConfigValue, null>): boolean;
}

export function atLeast(minimum: number): Validator {
  return { allowed: `at least ${minimum}`, accepts: value => (value as number) >= minimum };
}

/** Both ends inclusive. */
export function between(minimum: number, maximum: number): Validator {
  return {
    allowed: `${minimum} to ${maximum}`,
    accepts: value => (value as number) >= minimum && (value as number) <= maximum,
  };
}

export function betweenOr(minimum: number, maximum: number, other: number): Validator {
  const range = between(minimum, maximum);
  return {
    allowed: `${range.allowed}, or ${other}`,
    accepts: value => range.accepts(value) || value === other,
  };
}

export function oneOf(...allowed: readonly string[]): Validator {
  return { allowed: `one of ${allowed.join(', ')}`, accepts: value => allowed.includes(value as string) };
}

export function oneOfIgnoringCase(...allowed: readonly string[]): Validator {
  return {
    allowed: `one of ${allowed.join(', ')} (in any case)`,
    accepts: value => allowed.some(each => each.toLowerCase() === (value as string).toLowerCase()),
  };
}

/** For a LIST: each element is one of `allowed`, none twice, and at least one unless `emptyAllowed`. */
export function someOf(allowed: readonly string[], emptyAllowed = false): Validator {
  return {
    allowed: `${emptyAllowed ? 'any' : 'at least one'} of ${allowed.join(', ')}`,
    accepts: value => {
      const elements = value as readonly string[];
      if (elements.length === 0 && !emptyAllowed) return false;
      return new Set(elements).size === elements.length && elements.every(each => allowed.includes(each));
    },
  };
}

/** For a LIST: no element empty and none twice, and at least one unless `emptyAllowed`. */
export function distinct(emptyAllowed = true): Validator {
  return {
    allowed: `${emptyAllowed ? 'any number of' : 'at least one of'} different values, none empty`,
    accepts: value => {
      const elements = value as readonly string[];
      if (elements.length === 0) return emptyAllowed;
      return new Set(elements).size === elements.length && elements.every(each => each !== '');
    },
  };
}

export const nonEmpty: Validator = { allowed: 'a non-empty string', accepts: value => value !== '' };

/** Throttled replicas of a topic: `*`, or pairs of a partition and a broker. */
export const throttledReplicas: Validator = {
  allowed: '* or a list of partition:broker',
  accepts: value => {
    const elements = value as readonly string[];
    return (elements.length === 1 && elements[0] === '*') || elements.every(each => /^\d+:\d+$/.test(each));
  },
};
