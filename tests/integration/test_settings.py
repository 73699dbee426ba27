"""set, get, unset, multiset and conf: the key/value store, and variables of apps in it; report."""

import json
import os
import pty
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import pmxtest
from pmxtest import eventually


class Store(pmxtest.PmxTest):
    def test_forms(self):
        home = self.home
        self.assertEqual(home.run("set", "a:b", "v").stdout, "[PMX] Setting changed\nModule: a\n$ pmx set a:b v\n")
        home.run("set", "a.c", "two words")
        home.run("set", "solo", "x")
        lines = "Module: a\n$ pmx set a:b v\n$ pmx set a:c 'two words'\n"
        self.assertEqual(home.run("get").stdout, lines + "$ pmx set solo x\n")
        self.assertEqual(home.run("conf").stdout, lines + "$ pmx set solo x\n")
        self.assertEqual(home.run("get", "a").stdout, lines)
        self.assertEqual(home.run("get", "a:b").stdout, "Value for module a key b: v\n")
        home.fails("get", "a:nope")
        home.fails("get", "nope")
        home.run("multiset", "m:k 1 m:l 'x y'")
        self.assertEqual(home.run("config", "m").stdout, "Module: m\n$ pmx set m:k 1\n$ pmx set m:l 'x y'\n")
        home.run("config", "m:k", "2")
        self.assertEqual(home.run("-s", "get", "m:k").stdout, "Value for module m key k: 2\n")
        home.run("unset", "a")
        home.fails("get", "a")
        self.assertIn("was not set", home.run("unset", "a").stderr)
        home.run("unset", "all")
        self.assertEqual(home.run("get").stdout, "")
        self.assertEqual(home.daemons(), [], "no daemon is needed")

    def test_wrong_use(self):
        for words in (("set", "a"), ("multiset", "a"), ("multiset", "")):
            self.home.fails(*words, code=2)
        self.home.run("set", "a:b", "1")
        before = open(os.path.join(self.home.path, "module_conf.json")).read()
        for words in (("set", "a", "1"), ("set", "a:b:c", "1"), ("set", "", "1"), ("set", "a::b", "1"), ("multiset", "x 1 a 2")):
            self.home.fails(*words)
        self.assertEqual(open(os.path.join(self.home.path, "module_conf.json")).read(), before)
        self.assertEqual(json.loads(before), {"a": {"b": "1"}})
        with open(os.path.join(self.home.path, "module_conf.json"), "w") as file:
            file.write("no JSON")
        self.assertIn("module_conf.json", self.home.fails("get").stderr)
        self.home.fails("set", "a:b", "2")

    def test_editor(self):
        editor = self.home.file("editor.sh", '#!/bin/sh\necho "$1" > "$2".seen\n', 0o755)
        self.assertIn("pmx set app:name value", self.home.fails("set", env={"EDITOR": editor}, code=2).stderr)  # without a terminal
        ours, terminal = pty.openpty()
        child = subprocess.Popen(self.home.command("set"), env=self.home.environment({"EDITOR": f"{editor} -x", "VISUAL": None}), stdin=terminal, stdout=terminal)
        self.assertEqual(child.wait(20 * pmxtest.SLOW), 0)
        os.close(ours)
        os.close(terminal)
        self.assertEqual(open(os.path.join(self.home.path, "module_conf.json.seen")).read(), "-x\n")

    def test_many_at_once(self):
        started = [self.home.popen("-s", "set", f"k:n{i}", i, stdout=-3, stderr=-3) for i in range(8)]
        for child in started:
            self.assertEqual(child.wait(30), 0)
        self.assertEqual(len(self.home.run("get", "k").stdout.splitlines()), 9)

    def test_variables_of_apps(self):
        script = self.home.file("show.py", "import os, time\nprint('MODE', os.environ.get('MODE'), flush=True)\ntime.sleep(1000)\n")
        self.home.run("set", "web:MODE", "one")
        self.home.run("start", script, "--name", "web")
        self.home.run("start", script, "--name", "other")
        eventually(lambda: self.home.log("web-out.log").decode() == "MODE one\n")
        other = self.home.one("other")["pid"]
        self.home.run("set", "web:MODE", "two")
        eventually(lambda: self.home.log("web-out.log").decode() == "MODE one\nMODE two\n")
        self.assertEqual(self.home.log("other-out.log").decode(), "MODE None\n")
        self.assertEqual(self.home.one("other")["pid"], other)


class Rename(pmxtest.PmxTest):
    """restart OLD --name NEW."""

    def setUp(self):
        super().setUp()
        self.script = self.home.file("say.sh", "echo I am here\nexec sleep 1000\n")

    def test_restart_under_another_name(self):
        home = self.home
        home.run("start", self.script, "--name", "old")
        before = home.one("old")
        shown = home.run("restart", "old", "--name", "new")
        self.assertIn("name: old -> new", shown.stdout + shown.stderr)
        self.assertEqual([entry["name"] for entry in home.jlist()], ["new"])
        after = home.one("new")
        self.assertEqual(after["pm_id"], before["pm_id"])
        self.assertNotEqual(after["pid"], before["pid"])
        for path in ("pm_out_log_path", "pm_err_log_path", "pm_pid_path"):
            self.assertEqual(after["pm2_env"][path], before["pm2_env"][path])  # as in pm2
        self.assertEqual(after["pm2_env"]["name"], "new")
        eventually(lambda: home.log("old-out.log") == b"I am here\n" * 2)
        home.fails("restart", "old")
        home.run("save")
        with open(os.path.join(home.path, "dump.pmx")) as file:
            self.assertEqual([entry["name"] for entry in json.load(file)], ["new"])
        home.crash()
        self.assertEqual(home.wait_status("new", "online")[0]["pid"], after["pid"])
        home.run("restart", str(after["pm_id"]), "--name", "newer", "--kill-timeout", "700")
        self.assertEqual(home.one("newer")["pm2_env"]["kill_timeout"], 700)
        home.run("stop", "newer")
        home.run("reload", "newer", "--name", "last")
        self.assertEqual(home.wait_status("last", "online")[0]["pm2_env"]["restart_time"], after["pm2_env"]["restart_time"] + 1)

    def test_of_several_instances(self):
        self.home.run("start", self.script, "--name", "old", "-i", "2")
        before = self.home.instances("old")
        self.home.run("reload", "old", "--name", "a name/with 1 slash", timeout=60)
        after = self.home.wait_status("a name/with 1 slash", "online", count=2)
        self.assertEqual([entry["pm2_env"]["pm_out_log_path"] for entry in after], [entry["pm2_env"]["pm_out_log_path"] for entry in before])

    def test_what_is_refused(self):
        home = self.home
        home.run("start", self.script, "--name", "db")
        home.run("start", self.home.json_file("web.json", {"apps": [{"name": "web", "script": self.script, "depends_on": ["db:started"]}]}))
        before = home.jlist()
        self.assertIn("another app has that name", home.fails("restart", "web", "--name", "db").stderr)
        self.assertIn("web depends on it", home.fails("restart", "db", "--name", "data").stderr)
        home.fails("restart", "all", "--name", "x", code=2)
        home.fails("restart", "web", "--name", "")
        home.fails("restart", "nobody", "--name", "x")
        self.assertEqual([(entry["name"], entry["pid"]) for entry in home.jlist()], [(entry["name"], entry["pid"]) for entry in before])


class LogDefaults(pmxtest.PmxTest):
    """pm2-logrotate:...: rotation of the apps that say nothing else."""

    def setUp(self):
        super().setUp()
        self.script = self.home.file("app.sh", "exec sleep 1000\n")

    def limits(self, name):
        env = self.home.one(name)["pm2_env"]
        return {key: env.get(key) for key in ("max_log_size", "log_retain", "log_compress", "rotate_interval")}

    def test_running_and_later_apps_follow(self):
        home = self.home
        home.run("start", self.script, "--name", "plain")
        own = home.json_file("own.json", {"apps": [{"name": "own", "script": self.script, "max_log_size": "3M", "log_retain": 5}]})
        home.run("start", own)
        pids = {name: home.pids(name) for name in ("plain", "own")}
        self.assertIn("max_size", home.run("set", "pm2-logrotate:retain", "7").stderr)
        shown = home.run("set", "pm2-logrotate:max_size", "10M")
        self.assertIn("plain: max_log_size: ", shown.stdout + shown.stderr)
        home.run("set", "pm2-logrotate:compress", "true")
        followed = {"max_log_size": 10 << 20, "log_retain": 7, "log_compress": True, "rotate_interval": None}
        self.assertEqual(self.limits("plain"), followed)
        self.assertEqual(self.limits("own"), {**followed, "max_log_size": 3 << 20, "log_retain": 5})
        self.assertEqual({name: home.pids(name) for name in pids}, pids, "in place")
        home.run("start", self.script, "--name", "later")
        home.run("start", home.json_file("file.json", {"apps": [{"name": "file", "script": self.script}, {"name": "off", "script": self.script, "max_log_size": 0}]}))
        self.assertEqual((self.limits("later"), self.limits("file")), (followed, followed))
        self.assertIsNone(self.limits("off")["max_log_size"])
        self.assertIn("Nothing to do", home.run("plan", own).stdout)
        home.crash()
        home.run("multiset", "pm2-logrotate:rotateInterval '0 0 * * *' pm2-logrotate:max_size 20M")
        self.assertEqual(self.limits("plain"), {**followed, "max_log_size": 20 << 20, "rotate_interval": "0 0 * * *"})
        self.assertEqual(self.limits("own")["max_log_size"], 3 << 20)
        home.run("unset", "pm2-logrotate")
        self.assertEqual(set(self.limits("later").values()), {None})
        self.assertEqual(self.limits("own")["log_retain"], 5)

    def test_an_app_that_is_errored_is_no_failure_of_it(self):
        self.home.fails("start", self.home.file("bad.sh", "exit 3\n"), "--name", "bad", "--max-restarts", "1")
        said = self.home.run("set", "pm2-logrotate:max_size", "10M")
        self.assertIn("bad: max_log_size: 0 -> 10M", said.stdout + said.stderr)
        self.assertEqual(self.limits("bad")["max_log_size"], 10 << 20)

    def test_what_is_refused(self):
        home = self.home
        for key, value, said in (("max_size", "big", "10M"), ("retain", "all", "whole number"), ("compress", "yes", "true or false"),
                                 ("rotateInterval", "0 99 * * *", "cron"), ("rotateInterval", "at night", "cron"), ("dateFormat", "YYYY", "NAME__"),
                                 ("workerInterval", "30", "written"), ("rotateModule", "true", "no modules"), ("TZ", "UTC", "time_zone"), ("nope", "1", "no setting")):
            with self.subTest(key=key, value=value):
                self.assertIn(said, home.fails("set", f"pm2-logrotate:{key}", value, code=2).stderr)
        home.fails("set", "pm2-logrotate", "1")
        home.fails("multiset", "pm2-logrotate:max_size 1M pm2-logrotate:retain x")
        self.assertEqual(home.run("get").stdout, "")
        self.assertEqual(home.daemons(), [])
        home.run("start", self.script, "--name", "app")
        home.run("set", "pm2-logrotate.rotateInterval", "0 0 * * *")
        home.fails("set", "pm2-logrotate:rotateInterval", "0 0 31 2 nonsense")  # only the daemon sees this
        self.assertIn("0 0 * * *", home.run("get", "pm2-logrotate:rotateInterval").stdout)
        self.assertEqual(self.limits("app")["rotate_interval"], "0 0 * * *")
        self.assertIn("built in", home.fails("logrotate", code=2).stderr)


class Machine(pmxtest.PmxTest):
    def test_slist(self):
        self.assertIn("cores:", self.home.run("slist").stdout)
        self.assertEqual(self.home.daemons(), [])
        self.home.start("web", script=self.home.file("app.sh", "exec sleep 1000\n"))
        value = json.loads(self.home.run("--json", "sysinfos").stdout)["machine"]
        self.assertEqual(value["apps"]["instances"], {"online": 1})
        self.assertGreater(value["memory"]["total"], value["memory"]["free"])
        self.assertIn("├─ instances", self.home.run("slist", "-t").stdout)


class Attributes(pmxtest.PmxTest):
    KEYS = {"drain_timeout": 700, "min_ready": 20, "max_surge": 3, "max_unavailable": 1, "rollback": False, "max_backoff": 9000, "backoff_jitter": 7}

    def test_jlist_and_show(self):
        script = self.home.file("app.sh", "exec sleep 1000\n")
        app = {"name": "a", "script": script, **self.KEYS, "listen": f"tcp:127.0.0.1:{pmxtest.free_port()}", "start_on_connection": True}
        self.home.run("start", self.home.json_file("a.json", {"apps": [app, {"name": "b", "script": script}]}))
        env = self.home.one("a")["pm2_env"]
        self.assertEqual({key: env[key] for key in (*self.KEYS, "start_on_connection")}, {**self.KEYS, "start_on_connection": True})
        self.assertTrue(self.home.one("b")["pm2_env"]["rollback"])
        shown = {name: self.home.run("show", name).stdout for name in "ab"}
        for row in (*self.KEYS, "start_on_connection"):
            self.assertIn(row.replace("_", " "), shown["a"])
            self.assertNotIn(row.replace("_", " "), shown["b"])


class Report(pmxtest.PmxTest):
    def test_without_daemon(self):
        out = self.home.run("report").stdout
        self.assertIn("none runs", out)
        self.assertEqual(self.home.daemons(), [])

    def test_everything_but_secrets(self):
        script = self.home.file("idle.sh", "exec sleep 1000\n")
        self.home.run("start", script, "--name", "web", "--", "--key=canary-argument", env={"API_TOKEN": "canary-token"})
        out = self.home.run("report").stdout
        for text in ("kernel", "open files", "inotify max_user_watches", "[0] web", "online", "last lines of", str(self.home.daemon_pid)):
            self.assertIn(text, out)
        self.assertNotIn("canary", out)

    def test_cleardump_and_examples(self):
        self.home.run("cleardump")
        self.assertEqual(json.load(open(os.path.join(self.home.path, "dump.pmx"))), [])
        self.assertIn("pmx start", self.home.run("examples").stdout)

    def test_what_is_not_there_says_what_is(self):
        for command, instead in (("deploy", "apply"), ("inspect", "--inspect"), ("link", "no service"), ("pull", "git")):
            self.assertIn(instead, self.home.fails(command, "x", code=2).stderr)


if __name__ == "__main__":
    pmxtest.main()
