import { randomBytes } from 'node:crypto';
import * as fs from 'node:fs';
import { type DiskError, type DiskLock, LockedError } from '../runtime.ts';

/*
 * Node has no flock, so the lock file holds a claim: the process, when that process started (a pid alone may have been
 * given to another one since), and a token that no other claim has.
 *
 * A free lock is taken by link(2) of a finished claim to the lock's name, which fails if the name is there. A claim
 * whose process is gone is succeeded, never removed: the claim of the successor is linked to `<lock>.<token of the dead
 * claim>`, and only one process can have that name; it then checks that the lock still holds the dead claim and renames
 * its own over it. So of two starters that find the same dead claim one wins and the other finds it alive.
 *
 * Apache Kafka locks the same file with fcntl. Node cannot ask for such a lock, but Linux lists them in /proc/locks.
 */

interface Claim {
  readonly pid: number;
  /** Of the process, in the system's own units; '' where the system does not tell. */
  readonly startTime: string;
  readonly token: string;
}

const ATTEMPTS_MAX = 100;

/** Takes the lock or throws {@link LockedError}. */
export function takeLock(path: string): DiskLock {
  const foreign = lockingProcess(path);
  if (foreign !== undefined) throw new LockedError(path, foreign);

  const own: Claim = {
    pid: process.pid,
    startTime: startTimeOf(process.pid),
    token: randomBytes(8).toString('hex'),
  };
  const draft = `${path}.${own.token}.tmp`;
  fs.writeFileSync(draft, `${own.pid} ${own.startTime || '-'} ${own.token}\n`, { flag: 'wx', mode: 0o644 });
  try {
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      if (tryLink(draft, path) || trySucceed(path, draft)) return new HeldLock(path, own.token);
    }
  } finally {
    fs.rmSync(draft, { force: true });
  }
  throw new LockedError(path, undefined);
}

class HeldLock implements DiskLock {
  private readonly path: string;
  private readonly token: string;

  constructor(path: string, token: string) {
    this.path = path;
    this.token = token;
  }

  release(): void {
    if (readClaim(this.path)?.token === this.token) fs.rmSync(this.path, { force: true });
  }
}

/** Takes over from a dead claim. `false` if the lock changed meanwhile; throws {@link LockedError} if it is held. */
function trySucceed(path: string, draft: string): boolean {
  const dead = readClaim(path);
  if (dead === undefined) return false;
  if (isAlive(dead)) throw new LockedError(path, dead.pid);

  // A process may have died between the two steps of its own succession: then that claim is the one to succeed.
  const steps = [`${path}.${dead.token}`];
  while (!tryLink(draft, steps.at(-1)!)) {
    const successor = readClaim(steps.at(-1)!);
    if (successor === undefined) return false;
    if (isAlive(successor)) throw new LockedError(path, successor.pid);
    steps.push(`${path}.${successor.token}`);
  }
  const unchanged = readClaim(path)?.token === dead.token;
  if (unchanged) fs.renameSync(draft, path);
  for (const step of unchanged ? steps : [steps.at(-1)!]) fs.rmSync(step, { force: true });
  return unchanged;
}

function tryLink(from: string, to: string): boolean {
  try {
    fs.linkSync(from, to);
    return true;
  } catch (error) {
    const { code } = error as DiskError;
    if (code === 'EEXIST') return false;
    if (code !== 'EPERM' && code !== 'ENOTSUP' && code !== 'ENOSYS') throw error;
    return tryCopy(from, to);
  }
}

/** For file systems without links: as exclusive, but a reader may see the file before its content is there. */
function tryCopy(from: string, to: string): boolean {
  try {
    fs.copyFileSync(from, to, fs.constants.COPYFILE_EXCL);
    return true;
  } catch (error) {
    if ((error as DiskError).code === 'EEXIST') return false;
    throw error;
  }
}

/**
 * The claim in the file; one of no living process if the file says nothing (Kafka's is empty); `undefined` if there is
 * no file.
 */
function readClaim(path: string): Claim | undefined {
  let text: string;
  try {
    text = fs.readFileSync(path, 'latin1');
  } catch (error) {
    if ((error as DiskError).code === 'ENOENT') return undefined;
    throw error;
  }
  const [, pid, startTime, token] = /^(\d{1,10}) (\S{1,40}) ([0-9a-f]{16})\n$/.exec(text) ?? [];
  if (pid === undefined) return { pid: 0, startTime: '', token: 'none' };
  return { pid: Number(pid), startTime: startTime === '-' ? '' : startTime!, token: token! };
}

function isAlive(claim: Claim): boolean {
  if (claim.pid === 0) return false;
  try {
    process.kill(claim.pid, 0);
  } catch (error) {
    // EPERM: it is there, and another user's.
    if ((error as DiskError).code !== 'EPERM') return false;
  }
  const startTime = startTimeOf(claim.pid);
  return startTime === '' || claim.startTime === '' || startTime === claim.startTime;
}

/** Field 22 of /proc/PID/stat, in clock ticks since the machine started, with the id of that start. */
function startTimeOf(pid: number): string {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The second field is the name of the program in parentheses and may hold anything.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const boot = fs.readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').slice(0, 8);
    // A zombie has ended and only waits to be noticed.
    if (fields[0] === 'Z') return 'ended';
    return `${fields[19]}@${boot}`;
  } catch {
    return '';
  }
}

/** The process that holds an fcntl lock on the file, where the system lists them. */
function lockingProcess(path: string): number | undefined {
  const stat = fs.statSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return undefined;
  let table: string;
  try {
    table = fs.readFileSync('/proc/locks', 'latin1');
  } catch {
    return undefined;
  }
  for (const line of table.split('\n')) {
    const found = /POSIX .* (\d+) [0-9a-f]+:[0-9a-f]+:(\d+) /.exec(line);
    if (found !== null && Number(found[2]) === stat.ino && hasOpen(Number(found[1]), stat))
      return Number(found[1]);
  }
  return undefined;
}

/** Whether the process has the file open; also true if it cannot be asked. Inode numbers repeat across file systems. */
function hasOpen(pid: number, stat: fs.Stats): boolean {
  try {
    for (const fd of fs.readdirSync(`/proc/${pid}/fd`)) {
      const open = fs.statSync(`/proc/${pid}/fd/${fd}`, { throwIfNoEntry: false });
      if (open !== undefined && open.ino === stat.ino && open.dev === stat.dev) return true;
    }
    return false;
  } catch {
    return true;
  }
}
