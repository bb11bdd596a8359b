#!/usr/bin/env node
/*
 * Runs every check of the project on a machine that has Node, npm, Java, Maven, Python and Go: first the README's
 * test command, then the wider checks. Each step has a time limit and is ended with all that it started when that is
 * over. The last line of the output is "N passed, N failed"; the exit code is 0 only if nothing failed.
 *
 * `.ci/run NAME...` runs only the steps of those names.
 */
import { spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const MINUTE = 60_000;

/**
 * A step counts the tests that its output reports (vitest's summary line), or itself where it reports none.
 * @typedef {{ name: string, limitMinutes: number, run: (limitMs: number) => Promise<{ code: number, output: string }> }} Step
 */

/** @type {readonly Step[]} */
const steps = [
  { name: 'test', limitMinutes: 15, run: limit => command('npm', ['test'], limit) },
  { name: 'lint', limitMinutes: 3, run: limit => command('npm', ['run', 'lint'], limit) },
  { name: 'simulation', limitMinutes: 25, run: simulate },
  { name: 'every-byte', limitMinutes: 6, run: testEveryByte },
  { name: 'no-compiler', limitMinutes: 5, run: installWithoutCompiler },
  { name: 'current-node', limitMinutes: 12, run: testOnCurrentNode },
  { name: 'clients', limitMinutes: 25, run: limit => command('npm', ['run', 'test:clients'], limit) },
  { name: 'oracle', limitMinutes: 25, run: limit => command('npm', ['run', 'test:oracle'], limit) },
  { name: 'failover', limitMinutes: 10, run: testFailover },
  { name: 'conformance', limitMinutes: 20, run: testConformance },
  { name: 'bench', limitMinutes: 20, run: limit => command('npm', ['run', 'bench', '--', '--quick'], limit) },
];

/** Runs a command in a process group of its own, shows its output and ends the group at its time limit. */
function command(file, args, limitMs, options = {}) {
  return new Promise(resolve => {
    const child = spawn(file, args, {
      cwd: root,
      env: { ...process.env, CI: '1', NO_COLOR: '1', FORCE_COLOR: '0' },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
      ...options,
    });
    let output = '';
    const show = chunk => {
      output += chunk;
      process.stdout.write(chunk);
    };
    child.stdout.setEncoding('utf8').on('data', show);
    child.stderr.setEncoding('utf8').on('data', show);
    const endGroup = () => {
      try {
        process.kill(-child.pid, 'SIGKILL');
      } catch {
        // The group has ended.
      }
    };
    const timer = setTimeout(() => {
      show(`\n${file} ${args.join(' ')}: longer than ${limitMs / MINUTE} minutes\n`);
      endGroup();
    }, limitMs);
    child.on('error', error => {
      clearTimeout(timer);
      show(`${file}: ${error.message}\n`);
      resolve({ code: 1, output });
    });
    child.on('exit', code => {
      clearTimeout(timer);
      // What the step left running would hold its output open.
      endGroup();
      setTimeout(() => resolve({ code: code ?? 1, output }), 200);
    });
  });
}

/** A copy of what git would check out, without what was installed or built here. */
function cleanCopy(label) {
  const folder = mkdtempSync(join(tmpdir(), `odradek-ci-${label}-`));
  const left = new Set(['node_modules', 'dist', 'data', '.git', '.tools', '.bench', '.simulation', '.soak']);
  cpSync(root, folder, { recursive: true, filter: path => dirname(path) !== root || !left.has(path.slice(root.length + 1)) });
  return folder;
}

/** `npm ci` with a PATH that has Node, npm and a shell and no compiler; the broker must build and lz4 must work. */
async function installWithoutCompiler(limitMs) {
  const folder = cleanCopy('no-compiler');
  try {
    const bin = join(folder, '.path');
    mkdirSync(bin);
    for (const name of ['node', 'npm', 'npx', 'sh', 'env', 'uname', 'dirname', 'readlink', 'sed']) {
      const found = (process.env.PATH ?? '').split(delimiter).map(path => join(path, name)).find(existsSync);
      if (found !== undefined) symlinkSync(found, join(bin, name));
    }
    const options = { cwd: folder, env: { ...process.env, CI: '1', NO_COLOR: '1', PATH: bin } };
    const installed = await command('npm', ['ci', '--no-audit', '--no-fund'], limitMs, options);
    if (installed.code !== 0) return installed;
    const tests = ['vitest', 'run', '--config', 'test/vitest.config.ts', 'test/compression'];
    return await command('npx', ['--no-install', ...tests], limitMs, options);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * 300 seeds of the simulator, and then its canary: a deliberate defect, acks=all answered by the leader alone, that must
 * be found, or the seeds before it have shown nothing.
 */
async function simulate(limitMs) {
  const run = (...args) => command('npm', ['run', 'simulate', '--', ...args], limitMs);
  const seeds = await run('--seeds', '1..300');
  const canary = await run('--seeds', '1..40', '--mutant', 'canary', '--stop-on-failure', '--must-fail', '--json');
  return { code: seeds.code === 0 ? canary.code : seeds.code, output: seeds.output };
}

/** Each kind of failure once under traffic of every client; `npm run test:failover` has each three times. */
function testFailover(limitMs) {
  const env = { ...process.env, CI: '1', NO_COLOR: '1', FORCE_COLOR: '0', QUICK: '1' };
  return command('npm', ['run', 'test:failover'], limitMs, { env });
}

/**
 * Each program once, on one broker or on three, for a short time; `npm run conformance` has all, for minutes, and the
 * smoke test of Kafka Streams.
 */
function testConformance(limitMs) {
  const sizes = { STREAMS_BROKERS: '3', CONNECT_BROKERS: '1', CONNECT_WORKERS: '2', COPIER_BROKERS: '3', BANK_SECONDS: '20' };
  const env = { ...process.env, CI: '1', NO_COLOR: '1', FORCE_COLOR: '0', ...sizes };
  const leftOut = ['--exclude', 'test/conformance/streams-smoke.check.ts'];
  return command('npm', ['run', 'conformance', '--', ...leftOut], limitMs, { env });
}

/** A log cut at every byte of its last 64 KiB, where `npm test` takes a part of them. */
function testEveryByte(limitMs) {
  const env = { ...process.env, CI: '1', NO_COLOR: '1', ODRADEK_EVERY_BYTE: '1' };
  const tests = ['vitest', 'run', '--config', 'test/vitest.config.ts', 'test/log/log-recovery.test.ts'];
  return command('npx', ['--no-install', ...tests], limitMs, { env });
}

/** The unit tests once more on the newest Node: the npm package `node` brings its binary. */
async function testOnCurrentNode(limitMs) {
  const folder = join(root, '.tools', 'node-current');
  mkdirSync(folder, { recursive: true });
  const install = ['install', '--prefix', folder, '--no-audit', '--no-fund', '--no-save', 'node@latest'];
  const installed = await command('npm', install, limitMs);
  if (installed.code !== 0) return installed;
  const node = join(folder, 'node_modules', 'node', 'bin', 'node');
  const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');
  const PATH = `${dirname(node)}${delimiter}${process.env.PATH ?? ''}`;
  const options = { env: { ...process.env, CI: '1', NO_COLOR: '1', PATH } };
  return command(node, [vitest, 'run', '--config', 'test/vitest.config.ts'], limitMs, options);
}

/** The counts of vitest's summary lines ("Tests  2 failed | 35 passed | 1 skipped (38)"). */
function countTests(output) {
  let passed = 0;
  let failed = 0;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: colours that a tool printed all the same.
  for (const line of output.replaceAll(/\u001b\[[0-9;]*m/g, '').split('\n')) {
    if (!/^\s*Tests\s/.test(line)) continue;
    passed += Number(/(\d+) passed/.exec(line)?.[1] ?? 0);
    failed += Number(/(\d+) failed/.exec(line)?.[1] ?? 0);
  }
  return { passed, failed };
}

async function main() {
  const wanted = process.argv.slice(2);
  const unknown = wanted.filter(name => !steps.some(step => step.name === name));
  if (unknown.length > 0) {
    process.stderr.write(`no such step: ${unknown.join(', ')}; there are ${steps.map(({ name }) => name).join(', ')}\n`);
    return 2;
  }
  const summary = [];
  let passed = 0;
  let failed = 0;
  for (const step of steps.filter(({ name }) => wanted.length === 0 || wanted.includes(name))) {
    const startedAt = Date.now();
    process.stdout.write(`\n=== ${step.name}\n`);
    const { code, output } = await step.run(step.limitMinutes * MINUTE);
    const counts = countTests(output);
    if (counts.passed + counts.failed === 0 && code === 0) counts.passed = 1;
    if (counts.failed === 0 && code !== 0) counts.failed = 1;
    passed += counts.passed;
    failed += counts.failed;
    const seconds = Math.round((Date.now() - startedAt) / 1000);
    summary.push(`${step.name}: ${counts.passed} passed, ${counts.failed} failed, ${seconds} s`);
  }
  process.stdout.write(`\n=== summary\n${summary.join('\n')}\n${passed} passed, ${failed} failed\n`);
  return failed === 0 ? 0 : 1;
}

process.exitCode = await main();
