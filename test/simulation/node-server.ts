import type { KafkaRaftServer } from '../../src/server/kafka-raft-server.ts';

/** What runs in the process of a node. */
export type NodeServer = KafkaRaftServer;
