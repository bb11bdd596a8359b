import { add64, diff64, type Offset } from '../../base/int64.ts';
import { type HashSecret, KeyHash } from './key-hash.ts';

/** What one key takes: two parts of its hash and its offset, 4 bytes each. */
export const OFFSET_MAP_ENTRY_BYTES = 12;
const ENTRY_WORDS = OFFSET_MAP_ENTRY_BYTES / 4;
/** Offsets are kept relative to the first, plus 1, in 32 bits: 0 is a free slot. */
const RELATIVE_OFFSET_MAX = 0xffff_fffe;

/** All of an {@link OffsetMap}, in a form that goes from thread to thread. The memory is shared, not copied. */
export interface OffsetMapState {
  readonly memory: SharedArrayBuffer;
  readonly slots: number;
  readonly secret: HashSecret;
  /** No key has a lower offset. */
  readonly firstOffset: Offset;
  /** Keys. */
  entries: number;
  /** Keys that may be in it. */
  readonly entriesMax: number;
  /** All keys up to this offset are in it. */
  latestOffset: Offset;
}

/**
 * The last offset of each key of a part of a log, in memory of a fixed size. Keys themselves are not kept, only a hash:
 *
 *     0 hash, second part   uint32
 *     4 hash, third part    uint32
 *     8 offset - firstOffset + 1, 0 in a free slot
 *
 * The first part of the hash says at which slot a key's search begins; it goes on slot by slot. Two keys count as one
 * only if 64 bits are equal and both searches meet: with ten million keys that has a chance of 1 in 10^10.
 */
export class OffsetMap {
  readonly state: OffsetMapState;
  private readonly words: Uint32Array;
  private readonly keyHash: KeyHash;

  constructor(state: OffsetMapState) {
    this.state = state;
    this.words = new Uint32Array(state.memory, 0, state.slots * ENTRY_WORDS);
    this.keyHash = new KeyHash(state.secret);
  }

  /** Makes all slots free. */
  clear(): void {
    this.words.fill(0);
    this.state.entries = 0;
  }

  /**
   * Notes that the key at `start` has `offset`, which is not below any noted before. `false` if there is no room for
   * it, whether or not the key is known: then nothing has changed.
   */
  put(bytes: Uint8Array, start: number, length: number, offset: Offset): boolean {
    const { state, words } = this;
    const relative = diff64(offset, state.firstOffset);
    if (state.entries >= state.entriesMax || relative > RELATIVE_OFFSET_MAX) return false;
    const at = this.find(bytes, start, length);
    if (words[at + 2] === 0) {
      words[at] = this.keyHash.second;
      words[at + 1] = this.keyHash.third;
      state.entries++;
    }
    words[at + 2] = relative + 1;
    return true;
  }

  /** The last offset of the key at `start`; `undefined` if it is not known. */
  get(bytes: Uint8Array, start: number, length: number): Offset | undefined {
    const word = this.words[this.find(bytes, start, length) + 2]!;
    return word === 0 ? undefined : add64(this.state.firstOffset, word - 1);
  }

  /** Whether the key at `start` has an offset above `offset`. */
  hasLater(bytes: Uint8Array, start: number, length: number, offset: Offset): boolean {
    const word = this.words[this.find(bytes, start, length) + 2]!;
    return word !== 0 && word - 1 > diff64(offset, this.state.firstOffset);
  }

  /** The index in {@link words} of the key's slot, or of the free one where it belongs. Some slot is always free. */
  private find(bytes: Uint8Array, start: number, length: number): number {
    const { words, keyHash } = this;
    keyHash.hash(bytes, start, length);
    const { first, second, third } = keyHash;
    const end = words.length;
    let at = (first % this.state.slots) * ENTRY_WORDS;
    while (words[at + 2] !== 0 && (words[at] !== second || words[at + 1] !== third)) {
      at += ENTRY_WORDS;
      if (at === end) at = 0;
    }
    return at;
  }
}
