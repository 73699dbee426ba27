"""What happens when an app ends, and how it is ended (pm2-surface 9 and 10, without its traps 1-6)."""

import os
import signal
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import pmxtest
from pmxtest import eventually, fixture, testapp


class Counted(pmxtest.PmxTest):
    def setUp(self):
        super().setUp()
        self.starts_file = os.path.join(self.home.work, "starts")

    def starts(self):
        """Start times in seconds, one per start of the fixture."""
        if not os.path.exists(self.starts_file):
            return []
        with open(self.starts_file) as file:
            return [float(line.split()[1]) / 1000 for line in file]

    def crash(self, name, env=None, **keys):
        """Starts crash.js with these keys of a configuration file. min_uptime is a minute: however slow the machine, each end is an early one."""
        self.home.json_file("app.json", {"apps": [{"name": name, "script": fixture("crash.js"), "min_uptime": 60000, **keys,
                                                   "env": {"STARTS": self.starts_file, **{key: str(value) for key, value in (env or {}).items()}}}]})
        self.home.run("start", "app.json", check=None)  # that it ends at once is a failure


class Crashes(Counted):
    def test_at_once_is_15_restarts_then_errored(self):
        self.home.run("start", testapp(), "--name", "bad", "--", "exit", "1", check=None)
        env = self.home.wait_status("bad", "errored", 30)[0]["pm2_env"]
        self.assertEqual((env["restart_time"], env["exit_code"]), (15, 1))
        self.assertEqual(self.home.one("bad")["pid"], 0)

    def test_max_restarts(self):
        self.crash("bad", {"EXIT_CODE": 5}, max_restarts=3)
        env = self.home.wait_status("bad", "errored", 30)[0]["pm2_env"]
        self.assertEqual((env["restart_time"], env["exit_code"], len(self.starts())), (2, 5, 3))
        # The reason is told in words.
        self.assertRegex(self.home.run("show", "bad").stdout, r"(?i)exit code 5|code 5")

    def test_errored_can_be_started_again(self):
        self.crash("bad", max_restarts=2)
        self.home.wait_status("bad", "errored", 30)
        self.home.run("restart", "bad", check=None)
        eventually(lambda: len(self.starts()) == 4, 20, "two more starts")
        self.home.wait_status("bad", "errored", 30)

    def test_with_restart_delay_is_errored_too(self):
        """pm2's trap 5: "waiting restart" for ever."""
        self.crash("bad", max_restarts=2, restart_delay=100)
        self.home.wait_status("bad", "errored", 30)
        self.assertEqual(len(self.starts()), 2)

    def test_crash_slower_than_min_uptime_is_errored_too(self):
        """pm2's trap 6: slow boots loop for ever."""
        self.crash("slow", {"EXIT_AFTER": 300}, min_uptime=100, max_restarts=3)
        self.assertEqual(self.home.wait_status("slow", "errored", 40)[0]["pm2_env"]["restart_time"], 2)

    def test_clean_end_after_min_uptime_is_no_failure(self):
        self.crash("job", {"EXIT_AFTER": 300, "EXIT_CODE": 0}, min_uptime=100, max_restarts=2)
        eventually(lambda: len(self.starts()) >= 4, 40, "four starts although max_restarts is 2")
        self.home.run("stop", "job")
        self.assertEqual(self.home.statuses("job"), ["stopped"])

    def test_stop_exit_codes(self):
        self.crash("done", {"EXIT_CODE": 7}, stop_exit_codes=[3, 7])
        entry = self.home.wait_status("done", "stopped")[0]
        self.assertEqual((entry["pm2_env"]["exit_code"], entry["pm2_env"]["restart_time"], len(self.starts())), (7, 0, 1))

    def test_stop_exit_code_zero_does_not_match_a_signal(self):
        """pm2's trap 7."""
        self.crash("killed", {"EXIT_SIGNAL": "SIGKILL"}, stop_exit_codes=[0], max_restarts=3)
        self.home.wait_status("killed", "errored", 30)
        self.assertEqual(len(self.starts()), 3)
        self.assertIn("SIGKILL", self.home.run("show", "killed").stdout)

    def test_options_of_the_command_line(self):
        """The same policy by flags; the program is quick enough for the default min_uptime.

        What `start` says of a program that ends at once depends on how quickly it does: not asked here."""
        # Three runs may be over before `start` answers: then it says so and exits with 1.
        self.home.run("start", testapp(), "--name", "limited", "--max-restarts", "3", "--", "exit", "4", check=None)
        self.assertEqual(self.home.wait_status("limited", "errored", 30)[0]["pm2_env"]["restart_time"], 2)
        self.home.run("start", testapp(), "--name", "done", "--stop-exit-codes", "7", "--", "exit", "7", check=None)
        self.home.wait_status("done", "stopped")
        self.home.run("start", testapp(), "--name", "delayed", "--restart-delay", "600000", "--", "exit", "1", check=None)
        self.home.wait_status("delayed", "waiting restart")
        self.home.run("start", testapp(), "--name", "backing-off", "--exp-backoff-restart-delay", "600000", "--", "exit", "1", check=None)
        self.home.wait_status("backing-off", "waiting restart")

    def test_no_autorestart(self):
        self.crash("once", {"EXIT_CODE": 3}, autorestart=False)
        entry = self.home.wait_status("once", "stopped")[0]
        self.assertEqual((entry["pm2_env"]["exit_code"], len(self.starts())), (3, 1))

    def test_no_autorestart_with_delay_is_stopped(self):
        self.crash("once", {"EXIT_CODE": 3}, autorestart=False, restart_delay=50)
        self.home.wait_status("once", "stopped")

    def test_signal_is_recorded_as_signal(self):
        self.home.run("start", testapp(), "--name", "segv", "--no-autorestart", "--", "raise", str(int(signal.SIGSEGV)), check=None)
        self.home.wait_status("segv", "stopped")
        self.assertRegex(self.home.run("show", "segv").stdout, "SIGSEGV")

    def test_clean_exit_is_restarted_too(self):
        self.crash("zero", {"EXIT_CODE": 0}, max_restarts=2)
        self.assertEqual(self.home.wait_status("zero", "errored", 30)[0]["pm2_env"]["restart_time"], 1)

    def test_first_restart_is_at_once(self):
        self.home.start("app", script="on_signal.py", env={"STARTS": self.starts_file})
        eventually(lambda: self.home.log("app-out.log") == b"ready\n", 10, "first line")
        pid = self.home.one("app")["pid"]
        killed = time.monotonic()
        os.kill(pid, signal.SIGUSR1)
        # The fixture writes the monotonic time of each start: no polling in the figure.
        def second_start():
            with open(self.starts_file) as file:
                lines = file.read().splitlines()
            return float(lines[1].split()[1]) if len(lines) > 1 else None
        delay = eventually(second_start, 10, "a second start") - killed
        print(f"figure: exit to first line of the next python: {delay * 1000:.0f} ms", file=sys.stderr)
        entry = self.home.wait_status("app", "online")[0]
        self.assertEqual((entry["pm2_env"]["restart_time"], entry["pm2_env"]["exit_code"]), (1, 7))

    def test_killed_from_outside_comes_back(self):
        self.home.run("start", testapp(), "--name", "app", "--", "sleep")
        pid = self.home.one("app")["pid"]
        os.kill(pid, signal.SIGKILL)
        entry = eventually(lambda: (lambda e: e if e["pid"] not in (0, pid) else None)(self.home.one("app")), 10, "a new process")
        self.assertEqual(entry["pm2_env"]["restart_time"], 1)
        self.assertEqual(self.home.one("app")["pm2_env"]["status"], "online")


class Delays(Counted):
    def test_restart_delay(self):
        self.crash("slow", restart_delay=2000, max_restarts=3)
        self.assertEqual(self.home.wait_status("slow", "waiting restart")[0]["pid"], 0)
        self.home.wait_status("slow", "errored", 30)
        self.assertEqual(len(self.starts()), 3)

    def test_waiting_restart_can_be_restarted_started_stopped_deleted(self):
        """pm2's trap 2."""
        self.crash("wait", restart_delay=600000)
        waiting = self.home.wait_status("wait", "waiting restart")[0]
        self.assertEqual(waiting["pid"], 0)
        self.home.run("restart", "wait", check=None)
        eventually(lambda: len(self.starts()) == 2, 10, "a start by `restart`")
        self.home.wait_status("wait", "waiting restart")
        self.home.run("start", "wait", check=None)
        eventually(lambda: len(self.starts()) == 3, 10, "a start by `start`")
        self.home.wait_status("wait", "waiting restart")
        self.home.run("stop", "wait")
        self.assertEqual(self.home.statuses("wait"), ["stopped"])
        self.home.run("start", "wait", check=None)
        self.home.wait_status("wait", "waiting restart")
        self.home.run("delete", "wait")
        self.assertEqual(self.home.jlist(), [])
        self.assertEqual(len(self.starts()), 4)

    def test_exponential_backoff(self):
        self.crash("back", exp_backoff_restart_delay=100)
        eventually(lambda: self.home.one("back")["pm2_env"].get("prev_restart_delay", 0) >= 505, 30, "100 ms, grown by half four times")
        self.assertGreaterEqual(len(self.starts()), 5)


class AcrossDaemons(Counted):
    """A new daemon is no reason to begin a crash loop anew."""

    def restart_daemon(self):
        daemon = self.home.daemon_pid
        os.kill(daemon, signal.SIGKILL)
        eventually(lambda: daemon not in self.home.daemons() and self.home.run("ping", check=None).code == 0, 10, "another daemon")

    def test_what_waits_goes_on_waiting(self):
        self.crash("app", restart_delay=600000)
        self.home.wait_status("app", "waiting restart")
        eventually(lambda: self.home.recorded() == 1, 10, "the app in the database")
        for _ in range(3):
            self.restart_daemon()
            self.assertEqual(self.home.statuses(), ["waiting restart"])
        self.home.crash()
        self.assertEqual(self.home.statuses(), ["waiting restart"])
        self.assertEqual((len(self.starts()), self.home.one("app")["pm2_env"]["unstable_restarts"]), (1, 1))

    def test_the_budget_counts_on(self):
        self.crash("app", restart_limit=3, restart_window="1h", restart_delay=300, max_restarts=100)
        for starts in range(1, 4):
            eventually(lambda: len(self.starts()) >= starts, 10, "another start")
            self.restart_daemon()
        self.home.wait_status("app", "errored", 20)
        self.assertEqual(len(self.starts()), 4)
        self.assertIn("gave up after 3 restarts", self.home.one("app")["pm2_env"]["reason"])


class Stops(pmxtest.PmxTest):
    def test_ignoring_sigint_ends_by_sigkill_after_kill_timeout(self):
        self.home.start("deaf", "--kill-timeout", "700", script="ignore_sigint.py")
        eventually(lambda: self.home.log("deaf-out.log").startswith(b"ready"), 10, "first line")
        pid = self.home.one("deaf")["pid"]
        self.home.run("stop", "deaf")
        self.assertFalse(pmxtest.process_alive(pid))
        self.assertIn(b"got SIGINT", self.home.log("deaf-out.log"))
        self.assertEqual(self.home.statuses("deaf"), ["stopped"])
        self.assertIn("SIGKILL", self.home.run("show", "deaf").stdout)

    def test_default_kill_timeout(self):
        self.home.start("deaf", script="ignore_sigint.py")
        eventually(lambda: self.home.log("deaf-out.log").startswith(b"ready"), 10, "first line")
        self.assertEqual(self.home.one("deaf")["pm2_env"]["kill_timeout"], 1600)
        self.home.run("stop", "deaf")
        self.assertIn("SIGKILL", self.home.run("show", "deaf").stdout)

    def test_polite_app_does_not_cost_the_timeout(self):
        self.home.run("start", testapp(), "--name", "polite", "--kill-timeout", "1h", "--", "sleep")
        self.home.run("stop", "polite")

    def test_stopping_one_does_not_delay_others(self):
        self.home.start("deaf", "--kill-timeout", "1h", script="ignore_sigint.py")
        eventually(lambda: self.home.log("deaf-out.log").startswith(b"ready"), 10, "first line")
        deaf = self.home.one("deaf")["pid"]
        child = self.home.popen("stop", "deaf", stdout=pmxtest.subprocess.DEVNULL, stderr=pmxtest.subprocess.DEVNULL)
        try:
            self.home.wait_status("deaf", "stopping")
            self.home.run("list")
            self.home.run("start", testapp(), "--name", "other", "--", "sleep")
            self.home.run("stop", "other")
            self.assertEqual(self.home.statuses("deaf"), ["stopping"])
            self.assertIsNone(child.poll())
            os.kill(deaf, signal.SIGKILL)
            self.assertEqual(child.wait(20 * pmxtest.SLOW), 0)
        finally:
            child.kill()
            child.wait()

    def family(self, name):
        path = os.path.join(self.home.work, "pids")
        self.home.start(name, script="tree.py", env={"PIDS": path})
        eventually(lambda: os.path.exists(path), 10, "the family's pids")
        with open(path) as file:
            return {role: int(pid) for role, pid in (line.split() for line in file)}

    def test_whole_tree_with_a_detached_grandchild(self):
        pids = self.family("tree")
        self.assertEqual(set(pids), {"parent", "child", "grandchild", "detached"})
        self.assertEqual(self.home.one("tree")["pid"], pids["parent"])
        self.home.run("stop", "tree")
        self.assertEqual({role: pmxtest.process_alive(pid) for role, pid in pids.items()}, dict.fromkeys(pids, False))

    def test_delete_ends_the_tree(self):
        pids = self.family("tree")
        self.home.run("delete", "tree")
        self.assertEqual([role for role, pid in pids.items() if pmxtest.process_alive(pid)], [])

    def test_restart_ends_the_tree_first(self):
        pids = self.family("tree")
        self.home.run("restart", "tree")
        self.assertEqual([role for role, pid in pids.items() if pmxtest.process_alive(pid)], [])

    def test_crash_of_the_parent_leaves_no_children_behind(self):
        """The next incarnation must not meet the remains of the last one."""
        pids = self.family("tree")
        os.remove(os.path.join(self.home.work, "pids"))
        os.kill(pids["parent"], signal.SIGKILL)
        eventually(lambda: os.path.exists(os.path.join(self.home.work, "pids")), 15, "the next family")
        eventually(lambda: not [role for role, pid in pids.items() if pmxtest.process_alive(pid)], 10, "end of the old family")

    def test_stop_while_launching_stays_stopped(self):
        """pm2's trap 3."""
        child = self.home.popen("start", testapp(), "--name", "mute", "--wait-ready", "--listen-timeout", "60000", "--", "sleep",
                                stdout=pmxtest.subprocess.DEVNULL, stderr=pmxtest.subprocess.DEVNULL)
        try:
            pid = self.home.wait_status("mute", "launching")[0]["pid"]
            self.home.run("stop", "mute")
            self.assertFalse(pmxtest.process_alive(pid))
            child.wait(10 * pmxtest.SLOW)
            entry = self.home.one("mute")
            self.assertEqual((entry["pm2_env"]["status"], entry["pid"]), ("stopped", 0))
        finally:
            child.kill()
            child.wait()

    def test_message_instead_of_signal(self):
        script = self.home.file("message.js", "process.on('SIGINT', () => console.log('signal')); setInterval(() => {}, 1000);\n"
                                "process.on('message', (m) => { console.log('message', m); process.exit(0); }); console.log('ready');\n")
        self.home.run("start", script, "--shutdown-with-message", "--kill-timeout", "20000")
        eventually(lambda: self.home.log("message-out.log") == b"ready\n", 10, "first line")
        self.home.run("stop", "message")
        self.assertEqual(self.home.log("message-out.log"), b"ready\nmessage shutdown\n")

    def test_last_words_are_in_the_log(self):
        script = self.home.file("words.js", "process.on('SIGINT', () => { process.stdout.write('x'.repeat(60000) + '\\nbye\\n', () => process.exit(0)); });\n"
                                "setInterval(() => {}, 1000); console.log('ready');\n")
        self.home.run("start", script)
        eventually(lambda: self.home.log("words-out.log") == b"ready\n", 10, "first line")
        self.home.run("stop", "words")
        self.assertTrue(self.home.log("words-out.log").endswith(b"x\nbye\n"))


if __name__ == "__main__":
    pmxtest.main()
