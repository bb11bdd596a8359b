import type { LogFields, Logger, LogLevel } from '../../src/base/logger.ts';
import type { SimScheduler } from './sim-scheduler.ts';

/** What every node says all the time: in the digest, and not in the few lines for people. */
const ROUTINE = /snapshot|logs loaded|listening|caught up with the metadata log|a log was compacted/;

/** Brings the lines of a server into the trace: all of them into the digest, warnings and errors into the timeline. */
export class SimLogger implements Logger {
  private readonly scheduler: SimScheduler;
  private readonly prefix: string;
  private readonly isAlive: () => boolean;

  /** Lines of a process that is dead are dropped: what it would write reaches nobody. */
  constructor(scheduler: SimScheduler, prefix: string, isAlive: () => boolean) {
    this.scheduler = scheduler;
    this.prefix = prefix;
    this.isAlive = isAlive;
  }

  private log(level: LogLevel, message: string, fields: LogFields): void {
    if (!this.isAlive()) return;
    const { trace, nowMs } = this.scheduler;
    const line = `${this.prefix} ${level} ${message} ${format(fields)}`;
    if (level === 'debug' || ROUTINE.test(message)) trace.add(line);
    else trace.note(nowMs, line);
  }

  debug(message: string, fields: LogFields = {}): void {
    this.log('debug', message, fields);
  }

  info(message: string, fields: LogFields = {}): void {
    this.log('info', message, fields);
  }

  warn(message: string, fields: LogFields = {}): void {
    this.log('warn', message, fields);
  }

  error(message: string, fields: LogFields = {}): void {
    this.log('error', message, fields);
  }

  child(name: string): Logger {
    return new SimLogger(this.scheduler, `${this.prefix} ${name}`, this.isAlive);
  }
}

function format(fields: LogFields): string {
  let text = '';
  for (const [key, value] of Object.entries(fields)) text += ` ${key}=${formatValue(value)}`;
  return text;
}

function formatValue(value: unknown): string {
  if (typeof value === 'string') return value.split('\n', 1)[0]!;
  if (typeof value !== 'object' || value === null) return String(value);
  if (value instanceof Error) return value.message;
  return JSON.stringify(value, (_, each: unknown) => (typeof each === 'bigint' ? String(each) : each));
}
