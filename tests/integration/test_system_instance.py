"""What the system's instance is made of: `apply` of a directory, a group that may command the daemon, apps that are not spared
with it when memory runs out, the watchdog, `--system` itself."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import pmxtest
from pmxtest import eventually, process_alive, testapp

IS_ROOT = os.geteuid() == 0
NOBODY, GROUP = 65534, 54321


class Directory(pmxtest.PmxTest):
    def setUp(self):
        super().setUp()
        self.directory = os.path.join(self.home.work, "etc")

    def write(self, name, *apps, text=None, **settings):
        value = {"apps": [{"name": app, "script": testapp(), "args": ["sleep"], **settings} for app in apps]}
        return self.home.file(f"etc/{name}", text or json.dumps(value))

    def apply(self, code=0):
        return self.home.run("apply", self.directory, "--prune", "--keep-stopped", check=code)

    def names(self):
        return {entry["name"]: entry["pm2_env"]["status"] for entry in self.home.jlist()}

    def pids_by_name(self):
        return {entry["name"]: entry["pid"] for entry in self.home.jlist()}

    def test_each_file_counts_for_itself(self):
        self.write("10-a.json", "a", "b")
        self.write("20-c.json", "c")
        self.write(".hidden.json", "hidden")
        self.write("notes.txt", "notes")
        self.home.run("start", testapp(), "--name", "by-hand", "--", "sleep")
        self.apply()
        self.assertEqual(self.names(), {"a": "online", "b": "online", "c": "online", "by-hand": "online"})
        before = self.pids_by_name()

        # A file that cannot be read leaves its apps alone, and is no matter to the others.
        self.write("10-a.json", text='{"apps": [')
        self.write("20-c.json", "c", "d")
        said = self.apply(code=1)
        self.assertIn("10-a.json", said.stderr)
        self.assertEqual(self.names(), {"a": "online", "b": "online", "c": "online", "d": "online", "by-hand": "online"})
        self.assertEqual({name: pid for name, pid in self.pids_by_name().items() if name != "d"}, before)

        # What is no longer listed goes, and so does all of a file that is gone.
        self.write("10-a.json", "a")
        os.unlink(os.path.join(self.directory, "20-c.json"))
        self.apply()
        self.assertEqual(self.names(), {"a": "online", "by-hand": "online"})
        self.assertEqual(self.home.one("a")["pid"], before["a"])
        os.unlink(os.path.join(self.directory, "10-a.json"))
        self.apply()
        self.assertEqual(self.names(), {"by-hand": "online"})

    def test_what_was_stopped_stays_so(self):
        self.write("a.json", "a", "b")
        self.apply()
        self.home.run("stop", "a")
        self.apply()
        self.assertEqual(self.names(), {"a": "stopped", "b": "online"})
        self.write("a.json", "a", "b", env={"X": "1"})
        self.apply()
        self.assertEqual(self.names(), {"a": "stopped", "b": "online"})
        self.home.run("apply", self.directory)
        self.assertEqual(self.names(), {"a": "online", "b": "online"})

    def test_settings_that_the_daemon_refuses(self):
        self.write("a.json", "a", depends_on=["nobody-of-that-name"])
        self.write("b.json", "b")
        said = self.apply(code=1)
        self.assertIn("nobody-of-that-name", said.stderr)
        self.assertEqual(self.names(), {"b": "online"})

    def test_a_name_in_two_files(self):
        self.write("a.json", "web")
        self.write("b.json", "web", "other")
        self.assertIn("app web is in", self.apply(code=1).stderr)
        self.assertEqual(self.names(), {"web": "online", "other": "online"})

    def test_nothing_there(self):
        os.mkdir(self.directory)
        self.assertIn("Nothing to do", self.apply().stdout)
        self.assertIn("etc.not", self.home.fails("apply", self.directory + ".not").stderr)


@unittest.skipUnless(IS_ROOT and shutil.which("python3", path=pmxtest.PATH), "as other users, with a Python that they can run")
class Group(pmxtest.PmxTest):
    def ask(self, refused="", **identity):
        """What the daemon says to somebody else who asks for its list, or, `refused`, before any question."""
        script = ("import socket, sys; s = socket.socket(socket.AF_UNIX); s.settimeout(20); s.connect(sys.argv[1]); "
                  "lines = s.makefile('rw'); sys.stdout.write(lines.readline() if sys.argv[2] else '')\n"
                  "if not sys.argv[2]: lines.write('{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"list\"}\\n'); lines.flush(); print(lines.readline())")
        done = subprocess.run([shutil.which("python3", path=pmxtest.PATH), "-c", script, os.path.join(self.home.path, "pmx.sock"), refused], cwd="/", capture_output=True, text=True,
                              timeout=30, check=False, **identity)
        return done.stdout + done.stderr

    def test_members_may_command(self):
        self.home.run("list", env={"PMX_CONTROL_GROUP": GROUP})
        os.chmod(self.home.root, 0o755)
        os.chmod(self.home.path, 0o711)
        path = os.path.join(self.home.path, "pmx.sock")
        self.assertEqual((os.stat(path).st_gid, os.stat(path).st_mode & 0o777), (GROUP, 0o660))
        self.assertIn('"instances":[]', self.ask(user=NOBODY, group=NOBODY, extra_groups=[GROUP]))
        self.assertIn('"instances":[]', self.ask(user=NOBODY, group=GROUP, extra_groups=[]))
        self.assertIn("PermissionError", self.ask(user=NOBODY, group=NOBODY, extra_groups=[]))
        # Who gets to the socket all the same is asked for its group.
        os.chmod(path, 0o666)
        self.assertIn("this daemon belongs to another user", self.ask("refused", user=NOBODY, group=NOBODY, extra_groups=[]))
        # The next daemon, too.
        self.home.run("update")
        self.assertIn('"instances":[]', self.ask(user=NOBODY, group=NOBODY, extra_groups=[GROUP]))

    def test_without_a_group(self):
        self.home.run("list")
        os.chmod(self.home.root, 0o755)
        os.chmod(self.home.path, 0o711)
        os.chmod(os.path.join(self.home.path, "pmx.sock"), 0o666)
        self.assertIn("this daemon belongs to another user", self.ask("refused", user=NOBODY, group=0, extra_groups=[GROUP]))

    def test_unknown_group(self):
        self.home.run("list", env={"PMX_CONTROL_GROUP": "no-such-group"})
        self.assertIn("there is no group no-such-group", self.home.daemon_log())
        self.assertEqual(os.stat(os.path.join(self.home.path, "pmx.sock")).st_mode & 0o777, 0o600)


class MemoryRunsOut(pmxtest.PmxTest):
    def adjustment(self, pid):
        with open(f"/proc/{pid}/oom_score_adj", encoding="ascii") as file:
            return int(file.read())

    def test_apps_are_not_spared_with_the_daemon(self):
        def spare():
            with open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
                file.write("-500")
        try:
            self.home.run("list", preexec_fn=spare)
        except subprocess.SubprocessError:
            self.skipTest("no right to spare a process (CAP_SYS_RESOURCE)")
        self.assertEqual((self.adjustment(self.home.daemon_pid), self.adjustment(self.home.keeper_pid)), (-500, -500))
        self.home.run("start", testapp(), "--name", "app", "--", "sleep")
        self.assertEqual(self.adjustment(self.home.one("app")["pid"]), 0)
        self.home.run("start", self.home.json_file("apps.json", {"apps": [{"name": "other", "script": testapp(), "args": "sleep", "oom_score_adj": 300}]}))
        self.assertEqual(self.adjustment(self.home.one("other")["pid"]), 300)

    def test_what_the_shell_has_is_left(self):
        def offer():
            with open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
                file.write("700")
        self.home.run("list", preexec_fn=offer)
        self.home.run("start", testapp(), "--name", "app", "--", "sleep")
        self.assertEqual(self.adjustment(self.home.one("app")["pid"]), 700)


class Watchdog(pmxtest.PmxTest):
    def test_a_daemon_that_hangs_is_replaced(self):
        path = os.path.join(self.home.work, "notify")
        self.home.run("start", testapp(), "--name", "app", "--", "sleep")
        pid, daemon = self.home.one("app")["pid"], self.home.daemon_pid
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
            listener.bind(path)
            listener.settimeout(20 * pmxtest.SLOW)
            child = self.home.popen("unit", "run", env={"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "3000000"}, stderr=subprocess.PIPE)
            try:
                self.assertIn(b"READY=1", listener.recv(4096))
                while listener.recv(4096) != b"WATCHDOG=1":
                    pass
                os.kill(daemon, signal.SIGSTOP)
                eventually(lambda: not process_alive(daemon), 20, "the daemon that hangs is killed")
                while listener.recv(4096) != b"WATCHDOG=1" or self.home.daemon_pid == daemon:
                    pass
            finally:
                child.terminate()
                said = child.communicate(timeout=20)[1].decode()
        self.assertIn(f"the daemon (pid {daemon}) does not answer: it is killed", said)
        self.assertEqual(self.home.one("app")["pid"], pid)


class System(pmxtest.PmxTest):
    def test_a_machine_without_it(self):
        if os.path.exists("/var/lib/pmx"):
            self.skipTest("this machine has a system instance")
        self.assertIn("this machine has no system instance", self.home.fails("--system", "list").stderr)
        self.assertIn("this machine has no system instance", self.home.fails("list", "--system").stderr)

    @unittest.skipUnless(IS_ROOT, "only root may mount")
    def test_root_becomes_its_user(self):
        if os.path.exists("/var/lib/pmx"):
            self.skipTest("this machine has a system instance")
        # A tree of its own, where /var/lib is another one: nothing of this machine is changed.
        script = ('mount -t tmpfs none /var/lib && mkdir -m 0710 /var/lib/pmx && chown nobody:nogroup /var/lib/pmx || exit 77\n'
                  '"$1" --system list; echo "code $?"\n'
                  'setpriv --reuid nobody --regid nogroup --clear-groups env PMX_HOME=/var/lib/pmx "$1" list -s || exit 77\n'
                  'SECRET=1 "$1" --system start "sleep 1000" --name app && "$1" --system env 0 && "$1" --system save\n'
                  'stat -c %U /var/lib/pmx/dump.pmx\n'
                  '"$1" --system kill')
        done = subprocess.run(["unshare", "--mount", "sh", "-c", script, "sh", self.home.command()[0]], env=self.home.env, capture_output=True,
                              text=True, timeout=60, check=False, cwd="/")
        if done.returncode == 77 or "unshare" in done.stderr:
            self.skipTest(done.stderr)
        self.assertEqual(done.returncode, 0, done)
        self.assertIn("code 7", done.stdout)
        self.assertIn("the system instance does not run", done.stderr)
        self.assertIn("systemctl start pmx", done.stderr)
        self.assertIn("HOME: /var/lib/pmx", done.stdout)
        self.assertNotIn("SECRET", done.stdout)
        self.assertIn("\nnobody\n", done.stdout)


pmxtest.main()
