import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { takeLock } from '../../../src/runtime/node/node-disk-lock.ts';
import { LockedError } from '../../../src/runtime/runtime.ts';

const BUILT = new URL('../../../dist/runtime/node/node-disk-lock.js', import.meta.url);

let directory: string;
let path: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'odradek-lock-'));
  path = join(directory, '.lock');
});

afterEach(() => {
  rmSync(directory, { recursive: true });
});

function holderOf(lockPath: string): number | 'free' | undefined {
  try {
    takeLock(lockPath).release();
    return 'free';
  } catch (error) {
    if (error instanceof LockedError) return error.holderPid;
    throw error;
  }
}

function exited(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise(resolve => child.on('exit', () => resolve()));
}

describe('the lock of a directory', () => {
  test('is held by one, names its process, and is free after its release', () => {
    const lock = takeLock(path);
    expect(holderOf(path)).toBe(process.pid);
    lock.release();
    expect(holderOf(path)).toBe('free');
    expect(readdirSync(directory)).toEqual([]);
  });

  test('is held by another process as long as that lives', async () => {
    const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
    try {
      const stat = existsSync('/proc/self/stat') ? startTime(child.pid!) : '-';
      writeFileSync(path, `${child.pid} ${stat} 0123456789abcdef\n`);
      expect(holderOf(path)).toBe(child.pid);
    } finally {
      child.kill('SIGKILL');
      await exited(child);
    }
    expect(holderOf(path)).toBe('free');
  });

  test.runIf(existsSync('/proc/self/stat'))('is free if the process id was given to another process', () => {
    writeFileSync(path, `${process.pid} 1@00000000 0123456789abcdef\n`);
    expect(holderOf(path)).toBe('free');
  });

  test('is free if the file says nothing of ours', () => {
    for (const content of ['', '\0\0\0\0', 'x'.repeat(5000), '1 - zz\n']) {
      writeFileSync(path, content);
      expect(holderOf(path), JSON.stringify(content.slice(0, 10))).toBe('free');
    }
  });

  test('is taken over when a process died in the middle of taking it over', () => {
    const dead = deadPid();
    writeFileSync(path, `${dead} - aaaaaaaaaaaaaaaa\n`);
    writeFileSync(`${path}.aaaaaaaaaaaaaaaa`, `${dead} - bbbbbbbbbbbbbbbb\n`);
    writeFileSync(`${path}.bbbbbbbbbbbbbbbb`, `${dead} - cccccccccccccccc\n`);
    const lock = takeLock(path);
    expect(readFileSync(path, 'latin1')).toMatch(new RegExp(`^${process.pid} `));
    lock.release();
    expect(readdirSync(directory)).toEqual([]);
  });

  test('is not taken while another process is taking it over', () => {
    writeFileSync(path, `${deadPid()} - aaaaaaaaaaaaaaaa\n`);
    writeFileSync(`${path}.aaaaaaaaaaaaaaaa`, `${process.pid} - bbbbbbbbbbbbbbbb\n`);
    expect(holderOf(path)).toBe(process.pid);
  });

  test.runIf(existsSync(BUILT))('is taken by one of many that find the same dead claim at once', async () => {
    writeFileSync(path, `${deadPid()} - aaaaaaaaaaaaaaaa\n`);
    const contenders = Array.from({ length: 6 }, () => contend(path));
    const answers = await Promise.all(contenders.map(each => each.answer));
    expect(answers.sort()).toEqual(['lost', 'lost', 'lost', 'lost', 'lost', 'won']);
    for (const { child } of contenders) child.stdin!.end();
    await Promise.all(contenders.map(({ child }) => exited(child)));
    expect(readdirSync(directory)).toEqual(['.lock']);
  });

  test('is not removed by one who no longer holds it', () => {
    const lock = takeLock(path);
    writeFileSync(path, `${process.pid} - 0123456789abcdef\n`);
    lock.release();
    expect(existsSync(path)).toBe(true);
  });
});

/** A process that tries to take the lock, says how it went, and keeps it until its input ends. */
function contend(lockPath: string): { child: ChildProcess; answer: Promise<string> } {
  const program = `
    import { takeLock } from '${BUILT.href}';
    try { takeLock(process.argv[1]); process.stdout.write('won'); }
    catch (error) { process.stdout.write(error.name === 'LockedError' ? 'lost' : String(error)); }
    process.stdin.resume();`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program, lockPath]);
  const answer = new Promise<string>(resolve => child.stdout.once('data', data => resolve(String(data))));
  return { child, answer };
}

function startTime(pid: number): string {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  const ticks = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
  return `${ticks}@${readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').slice(0, 8)}`;
}

function deadPid(): number {
  return spawnSync(process.execPath, ['-e', '']).pid;
}
