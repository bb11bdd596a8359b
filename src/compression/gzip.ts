import { gunzipSync, gzipSync } from 'node:zlib';
import { Gunzip, gzipSync as portableGzipSync } from 'fflate';
import { crc32 } from '../base/crc32c.ts';
import { type CodecImplementation, corrupt, OutputBuffer, tooLarge, zlibLimit } from './codec.ts';

/** Deflate makes at most 1,032 bytes of one: a slice of this size is inflated into 258 KiB at most. */
const PORTABLE_SLICE_BYTES = 256;
const TRAILER_BYTES = 8;
/** The shortest header and trailer with an empty block between them. */
const SMALLEST_GZIP_BYTES = 20;

function outputChunkBytes(input: Buffer, maxOutputBytes: number): number {
  return Math.max(64, Math.min(input.length * 4, maxOutputBytes, 1 << 18));
}

/** RFC 1952, through zlib. Several members one after the other count as one input, as the Java client reads them. */
export const nativeGzip: CodecImplementation = {
  compress(input, level) {
    return gzipSync(input, { level: level ?? -1 });
  },

  decompress(input, maxOutputBytes) {
    const chunkSize = outputChunkBytes(input, maxOutputBytes);
    try {
      const output = gunzipSync(input, { maxOutputLength: zlibLimit(maxOutputBytes), chunkSize });
      if (output.length > maxOutputBytes) throw tooLarge('gzip', maxOutputBytes);
      return output;
    } catch (error) {
      if (error instanceof RangeError) throw tooLarge('gzip', maxOutputBytes);
      throw corrupt('gzip', error);
    }
  },
};

/** RFC 1952, through fflate, which leaves the check of the trailers to us. */
export const portableGzip: CodecImplementation = {
  compress(input, level) {
    const output = portableGzipSync(input, level === undefined || level < 0 ? {} : { level: level as 0 | 9 });
    return Buffer.from(output.buffer, output.byteOffset, output.byteLength);
  },

  decompress(input, maxOutputBytes) {
    if (input.length < SMALLEST_GZIP_BYTES) throw corrupt('gzip', `${input.length} bytes are no gzip member`);
    const output = new OutputBuffer('gzip', input.length * 3, maxOutputBytes);
    let memberStart = 0;
    const checkTrailer = (end: number): void => {
      const member = output.buffer.subarray(memberStart, output.size);
      const trailer = end - TRAILER_BYTES;
      if (input.readUInt32LE(trailer) !== crc32(member)) throw corrupt('gzip', 'incorrect data check');
      if (input.readUInt32LE(trailer + 4) !== member.length) throw corrupt('gzip', 'incorrect length check');
      memberStart = output.size;
    };
    const gunzip = new Gunzip(chunk => output.append(chunk));
    gunzip.onmember = checkTrailer;
    try {
      for (let at = 0; at < input.length; at += PORTABLE_SLICE_BYTES) {
        const end = Math.min(input.length, at + PORTABLE_SLICE_BYTES);
        gunzip.push(input.subarray(at, end), end === input.length);
      }
      checkTrailer(input.length);
    } catch (error) {
      throw corrupt('gzip', error);
    }
    return output.result();
  },
};
