import { beforeEach, describe, expect, it } from 'vitest';
import { LimitedLogger, MemoryLogger } from '../../../src/base/logger.ts';
import { MetadataDelta } from '../../../src/metadata/metadata-delta.ts';
import { MetadataImage } from '../../../src/metadata/metadata-image.ts';
import { metadataRecord } from '../../../src/metadata/metadata-record.ts';
import { Errors, KafkaError } from '../../../src/protocol/errors.ts';
import { FetchRequest, FetchResponse } from '../../../src/protocol/messages/01-fetch.ts';
import { HeartbeatRequest, HeartbeatResponse } from '../../../src/protocol/messages/12-heartbeat.ts';
import {
  BrokerHeartbeatRequest,
  BrokerHeartbeatResponse,
} from '../../../src/protocol/messages/63-broker-heartbeat.ts';
import type { Input, Message } from '../../../src/protocol/schema.ts';
import { defineNodeHandler } from '../../../src/server/handler.ts';
import { HandlerTable } from '../../../src/server/handler-table.ts';
import { fetchHandler } from '../../../src/server/handlers/01-fetch.ts';
import type { NodeServices } from '../../../src/server/node-services.ts';
import { NO_RATE_LIMITS } from '../../../src/server/quotas/connection-rates.ts';
import { QuotaManagers } from '../../../src/server/quotas/quota-managers.ts';
import { RequestRouter } from '../../../src/server/request-router.ts';
import { brokerConfig } from '../../support/broker-config.ts';
import { ManualRuntime } from '../../support/manual-runtime.ts';
import { requestFrame, responseBody } from '../fake-network.ts';

describe('the quota of request time', () => {
  let runtime: ManualRuntime;
  let quotas: QuotaManagers;
  let router: RequestRouter<NodeServices>;
  /** What the next request takes, ms, and answers. */
  let tookMs: number;
  let throttleTimeMs: number;
  let failure: KafkaError | undefined;

  const handle = () => {
    runtime.nowMs += tookMs;
    if (failure !== undefined) throw failure;
    return { throttleTimeMs };
  };
  const heartbeat = defineNodeHandler({
    request: HeartbeatRequest,
    response: HeartbeatResponse,
    authorize: ['Read Group'],
    handle,
  });
  const brokerHeartbeat = defineNodeHandler({
    request: BrokerHeartbeatRequest,
    response: BrokerHeartbeatResponse,
    authorize: ['ClusterAction Cluster'],
    handle,
  });
  const fetch = defineNodeHandler({
    request: FetchRequest,
    response: FetchResponse,
    authorize: ['Read Topic', 'ClusterAction Cluster'],
    isExempt: (context, request) => fetchHandler.isExempt(context, request),
    handle,
  });

  function limit(value: number | null): void {
    const delta = new MetadataDelta(MetadataImage.EMPTY);
    const entity = [{ entityType: 'client-id', entityName: 'test' }];
    const data = { entity, key: 'request_percentage', value: value ?? 0, remove: value === null };
    delta.replay(metadataRecord('ClientQuotaRecord', data));
    quotas.onMetadataUpdate(delta);
  }

  /** Throttle time as answered, and as the connection is muted. */
  async function send<Q extends Message, A extends Message>(
    [request, response]: readonly [Q, A],
    version: number,
    body: Input<Q>,
  ): Promise<[number, number]> {
    const peer = {
      principal: 'User:ANONYMOUS',
      listenerName: 'P',
      listenerKind: 'broker' as const,
      clientAddress: '10.0.0.1',
      localAddress: { host: '10.0.0.2', port: 9092 },
      connectionId: 'c',
    };
    const routed = router.decode(requestFrame(request, version, body).subarray(4), peer, runtime.nowMs);
    const outcome = await router.dispatch(routed);
    if (typeof outcome === 'string') throw new Error(outcome);
    const answer = responseBody(response, version, Buffer.concat(outcome)) as unknown as {
      throttleTimeMs: number;
    };
    return [answer.throttleTimeMs, routed.context.throttleMs];
  }
  const beat = (version = 4) => send([HeartbeatRequest, HeartbeatResponse], version, {});

  beforeEach(() => {
    runtime = new ManualRuntime();
    tookMs = 100;
    throttleTimeMs = 0;
    failure = undefined;
    const logger = new MemoryLogger();
    quotas = new QuotaManagers(runtime.clock, logger, brokerConfig(), NO_RATE_LIMITS);
    const limited = new LimitedLogger(logger, () => runtime.nowMs, 1_000);
    const table = new HandlerTable([heartbeat, brokerHeartbeat, fetch]);
    router = new RequestRouter(table, {} as NodeServices, limited, { requestQuota: quotas.request });
  });

  it('holds back who takes more of the time than that', async () => {
    limit(1);
    // 100 ms of the 10 s of the window are 1 percent.
    expect(await beat()).toEqual([0, 0]);
    // 200 ms of 10.1 s are 1.98 percent: (1.98 - 1) / 1 * 10.1 s, but no more than a sample.
    expect(await beat()).toEqual([1_000, 1_000]);
    expect([...quotas.throttled()]).toMatchObject([
      { quota: 'request_percentage', clientId: 'test', bound: 1 },
    ]);
    limit(2.5);
    tookMs = 60;
    // 260 ms of 10.16 s are 2.559 percent.
    expect(await beat()).toEqual([240, 240]);
  });

  it('measures nobody without a quota', async () => {
    tookMs = 10_000;
    expect(await beat()).toEqual([0, 0]);
    limit(1);
    limit(null);
    expect(await beat()).toEqual([0, 0]);
    expect([...quotas.usages()]).toEqual([]);
  });

  it('counts requests that fail, and mutes those whose version cannot be told', async () => {
    limit(0.5);
    failure = new KafkaError(Errors.UNKNOWN_MEMBER_ID);
    expect(await beat()).toEqual([1_000, 1_000]);
    expect(await beat(0)).toEqual([0, 1_000]);
  });

  it('tells the longest throttle time of several', async () => {
    limit(0.5);
    throttleTimeMs = 5_000;
    expect(await beat()).toEqual([5_000, 5_000]);
    throttleTimeMs = 10;
    expect(await beat()).toEqual([1_000, 1_000]);
  });

  it('leaves out what the cluster does for itself: its own requests and replication', async () => {
    limit(0.001);
    const own = await send([BrokerHeartbeatRequest, BrokerHeartbeatResponse], 0, {});
    expect(own).toEqual([0, 0]);
    const follower = { maxWaitMs: 0, minBytes: 0, topics: [] };
    expect(await send([FetchRequest, FetchResponse], 12, { ...follower, replicaId: 2 })).toEqual([0, 0]);
    const state = { replicaState: { replicaId: 2 } };
    expect(await send([FetchRequest, FetchResponse], 15, { ...follower, ...state })).toEqual([0, 0]);
    expect([...quotas.usages()]).toEqual([]);
    expect(await send([FetchRequest, FetchResponse], 12, follower)).toEqual([1_000, 1_000]);
  });
});
