"""Stopping: nothing of an app is left, whatever it has started; unless its kill_mode says otherwise."""

import os
import signal
import subprocess
import sys
import textwrap
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import pmxtest
from pmxtest import eventually, fixture, process_alive

ROUNDS = int(os.environ.get("PMX_TEST_ROUNDS", "2"))
MEMBERS = {"setsid": 2, "double": 2, "deaf": 3, "hundred": 100}


class StopTest(pmxtest.PmxTest):
    def start_family(self, kind, count, *options, env=None):
        path = os.path.join(self.home.work, "pids")
        if os.path.exists(path):
            os.remove(path)
        self.home.run("start", fixture("families.py"), "--name", kind, "-k", "300ms", *options, "--", kind, env={"PIDS": path, **(env or {})})

        def members():
            if not os.path.exists(path):
                return None
            with open(path) as file:
                pids = [int(line) for line in file]
            return pids if len(pids) == count else None
        return eventually(members, 15, f"{count} members of {kind}")

    def known_by(self, name):
        return next(line for line in self.home.run("show", name).stdout.splitlines() if "process tree by" in line)


class Tree(StopTest):
    def stop_families(self, kinds, env=None):
        for kind, count in kinds.items():
            with self.subTest(kind):
                for _ in range(ROUNDS):
                    members = self.start_family(kind, count, env=env)
                    self.home.run("stop", kind)
                    left = [pid for pid in members if process_alive(pid)]
                    for pid in left:
                        os.kill(pid, signal.SIGKILL)
                    self.assertEqual(left, [], f"of {kind}")
                    self.home.run("delete", kind)

    def test_without_a_cgroup(self):
        self.home = self.new_home(PMX_CGROUP="off")
        self.stop_families(MEMBERS)
        self.start_family("setsid", 2)
        self.assertIn("parentage and PMX_TOKEN", self.known_by("setsid"))

    def test_with_a_cgroup(self):
        """Then even what has emptied its environment is found."""
        self.home.run("start", "/bin/sleep", "--name", "look", "--", "1000")
        if "cgroup /" not in self.known_by("look"):
            self.skipTest(f"no cgroup can be made here: {self.known_by('look')}")
        self.stop_families({**MEMBERS, "hidden": 2})

    def test_after_the_daemon_was_killed(self):
        members = self.start_family("double", 2)
        daemon = self.home.daemon_pid
        os.kill(daemon, signal.SIGKILL)
        eventually(lambda: daemon not in self.home.daemons(), 10, "its end")  # else it might still take the command
        self.home.run("stop", "double")
        self.assertFalse([pid for pid in members if process_alive(pid)])

    def test_a_suspended_one_hears_its_signal(self):
        path = os.path.join(self.home.work, "ended-by")
        script = self.home.file("app.sh", f"trap 'echo signal >{path}; exit 0' INT; echo up >{path}; while :; do sleep 0.05; done\n")
        self.home.run("start", script, "--name", "app", "--interpreter", "sh", "-k", "30s")
        eventually(lambda: os.path.exists(path), 10, "its start")
        os.kill(self.home.pids("app")[0], signal.SIGSTOP)
        self.home.run("stop", "app", timeout=20)
        with open(path) as file:
            self.assertEqual(file.read(), "signal\n")

    def test_cgroups_are_removed(self):
        self.home.run("start", "/bin/sleep", "--name", "look", "--", "1000")
        shown = self.known_by("look")
        if "cgroup /" not in shown:
            self.skipTest(f"no cgroup can be made here: {shown}")
        directory = "/" + shown.split("cgroup /")[1].split()[0]
        self.assertTrue(os.path.isdir(directory))
        with open(directory + "/cgroup.procs") as file:
            self.assertEqual([int(line) for line in file], self.home.pids("look"))
        self.home.run("restart", "look")
        eventually(lambda: not os.path.exists(directory), 5, "the old one removed")
        shown = self.known_by("look")
        self.home.run("delete", "look")
        eventually(lambda: not os.path.exists("/" + shown.split("cgroup /")[1].split()[0]), 5, "the new one removed")

    def test_a_daemon_started_by_an_app_outlives_it(self):
        """`pmx` in an app starts a daemon of another home: it must not sit in the app's cgroup."""
        other = self.new_home()
        script = self.home.file("calls.sh", f"PMX_HOME={other.path} PMX_TOKEN= {os.path.join(pmxtest.bin_dir(), 'pmx')} list; exec sleep 1000\n")
        self.home.run("start", script, "--name", "calls")
        eventually(lambda: os.path.exists(os.path.join(other.path, "pmx.pid")) and other.living(), 10, "the other daemon")
        self.home.run("delete", "calls")
        self.assertTrue(process_alive(other.daemon_pid))


class Modes(StopTest):
    def end(self, pids):
        for pid in pids:
            if process_alive(pid):
                os.kill(pid, signal.SIGKILL)

    def test_leader(self):
        for options in (("--kill-mode", "leader"), ("--no-treekill",)):
            members = self.start_family("double", 2, *options)
            main = self.home.pids("double")[0]
            self.home.run("stop", "double")
            left = [pid for pid in members if process_alive(pid)]
            self.end(left)
            self.assertEqual(left, [pid for pid in members if pid != main])
            self.home.run("delete", "double")

    def test_group(self):
        """Its session goes, the detached child stays; also when the main process ends by itself."""
        members = self.start_family("double", 2, "--kill-mode", "group")
        main = self.home.pids("double")[0]
        self.home.run("stop", "double")
        left = [pid for pid in members if process_alive(pid)]
        self.end(left)
        self.assertEqual(left, [pid for pid in members if pid != main])
        self.home.run("delete", "double")
        members = self.start_family("double", 2, "--kill-mode", "group", "--no-autorestart")
        os.kill(self.home.pids("double")[0], signal.SIGKILL)
        self.home.wait_status("double", "stopped")
        left = [pid for pid in members if process_alive(pid)]
        self.end(left)
        self.assertEqual(len(left), 1)

    def test_leader_ends_by_itself(self):
        members = self.start_family("double", 2, "--kill-mode", "leader", "--no-autorestart")
        os.kill(self.home.pids("double")[0], signal.SIGKILL)
        self.home.wait_status("double", "stopped")
        left = [pid for pid in members if process_alive(pid)]
        self.end(left)
        self.assertEqual(len(left), 1)


class Command(pmxtest.PmxTest):
    def test_runs_first(self):
        said = os.path.join(self.home.work, "said")
        self.home.run("start", "/bin/sleep", "--name", "app", "--stop-command", f'echo "stopping $PMX_PID $WHO" > {said}; kill -TERM "$PMX_PID"',
                      "-k", "20s", "--", "1000", env={"WHO": "me"})
        pid = self.home.pids("app")[0]
        self.home.run("stop", "app")
        with open(said) as file:
            self.assertEqual(file.read(), f"stopping {pid} me\n")

    def test_one_that_fails_costs_no_time(self):
        self.home.run("start", "/bin/sleep", "--name", "app", "--stop-command", "echo no such thing; exit 3", "-k", "20s", "--", "1000")
        self.home.run("stop", "app", timeout=10)
        self.assertIn("exit code 3: no such thing", self.home.daemon_log())

    def test_one_that_hangs(self):
        self.home.run("start", "/bin/sleep", "--name", "app", "--stop-command", "sleep 1000", "-k", "300ms", "--", "1000")
        self.home.run("stop", "app", timeout=10)


class Latency(StopTest):
    def test_stop_returns_when_the_app_has_ended(self):
        """And others are served meanwhile."""
        gate = os.path.join(self.home.work, "may-end")
        script = self.home.file("slow.py", textwrap.dedent("""
            import os, signal, time
            def end(*unused):
                while not os.path.exists(os.environ["GATE"]): time.sleep(0.01)
                os._exit(0)
            signal.signal(signal.SIGINT, end)
            print("up", flush=True)
            while True: time.sleep(1000)
        """))
        self.home.run("start", script, "--name", "slow", "-k", "1h", "--ready", "log:up", env={"GATE": gate})
        self.home.run("start", "/bin/sleep", "--name", "quick", "--", "1000")
        times = []
        for _ in range(5):
            since = time.monotonic()
            self.home.run("stop", "quick")
            times.append(time.monotonic() - since)
            self.home.run("start", "quick")
        stopping = self.home.popen("stop", "slow", stdout=subprocess.DEVNULL)
        eventually(lambda: self.home.statuses("slow") == ["stopping"])
        before = self.home.pids("quick")[0]
        os.kill(before, signal.SIGKILL)
        eventually(lambda: self.home.pids("quick") not in ([before], []), 10, "the other one back")
        self.assertEqual(self.home.statuses("slow"), ["stopping"])
        self.home.file("may-end", "")
        self.assertEqual(stopping.wait(20 * pmxtest.SLOW), 0)
        print(f"figure: stop of an app that ends at once: {sorted(times)[2] * 1000:.1f} ms, the command included", file=sys.stderr)


if __name__ == "__main__":
    pmxtest.main()
