import { array, f, message, struct, type Infer } from '../schema.ts';

export const ControllerRegistrationRequest = message(
  'ControllerRegistrationRequest',
  { kind: 'request', apiKey: 70, versions: '0', flexible: '0+', listeners: ['controller'] },
  {
    controllerId: f('int32', '0+'),
    incarnationId: f('uuid', '0+'),
    zkMigrationReady: f('bool', '0+'),
    listeners: f(
      array(
        struct('Listener', {
          name: f('string', '0+', { mapKey: true }),
          host: f('string', '0+'),
          port: f('uint16', '0+'),
          securityProtocol: f('int16', '0+'),
        }),
      ),
      '0+',
    ),
    features: f(
      array(
        struct('Feature', {
          name: f('string', '0+', { mapKey: true }),
          minSupportedVersion: f('int16', '0+'),
          maxSupportedVersion: f('int16', '0+'),
        }),
      ),
      '0+',
    ),
  },
);
export type ControllerRegistrationRequest = Infer<typeof ControllerRegistrationRequest>;

export const ControllerRegistrationResponse = message(
  'ControllerRegistrationResponse',
  { kind: 'response', apiKey: 70, versions: '0', flexible: '0+' },
  {
    throttleTimeMs: f('int32', '0+'),
    errorCode: f('int16', '0+'),
    errorMessage: f('string', '0+', { nullable: '0+' }),
  },
);
export type ControllerRegistrationResponse = Infer<typeof ControllerRegistrationResponse>;
