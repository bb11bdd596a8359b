import { describe, expect, it } from 'vitest';
import type { ClientQuotaEntity } from '../../../src/metadata/client-quotas-image.ts';
import { ClientQuotaLimits } from '../../../src/server/quotas/client-quota-limits.ts';

const entity = (user: string | null | undefined, clientId: string | null | undefined): ClientQuotaEntity => [
  ...(clientId === undefined ? [] : [{ entityType: 'client-id', entityName: clientId }]),
  ...(user === undefined ? [] : [{ entityType: 'user', entityName: user }]),
];

/** The eight levels, strongest first, for user `u` and client id `c`, with what the limit is shared by. */
const LEVELS: [user: string | null | undefined, clientId: string | null | undefined, shared: object][] = [
  ['u', 'c', { user: 'u', clientId: 'c' }],
  ['u', null, { user: 'u', clientId: 'c' }],
  ['u', undefined, { user: 'u', clientId: undefined }],
  [null, 'c', { user: 'u', clientId: 'c' }],
  [null, null, { user: 'u', clientId: 'c' }],
  [null, undefined, { user: 'u', clientId: undefined }],
  [undefined, 'c', { user: undefined, clientId: 'c' }],
  [undefined, null, { user: undefined, clientId: 'c' }],
];

describe('ClientQuotaLimits', () => {
  it('takes the first of the eight levels that is set, whichever of them are', () => {
    for (let set = 0; set < 256; set++) {
      const limits = new ClientQuotaLimits();
      const isSet = (level: number): boolean => (set & (1 << level)) !== 0;
      // From the weakest, so that the order of setting is not that of the levels.
      for (let level = 7; level >= 0; level--) {
        const [user, clientId] = LEVELS[level]!;
        if (isSet(level)) limits.set(entity(user, clientId), level + 1);
      }
      const strongest = LEVELS.findIndex((_, level) => isSet(level));
      const expected = strongest < 0 ? undefined : { bound: strongest + 1, ...LEVELS[strongest]![2] };
      expect(limits.resolve('u', 'c')).toEqual(expected);
      expect(limits.size).toBe(LEVELS.filter((_, level) => isSet(level)).length);
      // What is removed gives way to the next level, down to none.
      for (let level = 0; level < 8; level++) {
        const [user, clientId] = LEVELS[level]!;
        limits.set(entity(user, clientId), null);
        const next = LEVELS.findIndex((_, other) => other > level && isSet(other));
        expect(limits.resolve('u', 'c')?.bound).toBe(next < 0 ? undefined : next + 1);
      }
      expect(limits.size).toBe(0);
    }
  });

  it('gives others what is for all, and nothing of what is for one', () => {
    const limits = new ClientQuotaLimits();
    limits.set(entity('u', 'c'), 1);
    limits.set(entity('u', undefined), 2);
    limits.set(entity(undefined, 'c'), 3);
    expect(limits.resolve('u', 'd')).toMatchObject({ bound: 2 });
    expect(limits.resolve('v', 'c')).toMatchObject({ bound: 3 });
    expect(limits.resolve('v', 'd')).toBeUndefined();
    limits.set(entity(null, undefined), 4);
    expect(limits.resolve('v', 'c')).toEqual({ bound: 4, user: 'v', clientId: undefined });
  });

  it('knows only quotas of users for a client without an id', () => {
    const limits = new ClientQuotaLimits();
    limits.set(entity('u', null), 1);
    limits.set(entity(undefined, null), 2);
    expect(limits.resolve('u', '')).toBeUndefined();
    limits.set(entity(null, undefined), 3);
    expect(limits.resolve('u', '')).toMatchObject({ bound: 3, clientId: undefined });
    limits.set(entity('u', undefined), 4);
    expect(limits.resolve('u', '')).toMatchObject({ bound: 4 });
  });

  it('keeps names apart that every object has', () => {
    const limits = new ClientQuotaLimits();
    limits.set(entity('__proto__', 'constructor'), 1);
    expect(limits.resolve('__proto__', 'constructor')?.bound).toBe(1);
    expect(limits.resolve('toString', 'constructor')).toBeUndefined();
  });
});
