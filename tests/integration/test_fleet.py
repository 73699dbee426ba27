"""300 trivial apps: started, listed, stopped, deleted; nothing is left of them."""

import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import pmxtest
from pmxtest import eventually, testapp

COUNT = 300


class Fleet(pmxtest.PmxTest):
    def test_300_apps(self):
        def apps(count):
            return {"apps": [{"name": f"app-{number}", "script": testapp(), "args": ["sleep"], "env": {"NUMBER": str(number)}} for number in range(count)]}

        # One round with a few first: what is opened once and kept is open then.
        few = self.home.json_file("few.json", apps(3))
        self.home.run("start", few)
        self.home.run("stop", "all")
        self.home.run("delete", "all")
        daemon, keeper = self.home.daemon_pid, self.home.keeper_pid
        eventually(lambda: not pmxtest.children_of(daemon) and [pid for pid, _ in pmxtest.children_of(keeper)] == [daemon], 10, "only the daemon below the keeper")
        before = (pmxtest.fd_count(daemon), pmxtest.fd_count(keeper))
        threads = len(os.listdir(f"/proc/{daemon}/task"))

        config = self.home.json_file("many.json", apps(COUNT))
        times = {}

        def timed(name, *args):
            times[name] = self.home.run(*args, timeout=60).seconds

        timed("start", "start", config)
        entries = self.home.jlist()
        self.assertEqual([entry["pm2_env"]["status"] for entry in entries], ["online"] * COUNT)
        pids = [entry["pid"] for entry in entries]
        self.assertEqual(len(set(pids)), COUNT)
        self.assertTrue(all(pmxtest.process_alive(pid) for pid in pids))
        timed("list", "list")
        timed("restart", "restart", "all")
        self.assertEqual([entry["pm2_env"]["status"] for entry in self.home.jlist()], ["online"] * COUNT)
        timed("stop", "stop", "all")
        self.assertEqual([(entry["pm2_env"]["status"], entry["pid"]) for entry in self.home.jlist()], [("stopped", 0)] * COUNT)
        timed("start again", "start", "all")
        self.assertEqual([entry["pm2_env"]["status"] for entry in self.home.jlist()], ["online"] * COUNT)
        timed("delete", "delete", "all")
        self.assertEqual(self.home.jlist(), [])
        print("figure: " + ", ".join(f"{name} {COUNT}: {seconds:.2f} s" for name, seconds in times.items()), file=sys.stderr)

        self.assertEqual((self.home.daemon_pid, self.home.keeper_pid), (daemon, keeper))
        self.assertEqual(sorted(self.home.living()), sorted((daemon, keeper)))
        self.assertEqual(pmxtest.children_of(daemon), [])
        self.assertEqual([pid for pid, _ in pmxtest.children_of(keeper)], [daemon])  # no zombie either

        def as_before():
            now = (pmxtest.fd_count(daemon), pmxtest.fd_count(keeper))
            if now[0] > before[0] or now[1] > before[1]:
                raise AssertionError(f"open descriptors of daemon and keeper: {before} before, {now} now")
            return True

        eventually(as_before, 10, "no descriptor leaked")
        self.assertLessEqual(len(os.listdir(f"/proc/{daemon}/task")), threads)
        self.assertEqual(os.listdir(os.path.join(self.home.path, "pids")), [])

    def test_crashing_ones_leave_nothing_either(self):
        self.home.run("list")
        daemon, keeper = self.home.daemon_pid, self.home.keeper_pid
        for round_number in range(2):
            self.home.run("start", testapp(), "--name", "bad", "-i", "4", "-x", "--", "exit", "1", check=None)
            self.home.wait_status("bad", "errored", 40, count=4)
            self.home.run("delete", "bad")
            now = (pmxtest.fd_count(daemon), pmxtest.fd_count(keeper))
            if round_number == 0:
                before = now
        eventually(lambda: pmxtest.fd_count(daemon) <= before[0] and pmxtest.fd_count(keeper) <= before[1], 10, f"descriptors as after the first round {before}")
        self.assertEqual([pid for pid, _ in pmxtest.children_of(keeper)], [daemon])


if __name__ == "__main__":
    pmxtest.main()
