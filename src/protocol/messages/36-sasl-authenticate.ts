import { f, message, type Infer } from '../schema.ts';

export const SaslAuthenticateRequest = message(
  'SaslAuthenticateRequest',
  { kind: 'request', apiKey: 36, versions: '0-2', flexible: '2+', listeners: ['broker', 'controller'] },
  {
    authBytes: f('bytes', '0+'),
  },
);
export type SaslAuthenticateRequest = Infer<typeof SaslAuthenticateRequest>;

export const SaslAuthenticateResponse = message(
  'SaslAuthenticateResponse',
  { kind: 'response', apiKey: 36, versions: '0-2', flexible: '2+' },
  {
    errorCode: f('int16', '0+'),
    errorMessage: f('string', '0+', { nullable: '0+' }),
    authBytes: f('bytes', '0+'),
    sessionLifetimeMs: f('int64', '1+', { ignorable: true }),
  },
);
export type SaslAuthenticateResponse = Infer<typeof SaslAuthenticateResponse>;
