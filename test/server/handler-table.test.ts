import { describe, expect, test } from 'vitest';
import { HeartbeatRequest, HeartbeatResponse } from '../../src/protocol/messages/12-heartbeat.ts';
import {
  InitProducerIdRequest,
  InitProducerIdResponse,
} from '../../src/protocol/messages/22-init-producer-id.ts';
import { defineHandler, type Handler, type ListenerKind } from '../../src/server/handler.ts';
import { AdvertisedApis, HandlerTable } from '../../src/server/handler-table.ts';
import { apiVersions } from '../../src/server/handlers/18-api-versions.ts';
import { brokerHandlers, controllerHandlers } from '../../src/server/handlers/index.ts';

const heartbeat = defineHandler({
  request: HeartbeatRequest,
  response: HeartbeatResponse,
  authorize: ['Read Group'],
  handle: () => ({}),
});

describe('the table of handlers', () => {
  test('refuses two handlers for one API', () => {
    expect(() => new HandlerTable([heartbeat, heartbeat])).toThrow('both claim API key 12');
  });

  test('finds what is in it, and lists it in the order of the keys', () => {
    const table = new HandlerTable([apiVersions, heartbeat]);
    expect(table.find(12)).toBe(heartbeat);
    expect(table.find(13)).toBeUndefined();
    expect([...table.all()]).toEqual([heartbeat, apiVersions]);
  });

  test('a version that may still change is not served', () => {
    const handler = defineHandler({
      request: InitProducerIdRequest,
      response: InitProducerIdResponse,
      authorize: [],
      handle: () => ({}),
    });
    expect(InitProducerIdRequest.maxVersion).toBe(6);
    expect(handler.maxVersion).toBe(5);
  });

  test('every registered handler is in versions that exist and on a listener that the protocol allows', () => {
    const brokers = new HandlerTable(brokerHandlers);
    const controllers = new HandlerTable(controllerHandlers);
    expect([...brokers.all()]).toHaveLength(brokerHandlers.length);
    expect([...controllers.all()]).toHaveLength(controllerHandlers.length);
    const check = ({ request, response, minVersion, maxVersion }: Handler<never>, kind: ListenerKind) => {
      expect(request.apiKey).toBe(response.apiKey);
      expect(minVersion).toBeGreaterThanOrEqual(request.minVersion);
      expect(maxVersion).toBeLessThanOrEqual(request.maxVersion);
      expect(request.listeners, request.name).toContain(kind);
    };
    for (const handler of brokers.all()) check(handler, 'broker');
    for (const handler of controllers.all()) check(handler, 'controller');
  });

  test('what brokers pass on is served by controllers, in the same versions', () => {
    const controllers = new HandlerTable(controllerHandlers);
    const passedOn = brokerHandlers.filter(handler => handler.forwarded);
    expect(passedOn.length).toBeGreaterThan(0);
    for (const { apiKey, minVersion, maxVersion } of passedOn) {
      expect(controllers.find(apiKey)).toMatchObject({ minVersion, maxVersion, forwarded: false });
    }
  });

  test('what brokers pass on is said to be served in versions that the active controller serves too', () => {
    const own = { ...heartbeat, minVersion: 0, maxVersion: 4 };
    const passedOn = (apiKey: number, minVersion: number, maxVersion: number) => {
      return { ...heartbeat, apiKey, minVersion, maxVersion, forwarded: true };
    };
    const table = new HandlerTable([
      own,
      passedOn(19, 2, 7),
      passedOn(20, 1, 6),
      passedOn(44, 0, 1),
      passedOn(94, 0, 0),
    ]);
    let theirs: Map<number, { minVersion: number; maxVersion: number }> | undefined;
    const advertised = () =>
      [...new AdvertisedApis(table, () => theirs).all()].map(
        each => `${each.apiKey}: ${each.minVersion}-${each.maxVersion}`,
      );
    expect(advertised()).toEqual(['12: 0-4', '19: 2-7', '20: 1-6', '44: 0-1', '94: 0-0']);
    theirs = new Map([
      [12, { minVersion: 0, maxVersion: 2 }],
      [19, { minVersion: 0, maxVersion: 5 }],
      [20, { minVersion: 3, maxVersion: 9 }],
      [44, { minVersion: 2, maxVersion: 3 }],
    ]);
    expect(advertised()).toEqual(['12: 0-4', '19: 2-5', '20: 3-6']);
  });
});
