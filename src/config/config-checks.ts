import type { ConfigMessage } from './config-loader.ts';
import { type KafkaConfig, parsePairs } from './kafka-config.ts';
import { type EndPoint, formatEndPoint } from './listeners.ts';

/** A check of values against each other. */
type Check = (config: KafkaConfig, report: (key: string, message: string) => void) => void;

/** What is wrong with a configuration whose keys are each right by themselves. */
export function checkKafkaConfig(config: KafkaConfig): ConfigMessage[] {
  const problems: ConfigMessage[] = [];
  const report = (key: string, message: string): void => {
    problems.push({ key, source: config.source(key), message });
  };
  for (const check of CHECKS) check(config, report);
  return problems;
}

const checkIds: Check = (config, report) => {
  if (
    config.isSet('node.id') &&
    config.isSet('broker.id') &&
    config.int('node.id') !== config.int('broker.id')
  ) {
    report(
      'broker.id',
      `is ${config.int('broker.id')}, but node.id is ${config.int('node.id')}; they must be equal`,
    );
  }
  if (config.nodeId < 0) report('broker.id', 'must be at least 0');
};

const checkQuorum: Check = (config, report) => {
  const { nodeId, quorumVoters: voters, processRoles } = config;
  const key = 'controller.quorum.voters';
  if (voters.length === 0 && config.quorumBootstrapServers.length === 0) {
    report('controller.quorum.bootstrap.servers', 'must be given if controller.quorum.voters is not');
  }
  const ids = new Set(voters.map(voter => voter.nodeId));
  if (ids.size < voters.length) report(key, 'holds a node id twice');
  if (voters.length > 0 && processRoles.has('controller') && !ids.has(nodeId)) {
    report(key, `does not name this node, ${nodeId}, which is a controller`);
  }
  if (ids.has(nodeId) && !processRoles.has('controller')) {
    report(
      key,
      `names this node, ${nodeId}, which is no controller: add controller to process.roles, or take it out`,
    );
  }
  const joins = 'controller.quorum.auto.join.enable';
  if (config.boolean(joins)) {
    if (voters.length > 0) {
      report(
        joins,
        'can be true only if controller.quorum.voters is not given: fixed voters cannot be joined',
      );
    }
    if (!processRoles.has('controller')) report(joins, 'can be true only for a controller');
  }
};

const checkListeners: Check = (config, report) => {
  const { listeners, processRoles, controllerListenerNames, controllerListeners, brokerListeners } = config;
  const isController = processRoles.has('controller');
  checkDistinct(listeners, 'listeners', report);
  for (const endPoint of listeners) checkProtocol(endPoint, 'listeners', report);
  if (isController) {
    for (const name of controllerListenerNames) {
      if (!controllerListeners.some(endPoint => endPoint.listenerName === name)) {
        report('controller.listener.names', `names ${name}, which is not one of listeners`);
      }
    }
  } else {
    for (const endPoint of controllerListeners) {
      report(
        'listeners',
        `holds ${formatEndPoint(endPoint)}, which controller.listener.names says is for controllers; this node is none`,
      );
    }
    const name = controllerListenerNames[0];
    if (name === undefined) {
      report('controller.listener.names', 'must name the listener at which brokers reach the controllers');
    } else if (config.protocolOf(name) === undefined) {
      report(
        'controller.listener.names',
        `names ${name}, which has no protocol in listener.security.protocol.map`,
      );
    } else {
      const endPoint = { listenerName: name, securityProtocol: config.protocolOf(name)!, host: '', port: 0 };
      checkProtocol(endPoint, 'controller.listener.names', report);
    }
  }
  if (!processRoles.has('broker')) {
    for (const endPoint of brokerListeners) {
      report(
        'listeners',
        `holds ${formatEndPoint(endPoint)}, which is not in controller.listener.names; this node is only a controller`,
      );
    }
    return;
  }
  if (brokerListeners.length === 0)
    report('listeners', 'holds no listener for clients: all are in controller.listener.names');
  checkInterBrokerListener(config, report);
};

function checkProtocol(
  endPoint: EndPoint,
  key: string,
  report: (key: string, message: string) => void,
): void {
  if (endPoint.securityProtocol === 'PLAINTEXT') return;
  const what = endPoint.securityProtocol === 'SSL' ? 'TLS' : 'SASL';
  const shown = key === 'listeners' ? formatEndPoint(endPoint) : endPoint.listenerName;
  report(key, `${shown} is refused: this version has no ${what} listeners`);
}

const checkInterBrokerListener: Check = (config, report) => {
  const { controllerListenerNames, interBrokerListenerName } = config;
  if (controllerListenerNames.includes(interBrokerListenerName)) {
    const key = config.isSet('inter.broker.listener.name')
      ? 'inter.broker.listener.name'
      : 'controller.listener.names';
    report(
      key,
      `${interBrokerListenerName} cannot be both the listener among brokers and one of controllers`,
    );
  }
  if (config.isSet('inter.broker.listener.name') && config.isSet('security.inter.broker.protocol')) {
    report('security.inter.broker.protocol', 'must not be given together with inter.broker.listener.name');
  }
};

const checkAdvertised: Check = (config, report) => {
  const { listeners, advertisedListeners, interBrokerListenerName, processRoles } = config;
  const names = new Set(advertisedListeners.map(endPoint => endPoint.listenerName));
  if (names.size < advertisedListeners.length) report('advertised.listeners', 'holds a listener twice');
  for (const endPoint of [...advertisedListeners, ...config.advertisedControllerListeners]) {
    if (!listeners.some(each => each.listenerName === endPoint.listenerName)) {
      report('advertised.listeners', `holds ${endPoint.listenerName}, which is not one of listeners`);
    }
    if (endPoint.host === '0.0.0.0' || endPoint.host === '::') {
      const key = config.isSet('advertised.listeners') ? 'advertised.listeners' : 'listeners';
      report(
        key,
        `${endPoint.host} is no address that clients could connect to; give the name of this machine`,
      );
    }
  }
  if (processRoles.has('broker') && !names.has(interBrokerListenerName)) {
    const key = config.isSet('inter.broker.listener.name')
      ? 'inter.broker.listener.name'
      : 'advertised.listeners';
    report(key, `the listener among brokers, ${interBrokerListenerName}, is not one of the advertised ones`);
  }
};

/** Names must differ, and ports too unless one address is IPv4 and the other IPv6. */
function checkDistinct(
  endPoints: readonly EndPoint[],
  key: string,
  report: (key: string, message: string) => void,
): void {
  for (const [index, endPoint] of endPoints.entries()) {
    for (const other of endPoints.slice(0, index)) {
      if (endPoint.listenerName === other.listenerName) report(key, `holds ${endPoint.listenerName} twice`);
      const apart =
        endPoint.host !== '' && other.host !== '' && endPoint.host.includes(':') !== other.host.includes(':');
      if (endPoint.port !== 0 && endPoint.port === other.port && !apart) {
        report(
          key,
          `holds port ${endPoint.port} twice, in ${formatEndPoint(other)} and ${formatEndPoint(endPoint)}`,
        );
      }
    }
  }
}

const checkDirectories: Check = (config, report) => {
  const key = config.isSet('log.dirs') ? 'log.dirs' : 'log.dir';
  if (config.logDirs.length === 0) report(key, 'must name at least one directory');
  const seen = new Set<string>();
  for (const directory of config.logDirs) {
    if (seen.has(directory)) report(key, `holds ${directory} twice`);
    seen.add(directory);
  }
  const problem = cordonedProblem(config);
  if (problem !== undefined) report('cordoned.log.dirs', problem);
};

/** What is wrong with `cordoned.log.dirs`, as the rest of a sentence. Only the broker knows the directories it has. */
export function cordonedProblem(config: KafkaConfig): string | undefined {
  const cordoned = config.list('cordoned.log.dirs');
  if (cordoned.includes('*')) {
    return cordoned.length > 1 ? 'holds *, which stands for all of log.dirs, and others' : undefined;
  }
  if (new Set(cordoned).size === config.cordonedLogDirs.length) return undefined;
  return `must hold only directories of log.dirs: ${config.logDirs.join(', ')}`;
}

const checkTimes: Check = (config, report) => {
  for (const [name, lowest] of [
    ['log.retention.ms', 1],
    ['log.roll.ms', 1],
    ['log.roll.jitter.ms', 0],
  ] as const) {
    const value = config.effectiveNumber(name);
    if (value >= lowest || (value === -1 && name === 'log.retention.ms')) continue;
    const also = name === 'log.retention.ms' ? ', or -1 for no limit' : '';
    report(setKeyOf(config, name), `gives ${value} ms; it must be at least ${lowest}${also}`);
  }
  if (config.long('log.cleaner.min.compaction.lag.ms') > config.long('log.cleaner.max.compaction.lag.ms')) {
    report('log.cleaner.min.compaction.lag.ms', 'must not be more than log.cleaner.max.compaction.lag.ms');
  }
  if (config.int('broker.heartbeat.interval.ms') * 2 > config.int('broker.session.timeout.ms')) {
    report('broker.heartbeat.interval.ms', 'must be at most half of broker.session.timeout.ms');
  }
  if (config.int('replica.fetch.wait.max.ms') > config.int('replica.socket.timeout.ms')) {
    report('replica.fetch.wait.max.ms', 'must not be more than replica.socket.timeout.ms');
  }
  if (config.int('replica.fetch.wait.max.ms') > config.long('replica.lag.time.max.ms')) {
    report('replica.fetch.wait.max.ms', 'must not be more than replica.lag.time.max.ms');
  }
  const idleMs = config.long('connections.max.idle.ms');
  if (idleMs > 0 && config.int('connection.failed.authentication.delay.ms') >= idleMs) {
    report('connection.failed.authentication.delay.ms', 'must be less than connections.max.idle.ms');
  }
};

function setKeyOf(config: KafkaConfig, name: string): string {
  const keys = ['ms', 'minutes', 'hours'].map(unit => name.replace(/ms$/, unit));
  return keys.find(key => config.isSet(key)) ?? name;
}

const checkLimits: Check = (config, report) => {
  if (config.boolean('log.cleaner.enable') && config.int('log.cleaner.threads') > 0) {
    if (config.long('log.cleaner.dedupe.buffer.size') / config.int('log.cleaner.threads') <= 1024 * 1024) {
      report('log.cleaner.dedupe.buffer.size', 'must be more than 1 MiB for each of log.cleaner.threads');
    }
  }
  for (const [address, count] of parsePairs(config.string('max.connections.per.ip.overrides'))) {
    if (address === '' || !/^\d{1,10}$/.test(count)) {
      report(
        'max.connections.per.ip.overrides',
        `'${address}:${count}' is not of the form address:connections`,
      );
    }
  }
  if (config.int('max.connections.per.ip') === 0 && config.maxConnectionsPerIpOverrides.size === 0) {
    report('max.connections.per.ip', 'may be 0 only together with max.connections.per.ip.overrides');
  }
};

const checkGroups: Check = (config, report) => {
  if (config.int('group.min.session.timeout.ms') > config.int('group.max.session.timeout.ms')) {
    report('group.min.session.timeout.ms', 'must not be more than group.max.session.timeout.ms');
  }
  for (const kind of ['consumer', 'streams', 'share']) {
    for (const what of ['session.timeout.ms', 'heartbeat.interval.ms', 'assignment.interval.ms']) {
      checkWithin(
        config,
        `group.${kind}.${what}`,
        `group.${kind}.min.${what}`,
        `group.${kind}.max.${what}`,
        report,
      );
    }
    if (config.int(`group.${kind}.heartbeat.interval.ms`) >= config.int(`group.${kind}.session.timeout.ms`)) {
      report(`group.${kind}.heartbeat.interval.ms`, `must be less than group.${kind}.session.timeout.ms`);
    }
  }
  for (const what of ['delivery.count.limit', 'record.lock.duration.ms', 'partition.max.record.locks']) {
    checkWithin(config, `group.share.${what}`, `group.share.min.${what}`, `group.share.max.${what}`, report);
  }
  if (config.int('group.streams.num.standby.replicas') > config.int('group.streams.max.standby.replicas')) {
    report('group.streams.num.standby.replicas', 'must not be more than group.streams.max.standby.replicas');
  }
};

function checkWithin(
  config: KafkaConfig,
  name: string,
  lowest: string,
  highest: string,
  report: (key: string, message: string) => void,
): void {
  if (config.int(lowest) > config.int(highest)) report(lowest, `must not be more than ${highest}`);
  else if (config.int(name) < config.int(lowest))
    report(name, `must not be less than ${lowest}, ${config.int(lowest)}`);
  else if (config.int(name) > config.int(highest))
    report(name, `must not be more than ${highest}, ${config.int(highest)}`);
}

const CHECKS: readonly Check[] = [
  checkIds,
  checkQuorum,
  checkListeners,
  checkAdvertised,
  checkDirectories,
  checkTimes,
  checkLimits,
  checkGroups,
];
