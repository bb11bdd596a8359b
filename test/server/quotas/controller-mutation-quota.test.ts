import { beforeEach, describe, expect, it } from 'vitest';
import { silentLogger } from '../../../src/base/logger.ts';
import { errorName } from '../../../src/protocol/errors.ts';
import {
  CreateTopicsRequest,
  CreateTopicsResponse,
} from '../../../src/protocol/messages/19-create-topics.ts';
import {
  DeleteTopicsRequest,
  DeleteTopicsResponse,
} from '../../../src/protocol/messages/20-delete-topics.ts';
import {
  CreatePartitionsRequest,
  CreatePartitionsResponse,
} from '../../../src/protocol/messages/37-create-partitions.ts';
import type { ControllerServices } from '../../../src/server/controller-services.ts';
import { createTopics } from '../../../src/server/handlers/19-create-topics.ts';
import { deleteTopics } from '../../../src/server/handlers/20-delete-topics.ts';
import { createPartitions } from '../../../src/server/handlers/37-create-partitions.ts';
import { NO_RATE_LIMITS } from '../../../src/server/quotas/connection-rates.ts';
import { QuotaManagers } from '../../../src/server/quotas/quota-managers.ts';
import { ControllerHarness, testConfig } from '../../controller/support/controller-harness.ts';
import { ask } from '../handlers/handler-harness.ts';

/** Partitions that may be created or deleted at once: 11 samples of 1 s at 1 a second. */
const BURST = 11;

describe('the quota of changes to partitions', () => {
  let harness: ControllerHarness;
  let services: Partial<ControllerServices>;

  beforeEach(async () => {
    harness = await ControllerHarness.started([1]);
    const quotas = new QuotaManagers(harness.clock.clock, silentLogger, testConfig(), NO_RATE_LIMITS);
    harness.loader.addPublisher(quotas, harness.controller);
    services = { controller: harness.controller, quotas };
    const entity = [{ entityType: 'user', entityName: 'ANONYMOUS' }];
    const ops = [{ key: 'controller_mutation_rate', value: 1, remove: false }];
    await harness.controller.alterClientQuotas({ entries: [{ entity, ops }], validateOnly: false });
  });

  /** The error of each topic in order, and the throttle time. */
  async function create(version: number, topics: Record<string, number>, validateOnly = false) {
    const wanted = Object.entries(topics).map(([name, numPartitions]) => ({
      name,
      numPartitions,
      replicationFactor: 1,
    }));
    const messages = [CreateTopicsRequest, CreateTopicsResponse] as const;
    const body = { topics: wanted, timeoutMs: 1_000, validateOnly };
    const answer = await ask(createTopics, services, messages, version, body);
    return [answer!.topics.map(({ errorCode }) => errorName(errorCode)), answer!.throttleTimeMs];
  }

  async function remove(version: number, ...topicNames: string[]) {
    const messages = [DeleteTopicsRequest, DeleteTopicsResponse] as const;
    const wanted = version >= 6 ? { topics: topicNames.map(name => ({ name })) } : { topicNames };
    const answer = await ask(deleteTopics, services, messages, version, { ...wanted, timeoutMs: 1_000 });
    return [answer!.responses.map(({ errorCode }) => errorName(errorCode)), answer!.throttleTimeMs];
  }

  async function grow(version: number, name: string, count: number) {
    const messages = [CreatePartitionsRequest, CreatePartitionsResponse] as const;
    const body = { topics: [{ name, count, assignments: null }], timeoutMs: 1_000 };
    const answer = await ask(createPartitions, services, messages, version, body);
    return [answer!.results.map(({ errorCode }) => errorName(errorCode)), answer!.throttleTimeMs];
  }

  it('takes what makes the debt and refuses what follows, where clients know the error', async () => {
    expect(await create(6, { a: BURST + 2, b: 1 })).toEqual([['NONE', 'THROTTLING_QUOTA_EXCEEDED'], 2_000]);
    expect(harness.controller.image().topics.topic('b')).toBeUndefined();
    expect(await remove(5, 'a')).toEqual([['THROTTLING_QUOTA_EXCEEDED'], 2_000]);
    harness.clock.nowMs += 500;
    expect(await grow(3, 'a', 20)).toEqual([['THROTTLING_QUOTA_EXCEEDED'], 1_500]);
    harness.clock.nowMs += 1_500;
    expect(await grow(3, 'a', BURST + 3)).toEqual([['NONE'], 0]);
    expect(await remove(6, 'a')).toEqual([['THROTTLING_QUOTA_EXCEEDED'], 1_000]);
  });

  it('takes everything and holds the client back, where clients do not know the error', async () => {
    expect(await create(5, { a: BURST, b: 2 })).toEqual([['NONE', 'NONE'], 2_000]);
    expect(await grow(2, 'b', 5)).toEqual([['NONE'], 5_000]);
    expect(await remove(4, 'a', 'b')).toEqual([['NONE', 'NONE'], (5 + BURST + 5) * 1_000]);
  });

  it('counts what is only checked, and nothing that is refused for another reason', async () => {
    expect(await create(7, { 'not a name': 100, a: BURST }, true)).toEqual([
      ['INVALID_TOPIC_EXCEPTION', 'NONE'],
      0,
    ]);
    expect(await remove(6, 'missing')).toEqual([['UNKNOWN_TOPIC_OR_PARTITION'], 0]);
    expect(await create(7, { a: 1 })).toEqual([['NONE'], 0]);
    expect(await create(7, { b: 1 })).toEqual([['THROTTLING_QUOTA_EXCEEDED'], 1_000]);
  });

  it('says who is held back', async () => {
    await create(7, { a: 2 * BURST });
    await create(7, { b: 1 });
    expect([...services.quotas!.throttled()]).toMatchObject([
      {
        quota: 'controller_mutation_rate',
        user: 'ANONYMOUS',
        bound: 1,
        throttledForMs: 11_000,
        throttleCount: 1,
      },
    ]);
  });
});
