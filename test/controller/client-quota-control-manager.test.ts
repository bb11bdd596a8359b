import { beforeEach, describe, expect, it } from 'vitest';
import { errorName } from '../../src/protocol/errors.ts';
import type { AlterClientQuotasRequest } from '../../src/protocol/messages/49-alter-client-quotas.ts';
import { ControllerHarness } from './support/controller-harness.ts';
import { errorOf } from './support/topics.ts';

type Entry = AlterClientQuotasRequest['entries'][number];
type Entity = Record<string, string | null>;
/** A key with its value; undefined removes it. */
type Op = [key: string, value: number | undefined];

const BOB = { user: 'bob' };

function entryOf(entity: Entity | [string, string | null][], ops: Op[]): Entry {
  const parts = Array.isArray(entity) ? entity : Object.entries(entity);
  return {
    entity: parts.map(([entityType, entityName]) => ({ entityType, entityName })),
    ops: ops.map(([key, value]) => ({ key, value: value ?? 0, remove: value === undefined })),
  };
}

describe('ClientQuotaControlManager', () => {
  let harness: ControllerHarness;
  const alter = async (entries: Entry[], validateOnly = false): Promise<string[]> => {
    const results = await harness.controller.alterClientQuotas({ entries, validateOnly });
    for (const { errorCode, errorMessage } of results) expect(errorMessage === null).toBe(errorCode === 0);
    return results.map(({ errorCode }) => errorName(errorCode));
  };
  const quotas = () =>
    [...harness.loader.image().clientQuotas.entities.values()].map(({ entity, quotas: values }) => [
      entity.map(({ entityType, entityName }) => `${entityType}=${entityName}`).join(','),
      Object.fromEntries(values),
    ]);

  beforeEach(async () => {
    harness = await ControllerHarness.started([1]);
  });

  it.each<[string, Entity, Op[]]>([
    ['a user', { user: '__proto__' }, [['producer_byte_rate', 1_000_000]]],
    ['every user', { user: null }, [['consumer_byte_rate', 2 ** 63]]],
    ['a client id', { 'client-id': 'c' }, [['request_percentage', 0.5]]],
    ['a user with a client id', { 'client-id': null, user: 'u' }, [['controller_mutation_rate', 1.5]]],
    ['an address', { ip: '10.0.0.1' }, [['connection_creation_rate', 10]]],
    ['an address of IPv6', { ip: '::1' }, [['connection_creation_rate', 2 ** 31 - 1]]],
    ['every address', { ip: null }, [['connection_creation_rate', 1]]],
    ['a value that is all but whole', BOB, [['producer_byte_rate', 5.0000001]]],
  ])('sets and removes a quota of %s', async (_name, entity, ops) => {
    expect(await alter([entryOf(entity, ops)])).toEqual(['NONE']);
    const name = Object.entries(entity).map(([type, value]) => `${type}=${value}`);
    expect(quotas()).toEqual([[name.join(','), Object.fromEntries(ops)]]);
    expect(await alter([entryOf(entity, [[ops[0]![0], undefined]])])).toEqual(['NONE']);
    expect(quotas()).toEqual([]);
  });

  it.each<[string, Entity | [string, string | null][], Op[]]>([
    ['no entity', {}, [['producer_byte_rate', 1]]],
    ['an unknown type of entity', { group: 'g' }, [['producer_byte_rate', 1]]],
    ['a type that every object has', { __proto__x: 'g', constructor: 'c' }, [['producer_byte_rate', 1]]],
    ['an empty name', { user: '' }, [['producer_byte_rate', 1]]],
    ['an address with a user', { ip: '10.0.0.1', user: 'u' }, [['connection_creation_rate', 1]]],
    ['what is no address', { ip: 'not an address' }, [['connection_creation_rate', 1]]],
    ['a key of addresses for a user', BOB, [['connection_creation_rate', 1]]],
    ['a key of users for an address', { ip: '10.0.0.1' }, [['producer_byte_rate', 1]]],
    ['a key that every object has', BOB, [['__proto__', 1]]],
    ['zero', BOB, [['producer_byte_rate', 0]]],
    ['less than zero', BOB, [['request_percentage', -1]]],
    ['no number', BOB, [['request_percentage', Number.NaN]]],
    ['a fraction of a byte', BOB, [['producer_byte_rate', 1.5]]],
    ['more bytes than there are', BOB, [['producer_byte_rate', Number.POSITIVE_INFINITY]]],
    ['too many connections', { ip: null }, [['connection_creation_rate', 2 ** 31]]],
    [
      'one key twice',
      BOB,
      [
        ['producer_byte_rate', 1],
        ['producer_byte_rate', undefined],
      ],
    ],
  ])('refuses %s', async (_name, entity, ops) => {
    expect(
      await alter([entryOf(entity, ops), entryOf({ user: 'other' }, [['producer_byte_rate', 1]])]),
    ).toEqual(['INVALID_REQUEST', 'NONE']);
    expect(quotas()).toEqual([['user=other', { producer_byte_rate: 1 }]]);
  });

  it('changes nothing of an entity one of whose values is refused', async () => {
    const ops: Op[] = [
      ['producer_byte_rate', 1],
      ['consumer_byte_rate', -1],
    ];
    expect(await alter([entryOf(BOB, ops)])).toEqual(['INVALID_REQUEST']);
    expect(quotas()).toEqual([]);
  });

  it('answers an entity that is named twice once, with what came first done', async () => {
    const answers = await alter([
      entryOf({ user: 'u', 'client-id': 'c' }, [['producer_byte_rate', 1]]),
      entryOf({ 'client-id': 'c', user: 'u' }, [['producer_byte_rate', 2]]),
    ]);
    expect(answers).toEqual(['INVALID_REQUEST']);
    expect(quotas()).toEqual([['client-id=c,user=u', { producer_byte_rate: 1 }]]);
  });

  it('takes the last name of a type that an entity has twice', async () => {
    const twice: [string, string][] = [
      ['user', 'a'],
      ['user', 'b'],
    ];
    expect(await alter([entryOf(twice, [['producer_byte_rate', 1]])])).toEqual(['NONE']);
    expect(quotas()).toEqual([['user=b', { producer_byte_rate: 1 }]]);
  });

  it('writes no record for what is so already, for what is not there to remove, or for a validation', async () => {
    await alter([entryOf(BOB, [['producer_byte_rate', 7]])]);
    const before = harness.quorum.logEndOffset();
    const ops: Op[] = [
      ['producer_byte_rate', 7],
      ['consumer_byte_rate', undefined],
      ['of_the_past', undefined],
    ];
    expect(await alter([entryOf(BOB, ops)])).toEqual(['NONE']);
    expect(await alter([entryOf(BOB, [['producer_byte_rate', 8]])], true)).toEqual(['NONE']);
    expect(await alter([entryOf(BOB, [['producer_byte_rate', -8]])], true)).toEqual(['INVALID_REQUEST']);
    expect(await alter([])).toEqual([]);
    expect(harness.quorum.logEndOffset()).toBe(before);
  });

  it('refuses a request that would write too many records', async () => {
    const entries = Array.from({ length: 10_001 }, (_, i) =>
      entryOf({ user: `u${i}` }, [['producer_byte_rate', 1]]),
    );
    const request = { entries, validateOnly: false };
    expect(await errorOf(harness.controller.alterClientQuotas(request))).toBe('POLICY_VIOLATION');
    expect(quotas()).toEqual([]);
  });
});
