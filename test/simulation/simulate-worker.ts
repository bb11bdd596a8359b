import { mutants } from './mutants/index.ts';
import { runSeed } from './run-seed.ts';

/** One seed to run. */
export interface SeedTask {
  readonly seed: number;
  /** Run it twice and compare the digests. */
  readonly verify: boolean;
}

/** What becomes of it; plain data. */
export interface SeedReport {
  readonly seed: number;
  readonly digest: string;
  readonly violations: readonly { readonly invariant: string; readonly message: string }[];
  readonly timeline: readonly string[];
  readonly reached: readonly (readonly [name: string, count: number])[];
  readonly events: number;
  readonly virtualMs: number;
  /** Of the processor, ms. */
  readonly ms: number;
}

/** Runs a seed, and once more if it is to be verified. */
export async function runTask({ seed, verify }: SeedTask): Promise<SeedReport> {
  const before = process.cpuUsage();
  const result = await runSeed(seed);
  const { user, system } = process.cpuUsage(before);
  const ms = (user + system) / 1000;
  const violations = [...result.violations];
  if (verify) {
    const again = await runSeed(seed);
    if (again.digest !== result.digest) {
      const message = `the second run has another digest: ${result.digest} and ${again.digest}`;
      violations.push({ invariant: 'determinism', message });
    }
  }
  return {
    seed,
    digest: result.digest,
    violations,
    timeline: violations.length === 0 ? [] : result.timeline,
    reached: [...result.reached],
    events: result.events,
    virtualMs: result.virtualMs,
    ms,
  };
}

/** The changes that make the production code wrong on purpose. */
export function applyMutant(name: string): void {
  const mutant = mutants.get(name);
  if (mutant === undefined)
    throw new Error(`no mutant '${name}'; there are ${[...mutants.keys()].join(', ')}`);
  mutant.apply();
}

// As a worker of the runner: the mutant, if any, is its argument.
if (process.send !== undefined) {
  const [, , mutant] = process.argv;
  if (mutant !== undefined) applyMutant(mutant);
  process.on('message', (task: SeedTask) => {
    void runTask(task).then(report => process.send!(report));
  });
}
