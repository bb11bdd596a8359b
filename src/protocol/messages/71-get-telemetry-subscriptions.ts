import { array, f, message, type Infer } from '../schema.ts';

export const GetTelemetrySubscriptionsRequest = message(
  'GetTelemetrySubscriptionsRequest',
  { kind: 'request', apiKey: 71, versions: '0', flexible: '0+', listeners: ['broker'] },
  {
    clientInstanceId: f('uuid', '0+'),
  },
);
export type GetTelemetrySubscriptionsRequest = Infer<typeof GetTelemetrySubscriptionsRequest>;

export const GetTelemetrySubscriptionsResponse = message(
  'GetTelemetrySubscriptionsResponse',
  { kind: 'response', apiKey: 71, versions: '0', flexible: '0+' },
  {
    throttleTimeMs: f('int32', '0+'),
    errorCode: f('int16', '0+'),
    clientInstanceId: f('uuid', '0+'),
    subscriptionId: f('int32', '0+'),
    acceptedCompressionTypes: f(array('int8'), '0+'),
    pushIntervalMs: f('int32', '0+'),
    telemetryMaxBytes: f('int32', '0+'),
    deltaTemporality: f('bool', '0+'),
    requestedMetrics: f(array('string'), '0+'),
  },
);
export type GetTelemetrySubscriptionsResponse = Infer<typeof GetTelemetrySubscriptionsResponse>;
