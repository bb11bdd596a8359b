/**
 * Where log lines go. A message is a short sentence without values that change from line to line; the values are
 * `fields`. No record payload and no secret may be in either. Strings that a client sent may: the writer behind this
 * interface escapes control bytes.
 */
export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
  /** A logger whose lines carry `name` as the part of the broker that wrote them. */
  child(name: string): Logger;
}

export type LogFields = Record<string, unknown>;
export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/** Drops every line. */
export const silentLogger: Logger = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  child() {
    return silentLogger;
  },
};

/** One line as {@link MemoryLogger} keeps it. `name` is '' at the root. */
export interface LogEntry {
  readonly level: LogLevel;
  readonly name: string;
  readonly message: string;
  readonly fields: LogFields;
}

/** Keeps lines in memory, for tests and for tools that show them later. Children share the list of their parent. */
export class MemoryLogger implements Logger {
  readonly entries: LogEntry[];
  private readonly name: string;

  constructor(entries: LogEntry[] = [], name = '') {
    this.entries = entries;
    this.name = name;
  }

  debug(message: string, fields: LogFields = {}): void {
    this.entries.push({ level: 'debug', name: this.name, message, fields });
  }

  info(message: string, fields: LogFields = {}): void {
    this.entries.push({ level: 'info', name: this.name, message, fields });
  }

  warn(message: string, fields: LogFields = {}): void {
    this.entries.push({ level: 'warn', name: this.name, message, fields });
  }

  error(message: string, fields: LogFields = {}): void {
    this.entries.push({ level: 'error', name: this.name, message, fields });
  }

  child(name: string): MemoryLogger {
    return new MemoryLogger(this.entries, name);
  }

  /** The messages of one level, or of all. */
  messages(level?: LogLevel): string[] {
    return this.entries
      .filter(entry => level === undefined || entry.level === level)
      .map(entry => entry.message);
  }
}

const LIMITED_KEYS_MAX = 1024;

/**
 * Lets one line for each key through in `periodMs`, so that a flood of connections is not a flood of lines. A line
 * that comes after others were held back says how many in the field `suppressed`.
 */
export class LimitedLogger {
  private readonly logger: Logger;
  private readonly nowMs: () => number;
  private readonly periodMs: number;
  private readonly windows = new Map<string, { openAtMs: number; suppressed: number }>();

  /** `nowMs` is a monotonic clock in ms. */
  constructor(logger: Logger, nowMs: () => number, periodMs: number) {
    this.logger = logger;
    this.nowMs = nowMs;
    this.periodMs = periodMs;
  }

  debug(key: string, message: string, fields?: LogFields): void {
    this.log('debug', key, message, fields);
  }

  info(key: string, message: string, fields?: LogFields): void {
    this.log('info', key, message, fields);
  }

  warn(key: string, message: string, fields?: LogFields): void {
    this.log('warn', key, message, fields);
  }

  error(key: string, message: string, fields?: LogFields): void {
    this.log('error', key, message, fields);
  }

  private log(level: LogLevel, key: string, message: string, fields: LogFields | undefined): void {
    const now = this.nowMs();
    const window = this.windows.get(key);
    if (window !== undefined && now < window.openAtMs) {
      window.suppressed++;
      return;
    }
    const suppressed = window?.suppressed ?? 0;
    // A client may choose keys (its address is one): the oldest goes when there are too many.
    this.windows.delete(key);
    if (this.windows.size >= LIMITED_KEYS_MAX) {
      for (const oldest of this.windows.keys()) {
        this.windows.delete(oldest);
        break;
      }
    }
    this.windows.set(key, { openAtMs: now + this.periodMs, suppressed: 0 });
    this.logger[level](message, suppressed === 0 ? fields : { ...fields, suppressed });
  }
}
