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
