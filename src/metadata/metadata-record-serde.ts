import { ByteReader, MalformedError } from '../base/byte-reader.ts';
import { ByteWriter } from '../base/byte-writer.ts';
import { codecOf } from '../protocol/codec.ts';
import type { Input, Message } from '../protocol/schema.ts';
import { METADATA_RECORDS, type MetadataRecord, type MetadataRecordType } from './metadata-record.ts';

/** The only version of the frame there has been. */
const FRAME_VERSION = 1;

const TYPES: ReadonlyMap<number, MetadataRecordType> = new Map(
  Object.entries(METADATA_RECORDS).map(([type, definition]) => [
    definition.apiKey!,
    type as MetadataRecordType,
  ]),
);

/**
 * The value of one record of the metadata log:
 *
 * ```
 * frame version  uvarint  1
 * api key        uvarint  which record
 * version        uvarint  of its message
 * message        the rest
 * ```
 */
export function encodeMetadataRecord(record: MetadataRecord): Buffer {
  const definition: Message = METADATA_RECORDS[record.type];
  const writer = new ByteWriter(64);
  writer.uvarint(FRAME_VERSION);
  writer.uvarint(definition.apiKey!);
  writer.uvarint(record.version);
  codecOf(definition, record.version).encode(writer, record.data as Input<Message>);
  return writer.concat();
}

/**
 * The reverse of {@link encodeMetadataRecord}. Byte strings in the result are views of `value`. Throws
 * {@link MalformedError} for an unknown frame version, record or version of it, and for bytes that are left over.
 */
export function decodeMetadataRecord(value: Buffer): MetadataRecord {
  const reader = new ByteReader(value);
  const frameVersion = reader.uvarint();
  if (frameVersion !== FRAME_VERSION) {
    throw new MalformedError(
      `a metadata record has frame version ${frameVersion}, only ${FRAME_VERSION} is known`,
    );
  }
  const apiKey = reader.uvarint();
  const type = TYPES.get(apiKey);
  if (type === undefined) throw new MalformedError(`there is no metadata record with key ${apiKey}`);
  const definition: Message = METADATA_RECORDS[type];
  const version = reader.uvarint();
  if (version < definition.minVersion || version > definition.maxVersion) {
    throw new MalformedError(
      `${type} has version ${version}, known are ${definition.minVersion} to ${definition.maxVersion}`,
    );
  }
  const data = codecOf(definition, version).decode(reader);
  if (reader.remaining !== 0) throw new MalformedError(`${reader.remaining} bytes follow a ${type}`);
  return { type, version, data } as MetadataRecord;
}
