/** A frame whose length is negative or above the limit. Nothing after it can be read: the connection has to close. */
export class FrameError extends Error {
  /** The length that the frame declared, bytes. */
  readonly declaredBytes: number;

  constructor(declaredBytes: number, limitBytes: number) {
    super(
      declaredBytes < 0
        ? `a frame declares a length of ${declaredBytes} bytes`
        : `a frame declares ${declaredBytes} bytes, ${limitBytes} are allowed`,
    );
    this.name = 'FrameError';
    this.declaredBytes = declaredBytes;
  }
}

const LENGTH_BYTES = 4;
/** What a frame that is not whole gets at first; it doubles as bytes arrive, up to the length declared. */
const PARTIAL_MIN_BYTES = 4096;
/** Frames below this size share memory: an allocation of its own would cost more than it holds. */
const POOLED_MAX_BYTES = 2048;

/**
 * Cuts a byte stream into frames: a 4-byte big-endian length, then that many bytes. It knows no socket: chunks of any
 * size go in by {@link push}, frames come out by {@link next}, at the pace of whoever asks.
 *
 * Every byte is copied once, into the memory of its frame, so that the memory it was received into can serve the next
 * read. What the decoder holds grows with the bytes that have arrived, never with the length that a frame declares.
 */
export class FrameDecoder {
  private limitBytes: number;
  /** Whole frames that have not been given out, from `head` on. */
  private frames: Buffer[] = [];
  private head = 0;
  private available = 0;
  /** The first bytes of a length that has not come whole. */
  private readonly lengthBytes = Buffer.alloc(LENGTH_BYTES);
  private lengthFilled = 0;
  /** The length of the frame that has begun; -1 between frames. */
  private frameBytes = -1;
  private partial: Buffer | undefined;
  private partialFilled = 0;
  private error: FrameError | undefined;

  /** `limitBytes` is the largest length that a frame may declare. */
  constructor(limitBytes: number) {
    this.limitBytes = limitBytes;
  }

  /** Changes the limit for frames that have not begun. */
  setLimit(limitBytes: number): void {
    this.limitBytes = limitBytes;
  }

  /** Bytes of frames received and not given out. */
  get bufferedBytes(): number {
    return this.available;
  }

  /** Whether a frame has begun, be it by one byte of its length. */
  get hasBegun(): boolean {
    return this.available > 0 || this.frameBytes >= 0;
  }

  /** Takes the next bytes of the stream. The chunk stays the caller's. */
  push(chunk: Buffer): void {
    this.available += chunk.length;
    let at = 0;
    while (at < chunk.length && this.error === undefined) {
      if (this.frameBytes < 0) at = this.pushLength(chunk, at);
      if (this.frameBytes >= 0) at = this.pushBody(chunk, at);
    }
  }

  /**
   * The next whole frame without its length, or `undefined` until more bytes come. Throws {@link FrameError} for a
   * length that is not allowed; the decoder is of no use after that.
   */
  next(): Buffer | undefined {
    const frame = this.frames[this.head];
    if (frame === undefined) {
      if (this.error !== undefined) throw this.error;
      return undefined;
    }
    this.head++;
    if (this.head === this.frames.length) {
      this.frames = [];
      this.head = 0;
    }
    this.available -= frame.length;
    return frame;
  }

  private pushLength(chunk: Buffer, at: number): number {
    if (this.lengthFilled === 0 && chunk.length - at >= LENGTH_BYTES) {
      this.begin(chunk.readInt32BE(at));
      return at + LENGTH_BYTES;
    }
    const size = Math.min(LENGTH_BYTES - this.lengthFilled, chunk.length - at);
    chunk.copy(this.lengthBytes, this.lengthFilled, at, at + size);
    this.lengthFilled += size;
    if (this.lengthFilled === LENGTH_BYTES) {
      this.lengthFilled = 0;
      this.begin(this.lengthBytes.readInt32BE(0));
    }
    return at + size;
  }

  private begin(declared: number): void {
    if (declared < 0 || declared > this.limitBytes) this.error = new FrameError(declared, this.limitBytes);
    else this.frameBytes = declared;
    this.available -= LENGTH_BYTES;
  }

  private pushBody(chunk: Buffer, at: number): number {
    const wanted = this.frameBytes - this.partialFilled;
    const size = Math.min(wanted, chunk.length - at);
    const target = this.room(this.partialFilled + size);
    chunk.copy(target, this.partialFilled, at, at + size);
    if (size === wanted) {
      this.frames.push(target.length === this.frameBytes ? target : target.subarray(0, this.frameBytes));
      this.partial = undefined;
      this.partialFilled = 0;
      this.frameBytes = -1;
    } else {
      this.partialFilled += size;
    }
    return at + size;
  }

  /** Memory of the present frame with room for its first `size` bytes, and those it has. */
  private room(size: number): Buffer {
    const { partial, frameBytes } = this;
    if (partial !== undefined && partial.length >= size) return partial;
    if (size === frameBytes && partial === undefined) {
      return size < POOLED_MAX_BYTES ? Buffer.allocUnsafe(size) : Buffer.allocUnsafeSlow(size);
    }
    const larger = Buffer.allocUnsafeSlow(Math.min(frameBytes, Math.max(PARTIAL_MIN_BYTES, size * 2)));
    partial?.copy(larger, 0, 0, this.partialFilled);
    this.partial = larger;
    return larger;
  }
}
