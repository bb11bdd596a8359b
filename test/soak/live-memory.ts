import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import type { BrokerLaunch } from '../support/broker-process.ts';
import { projectRoot } from '../support/project.ts';

const PATIENCE_MS = 10_000;
const LOOK_EVERY_MS = 10;

/** Asks brokers how much of their memory is in use once all garbage is collected. */
export class LiveMemory {
  private readonly file: string;

  constructor(workDirectory: string) {
    this.file = join(workDirectory, 'live-bytes');
  }

  /** `launch` with the probe in the broker. */
  watched(launch: BrokerLaunch): BrokerLaunch {
    const probe = pathToFileURL(join(projectRoot, '.soak/test/soak/memory-probe.js')).href;
    const env = { ...process.env, NODE_OPTIONS: `--import=${probe}`, SOAK_LIVE_BYTES: this.file };
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
