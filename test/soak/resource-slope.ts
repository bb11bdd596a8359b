/** What one process used at one moment. */
export interface ResourceSample {
  /** Since the process began to serve. */
  readonly seconds: number;
  readonly residentBytes: number;
  /** In use once all garbage was collected; looked at once a minute. */
  readonly liveBytes?: number;
  readonly openFiles: number;
  /** The longest that a request had to wait which costs nothing itself, since the sample before. */
  readonly delayMs: number;
}

type Resource = Exclude<keyof ResourceSample, 'seconds'>;

/**
 * How much more of a resource, at the end of what is looked at, is still no slope: what comes and goes with the load.
 * Resident memory goes up and down over some six minutes, with the garbage that is not collected yet, and malloc keeps
 * what it once had: only live memory says whether something leaks.
 */
const LIMITS: Readonly<Record<Resource, { share: number; amount: number }>> = {
  residentBytes: { share: 0.35, amount: 24e6 },
  liveBytes: { share: 0.1, amount: 4e6 },
  openFiles: { share: 0.2, amount: 10 },
  delayMs: { share: 0.5, amount: 10 },
};

/** Caches fill, code is compiled, retention comes to delete for the first time. */
const WARM_UP_SECONDS = 120;
const WARM_UP_SHARE_MAX = 0.4;
/** Medians of this many parts are compared: a single sample says little. */
const PARTS = 12;

export interface Trend {
  readonly resource: Resource;
  /** The median of all that was looked at. */
  readonly usual: number;
  /** What the slope adds from the first part to the last. */
  readonly growth: number;
  readonly isSteady: boolean;
}

/** Where each resource goes in one life of a process, warm-up left out. */
export function trendsOf(samples: readonly ResourceSample[]): Trend[] {
  const end = samples.at(-1)?.seconds ?? 0;
  const from = Math.min(WARM_UP_SECONDS, end * WARM_UP_SHARE_MAX);
  const looked = samples.filter(({ seconds }) => seconds >= from);
  return (Object.keys(LIMITS) as Resource[]).map(resource => {
    const values = looked.flatMap(sample => sample[resource] ?? []);
    const parts = Array.from({ length: PARTS }, (_, part) => {
      const size = values.length / PARTS;
      return median(values.slice(Math.floor(part * size), Math.floor((part + 1) * size)));
    });
    if (parts.some(Number.isNaN)) throw new Error(`${values.length} samples are too few to tell a slope`);
    const usual = median(parts);
    const growth = slopeOf(parts) * (PARTS - 1);
    const { share, amount } = LIMITS[resource];
    return { resource, usual, growth, isSteady: growth <= Math.max(amount, share * usual) };
  });
}

/** The median of the slopes between all pairs (Theil and Sen): a few outliers do not move it. Per part. */
function slopeOf(values: readonly number[]): number {
  const slopes: number[] = [];
  for (let right = 1; right < values.length; right++) {
    for (let left = 0; left < right; left++) slopes.push((values[right]! - values[left]!) / (right - left));
  }
  return median(slopes);
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
