"""Sockets that an app declares: bound by pmx, passed by LISTEN_FDS."""

import json
import os
import socket
import stat
import sys

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


if __name__ == "__main__":
    pmxtest.main()
