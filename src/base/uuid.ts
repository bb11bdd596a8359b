import type { Flavor } from './flavor.ts';

/** A UUID as Kafka prints it: 16 bytes in URL-safe base64 without padding, 22 characters. */
export type Uuid = Flavor<string, 'Uuid'>;

export const ZERO_UUID: Uuid = 'AAAAAAAAAAAAAAAAAAAAAA';
/** Kafka reserves this one for the topic id of `__cluster_metadata`. */
export const METADATA_TOPIC_ID: Uuid = 'AAAAAAAAAAAAAAAAAAAAAQ';

export function uuidFromBytes(bytes: Buffer, position = 0): Uuid {
  return bytes.toString('base64url', position, position + 16);
}

export function uuidToBytes(uuid: Uuid): Buffer {
  const bytes = Buffer.from(uuid, 'base64url');
  if (bytes.length !== 16)
    throw new RangeError(`'${uuid}' is not a UUID: it holds ${bytes.length} bytes, not 16`);
  return bytes;
}

/** Whether `text` is a UUID in Kafka's printed form. */
export function isUuid(text: string): boolean {
  return /^[A-Za-z0-9_-]{22}$/.test(text) && Buffer.from(text, 'base64url').toString('base64url') === text;
}

/**
 * A random UUID (version 4) from 16 random bytes. Kafka leaves out the reserved ones and those whose printed form
 * starts with a dash, which a command line would take for a flag; `random` is asked again for these.
 */
export function randomUuid(random: (size: number) => Buffer): Uuid {
  for (;;) {
    const bytes = Buffer.from(random(16));
    bytes[6] = (bytes[6]! & 0x0f) | 0x40;
    bytes[8] = (bytes[8]! & 0x3f) | 0x80;
    const uuid = uuidFromBytes(bytes);
    if (!uuid.startsWith('-')) return uuid;
  }
}
