"""plan, apply, and start, restart and reload of a configuration file: every changed field arrives, and nothing else happens."""

import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import pmxtest
from pmxtest import Load, eventually, fixture, process_alive


def environment(pid):
    with open(f"/proc/{pid}/environ", "rb") as file:
        return dict(entry.split(b"=", 1) for entry in file.read().split(b"\0") if b"=" in entry)


class FileTest(pmxtest.PmxTest):
    def setUp(self):
        super().setUp()
        self.port = pmxtest.free_port()
        self.app = {"name": "app", "script": fixture("server.js"), "env": {"PORT": str(self.port), "COLOUR": "blue"}}
        self.other = {"name": "other", "script": pmxtest.testapp(), "args": "sleep"}

    def write(self, *apps, name="apps.json"):
        return self.home.json_file(name, {"apps": list(apps or (self.app, self.other))})

    def apply(self, *options, **keywords):
        return self.home.run("apply", "apps.json", *options, **keywords)

    def actions(self, *options):
        plan = json.loads(self.home.run("plan", "apps.json", "--json", *options).out)
        self.assertEqual(plan["schema"], 1)
        return {app["name"]: app["action"] for app in plan["apps"]}

    def pm2_env(self, name="app"):
        return self.home.one(name)["pm2_env"]

    def pid(self, name="app"):
        pids = self.home.pids(name)
        self.assertEqual(len(pids), 1)
        return pids[0]


class Plan(FileTest):
    def test_without_a_daemon_none_is_started(self):
        self.write()
        self.assertEqual(self.actions(), {"app": "start", "other": "start"})
        self.assertEqual(self.home.daemons(), [])

    def test_plan_changes_nothing(self):
        self.write()
        self.apply()
        before = self.home.jlist()
        self.app["env"]["COLOUR"] = "red"
        self.app.update(kill_timeout="3s", max_memory_restart="200M", restart_delay=150)
        self.write()
        result = self.home.run("plan", "apps.json")
        for change in ('env.COLOUR: "blue" -> "red"', "kill_timeout: 1600ms -> 3s", "max_memory_restart: 0 -> 200M", "restart_delay: 0 -> 150ms"):
            self.assertIn(change, result.stdout)
        self.assertEqual([one["pid"] for one in self.home.jlist()], [one["pid"] for one in before])

    def test_what_is_wrong_is_said_and_nothing_done(self):
        self.write(self.app, {"name": "bad", "script": "/nowhere/at-all.js"})
        for verb in ("plan", "apply"):
            self.assertIn("/nowhere/at-all.js", self.home.fails(verb, "apps.json").stderr)
        self.assertEqual(self.home.daemons(), [])
        self.write(self.app, {"name": "bad", "script": fixture("server.js"), "depends_on": ["nobody"]})
        self.home.fails("apply", "apps.json")
        self.assertEqual(self.home.jlist(), [])


class Apply(FileTest):
    def test_twice_is_once(self):
        self.write()
        self.apply()
        pids = self.home.pids("app") + self.home.pids("other")
        self.assertEqual(self.actions(), {"app": "none", "other": "none"})
        # Also from another shell, and after the daemon was replaced.
        result = self.apply(env={"SHLVL": "7", "NEW_IN_THE_SHELL": "1"})
        self.assertIn("Nothing to do", result.stdout)
        self.home.crash()
        self.assertIn("Nothing to do", self.apply().stdout)
        self.assertEqual(self.home.pids("app") + self.home.pids("other"), pids)

    def test_variables(self):
        self.write()
        self.apply(env={"BASE": "of the shell"})
        self.app["env"] = {"PORT": str(self.port), "SIZE": "3"}
        self.write()
        other = self.pid("other")
        self.apply(env={"BASE": "another"})
        seen = environment(self.pid())
        self.assertEqual(seen.get(b"SIZE"), b"3")
        self.assertNotIn(b"COLOUR", seen)
        self.assertEqual(seen[b"BASE"], b"of the shell")
        self.assertEqual(self.pid("other"), other)
        self.apply("--update-env", env={"BASE": "another"})
        self.assertEqual(environment(self.pid())[b"BASE"], b"another")

    def test_fields_that_take_a_restart(self):
        self.write()
        self.apply()
        self.app["exec_mode"] = "cluster"
        self.app["instances"] = 2
        self.write()
        self.assertEqual(self.actions()["app"], "restart")
        self.apply()
        self.home.wait_status("app", "online", count=2)
        self.assertEqual([one["pm2_env"]["exec_mode"] for one in self.home.instances("app")], ["cluster_mode"] * 2)
        self.assertEqual(self.actions()["app"], "none")

    def test_another_script(self):
        self.write()
        self.apply()
        self.app["script"] = self.home.file("new.js", "setInterval(() => {}, 1000); console.log('the new one');\n")
        self.write()
        self.apply()
        eventually(lambda: b"the new one" in self.home.log("app-out.log"), 10)

    def test_number_of_instances(self):
        self.app["exec_mode"] = "cluster"
        for count in (2, 4, 1, 3):
            self.app["instances"] = count
            self.write()
            before = set(self.home.pids("app")) if self.home.daemons() else set()
            self.apply()
            after = set(self.home.pids("app"))
            self.assertEqual(len(after), count)
            self.assertTrue(before <= after or after <= before, "those that stay go on")
            self.assertEqual(self.actions()["app"], "none")

    def test_without_a_gap(self):
        self.app.update({"exec_mode": "cluster", "instances": 2})
        self.write()
        self.apply()
        before = self.home.pids("app")
        with Load(self.port, threads=4) as load:
            load.wait_ok(20)
            self.app["env"]["COLOUR"] = "green"
            self.app["max_restarts"] = 4
            self.write()
            self.assertEqual(self.actions()["app"], "reload")
            self.apply()
            load.wait_ok(20)
        self.assertEqual(load.failed, 0, load)
        after = self.home.pids("app")
        self.assertFalse(set(before) & set(after))
        self.assertEqual({environment(pid)[b"COLOUR"] for pid in after}, {b"green"})
        self.assertEqual(self.pm2_env_of_all("max_restarts"), {4})
        self.assertEqual(self.actions()["app"], "none")

    def pm2_env_of_all(self, key):
        return {one["pm2_env"][key] for one in self.home.instances("app")}

    def test_a_reload_that_fails_keeps_the_old(self):
        self.app.update({"exec_mode": "cluster", "instances": 2})
        self.write()
        self.apply()
        before = self.home.pids("app")
        good = self.app["script"]
        self.app["script"] = self.home.file("bad.js", "process.exit(3);\n")
        self.write()
        self.assertIn("reload stopped", self.home.fails("apply", "apps.json").stderr)
        self.assertEqual(self.home.pids("app"), before)
        self.assertEqual(self.actions()["app"], "reload")
        self.app["script"] = good
        self.write()
        self.assertEqual(self.actions()["app"], "none")

    def test_what_is_stopped_is_started(self):
        self.write()
        self.apply()
        self.home.run("stop", "app")
        self.assertIn("it is stopped", self.home.run("plan", "apps.json").stdout)
        self.apply()
        self.assertEqual(self.home.statuses("app"), ["online"])

    def test_prune(self):
        self.write()
        self.apply()
        self.home.run("start", pmxtest.testapp(), "--name", "mine", "--", "sleep")
        self.write(self.other, name="others.json")
        self.write(self.app)
        self.assertEqual(self.actions(), {"app": "none"})
        pid = self.pid("other")
        self.apply("--prune")
        self.assertEqual(sorted({one["name"] for one in self.home.jlist()}), ["app", "mine"])
        self.assertFalse(process_alive(pid))
        self.home.fails("apply", "apps.json", "--prune", "--only", "app", code=2)


class Verbs(FileTest):
    """start, restart and reload of a file apply every changed field (pm2's trap 9)."""

    def test_restart_and_start(self):
        self.write()
        self.home.run("start", "apps.json")
        for verb in ("restart", "start", "startOrRestart"):
            with self.subTest(verb):
                before = self.pid()
                self.app["env"] = {"PORT": str(self.port), verb: "1"}
                self.app["kill_timeout"] = 1000 + len(verb)
                self.write()
                self.home.run(verb, "apps.json", "--only", "app")
                self.assertNotEqual(self.pid(), before)
                seen = environment(self.pid())
                self.assertIn(verb.encode(), seen)
                self.assertNotIn(b"COLOUR", seen)
                self.assertEqual(self.pm2_env()["kill_timeout"], 1000 + len(verb))

    def test_reload(self):
        self.app.update({"exec_mode": "cluster", "instances": 2})
        self.write()
        self.home.run("startOrReload", "apps.json")
        before = self.home.pids("app")
        self.app["instances"] = 3
        self.app["env"]["COLOUR"] = "red"
        self.write()
        with Load(self.port, threads=4) as load:
            load.wait_ok(20)
            self.home.run("reload", "apps.json", "--only", "app")
            load.wait_ok(20)
        self.assertEqual(load.failed, 0, load)
        after = self.home.pids("app")
        self.assertEqual(len(after), 3)
        self.assertFalse(set(before) & set(after))
        self.assertEqual({environment(pid)[b"COLOUR"] for pid in after}, {b"red"})


if __name__ == "__main__":
    pmxtest.main()
