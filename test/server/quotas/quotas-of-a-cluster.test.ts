import { afterAll, beforeAll, expect, it } from 'vitest';
import { Errors } from '../../../src/protocol/errors.ts';
import {
  CreateTopicsRequest,
  CreateTopicsResponse,
} from '../../../src/protocol/messages/19-create-topics.ts';
import {
  DescribeClientQuotasRequest,
  DescribeClientQuotasResponse,
} from '../../../src/protocol/messages/48-describe-client-quotas.ts';
import {
  AlterClientQuotasRequest,
  AlterClientQuotasResponse,
} from '../../../src/protocol/messages/49-alter-client-quotas.ts';
import { TestCluster } from '../../support/test-cluster.ts';
import { RawClient } from '../raw-client.ts';

let cluster: TestCluster;

beforeAll(async () => {
  cluster = await TestCluster.start({ roles: ['controller', 'broker', 'broker'] });
});

afterAll(async () => {
  await cluster?.close();
});

function create(client: RawClient, version: number, name: string) {
  const topics = [{ name, numPartitions: 1, replicationFactor: 1 }];
  return client.ask(
    [CreateTopicsRequest, CreateTopicsResponse],
    version,
    { topics, timeoutMs: 5_000 },
    'maker',
  );
}

it('a controller elsewhere counts a client by its name, and the broker it asks mutes it', async () => {
  const [, first, second] = cluster.nodes;
  const admin = await RawClient.connect(first!.port);
  const entity = [{ entityType: 'client-id', entityName: 'maker' }];
  const ops = [{ key: 'controller_mutation_rate', value: 0.01, remove: false }];
  const altered = await admin.ask([AlterClientQuotasRequest, AlterClientQuotasResponse], 1, {
    entries: [{ entity, ops }],
    validateOnly: false,
  });
  expect(altered!.entries[0]!.errorCode).toBe(0);
  // Both brokers come to know of it.
  for (const { port } of [first!, second!]) {
    const client = await RawClient.connect(port);
    const shown = async () => {
      const body = { components: [], strict: false };
      const answer = await client.ask([DescribeClientQuotasRequest, DescribeClientQuotasResponse], 1, body);
      return answer!.entries!.map(({ values }) => values);
    };
    await expect
      .poll(shown, { timeout: 10_000 })
      .toEqual([[{ key: 'controller_mutation_rate', value: 0.01 }]]);
    client.close();
  }
  // What one broker passes on counts for what the other does.
  const one = await RawClient.connect(first!.port);
  expect(await create(one, 7, 'a')).toMatchObject({ throttleTimeMs: 0, topics: [{ errorCode: 0 }] });
  const other = await RawClient.connect(second!.port);
  const refused = await create(other, 7, 'b');
  expect(refused!.topics[0]!.errorCode).toBe(Errors.THROTTLING_QUOTA_EXCEEDED);
  expect(refused!.throttleTimeMs).toBeGreaterThan(50_000);
  const old = await RawClient.connect(second!.port);
  const taken = await create(old, 5, 'c');
  expect(taken!.topics[0]!.errorCode).toBe(0);
  expect(taken!.throttleTimeMs).toBeGreaterThan(refused!.throttleTimeMs);
  // Both clients are muted, and nobody else behind the same connection to the controller.
  let isAnswered = false;
  for (const client of [other, old]) void create(client, 7, 'd').then(() => (isAnswered = true));
  const topics = [{ name: 'e', numPartitions: 1, replicationFactor: 1 }];
  const others = await RawClient.connect(second!.port);
  const messages = [CreateTopicsRequest, CreateTopicsResponse] as const;
  const free = await others.ask(messages, 7, { topics, timeoutMs: 5_000 }, 'somebody else');
  expect(free).toMatchObject({ throttleTimeMs: 0, topics: [{ errorCode: 0 }] });
  expect(isAnswered).toBe(false);
  for (const client of [admin, one, other, old, others]) client.close();
});
