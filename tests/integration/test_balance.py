"""How connections find a worker: the policies slots, shared and rr, and what happens to connections whose worker goes."""

import json
import os
import random
import resource
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import pmxtest
from pmxtest import Load, eventually, fixture, get_json

POLICIES = ("slots", "shared", "rr")


class Balance(pmxtest.PmxTest):
    def start(self, balance, instances=2, script="spread.js", **env):
        self.port = pmxtest.free_port()
        self.home.run("start", fixture(script), "--name", balance, "-i", instances, "--balance", balance, "--listen-timeout", "20000",
                      env={"PORT": self.port, "HOST": "127.0.0.1", **env}, timeout=60)
        self.home.wait_status(balance, "online", 20, count=instances)

    def ask(self, count, at_once=True, timeout=30):
        """`count` requests, each on its own connection and all open at the same time: Counter of pids."""
        with ThreadPoolExecutor(count) as pool:
            answers = []
            for _ in range(count):
                answers.append(pool.submit(get_json, self.port, timeout=timeout))
                if not at_once:
                    time.sleep(0.01)  # arrivals, not a wait for anything
            return Counter(answer.result()["pid"] for answer in answers)

    def sockets(self, name):
        with self.home.rpc() as rpc:
            reply = rpc.call("list", {"target": name, "detail": True})
        return reply["result"]["instances"][0]["detail"]["sockets"]


class Policies(Balance):
    def test_each_serves_and_says_so(self):
        for policy in POLICIES:
            with self.subTest(policy=policy):
                self.start(policy)
                with Load(self.port, threads=8) as load:
                    eventually(lambda: load.seen() == set(self.home.pids(policy)), 20, f"answers of both ({load})")
                self.assertEqual(load.failed, 0, load)
                self.assertEqual(self.sockets(policy), [f"tcp 127.0.0.1:{self.port}, {policy}"])
                self.assertIn(policy, self.home.run("show", policy).stdout)

    def test_slots_is_the_default(self):
        port = pmxtest.free_port()
        self.home.run("start", fixture("spread.js"), "--name", "web", "-i", 2, env={"PORT": port, "HOST": "127.0.0.1"})
        self.assertEqual(self.sockets("web"), [f"tcp 127.0.0.1:{port}, slots"])

    def test_spread_of_slow_arrivals(self):
        for policy in POLICIES:
            with self.subTest(policy=policy):
                self.start(policy, 4, SLOW="150")
                spread = sorted(self.ask(64, at_once=False).values(), reverse=True)
                print(f"figure: 64 slow arrivals over 4 workers, {policy}: {spread}", file=sys.stderr)
                if policy == "rr" or (policy == "slots" and pmxtest.may_load_bpf()):
                    self.assertEqual(spread, [16] * 4)
                elif policy == "slots":
                    self.assertEqual(len(spread), 4)
                self.home.run("delete", policy)

    def test_reload_under_load(self):
        for policy in POLICIES:
            for keep_alive in (False, True):
                with self.subTest(policy=policy, keep_alive=keep_alive):
                    self.start(policy, 3, SLOW="5")
                    with Load(self.port, threads=24, keep_alive=keep_alive) as load:
                        load.wait_ok(50)
                        for _ in range(3):
                            before = set(self.home.pids(policy))
                            self.home.run("reload", policy, timeout=60)
                            self.assertFalse(before & set(self.home.pids(policy)))
                            load.wait_ok(50)
                    self.assertEqual(load.failed, 0, load)
                    self.home.run("delete", policy)

    def test_daemon_killed_in_a_reload(self):
        """At any moment of it. With rr the daemon itself holds connections that it has accepted and not handed out yet: these are lost."""
        rounds = int(os.environ.get("PMX_TEST_ROUNDS", "5"))
        chance = random.Random(20)
        for policy in POLICIES:
            with self.subTest(policy=policy):
                self.start(policy, 2, SLOW="5")
                ids = [entry["pm_id"] for entry in self.home.instances(policy)]
                with Load(self.port, threads=16) as load:
                    load.wait_ok(30)
                    for _ in range(rounds):
                        reload = self.home.popen("reload", policy, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
                        load.wait_ok(chance.randrange(600))
                        os.kill(self.home.daemon_pid, signal.SIGKILL)
                        reload.communicate()
                        self.home.wait_status(policy, "online", 20, count=2)
                        self.assertEqual([entry["pm_id"] for entry in self.home.instances(policy)], ids)
                        load.wait_ok(30)
                print(f"figure: daemon killed in {rounds} reloads, {policy}: {load.ok} ok, failed {load.failures or 0}", file=sys.stderr)
                if policy != "rr":
                    self.assertEqual(load.failed, 0, load)
                self.home.run("delete", policy)

    def test_unix_and_udp_are_shared(self):
        script = self.home.file("both.js", """
            const path = process.env.SOCKET_PATH;
            require('http').createServer((q, s) => s.end(JSON.stringify({pid: process.pid}))).listen(path);
            const udp = require('dgram').createSocket('udp4');
            udp.on('message', (m, from) => udp.send(String(process.pid), from.port, from.address));
            udp.bind(Number(process.env.PORT), '127.0.0.1');
        """)
        path, port = os.path.join(self.home.path, "s.sock"), pmxtest.free_port()
        self.home.run("start", script, "--name", "both", "-i", 2, env={"SOCKET_PATH": path, "PORT": port})
        eventually(lambda: len(self.sockets("both")) == 2, 10, "both sockets")
        self.assertEqual(sorted(self.sockets("both")), [f"udp 127.0.0.1:{port}, shared", f"unix {path}, shared"])
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(10)
            client.sendto(b"?", ("127.0.0.1", port))
            self.assertIn(int(client.recv(100)), self.home.pids("both"))


class Ports(Balance):
    def test_held_by_a_stranger(self):
        """Also by one that would share it: it must not get a part of our connections, nor we of its."""
        for reuse in (False, True):
            for policy in POLICIES:
                with self.subTest(policy=policy, reuse=reuse), socket.socket() as stranger:
                    if reuse:
                        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
                    stranger.bind(("127.0.0.1", 0))
                    stranger.listen()
                    port = stranger.getsockname()[1]
                    self.home.run("start", fixture("spread.js"), "--name", policy, "-i", 2, "--balance", policy, "--max-restarts", 1,
                                  env={"PORT": port, "HOST": "127.0.0.1"}, check=None)
                    self.home.wait_status(policy, "errored", 30, count=2)
                    reason = self.home.instances(policy)[0]["pm2_env"]["reason"]
                    self.assertIn(f"port {port} is held by process {os.getpid()}: ", reason)
                    self.assertIn("EADDRINUSE", self.home.log(f"{policy}-error-{self.home.instances(policy)[0]['pm_id']}.log").decode())
                    self.home.run("delete", policy)

    def test_stranger_who_comes_later_shifts_nothing(self):
        self.start("slots", 2)
        with socket.socket() as stranger:
            stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            stranger.bind(("127.0.0.1", self.port))
            stranger.listen()
            self.home.run("scale", "slots", "4", timeout=60)
            self.home.wait_status("slots", "online", 20, count=4)
            with Load(self.port, threads=8) as load:
                load.wait_ok(200)
            self.assertEqual(load.failed, 0, load)
            stranger.setblocking(False)
            with self.assertRaises(BlockingIOError):
                stranger.accept()
        self.assertIn("another process listens there", self.sockets("slots")[0])

    def test_dual_stack_and_ipv6_only(self):
        self.start("slots", 2, HOST="::")
        for host in ("127.0.0.1", "::1"):
            self.assertEqual(pmxtest.http_get(self.port, host=host)[0], 200)
        self.home.run("delete", "slots")
        self.start("slots", 2, HOST="::", ONLY6="1")
        self.assertEqual(pmxtest.http_get(self.port, host="::1")[0], 200)
        with self.assertRaises(ConnectionRefusedError):
            pmxtest.http_get(self.port, host="127.0.0.1")

    def test_several_servers_and_port_0(self):
        script = self.home.file("many.js", """
            const http = require('http');
            const answer = (q, s) => s.end(JSON.stringify({pid: process.pid}));
            const fixed = http.createServer(answer).listen(Number(process.env.PORT), '127.0.0.1');
            const first = http.createServer(answer).listen(0, '127.0.0.1');
            const second = http.createServer(answer).listen(0, '127.0.0.1', () =>
              console.log(JSON.stringify([first.address().port, second.address().port])));
        """)
        port = pmxtest.free_port()
        self.home.run("start", script, "--name", "many", "-i", 2, env={"PORT": port})
        eventually(lambda: all(self.home.log(f"many-out-{i}.log") for i in (0, 1)), 10, "the ports")
        lines = [self.home.log(f"many-out-{i}.log").decode().strip() for i in (0, 1)]
        self.assertEqual(lines[0], lines[1])
        first, second = json.loads(lines[0])
        self.assertNotEqual(first, second)
        for one in (port, first, second):
            with Load(one, threads=8) as load:
                eventually(lambda: load.seen() == set(self.home.pids("many")), 20, f"both on {one}")
            self.assertEqual(load.failed, 0, load)

    def test_server_closed_and_opened_again(self):
        """A worker that closes its server is out of rotation; others get its share, waiting connections included."""
        script = self.home.file("reopen.js", """
            const server = require('http').createServer((q, s) => s.end(JSON.stringify({pid: process.pid})));
            const open = () => server.listen(Number(process.env.PORT), '127.0.0.1', () => console.log('open'));
            process.on('SIGUSR2', () => server.listening ? server.close(() => console.log('closed')) : open());
            open();
        """)
        self.port = pmxtest.free_port()
        self.home.run("start", script, "--name", "web", "-i", 2, env={"PORT": self.port})
        pmxtest.wait_http(self.port)
        first, second = self.home.pids("web")
        with Load(self.port, threads=8) as load:
            for _ in range(3):
                load.wait_ok(20)
                closed = self.home.log("web-out-0.log").count(b"closed")
                os.kill(first, signal.SIGUSR2)
                eventually(lambda: self.home.log("web-out-0.log").count(b"closed") > closed, 10, "closed")
                load.forget()
                load.wait_ok(50)
                self.assertLessEqual(load.seen(), {first, second})
                os.kill(first, signal.SIGUSR2)
                load.forget()
                eventually(lambda: load.seen() == {first, second}, 20, "both again")
        self.assertEqual(load.failed, 0, load)


class Trouble(Balance):
    def test_waiting_connections_survive_their_worker(self):
        """Queued for a worker that is killed: another one, or its successor, takes them."""
        for policy in POLICIES:
            with self.subTest(policy=policy):
                self.start(policy, 2)
                victims = self.home.pids(policy)
                for pid in victims:
                    os.kill(pid, signal.SIGSTOP)
                with ThreadPoolExecutor(40) as pool:
                    answers = [pool.submit(get_json, self.port, timeout=30) for _ in range(40)]
                    eventually(lambda: self.waiting() >= 40 or policy == "rr", 20, "40 connections")
                    os.kill(victims[0], signal.SIGKILL)
                    os.kill(victims[1], signal.SIGCONT)
                    pids = {answer.result()["pid"] for answer in answers}
                self.assertNotIn(victims[0], pids)
                self.home.run("delete", policy)

    def waiting(self):
        """Connections to the port that exist, accepted or not."""
        needle = f":{self.port:04X}"
        with open("/proc/net/tcp") as table:
            rows = [line.split() for line in table]
        return sum(1 for row in rows if row[1].endswith(needle) and row[3] == "01")

    def test_2000_queued_in_a_reload(self):
        self.start("slots", 2, SLOW="1")
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)
        if limit[1] < 6000:
            self.skipTest(f"at most {limit[1]} descriptors here, 6000 needed")
        resource.setrlimit(resource.RLIMIT_NOFILE, (6000, limit[1]))
        try:
            pids = self.home.pids("slots")
            for pid in pids:
                os.kill(pid, signal.SIGSTOP)
            clients = []
            for _ in range(2000):
                client = socket.create_connection(("127.0.0.1", self.port), 60)
                client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                clients.append(client)
            reload = self.home.popen("reload", "slots", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            for pid in pids:
                os.kill(pid, signal.SIGCONT)
            answered = 0
            for client in clients:
                data = b""
                while block := client.recv(4096):
                    data += block
                answered += data.startswith(b"HTTP/1.1 200")
                client.close()
            self.assertEqual(answered, 2000)
            out, err = reload.communicate(timeout=60)
            self.assertEqual(reload.returncode, 0, err)
            self.assertFalse(set(pids) & set(self.home.pids("slots")))
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limit)

    def test_worker_at_its_descriptor_limit(self):
        """rr: the handed connection does not arrive; another worker gets it, and nothing hangs for ever (Node's own primary does)."""
        self.start("rr", 2, SLOW="300")
        tight = self.home.pids("rr")[0]
        resource.prlimit(tight, resource.RLIMIT_NOFILE, (pmxtest.fd_count(tight) + 3,) * 2)
        self.ask(60)
        with Load(self.port, threads=4) as load:
            eventually(lambda: tight in load.seen(), 20, f"the tight worker serves again ({load})")
        self.assertEqual(load.failed, 0, load)

    def test_hung_worker(self):
        """rr: only what it has been handed waits. slots: its share waits until it is back; nothing is lost."""
        for policy in ("slots", "rr"):
            with self.subTest(policy=policy):
                self.start(policy, 2)
                hung, other = self.home.pids(policy)
                os.kill(hung, signal.SIGSTOP)
                with ThreadPoolExecutor(64) as pool:
                    answers = [pool.submit(get_json, self.port, timeout=60) for _ in range(64)]
                    least = 64 - 8 if policy == "rr" else 1
                    eventually(lambda: sum(answer.done() for answer in answers) >= least, 20, "answers of the other")
                    os.kill(hung, signal.SIGCONT)
                    self.assertEqual({answer.result()["pid"] for answer in answers} - {hung, other}, set())
                self.home.run("delete", policy)

    def test_crash_cycles_leak_nothing(self):
        """Workers killed and replaced under load: daemon, keeper and group stay as they were."""
        rounds = int(os.environ.get("PMX_TEST_CYCLES", "60" if pmxtest.SLOW == 1 else "10"))
        self.start("slots", 2)

        def numbers():
            return (pmxtest.fd_count(self.home.daemon_pid), pmxtest.fd_count(self.home.keeper_pid), self.listening())

        victims = iter(range(rounds))
        with Load(self.port, threads=8) as load:
            for _ in range(3):
                self.kill_one()
            before = eventually(numbers)
            memory_before, programs_before = self.memory(), bpf_programs()
            for _ in victims:
                self.kill_one()
            load.wait_ok(20)
        # Fewer: a connection of the moment was counted in `before`.
        eventually(lambda: all(now <= was for now, was in zip(numbers(), before)), 10, f"{numbers()} no more than {before} before")
        memory = self.memory()
        print(f"figure: {rounds} crash-and-replace cycles: {load.ok} ok, failed {load.failures or 0}; descriptors of daemon and keeper, sockets of "
              f"the group: {numbers()}; kB of daemon and keeper {memory_before} -> {memory}; BPF programs {programs_before} -> {bpf_programs()}",
              file=sys.stderr)
        for was, now in zip(memory_before, memory):
            self.assertLess(now - was, 2048 if pmxtest.SLOW == 1 else 65536, "kB more than before")
        if programs_before is not None:
            eventually(lambda: bpf_programs() <= programs_before + 2, 10, "as many BPF programs as before")

    def kill_one(self):
        victim = self.home.pids("slots")[0]
        os.kill(victim, signal.SIGKILL)
        eventually(lambda: victim not in self.home.pids("slots") and len([p for p in self.home.pids("slots") if p]) == 2, 20, "replaced")
        self.home.wait_status("slots", "online", 20, count=2)
        self.home.run("reset", "slots")

    def memory(self):
        """kB resident of daemon and keeper."""
        found = []
        for pid in (self.home.daemon_pid, self.home.keeper_pid):
            with open(f"/proc/{pid}/status") as file:
                found.append(next(int(line.split()[1]) for line in file if line.startswith("VmRSS:")))
        return found

    def listening(self):
        needle = f":{self.port:04X}"
        with open("/proc/net/tcp") as table:
            return sum(1 for line in table if line.split()[1].endswith(needle) and line.split()[3] == "0A")


def bpf_programs():
    """How many there are on this machine; None: only root is told."""
    try:
        with open("/proc/vmallocinfo") as file:
            return sum("bpf_prog_alloc" in line for line in file)
    except OSError:
        return None


if __name__ == "__main__":
    pmxtest.main()
