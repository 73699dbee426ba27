"""Arguments and names of any kind: byte for byte through the command line, a file, the database and a restart, and with every verb."""

import os
import random
import sys
import textwrap

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import pmxtest
from pmxtest import eventually, testapp

APPS = 20
ARGUMENTS = 500  # of each
# What shells, option parsers, JSON and terminals take for something else.
PIECES = ["--", "-n", "--name=x", "$(id)", "`id`", "${HOME}", "$$", "%s", "\\", "\\n", "\n", "\t", "'", '"', "*", "?", "~", "#", ";", "&", "|", "<", ">",
          " ", "  ", "é", "☂", "𝒳", "{}", "[]", ",", ":", "=", "0", "all", "/", ".", "..", "\x01", "\x7f", "\x1b[31m"]
NAMES = ["two words", "a/b", "x.y.js", "42", "naïve ☂", "it's \"quoted\"", "$HOME", "trailing.", "[x]", "a:b"]


def word(chance, as_bytes):
    text = "".join(chance.choice(PIECES) for _ in range(chance.randrange(5))).encode()
    if as_bytes and chance.random() < 0.3:  # not UTF-8
        text += bytes(chance.randrange(1, 256) for _ in range(chance.randrange(1, 8)))
    return os.fsdecode(text)


class Arguments(pmxtest.PmxTest):
    def setUp(self):
        super().setUp()
        self.script = self.home.file("argv.py", textwrap.dedent("""
            import os, sys, time
            with open(os.environ["OUT"] + ".new", "w") as file:
                print(os.getpid(), *(os.fsencode(each).hex() or "-" for each in sys.argv[1:]), file=file)
            os.rename(os.environ["OUT"] + ".new", os.environ["OUT"])
            while True: time.sleep(1000)
        """))

    def out(self, name):
        return os.path.join(self.home.work, name + ".argv")

    def received(self, name, pid):
        """What the process `pid` of that app was given; raises until it has told."""
        try:
            with open(self.out(name)) as file:
                told, *words = file.read().split()
        except FileNotFoundError:
            raise AssertionError(f"{name} has not told yet") from None
        self.assertEqual(int(told), pid)
        return [os.fsdecode(b"" if each == "-" else bytes.fromhex(each)) for each in words]

    def all_as_given(self, given):
        pids = {entry["name"]: entry["pid"] for entry in self.home.jlist()}
        for name, words in given.items():
            self.assertEqual(eventually(lambda name=name: self.received(name, pids[name]) or [""], 20, name), words or [""])

    def goes_round(self, given):
        self.all_as_given(given)
        old = self.home.daemon_pid
        self.home.crash()  # the next one knows only what is on disk
        self.home.run("restart", "all", timeout=60)
        self.assertNotEqual(self.home.daemon_pid, old)
        self.all_as_given(given)

    def test_command_line(self):
        chance = random.Random(1)
        given = {f"cli-{i}": [word(chance, True) for _ in range(ARGUMENTS)] for i in range(APPS // 2)}
        for name, words in given.items():
            self.home.run("start", self.script, "--name", name, "--interpreter", sys.executable, "--", *words, env={"OUT": self.out(name)})
        self.goes_round(given)

    def test_file(self):
        chance = random.Random(2)
        given = {f"file-{i}": [word(chance, False) for _ in range(ARGUMENTS)] for i in range(APPS // 2)}
        apps = [{"name": name, "script": self.script, "interpreter": sys.executable, "args": words, "env": {"OUT": self.out(name)}}
                for name, words in given.items()]
        self.home.run("start", self.home.json_file("apps.json", {"apps": apps}), timeout=60)
        self.goes_round(given)
        self.assertIn("Nothing to do", self.home.run("plan", os.path.join(self.home.work, "apps.json")).stdout)


class Names(pmxtest.PmxTest):
    def test_every_verb(self):
        apps = [{"name": name, "script": "/bin/sleep", "args": ["1000"]} for name in NAMES]
        self.home.run("start", self.home.json_file("apps.json", {"apps": apps}))
        for index, name in enumerate(NAMES):
            with self.subTest(name):
                self.assertEqual(self.home.one(name)["pm2_env"]["status"], "online")
                first = self.home.one(name)["pid"]
                self.home.run("restart", name)
                self.assertNotEqual(self.home.one(name)["pid"], first)
                self.home.run("stop", name)
                self.assertEqual(self.home.one(name)["pm2_env"]["status"], "stopped")
                self.home.run("start", name)
                self.assertEqual(self.home.one(name)["pm2_env"]["status"], "online")
                self.home.run("reload", name)
                self.home.run("sendSignal", "SIGCONT", name)
                self.home.run("reset", name)
                self.assertIn(str(self.home.one(name)["pid"]), self.home.run("pid", name).stdout)
                self.assertIn(str(self.home.one(name)["pm_id"]), self.home.run("id", name).stdout)
                self.home.run("describe", name)
                self.home.run("logs", "--nostream", "--lines", "1", name)
                self.home.run("flush", name)
                self.home.run("delete", name)
                self.assertEqual(len(self.home.jlist()), len(NAMES) - index - 1)



class Messages(pmxtest.PmxTest):
    """What is wrong is said in a line that tells what was expected; nothing is announced or changed before."""

    def test_values_of_options(self):
        for words, said in ((("logs", "--lines", "many"), "--lines many: not a whole number"), (("logs", "--lines", "9" * 20), "this number is too big"),
                            (("logs", "--lines"), "--lines needs a value: N"), (("start", "--name"), "--name needs a value: NAME"),
                            (("start", "x", "--time=soon"), "--time takes no value"), (("start", testapp(), "--name", ""), "--name: expected a name"),
                            (("start", testapp(), "--namespace", ""), "--namespace: expected a name")):
            with self.subTest(words=words):
                self.assertIn(said, self.home.fails(*words, code=2).stderr)
        self.assertEqual(self.home.daemons(), [])

    def test_an_unknown_target_is_not_announced(self):
        self.home.run("start", testapp(), "--name", "app", "--", "sleep")
        for verb in ("restart", "reload", "stop", "delete", "reset"):
            self.assertEqual(self.home.fails(verb, "nobody", code=3).stdout, "")
        self.assertEqual(self.home.fails("sendSignal", "SIGUSR2", "nobody").stdout, "")

    def test_log_files_that_cannot_be(self):
        self.home.file("file", "")
        self.home.run("start", testapp(), "--name", "app", "--", "sleep")
        before = self.home.jlist()[0]["pid"]
        for path, why in (("/proc/nothing/x.log", "/proc: "), ("file/x.log", "Not a directory"), (".", "Is a directory"), ("a/" + "x" * 300, "too long")):
            for option in ("-o", "-e", "--log"):
                with self.subTest(path=path, option=option):
                    error = self.home.fails("start", testapp(), "--name", "new", option, path, "--", "sleep").stderr
                    self.assertIn("cannot be written: ", error)
                    self.assertIn(why, error)
            self.assertIn(why, self.home.fails("restart", "app", "-o", path).stderr)
        self.assertEqual([(entry["name"], entry["pid"]) for entry in self.home.jlist()], [("app", before)])
        self.assertFalse(os.path.exists(os.path.join(self.home.work, "a")))
        self.home.run("start", testapp(), "--name", "new", "-o", "made/of/it/x.log", "--", "sleep")

    def test_a_failure_has_the_name_of_its_app(self):
        broken = self.home.file("broken", b"\x7fELF nonsense", 0o755)
        self.home.json_file("apps.json", {"apps": [{"name": "one", "script": broken, "interpreter": "none"}, {"name": "two", "script": testapp(), "args": "sleep"}]})
        self.assertIn("[one] could not be started", self.home.fails("start", "apps.json").stderr)
        self.assertIn("[four] could not be started", self.home.fails("start", broken, "--name", "four", "--interpreter", "none").stderr)

    def test_names_that_are_other_targets_too(self):
        for name in ("all", "7"):
            self.assertIn(f"an app is named {name}: ", self.home.run("start", testapp(), "--name", name, "--", "sleep").stderr)
        self.assertNotIn("is named", self.home.run("start", testapp(), "--name", "all7", "--", "sleep").stderr)

    def test_options_with_an_app_that_is_there(self):
        self.home.run("start", testapp(), "--name", "app", "--", "sleep")
        self.home.run("start", "app", "-w")
        with open(os.path.join(self.home.work, "app-pmx.json")) as file:
            self.assertIn('"name": "app"', file.read())
        for words in (("0", "--force"), ("app", "--only", "app"), ("0", "--env", "production")):
            self.assertIn(words[1], self.home.fails("start", *words, code=2).stderr)
        os.remove(os.path.join(self.home.work, "app-pmx.json"))
        self.home.fails("start", testapp(), "--name", "app", "-w")  # it is already running
        self.assertFalse(os.path.exists(os.path.join(self.home.work, "app-pmx.json")))

    def test_paths_that_are_not_utf8(self):
        """They cannot be passed on: said, not mangled."""
        directory = os.path.join(os.fsencode(self.home.work), b"d\xff")
        os.mkdir(directory)
        with open(os.path.join(directory, b"app.sh"), "w") as file:
            file.write("exec sleep 1000\n")
        self.assertIn("the working directory is not UTF-8: " + self.home.work + "/d\\xff", self.home.fails("start", testapp(), "--", "sleep", cwd=directory).stderr)
        self.assertIn("d\\xff/app.sh", self.home.fails("start", os.path.join(os.fsdecode(directory), "app.sh")).stderr)
        self.assertIn("the name is not UTF-8", self.home.fails("start", testapp(), "--name", "n\udcff", "--", "sleep").stderr)
        self.assertIn("is not UTF-8", self.home.fails("start", testapp(), "--name", "x", "--depends-on", "n\udcff", "--", "sleep").stderr)
        self.assertIn("the path of the home is not UTF-8", self.home.fails("list", env={"PMX_HOME": os.fsdecode(directory)}).stderr)
        self.assertEqual(self.home.jlist(), [])
        os.symlink(directory, os.path.join(self.home.work, "plain"))
        self.home.run("start", "app.sh", "--cwd", "plain")
        self.assertEqual(self.home.statuses("app"), ["online"])


if __name__ == "__main__":
    pmxtest.main()
