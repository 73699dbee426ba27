"""Sockets that an app declares: bound by pmx, passed by LISTEN_FDS."""

import json
import os
import socket
import stat
import sys
import textwrap

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import pmxtest
from pmxtest import Load, eventually, fixture, get_json


class Declared(pmxtest.PmxTest):
    def setUp(self):
        super().setUp()
        self.port = pmxtest.free_port()

    def start(self, *args, instances=2):
        listen = [word for socket_ in args for word in ("--listen", socket_)]
        self.home.run("start", fixture("listen_fds.py"), "--name", "web", "-x", "-i", instances, *listen)
        self.home.wait_status("web", "online", count=instances)
        pmxtest.wait_http(self.port)

    def test_instances_share_the_port(self):
        self.start(f"tcp:127.0.0.1:{self.port}")
        with Load(self.port, threads=8) as load:
            eventually(lambda: load.seen() == set(self.home.pids("web")), 20, f"both ({load})")
        self.assertEqual(load.failed, 0, load)
        env = get_json(self.port)["env"]
        self.assertEqual(env, {"LISTEN_FDS": "1", "LISTEN_FDNAMES": "web", "NGINX": None, "EINHORN_FD_COUNT": None, "EINHORN_FD_0": None, "NODE_CHANNEL_FD": "4"})
        for pid in self.home.pids("web"):
            self.assertLessEqual({"0", "1", "2", "3", "4"}, set(os.listdir(f"/proc/{pid}/fd")))

    def test_several_kinds_names_and_variants(self):
        path = os.path.join(self.home.path, "web.sock")
        self.start(f"tcp:127.0.0.1:{self.port}?name=http&as=nginx", f"unix:{path}?mode=0660&as=einhorn", f"udp:127.0.0.1:{self.port}", instances=1)
        env = get_json(self.port)["env"]
        self.assertEqual(env, {"LISTEN_FDS": "3", "LISTEN_FDNAMES": "http:web:web", "NGINX": "3;", "EINHORN_FD_COUNT": "1", "EINHORN_FD_0": "4", "NODE_CHANNEL_FD": "6"})
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o660)
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(path)
            client.sendall(b"GET / HTTP/1.0\r\n\r\n")
            self.assertIn(b"200", client.recv(100))
        self.home.run("delete", "web")
        self.assertFalse(os.path.exists(path))

    def test_all_addresses(self):
        self.start(f"tcp:{self.port}", instances=1)
        for host in ("127.0.0.1", "::1"):
            self.assertEqual(pmxtest.http_get(self.port, host=host)[0], 200)

    def test_blocking_accept(self):
        """Whoever is passed a socket by systemd may expect that accept() waits, also in the place of one that did not, or that the daemon has looked after."""
        script = self.home.file("blocking.py", textwrap.dedent("""
            import os, socket
            listener = socket.socket(fileno=3)
            print("blocking" if os.get_blocking(3) else "not blocking", flush=True)
            while True:
                connection = listener.accept()[0]
                connection.recv(4096)
                body = b'{"pid": %d}' % os.getpid()
                connection.sendall(b"HTTP/1.1 200 OK\\r\\nConnection: close\\r\\nContent-Length: %d\\r\\n\\r\\n%s" % (len(body), body))
                connection.close()
                if os.path.exists(os.environ["GATE"]):
                    os.set_blocking(3, False)
                    os._exit(1)
        """))
        gate = os.path.join(self.home.work, "gate")
        for balance in "slots", "shared":
            for more in [], ["--start-on-connection"]:
                with self.subTest(balance=balance, more=more):
                    self.home.run("start", script, "--name", "web", "-x", "--listen", f"tcp:127.0.0.1:{self.port}", "--balance", balance, *more, env={"GATE": gate})
                    pmxtest.wait_http(self.port)
                    open(gate, "w").close()
                    pmxtest.wait_http(self.port)
                    os.unlink(gate)
                    eventually(lambda: self.home.one("web")["pm2_env"]["restart_time"] > 0 or more, 10, "ended")
                    pmxtest.wait_http(self.port)
                    self.assertNotIn(b"not blocking", self.home.log("web-out.log"))
                    self.home.run("delete", "web")

    def test_connections_wait_for_the_next_process(self):
        """The socket outlives the process: who comes while none is there is served by the next."""
        self.start(f"tcp:127.0.0.1:{self.port}", instances=1)
        with Load(self.port, threads=4) as load:
            for _ in range(5):
                load.wait_ok(20)
                before = self.home.pids("web")
                self.home.run("restart", "web")
                self.assertNotEqual(before, self.home.pids("web"))
                load.wait_ok(20)
        self.assertLessEqual(set(load.failures), {"reset", "eof"}, load)  # what it was serving when it was stopped
        self.assertNotIn("refused", load.failures)

    def test_daemon_killed(self):
        self.start(f"tcp:127.0.0.1:{self.port}")
        daemon = self.home.daemon_pid
        os.kill(daemon, 9)
        victim = self.home.pids("web")[0]  # the first command finds the next daemon
        os.kill(victim, 9)
        eventually(lambda: victim not in self.home.pids("web"), 10, "replaced")
        self.home.wait_status("web", "online", count=2)
        with Load(self.port, threads=8) as load:
            eventually(lambda: load.seen() == set(self.home.pids("web")), 20, f"both ({load})")
        self.assertEqual(load.failed, 0, load)

    def test_node_in_fork_mode(self):
        script = self.home.file("given.js", """
            require('http').createServer((q, s) => s.end(JSON.stringify({pid: process.pid}))).listen({fd: 3}, () => process.send('ready'));
        """)
        self.home.run("start", script, "--name", "web", "-x", "--wait-ready", "--listen", f"tcp:127.0.0.1:{self.port}")
        self.home.wait_status("web", "online")
        self.assertEqual(get_json(self.port)["pid"], self.home.pids("web")[0])

    def test_in_a_file(self):
        path = self.home.json_file("apps.json", {"apps": [{"name": "web", "script": fixture("listen_fds.py"), "listen": f"tcp:127.0.0.1:{self.port}"}]})
        self.home.run("start", path)
        pmxtest.wait_http(self.port)
        entry = self.home.one("web")
        self.assertEqual(entry["pm2_env"]["listen"], [f"tcp:127.0.0.1:{self.port}"])

    def test_port_in_use(self):
        with socket.create_server(("127.0.0.1", self.port)):
            result = self.home.fails("start", fixture("listen_fds.py"), "--listen", f"tcp:127.0.0.1:{self.port}")
        self.assertIn(f"listen tcp:127.0.0.1:{self.port}: Address already in use (EADDRINUSE); port {self.port} is held by process {os.getpid()}", result.stderr)

    def test_what_is_refused(self):
        for text, why in {
            "http:80": "begins with none of",
            "tcp:0": "no port",
            "tcp:127.0.0.1:70000": "no port",
            "tcp:localhost:80": "no IP address",
            "tcp:::1:80": "no IP address",
            "unix:relative": "not absolute",
            "unix:/" + "x" * 120: "at most 107",
            "tcp:80?mode=0660": "not known here",
            "unix:/x?mode=0999": "no mode",
            "tcp:80?name=a:b": "without a colon",
            "tcp:80?wrong": "not known here",
        }.items():
            with self.subTest(text=text):
                result = self.home.fails("start", fixture("listen_fds.py"), "--listen", text)
                self.assertIn(why, result.stderr)
        result = self.home.fails("start", fixture("server.js"), "-i", 2, "--listen", "tcp:80")
        self.assertIn("asks for its ports itself", result.stderr)
        self.assertEqual(self.home.jlist(), [])


class StartOnConnection(pmxtest.PmxTest):
    def setUp(self):
        super().setUp()
        self.port = pmxtest.free_port()

    def start(self, *args, script=None, listen=None):
        self.home.run("start", script or fixture("listen_fds.py"), "--name", "web", "-x", "--start-on-connection",
                      "--listen", listen or f"tcp:127.0.0.1:{self.port}", *args)
        self.assertEqual(self.state(), [("idle", 0)])

    def state(self):
        return [(entry["pm2_env"]["status"], entry.get("pid", 0)) for entry in self.home.jlist() if entry["name"] == "web"]

    def served(self):
        return get_json(self.port)["pid"]

    def test_first_connection_starts_it(self):
        self.start()
        self.assertIn("the first connection starts it", self.home.run("show", "web").stdout)
        pid = self.served()
        self.assertEqual(self.state(), [("online", pid)])
        self.home.run("restart", "web")  # now, not at the next connection
        self.assertEqual(self.state()[0][0], "online")
        self.assertNotEqual(self.served(), pid)
        self.home.run("stop", "web")
        self.assertEqual(self.state(), [("stopped", 0)])
        with self.assertRaises(OSError):
            socket.create_connection(("127.0.0.1", self.port), 5)
        self.home.run("start", "web")
        self.assertEqual(self.state(), [("idle", 0)])

    def test_crowd_at_the_door(self):
        self.home.run("start", fixture("listen_fds.py"), "--name", "web", "-x", "-i", 3, "--start-on-connection", "--listen", f"tcp:127.0.0.1:{self.port}")
        self.assertEqual({status for status, _ in self.state()}, {"idle"})
        with Load(self.port, threads=16) as load:
            eventually(lambda: load.seen() == set(self.home.pids("web")) and len(load.seen()) == 3, 20, f"all three ({load})")
        self.assertEqual(load.failed, 0, load)

    def test_daemon_killed_while_it_waits(self):
        self.start()
        waiting = socket.create_connection(("127.0.0.1", self.port), 5)  # starts it, and is served by it
        self.home.wait_status("web", "online")
        waiting.close()
        self.home.run("stop", "web")
        self.home.run("start", "web")
        os.kill(self.home.daemon_pid, 9)
        self.assertEqual(self.state(), [("idle", 0)])
        pid = self.served()
        self.assertEqual(self.state(), [("online", pid)])

    def test_what_ends_waits_again(self):
        script = self.home.file("once.py", "import socket\ns = socket.socket(fileno=3)\nc, _ = s.accept()\nc.sendall(b'once')\nc.close()\n")
        self.start("--no-autorestart", "--min-uptime", "100", script=script)
        for _ in range(3):
            with socket.create_connection(("127.0.0.1", self.port), 10) as client:
                self.assertEqual(client.recv(10), b"once")
            eventually(lambda: self.state() == [("idle", 0)], 10, "idle again")

    def test_program_that_ignores_the_connection(self):
        """It is started once in min_uptime, not in a circle."""
        script = self.home.file("ignores.py", "print('ran', flush=True)\n")
        self.start("--no-autorestart", "--min-uptime", "60s", script=script)
        with socket.create_connection(("127.0.0.1", self.port), 5):
            eventually(lambda: self.home.log("web-out.log").count(b"ran") == 1 and self.state() == [("idle", 0)], 10, "one run")
            self.home.run("reset", "web")  # whatever was to follow has followed
            self.assertEqual(self.home.log("web-out.log").count(b"ran"), 1)

    def test_unix_and_udp(self):
        path = os.path.join(self.home.path, "web.sock")
        script = self.home.file("told.py", "import time\nprint('told', flush=True)\ntime.sleep(1000)\n")
        self.start(script=script, listen=f"unix:{path}")
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(path)
            self.home.wait_status("web", "online")
        self.home.run("delete", "web")
        self.start(script=script, listen=f"udp:127.0.0.1:{self.port}")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.sendto(b"x", ("127.0.0.1", self.port))
            self.home.wait_status("web", "online")

    def test_refused(self):
        self.assertIn("needs sockets to wait on", self.home.fails("start", fixture("listen_fds.py"), "--start-on-connection").stderr)
        with socket.create_server(("127.0.0.1", self.port)):
            result = self.home.fails("start", fixture("listen_fds.py"), "--start-on-connection", "--listen", f"tcp:127.0.0.1:{self.port}")
        self.assertIn(f"is held by process {os.getpid()}", result.stderr)


if __name__ == "__main__":
    pmxtest.main()
