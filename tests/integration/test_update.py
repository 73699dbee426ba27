"""`pmx update` replaces the daemon and nothing else; `pmx unit` is what systemd's units call."""

import os
import signal
import socket
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import pmxtest
from pmxtest import Load, eventually, process_alive, testapp


class Update(pmxtest.PmxTest):
    def test_under_load(self):
        port = pmxtest.free_port()
        self.home.start("web", "-i", "2", env={"PORT": port})
        pmxtest.wait_http(port)
        before = self.home.pids("web")
        keeper = self.home.keeper_pid
        with Load(port, threads=4) as load:
            load.wait_ok(50)
            for name in ("update", "upgrade"):
                daemon = self.home.daemon_pid
                said = self.home.run(name).stdout
                self.assertIn(f"daemon {daemon} (", said)
                self.assertIn(f"replaced by {self.home.daemon_pid} (", said)
                self.assertNotEqual(self.home.daemon_pid, daemon)
                load.wait_ok(50)
        self.assertEqual(load.failed, 0, load)
        self.assertEqual(self.home.pids("web"), before)
        self.assertEqual(self.home.keeper_pid, keeper)
        self.assertEqual([entry["pm2_env"]["restart_time"] for entry in self.home.jlist()], [0, 0])

    def test_without_a_daemon(self):
        self.assertIn("no daemon runs", self.home.run("update").stdout)
        self.assertEqual(self.home.daemons(), [])

    def test_a_daemon_that_another_program_plays_is_not_signalled(self):
        """Root asks daemons of users to make room: what those say must not make it signal anybody else."""
        if os.geteuid() != 0:
            self.skipTest("only root may serve a home of somebody else")
        self.home.run("list")
        os.chown(self.home.path, 65534, 65534)
        try:
            said = self.home.fails("update").stderr
        finally:
            os.chown(self.home.path, 0, 0)
        self.assertIn(f"cannot signal process {self.home.daemon_pid}", said)
        self.assertTrue(process_alive(self.home.daemon_pid))


class Unit(pmxtest.PmxTest):
    def unit_run(self):
        """`pmx unit run` once it has told systemd, played by a socket, that it is ready."""
        path = os.path.join(self.home.work, "notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
            listener.bind(path)
            listener.settimeout(20 * pmxtest.SLOW)
            child = self.home.popen("unit", "run", env={"NOTIFY_SOCKET": path}, stderr=subprocess.PIPE)
            self.addCleanup(self.end, child)
            self.assertIn(b"READY=1", listener.recv(4096).split(b"\n"))
        os.unlink(path)
        return child

    def end(self, child):
        if child.poll() is None:
            child.kill()
        child.wait(10)
        child.stderr.close()

    def test_starts_the_daemon_and_ends_with_the_keeper(self):
        child = self.unit_run()
        self.assertEqual(len(self.home.daemons()), 1)
        self.home.run("start", testapp(), "--name", "app", "--", "sleep")
        self.home.run("start", testapp(), "--name", "rests", "--force", "--", "sleep")
        self.home.run("stop", "rests")
        pid = self.home.one("app")["pid"]
        self.home.run("update")
        self.assertIsNone(child.poll())
        self.home.run("unit", "stop")
        self.assertEqual(child.wait(10 * pmxtest.SLOW), 0)
        self.assertFalse(process_alive(pid))
        self.assertEqual(self.home.keepers(), [])
        # Unlike after `pmx kill`, the next one brings back what ran.
        self.unit_run()
        self.home.wait_status("app", "online")
        self.home.wait_status("rests", "stopped")

    def test_its_end_leaves_everything_alone(self):
        self.home.run("start", testapp(), "--name", "app", "--", "sleep")
        pid, daemon = self.home.one("app")["pid"], self.home.daemon_pid
        for _ in range(2):
            child = self.unit_run()
            child.send_signal(signal.SIGTERM)
            self.assertEqual(child.wait(10 * pmxtest.SLOW), -signal.SIGTERM)
        self.assertEqual((self.home.one("app")["pid"], self.home.daemon_pid), (pid, daemon))

    def test_stop_without_a_daemon(self):
        self.home.run("unit", "stop")
        self.assertEqual(self.home.daemons(), [])

    def test_wrong_word(self):
        self.assertIn("run, start or stop", self.home.fails("unit", "walk", code=2).stderr)

    def test_systemd_that_does_not_answer(self):
        self.assertIn("cannot tell systemd", self.home.fails("unit", "run", env={"NOTIFY_SOCKET": "/nowhere/notify"}).stderr)
        eventually(lambda: self.home.daemons(), 5, "the daemon stays")


pmxtest.main()
