import { type Pair, parseLines } from 'dot-properties';

/** One `key=value` of a properties file. */
export interface PropertyEntry {
  readonly key: string;
  readonly value: string;
  /** From 1: where the key stands. */
  readonly line: number;
}

export interface PropertiesFile {
  /** As messages name it. */
  readonly name: string;
  /** In the order of the file; a key may come twice, then the last one counts. */
  readonly entries: readonly PropertyEntry[];
  /** What is not valid syntax. */
  readonly problems: readonly { readonly line: number; readonly message: string }[];
}

/**
 * Parses Java's properties syntax: `#` and `!` comments, `=`, `:` or blanks between key and value, lines that go on
 * after a backslash, and escapes. Such a file is in Latin-1; other characters are written as `\uXXXX`.
 */
export function parsePropertiesFile(name: string, bytes: Uint8Array): PropertiesFile {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
  const lineOf = lineCounter(text);
  const entries: PropertyEntry[] = [];
  const problems: { line: number; message: string }[] = [];
  for (const node of parseLines(text, true)) {
    if (node.type !== 'PAIR') continue;
    const { key, value, range } = node as Required<Pair>;
    const line = lineOf(range[0]);
    const source = text.slice(range[0], range[range.length - 1]);
    if (/(?<!\\)(\\\\)*\\u(?![0-9a-fA-F]{4})/.test(source)) {
      problems.push({ line, message: `'${key}': \\u must be followed by four hexadecimal digits` });
    }
    if (key === '') problems.push({ line, message: 'a value without a key' });
    else entries.push({ key, value, line });
  }
  return { name, entries, problems };
}

/** The line of a position; positions must be asked in rising order. */
function lineCounter(text: string): (position: number) => number {
  const breaks = /\r\n|\r|\n/g;
  let line = 1;
  let next = breaks.exec(text);
  return position => {
    while (next !== null && next.index < position) {
      line++;
      next = breaks.exec(text);
    }
    return line;
  };
}
