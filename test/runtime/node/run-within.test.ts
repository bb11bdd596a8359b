import { describe, expect, test } from 'vitest';
import { createRunWithin } from '../../../src/runtime/node/run-within.ts';

describe('a run within a time', () => {
  const runWithin = createRunWithin();

  test('breaks off what does not end, without its catch and finally, and works again after that', () => {
    const ran: string[] = [];
    const endless = (): void => {
      try {
        for (;;);
      } catch {
        ran.push('catch');
      } finally {
        ran.push('finally');
      }
    };
    expect(runWithin(20, endless)).toBe(false);
    expect(runWithin(20, endless)).toBe(false);
    expect(runWithin(10_000, () => ran.push('another'))).toBe(true);
    expect(ran).toEqual(['another']);
  });

  test('breaks off a pattern that goes back and forth', () => {
    const endless = (): void => void /^(a+)+$/.test(`${'a'.repeat(60)}!`);
    expect(runWithin(20, endless)).toBe(false);
  });

  test('throws what is thrown, as it is', () => {
    const error = new TypeError('x');
    const fail = (): void => {
      throw error;
    };
    expect(() => runWithin(10_000, fail)).toThrow(error);
    const nothing = (): void => {
      throw null;
    };
    expect(() => runWithin(10_000, nothing)).toThrow();
  });
});
