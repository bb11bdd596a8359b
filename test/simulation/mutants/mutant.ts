/** A deliberate defect of production code, to learn whether the checkers would see one like it. */
export interface Mutant {
  readonly name: string;
  /** What is wrong then, in one sentence. */
  readonly description: string;
  /** The invariants that ought to show it; others may do so as well. */
  readonly caughtBy: readonly string[];
  /** Puts the defect in, for all nodes of this process; returns how it is taken out again. */
  apply(): () => void;
}

/** What a private method takes and gives cannot be named outside its class. */
// biome-ignore lint/suspicious/noExplicitAny: a mutant reaches into classes that do not let it.
export type Inner = any;

type Method = (this: Inner, ...args: Inner[]) => Inner;

/**
 * Replaces a method of a class by what `make` makes of it. Throws if the class has no such method: a mutant that changes
 * nothing would look like one that nobody catches.
 */
export function patch(
  target: { readonly prototype: object; readonly name: string },
  method: string,
  make: (original: Method) => Method,
): () => void {
  const descriptor = Object.getOwnPropertyDescriptor(target.prototype, method);
  const original: unknown = descriptor?.value;
  if (descriptor === undefined || typeof original !== 'function')
    throw new Error(`${target.name} has no method ${method}: the mutant has to be adapted`);
  Object.defineProperty(target.prototype, method, { ...descriptor, value: make(original as Method) });
  return () => Object.defineProperty(target.prototype, method, descriptor);
}

/** As {@link patch}, for a getter. */
export function patchGetter(
  target: { readonly prototype: object; readonly name: string },
  property: string,
  make: (original: (this: Inner) => Inner) => (this: Inner) => Inner,
): () => void {
  const descriptor = Object.getOwnPropertyDescriptor(target.prototype, property);
  const original = descriptor?.get;
  if (descriptor === undefined || original === undefined)
    throw new Error(`${target.name} has no getter ${property}: the mutant has to be adapted`);
  Object.defineProperty(target.prototype, property, { ...descriptor, get: make(original) });
  return () => Object.defineProperty(target.prototype, property, descriptor);
}
