/** How what was read differs from what should be there, in one line of text; `undefined` if it does not. */
export function differenceOf(read: readonly string[], expected: readonly string[]): string | undefined {
  const at = expected.findIndex((value, index) => read[index] !== value);
  if (at < 0 && read.length === expected.length) return undefined;
  const values = new Set(read);
  const wanted = new Set(expected);
  const missing = expected.filter(value => !values.has(value));
  const strange = read.filter(value => !wanted.has(value));
  const some = (list: readonly string[]) => `${list.length} (${list.slice(0, 3).join(', ')})`;
  const first = at < 0 ? expected.length : at;
  return (
    `${read.length} read, ${expected.length} expected, ${read.length - values.size} repeated, ` +
    `missing ${some(missing)}, never written ${some(strange)}, ` +
    `first difference at ${first}: ${read[first]} instead of ${expected[first]}`
  );
}
