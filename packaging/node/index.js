'use strict';
// pmx from Node, with the names of pm2's programmatic API. Every method takes a callback (error, result) or gives a promise.

const fs = require('fs');
const os = require('os');
const path = require('path');
const {openBus} = require('./bus');
const {PmxError, Program} = require('./program');

const isObject = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);
const isSpec = (value) => isObject(value) || (Array.isArray(value) && value.some(isObject));

// Where targets are expected: names, ids, or apps as objects, which go to the program as a file on its stdin.
function targetsOf(target) {
  if (isSpec(target)) return {words: ['-'], input: JSON.stringify(appsOf(target))};
  const words = (Array.isArray(target) ? target : [target]).map(String);
  if (target === undefined || target === null || words.some((word) => word === '' || word.startsWith('-'))) {
    throw new PmxError('expected the name or id of an app', {code: 'invalid_request', exitCode: 2});
  }
  return {words};
}

// What an ecosystem file has.
function appsOf(value) {
  if (Array.isArray(value)) return {apps: value};
  return Array.isArray(value.apps) ? value : {apps: [value]};
}

function fileOptions({env, only, updateEnv, force, parallel} = {}) {
  const words = [];
  if (typeof env === 'string') words.push(`--env=${env}`);
  if (only) words.push(`--only=${[].concat(only).join(',')}`);
  if (updateEnv) words.push('--update-env');
  if (force) words.push('--force');
  if (parallel) words.push(`--parallel=${parallel}`);
  return words;
}

// Those of fileOptions(); others are settings of an app.
const isFileOption = ([name, value]) => ['only', 'updateEnv', 'force', 'parallel'].includes(name) || (name === 'env' && typeof value === 'string');
const isFile = (name) => /\.(json|ya?ml|toml|config\.[cm]?js)$/.test(name);

function signalName(signal) {
  if (typeof signal === 'string') return signal;
  const found = Object.entries(os.constants.signals).find(([, number]) => number === signal);
  return found ? found[0] : String(signal);
}

class Pmx {
  // pm2_home: of a daemon of one's own. independent: in a new, temporary home. daemon_mode false: its apps and its daemon
  // end with disconnect(), and with this process.
  constructor({cwd, pm2_home: home, independent = false, daemon_mode: stays = true} = {}) {
    this.ownHome = independent ? fs.mkdtempSync(path.join(os.tmpdir(), 'pmx-')) : undefined;
    this.program = new Program({home: this.ownHome || home, cwd});
    this.endsWithUs = !stays || independent;
    this.buses = new Set();
    this.custom = Pmx;
    this.PmxError = PmxError;
  }

  // --- The daemon ---

  // Starts a daemon if there is none. noDaemon: one that is started here ends with this process.
  async connect(noDaemon) {
    const none = await this.program.run(['ping']).then(({code}) => code !== 0);
    if (none && (noDaemon === true || this.endsWithUs)) this.leaveNothing();
    await this.program.list();
    return {new_pm2_instance: none};
  }

  leaveNothing() {
    this.end = () => {
      process.removeListener('exit', this.end);
      this.end = undefined;
      this.program.runSync(['kill']);
      if (this.ownHome) fs.rmSync(this.ownHome, {recursive: true, force: true});
    };
    process.on('exit', this.end);
  }

  async disconnect() {
    await this.disconnectBus();
    if (this.end) this.end();
    return {success: true};
  }

  async killDaemon() {
    await this.program.ask(['kill']);
    return {success: true};
  }

  async ping() {
    return (await this.program.ask(['ping'])).daemon;
  }

  async getVersion() {
    return (await this.ping()).version;
  }

  // --- Apps ---

  // A script, command, name or file with options, or apps as objects. Gives entries as those of list().
  async start(target, options = {}) {
    const words = ['start'];
    let input;
    if (isSpec(target)) {
      input = JSON.stringify(appsOf(target));
      words.push('-', ...fileOptions(options));
    } else if (typeof target === 'string' && !isFile(target) && !Object.entries(options).every(isFileOption)) {
      const settings = Object.fromEntries(Object.entries(options).filter((one) => !isFileOption(one)));
      input = JSON.stringify({apps: [{script: target, ...settings}]});
      words.push('-', ...fileOptions(options));
    } else {
      words.push(...targetsOf(target).words, ...fileOptions(options));
    }
    return this.act(words, input);
  }

  stop(target, options) {
    return this.actOn('stop', target, options);
  }

  restart(target, options) {
    return this.actOn('restart', target, options);
  }

  reload(target, options) {
    return this.actOn('reload', target, options);
  }

  delete(target, options) {
    return this.actOn('delete', target, options);
  }

  async scale(name, count) {
    await this.program.ask(['scale', ...targetsOf(name).words, String(count)]);
    return this.describe(name);
  }

  reset(target) {
    return this.actOn('reset', target);
  }

  async actOn(verb, target, options) {
    const {words, input} = targetsOf(target);
    return this.act([verb, ...words, ...fileOptions(options)], input);
  }

  // What was acted on, as list() has it; of what is gone, what is known of it.
  async act(words, input) {
    const {done} = await this.program.ask(words, input);
    const listed = new Map((await this.program.list()).map((entry) => [entry.pm_id, entry]));
    const ids = [...new Set(done.map((one) => one.pm_id))];
    return ids.map((id) => {
      const {pid, ...known} = done.find((one) => one.pm_id === id);
      const entry = listed.get(id) || {pid, name: known.name, pm_id: id, monit: {memory: 0, cpu: 0}, pm2_env: {...known, status: 'stopped'}};
      const {namespace, status, restart_time: restarts} = entry.pm2_env;
      return {...entry, namespace, status, restart_time: restarts};
    });
  }

  // --- Looking ---

  async list() {
    return this.program.list();
  }

  // Of a name or an id; empty if there is none.
  async describe(target) {
    const list = await this.program.list();
    return list.filter((one) => target === 'all' || one.name === target || String(one.pm_id) === String(target));
  }

  async getProcessIdByName(name) {
    return (await this.program.list()).filter((one) => one.name === name).map((one) => one.pm_id);
  }

  async getPID(name) {
    return (await this.program.list()).filter((one) => name === undefined || one.name === name).map((one) => one.pid || 0);
  }

  // The variables of an instance.
  async env(id) {
    return (await this.program.ask(['env', ...targetsOf(id).words])).env;
  }

  // --- Talking to apps ---

  async sendSignalToProcessName(signal, name) {
    return this.act(['sendSignal', signalName(signal), ...targetsOf(name).words]);
  }

  async sendSignalToProcessId(signal, id) {
    return this.sendSignalToProcessName(signal, id);
  }

  // The app's `message` handler gets the whole packet. sendDataToProcessId(packet) has the id in it.
  async sendDataToProcessId(id, packet) {
    const data = isObject(id) ? id : {...packet, id};
    if (data.id === undefined || data.data === undefined || data.topic === undefined) {
      throw new PmxError('a packet has id, topic and data', {code: 'invalid_request', exitCode: 2});
    }
    await this.program.ask(['send', ...targetsOf(data.id).words, '--message', '-'], JSON.stringify(data));
    return {success: true, data};
  }

  async sendLineToStdin(id, line, separator = '\n') {
    const packet = isObject(id) ? id : {pm_id: id, line: line + separator};
    await this.program.ask(['send', ...targetsOf(packet.pm_id).words, '--stdin'], packet.line);
    return packet;
  }

  // [{pm_id, name, namespace, json}], or `error` in place of `json`.
  async trigger(target, action, parameter) {
    const words = ['trigger', ...targetsOf(target).words, String(action)];
    if (parameter !== undefined && parameter !== null) words.push(typeof parameter === 'string' ? parameter : JSON.stringify(parameter));
    return (await this.program.ask(words)).answers;
  }

  // --- The event bus ---

  async launchBus() {
    const bus = await openBus(this.program);
    this.buses.add(bus);
    bus.once('close', () => this.buses.delete(bus));
    return bus;
  }

  async disconnectBus() {
    const ends = [...this.buses].map((bus) => new Promise((resolve) => {
      bus.once('close', resolve);
      bus.close();
    }));
    await Promise.all(ends);
  }

  // --- Lists, logs, settings ---

  async dump(force) {
    await this.program.ask(force === false ? ['save'] : ['save', '--force']);
    return {success: true};
  }

  async resurrect() {
    await this.program.ask(['resurrect']);
    return this.program.list();
  }

  async flush(target) {
    await this.program.ask(target === undefined || target === 'all' ? ['flush'] : ['flush', ...targetsOf(target).words]);
    return this.program.list();
  }

  async reloadLogs() {
    await this.program.ask(['reloadLogs']);
    return {success: true};
  }

  // Gives what the command says, as {output}: without root, the line to paste.
  async startup(platform, options = {}) {
    const {output = ''} = await this.program.ask(['startup', ...(platform ? [platform] : []), ...(options.user ? [`-u=${options.user}`] : [])]);
    return {output};
  }

  async unstartup(platform) {
    const {output = ''} = await this.program.ask(['unstartup', ...(platform ? [platform] : [])]);
    return {output};
  }

  async get(key) {
    return this.setting(['get', ...(key === undefined ? [] : [key])]);
  }

  async set(key, value) {
    return this.setting(['set', key, String(value)]);
  }

  async unset(key) {
    return this.setting(['unset', key]);
  }

  async multiset(text) {
    return this.setting(['multiset', text]);
  }

  async setting(words) {
    const {schema, command, ok, exit_code: code, done, warnings, errors, ...answer} = await this.program.ask(words);
    return answer;
  }

  async serve(directory, port, options = {}) {
    const words = ['serve', ...(directory ? [directory] : []), ...(port ? [String(port)] : [])];
    if (options.name) words.push(`--name=${options.name}`);
    if (options.spa) words.push('--spa');
    return this.act(words);
  }
}

// Callbacks: the last argument, if it is a function, gets (error, result) and nothing is returned.
function withCallback(method) {
  return function call(...args) {
    const callback = typeof args[args.length - 1] === 'function' ? args.pop() : undefined;
    const result = (async () => method.apply(this, args))();
    if (!callback) return result;
    // Outside of the promise: what the callback throws is its caller's.
    result.then((value) => setImmediate(callback, null, value), (error) => setImmediate(callback, error));
    return undefined;
  };
}

const inner = new Set(['constructor', 'leaveNothing', 'actOn', 'act', 'setting']);
for (const name of Object.getOwnPropertyNames(Pmx.prototype)) {
  if (!inner.has(name)) Object.defineProperty(Pmx.prototype, name, {value: withCallback(Pmx.prototype[name])});
}
const aliases = {gracefulReload: 'reload', kill: 'killDaemon'};
for (const [name, meant] of Object.entries(aliases)) Object.defineProperty(Pmx.prototype, name, {value: Pmx.prototype[meant]});
// What pmx has not says so in the words of the command line.
for (const name of ['install', 'uninstall', 'inspect', 'profile']) {
  Object.defineProperty(Pmx.prototype, name, {value: withCallback(function missing(...args) {
    return this.program.ask([name === 'profile' ? `profile:${args[0] === 'mem' ? 'mem' : 'cpu'}` : name]);
  })});
}

module.exports = new Pmx();
