import { describe, expect, test } from 'vitest';
import { ZERO_UUID } from '../../../src/base/uuid.ts';
import { metadataRecord } from '../../../src/metadata/metadata-record.ts';
import { Errors } from '../../../src/protocol/errors.ts';
import {
  DescribeClusterRequest,
  DescribeClusterResponse,
} from '../../../src/protocol/messages/60-describe-cluster.ts';
import type { Input } from '../../../src/protocol/schema.ts';
import { describeCluster } from '../../../src/server/handlers/60-describe-cluster.ts';
import { broker } from './cluster-image.ts';
import type { NodeServices } from '../../../src/server/node-services.ts';
import type { QuorumAccess } from '../../../src/server/quorum-access.ts';
import { ask, imageOf, LOCAL_ADDRESS } from './handler-harness.ts';

const image = imageOf(
  broker(1, { rack: 'r' }),
  broker(2, { fenced: true }),
  broker(3, { listener: 'OTHER' }),
  metadataRecord('RegisterControllerRecord', {
    controllerId: 7,
    incarnationId: ZERO_UUID,
    zkMigrationReady: false,
    endPoints: [{ name: 'PLAINTEXT', host: 'c7', port: 9093, securityProtocol: 0 }],
    features: [],
  }),
);

let advertisesDialledAddress = false;

async function request(
  version: number,
  body: Input<typeof DescribeClusterRequest> = {},
  kind: 'broker' | 'controller' = 'broker',
) {
  const quorum = { leaderAndEpoch: () => ({ leaderId: 7, epoch: 1 }) } as unknown as QuorumAccess;
  const services = {
    runtime: { random: { below: () => 0 } },
    config: { advertisesDialledAddress },
    metadata: () => image,
    clusterId: 'cluster',
    nodeId: 1,
    quorum,
  } as unknown as NodeServices;
  const messages = [DescribeClusterRequest, DescribeClusterResponse] as const;
  return (await ask(describeCluster, services, messages, version, body, { name: 'PLAINTEXT', kind }))!;
}

describe('DescribeCluster', () => {
  test.each([0, 1, 2])('version %i lists the brokers of the listener that are not fenced', async version => {
    const answer = await request(version);
    expect(answer).toMatchObject({ errorCode: 0, clusterId: 'cluster', controllerId: 1, endpointType: 1 });
    expect(answer.brokers).toEqual([{ brokerId: 1, host: 'host1', port: 9001, rack: 'r', isFenced: false }]);
    expect(answer.clusterAuthorizedOperations).toBe(-2147483648);
  });

  test('fenced brokers and rights are told when asked for', async () => {
    const answer = await request(2, { includeFencedBrokers: true, includeClusterAuthorizedOperations: true });
    expect(answer.brokers.map(each => [each.brokerId, each.isFenced])).toEqual([
      [1, false],
      [2, true],
    ]);
    expect(answer.clusterAuthorizedOperations).toBe(0b1_1111_1010_0000);
  });

  test('with advertised.listeners=auto this broker is where the client dialled it', async () => {
    advertisesDialledAddress = true;
    const { brokers } = await request(2, { includeFencedBrokers: true });
    advertisesDialledAddress = false;
    expect(brokers[0]).toMatchObject({ brokerId: 1, ...LOCAL_ADDRESS });
    expect(brokers[1]).toMatchObject({ brokerId: 2, host: 'host2' });
  });

  test('an endpoint answers only for its own kind', async () => {
    expect((await request(1, { endpointType: 2 })).errorCode).toBe(Errors.MISMATCHED_ENDPOINT_TYPE);
    expect((await request(1, { endpointType: 9 })).errorCode).toBe(Errors.UNSUPPORTED_ENDPOINT_TYPE);
    expect((await request(0, {}, 'controller')).errorCode).toBe(Errors.INVALID_REQUEST);
  });

  test('a controller endpoint lists controllers and the active one', async () => {
    const answer = await request(1, { endpointType: 2 }, 'controller');
    expect(answer).toMatchObject({ errorCode: 0, endpointType: 2, controllerId: 7 });
    expect(answer.brokers).toMatchObject([{ brokerId: 7, host: 'c7', port: 9093 }]);
  });
});
