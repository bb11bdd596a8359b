import { array, f, message, struct, type Infer } from '../schema.ts';

export const AlterClientQuotasRequest = message(
  'AlterClientQuotasRequest',
  { kind: 'request', apiKey: 49, versions: '0-1', flexible: '1+', listeners: ['broker', 'controller'] },
  {
    entries: f(
      array(
        struct('EntryData', {
          entity: f(
            array(
              struct('EntityData', {
                entityType: f('string', '0+'),
                entityName: f('string', '0+', { nullable: '0+' }),
              }),
            ),
            '0+',
          ),
          ops: f(
            array(
              struct('OpData', {
                key: f('string', '0+'),
                value: f('float64', '0+'),
                remove: f('bool', '0+'),
              }),
            ),
            '0+',
          ),
        }),
      ),
      '0+',
    ),
    validateOnly: f('bool', '0+'),
  },
);
export type AlterClientQuotasRequest = Infer<typeof AlterClientQuotasRequest>;

export const AlterClientQuotasResponse = message(
  'AlterClientQuotasResponse',
  { kind: 'response', apiKey: 49, versions: '0-1', flexible: '1+' },
  {
    throttleTimeMs: f('int32', '0+'),
    entries: f(
      array(
        struct('EntryData', {
          errorCode: f('int16', '0+'),
          errorMessage: f('string', '0+', { nullable: '0+' }),
          entity: f(
            array(
              struct('EntityData', {
                entityType: f('string', '0+'),
                entityName: f('string', '0+', { nullable: '0+' }),
              }),
            ),
            '0+',
          ),
        }),
      ),
      '0+',
    ),
  },
);
export type AlterClientQuotasResponse = Infer<typeof AlterClientQuotasResponse>;
