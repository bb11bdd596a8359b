import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { SeedReport } from '../simulate-worker.ts';
import { mutants } from './index.ts';
import type { Mutant } from './mutant.ts';

/*
 * node .simulation/test/simulation/mutants/run-mutants.js --seeds 30                 all mutants, up to 30 seeds each
 *                                                         --only canary,hw-of-leader-alone
 * How sharp the checkers are: each mutant runs seed after seed until one fails.
 */

/** A seed that takes longer, in real ms, counts as a failure: it is one that a person would see. */
const SEED_LIMIT_MS = 60_000;

interface Outcome {
  readonly mutant: Mutant;
  /** How many seeds it took; undefined if none failed. */
  readonly seedsToKill: number | undefined;
  /** What the failing seed showed. */
  readonly shown: string;
}

function write(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Runs seeds with the defect in a process of their own, until one fails. */
async function hunt(mutant: Mutant, firstSeed: number, seeds: number): Promise<Outcome> {
  const path = fileURLToPath(new URL('../simulate-worker.js', import.meta.url));
  const child = fork(path, [mutant.name], { stdio: ['ignore', 'ignore', 'ignore', 'ipc'] });
  try {
    for (let count = 1; count <= seeds; count++) {
      const shown = await new Promise<string | undefined>(resolve => {
        const timer = setTimeout(() => resolve('no end in real time'), SEED_LIMIT_MS);
        const finish = (result: string | undefined): void => {
          clearTimeout(timer);
          child.removeAllListeners();
          resolve(result);
        };
        child.once('exit', code => finish(`the process ended with code ${code}`));
        child.once('message', message => {
          const [first] = (message as SeedReport).violations;
          finish(first === undefined ? undefined : `${first.invariant}: ${first.message}`);
        });
        child.send({ seed: firstSeed + count - 1, verify: false });
      });
      if (shown !== undefined) return { mutant, seedsToKill: count, shown };
    }
    return { mutant, seedsToKill: undefined, shown: '' };
  } finally {
    child.removeAllListeners();
    child.kill('SIGKILL');
  }
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      seeds: { type: 'string', default: '30' },
      first: { type: 'string', default: '1' },
      only: { type: 'string' },
    },
  });
  const wanted = values.only?.split(',') ?? [...mutants.keys()];
  const outcomes: Outcome[] = [];
  for (const name of wanted) {
    const mutant = mutants.get(name);
    if (mutant === undefined)
      throw new Error(`no mutant '${name}'; there are ${[...mutants.keys()].join(', ')}`);
    const outcome = await hunt(mutant, Number(values.first), Number(values.seeds));
    outcomes.push(outcome);
    const { seedsToKill, shown } = outcome;
    const result = seedsToKill === undefined ? 'SURVIVED' : `seed ${seedsToKill}`;
    write(`${name.padEnd(36)} ${result.padEnd(9)} ${shown.slice(0, 120)}`);
  }
  const counts = outcomes.flatMap(({ seedsToKill }) => seedsToKill ?? []).sort((a, b) => a - b);
  const median = counts[Math.floor((counts.length - 1) / 2)];
  write(
    `killed ${counts.length} of ${outcomes.length}, median ${median ?? '-'} seeds, up to ${values.seeds} each`,
  );
  return counts.length === outcomes.length ? 0 : 1;
}

process.exitCode = await main();
