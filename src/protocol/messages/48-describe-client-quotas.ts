import { array, f, message, struct, type Infer } from '../schema.ts';

export const DescribeClientQuotasRequest = message(
  'DescribeClientQuotasRequest',
  { kind: 'request', apiKey: 48, versions: '0-1', flexible: '1+', listeners: ['broker'] },
  {
    components: f(
      array(
        struct('ComponentData', {
          entityType: f('string', '0+'),
          matchType: f('int8', '0+'),
          match: f('string', '0+', { nullable: '0+' }),
        }),
      ),
      '0+',
    ),
    strict: f('bool', '0+'),
  },
);
export type DescribeClientQuotasRequest = Infer<typeof DescribeClientQuotasRequest>;

export const DescribeClientQuotasResponse = message(
  'DescribeClientQuotasResponse',
  { kind: 'response', apiKey: 48, versions: '0-1', flexible: '1+' },
  {
    throttleTimeMs: f('int32', '0+'),
    errorCode: f('int16', '0+'),
    errorMessage: f('string', '0+', { nullable: '0+' }),
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
          values: f(
            array(
              struct('ValueData', {
                key: f('string', '0+'),
                value: f('float64', '0+'),
              }),
            ),
            '0+',
          ),
        }),
      ),
      '0+',
      { nullable: '0+' },
    ),
  },
);
export type DescribeClientQuotasResponse = Infer<typeof DescribeClientQuotasResponse>;
