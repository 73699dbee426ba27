"""Secrets: 50 read from files are only in the app, whatever command was run; values of variables that look secret are shown by no list."""

import contextlib
import fcntl
import json
import os
import pathlib
import pty
import re
import signal
import struct
import subprocess
import sys
import termios

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import pmxtest
from pmxtest import eventually, process_alive, testapp

# Of the configuration file, and one of the shell.
LOOK_SECRET = {"DB_PASSWORD": "named-0-x", "API_TOKEN": "named-1-x", "DATABASE_URL": "postgres://user:named-2-x@db/shop", "signingKey": "named-3-x"}
OF_SHELL = {"GITHUB_TOKEN": "named-4-x", "PLAIN7": "canary-7-x"}  # PLAIN7: what the shell has under that name is not kept either
# What the daemon restarts the app from, and the file that the user has written.
MAY_HAVE_NAMED = re.compile(r"/h/pmx\.db(-wal|-shm|\.bak)?$|/w/apps\.json$")
# An action that an app offers on its channel, and what it says to a line.
TALKER = """\
import json, os, socket, sys
channel = socket.socket(fileno=int(os.environ["NODE_CHANNEL_FD"]))
lines = channel.makefile("r", encoding="utf-8")
def tell(kind, data):
    channel.sendall((json.dumps({"type": "axm:" + kind, "data": data}) + "\\n").encode())
tell("action", {"action_name": "hello", "action_type": "custom", "arity": 0})
channel.sendall(b'"ready"\\n')
print("began", flush=True)
for line in lines:
    tell("reply", {"action_name": "hello", "return": 1})
"""


def environment(pid):
    with open(f"/proc/{pid}/environ", "rb") as file:
        return dict(entry.decode().split("=", 1) for entry in file.read().split(b"\0") if b"=" in entry)


class Secrets(pmxtest.PmxTest):
    def setUp(self):
        super().setUp()
        self.home.env.update(OF_SHELL)
        self.other = None  # of `pmx run`
        self.ran = set()
        self.said = ""

    def tearDown(self):
        if self.other:
            self.other.close()
            self.other.remove()
        super().tearDown()

    def write(self):
        secrets = {}
        for number in range(50):
            self.home.file(f"secrets/{number}", f"canary-{number}-x\n", mode=0o400)
            secrets[f"PLAIN{number}"] = {"file": f"secrets/{number}"}
        self.home.file("talker.py", TALKER)
        self.home.json_file("apps.json", {"apps": [
            {"name": "app", "script": testapp(), "args": "sleep", "env": {**secrets, **LOOK_SECRET}},
            {"name": "talker", "script": "talker.py", "interpreter": "python3", "wait_ready": True, "env": {**secrets, **LOOK_SECRET}}]})

    def check(self, text, where, named=True):
        found = set(re.findall("canary-[0-9]+-x" + ("|named-[0-9]-x" if named else ""), text))
        self.assertEqual(found, set(), where)

    def check_processes(self, home):
        for pid in home.living():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                self.check(pathlib.Path(f"/proc/{pid}/cmdline").read_text(errors="replace"), f"arguments of {pid}")

    def check_files(self, home):
        """All below the home, the work directory and HOME, but for the secrets themselves."""
        for directory, names, files in os.walk(home.root):
            if "secrets" in names:
                names.remove("secrets")
            for name in files:
                path = pathlib.Path(directory, name)
                if path.is_file():  # no socket
                    self.check(path.read_text(errors="replace"), path, named=not MAY_HAVE_NAMED.search(str(path)))

    def pmx(self, *words, check=True, named=True, **options):
        """Runs a command; what it says has no secrets, and no process shows one in its arguments."""
        result = self.home.run(*words, check=check, **options)
        self.ran.add(words[0])
        self.said += result.stdout + result.stderr
        self.check(result.stdout + result.stderr, words, named)
        self.check_processes(self.home)
        return result

    def monit(self):
        """On a terminal, with details and environment of the selected app."""
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 200, 200, 0, 0))
        child = subprocess.Popen(self.home.command("monit"), env=self.home.environment({"TERM": "xterm-256color"}), stdin=theirs, stdout=theirs, stderr=theirs)
        os.close(theirs)
        os.set_blocking(ours, False)
        screen = b""

        def shows(text):
            nonlocal screen
            with contextlib.suppress(OSError):  # nothing new, or it has ended
                screen += os.read(ours, 1 << 20)
            return text in screen

        try:
            eventually(lambda: shows(b"pmx monit"), 15, "the screen of monit")
            os.write(ours, b"e")
            eventually(lambda: shows(b"DB_PASSWORD") and shows(b"PLAIN49"), 15, "the environment in monit")
            os.write(ours, b"q")
            eventually(lambda: shows(b"[?1049l") or child.poll() is not None, 15, "the end of monit")
        finally:
            if child.poll() is None:
                child.kill()
            child.wait()
            os.close(ours)
        self.ran.add("monit")
        self.check(screen.decode("utf-8", "replace"), "monit")

    def until_interrupted(self, *words, text, home=None):
        """A command that stays: begun, waited for, interrupted."""
        home = home or self.home
        path = pathlib.Path(home.root, "out")
        with open(path, "wb") as out:
            child = home.popen(*words, cwd=self.home.work, stdout=out, stderr=out)
        try:
            eventually(lambda: text in path.read_text(), 15, f"{text} of {words}")
            self.check_processes(home)
            child.send_signal(signal.SIGINT)
            child.wait(20 * pmxtest.SLOW)
        finally:
            if child.poll() is None:
                child.kill()
                child.wait()
        self.ran.add(words[0])
        self.check(path.read_text(), words)

    def test_only_the_app_has_them_after_every_command(self):
        self.write()
        pmx = self.pmx
        pmx("validate", "apps.json")
        pmx("plan", "apps.json")
        pmx("start", "apps.json")
        talker, app = (self.home.one(name)["pm_id"] for name in ("talker", "app"))
        for name in ("systemctl", "chroot"):  # of the system: played
            self.home.file(f"tools/{name}", "#!/bin/sh\n", 0o755)
        self.home.env["PATH"] = os.path.join(self.home.work, "tools") + ":" + pmxtest.PATH
        root = os.path.join(self.home.work, "root")
        os.makedirs(os.path.join(root, "etc/systemd/system"))
        os.mkdir(os.path.join(self.home.work, "www"))
        for words in (("list",), ("list", "--json"), ("jlist",), ("prettylist",), ("describe", "app"), ("show", "app", "--json"), ("env", app, "--origin"), ("id", "app"),
                      ("pid",), ("report",), ("slist",), ("plan", "apps.json"), ("apply", "apps.json"), ("export",), ("save",), ("restart", "app"), ("restart", "app", "--update-env"),
                      ("reload", "app"), ("stop", "app"), ("start", "app"), ("reset", "app"), ("sendSignal", "SIGCONT", "app"), ("send", app, "a line"), ("attach", app),
                      ("trigger", "talker", "hello"), ("logs", "--nostream"), ("flush",), ("reloadLogs",), ("restart", "talker"), ("set", "app:COLOUR", "red"), ("get", "app"),
                      ("multiset", "app:SIZE 1"), ("conf", "app:SIZE"), ("unset", "app:SIZE"), ("init",), ("schema",), ("examples",), ("ping",), ("help",),
                      ("completion", "bash"), ("__complete", "bash", "pmx show "), ("import", "pm2", os.path.join(self.home.path, "dump.pmx")),
                      ("update",), ("resurrect",)):
            pmx(*words)
        pmx("serve", "www", pmxtest.free_port(), "--name", "files", env={"PLAIN7": None})  # another app: of the shell it would have it
        pmx("delete", "files")
        for words in (("doctor",), ("startup", "systemd", "--root", root), ("unstartup", "systemd", "--root", root)):
            pmx(*words, check=None)  # this machine may have its own troubles, and we no right
        pmx("scale", "app", "2")
        pmx("scale", "app", "1")
        app = self.home.one("app")["pm_id"]
        self.assertIn("DB_PASSWORD: [hidden]", pmx("env", app).stdout)
        # What is asked for by name is shown, as far as the state has it; of files it has nothing.
        self.assertIn("named-0-x", pmx("env", app, "--show-secrets", named=False).stdout)
        self.until_interrupted("logs", "--raw", "--lines", "5", text="began")
        self.until_interrupted("events", "--json", text="bus:ready")
        self.monit()
        # The daemon is killed, the next one reads the state; then all is ended and comes back from the saved list.
        self.home.crash()
        pmx("list")
        pmx("restart", "all")
        pmx("save")
        self.check_files(self.home)
        pids = self.home.pids("app")
        self.assertEqual({name: environment(pids[0])[name] for name in LOOK_SECRET}, LOOK_SECRET)
        for name in ("app", "talker"):
            seen = environment(self.home.pids(name)[0])
            self.assertEqual([seen[f"PLAIN{number}"] for number in range(50)], [f"canary-{number}-x" for number in range(50)])
        pmx("delete", "talker")
        pmx("unit", "stop")
        pmx("list")
        pmx("kill")
        pmx("resurrect", env={name: None for name in OF_SHELL})
        seen = environment(self.home.pids("app")[0])
        self.assertEqual([seen[f"PLAIN{number}"] for number in range(50)], [f"canary-{number}-x" for number in range(50)])
        self.assertEqual([name for name in (*LOOK_SECRET, "GITHUB_TOKEN") if name in seen], [], "what looks secret is not in the saved list")
        pmx("cleardump")
        self.other = pmxtest.Home(**OF_SHELL)
        self.until_interrupted("run", os.path.join(self.home.work, "apps.json"), home=self.other, text="began")
        self.check_files(self.home)
        self.check_files(self.other)
        self.assertIn("(read from ", self.said)
        commands = set(re.findall(r"^  (\w+)", self.home.run("--help").stdout.partition("Options of all")[0], re.MULTILINE))
        self.assertGreater(len(commands), 40)
        self.assertEqual(commands - self.ran, set(), "commands that this test must run, too")

    def test_what_looks_secret_is_hidden_in_changes(self):
        """A plan says that it changes, not from what to what."""
        self.write()
        self.pmx("start", "apps.json")
        with open(os.path.join(self.home.work, "apps.json"), encoding="utf-8") as file:
            config = json.load(file)
        config["apps"][0]["env"].update(DB_PASSWORD="named-8-x", DATABASE_URL="postgres://user:named-9-x@db/shop")
        self.home.json_file("apps.json", config)
        pid = self.home.pids("app")[0]
        for words in (("plan", "apps.json"), ("plan", "apps.json", "--json"), ("apply", "apps.json")):
            said = self.pmx(*words, check=None)
            self.assertIn("DB_PASSWORD", said.stdout + said.stderr)
        self.assertFalse(process_alive(pid))
        self.assertEqual(environment(self.home.pids("app")[0])["DB_PASSWORD"], "named-8-x")
        # A mistake beside a secret does not show it.
        config["apps"][0]["env"]["API_TOKEN"] = {"fil": "named-1-x"}
        config["apps"][0]["nonsense"] = True
        self.home.json_file("apps.json", config)
        for verb in ("validate", "plan", "apply", "start"):
            self.assertIn("nonsense", self.pmx(verb, "apps.json", check=None).stderr)
        self.check_files(self.home)


if __name__ == "__main__":
    pmxtest.main()
