"""save, resurrect and what is durable without them."""

import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import pmxtest
from pmxtest import eventually, testapp

SECRET = "hunter2-very-secret"


class Save(pmxtest.PmxTest):
    def setUp(self):
        super().setUp()
        self.dump = os.path.join(self.home.path, "dump.pmx")

    def start_some(self):
        self.home.run("start", testapp(), "--name", "running", "--namespace", "n", "--", "sleep", "an arg", env={"API_TOKEN": SECRET, "DB_PASSWORD": SECRET})
        self.home.run("start", testapp(), "--name", "copies", "-i", "2", "-x", "--", "sleep")
        self.home.run("start", testapp(), "--name", "stopped", "--", "sleep")
        self.home.run("stop", "stopped")

    def summary(self):
        return sorted((entry["name"], entry["pm2_env"]["status"]) for entry in self.home.jlist())

    EXPECTED = [("copies", "online"), ("copies", "online"), ("running", "online"), ("stopped", "stopped")]

    def test_save_kill_resurrect(self):
        self.start_some()
        self.home.run("save")
        before = self.home.pids("running")
        self.home.run("kill")
        self.home.run("resurrect")
        eventually(lambda: self.summary() == self.EXPECTED, 10, "the same apps")
        self.assertNotEqual(self.home.pids("running"), before)
        entry = self.home.one("running")
        self.assertEqual((entry["pm2_env"]["namespace"], entry["pm2_env"]["args"]), ("n", ["sleep", "an arg"]))
        # Existing names are left alone.
        pids = self.home.pids("running")
        self.home.run("resurrect")
        self.assertEqual(self.summary(), self.EXPECTED)
        self.assertEqual(self.home.pids("running"), pids)

    def test_dump_file(self):
        self.start_some()
        self.home.run("save")
        self.assertEqual(os.stat(self.dump).st_mode & 0o777, 0o600)
        with open(self.dump) as file:
            text = file.read()
        self.assertNotIn(SECRET, text)
        dump = json.loads(text)
        self.assertEqual(sorted(item["name"] for item in dump), ["copies", "copies", "running", "stopped"])
        for item in dump:
            self.assertEqual((item["pm_exec_path"], item["exec_mode"]), (testapp(), "fork_mode"))
            self.assertNotIn("pm_id", item)
        self.assertEqual({item["name"]: item["status"] for item in dump}, {"copies": "online", "running": "online", "stopped": "stopped"})

    def test_save_again_keeps_a_backup(self):
        self.start_some()
        self.home.run("save")
        with open(self.dump) as file:
            first = file.read()
        self.home.run("delete", "copies")
        self.home.run("save")
        with open(self.dump + ".bak") as file:
            self.assertEqual(file.read(), first)
        self.assertEqual(os.stat(self.dump + ".bak").st_mode & 0o777, 0o600)

    def test_save_of_nothing_writes_nothing(self):
        self.home.run("save")
        self.assertFalse(os.path.exists(self.dump))
        self.home.run("save", "--force")
        with open(self.dump) as file:
            self.assertEqual(json.load(file), [])

    def test_resurrect_without_a_dump(self):
        self.home.run("resurrect")
        self.assertEqual(self.home.jlist(), [])

    def test_corrupt_dump_falls_back_to_the_backup_and_is_not_lost(self):
        self.start_some()
        self.home.run("save")
        self.home.run("save")
        self.home.run("delete", "all")
        with open(self.dump, "w") as file:
            file.write("[{ broken")
        self.home.run("resurrect", check=None)
        eventually(lambda: self.summary() == self.EXPECTED, 10, "the apps of the backup")

    def test_odd_entry_is_named_and_left_out(self):
        self.start_some()
        self.home.run("save")
        with open(self.dump) as file:
            saved = json.load(file)
        saved.insert(1, {"name": "odd", "pm_exec_path": "/x", "pm_cwd": "/", "exec_interpreter": "none", "env": "PASSWORD=hunter2"})
        with open(self.dump, "w") as file:
            json.dump(saved, file)
        self.home.run("delete", "all")
        result = self.home.run("resurrect", check=1)
        self.assertIn("entry 1 (odd)", result.stderr)
        self.assertIn("expected an object", result.stderr)
        self.assertNotIn("hunter2", result.stdout + result.stderr)
        self.assertEqual(self.summary(), self.EXPECTED)

    def test_two_at_once_and_a_failure_leave_no_temporary_file(self):
        self.start_some()
        children = [self.home.popen("save", stdout=subprocess.DEVNULL) for _ in range(8)]
        self.assertEqual([child.wait(30 * pmxtest.SLOW) for child in children], [0] * 8)
        self.home.run("delete", "copies")
        for path in (self.dump, self.dump + ".bak"):
            os.unlink(path)
        os.mkdir(self.dump + ".new")  # the name that was once used for all
        self.home.run("save")
        os.unlink(self.dump)
        os.rmdir(self.dump + ".new")
        self.assertEqual([name for name in os.listdir(self.home.path) if name.startswith("dump")], [])

    def test_usage(self):
        for command in ("save", "resurrect", "kill"):
            with self.subTest(command=command):
                self.home.fails(command, "unexpected")


class Durable(pmxtest.PmxTest):
    def test_nothing_to_forget(self):
        """Without `save`: the list is the same after SIGKILL of everything (test_survival) and ids go on counting."""
        self.home.run("start", testapp(), "--name", "a", "--", "sleep")
        self.home.run("start", testapp(), "--name", "gone", "--", "sleep")
        self.home.run("start", testapp(), "--name", "b", "--", "sleep")
        self.home.run("delete", "gone")
        self.home.run("restart", "b")
        self.home.run("stop", "b")
        self.home.crash()
        found = [(e["name"], e["pm_id"], e["pm2_env"]["status"], e["pm2_env"]["restart_time"]) for e in sorted(self.home.jlist(), key=lambda e: e["pm_id"])]
        self.assertEqual(found, [("a", 0, "online", 0), ("b", 2, "stopped", 1)])
        self.home.run("start", testapp(), "--name", "c", "--", "sleep")
        self.assertEqual(self.home.one("c")["pm_id"], 3)

    def test_database_is_private(self):
        self.home.run("start", testapp(), "--name", "a", "--", "sleep")
        for name in os.listdir(self.home.path):
            if name.startswith("pmx.db"):
                self.assertEqual(os.stat(os.path.join(self.home.path, name)).st_mode & 0o077, 0, name)
        self.assertTrue(os.path.exists(os.path.join(self.home.path, "pmx.db")))


if __name__ == "__main__":
    pmxtest.main()
