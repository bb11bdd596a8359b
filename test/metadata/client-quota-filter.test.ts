import { describe, expect, it } from 'vitest';
import { PersistentMap } from '../../src/base/persistent-map.ts';
import { ClientQuotaFilter, QuotaMatchType } from '../../src/metadata/client-quota-filter.ts';
import { clientQuotaKey, ClientQuotasImage, sortedEntity } from '../../src/metadata/client-quotas-image.ts';
import { errorName, KafkaError } from '../../src/protocol/errors.ts';

const { EXACT, DEFAULT, SPECIFIED } = QuotaMatchType;

type Component = [entityType: string, matchType: number, match: string | null];

/** Entities by the names of their parts; `*` is the default. */
const ENTITIES = [
  'user=a',
  'user=*',
  'user=a client-id=c',
  'user=a client-id=*',
  'user=* client-id=c',
].concat(['client-id=c', 'client-id=*', 'ip=10.0.0.1', 'ip=*']);

const image = new ClientQuotasImage(
  PersistentMap.from(
    ENTITIES.map(text => {
      const parts = text.split(' ').map(part => {
        const [entityType = '', name = ''] = part.split('=');
        return { entityType, entityName: name === '*' ? null : name };
      });
      const entity = sortedEntity(parts);
      return [clientQuotaKey(entity), { entity, quotas: new Map([[text, 1]]) }] as const;
    }),
  ),
);

function filter(strict: boolean, components: Component[]): ClientQuotaFilter {
  return new ClientQuotaFilter({
    components: components.map(([entityType, matchType, match]) => ({ entityType, matchType, match })),
    strict,
  });
}

function selected(strict: boolean, ...components: Component[]): string[] {
  return [...filter(strict, components).select(image)].flatMap(({ quotas }) => [...quotas.keys()]).sort();
}

describe('ClientQuotaFilter', () => {
  it.each<[string, Component[], boolean, string[]]>([
    ['no component, loosely: everything', [], false, ENTITIES],
    ['no component, strictly: nothing', [], true, []],
    ['a name, strictly: that entity alone', [['user', EXACT, 'a']], true, ['user=a']],
    [
      'a name, loosely: with other parts too',
      [['user', EXACT, 'a']],
      false,
      ['user=a', 'user=a client-id=*', 'user=a client-id=c'],
    ],
    ['a default', [['user', DEFAULT, null]], true, ['user=*']],
    ['any of a type', [['user', SPECIFIED, null]], true, ['user=*', 'user=a']],
    ['any address', [['ip', SPECIFIED, null]], false, ['ip=*', 'ip=10.0.0.1']],
    [
      'two parts',
      [
        ['client-id', SPECIFIED, null],
        ['user', EXACT, 'a'],
      ],
      true,
      ['user=a client-id=*', 'user=a client-id=c'],
    ],
    [
      'a default with a name',
      [
        ['client-id', EXACT, 'c'],
        ['user', DEFAULT, null],
      ],
      false,
      ['user=* client-id=c'],
    ],
    ['nobody', [['user', EXACT, '*']], false, []],
    ['an empty name, which nobody has', [['user', EXACT, '']], false, []],
  ])('%s', (_name, components, strict, expected) => {
    expect(selected(strict, ...components)).toEqual([...expected].sort());
  });

  it.each<[string, Component[], string]>([
    ['an empty type', [['', EXACT, 'a']], 'INVALID_REQUEST'],
    [
      'a type twice',
      [
        ['user', EXACT, 'a'],
        ['user', SPECIFIED, null],
      ],
      'INVALID_REQUEST',
    ],
    ['an unknown type', [['__proto__', EXACT, 'a']], 'UNSUPPORTED_VERSION'],
    ['a match without a name', [['user', EXACT, null]], 'INVALID_REQUEST'],
    ['a default with a name', [['user', DEFAULT, 'a']], 'INVALID_REQUEST'],
    ['any with a name', [['user', SPECIFIED, 'a']], 'INVALID_REQUEST'],
    ['an unknown kind of match', [['user', 3, null]], 'INVALID_REQUEST'],
    [
      'an address with a client id',
      [
        ['ip', EXACT, '10.0.0.1'],
        ['client-id', SPECIFIED, null],
      ],
      'INVALID_REQUEST',
    ],
  ])('refuses %s', (_name, components, code) => {
    let thrown: unknown;
    try {
      filter(false, components);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(KafkaError);
    expect(errorName((thrown as KafkaError).code)).toBe(code);
  });
});
