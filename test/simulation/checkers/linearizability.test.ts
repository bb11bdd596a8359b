import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkLinearizable, type Model, type Operation } from './linearizability.ts';

type Input = { readonly write: number } | 'read';

const register: Model<number, Input, number> = {
  initial: 0,
  step(state, input, output) {
    if (input !== 'read') return [input.write];
    return output === undefined || output === state ? [state] : [];
  },
  keyOf: String,
};

function operation(
  invokedMs: number,
  returnedMs: number,
  input: Input,
  output?: number,
): Operation<Input, number> {
  return {
    name: 'x',
    invokedMs,
    returnedMs,
    input,
    output: output ?? (input === 'read' ? undefined : input.write),
  };
}

describe('the search for an order', () => {
  it('takes what happened one after the other', () => {
    const history = [operation(0, 1, { write: 1 }), operation(2, 3, 'read', 1)];
    expect(checkLinearizable(history, register)).toBe('linearizable');
  });

  it('refuses a read of the old value after the write has returned', () => {
    const history = [operation(0, 1, { write: 1 }), operation(2, 3, 'read', 0)];
    expect(checkLinearizable(history, register)).toBe('notLinearizable');
  });

  it('takes either value while the write is on its way', () => {
    for (const value of [0, 1]) {
      const history = [operation(0, 5, { write: 1 }), operation(2, 3, 'read', value)];
      expect(checkLinearizable(history, register)).toBe('linearizable');
    }
  });

  it('refuses that a value is seen and then not any more', () => {
    const history = [operation(0, 9, { write: 1 }), operation(1, 2, 'read', 1), operation(3, 4, 'read', 0)];
    expect(checkLinearizable(history, register)).toBe('notLinearizable');
  });

  it('lets a write without an answer take effect at any later time, or never', () => {
    const open = operation(0, Number.POSITIVE_INFINITY, { write: 1 });
    for (const value of [0, 1]) {
      expect(checkLinearizable([open, operation(5, 6, 'read', value)], register)).toBe('linearizable');
    }
    const late = [open, operation(5, 6, 'read', 0), operation(7, 8, 'read', 1)];
    expect(checkLinearizable(late, register)).toBe('linearizable');
  });

  it('asks for the state at the end', () => {
    const history = [operation(0, 1, { write: 1 })];
    expect(checkLinearizable(history, register, state => state === 1)).toBe('linearizable');
    expect(checkLinearizable(history, register, state => state === 2)).toBe('notLinearizable');
  });

  it('agrees with a search through all orders', () => {
    const arbitrary = fc.array(
      fc.record({
        invokedMs: fc.nat(10),
        lastsMs: fc.oneof(fc.nat(6), fc.constant(Number.POSITIVE_INFINITY)),
        write: fc.option(fc.nat(2)),
        read: fc.nat(2),
      }),
      { maxLength: 6 },
    );
    fc.assert(
      fc.property(arbitrary, drawn => {
        const history = drawn.map(({ invokedMs, lastsMs, write, read }) =>
          write === null
            ? operation(invokedMs, invokedMs + lastsMs, 'read', read)
            : operation(invokedMs, invokedMs + lastsMs, { write }),
        );
        const verdict = checkLinearizable(history, register);
        expect(verdict).toBe(tryAllOrders(history, 0) ? 'linearizable' : 'notLinearizable');
      }),
      { seed: 20_26, numRuns: 400 },
    );
  });
});

function tryAllOrders(left: readonly Operation<Input, number>[], state: number): boolean {
  if (left.every(({ returnedMs }) => returnedMs === Number.POSITIVE_INFINITY)) return true;
  return left.some(next => {
    if (left.some(other => other !== next && other.returnedMs < next.invokedMs)) return false;
    const rest = left.filter(other => other !== next);
    return register.step(state, next.input, next.output).some(after => tryAllOrders(rest, after));
  });
}
