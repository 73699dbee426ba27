"""What pmx does to apps that run well: restarts at a memory limit; and what they may use."""

import json
import os
import sys
import textwrap
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import pmxtest
from pmxtest import Load, eventually, fixture

MIB = 1 << 20


class Memory(pmxtest.PmxTest):
    def test_fork_app_is_restarted(self):
        script = self.home.file("leak.py", textwrap.dedent("""
            import time
            kept = []
            while True:
                kept.append(b"x" * (4 << 20))
                time.sleep(0.05)
        """))
        self.home.run("start", script, "--name", "leak", "--max-memory-restart", "60M")
        eventually(lambda: self.home.one("leak")["pm2_env"]["restart_time"] >= 1, 30, "a restart")
        entry = self.home.one("leak")
        self.assertIn("more than max_memory_restart (60 MiB)", entry["pm2_env"]["reason"])
        self.assertEqual(entry["pm2_env"]["unstable_restarts"], 0)
        self.assertEqual(entry["pm2_env"]["max_memory_restart"], 60 * MIB)
        used = [int(line.split(" use ")[1].split()[0]) for line in self.home.daemon_log().splitlines() if " use " in line]
        self.assertGreater(used[0], 60, used)

    def test_daemon_killed_before(self):
        """The next daemon watches over what it adopts."""
        script = self.home.file("later.py", textwrap.dedent("""
            import os, time
            while not os.path.exists("go"): time.sleep(0.01)
            kept = b"x" * (100 << 20)
            time.sleep(1000)
        """))
        self.home.run("start", script, "--name", "later", "--max-memory-restart", "60M")
        os.kill(self.home.daemon_pid, 9)
        self.assertEqual(self.home.one("later")["pm2_env"]["restart_time"], 0)
        self.home.file("go", "")
        eventually(lambda: self.home.one("later")["pm2_env"]["restart_time"] >= 1, 30, "a restart")

    def test_tree_counts(self):
        """As with `npm start`: the shell is small, its child is not."""
        script = self.home.file("tree.sh", "python3 -c 'import time; kept = b\"x\" * (100 << 20); time.sleep(1000)'\nexit 0\n")
        self.home.run("start", script, "--name", "tree", "--max-memory-restart", "60M")
        eventually(lambda: self.home.one("tree")["pm2_env"]["restart_time"] >= 1, 30, "a restart")

    def test_cluster_app_is_replaced_without_a_gap(self):
        port = pmxtest.free_port()
        script = self.home.file("grow.js", textwrap.dedent("""
            const kept = [];
            require('http').createServer((request, response) => {
              if (request.url === '/grow') kept.push(Buffer.alloc(300 << 20, 1));
              response.end(JSON.stringify({pid: process.pid}));
            }).listen(process.env.PORT);
        """))
        self.home.run("start", script, "--name", "grow", "-i", 2, "--max-memory-restart", "200M", env={"PORT": port})
        self.home.wait_status("grow", "online", count=2)
        before = set(self.home.pids("grow"))
        pmxtest.http_get(port, "/grow")
        with Load(port, threads=4) as load:
            eventually(lambda: len(before - set(self.home.pids("grow"))) == 1, 30, "one replaced")
            load.wait_ok(50)
        self.assertEqual(load.failed, 0, load)
        reasons = [entry["pm2_env"]["reason"] for entry in self.home.jlist()]
        self.assertEqual(sum("replaced: its processes use" in reason for reason in reasons), 1, reasons)


class Times(pmxtest.PmxTest):
    def test_cron(self):
        """Every second: the running one is restarted, the one that ended by itself is started, the one stopped by hand stays so."""
        job = self.home.file("job.sh", "echo ran\n")
        apps = [{"name": name, "script": fixture("server.js"), "cron_restart": "* * * * * *", "env": {"PORT": "0"}} for name in ("run", "stopped")]
        apps.append({"name": "job", "script": job, "autorestart": False, "cron_restart": "* * * * * *", "time_zone": "UTC"})
        self.home.run("start", self.home.json_file("apps.json", {"apps": apps}))
        self.home.run("stop", "stopped")
        stopped = self.home.one("stopped")["pm2_env"]["restart_time"]
        eventually(lambda: self.home.one("run")["pm2_env"]["restart_time"] >= 2, 20, "two restarts")
        self.assertIn("cron_restart: ", self.home.one("run")["pm2_env"]["reason"])
        eventually(lambda: self.home.log("job-out.log").count(b"ran") >= 3, 20, "three runs")
        entry = self.home.one("stopped")["pm2_env"]
        self.assertEqual((entry["status"], entry["restart_time"]), ("stopped", stopped))
        self.assertEqual(self.home.one("job")["pm2_env"]["unstable_restarts"], 0)

    def test_cluster_is_replaced_without_a_gap(self):
        port = pmxtest.free_port()
        self.home.run("start", fixture("server.js"), "--name", "web", "-i", 2, "--cron-restart", "*/2 * * * * *", env={"PORT": port})
        self.home.wait_status("web", "online", count=2)
        before = set(self.home.pids("web"))
        with Load(port, threads=4) as load:
            eventually(lambda: not before & set(self.home.pids("web")), 30, "both replaced")
            load.wait_ok(20)
        self.assertEqual(load.failed, 0, load)

    def test_max_uptime(self):
        """One after another, and a daemon that is killed goes on with it."""
        port = pmxtest.free_port()
        self.home.run("start", fixture("server.js"), "--name", "web", "-i", 2, "--max-uptime", "3s", env={"PORT": port})
        self.home.wait_status("web", "online", count=2)
        before = set(self.home.pids("web"))
        os.kill(self.home.daemon_pid, 9)
        with Load(port, threads=4) as load:
            eventually(lambda: not before & set(self.home.pids("web")), 40, "both replaced")
            load.wait_ok(20)
        self.assertEqual(load.failed, 0, load)
        self.assertIn("max_uptime (3000 ms) is over", self.home.daemon_log())

    def test_what_is_refused(self):
        for options, why in ((["--cron-restart", "61 * * * *"], "minute"), (["--cron-restart", "* * *"], "fields"),
                             (["--cron-restart", "0 4 * * *", "--time-zone", "Mars/Olympus"], "Mars/Olympus")):
            with self.subTest(options=options):
                self.assertIn(why, self.home.fails("start", fixture("server.js"), *options).stderr)
        self.assertEqual(self.home.jlist(), [])


class Restarts(pmxtest.PmxTest):
    def start(self, code, **keys):
        script = self.home.file("end.sh", f"exit {code}\n")
        self.home.run("start", self.home.json_file("apps.json", {"apps": [{"name": "end", "script": script, **keys}]}), check=None)

    def state(self):
        env = self.home.one("end")["pm2_env"]
        return env["status"], env["restart_time"]

    def test_on_failure(self):
        self.start(0, restart="on-failure")
        eventually(lambda: self.state() == ("stopped", 0), 10, "left alone")
        self.home.run("delete", "end")
        self.start(3, restart="on-failure", success_exit_codes=[3])
        eventually(lambda: self.state() == ("stopped", 0), 10, "left alone")
        self.assertIn("restart is on-failure", self.home.one("end")["pm2_env"]["reason"])

    def test_limit_and_later_retry(self):
        self.start(1, restart_limit=2, restart_window="1m", retry_after="2s", max_restarts=100)
        eventually(lambda: self.state() == ("errored", 2), 10, "given up")
        eventually(lambda: self.state()[1] >= 3, 10, "one more try")
        self.home.run("stop", "end")
        self.assertEqual(self.state()[0], "stopped")


class Limits(pmxtest.PmxTest):
    SHOW = textwrap.dedent("""
        import json, os, resource, time
        status = {line.split(":")[0]: line.split(":")[1].strip() for line in open("/proc/self/status")}
        print(json.dumps({
            "nofile": resource.getrlimit(resource.RLIMIT_NOFILE), "core": resource.getrlimit(resource.RLIMIT_CORE),
            "nice": os.getpriority(os.PRIO_PROCESS, 0), "cpus": sorted(os.sched_getaffinity(0)),
            "oom": open("/proc/self/oom_score_adj").read().strip(), "umask": status["Umask"], "nnp": status["NoNewPrivs"],
            "ids": [os.getresuid(), os.getresgid(), os.getgroups()], "home": os.environ["HOME"], "user": os.environ.get("USER"),
        }), flush=True)
        time.sleep(1000)
    """)

    def seen(self, **keys):
        path = self.home.json_file("apps.json", {"apps": [{"name": "show", "script": self.home.file("show.py", self.SHOW), **keys}]})
        self.home.run("start", path)
        eventually(lambda: self.home.log("show-out.log").endswith(b"}\n"), 10, "what it sees")
        return json.loads(self.home.log("show-out.log"))

    def test_all(self):
        seen = self.seen(limits={"nofile": "512:1024", "core": 0}, nice=5, ionice="best-effort:7", cpu_affinity="0", oom_score_adj=500, umask="027", no_new_privs=True)
        self.assertEqual((seen["nofile"], seen["core"], seen["nice"], seen["cpus"]), ([512, 1024], [0, 0], 5, [0]))
        self.assertEqual((seen["oom"], seen["umask"], seen["nnp"]), ("500", "0027", "1"))
        env = self.home.one("show")["pm2_env"]
        self.assertEqual((env["limits"], env["nice"], env["umask"]), ({"core": "0", "nofile": "512:1024"}, 5, "027"))

    def test_another_user(self):
        if os.geteuid() != 0:
            self.skipTest("only root can start apps as another user")
        for directory in (self.home.work, os.path.dirname(self.home.work)):
            os.chmod(directory, 0o755)
        seen = self.seen(uid="nobody")
        self.assertEqual(seen["ids"][0], [65534] * 3)
        self.assertEqual(seen["ids"][1], [65534] * 3)
        self.assertEqual((seen["home"], seen["user"]), ("/nonexistent", "nobody"))

    def test_refused(self):
        for keys, why in (
            ({"limits": {"files": 3}}, "limits.files: there is no such limit"),
            ({"limits": {"nofile": "many"}}, "limits.nofile: expected a number"),
            ({"nice": 40}, "nice: expected -20 to 19"),
            ({"cpu_affinity": "3-1"}, "cpu_affinity: expected numbers of processors"),
            ({"uid": "nobody-of-that-name"}, "uid: expected a user of this machine"),
            ({"stop_steps": ["SIGFOO 3s"]}, "expected signals with a time each"),
            ({"max_memory_restart": "lots"}, "expected bytes"),
        ):
            with self.subTest(keys=keys):
                path = self.home.json_file("apps.json", {"apps": [{"name": "no", "script": fixture("server.js"), **keys}]})
                self.assertIn(why, self.home.fails("start", path).stderr)
        self.assertEqual(self.home.jlist(), [])

    def test_what_the_kernel_refuses(self):
        """Never ignored: the start fails and says which."""
        path = self.home.json_file("apps.json", {"apps": [{"name": "no", "script": fixture("server.js"), "cpu_affinity": "1000"}]})
        self.assertIn("cpu_affinity", self.home.fails("start", path).stderr)


class StopSteps(pmxtest.PmxTest):
    def test_signals_in_turn(self):
        script = self.home.file("stubborn.py", textwrap.dedent("""
            import signal, sys, time
            signal.signal(signal.SIGTERM, lambda *_: print("term", flush=True))
            signal.signal(signal.SIGUSR2, lambda *_: (print("usr2", flush=True), sys.exit(7)))
            print("ready", flush=True)
            while True:
                time.sleep(1)
        """))
        path = self.home.json_file("apps.json", {"apps": [{"name": "stubborn", "script": script, "stop_steps": ["SIGTERM 300", "SIGUSR2 10s"]}]})
        self.home.run("start", path)
        eventually(lambda: b"ready" in self.home.log("stubborn-out.log"), 10, "ready")
        self.home.run("stop", "stubborn")
        self.assertEqual(self.home.log("stubborn-out.log").split(), [b"ready", b"term", b"usr2"])
        self.assertEqual(self.home.one("stubborn")["pm2_env"]["exit_code"], 7)


if __name__ == "__main__":
    pmxtest.main()
