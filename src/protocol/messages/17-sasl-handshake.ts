import { array, f, message, type Infer } from '../schema.ts';

export const SaslHandshakeRequest = message(
  'SaslHandshakeRequest',
  { kind: 'request', apiKey: 17, versions: '0-1', flexible: 'none', listeners: ['broker', 'controller'] },
  {
    mechanism: f('string', '0+'),
  },
);
export type SaslHandshakeRequest = Infer<typeof SaslHandshakeRequest>;

export const SaslHandshakeResponse = message(
  'SaslHandshakeResponse',
  { kind: 'response', apiKey: 17, versions: '0-1', flexible: 'none' },
  {
    errorCode: f('int16', '0+'),
    mechanisms: f(array('string'), '0+'),
  },
);
export type SaslHandshakeResponse = Infer<typeof SaslHandshakeResponse>;
