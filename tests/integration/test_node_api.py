"""The Node module: pm2's programmatic API and event bus, on each Node version that is there; and `pmx events`, which the bus is made of."""

import json
import os
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import node_versions
import pmxtest
from pmxtest import eventually, testapp

MODULES = os.path.join(os.path.dirname(pmxtest.bin_dir()), "node")
NODES = {"node": "node", **node_versions.installed(os.environ.get("PMX_TEST_NODES", "/nonexistent"))}

# Answers each message; says what it is told to by lines on stdin.
APP = """\
process.on('message', (packet) => {
  if (packet.topic) process.send({type: 'process:answer', data: {got: packet.data, topic: packet.topic}});
  if (packet === 'hello') process.send({type: 'axm:reply', data: {action_name: 'hello', return: {by: Number(process.env.pm_id)}}});
});
require('readline').createInterface({input: process.stdin}).on('line', (line) => {
  if (line === 'say') process.send({plain: 'message', number: 1});
  if (line === 'many') for (let i = 0; i < 20000; i++) process.send({i, text: 'x'.repeat(1000)});
  if (line === 'big') process.send({big: 'y'.repeat(2000000)});
  if (line === 'deep') process.send(JSON.parse('['.repeat(25) + ']'.repeat(25)));
  if (line === 'print') { console.log('printed \\u00e9'); console.error('to stderr'); }
  if (line === 'die') process.exit(3);
});
process.send({type: 'axm:action', data: {action_name: 'hello', action_type: 'custom', arity: 0}});
process.on('SIGUSR2', () => console.log('got SIGUSR2'));
process.send('ready');
setInterval(() => {}, 1000000);
"""

HEAD = """\
const assert = require('assert');
const pm2 = require('pmx');
const call = (name, ...args) => new Promise((resolve, reject) => pm2[name](...args, (error, result) => error ? reject(error) : resolve(result)));
const within = (promise, what) => { let timer; return Promise.race([promise, new Promise((_, reject) => {
  timer = setTimeout(() => reject(new Error('not in time: ' + what)), 20000); })]).finally(() => clearTimeout(timer)); };
const next = (bus, name, wanted = () => true) => within(new Promise((resolve) => bus.on(name, function take(...args) {
  if (wanted(args[args.length - 1])) { bus.removeListener(name, take); resolve(args[args.length - 1]); } })), name);
(async () => {
%s
})().then(() => console.log('all well'), (error) => { console.error(error); process.exitCode = 1; pm2.disconnectBus(); });
"""


class NodeTest(pmxtest.PmxTest):
    def setUp(self):
        super().setUp()
        self.home.file("app.js", APP)
        self.home.env["PATH"] = pmxtest.bin_dir() + os.pathsep + self.home.env["PATH"]

    def node(self, body, node="node", **env):
        """Runs `body`, which may await, in a program that has required the module; it must end by itself."""
        script = self.home.file("script.js", HEAD % body)
        child = subprocess.run([node, script], cwd=self.home.work, env=self.home.environment({"NODE_PATH": MODULES, **env}), timeout=45 * pmxtest.SLOW,
                               stdin=subprocess.DEVNULL, capture_output=True, text=True)
        self.assertEqual((child.returncode, child.stdout), (0, "all well\n"), child.stdout + child.stderr)


class Api(NodeTest):
    def test_every_version_of_node(self):
        for version, node in NODES.items():
            with self.subTest(version):
                self.node("""
  await call('connect');
  const [started] = await call('start', {script: 'app.js', name: 'a', wait_ready: true, env: {SHOWN: 'yes'}});
  assert.strictEqual(started.pm2_env.status, 'online');
  assert.strictEqual(started.pm2_env.SHOWN, 'yes');
  const bus = await call('launchBus');
  const answer = next(bus, 'process:answer');
  const sent = await call('sendDataToProcessId', {id: started.pm_id, type: 'process:msg', topic: true, data: {n: [1, 'two']}});
  assert.deepStrictEqual((await answer).data, {got: {n: [1, 'two']}, topic: true});
  const restarted = next(bus, 'process:event', (event) => event.event === 'restart');
  assert.strictEqual((await call('restart', 'a'))[0].restart_time, 1);
  assert.strictEqual((await restarted).process.name, 'a');
  assert.strictEqual((await call('list')).length, 1);
  await assert.rejects(pm2.describe('a').then(() => pm2.stop('nobody')), {code: 'not_found', exitCode: 3});
  await call('delete', 'a');
  assert.deepStrictEqual(await pm2.list(), []);
  pm2.disconnect();
""", node)

    def test_start_in_every_form(self):
        self.home.json_file("apps.json", {"apps": [{"name": "f1", "script": "app.js", "env_production": {"MODE": "production"}}, {"name": "f2", "script": "app.js"}]})
        self.home.file("ecosystem.config.js", "module.exports = {apps: [{name: 'e', script: 'app.js'}]}")
        self.node("""
  const names = (entries) => entries.map((one) => one.name);
  assert.deepStrictEqual(names(await pm2.start('app.js')), ['app']);
  assert.deepStrictEqual(names(await call('start', 'app.js', {name: 'o', args: ['a b', '-x'], instances: 1})), ['o']);
  assert.deepStrictEqual((await pm2.describe('o'))[0].pm2_env.args, ['a b', '-x']);
  assert.deepStrictEqual(names(await pm2.start([{script: 'app.js', name: 'l1'}, {script: 'app.js', name: 'l2'}])), ['l1', 'l2']);
  assert.deepStrictEqual(names(await pm2.start({apps: [{script: 'app.js', name: 'g'}]})), ['g']);
  assert.deepStrictEqual(names(await pm2.start('apps.json', {env: 'production', only: 'f1'})), ['f1']);
  assert.strictEqual((await pm2.describe('f1'))[0].pm2_env.MODE, 'production');
  assert.deepStrictEqual(names(await pm2.start('ecosystem.config.js')), ['e']);
  assert.deepStrictEqual(names(await pm2.stop('e')), ['e']);
  assert.strictEqual((await pm2.start('e'))[0].status, 'online');
  assert.strictEqual((await pm2.start('sleep 1000', {name: 'command'}))[0].status, 'online');
  const ids = (await pm2.list()).map((one) => one.pm_id);
  assert.deepStrictEqual(names(await pm2.stop(ids.slice(0, 2))), ['app', 'o']);
  assert.strictEqual((await pm2.restart({script: 'app.js', name: 'o'}, {updateEnv: true}))[0].status, 'online');
  assert.deepStrictEqual(names(await pm2.delete(String(ids[1]))), ['o']);
  assert.deepStrictEqual(await pm2.describe('o'), []);
  assert.strictEqual((await pm2.delete('all')).length, 7);
""")

    def test_errors_have_the_words_of_the_command(self):
        said = self.home.fails("start", "missing.js").stderr
        message = next(line for line in said.splitlines() if "[ERROR] " in line).split("] ", 1)[1]
        self.node("""
  const error = await pm2.start('missing.js').then(() => assert.fail('it started'), (failure) => failure);
  assert(error instanceof Error && error instanceof pm2.PmxError);
  assert.strictEqual(error.message, process.env.MESSAGE);
  await assert.rejects(pm2.start({script: 'app.js', instances: 'few'}), (failure) => /instances/.test(failure.message));
  await assert.rejects(pm2.start([{script: 'app.js', name: 'x', wait_redy: 1}]), () => true).catch(() => pm2.delete('x'));
  await assert.rejects(pm2.restart(), {code: 'invalid_request'});
  await assert.rejects(pm2.restart('--watch'), {code: 'invalid_request'});
  await assert.rejects(pm2.sendDataToProcessId(0, {data: 1}), {code: 'invalid_request'});
  await assert.rejects(pm2.install('pm2-logrotate'), (failure) => failure.code === 'usage' && failure.exitCode === 2);
  await assert.rejects(pm2.scale('nobody', 3), {code: 'not_found', exitCode: 3});
  pm2.stop('nobody', (failure, result) => { assert.strictEqual(failure.code, 'not_found'); assert.strictEqual(result, undefined); });
  process.env.PMX_PROGRAM = '/nonexistent/pmx';
  await assert.rejects(pm2.list(), {code: 'unavailable', message: /cannot run \\/nonexistent\\/pmx/});
""", MESSAGE=message)

    def test_talking(self):
        self.node("""
  const [{pm_id: id}] = await pm2.start({script: 'app.js', name: 'talk', wait_ready: true, merge_logs: true});
  const bus = await pm2.launchBus();
  const signalled = next(bus, 'log:out', (event) => event.data === 'got SIGUSR2\\n');
  await pm2.sendSignalToProcessName('SIGUSR2', 'talk');
  assert.strictEqual((await signalled).process.name, 'talk');
  await call('sendSignalToProcessId', require('os').constants.signals.SIGUSR2, id);
  const [answer] = await call('trigger', 'talk', 'hello');
  assert.deepStrictEqual(answer, {pm_id: id, name: 'talk', namespace: 'default', json: {by: id}});
  const printed = next(bus, 'log:err');
  await pm2.sendLineToStdin(id, 'print');
  assert.strictEqual((await printed).data, 'to stderr\\n');
  assert.strictEqual((await pm2.env(id)).pm_id, String(id));
  assert.deepStrictEqual(await pm2.getProcessIdByName('talk'), [id]);
  assert((await pm2.getPID('talk'))[0] > 1);
  assert.strictEqual((await pm2.scale('talk', 3)).length, 3);
  assert.strictEqual((await pm2.reload('talk')).length, 3);
  assert.strictEqual((await pm2.gracefulReload('talk')).length, 3);
  assert.strictEqual((await pm2.reset('talk'))[0].restart_time, 0);
  await pm2.flush('talk');
  await call('flush');
  await call('reloadLogs');
  await call('dump');
  await pm2.delete('all');
  assert.strictEqual((await pm2.resurrect()).length, 3);
  await call('set', 'talk:colour', 'red');
  assert(/red/.test((await pm2.get('talk:colour')).output));
  assert.strictEqual(typeof await call('getVersion'), 'string');
  await call('killDaemon');
  await assert.rejects(pm2.ping(), {code: 'unavailable', exitCode: 7});
  pm2.disconnect();
""")
        self.assertEqual(self.home.daemons(), [])

    def test_secrets_are_in_no_arguments(self):
        """A packet and a line are given to the program on its stdin."""
        self.home.run("start", "app.js", "--name", "app", "--wait-ready")
        self.node("""
  const {spawn} = require('child_process');
  const seen = [];
  require('child_process').spawn = (...args) => { seen.push(args[1].join(' ')); return spawn(...args); };
  delete require.cache[require.resolve('pmx')];
  for (const key of Object.keys(require.cache)) delete require.cache[key];
  const fresh = require('pmx');
  await fresh.sendDataToProcessId(0, {topic: 't', data: 'canary'});
  await fresh.sendLineToStdin(0, 'canary');
  assert(seen.length === 2 && !seen.some((words) => words.includes('canary')), String(seen));
""")

    def test_homes_of_ones_own(self):
        self.node("""
  const fs = require('fs');
  const other = new pm2.custom({pm2_home: process.env.OTHER});
  await other.connect();
  await other.start({script: 'app.js', name: 'there'});
  assert.deepStrictEqual((await pm2.list()).length, 0);
  await other.killDaemon();
  const mine = new pm2.custom({independent: true});
  await mine.connect();
  const [started] = await mine.start({script: 'app.js', name: 'short'});
  const home = mine.program.home;
  assert(fs.existsSync(home));
  await mine.disconnect();
  assert(!fs.existsSync(home));
  assert.throws(() => process.kill(started.pid, 0));
""", OTHER=os.path.join(self.home.root, "o"))

    def test_no_daemon_ends_with_the_program(self):
        self.node("await pm2.connect(true); await pm2.start({script: 'app.js', name: 'a'});")
        eventually(lambda: not self.home.living())
        self.home.run("start", "app.js", "--name", "stays")
        self.node("await pm2.connect(true); await pm2.restart('stays');")
        self.assertEqual(self.home.one("stays")["pm2_env"]["status"], "online")

    def test_import(self):
        os.makedirs(os.path.join(self.home.work, "node_modules"))
        os.symlink(os.path.join(MODULES, "pmx"), os.path.join(self.home.work, "node_modules", "pmx"))
        script = self.home.file("door.mjs", "import pm2, {custom} from 'pmx';\nconsole.log((await pm2.list()).length, typeof custom);\n")
        done = subprocess.run(["node", script], cwd=self.home.work, env=self.home.environment(), capture_output=True, text=True, timeout=60)
        self.assertEqual(done.stdout, "0 function\n", done.stderr)


class Bus(NodeTest):
    def listen(self, *words):
        """`pmx events`, and what it has printed until now."""
        path = os.path.join(self.home.work, "seen")

        def seen():
            with open(path) as file:
                return file.read()

        with open(path, "wb") as file:
            return self.home.popen("events", *words, stdout=file), seen

    def test_events(self):
        self.node("""
  const bus = await pm2.launchBus();
  const seen = [];
  bus.on('process:event', ({event, manually, reason, process: {name, status, exit_code: code}}) => seen.push([event, manually, name, status, code]));
  const parts = [];
  bus.on('log:*', (stream, event) => parts.push(stream));
  const all = [];
  bus.on('*', (name, event) => all.push(name));
  const [{pm_id: id}] = await pm2.start({script: 'app.js', name: 'a', wait_ready: true});
  let told = next(bus, 'process:msg', (event) => event.raw.plain);
  await pm2.sendLineToStdin(id, 'say');
  const {at, raw, process: {pm_id, name, namespace}} = await told;
  assert(Math.abs(at - Date.now()) < 60000);
  assert.deepStrictEqual([raw, pm_id, name, namespace], [{plain: 'message', number: 1}, id, 'a', 'default']);
  told = next(bus, 'log:out');
  await pm2.sendLineToStdin(id, 'print');
  assert.strictEqual((await told).data, 'printed \\u00e9\\n');
  told = next(bus, 'process:event', (event) => event.event === 'online');
  await pm2.sendLineToStdin(id, 'die');
  assert.match((await told).reason, /3/);
  told = next(bus, 'process:event', (event) => event.event === 'stop');
  await pm2.stop('a');
  await told;
  told = next(bus, 'process:event', (event) => event.event === 'delete');
  await pm2.delete('a');
  await told;
  assert.deepStrictEqual(seen.map(([event]) => event), ['online', 'start', 'exit', 'online', 'exit', 'stop', 'delete']);
  assert.deepStrictEqual(seen[2], ['exit', false, 'a', 'stopped', 3]);
  assert.deepStrictEqual(seen[5].slice(0, 4), ['stop', true, 'a', 'stopped']);
  assert(parts.includes('out') && all.includes('process:msg') && all.includes('axm:action'));
  told = next(bus, 'pm2:kill');
  await pm2.killDaemon();
  await told;
  bus.close();
""")

    def test_reload_of_workers(self):
        self.home.file("server.js", "require('http').createServer((_, answer) => answer.end()).listen(process.env.PORT);")
        self.node("""
  await pm2.start({script: 'server.js', name: 'web', instances: 2});
  const bus = await pm2.launchBus();
  const seen = [];
  bus.on('process:event', (event) => seen.push(event));
  await pm2.reload('web');
  while (seen.filter((one) => one.event === 'reload').length < 2) await next(bus, 'process:event');
  const of = (id) => seen.filter((one) => one.process.pm_id === id).map((one) => one.event);
  for (const id of [0, 1]) assert.deepStrictEqual(of(id), ['online', 'exit', 'reload']);
  assert(seen.every((one) => one.process.status === 'online'), JSON.stringify(seen));
  bus.close();
""", PORT=pmxtest.free_port())

    def test_the_daemon_may_die(self):
        self.home.run("start", "app.js", "--name", "a", "--wait-ready")
        self.node("""
  const bus = await pm2.launchBus();
  const lost = next(bus, 'bus:lost');
  const again = next(bus, 'bus:ready');
  process.kill((await pm2.ping()).daemon_pid, 'SIGKILL');
  await lost;
  await again;
  const told = next(bus, 'process:msg');
  await pm2.sendLineToStdin(0, 'say');
  assert.deepStrictEqual((await told).raw, {plain: 'message', number: 1});
  bus.close();
""")

    def test_who_does_not_read_is_told_what_he_missed(self):
        self.home.run("start", "app.js", "--name", "a", "--wait-ready")
        listening = self.home.popen("events", "--json", stdout=subprocess.PIPE)
        self.assertEqual(json.loads(listening.stdout.readline()), {"type": "bus:ready"})
        for _ in range(3):  # 60 MB
            self.home.run("send", "0", "many")
        self.home.run("send", "0", "print")
        eventually(lambda: b"printed" in self.home.log("a-out.log"), 60)
        with open(f"/proc/{self.home.daemon_pid}/status") as status:
            memory = next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
        self.assertLess(memory, 80000 * pmxtest.SLOW)
        self.home.run("send", "0", "say")
        got = missed = 0
        for line in listening.stdout:
            event = json.loads(line)
            if event["type"] == "bus:missed":
                missed += event["count"]
            elif event["type"] == "process:msg" and "plain" in event["raw"]:
                break
            elif event["type"] == "process:msg":
                got += 1
        self.assertEqual(got + missed, 60000)
        self.assertGreater(missed, 0)
        listening.terminate()
        self.assertEqual(listening.wait(10), 0)
        listening.stdout.close()

    def test_strange_messages(self):
        self.home.run("start", "app.js", "--name", "a", "--wait-ready")
        listening, seen = self.listen("a", "--json")
        eventually(lambda: '{"type":"bus:ready"}\n' in seen())
        for word in ("big", "deep", "say"):
            self.home.run("send", "0", word)
        eventually(lambda: '"raw":{"plain":"message","number":1}}\n' in seen())
        _, big, deep, _ = seen().splitlines()
        self.assertEqual((json.loads(big)["type"], json.loads(big)["count"]), ("bus:missed", 1))
        self.assertIn("more than 1048576", big)
        self.assertIn('"raw":' + "[" * 25, deep)
        listening.terminate()
        self.assertEqual(listening.wait(10), 0)

    def test_for_people(self):
        self.home.run("start", "app.js", "--name", "a", "--wait-ready")
        self.home.run("start", testapp(), "--name", "other", "--", "sleep")
        listening, seen = self.listen("a", "--logs")

        def asked():
            self.home.run("send", "0", "say")
            return 'a sent {"plain":"message","number":1}' in seen()

        eventually(asked, what="a message is shown")
        self.home.run("send", "0", "print")
        eventually(lambda: "0|a  | printed" in seen())
        self.home.run("restart", "other")
        self.home.run("stop", "a")
        eventually(lambda: "0|a stop: " in seen())
        self.assertNotIn("other", seen())
        listening.send_signal(signal.SIGINT)
        self.assertEqual(listening.wait(10), 0)
        self.home.fails("events", "nobody", code=3)

    def test_nothing_is_kept_for_nobody(self):
        """Without a listener, messages cost nothing; with the reader gone, the program ends."""
        self.home.run("start", "app.js", "--name", "a", "--wait-ready")
        listening = self.home.popen("events", "--json", stdout=subprocess.PIPE)
        listening.stdout.readline()
        listening.stdout.close()
        self.home.run("send", "0", "say")
        self.assertEqual(listening.wait(10), 0)


if __name__ == "__main__":
    pmxtest.main()
