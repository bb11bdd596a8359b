import { type ChildProcess, spawn } from 'node:child_process';

/** What a finished command left behind. */
export interface CommandResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Written to the command's standard input, which is then closed. */
  readonly input?: string | Buffer;
  /** Leaves standard input open; the caller ends it through the child. */
  readonly keepInputOpen?: boolean;
  /** The command is killed after this long. Default 120,000. */
  readonly timeoutMs?: number;
  /** Exit codes other than 0 that are an answer and not a failure. */
  readonly allowedExitCodes?: readonly number[];
  /** Called with each whole line of standard output as it comes. */
  readonly onLine?: (line: string) => void;
}

/** A command that was started and may be awaited or ended. */
export interface RunningCommand {
  readonly child: ChildProcess;
  readonly result: Promise<CommandResult>;
}

/** Starts a command; its result rejects on a forbidden exit code or when its time is over. */
export function startCommand(
  file: string,
  args: readonly string[],
  options: CommandOptions = {},
): RunningCommand {
  const child = spawn(file, args, {
    cwd: options.cwd,
    env: options.env ?? process.env,
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const result = new Promise<CommandResult>((resolve, reject) => {
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    let partialLine = '';
    let timedOut = false;
    const timeoutMs = options.timeoutMs ?? 120_000;
    const timer = setTimeout(() => {
      timedOut = true;
      child.kill('SIGKILL');
    }, timeoutMs);
    child.stdout.on('data', (chunk: Buffer) => {
      stdout.push(chunk);
      if (options.onLine === undefined) return;
      const lines = (partialLine + chunk.toString('utf8')).split('\n');
      partialLine = lines.pop() ?? '';
      for (const line of lines) options.onLine(line);
    });
    child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
    child.on('error', error => {
      clearTimeout(timer);
      reject(error);
    });
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      const finished = {
        exitCode: code ?? 128,
        stdout: Buffer.concat(stdout).toString('utf8'),
        stderr: Buffer.concat(stderr).toString('utf8'),
      };
      const allowed = finished.exitCode === 0 || (options.allowedExitCodes ?? []).includes(finished.exitCode);
      if (allowed && !timedOut) return resolve(finished);
      const why = timedOut ? `took longer than ${timeoutMs} ms` : `ended with ${code ?? signal}`;
      const tail = (text: string) => text.slice(-3000);
      const command = [file, ...args].map(word => (word.length > 200 ? `${word.slice(0, 60)}...` : word));
      reject(new Error(`${command.join(' ')} ${why}\n${tail(finished.stdout)}\n${tail(finished.stderr)}`));
    });
    // A command that ends without reading its input breaks the pipe; its exit code tells enough.
    child.stdin.on('error', () => {});
    if (options.keepInputOpen !== true) child.stdin.end(options.input ?? '');
  });
  // The caller may look at the result much later; an early failure is not an unhandled rejection until then.
  result.catch(() => {});
  return { child, result };
}

/** Runs a command to its end. */
export function runCommand(
  file: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  return startCommand(file, args, options).result;
}
