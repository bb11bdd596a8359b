import { describe, expect, it } from 'vitest';
import { mutants } from './index.ts';
import { patch } from './mutant.ts';

class Sample {
  greet(name: string): string {
    return `hello ${name}`;
  }
}

describe('mutants', () => {
  it('are at least 25, and one of them is the canary', () => {
    expect(mutants.size).toBeGreaterThanOrEqual(25);
    expect(mutants.has('canary')).toBe(true);
  });

  it.each([...mutants.values()])('$name finds what it changes, and can be taken out again', mutant => {
    const undo = mutant.apply();
    expect(mutant.caughtBy.length).toBeGreaterThan(0);
    undo();
  });

  it('a patch changes every object of the class until it is undone', () => {
    const sample = new Sample();
    const undo = patch(
      Sample,
      'greet',
      original =>
        function (this: Sample, name: string) {
          return `${original.call(this, name)}!`;
        },
    );
    expect(sample.greet('you')).toBe('hello you!');
    undo();
    expect(sample.greet('you')).toBe('hello you');
  });

  it('a patch of what is not there is an error: it would be a mutant that nobody can find', () => {
    expect(() => patch(Sample, 'wave', original => original)).toThrow('has no method wave');
  });
});
