import { f, message, type Infer } from '../schema.ts';

export const UnregisterControllerRequest = message(
  'UnregisterControllerRequest',
  { kind: 'request', apiKey: 94, versions: '0', flexible: '0+', listeners: ['broker', 'controller'] },
  {
    controllerId: f('int32', '0+'),
  },
);
export type UnregisterControllerRequest = Infer<typeof UnregisterControllerRequest>;

export const UnregisterControllerResponse = message(
  'UnregisterControllerResponse',
  { kind: 'response', apiKey: 94, versions: '0', flexible: '0+' },
  {
    throttleTimeMs: f('int32', '0+'),
    errorCode: f('int16', '0+'),
    errorMessage: f('string', '0+', { nullable: '0+' }),
  },
);
export type UnregisterControllerResponse = Infer<typeof UnregisterControllerResponse>;
