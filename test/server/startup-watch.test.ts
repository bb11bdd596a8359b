import { describe, expect, test } from 'vitest';
import { otherCluster, type ProbedController, quorumText } from '../../src/server/startup-watch.ts';

const controller = (id: number, more: Partial<ProbedController> = {}): ProbedController => ({
  id,
  host: 'c',
  port: 9090 + id,
  isSelf: false,
  ...more,
});

describe('what a start without a quorum says', () => {
  test('names the controllers that cannot be reached, why, and how many are needed', () => {
    const text = quorumText(
      [
        controller(1, { isSelf: true }),
        controller(2, { problem: 'ECONNREFUSED' }),
        controller(3, { problem: 'ETIMEDOUT' }),
      ],
      'x',
      undefined,
    );
    expect(text).toBe(
      'no quorum: cannot reach controller 2 at c:9092 (ECONNREFUSED), cannot reach controller 3 at c:9093 (ETIMEDOUT); ' +
        '1 of 3 voters reachable; a quorum needs 2',
    );
  });

  test('tells a quorum that could be there from one that cannot', () => {
    const all = [controller(1, { isSelf: true }), controller(2, { clusterId: 'x' })];
    expect(quorumText(all, 'x', undefined)).toContain('they have not elected a leader yet');
    expect(quorumText([], 'x', undefined)).toContain('has to be added to a quorum');
    expect(quorumText(all, 'x', 2)).toContain('controller 2, the leader, is being read');
  });

  test('counts a controller of another cluster as missing', () => {
    const text = quorumText(
      [controller(1, { isSelf: true }), controller(2, { clusterId: 'y' })],
      'x',
      undefined,
    );
    expect(text).toContain('controller 2 at c:9092 is of another cluster, y; 1 of 2 voters reachable');
  });

  test('speaks of bootstrap servers where no voter is known', () => {
    const text = quorumText([{ ...controller(1), id: undefined, problem: 'ENOTFOUND' }], 'x', undefined);
    expect(text).toBe(
      'no quorum: cannot reach the controller at c:9091 (ENOTFOUND); 0 of 1 bootstrap servers reachable',
    );
  });
});

describe('a node of another cluster', () => {
  test('is certain when most controllers are of one other cluster', () => {
    const self = controller(1, { isSelf: true });
    const [a, b] = [controller(2, { clusterId: 'y' }), controller(3, { clusterId: 'y' })];
    expect(otherCluster([self, a, b], 'x')).toBe(
      'controller 2 at c:9092 and controller 3 at c:9093 are of cluster y',
    );
    expect(otherCluster([self, a], 'x')).toBeUndefined();
    expect(otherCluster([self, a, controller(3, { clusterId: 'z' })], 'x')).toBeUndefined();
    expect(otherCluster([self, a, b], 'y')).toBeUndefined();
    // Before its first metadata a node may not know the id of its cluster.
    expect(otherCluster([controller(2, { clusterId: '' })], 'x')).toBeUndefined();
  });
});
