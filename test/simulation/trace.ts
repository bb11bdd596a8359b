/** One line that a failure may print. */
interface TimelineLine {
  readonly atMs: number;
  readonly text: string;
}

/** Lines that are kept while a world runs. */
const LINES_MAX = 4_000;

/**
 * What happened, as a digest of everything and as a few lines for people. Two runs of a seed must have equal digests:
 * each event, each random decision about the network and the disk, and each line that a server logs goes in.
 */
export class Trace {
  private high = 0x9e3779b9;
  private low = 0x811c9dc5;
  private count = 0;
  private readonly lines: TimelineLine[] = [];
  /** Set to see each item that enters the digest, to find where two runs part. */
  listener: ((item: string) => void) | undefined;

  /** Enters the digest. */
  add(item: string): void {
    let { high, low } = this;
    for (let index = 0; index < item.length; index++) {
      const code = item.charCodeAt(index);
      low = Math.imul(low ^ code, 0x01000193);
      high = Math.imul(high ^ code, 0x5bd1e995) ^ (high >>> 15);
    }
    this.low = Math.imul(low ^ 0xff, 0x01000193);
    this.high = high ^ (low >>> 7);
    this.count++;
    this.listener?.(item);
  }

  /** Enters the digest, and the timeline. */
  note(atMs: number, text: string): void {
    this.add(text);
    this.lines.push({ atMs, text });
    if (this.lines.length > LINES_MAX) this.lines.splice(0, LINES_MAX / 2);
  }

  /** 16 hexadecimal digits and the number of items. */
  get digest(): string {
    const hex = (value: number): string => (value >>> 0).toString(16).padStart(8, '0');
    return `${hex(this.high)}${hex(this.low)}-${this.count}`;
  }

  /** The last `maxLines` lines; each is cut to one row of text. */
  timeline(maxLines: number): string[] {
    return this.lines.slice(-maxLines).map(({ atMs, text }) => {
      const line = `${(atMs / 1000).toFixed(3).padStart(9)}  ${text}`;
      return line.length > 220 ? `${line.slice(0, 217)}...` : line;
    });
  }
}
