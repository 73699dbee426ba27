"""The harness itself: a load generator that overlooks failures, or a home that overlooks processes, would make every other test worthless."""

import os
import signal
import socket
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import pmxtest
from pmxtest import Load, eventually, fixture


class LoadGenerator(pmxtest.unittest.TestCase):
    def node(self, port):
        child = subprocess.Popen(["node", fixture("server.js")], env={"PATH": pmxtest.PATH, "PORT": str(port)}, stdout=subprocess.DEVNULL)
        self.addCleanup(child.wait)
        self.addCleanup(child.kill)
        pmxtest.wait_http(port)
        return child

    def test_counts_what_works(self):
        port = pmxtest.free_port()
        child = self.node(port)
        for keep_alive in (False, True):
            with self.subTest(keep_alive=keep_alive), Load(port, threads=4, keep_alive=keep_alive) as load:
                load.wait_ok(100)
            self.assertEqual((load.failed, load.seen()), (0, {child.pid}))

    def test_counts_a_killed_server(self):
        for keep_alive in (False, True):
            port = pmxtest.free_port()
            child = self.node(port)
            with self.subTest(keep_alive=keep_alive):
                with Load(port, threads=4, keep_alive=keep_alive, path="/slow?ms=50") as load:
                    load.wait_ok(10)
                    child.kill()
                    eventually(lambda: load.failures.get("refused", 0) > 10, 10, f"refused ones ({load})")
                self.assertTrue(load.failures.get("reset", 0) + load.failures.get("eof", 0) > 0, load)

    def one_answer(self, data, wait=False):
        """Failures against a server that sends `data` and closes (or waits)."""
        with socket.create_server(("127.0.0.1", 0)) as server:
            done = threading.Event()

            def serve():
                server.settimeout(0.05)
                while not done.is_set():
                    try:
                        connection = server.accept()[0]
                    except TimeoutError:
                        continue
                    connection.recv(65536)
                    connection.sendall(data)
                    if wait:
                        done.wait()
                    connection.close()

            thread = threading.Thread(target=serve)
            thread.start()
            try:
                with Load(server.getsockname()[1], threads=1, timeout=0.3) as load:
                    eventually(lambda: load.failed >= 1, 10, f"a failure ({load})")
            finally:
                done.set()
                thread.join()
            self.assertEqual(load.ok, 0)
            return set(load.failures)

    def test_kinds(self):
        self.assertIn("eof", self.one_answer(b""))
        self.assertIn("eof", self.one_answer(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort"))
        self.assertIn("status", self.one_answer(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"))
        self.assertIn("timeout", self.one_answer(b"HTTP/1.1 200 OK\r\n", wait=True))


class Leftovers(pmxtest.unittest.TestCase):
    def test_a_process_left_behind_fails_and_is_ended(self):
        home = pmxtest.Home()
        self.addCleanup(home.remove)
        child = subprocess.Popen(["/bin/sh", "-c", "exec /bin/sleep 1000"], env=home.environment())
        self.addCleanup(child.wait)
        eventually(lambda: home.living() == [child.pid], 10, "the process is seen")
        with self.assertRaisesRegex(AssertionError, "processes left behind"):
            home.close()
        self.assertEqual(child.wait(5), -signal.SIGKILL)


if __name__ == "__main__":
    pmxtest.main()
