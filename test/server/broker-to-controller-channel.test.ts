import { beforeEach, describe, expect, test } from 'vitest';
import { silentLogger } from '../../src/base/logger.ts';
import type { HostAndPort, NetworkClient } from '../../src/client/network-client.ts';
import { Errors, KafkaError } from '../../src/protocol/errors.ts';
import {
  AllocateProducerIdsRequest,
  AllocateProducerIdsResponse,
} from '../../src/protocol/messages/67-allocate-producer-ids.ts';
import { BrokerToControllerChannel } from '../../src/server/broker-to-controller-channel.ts';
import type { ControllerEndpoint, QuorumAccess } from '../../src/server/quorum-access.ts';
import { ManualRuntime } from '../support/manual-runtime.ts';

const API = { request: AllocateProducerIdsRequest, response: AllocateProducerIdsResponse };

let runtime: ManualRuntime;
let leader: ControllerEndpoint | undefined;
let tellLeader: () => void;
let attempts: {
  to: HostAndPort;
  timeoutMs: number;
  resolve(answer: object): void;
  reject(error: unknown): void;
}[];
let disconnected: HostAndPort[];
let channel: BrokerToControllerChannel;

async function settle(): Promise<void> {
  for (let i = 0; i < 8; i++) await Promise.resolve();
}

const at = (id: number): ControllerEndpoint => ({ id, host: `c${id}`, port: 9093 });
const send = (timeoutMs = 1000) => channel.send(API, { brokerId: 1, brokerEpoch: 1 }, { timeoutMs });

beforeEach(() => {
  runtime = new ManualRuntime();
  leader = at(1);
  attempts = [];
  disconnected = [];
  const client = {
    send: (to: HostAndPort, _api: unknown, _body: unknown, { timeoutMs }: { timeoutMs: number }) =>
      new Promise((resolve, reject) => attempts.push({ to, timeoutMs, resolve, reject })),
    disconnect: (to: HostAndPort) => {
      disconnected.push(to);
      attempts.at(-1)?.reject(new KafkaError(Errors.NETWORK_EXCEPTION, 'disconnected'));
    },
    close: () => attempts.at(-1)?.reject(new KafkaError(Errors.NETWORK_EXCEPTION, 'closed')),
  } as unknown as NetworkClient;
  const quorum = {
    leaderEndpoint: () => leader,
    onLeaderChange: (listener: () => void) => {
      tellLeader = listener;
      return () => {};
    },
  } as unknown as QuorumAccess;
  channel = new BrokerToControllerChannel(runtime, silentLogger, client, quorum, {
    retryBackoffMs: 50,
    attemptTimeoutMs: 300,
  });
});

describe('BrokerToControllerChannel', () => {
  test('asks the leader and gives its answer, error codes of the request too', async () => {
    const answer = send();
    expect(attempts[0]).toMatchObject({ to: { host: 'c1', port: 9093 }, timeoutMs: 300 });
    attempts[0]!.resolve({ errorCode: Errors.STALE_BROKER_EPOCH });
    expect(await answer).toMatchObject({ errorCode: Errors.STALE_BROKER_EPOCH });
  });

  test.each([
    ['NOT_CONTROLLER', () => attempts.at(-1)!.resolve({ errorCode: Errors.NOT_CONTROLLER })],
    ['a lost connection', () => attempts.at(-1)!.reject(new KafkaError(Errors.NETWORK_EXCEPTION))],
    ['no answer', () => attempts.at(-1)!.reject(new KafkaError(Errors.REQUEST_TIMED_OUT))],
  ])('asks again after %s, whoever leads then', async (_what, fail) => {
    const answer = send();
    fail();
    await settle();
    leader = at(2);
    expect(attempts).toHaveLength(1);
    runtime.advance(50);
    await settle();
    expect(attempts[1]!.to.host).toBe('c2');
    attempts[1]!.resolve({ errorCode: 0, producerIdStart: 5 });
    expect(await answer).toMatchObject({ producerIdStart: 5 });
  });

  test('waits for a leader, and asks it at once when it is known', async () => {
    leader = undefined;
    const answer = send();
    expect(attempts).toEqual([]);
    leader = at(3);
    tellLeader();
    await settle();
    expect(attempts[0]!.to.host).toBe('c3');
    attempts[0]!.resolve({ errorCode: 0 });
    await answer;
  });

  test('leaves a controller that does not answer when another one is known to lead', async () => {
    const answer = send();
    leader = at(2);
    tellLeader();
    runtime.advance(99);
    expect(disconnected).toEqual([]);
    runtime.advance(1);
    expect(disconnected).toEqual([{ host: 'c1', port: 9093 }]);
    await settle();
    runtime.advance(50);
    await settle();
    expect(attempts[1]!.to.host).toBe('c2');
    attempts[1]!.resolve({ errorCode: 0 });
    await answer;
  });

  test('takes the last answer of a controller, such as that it has been removed', async () => {
    const answer = send();
    leader = at(2);
    tellLeader();
    attempts[0]!.resolve({ errorCode: Errors.NONE, producerIdStart: 5 });
    expect(await answer).toMatchObject({ producerIdStart: 5 });
    expect(attempts).toHaveLength(1);
  });

  test('keeps the connection to a controller that leads again', async () => {
    const answer = send();
    leader = at(2);
    tellLeader();
    leader = at(1);
    tellLeader();
    runtime.advance(200);
    expect(disconnected).toEqual([]);
    attempts[0]!.resolve({ errorCode: Errors.NONE });
    await answer;
  });

  test('gives up when its time is over, and says what went wrong last', async () => {
    const answer = send(1000);
    const outcome = expect(answer).rejects.toMatchObject({
      code: Errors.REQUEST_TIMED_OUT,
      message: expect.stringMatching(/AllocateProducerIdsRequest within 1000 ms: node 1: .*refused/),
    });
    for (let i = 0; i < 25; i++) {
      attempts.at(-1)!.reject(new KafkaError(Errors.NETWORK_EXCEPTION, 'refused'));
      await settle();
      runtime.advance(50);
      await settle();
    }
    await outcome;
    expect(attempts.length).toBeGreaterThan(10);
    expect(attempts.at(-1)!.timeoutMs).toBeLessThan(100);
  });

  test('does not ask again what the controller may still be deciding, nor breaks the connection off', async () => {
    const answer = channel.send(
      API,
      { brokerId: 1, brokerEpoch: 1 },
      { timeoutMs: 1000, isTimedByController: true },
    );
    // An attempt of its own time after the controller must have said that time is over.
    expect(attempts[0]!.timeoutMs).toBe(1300);
    const outcome = expect(answer).rejects.toMatchObject({
      code: Errors.REQUEST_TIMED_OUT,
      message: expect.stringMatching(/within 1000 ms: node 1: it has not answered yet/),
    });
    runtime.advance(999);
    await settle();
    expect(attempts).toHaveLength(1);
    runtime.advance(1);
    await outcome;
    expect(attempts).toHaveLength(1);
    expect(disconnected).toEqual([]);
    // Nobody waits for it any more.
    attempts[0]!.reject(new KafkaError(Errors.NETWORK_EXCEPTION));
    await settle();
  });

  test('asks another controller what the last one did not answer, with the time that is left', async () => {
    const answer = channel.send(
      API,
      { brokerId: 1, brokerEpoch: 1 },
      { timeoutMs: 1000, isTimedByController: true },
    );
    runtime.advance(400);
    leader = at(2);
    tellLeader();
    runtime.advance(100);
    await settle();
    runtime.advance(50);
    await settle();
    expect(attempts[1]!.to.host).toBe('c2');
    const outcome = expect(answer).rejects.toMatchObject({ code: Errors.REQUEST_TIMED_OUT });
    runtime.advance(450);
    await outcome;
    expect(attempts).toHaveLength(2);
  });

  test('what is no matter of the controller is not tried again', async () => {
    const answer = send();
    attempts[0]!.reject(new KafkaError(Errors.UNSUPPORTED_VERSION));
    await expect(answer).rejects.toMatchObject({ code: Errors.UNSUPPORTED_VERSION });
    expect(attempts).toHaveLength(1);
  });

  test('a stop ends what waits', async () => {
    const first = send();
    channel.close();
    await expect(first).rejects.toMatchObject({ code: Errors.BROKER_NOT_AVAILABLE });
    await expect(send()).rejects.toMatchObject({ code: Errors.BROKER_NOT_AVAILABLE });
  });
});
