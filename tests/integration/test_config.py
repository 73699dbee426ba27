"""`start FILE.json` with pm2's apps list and its basic keys."""

import json
import os
import pwd
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import pmxtest
from pmxtest import eventually, fixture, testapp


class Files(pmxtest.PmxTest):
    def test_basic_keys(self):
        port = pmxtest.free_port()
        os.mkdir(os.path.join(self.home.work, "sub"))
        self.home.file("sub/tool.py", "import sys, os, signal\nprint(os.getcwd(), sys.argv[1:], os.environ['COLOUR'], sys.flags.optimize)\nsys.stdout.flush()\nsignal.pause()\n")
        self.home.json_file("ecosystem.json", {"apps": [
            {"name": "web", "script": fixture("server.js"), "instances": 2, "exec_mode": "cluster", "env": {"PORT": port, "APP_VERSION": "1"}},
            {"name": "tool", "script": "tool.py", "args": ["a b", "c"], "cwd": os.path.join(self.home.work, "sub"), "interpreter": "python3",
             "interpreter_args": "-O", "env": {"COLOUR": "red"}, "out_file": "logs/o.txt", "error_file": os.path.join(self.home.work, "e.txt"), "namespace": "tools"},
            {"name": "word", "script": testapp(), "args": "sleep", "exec_mode": "fork", "instances": 2, "merge_logs": True, "autorestart": False, "kill_timeout": 4000},
        ]})
        self.home.run("start", "ecosystem.json")
        web = self.home.wait_status("web", "online", count=2)
        self.assertEqual({entry["pm2_env"]["exec_mode"] for entry in web}, {"cluster_mode"})
        self.assertEqual(json.loads(pmxtest.wait_http(port))["version"], "1")
        tool = self.home.wait_status("tool", "online")[0]["pm2_env"]
        out = tool["pm_out_log_path"]
        self.assertEqual(os.path.basename(out), "o.txt")
        eventually(lambda: open(out).read() == f"{self.home.work}/sub ['a b', 'c'] red 1\n", 10, "the tool's line")
        self.assertEqual((tool["namespace"], tool["args"], tool["pm_err_log_path"]), ("tools", ["a b", "c"], os.path.join(self.home.work, "e.txt")))
        words = self.home.wait_status("word", "online", count=2)
        self.assertEqual([entry["pm2_env"]["pm_out_log_path"] for entry in words], [self.home.log_path("word-out.log")] * 2)
        self.assertEqual([(entry["pm2_env"]["autorestart"], entry["pm2_env"]["kill_timeout"]) for entry in words], [(False, 4000)] * 2)

    def test_environment_of_the_file_over_that_of_the_shell(self):
        script = self.home.file("env.sh", "echo $A $B; exec sleep 1000")
        self.home.json_file("x.json", {"apps": [{"name": "env", "script": script, "env": {"A": "file"}}]})
        self.home.run("start", "x.json", env={"A": "shell", "B": "shell"})
        eventually(lambda: self.home.log("env-out.log") == b"file shell\n", 10, "the values")

    def test_relative_script_is_resolved_from_the_callers_directory(self):
        self.home.file("s.sh", "exec sleep 1000")
        self.home.json_file("x.json", {"apps": [{"name": "s", "script": "./s.sh"}]})
        self.home.run("start", "x.json")
        self.assertEqual(self.home.wait_status("s", "online")[0]["pm2_env"]["pm_exec_path"], os.path.join(self.home.work, "s.sh"))

    def test_array_and_single_object(self):
        self.home.json_file("array.json", [{"name": "a", "script": testapp(), "args": ["sleep"]}])
        self.home.json_file("one.json", {"name": "b", "script": testapp(), "args": ["sleep"]})
        self.home.run("start", "array.json")
        self.home.run("start", "one.json")
        self.home.wait_status("a", "online")
        self.home.wait_status("b", "online")

    def test_again_restarts(self):
        self.home.json_file("x.json", {"apps": [{"name": name, "script": testapp(), "args": ["sleep"]} for name in ("a", "b")]})
        self.home.run("start", "x.json")
        before = self.home.pids("a") + self.home.pids("b")
        self.home.run("start", "x.json")
        self.home.wait_status("a", "online")
        after = self.home.pids("a") + self.home.pids("b")
        self.assertEqual((len(after), set(after) & set(before)), (2, set()))
        self.assertEqual([entry["pm2_env"]["restart_time"] for entry in self.home.jlist()], [1, 1])

    def test_file_as_a_target(self):
        self.home.json_file("x.json", {"apps": [{"name": name, "script": testapp(), "args": ["sleep"]} for name in ("a", "b")]})
        self.home.run("start", "x.json")
        self.home.run("start", testapp(), "--name", "other", "--", "sleep")
        self.home.run("stop", "x.json")
        self.assertEqual(sorted(self.home.statuses()), ["online", "stopped", "stopped"])
        self.home.run("delete", "x.json")
        self.assertEqual([entry["name"] for entry in self.home.jlist()], ["other"])


class JavaScriptFiles(pmxtest.PmxTest):
    def test_function_that_prints(self):
        """What a file prints goes to stderr, and its environment is the caller's."""
        self.home.file("ecosystem.config.js", f"""
            console.log('printed');
            module.exports = async () => ({{apps: [{{name: process.env.APP_NAME, script: {json.dumps(testapp())}, args: ['sleep'], }}]}});
        """)
        result = self.home.run("start", env={"APP_NAME": "from-js"})  # the file's name is the default
        self.assertIn("printed", result.stderr)
        self.assertNotIn("printed", result.stdout)
        self.home.wait_status("from-js", "online")
        self.home.run("delete", "ecosystem.config.js", env={"APP_NAME": "from-js"})
        self.assertEqual(self.home.jlist(), [])

    def test_module_and_only(self):
        self.home.file("x.config.mjs", f"""
            const app = (name) => ({{name, script: {json.dumps(testapp())}, args: ['sleep'], env: {{A: 1}}, env_prod: {{A: 2}}}});
            export const apps = [app('a'), app('b')];
        """)
        self.home.run("start", "x.config.mjs", "--only", "b", "--env", "prod")
        self.assertEqual([(entry["name"], entry["pm2_env"]["A"]) for entry in self.home.jlist()], [("b", "2")])

    def test_exception_names_the_line_and_starts_no_daemon(self):
        self.home.file("x.config.js", "\n\nthrow new Error('broken')")
        self.assertIn("x.config.js:3: Error: broken", self.home.fails("start", "x.config.js").stderr)
        self.assertFalse(os.path.exists(os.path.join(self.home.path, "pmx.sock")))

    def test_without_node(self):
        self.home.file("x.config.js", "module.exports = []")
        self.assertIn("there is no node on PATH", self.home.fails("start", "x.config.js", env={"PATH": "/nonexistent"}).stderr)


class Formats(pmxtest.PmxTest):
    def test_yaml(self):
        self.home.file("apps.yaml", f"""
            defaults: &defaults
              script: {testapp()}
              args: [sleep]
              kill_timeout: 2s
              env: {{VERSION: 1.10, ON: yes, MODE: 027}}
            apps:
              - <<: *defaults
                name: a
              - <<: *defaults
                name: b
                kill_timeout: 900
            """)
        self.home.run("start", "apps.yaml")
        entries = {entry["name"]: entry["pm2_env"] for entry in self.home.jlist()}
        self.assertEqual((entries["a"]["kill_timeout"], entries["b"]["kill_timeout"]), (2000, 900))
        self.assertEqual({name: entries["a"]["env"][name] for name in ("VERSION", "ON", "MODE")}, {"VERSION": "1.10", "ON": "yes", "MODE": "027"})
        self.assertIn("Nothing to do", self.home.run("apply", "apps.yaml").stdout)
        self.home.run("stop", "apps.yaml", "--only", "b")
        self.assertEqual(sorted(self.home.statuses()), ["online", "stopped"])

    def test_toml(self):
        """pm2's trap 26: it runs such a file as a script."""
        self.home.file("ecosystem.toml", f"""
[[apps]]
name = "a"
script = "{testapp()}"
args = ["sleep"]
max_memory_restart = "200M"
[apps.env]
PORT = 80
""")
        self.home.run("start")
        entry = self.home.one("a")["pm2_env"]
        self.assertEqual((entry["max_memory_restart"], entry["PORT"]), (200 << 20, "80"))

    def test_package_json(self):
        for name, section in (("one", {"pm2": {"apps": [{"script": testapp(), "name": "one", "args": "sleep"}]}}), ("two", {"apps": [{"script": testapp(), "name": "two", "args": "sleep"}]}),
                              ("three", {"pm2": [{"script": testapp(), "name": "three", "args": "sleep"}]})):
            self.home.json_file("package.json", {"name": "pkg", "version": "1.2.3", "scripts": {"x": "y"}, **section})
            self.home.run("start", "package.json")
            self.home.wait_status(name, "online")
        self.home.json_file("package.json", {"name": "pkg", "scripts": {"start": "node ."}})
        self.assertIn("there are no apps in it", self.home.fails("start", "package.json").stderr)

    def test_standard_input(self):
        def pmx(text, *args):
            return subprocess.run(self.home.command(*args), input=text.encode(), cwd=self.home.work, env=self.home.environment(), capture_output=True, timeout=30)

        app = {"name": "json", "script": testapp(), "args": ["sleep"]}
        self.assertEqual(pmx(json.dumps({"apps": [app]}), "start", "-").returncode, 0)
        self.assertEqual(pmx(f"# YAML\napps:\n- name: yaml\n  script: {testapp()}\n  args: [sleep]\n", "start", "-").returncode, 0)
        self.assertEqual(sorted(entry["name"] for entry in self.home.jlist()), ["json", "yaml"])
        result = pmx("apps: [", "start", "-")
        self.assertEqual(result.returncode, 1)
        self.assertIn(b"standard input:1:", result.stderr)
        self.assertEqual(pmx("apps:\n- name: yaml\n  script: x\n", "stop", "-").returncode, 0)
        self.assertEqual(self.home.statuses("yaml"), ["stopped"])


class Tools(pmxtest.PmxTest):
    def test_validate(self):
        self.home.file("bad.yaml", "apps:\n- name: web\n  script: nowhere.js\n  kill_timeot: 5\n- name: api\n  instances: many\n")
        result = self.home.fails("validate", "bad.yaml")
        for text in ('bad.yaml:4: app "web": key "kill_timeot" is not known, ignored (did you mean "kill_timeout"?)', 'bad.yaml:6: app "api": key "instances": expected a number',
                     'bad.yaml:5: app "api": key "script" is missing', "nowhere.js does not exist"):
            self.assertIn(text, result.stderr)
        report = json.loads(self.home.run("validate", "bad.yaml", "--json", check=1).out)
        self.assertEqual((report["schema"], report["valid"], report["apps"]), (1, False, ["web", "api"]))
        self.assertEqual([(one["level"], one["line"], one["key"]) for one in report["findings"] if one["key"] == "kill_timeot"], [("warning", 4, "kill_timeot")])
        self.assertEqual([one["suggestion"] for one in report["findings"] if one["key"] == "kill_timeot"], ["kill_timeout"])
        self.home.file("broken.toml", "apps = [\n")
        self.assertIn("broken.toml:", self.home.fails("validate", "broken.toml").stderr)
        self.assertIn("none.json does not exist", self.home.fails("validate", "none.json").stderr)
        self.assertIn(".yaml, .yml, .toml", self.home.fails("validate", "apps.ini").stderr)
        self.home.file("broken.yaml", "apps:\n  - name: x\n   script: y\n")
        error = self.home.fails("validate", "broken.yaml").stderr
        self.assertIn("broken.yaml:3:4: this line does not belong to the list above it", error)
        self.assertIn("stand below each other", error)
        self.home.json_file("good.json", {"apps": [{"name": "a", "script": testapp()}]})
        self.assertIn("good.json is valid: 1 app", self.home.run("validate", "good.json").stdout)
        self.assertTrue(json.loads(self.home.run("validate", "good.json", "--json").out)["valid"])
        self.assertEqual(self.home.daemons(), [])

    def test_init(self):
        self.home.file("app.js", "setInterval(() => {}, 1000);\n")
        for words in ((), ("simple",)):
            path = os.path.join(self.home.work, "ecosystem.config.js")
            self.home.run("init", *words)
            self.home.run("validate", "ecosystem.config.js")
            with open(path) as file:
                text = file.read()
            self.assertIn("is there already", self.home.fails("ecosystem").stderr)
            with open(path) as file:
                self.assertEqual(file.read(), text)
            self.home.run("start", "--env", "production", *(() if words == () else ("--only", "app")), check=None)
            self.home.wait_status("app", "online")
            os.unlink(path)
        self.home.fails("init", "nonsense", code=2)

    def test_export(self):
        self.home.file("v.env", "A=1\n")
        port = pmxtest.free_port()
        self.home.json_file("apps.json", {"apps": [
            {"name": "web", "script": fixture("server.js"), "instances": 2, "exec_mode": "cluster", "env": {"PORT": port, "API_TOKEN": "hunter2"}, "env_file": "v.env"},
            {"name": "job", "script": testapp(), "args": ["exit", "0"], "type": "job", "schedule": "0 3 * * *"}]})
        self.home.run("start", "apps.json")
        self.home.run("start", testapp(), "--name", "line", "--max-restarts", "3", "--", "sleep")
        self.home.run("start", "sleep 1000; echo $0", "--name", "shell")
        self.home.run("start", fixture("ignore_sigint.py"), "--name", "python", "--kill-timeout", "300")
        pids = sorted(entry.get("pid", 0) for entry in self.home.jlist())
        for name, options in (("out.json", ()), ("out.yaml", ("--yaml",))):
            result = self.home.run("export", *options)
            self.assertNotIn("hunter2", result.stdout)
            self.home.file(name, result.out)
            self.home.run("validate", name, env={"API_TOKEN": "hunter2"})
            self.assertEqual({app["action"] for app in json.loads(self.home.run("plan", name, "--json", env={"API_TOKEN": "hunter2"}).out)["apps"]}, {"none"})
            self.assertIn("Nothing to do", self.home.run("apply", name, env={"API_TOKEN": "hunter2"}).stdout)
        self.assertEqual(sorted(entry.get("pid", 0) for entry in self.home.jlist()), pids)
        self.assertEqual([app["name"] for app in json.loads(self.home.run("export", "line", "python").out)["apps"]], ["line", "python"])
        self.home.fails("export", "nobody")
        # What has been adopted by a file goes when it leaves the file.
        self.home.json_file("out.yaml", {"apps": []})
        self.home.run("apply", "out.yaml", "--prune")
        self.assertEqual(self.home.jlist(), [])

    def test_schema(self):
        schema = json.loads(self.home.run("schema").out)
        self.assertIn("kill_timeout", schema["$defs"]["app"]["properties"])
        self.assertEqual(self.home.daemons(), [])


class BadFiles(pmxtest.PmxTest):
    """The message names file and key, exit 1, nothing is started."""

    def refused(self, content, *words):
        path = self.home.file("bad.json", content if isinstance(content, str) else json.dumps(content))
        result = self.home.fails("start", path)
        for word in words:
            self.assertIn(word, result.stderr)
        self.assertEqual(self.home.jlist(), [])

    def test_not_json(self):
        self.refused('{"apps": [{"name": "a", "script": ', "bad.json")

    def test_wrong_types(self):
        good = {"name": "good", "script": testapp(), "args": ["sleep"]}
        for key, value in (("instances", [1]), ("env", "x"), ("name", 5), ("kill_timeout", "soon"), ("merge_logs", "perhaps"), ("exec_mode", "magic"),
                           ("args", {"a": 1}), ("cwd", 7), ("autorestart", "x"), ("max_restarts", -1), ("instances", 1000000)):
            with self.subTest(key=key, value=value):
                self.refused({"apps": [good, {"name": "bad", "script": testapp(), **{key: value}}]}, key)

    def test_script_missing(self):
        self.refused({"apps": [{"name": "x"}]}, "script")

    def test_empty(self):
        self.refused({}, "apps")

    def test_no_such_file(self):
        self.assertIn("nowhere.json", self.home.fails("start", "nowhere.json").stderr)

    def test_one_missing_script_among_valid_ones(self):
        """pm2-surface 4.2: exit 1, the valid ones are started."""
        path = self.home.json_file("x.json", {"apps": [{"name": "good", "script": testapp(), "args": ["sleep"]}, {"name": "bad", "script": "/no/such/script.js"}]})
        self.assertIn("/no/such/script.js", self.home.fails("start", path).stderr)
        self.home.wait_status("good", "online")

    def test_start_of_a_key_suggests_the_whole(self):
        path = self.home.json_file("slip.json", {"apps": [{"name": "slip", "script": testapp(), "args": ["sleep"], "exp_backoff": 100}]})
        self.assertIn('did you mean "exp_backoff_restart_delay"?', self.home.run("start", path).stderr)

    def test_user_without_the_variables(self):
        self.home.run("start", testapp(), "--name", "app", "--", "sleep", env={"USER": None, "LOGNAME": None})
        self.assertEqual(self.home.one("app")["pm2_env"]["username"], pwd.getpwuid(os.getuid()).pw_name)


if __name__ == "__main__":
    pmxtest.main()
