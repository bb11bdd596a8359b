import type { Offset } from '../base/int64.ts';
import type { KafkaError } from '../protocol/errors.ts';

/** `lowWatermark` is what it had come to; -1 with an error. */
export type LowWatermarkCallback = (error: KafkaError | undefined, lowWatermark: Offset) => void;

interface LowWatermarkWait {
  /** The low watermark that is enough. */
  readonly offset: Offset;
  readonly callback: LowWatermarkCallback;
}

/** Those who have deleted records of a partition and wait until all of its live replicas have done so. */
export class LowWatermarkWaits {
  private waits: LowWatermarkWait[] = [];

  get isEmpty(): boolean {
    return this.waits.length === 0;
  }

  /** Calls `callback` once, later. Returns a function that ends the wait without a call. */
  add(offset: Offset, callback: LowWatermarkCallback): () => void {
    const wait = { offset, callback };
    this.waits.push(wait);
    return () => {
      this.waits = this.waits.filter(each => each !== wait);
    };
  }

  onLowWatermark(lowWatermark: Offset): void {
    const done = this.waits.filter(({ offset }) => offset <= lowWatermark);
    if (done.length === 0) return;
    this.waits = this.waits.filter(({ offset }) => offset > lowWatermark);
    for (const { callback } of done) callback(undefined, lowWatermark);
  }

  /** The role has changed: nobody here knows the low watermark any more. */
  failAll(makeError: () => KafkaError): void {
    if (this.isEmpty) return;
    const { waits } = this;
    this.waits = [];
    const error = makeError();
    for (const { callback } of waits) callback(error, -1);
  }
}
