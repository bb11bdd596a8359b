import { describe, expect, it } from 'vitest';
import { SampledRate } from '../../src/base/sampled-rate.ts';

const WINDOW = { samples: 11, sampleMs: 1_000 };
const MB = 1_000_000;

/* The expected numbers are Kafka's formula by hand: total / window, and (rate - bound) / bound * window. */

describe('SampledRate', () => {
  it('takes the samples that there were not for idle ones', () => {
    const rate = new SampledRate(WINDOW);
    expect(rate.measure(0)).toBe(0);
    rate.record(11 * MB, 0);
    // 10 samples before this one: 11 MB in 10 s.
    expect(rate.windowMs(0)).toBe(10_000);
    expect(rate.measure(0)).toBe(1.1 * MB);
    // 11 MB in 10.5 s.
    expect(rate.windowMs(500)).toBe(10_500);
    expect(rate.measure(500)).toBeCloseTo(1_047_619.05, 1);
    // One full sample and 9 that there were not.
    expect(rate.windowMs(1_000)).toBe(10_000);
    expect(rate.measure(10_500)).toBeCloseTo(1_047_619.05, 1);
  });

  it('gives the time in which the rate comes down to the bound', () => {
    const rate = new SampledRate(WINDOW);
    rate.record(10 * MB, 0);
    expect(rate.throttleMs(MB, 0)).toBe(0);
    rate.record(MB, 0);
    expect(rate.throttleMs(MB, 0)).toBe(1_000);
    // (1047619.05 - 1000000) / 1000000 * 10500
    expect(rate.throttleMs(MB, 500)).toBe(500);
    expect(rate.throttleMs(2 * MB, 0)).toBe(0);
    expect(rate.throttleMs(0, 0)).toBe(Number.POSITIVE_INFINITY);
  });

  it('goes over what the window holds, and forgets a sample when its last value is as old', () => {
    const rate = new SampledRate({ samples: 3, sampleMs: 1_000 });
    for (let ms = 0; ms <= 4_000; ms += 500) rate.record(100, ms);
    // Samples begin at 0 (0, 500), 1000, 2000, 3000 and 4000; the one of 0 gave its place to that of 4000.
    // Those of 1000 to 3000 hold 200 each, the current one 100: 700 in 3 s.
    expect(rate.windowMs(4_000)).toBe(3_000);
    expect(rate.measure(4_000)).toBeCloseTo(233.333, 3);
    // The last value of the sample of 1000 is of 1500.
    expect(rate.windowMs(4_499)).toBe(3_499);
    expect(rate.windowMs(4_500)).toBe(2_500);
    expect(rate.measure(4_500)).toBe(200);
    expect(rate.measure(7_000)).toBe(0);
  });

  it('takes back what did not come about', () => {
    const rate = new SampledRate(WINDOW);
    rate.record(500, 100);
    rate.record(7_000, 100);
    rate.record(-7_000, 100);
    expect(rate.measure(100)).toBe(50);
  });

  it('goes over the elapsed time where that is asked for, of one sample at least', () => {
    const rate = new SampledRate(WINDOW, 'elapsed');
    rate.record(500, 0);
    expect(rate.measure(0)).toBe(500);
    expect(rate.measure(1_000)).toBe(500);
    expect(rate.measure(2_000)).toBe(250);
    rate.record(500, 2_000);
    expect(rate.measure(4_000)).toBe(250);
    // The first sample is forgotten at 11000.
    expect(rate.measure(12_000)).toBe(50);
  });

  it('has a window of one sample too', () => {
    const rate = new SampledRate({ samples: 1, sampleMs: 1_000 });
    rate.record(10, 5);
    expect(rate.measure(5)).toBe(10_000);
    expect(rate.measure(505)).toBe(20);
    expect(rate.measure(1_005)).toBe(0);
  });
});
