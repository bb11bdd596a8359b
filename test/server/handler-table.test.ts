import { describe, expect, test } from 'vitest';
import { HeartbeatRequest, HeartbeatResponse } from '../../src/protocol/messages/12-heartbeat.ts';
import {
  InitProducerIdRequest,
  InitProducerIdResponse,
} from '../../src/protocol/messages/22-init-producer-id.ts';
import { defineHandler } from '../../src/server/handler.ts';
import { HandlerTable } from '../../src/server/handler-table.ts';
import { allHandlers } from '../../src/server/handlers/index.ts';

const heartbeat = defineHandler({
  request: HeartbeatRequest,
  response: HeartbeatResponse,
  listeners: ['broker'],
  authorize: ['Read Group'],
  handle: () => ({}),
});

describe('the table of handlers', () => {
  test('refuses two handlers for one API', () => {
    expect(() => new HandlerTable([heartbeat, heartbeat])).toThrow('both claim API key 12');
  });

  test('finds a handler only on its kind of listener', () => {
    const table = new HandlerTable([heartbeat]);
    expect(table.find(12, 'broker')).toBe(heartbeat);
    expect(table.find(12, 'controller')).toBeUndefined();
    expect(table.find(13, 'broker')).toBeUndefined();
    expect([...table.all('controller')]).toEqual([]);
  });

  test('a version that may still change is not served', () => {
    const handler = defineHandler({
      request: InitProducerIdRequest,
      response: InitProducerIdResponse,
      listeners: ['broker'],
      authorize: [],
      handle: () => ({}),
    });
    expect(InitProducerIdRequest.maxVersion).toBe(6);
    expect(handler.maxVersion).toBe(5);
  });

  test('every registered handler is defined for its listeners and in versions that exist', () => {
    const table = new HandlerTable(allHandlers);
    expect([...table.all()]).toHaveLength(allHandlers.length);
    for (const handler of allHandlers) {
      expect(handler.request.apiKey).toBe(handler.response.apiKey);
      expect(handler.minVersion).toBeGreaterThanOrEqual(handler.request.minVersion);
      expect(handler.maxVersion).toBeLessThanOrEqual(handler.request.maxVersion);
      expect(handler.request.listeners).toEqual(expect.arrayContaining([...handler.listeners]));
    }
  });
});
