import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  root: fileURLToPath(new URL('..', import.meta.url)),
  test: {
    include: ['test/**/*.test.ts'],
    // Tests start processes and write files: two at a time are what a small machine can bear.
    maxWorkers: 2,
    testTimeout: 20_000,
  },
});
