"""Readiness and health: what pmx asks of an app, what it does with the answer, and what `start` and `reload` make of it."""

import http.server
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import pmxtest
from pmxtest import Load, eventually, fixture

QUIET = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
ESTABLISHED, LISTENING = "01", "0A"  # in /proc/net/tcp
ROUNDS = int(os.environ.get("PMX_TEST_ROUNDS", "3"))


class ProbeTest(pmxtest.PmxTest):
    def setUp(self):
        super().setUp()
        self.port = pmxtest.free_port()
        self.good = self.home.file("good", "")
        os.remove(self.good)
        self.probe = f"http://127.0.0.1:{self.port}/health"
        self.env = {"PORT": self.port, "GOOD": self.good}

    def be_good(self):
        self.home.file("good", "")

    def ask_us(self):
        """From here on this process is what is asked: how long an app needs to start makes no difference."""
        good = self.good

        class Answer(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200 if os.path.exists(good) else 503)
                self.end_headers()

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        self.probe = f"http://127.0.0.1:{server.server_port}/"

    def reason(self, name="app"):
        return self.home.one(name)["pm2_env"]["reason"]


class Ready(ProbeTest):
    def start_waiting(self, *options):
        return self.home.popen("start", fixture("probed.js"), "--name", "app", "--ready", self.probe, *options, env=self.env, **QUIET)

    def test_start_waits_until_the_probe_succeeds(self):
        started = self.start_waiting()
        eventually(lambda: self.home.statuses() == ["launching"] and "status 503" in self.reason(), 10, "launching, with the answer")
        self.assertIsNone(started.poll())
        self.be_good()
        self.assertEqual(started.wait(10), 0)
        self.assertEqual(self.home.statuses(), ["online"])

    def test_not_in_time_is_a_failure(self):
        self.ask_us()
        result = self.home.fails("start", fixture("probed.js"), "--name", "app", "--ready", self.probe, "--ready-timeout", "500ms",
                                 "--no-autorestart", env=self.env)
        self.assertIn("not ready within 500 ms: GET " + self.probe + ": status 503", result.stderr)
        self.home.wait_status("app", "errored")
        self.assertEqual(self.home.pids("app"), [])

    def test_restarted_until_it_is_ready(self):
        """The first failure is told at once; the app is tried again as after a crash."""
        self.ask_us()
        result = self.home.fails("start", fixture("probed.js"), "--name", "app", "--ready", self.probe, "--ready-timeout", "500ms", env=self.env)
        self.assertIn("status 503", result.stderr)
        eventually(lambda: self.home.one("app")["pm2_env"]["restart_time"] >= 1, 10, "a restart")
        self.be_good()
        self.home.wait_status("app", "online")

    def test_restart_says_so_too(self):
        self.ask_us()
        self.be_good()
        self.home.run("start", fixture("probed.js"), "--name", "app", "--ready", self.probe, "--ready-timeout", "5s", env=self.env)
        os.remove(self.good)
        self.assertIn("status 503", self.home.fails("restart", "app").stderr)

    def test_online_all_the_same(self):
        self.ask_us()
        self.home.json_file("apps.json", {"name": "app", "script": fixture("probed.js"), "ready": self.probe, "ready_timeout": 300,
                                          "ready_timeout_action": "online", "env": self.env})
        self.home.run("start", "apps.json")
        self.assertIn("counted as online", self.reason())

    def test_no_wait(self):
        self.home.run("start", fixture("probed.js"), "--name", "app", "--ready", self.probe, "--no-wait", env=self.env)
        self.assertEqual(self.home.statuses(), ["launching"])
        self.be_good()
        self.home.wait_status("app", "online")
        os.remove(self.good)
        self.home.run("restart", "app", "--no-wait")
        self.assertIn(self.home.statuses()[0], ("stopping", "launching"))

    def test_daemon_killed_while_it_waits(self):
        self.start_waiting()  # its answer never comes
        # Before it is on disk, nobody has been told that it is started, and it is undone.
        eventually(lambda: self.home.recorded() == 1, 10, "the instance in the database")
        os.kill(self.home.daemon_pid, signal.SIGKILL)
        self.be_good()
        self.home.wait_status("app", "online")
        self.assertEqual(self.home.one("app")["pm2_env"]["restart_time"], 0)

    def test_every_kind(self):
        unix = os.path.join(self.home.path, "its.sock")
        program = self.home.file("kinds.py", textwrap.dedent("""
            import os, socket, sys, time
            while not os.path.exists(os.environ["GOOD"]): time.sleep(0.01)
            kind = sys.argv[1]
            if kind == "tcp":
                kept = socket.create_server(("127.0.0.1", int(os.environ["PORT"])))
            elif kind == "unix":
                kept = socket.socket(socket.AF_UNIX); kept.bind(sys.argv[2]); kept.listen()
            elif kind == "notify":
                place = os.environ["NOTIFY_SOCKET"].replace("@", "\\0")
                socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b"READY=1\\nSTATUS=serving 3 queues", place)
            elif kind == "fd":
                os.write(7, b"\\n")
            elif kind == "log":
                print("now listening on 80", flush=True)
            elif kind == "err":
                sys.stderr.write("now listening on 81"); sys.stderr.flush()
            elif kind == "fd3":
                os.write(3, b"\\n")
            time.sleep(1000)
        """))
        kinds = {"tcp": f"tcp:$PORT", "unix": f"unix:{unix}", "notify": "notify", "fd": "fd:7", "log": "log:listening on 80", "err": "log:listening on 81", "fd3": "fd:3"}
        for kind, probe in kinds.items():
            with self.subTest(kind):
                if os.path.exists(self.good):
                    os.remove(self.good)
                self.home.run("start", program, "--name", kind, "--ready", probe, "--ready-timeout", "60s", "--no-wait", "--", kind, unix, env=self.env)
                self.assertEqual(self.home.statuses(kind), ["launching"])
                self.be_good()
                self.home.wait_status(kind, "online")
                self.home.run("stop", kind)
        os.remove(self.good)
        self.home.run("start", program, "--name", "exec", "--ready", 'exec:echo "looking in $PWD"; test -e "$GOOD"', "--ready-timeout", "60s", "--no-wait", env=self.env)
        eventually(lambda: "exit code 1: looking in /" in self.reason("exec"), 5, "what the command said")
        self.be_good()
        self.home.wait_status("exec", "online")
        self.home.run("start", "notify")
        eventually(lambda: self.home.one("notify")["pm2_env"].get("status_text") == "serving 3 queues", 5, "its own words")
        self.assertIn("serving 3 queues", self.home.run("show", "notify").stdout)

    def test_needs_longer(self):
        """EXTEND_TIMEOUT_USEC, as a program sends it that finds much to recover."""
        program = self.home.file("slow.py", textwrap.dedent("""
            import os, socket, time
            place = os.environ["NOTIFY_SOCKET"].replace("@", "\\0")
            notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            notify.sendto(b"EXTEND_TIMEOUT_USEC=60000000", place)
            open(os.environ["GOOD"] + ".told", "w").close()
            while not os.path.exists(os.environ["GOOD"]): time.sleep(0.01)
            notify.sendto(b"READY=1", place)
            time.sleep(1000)
        """))
        started = self.home.popen("start", program, "--name", "app", "--ready", "notify", "--ready-timeout", "5s", env=self.env, **QUIET)
        eventually(lambda: os.path.exists(self.good + ".told"), 20, "that it needs longer")
        told = time.monotonic()
        eventually(lambda: time.monotonic() - told > 5.2, 10, "the end of the time it would have had")
        self.assertEqual(self.home.statuses(), ["launching"])
        self.be_good()
        self.assertEqual(started.wait(10), 0)

    def test_what_is_refused(self):
        for probe, words in {"https://localhost/": "exec:curl", "tcp:99999": "port from 1 to 65535", "http://example.com:80/": "no IP address",
                             "ftp:3": "it is no probe", "tcp:$NO_SUCH": "has no variable NO_SUCH", "fd:2": "descriptor from 3"}.items():
            result = self.home.fails("start", fixture("probed.js"), "--ready", probe, env=self.env)
            self.assertIn(words, result.stderr)
        self.assertEqual(self.home.jlist(), [])
        self.assertIn("it is no probe", self.home.fails("start", fixture("probed.js"), "--health", "fd:3", env=self.env).stderr)


class Reload(ProbeTest):
    def test_a_version_that_listens_and_fails_its_probe(self):
        """Old ones serve on, the exit code says no, and why."""
        self.be_good()
        self.home.run("start", fixture("probed.js"), "--name", "app", "-i", 2, "--ready", self.probe, "--ready-timeout", "5s", env=self.env)
        before = self.home.pids("app")
        with Load(self.port, threads=4) as load:
            load.wait_ok(20)
            os.remove(self.good)
            for _ in range(ROUNDS):
                result = self.home.fails("reload", "app")
                self.assertIn("it was not ready within 5000 ms: GET " + self.probe + ": status 503", result.stderr)
                self.assertEqual(self.home.pids("app"), before)
            load.wait_ok(50)
        self.assertEqual(load.failed, 0, load)
        print(f"figure: {ROUNDS} reloads of a version that fails its probe: {load}", file=sys.stderr)
        self.be_good()
        self.home.run("reload", "app")
        self.assertFalse(set(before) & set(self.home.pids("app")))


class Health(ProbeTest):
    OPTIONS = ("--health-interval", "200ms", "--health-timeout", "300ms")

    def test_stopped_process_is_replaced(self):
        self.be_good()
        self.home.run("start", fixture("probed.js"), "--name", "app", "--health", self.probe, *self.OPTIONS, "-k", "200ms", env=self.env)
        eventually(lambda: self.home.one("app")["pm2_env"].get("health_status") == "healthy", 5)
        before = self.home.pids("app")[0]
        os.kill(before, signal.SIGSTOP)
        since = time.monotonic()
        eventually(lambda: self.home.pids("app")[0] not in (before, 0), 20, "another process")
        print(f"figure: hung process replaced after {time.monotonic() - since:.2f} s (3 checks of 300 ms, 200 ms apart)", file=sys.stderr)
        self.home.wait_status("app", "online")
        self.assertIn("unhealthy: 3 checks in a row failed: GET " + self.probe + ": no answer within 300 ms", self.home.daemon_log() + self.reason())

    def test_each_worker_is_asked_itself(self):
        """They share one port: the question must reach the one that is meant, whoever the kernel would pick."""
        self.be_good()
        self.home.run("start", fixture("probed.js"), "--name", "app", "-i", 4, "--health", self.probe, *self.OPTIONS, env=self.env)
        eventually(lambda: all(one["pm2_env"].get("health_status") == "healthy" for one in self.home.jlist()), 5)
        before = self.home.pids("app")
        with Load(self.port, threads=4) as load:
            load.wait_ok(20)
            self.home.file("good.bad", str(before[2]))
            eventually(lambda: self.home.pids("app")[2] != before[2], 20, "that one replaced")
            load.wait_ok(50)
        self.assertEqual(load.failed, 0, load)
        after = self.home.pids("app")
        self.assertEqual([after[i] == before[i] for i in range(4)], [True, True, False, True])
        self.assertIn("replaced: unhealthy: ", self.home.instances("app")[2]["pm2_env"]["reason"])

    def test_hung_worker_gets_no_more_connections(self):
        self.be_good()
        self.home.run("start", fixture("probed.js"), "--name", "app", "-i", 2, "--health", self.probe, *self.OPTIONS, env=self.env)
        eventually(lambda: all(one["pm2_env"].get("health_status") == "healthy" for one in self.home.jlist()), 5)
        before = self.home.pids("app")
        os.kill(before[0], signal.SIGSTOP)
        with Load(self.port, threads=4) as load:
            since = time.monotonic()
            eventually(lambda: self.home.pids("app")[0] not in (before[0], 0), 20, "another process")
            print(f"figure: hung worker replaced after {time.monotonic() - since:.2f} s", file=sys.stderr)
            load.wait_ok(50)
        print(f"figure: requests meanwhile: {load}", file=sys.stderr)
        self.assertEqual(self.home.statuses("app"), ["online", "online"])

    def test_reported_only(self):
        self.be_good()
        self.home.run("start", fixture("probed.js"), "--name", "app", "--health", self.probe, "--health-action", "report", *self.OPTIONS, env=self.env)
        eventually(lambda: self.home.one("app")["pm2_env"].get("health_status") == "healthy", 5)
        pid = self.home.pids("app")
        os.remove(self.good)
        eventually(lambda: self.home.one("app")["pm2_env"]["health_status"] == "degraded", 5)
        eventually(lambda: self.home.one("app")["pm2_env"]["health_status"] == "unhealthy", 5)
        self.assertIn("unhealthy", self.home.run("list").stdout)
        self.assertIn("status 503", self.home.run("show", "app").stdout)
        self.be_good()
        eventually(lambda: self.home.one("app")["pm2_env"]["health_status"] == "healthy", 5)
        self.assertEqual(self.home.pids("app"), pid)

    def test_daemon_killed_before(self):
        self.be_good()
        self.home.run("start", fixture("probed.js"), "--name", "app", "--health", self.probe, *self.OPTIONS, env=self.env)
        before = self.home.pids("app")
        os.kill(self.home.daemon_pid, signal.SIGKILL)
        eventually(lambda: self.home.one("app")["pm2_env"].get("health_status") == "healthy", 10)
        self.assertEqual(self.home.pids("app"), before)
        os.remove(self.good)
        eventually(lambda: self.home.one("app")["pm2_env"]["restart_time"] >= 1, 10, "a restart")

    def test_command(self):
        """One that fails, and one that never ends: it is killed, with what it has started."""
        self.be_good()
        self.home.run("start", fixture("probed.js"), "--name", "app", "--health", 'exec:test -e "$GOOD" || { sleep 1234.5; }', "--health-action",
                      "report", *self.OPTIONS, env=self.env)
        eventually(lambda: self.home.one("app")["pm2_env"].get("health_status") == "healthy", 5)
        os.remove(self.good)
        eventually(lambda: self.home.one("app")["pm2_env"]["health_status"] == "unhealthy", 10)
        self.assertIn("no answer within 300 ms", self.home.one("app")["pm2_env"]["health_text"])
        self.be_good()
        eventually(lambda: self.home.one("app")["pm2_env"]["health_status"] == "healthy", 10)
        ours = [pmxtest.command_line(pid) for pid in pmxtest.processes_with("PMX_HOME", self.home.path)]
        self.assertFalse([line for line in ours if "1234.5" in line])

    def test_watchdog(self):
        program = self.home.file("watchdog.py", textwrap.dedent("""
            import os, socket, time
            place = os.environ["NOTIFY_SOCKET"].replace("@", "\\0")
            notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            while True:
                if os.path.exists(os.environ["GOOD"]): notify.sendto(b"WATCHDOG=1", place)
                time.sleep(int(os.environ["WATCHDOG_USEC"]) / 4e6)
        """))
        self.be_good()
        self.home.run("start", program, "--name", "app", "--health", "notify", "--health-interval", "1s", env=self.env)
        eventually(lambda: self.home.one("app")["pm2_env"].get("health_status") == "healthy", 5)
        self.assertEqual(self.home.one("app")["pm2_env"]["restart_time"], 0)
        os.remove(self.good)
        eventually(lambda: self.home.one("app")["pm2_env"]["restart_time"] >= 1, 10, "a restart")
        self.assertIn("no WATCHDOG=1 within 1000 ms", self.reason() + self.home.daemon_log())

    def test_many_that_hang(self):
        """200 questions without an answer: others are served as before."""
        port = pmxtest.free_port()
        hole = self.home.file("hole.py", textwrap.dedent("""
            import os, socket, time
            kept = socket.create_server(("127.0.0.1", int(os.environ["PORT"])), backlog=1000)
            time.sleep(1000)
        """))
        self.home.run("start", hole, "--name", "hole", env={"PORT": port})
        eventually(lambda: sockets_of(port, LISTENING) == 1, 5)
        plain = [{"name": f"app{i}", "script": "/bin/sleep", "args": "1000"} for i in range(200)]
        self.home.json_file("plain.json", plain)
        self.home.run("start", "plain.json", timeout=60)
        quick = min(self.list_seconds() for _ in range(5))
        self.home.run("delete", "/app/", timeout=60)
        asked = {"health": f"http://127.0.0.1:{port}/", "health_interval": 100, "health_timeout": 20000, "health_action": "report"}
        self.home.json_file("many.json", [{**app, **asked} for app in plain])
        self.home.run("start", "many.json", timeout=60)
        eventually(lambda: sockets_of(port, ESTABLISHED) >= 200, 20, "200 open questions")
        slow = min(self.list_seconds() for _ in range(5))
        self.home.run("stop", "app0")
        print(f"figure: jlist of 201 apps {quick * 1000:.1f} ms, with 200 questions open {slow * 1000:.1f} ms", file=sys.stderr)

    def list_seconds(self):
        since = time.monotonic()
        self.home.jlist()
        return time.monotonic() - since


def sockets_of(port, state):
    with open("/proc/net/tcp") as table:
        return sum(1 for line in table if line.split()[1].endswith(f":{port:04X}") and line.split()[3] == state)


if __name__ == "__main__":
    pmxtest.main()
