"""pmx monit under tmux: what is on the screen, every key, the mouse, resizing, a daemon that goes away, and the terminal afterwards."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import pmxtest
from pmxtest import eventually, testapp

# Says what is written to the FIFO that it is given, on stdout, or on stderr what begins with "E ".
ECHO = """#!/bin/sh
exec 3<>"$1"
while read -r line <&3; do
  case $line in "E "*) echo "$line" >&2 ;; *) echo "$line" ;; esac
done
"""


class Screen:
    """A shell in a tmux of its own; `pmx monit` is typed into it."""

    def __init__(self, home, columns=80, rows=24, **env):
        self.home = home
        self.environment = home.environment({"PS1": "prompt> ", "TERM": "xterm-256color", **env})
        self.socket = os.path.join(home.root, "tmux")
        # The shell's own TERM: tmux sets another.
        self.tmux("new-session", "-d", "-x", str(columns), "-y", str(rows), "env", "TERM=" + self.environment["TERM"], "sh", "-i")
        self.wait("prompt>")

    def tmux(self, *args):
        command = ["tmux", "-u", "-S", self.socket, "-f", "/dev/null", *args]
        return subprocess.run(command, env=self.environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=30, check=True).stdout

    def text(self, *options):
        return self.tmux("capture-pane", "-p", *options)

    def lines(self):
        return self.text().split("\n")

    def wait(self, *patterns, absent=(), seconds=10):
        """Waits until each regular expression is on the screen, and none of `absent`."""

        def there():
            text = self.text()
            for pattern in patterns:
                if not re.search(pattern, text, re.M):
                    raise AssertionError(f"{pattern!r} is not on the screen:\n{text}")
            for pattern in absent:
                if re.search(pattern, text, re.M):
                    raise AssertionError(f"{pattern!r} is on the screen:\n{text}")
            return text

        return eventually(there, seconds)

    def keys(self, *names):
        self.tmux("send-keys", *names)

    def type(self, text):
        self.tmux("send-keys", "-l", text)

    def mouse(self, button, column, row):
        """Press and release, both counted from 1."""
        self.type(f"\x1b[<{button};{column};{row}M" + (f"\x1b[<{button};{column};{row}m" if button < 64 else ""))

    def run(self, *args):
        self.type(" ".join([os.path.join(pmxtest.bin_dir(), "pmx"), *args]))
        self.keys("Enter")

    def monit(self, *args):
        self.run("monit", *args)
        self.wait("^ pmx monit ")

    def pid(self):
        """Of the monit in the shell."""
        shell = int(self.tmux("display-message", "-p", "#{pane_pid}"))
        return eventually(lambda: [pid for pid, _ in pmxtest.children_of(shell) if " monit" in pmxtest.command_line(pid)], 5, "monit runs")[0]

    def modes(self):
        """The terminal's, as the shell has them; only at its prompt."""
        self.type("clear; stty -g; echo end$?")
        self.keys("Enter")
        text = self.wait("^end0$")
        return re.search(r"^([0-9a-f]+:[0-9a-f:\n]+)end0", text, re.M).group(1)

    def is_given_back(self, modes):
        self.wait("prompt>")
        eventually(lambda: self.tmux("display-message", "-p", "#{alternate_on} #{cursor_flag} #{mouse_any_flag}").split() == ["0", "1", "0"], 5,
                   "no alternate screen, a cursor, no mouse reports")
        return self.modes() == modes

    def end(self):
        server = int(self.tmux("display-message", "-p", "#{pid}"))
        self.tmux("kill-server")
        eventually(lambda: not pmxtest.process_alive(server), 5, "the end of tmux")
        # What ran in it ends by SIGHUP.
        eventually(lambda: not [pid for pid in self.home.living() if " monit" in pmxtest.command_line(pid)], 5, "the end of monit")


@unittest.skipUnless(shutil.which("tmux", path=pmxtest.PATH), "there is no tmux")
class Monit(pmxtest.PmxTest):
    def screen(self, *args, **options):
        screen = Screen(self.home, *args, **options)
        self.addCleanup(screen.end)
        return screen

    def start_apps(self):
        self.fifo = os.path.join(self.home.work, "fifo")
        os.mkfifo(self.fifo)
        sleeper = {"script": testapp(), "args": ["sleep"]}
        apps = [{"name": "api", **sleeper, "env": {"PORT": "3000", "DB_PASSWORD": "hunter2"}, "instances": 2, "exec_mode": "fork"},
                {"name": "echo", "script": self.home.file("echo.sh", ECHO, 0o755), "args": [self.fifo]}]
        self.home.run("start", self.home.json_file("apps.json", {"apps": apps}))

    def say(self, text):
        with open(self.fifo, "w") as fifo:
            fifo.write(text + "\n")

    def test_list_logs_details_environment(self):
        self.start_apps()
        self.say("before")
        eventually(lambda: b"before\n" in self.home.log("echo-out.log"), 5)
        screen = self.screen()
        modes = screen.modes()
        screen.monit()
        screen.wait(r"^ pmx monit  3 online .*cpu [\d.]+%  mem [\d.]+mb", r"^   0 api .* online ", r"^   2 echo .* online .*[▁▂▃▄▅▆▇█]", r"Logs ─.* api \(0\) ─$", "no output yet")
        screen.keys("Down", "Down")
        screen.wait(r"Logs ─.* echo \(2\) ─$", "^  before$")
        self.say("live")
        self.say("E wrong")
        screen.wait("^  live$", "^! E wrong$")
        screen.keys("d")
        screen.wait("^ script path +/.*/echo.sh", r"^ pid +\d+", absent=["^  live"])
        screen.keys("Up", "Up", "Up")  # scrolls; the selection stays
        screen.keys("l")
        screen.keys("Left", "Home", "e")
        screen.wait(r"api \(0\) ─$", r"^ DB_PASSWORD +\[hidden\]$", "^ PORT +3000$", absent=["hunter2"])
        screen.keys("Right", "Right")  # the list, the logs
        screen.wait("no output yet")
        screen.keys("z")
        screen.wait(absent=["^   0 api"])
        screen.keys("z", "?")
        screen.wait("^  q, Ctrl-C +quit; the apps run on")
        screen.keys("Space")
        screen.wait("^   0 api", absent=["quit; the apps run on"])
        screen.keys("q")
        self.assertTrue(screen.is_given_back(modes))
        self.assertEqual(self.home.statuses(), ["online"] * 3)

    def test_filter_order_search(self):
        self.start_apps()
        screen = self.screen()
        screen.monit("--sort", "name:desc")
        screen.wait("name▼", r"^   2 echo.*\n   0 api")
        screen.keys("o")
        screen.wait("by cpu:desc|by id")
        screen.keys("/")
        screen.type("EC onl")
        screen.wait("^ filter the list: EC onl$", "^   2 echo", absent=["^   0 api"])
        screen.keys("Enter")
        screen.wait('^ 1 of 1 that match "EC onl"', r" echo \(2\) ─$")
        for number in range(40):
            self.say(f"line {number} {'needle' if number in (3, 20) else 'hay'}")
        screen.wait("^  line 39 hay$")
        screen.keys("f")
        screen.type("NEEDLE")
        screen.keys("Enter")
        screen.wait('2 lines with "needle"', "^  line 20 needle$", absent=["^  line 21 "])
        screen.keys("n")
        screen.wait("^  line 3 needle$", absent=["^  line 4 "])
        self.say("later")  # what one reads does not move
        screen.keys("N")
        screen.wait("^  line 20 needle$", absent=["^  line 21 "])
        screen.keys("Escape")
        screen.wait(r"\d+ lines below, End goes there")
        screen.keys("End")
        screen.wait("^  later$")
        screen.keys("Escape")
        screen.wait(r"Logs ─.* echo \(2\) ─$")
        screen.keys("Escape")  # the filter
        screen.wait("^   0 api")
        screen.keys("Escape")
        screen.wait("prompt>")

    def test_actions(self):
        self.start_apps()
        screen = self.screen()
        screen.monit()
        screen.wait("^   0 api .* online ")
        screen.keys("s")
        screen.wait(r"^ stop api\?  y: api \(0\), a: all 2 of api, n: no")
        screen.keys("n")
        screen.wait("^ nothing done")
        self.assertEqual(self.home.statuses("api"), ["online"] * 2)
        screen.keys("s", "y")
        screen.wait(r"^ stopped api \(0\)", "^   0 api .* stopped ")
        self.assertEqual(self.home.statuses("api"), ["stopped", "online"])
        screen.keys("r", "a")
        screen.wait("^ restarted all 2 of api", "^   0 api .* online ", "^   1 api .* 1 online ")
        screen.keys("+")
        screen.wait("^ scaled api to 3", "^   3 api .* online ")
        screen.keys("-")
        screen.wait(r"^ scale api from 3 to 2\?  y: yes, n: no")
        screen.keys("y")
        screen.wait("^ scaled api to 2", absent=["^   0 api .*\n(.*\n)*   1 api .*\n(.*\n)*   3 api"])
        screen.keys("R")
        screen.wait("^ reloaded all 2 of api")
        screen.keys("/")
        screen.type("echo")
        screen.keys("Enter", "D")
        screen.wait(r"^ delete echo\?  y: yes, n: no")
        screen.keys("y")
        screen.wait(r"^ deleted echo \(2\)", "no instance matches the filter")
        self.assertEqual({entry["name"] for entry in self.home.jlist()}, {"api"})
        screen.keys("q")
        screen.wait("prompt>")

    def test_an_action_does_not_freeze_the_screen_and_says_how_it_ended(self):
        stubborn = self.home.file("stubborn.sh", "#!/bin/sh\ntrap '' INT\necho ready\nwhile :; do sleep 0.1; done\n", 0o755)
        self.home.run("start", stubborn, "--name", "stubborn", "--kill-timeout", "2000")
        self.home.run("start", testapp(), "--name", "other", "--", "sleep")
        eventually(lambda: b"ready" in self.home.log("stubborn-out.log"), 5)
        screen = self.screen()
        screen.monit()
        screen.wait("^   0 stubborn .* online ")
        screen.keys("s", "y")
        screen.wait(r"^ stopping stubborn \(0\) \.\.\.", "^   0 stubborn .* stopping ")
        screen.keys("Down")
        screen.wait(r" other \(1\) ─$", "^ stopping stubborn")
        screen.wait(r"^ stopped stubborn \(0\)", "^   0 stubborn .* stopped ")
        self.home.run("delete", "other")
        screen.wait(absent=["^   1 other"])
        screen.keys("q")
        screen.wait("prompt>")

    def test_sizes(self):
        self.start_apps()
        screen = self.screen()
        screen.monit()
        screen.wait("^   0 api", "^─ Logs ─ Details ─ Environment ─")
        screen.tmux("resize-window", "-x", "200", "-y", "60")
        screen.wait("^─ Details ─ Environment ─+ api .* ─ *(no output yet)?$", r"─ Logs ─+ api \(0\) ─$", "^ script path")
        self.assertEqual(max(len(line) for line in screen.lines()), 200)
        screen.keys("e")
        screen.wait("^ PORT +3000")
        screen.tmux("resize-window", "-x", "79", "-y", "24")
        screen.wait("pmx monit needs 80 columns and 24 rows", "this terminal has 79 and 24", absent=["api"])
        screen.tmux("resize-window", "-x", "10", "-y", "3")
        screen.wait("^pmx monit")
        screen.tmux("resize-window", "-x", "80", "-y", "24")
        screen.wait("^   0 api", "^ PORT +3000")
        screen.keys("q")
        screen.wait("prompt>")

    def test_many_instances_scroll(self):
        apps = [{"name": f"app-{number:02}", "script": testapp(), "args": ["sleep"]} for number in range(40)]
        self.home.run("start", self.home.json_file("many.json", {"apps": apps}))
        screen = self.screen()
        screen.monit()
        screen.wait("^   0 app-00", "^ 1 of 40", absent=["app-20"])
        screen.keys("End")
        screen.wait("^  39 app-39", "^ 40 of 40", absent=["app-00"])
        screen.keys("PPage")
        screen.wait("^ 32 of 40")
        screen.keys("Home", "NPage", "j", "k", "Down")
        screen.wait("^ 10 of 40")
        screen.keys("Home")
        screen.mouse(0, 10, 5)
        screen.wait("^ 3 of 40")
        screen.mouse(65, 10, 5)  # the wheel
        screen.wait("^ 6 of 40")
        screen.mouse(0, 7, 2)  # the head
        screen.wait("name▲")
        screen.mouse(0, 12, 12)  # a title
        screen.wait("^ status +online")
        screen.keys("q")
        screen.wait("prompt>")

    def test_no_apps_and_no_daemon(self):
        screen = self.screen()
        screen.monit()  # starts one
        screen.wait("nothing here yet: pmx start app.js")
        screen.keys("Down", "s", "d")
        screen.wait("nothing is selected|^ 0 of 0")
        self.home.run("start", testapp(), "--name", "first", "--", "sleep")
        screen.wait("^   0 first .* online ")
        self.home.kill()
        screen.wait("^ pmx monit  the daemon (has gone|does not run); waiting for it")
        screen.keys("r")
        screen.wait(r"^ restart first \(0\): the daemon does not run")
        self.assertEqual(self.home.daemons(), [])  # nor did it start one
        self.home.run("list")
        screen.wait("nothing here yet", absent=["waiting for it"])
        screen.keys("M-x", "C-F5", "F12")  # unknown ones do nothing, least of all as Esc
        screen.keys("q")
        screen.wait("prompt>")

    def test_daemon_dies_or_hangs(self):
        self.start_apps()
        screen = self.screen()
        screen.monit()
        screen.keys("End")
        screen.wait(r" echo \(2\) ─$", "^   2 echo .* online ")
        daemon = self.home.daemon_pid
        os.kill(daemon, signal.SIGKILL)
        eventually(lambda: self.home.daemons() not in ([], [daemon]), 10, "the next daemon")
        self.say("meanwhile")
        screen.wait("^ pmx monit  3 online", "^  meanwhile$")
        daemon = eventually(self.home.daemons, 10)[0]
        os.kill(daemon, signal.SIGSTOP)
        try:
            screen.wait("^ pmx monit  the daemon does not answer; waiting for it")
            screen.keys("Home")
            screen.wait(r" api \(0\) ─$")
        finally:
            os.kill(daemon, signal.SIGCONT)
        screen.wait("^ pmx monit  3 online")
        screen.keys("q")
        screen.wait("prompt>")

    def test_every_end_gives_the_terminal_back(self):
        screen = self.screen()
        modes = screen.modes()
        for end in (signal.SIGTERM, signal.SIGINT, signal.SIGABRT, signal.SIGSEGV):
            screen.monit()
            os.kill(screen.pid(), end)
            self.assertTrue(screen.is_given_back(modes), end)
        screen.monit()
        screen.keys("C-c")
        self.assertTrue(screen.is_given_back(modes))
        screen.monit()
        screen.keys("C-z")
        self.assertTrue(screen.is_given_back(modes))
        screen.type("fg")
        screen.keys("Enter")
        screen.wait("^ pmx monit ")
        screen.keys("q")
        self.assertTrue(screen.is_given_back(modes))
        screen.monit()
        os.kill(screen.pid(), signal.SIGHUP)
        self.assertTrue(screen.is_given_back(modes))

    def test_terminals(self):
        self.home.run("start", testapp(), "--name", "one", "-i", "2", "-x", "--", "sleep")
        screen = self.screen(TERM="no-such-terminal", NO_COLOR="")
        screen.monit()
        screen.wait("^   0 one .* online ")
        self.assertIn("\x1b[32monline", screen.text("-e"))
        screen.keys("q")
        screen.wait("prompt>")
        screen.run("monit", "--no-color")
        screen.wait("^   0 one .* online ")
        self.assertNotRegex(screen.text("-e"), r"\x1b\[[\d;]*\b3[0-7]m")
        screen.keys("q")
        screen.wait("prompt>")
        self.assertIn("needs a terminal", self.home.fails("monit").stderr)
        screen.type("TERM=dumb ")
        screen.run("dash")
        screen.wait("cannot place its cursor")
        self.home.fails("monit", "--sort", "colour", code=2)

    def test_list_watch(self):
        self.home.run("start", testapp(), "--name", "one", "--", "sleep")
        screen = self.screen()
        screen.run("list", "--watch")
        screen.wait(r"│ one +│.*online")
        self.home.run("stop", "one")
        screen.wait(r"│ one +│.*stopped", absent=["online", "prompt>"])
        self.home.kill()
        screen.wait("the daemon does not run; waiting for it")
        self.home.run("start", testapp(), "--name", "two", "--", "sleep")
        screen.wait(r"│ two +│.*online")
        screen.keys("C-c")
        screen.wait("prompt>")
        child = self.home.popen("list", "--watch", "--json", stdout=subprocess.PIPE)
        try:
            for _ in range(2):
                self.assertEqual([entry["name"] for entry in json.loads(child.stdout.readline())], ["two"])
        finally:
            child.terminate()
            child.wait()
            child.stdout.close()


if __name__ == "__main__":
    pmxtest.main()
