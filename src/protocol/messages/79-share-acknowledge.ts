import { array, f, message, struct, type Infer } from '../schema.ts';

export const ShareAcknowledgeRequest = message(
  'ShareAcknowledgeRequest',
  { kind: 'request', apiKey: 79, versions: '0-2', flexible: '0+', listeners: ['broker'] },
  {
    groupId: f('string', '0+', { nullable: '0+', default: null, entityType: 'groupId' }),
    memberId: f('string', '0+', { nullable: '0+' }),
    shareSessionEpoch: f('int32', '0+'),
    isRenewAck: f('bool', '2+'),
    topics: f(
      array(
        struct('AcknowledgeTopic', {
          topicId: f('uuid', '0+', { mapKey: true }),
          partitions: f(
            array(
              struct('AcknowledgePartition', {
                partitionIndex: f('int32', '0+', { mapKey: true }),
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
  },
);
export type ShareAcknowledgeRequest = Infer<typeof ShareAcknowledgeRequest>;

export const ShareAcknowledgeResponse = message(
  'ShareAcknowledgeResponse',
  { kind: 'response', apiKey: 79, versions: '0-2', flexible: '0+' },
  {
    throttleTimeMs: f('int32', '0+'),
    errorCode: f('int16', '0+'),
    errorMessage: f('string', '0+', { nullable: '0+', default: null }),
    acquisitionLockTimeoutMs: f('int32', '2+', { ignorable: true }),
    responses: f(
      array(
        struct('ShareAcknowledgeTopicResponse', {
          topicId: f('uuid', '0+', { mapKey: true }),
          partitions: f(
            array(
              struct('PartitionData', {
                partitionIndex: f('int32', '0+'),
                errorCode: f('int16', '0+'),
                errorMessage: f('string', '0+', { nullable: '0+', default: null }),
                currentLeader: f(
                  struct('LeaderIdAndEpoch', {
                    leaderId: f('int32', '0+'),
                    leaderEpoch: f('int32', '0+'),
                  }),
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
export type ShareAcknowledgeResponse = Infer<typeof ShareAcknowledgeResponse>;
