import { describe, expect, test } from 'vitest';
import { LimitedLogger, MemoryLogger, silentLogger } from '../../src/base/logger.ts';

describe('LimitedLogger', () => {
  test('lets one line of a key through in each period and counts the others', () => {
    let now = 0;
    const memory = new MemoryLogger();
    const limited = new LimitedLogger(memory, () => now, 1000);
    for (let line = 0; line < 50; line++) limited.warn('a', 'refused', { line });
    limited.warn('b', 'refused too');
    now = 999;
    limited.warn('a', 'refused');
    now = 1000;
    limited.warn('a', 'refused', { line: 'last' });
    expect(memory.entries.map(({ message, fields }) => [message, fields])).toEqual([
      ['refused', { line: 0 }],
      ['refused too', {}],
      ['refused', { line: 'last', suppressed: 50 }],
    ]);
  });

  test('forgets the oldest of very many keys', () => {
    const memory = new MemoryLogger();
    const limited = new LimitedLogger(memory, () => 0, 1000);
    for (let key = 0; key < 5000; key++) limited.info(`${key}`, 'x');
    limited.info('4999', 'x');
    expect(memory.entries).toHaveLength(5000);
    limited.info('0', 'x');
    expect(memory.entries).toHaveLength(5001);
  });
});

test('a MemoryLogger shares its lines with its children, which carry their names', () => {
  const memory = new MemoryLogger();
  memory.child('raft').error('lost', { epoch: 3 });
  memory.info('hello');
  expect(memory.entries).toEqual([
    { level: 'error', name: 'raft', message: 'lost', fields: { epoch: 3 } },
    { level: 'info', name: '', message: 'hello', fields: {} },
  ]);
  expect(memory.messages('error')).toEqual(['lost']);
  expect(silentLogger.child('x')).toBe(silentLogger);
});
