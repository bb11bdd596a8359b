import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type StartedTarget, startTarget } from '../support/broker-target.ts';
import { fetchPython } from '../support/client-tools.ts';
import { projectRoot } from '../support/project.ts';
import { runCommand } from '../support/run-command.ts';

let target: StartedTarget;
let python: string;

beforeAll(async () => {
  python = await fetchPython();
  target = await startTarget('confluent-kafka');
});

afterAll(async () => {
  await target?.dispose();
});

test('confluent-kafka administers, produces idempotently and consumes in groups', async () => {
  const program = join(projectRoot, 'test/clients/python/check.py');
  const { stdout } = await runCommand(python, [program, target.broker.bootstrap], { timeoutMs: 150_000 });
  expect(stdout.trim().split('\n')).toEqual([
    'ok admin',
    'ok idempotent producer with every codec',
    'ok consumer group over two lives',
    'ok group administration',
    'ok offsets and seeks',
    'ok deletion',
  ]);
});
