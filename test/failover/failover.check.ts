import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { launchOf, targetName } from '../support/broker-target.ts';
import { combinedNodes, separateNodes } from '../support/cluster-process.ts';
import { Arena, type Silence } from './arena.ts';
import { SCENARIOS } from './scenarios.ts';
import { CLIENTS } from './client-history.ts';

/** `QUICK=1` takes a few scenarios, each once. `TURNS`, `ONLY` (a part of a name) and `CLIENTS` narrow a search. */
const QUICK = process.env['QUICK'] === '1';
const TURNS = Number(process.env['TURNS'] ?? (QUICK ? 1 : 3));
const ONLY = process.env['ONLY'] ?? '';
const CHOSEN_CLIENTS = CLIENTS.filter(name => (process.env['CLIENTS'] ?? name).split(',').includes(name));
/** Apache Kafka's nodes take seconds to start. */
const TIMEOUT_MS = targetName() === 'odradek' ? 180_000 : 420_000;

const silences: { scenario: string; turn: number; seconds: number; clients: Silence[] }[] = [];
let arena: Arena | undefined;

afterEach(async () => {
  await arena?.dispose();
  arena = undefined;
});

afterAll(() => {
  const lines = silences.map(({ scenario, turn, seconds, clients }) => {
    const times = clients.map(({ client, ms }) => `${client} ${ms}`).join(', ');
    return `${scenario}, turn ${turn + 1} (${seconds.toFixed(1)} s): ${times}`;
  });
  process.stdout.write(
    `\nlongest time without an acknowledgement on a partition, in ms\n${lines.join('\n')}\n`,
  );
});

describe(`three brokers of ${targetName()} under the traffic of every client, ${TURNS} times`, () => {
  const chosen = SCENARIOS.filter(({ name, quick }) => name.includes(ONLY) && (quick === true || !QUICK));

  test.each(chosen)('$name loses, doubles and reorders nothing', { timeout: TIMEOUT_MS }, async scenario => {
    const launch = await launchOf(targetName());
    const nodes = scenario.layout === 'combined' ? combinedNodes(launch) : separateNodes(launch);
    arena = await Arena.start({
      nodes,
      quorum: scenario.quorum ?? 'static',
      clients: CHOSEN_CLIENTS,
      strictCommits: targetName() === 'odradek',
    });
    for (let turn = 0; turn < TURNS; turn++) {
      const from = performance.now();
      await scenario.turn(arena, turn);
      await arena.waitForProgress(performance.now());
      const to = performance.now();
      silences.push({
        scenario: scenario.name,
        turn,
        seconds: (to - from) / 1000,
        clients: arena.silences(from, to),
      });
    }
    expect(await arena.verify()).toEqual([]);
  });
});
