import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import { differenceOf } from './difference.ts';

const LINE_EVERY_MS = 4;

/** A text file that gets a line every few milliseconds. Its lines are ASCII and no two are alike. */
export class GrowingFile {
  readonly path: string;
  private readonly label: string;
  private readonly lines: string[] = [];
  private timer: NodeJS.Timeout | undefined;
  private readonly file: number;

  constructor(path: string, label: string) {
    this.path = path;
    this.label = label;
    this.file = openSync(path, 'a');
  }

  get length(): number {
    return this.lines.length;
  }

  grow(): void {
    this.timer ??= setInterval(() => this.append(), LINE_EVERY_MS);
  }

  rest(): void {
    clearInterval(this.timer);
    this.timer = undefined;
  }

  close(): void {
    this.rest();
    closeSync(this.file);
  }

  bytes(): Buffer {
    return readFileSync(this.path);
  }

  /** How records differ from the lines; `undefined` if they are the same in the same order. */
  differenceTo(values: readonly string[]): string | undefined {
    return differenceOf(values, this.lines);
  }

  private append(): void {
    const line = `${this.label} ${this.lines.length} ${'.'.repeat(this.lines.length % 90)}`;
    this.lines.push(line);
    writeSync(this.file, `${line}\n`);
  }
}
