import { beforeEach, describe, expect, test } from 'vitest';
import { type LogEntry, MemoryLogger } from '../../src/base/logger.ts';
import { LoggingController } from '../../src/base/logging-controller.ts';
import { Errors, KafkaError } from '../../src/protocol/errors.ts';
import { RuntimeLoggerManager } from '../../src/server/runtime-logger-manager.ts';

const SET = 0;
const DELETE = 1;
const APPEND = 2;
const SUBTRACT = 3;

let lines: LogEntry[];
let logging: LoggingController;
let manager: RuntimeLoggerManager;

beforeEach(() => {
  lines = [];
  logging = new LoggingController(new MemoryLogger(lines), 'INFO');
  logging.root.child('log').child('cleaner');
  manager = new RuntimeLoggerManager(7, logging);
});

type Change = readonly [name: string, operation: number, value: string | null];

/** The code of the error; NONE for a change that was made, or could be. */
function alter(resourceName: string, changes: readonly Change[], validateOnly = false): number {
  const configs = changes.map(([name, configOperation, value]) => ({ name, configOperation, value }));
  try {
    manager.alter({ resourceType: 8, resourceName, configs }, validateOnly);
    return Errors.NONE;
  } catch (error) {
    if (!(error instanceof KafkaError)) throw error;
    return error.code;
  }
}

const levels = (): Record<string, string> => Object.fromEntries(logging.all());

describe('RuntimeLoggerManager', () => {
  test('describes every logger with the level that counts for it', () => {
    logging.setLevel('log', 'DEBUG');
    const common = {
      source: 6,
      readOnly: false,
      isSensitive: false,
      type: 0,
      documentation: '',
      synonyms: [],
    };
    expect(manager.describe('7')).toEqual([
      { name: 'root', value: 'INFO', ...common },
      { name: 'log', value: 'DEBUG', ...common },
      { name: 'log.cleaner', value: 'DEBUG', ...common },
    ]);
  });

  test('sets and deletes levels, and says so', () => {
    const set: Change[] = [
      ['log', SET, 'WARN'],
      ['root', SET, 'DEBUG'],
    ];
    expect(alter('7', set)).toBe(Errors.NONE);
    expect(levels()).toEqual({ root: 'DEBUG', log: 'WARN', 'log.cleaner': 'WARN' });
    expect(alter('7', [['log', DELETE, null]])).toBe(Errors.NONE);
    expect(levels()).toEqual({ root: 'DEBUG', log: 'DEBUG', 'log.cleaner': 'DEBUG' });
    const message = 'a logger has another level now';
    expect(lines).toMatchObject([
      { level: 'warn', message, fields: { name: 'log', from: 'INFO', to: 'WARN' } },
      { level: 'warn', message, fields: { name: 'root', from: 'INFO', to: 'DEBUG' } },
      { level: 'warn', message, fields: { name: 'log', from: 'WARN', to: 'DEBUG' } },
    ]);
  });

  test('deletes a level that was never set, and a value that comes with it counts for nothing', () => {
    expect(alter('7', [['log.cleaner', DELETE, 'LOUD']])).toBe(Errors.NONE);
    expect(levels()).toEqual({ root: 'INFO', log: 'INFO', 'log.cleaner': 'INFO' });
  });

  test('changes nothing when it is only asked whether it could', () => {
    expect(alter('7', [['log', SET, 'WARN']], true)).toBe(Errors.NONE);
    expect(alter('7', [['log', SET, 'LOUD']], true)).toBe(Errors.INVALID_CONFIG);
    expect(levels()).toEqual({ root: 'INFO', log: 'INFO', 'log.cleaner': 'INFO' });
  });

  test.each<[string, Change[], number]>([
    ['a logger that does not exist', [['nobody', SET, 'INFO']], Errors.INVALID_CONFIG],
    ['one to delete that does not exist', [['nobody', DELETE, null]], Errors.INVALID_CONFIG],
    ['the name of something that every object has', [['__proto__', SET, 'INFO']], Errors.INVALID_CONFIG],
    ['what is no level', [['log', SET, 'LOUD']], Errors.INVALID_CONFIG],
    ['a level in small letters', [['log', SET, 'debug']], Errors.INVALID_CONFIG],
    ['a level that only a start can give', [['log', SET, 'OFF']], Errors.INVALID_CONFIG],
    ['the level of the root to delete', [['root', DELETE, null]], Errors.INVALID_REQUEST],
    ['a level to append', [['log', APPEND, 'INFO']], Errors.INVALID_REQUEST],
    ['a level to subtract', [['log', SUBTRACT, 'INFO']], Errors.INVALID_REQUEST],
    ['an operation that there is not', [['log', 4, 'INFO']], Errors.INVALID_REQUEST],
    ['a level of null', [['log', SET, null]], Errors.INVALID_REQUEST],
    [
      'a logger twice',
      [
        ['log', SET, 'INFO'],
        ['log', SET, 'INFO'],
      ],
      Errors.INVALID_REQUEST,
    ],
  ])('refuses %s, and does nothing else of the request either', (_, changes, code) => {
    expect(alter('7', [['log.cleaner', SET, 'ERROR'], ...changes])).toBe(code);
    expect(levels()).toEqual({ root: 'INFO', log: 'INFO', 'log.cleaner': 'INFO' });
    expect(lines).toEqual([]);
  });

  test.each(['', '8', 'seven', '7.0', '0x7', ' 7', '99999999999'])('is not node %j', name => {
    expect(alter(name, [['log', SET, 'WARN']])).toBe(Errors.INVALID_REQUEST);
    expect(() => manager.describe(name)).toThrow(KafkaError);
    expect(levels()['log']).toBe('INFO');
  });

  test.each(['7', '07', '+7'])('is node %j, as Apache Kafka reads a number', name => {
    expect(alter(name, [['log', SET, 'WARN']])).toBe(Errors.NONE);
    expect(manager.describe(name)).toHaveLength(3);
  });
});
