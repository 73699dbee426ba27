"""Completions in real shells under tmux, the command they ask, and `pmx completion`. A shell that is missing is skipped."""

import os
import re
import shutil
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import pmxtest
from pmxtest import eventually, testapp

SHELLS = ("bash", "zsh", "fish")
AWKWARD = "my app:x/y"


class Terminal:
    """A shell in a tmux server of its own; its rc file is what `pmx completion install` has written."""

    def __init__(self, test, shell):
        self.socket = os.path.join(test.home.root, "tmux")
        environment = test.home.environment({"PATH": f"{pmxtest.bin_dir()}:{pmxtest.PATH}", "PS1": "$ ", "XDG_CONFIG_HOME": None,
                                             "HISTFILE": None, "TMUX": None, "PMX_HOME": test.home.path})
        subprocess.run(self.command("-f", "/dev/null", "new-session", "-d", "-x", "150", "-y", "50", shell), check=True, env=environment,
                       cwd=test.home.work)
        test.addCleanup(subprocess.run, self.command("kill-server"), capture_output=True, check=False)
        self.shell = shell
        # Typed at once, it would be eaten by a shell that is still setting up its line editor.
        eventually(lambda: self.screen().strip(), 20, f"a prompt of {shell}")
        self.keys("echo begun", "Enter")
        eventually(lambda: self.screen().count("begun") >= 2, 20, f"{shell} takes commands")
        self.clear()

    def command(self, *args):
        return ["tmux", "-S", self.socket, *args]

    def keys(self, *keys):
        subprocess.run(self.command("send-keys", *keys), check=True)

    def clear(self):
        # Not C-c: a shell that is busy with a completion may take it for that.
        self.keys("C-u", "C-l")
        eventually(lambda: not {"begun", "pmx "} & set(re.findall("begun|pmx ", self.screen())), 15, f"a clear screen of {self.shell}")

    def screen(self):
        return subprocess.run(self.command("capture-pane", "-p", "-J"), check=True, capture_output=True, text=True).stdout

    def shows(self, *texts):
        eventually(lambda: all(text in self.screen() for text in texts), 15, f"{texts} in {self.shell}")

    def type(self, text, *keys):
        """Text, then keys such as Tab. fish answers some keys only when it has drawn what came before."""
        self.keys("-l", text)
        self.shows(text)
        self.keys(*keys)


class WithShell(pmxtest.PmxTest):
    def terminal(self, shell):
        for program in (shell, "tmux"):
            if shutil.which(program) is None:
                self.skipTest(f"there is no {program} here")
        self.home.run("completion", "install", shell)
        return Terminal(self, shell)


class InAShell(WithShell):
    """Each case once for every shell, see below."""

    shell = None

    def test_words_of_all_kinds(self):
        self.home.run("start", testapp(), "--name", "web", "--namespace", "front", "--", "sleep")
        self.home.run("start", testapp(), "--name", AWKWARD, "--namespace", "front", "--", "sleep")
        terminal = self.terminal(self.shell)

        terminal.type("pmx sca", "Tab")
        terminal.shows("pmx scale")
        terminal.clear()
        terminal.type("pmx restart fr", "Tab")
        terminal.shows("pmx restart front")
        terminal.clear()
        terminal.type("pmx stop w", "Tab")
        terminal.shows("pmx stop web")
        terminal.keys("Enter")
        self.home.wait_status("web", "stopped")
        terminal.clear()
        # The quotes are right if the shell understands its own completion.
        terminal.type("pmx stop my", "Tab")
        terminal.shows("app:x/y")
        terminal.keys("Enter")
        self.home.wait_status(AWKWARD, "stopped")
        terminal.clear()
        terminal.type("pmx start --balan", "Tab")
        terminal.shows("--balance")
        terminal.type("sh", "Tab")
        terminal.shows("shared")
        terminal.clear()
        terminal.type("pmx list --", "Tab", "Tab")
        terminal.shows("--json", "--sort")

    def test_files_and_directories(self):
        self.home.file("unmistakable.json", "{}")
        os.mkdir(os.path.join(self.home.work, "directory of mine"))
        terminal = self.terminal(self.shell)
        terminal.type("pmx plan unm", "Tab")
        terminal.shows("pmx plan unmistakable.json")
        terminal.clear()
        terminal.type("pmx start --cwd dir", "Tab")
        terminal.shows("directory\\ of\\ mine")
        terminal.clear()
        terminal.type("pmx start --cwd=dir", "Tab")
        terminal.shows("directory\\ of\\ mine")

    def test_no_daemon_is_started(self):
        terminal = self.terminal(self.shell)
        terminal.type("pmx stop ", "Tab", "Tab")
        terminal.type("al", "Tab")
        terminal.clear()
        terminal.type("pmx resu", "Tab")
        terminal.shows("pmx resurrect")
        self.assertEqual(self.home.daemons(), [])
        self.assertFalse(os.path.exists(os.path.join(self.home.path, "pmx.sock")))


def for_each_shell():
    for shell in SHELLS:
        name = f"In{shell.capitalize()}"
        globals()[name] = type(name, (InAShell,), {"shell": shell})


for_each_shell()
del InAShell


class Answers(pmxtest.PmxTest):
    def ask(self, *words, **options):
        ran = self.home.run("__complete", *words, **options)
        self.assertEqual(ran.stderr, "")
        lines = ran.stdout.splitlines()
        return lines[0] if lines else "", [line.split("\t")[0] for line in lines[1:]]

    def test_names_of_a_running_daemon(self):
        self.home.run("start", testapp(), "--name", AWKWARD, "--namespace", "front", "--", "sleep")
        self.assertEqual(self.ask("words", "stop", ""), ("nothing", [AWKWARD, "front", "0", "all"]))
        self.assertEqual(self.ask("bash", "pmx stop my\\ app:", " :="), ("nothing", ["x/y"]))

    def test_silent_whatever_is_wrong(self):
        for words in ((), ("words",), ("bash", "pmx stop"), ("no-such",), ("words", "no-such", "")):
            with self.subTest(words=words):
                self.assertEqual(self.ask(*words)[1], [])
        for home in ("/proc/none", "/" + "x" * 200, "relative"):
            with self.subTest(home=home):
                self.assertEqual(self.ask("words", "stop", "", env={"PMX_HOME": home}), ("files", []))
        self.assertEqual(self.home.daemons(), [])

    def test_a_daemon_that_hangs_holds_nobody_up(self):
        self.home.run("start", testapp(), "--name", "web", "--", "sleep")
        daemon = self.home.daemon_pid
        os.kill(daemon, signal.SIGSTOP)
        try:
            self.assertEqual(self.ask("words", "stop", "")[1], [])
        finally:
            os.kill(daemon, signal.SIGCONT)

    def fastest(self, *args):
        """Reported, not judged: how busy the machine is decides."""
        seconds = min(self.home.run(*args).seconds for _ in range(20))
        print(f"figure: pmx {' '.join(args)}: {seconds * 1000:.1f} ms", file=sys.stderr)

    def test_times_without_a_daemon_and_with_one(self):
        self.fastest("--help")
        self.fastest("__complete", "words", "")
        self.assertEqual(self.home.daemons(), [])
        self.home.run("start", testapp(), "--name", "web", "--", "sleep")
        self.fastest("__complete", "words", "start", "")
        self.fastest("__complete", "words", "-n", "x", "start", "-")


class Script(pmxtest.PmxTest):
    def rc(self, name):
        path = os.path.join(self.home.root, name)
        if not os.path.exists(path):
            return None
        with open(path) as file:
            return file.read()

    def test_printed(self):
        for shell in SHELLS:
            text = self.home.run("completion", shell).stdout
            self.assertIn("__complete", text)
            self.assertEqual(self.home.run("completion", env={"SHELL": f"/usr/bin/{shell}"}).stdout, text)
        self.home.fails("completion", "csh", code=2)
        self.home.fails("completion", env={"SHELL": "/bin/csh"}, code=2)
        self.home.fails("completion", env={"SHELL": None}, code=2)
        self.home.fails("completion", "bash", "zsh", code=2)
        self.assertEqual(self.home.daemons(), [])

    def test_installed_once_and_removed(self):
        for shell, name in (("bash", ".bashrc"), ("zsh", ".zshrc"), ("fish", ".config/fish/config.fish")):
            with self.subTest(shell=shell):
                path = os.path.join(self.home.root, name)
                self.home.run("completion", "install", shell)  # there is no such file yet
                self.home.run("completion", "uninstall", shell)
                self.assertEqual(self.rc(name), "")
                with open(path, "w") as file:
                    file.write("# mine\n")
                os.chmod(path, 0o600)
                self.home.run("completion", "install", env={"SHELL": f"/bin/{shell}"})
                installed = self.rc(name)
                self.assertTrue(installed.startswith("# mine\n"), installed)
                self.home.run("completion", "install", shell)
                self.assertEqual(self.rc(name), installed)
                self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
                self.home.run("completion", "uninstall", shell)
                self.assertEqual(self.rc(name), "# mine\n")
        self.assertEqual(self.home.daemons(), [])

    def test_a_linked_rc_file_stays_a_link(self):
        path = os.path.join(self.home.root, ".bashrc")
        real = self.home.file("dotfiles/bashrc", "x\n")
        os.symlink(real, path)
        self.home.run("completion", "install", "bash")
        self.assertTrue(os.path.islink(path))
        with open(real) as file:
            self.assertIn("pmx completion bash", file.read())

    def test_a_damaged_block_is_left_alone(self):
        text = "# >>> pmx completion >>>\nx\n"
        with open(os.path.join(self.home.root, ".bashrc"), "w") as file:
            file.write(text)
        self.assertIn(".bashrc", self.home.fails("completion", "install", "bash").stderr)
        self.assertIn(".bashrc", self.home.fails("completion", "uninstall", "bash").stderr)
        self.assertEqual(self.rc(".bashrc"), text)


class Help(pmxtest.PmxTest):
    def test_of_a_command(self):
        self.assertEqual(self.home.run("help", "start").stdout, self.home.run("start", "--help").stdout)
        self.assertEqual(self.home.run("help", "ls").stdout, self.home.run("list", "--help").stdout)
        self.assertEqual(self.home.run("help").stdout, self.home.run("--help").stdout)
        self.assertIn("did you mean", self.home.fails("help", "strat", code=2).stderr)
        self.assertEqual(self.home.daemons(), [])


if __name__ == "__main__":
    pmxtest.main()
