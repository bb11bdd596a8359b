import * as zlib from 'node:zlib';
import { requiredModule } from '../base/optional-module.ts';
import { type CodecImplementation, corrupt, tooLarge, zlibLimit } from './codec.ts';
import { zstdFrames } from './zstd-frames.ts';

/** The level of the Java client and of the library. */
const DEFAULT_LEVEL = 3;

interface ZstdOptions {
  readonly params?: Record<number, number>;
  readonly maxOutputLength?: number;
  readonly chunkSize?: number;
}

/** What Node's zlib has from 22.15 on. */
interface ZlibWithZstd {
  zstdCompressSync(input: Buffer, options: ZstdOptions): Buffer;
  zstdDecompressSync(input: Buffer, options: ZstdOptions): Buffer;
  readonly constants: { readonly ZSTD_c_compressionLevel: number; readonly ZSTD_d_windowLogMax: number };
}

interface ZstdWasm {
  init(): Promise<void>;
  compress(input: Uint8Array, level: number): Uint8Array;
  /** `defaultHeapSize` is what the output may take where the frame declares no size. */
  decompress(input: Uint8Array, options: { defaultHeapSize: number }): Uint8Array;
}

/**
 * What `input` can hold at most. Throws where that which it declares is already too much: a frame's declared size is
 * what an implementation allocates.
 */
function outputBound(input: Buffer, maxOutputBytes: number): number {
  let bound = 0;
  let declared = 0;
  for (const { contentSize, outputBytesMax } of zstdFrames(input)) {
    bound += contentSize ?? outputBytesMax;
    declared += contentSize ?? 0;
  }
  if (declared > maxOutputBytes) throw tooLarge('zstd', maxOutputBytes);
  return bound;
}

function zlibZstd(zstd: ZlibWithZstd): CodecImplementation {
  return {
    compress(input, level) {
      return zstd.zstdCompressSync(input, {
        params: { [zstd.constants.ZSTD_c_compressionLevel]: level ?? DEFAULT_LEVEL },
      });
    },

    decompress(input, maxOutputBytes) {
      const bound = outputBound(input, maxOutputBytes);
      if (bound === 0) return Buffer.alloc(0);
      const chunkSize = Math.max(64, Math.min(bound, maxOutputBytes, 1 << 18));
      let output: Buffer;
      try {
        output = zstd.zstdDecompressSync(input, { maxOutputLength: zlibLimit(maxOutputBytes), chunkSize });
      } catch (error) {
        throw error instanceof RangeError ? tooLarge('zstd', maxOutputBytes) : corrupt('zstd', error);
      }
      if (output.length > maxOutputBytes) throw tooLarge('zstd', maxOutputBytes);
      return output;
    },
  };
}

function viewOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function wasmZstd(wasm: ZstdWasm): CodecImplementation {
  return {
    compress(input, level) {
      return viewOf(wasm.compress(input, level ?? DEFAULT_LEVEL));
    },

    decompress(input, maxOutputBytes) {
      const parts: Buffer[] = [];
      let left = maxOutputBytes;
      for (const { start, end, contentSize, outputBytesMax } of zstdFrames(input)) {
        if (contentSize !== undefined && contentSize > left) throw tooLarge('zstd', maxOutputBytes);
        const defaultHeapSize = Math.min(left, outputBytesMax);
        try {
          const part = viewOf(wasm.decompress(input.subarray(start, end), { defaultHeapSize }));
          left -= part.length;
          parts.push(part);
        } catch (error) {
          throw left < outputBytesMax ? tooLarge('zstd', maxOutputBytes) : corrupt('zstd', error);
        }
      }
      return parts.length === 1 ? parts[0]! : Buffer.concat(parts, maxOutputBytes - left);
    },
  };
}

/** `undefined` in a Node whose zlib has no zstd. */
export const nativeZstd: CodecImplementation | undefined =
  'zstdDecompressSync' in zlib ? zlibZstd(zlib as unknown as ZlibWithZstd) : undefined;

/** Compiles the WebAssembly module, which takes some milliseconds and cannot be done synchronously. */
export async function loadPortableZstd(): Promise<CodecImplementation> {
  const wasm = requiredModule<ZstdWasm>('@bokuweb/zstd-wasm');
  await wasm.init();
  return wasmZstd(wasm);
}
