"""Jobs: apps whose process is meant to end, once or at the times of a schedule."""

import os
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import pmxtest
from pmxtest import eventually, process_alive

EVERY_SECOND = "* * * * * *"
NEVER = "0 0 29 2 1"


class Jobs(pmxtest.PmxTest):
    def script(self, text):
        return self.home.file("job.sh", "#!/bin/sh\n" + text, mode=0o755)

    def start(self, text, *options):
        return self.home.run("start", self.script(text), "--name", "job", *options)

    def runs(self):
        return self.home.log("job-out.log").count(b"run\n")

    def pm2_env(self):
        return self.home.one("job")["pm2_env"]

    def reason(self):
        return self.pm2_env()["reason"]


class OneRun(Jobs):
    def test_done(self):
        self.start("echo run\n", "--job")
        self.home.wait_status("job", "stopped")
        self.assertRegex(self.reason(), "^exit code 0 after .*; done$")
        self.assertEqual((self.runs(), self.pm2_env()["restart_time"]), (1, 0))

    def test_tried_again_and_given_up(self):
        self.start("echo run\nexit 3\n", "--job", "--retries", 2, "--retry-delay", "50ms")
        self.home.wait_status("job", "errored")
        self.assertRegex(self.reason(), "^exit code 3 after .*; failed after 3 tries$")
        self.assertEqual(self.runs(), 3)
        self.home.run("restart", "job")
        self.home.wait_status("job", "errored")
        self.assertEqual(self.runs(), 6)

    def test_takes_too_long(self):
        self.start("echo run\nexec sleep 60\n", "--job", "--timeout", "300ms")
        self.home.wait_status("job", "errored")
        self.assertIn("ran longer than 300 ms (timeout)", self.reason())
        self.assertEqual(self.home.pids("job"), [])

    def test_others_wait_for_its_end(self):
        self.home.json_file("apps.json", {"apps": [
            {"name": "job", "script": self.script(f"while ! test -e {self.home.work}/go; do sleep 0.05; done; echo run\n"), "type": "job"},
            {"name": "app", "script": pmxtest.fixture("server.js"), "env": {"PORT": pmxtest.free_port()}, "depends_on": ["job:completed_ok"]}]})
        self.home.run("start", "apps.json", "--no-wait")
        self.assertEqual(self.home.statuses("app"), ["launching"])
        self.home.file("go", "")
        self.home.wait_status("app", "online")
        self.assertEqual(self.runs(), 1)


class Scheduled(Jobs):
    def test_runs_at_its_times(self):
        self.start("echo run\n", "--schedule", EVERY_SECOND)
        self.assertEqual(self.runs() > 1, False)
        eventually(lambda: self.runs() >= 3, 15, "three runs")
        self.assertEqual(self.pm2_env()["restart_time"], 0)
        self.assertIn("next run", self.home.run("show", "job").stdout)
        self.home.run("stop", "job")
        seen = self.runs()
        self.home.wait_status("job", "stopped")
        self.assertNotIn("next run", self.home.run("show", "job").stdout)
        self.home.run("start", "job")
        eventually(lambda: self.runs() > seen, 15, "it runs again")

    def test_between_runs_it_is_idle_and_can_be_run_by_hand(self):
        self.start("echo run\nexit 4\n", "--schedule", NEVER)
        self.assertEqual(self.home.statuses(), ["idle"])
        self.assertGreater(self.pm2_env()["next_run"], 0)
        self.home.run("restart", "job")
        eventually(lambda: self.runs() == 1 and self.home.statuses() == ["idle"], 10)
        self.assertRegex(self.reason(), "^exit code 4 after .*; failed after 1 try$")

    def test_overlap(self):
        for overlap, check in (("skip", self.left_out), ("queue", self.follows), ("replace", self.replaced)):
            with self.subTest(overlap):
                self.start(f"echo run\nwhile ! test -e {self.home.work}/go; do sleep 0.02; done\n", "--schedule", EVERY_SECOND, "--overlap", overlap)
                eventually(lambda: self.runs() >= 1, 10)
                check()
                self.home.run("delete", "job")
                os.remove(self.home.log_path("job-out.log"))
                if os.path.exists(self.home.work + "/go"):
                    os.remove(self.home.work + "/go")

    def left_out(self):
        eventually(lambda: "the one before has not ended" in self.home.daemon_log(), 10)
        self.assertEqual(self.runs(), 1)

    def follows(self):
        pid = self.home.pids("job")[0]
        eventually(lambda: "run_waits" in self.record(), 10, "the next one waits")
        self.home.file("go", "")
        eventually(lambda: not process_alive(pid) and self.runs() >= 2, 10)

    def replaced(self):
        first = self.home.pids("job")
        eventually(lambda: self.home.pids("job") not in ([], first), 10, "another process")
        self.assertIn("run of", self.reason())

    def record(self):
        import sqlite3
        with sqlite3.connect(f"file:{self.home.path}/pmx.db?mode=ro", uri=True) as opened:
            return str(opened.execute("SELECT * FROM instance").fetchall())

    def test_daemon_killed_in_a_run(self):
        self.start(f"echo run\nwhile ! test -e {self.home.work}/go; do sleep 0.02; done\nexit 5\n", "--schedule", NEVER)
        self.home.run("restart", "job")
        pid = self.home.pids("job")
        for by_hand in (False, True):  # while it runs; and it ends while nobody is there
            with self.subTest(by_hand):
                if by_hand:
                    keeper = self.home.keeper_pid
                    os.kill(keeper, signal.SIGSTOP)
                    os.kill(self.home.daemon_pid, signal.SIGKILL)
                    self.home.file("go", "")
                    eventually(lambda: not process_alive(pid[0]), 10)
                    os.kill(keeper, signal.SIGCONT)
                    eventually(lambda: self.home.statuses() == ["idle"], 10)
                    self.assertRegex(self.reason(), "^exit code 5 after .*; failed after 1 try$")
                else:
                    os.kill(self.home.daemon_pid, signal.SIGKILL)
                    eventually(lambda: self.home.pids("job") == pid, 10)
        self.assertEqual(self.runs(), 1)

    def test_lost_with_everything(self):
        """As after a power cut: the run has failed, and the schedule goes on."""
        self.start("echo run\nexec sleep 60\n", "--schedule", NEVER)
        self.home.run("restart", "job")
        pid = self.home.pids("job")[0]
        eventually(lambda: self.runs() == 1, 10)
        self.home.crash()
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: not process_alive(pid), 10)
        self.assertEqual(self.home.statuses(), ["idle"])
        self.assertIn("unknown end", self.reason())
        self.assertEqual(self.runs(), 1)


    def test_only_its_own_name_runs_it_by_hand(self):
        keys = {"name": "job", "script": self.script("echo run\nexec sleep 1000\n"), "type": "job", "schedule": NEVER}
        self.home.json_file("apps.json", {"apps": [keys, {"name": "app", "script": pmxtest.testapp(), "args": "sleep"}]})
        self.home.run("start", "apps.json")
        for words in (["restart", "all"], ["restart", "apps.json"], ["reload", "apps.json"], ["reload", "all"], ["start", "apps.json"], ["apply", "apps.json"]):
            with self.subTest(words):
                said = self.home.run(*words).stdout
                self.assertNotIn("Reloading job", said)
                self.assertNotIn("Restarting job", said)
                self.assertEqual(self.home.statuses("job"), ["idle"])
        self.home.run("restart", "job")
        self.assertEqual(self.home.statuses("job"), ["online"])
        self.home.run("restart", "all")
        self.assertEqual(self.home.statuses("job"), ["online"])


class Refused(Jobs):
    def test_what_makes_no_sense(self):
        for keys, words in (({"type": "job", "instances": 2}, "several instances"),
                            ({"type": "job", "cron_restart": "* * * * *"}, "cron_restart"),
                            ({"type": "job", "health": "tcp:80"}, "health check"),
                            ({"schedule": "* * * * *"}, 'type: "job"'),
                            ({"type": "job", "schedule": "* * *"}, "cron expression '* * *'"),
                            ({"type": "task"}, '"service" or "job"'),
                            ({"type": "job", "overlap": "kill"}, '"skip", "queue" or "replace"')):
            with self.subTest(keys):
                self.home.json_file("apps.json", {"name": "job", "script": self.script("echo run\n"), **keys})
                self.assertIn(words, self.home.fails("start", "apps.json").stderr)
        self.assertEqual(self.home.jlist(), [])


if __name__ == "__main__":
    pmxtest.main()
