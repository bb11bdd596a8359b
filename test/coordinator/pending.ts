import type { KafkaError } from '../../src/protocol/errors.ts';

/** An answer that may not be there yet: `value` is `undefined` until then. */
export class Pending<T> {
  value: T | undefined;

  constructor(promise: Promise<T>) {
    promise.then(value => {
      this.value = value;
    });
  }

  get isThere(): boolean {
    return this.value !== undefined;
  }

  get(): T {
    if (this.value === undefined) throw new Error('there is no answer yet');
    return this.value;
  }
}

/** What becomes of an operation: its response, or the code of its error. */
export function outcomeOf(operation: Promise<string>): Pending<string> {
  return new Pending(operation.catch((error: KafkaError) => `error ${error.code}`));
}
