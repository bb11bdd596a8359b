import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { ApiKeys } from '../../src/protocol/api-keys.ts';
import { Bank, bankTimeoutMs } from '../clients/bank.ts';
import { KafkaToolDriver } from '../clients/kafka-tool-driver.ts';
import { targetName } from '../support/broker-target.ts';
import { LateBytesProxy } from '../support/late-bytes-proxy.ts';

/*
 * The feature transaction.version is moved to 1 and back to 2 by Apache Kafka's own tool while the bank of
 * `test/clients/bank.ts` works. A client learns of the level when it connects: each time a broker is killed, and the
 * clients go on in the other protocol, with the producer id and the epoch that they have. Connections that were not cut
 * go on in the protocol before.
 */

/** How long it goes on at least, for so many moves. */
const SECONDS = 60;
const MOVES_MIN = 4;
/** The first version of EndTxn that belongs to the second transaction protocol. */
const SECOND_PROTOCOL_END_TXN = 5;
/** How long nothing else happens before a broker is killed, and after the last one. */
const STAY_MS = 3_000;

/** In the client ids that Java producers give themselves. */
const PRODUCER = 'producer';

describe.each([1, 3])(`transaction.version on ${targetName()}, brokers: %i`, brokers => {
  test('moves to and fro under the transactions of Java clients, which stay exact', {
    timeout: bankTimeoutMs(SECONDS),
  }, async () => {
    const proxy = await LateBytesProxy.open(brokers);
    const bank = await Bank.open({ brokers, seconds: SECONDS, proxy });
    const tools = await KafkaToolDriver.start();
    try {
      const features = async (...args: string[]): Promise<string> => {
        const where = ['--bootstrap-server', bank.cluster.bootstrap];
        const command = [...where, ...args];
        const { exitCode, stdout, stderr } = await tools.run(
          'org.apache.kafka.tools.FeatureCommand',
          command,
        );
        if (exitCode !== 0) throw new Error(`kafka-features ${args.join(' ')}: ${stdout}${stderr}`);
        return stdout;
      };
      const moves: { level: number; first: number; second: number }[] = [];
      await bank.run(async end => {
        for (let level = 1; moves.length < MOVES_MIN || Date.now() < end; level = level === 1 ? 2 : 1) {
          const direction = level === 1 ? 'downgrade' : 'upgrade';
          await features(direction, '--feature', `transaction.version=${level}`);
          const moved = new RegExp(`transaction\\.version.*FinalizedVersionLevel: ${level}\\b`);
          await expect.poll(() => features('describe'), { timeout: 10_000 }).toMatch(moved);
          for (let killed = 0; killed < brokers; killed++) {
            await sleep(STAY_MS);
            await bank.killNext();
          }
          const before = protocolsOf(proxy);
          await sleep(STAY_MS);
          const after = protocolsOf(proxy);
          moves.push({ level, first: after.first - before.first, second: after.second - before.second });
        }
      });
      console.log(`transaction.version with ${brokers} brokers, EndTxn of each protocol:`, moves);
      bank.expectSound();
      for (const { level, first, second } of moves) expect(level === 1 ? first : second).toBeGreaterThan(0);
    } finally {
      await tools.close();
      await bank.close();
    }
  });
});

/** How many EndTxn requests of each of the transaction protocols have come. */
function protocolsOf(proxy: LateBytesProxy): { first: number; second: number } {
  const counts = { first: 0, second: 0 };
  for (const [version, count] of proxy.countsOf(ApiKeys.END_TXN, PRODUCER)) {
    counts[version < SECOND_PROTOCOL_END_TXN ? 'first' : 'second'] += count;
  }
  return counts;
}
