/** One operation on one register, with its place in time. */
export interface Operation<Input, Output> {
  /** For words. */
  readonly name: string;
  readonly invokedMs: number;
  /** Infinity if no answer came: it may take effect at any later time, or never. */
  readonly returnedMs: number;
  readonly input: Input;
  /** Undefined if no answer came, or one that leaves open whether it took effect. */
  readonly output: Output | undefined;
}

export interface Model<State, Input, Output> {
  readonly initial: State;
  /** The states that may follow when the operation takes effect; none if its output cannot come from `state`. */
  step(state: State, input: Input, output: Output | undefined): readonly State[];
  /** Two states with the same key are the same. */
  keyOf(state: State): string;
}

/** So many pairs of a set of operations and a state are looked at before the search gives up. */
const STEPS_MAX = 200_000;

export type Verdict = 'linearizable' | 'notLinearizable' | 'tooLong';

/**
 * Whether the operations can be put in an order that respects real time and the model (Wing and Gong, with Lowe's memory
 * of what was tried). Operations without an answer may be left out.
 */
export function checkLinearizable<State, Input, Output>(
  operations: readonly Operation<Input, Output>[],
  model: Model<State, Input, Output>,
  mayEndWith: (state: State) => boolean = () => true,
): Verdict {
  const sorted = [...operations].sort((a, b) => a.invokedMs - b.invokedMs);
  const answered = sorted.filter(operation => operation.returnedMs !== Number.POSITIVE_INFINITY).length;
  const seen = new Set<string>();
  let steps = 0;
  /** What has taken effect: a bit for each operation. */
  const done = new Array<boolean>(sorted.length).fill(false);
  interface Frame {
    readonly state: State;
    readonly moves: { readonly index: number; readonly next: State }[];
    readonly index: number;
    readonly answeredDone: number;
  }
  const frameOf = (state: State, index: number, answeredDone: number): Frame => {
    // An operation may be next if none that is left returned before it was invoked.
    let earliestReturn = Number.POSITIVE_INFINITY;
    for (let i = 0; i < sorted.length; i++) {
      if (!done[i] && sorted[i]!.returnedMs < earliestReturn) earliestReturn = sorted[i]!.returnedMs;
    }
    const moves: Frame['moves'] = [];
    for (let i = 0; i < sorted.length && sorted[i]!.invokedMs <= earliestReturn; i++) {
      if (done[i]) continue;
      const { input, output } = sorted[i]!;
      for (const next of model.step(state, input, output)) moves.push({ index: i, next });
    }
    return { state, moves, index, answeredDone };
  };
  const stack: Frame[] = [frameOf(model.initial, -1, 0)];
  while (stack.length > 0) {
    const frame = stack.at(-1)!;
    if (frame.answeredDone === answered && mayEndWith(frame.state)) return 'linearizable';
    const move = frame.moves.pop();
    if (move === undefined) {
      if (frame.index >= 0) done[frame.index] = false;
      stack.pop();
      continue;
    }
    if (++steps > STEPS_MAX) return 'tooLong';
    done[move.index] = true;
    const key = `${done.map(bit => (bit ? 1 : 0)).join('')} ${model.keyOf(move.next)}`;
    if (seen.has(key)) {
      done[move.index] = false;
      continue;
    }
    seen.add(key);
    const isAnswered = sorted[move.index]!.returnedMs !== Number.POSITIVE_INFINITY;
    stack.push(frameOf(move.next, move.index, frame.answeredDone + (isAnswered ? 1 : 0)));
  }
  return 'notLinearizable';
}
