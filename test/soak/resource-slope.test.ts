import { describe, expect, test } from 'vitest';
import { type ResourceSample, trendsOf } from './resource-slope.ts';

const MINUTES = 20;

/** A sample a second; memory goes up and down, and starts low. */
function samples(change: (seconds: number) => Partial<ResourceSample> = () => ({})): ResourceSample[] {
  return Array.from({ length: MINUTES * 60 }, (_, seconds) => ({
    seconds,
    residentBytes: 150e6 - 60e6 * Math.exp(-seconds / 30) + 15e6 * Math.sin(seconds / 7),
    openFiles: 80 + Math.round(10 * Math.sin(seconds / 11)),
    delayMs: seconds % 60 === 3 ? 200 : 4 + (seconds % 5),
    ...(seconds % 5 === 0 ? { liveBytes: 40e6 + 1e6 * Math.sin(seconds) } : {}),
    ...change(seconds),
  }));
}

function growing(list: readonly ResourceSample[]): string[] {
  return trendsOf(list).flatMap(({ resource, isSteady }) => (isSteady ? [] : [resource]));
}

describe('the trend of resources', () => {
  test('is steady for a process that warms up and then goes up and down', () => {
    expect(growing(samples())).toEqual([]);
  });

  test('is steady with a burst that is over', () => {
    expect(
      growing(samples(seconds => (seconds > 600 && seconds < 660 ? { residentBytes: 600e6 } : {}))),
    ).toEqual([]);
  });

  test('finds resident memory that grows by 6 MB a minute', () => {
    expect(growing(samples(seconds => ({ residentBytes: 150e6 + seconds * 100e3 })))).toEqual([
      'residentBytes',
    ]);
  });

  test('finds live memory that grows by half a MB a minute, whatever stands above it', () => {
    const leak = (seconds: number) => (seconds % 5 === 0 ? { liveBytes: 40e6 + seconds * 8.3e3 } : {});
    const garbage = (seconds: number) => ({ residentBytes: 190e6 + 40e6 * Math.sin(seconds / 57) });
    expect(growing(samples(seconds => ({ ...garbage(seconds), ...leak(seconds) })))).toEqual(['liveBytes']);
    expect(growing(samples(garbage))).toEqual([]);
  });

  test('finds two open files more each minute', () => {
    expect(growing(samples(seconds => ({ openFiles: 80 + Math.floor(seconds / 30) })))).toEqual([
      'openFiles',
    ]);
  });

  test('finds delays that get longer', () => {
    expect(growing(samples(seconds => ({ delayMs: 5 + seconds / 40 })))).toEqual(['delayMs']);
  });

  test('finds a leak in a process that lives for three minutes', () => {
    const short = samples(seconds => ({ residentBytes: 150e6 + seconds * 1e6 })).slice(0, 180);
    expect(growing(short)).toEqual(['residentBytes']);
    expect(growing(samples().slice(0, 180))).toEqual([]);
  });

  test('is not told from next to nothing', () => {
    expect(() => trendsOf(samples().slice(0, 5))).toThrow('too few');
  });
});
