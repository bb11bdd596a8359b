import { beforeEach, describe, expect, test } from 'vitest';
import { ByteReader } from '../../../src/base/byte-reader.ts';
import { codecOf } from '../../../src/protocol/codec.ts';
import { Errors, KafkaError } from '../../../src/protocol/errors.ts';
import { MetadataRequest } from '../../../src/protocol/messages/03-metadata.ts';
import {
  DeleteTopicsRequest,
  DeleteTopicsResponse,
} from '../../../src/protocol/messages/20-delete-topics.ts';
import { EnvelopeRequest, EnvelopeResponse } from '../../../src/protocol/messages/58-envelope.ts';
import type { Input } from '../../../src/protocol/schema.ts';
import type { ControllerServices } from '../../../src/server/controller-services.ts';
import { defineControllerHandler, type RequestContext } from '../../../src/server/handler.ts';
import { HandlerTable } from '../../../src/server/handler-table.ts';
import { envelopeHandler } from '../../../src/server/handlers/58-envelope.ts';
import { serializePrincipal } from '../../../src/server/kafka-principal.ts';
import { requestFrame } from '../fake-network.ts';
import { ask } from './handler-harness.ts';

let contexts: RequestContext[];
let handle: () => Promise<Input<typeof DeleteTopicsResponse>>;

const deleteTopics = defineControllerHandler({
  request: DeleteTopicsRequest,
  response: DeleteTopicsResponse,
  authorize: [],
  handle(context) {
    contexts.push(context);
    return handle();
  },
  failure: (request, errorCode) => ({
    responses: request.topicNames.map(name => ({ name, errorCode })),
  }),
});
const envelope = envelopeHandler(new HandlerTable([deleteTopics]));

const inner = (version = 4): Buffer =>
  requestFrame(
    DeleteTopicsRequest,
    version,
    { topicNames: ['orders'], timeoutMs: 1000 },
    77,
    'client',
  ).subarray(4);

async function send(fields: Partial<Input<typeof EnvelopeRequest>> = {}) {
  const body = {
    requestData: inner(),
    requestPrincipal: serializePrincipal('User:alice'),
    clientHostAddress: Buffer.from([10, 1, 2, 3]),
    ...fields,
  };
  const services: Partial<ControllerServices> = {};
  return (await ask(envelope, services, [EnvelopeRequest, EnvelopeResponse] as const, 0, body, {
    name: 'CONTROLLER',
    kind: 'controller',
  }))!;
}

beforeEach(() => {
  contexts = [];
  handle = async () => ({ responses: [{ name: 'orders', errorCode: 0 }] });
});

describe('Envelope', () => {
  test('is served as if the client had sent the request here', async () => {
    const { errorCode, responseData } = await send();
    expect(errorCode).toBe(Errors.NONE);
    expect(contexts[0]).toMatchObject({
      apiKey: 20,
      apiVersion: 4,
      correlationId: 77,
      clientId: 'client',
      principal: 'User:alice',
      clientAddress: '10.1.2.3',
    });
    const reader = new ByteReader(responseData!);
    expect(reader.int32()).toBe(77);
    expect(reader.uvarint()).toBe(0);
    const answer = codecOf(DeleteTopicsResponse, 4).decode(reader);
    expect(answer.responses).toMatchObject([{ name: 'orders', errorCode: 0 }]);
    expect(reader.remaining).toBe(0);
  });

  test('an error of the request is inside', async () => {
    handle = async () => {
      throw new KafkaError(Errors.TOPIC_DELETION_DISABLED);
    };
    const { errorCode, responseData } = await send();
    expect(errorCode).toBe(Errors.NONE);
    const answer = codecOf(DeleteTopicsResponse, 4).decode(new ByteReader(responseData!, 5));
    expect(answer.responses[0]!.errorCode).toBe(Errors.TOPIC_DELETION_DISABLED);
  });

  test('NOT_CONTROLLER is outside, so that the broker asks another node', async () => {
    handle = async () => {
      throw new KafkaError(Errors.NOT_CONTROLLER);
    };
    expect(await send()).toMatchObject({ errorCode: Errors.NOT_CONTROLLER, responseData: null });
  });

  test.each([
    [
      'of an API that is not passed on',
      { requestData: requestFrame(MetadataRequest, 1, { topics: null }).subarray(4) },
    ],
    ['without a header', { requestData: inner().subarray(0, 7) }],
    ['that is cut', { requestData: inner().subarray(0, 20) }],
    ['with bytes behind it', { requestData: Buffer.concat([inner(), Buffer.alloc(1)]) }],
    ['from a client without an address', { clientHostAddress: Buffer.alloc(5) }],
    [
      'that is another envelope',
      {
        requestData: requestFrame(EnvelopeRequest, 0, {
          requestData: Buffer.alloc(0),
          requestPrincipal: null,
          clientHostAddress: Buffer.alloc(4),
        }).subarray(4),
      },
    ],
  ])('a request %s is INVALID_REQUEST', async (_what, fields) => {
    expect((await send(fields)).errorCode).toBe(Errors.INVALID_REQUEST);
    expect(contexts).toEqual([]);
  });

  test('a version that is not served is UNSUPPORTED_VERSION', async () => {
    const requestData = inner();
    requestData.writeInt16BE(99, 2);
    expect((await send({ requestData })).errorCode).toBe(Errors.UNSUPPORTED_VERSION);
  });

  test.each([null, Buffer.alloc(0), Buffer.from([0, 9, 1]), Buffer.from([0, 0, 50, 1])])(
    'a principal that cannot be read is PRINCIPAL_DESERIALIZATION_FAILURE',
    async requestPrincipal => {
      expect((await send({ requestPrincipal })).errorCode).toBe(Errors.PRINCIPAL_DESERIALIZATION_FAILURE);
    },
  );
});
