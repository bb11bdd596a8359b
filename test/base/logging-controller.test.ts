import { beforeEach, describe, expect, test } from 'vitest';
import { type Logger, MemoryLogger } from '../../src/base/logger.ts';
import { LOGGER_LEVELS, type LoggerLevel, LoggingController } from '../../src/base/logging-controller.ts';

let memory: MemoryLogger;
let logging: LoggingController;

beforeEach(() => {
  memory = new MemoryLogger();
  logging = new LoggingController(memory, 'INFO');
});

/** The levels of the lines that `logger` lets through now. */
function passed(logger: Logger): string[] {
  memory.entries.length = 0;
  logger.debug('line');
  logger.info('line');
  logger.warn('line');
  logger.error('line');
  return memory.entries.map(({ level }) => level);
}

describe('LoggingController', () => {
  test.each<[LoggerLevel, string[]]>([
    ['TRACE', ['debug', 'info', 'warn', 'error']],
    ['DEBUG', ['debug', 'info', 'warn', 'error']],
    ['INFO', ['info', 'warn', 'error']],
    ['WARN', ['warn', 'error']],
    ['ERROR', ['error']],
    ['FATAL', []],
    ['OFF', []],
  ])('at %s the root lets the lines of that level and above through', (level, lines) => {
    expect(passed(new LoggingController(memory, level).root)).toEqual(lines);
    logging.setLevel('root', level);
    expect(passed(logging.root)).toEqual(lines);
  });

  test('passes message and fields on, under the full name', () => {
    logging.root.info('hello', { a: 1 });
    logging.root.child('log').child('cleaner').warn('slow');
    expect(memory.entries).toEqual([
      { level: 'info', name: '', message: 'hello', fields: { a: 1 } },
      { level: 'warn', name: 'log.cleaner', message: 'slow', fields: {} },
    ]);
  });

  test('a logger has the level of the name before its last dot until it has its own, and again after', () => {
    const log = logging.root.child('log');
    const cleaner = log.child('cleaner');
    const raft = logging.root.child('raft');
    const levels = () => [log, cleaner, raft].map(logger => passed(logger)[0]);
    expect(levels()).toEqual(['info', 'info', 'info']);
    logging.setLevel('log', 'DEBUG');
    expect(levels()).toEqual(['debug', 'debug', 'info']);
    logging.setLevel('log.cleaner', 'ERROR');
    logging.setLevel('root', 'WARN');
    expect(levels()).toEqual(['debug', 'error', 'warn']);
    expect([...logging.all()]).toEqual([
      ['root', 'WARN'],
      ['log', 'DEBUG'],
      ['log.cleaner', 'ERROR'],
      ['raft', 'WARN'],
    ]);
    logging.unsetLevel('log.cleaner');
    expect(levels()).toEqual(['debug', 'debug', 'warn']);
    logging.unsetLevel('log');
    expect(levels()).toEqual(['warn', 'warn', 'warn']);
  });

  test('a logger that is asked for later has the level that counts for its name', () => {
    logging.root.child('log');
    logging.setLevel('log', 'ERROR');
    expect(passed(logging.root.child('log').child('cleaner'))).toEqual(['error']);
  });

  test('one name is one logger, whoever asks for it', () => {
    expect(logging.root.child('log').child('cleaner')).toBe(logging.logger('log.cleaner'));
    expect(logging.exists('log.cleaner')).toBe(true);
    expect(logging.exists('cleaner')).toBe(false);
    expect(logging.exists('__proto__')).toBe(false);
  });

  test('the levels of two nodes have nothing to do with each other', () => {
    const other = new LoggingController(memory, 'INFO');
    logging.setLevel('root', 'ERROR');
    expect(passed(other.root)).toEqual(['info', 'warn', 'error']);
  });

  test('takes no level from the root, and gives none to what does not exist', () => {
    expect(() => logging.unsetLevel('root')).toThrow('root-level');
    expect(() => logging.setLevel('nobody', 'INFO')).toThrow('logger-exists');
    expect(() => logging.root.child('root')).toThrow('logger-name');
  });

  test("knows Kafka's six levels in their order", () => {
    expect(LOGGER_LEVELS).toEqual(['TRACE', 'DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL']);
  });
});
