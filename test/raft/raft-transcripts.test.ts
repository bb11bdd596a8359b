import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { Transcript } from './support/transcript.ts';

const directory = new URL('fixtures/', import.meta.url);

/**
 * Each fixture is a dialogue: what is done (`>`), and what the replicas then say to each other and do. To
 * write them anew after a change that was meant, run with ODRADEK_UPDATE_TRANSCRIPTS=1 and read the
 * difference.
 */
describe('the transcript', () => {
  for (const name of readdirSync(directory).sort()) {
    it(`of ${name.replace('.txt', '').replaceAll('-', ' ')} is as it was`, () => {
      const file = new URL(name, directory);
      const text = readFileSync(file, 'utf8');
      const now = Transcript.replay(text);
      if (process.env['ODRADEK_UPDATE_TRANSCRIPTS'] === '1') writeFileSync(file, now);
      else expect(now).toBe(text);
    });
  }
});
