import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { BrokerLaunch } from './broker-process.ts';
import { runCommand } from './run-command.ts';

const PATIENCE_MS = 10_000;
const LOOK_EVERY_MS = 10;

/** Asks brokers of this project how much of their memory is in use once all garbage is collected. */
export class LiveMemory {
  private readonly file: string;

  constructor(workDirectory: string) {
    this.file = join(workDirectory, 'live-bytes');
  }

  /** `launch` with the probe in the broker. The caller is compiled: a broker of Node 20 loads no TypeScript. */
  watched(launch: BrokerLaunch): BrokerLaunch {
    const probe = new URL('./memory-probe.js', import.meta.url).href;
    const env = { ...process.env, NODE_OPTIONS: `--import=${probe}`, LIVE_BYTES_FILE: this.file };
    return {
      ...launch,
      format: (...args) => launch.format(...args),
      command: (...args) => ({ ...launch.command(...args), env }),
    };
  }

  /** Of the process: objects, buffers and what else hangs on them, in bytes. */
  async bytesOf(pid: number): Promise<number> {
    rmSync(this.file, { force: true });
    process.kill(pid, 'SIGUSR2');
    for (let waitedMs = 0; waitedMs < PATIENCE_MS; waitedMs += LOOK_EVERY_MS) {
      await sleep(LOOK_EVERY_MS);
      if (existsSync(this.file)) return Number(readFileSync(this.file, 'utf8'));
    }
    throw new Error(`process ${pid} did not tell its memory`);
  }
}

/** The same of a Java process, by its own account of what is left after a full collection. */
export async function javaLiveBytes(pid: number): Promise<number> {
  const { stdout } = await runCommand('jcmd', [`${pid}`, 'GC.class_histogram'], { timeoutMs: 60_000 });
  const total = /^Total\s+\d+\s+(\d+)\s*$/m.exec(stdout)?.[1];
  if (total === undefined) throw new Error(`jcmd did not tell the memory of process ${pid}`);
  return Number(total);
}
