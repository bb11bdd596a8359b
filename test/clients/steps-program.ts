import { join } from 'node:path';
import {
  buildFranzGo,
  compileJava,
  fetchPython,
  JAVA_FLAGS,
  type JavaClientVersion,
} from '../support/client-tools.ts';
import { projectRoot } from '../support/project.ts';
import { type RunningCommand, startCommand } from '../support/run-command.ts';
import { tabbedLines } from './records.ts';

const PROGRAM_MS = 600_000;
const STEP_MS = 60_000;

/** A program of `test/clients/{java,python,go}` with the name `steps`: a client that does what it is told. */
export class StepsProgram {
  private readonly command: RunningCommand;
  private readonly lines: string[][] = [];
  private wake: () => void = () => {};

  private constructor(file: string, args: readonly string[]) {
    this.command = startCommand(file, args, {
      keepInputOpen: true,
      timeoutMs: PROGRAM_MS,
      onLine: line => {
        this.lines.push(...tabbedLines(line));
        this.wake();
      },
    });
  }

  static async java(version: JavaClientVersion, bootstrap: string, clientId: string): Promise<StepsProgram> {
    const classPath = await compileJava('steps', version);
    return new StepsProgram('java', [...JAVA_FLAGS, '-cp', classPath, 'Main', bootstrap, clientId]);
  }

  static async confluentKafka(bootstrap: string, clientId: string): Promise<StepsProgram> {
    const program = join(projectRoot, 'test/clients/python/steps.py');
    return new StepsProgram(await fetchPython(), [program, bootstrap, clientId]);
  }

  static async franzGo(bootstrap: string, clientId: string): Promise<StepsProgram> {
    return new StepsProgram(await buildFranzGo('steps'), [bootstrap, clientId]);
  }

  /** Does one step. Returns the lines that it printed; rejects if it failed. */
  async step(...words: readonly (string | number)[]): Promise<string[][]> {
    this.command.child.stdin?.write(`${words.join('\t')}\n`);
    const answered = new Promise<string[]>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${words.join(' ')}: no answer`)), STEP_MS);
      this.command.result.then(
        ({ stderr }) => reject(new Error(`${words.join(' ')}: the program has ended: ${stderr}`)),
        reject,
      );
      this.wake = () => {
        const last = this.lines.at(-1);
        if (last?.[0] !== 'done' && last?.[0] !== 'failed') return;
        clearTimeout(timer);
        resolve(last);
      };
    });
    const [kind, , ...reason] = await answered;
    const printed = this.lines.splice(0).slice(0, -1);
    if (kind === 'failed') throw new Error(`${words.join(' ')}: ${reason.join(' ')}`);
    return printed;
  }

  async close(): Promise<void> {
    this.command.child.stdin?.end();
    await this.command.result.catch(() => {});
  }
}
