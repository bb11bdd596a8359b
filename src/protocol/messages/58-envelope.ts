import { f, message, type Infer } from '../schema.ts';

export const EnvelopeRequest = message(
  'EnvelopeRequest',
  { kind: 'request', apiKey: 58, versions: '0', flexible: '0+', listeners: ['controller'] },
  {
    requestData: f('bytes', '0+'),
    requestPrincipal: f('bytes', '0+', { nullable: '0+' }),
    clientHostAddress: f('bytes', '0+'),
  },
);
export type EnvelopeRequest = Infer<typeof EnvelopeRequest>;

export const EnvelopeResponse = message(
  'EnvelopeResponse',
  { kind: 'response', apiKey: 58, versions: '0', flexible: '0+' },
  {
    responseData: f('bytes', '0+', { nullable: '0+', default: null }),
    errorCode: f('int16', '0+'),
  },
);
export type EnvelopeResponse = Infer<typeof EnvelopeResponse>;
