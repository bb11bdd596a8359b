import { MetadataDelta } from '../../../src/metadata/metadata-delta.ts';
import { MetadataImage } from '../../../src/metadata/metadata-image.ts';
import type { MetadataRecord } from '../../../src/metadata/metadata-record.ts';
import { ByteReader } from '../../../src/base/byte-reader.ts';
import { LimitedLogger, MemoryLogger } from '../../../src/base/logger.ts';
import { codecOf } from '../../../src/protocol/codec.ts';
import { type Infer, type Input, inVersions, type Message } from '../../../src/protocol/schema.ts';
import type { BrokerServices } from '../../../src/server/broker-services.ts';
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

/** Sends one request through the router, as bytes, and decodes what comes back; `undefined` for a closed connection. */
export async function ask<Q extends Message, A extends Message>(
  handler: Handler,
  broker: Partial<BrokerServices>,
  [request, response]: readonly [Q, A],
  version: number,
  body: Input<Q>,
  listener: { name: string; kind: ListenerKind } = { name: 'PLAINTEXT', kind: 'broker' },
): Promise<Infer<A> | undefined> {
  const table = new HandlerTable([handler]);
  const logger = new MemoryLogger();
  const services = { handlers: table, ...broker } as BrokerServices;
  const router = new RequestRouter(table, services, new LimitedLogger(logger, () => 0, 1));
  const routed = router.decode(
    requestFrame(request, version, body).subarray(4),
    {
      principal: 'User:ANONYMOUS',
      listenerName: listener.name,
      listenerKind: listener.kind,
      clientAddress: '10.0.0.1',
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
