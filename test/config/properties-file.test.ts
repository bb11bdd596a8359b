import { expect, test } from 'vitest';
import { parsePropertiesFile } from '../../src/config/properties-file.ts';

function parse(text: string): unknown[] {
  return parsePropertiesFile('f', Buffer.from(text, 'latin1')).entries.map(({ key, value, line }) => [
    line,
    key,
    value,
  ]);
}

test('a properties file has comments, three separators, continued lines and escapes, and its lines are counted', () => {
  const text = [
    '# comment',
    '! comment too = 1',
    '',
    'a=b',
    'c : d',
    'e f',
    'g=1,\\',
    '   2,\\',
    '   3',
    '  h\\:i\\=\\ j = \\u0041\\t\\n\\\\ ',
    'k',
    'l=',
    'm=a=b:c # no comment',
  ].join('\n');
  expect(parse(text)).toEqual([
    [4, 'a', 'b'],
    [5, 'c', 'd'],
    [6, 'e', 'f'],
    [7, 'g', '1,2,3'],
    [10, 'h:i= j', 'A\t\n\\ '],
    [11, 'k', ''],
    [12, 'l', ''],
    [13, 'm', 'a=b:c # no comment'],
  ]);
});

test('lines of a properties file may end as on Windows', () => {
  expect(parse('a=1\r\n\r\nb=2\rc=3\n')).toEqual([
    [1, 'a', '1'],
    [3, 'b', '2'],
    [4, 'c', '3'],
  ]);
});

test('a properties file is in Latin-1', () => {
  expect(parse('name=M\u00fcller\n')).toEqual([[1, 'name', 'M\u00fcller']]);
});

test('keys like __proto__ are keys like others', () => {
  expect(parse('__proto__=1\nconstructor=2\n')).toEqual([
    [1, '__proto__', '1'],
    [2, 'constructor', '2'],
  ]);
});
