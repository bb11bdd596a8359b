import { array, f, message, struct, type Infer } from '../schema.ts';

export const ShareFetchRequest = message(
  'ShareFetchRequest',
  { kind: 'request', apiKey: 78, versions: '0-2', flexible: '0+', listeners: ['broker'] },
  {
    groupId: f('string', '0+', { nullable: '0+', default: null, entityType: 'groupId' }),
    memberId: f('string', '0+', { nullable: '0+' }),
    shareSessionEpoch: f('int32', '0+'),
    maxWaitMs: f('int32', '0+'),
    minBytes: f('int32', '0+'),
    maxBytes: f('int32', '0+', { default: 2147483647 }),
    maxRecords: f('int32', '1+'),
    batchSize: f('int32', '1+'),
    shareAcquireMode: f('int8', '2+', { ignorable: true }),
    isRenewAck: f('bool', '2+'),
    topics: f(
      array(
        struct('FetchTopic', {
          topicId: f('uuid', '0+', { mapKey: true }),
          partitions: f(
            array(
              struct('FetchPartition', {
                partitionIndex: f('int32', '0+', { mapKey: true }),
                partitionMaxBytes: f('int32', '0'),
                acknowledgementBatches: f(
                  array(
                    struct('AcknowledgementBatch', {
                      firstOffset: f('int64', '0+'),
                      lastOffset: f('int64', '0+'),
                      acknowledgeTypes: f(array('int8'), '0+'),
                    }),
                  ),
                  '0+',
                ),
              }),
            ),
            '0+',
          ),
        }),
      ),
      '0+',
    ),
    forgottenTopicsData: f(
      array(
        struct('ForgottenTopic', {
          topicId: f('uuid', '0+'),
          partitions: f(array('int32'), '0+'),
        }),
      ),
      '0+',
    ),
  },
);
export type ShareFetchRequest = Infer<typeof ShareFetchRequest>;

export const ShareFetchResponse = message(
  'ShareFetchResponse',
  { kind: 'response', apiKey: 78, versions: '0-2', flexible: '0+' },
  {
    throttleTimeMs: f('int32', '0+'),
    errorCode: f('int16', '0+'),
    errorMessage: f('string', '0+', { nullable: '0+', default: null }),
    acquisitionLockTimeoutMs: f('int32', '1+'),
    responses: f(
      array(
        struct('ShareFetchableTopicResponse', {
          topicId: f('uuid', '0+', { mapKey: true }),
          partitions: f(
            array(
              struct('PartitionData', {
                partitionIndex: f('int32', '0+'),
                errorCode: f('int16', '0+'),
                errorMessage: f('string', '0+', { nullable: '0+', default: null }),
                acknowledgeErrorCode: f('int16', '0+'),
                acknowledgeErrorMessage: f('string', '0+', { nullable: '0+', default: null }),
                currentLeader: f(
                  struct('LeaderIdAndEpoch', {
                    leaderId: f('int32', '0+'),
                    leaderEpoch: f('int32', '0+'),
                  }),
                  '0+',
                ),
                records: f('records', '0+', { nullable: '0' }),
                acquiredRecords: f(
                  array(
                    struct('AcquiredRecords', {
                      firstOffset: f('int64', '0+'),
                      lastOffset: f('int64', '0+'),
                      deliveryCount: f('int16', '0+'),
                    }),
                  ),
                  '0+',
                ),
              }),
            ),
            '0+',
          ),
        }),
      ),
      '0+',
    ),
    nodeEndpoints: f(
      array(
        struct('NodeEndpoint', {
          nodeId: f('int32', '0+', { mapKey: true, entityType: 'brokerId' }),
          host: f('string', '0+'),
          port: f('int32', '0+'),
          rack: f('string', '0+', { nullable: '0+', default: null }),
        }),
      ),
      '0+',
    ),
  },
);
export type ShareFetchResponse = Infer<typeof ShareFetchResponse>;
