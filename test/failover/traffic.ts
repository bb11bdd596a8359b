import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { buildFranzGo, compileJava, fetchPython, JAVA_FLAGS } from '../support/client-tools.ts';
import { projectRoot } from '../support/project.ts';
import { startCommand } from '../support/run-command.ts';
import { ClientHistory, type ClientName } from './client-history.ts';
import { KafkajsProgram, type ProgramArguments } from './kafkajs-program.ts';

/** A producing and consuming program that runs, whatever it is written in. */
interface Program {
  drain(): void;
  /** Ends it; rejects if it failed. */
  end(): Promise<void>;
  /** Ends it by force where there is a process to end. */
  abandon(): Promise<void>;
}

const DRAIN_MS = 60_000;
const PROGRAM_MS = 600_000;

/** One client's producer and consumer on a topic of its own, with the history of what they were told. */
export class Traffic {
  readonly history: ClientHistory;
  readonly topic: string;
  readonly group: string;
  private program: Program | undefined;

  private constructor(client: ClientName, partitions: number) {
    this.history = new ClientHistory(client, partitions);
    this.topic = Traffic.topicOf(client);
    this.group = `group-${client}`;
  }

  static topicOf(client: ClientName): string {
    return `traffic-${client}`;
  }

  static async start(
    client: ClientName,
    bootstrap: string,
    partitions: number,
    perSecond: number,
  ): Promise<Traffic> {
    const traffic = new Traffic(client, partitions);
    const { topic, group, history } = traffic;
    const settings = { bootstrap, topic, partitions, perSecond, group };
    traffic.program = await startProgram(client, settings, line => history.take(line, performance.now()));
    return traffic;
  }

  /** Ends the producer; returns when everything it sent is answered. */
  async drain(): Promise<void> {
    this.program?.drain();
    const { client, notes } = this.history;
    const deadline = performance.now() + DRAIN_MS;
    while (this.history.sent === undefined) {
      if (performance.now() > deadline) {
        throw new Error(`the ${client} producer does not come to its end: ${notes.slice(-3).join('; ')}`);
      }
      await sleep(20);
    }
  }

  /** Waits until everything up to the end offsets (exclusive) was read. */
  async readUpTo(ends: readonly number[], timeoutMs: number): Promise<void> {
    const { client, values, notes } = this.history;
    const deadline = performance.now() + timeoutMs;
    while (!this.history.hasReadUpTo(ends)) {
      if (performance.now() > deadline) {
        const read = values.map(list => list.length);
        const said = notes.slice(-3).join('; ');
        throw new Error(`the ${client} consumer has read up to ${read} of ${ends}: ${said}`);
      }
      await sleep(20);
    }
  }

  /** Waits until commits of everything up to the end offsets (exclusive) were acknowledged. */
  async commitUpTo(ends: readonly number[], timeoutMs: number): Promise<void> {
    const { client, committed, notes } = this.history;
    const deadline = performance.now() + timeoutMs;
    while (`${committed}` !== `${ends}`) {
      if (performance.now() > deadline) {
        const said = notes.slice(-3).join('; ');
        throw new Error(`the ${client} consumer has committed up to ${committed} of ${ends}: ${said}`);
      }
      await sleep(20);
    }
  }

  /** Ends the consumer after a last commit. */
  async end(): Promise<void> {
    await this.program?.end();
  }

  /** Ends it whatever it does, after a scenario that failed. */
  async abandon(): Promise<void> {
    await this.program?.abandon();
  }
}

async function startProgram(
  client: ClientName,
  settings: ProgramArguments,
  say: (line: string) => void,
): Promise<Program> {
  if (client === 'kafkajs') {
    const program = new KafkajsProgram(settings, say);
    program.start();
    return program;
  }
  const { file, args } = await commandOf(client);
  const { bootstrap, topic, partitions, perSecond, group } = settings;
  const { child, result } = startCommand(
    file,
    [...args, bootstrap, topic, `${partitions}`, `${perSecond}`, group],
    { keepInputOpen: true, timeoutMs: PROGRAM_MS, onLine: say },
  );
  return {
    drain: () => child.stdin?.write('drain\n'),
    async end() {
      child.stdin?.end();
      await result;
    },
    async abandon() {
      child.kill('SIGKILL');
      await result;
    },
  };
}

async function commandOf(client: Exclude<ClientName, 'kafkajs'>): Promise<{ file: string; args: string[] }> {
  switch (client) {
    case 'java': {
      const classPath = await compileJava('traffic', '4.3.0');
      return { file: 'java', args: [...JAVA_FLAGS, '-cp', classPath, 'Main'] };
    }
    case 'librdkafka': {
      const program = join(projectRoot, 'test/clients/python/traffic.py');
      return { file: await fetchPython(), args: [program] };
    }
    case 'franz-go':
      return { file: await buildFranzGo('traffic'), args: [] };
  }
}
