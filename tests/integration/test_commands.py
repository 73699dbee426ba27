"""Commands: targets, exit codes (pm2-surface 4.2 and 5), what they print, the jlist schema (12.3), the table's width."""

import fcntl
import json
import os
import pty
import re
import signal
import struct
import sys
import termios
import time
import unicodedata

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import pmxtest
from pmxtest import eventually, fixture, testapp


def on_terminal(home, width, *args, env=None):
    """(exit code, text) of pmx on a terminal of that width."""
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(home.work)
        environment = home.environment(env)
        environment.pop("COLUMNS", None)
        # The parent sets the size before it lets us go on.
        os.read(0, 1)
        os.execve(home.command()[0], home.command(*args), environment)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
    os.write(terminal, b"\n")
    data = b""
    while True:
        try:
            part = os.read(terminal, 65536)
        except OSError:
            break
        if not part:
            break
        data += part
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), data.decode("utf-8").replace("\r\n", "\n").lstrip("\n")


def columns(line):
    """Terminal cells of a line, colours removed."""
    plain = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", line)
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 0 if unicodedata.combining(c) else 1 for c in plain)


class WithApps(pmxtest.PmxTest):
    """api (id 0), web (id 1) in namespace "front", job (id 2) in namespace "back"."""

    def setUp(self):
        super().setUp()
        self.script = self.home.file("sleeper.sh", "exec sleep 1000")
        self.home.run("start", testapp(), "--name", "api", "--namespace", "front", "--", "sleep")
        self.home.run("start", self.script, "--name", "web", "--namespace", "front")
        self.home.run("start", self.script, "--name", "job", "--namespace", "back")

    def running(self):
        return sorted(entry["name"] for entry in self.home.jlist() if entry["pm2_env"]["status"] == "online")


class Targets(WithApps):
    def test_name_id_namespace_regex_all_several(self):
        for target, expected in ((["api"], ["job", "web"]), (["1"], ["api", "job"]), (["front"], ["job"]), (["/^(api|job)$/"], ["web"]),
                                 (["/e/"], ["api", "job"]), (["api", "2"], ["web"]), (["all"], [])):
            with self.subTest(target=target):
                self.home.run("stop", *target)
                self.assertEqual(self.running(), expected)
                self.home.run("start", "all")
                self.assertEqual(self.running(), ["api", "job", "web"])

    def test_script_path_is_a_target(self):
        self.home.run("stop", self.script)
        self.assertEqual(self.running(), ["api"])

    def test_name_before_namespace_before_id(self):
        self.home.run("start", self.script, "--name", "0", "--namespace", "back")
        self.home.run("stop", "0")
        self.assertEqual(self.running(), ["api", "job", "web"])
        self.home.run("start", self.script, "--name", "front")
        self.home.run("stop", "front")
        self.assertEqual(self.running(), ["api", "job", "web"])

    def test_pm2_command_that_pmx_has_not(self):
        for command in ("deploy", "link"):
            ran = self.home.fails(command, code=2)
            self.assertIn(f'pmx has no command "{command}", which pm2 has', ran.stderr)
            self.assertNotIn("did you mean", ran.stderr)

    def test_more_copies_of_what_shares_no_port(self):
        self.home.run("start", fixture("ready.js"), "--name", "copied", "-x")
        self.assertIn("its 2 instances are copies that share no port", self.home.run("scale", "copied", "2").stderr)
        self.home.run("start", fixture("server.js"), "--name", "shared", "-i", "1", env={"PORT": pmxtest.free_port()})
        self.assertNotIn("copies", self.home.run("scale", "shared", "2").stderr)

    def test_unknown(self):
        before = self.home.jlist()
        for command in ("stop", "restart", "reload", "delete", "describe", "show", "reset"):
            with self.subTest(command=command):
                self.assertIn("nope", self.home.fails(command, "nope").stderr)
        for command in ("stop", "restart", "reload", "delete", "describe", "env", "reset"):
            with self.subTest(command=command):
                self.assertIn("99", self.home.fails(command, "99").stderr)
        self.assertIn("nope", self.home.fails("scale", "nope", "2").stderr)
        self.assertIn("nope", self.home.fails("sendSignal", "SIGUSR1", "nope").stderr)
        self.home.fails("stop", "/nope/")
        self.home.fails("stop", "/(/")  # not a regular expression
        self.assertEqual([(entry["name"], entry["pid"]) for entry in self.home.jlist()], [(entry["name"], entry["pid"]) for entry in before])

    def test_first_unknown_of_several_ends_the_command(self):
        self.home.fails("stop", "api", "nope", "web")
        self.assertEqual(self.running(), ["job", "web"])

    def test_lenient_ones(self):
        self.assertEqual(json.loads(self.home.run("id", "nope").stdout), [])
        self.assertEqual(self.home.run("pid", "nope").stdout.strip(), "")

    def test_unknown_logs_are_an_error(self):
        """pm2 streams nothing for ever, or says nothing and exits with 0 (trap 14)."""
        self.home.fails("flush", "nope")
        self.home.fails("logs", "nope", "--nostream")


class SameName(pmxtest.PmxTest):
    """Two programs may have one name, as with pm2. What would have to guess which is meant refuses."""

    def setUp(self):
        super().setUp()
        self.scripts = [self.home.file(f"{directory}/app.js", "setInterval(() => {}, 1e6);\n") for directory in ("a", "b")]
        self.home.run("start", self.scripts[0])
        self.assertIn(f"another app is named app too: {self.scripts[0]}", self.home.run("start", self.scripts[1]).stderr)

    def programs(self):
        return sorted(entry["pm2_env"]["pm_exec_path"] for entry in self.home.jlist())

    def test_nothing_is_guessed(self):
        for command in (("restart", "1", "--max-memory-restart", "300M"), ("scale", "app", "3"), ("export",)):
            with self.subTest(command):
                self.assertIn("app", self.home.fails(*command).stderr)
                self.assertEqual(self.programs(), self.scripts)
        self.assertEqual(len(self.home.run("restart", "app").stdout.split("✓")), 3)

    def test_both_are_saved(self):
        self.home.run("save")
        self.home.kill()
        os.remove(os.path.join(self.home.path, "pmx.db"))
        self.home.run("resurrect")
        self.assertEqual(self.programs(), self.scripts)


class ExitCodes(pmxtest.PmxTest):
    def test_empty_list(self):
        for command in ("stop", "restart", "delete", "reload", "start"):
            with self.subTest(command=command):
                self.home.fails(command, "all")

    def test_usage(self):
        self.home.run("--help")
        self.assertRegex(self.home.run("start", "--help").stdout, r"--name")
        self.home.run("no-such-command", check=2)
        self.home.run("list", "--no-such-option", check=2)
        self.assertEqual(self.home.run(check=None).code, 1)
        for command in ("stop", "restart", "delete", "describe", "scale", "sendSignal"):
            with self.subTest(command=command):
                self.home.fails(command)

    def test_stop_twice_is_fine(self):
        self.home.run("start", testapp(), "--name", "x", "--", "sleep")
        self.home.run("stop", "x")
        self.home.run("stop", "x")
        self.assertEqual(self.home.statuses("x"), ["stopped"])

    def test_app_that_dies_at_once_is_a_failure_of_start(self):
        """pm2 says 0 (trap 17)."""
        self.home.json_file("a.json", {"apps": [{"name": "filed", "script": testapp(), "args": ["exit", "3"]}]})
        program = (testapp(), "--no-autorestart", "--name")
        for words in (("start", *program, "x", "--", "exit", "3"), ("start", "x"), ("restart", "x"), ("start", "a.json"),
                      ("start", testapp(), "--name", "loop", "--", "exit", "3")):

            def fails():  # on a busy machine "at once" may be later than pmx looks
                failed = self.home.run(*words, check=None)
                if failed.code == 0:
                    self.home.run("delete", "loop", check=None)
                return failed.code == 1 and "exit code 3" in failed.stderr

            eventually(fails, 20, f"{words} fails")
        entry = self.home.wait_status("x", "stopped")[0]
        self.assertEqual(entry["pm2_env"]["exit_code"], 3)

    def test_work_that_is_done_at_once_is_a_success(self):
        self.home.run("start", testapp(), "--name", "x", "--no-autorestart", "--", "exit", "0")
        self.home.run("start", testapp(), "--name", "y", "--stop-exit-codes", "3", "--", "exit", "3")
        self.home.run("start", testapp(), "--name", "z", "--no-wait", "--", "exit", "3")  # nobody waited to see it

    def test_codes_beyond_failure(self):
        """What `pmx --help` lists; pm2's scripts ask for "not 0" only."""
        self.home.fails("stop", "nope", code=3)
        self.home.fails("start", code=3)
        self.home.fails("ping", code=7, env={"PMX_HOME": os.path.join(self.home.root, "other")})
        self.home.fails("start", testapp(), "--name", "slow", "--ready", "tcp:1", "--ready-timeout", "50", "--restart-delay", "10m", "--", "sleep", code=1)
        self.home.fails("restart", "slow", code=6)
        self.home.run("delete", "slow")
        if os.geteuid() == 0:
            foreign = os.path.join(self.home.root, "foreign")
            os.mkdir(foreign)
            os.chown(foreign, 1, 1)
            self.home.fails("jlist", code=4, env={"PMX_HOME": foreign})
        for words in (("scale", "x", "two"), ("stop",), ("list", "--no-such-option"), ("no-such-command",), ("start", "x.js", "--kill-timeout", "soon")):
            self.home.fails(*words, code=2)

    def test_version(self):
        self.assertRegex(self.home.run("-v").stdout, r"^\d+\.\d+\.\d+\s*$")
        self.assertEqual(self.home.run("--version").stdout, self.home.run("-v").stdout)


class JsonOfCommands(pmxtest.PmxTest):
    """--json: one object with "schema", "command", "ok", "exit_code", "done", "warnings", "errors" on stdout, nothing else."""

    def object(self, *args, check=True, **options):
        value = json.loads(self.home.run("--json", *args, check=check, **options).out)
        self.assertEqual(value["schema"], 1)
        for list_ in ("done", "warnings", "errors"):
            self.assertIsInstance(value[list_], list)
        self.assertEqual(value["ok"], value["exit_code"] == 0)
        return value

    def test_every_command(self):
        started = self.object("start", testapp(), "--name", "x", "--", "sleep")
        self.assertEqual((started["command"], started["ok"]), ("start", True))
        self.assertEqual([(one["name"], one["pm_id"], one["status"]) for one in started["done"]], [("x", 0, "online")])
        pid = started["done"][0]["pid"]
        self.assertEqual(self.object("list")["instances"][0]["pid"], pid)
        self.assertEqual(self.object("ls")["command"], "list")
        self.assertEqual(self.object("describe", "x")["instances"][0]["name"], "x")
        self.assertEqual(self.object("prettylist")["instances"][0]["name"], "x")
        self.assertEqual(self.object("id", "x")["ids"], [0])
        self.assertEqual(self.object("pid", "x")["pids"], [pid])
        self.assertEqual(self.object("env", "0", env={"A": "b"})["env"]["name"], "x")
        self.assertEqual(self.object("ping")["daemon"]["daemon_pid"], self.home.daemon_pid)
        self.assertEqual(self.object("scale", "x", "2")["added"], [1])
        self.assertEqual(len(self.object("reload", "x")["done"]), 2)
        for words in (("reset", "x"), ("sendSignal", "SIGCONT", "x"), ("flush",), ("reloadLogs",), ("save",), ("restart", "x"), ("stop", "x"), ("resurrect",),
                      ("update",), ("delete", "x")):
            with self.subTest(command=words[0]):
                self.assertEqual(self.object(*words)["command"], words[0])
        file = self.home.json_file("a.json", {"apps": [{"name": "a", "script": testapp(), "args": ["sleep"]}]})
        self.assertEqual(self.object("plan", file)["apps"][0]["action"], "start")
        self.assertEqual([one["name"] for one in self.object("apply", file)["done"]], ["a"])
        self.assertEqual(json.loads(self.home.run("jlist", "--json").out)[0]["name"], "a")  # pm2's array, always
        self.assertEqual(self.object("kill")["command"], "kill")

    def test_errors(self):
        value = self.object("stop", "nope", check=3)
        self.assertEqual((value["command"], value["exit_code"], value["errors"][0]["kind"]), ("stop", 3, "not_found"))
        self.assertIn("nope", value["errors"][0]["message"])
        self.assertEqual(self.object("stop", check=2)["errors"][0]["kind"], "invalid_request")
        self.assertEqual(self.object("stop", "--nope", check=2)["errors"][0]["kind"], "usage")
        self.assertEqual(self.object("no-such-command", check=2)["errors"][0]["kind"], "usage")
        missing = self.object("start", "missing.js", check=1)
        self.assertIn("missing.js", missing["errors"][0]["message"])
        self.assertEqual(self.object("logs", "nope", "--nostream", check=3)["errors"][0]["kind"], "not_found")
        self.assertIn("nope", self.home.run("stop", "nope", "--json", check=3).stderr)  # people read it there

    def test_silent(self):
        self.assertEqual(self.home.run("start", testapp(), "--name", "x", "-s", "--", "sleep").out, b"")
        self.assertEqual(self.home.run("-s", "stop", "x").out, b"")
        self.assertTrue(json.loads(self.home.run("-s", "list", "--json").out)["instances"])
        self.assertTrue(json.loads(self.home.run("-s", "jlist").out))

    def test_prettylist(self):
        self.home.run("start", testapp(), "--name", "it's", "--", "sleep")
        text = self.home.run("prettylist").stdout
        self.assertTrue(text.startswith("[\n  {\n") and text.endswith("  }\n]"), text)
        self.assertIn('name: "it\'s"', text)
        self.assertIn("args: [ 'sleep' ]", text)
        self.home.run("delete", "all")
        self.assertEqual(self.home.run("prettylist").stdout, "[]")


class Settings(pmxtest.PmxTest):
    """Options of restart, reload and start NAME change the settings of the one app that is named."""

    def setUp(self):
        super().setUp()
        self.home.run("start", testapp(), "--name", "x", "--", "sleep")

    def env(self, name="x"):
        return self.home.one(name)["pm2_env"]

    def test_changes(self):
        pid = self.home.one("x")["pid"]
        changed = self.home.run("restart", "x", "--kill-timeout", "3000", "--max-memory-restart", "300M", "--namespace", "n", "--cron-restart", "0 4 * * *")
        self.assertIn("kill_timeout", changed.stdout)
        env = self.env()
        self.assertEqual((env["kill_timeout"], env["max_memory_restart"], env["namespace"], env["cron_restart"]), (3000, 300 << 20, "n", "0 4 * * *"))
        self.assertEqual(env["restart_time"], 1)
        self.assertNotEqual(self.home.one("x")["pid"], pid)
        self.home.run("restart", "x", "--cron-restart", "0", "--", "state")
        env = self.env()
        self.assertFalse(env.get("cron_restart"))
        self.assertEqual((env["args"], env["kill_timeout"]), (["state"], 3000))
        self.home.run("reload", "0", "--no-autorestart")
        self.assertFalse(self.env()["autorestart"])
        self.home.run("stop", "x")
        self.home.run("start", "x", "--max-restarts", "5")
        self.assertEqual((self.env()["max_restarts"], self.env()["status"]), (5, "online"))
        self.home.run("restart", "x", "-i", "2")
        self.assertEqual(len(self.home.wait_status("x", "online", count=2)), 2)

    def test_watch_toggles(self):
        self.home.run("restart", "x", "--watch")
        self.assertTrue(self.env()["watch"])
        self.home.run("restart", "x", "--watch")
        self.assertFalse(self.env()["watch"])

    def test_update_env(self):
        self.home.run("restart", "x", "--update-env", "--kill-timeout", "2000", env={"NEW": "yes"})
        self.assertEqual((self.env()["env"].get("NEW"), self.env()["kill_timeout"]), ("yes", 2000))

    def test_of_one_app_only(self):
        """pm2 changes every target, names included (trap 10)."""
        self.home.run("start", testapp(), "--name", "y", "--", "sleep")
        before = [(entry["name"], entry["pid"], entry["pm2_env"]["namespace"]) for entry in self.home.jlist()]
        for words in (("restart", "all", "--namespace", "n"), ("restart", "x", "y", "--kill-timeout", "1"), ("reload", "/./", "--time"), ("restart", "all", "--name", "z"),
                      ("start", "all", "--namespace", "n"), ("restart", "x", "--name", "y"), ("restart", "x", "--env", "production")):
            self.home.fails(*words, code=2)
        self.home.fails("restart", "nope", "--kill-timeout", "1", code=3)
        self.assertEqual([(entry["name"], entry["pid"], entry["pm2_env"]["namespace"]) for entry in self.home.jlist()], before)

    def test_nothing_is_changed_by_a_bad_value(self):
        pid = self.home.one("x")["pid"]
        self.home.fails("restart", "x", "--kill-timeout", "soon", code=2)
        self.home.fails("restart", "x", "--cron-restart", "nonsense")
        self.home.fails("restart", "x", "--interpreter", "no-such-program")
        self.assertEqual(self.home.one("x")["pid"], pid)


class Actions(pmxtest.PmxTest):
    def setUp(self):
        super().setUp()
        self.starts = os.path.join(self.home.work, "starts")
        self.home.start("app", script="on_signal.py", env={"STARTS": self.starts})
        eventually(lambda: self.home.log("app-out.log") == b"ready\n", 10, "first line")

    def test_stop_start_restart_delete(self):
        first = self.home.one("app")["pid"]
        self.home.run("stop", "app")
        entry = self.home.one("app")
        self.assertEqual((entry["pm2_env"]["status"], entry["pid"]), ("stopped", 0))
        self.assertFalse(pmxtest.process_alive(first))
        self.home.run("start", "app")
        second = self.home.wait_status("app", "online")[0]["pid"]
        self.home.run("restart", "app")
        third = self.home.wait_status("app", "online")[0]
        self.assertEqual(len({first, second, third["pid"]}), 3)
        self.assertFalse(pmxtest.process_alive(second))
        self.assertEqual(third["pm2_env"]["restart_time"], 1)
        self.home.run("reload", "app")  # fork mode: a restart
        self.assertEqual(self.home.wait_status("app", "online")[0]["pm2_env"]["restart_time"], 2)
        pid = self.home.one("app")["pid"]
        self.home.run("delete", "app")
        self.assertEqual(self.home.jlist(), [])
        self.assertFalse(pmxtest.process_alive(pid))
        self.assertIn(b"ready\n", self.home.log("app-out.log"))  # logs are kept

    def test_restart_starts_a_stopped_one(self):
        self.home.run("stop", "app")
        self.home.run("restart", "app")
        self.assertEqual(self.home.wait_status("app", "online")[0]["pm2_env"]["restart_time"], 0)

    def test_reset(self):
        self.home.run("restart", "app")
        self.home.run("restart", "app")
        self.assertEqual(self.home.one("app")["pm2_env"]["restart_time"], 2)
        pid = self.home.one("app")["pid"]
        self.home.run("reset", "app")
        entry = self.home.one("app")
        self.assertEqual((entry["pm2_env"]["restart_time"], entry["pid"]), (0, pid))

    def test_send_signal(self):
        pid = self.home.one("app")["pid"]
        self.home.run("sendSignal", "SIGUSR2", "app")
        eventually(lambda: self.home.log("app-out.log") == b"ready\ngot SIGUSR2\n", 10, "the signal's line")
        self.home.run("sendSignal", "SIGUSR2", "0")
        eventually(lambda: self.home.log("app-out.log").count(b"got SIGUSR2") == 2, 10, "the second line")
        self.home.fails("sendSignal", "SIGNONSENSE", "app")
        self.home.fails("sendSignal", "12", "app")
        self.assertEqual(self.home.one("app")["pid"], pid)

    def test_id_pid_env(self):
        self.home.run("start", testapp(), "--name", "two", "-i", "2", "-x", "--", "sleep")
        self.assertEqual(json.loads(self.home.run("id", "two").stdout), [1, 2])
        self.assertEqual([int(line) for line in self.home.run("pid", "two").stdout.split()], self.home.pids("two"))
        self.assertEqual([int(line) for line in self.home.run("pid", "app").stdout.split()], self.home.pids("app"))
        self.home.run("stop", "app")
        self.assertEqual(self.home.run("pid", "app").stdout.split(), ["0"])
        shown = self.home.run("env", "0").stdout
        self.assertRegex(shown, rf"(?m)^STARTS: {re.escape(self.starts)}$")

    def test_describe_and_show(self):
        text = self.home.run("describe", "app").stdout
        for word in ("app", "online", fixture("on_signal.py"), self.home.log_path("app-out.log"), self.home.log_path("app-error.log"), self.home.work, "python3",
                     "fork"):
            self.assertIn(word, text)
        self.assertEqual([line.split()[:4] for line in self.home.run("show", "0").stdout.splitlines() if "script path" in line],
                         [line.split()[:4] for line in text.splitlines() if "script path" in line])

    def test_scale_of_fork_copies(self):
        self.home.run("scale", "app", "3")
        entries = self.home.wait_status("app", "online", count=3)
        self.assertEqual([entry["pm2_env"]["NODE_APP_INSTANCE"] for entry in entries], [0, 1, 2])
        self.home.run("scale", "app", "+1")
        self.home.wait_status("app", "online", count=4)
        self.home.fails("scale", "app", "4")
        self.home.run("scale", "app", "1")
        self.home.wait_status("app", "online", count=1)
        # The daemon has the environment of the first command: it and its keeper carry the variable too.
        programs = {self.home.daemon_pid, self.home.keeper_pid}
        eventually(lambda: set(pmxtest.processes_with("STARTS", self.starts)) - programs == set(self.home.pids("app")), 10, "one process left")

    def test_flush(self):
        self.home.run("flush", "app")
        self.assertEqual(self.home.log("app-out.log"), b"")
        self.home.run("sendSignal", "SIGUSR2", "app")
        eventually(lambda: self.home.log("app-out.log") == b"got SIGUSR2\n", 10, "a line after flush, no hole before it")


class Json(pmxtest.PmxTest):
    def test_first_command_of_a_home(self):
        result = self.home.run("jlist")
        self.assertEqual(json.loads(result.out), [])

    def test_first_command_of_a_home_on_ping(self):
        self.home.run("list")
        self.assertRegex(self.home.run("ping").stdout, r"(?i)pong")

    def test_schema(self):
        before = time.time() * 1000
        self.home.run("start", testapp(), "--name", "x", "--namespace", "n", "--kill-timeout", "3000", "--", "sleep", env={"SHOWN": "yes"})
        entry = eventually(lambda: (lambda e: e if e["monit"]["memory"] > 0 else None)(self.home.one("x")), 10, "memory figure")
        self.assertEqual(set(entry), {"pid", "name", "pm2_env", "pm_id", "monit"})
        self.assertEqual((entry["name"], entry["pm_id"]), ("x", 0))
        self.assertIsInstance(entry["pid"], int)
        self.assertIsInstance(entry["monit"]["cpu"], (int, float))
        env = entry["pm2_env"]
        expected = {"name": "x", "namespace": "n", "pm_id": 0, "status": "online", "restart_time": 0, "unstable_restarts": 0, "exec_mode": "fork_mode",
                    "pm_exec_path": testapp(), "pm_cwd": self.home.work, "exec_interpreter": "none", "args": ["sleep"], "node_args": [],
                    "pm_out_log_path": self.home.log_path("x-out.log"), "pm_err_log_path": self.home.log_path("x-error.log"),
                    "autorestart": True, "treekill": True, "merge_logs": True, "kill_timeout": 3000, "watch": False, "instances": 1,
                    "instance_var": "NODE_APP_INSTANCE", "NODE_APP_INSTANCE": 0}
        self.assertEqual({key: env.get(key) for key in expected}, expected)
        for key in ("pm_uptime", "created_at"):
            self.assertIsInstance(env[key], int)
            self.assertTrue(before - 1000 <= env[key] <= time.time() * 1000 + 1000, (key, env[key]))
        self.assertRegex(env["unique_id"], r"^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$")
        self.assertTrue(env["pm_pid_path"].startswith(os.path.join(self.home.path, "pids", "x-0")))
        with open(env["pm_pid_path"]) as file:
            self.assertEqual(int(file.read()), entry["pid"])
        self.assertIsInstance(env["version"], str)
        self.assertIsInstance(env["username"], str)
        self.assertEqual(env["env"]["SHOWN"], "yes")
        self.assertNotIn("exit_code", env)  # before the first exit
        self.home.run("stop", "x")
        entry = self.home.one("x")
        self.assertEqual((entry["pid"], entry["monit"]), (0, {"memory": 0, "cpu": 0}))
        self.assertFalse(os.path.exists(env["pm_pid_path"]))

    def test_odd_names_are_valid_json(self):
        name = 'a "b" \\ \u00e9\u20ac \U0001f600'
        self.home.run("start", testapp(), "--name", name, "--", "sleep", env={"BYTES": "x\ny\t\x01"})
        entry = self.home.one(name)
        self.assertEqual(entry["pm2_env"]["env"]["BYTES"], "x\ny\t\x01")
        self.home.run("restart", name)
        self.home.run("delete", name)
        self.assertEqual(self.home.jlist(), [])

    def test_bytes_that_are_not_utf8(self):
        self.home.run("start", testapp(), "--name", "x", "--", "sleep", b"\xff\xc0".decode("utf-8", "surrogateescape"), env={"RAW": b"\xfe".decode("utf-8", "surrogateescape")})
        json.loads(self.home.run("jlist").out.decode("utf-8", "strict"))


class Table(pmxtest.PmxTest):
    def setUp(self):
        super().setUp()
        self.home.run("start", testapp(), "--name", "api", "--", "sleep")
        self.home.run("start", testapp(), "--name", "a-name-that-is-quite-a-bit-longer-than-others", "--", "sleep")
        self.home.run("start", testapp(), "--name", "stopped-one", "--", "sleep")
        self.home.run("stop", "stopped-one")

    def test_fits_the_terminal(self):
        for width in (60, 80, 120, 200):
            with self.subTest(width=width):
                code, text = on_terminal(self.home, width, "list")
                self.assertEqual(code, 0, text)
                self.assertIn("api", text)
                self.assertIn("online", text)
                self.assertIn("stopped", text)
                self.assertLessEqual(max(columns(line) for line in text.split("\n")), width, text)

    def test_aliases_are_the_same(self):
        shown = re.sub(r"[\d.]+(%|mb|kb|s|b)", "N", self.home.run("list").stdout)
        for alias in ("ls", "status", "l", "ps"):
            self.assertEqual(sorted(re.sub(r"[\d.]+(%|mb|kb|s|b)", "N", self.home.run(alias).stdout).split()), sorted(shown.split()), alias)

    def test_colours_on_a_terminal_only(self):
        plain = {"NO_COLOR": None}
        self.assertNotIn("\x1b[", self.home.run("list", env=plain).stdout)
        self.assertNotIn("\x1b[", on_terminal(self.home, 100, "list")[1])  # NO_COLOR is set
        self.assertIn("\x1b[", on_terminal(self.home, 100, "list", env=plain)[1])

    def test_facts(self):
        text = self.home.run("list").stdout
        for entry in self.home.jlist():
            row = [line for line in text.splitlines() if entry["name"][:20] in line]
            self.assertEqual(len(row), 1, text)
            self.assertIn(entry["pm2_env"]["status"], row[0])
            if entry["pid"]:
                self.assertIn(str(entry["pid"]), row[0])

    def test_state_changing_commands_print_the_table(self):
        self.assertIn("stopped-one", self.home.run("restart", "api").stdout)
        self.assertIn("stopped-one", self.home.run("stop", "api").stdout)


if __name__ == "__main__":
    pmxtest.main()
