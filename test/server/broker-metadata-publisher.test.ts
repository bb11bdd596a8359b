import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ConfigResourceType } from '../../src/metadata/config-resource.ts';
import { MetadataDelta } from '../../src/metadata/metadata-delta.ts';
import { MetadataImage } from '../../src/metadata/metadata-image.ts';
import { type MetadataRecord, metadataRecord } from '../../src/metadata/metadata-record.ts';
import { DynamicBrokerConfig } from '../../src/config/dynamic-broker-config.ts';
import { silentLogger } from '../../src/base/logger.ts';
import {
  type BrokerMetadataTargets,
  BrokerMetadataPublisher,
} from '../../src/server/broker-metadata-publisher.ts';
import { TestBroker } from '../support/test-broker.ts';
import { broker, ORDERS_ID, partition, topic } from './handlers/cluster-image.ts';

const NO_CHANGE = {
  isr: null,
  replicas: null,
  removingReplicas: null,
  addingReplicas: null,
  leaderRecoveryState: -1,
  directories: null,
  eligibleLeaderReplicas: null,
  lastKnownElr: null,
};
const STATE_ID = 'c3RhdGVzdGF0ZXN0YXRlcw';
const OFFSETS_ID = 'b2Zmc2V0c29mZnNldHNvZg';

let host: TestBroker;
let calls: string[];
let config: DynamicBrokerConfig;
let publisher: BrokerMetadataPublisher;
let image: MetadataImage;
let logs: { topicPartition: { topic: string; partition: number }; topicId: string; isFuture: boolean }[];

function configRecord(type: number, resourceName: string, name: string, value: string): MetadataRecord {
  return metadataRecord('ConfigRecord', { resourceType: type, resourceName, name, value });
}

function publish(...records: MetadataRecord[]): void {
  const delta = new MetadataDelta(image);
  for (const record of records) delta.replay(record);
  image = delta.apply({ lastContainedOffset: 0, lastContainedEpoch: 0, lastContainedLogTimeMs: 0 });
  publisher.onMetadataUpdate(delta, image);
}

beforeEach(async () => {
  host = await TestBroker.start();
  calls = [];
  logs = [];
  config = new DynamicBrokerConfig(host.config);
  image = MetadataImage.EMPTY;
  publisher = new BrokerMetadataPublisher(silentLogger, config, {
    nodeId: 1,
    logManager: {
      get allLogs() {
        return logs.filter(log => !log.isFuture);
      },
      futures: {
        get all() {
          return logs.filter(log => log.isFuture);
        },
      },
      setDuplicatesAside: (topicIdOf: (name: string) => string | undefined) =>
        calls.push(`duplicates ${topicIdOf('orders')}`),
      updateTopicConfig: (name: string, { retentionMs }: { retentionMs: number }) =>
        calls.push(`config ${name} ${retentionMs}`),
      updateAllConfigs: () =>
        calls.push(`config of all: ${config.logConfig(image.configs.topic('orders')).retentionMs}`),
      asyncDelete: (
        { topic, partition }: { topic: string; partition: number },
        { stray, isFuture }: { stray: boolean; isFuture: boolean },
      ) => calls.push(`stray ${topic}-${partition} ${stray}${isFuture ? ' future' : ''}`),
    },
    replicaManager: {
      onBrokersChanged: () => calls.push('brokers'),
      applyTopics: (changed: Iterable<{ name: string }>, deleted: Iterable<{ name: string }>) =>
        calls.push(`apply ${[...changed].map(each => each.name)} / ${[...deleted].map(each => each.name)}`),
    },
    groupCoordinator: {
      onElection: (id: number, epoch: number) => calls.push(`elected ${id} ${epoch}`),
      onResignation: (id: number, epoch?: number) => calls.push(`resigned ${id} ${epoch}`),
      onTopicsDeleted: (topics: { name: string }[]) => calls.push(`gone ${topics.map(each => each.name)}`),
    },
    transactionCoordinator: {
      onElection: (id: number, epoch: number) => calls.push(`transactions elected ${id} ${epoch}`),
      onResignation: (id: number, epoch?: number) => calls.push(`transactions resigned ${id} ${epoch}`),
    },
  } as unknown as BrokerMetadataTargets);
});

afterEach(async () => {
  await host.close();
});

describe('BrokerMetadataPublisher', () => {
  test('configures logs before it makes replicas, and replicas before coordinators', () => {
    publish(
      broker(1),
      configRecord(ConfigResourceType.TOPIC, 'orders', 'retention.ms', '7'),
      topic('orders', ORDERS_ID),
      partition(ORDERS_ID, 0),
      topic('__consumer_offsets', OFFSETS_ID),
      partition(OFFSETS_ID, 0),
      partition(OFFSETS_ID, 1, { replicas: [2, 1] }),
    );
    expect(calls).toEqual([
      `duplicates ${ORDERS_ID}`,
      'config of all: 7',
      'apply orders,__consumer_offsets / ',
      'resigned 0 5',
      'elected 0 5',
      'resigned 1 5',
      'brokers',
    ]);
  });

  test('has each coordinator lead the partitions of its own topic', () => {
    publish(
      topic('__transaction_state', STATE_ID),
      partition(STATE_ID, 0),
      partition(STATE_ID, 1, { replicas: [2, 1] }),
    );
    const isCoordinators = (call: string) => /elected|resigned/.test(call);
    expect(calls.filter(isCoordinators)).toEqual([
      'transactions resigned 0 5',
      'transactions elected 0 5',
      'transactions resigned 1 5',
    ]);
    calls.length = 0;
    publish(metadataRecord('RemoveTopicRecord', { topicId: STATE_ID }));
    expect(calls.filter(isCoordinators)).toEqual([
      'transactions resigned 0 undefined',
      'transactions resigned 1 undefined',
    ]);
  });

  test('hands on what was deleted', () => {
    publish(topic('orders', ORDERS_ID), partition(ORDERS_ID, 0), topic('__consumer_offsets', OFFSETS_ID));
    publish(partition(OFFSETS_ID, 0));
    calls.length = 0;
    publish(
      metadataRecord('RemoveTopicRecord', { topicId: ORDERS_ID }),
      metadataRecord('RemoveTopicRecord', { topicId: OFFSETS_ID }),
    );
    expect(calls).toEqual([
      'apply  / orders,__consumer_offsets',
      'resigned 0 undefined',
      'gone orders,__consumer_offsets',
    ]);
  });

  test('has a shard given up first when somebody else may have led it since (G5)', () => {
    publish(topic('__consumer_offsets', OFFSETS_ID), partition(OFFSETS_ID, 0));
    /** One delta with an election of each of `leaders`. */
    const elect = (...leaders: number[]): string[] => {
      calls.length = 0;
      publish(
        ...leaders.map(leader =>
          metadataRecord('PartitionChangeRecord', {
            ...NO_CHANGE,
            topicId: OFFSETS_ID,
            partitionId: 0,
            leader,
          }),
        ),
      );
      return calls.filter(call => /elected|resigned/.test(call));
    };
    // Elected again with nobody in between: what memory knows is still all there is.
    expect(elect(1)).toEqual(['elected 0 6']);
    // Two elections in one delta, the first of them of another broker.
    expect(elect(2, 1)).toEqual(['resigned 0 8', 'elected 0 8']);
    // As a broker sees it that has been away.
    expect(elect(1, 1)).toEqual(['resigned 0 10', 'elected 0 10']);
    expect(elect(2)).toEqual(['resigned 0 11']);
    expect(elect(1)).toEqual(['resigned 0 12', 'elected 0 12']);
  });

  test('a configuration of the broker is its own from then on, and that of topics without one', () => {
    publish(topic('orders', ORDERS_ID), partition(ORDERS_ID, 0));
    calls.length = 0;
    publish(configRecord(ConfigResourceType.BROKER, '', 'log.retention.ms', '99'));
    expect(config.current.long('log.retention.ms')).toBe(99);
    expect(calls).toEqual(['config of all: 99']);
    publish(configRecord(ConfigResourceType.BROKER, '1', 'log.retention.ms', '100'));
    expect(config.current.long('log.retention.ms')).toBe(100);
    publish(configRecord(ConfigResourceType.BROKER, '2', 'log.retention.ms', '101'));
    expect(config.current.long('log.retention.ms')).toBe(100);
  });

  test('logs that the metadata does not put here are set aside once, at the start', () => {
    const log = (name: string, id: number, topicId: string, isFuture = false) => ({
      topicPartition: { topic: name, partition: id },
      topicId,
      isFuture,
    });
    logs = [
      log('orders', 0, ORDERS_ID),
      log('orders', 1, ORDERS_ID),
      log('orders', 2, OFFSETS_ID),
      log('old', 0, OFFSETS_ID),
      log('orders', 0, ORDERS_ID, true),
      log('old', 0, OFFSETS_ID, true),
    ];
    publish(
      topic('orders', ORDERS_ID),
      partition(ORDERS_ID, 0),
      partition(ORDERS_ID, 1, { replicas: [2] }),
      partition(ORDERS_ID, 2),
    );
    expect(calls.filter(call => call.startsWith('stray'))).toEqual([
      'stray orders-1 true',
      'stray orders-2 true',
      'stray old-0 true',
      'stray old-0 true future',
    ]);
    calls.length = 0;
    publish(metadataRecord('RemoveTopicRecord', { topicId: ORDERS_ID }));
    expect(calls.filter(call => call.startsWith('stray'))).toEqual([]);
  });
});
