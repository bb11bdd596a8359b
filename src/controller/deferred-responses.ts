import type { Offset } from '../base/int64.ts';
import type { KafkaError } from '../protocol/errors.ts';

interface Waiting {
  readonly offset: Offset;
  complete(error: KafkaError | undefined): void;
}

/** Answers that wait until the log is committed up to an offset (inclusive). Offsets come in ascending order. */
export class DeferredResponses {
  private waiting: Waiting[] = [];

  get size(): number {
    return this.waiting.length;
  }

  /** Calls `complete` once: without an error when `offset` is committed, with one when it never will be. */
  add(offset: Offset, complete: (error: KafkaError | undefined) => void): void {
    this.waiting.push({ offset, complete });
  }

  completeUpTo(offset: Offset): void {
    let count = 0;
    while (count < this.waiting.length && this.waiting[count]!.offset <= offset) count++;
    if (count === 0) return;
    for (const done of this.waiting.splice(0, count)) done.complete(undefined);
  }

  failAll(error: KafkaError): void {
    const failed = this.waiting;
    this.waiting = [];
    for (const each of failed) each.complete(error);
  }
}
