import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { MESSAGES } from '../../src/protocol/messages/index.ts';
import { forwarded } from '../../src/server/handler.ts';
import { apiVersions } from '../../src/server/handlers/18-api-versions.ts';
import { createTopics } from '../../src/server/handlers/19-create-topics.ts';
import { protocolDocument } from '../../src/server/print-protocol.ts';

const page = join(import.meta.dirname, '../../docs/PROTOCOL.md');

describe('docs/PROTOCOL.md', () => {
  test('says what the code says (npm run docs prints it)', () => {
    expect(readFileSync(page, 'utf8')).toBe(protocolDocument());
  });

  test('has one row for each API of the protocol', () => {
    const rows = protocolDocument()
      .split('\n')
      .filter(line => /^\| \d/.test(line));
    expect(rows).toHaveLength(MESSAGES.length);
  });

  test('tells what is served from what is not yet', () => {
    const lines = protocolDocument([apiVersions, forwarded(createTopics)], [apiVersions, createTopics]).split(
      '\n',
    );
    const row = (name: string) => lines.find(line => line.includes(`| ${name} `))!.replace(/ +/g, ' ');
    expect(row('ApiVersions')).toBe(
      '| 18 | ApiVersions | 0-5 | 0-5 | broker, controller | broker, controller | |',
    );
    expect(row('CreateTopics')).toContain('| 0-7 | broker, controller | broker (forwarded), controller |');
    expect(row('InitProducerId')).toBe('| 22 | InitProducerId | 0-5 | not yet | broker | | |');
  });
});
