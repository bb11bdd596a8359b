import type { ConfigValue, KeyDefinition } from './key-definition.ts';

/** What an INT, SHORT or LONG can hold; DOUBLE is not in it. */
const INTEGER_BOUNDS = {
  INT: { min: -2147483648n, max: 2147483647n },
  SHORT: { min: -32768n, max: 32767n },
  LONG: { min: -9223372036854775808n, max: 9223372036854775807n },
} as const;

export type ParsedValue =
  | { readonly ok: true; readonly value: ConfigValue }
  | { readonly ok: false; readonly problem: string };

/** Parses and checks `text` as a value of the key. A problem is the rest of a sentence that names key and value. */
export function parseConfigValue(key: KeyDefinition, text: string | null): ParsedValue {
  if (text === null) return { ok: true, value: null };
  const parsed = parseType(key, text.trim());
  if (!parsed.ok || parsed.value === null || key.validator === undefined) return parsed;
  if (key.validator.accepts(parsed.value)) return parsed;
  return { ok: false, problem: `must be ${key.validator.allowed}` };
}

function parseType(key: KeyDefinition, text: string): ParsedValue {
  switch (key.type) {
    case 'BOOLEAN': {
      const lower = text.toLowerCase();
      if (lower === 'true' || lower === 'false') return { ok: true, value: lower === 'true' };
      return { ok: false, problem: 'must be true or false' };
    }
    case 'INT':
    case 'SHORT':
    case 'LONG':
      return parseInteger(key.type, text);
    case 'DOUBLE': {
      if (/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text)) return { ok: true, value: Number(text) };
      return { ok: false, problem: 'must be a number' };
    }
    case 'LIST':
      return { ok: true, value: text === '' ? [] : text.split(/\s*,\s*/) };
    case 'STRING':
    case 'CLASS':
    case 'PASSWORD':
      return { ok: true, value: text };
  }
}

function parseInteger(type: keyof typeof INTEGER_BOUNDS, text: string): ParsedValue {
  if (!/^[+-]?\d+$/.test(text)) {
    const united = /^[+-]?\d+\s*([a-z]+)$/i.exec(text);
    const hint =
      united === null ? '' : `, without a unit ('${united[1]}'): the unit is in the name of the key`;
    return { ok: false, problem: `must be a whole number${hint}` };
  }
  const { min, max } = INTEGER_BOUNDS[type];
  const digits = text.replace(/^\+/, '');
  // Longer numbers are out of every range; they are not made into one.
  const value = digits.length > 21 ? max + 1n : BigInt(digits);
  if (value < min || value > max)
    return { ok: false, problem: `must be between ${min} and ${max} (${type})` };
  return { ok: true, value: Number(value) };
}
