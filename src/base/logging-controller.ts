import { invariant } from './assert.ts';
import type { LogFields, Logger } from './logger.ts';

/** Kafka's levels, from the one that lets most through. No line is below DEBUG or above ERROR. */
export const LOGGER_LEVELS = ['TRACE', 'DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL'] as const;

/** OFF lets nothing through. It can be given at the start only, as Kafka refuses it later. */
export type LoggerLevel = (typeof LOGGER_LEVELS)[number] | 'OFF';

export const ROOT_LOGGER = 'root';

const DEBUG = LOGGER_LEVELS.indexOf('DEBUG');
const INFO = LOGGER_LEVELS.indexOf('INFO');
const WARN = LOGGER_LEVELS.indexOf('WARN');
const ERROR = LOGGER_LEVELS.indexOf('ERROR');

/**
 * The loggers of one node by name, with the level of each. A logger has the level that was set for it, else that of the
 * name before its last dot, and so on to the root's: `log.cleaner`, `log`, `root`.
 *
 * There is a logger as soon as a part of the node has asked for it with `child`, and it stays.
 */
export class LoggingController {
  private readonly sink: Logger;
  private readonly loggers = new Map<string, LeveledLogger>();
  /** Levels that were set, the root's among them. */
  private readonly levels = new Map<string, LoggerLevel>();
  private readonly rootLogger: LeveledLogger;

  /** `sink` writes what gets through. The lines of a logger go to the child of `sink` of that name. */
  constructor(sink: Logger, rootLevel: LoggerLevel) {
    this.sink = sink;
    this.levels.set(ROOT_LOGGER, rootLevel);
    this.rootLogger = new LeveledLogger('', sink, rankOf(rootLevel), this);
    this.loggers.set(ROOT_LOGGER, this.rootLogger);
  }

  get root(): Logger {
    return this.rootLogger;
  }

  /** The logger of that full name, which is new or there already. */
  logger(name: string): Logger {
    invariant(name !== '' && name !== ROOT_LOGGER, 'logger-name', () => `'${name}' is no name of a part`);
    let logger = this.loggers.get(name);
    if (logger === undefined) {
      logger = new LeveledLogger(name, this.sink.child(name), rankOf(this.effectiveLevel(name)), this);
      this.loggers.set(name, logger);
    }
    return logger;
  }

  exists(name: string): boolean {
    return this.loggers.has(name);
  }

  /** Every logger by name with the level that counts for it. */
  all(): Map<string, LoggerLevel> {
    const all = new Map<string, LoggerLevel>();
    for (const name of this.loggers.keys()) all.set(name, this.effectiveLevel(name));
    return all;
  }

  /** The level that counts for a logger, whether it is its own or not. */
  effectiveLevel(name: string): LoggerLevel {
    let at = name;
    for (;;) {
      const level = this.levels.get(at);
      if (level !== undefined) return level;
      const dot = at.lastIndexOf('.');
      at = dot < 0 ? ROOT_LOGGER : at.slice(0, dot);
    }
  }

  /** Sets the level of a logger that exists. */
  setLevel(name: string, level: LoggerLevel): void {
    invariant(this.loggers.has(name), 'logger-exists', () => `there is no logger '${name}'`);
    this.levels.set(name, level);
    this.refresh();
  }

  /** Takes the own level of a logger away; the root's stays for ever. */
  unsetLevel(name: string): void {
    invariant(name !== ROOT_LOGGER, 'root-level', 'the root logger always has a level');
    this.levels.delete(name);
    this.refresh();
  }

  private refresh(): void {
    for (const [name, logger] of this.loggers) logger.rank = rankOf(this.effectiveLevel(name));
  }
}

/** Passes on the lines of its level and above; each other line costs one comparison. */
class LeveledLogger implements Logger {
  /** Of the least that gets through. */
  rank: number;
  /** '' at the root. */
  private readonly name: string;
  private readonly sink: Logger;
  private readonly controller: LoggingController;

  constructor(name: string, sink: Logger, rank: number, controller: LoggingController) {
    this.name = name;
    this.sink = sink;
    this.rank = rank;
    this.controller = controller;
  }

  debug(message: string, fields?: LogFields): void {
    if (this.rank <= DEBUG) this.sink.debug(message, fields);
  }

  info(message: string, fields?: LogFields): void {
    if (this.rank <= INFO) this.sink.info(message, fields);
  }

  warn(message: string, fields?: LogFields): void {
    if (this.rank <= WARN) this.sink.warn(message, fields);
  }

  error(message: string, fields?: LogFields): void {
    if (this.rank <= ERROR) this.sink.error(message, fields);
  }

  child(name: string): Logger {
    return this.controller.logger(this.name === '' ? name : `${this.name}.${name}`);
  }
}

/** Grows from TRACE to OFF. */
function rankOf(level: LoggerLevel): number {
  return level === 'OFF' ? LOGGER_LEVELS.length : LOGGER_LEVELS.indexOf(level);
}
