import { afterAll, beforeAll, expect, test } from 'vitest';
import { type StartedTarget, startTarget } from '../support/broker-target.ts';
import { buildFranzGo } from '../support/client-tools.ts';
import { runCommand } from '../support/run-command.ts';

let target: StartedTarget;
let program: string;

beforeAll(async () => {
  program = await buildFranzGo();
  target = await startTarget('franz-go');
});

afterAll(async () => {
  await target?.dispose();
});

test('franz-go administers, produces with every codec and consumes in a group', async () => {
  const { stdout } = await runCommand(program, [target.broker.bootstrap], { timeoutMs: 150_000 });
  expect(stdout.trim().split('\n')).toEqual([
    'ok topics',
    'ok every codec',
    'ok consumer group',
    'ok group administration',
    'ok offsets',
    'ok deletion',
  ]);
});
