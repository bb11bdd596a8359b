import { readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

/* The rules of the house that a machine can check. There are no lists of exceptions. */

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** The layers: a folder imports only from folders of lower rank. */
const RANKS: readonly (readonly string[])[] = [
  ['base', 'runtime'],
  ['config', 'compression', 'protocol'],
  ['record', 'security'],
  ['log', 'raft'],
  ['metadata', 'client'],
  ['controller', 'replication', 'coordinator'],
  ['server'],
  ['tools', 'console'],
  ['cluster'],
];

/** What may stand at the top, besides names that begin with a dot. Git ignores the last three. */
const TOP_LEVEL = [
  ...['LICENSE', 'README.md', 'bin', 'config', 'docs', 'package-lock.json', 'package.json', 'src', 'test'],
  ...['tsconfig.json', 'data', 'dist', 'node_modules'],
];

const LINE_MAX = 120;
const FILE_LINES_MAX = 900;

/** Effects that only src/runtime/node/ may have. */
const EFFECTS: readonly RegExp[] = [
  /\bDate\b(?!')/,
  /(?<!\.)\bperformance\./,
  /\bsetTimeout\b/,
  /\bsetInterval\b/,
  /\bsetImmediate\b/,
  /\bqueueMicrotask\b/,
  /\bprocess\.nextTick\b/,
  /\bprocess\.hrtime\b/,
  /\bMath\.random\b/,
  /\bcrypto\.(random|getRandom)/,
  /\brandom(Bytes|Fill|Int|UUID)\b.*from 'node:crypto'/,
  /'node:(fs|net|tls|dgram|http|https|worker_threads|cluster|timers|perf_hooks)(\/[a-z]+)?'/,
];

/** Parts of the process that only the commands may touch. */
const PROCESS = /\bprocess\.(exit|exitCode|argv|on|once|kill|stdout|stderr|stdin|cwd|env|chdir)\b/;

/** What is never needed. */
const NEVER: readonly RegExp[] = [/\beval\(/, /@ts-(ignore|nocheck|expect-error)/, /\bconsole\./];

interface SourceFile {
  /** From the root, with slashes. */
  readonly path: string;
  readonly text: string;
  /** The text with comments blanked out, line by line. */
  readonly code: string;
}

const sources = filesUnder('src', /\.ts$/).map(readSource);
const tests = filesUnder('test', /\.(ts|mjs)$/).map(readSource);

function filesUnder(folder: string, pattern: RegExp): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap(entry => {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory()) return entry.name === 'node_modules' ? [] : filesUnder(path, pattern);
    return pattern.test(entry.name) ? [path] : [];
  });
}

function readSource(path: string): SourceFile {
  const text = readFileSync(join(root, path), 'utf8');
  const blank = (comment: string): string => comment.replace(/[^\n]/g, ' ');
  const code = text
    .replace(/\/\*[\s\S]*?\*\//g, blank)
    .replace(/(^|[^:'"`])\/\/.*$/gm, (match, before) => before + blank(match.slice(before.length)));
  return { path, text, code };
}

/** The lines of all files in which the pattern is found, as `path:line: text`. */
function found(files: readonly SourceFile[], pattern: RegExp, what: 'code' | 'text' = 'code'): string[] {
  return files.flatMap(file =>
    file[what]
      .split('\n')
      .flatMap((line, index) =>
        pattern.test(line) ? [`${file.path}:${index + 1}: ${line.trim().slice(0, 100)}`] : [],
      ),
  );
}

/** The files that a file imports, and whether only their types. */
function importsOf(file: SourceFile): string[] {
  const specifiers = file.code.matchAll(/(?:\bfrom|\bimport)\s*\(?\s*'(\.[^']*)'|new URL\('(\.[^']*)'/g);
  return [...specifiers].map(([, imported, located]) => {
    const path = relative(root, resolve(root, dirname(file.path), imported ?? located!));
    return path.replace(/\.js$/, '.ts');
  });
}

function rankOf(path: string): number {
  const folder = path.split('/')[1]!;
  return RANKS.findIndex(folders => folders.includes(folder));
}

describe('the layers', () => {
  test('hold all sources', () => {
    const strays = sources.filter(file => rankOf(file.path) < 0 || file.path.split('/').length < 3);
    expect(strays.map(file => file.path)).toEqual([]);
  });

  test('import only from lower ones', () => {
    const wrong = sources.flatMap(file =>
      importsOf(file)
        .filter(path => path.split('/')[1] !== file.path.split('/')[1] && rankOf(path) >= rankOf(file.path))
        .map(path => `${file.path} imports ${path}`),
    );
    expect(wrong).toEqual([]);
  });

  test('import files that are there', () => {
    const known = new Set(sources.map(file => file.path));
    const wrong = sources.flatMap(file =>
      importsOf(file)
        .filter(path => !known.has(path))
        .map(path => `${file.path} imports ${path}`),
    );
    expect(wrong).toEqual([]);
  });
});

describe('sources', () => {
  const pure = sources.filter(file => !file.path.startsWith('src/runtime/node/'));

  test('have effects through the runtime only', () => {
    for (const effect of EFFECTS) expect(found(pure, effect), String(effect)).toEqual([]);
  });

  test('leave the process to the commands', () => {
    const others = pure.filter(file => !file.path.startsWith('src/tools/'));
    expect(found(others, PROCESS)).toEqual([]);
  });

  test('have none of what is never good', () => {
    for (const pattern of NEVER) expect(found(sources, pattern), String(pattern)).toEqual([]);
  });

  test('keep no mutable state in modules', () => {
    expect(found(sources, /^(export )?(let|var) /)).toEqual([]);
  });

  test('are each imported by another one, or are an entry', () => {
    const imported = new Set([...sources, ...tests].flatMap(importsOf));
    const scripts = [...filesUnder('bin', /./), 'package.json']
      .map(path => readFileSync(join(root, path), 'utf8'))
      .join('\n');
    const isEntry = (path: string): boolean =>
      scripts.includes(path.replace(/^src/, 'dist').replace(/\.ts$/, '.js'));
    const dead = sources.map(file => file.path).filter(path => !imported.has(path) && !isEntry(path));
    expect(dead).toEqual([]);
  });
});

describe('all files', () => {
  const files = [...sources, ...tests, ...filesUnder('bin', /./).map(readSource)];

  test('have names in kebab case', () => {
    const wrong = files.filter(
      file =>
        !/^[a-z0-9]+(-[a-z0-9]+)*(\.(test|check|config))?(\.(ts|mjs|sh))?$/.test(
          file.path.split('/').at(-1)!,
        ),
    );
    expect(wrong.map(file => file.path)).toEqual([]);
  });

  test(`have lines of at most ${LINE_MAX} characters`, () => {
    const comments = files.filter(file => file.path.startsWith('src/') || file.path.startsWith('bin/'));
    // The formatter cannot break a long string or template.
    const isString = (line: string): boolean => /['"`]/.test(line);
    const wrong = comments.flatMap(file =>
      file.text
        .split('\n')
        .flatMap((line, index) =>
          line.length > LINE_MAX && !isString(line) ? [`${file.path}:${index + 1}`] : [],
        ),
    );
    expect(wrong).toEqual([]);
  });

  test(`have at most ${FILE_LINES_MAX} lines`, () => {
    const wrong = sources.filter(file => file.text.split('\n').length > FILE_LINES_MAX);
    expect(wrong.map(file => file.path)).toEqual([]);
  });

  test('have nothing left to do', () => {
    // Put together so that this line is not one of them.
    const marks = new RegExp(
      `\\b(${['TO', 'FIX', 'XX', 'HA'].map((half, index) => half + ['DO', 'ME', 'X', 'CK'][index]).join('|')})\\b`,
    );
    expect(found(files, marks, 'text')).toEqual([]);
  });

  test('name no place of the machine they were written on', () => {
    const places = new RegExp(
      ['/wor' + 'k/', '/tmp/(ak|brief)' + '\\b', '/home/[a-z]', '/Users/[a-z]'].join('|'),
    );
    const documents = [
      ...filesUnder('docs', /\.md$/),
      ...filesUnder('config', /./),
      'README.md',
      'package.json',
      'package-lock.json',
    ];
    expect(found([...files, ...documents.map(readSource)], places, 'text')).toEqual([]);
  });
});

test('the top level holds what it may hold', () => {
  const there = readdirSync(root).filter(name => !name.startsWith('.'));
  expect(there.filter(name => !TOP_LEVEL.includes(name))).toEqual([]);
  for (const name of ['src', 'test', 'bin', 'config', 'docs'])
    expect(statSync(join(root, name)).isDirectory()).toBe(true);
});
