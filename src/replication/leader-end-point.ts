import type { HostAndPort, NetworkClient } from '../client/network-client.ts';
import { Errors, KafkaError } from '../protocol/errors.ts';
import { FetchRequest, FetchResponse } from '../protocol/messages/01-fetch.ts';
import { ListOffsetsRequest, ListOffsetsResponse } from '../protocol/messages/02-list-offsets.ts';
import type { Infer, Input } from '../protocol/schema.ts';

/** A broker as its followers see it. All methods reject with `KafkaError` when no answer comes. */
export interface LeaderEndPoint {
  readonly brokerId: number;
  /** `body` gets the version of Fetch that both sides speak. The records of the answer are views of its frame. */
  fetch(body: (version: number) => Input<typeof FetchRequest>): Promise<Infer<typeof FetchResponse>>;
  listOffsets(body: Input<typeof ListOffsetsRequest>): Promise<Infer<typeof ListOffsetsResponse>>;
  /** What is under way is rejected. */
  close(): void;
}

const FETCH = { request: FetchRequest, response: FetchResponse };
const LIST_OFFSETS = { request: ListOffsetsRequest, response: ListOffsetsResponse };

/** A leader in another process. */
export class RemoteLeaderEndPoint implements LeaderEndPoint {
  readonly brokerId: number;
  private readonly client: NetworkClient;
  private readonly address: () => HostAndPort | undefined;
  private readonly timeoutMs: () => number;

  /**
   * `client` is this end point's own. `address` is asked at each request, since a broker may come back elsewhere;
   * `timeoutMs` is `replica.socket.timeout.ms`.
   */
  constructor(
    brokerId: number,
    client: NetworkClient,
    address: () => HostAndPort | undefined,
    timeoutMs: () => number,
  ) {
    this.brokerId = brokerId;
    this.client = client;
    this.address = address;
    this.timeoutMs = timeoutMs;
  }

  async fetch(body: (version: number) => Input<typeof FetchRequest>): Promise<Infer<typeof FetchResponse>> {
    return this.client.send(this.addressOrThrow(), FETCH, body, { timeoutMs: this.timeoutMs() });
  }

  async listOffsets(body: Input<typeof ListOffsetsRequest>): Promise<Infer<typeof ListOffsetsResponse>> {
    return this.client.send(this.addressOrThrow(), LIST_OFFSETS, body, { timeoutMs: this.timeoutMs() });
  }

  close(): void {
    this.client.close();
  }

  private addressOrThrow(): HostAndPort {
    const address = this.address();
    if (address !== undefined) return address;
    throw new KafkaError(
      Errors.BROKER_NOT_AVAILABLE,
      `broker ${this.brokerId} is not registered with the listener that brokers use among themselves`,
    );
  }
}
