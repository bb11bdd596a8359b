import { parseConfigValue } from '../config/config-value.ts';
import type { KeyDefinition } from '../config/key-definition.ts';

/** What is wrong with `value`, as a sentence that does not show it if it is a secret. `name`: as the client wrote it. */
export function valueProblem(key: KeyDefinition, value: string, name = key.name): string | undefined {
  const parsed = parseConfigValue(key, value);
  if (parsed.ok) return undefined;
  const shown = key.type === 'PASSWORD' ? 'the value' : `'${value}'`;
  return `${shown} cannot be the value of ${name}: it ${parsed.problem}`;
}
