import { ByteReader, MalformedError } from '../base/byte-reader.ts';
import { ByteWriter } from '../base/byte-writer.ts';
import { ApiKeys } from '../protocol/api-keys.ts';
import { codecOf } from '../protocol/codec.ts';
import { RequestHeader } from '../protocol/records/data.ts';
import { inVersions } from '../protocol/schema.ts';
import type { Handler } from './handler.ts';

/** A request that has no answer: its connection has to close. */
export class UnanswerableRequestError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'UnanswerableRequestError';
  }
}

export interface DecodedRequest {
  readonly apiVersion: number;
  readonly correlationId: number;
  readonly clientId: string | null;
  readonly body: unknown;
}

/** The first 8 bytes are the same in every request header: API key, version, correlation id. */
const FIXED_HEADER_BYTES = 8;
const NO_TAGGED_FIELDS = 0;

/** The API of a request by its first bytes. Throws {@link UnanswerableRequestError} where there is no whole header. */
export function apiKeyOf(frame: Buffer): number {
  if (frame.length < FIXED_HEADER_BYTES) {
    throw new UnanswerableRequestError(`a request of ${frame.length} bytes has no header`);
  }
  return frame.readInt16BE(0);
}

/** The version that a request says to be of. The frame holds a whole header ({@link apiKeyOf}). */
export function apiVersionOf(frame: Buffer): number {
  return frame.readInt16BE(2);
}

export function correlationIdOf(frame: Buffer): number {
  return frame.readInt32BE(4);
}

/** Whether the request is of a version that is served. */
export function isServedVersion(handler: Handler<never>, apiVersion: number): boolean {
  return apiVersion >= handler.minVersion && apiVersion <= handler.maxVersion;
}

/**
 * Decodes header and body of a request whose version is served. Throws {@link UnanswerableRequestError} for bytes that
 * do not match their definition. What it gives may be views of `frame`.
 */
export function decodeRequest(handler: Handler<never>, frame: Buffer): DecodedRequest {
  const apiVersion = apiVersionOf(frame);
  try {
    const reader = new ByteReader(frame);
    const { correlationId, clientId } = codecOf(
      RequestHeader,
      requestHeaderVersion(handler, apiVersion),
    ).decode(reader);
    const body = codecOf(handler.request, apiVersion).decode(reader);
    if (reader.remaining > 0) throw new MalformedError(`${reader.remaining} bytes follow the request`);
    return { apiVersion, correlationId, clientId, body };
  } catch (error) {
    if (!(error instanceof MalformedError)) throw error;
    throw new UnanswerableRequestError(`malformed ${handler.name} version ${apiVersion}: ${error.message}`);
  }
}

/** Header and body, without a length: what {@link decodeRequest} reads. */
export function encodeRequest(
  handler: Handler<never>,
  { apiVersion, correlationId, clientId }: Omit<DecodedRequest, 'body'>,
  body: unknown,
): Buffer {
  const { request, apiKey } = handler;
  const writer = new ByteWriter();
  codecOf(RequestHeader, requestHeaderVersion(handler, apiVersion)).encode(writer, {
    requestApiKey: apiKey,
    requestApiVersion: apiVersion,
    correlationId,
    clientId,
  });
  codecOf(request, apiVersion).encode(writer, body as never);
  return writer.concat();
}

/** Length, header and body; large byte strings stay chunks of their own. */
export function encodeResponse(
  handler: Handler<never>,
  apiVersion: number,
  correlationId: number,
  answer: unknown,
): Buffer[] {
  const writer = new ByteWriter();
  writer.int32(0);
  writer.int32(correlationId);
  if (responseHeaderVersion(handler, apiVersion) === 1) writer.uvarint(NO_TAGGED_FIELDS);
  codecOf(handler.response, apiVersion).encode(writer, answer as never);
  const size = writer.size;
  writer.patchInt32(0, size - 4);
  return writer.chunks();
}

/** Decodes a response without its length, as another node encoded it. Throws `MalformedError`. */
export function decodeResponse(
  handler: Handler<never>,
  apiVersion: number,
  correlationId: number,
  bytes: Buffer,
): unknown {
  const reader = new ByteReader(bytes);
  const answered = reader.int32();
  if (answered !== correlationId) {
    throw new MalformedError(`the response is to request ${answered}, not to ${correlationId}`);
  }
  if (responseHeaderVersion(handler, apiVersion) === 1) skipTaggedFields(reader);
  const body = codecOf(handler.response, apiVersion).decode(reader);
  if (reader.remaining > 0) throw new MalformedError(`${reader.remaining} bytes follow the response`);
  return body;
}

function requestHeaderVersion(handler: Handler<never>, apiVersion: number): number {
  return inVersions(handler.request.flexible, apiVersion) ? 2 : 1;
}

/** ApiVersions answers keep the old header: the client does not know yet what the broker speaks. */
function responseHeaderVersion(handler: Handler<never>, apiVersion: number): number {
  if (handler.apiKey === ApiKeys.API_VERSIONS) return 0;
  return inVersions(handler.response.flexible, apiVersion) ? 1 : 0;
}

function skipTaggedFields(reader: ByteReader): void {
  for (let count = reader.uvarint(); count > 0; count--) {
    reader.uvarint();
    reader.skip(reader.uvarint());
  }
}
