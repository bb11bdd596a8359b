/* A policy for the creation of topics, with two names for what may be wrong with one. */
export default {
  validate({ topic, numPartitions }) {
    if (topic === 'endless') for (;;);
    if (topic === 'broken') topic.noSuchFunction();
    if (numPartitions > 6) throw new Error(`${topic}: 6 partitions are enough, not ${numPartitions}`);
  },
};
