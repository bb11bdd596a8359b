import { expect, test } from 'vitest';
import { differenceOf } from './difference.ts';

test('what is equal has no difference', () => {
  expect(differenceOf([], [])).toBeUndefined();
  expect(differenceOf(['a', 'b'], ['a', 'b'])).toBeUndefined();
});

test.each([
  ['a record twice', ['a', 'b', 'b', 'c'], '1 repeated'],
  ['a record less at the end', ['a', 'b'], 'missing 1 (c)'],
  ['a record less in the middle', ['a', 'c'], 'missing 1 (b)'],
  ['another order', ['a', 'c', 'b'], 'first difference at 1: c instead of b'],
  ['the last record again', ['a', 'b', 'c', 'c'], 'first difference at 3: c instead of undefined'],
  ['what nobody wrote', ['a', 'b', 'c', 'd'], 'never written 1 (d)'],
])('%s is a difference', (_name, read, said) => {
  expect(differenceOf(read, ['a', 'b', 'c'])).toContain(said);
});
