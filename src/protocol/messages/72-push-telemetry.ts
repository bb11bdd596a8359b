import { f, message, type Infer } from '../schema.ts';

export const PushTelemetryRequest = message(
  'PushTelemetryRequest',
  { kind: 'request', apiKey: 72, versions: '0', flexible: '0+', listeners: ['broker'] },
  {
    clientInstanceId: f('uuid', '0+'),
    subscriptionId: f('int32', '0+'),
    terminating: f('bool', '0+'),
    compressionType: f('int8', '0+'),
    metrics: f('bytes', '0+'),
  },
);
export type PushTelemetryRequest = Infer<typeof PushTelemetryRequest>;

export const PushTelemetryResponse = message(
  'PushTelemetryResponse',
  { kind: 'response', apiKey: 72, versions: '0', flexible: '0+' },
  {
    throttleTimeMs: f('int32', '0+'),
    errorCode: f('int16', '0+'),
  },
);
export type PushTelemetryResponse = Infer<typeof PushTelemetryResponse>;
