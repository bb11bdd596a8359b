import { beforeEach, describe, expect, test } from 'vitest';
import { MalformedError } from '../../src/base/byte-reader.ts';
import { Errors, KafkaError } from '../../src/protocol/errors.ts';
import { DeleteTopicsRequest, DeleteTopicsResponse } from '../../src/protocol/messages/20-delete-topics.ts';
import type { EnvelopeRequest } from '../../src/protocol/messages/58-envelope.ts';
import type {
  BrokerToControllerChannel,
  ChannelSendOptions,
} from '../../src/server/broker-to-controller-channel.ts';
import type { ControllerServices } from '../../src/server/controller-services.ts';
import { ForwardingManager } from '../../src/server/forwarding-manager.ts';
import { defineControllerHandler, type RequestContext } from '../../src/server/handler.ts';
import { deserializePrincipal } from '../../src/server/kafka-principal.ts';
import { decodeRequest, encodeResponse } from '../../src/server/request-codec.ts';

const REQUEST = { topicNames: ['orders'], timeoutMs: 1234 };
const ANSWER = { responses: [{ name: 'orders', errorCode: 0 }] };

let sent: { body: EnvelopeRequest; options: ChannelSendOptions }[];
let reply: { errorCode: number; responseData: Buffer | null };
let isActive: boolean;
let decide: () => Promise<typeof ANSWER>;
let decided: RequestContext[];

const handler = defineControllerHandler({
  request: DeleteTopicsRequest,
  response: DeleteTopicsResponse,
  authorize: [],
  handle(context) {
    decided.push(context);
    return decide();
  },
});
const context = {
  apiKey: 20,
  apiVersion: 4,
  correlationId: 9,
  clientId: 'app',
  principal: 'User:alice',
  clientAddress: '10.1.2.3',
  frame: Buffer.from('what the client sent'),
} as RequestContext;
const payload = (correlationId: number): Buffer =>
  Buffer.concat(encodeResponse(handler, 4, correlationId, ANSWER)).subarray(4);

function forward(request: object = REQUEST): Promise<unknown> {
  return manager().forward(context, request, handler);
}

function manager(): ForwardingManager {
  const channel = {
    send: async (_api: unknown, body: EnvelopeRequest, options: ChannelSendOptions) => {
      sent.push({ body, options });
      return reply;
    },
  } as unknown as BrokerToControllerChannel;
  const local = { controller: { isActive: () => isActive } } as unknown as ControllerServices;
  return new ForwardingManager(channel, local, { defaultTimeoutMs: 30_000 });
}

beforeEach(() => {
  sent = [];
  decided = [];
  isActive = false;
  decide = async () => ANSWER;
  reply = { errorCode: Errors.NONE, responseData: payload(9) };
});

describe('ForwardingManager', () => {
  test('sends what the client sent, as whom and from where, and gives the answer back', async () => {
    expect(await forward()).toMatchObject(ANSWER);
    const { body, options } = sent[0]!;
    expect(body.requestData).toBe(context.frame);
    expect(deserializePrincipal(body.requestPrincipal!)).toBe('User:alice');
    expect(body.clientHostAddress).toEqual(Buffer.from([10, 1, 2, 3]));
    // It may not be repeated only because the controller takes its time.
    expect(options).toEqual({ timeoutMs: 1234, isTimedByController: true });
    expect(decided).toEqual([]);
  });

  test('sends a part of a request as the client would have sent it', async () => {
    const part = { topicNames: ['bills'], timeoutMs: 99 };
    expect(await manager().forwardPart(context, part, handler)).toMatchObject(ANSWER);
    const { body, options } = sent[0]!;
    expect(decodeRequest(handler, body.requestData as Buffer)).toMatchObject({
      apiVersion: 4,
      correlationId: 9,
      clientId: 'app',
      body: part,
    });
    expect(body.requestData!.readInt16BE(0)).toBe(20);
    expect(options.timeoutMs).toBe(99);
    isActive = true;
    expect(await manager().forwardPart(context, part, handler)).toBe(ANSWER);
    expect(sent).toHaveLength(1);
  });

  test('gives a request without a time of its own the default', async () => {
    await forward({ topicNames: [] });
    await forward({ ...REQUEST, timeoutMs: 0 });
    expect(sent.map(each => each.options.timeoutMs)).toEqual([30_000, 30_000]);
  });

  test('calls the active controller of its own process', async () => {
    isActive = true;
    expect(await forward()).toBe(ANSWER);
    expect(decided).toEqual([context]);
    expect(sent).toEqual([]);
  });

  test('goes on to the next controller when that of its process is active no more', async () => {
    isActive = true;
    decide = () => Promise.reject(new KafkaError(Errors.NOT_CONTROLLER));
    expect(await forward()).toMatchObject(ANSWER);
    expect(sent).toHaveLength(1);
  });

  test('an error of the controller of its process is the answer', async () => {
    isActive = true;
    decide = () => Promise.reject(new KafkaError(Errors.REQUEST_TIMED_OUT));
    await expect(forward()).rejects.toMatchObject({ code: Errors.REQUEST_TIMED_OUT });
    expect(sent).toEqual([]);
  });

  test.each([
    [Errors.UNSUPPORTED_VERSION, Errors.UNSUPPORTED_VERSION],
    [Errors.PRINCIPAL_DESERIALIZATION_FAILURE, Errors.UNKNOWN_SERVER_ERROR],
    [Errors.CLUSTER_AUTHORIZATION_FAILED, Errors.UNKNOWN_SERVER_ERROR],
  ])('error %i of the envelope is error %i for the client', async (errorCode, code) => {
    reply = { errorCode, responseData: null };
    await expect(forward()).rejects.toMatchObject({ code });
  });

  test('an answer to another request, or one that is cut, is refused', async () => {
    reply = { errorCode: Errors.NONE, responseData: payload(10) };
    await expect(forward()).rejects.toThrow(MalformedError);
    reply = { errorCode: Errors.NONE, responseData: payload(9).subarray(0, 12) };
    await expect(forward()).rejects.toThrow(MalformedError);
  });
});
