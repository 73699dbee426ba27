"""Each field of a configuration file, changed in it: after `apply` the app has the new value, a second one has nothing to do, and other apps go on.

What is tried is compared with `pmx schema`: a new field without a case is a failure."""

import grp
import json
import os
import resource
import shutil
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import pmxtest
from pmxtest import children_of, command_line, eventually, fixture, get_json, process_alive
from test_plan import FileTest, environment

NOBODY = 65534


def status(pid):
    with open(f"/proc/{pid}/status") as file:
        return {line.split(":", 1)[0]: line.split(":", 1)[1].split() for line in file}


def open_files(pid):
    return {os.readlink(f"/proc/{pid}/fd/{name}") for name in os.listdir(f"/proc/{pid}/fd")}


def listening_sockets(port):
    with open("/proc/net/tcp") as file:
        rows = [line.split() for line in file][1:]
    return sum(row[3] == "0A" and int(row[1].split(":")[1], 16) == port for row in rows)


class Fields(FileTest):
    def setUp(self):
        super().setUp()
        self.elsewhere = os.path.join(self.home.work, "elsewhere")
        os.mkdir(self.elsewhere)

    def held(self):
        """The app's settings as the daemon has them."""
        with self.home.rpc() as rpc:
            found = rpc.call("list", {"target": "app", "detail": True})["result"]["instances"]
        return found[0]["detail"]["spec"]

    def begin(self, **keys):
        self.app = {"name": "app", **keys}
        self.write()
        self.apply()
        self.other_pid = self.pid("other")

    def change(self, field, value, takes, code=0):
        """Changed in the file and applied; then there is nothing left to do."""
        before = self.home.pids("app")
        self.app[field] = value
        self.write()
        self.assertEqual(self.actions(), {"app": takes, "other": "none"})
        result = self.apply(check=code)
        if code == 0:
            self.assertEqual(self.home.pids("app") == before, takes == "in place")
            self.assertEqual(self.actions(), {"app": "none", "other": "none"})
        self.assertEqual(self.pid("other"), self.other_pid)
        return result

    def process(self):
        node = os.path.join(self.home.work, "bin", "node")
        return {"args": (["a", "b c"], ["a", "b c"]), "cwd": (self.elsewhere, self.elsewhere), "interpreter_args": (["--no-warnings"], ["--no-warnings"]),
                "instance_var": ("NUMBER", "NUMBER"), "increment_var": ("PORT", "PORT"), "nice": (5, 5), "umask": ("027", "027"),
                "limits": ({"nofile": "512"}, {"nofile": "512"}), "health": (f"tcp:{self.port}", f"tcp:{self.port}"),
                "oom_score_adj": (300, 300), "cpu_affinity": ("0", "0"), "interpreter": (node, node),
                "ready": (f"tcp:{self.port}", f"tcp:{self.port}"), "ready_timeout": ("20s", 20000), "ready_timeout_action": ("online", "online"),
                "health_interval": ("7s", 7000), "health_timeout": ("4s", 4000), "health_retries": (2, 2), "health_start_period": ("1s", 1000),
                "health_action": ("report", "report"), "ionice": ("idle", "idle"), "source_map_support": (True, None), "env_file": ("fields.env", None),
                "inherit_env": (["PATH", "HOME", "KEPT*"], ["PATH", "HOME", "KEPT*"])}

    def in_place(self):
        there = self.elsewhere
        return {"max_restarts": (3, 3), "min_uptime": ("2s", 2000), "restart_delay": (50, 50), "kill_timeout": ("3s", 3000), "autorestart": (False, False),
                "listen_timeout": (5000, 5000), "stop_exit_codes": ([7], [7]), "exp_backoff_restart_delay": (100, 100),
                "max_memory_restart": ("900M", 900 << 20), "namespace": ("fields", "fields"), "cron_restart": ("0 0 29 2 *", "0 0 29 2 *"),
                "max_uptime": ("20h", 72000000), "watch_delay": (70, 70), "shutdown_with_message": (True, True), "restart": ("on-failure", "on-failure"),
                "success_exit_codes": ([4], [4]), "out_file": (there + "/out.log", None), "error_file": (there + "/err.log", None),
                "depends_on": (["other"], ["other"]), "retry_after": ("1h", 3600000), "treekill": (False, False), "ignore_watch": (["x"], ["x"]),
                "time_zone": ("Europe/Berlin", "Europe/Berlin"), "stop_steps": (["SIGTERM 5s", "SIGINT 1s"], ["SIGTERM 5000", "SIGINT 1000"]),
                "restart_limit": (9, 9), "restart_window": ("2m", 120000), "stop_command": ("true", "true"), "requires": (["other"], ["other"]),
                "autostart": (False, False), "log_date_format": ("HH:mm", "HH:mm"), "log_type": ("json", "json"), "merge_logs": (False, False),
                "pid_file": (there + "/app.pid", None), "watch": ([there + "/nothing"], True), "max_log_size": ("10K", 10240),
                "rotate_interval": ("0 0 29 2 *", "0 0 29 2 *"), "log_retain": (3, 3), "log_compress": (True, True), "log_when_full": ("drop", "drop")}

    # Not in pm2's lists: as the daemon tells them.
    HELD = {"max_backoff": ("20s", 20000), "backoff_jitter": (10, 10), "drain_timeout": ("5s", 5000), "min_ready": (20, 20), "max_surge": (2, 2),
            "max_unavailable": (1, 1), "rollback": (False, False)}
    JOB = {"schedule": ("0 0 28 2 *", "0 0 28 2 *"), "overlap": ("queue", "queue"), "catch_up": (True, True), "timeout": ("1h", 3600000), "retries": (2, 2),
           "retry_delay": ("3s", 3000)}
    IDENTITY = {"gid": "daemon", "groups": ["daemon", "bin"], "no_new_privs": True, "uid": "nobody"}
    # The file of the cgroup, and what is in it then.
    CGROUP = {"cpu_max": ("50%", "cpu.max", "50000 100000"), "memory_max": ("200M", "memory.max", str(200 << 20)),
              "memory_high": ("100M", "memory.high", str(100 << 20)), "pids_max": (50, "pids.max", "50"), "io_weight": (200, "io.weight", "default 200")}

    def test_every_field_is_tried(self):
        schema = json.loads(self.home.run("schema").out)["$defs"]["app"]["properties"]
        fields = {name for name, about in schema.items() if "$ref" not in about and about.get("description") != "A key of pm2 that pmx ignores."}
        tried = {name.removeprefix("test_field_") for name in dir(self) if name.startswith("test_field_")}
        for table in (self.process(), self.in_place(), self.HELD, self.JOB, self.IDENTITY, self.CGROUP):
            self.assertFalse(tried & set(table), "tried twice")
            tried |= set(table)
        self.assertEqual(fields, tried)

    def test_what_a_process_begins_with_and_what_changes_in_place(self):
        there = self.elsewhere
        self.home.file("fields.env", "FROM_FILE=1\n")
        self.home.file("elsewhere/fields.env", "FROM_FILE=2\n")
        self.home.env["KEPT_1"] = "1"
        node = os.path.join(self.home.work, "bin", "node")
        os.mkdir(os.path.dirname(node))
        os.symlink(shutil.which("node"), node)
        self.begin(script=fixture("server.js"), env={"PORT": str(self.port)})
        names = {"cwd": "pm_cwd", "interpreter": "exec_interpreter", "interpreter_args": "node_args"}
        for takes, fields in (("restart", self.process()), ("in place", self.in_place())):
            for field, (value, shown) in fields.items():
                with self.subTest(field):
                    self.change(field, value, takes)
                    if shown is not None:
                        self.assertEqual(self.pm2_env().get(names.get(field, field)), shown)
        for field, (value, held) in self.HELD.items():
            with self.subTest(field):
                self.change(field, value, "in place")
                self.assertEqual(self.held()[field], held)
        self.assertIn("Nothing to do", self.apply().stdout)
        pid = self.pid()
        self.assertEqual(os.readlink(f"/proc/{pid}/cwd"), there)
        self.assertEqual(os.sched_getaffinity(pid), {0})
        self.assertEqual(os.getpriority(os.PRIO_PROCESS, pid), 5)
        self.assertEqual(resource.prlimit(pid, resource.RLIMIT_NOFILE)[0], 512)
        seen = environment(pid)
        self.assertEqual((seen[b"NUMBER"], seen[b"FROM_FILE"], seen[b"KEPT_1"], b"LANG" in seen), (b"0", b"2", b"1", False))
        self.assertEqual(self.pm2_env()["pm_pid_path"], there + "/app-0.pid")
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            words = file.read().split(b"\0")
        self.assertEqual(words[:3], [node.encode(), b"--no-warnings", b"--enable-source-maps"])
        self.assertEqual(words[-3:], [b"a", b"b c", b""])
        self.assertEqual(status(pid)["Umask"], ["0027"])
        with open(f"/proc/{pid}/oom_score_adj") as file:
            self.assertEqual(file.read().strip(), "300")
        eventually(lambda: os.path.getsize(there + "/out.log") > 0 or self.home.run("restart", "app"), 10, "the new log file")

    def test_of_a_job(self):
        self.begin(script=pmxtest.testapp(), args="sleep", type="job", schedule="0 0 29 2 *")
        for field, (value, shown) in {**self.JOB, "time_zone": ("Europe/Berlin", "Europe/Berlin"), "env": ({"A": "1"}, None)}.items():
            with self.subTest(field):
                self.app[field] = value
                self.write()
                self.assertNotEqual(self.actions()["app"], "none")
                self.apply()
                self.assertEqual(self.actions(), {"app": "none", "other": "none"})
                if shown is not None:
                    self.assertEqual(self.pm2_env()[field], shown)
        self.assertEqual(self.pid("other"), self.other_pid)

    def test_identity(self):
        if os.geteuid() != 0:
            self.skipTest("only root can start apps as another user")
        for directory in (self.home.work, os.path.dirname(self.home.work)):
            os.chmod(directory, 0o755)
        self.begin(script="/bin/sleep", args="1000")
        for field, value in self.IDENTITY.items():
            with self.subTest(field):
                self.change(field, value, "restart")
        seen = status(self.pid())
        self.assertEqual(seen["Uid"], [str(NOBODY)] * 4)
        self.assertEqual(seen["Gid"], [str(grp.getgrnam("daemon").gr_gid)] * 4)
        self.assertEqual(set(seen["Groups"]) - set(seen["Gid"]), {str(grp.getgrnam("bin").gr_gid)})
        self.assertEqual(seen["NoNewPrivs"], ["1"])

    def test_limits_of_the_cgroup(self):
        """Set, or refused in words: an app that is said to have a limit has it."""
        self.begin(script="/bin/sleep", args="1000")
        for field, (value, file, content) in self.CGROUP.items():
            with self.subTest(field):
                before = self.pid()
                result = self.change(field, value, "restart", code=None)
                if result.code == 0:
                    self.assertEqual(self.actions(), {"app": "none", "other": "none"})
                    with open(f"/proc/{self.pid()}/cgroup") as cgroups:
                        path = next(line[3:].strip() for line in cgroups if line.startswith("0::"))
                    mounted = next(top for top in ("/sys/fs/cgroup" + path, "/sys/fs/cgroup/unified" + path) if os.path.exists(f"{top}/{file}"))
                    with open(f"{mounted}/{file}") as limit:
                        self.assertEqual(limit.read().strip(), content)
                    continue
                self.assertIn(f"{file} cannot be set", result.stderr)
                self.assertEqual(self.pid(), before, "nothing is changed by what is refused")
                del self.app[field]
                self.write()
                self.assertEqual(self.actions()["app"], "none")
        self.assertEqual(self.pid("other"), self.other_pid)

    # Those that need an app of their own.

    def test_field_script(self):
        self.begin(script=self.home.file("old.js", "setInterval(() => {}, 1000);\n"))
        script = self.home.file("new.js", "setInterval(() => {}, 1000);\n")
        self.change("script", script, "restart")
        self.assertIn(script, command_line(self.pid()))

    def test_field_env(self):
        self.begin(script="/bin/sleep", args="1000", env={"A": "1", "B": "1"})
        self.change("env", {"A": "2", "C": "3"}, "restart")
        seen = environment(self.pid())
        self.assertEqual((seen[b"A"], seen[b"C"], b"B" in seen), (b"2", b"3", False))

    def test_field_filter_env(self):
        self.home.env["TO_FILTER"] = "1"
        self.begin(script="/bin/sleep", args="1000")
        self.assertIn(b"TO_FILTER", environment(self.pid()))
        self.change("filter_env", ["FILTER"], "restart")
        self.assertNotIn(b"TO_FILTER", environment(self.pid()))

    def test_field_port(self):
        self.begin(script=fixture("server.js"), port=self.port)
        port = pmxtest.free_port()
        self.change("port", port, "restart")
        pmxtest.wait_http(port)
        self.assertEqual(environment(self.pid())[b"PORT"], str(port).encode())

    def test_field_exec_mode(self):
        self.begin(script=fixture("server.js"), env={"PORT": str(self.port)})
        self.change("exec_mode", "cluster", "restart")
        self.assertTrue(get_json(self.port)["isWorker"])

    def test_field_execute_command(self):
        self.begin(script=fixture("server.js"), env={"PORT": str(self.port)}, exec_mode="cluster")
        self.change("execute_command", True, "restart")
        pmxtest.wait_http(self.port)
        self.assertFalse(get_json(self.port)["isWorker"])

    def test_field_instances(self):
        self.begin(script=fixture("server.js"), env={"PORT": str(self.port)}, exec_mode="cluster", instances=1)
        before = self.home.pids("app")
        self.app["instances"] = 2
        self.write()
        self.apply()
        self.assertLess(set(before), set(self.home.pids("app")))
        self.assertEqual(self.actions(), {"app": "none", "other": "none"})
        self.assertEqual(self.pid("other"), self.other_pid)

    def test_field_wait_ready(self):
        self.begin(script=self.home.file("ready.js", "setTimeout(() => process.send && process.send('ready'), 50); setInterval(() => {}, 1000);\n"))
        self.assertFalse(self.pm2_env()["wait_ready"])
        self.change("wait_ready", True, "restart")
        self.assertTrue(self.pm2_env()["wait_ready"])
        self.assertTrue(self.held()["wait_ready"])

    def test_field_balance(self):
        self.begin(script=fixture("server.js"), env={"PORT": str(self.port)}, exec_mode="cluster", instances=2)
        pmxtest.wait_http(self.port)
        self.assertGreaterEqual(listening_sockets(self.port), 2)
        self.change("balance", "shared", "restart")
        pmxtest.wait_http(self.port)
        self.assertEqual((listening_sockets(self.port), self.pm2_env_of_all("balance")), (1, {"shared"}))

    def pm2_env_of_all(self, key):
        return {one["pm2_env"][key] for one in self.home.instances("app")}

    def test_field_bind_via(self):
        self.begin(script=fixture("http_any.py"), env={"PORT": str(self.port)}, exec_mode="cluster")
        self.assertIn(b"LD_PRELOAD", environment(self.pid()))
        self.change("bind_via", "none", "restart")
        self.assertNotIn(b"LD_PRELOAD", environment(self.pid()))
        self.assertEqual(self.held()["bind_via"], "none")

    def test_field_listen(self):
        self.begin(script=fixture("listen_fds.py"), listen=[f"tcp:127.0.0.1:{self.port}"])
        pmxtest.wait_http(self.port)
        port = pmxtest.free_port()
        self.change("listen", [f"tcp:127.0.0.1:{port}", f"udp:127.0.0.1:{port}"], "restart")
        pmxtest.wait_http(port)
        self.assertEqual(get_json(port)["env"]["LISTEN_FDS"], "2")
        self.assertEqual(environment(self.pid())[b"LISTEN_FDS"], b"2")
        self.assertEqual((listening_sockets(self.port), listening_sockets(port)), (0, 1))

    def test_field_start_on_connection(self):
        self.begin(script=fixture("listen_fds.py"), listen=[f"tcp:127.0.0.1:{self.port}"])
        self.change("start_on_connection", True, "restart")
        # What runs goes on; from the next start on it is there when somebody comes.
        self.home.run("stop", "app")
        self.home.run("start", "app")
        self.assertEqual((self.home.statuses("app"), self.actions()["app"]), (["idle"], "none"))
        pmxtest.wait_http(self.port)
        self.assertEqual(self.home.statuses("app"), ["online"])

    def test_field_kill_mode(self):
        """Read back by what a stop leaves alone."""
        self.begin(script="/bin/sh", args=["-c", "sleep 1000 & wait"], interpreter="none", kill_mode="tree")
        pid = self.pid()
        eventually(lambda: children_of(pid), 10, "its child")
        child = children_of(pid)[0][0]
        self.change("kill_mode", "leader", "in place")
        self.home.run("stop", "app")
        self.assertFalse(process_alive(pid))
        self.assertTrue(process_alive(child))
        os.kill(child, signal.SIGKILL)

    def test_field_log_file(self):
        self.begin(script=self.home.file("talk.js", "setInterval(() => console.log('word'), 20);\n"))
        path = os.path.join(self.elsewhere, "both.log")
        self.change("log_file", path, "in place")
        eventually(lambda: os.path.exists(path) and b"word" in self.home.log(path), 10, "the new file")

    def test_field_time(self):
        self.begin(script="/bin/sleep", args="1000")
        self.change("time", True, "in place")
        self.assertEqual(self.pm2_env()["log_date_format"], self.held()["log_date_format"])
        self.assertIn("YYYY", self.held()["log_date_format"])

    def test_field_disable_logs(self):
        self.begin(script=self.home.file("talk.js", "setInterval(() => console.log('word'), 20);\n"))
        eventually(lambda: b"word" in self.home.log("app-out.log"), 10, "output")
        self.change("disable_logs", True, "in place")
        self.assertEqual((self.held()["out_file"], self.held()["error_file"]), ("/dev/null", "/dev/null"))
        eventually(lambda: self.home.log_path("app-out.log") not in open_files(self.home.daemon_pid), 10, "the daemon writes it no more")

    def test_field_watch_options(self):
        self.begin(script="/bin/sleep", args="1000")
        self.change("watch_options", {"awaitWriteFinish": {"stabilityThreshold": 300}}, "in place")
        self.assertEqual(self.held()["watch_delay"], 300)

    def test_field_type(self):
        self.begin(script="/bin/sleep", args="1000")
        self.app["type"] = "job"
        self.write()
        self.assertNotIn(self.actions()["app"], ("none", "in place"))
        self.apply()
        self.assertEqual(self.pm2_env()["type"], "job")
        self.assertEqual(self.actions()["other"], "none")
        self.assertEqual(self.pid("other"), self.other_pid)

    def renamed(self, field, value, name, *options):
        """Another name is another app; the one before is of the file no more."""
        self.begin(script="/bin/sleep", args="1000")
        old = self.pid()
        self.app[field] = value
        self.write()
        self.assertEqual(self.actions(*options), {name: "start", "other": "none"})
        self.apply("--prune", *options)
        self.assertFalse(process_alive(old))
        self.assertEqual(sorted({one["name"] for one in self.home.jlist()}), sorted([name, "other"]))
        self.assertEqual(self.actions(*options), {name: "none", "other": "none"})
        self.assertEqual(self.pid("other"), self.other_pid)

    def test_field_name(self):
        self.renamed("name", "new", "new")

    def test_field_name_prefix(self):
        self.renamed("name_prefix", "pre", "pre:app")

    def test_field_append_env_to_name(self):
        self.renamed("append_env_to_name", True, "app-test", "--env", "test")


if __name__ == "__main__":
    pmxtest.main()
