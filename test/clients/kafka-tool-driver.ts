import { fetchApacheKafka } from '../support/apache-kafka.ts';
import { compileJava } from '../support/client-tools.ts';
import { type CommandResult, type RunningCommand, startCommand } from '../support/run-command.ts';

const SESSION_MS = 900_000;
const ANSWER_MS = 90_000;
const FLAGS = ['-Xmx256M', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Djava.awt.headless=true'];

/**
 * Apache Kafka's command-line tools, one after the other in one JVM: the start of a JVM takes longer than most of what
 * the tools do. What they log is not part of their output here.
 */
export class KafkaToolDriver {
  private readonly command: RunningCommand;
  private waiting: ((line: string) => void) | undefined;
  private last: Promise<unknown> = Promise.resolve();

  private constructor(classPath: string) {
    this.command = startCommand('java', [...FLAGS, '-cp', classPath, 'Main'], {
      keepInputOpen: true,
      timeoutMs: SESSION_MS,
      onLine: line => {
        if (line.startsWith('answer\t')) this.waiting?.(line);
      },
    });
  }

  static async start(): Promise<KafkaToolDriver> {
    const libraries = await fetchApacheKafka('4.3.0');
    return new KafkaToolDriver(`${await compileJava('tools', '4.3.0')}:${libraries}/*`);
  }

  /**
   * Runs a tool by its main class when those before it have ended. Any exit code is an answer; rejects if it takes too
   * long.
   */
  run(mainClass: string, args: readonly string[]): Promise<CommandResult> {
    const result = this.last.then(() => this.runNow(mainClass, args));
    this.last = result.catch(() => {});
    return result;
  }

  async close(): Promise<void> {
    this.command.child.stdin?.end();
    await this.command.result.catch(() => {});
  }

  private runNow(mainClass: string, args: readonly string[]): Promise<CommandResult> {
    return new Promise((resolve, reject) => {
      const what = `${mainClass} ${args.join(' ')}`;
      const timer = setTimeout(() => {
        this.command.child.kill('SIGKILL');
        reject(new Error(`${what} takes longer than ${ANSWER_MS} ms`));
      }, ANSWER_MS);
      this.command.result.catch(error => {
        clearTimeout(timer);
        reject(new Error(`the JVM of ${what} has ended: ${error.message}`));
      });
      this.waiting = line => {
        clearTimeout(timer);
        const [, exitCode, stdout = '', stderr = ''] = line.split('\t');
        const text = (base64: string) => Buffer.from(base64, 'base64').toString('utf8');
        resolve({ exitCode: Number(exitCode), stdout: text(stdout), stderr: text(stderr) });
      };
      this.command.child.stdin?.write(`${[mainClass, ...args].join('\t')}\n`);
    });
  }
}
