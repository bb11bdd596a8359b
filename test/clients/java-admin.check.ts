import { afterAll, beforeAll, expect, test } from 'vitest';
import { type StartedTarget, startTarget } from '../support/broker-target.ts';
import { runJava } from '../support/client-tools.ts';

let target: StartedTarget;

beforeAll(async () => {
  target = await startTarget('java-admin');
});

afterAll(async () => {
  await target?.dispose();
});

test('the Admin client of Kafka 4.3 learns from the broker what Apache Kafka 4.3 tells it', async () => {
  const { stdout } = await runJava('admin', '4.3.0', [target.broker.bootstrap, 'admin'], {
    timeoutMs: 150_000,
  });
  // Recorded from Apache Kafka: TARGET=apache-kafka-4.3.0 npm run test:clients -- java-admin -u
  await expect(stdout).toMatchFileSnapshot('java/admin/expected.tsv');
});
