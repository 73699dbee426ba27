"""The environment of apps: files of variables, secrets that are stored nowhere, what is inherited of the shell, and where each value is from."""

import json
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import pmxtest
from pmxtest import eventually, process_alive, testapp


def environment(pid):
    with open(f"/proc/{pid}/environ", "rb") as file:
        return dict(entry.decode().split("=", 1) for entry in file.read().split(b"\0") if b"=" in entry)


class EnvironmentTest(pmxtest.PmxTest):
    def write(self, **keys):
        return self.home.json_file("apps.json", {"apps": [{"name": "app", "script": testapp(), "args": "sleep", **keys}]})

    def seen(self, name="app"):
        pids = self.home.pids(name)
        self.assertEqual(len(pids), 1)
        return environment(pids[0])

    def origins(self):
        return dict(line.split(": ", 1) for line in self.home.run("env", self.home.jlist()[0]["pm_id"], "--origin").stdout.splitlines())


class Files(EnvironmentTest):
    def test_file_of_variables(self):
        path = self.home.file(".env", "# of the app\nexport A='a b'\nB=\"${A}\\n\"\nC=1\nBASE=${SHELL_HAS}\n")
        self.home.file("more.env", "C=2\n")
        self.write(env_file=[".env", "more.env"], env={"D": "${SHELL_HAS:-no}", "E": "$${D} pa$$word"}, env_production={"C": 3})
        self.home.run("apply", "apps.json", env={"SHELL_HAS": "x", "C": "hidden"})
        seen = self.seen()
        self.assertEqual({name: seen[name] for name in ("A", "B", "C", "BASE", "D", "E")}, {"A": "a b", "B": "a b\n", "C": "2", "BASE": "x", "D": "x", "E": "${D} pa$$word"})
        origins = self.origins()
        self.assertEqual([origins[name] for name in ("A", "C", "D", "SHELL_HAS", "pm_id")],
                         [path, os.path.join(self.home.work, "more.env"), os.path.join(self.home.work, "apps.json"), "shell", "pmx"])
        self.assertIn(f"A, B, BASE from {path}", " ".join(self.home.run("show", "app", env={"COLUMNS": "500"}).stdout.split()))
        # A line that leaves the file leaves the app, and what it has hidden is there again.
        self.home.file("more.env", "")
        self.home.file(".env", "A=1\n")
        self.home.run("apply", "apps.json", env={"SHELL_HAS": "x"})
        seen = self.seen()
        self.assertEqual((seen["A"], seen["C"], "B" in seen), ("1", "hidden", False))
        self.home.run("apply", "apps.json", "--env", "production", env={"SHELL_HAS": "x"})
        self.assertEqual(self.seen()["C"], "3")

    def test_what_is_wrong_has_file_and_line(self):
        self.home.file(".env", "A=1\nhunter2 x\n")
        self.write(env_file=".env")
        for verb in ("apply", "validate"):
            error = self.home.fails(verb, "apps.json").stderr
            self.assertIn(".env:2: expected = behind hunter2", error)
        self.assertEqual(self.home.daemons(), [])
        self.write(env_file="none.env")
        self.assertIn("none.env does not exist", self.home.fails("start", "apps.json").stderr)
        self.write(env={"A": "${NOBODY}"})
        self.assertIn('app "app": key "env": A: expected a variable NOBODY', self.home.fails("start", "apps.json").stderr)
        self.assertEqual(self.home.jlist(), [])


class Secrets(EnvironmentTest):
    def test_read_at_each_start(self):
        path = self.home.file("db", "one\n")
        self.write(env={"DB": {"file": path}})
        self.home.run("apply", "apps.json")
        self.assertEqual(self.seen()["DB"], "one")
        self.home.file("db", "two")
        self.assertIn("Nothing to do", self.home.run("apply", "apps.json").stdout)
        self.home.run("restart", "app")
        self.assertEqual(self.seen()["DB"], "two")
        self.home.crash()
        self.home.file("db", "three")
        self.home.run("restart", "app")
        self.assertEqual(self.seen()["DB"], "three")
        os.unlink(path)
        self.assertIn(f"open the secret {path}: No such file", self.home.fails("restart", "app").stderr)
        os.mkfifo(path)  # must not keep the daemon waiting
        self.assertIn("a secret is a regular file", self.home.fails("restart", "app").stderr)

    def test_a_plain_value_comes_back(self):
        self.home.file("db", "secret")
        self.write(env={"DB": {"file": "db"}})
        self.home.run("apply", "apps.json", env={"DB": "of the shell"})
        self.assertEqual(self.seen()["DB"], "secret")
        self.write(env={"DB": "plain"})
        self.home.run("apply", "apps.json")
        self.assertEqual(self.seen()["DB"], "plain")


class Inherited(EnvironmentTest):
    def test_lists(self):
        shell = {"KEEP_1": "1", "KEEP_2": "2", "MY_TOKEN": "t", "OTHER": "o"}
        own = {"HOME", "PATH", "PMX_HOME"}
        for keys, wanted in (({}, {"KEEP_1", "KEEP_2", "MY_TOKEN", "OTHER"}),
                             ({"inherit_env": ["PATH", "KEEP_*"]}, {"KEEP_1", "KEEP_2"}),
                             ({"inherit_env": ["KEEP_*", "!KEEP_2"]}, {"KEEP_1"}),
                             ({"inherit_env": []}, set()),
                             ({"filter_env": True}, set()),
                             ({"filter_env": ["TOKEN", "KEEP"]}, {"OTHER"}),
                             ({"filter_env": "OTHER"}, {"KEEP_1", "KEEP_2", "MY_TOKEN"})):
            with self.subTest(keys):
                self.write(env={"A": "1"}, **keys)
                self.home.run("apply", "apps.json", env=shell)
                seen = self.seen()
                self.assertEqual({name for name in shell if name in seen}, wanted)
                self.assertEqual(seen["A"], "1")
                self.assertTrue(keys or own <= set(seen))
                self.assertIn("Nothing to do", self.home.run("apply", "apps.json", env={**shell, "OTHER": "2"}).stdout)
                # A restart with --update-env keeps to the rule.
                self.home.run("restart", "app", "--update-env", env={**shell, "KEEP_1": "new", "KEEP_3": "3"})
                seen = self.seen()
                self.assertEqual(seen.get("KEEP_1"), "new" if "KEEP_1" in wanted else None)
                self.assertEqual("KEEP_3" in seen, "KEEP_1" in wanted)
                self.home.run("delete", "app")

    def test_command_line(self):
        self.home.file("v.env", "FROM_FILE=1\n")
        self.home.run("start", testapp(), "--name", "app", "--filter-env", "TOKEN", "--filter-env", "KEY", "--env-file", "v.env", "--", "sleep",
                      env={"A_TOKEN_B": "1", "KEY": "1", "REST": "1"})
        seen = self.seen()
        self.assertEqual([name in seen for name in ("A_TOKEN_B", "KEY", "REST", "FROM_FILE")], [False, False, True, True])
        self.home.run("start", testapp(), "--name", "none", "--filter-env", "true", "--", "sleep", env={"REST": "1"})
        self.assertNotIn("REST", self.seen("none"))
        self.assertNotIn("PATH", self.seen("none"))

    def test_nothing_of_pmx_is_inherited_or_taken(self):
        """pm2's trap 20: attributes and variables are different things, in both directions."""
        names = {"name": "n", "status": "s", "args": "a", "watch": "w", "instances": "i", "pm_id": "77", "autorestart": "x", "NODE_APP_INSTANCE": "9"}
        self.write(env={key: value for key, value in names.items() if key not in ("pm_id", "NODE_APP_INSTANCE")})
        self.home.run("start", "apps.json", env=names)
        entry = self.home.one("app")
        self.assertEqual((entry["name"], entry["pm2_env"]["status"], entry["pm2_env"]["autorestart"]), ("app", "online", True))
        seen = self.seen()
        self.assertEqual([seen[name] for name in ("status", "args", "watch", "name", "pm_id", "NODE_APP_INSTANCE")], ["s", "a", "w", "app", "0", "0"])
        for attribute in ("pm_cwd", "pm_exec_path", "kill_timeout", "exec_interpreter", "max_restarts", "username", "origin"):
            self.assertNotIn(attribute, seen)
        # A shell inside an app starts another: nothing of the first one comes along, not even with --update-env.
        inside = {**seen, "NOTIFY_SOCKET": "@x", "LISTEN_FDS": "1", "PATH": self.home.env["PATH"]}
        self.home.run("start", testapp(), "--name", "second", "--", "sleep", env=inside)
        self.home.run("restart", "second", "--update-env", env=inside)
        seen = self.seen("second")
        self.assertEqual((seen["name"], seen["pm_id"]), ("second", "1"))
        self.assertNotIn("NOTIFY_SOCKET", seen)
        self.assertNotIn("LISTEN_FDS", seen)


class OfWhatExists(EnvironmentTest):
    """Options of restart and start by name: each is applied, or refused."""

    def test_environment(self):
        shell = {"MY_TOKEN": "t", "REST": "1"}
        self.home.run("start", testapp(), "--name", "app", "--", "sleep", env=shell)
        pid = self.home.pids("app")[0]
        self.home.file("v.env", "A=1\n")
        for option in (("--env-file", "v.env"), ("--source-map-support",), ("--timeout", "5s"), ("--retries", "1")):
            for verb in ("start", "restart", "reload"):
                self.home.fails(verb, "app", *option, code=2)
        self.assertEqual(self.home.pids("app"), [pid])
        self.home.run("restart", "app", "--filter-env", "TOKEN", env=shell)
        seen = self.seen()
        self.assertEqual(("MY_TOKEN" in seen, seen["REST"]), (False, "1"))
        # As --update-env alone; from inside an app nothing of that one comes along.
        inside = {**seen, **shell, "REST": "2", "NOTIFY_SOCKET": "@x", "LISTEN_FDS": "1", "restart_time": "9", "PATH": self.home.env["PATH"]}
        self.home.run("restart", "app", "--update-env", "--kill-timeout", "900", env=inside)
        seen = self.seen()
        self.assertEqual((seen["REST"], "MY_TOKEN" in seen, "NOTIFY_SOCKET" in seen, "LISTEN_FDS" in seen), ("2", False, False, False))
        self.assertNotIn("PMX_TOKEN: ", self.home.run("env", self.home.one("app")["pm_id"]).stdout)

    def test_paths(self):
        self.home.run("start", testapp(), "--name", "app", "--", "sleep")
        self.home.run("restart", "app", "--log", "all.log", "--pid", "app.pid", "--output", "out.log")
        self.home.run("restart", "app")
        for name in ("all.log", "app-0.pid", "out.log"):
            eventually(lambda: os.path.exists(os.path.join(self.home.work, name)), 10, name)

    def test_jobs(self):
        self.home.run("start", testapp(), "--name", "job", "--schedule", "0 0 1 1 *", "--", "sleep")
        self.home.run("restart", "job", "--timeout", "1h", "--overlap", "queue")
        job = self.home.one("job")["pm2_env"]
        self.assertEqual((job["schedule"], job["timeout"], job["overlap"]), ("0 0 1 1 *", 3600000, "queue"))
        self.home.fails("restart", "job", "--schedule", "nonsense")
        self.assertEqual(self.home.one("job")["pm2_env"]["schedule"], "0 0 1 1 *")

    def test_what_is_not_utf8_is_saved(self):
        path = b"v\xff.env".decode("utf-8", "surrogateescape")
        self.home.file(path, "A=1\n")
        self.home.run("start", testapp(), "--name", "app", "--env-file", path, "--", "sleep")
        self.home.run("save")
        self.home.kill()
        self.home.run("resurrect")
        self.assertEqual(self.seen()["A"], "1")
        self.assertIn("/v", self.origins()["A"])


class Attributes(EnvironmentTest):
    def test_names(self):
        self.write(name_prefix="shop", append_env_to_name=True, env_production={"A": "1"})
        self.home.run("start", "apps.json", "--env", "production", "--only", "app")
        self.assertEqual([entry["name"] for entry in self.home.jlist()], ["shop:app-production"])
        self.home.run("restart", "apps.json", "--env", "production", "--only", "shop:app-production")
        self.home.run("start", "apps.json")
        self.assertEqual(sorted(entry["name"] for entry in self.home.jlist()), ["shop:app", "shop:app-production"])

    def test_not_started_by_itself(self):
        """pm2's defect 4: it can be started all the same."""
        self.write(autostart=False)
        self.home.run("apply", "apps.json")
        self.assertEqual(self.home.statuses("app"), ["stopped"])
        self.assertIn("Nothing to do", self.home.run("apply", "apps.json").stdout)
        self.home.run("start", "apps.json")
        self.home.crash()
        self.assertEqual(self.home.statuses("app"), ["stopped"])
        self.write(autostart=False, kill_timeout=900)
        self.home.run("apply", "apps.json")
        self.assertEqual((self.home.statuses("app"), self.home.one("app")["pm2_env"]["kill_timeout"]), (["stopped"], 900))
        self.home.run("start", "app")
        self.assertEqual(self.home.statuses("app"), ["online"])
        self.assertIn("Nothing to do", self.home.run("apply", "apps.json").stdout)

    def test_pid_file(self):
        self.write(pid_file="run/app.pid")
        os.mkdir(os.path.join(self.home.work, "run"))
        self.home.run("apply", "apps.json")
        path = os.path.join(self.home.work, "run", "app-0.pid")

        def is_there(path):
            with open(path) as file:
                return int(file.read()) == self.home.pids("app")[0]

        eventually(lambda: os.path.exists(path) and is_there(path), 10, "the pid file")
        self.assertEqual(self.home.one("app")["pm2_env"]["pm_pid_path"], path)
        pid = self.home.pids("app")[0]
        self.write(pid_file="run/other")
        self.home.run("apply", "apps.json")
        other = os.path.join(self.home.work, "run", "other-0")
        eventually(lambda: os.path.exists(other) and is_there(other) and not os.path.exists(path), 10, "the other pid file")
        self.assertEqual(self.home.pids("app"), [pid])
        self.home.run("stop", "app")
        eventually(lambda: not os.path.exists(other), 10, "no pid file")
        self.home.run("start", testapp(), "--name", "line", "-p", "line.pid", "--", "sleep")
        eventually(lambda: os.path.exists(os.path.join(self.home.work, "line-1.pid")), 10, "the pid file of -p")

    def test_written_to_a_file(self):
        self.home.run("start", testapp(), "--name", "off", "-w", "--no-autostart", "--", "sleep")
        with open(os.path.join(self.home.work, "off-pmx.json")) as file:
            self.assertIs(json.load(file)["apps"][0]["autostart"], False)
        self.assertEqual(self.home.statuses("off"), ["stopped"])
        self.home.run("start", testapp(), "--name", "w", "-w", "--kill-timeout", "900", "--", "sleep")
        with open(os.path.join(self.home.work, "w-pmx.json")) as file:
            app = json.load(file)["apps"][0]
        self.assertEqual((app["name"], app["args"], app["kill_timeout"]), ("w", ["sleep"], 900))
        self.assertIn("Nothing to do", self.home.run("apply", "w-pmx.json").stdout)

    def test_watched_endings(self):
        self.home.file("src/a.js", "1")
        self.home.file("src/b.txt", "1")
        self.home.file("node_modules/x.js", "1")
        self.home.run("start", testapp(), "--name", "app", "--watch", "--ext", "js,mjs", "--watch-delay", "50ms", "--", "sleep")
        pid = self.home.pids("app")[0]
        self.home.file("src/b.txt", "2")
        self.home.file("node_modules/x.js", "2")
        self.home.file("src/new.mjs", "2")
        eventually(lambda: self.home.pids("app") not in ([pid], []), 10, "a restart")
        self.assertIn("new.mjs", self.home.one("app")["pm2_env"]["reason"] + self.home.run("show", "app").stdout)
        self.assertFalse(process_alive(pid))


    def test_the_same_filter_twice_is_one(self):
        self.home.run("start", testapp(), "--name", "app", "--filter-env", "SHELL_HAS", "--", "sleep", env={"SHELL_HAS": "x"})
        for _ in range(2):
            self.home.run("restart", "app", "--filter-env", "SHELL_HAS", "--filter-env", "OTHER")
        self.assertIn("!*SHELL_HAS*, !*OTHER* ", self.home.run("show", "app").stdout)
        self.assertNotIn("SHELL_HAS", self.seen())
        self.home.run("restart", "app", "--watch", "--ext", "js")
        self.home.run("restart", "app", "--ext", "ts")
        self.assertIn("*, !*/, !*.ts, .*, node_modules ", self.home.run("show", "app", env={"COLUMNS": "500"}).stdout)

    @unittest.skipUnless(os.geteuid() == 0, "only root may start others' processes")
    def test_variables_of_another_user(self):
        self.home.run("start", "/bin/sleep", "--name", "app", "--cwd", "/", "--", "1000", env={"HOME": "/ours", "USER": "us", "LOGNAME": "us"})
        names = ("HOME", "USER", "LOGNAME")
        for user, home in (("daemon", "/usr/sbin"), ("nobody", "/nonexistent"), ("daemon", "/usr/sbin")):
            self.home.run("restart", "app", "--uid", user)
            self.assertEqual([self.seen()[name] for name in names], [home, user, user])
        self.home.run("restart", "app", "--uid", "root")
        self.assertEqual([self.seen()[name] for name in names], ["/ours", "us", "us"])

    def test_values_that_look_secret_are_hidden(self):
        self.home.run("start", testapp(), "--name", "app", "--", "sleep", env={"API_TOKEN": "hunter2", "PLAIN": "shown"})
        shown = self.home.run("env", 0)
        self.assertIn("PLAIN: shown\n", shown.stdout)
        self.assertIn("API_TOKEN: [hidden]\n", shown.stdout)
        self.assertIn("--show-secrets", shown.stderr)
        self.assertIn("API_TOKEN: hunter2\n", self.home.run("env", 0, "--show-secrets").stdout)


if __name__ == "__main__":
    pmxtest.main()
