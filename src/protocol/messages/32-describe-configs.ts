import { array, f, message, struct, type Infer } from '../schema.ts';

export const DescribeConfigsRequest = message(
  'DescribeConfigsRequest',
  { kind: 'request', apiKey: 32, versions: '0-4', flexible: '4+', listeners: ['broker', 'controller'] },
  {
    resources: f(
      array(
        struct('DescribeConfigsResource', {
          resourceType: f('int8', '0+'),
          resourceName: f('string', '0+'),
          configurationKeys: f(array('string'), '0+', { nullable: '0+' }),
        }),
      ),
      '0+',
    ),
    includeSynonyms: f('bool', '1+'),
    includeDocumentation: f('bool', '3+'),
  },
);
export type DescribeConfigsRequest = Infer<typeof DescribeConfigsRequest>;

export const DescribeConfigsResponse = message(
  'DescribeConfigsResponse',
  { kind: 'response', apiKey: 32, versions: '0-4', flexible: '4+' },
  {
    throttleTimeMs: f('int32', '0+'),
    results: f(
      array(
        struct('DescribeConfigsResult', {
          errorCode: f('int16', '0+'),
          errorMessage: f('string', '0+', { nullable: '0+' }),
          resourceType: f('int8', '0+'),
          resourceName: f('string', '0+'),
          configs: f(
            array(
              struct('DescribeConfigsResourceResult', {
                name: f('string', '0+'),
                value: f('string', '0+', { nullable: '0+' }),
                readOnly: f('bool', '0+'),
                isDefault: f('bool', '0'),
                configSource: f('int8', '1+', { default: -1, ignorable: true }),
                isSensitive: f('bool', '0+'),
                synonyms: f(
                  array(
                    struct('DescribeConfigsSynonym', {
                      name: f('string', '1+'),
                      value: f('string', '1+', { nullable: '0+' }),
                      source: f('int8', '1+'),
                    }),
                  ),
                  '1+',
                  { ignorable: true },
                ),
                configType: f('int8', '3+', { ignorable: true }),
                documentation: f('string', '3+', { nullable: '0+', ignorable: true }),
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
export type DescribeConfigsResponse = Infer<typeof DescribeConfigsResponse>;
