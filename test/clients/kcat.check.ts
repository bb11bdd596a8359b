import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type StartedTarget, startTarget } from '../support/broker-target.ts';
import { fetchKcat } from '../support/client-tools.ts';
import { runCommand } from '../support/run-command.ts';
import { createTopic } from './records.ts';

const LINES = 500;

let target: StartedTarget;

beforeAll(async () => {
  await fetchKcat();
  target = await startTarget('kcat');
});

afterAll(async () => {
  await target?.dispose();
});

async function kcat(args: string[], input?: string): Promise<string> {
  const options = input === undefined ? { timeoutMs: 60_000 } : { timeoutMs: 60_000, input };
  return (await runCommand('kcat', ['-b', target.broker.bootstrap, ...args], options)).stdout;
}

function lines(label: string): string[] {
  return Array.from({ length: LINES }, (_, i) => `${label}-${i}-${'x'.repeat(i % 97)}`);
}

describe('kcat', () => {
  test.each(['none', 'gzip', 'snappy', 'lz4', 'zstd'])('produces and consumes with %s', async codec => {
    const topic = `kcat-${codec}`;
    await createTopic(target.broker.bootstrap, topic, 1);
    const written = lines(codec);
    await kcat(['-P', '-t', topic, '-p', '0', '-X', `compression.codec=${codec}`], `${written.join('\n')}\n`);
    const read = await kcat(['-C', '-q', '-t', topic, '-p', '0', '-o', 'beginning', '-e']);
    expect(read.trim().split('\n')).toEqual(written);
  });

  test('lists brokers, topics and partitions', async () => {
    const listed = JSON.parse(await kcat(['-L', '-J'])) as {
      brokers: { id: number; name: string }[];
      topics: { topic: string; partitions: { partition: number; leader: number }[] }[];
    };
    expect(listed.brokers).toEqual([{ id: 1, name: target.broker.bootstrap }]);
    const topic = listed.topics.find(({ topic }) => topic === 'kcat-gzip');
    expect(topic?.partitions).toEqual([
      { partition: 0, leader: 1, replicas: [{ id: 1 }], isrs: [{ id: 1 }] },
    ]);
  });

  test('creates a topic by naming it, and writes keys and headers', async () => {
    const topic = 'kcat-created';
    await kcat(['-P', '-t', topic, '-K', ':', '-H', 'colour=blue'], 'a:1\nb:2\n');
    const format = ['-f', '%k %s %h %o\n'];
    const read = await kcat(['-C', '-q', '-t', topic, '-o', 'beginning', '-e', ...format]);
    expect(read).toBe('a 1 colour=blue 0\nb 2 colour=blue 1\n');
  });

  test('consumes from an offset, from the end and from a time', async () => {
    const topic = 'kcat-offsets';
    await createTopic(target.broker.bootstrap, topic, 1);
    await kcat(['-P', '-t', topic, '-p', '0'], 'one\ntwo\nthree\n');
    const between = Date.now();
    await new Promise(resolve => setTimeout(resolve, 30));
    await kcat(['-P', '-t', topic, '-p', '0'], 'four\nfive\n');
    const from = (start: string) => kcat(['-C', '-q', '-t', topic, '-p', '0', '-o', start, '-e']);
    expect(await from('1')).toBe('two\nthree\nfour\nfive\n');
    expect(await from('-2')).toBe('four\nfive\n');
    expect(await from(`s@${between + 1}`)).toBe('four\nfive\n');
    expect(await kcat(['-Q', '-t', `${topic}:0:${between + 1}`])).toContain('offset 3');
    expect(await kcat(['-Q', '-t', `${topic}:0:-1`])).toContain('offset 5');
    expect(await kcat(['-Q', '-t', `${topic}:0:-2`])).toContain('offset 0');
  });

  test('consumes in a group with the new records only once', async () => {
    const topic = 'kcat-group';
    await createTopic(target.broker.bootstrap, topic, 2);
    await kcat(['-P', '-t', topic, '-p', '0'], 'a\nb\n');
    await kcat(['-P', '-t', topic, '-p', '1'], 'c\n');
    const consume = () => kcat(['-q', '-X', 'auto.offset.reset=earliest', '-e', '-G', 'kcat-members', topic]);
    expect((await consume()).trim().split('\n').sort()).toEqual(['a', 'b', 'c']);
    await kcat(['-P', '-t', topic, '-p', '1'], 'd\n');
    expect(await consume()).toBe('d\n');
  });

  test('produces idempotently and with acks of 0 and 1', async () => {
    const topic = 'kcat-acks';
    await createTopic(target.broker.bootstrap, topic, 1);
    await kcat(['-P', '-t', topic, '-p', '0', '-X', 'enable.idempotence=true'], 'idempotent\n');
    await kcat(['-P', '-t', topic, '-p', '0', '-X', 'acks=1'], 'one\n');
    await kcat(['-P', '-t', topic, '-p', '0', '-X', 'acks=0'], 'zero\n');
    const read = await kcat(['-C', '-q', '-t', topic, '-p', '0', '-o', 'beginning', '-c', '3']);
    expect(read).toBe('idempotent\none\nzero\n');
  });
});
