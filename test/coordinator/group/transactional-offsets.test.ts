import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ClientTransaction } from '../../../src/coordinator/runtime/partition-writer.ts';
import { VerificationGuard } from '../../../src/log/verification-guard.ts';
import { Errors, KafkaError } from '../../../src/protocol/errors.ts';
import { GroupHarness } from '../group-harness.ts';
import { Pending } from '../pending.ts';
import { MemoryPartitions } from '../memory-partition.ts';

const DAY = 24 * 60 * 60 * 1000;
const TOPIC_ID = 'AQIDBAUGBwgJCgsMDQ4PEA';
const OTHER_TOPIC_ID = 'EAECAwQFBgcICQoLDA0ODw';

const UNSTABLE = 'UNSTABLE_OFFSET_COMMIT';

/** What a consumer that wants stable offsets is told of partition 0. */
async function stable(h: GroupHarness, group = 'g', partition = 0): Promise<unknown> {
  const topics = [{ name: 't', topicId: TOPIC_ID, partitionIndexes: [partition] }];
  const request = { groupId: group, memberId: null, memberEpoch: -1, topics };
  const fetching = h.coordinator.fetchOffsets(request, true);
  await h.clock.settle();
  const { errorCode, committedOffset } = (await fetching).topics![0]!.partitions![0]!;
  return errorCode === Errors.UNSTABLE_OFFSET_COMMIT ? UNSTABLE : committedOffset;
}

describe('offsets of a transaction (T7)', () => {
  it('are pending until its marker, and count from there on if it is a commit', async () => {
    const h = await GroupHarness.started();
    await h.commit(1);
    expect(await h.commitIn(9, 10)).toBe('NONE');
    expect(await h.commitIn(9, 20, { partition: 1 })).toBe('NONE');
    expect(await h.fetchAll()).toEqual({ 't-0': 1 });
    expect(await h.fetchAll('g', true)).toEqual({ 't-0': UNSTABLE });
    expect([await stable(h), await stable(h, 'g', 1), await stable(h, 'g', 2)]).toEqual([
      UNSTABLE,
      UNSTABLE,
      -1,
    ]);
    expect(await h.end(9, true)).toBe('NONE');
    expect(await h.fetchAll('g', true)).toEqual({ 't-0': 10, 't-1': 20 });
  });

  it('are gone with an abort', async () => {
    const h = await GroupHarness.started();
    await h.commit(1);
    await h.commitIn(9, 10);
    await h.commitIn(9, 20, { partition: 1 });
    expect(await h.end(9, false)).toBe('NONE');
    expect(await h.fetchAll('g', true)).toEqual({ 't-0': 1 });
    expect(await stable(h, 'g', 1)).toBe(-1);
  });

  it('count for nobody before the marker is committed', async () => {
    const h = await GroupHarness.started();
    await h.commitIn(9, 10);
    h.partitions.autoCommit = false;
    const ending = h.end(9, true);
    await h.clock.settle();
    expect(await h.fetch()).toBe(-1);
    const told = new Pending(stable(h));
    await h.clock.settle();
    expect(told.value).toBeUndefined();
    h.partitions.commit();
    await h.clock.settle();
    expect([await ending, told.value, await h.fetch()]).toEqual(['NONE', 10, 10]);
  });

  it('leave the partition unstable until the last of two producers has ended', async () => {
    const h = await GroupHarness.started();
    await h.commitIn(8, 80);
    await h.commitIn(9, 90);
    await h.end(9, true);
    expect(await stable(h)).toBe(UNSTABLE);
    expect(await h.fetch()).toBe(90);
    // The commit of producer 8 came first: that of producer 9 stays.
    await h.end(8, true);
    expect(await stable(h)).toBe(90);
  });

  it('give way to an ordinary commit that came after them', async () => {
    const h = await GroupHarness.started();
    await h.commitIn(9, 10);
    await h.commit(11);
    await h.end(9, true);
    expect(await stable(h)).toBe(11);
    await h.failOver();
    expect(await stable(h)).toBe(11);
  });

  it('are of as many groups as the producer has sent offsets for', async () => {
    const h = await GroupHarness.started();
    await h.commitIn(9, 10, { group: 'a' });
    await h.commitIn(9, 20, { group: 'b' });
    expect([await stable(h, 'a'), await stable(h, 'b')]).toEqual([UNSTABLE, UNSTABLE]);
    await h.end(9, true);
    expect([await stable(h, 'a'), await stable(h, 'b')]).toEqual([10, 20]);
  });

  it('are pending still when another broker has loaded them, and when the same one has', async () => {
    const h = await GroupHarness.started();
    await h.commitIn(9, 10);
    await h.failOver();
    expect(await stable(h)).toBe(UNSTABLE);
    h.coordinator.onResignation(0);
    expect(await h.end(9, true)).toBe('NOT_COORDINATOR');
    await h.elect();
    expect(await stable(h)).toBe(UNSTABLE);
    expect(await h.end(9, true)).toBe('NONE');
    expect(await stable(h)).toBe(10);
  });

  it('are untouched by a marker that the log refuses', async () => {
    const h = await GroupHarness.started();
    await h.commitIn(9, 10);
    for (const code of [Errors.TRANSACTION_COORDINATOR_FENCED, Errors.INVALID_PRODUCER_EPOCH]) {
      h.partitions.failWith = code;
      expect(await h.end(9, false)).toBe(new KafkaError(code).message);
      expect(await stable(h)).toBe(UNSTABLE);
    }
    h.partitions.failWith = undefined;
    await h.end(9, true);
    expect(await stable(h)).toBe(10);
  });

  it('are not pending, and make no group, where they could not be written', async () => {
    const h = await GroupHarness.started();
    h.partitions.failWith = Errors.INVALID_PRODUCER_EPOCH;
    expect(await h.commitIn(9, 10)).toBe('INVALID_PRODUCER_EPOCH');
    expect([await stable(h), h.state()]).toEqual([-1, 'GROUP_ID_NOT_FOUND']);
  });
});

describe('TxnOffsetCommit to a group', () => {
  it('of members wants their generation, member id and instance, where it names any', async () => {
    const h = await GroupHarness.started();
    const { memberIds, generationId } = await h.stable(1);
    const memberId = memberIds[0]!;
    expect(await h.commitIn(9, 1, { memberId, generationId })).toBe('NONE');
    expect(await h.commitIn(9, 1, { memberId, generationId: generationId - 1 })).toBe('ILLEGAL_GENERATION');
    expect(await h.commitIn(9, 1, { memberId: 'x', generationId })).toBe('UNKNOWN_MEMBER_ID');
    expect(await h.commitIn(9, 1, { memberId, generationId, instance: 'i' })).toBe('UNKNOWN_MEMBER_ID');
    expect(await h.commitIn(9, 1, { memberId })).toBe('ILLEGAL_GENERATION');
    // An old producer knows nothing of the group.
    expect(await h.commitIn(9, 1, { version: 2 })).toBe('NONE');
    expect(await h.commit(1)).toBe('UNKNOWN_MEMBER_ID');
  });

  it('fences a static member that has been replaced', async () => {
    const h = await GroupHarness.started();
    const first = h.join({ instance: 'i' });
    await h.clock.pass(h.config.initialRebalanceDelayMs);
    const { memberId, generationId } = first.get() as { memberId: string; generationId: number };
    h.sync(memberId, generationId, {}, { instance: 'i' });
    await h.clock.settle();
    h.join({ instance: 'i' });
    await h.clock.settle();
    expect(await h.commitIn(9, 1, { memberId, generationId, instance: 'i' })).toBe('FENCED_INSTANCE_ID');
  });

  it('is taken while members wait for their assignment, when an ordinary commit is not', async () => {
    const h = await GroupHarness.started();
    const { answer, memberId } = await h.joinNew();
    await h.clock.pass(h.config.initialRebalanceDelayMs);
    const { generationId } = answer.get() as { generationId: number };
    expect(h.state()).toBe('CompletingRebalance');
    expect(await h.commit(1, { memberId, generationId })).toBe('REBALANCE_IN_PROGRESS');
    expect(await h.commitIn(9, 1, { memberId, generationId })).toBe('NONE');
  });

  it('that is not there makes one, unless it names a generation', async () => {
    const h = await GroupHarness.started();
    expect(await h.commitIn(9, 1, { memberId: 'm', generationId: 3 })).toBe('ILLEGAL_GENERATION');
    expect(h.state()).toBe('GROUP_ID_NOT_FOUND');
    expect(await h.commitIn(9, 1)).toBe('NONE');
    expect(h.state()).toBe('Empty');
  });

  it('has an error for each partition whose metadata is too large, and commits the others', async () => {
    const h = await GroupHarness.started();
    const request = h.transactionalRequest(9, 1);
    const [partition] = request.topics[0]!.partitions;
    request.topics[0]!.partitions.push({
      ...partition!,
      partitionIndex: 1,
      committedMetadata: 'x'.repeat(4097),
    });
    const committing = h.coordinator.commitTransactionalOffsets(request, 5);
    await h.clock.settle();
    expect((await committing).topics![0]!.partitions).toEqual([
      { partitionIndex: 0, errorCode: Errors.NONE },
      { partitionIndex: 1, errorCode: Errors.OFFSET_METADATA_TOO_LARGE },
    ]);
    await h.end(9, true);
    expect(await h.fetchAll()).toEqual({ 't-0': 1 });
  });

  it('without a name, or of a producer without an id or epoch, is refused', async () => {
    const h = await GroupHarness.started();
    expect(await h.commitIn(9, 1, { group: '' })).toBe('INVALID_GROUP_ID');
    expect(await h.commitIn(-1, 1)).toBe('INVALID_PRODUCER_ID_MAPPING');
    expect(await h.commitIn(9, 1, { producerEpoch: -1 })).toBe('INVALID_PRODUCER_EPOCH');
    expect(h.partitions.records()).toEqual([]);
  });

  it('does not keep a member alive', async () => {
    const h = await GroupHarness.started();
    const { memberIds, generationId } = await h.stable(1, { sessionTimeoutMs: 10_000 });
    await h.clock.pass(8_000);
    expect(await h.commitIn(9, 1, { memberId: memberIds[0]!, generationId })).toBe('NONE');
    await h.clock.pass(4_000);
    expect(h.state()).toBe('Empty');
  });
});

describe('the verification of a transaction', () => {
  it('comes before the commit, by what the version of the request can take', async () => {
    const h = await GroupHarness.started();
    const asked: string[] = [];
    h.partitions.verify = transaction => {
      asked.push(`${transaction.transactionalId} ${transaction.producerEpoch} ${transaction.operation}`);
      return undefined;
    };
    for (const version of [0, 3, 4, 5, 6]) await h.commitIn(9, 1, { version, producerEpoch: version });
    expect(asked).toEqual([
      'txn 0 defaultError',
      'txn 3 defaultError',
      'txn 4 genericErrorSupported',
      'txn 5 addPartition',
      'txn 6 addPartition',
    ]);
  });

  it('gives the guard that the log wants', async () => {
    const h = await GroupHarness.started();
    const guard = new VerificationGuard(9);
    const shown: unknown[] = [];
    const append = h.partitions.append.bind(h.partitions);
    h.partitions.append = (partition, leaderEpoch, batch, options) => {
      shown.push(options?.verificationGuard);
      return append(partition, leaderEpoch, batch, options);
    };
    h.partitions.verify = () => Promise.resolve(guard);
    await h.commitIn(9, 1);
    h.partitions.verify = undefined;
    await h.commitIn(9, 2);
    await h.end(9, true);
    expect(shown).toEqual([guard, undefined, undefined]);
  });

  it.each([
    ['INVALID_PRODUCER_EPOCH', Errors.INVALID_PRODUCER_EPOCH],
    ['INVALID_TXN_STATE', Errors.INVALID_TXN_STATE],
    ['TRANSACTION_ABORTABLE', Errors.TRANSACTION_ABORTABLE],
    ['CONCURRENT_TRANSACTIONS', Errors.CONCURRENT_TRANSACTIONS],
    ['COORDINATOR_LOAD_IN_PROGRESS', Errors.NETWORK_EXCEPTION],
    ['NOT_COORDINATOR', Errors.NOT_LEADER_OR_FOLLOWER],
  ])('that fails is told as %s, and nothing is committed', async (name, code) => {
    const h = await GroupHarness.started();
    h.partitions.verify = () => Promise.reject(new KafkaError(code));
    expect(await h.commitIn(9, 1)).toBe(name);
    h.partitions.verify = () => {
      throw new KafkaError(code);
    };
    expect(await h.commitIn(9, 1)).toBe(name);
    expect([h.state(), await stable(h)]).toEqual(['GROUP_ID_NOT_FOUND', -1]);
  });

  it('that ends when another broker leads commits nothing here', async () => {
    const h = await GroupHarness.started();
    let verified = (_: VerificationGuard): void => {};
    h.partitions.verify = () =>
      new Promise(resolve => {
        verified = resolve;
      });
    const committing = h.commitIn(9, 1);
    await h.clock.settle();
    h.coordinator.onResignation(0);
    verified(new VerificationGuard(9));
    expect(await committing).toBe('NOT_COORDINATOR');
    expect(h.partitions.records()).toEqual([]);
  });

  it('is not begun by a broker that has not loaded the group', async () => {
    const h = await GroupHarness.started();
    const asked: ClientTransaction[] = [];
    h.partitions.verify = transaction => {
      asked.push(transaction);
      return undefined;
    };
    h.coordinator.onResignation(0);
    expect(await h.commitIn(9, 1)).toBe('NOT_COORDINATOR');
    expect(asked).toEqual([]);
  });
});

describe('pending offsets', () => {
  it('are removed with their group, and a commit does not bring them back', async () => {
    const h = await GroupHarness.started();
    await h.commit(1);
    await h.commitIn(9, 10);
    await h.commitIn(9, 20, { partition: 1 });
    await h.commitIn(9, 30, { group: 'other' });
    const deleting = h.coordinator.deleteGroups(['g']);
    await h.clock.settle();
    expect(await deleting).toEqual([{ groupId: 'g', errorCode: Errors.NONE }]);
    expect(await stable(h)).toBe(-1);
    await h.end(9, true);
    for (const again of [false, true]) {
      if (again) await h.failOver();
      expect([h.state(), await stable(h), await stable(h, 'g', 1)]).toEqual(['GROUP_ID_NOT_FOUND', -1, -1]);
      expect(await stable(h, 'other')).toBe(30);
    }
  });

  it('are removed by OffsetDelete, of all producers', async () => {
    const h = await GroupHarness.started();
    await h.commitIn(8, 8);
    await h.commitIn(9, 9);
    await h.commitIn(9, 90, { partition: 1 });
    const deleting = h.coordinator.deleteOffsets({
      groupId: 'g',
      topics: [{ name: 't', partitions: [{ partitionIndex: 0 }] }],
    });
    await h.clock.settle();
    await deleting;
    expect([await stable(h), await stable(h, 'g', 1)]).toEqual([-1, UNSTABLE]);
    await h.end(8, true);
    await h.end(9, true);
    expect(await h.fetchAll('g', true)).toEqual({ 't-1': 90 });
    await h.failOver();
    expect(await h.fetchAll('g', true)).toEqual({ 't-1': 90 });
  });

  it('go with their topic, but not with another one of its name', async () => {
    const h = await GroupHarness.started();
    await h.commitIn(9, 1, { topic: 'gone', topicId: TOPIC_ID });
    await h.commitIn(9, 2, { topic: 'gone', topicId: OTHER_TOPIC_ID, partition: 1 });
    await h.commitIn(9, 3, { topic: 'gone', partition: 2 });
    await h.commitIn(9, 4, { topic: 'kept', topicId: TOPIC_ID });
    await h.commit(5, { topic: 'gone', topicId: OTHER_TOPIC_ID, partition: 3 });
    await h.commitIn(9, 6, { topic: 'gone', topicId: TOPIC_ID, partition: 3 });
    void h.coordinator.onTopicsDeleted([{ name: 'gone', topicId: TOPIC_ID }]);
    await h.clock.settle();
    expect((await h.fetchAll('g', true))['gone-3']).toBe(UNSTABLE);
    await h.end(9, true);
    const left = { 'gone-1': 2, 'gone-3': 6, 'kept-0': 4 };
    expect(await h.fetchAll('g', true)).toEqual(left);
    await h.failOver();
    expect(await h.fetchAll('g', true)).toEqual(left);
  });

  it('keep their group, and the offsets in whose place they would come, from expiry', async () => {
    const h = await GroupHarness.started();
    await h.commit(1);
    await h.commit(2, { partition: 1 });
    await h.commitIn(9, 10);
    await h.commitIn(9, 10, { group: 'new' });
    await h.clock.pass(8 * DAY);
    expect(await h.fetchAll()).toEqual({ 't-0': 1 });
    expect([h.state(), h.state('new')]).toEqual(['Empty', 'Empty']);
    await h.end(9, false);
    await h.clock.pass(DAY);
    expect([h.state(), h.state('new')]).toEqual(['GROUP_ID_NOT_FOUND', 'GROUP_ID_NOT_FOUND']);
  });
});

type Step =
  | { readonly type: 'commit'; readonly partition: number }
  | { readonly type: 'commitIn'; readonly producerId: number; readonly partition: number }
  | { readonly type: 'end'; readonly producerId: number; readonly isCommit: boolean }
  | { readonly type: 'deleteOffsets'; readonly partition: number }
  | { readonly type: 'deleteGroup' }
  | { readonly type: 'fail'; readonly fails: boolean };

const partition = fc.constantFrom(0, 1);
const producerId = fc.constantFrom(8, 9);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ type: fc.constant('commit' as const), partition }) },
  { weight: 5, arbitrary: fc.record({ type: fc.constant('commitIn' as const), producerId, partition }) },
  {
    weight: 4,
    arbitrary: fc.record({ type: fc.constant('end' as const), producerId, isCommit: fc.boolean() }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('deleteOffsets' as const), partition }) },
  { weight: 1, arbitrary: fc.constant({ type: 'deleteGroup' as const }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('fail' as const), fails: fc.boolean() }) },
);

/** The rules of T7, as simply as they can be said. */
class Model {
  private readonly committed = new Map<number, { offset: number; at: number }>();
  private readonly pending = new Map<number, Map<number, { offset: number; at: number }>>();
  private clock = 0;

  apply(s: Step, offset: number): void {
    const at = this.clock++;
    if (s.type === 'commit') this.committed.set(s.partition, { offset, at });
    else if (s.type === 'commitIn') {
      const mine = this.pending.get(s.producerId) ?? new Map();
      this.pending.set(s.producerId, mine.set(s.partition, { offset, at }));
    } else if (s.type === 'end') {
      for (const [index, mine] of this.pending.get(s.producerId) ?? []) {
        if (s.isCommit && mine.at > (this.committed.get(index)?.at ?? -1)) this.committed.set(index, mine);
      }
      this.pending.delete(s.producerId);
    } else if (s.type === 'deleteOffsets') this.delete(s.partition);
    else if (s.type === 'deleteGroup') for (const index of [0, 1]) this.delete(index);
  }

  private delete(index: number): void {
    this.committed.delete(index);
    for (const mine of this.pending.values()) mine.delete(index);
  }

  state(): unknown[] {
    return [0, 1].map(index => [
      this.committed.get(index)?.offset ?? -1,
      [...this.pending.values()].some(mine => mine.has(index)),
    ]);
  }
}

async function stateOf(h: GroupHarness): Promise<unknown[]> {
  const state = [];
  for (const index of [0, 1]) state.push([await h.fetch(index), (await stable(h, 'g', index)) === UNSTABLE]);
  return state;
}

async function apply(h: GroupHarness, s: Step, offset: number): Promise<boolean> {
  const before = h.partitions.log().batches.length;
  if (s.type === 'commit') await h.commit(offset, s);
  else if (s.type === 'commitIn') await h.commitIn(s.producerId, offset, s);
  else if (s.type === 'end') await h.end(s.producerId, s.isCommit);
  else if (s.type === 'fail') h.partitions.failWith = s.fails ? Errors.NOT_ENOUGH_REPLICAS : undefined;
  else {
    const topics = [{ name: 't', partitions: [{ partitionIndex: 'partition' in s ? s.partition : 0 }] }];
    const deleting =
      s.type === 'deleteGroup'
        ? h.coordinator.deleteGroups(['g'])
        : h.coordinator.deleteOffsets({ groupId: 'g', topics });
    await Promise.all([deleting.catch(() => {}), h.clock.settle()]);
  }
  return h.partitions.log().batches.length > before;
}

describe('a group with transactions', () => {
  it('is what T7 says, after each step and after a load of every prefix of its log', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 20 }), async steps => {
        const h = await GroupHarness.started();
        const model = new Model();
        const states: unknown[][] = [model.state()];
        for (const [i, s] of steps.entries()) {
          if (await apply(h, s, i + 1)) {
            model.apply(s, i + 1);
            states.push(model.state());
          }
          expect(await stateOf(h)).toEqual(model.state());
        }
        const { batches } = h.partitions.log();
        expect(batches).toHaveLength(states.length - 1);
        for (const [count, state] of states.entries()) {
          const prefix = new MemoryPartitions();
          for (const batch of batches.slice(0, count))
            prefix.append({ topic: '__consumer_offsets', partition: 0 }, 0, Buffer.from(batch));
          const loaded = new GroupHarness({}, undefined, prefix);
          await loaded.elect();
          expect(await stateOf(loaded)).toEqual(state);
        }
      }),
      { numRuns: 60 },
    );
  });
});
