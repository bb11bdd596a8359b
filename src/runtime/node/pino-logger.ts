import { createRequire } from 'node:module';
import { type Logger as Pino, pino, stdTimeFunctions } from 'pino';

const require = createRequire(import.meta.url);

export interface PinoLoggerOptions {
  /** Lines for people, with colours; otherwise one JSON object a line. */
  readonly terminal: boolean;
  /** The file descriptor; default 1. */
  readonly descriptor?: number;
}

type Fields = Record<string, unknown>;

/**
 * Log lines through pino, whatever their level: whoever gives them decides which are wanted. Lines are written at once:
 * the last ones before an exit are the ones that matter. Control and direction bytes are escaped, for a message may
 * hold what a client sent.
 */
export class PinoLogger {
  private readonly pino: Pino;

  constructor(pinoLogger: Pino) {
    this.pino = pinoLogger;
  }

  debug(message: string, fields?: Fields): void {
    this.pino.debug(cleanFields(fields), escapeControl(message));
  }

  info(message: string, fields?: Fields): void {
    this.pino.info(cleanFields(fields), escapeControl(message));
  }

  warn(message: string, fields?: Fields): void {
    this.pino.warn(cleanFields(fields), escapeControl(message));
  }

  error(message: string, fields?: Fields): void {
    this.pino.error(cleanFields(fields), escapeControl(message));
  }

  child(name: string): PinoLogger {
    return new PinoLogger(this.pino.child({ name }));
  }
}

export function createPinoLogger(options: PinoLoggerOptions): PinoLogger {
  const descriptor = options.descriptor ?? 1;
  // Not the host and pid on every line: one broker is one process, and its first line says which.
  const settings = { level: 'debug', base: null };
  if (options.terminal) {
    // Loaded here only: a node that writes JSON starts sooner without it.
    const { PinoPretty } = require('pino-pretty') as typeof import('pino-pretty');
    const pretty = PinoPretty({
      destination: descriptor,
      sync: true,
      colorize: true,
      translateTime: 'SYS:HH:MM:ss.l',
      singleLine: true,
    });
    return new PinoLogger(pino(settings, pretty));
  }
  const lines = {
    ...settings,
    timestamp: stdTimeFunctions.isoTime,
    formatters: { level: (level: string) => ({ level }) },
  };
  return new PinoLogger(pino(lines, pino.destination({ fd: descriptor, sync: true })));
}

const CLEAN_DEPTH_MAX = 6;

function cleanFields(fields: Fields | undefined): object {
  return fields === undefined ? {} : (clean(fields, 0) as object);
}

/** A copy of `value` that JSON can hold, with escaped strings. */
function clean(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return escapeControl(value);
  if (typeof value === 'bigint') return value.toString();
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof Error) return cleanError(value, depth);
  if (value instanceof Uint8Array) return `(${value.length} bytes)`;
  if (depth >= CLEAN_DEPTH_MAX) return '...';
  if (Array.isArray(value)) return value.map(each => clean(each, depth + 1));
  if (value instanceof Set) return [...value].map(each => clean(each, depth + 1));
  const entries: Iterable<[unknown, unknown]> = value instanceof Map ? value : Object.entries(value);
  const copy = Object.create(null) as Fields;
  for (const [key, each] of entries) copy[escapeControl(String(key))] = clean(each, depth + 1);
  return copy;
}

function cleanError(error: Error, depth: number): Fields {
  // The stack repeats the message, which may hold anything: only the lines of the places are kept.
  const places = (error.stack ?? '').split('\n').filter(line => /^\s+at /.test(line));
  const copy: Fields = { type: error.name, message: escapeControl(error.message) };
  const { code, cause } = error as { code?: unknown; cause?: unknown };
  if (code !== undefined) copy['code'] = clean(code, depth + 1);
  if (cause !== undefined && depth < CLEAN_DEPTH_MAX) copy['cause'] = clean(cause, depth + 1);
  copy['stack'] = places.map(line => escapeControl(line.trim()));
  return copy;
}

// C0, DEL, C1, line and paragraph separators, and the marks that turn the direction of text.
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what it is about
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;

/** `text` with each control character written as `\x..` or `\u....`. */
export function escapeControl(text: string): string {
  return text.replace(CONTROL, character => {
    const code = character.charCodeAt(0).toString(16);
    return code.length <= 2 ? `\\x${code.padStart(2, '0')}` : `\\u${code.padStart(4, '0')}`;
  });
}
