import type { LimitedLogger } from '../base/logger.ts';
import { errorName, type KafkaError } from '../protocol/errors.ts';

/** Topics asked for at one time. More are left for the next time they are asked for. */
const IN_FLIGHT_MAX = 1000;

/** Gives what was wrong with each name, `undefined` for one that is there. */
type CreateTopics = (names: readonly string[]) => Promise<ReadonlyMap<string, KafkaError | undefined>>;

/** Has topics created because somebody asked for them, each once at a time, however often it is asked for. */
export class AutoTopicCreator {
  private readonly create: CreateTopics;
  private readonly logger: LimitedLogger;
  private readonly inFlight = new Set<string>();

  constructor(create: CreateTopics, logger: LimitedLogger) {
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
        errors => {
          for (const [name, error] of errors) {
            if (error !== undefined) this.logFailure(name, `${errorName(error.code)}: ${error.message}`);
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
