"""depends_on: what starts when, what is refused, and the order of a stop."""

import os
import random
import signal
import subprocess
import sys
import textwrap
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import pmxtest
from pmxtest import eventually, fixture, testapp

QUIET = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
APPS = int(os.environ.get("PMX_TEST_GRAPH", "30"))


class DependencyTest(pmxtest.PmxTest):
    def setUp(self):
        super().setUp()
        self.events = os.path.join(self.home.work, "events")
        # Writes "NAME begin", is ready after WAIT seconds, writes "NAME ready"; "NAME end" when it is told to go.
        self.program = self.home.file("node.py", textwrap.dedent("""
            import os, signal, sys, time
            def note(what):
                with open(os.environ["EVENTS"], "a") as file: file.write(f"{os.environ['name']} {what}\\n")
            def leave(*unused):
                note("end"); os._exit(0)
            note("begin")
            signal.signal(signal.SIGINT, leave)
            time.sleep(float(os.environ.get("WAIT", "0")))
            if "CODE" in os.environ:
                note("done"); sys.exit(int(os.environ["CODE"]))
            note("ready")
            os.write(9, b"\\n")
            while True: time.sleep(1000)
        """))

    def app(self, name, depends_on=(), wait=0, **more):
        env = {"EVENTS": self.events, "WAIT": str(wait), **more.pop("env", {})}
        return {"name": name, "script": self.program, "interpreter": sys.executable, "depends_on": list(depends_on), "ready": "fd:9", "env": env, **more}

    def job(self, name, code, **more):
        return self.app(name, env={"CODE": str(code)}, autorestart=False, ready="", **more)

    def write(self, *apps):
        return self.home.json_file("apps.json", {"apps": apps})

    def seen(self):
        with open(self.events) as file:
            return file.read().splitlines()

    def before(self, first, second):
        seen = self.seen()
        self.assertLess(seen.index(first), seen.index(second), seen)

    def reason(self, name):
        return self.home.one(name)["pm2_env"]["reason"]


class Start(DependencyTest):
    def test_in_order_and_waited_for(self):
        """The file names them the other way round."""
        self.home.run("start", self.write(self.app("web", ["api"]), self.app("api", ["db", "cache:started"]), self.app("db", wait=0.5), self.app("cache", wait=0.2)))
        self.assertEqual(set(self.home.statuses()), {"online"})
        self.before("db ready", "api begin")
        self.before("cache begin", "api begin")
        self.before("api ready", "web begin")

    def test_says_what_it_waits_for(self):
        started = self.home.popen("start", self.write(self.app("api", ["db"]), self.app("db", wait=3)), **QUIET)
        eventually(lambda: self.home.jlist() and "waiting for db to be ready" in self.reason("api"), 5)
        self.assertEqual(self.home.statuses("api"), ["launching"])
        self.home.run("stop", "api")  # what was never begun is stopped at once
        self.assertEqual(self.home.statuses("api"), ["stopped"])
        self.assertEqual(started.wait(20), 0)
        self.assertNotIn("api begin", self.seen())

    def test_after_a_job(self):
        self.home.run("start", self.write(self.app("api", ["migrate:completed_ok"]), self.job("migrate", 0, wait=0.3)))
        self.before("migrate done", "api begin")
        self.assertEqual(self.home.statuses("api"), ["online"])

    def test_after_a_job_that_fails(self):
        result = self.home.fails("start", self.write(self.app("api", ["migrate:completed_ok"]), self.job("migrate", 3)))
        self.assertIn("it depends on migrate, which will not end well: exit code 3", result.stderr)
        self.assertEqual(self.home.statuses("api"), ["errored"])
        self.assertNotIn("api begin", self.seen())
        self.home.run("restart", "migrate", check=None)
        self.home.run("delete", "all")
        self.home.run("start", self.write(self.app("api", ["migrate:completed"]), self.job("migrate", 3)), check=None)

    def test_healthy(self):
        port = pmxtest.free_port()
        good = self.home.file("good", "")
        os.remove(good)
        db = {"name": "db", "script": fixture("probed.js"), "health": f"http://127.0.0.1:{port}/health", "health_interval": 100,
              "health_retries": 100, "env": {"PORT": str(port), "GOOD": good}}
        started = self.home.popen("start", self.write(self.app("api", ["db:healthy"]), db), **QUIET)
        eventually(lambda: self.home.jlist() and self.home.statuses("db") == ["online"], 10)
        self.assertIn("waiting for db to be healthy", self.reason("api"))
        self.home.file("good", "")
        self.assertEqual(started.wait(20), 0)
        self.assertEqual(self.home.statuses("api"), ["online"])

    def test_what_is_refused(self):
        for apps, words in (((self.app("a", ["b"]), self.app("b", ["c"]), self.app("c", ["a"])), "a -> b -> c -> a"),
                            ((self.app("a", ["nobody"]),), 'depends_on "nobody": there is no such app'),
                            ((self.app("a", ["b:soon"]), self.app("b")), '"soon" is no condition'),
                            ((self.app("a", ["b:healthy"]), self.app("b")), "that app has no health check")):
            self.assertIn(words, self.home.fails("start", self.write(*apps)).stderr)
            self.assertEqual(self.home.jlist(), [])

    def test_daemon_killed_while_it_waits(self):
        self.home.popen("start", self.write(self.app("api", ["db"]), self.app("db", wait=2)), **QUIET)
        eventually(lambda: self.home.recorded() == 2, 10, "both in the database")
        os.kill(self.home.daemon_pid, signal.SIGKILL)
        self.home.wait_status("api", "online", 20)
        self.before("db ready", "api begin")

    def test_random_graph(self):
        """None starts before its condition; branches that need not wait for each other do not."""
        chance = random.Random(7)
        apps, depth = [], {}
        for i in range(APPS):
            needs = chance.sample(range(i), min(i, chance.randrange(3)))
            depth[i] = 1 + max((depth[need] for need in needs), default=0)
            apps.append({"name": f"n{i}", "script": testapp(), "args": ["member"], "ready": "fd:9", "env": {"EVENTS": self.events},
                         "depends_on": [f"n{need}" for need in needs]})
        chance.shuffle(apps)
        since = time.monotonic()
        self.home.run("start", self.write(*apps), timeout=120)
        seconds = time.monotonic() - since
        place = {line: i for i, line in enumerate(self.seen())}
        for app in apps:
            for need in app["depends_on"]:
                self.assertLess(place[f"{need} ready"], place[f"{app['name']} begin"])
        self.assertEqual(len(self.home.jlist()), APPS)
        print(f"figure: {APPS} apps, longest path {max(depth.values())} x 0.1 s: {seconds:.2f} s", file=sys.stderr)


class Stop(DependencyTest):
    def test_the_other_way_round(self):
        self.home.run("start", self.write(self.app("web", ["api"]), self.app("api", ["db"]), self.app("db")))
        self.home.run("stop", "all")
        self.before("web end", "api end")
        self.before("api end", "db end")

    def test_end_of_everything(self):
        self.home.run("start", self.write(self.app("api", ["db"]), self.app("db")))
        self.home.run("kill")
        self.before("api end", "db end")

    def test_restart_all(self):
        self.home.run("start", self.write(self.app("api", ["db"]), self.app("db", wait=0.3)))
        os.remove(self.events)
        self.home.run("restart", "all")
        self.before("db ready", "api begin")

    def test_required(self):
        """What requires another is restarted with it, and with nothing else."""
        self.home.json_file("apps.json", {"apps": [self.app("db"), self.app("api", requires=["db"]), self.app("web", ["db"])]})
        self.home.run("start", "apps.json")
        self.assertEqual(self.home.one("api")["pm2_env"]["depends_on"], ["db"])
        api, web = self.home.pids("api"), self.home.pids("web")
        for cause in (lambda: self.home.run("restart", "db"), lambda: os.kill(self.home.pids("db")[0], signal.SIGKILL)):
            cause()
            eventually(lambda: self.home.pids("api") not in ([], api) and self.home.statuses("api") == ["online"], 10, "another process")
            self.assertIn("db, which it requires, was restarted", self.home.one("api")["pm2_env"]["reason"] + self.home.daemon_log())
            api = self.home.pids("api")
        self.assertEqual(self.home.pids("web"), web)
        self.home.run("restart", "api", "web")
        self.home.run("stop", "api")
        self.home.run("restart", "db")
        self.assertEqual(self.home.statuses("api"), ["stopped"])

    def test_a_crash_takes_nothing_with_it(self):
        self.home.run("start", self.write(self.app("api", ["db"]), self.app("db", wait=0.3)))
        api = self.home.pids("api")
        os.kill(self.home.pids("db")[0], signal.SIGKILL)
        eventually(lambda: self.home.one("db")["pm2_env"]["restart_time"] == 1 and self.home.statuses("db") == ["online"], 10)
        self.assertEqual(self.home.pids("api"), api)


if __name__ == "__main__":
    pmxtest.main()
