import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { configurationDocument } from '../../src/tools/configuration-document.ts';
import { projectRoot } from '../support/project.ts';

test('docs/CONFIGURATION.md is what the code says (npm run docs prints it)', () => {
  expect(readFileSync(join(projectRoot, 'docs/CONFIGURATION.md'), 'utf8')).toBe(configurationDocument());
});
