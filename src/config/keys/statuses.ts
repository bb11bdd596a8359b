import { type KeyOptions, noEffect, refused } from '../key-definition.ts';

/* Why keys do nothing, or must keep their default. Spread into the options of a key. */

type Status = Pick<KeyOptions, 'status'>;

export const CONTROLLER_TIMEOUT: Status = {
  status: noEffect('a request to the controller ends by the timeout of what it is for'),
};
export const NO_GROWTH: Status = {
  status: noEffect('the time that a connection may take does not grow after failures'),
};
export const SYSTEM_BUFFERS: Status = {
  status: noEffect('the operating system sizes the buffers of sockets'),
};
export const INTERNAL: Status = {
  status: noEffect("it tunes the inner workings of Apache Kafka's own implementation"),
};
export const TURN: Status = {
  status: noEffect('the records of one turn of the event loop are written together'),
};
export const THREADS: Status = {
  status: noEffect('one event loop handles all requests; there is no pool of threads to size'),
};
export const NO_PURGATORY: Status = {
  status: noEffect('waiting requests are removed as soon as they complete; there is nothing to purge'),
};
export const METRICS: Status = { status: noEffect('this version publishes no metrics') };
export const NO_MOVE_QUOTA: Status = {
  status: noEffect('this version has no quota for moves between directories'),
};
export const NO_TWO_PHASE_COMMIT: Status = {
  status: noEffect(
    'clients ask for it with a version of InitProducerId that may still change, and is not served',
  ),
};
export const NO_SHARE_GROUPS: Status = { status: noEffect('this version does not serve share groups') };
export const NO_STREAMS_GROUPS: Status = { status: noEffect('this version does not serve streams groups') };
export const NO_CONSUMER_GROUPS: Status = {
  status: noEffect('this version serves groups of the classic protocol only'),
};
export const NO_TIERED_STORAGE: Status = { status: noEffect('this version has no tiered storage') };
export const REFUSED_TIERED_STORAGE: Status = { status: refused('this version has no tiered storage') };
export const NO_TLS: Status = { status: noEffect('this version has no TLS listeners') };
export const REFUSED_TLS: Status = { status: refused('this version has no TLS listeners') };
export const NO_SASL: Status = { status: noEffect('this version has no SASL listeners') };
export const REFUSED_SASL: Status = { status: refused('this version has no SASL listeners') };
export const NO_JAVA = 'classes for the Java virtual machine cannot be loaded';
export const JAVA_CLASS: Status = { status: refused(NO_JAVA) };
