import { ByteReader, MalformedError } from '../../base/byte-reader.ts';
import { ByteWriter } from '../../base/byte-writer.ts';
import { codecOf } from '../../protocol/codec.ts';
import type { Infer, Input, Message } from '../../protocol/schema.ts';

/*
 * Keys and values of the records of coordinators have one form in all their topics:
 *
 *     key:   type int16    | fields
 *     value: version int16 | fields
 */

/** A key is always in the first version of its message; its type is the API key of that. */
export function encodeKey<M extends Message>(message: M, fields: Input<M>): Buffer {
  return encode(message.apiKey!, message, 0, fields);
}

export function encodeValue<M extends Message>(message: M, version: number, fields: Input<M>): Buffer {
  return encode(version, message, version, fields);
}

function encode<M extends Message>(head: number, message: M, version: number, fields: Input<M>): Buffer {
  const writer = new ByteWriter();
  writer.int16(head);
  codecOf(message, version).encode(writer, fields);
  return writer.concat();
}

/** Throws `MalformedError`, also for a version that is not known. */
export function decodeValue<M extends Message>(message: M, bytes: Buffer): Infer<M> {
  const reader = new ByteReader(bytes);
  const version = reader.int16();
  if (version < message.minVersion || version > message.maxVersion) {
    throw new MalformedError(`version ${version} of ${message.name} is not known`);
  }
  return codecOf(message, version).decode(reader);
}
