/** Java's `String.hashCode`: over UTF-16 units, wrapping at 32 bits. */
export function javaHashCode(text: string): number {
  let hash = 0;
  for (let i = 0; i < text.length; i++) hash = (Math.imul(31, hash) + text.charCodeAt(i)) | 0;
  return hash;
}

/** The partition of a coordinator's topic that `key` (a group id, a transactional id) belongs to. */
export function coordinatorPartitionOf(key: string, partitionCount: number): number {
  const hash = javaHashCode(key);
  // As in Java the one number without a positive counterpart counts as 0.
  return (hash === -0x8000_0000 ? 0 : Math.abs(hash)) % partitionCount;
}
