/** A violated invariant. It is never caught to go on: it stops the partition or the process that raised it. */
export class InvariantError extends Error {
  /** The number in the list of invariants (`S1`, `R3`, ...), or a short name of the assertion. */
  readonly invariant: string;

  constructor(invariant: string, message: string) {
    super(`${invariant}: ${message}`);
    this.name = 'InvariantError';
    this.invariant = invariant;
  }
}

/** Stays on in production. `invariant` names what was broken, `message` says with which values. */
export function invariant(
  condition: unknown,
  name: string,
  message: string | (() => string),
): asserts condition {
  if (!condition) throw new InvariantError(name, typeof message === 'string' ? message : message());
}

/** For the branch of a `switch` that cannot be reached. */
export function unreachable(value: never): never {
  throw new InvariantError('unreachable', `unexpected value ${String(value)}`);
}
