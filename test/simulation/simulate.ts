import { type ChildProcess, execFileSync, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { runSeed } from './run-seed.ts';
import { applyMutant, runTask, type SeedReport, type SeedTask } from './simulate-worker.ts';

/*
 * npm run simulate -- --seeds 1..300      runs these seeds in two processes
 *                     --seed 17           replays one in this process, and prints its timeline
 *                     --minutes 10        runs new seeds for so long
 * See docs/SIMULATION.md.
 */

const WORKERS = 2;
/** A seed that takes longer, in real ms, loops without virtual time passing. */
const SEED_LIMIT_MS = 180_000;
/** A process is replaced after so many seeds. */
const SEEDS_PER_WORKER = 100;

/** States that a campaign of a few hundred seeds must have reached, or it tests less than it seems to. */
const WANTED = [
  'fault kill',
  'fault powerLoss',
  'fault lateBytes',
  'fault isolate',
  'fault wipe',
  'a leader of a partition changed',
  'the active controller changed',
  'an ISR shrank to one',
  'a follower truncated',
  'a snapshot of the metadata was fetched',
  'died between two operations of the disk',
  'died in recovery',
  'a proposed ISR was held up',
  'a proposed ISR arrived twice',
  'a deposed leader was in sync again at once',
  'a follower ended after an acknowledgement',
  'all voters woke up at once',
  'a voter came back that was behind',
  'a voter ended after a vote',
  'something of an earlier life arrived in the next one',
  'a leader was cut off as soon as it led',
  'two voters ran for leader in one epoch',
  'a follower fetched from a damaged log',
  'an ISR was proposed on top of an older state',
  'a replica was taken away',
  'a broker outlived a full disk',
  'a log was compacted',
  'a transaction was committed',
  'a transaction was ended by timeout',
  'a producer was fenced',
  'a coordinator moved with a prepared transaction',
  'a marker was sent again',
  'a marker of a replaced coordinator arrived',
  'a late EndTxnRequest met a later transaction',
  'a late ProduceRequest met a later transaction',
  'a producer took up the new protocol',
  'a producer went back to the old protocol',
];
/** A campaign of so many seeds, without a defect, fails if it has not reached all of {@link WANTED}. */
const SEEDS_TO_REACH_ALL = 300;

interface Options {
  readonly seeds: readonly number[];
  /** Every so many seeds one runs twice; 0 for none. */
  readonly verify: number;
  readonly mutant: string | undefined;
  readonly stopOnFailure: boolean;
  readonly json: boolean;
  readonly untilMs: number;
}

function write(line: string): void {
  process.stdout.write(`${line}\n`);
}

function commit(): string {
  try {
    const git = (...args: string[]): string =>
      execFileSync('git', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
    return `${git('rev-parse', '--short', 'HEAD')}${git('status', '--porcelain') === '' ? '' : '+changes'}`;
  } catch {
    return 'unknown commit';
  }
}

function printFailure(report: SeedReport, mutant: string | undefined): void {
  const { seed, violations, timeline } = report;
  write(`\nseed ${seed}@${commit()} FAILED`);
  for (const { invariant, message } of violations.slice(0, 5)) write(`  ${invariant}: ${message}`);
  for (const line of timeline) write(`  ${line}`);
  write(`  replay: npm run simulate -- --seed ${seed}${mutant === undefined ? '' : ` --mutant ${mutant}`}\n`);
}

/** A process that runs one seed at a time. */
class Worker {
  private readonly mutant: string | undefined;
  private child: ChildProcess | undefined;
  private seeds = 0;

  constructor(mutant: string | undefined) {
    this.mutant = mutant;
  }

  run(task: SeedTask): Promise<SeedReport> {
    if (this.seeds++ % SEEDS_PER_WORKER === 0) this.stop();
    const path = fileURLToPath(new URL('./simulate-worker.js', import.meta.url));
    this.child ??= fork(path, this.mutant === undefined ? [] : [this.mutant], {
      execArgv: ['--max-old-space-size=1500'],
    });
    const { child } = this;
    return new Promise(resolve => {
      const finish = (report: SeedReport): void => {
        clearTimeout(timer);
        child.removeAllListeners();
        resolve(report);
      };
      const fail = (message: string): void => {
        this.stop();
        const violations = [{ invariant: 'X9', message }];
        finish({
          ...task,
          digest: '',
          violations,
          timeline: [],
          reached: [],
          events: 0,
          virtualMs: 0,
          ms: 0,
        });
      };
      const timer = setTimeout(() => fail('the seed did not end in real time'), SEED_LIMIT_MS);
      child.once('message', finish);
      child.send(task);
      child.once('exit', code => fail(`the process of the seed ended with code ${code}`));
    });
  }

  stop(): void {
    this.child?.removeAllListeners();
    this.child?.kill('SIGKILL');
    this.child = undefined;
  }
}

/** Runs the seeds; gives how many failed. */
async function campaign({ seeds, verify, mutant, stopOnFailure, json, untilMs }: Options): Promise<number> {
  const beganMs = performance.now();
  const reached = new Map<string, number>();
  const reports: SeedReport[] = [];
  const failures: SeedReport[] = [];
  const queue = seeds.values();
  const work = async (): Promise<void> => {
    const worker = new Worker(mutant);
    for (const seed of queue) {
      if (performance.now() - beganMs > untilMs || (stopOnFailure && failures.length > 0)) break;
      const report = await worker.run({ seed, verify: verify > 0 && seed % verify === 0 });
      reports.push(report);
      for (const [name, count] of report.reached) reached.set(name, (reached.get(name) ?? 0) + count);
      if (report.violations.length > 0) failures.push(report);
      if (json) {
        const { digest, violations, ms, events } = report;
        write(
          JSON.stringify({
            seed,
            ok: violations.length === 0,
            digest,
            ms: Math.round(ms),
            events,
            violations,
          }),
        );
      } else if (report.violations.length > 0) {
        printFailure(report, mutant);
      } else if (reports.length % 50 === 0) {
        write(`${reports.length} seeds, ${failures.length} failed`);
      }
    }
    worker.stop();
  };
  await Promise.all(Array.from({ length: WORKERS }, work));
  if (json) return failures.length;

  const seconds = (performance.now() - beganMs) / 1000;
  const total = (pick: (report: SeedReport) => number): number =>
    reports.reduce((sum, report) => sum + pick(report), 0);
  write(
    `reached: ${[...reached]
      .sort()
      .map(([name, count]) => `${name} ${count}`)
      .join(', ')}`,
  );
  const missed = WANTED.filter(name => !reached.has(name));
  for (const name of missed) write(`NEVER REACHED: ${name}`);
  write(
    `${reports.length} seeds in ${seconds.toFixed(0)} s (${(total(({ ms }) => ms) / reports.length).toFixed(0)} ms ` +
      `each, ${(total(({ virtualMs }) => virtualMs) / 60_000).toFixed(0)} virtual minutes, ` +
      `${total(({ events }) => events)} events), digests of one in ${verify} compared`,
  );
  const names = failures.map(({ seed, violations }) => `${seed} ${violations[0]!.invariant}`);
  write(failures.length === 0 ? 'no seed failed' : `${failures.length} failed: ${names.join(', ')}`);
  // What the summary of .ci/run counts.
  write(`Tests  ${failures.length} failed | ${reports.length - failures.length} passed (${reports.length})`);
  if (missed.length === 0 || mutant !== undefined || reports.length < SEEDS_TO_REACH_ALL)
    return failures.length;
  write(
    `${missed.length} states that this campaign is for were never reached: it has tested less than it should`,
  );
  return failures.length + missed.length;
}

/** Runs one seed here and prints all of it. With `twice`, says where a second run goes another way. */
async function replay(
  seed: number,
  mutant: string | undefined,
  twice: boolean,
  trace: boolean,
): Promise<number> {
  if (mutant !== undefined) applyMutant(mutant);
  if (twice || trace) {
    const first: string[] = [];
    const second: string[] = [];
    await runSeed(seed, { onTrace: item => (trace ? write(item) : first.push(item)) });
    if (!twice) return 0;
    await runSeed(seed, { onTrace: item => second.push(item) });
    const at = first.findIndex((item, index) => item !== second[index]);
    write(at < 0 ? `equal: ${first.length} items` : `the runs part at item ${at} of ${first.length}`);
    if (at >= 0) {
      for (const item of first.slice(Math.max(0, at - 5), at)) write(`  both   ${item}`);
      for (const item of first.slice(at, at + 3)) write(`  first  ${item}`);
      for (const item of second.slice(at, at + 3)) write(`  second ${item}`);
    }
    return at < 0 ? 0 : 1;
  }
  const report = await runTask({ seed, verify: false });
  const { digest, events, virtualMs, ms } = report;
  if (report.violations.length > 0) printFailure(report, mutant);
  write(
    `seed ${seed}: digest ${digest}, ${events} events, ${Math.round(virtualMs)} virtual ms, ${Math.round(ms)} ms`,
  );
  write(`reached: ${report.reached.map(([name, count]) => `${name} ${count}`).join(', ')}`);
  return report.violations.length === 0 ? 0 : 1;
}

/** `300`, `5..20` or `3,8,9`. */
function parseSeeds(text: string): number[] {
  const [, low, high] = /^(\d+)\.\.(\d+)$/.exec(text) ?? [];
  if (low !== undefined)
    return Array.from({ length: Number(high) - Number(low) + 1 }, (_, index) => Number(low) + index);
  if (text.includes(',')) return text.split(',').map(Number);
  return Array.from({ length: Number(text) }, (_, index) => index + 1);
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      seed: { type: 'string' },
      seeds: { type: 'string' },
      minutes: { type: 'string' },
      verify: { type: 'string', default: '10' },
      mutant: { type: 'string' },
      'stop-on-failure': { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      twice: { type: 'boolean', default: false },
      trace: { type: 'boolean', default: false },
      'must-fail': { type: 'boolean', default: false },
    },
  });
  if (values.seed !== undefined)
    return replay(Number(values.seed), values.mutant, values.twice, values.trace);
  const minutes = values.minutes === undefined ? undefined : Number(values.minutes);
  const first = Math.floor(Math.random() * 1e9);
  const failed = await campaign({
    seeds:
      minutes === undefined || values.seeds !== undefined
        ? parseSeeds(values.seeds ?? '300')
        : Array.from({ length: 1e6 }, (_, index) => first + index),
    verify: Number(values.verify),
    mutant: values.mutant,
    stopOnFailure: values['stop-on-failure'],
    json: values.json,
    untilMs: minutes === undefined ? Number.POSITIVE_INFINITY : minutes * 60_000,
  });
  if (!values['must-fail']) return failed === 0 ? 0 : 1;
  write(failed > 0 ? 'the mutant was found' : 'the mutant was NOT found: the simulator does not see it');
  return failed > 0 ? 0 : 1;
}

process.exitCode = await main();
