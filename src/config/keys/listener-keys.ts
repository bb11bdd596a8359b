import { atLeast, distinct, oneOf } from '../validators.ts';
import {
  INT_MAX,
  int,
  type KeyDefinition,
  list,
  long,
  noEffect,
  refused,
  string,
} from '../key-definition.ts';
import { NO_GROWTH, THREADS } from './statuses.ts';

const OWN_BUFFERS = { status: noEffect('the operating system sizes the buffers of sockets; Node cannot') };

/** Where the broker listens, and how it treats connections. */
export const LISTENER_KEYS: readonly KeyDefinition[] = [
  list(
    'listeners',
    'PLAINTEXT://:9092',
    'HIGH',
    'Where to listen, each as NAME://host:port. No host stands for all interfaces; port 0 for any free one.',
    { check: distinct(false) },
  ),
  list(
    'advertised.listeners',
    null,
    'HIGH',
    'The addresses that clients and other nodes are told, each as NAME://host:port. Without it, those of listeners; ' +
      'an empty host then becomes the name of this machine. auto: the same, but each client is told the address at ' +
      'which it has reached this broker.',
  ),
  string(
    'listener.security.protocol.map',
    'SASL_SSL:SASL_SSL,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT',
    'LOW',
    'The security protocol of each listener, each as NAME:PROTOCOL. This version opens listeners of PLAINTEXT only.',
  ),
  string(
    'inter.broker.listener.name',
    null,
    'MEDIUM',
    'The listener that brokers use among themselves. Without it, the one named as security.inter.broker.protocol.',
  ),
  string(
    'security.inter.broker.protocol',
    'PLAINTEXT',
    'MEDIUM',
    'The security protocol among brokers. It may not be given together with inter.broker.listener.name.',
    { check: oneOf('PLAINTEXT', 'SSL', 'SASL_PLAINTEXT', 'SASL_SSL') },
  ),
  list(
    'early.start.listeners',
    null,
    'HIGH',
    'Listeners that open before the authorizer is ready. Without it, those of controllers.',
    { status: noEffect('there is no authorizer to wait for') },
  ),
  int('socket.listen.backlog.size', 50, 'MEDIUM', 'Connections that may wait to be accepted.', {
    check: atLeast(1),
  }),
  int(
    'socket.send.buffer.bytes',
    102400,
    'HIGH',
    'Size in bytes of the send buffer of a connection.',
    OWN_BUFFERS,
  ),
  int(
    'socket.receive.buffer.bytes',
    102400,
    'HIGH',
    'Size in bytes of the receive buffer of a connection.',
    OWN_BUFFERS,
  ),
  int(
    'socket.request.max.bytes',
    104857600,
    'HIGH',
    'Most bytes of one request. A longer one closes its connection.',
    {
      check: atLeast(1),
    },
  ),
  int('max.connections', INT_MAX, 'MEDIUM', 'Most connections of the broker at a time.', {
    check: atLeast(0),
  }),
  int('max.connections.per.ip', INT_MAX, 'MEDIUM', 'Most connections from one address at a time.', {
    check: atLeast(0),
  }),
  string(
    'max.connections.per.ip.overrides',
    '',
    'MEDIUM',
    'Other limits than max.connections.per.ip, each as address:connections.',
  ),
  int('max.connection.creation.rate', INT_MAX, 'MEDIUM', 'Most new connections a second.', {
    check: atLeast(0),
  }),
  long(
    'connections.max.idle.ms',
    600000,
    'MEDIUM',
    'Time in ms without a request after which a connection is closed.',
  ),
  int(
    'connection.failed.authentication.delay.ms',
    100,
    'LOW',
    'Time in ms before a connection that failed to authenticate is closed.',
    { check: atLeast(0), status: noEffect('this version has no SASL and no TLS listeners') },
  ),
  int('num.network.threads', 3, 'HIGH', 'Threads that read requests and send answers.', {
    check: atLeast(1),
    ...THREADS,
  }),
  int('num.io.threads', 8, 'HIGH', 'Threads that handle requests.', { check: atLeast(1), ...THREADS }),
  int('background.threads', 10, 'HIGH', 'Threads for background work.', { check: atLeast(1), ...THREADS }),
  int('queued.max.requests', 500, 'HIGH', 'Requests that may wait for a thread.', {
    check: atLeast(1),
    status: noEffect(
      'requests do not wait for a thread: each connection has its own limit on requests in progress',
    ),
  }),
  long(
    'queued.max.request.bytes',
    -1,
    'MEDIUM',
    'Bytes of requests in memory beyond which none is read. -1: no limit.',
    { status: refused('this version limits the requests of each connection, not of all together') },
  ),
  int(
    'request.timeout.ms',
    30000,
    'HIGH',
    'Time in ms that a request of the broker itself waits for its answer.',
  ),
  long(
    'socket.connection.setup.timeout.ms',
    10000,
    'MEDIUM',
    'Time in ms that a connection from this node to another one may take.',
  ),
  long(
    'socket.connection.setup.timeout.max.ms',
    30000,
    'MEDIUM',
    'The longest that socket.connection.setup.timeout.ms grows to after failures.',
    NO_GROWTH,
  ),
  int('fetch.max.bytes', 57671680, 'MEDIUM', 'Most bytes of the answer to one fetch.', {
    check: atLeast(1024),
  }),
  int('max.incremental.fetch.session.cache.slots', 1000, 'MEDIUM', 'Fetch sessions that are kept.', {
    check: atLeast(0),
  }),
  int(
    'max.request.partition.size.limit',
    2000,
    'MEDIUM',
    'Most partitions in the answer to one DescribeTopicPartitions request.',
    { check: atLeast(1) },
  ),
];
