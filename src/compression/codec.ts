import { MalformedError } from '../base/byte-reader.ts';

/** One implementation of a codec. Both functions are synchronous and leave `input` as it is. */
export interface CodecImplementation {
  /** `level` as the codec counts it; its own default if absent. */
  compress(input: Buffer, level?: number): Buffer;
  /** Throws `MalformedError` if `input` is corrupt or would take more than `maxOutputBytes`. */
  decompress(input: Buffer, maxOutputBytes: number): Buffer;
}

export function tooLarge(codec: string, maxOutputBytes: number): MalformedError {
  return new MalformedError(`${codec}: the decompressed bytes would pass the limit of ${maxOutputBytes}`);
}

export function corrupt(codec: string, what: unknown): MalformedError {
  return new MalformedError(`${codec}: ${what instanceof Error ? what.message : String(what)}`);
}

/**
 * A limit as node:zlib takes it: no 0 and nothing past what a buffer holds. The caller refuses the one byte that comes
 * out under a limit of 0.
 */
export function zlibLimit(maxOutputBytes: number): number {
  return Math.max(1, Math.min(maxOutputBytes, 0x7fff_ffff));
}

/**
 * Collects output of unknown size. The buffer grows by doubling up to `maxBytes`, so that what is allocated follows
 * what was decompressed, not what the input declares.
 */
export class OutputBuffer {
  buffer: Buffer;
  size = 0;
  private readonly codec: string;
  private readonly maxBytes: number;

  constructor(codec: string, sizeHint: number, maxBytes: number) {
    this.codec = codec;
    this.maxBytes = maxBytes;
    this.buffer = Buffer.allocUnsafeSlow(Math.min(sizeHint, maxBytes));
  }

  /** Makes room for `bytes` more, or for as many as the limit leaves where `upTo` is set. */
  reserve(bytes: number, upTo = false): void {
    const wanted = this.size + bytes;
    if (wanted <= this.buffer.length) return;
    if (wanted > this.maxBytes && !upTo) throw tooLarge(this.codec, this.maxBytes);
    const capacity = Math.min(this.maxBytes, Math.max(wanted, this.buffer.length * 2));
    if (capacity <= this.buffer.length) return;
    const larger = Buffer.allocUnsafeSlow(capacity);
    this.buffer.copy(larger, 0, 0, this.size);
    this.buffer = larger;
  }

  /** Throws `MalformedError` where `bytes` more would pass the limit. */
  check(bytes: number): void {
    if (this.size + bytes > this.maxBytes) throw tooLarge(this.codec, this.maxBytes);
  }

  append(bytes: Uint8Array): void {
    this.reserve(bytes.length);
    this.buffer.set(bytes, this.size);
    this.size += bytes.length;
  }

  /** The bytes collected, a view. */
  result(): Buffer {
    return this.buffer.subarray(0, this.size);
  }
}
