import { describe, expect, test } from 'vitest';
import { metadataRecord } from '../../../src/metadata/metadata-record.ts';
import { SUPPORTED_FEATURES } from '../../../src/metadata/features.ts';
import { Errors } from '../../../src/protocol/errors.ts';
import { ApiVersionsRequest, ApiVersionsResponse } from '../../../src/protocol/messages/18-api-versions.ts';
import type { Input } from '../../../src/protocol/schema.ts';
import type { BrokerServices } from '../../../src/server/broker-services.ts';
import { HandlerTable } from '../../../src/server/handler-table.ts';
import { metadata } from '../../../src/server/handlers/03-metadata.ts';
import { apiVersions } from '../../../src/server/handlers/18-api-versions.ts';
import { ask, imageOf } from './handler-harness.ts';

let kraftLevel = 0;
const image = imageOf(
  metadataRecord('FeatureLevelRecord', { name: 'metadata.version', featureLevel: 25 }),
  metadataRecord('FeatureLevelRecord', { name: 'group.version', featureLevel: 1 }),
);

async function request(version: number, body: Input<typeof ApiVersionsRequest> = {}) {
  const client = version >= 3 ? { clientSoftwareName: 'test', clientSoftwareVersion: '1.0-x' } : {};
  const services = {
    apis: new HandlerTable<BrokerServices>([apiVersions, metadata]),
    metadata: () => image,
    kraftVersion: () => kraftLevel,
    clusterId: 'cluster',
    nodeId: 1,
  };
  const messages = [ApiVersionsRequest, ApiVersionsResponse] as const;
  return (await ask(apiVersions, services, messages, version, { ...client, ...body }))!;
}

describe('ApiVersions', () => {
  test.each([0, 1, 2, 3, 4, 5])('version %i lists what is served on the listener', async version => {
    const answer = await request(version);
    expect(answer.errorCode).toBe(0);
    expect(answer.apiKeys).toEqual([
      { apiKey: 3, minVersion: 0, maxVersion: 13 },
      { apiKey: 18, minVersion: 0, maxVersion: 5 },
    ]);
  });

  test('version 3 leaves out features whose lowest level is 0, which its clients cannot read', async () => {
    expect((await request(2)).supportedFeatures).toEqual([]);
    expect((await request(3)).supportedFeatures.map(each => each.name)).toEqual(['metadata.version']);
    expect((await request(4)).supportedFeatures.map(each => each.name)).toEqual([
      ...SUPPORTED_FEATURES.keys(),
    ]);
  });

  test('finalized features come with the offset of the image', async () => {
    const answer = await request(3);
    expect(answer.finalizedFeaturesEpoch).toBe(1);
    expect([...answer.finalizedFeatures].sort((a, b) => (a.name < b.name ? -1 : 1))).toEqual([
      { name: 'group.version', maxVersionLevel: 1, minVersionLevel: 1 },
      { name: 'metadata.version', maxVersionLevel: 25, minVersionLevel: 25 },
    ]);
    expect(answer.zkMigrationReady).toBe(false);
    kraftLevel = 1;
    expect((await request(3)).finalizedFeatures).toContainEqual({
      name: 'kraft.version',
      maxVersionLevel: 1,
      minVersionLevel: 1,
    });
    kraftLevel = 0;
  });

  test.each(['', '-x', 'x-', 'a b', 'a/b', '😀', 'x'.repeat(30_000) + '!'])(
    'software that calls itself %j is INVALID_REQUEST from version 3 on',
    async name => {
      expect((await request(3, { clientSoftwareName: name })).errorCode).toBe(Errors.INVALID_REQUEST);
      expect((await request(4, { clientSoftwareVersion: name })).errorCode).toBe(Errors.INVALID_REQUEST);
    },
  );

  test('version 5 tells a client that it has reached another node than it means', async () => {
    expect((await request(5, { clusterId: 'cluster', nodeId: 1 })).errorCode).toBe(0);
    expect((await request(5, { clusterId: 'other' })).errorCode).toBe(Errors.REBOOTSTRAP_REQUIRED);
    expect((await request(5, { nodeId: 2 })).errorCode).toBe(Errors.REBOOTSTRAP_REQUIRED);
  });
});
