"""What goes wrong easily between a primary that is not Node and Node's cluster workers, each with the test that holds it:

    pitfall                                                    test
 1  backlog 0 or false means 511                               unit/node_frames_test "queryServer fields"
 2  sockets for workers are non-blocking and close-on-exec     Descriptors.test_flags
 3  a blank or broken line ends a worker                       unit/node_frames_test "what may be sent to a worker"; from the worker: Channel.test_rubbish
 4  an answer to a handle that was not sent ends a worker      component/node_primary_test "a message that only looks like a handle"; Channel.test_looks_like_a_handle
 5  TLS ticket keys go back in every reply                     test_node_versions.test_tls_tickets_are_shared, component/node_primary_test "TLS"
 6  listen({fd}) names a descriptor of the primary             OwnBind.test_listen_fd, component/node_primary_test "listen({fd})"
 7  exclusive and reusePort bypass the primary                 OwnBind.test_exclusive, test_exclusive_port_0, test_reuse_port
 8  a worker with a channel never ends by itself               Lifetime.test_finished_job
 9  exit code 0 for want of the channel is no clean stop       Lifetime.test_channel_lost
10  no process has another worker's channel                    Descriptors.test_channels_are_private, Lifetime.test_channel_lost
11  --inspect needs a port for each worker                     test_cluster.Start.test_inspector_ports
12  a worker of jobs never listens                             Lifetime.test_never_listens
13  "listening" comes for each server                          Servers.test_ready_with_the_first, test_balance.Ports.test_several_servers_and_port_0
14  frames for a worker that does not read                     component/node_channel_test "the outgoing queue is bounded"
15  messages of any size and depth                             Channel.test_huge_message, unit/node_frames_test "garbage is Unknown"
16  the pid may be a wrapper's                                 Lifetime.test_behind_a_wrapper

And servers of other kinds: ES modules, TypeScript, HTTP/2."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import node_versions
import pmxtest
from pmxtest import Load, eventually, get_json

NODES = node_versions.installed(os.environ.get("PMX_TEST_NODES", ""))
NEWEST = NODES.get("24.21.0")

# "http" serves on PORT, with options for listen().
SERVER = """
    const http = require('http');
    const serve = (options, port = process.env.PORT) => {
      const server = http.createServer((request, response) => response.end(JSON.stringify({pid: process.pid})));
      return server.listen({port: Number(port), host: '127.0.0.1', ...options});
    };
"""


def inode(target):
    """Of what /proc/PID/fd/N names, if it is a socket."""
    found = re.fullmatch(r"socket:\[(\d+)\]", target)
    return int(found.group(1)) if found else None


def sockets(pid):
    """{descriptor: inode} of a process' sockets."""
    found = {}
    for number in os.listdir(f"/proc/{pid}/fd"):
        number_of = inode(os.readlink(f"/proc/{pid}/fd/{number}"))
        if number_of:
            found[int(number)] = number_of
    return found


def table(name):
    """Inodes in one of the kernel's lists of sockets."""
    column = {"unix": 6, "tcp": 9}[name]
    with open(f"/proc/net/{name}", errors="replace") as file:
        return {int(line.split()[column]) for line in list(file)[1:]}


class Case(pmxtest.PmxTest):
    def setUp(self):
        super().setUp()
        self.port = pmxtest.free_port()

    def start(self, text, *args, instances=2, name="app.js", node=None, online=True, **env):
        script = self.home.file(name, text)
        if "--listen-timeout" not in args:
            args = ("--listen-timeout", "20000", *args)
        if node:
            args = ("--interpreter", node, *args)
        result = self.home.run("start", script, "--name", "web", "-i", instances, *args, env={"PORT": self.port, **env}, timeout=60, check=None)
        if online:
            self.assertEqual(result.code, 0, result)
            self.home.wait_status("web", "online", 20, count=instances)
        return result

    def all_answer(self, port=None):
        pids = set(self.home.pids("web"))
        with Load(port or self.port, threads=8) as load:
            eventually(lambda: load.seen() == pids, 20, f"answers of {pids} ({load})")
        self.assertEqual(load.failed, 0, load)

    def errors(self):
        return b"".join(self.home.log(f"web-error-{entry['pm_id']}.log") for entry in self.home.instances("web")).decode()

    def restarts(self):
        return [entry["pm2_env"]["restart_time"] for entry in self.home.instances("web")]

    def reason(self, number=0):
        return self.home.instances("web")[number]["pm2_env"]["reason"]

    def reload_loses_nothing(self):
        before = set(self.home.pids("web"))
        with Load(self.port, threads=8) as load:
            load.wait_ok(20)
            self.home.run("reload", "web", timeout=60)
            load.wait_ok(20)
        self.assertEqual(load.failed, 0, load)
        self.assertFalse(before & set(self.home.pids("web")))


class Channel(Case):
    def test_rubbish(self):
        """What the app writes on the channel's descriptor itself harms only its own message."""
        self.start(SERVER + """
            const fs = require('fs');
            for (const rubbish of ['\\n', '\\n\\n \\n', 'not JSON\\n', '{"cmd":\\n', '\\0\\n', '{"cmd":"NODE_CLUSTER"}\\n', '{"cmd":"NODE_CLUSTER","act":"queryServer"}\\n',
                                   '[' + '['.repeat(5000) + '\\n', 'null\\n']) fs.writeSync(3, rubbish);
            fs.writeSync(3, Buffer.from([0xff, 0xfe, 0x0a, 0xef, 0xbb, 0xbf, 0x31, 0x0a]));
            serve();
        """)
        self.all_answer()
        self.reload_loses_nothing()

    def test_looks_like_a_handle(self):
        self.start(SERVER + """
            process.send({cmd: 'NODE_HANDLE'});
            process.send({cmd: 'NODE_HANDLE', type: 'net.Native', msg: {cmd: 'NODE_CLUSTER', act: 'online'}});
            serve();
        """)
        self.all_answer()
        self.assertEqual(self.restarts(), [0, 0], self.errors())

    def test_socket_sent_to_the_primary(self):
        """Nobody is there to take it: closed, and said."""
        self.start(SERVER + """
            serve();
            require('net').createServer(connection => process.send('yours', connection)).listen(Number(process.env.SECOND), '127.0.0.1');
        """, instances=1, SECOND=(second := pmxtest.free_port()))
        for _ in range(3):
            with socket.create_connection(("127.0.0.1", second), 10) as client:
                self.assertEqual(client.recv(1), b"")
        said = "it sent a socket by process.send(): pmx takes none and closed it"
        self.assertIn(said, self.reason())
        self.assertIn(said, self.home.run("show", "web").stdout)
        self.assertEqual(self.home.daemon_log().count("by process.send()"), 1)
        self.all_answer()

    def test_huge_message(self):
        """What is longer than the bound is thrown away, which is said; what comes after it arrives."""
        self.start(SERVER + """
            process.send('x'.repeat(9 << 20));
            process.send(JSON.parse('['.repeat(500) + ']'.repeat(500)));
            serve();
        """)
        pmxtest.wait_http(self.port, seconds=60)
        self.all_answer()
        self.assertEqual(self.home.daemon_log().count("it sent a message of more than 8 MiB by process.send()"), 2)
        self.reload_loses_nothing()


class Descriptors(Case):
    def flags(self, pid, state):
        """Flags of a process' descriptors that are TCP sockets of our port in that state of the kernel's."""
        with open("/proc/net/tcp") as file:
            rows = [line.split() for line in list(file)[1:]]
        ours = {int(row[9]) for row in rows if row[1].endswith(f":{self.port:04X}") and row[3] == state}
        found = []
        for number, inode in sockets(pid).items():
            if inode in ours:
                with open(f"/proc/{pid}/fdinfo/{number}") as file:
                    found.append(int(re.search(r"flags:\s*([0-7]+)", file.read()).group(1), 8))
        return found

    def test_flags(self):
        for balance in ("slots", "shared", "rr"):
            with self.subTest(balance=balance):
                self.start(SERVER + "serve();", "--balance", balance)
                with socket.create_connection(("127.0.0.1", self.port), 10):
                    holders = [pid for pid in self.home.pids("web") if eventually(lambda: self.accepted(), 10) == pid]
                    flags = [flag for pid in holders for flag in self.flags(pid, "01")]
                    self.assertEqual(len(flags), 1)
                    for pid in self.home.pids("web"):
                        listening = self.flags(pid, "0A")
                        self.assertEqual(len(listening), 0 if balance == "rr" else 1)
                        flags += listening
                self.assertTrue(all(flag & os.O_NONBLOCK and flag & os.O_CLOEXEC for flag in flags), [oct(flag) for flag in flags])
                self.home.run("delete", "web")

    def accepted(self):
        """The worker that has a connection."""
        return next((pid for pid in self.home.pids("web") if self.flags(pid, "01")), None)

    def test_channels_are_private(self):
        """Each worker has its own channel and no other's; what it starts has none, nor a listening socket."""
        self.start(SERVER + """
            serve();
            require('child_process').spawn('sleep', ['1000'], {stdio: 'ignore'});
        """, instances=3)
        self.home.run("reload", "web", timeout=60)
        pids = self.home.pids("web")
        unix = table("unix")
        channels = [[number for number in sockets(pid).values() if number in unix] for pid in pids]
        self.assertEqual([len(channel) for channel in channels], [1] * 3)
        self.assertEqual(len({channel[0] for channel in channels}), 3)
        self.assertEqual(len({number for pid in pids for number in sockets(pid).values() if number not in unix}), 3)
        for pid in pids:
            child = eventually(lambda: [child for child, _ in pmxtest.children_of(pid) if "sleep" in pmxtest.command_line(child)], 10, f"child of {pid}")
            self.assertEqual(sockets(child[0]), {})


class OwnBind(Case):
    """Servers that bind without asking: as with Node's own primary, and nothing hangs."""

    def test_listen_fd(self):
        self.start(SERVER + "serve({fd: 9, port: undefined, host: undefined});", "--max-restarts", 2, instances=1, online=False)
        self.home.wait_status("web", "errored", 20)
        self.assertIn("EINVAL", self.errors())
        self.assertIn("listen({fd}) in cluster mode means a descriptor of the primary", self.reason())

    def test_exclusive(self):
        server = SERVER + "serve({exclusive: true}).on('listening', () => process.send('ready'));"
        self.start(server, "--max-restarts", 2, "--wait-ready", online=False)
        eventually(lambda: sorted(self.home.statuses("web")) == ["errored", "online"], 20, "one has the port, one does not get it")
        self.assertIn("EADDRINUSE", self.errors())
        alive = [entry["pid"] for entry in self.home.instances("web") if entry["pid"]]
        self.assertEqual([get_json(self.port)["pid"]], alive)
        self.home.run("delete", "web")
        # A second process cannot have it beside the first: a reload keeps the old one and says why.
        self.start(server, "--wait-ready", instances=1)
        before = self.home.pids("web")
        with Load(self.port, threads=4) as load:
            load.wait_ok(20)
            self.assertIn("EADDRINUSE", self.home.fails("reload", "web", timeout=60).stderr)
            load.wait_ok(20)
        self.assertEqual(load.failed, 0, load)
        self.assertEqual(self.home.pids("web"), before)

    def test_exclusive_port_0(self):
        self.start(SERVER + "const server = serve({exclusive: true, port: 0}); server.on('listening', () => console.log(server.address().port));",
                   "--listen-timeout", 500)
        ports = {int(eventually(lambda: self.home.log(f"web-out-{i}.log"), 10, "a port")) for i in (0, 1)}
        self.assertEqual(len(ports), 2)
        self.assertEqual({get_json(port)["pid"] for port in ports}, set(self.home.pids("web")))

    @unittest.skipUnless(NEWEST, "reusePort needs Node 23.1 or 22.12, and 24 is not in PMX_TEST_NODES")
    def test_reuse_port(self):
        """Each binds its own socket; the kernel spreads. A reload works, but what waits in the old one's queue is cut, unless pmx
        may put its own sockets in their place."""
        self.start(SERVER + "serve({reusePort: true}).on('listening', () => process.send('ready'));", "--wait-ready", node=NEWEST)
        self.all_answer()
        before = set(self.home.pids("web"))
        with Load(self.port, threads=8) as load:
            for _ in range(3):
                load.wait_ok(20)
                self.home.run("reload", "web", timeout=60)
            load.wait_ok(20)
        print(f"figure: reusePort, 6 replacements under load: {load}", file=sys.stderr)
        self.assertFalse(before & set(self.home.pids("web")))
        self.assertLessEqual(set(load.failures), {"reset", "eof"}, load)
        self.all_answer()
        self.home.run("delete", "web")
        self.start(SERVER + "serve({reusePort: true});", "--bind-via", "preload", node=NEWEST)
        self.all_answer()
        self.reload_loses_nothing()


class Lifetime(Case):
    def test_finished_job(self):
        """With a channel Node does not end by itself: as under pm2, such a job belongs in fork mode."""
        job = "console.log('done');"
        self.start(job, "--listen-timeout", 300, instances=1)
        eventually(lambda: self.home.log("web-out.log") == b"done\n" or self.home.log("web-out-0.log") == b"done\n", 10, "its line")
        self.assertTrue(pmxtest.process_alive(self.home.pids("web")[0]))
        self.home.run("stop", "web")
        self.home.run("start", self.home.file("job.js", job), "--name", "fork", "--no-autorestart")
        entry = self.home.wait_status("fork", "stopped")[0]
        self.assertEqual(entry["pm2_env"]["exit_code"], 0)

    def test_channel_lost(self):
        """Keeper and daemon killed: nobody else holds a channel, so all workers end, with code 0, which is no wish of theirs."""
        self.start(SERVER + "serve();", "--stop-exit-codes", 0, instances=3)
        before = self.home.pids("web")
        self.home.crash()
        eventually(lambda: not any(pmxtest.process_alive(pid) for pid in before), 10, "end of all workers")
        self.home.run("list")
        self.home.wait_status("web", "online", 20, count=3)
        self.all_answer()

    def test_asks_to_leave(self):
        """A successor comes. worker.disconnect() finishes what runs, worker.kill() cuts it: at most one request of each client."""
        self.start(SERVER + """
            const {worker} = require('cluster');
            serve();
            process.on('SIGUSR2', () => worker.disconnect()).on('SIGHUP', () => worker.kill());
        """)
        for count, number in enumerate((signal.SIGUSR2, signal.SIGHUP), 1):
            leaver = self.home.instances("web")[0]["pid"]
            with Load(self.port, threads=8) as load:
                load.wait_ok(50)
                os.kill(leaver, number)
                eventually(lambda: self.restarts() == [count, 0], 20, f"a successor of {leaver}")
                self.home.wait_status("web", "online", 20, count=2)
                load.wait_ok(50)
            self.assertLessEqual(load.failed, 8 if number == signal.SIGHUP else 0, load)
            self.assertLessEqual(set(load.failures), {"reset", "eof"}, load)
            self.assertEqual(self.home.instances("web")[0]["pm2_env"]["exit_code"], 0)
            self.all_answer()

    def test_never_listens(self):
        self.start("console.log('working'); setInterval(() => {}, 1000);", "--listen-timeout", 300)
        before = set(self.home.pids("web"))
        self.home.run("reload", "web", timeout=60)
        self.home.wait_status("web", "online", count=2)
        self.assertFalse(before & set(self.home.pids("web")))

    def test_behind_a_wrapper(self):
        wrapper = self.home.file("bin/node", f"#!/bin/sh\n{shutil.which('node')} \"$@\"\nexit $?\n", mode=0o755)
        self.start(SERVER + "serve();", node=wrapper)
        wrappers = set(self.home.pids("web"))
        with Load(self.port, threads=8) as load:
            eventually(lambda: len(load.seen()) == 2, 20, f"answers of both ({load})")
            workers = load.seen()
            self.assertEqual({pmxtest.parent_of(pid) for pid in workers}, wrappers)
            self.home.run("reload", "web", timeout=60)
            load.forget()
            load.wait_ok(50)
            self.assertFalse(load.seen() & workers)
        self.assertEqual(load.failed, 0, load)
        workers = load.seen()
        self.home.run("stop", "web")
        self.assertFalse([pid for pid in workers if pmxtest.process_alive(pid)])


class Servers(Case):
    def test_ready_with_the_first(self):
        second = pmxtest.free_port()
        gate = os.path.join(self.home.work, "gate")
        self.start(SERVER + """
            serve();
            const wait = setInterval(() => {
              if (!require('fs').existsSync(process.env.GATE)) return;
              clearInterval(wait);
              serve({}, process.env.SECOND);
            }, 20);
        """, SECOND=second, GATE=gate)
        with self.assertRaises(ConnectionRefusedError):
            pmxtest.http_get(second)
        self.all_answer()
        open(gate, "w").close()
        pmxtest.wait_http(second)
        self.all_answer(second)

    def test_es_module(self):
        self.start("""
            import http from 'node:http';
            import { setTimeout as wait } from 'node:timers/promises';
            await wait(1);
            http.createServer((request, response) => response.end(JSON.stringify({pid: process.pid}))).listen(Number(process.env.PORT), '127.0.0.1');
        """, name="app.mjs")
        self.all_answer()
        self.reload_loses_nothing()

    def test_typescript(self):
        if not NEWEST:
            self.skipTest("Node 24, which runs TypeScript, is not in PMX_TEST_NODES")
        for version in ("22.23.3", "24.21.0"):
            if version not in NODES:
                print(f"not tested: TypeScript with Node {version}", file=sys.stderr)
                continue
            # Found on PATH, as at home, not by --interpreter.
            with self.subTest(node=version):
                self.start("""
                    import http from 'node:http';
                    interface Answer { pid: number }
                    const answer: Answer = {pid: process.pid};
                    http.createServer((request, response) => response.end(JSON.stringify(answer))).listen(Number(process.env.PORT), '127.0.0.1');
                """, name="app.ts", PATH=os.path.dirname(NODES[version]) + ":" + pmxtest.PATH)
                self.assertEqual(self.home.instances("web")[0]["pm2_env"]["exec_mode"], "cluster_mode")
                self.all_answer()
                self.reload_loses_nothing()
                self.home.run("delete", "web")

    def test_http2(self):
        """Shared by all workers; the stream that runs while its worker is replaced is finished."""
        self.start("""
            require('http2').createServer((request, response) => {
              setTimeout(() => response.end(String(process.pid)), Number(request.headers.delay || 0));
            }).listen(Number(process.env.PORT), '127.0.0.1');
        """)
        client = self.home.file("client.js", """
            const {connect} = require('http2');
            const ask = delay => new Promise((resolve, reject) => {
              const session = connect('http://127.0.0.1:' + process.env.PORT).on('error', reject);
              const stream = session.request({delay}).on('error', reject).setEncoding('utf8');
              let body = '';
              stream.on('data', data => body += data).on('end', () => session.close(() => resolve(body)));
            });
            (async () => {
              const slow = [1, 2, 3, 4].map(() => ask(3000));
              const pids = new Set();
              while (pids.size < 2) pids.add(await ask(0));
              console.log('both');
              console.log(JSON.stringify([[...pids].sort(), [...new Set(await Promise.all(slow))].sort()]));
            })();
        """)
        before = sorted(map(str, self.home.pids("web")))
        child = subprocess.Popen(["node", client], env=self.home.environment({"PORT": self.port, "PMX_HOME": None}), stdout=subprocess.PIPE, text=True)
        try:
            self.assertEqual(child.stdout.readline(), "both\n")
            self.home.run("reload", "web", timeout=60)
            pids, slow = json.loads(child.communicate(timeout=30 * pmxtest.SLOW)[0])
            self.assertEqual(pids, before)
            self.assertLessEqual(set(slow), set(before))
            self.assertTrue(slow)
        finally:
            child.kill()
            child.wait()


if __name__ == "__main__":
    pmxtest.main()
