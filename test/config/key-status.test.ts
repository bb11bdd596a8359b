import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { BROKER_KEYS, brokerKeyFallbacks } from '../../src/config/broker-keys.ts';
import { TOPIC_KEYS } from '../../src/config/topic-keys.ts';

const sources = join(dirname(dirname(dirname(fileURLToPath(import.meta.url)))), 'src');

function textOf(directory: string): string {
  return readdirSync(directory, { withFileTypes: true })
    .map(entry => {
      const path = join(directory, entry.name);
      if (!entry.isDirectory()) return readFileSync(path, 'utf8');
      // There every key is named.
      return path === join(sources, 'config') ? '' : textOf(path);
    })
    .join('\n');
}

/** The keys that some part of the broker asks for by name, or that give the values of topics. */
function usedKeys(): Set<string> {
  const text =
    textOf(sources) +
    ['kafka-config.ts', 'topic-config.ts']
      .map(name => readFileSync(join(sources, 'config', name), 'utf8'))
      .join('\n');
  const quoted = new Set([...text.matchAll(/'([a-z]+(?:\.[a-z]+)*)'/g)].map(match => match[1]!));
  for (const { brokerKey } of TOPIC_KEYS.values()) {
    if (brokerKey !== undefined) for (const { key } of brokerKeyFallbacks(brokerKey)) quoted.add(key);
  }
  return quoted;
}

test('a key that counts as supported is used by some part of the broker', () => {
  const used = usedKeys();
  const unused = [...BROKER_KEYS.values()].filter(
    key => key.status.kind === 'supported' && !used.has(key.name),
  );
  expect(unused.map(key => key.name)).toEqual([]);
});
