/** The id of a codec as it stands in the low three bits of a batch's attributes. */
export type CompressionType = 0 | 1 | 2 | 3 | 4;

export const CompressionType = { NONE: 0, GZIP: 1, SNAPPY: 2, LZ4: 3, ZSTD: 4 } as const;

const NAMES = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const;

/** The codec that `name` stands for in a topic's `compression.type`; `undefined` for any other word. */
export function compressionTypeOf(name: string): CompressionType | undefined {
  const index = (NAMES as readonly string[]).indexOf(name);
  return index < 0 ? undefined : (index as CompressionType);
}

export function isCompressionType(id: number): id is CompressionType {
  return id >= 0 && id < NAMES.length;
}
