import type { LimitedLogger } from '../base/logger.ts';
import { Errors, errorName } from '../protocol/errors.ts';

/** Topics asked for at one time. More are left for the next time they are asked for. */
const IN_FLIGHT_MAX = 1000;

/** Has topics created because somebody asked for them, each once at a time, however often it is asked for. */
export class AutoTopicCreator {
  private readonly create: (names: readonly string[]) => Promise<ReadonlyMap<string, number>>;
  private readonly logger: LimitedLogger;
  private readonly inFlight = new Set<string>();

  /** `create` gives an error code for each name. */
  constructor(
    create: (names: readonly string[]) => Promise<ReadonlyMap<string, number>>,
    logger: LimitedLogger,
  ) {
    this.create = create;
    this.logger = logger;
  }

  request(names: readonly string[]): void {
    const room = IN_FLIGHT_MAX - this.inFlight.size;
    const wanted = names.filter(name => !this.inFlight.has(name)).slice(0, Math.max(0, room));
    if (wanted.length === 0) return;
    for (const name of wanted) this.inFlight.add(name);
    this.create(wanted)
      .then(
        codes => {
          for (const [name, code] of codes) {
            if (code !== Errors.NONE) this.logFailure(name, errorName(code));
          }
        },
        error => this.logFailure(wanted[0]!, String(error)),
      )
      .finally(() => {
        for (const name of wanted) this.inFlight.delete(name);
      });
  }

  private logFailure(topic: string, reason: string): void {
    this.logger.warn('auto-creation', 'a topic could not be created on demand', { topic, reason });
  }
}
