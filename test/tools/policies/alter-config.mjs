/* A policy for configurations. */
export default {
  validate({ resource, configs }) {
    const value = configs.get('retention.ms') ?? configs.get('log.retention.ms');
    if (value === '-1') throw new Error(`${resource.type} ${resource.name}: nothing is kept for ever`);
  },
};
