import { defineConfig } from 'vitest/config';

/**
 * The checks with real clients, the oracle checks and those of clusters. They start broker processes and fetch tools,
 * so they are no part of `npm test`: `npm run test:clients`, `test:oracle`, `test:failover`, `conformance`.
 * `TARGET=apache-kafka-4.3.0` runs them against Apache Kafka, which proves the checks themselves.
 */
export default defineConfig({
  test: {
    include: ['test/{clients,cluster,conformance,failover,oracle}/**/*.check.ts'],
    testTimeout: 180_000,
    hookTimeout: 420_000,
    // One broker under load at a time: the machines that run this have few cores.
    fileParallelism: false,
    maxWorkers: 1,
  },
});
