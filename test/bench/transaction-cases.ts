import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  FindCoordinatorRequest,
  FindCoordinatorResponse,
} from '../../src/protocol/messages/10-find-coordinator.ts';
import {
  InitProducerIdRequest,
  InitProducerIdResponse,
} from '../../src/protocol/messages/22-init-producer-id.ts';
import { WireClient } from '../oracle/wire-client.ts';
import type { BrokerProcess } from '../support/broker-process.ts';
import { compileJava } from '../support/client-tools.ts';
import { runCommand } from '../support/run-command.ts';
import type { BenchCase } from './bench-case.ts';
import { createServingTopics } from './bench-client.ts';
import { CLIENT_FLAGS, consumerPerformance } from './kafka-tools.ts';

const MB = 1e6;
const TOPIC = 'transactional';
const PARTITIONS = 6;
const RECORD_BYTES = 100;
/** Of one broker alone: the topic of transaction state has one replica. */
const SINGLE_BROKER: Readonly<Record<string, string>> = {
  'transaction.state.log.replication.factor': '1',
  'transaction.state.log.min.isr': '1',
};

interface TransactionalLoad {
  readonly producers: number;
  readonly recordsPerTransaction: number;
  /** Every so many transactions one is aborted; 0: none. */
  readonly abortEvery: number;
  readonly warmUpSeconds: number;
  readonly seconds: number;
  readonly transactions: number;
}

interface TransactionalResult {
  readonly transactions: number;
  readonly seconds: number;
  /** Of a commit, ms. */
  readonly p50: number;
  readonly p99: number;
}

async function transactionalLoad(
  { bootstrap }: BrokerProcess,
  options: TransactionalLoad,
): Promise<TransactionalResult> {
  const classPath = await compileJava('transactional-load', '4.3.0');
  const { producers, recordsPerTransaction, abortEvery, warmUpSeconds, seconds, transactions } = options;
  const numbers = [
    PARTITIONS,
    producers,
    recordsPerTransaction,
    abortEvery,
    warmUpSeconds,
    seconds,
    transactions,
  ];
  const args = [...CLIENT_FLAGS, '-cp', classPath, 'Main', bootstrap, TOPIC, ...numbers.map(String)];
  const { stdout } = await runCommand('java', args, { timeoutMs: 600_000 });
  const [count = 0, took = 0, p50 = 0, p99 = 0] = stdout.trim().split('\t').map(Number);
  return { transactions: count, seconds: took, p50: p50 / 1000, p99: p99 / 1000 };
}

const transactions: BenchCase = {
  name: 'transactions',
  about: 'transactions of 100 records of 100 B over 6 partitions, 4 producers',
  properties: SINGLE_BROKER,
  figures: {
    'transactions per second': { unit: '1/s', better: 'more', barRatio: 1.5 },
    'commit p50': { unit: 'ms', better: 'less' },
    'commit p99': { unit: 'ms', better: 'less', barRatio: 1 },
    'broker CPU': { unit: 'ms each', better: 'less', barRatio: 0.5 },
    'resident memory': { unit: 'MB', better: 'less' },
  },
  async run({ broker, scale }) {
    await createServingTopics(broker.port, [TOPIC], PARTITIONS);
    const shape = {
      producers: 4,
      recordsPerTransaction: 100,
      abortEvery: 0,
      warmUpSeconds: 0,
      transactions: 1e9,
    };
    await transactionalLoad(broker, { ...shape, seconds: scale.warmUpSeconds });
    const cpuBefore = broker.cpuSeconds();
    const result = await transactionalLoad(broker, { ...shape, seconds: scale.seconds });
    const cpu = broker.cpuSeconds() - cpuBefore;
    return {
      'transactions per second': result.transactions / result.seconds,
      'commit p50': result.p50,
      'commit p99': result.p99,
      'broker CPU': (cpu / result.transactions) * 1000,
      'resident memory': broker.residentBytes() / MB,
    };
  },
};

const IDLE_ID = 'each idle transactional id';
const IDLE_ID_RESIDENT = 'each, resident memory';
const IDLE_IDS = 10_000;

const transactionalIds: BenchCase = {
  name: 'transactional-ids',
  about: 'memory in use for 10,000 transactional ids that have had their producer id and do nothing',
  properties: SINGLE_BROKER,
  looksAtLiveMemory: true,
  figures: {
    [IDLE_ID]: { unit: 'KB', better: 'less', barValue: 2 },
    // With the garbage that their requests left.
    [IDLE_ID_RESIDENT]: { unit: 'KB', better: 'less' },
  },
  async run({ broker, liveBytes, scale }) {
    const count = Math.ceil(IDLE_IDS * Math.max(scale.share, 0.1));
    await initProducerIds(broker.port, 'warm-up', Math.ceil(count / 5));
    await sleep(scale.settleMs);
    const liveBefore = await liveBytes();
    const residentBefore = broker.residentBytes();
    await initProducerIds(broker.port, 'idle', count);
    await sleep(scale.settleMs);
    const resident = broker.residentBytes() - residentBefore;
    const live = (await liveBytes()) - liveBefore;
    return { [IDLE_ID]: live / count / 1000, [IDLE_ID_RESIDENT]: resident / count / 1000 };
  },
};

async function initProducerIds(port: number, prefix: string, count: number): Promise<void> {
  const client = await WireClient.open(port, 60_000);
  for (let index = 0; index < count; index++) {
    const transactionalId = `${prefix}-${index}`;
    for (;;) {
      const body = { transactionalId, transactionTimeoutMs: 60_000 };
      const { errorCode } = await client.send(InitProducerIdRequest, InitProducerIdResponse, 4, body);
      if (errorCode === 0) break;
      // The first one has the topic created, and its partitions have to load.
      if (![14, 15, 16].includes(errorCode))
        throw new Error(`InitProducerId was answered with error ${errorCode}`);
      const keys = { keyType: 1, coordinatorKeys: [transactionalId] };
      await client.send(FindCoordinatorRequest, FindCoordinatorResponse, 4, keys);
      await sleep(100);
    }
  }
  client.close();
}

const consumeCommitted: BenchCase = {
  name: 'consume-committed',
  about:
    'ConsumerPerformance, read_committed, over transactions of 500 records in 6 partitions, one in ten aborted',
  properties: SINGLE_BROKER,
  figures: {
    throughput: { unit: 'MB/s', better: 'more', barRatio: 1 },
    'broker CPU': { unit: 's/GB', better: 'less' },
  },
  async run({ broker, scale, workDirectory }) {
    await createServingTopics(broker.port, [TOPIC], PARTITIONS);
    const recordsPerTransaction = 500;
    // Some 2 GB: a shorter run has a client whose compilers are still at work.
    const count = Math.ceil(40_000 * scale.share);
    const producers = 4;
    const perProducer = Math.ceil(count / producers);
    await transactionalLoad(broker, {
      producers,
      recordsPerTransaction,
      abortEvery: 10,
      warmUpSeconds: 0,
      seconds: 600,
      transactions: count,
    });
    const committed = producers * (perProducer - Math.floor(perProducer / 10)) * recordsPerTransaction;
    const configFile = join(workDirectory, 'consumer.properties');
    writeFileSync(configFile, 'auto.offset.reset=earliest\nisolation.level=read_committed\n');
    const once = () => consumerPerformance(broker.bootstrap, TOPIC, committed, configFile);
    await once();
    const cpuBefore = broker.cpuSeconds();
    const { mbPerSecond } = await once();
    const cpu = broker.cpuSeconds() - cpuBefore;
    return { throughput: mbPerSecond, 'broker CPU': cpu / ((committed * RECORD_BYTES) / 1e9) };
  },
};

export const TRANSACTION_CASES: readonly BenchCase[] = [transactions, transactionalIds, consumeCommitted];
