import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { apacheKafka } from './apache-kafka.ts';
import { type BrokerLaunch, type BrokerOptions, BrokerProcess } from './broker-process.ts';
import { odradek } from './odradek-process.ts';

/** The broker that a suite is run against: `TARGET=apache-kafka-4.3.0` proves the suite itself on the oracle. */
export type TargetName = 'odradek' | 'apache-kafka-4.3.0' | 'apache-kafka-3.9.1';

const TARGETS: readonly TargetName[] = ['odradek', 'apache-kafka-4.3.0', 'apache-kafka-3.9.1'];

/** The target named by the environment variable `TARGET`; our own broker without it. */
export function targetName(): TargetName {
  const wanted = process.env['TARGET'] ?? 'odradek';
  const found = TARGETS.find(name => name === wanted);
  if (found === undefined) throw new Error(`TARGET is ${wanted}; it must be one of ${TARGETS.join(', ')}`);
  return found;
}

export async function launchOf(name: TargetName): Promise<BrokerLaunch> {
  if (name === 'odradek') return odradek();
  return apacheKafka(name === 'apache-kafka-3.9.1' ? '3.9.1' : '4.3.0');
}

/** A new folder under the system's temporary folder; `KEEP=1` leaves it there for a look. */
export function temporaryFolder(label: string): { path: string; remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), `odradek-${label}-`));
  const remove = () => {
    if (process.env['KEEP'] !== '1') rmSync(path, { recursive: true, force: true });
  };
  return { path, remove };
}

/** A started broker with a data folder of its own. */
export interface StartedTarget {
  readonly broker: BrokerProcess;
  /** Ends the broker and removes its folder. */
  dispose(): Promise<void>;
}

/** Starts the suite's target (or another) in a new folder. */
export async function startTarget(
  label: string,
  options: Partial<BrokerOptions> = {},
  name: TargetName = targetName(),
): Promise<StartedTarget> {
  const folder = temporaryFolder(label);
  let broker: BrokerProcess;
  try {
    broker = await BrokerProcess.create(await launchOf(name), { workDirectory: folder.path, ...options });
    await broker.start();
  } catch (error) {
    folder.remove();
    throw error;
  }
  return {
    broker,
    async dispose() {
      await broker.dispose();
      folder.remove();
    },
  };
}
