"""The daemon's own life: autostart, signals, kill, homes."""

import json
import os
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import pmxtest
from pmxtest import eventually, testapp


class Autostart(pmxtest.PmxTest):
    def test_100_parallel_first_commands(self):
        begin = time.monotonic()
        children = []
        for number in range(100):
            args = ("start", testapp(), "--name", f"app-{number}", "--", "sleep") if number % 2 else ("list",)
            children.append(self.home.popen(*args, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE))
        failed = []
        for child in children:
            error = child.communicate(timeout=60 * pmxtest.SLOW)[1]
            if child.returncode != 0:
                failed.append((child.returncode, child.args[1:], error.decode()[-300:]))
        seconds = time.monotonic() - begin
        print(f"figure: 100 parallel start/list in an empty home: {seconds:.2f} s", file=sys.stderr)
        self.assertEqual(failed, [])
        self.assertEqual(len(self.home.daemons()), 1)
        self.assertEqual(len(self.home.keepers()), 1)
        entries = self.home.jlist()
        self.assertEqual(sorted(entry["name"] for entry in entries), sorted(f"app-{number}" for number in range(1, 100, 2)))
        self.assertEqual(sorted(entry["pm_id"] for entry in entries), list(range(50)))
        self.assertEqual({entry["pm2_env"]["status"] for entry in entries}, {"online"})

    def test_commands_that_never_start_a_daemon(self):
        for args in (("-v",), ("--version",), ("--help",), ("-h",), ("start", "--help"), ("ping",), ("kill",)):
            with self.subTest(args=args):
                self.home.run(*args, check=None)
                self.assertEqual(self.home.living(), [])
                self.assertFalse(os.path.exists(os.path.join(self.home.path, "pmx.sock")))
        self.assertEqual(self.home.run("kill").code, 0)
        self.assertNotEqual(self.home.run("ping", check=None).code, 0)

    def test_command_line_mistake_starts_no_daemon(self):
        self.home.run("start", "--no-such-option", check=2)
        self.home.run("nonsense", check=2)
        self.assertEqual(self.home.living(), [])

    def test_files_of_a_home(self):
        self.home.run("list")
        self.assertEqual(os.stat(self.home.path).st_mode & 0o777, 0o700)
        self.assertEqual(os.stat(os.path.join(self.home.path, "pmx.sock")).st_mode & 0o777, 0o600)
        self.assertEqual([self.home.daemon_pid], self.home.daemons())
        self.assertEqual([self.home.keeper_pid], self.home.keepers())
        self.assertTrue(os.path.exists(os.path.join(self.home.path, "pmx.log")))

    def test_daemon_holds_nothing_of_the_caller(self):
        """Its output pipe closes with the command: `pmx list | cat` must end."""
        result = self.home.run("list", timeout=20)
        self.assertEqual(result.code, 0)
        for pid in (self.home.daemon_pid, self.home.keeper_pid):
            targets = {os.readlink(f"/proc/{pid}/fd/{fd}") for fd in ("0", "1", "2")}
            self.assertFalse([target for target in targets if target.startswith("pipe:")], targets)
            self.assertNotEqual(os.getsid(pid), os.getsid(0))
            self.assertNotEqual(os.readlink(f"/proc/{pid}/cwd"), self.home.work)  # it must not keep a file system busy

    def test_default_home(self):
        result = self.home.run("jlist", env={"PMX_HOME": None})
        self.assertEqual(json.loads(result.out), [])
        self.assertTrue(os.path.exists(os.path.join(self.home.root, ".pmx", "pmx.sock")))
        self.home.run("kill", env={"PMX_HOME": None})
        eventually(lambda: not pmxtest.processes_with("HOME", self.home.root), 10, "no process of the default home left")

    def test_stale_socket_and_pid_file(self):
        self.home.run("start", testapp(), "--name", "x", "--", "sleep")
        keeper, daemon = self.home.keeper_pid, self.home.daemon_pid
        self.home.crash()
        self.home.run("list")
        self.assertNotIn(self.home.daemon_pid, (keeper, daemon))


class Signals(pmxtest.PmxTest):
    def setUp(self):
        super().setUp()
        self.home.start("app", script="on_signal.py", env={"STARTS": os.path.join(self.home.work, "starts")})
        eventually(lambda: self.home.log("app-out.log") == b"ready\n", 10, "first line")

    def graceful(self, number):
        os.kill(self.home.daemon_pid, number)
        eventually(lambda: not self.home.living(), 15, f"everything gone after {signal.Signals(number).name}")
        # Graceful: the app got SIGINT, not SIGKILL, and the next daemon finds everything in order.
        self.assertEqual(self.home.run("ping", check=None).code != 0, True)

    def test_sigterm(self):
        self.graceful(signal.SIGTERM)

    def test_sigint(self):
        self.graceful(signal.SIGINT)

    def test_sighup_is_ignored(self):
        daemon, app = self.home.daemon_pid, self.home.one("app")["pid"]
        for pid in (daemon, self.home.keeper_pid):
            os.kill(pid, signal.SIGHUP)
        self.home.run("ping")
        self.assertEqual((self.home.daemon_pid, self.home.one("app")["pid"]), (daemon, app))


class Kill(pmxtest.PmxTest):
    def test_leaves_nothing(self):
        pids = os.path.join(self.home.work, "pids")
        self.home.start("tree", script="tree.py", env={"PIDS": pids})
        self.home.start("deaf", "--kill-timeout", "500", script="ignore_sigint.py")
        eventually(lambda: os.path.exists(pids) and self.home.log("deaf-out.log").startswith(b"ready"), 15, "both apps")
        self.assertGreaterEqual(len(self.home.living()), 7)
        self.home.run("kill")
        self.assertEqual(self.home.living(), [])
        self.assertFalse(os.path.exists(os.path.join(self.home.path, "pmx.sock")))
        self.assertFalse(os.path.exists(os.path.join(self.home.path, "pmx.pid")))
        self.home.run("kill")  # again: fine

    def test_again_and_again(self):
        for _ in range(5):
            self.home.run("list")
            self.home.run("kill")
            self.assertEqual(self.home.living(), [])


class Homes(pmxtest.PmxTest):
    def test_two_do_not_see_each_other(self):
        other = self.new_home()
        self.home.run("start", testapp(), "--name", "mine", "--", "sleep")
        other.run("start", testapp(), "--name", "theirs", "--", "sleep")
        self.assertEqual([entry["name"] for entry in self.home.jlist()], ["mine"])
        self.assertEqual([entry["name"] for entry in other.jlist()], ["theirs"])
        other.run("kill")
        self.home.wait_status("mine", "online")
        self.assertEqual(len(self.home.daemons()), 1)

    def test_second_daemon_is_refused(self):
        self.home.run("start", testapp(), "--name", "x", "--", "sleep")
        daemon, app = self.home.daemon_pid, self.home.one("x")["pid"]
        for arguments in (["--home", self.home.path], []):
            with self.subTest(arguments=arguments):
                result = subprocess.run([os.path.join(pmxtest.bin_dir(), "pmxd"), *arguments], env=self.home.environment(), cwd=self.home.work,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=10 * pmxtest.SLOW, check=False)
                self.assertNotEqual(result.returncode, 0)
                self.assertIn(self.home.path, result.stdout.decode())
                self.assertEqual(os.listdir(self.home.work), [])
        eventually(lambda: self.home.daemons() == [daemon] and len(self.home.keepers()) == 1, 10, "one daemon, one keeper")
        self.assertEqual((self.home.daemon_pid, self.home.one("x")["pid"]), (daemon, app))
        self.assertEqual(self.home.one("x")["pm2_env"]["restart_time"], 0)


if __name__ == "__main__":
    pmxtest.main()
