"""Connections that wait for a program that is not Node, and that program ends: its successor answers them; if none comes they are ended, never left waiting."""

import os
import re
import signal
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import pmxtest
from pmxtest import Load, eventually, fixture

REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


class Waiting(pmxtest.PmxTest):
    def setUp(self):
        super().setUp()
        self.port = pmxtest.free_port()
        self.gate = self.home.file("gate", "")
        self.clients = []

    def tearDown(self):
        for client in self.clients:
            client.close()
        super().tearDown()

    def start(self, *args, stuck="0", instances=2):
        self.home.run("start", fixture("stuck_server.py"), "--name", "web", "-i", instances, "--listen-timeout", "20000", *args,
                      env={"PORT": self.port, "STUCK": stuck, "GATE": self.gate}, timeout=60)
        self.home.wait_status("web", "online", 20, count=instances)

    def connect(self, count):
        """Clients that have asked."""
        for _ in range(count):
            client = socket.create_connection(("127.0.0.1", self.port), 5)
            client.setblocking(False)
            client.sendall(REQUEST)
            self.clients.append(client)

    def waiting(self):
        return [client for client in self.clients if self.answer(client) is None]

    @staticmethod
    def answer(client):
        """"200", "reset", "closed", or None: nothing yet."""
        try:
            data = client.recv(1000, socket.MSG_PEEK)
        except BlockingIOError:
            return None
        except ConnectionResetError:
            return "reset"
        return "200" if data.startswith(b"HTTP/1.1 200") else "closed"

    def some_wait(self, clients=40):
        """Those that the stuck instance got; the others are answered."""
        self.connect(clients)
        eventually(lambda: self.queued() == len(self.waiting()) > 0, 10, "the others are answered")
        return self.waiting()

    def socket_line(self):
        found = re.search(r"socket.*tcp 127.*", self.home.run("show", self.first()).stdout)
        return found.group(0) if found else ""

    def first(self):
        return str(self.home.instances("web")[0]["pm_id"])

    def queued(self):
        found = re.search(r"(\d+) connections wait", self.socket_line())
        return int(found.group(1)) if found else 0

    def all_reset(self, clients):
        def ended():
            answers = [self.answer(client) for client in clients]
            self.assertLessEqual(set(answers), {None, "reset"})
            return None not in answers

        eventually(ended, 20, "waiting clients are told")


class NobodyComes(Waiting):
    def test_instance_gives_up(self):
        self.start("--no-autorestart")
        waiting = self.some_wait()
        os.kill(self.home.instances("web")[0]["pid"], signal.SIGKILL)
        self.all_reset(waiting)
        self.assertIn(f"{len(waiting)} reset", self.socket_line())
        with Load(self.port, threads=4) as load:
            load.wait_ok(50)
        self.assertEqual(load.failed, 0, load)

    def test_instance_is_stopped(self):
        self.start("--kill-timeout", "200")
        waiting = self.some_wait()
        self.home.run("stop", self.first())
        self.all_reset(waiting)

    def test_daemon_killed_meanwhile(self):
        self.start("--no-autorestart")
        waiting = self.some_wait()
        before = self.home.daemon_pid
        os.kill(self.home.instances("web")[0]["pid"], signal.SIGKILL)
        os.kill(before, signal.SIGKILL)
        self.all_reset(waiting)
        self.assertEqual(self.home.statuses("web").count("online"), 1)

    def test_app_is_errored(self):
        """Nobody is left: who waits is told at once, who comes is refused as by any port without a server."""
        self.start("--no-autorestart", stuck="all")
        self.connect(10)
        self.assertEqual(len(self.waiting()), 10)
        for pid in self.home.pids("web"):
            os.kill(pid, signal.SIGKILL)
        self.all_reset(self.clients)
        with self.assertRaises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", self.port), 5)
        os.unlink(self.gate)
        self.home.run("start", "web")
        pmxtest.wait_http(self.port)


class SuccessorComes(Waiting):
    def test_restarted_instance_answers(self):
        self.start("--restart-delay", "1000")
        waiting = self.some_wait()
        os.kill(self.home.instances("web")[0]["pid"], signal.SIGKILL)
        os.unlink(self.gate)  # not before: it would take one of them to its end
        eventually(lambda: None not in [self.answer(client) for client in waiting], 20, "answers")
        self.assertEqual({self.answer(client) for client in waiting}, {"200"})
        self.assertNotIn("reset", self.socket_line())

    def test_several_at_once(self):
        self.start("--restart-delay", "500", stuck="all", instances=3)
        self.connect(60)
        for pid in self.home.pids("web"):
            os.kill(pid, signal.SIGKILL)
        os.unlink(self.gate)
        eventually(lambda: not self.waiting(), 20, "answers")
        self.assertEqual({self.answer(client) for client in self.clients}, {"200"})


if __name__ == "__main__":
    pmxtest.main()
