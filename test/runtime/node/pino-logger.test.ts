import { mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Logger } from '../../../src/base/logger.ts';
import { createPinoLogger, escapeControl } from '../../../src/runtime/node/pino-logger.ts';

let directory: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'odradek-log-'));
});

afterEach(() => {
  rmSync(directory, { recursive: true });
});

/** What `write` leaves in the log, right after it. */
function logged(terminal: boolean, write: (logger: Logger) => void): string {
  const path = join(directory, 'log');
  write(createPinoLogger({ terminal, descriptor: openSync(path, 'w') }));
  return readFileSync(path, 'utf8');
}

describe('the log', () => {
  test('is one JSON object a line where it is not a terminal', () => {
    const text = logged(false, logger => {
      logger.debug('small');
      logger.info('plain');
      logger.child('raft').warn('elected', {
        epoch: 3,
        offset: 2n ** 60n,
        set: new Set([1]),
        map: new Map([['__proto__', 1]]),
      });
    });
    const lines = text
      .trimEnd()
      .split('\n')
      .map(line => JSON.parse(line));
    expect(lines).toMatchObject([
      { level: 'debug', msg: 'small' },
      { level: 'info', msg: 'plain' },
      { level: 'warn', name: 'raft', msg: 'elected', epoch: 3, offset: '1152921504606846976', set: [1] },
    ]);
    expect(lines[0].time).toMatch(/^\d{4}-\d\d-\d\dT/);
    expect(Object.keys(lines[2].map)).toEqual(['__proto__']);
    expect(lines[0]).not.toHaveProperty('pid');
  });

  test('is readable on a terminal', () => {
    const text = logged(true, logger => logger.child('raft').error('lost', { epoch: 3 }));
    expect(text.split('\n')).toHaveLength(2);
    expect(text).toContain('raft');
    expect(text).toContain('lost');
    expect(text).toContain('"epoch":3');
  });

  test.each([false, true])('holds no control byte of a client (terminal: %s)', terminal => {
    const hostile = 'a\u001b[2Jb\r\nc\u0000\u007f\u009b\u2028\u202e';
    const text = logged(terminal, logger =>
      logger.warn(`client ${hostile}`, { client: hostile, [hostile]: 1, error: new Error(hostile) }),
    );
    // biome-ignore lint/suspicious/noControlCharactersInRegex: colours are the only ones wanted
    const rest = text.replace(/\u001b\[\d*m/g, '').replace(terminal ? /\n/g : /\n$/, '');
    expect(rest).toMatch(/x0d\\+x0ac/);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what it is about
    expect(rest).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028\u202e]/);
    expect(rest).toContain('x1b[2Jb');
  });

  test('names the places of an error', () => {
    const error = Object.assign(new Error('disk'), { code: 'EIO', cause: new Error('deeper') });
    const line = JSON.parse(logged(false, logger => logger.error('failed', { error })));
    expect(line.error).toMatchObject({
      type: 'Error',
      message: 'disk',
      code: 'EIO',
      cause: { message: 'deeper' },
    });
    expect(line.error.stack[0]).toMatch(/^at .*pino-logger\.test\.ts/);
  });

  test('gives the size of bytes and not the bytes', () => {
    expect(logged(false, logger => logger.info('got', { key: Buffer.from('secret') }))).toContain(
      '(6 bytes)',
    );
  });
});

test('escapeControl leaves other text alone', () => {
  expect(escapeControl('plain ü 漢 😀 \\x41')).toBe('plain ü 漢 😀 \\x41');
  expect(escapeControl('\u0000\u001b\u2066')).toBe('\\x00\\x1b\\u2066');
});
