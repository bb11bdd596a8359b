import { describe, expect, test } from 'vitest';
import { DynamicBrokerConfig } from '../../src/config/dynamic-broker-config.ts';
import { brokerConfig } from '../support/broker-config.ts';

const NONE: ReadonlyMap<string, string> = new Map();
const set = (values: Record<string, string>): Map<string, string> => new Map(Object.entries(values));

describe('the configuration of a running broker', () => {
  test('has the value of the narrower place, and goes back to the wider one when that is removed', () => {
    const config = new DynamicBrokerConfig(
      brokerConfig('log.retention.hours=1\nlog.segment.bytes=2000000\n'),
    );
    const retention = (): number => config.current.effectiveNumber('log.retention.ms');
    expect(retention()).toBe(3_600_000);
    config.update(set({ 'log.retention.ms': '5000', 'log.segment.bytes': '3000000' }), NONE);
    expect(retention()).toBe(5000);
    config.update(
      set({ 'log.retention.ms': '5000', 'log.segment.bytes': '3000000' }),
      set({ 'log.retention.ms': '7000' }),
    );
    expect(retention()).toBe(7000);
    expect(config.current.int('log.segment.bytes')).toBe(3_000_000);
    config.update(NONE, set({ 'log.retention.ms': '7000' }));
    expect(config.current.int('log.segment.bytes')).toBe(2_000_000);
    config.update(NONE, NONE);
    expect(retention()).toBe(3_600_000);
    expect(config.current.layers('log.retention.ms').map(layer => layer.source.kind)).toEqual(['default']);
  });

  test('tells those who hold on to a value, once for each change, with what was before', () => {
    const config = new DynamicBrokerConfig(brokerConfig());
    const heard: [number | undefined, number][] = [];
    config.subscribe((now, before) =>
      heard.push([before?.int('max.connections.per.ip'), now.int('max.connections.per.ip')]),
    );
    expect(config.update(set({ 'max.connections.per.ip': '3' }), NONE)).toEqual([
      { name: 'max.connections.per.ip', from: '2147483647', to: '3' },
    ]);
    // The same value of another place changes nothing for anybody.
    expect(config.update(NONE, set({ 'max.connections.per.ip': '3' }))).toEqual([]);
    expect(config.current.source('max.connections.per.ip').kind).toBe('dynamic-broker');
    config.update(NONE, NONE);
    expect(heard).toEqual([
      [undefined, 2147483647],
      [2147483647, 3],
      [3, 2147483647],
    ]);
  });

  test('gives topics without values of their own one configuration, made anew only when it changes', () => {
    const config = new DynamicBrokerConfig(brokerConfig());
    const before = config.logConfig(NONE);
    expect(config.logConfig(NONE)).toBe(before);
    config.update(set({ 'log.retention.ms': '5000' }), NONE);
    expect(config.logConfig(NONE).retentionMs).toBe(5000);
    expect(config.logConfig(set({ 'retention.ms': '9' })).retentionMs).toBe(9);
    expect(config.logConfig(set({ 'retention.bytes': '9' })).retentionMs).toBe(5000);
  });

  test('has limits of one listener, stronger than those of all', () => {
    const config = new DynamicBrokerConfig(brokerConfig('listener.name.plaintext.max.connections=9\n'));
    config.update(set({ 'max.connections': '20' }), set({ 'listener.name.plaintext.max.connections': '5' }));
    expect(config.current.listenerInt('PLAINTEXT', 'max.connections')).toBe(5);
    config.update(set({ 'max.connections': '20' }), NONE);
    expect(config.current.listenerInt('PLAINTEXT', 'max.connections')).toBe(9);
    expect(config.current.listenerInt('CONTROLLER', 'max.connections')).toBe(20);
  });

  test('passes over what a running broker does not change, and what does not parse', () => {
    const config = new DynamicBrokerConfig(brokerConfig());
    const listeners = config.current.brokerListeners;
    const changes = config.update(
      NONE,
      set({
        listeners: 'PLAINTEXT://:1',
        'num.partitions': '9',
        'log.segment.bytes': 'x',
        'no.such.key': '1',
      }),
    );
    expect(changes).toEqual([]);
    expect(config.current.brokerListeners).toEqual(listeners);
    expect(config.current.int('num.partitions')).toBe(1);
  });

  test('has the directories that get no new partitions, of those that there are', () => {
    const config = new DynamicBrokerConfig(brokerConfig('log.dirs=/a,/b\n'));
    expect(config.current.cordonedLogDirs).toEqual([]);
    config.update(NONE, set({ 'cordoned.log.dirs': '/b,/gone' }));
    expect(config.current.cordonedLogDirs).toEqual(['/b']);
    config.update(NONE, set({ 'cordoned.log.dirs': '*' }));
    expect(config.current.cordonedLogDirs).toEqual(['/a', '/b']);
    config.update(set({ 'cordoned.log.dirs': '/a' }), NONE);
    config.update(NONE, NONE);
    expect(config.current.cordonedLogDirs).toEqual([]);
  });

  test('stays as it was when what is set contradicts itself', () => {
    const config = new DynamicBrokerConfig(brokerConfig());
    config.update(set({ 'log.retention.ms': '5000' }), NONE);
    expect(() => config.update(set({ 'log.retention.ms': '0' }), NONE)).toThrow('log.retention.ms');
    expect(() => config.update(set({ 'max.connections.per.ip': '0' }), NONE)).toThrow(RangeError);
    expect(config.current.long('log.retention.ms')).toBe(5000);
  });

  test('keeps a key for a part that there is not, and does not show a secret', () => {
    const config = new DynamicBrokerConfig(brokerConfig());
    const name = 'listener.name.plaintext.ssl.keystore.password';
    expect(config.update(NONE, set({ [name]: 'hunter2' }))).toEqual([{ name, from: null, to: null }]);
    expect(config.current.text(name)).toBe('hunter2');
    const rate = 'leader.replication.throttled.rate';
    expect(config.update(set({ [rate]: '5' }), set({ [name]: 'hunter2' }))).toEqual([
      { name: rate, from: null, to: '5' },
    ]);
  });
});
