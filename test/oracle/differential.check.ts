import { isDeepStrictEqual } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  FindCoordinatorRequest,
  FindCoordinatorResponse,
} from '../../src/protocol/messages/10-find-coordinator.ts';
import {
  InitProducerIdRequest,
  InitProducerIdResponse,
} from '../../src/protocol/messages/22-init-producer-id.ts';
import { type StartedTarget, startTarget, targetName } from '../support/broker-target.ts';
import { ALLOWED_DIFFERENCES } from './allowed-differences.ts';
import { configCases } from './cases/config-cases.ts';
import { dataCases } from './cases/data-cases.ts';
import { groupCases } from './cases/group-cases.ts';
import { loggerCases } from './cases/logger-cases.ts';
import { quotaCases } from './cases/quota-cases.ts';
import { topicCases } from './cases/topic-cases.ts';
import { transactionCases } from './cases/transaction-cases.ts';
import { transactionLogCases } from './cases/transaction-log-cases.ts';
import { advertisedVersions, type DifferentialCase, Session } from './session.ts';
import { NoAnswer, WireClient } from './wire-client.ts';

/**
 * Each case goes at every version of its API to our broker and to the newest Apache Kafka that still speaks that
 * version (4.3.0, else 3.9.1). The transcripts must be equal but for the allowed differences.
 */
interface Answered {
  readonly step: string;
  readonly answer: unknown;
}

const PRODUCE = 0;
const ALLOWED = '<allowed to differ>';

type Ranges = Map<number, { min: number; max: number }>;

const properties = {
  'offsets.topic.num.partitions': '2',
  'transaction.state.log.num.partitions': '2',
  'transaction.abort.timed.out.transaction.cleanup.interval.ms': '200',
  'group.min.session.timeout.ms': '1000',
};

let target: StartedTarget;
const oracles: { broker: StartedTarget; ranges: Ranges }[] = [];
let ranges: Ranges;

beforeAll(async () => {
  target = await startTarget('differential', { properties });
  ranges = await advertisedVersions(target.broker.port);
  for (const name of ['apache-kafka-4.3.0', 'apache-kafka-3.9.1'] as const) {
    const broker = await startTarget('differential-oracle', { properties }, name);
    const advertised = await advertisedVersions(broker.broker.port);
    // 4.x advertises Produce from 0 for the sake of old librdkafkas, and closes on versions below 3.
    if (name === 'apache-kafka-4.3.0')
      advertised.set(PRODUCE, { min: 3, max: advertised.get(PRODUCE)?.max ?? 3 });
    oracles.push({ broker, ranges: advertised });
  }
  for (const { port } of [target.broker, ...oracles.map(oracle => oracle.broker.broker)]) await warmUp(port);
});

afterAll(async () => {
  await target?.dispose();
  for (const { broker } of oracles) await broker.dispose();
});

/** Waits until the offsets topic and the producer ids are there: the first questions are answered with "not yet". */
async function warmUp(port: number): Promise<void> {
  const client = await WireClient.open(port);
  for (let attempt = 0; attempt < 200; attempt++) {
    const answer = await client.send(FindCoordinatorRequest, FindCoordinatorResponse, 2, {
      key: 'g',
      keyType: 0,
    });
    if (answer.errorCode === 0) break;
    await new Promise(resolve => setTimeout(resolve, 50));
  }
  for (let attempt = 0; attempt < 200; attempt++) {
    const body = { transactionalId: null, transactionTimeoutMs: 1_000 };
    const answer = await client.send(InitProducerIdRequest, InitProducerIdResponse, 2, body);
    if (answer.errorCode === 0) break;
    await new Promise(resolve => setTimeout(resolve, 50));
  }
  // Loading the partitions of the topic takes a moment more.
  await new Promise(resolve => setTimeout(resolve, 1_000));
  client.close();
}

async function transcriptOf(port: number, spec: DifferentialCase, label: string, version: number) {
  const session = new Session(port, label, version);
  try {
    await spec.run(session);
  } catch (error) {
    if (!(error instanceof NoAnswer)) throw error;
  } finally {
    session.close();
  }
  return session.transcript;
}

function withoutAllowed(spec: DifferentialCase, transcript: readonly Answered[]): Answered[] {
  const api = apiName(spec);
  return transcript.map(({ step, answer }) => {
    const allowed = ALLOWED_DIFFERENCES.filter(
      difference =>
        difference.api === api &&
        (difference.case === undefined || difference.case === spec.name) &&
        (difference.step === undefined || difference.step === step),
    ).map(({ field }) => field);
    return { step, answer: allowed.includes('*') ? ALLOWED : without(answer, allowed) };
  });
}

/** The steps whose answers differ, with both; an answer that one side does not have is undefined. */
function differences(ours: readonly Answered[], theirs: readonly Answered[]): unknown[] {
  return ours.length >= theirs.length
    ? compare(ours, theirs, 'ours', 'theirs')
    : compare(theirs, ours, 'theirs', 'ours');
}

function compare(
  longer: readonly Answered[],
  shorter: readonly Answered[],
  first: string,
  second: string,
): unknown[] {
  return longer.flatMap(({ step, answer }, index) => {
    const other = shorter[index];
    if (other?.step === step && isDeepStrictEqual(answer, other.answer)) return [];
    return answer === ALLOWED ? [] : [{ step, [first]: answer, [second]: other?.answer }];
  });
}

function without(value: unknown, fields: readonly string[]): unknown {
  if (fields.length === 0 || typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(item => without(item, fields));
  const kept = Object.entries(value).filter(([name]) => !fields.includes(name));
  return Object.fromEntries(kept.map(([name, item]) => [name, without(item, fields)]));
}

function apiName(spec: DifferentialCase): string {
  return spec.api.name.replace(/Request$/, '');
}

const cases = [
  ...dataCases,
  ...topicCases,
  ...groupCases,
  ...quotaCases,
  ...configCases,
  ...loggerCases,
  ...transactionCases,
  ...transactionLogCases,
];

describe.each(cases.map((spec, index) => ({ spec, index, title: `${apiName(spec)}: ${spec.name}` })))(
  '$title',
  ({ spec, index }) => {
    const first = Math.max(spec.api.minVersion, spec.minVersion ?? 0);
    const last = Math.min(spec.api.maxVersion, spec.maxVersion ?? Number.MAX_SAFE_INTEGER);
    const versions = Array.from({ length: last - first + 1 }, (_, i) => first + i);

    test.each(versions)('at version %i', async version => {
      const apiKey = spec.api.apiKey ?? -1;
      const speaks = (range: Ranges) => {
        const known = range.get(apiKey);
        return known !== undefined && version >= known.min && version <= known.max;
      };
      // Only a version that Apache Kafka 4.4 brought has no oracle; the other suites cover it.
      const oracle = oracles.find(candidate => speaks(candidate.ranges));
      if (oracle === undefined) return;
      // An Apache Kafka as the target only proves the table; ours must speak every version.
      if (targetName() !== 'odradek' && (!speaks(ranges) || (apiKey === PRODUCE && version < 3))) return;
      expect(speaks(ranges), `${apiName(spec)} v${version} is advertised`).toBe(true);
      const label = `c${index}v${version}`;
      const [ours, theirs] = await Promise.all([
        transcriptOf(target.broker.port, spec, label, version),
        transcriptOf(oracle.broker.broker.port, spec, label, version),
      ]);
      expect(differences(withoutAllowed(spec, ours), withoutAllowed(spec, theirs))).toEqual([]);
    });
  },
);
