import { array, f, message, struct, type Infer } from '../schema.ts';

export const UpdateFeaturesRequest = message(
  'UpdateFeaturesRequest',
  { kind: 'request', apiKey: 57, versions: '0-2', flexible: '0+', listeners: ['broker', 'controller'] },
  {
    timeoutMs: f('int32', '0+', { default: 60000 }),
    featureUpdates: f(
      array(
        struct('FeatureUpdateKey', {
          feature: f('string', '0+', { mapKey: true }),
          maxVersionLevel: f('int16', '0+'),
          allowDowngrade: f('bool', '0'),
          upgradeType: f('int8', '1+', { default: 1 }),
        }),
      ),
      '0+',
    ),
    validateOnly: f('bool', '1+'),
  },
);
export type UpdateFeaturesRequest = Infer<typeof UpdateFeaturesRequest>;

export const UpdateFeaturesResponse = message(
  'UpdateFeaturesResponse',
  { kind: 'response', apiKey: 57, versions: '0-2', flexible: '0+' },
  {
    throttleTimeMs: f('int32', '0+'),
    errorCode: f('int16', '0+'),
    errorMessage: f('string', '0+', { nullable: '0+' }),
    results: f(
      array(
        struct('UpdatableFeatureResult', {
          feature: f('string', '0+', { mapKey: true }),
          errorCode: f('int16', '0+'),
          errorMessage: f('string', '0+', { nullable: '0+' }),
        }),
      ),
      '0-1',
      { ignorable: true },
    ),
  },
);
export type UpdateFeaturesResponse = Infer<typeof UpdateFeaturesResponse>;
