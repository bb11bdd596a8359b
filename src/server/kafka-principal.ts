import { ByteReader } from '../base/byte-reader.ts';
import { ByteWriter } from '../base/byte-writer.ts';
import { codecOf } from '../protocol/codec.ts';
import { DefaultPrincipalData } from '../protocol/records/data.ts';

/**
 * A principal as Kafka's default principal builder passes it on between nodes: the version of its layout (int16), then
 * that of `DefaultPrincipalData`. `principal` is `Type:name`, and the name may hold colons.
 */
export function serializePrincipal(principal: string): Buffer {
  const colon = principal.indexOf(':');
  const version = DefaultPrincipalData.maxVersion;
  const writer = new ByteWriter();
  writer.int16(version);
  codecOf(DefaultPrincipalData, version).encode(writer, {
    type: principal.slice(0, colon),
    name: principal.slice(colon + 1),
    tokenAuthenticated: false,
  });
  return Buffer.concat(writer.chunks());
}

/** Throws `MalformedError`, or `RangeError` for a version of the layout that is not known. */
export function deserializePrincipal(bytes: Buffer): string {
  const reader = new ByteReader(bytes);
  const { type, name } = codecOf(DefaultPrincipalData, reader.int16()).decode(reader);
  return `${type}:${name}`;
}
