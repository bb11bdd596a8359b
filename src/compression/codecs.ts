import { MalformedError } from '../base/byte-reader.ts';
import type { CodecImplementation } from './codec.ts';
import { CompressionType } from './compression-type.ts';
import { nativeGzip } from './gzip.ts';
import { loadNativeLz4, portableLz4 } from './lz4-frame.ts';
import { loadNativeSnappy, portableSnappy } from './snappy.ts';
import { loadPortableZstd, nativeZstd } from './zstd.ts';

/** The levels that a codec knows, as Kafka's `compression.<codec>.level` counts them. */
export interface CompressionLevels {
  readonly min: number;
  readonly max: number;
  readonly default: number;
}

export const COMPRESSION_LEVELS: ReadonlyMap<CompressionType, CompressionLevels> = new Map([
  [CompressionType.GZIP, { min: 1, max: 9, default: -1 }],
  [CompressionType.LZ4, { min: 1, max: 17, default: 9 }],
  [CompressionType.ZSTD, { min: -131072, max: 22, default: 3 }],
]);

/** Messages of the format v0 write the checksum in LZ4 frame headers in a way of their own. */
const MAGIC_V0 = 0;

const NO_COMPRESSION: CodecImplementation = {
  compress: input => input,
  decompress: input => input,
};

function lazy<T>(load: () => T): () => T {
  let loaded: T | undefined;
  return () => (loaded ??= load());
}

// Binaries are loaded with the first batch that needs them: most brokers meet one codec or none, and the binaries of
// all are 7 MB of memory and a twentieth of the time of a start.
const snappy = lazy(() => loadNativeSnappy() ?? portableSnappy);
const lz4 = lazy(() => loadNativeLz4() ?? portableLz4);

/** Where the Node has no zstd, {@link prepareCodecs} fills its place: WebAssembly does not load synchronously. */
const zstd: { codec: CodecImplementation | undefined } = { codec: nativeZstd };

/**
 * Loads what cannot be loaded synchronously (zstd before Node 22.15). To be awaited once at start-up: until then zstd
 * fails in such a Node.
 */
export async function prepareCodecs(): Promise<void> {
  zstd.codec ??= await loadPortableZstd();
}

function codec(type: CompressionType): CodecImplementation {
  switch (type) {
    case CompressionType.NONE:
      return NO_COMPRESSION;
    case CompressionType.GZIP:
      return nativeGzip;
    case CompressionType.SNAPPY:
      return snappy();
    case CompressionType.LZ4:
      return lz4();
    case CompressionType.ZSTD:
      if (zstd.codec === undefined) throw new Error('zstd is not loaded: prepareCodecs() was not awaited');
      return zstd.codec;
    default:
      // The three bits of a batch's attributes have values without a codec.
      throw new MalformedError(`there is no codec with id ${String(type satisfies never)}`);
  }
}

/**
 * Compresses `input`, as the message format `magic` does. `level` as the codec counts it, its own default if absent;
 * an implementation with fewer levels takes the nearest it has. The result may be `input` itself (for NONE).
 */
export function compress(type: CompressionType, input: Buffer, level?: number, magic = 2): Buffer {
  if (type === CompressionType.LZ4 && magic === MAGIC_V0) return lz4().compress(input, level, 'with-magic');
  return codec(type).compress(input, level);
}

/**
 * Decompresses `input`. Throws `MalformedError` if there is no such codec, if the input is corrupt, or if it would take
 * more than `maxOutputBytes`; not more than that is ever allocated for the output. The result may be `input` itself
 * (for NONE).
 */
export function decompress(type: CompressionType, input: Buffer, maxOutputBytes: number, magic = 2): Buffer {
  if (type === CompressionType.LZ4 && magic === MAGIC_V0)
    return lz4().decompress(input, maxOutputBytes, 'with-magic');
  return codec(type).decompress(input, maxOutputBytes);
}
