import { array, f, message, struct, type Infer } from '../schema.ts';

export const ApiVersionsRequest = message(
  'ApiVersionsRequest',
  { kind: 'request', apiKey: 18, versions: '0-5', flexible: '3+', listeners: ['broker', 'controller'] },
  {
    clientSoftwareName: f('string', '3+', { ignorable: true }),
    clientSoftwareVersion: f('string', '3+', { ignorable: true }),
    clusterId: f('string', '5+', { nullable: '5+', default: null, ignorable: true }),
    nodeId: f('int32', '5+', { default: -1, ignorable: true }),
  },
);
export type ApiVersionsRequest = Infer<typeof ApiVersionsRequest>;

export const ApiVersionsResponse = message(
  'ApiVersionsResponse',
  { kind: 'response', apiKey: 18, versions: '0-5', flexible: '3+' },
  {
    errorCode: f('int16', '0+'),
    apiKeys: f(
      array(
        struct('ApiVersion', {
          apiKey: f('int16', '0+', { mapKey: true }),
          minVersion: f('int16', '0+'),
          maxVersion: f('int16', '0+'),
        }),
      ),
      '0+',
    ),
    throttleTimeMs: f('int32', '1+', { ignorable: true }),
    supportedFeatures: f(
      array(
        struct('SupportedFeatureKey', {
          name: f('string', '3+', { mapKey: true }),
          minVersion: f('int16', '3+'),
          maxVersion: f('int16', '3+'),
        }),
      ),
      '3+',
      { tag: 0, tagged: '3+', ignorable: true },
    ),
    finalizedFeaturesEpoch: f('int64', '3+', { default: -1, tag: 1, tagged: '3+', ignorable: true }),
    finalizedFeatures: f(
      array(
        struct('FinalizedFeatureKey', {
          name: f('string', '3+', { mapKey: true }),
          maxVersionLevel: f('int16', '3+'),
          minVersionLevel: f('int16', '3+'),
        }),
      ),
      '3+',
      { tag: 2, tagged: '3+', ignorable: true },
    ),
    zkMigrationReady: f('bool', '3+', { tag: 3, tagged: '3+', ignorable: true }),
  },
);
export type ApiVersionsResponse = Infer<typeof ApiVersionsResponse>;
