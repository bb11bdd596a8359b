import { type Uuid, ZERO_UUID } from '../base/uuid.ts';

/** The reserved ids of log directories. A real directory id is a random UUID from its `meta.properties`. */
export const DirectoryId = {
  /** Placed before directories were recorded. */
  MIGRATING: ZERO_UUID,
  /** The broker has not said yet where the replica is. */
  UNASSIGNED: 'AAAAAAAAAAAAAAAAAAAAAQ' as Uuid,
  /** In a directory that went offline. */
  LOST: 'AAAAAAAAAAAAAAAAAAAAAg' as Uuid,
} as const;

/** Whether the id names no directory, but is one of {@link DirectoryId}. */
export function isReservedDirectory(id: Uuid): boolean {
  return Object.values(DirectoryId).includes(id);
}
