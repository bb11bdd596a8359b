import type { ByteReader } from '../base/byte-reader.ts';
import type { ByteWriter } from '../base/byte-writer.ts';
import { compileDecoder, compileEncoder } from './codec-compiler.ts';
import type { Infer, Input, Message } from './schema.ts';

/** Reads and writes one version of one message. Both halves are compiled when they are first called. */
export interface Codec<M extends Message> {
  readonly message: M;
  readonly version: number;
  /** Whether lengths are compact and structs end in tagged fields. */
  readonly flexible: boolean;
  /** Reads one value at the reader's position. Throws `MalformedError`. Bytes are views of the reader's buffer. */
  decode(reader: ByteReader): Infer<M>;
  /** Throws `UnsupportedFieldError` for a value that this version cannot carry. */
  encode(writer: ByteWriter, value: Input<M>): void;
}

class CompiledCodec<M extends Message> implements Codec<M> {
  readonly message: M;
  readonly version: number;
  readonly flexible: boolean;
  private decoder: ((reader: ByteReader) => unknown) | undefined;
  private encoder: ((writer: ByteWriter, value: unknown) => void) | undefined;

  constructor(message: M, version: number) {
    this.message = message;
    this.version = version;
    this.flexible = version >= message.flexible.min && version <= message.flexible.max;
  }

  decode(reader: ByteReader): Infer<M> {
    const decoder = (this.decoder ??= compileDecoder(this.message, this.version));
    return decoder(reader) as Infer<M>;
  }

  encode(writer: ByteWriter, value: Input<M>): void {
    const encoder = (this.encoder ??= compileEncoder(this.message, this.version));
    encoder(writer, value);
  }
}

/** A memo of a pure function: what is compiled depends on nothing but the definition, so brokers may share it. */
const codecs = new WeakMap<Message, Codec<Message>[]>();

/** The codec of `message` at `version`. Throws `RangeError` for a version that the message does not have. */
export function codecOf<M extends Message>(message: M, version: number): Codec<M> {
  let versions = codecs.get(message);
  if (versions === undefined) {
    versions = [];
    codecs.set(message, versions);
  }
  let codec = versions[version] as Codec<M> | undefined;
  if (codec === undefined) {
    if (version < message.minVersion || version > message.maxVersion) {
      throw new RangeError(
        `${message.name} has versions ${message.minVersion} to ${message.maxVersion}, not ${version}`,
      );
    }
    codec = new CompiledCodec(message, version);
    versions[version] = codec as unknown as Codec<Message>;
  }
  return codec;
}
