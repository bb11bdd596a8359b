import { requiredModule } from '../../base/optional-module.ts';
import { Errors, KafkaError } from '../../protocol/errors.ts';

/** UTF-16 units. */
const PATTERN_MAX_LENGTH = 256;
/** The length of a pattern with what its counts repeat written out, at most; to compile it takes some ms. */
const WRITTEN_OUT_MAX_LENGTH = 10_000;
/** RE2 refuses counts whose product is larger. */
const REPEAT_MAX = 1_000;
/** Of a match: the steps of the compiled pattern times the length of the text. About 10 ms. */
const STEPS_MAX = 300_000;

/**
 * A regular expression of a client over whole transactional ids, in the syntax of RE2: the time of a match grows with
 * the length of the id only, however the expression is made. What is left of it is bounded here, as one event loop
 * serves all: a pattern that takes too much work is refused as one that is malformed.
 */
export class TransactionalIdPattern {
  private readonly expression: { testExact(text: string): boolean; programSize(): number };

  /** Throws `INVALID_REGULAR_EXPRESSION`. */
  constructor(pattern: string) {
    if (pattern.length > PATTERN_MAX_LENGTH) throw refused('it is too long');
    if (writtenOutLength(pattern) > WRITTEN_OUT_MAX_LENGTH) throw refused('it repeats too much');
    try {
      // Loaded when somebody has a pattern: few have, and it costs every start time and memory.
      this.expression = requiredModule<typeof import('re2js')>('re2js').RE2JS.compile(pattern);
    } catch (error) {
      throw refused(error instanceof Error ? error.message : String(error));
    }
  }

  /** About how much work a match is, of the {@link TransactionalIdPattern.STEPS_PER_TURN} that a turn may do. */
  steps(transactionalId: string): number {
    return this.expression.programSize() * (transactionalId.length + 1);
  }

  /** Throws `INVALID_REGULAR_EXPRESSION` for an id that is too long for this pattern. */
  matches(transactionalId: string): boolean {
    if (this.steps(transactionalId) > STEPS_MAX) throw refused('it takes too much work');
    return this.expression.testExact(transactionalId);
  }

  static readonly STEPS_PER_TURN = STEPS_MAX;
}

/** An upper bound: as if every count repeated the whole pattern, within all the others. */
function writtenOutLength(pattern: string): number {
  let repeats = 1;
  for (const [, low, high] of pattern.matchAll(/\{(\d+)(?:,(\d*))?\}/g)) {
    repeats *= Math.max(1, Number(low), Number(high ?? 0));
  }
  return pattern.length * Math.min(repeats, REPEAT_MAX);
}

function refused(why: string): KafkaError {
  return new KafkaError(
    Errors.INVALID_REGULAR_EXPRESSION,
    `the pattern of transactional ids is refused: ${why}`,
  );
}
