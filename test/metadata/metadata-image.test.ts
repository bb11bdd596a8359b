import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MetadataDelta } from '../../src/metadata/metadata-delta.ts';
import { MetadataImage, NO_PROVENANCE } from '../../src/metadata/metadata-image.ts';
import { type MetadataRecord, metadataRecord } from '../../src/metadata/metadata-record.ts';
import { decodeMetadataRecord, encodeMetadataRecord } from '../../src/metadata/metadata-record-serde.ts';
import { canonical } from './support/canonical.ts';
import { histories } from './support/history.ts';
import { sampleRecords } from './support/sample-records.ts';

function replay(image: MetadataImage, records: Iterable<MetadataRecord>, snapshot = false): MetadataImage {
  const delta = new MetadataDelta(image);
  for (const record of records) delta.replay(record);
  if (snapshot) delta.finishSnapshot();
  return delta.apply(NO_PROVENANCE);
}

function sample(type: MetadataRecord['type']): MetadataRecord {
  return sampleRecords.find(record => record.type === type)!;
}

describe('MetadataImage', () => {
  it('is the same whether made of the log in batches, at once, or of a snapshot, also on top of another image (M8)', () => {
    fc.assert(
      fc.property(histories, fc.nat(), (batches, cut) => {
        const images = [MetadataImage.EMPTY];
        for (const batch of batches) images.push(replay(images.at(-1)!, batch));
        const last = images.at(-1)!;
        const expected = canonical(last);
        expect(canonical(replay(MetadataImage.EMPTY, batches.flat()))).toEqual(expected);
        const snapshot = [...last.records()].map(record =>
          decodeMetadataRecord(encodeMetadataRecord(record)),
        );
        const loaded = replay(MetadataImage.EMPTY, snapshot);
        expect(canonical(loaded)).toEqual(expected);
        expect(loaded.topics.partitionCount).toBe(last.topics.partitionCount);
        expect(new Map(loaded.topics.collidingNames)).toEqual(new Map(last.topics.collidingNames));
        const older = images[cut % images.length]!;
        expect(canonical(replay(older, snapshot, true))).toEqual(expected);
      }),
      { numRuns: 150 },
    );
  });

  it('does not change when later images are made of it', () => {
    fc.assert(
      fc.property(histories, batches => {
        let image = MetadataImage.EMPTY;
        const seen: [MetadataImage, string[]][] = [];
        for (const batch of batches) {
          image = replay(image, batch);
          seen.push([image, canonical(image)]);
        }
        for (const [each, text] of seen) expect(canonical(each)).toEqual(text);
      }),
      { numRuns: 50 },
    );
  });

  it('keeps every kind of record that says something lasting', () => {
    const withFeature = replay(MetadataImage.EMPTY, [sample('FeatureLevelRecord')]);
    const lasting = sampleRecords.filter(
      record => !/^(Remove|Unregister|Fence|Unfence|NoOp|Zk|Begin|End|Abort|Clear)|Change/.test(record.type),
    );
    for (const record of lasting) {
      if (record.type === 'PartitionRecord') continue;
      const data =
        record.type === 'ClientQuotaRecord' ? { ...record, data: { ...record.data, remove: false } } : record;
      const types = [...replay(withFeature, [data]).records()].map(each => each.type);
      expect(types, record.type).toContain(record.type);
    }
    expect(lasting.map(record => record.type)).toEqual([
      'RegisterBrokerRecord',
      'TopicRecord',
      'PartitionRecord',
      'ConfigRecord',
      'DelegationTokenRecord',
      'UserScramCredentialRecord',
      'FeatureLevelRecord',
      'ClientQuotaRecord',
      'ProducerIdsRecord',
      'AccessControlEntryRecord',
      'RegisterControllerRecord',
    ]);
  });

  it('writes records in the versions of its metadata.version', () => {
    const feature = (featureLevel: number): MetadataRecord =>
      metadataRecord('FeatureLevelRecord', { name: 'metadata.version', featureLevel });
    const topic = sample('TopicRecord');
    const partition = sample('PartitionRecord') as Extract<MetadataRecord, { type: 'PartitionRecord' }>;
    const first = { ...partition, data: { ...partition.data, partitionId: 0 } };
    const versions = (level: number): [string, number][] =>
      [
        ...replay(MetadataImage.EMPTY, [
          feature(level),
          sample('RegisterBrokerRecord'),
          topic,
          first,
        ]).records(),
      ]
        .map((record): [string, number] => {
          expect(() => encodeMetadataRecord(record)).not.toThrow();
          return [record.type, record.version];
        })
        .filter(([type]) => type !== 'FeatureLevelRecord');
    expect(versions(30)).toEqual([
      ['RegisterBrokerRecord', 4],
      ['TopicRecord', 0],
      ['PartitionRecord', 2],
    ]);
    expect(versions(17)).toEqual([
      ['RegisterBrokerRecord', 3],
      ['TopicRecord', 0],
      ['PartitionRecord', 1],
    ]);
    expect(versions(7)).toEqual([
      ['RegisterBrokerRecord', 1],
      ['TopicRecord', 0],
      ['PartitionRecord', 0],
    ]);
  });
});

describe('MetadataDelta', () => {
  const topicId = 'zzzzzzzzQzzzzzzzzzzzzA';
  const partition = (partitionId: number): MetadataRecord => {
    const record = sample('PartitionRecord') as Extract<MetadataRecord, { type: 'PartitionRecord' }>;
    return { ...record, data: { ...record.data, partitionId } };
  };
  const change = sample('PartitionChangeRecord') as Extract<
    MetadataRecord,
    { type: 'PartitionChangeRecord' }
  >;

  it.each<[string, MetadataRecord[], string]>([
    ['a change of a topic that is not there', [partition(0)], 'is not there'],
    ['a change of a partition that is not there', [sample('TopicRecord'), change], 'is not there'],
    ['a removal of a topic that is not there', [sample('RemoveTopicRecord')], 'is not there'],
    ['partition ids with a gap', [sample('TopicRecord'), partition(1)], 'gap|no partition 0'],
    ['a hostile partition id', [sample('TopicRecord'), partition(2 ** 31 - 1)], 'gap'],
    ['a negative partition id', [sample('TopicRecord'), partition(-1)], 'gap'],
    ['a fenced broker that is not registered', [sample('FenceBrokerRecord')], 'not registered'],
    ['a broker of another epoch', [sample('RegisterBrokerRecord'), sample('FenceBrokerRecord')], 'epoch'],
    [
      'a topic name that is a path',
      [metadataRecord('TopicRecord', { name: '../x', topicId })],
      'may hold only',
    ],
  ])('refuses %s', (_what, records, message) => {
    expect(() => replay(MetadataImage.EMPTY, records)).toThrow(new RegExp(message));
  });

  it('moves the partition epoch with each change, the leader epoch only with a leader', () => {
    const image = replay(MetadataImage.EMPTY, [sample('TopicRecord'), partition(0)]);
    const before = image.topics.partition('__proto__', 0)!;
    const at = (data: Partial<typeof change.data>): MetadataRecord => ({
      ...change,
      data: { ...change.data, partitionId: 0, ...data },
    });
    const same = replay(image, [at({ leader: -2 })]).topics.partition('__proto__', 0)!;
    expect([same.leaderEpoch, same.partitionEpoch, same.leader]).toEqual([
      before.leaderEpoch,
      before.partitionEpoch + 1,
      before.leader,
    ]);
    const elected = replay(image, [at({ leader: -1 })]).topics.partition('__proto__', 0)!;
    expect([elected.leaderEpoch, elected.leader]).toEqual([before.leaderEpoch + 1, -1]);
    expect(elected.isr).toEqual([1]);
    expect(elected.elr).toEqual([2]);
  });

  it('takes the configuration of a removed topic away, and not that of a new one with its name', () => {
    const config = sample('ConfigRecord');
    const image = replay(MetadataImage.EMPTY, [sample('TopicRecord'), partition(0), config]);
    expect(image.configs.topic('__proto__').size).toBe(1);
    const removed = replay(image, [sample('RemoveTopicRecord')]);
    expect(removed.configs.topic('__proto__').size).toBe(0);
    expect(removed.topics.topic('__proto__')).toBeUndefined();
    const other = 'yyyyyyyyQyyyyyyyyyyyyA';
    const again = replay(image, [
      sample('RemoveTopicRecord'),
      metadataRecord('TopicRecord', { name: '__proto__', topicId: other }),
      metadataRecord('ConfigRecord', { resourceType: 2, resourceName: '__proto__', name: 'x', value: '1' }),
    ]);
    expect(again.topics.topic('__proto__')?.id).toBe(other);
    expect([...again.configs.topic('__proto__')]).toEqual([['x', '1']]);
    expect(again.topics.topicById(topicId)).toBeUndefined();
    expect(again.topics.size).toBe(1);
  });

  it('says what a change means for one broker', () => {
    const image = replay(MetadataImage.EMPTY, [sample('TopicRecord'), partition(0), partition(1)]);
    const created = new MetadataDelta(MetadataImage.EMPTY);
    for (const record of [sample('TopicRecord'), partition(0), partition(1)]) created.replay(record);
    const leader = created.topics!.localChanges(1);
    expect(leader.electedLeaders.map(info => [info.topic, info.partitionId])).toEqual([
      ['__proto__', 0],
      ['__proto__', 1],
    ]);
    expect(leader.followers).toEqual([]);
    expect(created.topics!.localChanges(2).followers).toHaveLength(2);
    expect(created.topics!.localChanges(9)).toEqual({
      deletes: [],
      electedLeaders: [],
      leaders: [],
      followers: [],
    });

    const moved = new MetadataDelta(image);
    moved.replay({ ...change, data: { ...change.data, partitionId: 0, replicas: [2], leader: 2 } });
    expect(moved.topics!.localChanges(1).deletes).toEqual([{ topic: '__proto__', topicId, partitionId: 0 }]);
    expect(moved.topics!.localChanges(2).electedLeaders).toHaveLength(1);

    const removed = new MetadataDelta(image);
    removed.replay(sample('RemoveTopicRecord'));
    expect(removed.topics!.localChanges(1).deletes.map(each => each.partitionId)).toEqual([0, 1]);
    expect(removed.topics!.topicWasDeleted('__proto__')).toBe(true);
  });

  it('clears eligible leader replicas of one topic or of all', () => {
    const image = replay(MetadataImage.EMPTY, [sample('TopicRecord'), partition(0)]);
    const other = replay(image, [metadataRecord('ClearElrRecord', { topicName: 'other' })]);
    expect(other.topics.partition('__proto__', 0)?.elr).toEqual([3]);
    for (const topicName of ['', '__proto__']) {
      const cleared = replay(image, [metadataRecord('ClearElrRecord', { topicName })]);
      expect(cleared.topics.partition('__proto__', 0)).toMatchObject({
        elr: [],
        lastKnownElr: [],
        leaderEpoch: 7,
      });
    }
  });
});
