import { describe, expect, test } from 'vitest';
import { LimitedLogger, MemoryLogger } from '../../src/base/logger.ts';
import { Errors, KafkaError } from '../../src/protocol/errors.ts';
import { AutoTopicCreator } from '../../src/server/auto-topic-creator.ts';

function creator() {
  const logger = new MemoryLogger();
  const calls: {
    names: readonly string[];
    resolve(errors: Map<string, KafkaError | undefined>): void;
    reject(e: Error): void;
  }[] = [];
  const topics = new AutoTopicCreator(
    names => new Promise((resolve, reject) => calls.push({ names, resolve, reject })),
    new LimitedLogger(logger, () => 0, 1000),
  );
  return { topics, calls, logger };
}

const settle = () => new Promise<void>(resolve => setImmediate(resolve));

describe('AutoTopicCreator', () => {
  test('asks for a topic once at a time', async () => {
    const { topics, calls } = creator();
    topics.request(['a', 'b']);
    topics.request(['b', 'c']);
    topics.request(['a']);
    expect(calls.map(call => call.names)).toEqual([['a', 'b'], ['c']]);
    calls[0]!.resolve(new Map([['a', undefined]]));
    await settle();
    topics.request(['a', 'c']);
    expect(calls.at(-1)!.names).toEqual(['a']);
  });

  test('a failure is logged, and the topic may be asked for again', async () => {
    const { topics, calls, logger } = creator();
    topics.request(['a']);
    calls[0]!.resolve(new Map([['a', new KafkaError(Errors.INVALID_REPLICATION_FACTOR, 'too few brokers')]]));
    await settle();
    expect(logger.entries[0]!.fields).toEqual({
      topic: 'a',
      reason: 'INVALID_REPLICATION_FACTOR: too few brokers',
    });
    topics.request(['a']);
    calls[1]!.reject(new Error('no controller'));
    await settle();
    topics.request(['a']);
    expect(calls).toHaveLength(3);
  });

  test('holds a bounded number of names', () => {
    const { topics, calls } = creator();
    for (let i = 0; i < 50; i++) topics.request(Array.from({ length: 100 }, (_, j) => `t${i}-${j}`));
    expect(calls.reduce((sum, call) => sum + call.names.length, 0)).toBe(1000);
  });
});
