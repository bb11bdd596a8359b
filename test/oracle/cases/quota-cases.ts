import { ProduceRequest, ProduceResponse } from '../../../src/protocol/messages/00-produce.ts';
import { FetchRequest, FetchResponse } from '../../../src/protocol/messages/01-fetch.ts';
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
import {
  DescribeUserScramCredentialsRequest,
  DescribeUserScramCredentialsResponse,
} from '../../../src/protocol/messages/50-describe-user-scram-credentials.ts';
import { batch } from '../raw-batch.ts';
import type { DifferentialCase, Session } from '../session.ts';
import type { WireClient } from '../wire-client.ts';

type Part = readonly [entityType: string, entityName: string | null];
/** A key with its value; null removes it. */
type Op = readonly [key: string, value: number | null];
type Component = readonly [entityType: string, matchType: number, match: string | null];

const EXACT = 0;
const DEFAULT = 1;
const SPECIFIED = 2;
/** No client of these tests comes near it. */
const PLENTY = 1_000_000_000;

function alter(
  session: Session,
  step: string,
  entries: readonly (readonly [readonly Part[], readonly Op[]])[],
  validateOnly = false,
) {
  return session.send(step, AlterClientQuotasRequest, AlterClientQuotasResponse, {
    entries: entries.map(([entity, ops]) => ({
      entity: entity.map(([entityType, entityName]) => ({ entityType, entityName })),
      ops: ops.map(([key, value]) => ({ key, value: value ?? 0, remove: value === null })),
    })),
    validateOnly,
  });
}

async function describe(session: Session, step: string, strict: boolean, ...components: Component[]) {
  await untilPublished(session);
  return session.send(step, DescribeClientQuotasRequest, DescribeClientQuotasResponse, {
    components: components.map(([entityType, matchType, match]) => ({ entityType, matchType, match })),
    strict,
  });
}

/** Acts while a client id of this case alone, which no other request has used, has a quota. */
async function limited(
  session: Session,
  key: string,
  value: number,
  act: (clientId: string) => Promise<void>,
): Promise<void> {
  const clientId = session.name('limited');
  const set = async (remove: boolean) => {
    const client = await session.connect();
    const entity = [{ entityType: 'client-id', entityName: clientId }];
    const entries = [{ entity, ops: [{ key, value, remove }] }];
    const body = { entries, validateOnly: false };
    await client.send(AlterClientQuotasRequest, AlterClientQuotasResponse, 1, body);
    await untilPublished(session);
  };
  await set(false);
  await act(clientId);
  await set(true);
}

/**
 * A controller answers before the broker has read what it wrote. The broker reads in order: when it knows of a quota
 * that comes and goes it knows of all before.
 */
async function untilPublished(session: Session): Promise<void> {
  const client = await session.connect();
  const name = session.name('marker');
  for (const remove of [false, true]) {
    await client.send(AlterClientQuotasRequest, AlterClientQuotasResponse, 1, {
      entries: [
        {
          entity: [{ entityType: 'user', entityName: name }],
          ops: [{ key: 'producer_byte_rate', value: PLENTY, remove }],
        },
      ],
      validateOnly: false,
    });
    for (let attempt = 0; attempt < 100; attempt++) {
      const components = [{ entityType: 'user', matchType: EXACT, match: name }];
      const body = { components, strict: true };
      const answer = await client.send(DescribeClientQuotasRequest, DescribeClientQuotasResponse, 1, body);
      if ((answer.entries?.length === 0) === remove) break;
      await new Promise(resolve => setTimeout(resolve, 50));
    }
  }
}

function produceTo(client: WireClient, version: number, named: object, records: Buffer, clientId?: string) {
  const topicData = [{ ...named, partitionData: [{ index: 0, records }] }];
  return client.send(
    ProduceRequest,
    ProduceResponse,
    version,
    { acks: -1, timeoutMs: 5_000, topicData },
    clientId,
  );
}

const PRODUCE_VERSION = 8;

export const quotaCases: readonly DifferentialCase[] = [
  {
    api: AlterClientQuotasRequest,
    name: 'quotas are set, changed and removed',
    async run(session) {
      const user: Part = ['user', session.name('u')];
      const clientId: Part = ['client-id', session.name('c')];
      await alter(session, 'set', [
        [
          [user],
          [
            ['producer_byte_rate', PLENTY],
            ['consumer_byte_rate', PLENTY],
          ],
        ],
        [[user, clientId], [['request_percentage', 1234.5]]],
        [[user, ['client-id', null]], [['controller_mutation_rate', 0.5]]],
        [[['ip', '10.9.8.7']], [['connection_creation_rate', 5]]],
      ]);
      await describe(session, 'with the user', false, ['user', EXACT, user[1]]);
      await alter(session, 'change', [
        [
          [user],
          [
            ['producer_byte_rate', PLENTY + 1],
            ['consumer_byte_rate', null],
          ],
        ],
      ]);
      await alter(session, 'only a check', [[[user], [['producer_byte_rate', 1]]]], true);
      await describe(session, 'changed', true, ['user', EXACT, user[1]]);
      await describe(session, 'the address', true, ['ip', EXACT, '10.9.8.7']);
      await alter(session, 'remove', [
        [[user], [['producer_byte_rate', null]]],
        [[clientId, user], [['request_percentage', null]]],
        [[user, ['client-id', null]], [['controller_mutation_rate', null]]],
        [[['ip', '10.9.8.7']], [['connection_creation_rate', null]]],
      ]);
      await describe(session, 'removed', false, ['user', EXACT, user[1]]);
      await describe(session, 'no address', true, ['ip', SPECIFIED, null]);
    },
  },
  {
    api: AlterClientQuotasRequest,
    name: 'defaults',
    async run(session) {
      const entries: (readonly [readonly Part[], readonly Op[]])[] = [
        [[['user', null]], [['producer_byte_rate', PLENTY]]],
        [[['client-id', null]], [['producer_byte_rate', PLENTY]]],
        [
          [
            ['user', null],
            ['client-id', null],
          ],
          [['producer_byte_rate', PLENTY]],
        ],
        [[['ip', null]], [['connection_creation_rate', 1_000_000]]],
      ];
      await alter(session, 'set', entries);
      await describe(session, 'default user', true, ['user', DEFAULT, null]);
      await describe(session, 'default client id', true, ['client-id', DEFAULT, null]);
      await describe(session, 'both', true, ['client-id', DEFAULT, null], ['user', DEFAULT, null]);
      await describe(session, 'default address', true, ['ip', DEFAULT, null]);
      await alter(
        session,
        'remove',
        entries.map(([entity, ops]) => [entity, ops.map(([key]) => [key, null] as const)]),
      );
      await describe(session, 'nothing is left', false);
    },
  },
  {
    api: AlterClientQuotasRequest,
    name: 'entities, keys and values that are refused',
    async run(session) {
      const user: Part = ['user', session.name('u')];
      const bytes: Op = ['producer_byte_rate', 10];
      await alter(session, 'empty entity', [[[], [bytes]]]);
      await alter(session, 'unknown type', [[[['group', 'g']], [bytes]]]);
      await alter(session, 'empty type', [[[['', 'g']], [bytes]]]);
      await alter(session, 'empty name', [[[['user', '']], [bytes]]]);
      await alter(session, 'address and user', [
        [[['ip', '10.0.0.1'], user], [['connection_creation_rate', 1]]],
      ]);
      await alter(session, 'no address', [
        [[['ip', 'no host of that name']], [['connection_creation_rate', 1]]],
      ]);
      await alter(session, 'key of addresses', [[[user], [['connection_creation_rate', 1]]]]);
      await alter(session, 'key of users', [[[['ip', '10.0.0.1']], [bytes]]]);
      await alter(session, 'unknown key', [[[user], [['nope', 1]]]]);
      await alter(session, 'unknown key removed', [[[user], [['nope', null]]]]);
      for (const value of [0, -1, 1.5, 1e300, Number.POSITIVE_INFINITY]) {
        await alter(session, `bytes ${value}`, [[[user], [['producer_byte_rate', value]]]]);
      }
      for (const value of [0, -1, 2 ** 31, 1.5]) {
        await alter(session, `connections ${value}`, [
          [[['ip', '10.0.0.1']], [['connection_creation_rate', value]]],
        ]);
      }
      for (const value of [0, -0.5]) {
        await alter(session, `percent ${value}`, [[[user], [['request_percentage', value]]]]);
      }
      await alter(session, 'a key twice', [[[user], [bytes, ['producer_byte_rate', 11]]]]);
      await alter(session, 'one bad value', [[[user], [bytes, ['consumer_byte_rate', -1]]]]);
      await describe(session, 'nothing was set', false, ['user', EXACT, user[1]]);
      await alter(session, 'good and bad', [
        [[user], [bytes]],
        [[['user', '']], [bytes]],
      ]);
      await describe(session, 'the good one', false, ['user', EXACT, user[1]]);
      await alter(session, 'an entity twice', [
        [[user], [['producer_byte_rate', 20]]],
        [[user], [['producer_byte_rate', 30]]],
      ]);
      await describe(session, 'the first of two', false, ['user', EXACT, user[1]]);
      await alter(session, 'a type twice', [
        [[['user', session.name('x')], user], [['producer_byte_rate', 40]]],
      ]);
      await describe(session, 'the last name', false, ['user', EXACT, user[1]]);
      await alter(session, 'remove', [[[user], [['producer_byte_rate', null]]]]);
      await alter(session, 'nothing', []);
      await alter(session, 'no change', [[[user], []]]);
    },
  },
  {
    // The throttle time of a first request follows from its size alone.
    api: ProduceRequest,
    name: 'over the quota of its client',
    minVersion: 3,
    async run(session) {
      const topicId = await session.createTopic('t');
      const named = { name: session.name('t'), topicId };
      await limited(session, 'producer_byte_rate', 10, async clientId => {
        const answer = await produceTo(await session.connect(), session.version, named, batch(), clientId);
        session.keep('over it', answer);
        const other = await produceTo(await session.connect(), session.version, named, batch());
        session.keep('another client', other);
      });
    },
  },
  {
    api: FetchRequest,
    name: 'over the quota of its client',
    minVersion: 4,
    async run(session) {
      const topicId = await session.createTopic('t');
      const named = { name: session.name('t'), topicId };
      for (const value of ['a'.repeat(300), 'b'.repeat(300)]) {
        await produceTo(await session.connect(), PRODUCE_VERSION, named, batch({ records: [{ value }] }));
      }
      const fetch = async (id: string | undefined) => {
        const partitions = [
          { partition: 0, fetchOffset: 0, partitionMaxBytes: 1_000_000, lastFetchedEpoch: -1 },
        ];
        const body = {
          maxWaitMs: 50,
          minBytes: 1,
          maxBytes: 1_000_000,
          topics: [{ topic: named.name, topicId, partitions }],
          ...(session.version >= 7 ? { sessionId: 0, sessionEpoch: 0 } : {}),
        };
        return (await session.connect()).send(FetchRequest, FetchResponse, session.version, body, id);
      };
      await limited(session, 'consumer_byte_rate', 10, async clientId => {
        session.keep('over it', await fetch(clientId));
        session.keep('another client', await fetch(undefined));
      });
    },
  },
  {
    api: CreateTopicsRequest,
    name: 'over the quota of its client',
    async run(session) {
      const create = async (clientId: string, step: string, ...partitions: number[]) => {
        const topics = partitions.map((numPartitions, i) => ({
          name: session.name(`${step}${i}`),
          numPartitions,
          replicationFactor: 1,
          assignments: [],
          configs: [],
        }));
        const client = await session.connect();
        const body = { topics, timeoutMs: 10_000 };
        const answer = await client.send(
          CreateTopicsRequest,
          CreateTopicsResponse,
          session.version,
          body,
          clientId,
        );
        session.keep(step, {
          codes: answer.topics.map(({ errorCode }) => errorCode).sort(),
          isThrottled: answer.throttleTimeMs > 0,
        });
      };
      await limited(session, 'controller_mutation_rate', 1, async clientId => {
        // There is room for 11 at once.
        await create(clientId, 'within', 10);
        await create(clientId, 'over', 40);
        await create(clientId, 'after', 1);
        await create(clientId, 'bad', 0);
      });
    },
  },
  {
    api: DescribeUserScramCredentialsRequest,
    name: 'users without credentials',
    async run(session) {
      const describeUsers = (step: string, names: string[] | null) =>
        session.send(step, DescribeUserScramCredentialsRequest, DescribeUserScramCredentialsResponse, {
          users: names?.map(name => ({ name })) ?? null,
        });
      await describeUsers('everybody', null);
      await describeUsers('nobody', []);
      await describeUsers('unknown', ['a', 'b']);
      await describeUsers('twice', ['a', 'b', 'a']);
      await describeUsers('empty', ['']);
    },
  },
  {
    api: DescribeClientQuotasRequest,
    name: 'filters, good and bad',
    async run(session) {
      const user: Part = ['user', session.name('u')];
      const clientId: Part = ['client-id', session.name('c')];
      const ops: readonly Op[] = [['producer_byte_rate', PLENTY]];
      await alter(session, 'set', [
        [[user], ops],
        [[clientId], ops],
        [[user, clientId], ops],
        [[user, ['client-id', null]], ops],
      ]);
      await describe(session, 'loose', false, ['user', EXACT, user[1]]);
      await describe(session, 'strict', true, ['user', EXACT, user[1]]);
      await describe(session, 'two names', true, ['user', EXACT, user[1]], ['client-id', EXACT, clientId[1]]);
      await describe(session, 'a default', true, ['user', EXACT, user[1]], ['client-id', DEFAULT, null]);
      await describe(session, 'any', true, ['user', EXACT, user[1]], ['client-id', SPECIFIED, null]);
      await describe(session, 'client ids', false, ['client-id', EXACT, clientId[1]]);
      await describe(session, 'everything', false);
      await describe(session, 'strictly nothing', true);
      await describe(session, 'nobody', false, ['user', EXACT, '']);
      await describe(session, 'empty type', false, ['', EXACT, 'a']);
      await describe(session, 'unknown type', false, ['group', EXACT, 'a']);
      await describe(session, 'type twice', false, ['user', EXACT, 'a'], ['user', SPECIFIED, null]);
      await describe(session, 'name missing', false, ['user', EXACT, null]);
      await describe(session, 'default with a name', false, ['user', DEFAULT, 'a']);
      await describe(session, 'any with a name', false, ['user', SPECIFIED, 'a']);
      await describe(session, 'unknown match', false, ['user', 7, null]);
      await describe(session, 'address and user', false, ['ip', DEFAULT, null], ['user', DEFAULT, null]);
      await alter(
        session,
        'remove',
        [[user], [clientId], [user, clientId], [user, ['client-id', null] as const]].map(entity => [
          entity,
          [['producer_byte_rate', null]],
        ]),
      );
    },
  },
];
