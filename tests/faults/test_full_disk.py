"""A home without any room left, and a daemon that is killed while nothing can be written: no app is restarted, none is forgotten."""

import ctypes
import os
import signal
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import pmxtest
from pmxtest import eventually, process_alive

CLONE_NEWNS = 0x00020000


def private_mounts():
    """What this process mounts from now on is seen by it and its children alone, and ends with them."""
    if os.geteuid() != 0:
        return "only root may mount"
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNS) != 0:
        return f"no mount namespace: {os.strerror(ctypes.get_errno())}"
    done = subprocess.run(["mount", "--make-rprivate", "/"], capture_output=True, text=True)
    return done.stderr.strip()


class FullDisk(pmxtest.PmxTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        why = private_mounts()
        if why:
            raise unittest.SkipTest(why)

    def setUp(self):
        super().setUp()
        os.mkdir(self.home.path, 0o700)
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m,mode=700", "none", self.home.path], capture_output=True, text=True)
        if done.returncode != 0:
            self.skipTest(done.stderr.strip())
        self.start("first", args=["--max-restarts", "7"])

    def tearDown(self):
        self.home.kill()
        subprocess.run(["umount", "--lazy", self.home.path], check=True)
        super().tearDown()

    def start(self, name, args=(), program="sleep"):
        self.home.run("start", pmxtest.testapp(), "--name", name, *args, "--", program)

    def fill(self):
        """Until the daemon has seen it."""
        with open(os.path.join(self.home.path, "filler"), "wb", buffering=0) as file:
            for size in (65536, 4096, 1):
                try:
                    while True:
                        file.write(b"x" * size)
                except OSError:
                    pass

    def make_room(self):
        os.unlink(os.path.join(self.home.path, "filler"))
        eventually(lambda: not self.problem(), 10, "written again")

    def problem(self):
        with self.home.rpc() as rpc:
            return rpc.call("list")["result"].get("problem", "")

    def seen(self):
        """Everything that is to be as it was: processes, and what they were started with."""
        return {one["name"]: (one["pid"], one["pm_id"], one["pm2_env"]["restart_time"], one["pm2_env"]["status"], one["pm2_env"]["max_restarts"],
                              one["pm2_env"]["namespace"]) for one in self.home.jlist()}

    def kill_daemon(self):
        daemon = self.home.daemon_pid
        os.kill(daemon, signal.SIGKILL)
        self.another_than(daemon)

    def another_than(self, daemon):
        eventually(lambda: not process_alive(daemon) and self.home.run("ping", check=None).code == 0, 20, "another daemon")

    def test_what_was_started_meanwhile_is_kept(self):
        self.fill()
        self.start("second", args=["--namespace", "here", "--max-restarts", "9"])
        self.start("third")
        self.home.run("delete", "first")
        self.home.run("restart", "third")
        self.home.run("stop", "third")
        self.assertIn("cannot write", self.problem())
        before = self.seen()
        self.assertEqual(set(before), {"second", "third"})
        for _ in range(3):
            self.kill_daemon()
            self.assertEqual(self.seen(), before)
        self.assertIn("cannot write", self.problem())
        # Kept, with more to keep, and the same again when there is room.
        self.home.run("scale", "second", "2")
        self.home.run("start", "third")
        before = self.seen()
        self.kill_daemon()
        self.assertEqual(self.seen(), before)
        self.assertEqual(len(self.home.pids("second")), 2)
        pids = self.home.pids("second")
        self.make_room()
        self.kill_daemon()
        self.assertEqual(self.home.pids("second"), pids)
        self.assertEqual(self.seen(), before)
        self.assertNotIn("is ended", self.home.daemon_log())
        self.home.run("delete", "second")
        eventually(lambda: not any(map(process_alive, pids)), 10, "ended")

    def test_keeper_and_daemon_one_after_the_other(self):
        self.fill()
        self.start("second")
        before = self.seen()
        daemon = self.home.daemon_pid
        os.kill(self.home.keeper_pid, signal.SIGKILL)
        self.another_than(daemon)
        self.assertEqual(self.seen(), before)
        self.make_room()

    def test_after_there_was_room_again(self):
        """What was kept meanwhile does not come back over what is newer."""
        self.fill()
        self.start("second")
        self.make_room()
        self.home.run("delete", "second")
        self.start("third")
        before = self.seen()
        self.kill_daemon()
        self.assertEqual(self.seen(), before)
        self.assertEqual(set(before), {"first", "third"})

    def test_a_crash_meanwhile(self):
        """An app that ends while nothing can be written is restarted once, and its number of restarts goes on."""
        self.fill()
        pid = self.home.pids("first")[0]
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: self.home.pids("first") not in ([], [pid]), 10, "restarted")
        self.kill_daemon()
        self.home.wait_status("first", "online")
        self.assertEqual(self.home.one("first")["pm2_env"]["restart_time"], 1)

    def test_no_room_to_open_the_list(self):
        """It is not damaged: it stays where it is, and is read when there is room."""
        before = self.seen()
        self.home.crash()
        os.unlink(os.path.join(self.home.path, "pmx.db-shm"))
        self.fill()
        result = self.home.fails("list")
        self.assertIn("pmx.db", result.stderr)
        self.assertEqual([name for name in os.listdir(self.home.path) if "damaged" in name], [])
        os.unlink(os.path.join(self.home.path, "filler"))
        eventually(lambda: self.home.run("list", check=None).code == 0, 20, "a daemon")
        self.assertEqual(self.seen(), before)


if __name__ == "__main__":
    pmxtest.main()
