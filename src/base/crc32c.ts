import { optionalModule, requiredModule } from './optional-module.ts';

type ChecksumFunction = (bytes: Uint8Array) => number;
interface PortableChecksums {
  buf(bytes: Uint8Array, seed: number): number;
}
interface NativeChecksums {
  crc32(bytes: Uint8Array): number;
  crc32c(bytes: Uint8Array): number;
}

/** One checksum in its two implementations. `native` is `undefined` where no binary fits the platform. */
export interface ChecksumImplementations {
  readonly portable: ChecksumFunction;
  readonly native: ChecksumFunction | undefined;
}

/**
 * Below this size the portable implementation is faster: a call into native code costs about 130 ns, as much as the
 * tables take for 300 bytes. Measured on x86-64: at 256 B 186 ns native against 159 ns, at 512 B 238 against 307 ns,
 * at 1 MiB 168 us against 631 us.
 */
const NATIVE_MIN_BYTES = 320;

const native = optionalModule<NativeChecksums>('@node-rs/crc32');
const portableCastagnoli = requiredModule<PortableChecksums>('crc-32/crc32c');
const portableIeee = requiredModule<PortableChecksums>('crc-32');

export const crc32cImplementations: ChecksumImplementations = {
  portable: bytes => portableCastagnoli.buf(bytes, 0) >>> 0,
  native: native === undefined ? undefined : bytes => native.crc32c(bytes) >>> 0,
};

export const crc32Implementations: ChecksumImplementations = {
  portable: bytes => portableIeee.buf(bytes, 0) >>> 0,
  native: native === undefined ? undefined : bytes => native.crc32(bytes) >>> 0,
};

function fastest({ portable, native }: ChecksumImplementations): ChecksumFunction {
  if (native === undefined) return portable;
  return bytes => (bytes.length < NATIVE_MIN_BYTES ? portable(bytes) : native(bytes));
}

const castagnoli = fastest(crc32cImplementations);
const ieee = fastest(crc32Implementations);

/** CRC-32C (Castagnoli) of the bytes from `start` to `end` (exclusive), unsigned: the checksum of a v2 batch. */
export function crc32c(bytes: Uint8Array, start = 0, end: number = bytes.length): number {
  return castagnoli(start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end));
}

/** CRC-32 (IEEE) of the bytes from `start` to `end` (exclusive), unsigned: the checksum of a v0 or v1 message. */
export function crc32(bytes: Uint8Array, start = 0, end: number = bytes.length): number {
  return ieee(start === 0 && end === bytes.length ? bytes : bytes.subarray(start, end));
}
