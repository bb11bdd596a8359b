import { MetadataDelta } from '../../../src/metadata/metadata-delta.ts';
import { MetadataImage } from '../../../src/metadata/metadata-image.ts';
import type { MetadataRecord } from '../../../src/metadata/metadata-record.ts';
import { ByteReader } from '../../../src/base/byte-reader.ts';
import { LimitedLogger, MemoryLogger } from '../../../src/base/logger.ts';
import { codecOf } from '../../../src/protocol/codec.ts';
import { type Infer, type Input, inVersions, type Message } from '../../../src/protocol/schema.ts';
import type { Handler, ListenerKind } from '../../../src/server/handler.ts';
import { HandlerTable } from '../../../src/server/handler-table.ts';
import { RequestRouter } from '../../../src/server/request-router.ts';
import { requestFrame } from '../fake-network.ts';

/** The image that `records` give. */
export function imageOf(...records: MetadataRecord[]): MetadataImage {
  const delta = new MetadataDelta(MetadataImage.EMPTY);
  for (const record of records) delta.replay(record);
  return delta.apply({
    lastContainedOffset: records.length - 1,
    lastContainedEpoch: 1,
    lastContainedLogTimeMs: 0,
  });
}

/** Where the client of {@link ask} has dialled the node. */
export const LOCAL_ADDRESS = { host: '10.0.0.200', port: 19092 };

/** Sends one request through the router, as bytes, and decodes what comes back; `undefined` for a closed connection. */
export async function ask<Services, Q extends Message, A extends Message>(
  handler: Handler<Services>,
  partialServices: Partial<Services>,
  [request, response]: readonly [Q, A],
  version: number,
  body: Input<Q>,
  listener: { name: string; kind: ListenerKind } = { name: 'PLAINTEXT', kind: 'broker' },
): Promise<Infer<A> | undefined> {
  const table = new HandlerTable([handler]);
  const logger = new MemoryLogger();
  const services = { apis: table, ...partialServices } as Services;
  const router = new RequestRouter(table, services, new LimitedLogger(logger, () => 0, 1));
  const routed = router.decode(
    requestFrame(request, version, body).subarray(4),
    {
      principal: 'User:ANONYMOUS',
      listenerName: listener.name,
      listenerKind: listener.kind,
      clientAddress: '10.0.0.1',
      localAddress: LOCAL_ADDRESS,
      connectionId: 'c',
    },
    0,
  );
  const outcome = await router.dispatch(routed);
  if (logger.entries.length > 0) throw new Error(JSON.stringify(logger.entries));
  if (typeof outcome === 'string') return undefined;
  const headerBytes = handler.apiKey !== 18 && inVersions(response.flexible, version) ? 9 : 8;
  const reader = new ByteReader(Buffer.concat(outcome), headerBytes);
  const answer = codecOf(response, version).decode(reader);
  if (reader.remaining > 0) throw new Error('bytes follow the response');
  return answer;
}
