"""pmx run, pmx-runtime, start --no-daemon and --attach: apps in the foreground, as the main process of a container."""

import contextlib
import json
import os
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import pmxtest
from pmxtest import eventually, testapp

POLITE = """
import os, signal, sys, time
name = os.environ["name"]
def end(*unused):
    print(name, "bye", flush=True)
    with open("ends", "a") as file:
        print(name, file=file)
    os._exit(int(os.environ.get("CODE", "0")))
signal.signal(signal.SIGINT, end)
for number in (signal.SIGUSR1, signal.SIGUSR2):
    signal.signal(number, lambda got, frame: print(name, "got", signal.Signals(got).name, flush=True))
print(name, "ready", flush=True)
while True:
    time.sleep(0.2)  # a signal just before pause() would wait for the next one
"""


class Foreground(pmxtest.PmxTest):
    def start(self, *args, program="pmx-runtime", wrapper=(), home=None):
        """A Popen of pmx-runtime; its streams go to files, so that it never waits for us."""
        home = home or self.home
        streams = [open(os.path.join(home.root, name), "wb+") for name in ("out", "err")]
        command = [*wrapper, os.path.join(pmxtest.bin_dir(), program), *map(str, args)]
        child = subprocess.Popen(command, cwd=home.work, env=home.environment(), stdin=subprocess.DEVNULL, stdout=streams[0], stderr=streams[1])
        child.streams = streams
        self.addCleanup(self.end, child)
        return child

    def end(self, child):
        if child.poll() is None:
            child.kill()
            child.wait()
        for stream in child.streams:
            stream.close()

    def text(self, child, which=0):
        with open(child.streams[which].name, "rb") as file:
            return file.read()

    def code(self, child, seconds=20):
        try:
            return child.wait(seconds * pmxtest.SLOW)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still runs after {seconds} s\n{self.text(child)}\n{self.text(child, 1)}\n{self.home.daemon_log()}") from None

    def seen(self, child, bytes_, which=0, seconds=20):
        eventually(lambda: bytes_ in self.text(child, which), seconds, f"{bytes_} in {self.text(child, which)[-500:]} / {self.text(child, 1)[-500:]}")

    def polite(self):
        return self.home.file("polite.py", POLITE)

    def leaves_nothing(self):
        eventually(lambda: not self.home.living(), 10, "no process left")
        self.assertEqual([name for name in os.listdir(self.home.path) if name.startswith("pmx-run") or name == "run"], [])


class Ends(Foreground):
    def test_output_and_exit_code_of_one_app(self):
        script = self.home.file("once.sh", "printf 'no end of line'; printf problem >&2; exit 3")
        child = self.start("start", script, "--no-autorestart", "-s")
        self.assertEqual(self.code(child), 3)
        self.assertEqual((self.text(child), self.text(child, 1)), (b"no end of line", b"problem"))
        self.assertEqual(os.listdir(os.path.join(self.home.path, "logs")), [])
        self.leaves_nothing()

    def test_success(self):
        child = self.start(testapp(), "--no-autorestart", "--", "exit", "0")
        self.assertEqual(self.code(child), 0)

    def test_no_byte_is_lost_at_the_end(self):
        count = 3 * 1024 * 1024 + 17
        child = self.start(testapp(), "--no-autorestart", "--", "write", str(count))
        self.assertEqual(self.code(child), 0)
        self.assertTrue(self.text(child) == (bytes(range(256)) * (count // 256 + 1))[:count], f"{len(self.text(child))} bytes")

    def test_reader_that_is_slow(self):
        """The app waits, nothing is dropped, and signals are heard."""
        count = 1024 * 1024
        reading, writing = os.pipe()
        child = subprocess.Popen([os.path.join(pmxtest.bin_dir(), "pmx-runtime"), testapp(), "--no-autorestart", "--", "write", str(count)],
                                 cwd=self.home.work, env=self.home.environment(), stdin=subprocess.DEVNULL, stdout=writing, stderr=subprocess.DEVNULL)
        os.close(writing)
        eventually(lambda: self.home.run("ping", check=None).code == 0, 20, "the daemon is there")
        eventually(lambda: self.home.statuses() == ["online"], 20, "the app is there")
        data = b""
        while part := os.read(reading, 65536):
            data += part
        os.close(reading)
        self.assertEqual(child.wait(20 * pmxtest.SLOW), 0)
        self.assertTrue(data == bytes(range(256)) * (count // 256), f"{len(data)} bytes")

    def test_crash_loop(self):
        child = self.start(testapp(), "--max-restarts", "3", "--", "exit", "9")
        self.assertEqual(self.code(child), 9)
        self.assertIn(b"errored", self.text(child, 1))

    def test_death_by_signal(self):
        child = self.start(testapp(), "--no-autorestart", "--", "raise", str(int(signal.SIGABRT)))
        self.assertEqual(self.code(child), 128 + signal.SIGABRT)

    def test_several_apps(self):
        apps = [{"name": name, "script": testapp(), "args": ["exit", code], "autorestart": False} for name, code in (("good", "0"), ("bad", "4"))]
        child = self.start(self.home.json_file("both.json", {"apps": apps}))
        self.assertEqual(self.code(child), 2)
        self.assertEqual(self.code(self.start("both.json", "--only", "good")), 0)
        self.assertEqual(self.code(self.start("both.json", "--exit-code-from", "bad")), 4)
        self.assertEqual(self.code(self.start("both.json", "--exit-code-from", "good")), 0)
        self.assertEqual(self.code(self.start("both.json", "--exit-code-from", "nobody")), 2)

    def test_the_end_of_the_main_app_is_the_end_of_all(self):
        apps = [{"name": "side", "script": self.polite()}, {"name": "main", "script": testapp(), "args": ["exit", "5"], "autorestart": False}]
        child = self.start(self.home.json_file("apps.json", {"apps": apps}), "--exit-code-from", "main")
        self.assertEqual(self.code(child), 5)
        self.leaves_nothing()

    def test_no_auto_exit(self):
        child = self.start(testapp(), "--no-autorestart", "--no-auto-exit", "--", "exit", "3")
        self.seen(child, b"stopped", 1)
        self.assertEqual(self.home.statuses(), ["stopped"])
        child.send_signal(signal.SIGTERM)
        self.assertEqual(self.code(child), 0)

    def test_start_that_fails(self):
        """pm2-runtime ends with 0 (trap 30)."""
        for args in (("missing.js",), (self.home.json_file("a.json", {"apps": [{"name": "a", "script": "missing.js"}]}),), (), ("x.js", "--no-such-option"),
                     (self.polite(), "--raw", "--json")):
            with self.subTest(args=args):
                child = self.start(*args)
                self.assertNotIn(self.code(child), (0, None))
                self.assertTrue(self.text(child, 1))
        self.assertEqual(self.home.living(), [])

    def test_program_that_cannot_be_executed(self):
        child = self.start(self.home.file("broken", b"\x7fELF nonsense", 0o755), "--interpreter", "none")
        self.assertNotEqual(self.code(child), 0)
        self.leaves_nothing()

    def test_delay(self):
        self.assertEqual(self.code(self.start(testapp(), "--no-autorestart", "--delay", "700ms", "--", "exit", "0")), 0)


class Signals(Foreground):
    def test_graceful_stop_in_order(self):
        apps = [{"name": "db", "script": self.polite()}, {"name": "api", "script": self.polite(), "depends_on": ["db"]}]
        child = self.start(self.home.json_file("apps.json", {"apps": apps}))
        self.seen(child, b"api ready")
        self.seen(child, b"db ready")
        self.assertEqual(sorted(entry["name"] for entry in self.home.jlist()), ["api", "db"])  # the control socket is there
        child.send_signal(signal.SIGTERM)
        self.assertEqual(self.code(child), 0)
        self.assertEqual(sorted(self.text(child).split(b"\n")[-3:]), [b"", b"api bye", b"db bye"])
        with open(os.path.join(self.home.work, "ends")) as file:
            self.assertEqual(file.read(), "api\ndb\n")
        self.leaves_nothing()

    def test_sigint_and_exit_code(self):
        child = self.start(self.home.json_file("a.json", {"apps": [{"name": "a", "script": self.polite(), "env": {"CODE": "7"}}]}), "--exit-code-from", "a")
        self.seen(child, b"a ready")
        child.send_signal(signal.SIGINT)
        self.assertEqual(self.code(child), 7)

    def test_second_signal_is_faster(self):
        script = self.home.file("stubborn.sh", "trap 'echo not yet' INT TERM\necho ready\nwhile :; do sleep 1; done")
        child = self.start(script, "--kill-timeout", "10m")
        self.seen(child, b"ready")
        child.send_signal(signal.SIGTERM)
        self.seen(child, b"not yet")
        child.send_signal(signal.SIGTERM)
        self.assertEqual(self.code(child), 0)
        self.leaves_nothing()

    def test_user_signals_reach_the_apps(self):
        child = self.start(self.polite(), "--name", "a")
        self.seen(child, b"a ready")
        child.send_signal(signal.SIGUSR1)
        self.seen(child, b"a got SIGUSR1")
        child.send_signal(signal.SIGUSR2)
        self.seen(child, b"a got SIGUSR2")
        child.send_signal(signal.SIGTERM)
        self.assertEqual(self.code(child), 0)

    def test_reader_that_goes(self):
        child = subprocess.Popen(["sh", "-c", f'"{pmxtest.bin_dir()}/pmx-runtime" "{self.polite()}" --name a | head -1'], cwd=self.home.work,
                                 env=self.home.environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.assertEqual(child.communicate(timeout=20 * pmxtest.SLOW)[0], b"a ready\n")
        self.leaves_nothing()


class Life(Foreground):
    def test_daemon_and_keeper_are_killed(self):
        child = self.start(self.polite(), "--name", "a")
        self.seen(child, b"a ready")

        def another(old):
            with contextlib.suppress(OSError, ValueError):  # its file is being written
                return self.home.daemon_pid != old and self.home.run("ping", check=None).code == 0
            return False

        pid, daemon = self.home.one("a")["pid"], self.home.daemon_pid
        os.kill(daemon, signal.SIGKILL)
        eventually(lambda: another(daemon), 20, "another daemon")
        daemon, keeper = self.home.daemon_pid, self.home.keeper_pid
        os.kill(keeper, signal.SIGKILL)
        eventually(lambda: self.home.keepers() not in ([], [keeper]) and another(daemon), 20, "another keeper")
        self.assertEqual(self.home.one("a")["pid"], pid)
        os.kill(pid, signal.SIGUSR1)
        self.seen(child, b"a got SIGUSR1")
        child.send_signal(signal.SIGTERM)
        self.assertEqual(self.code(child), 0)
        self.assertTrue(self.text(child).endswith(b"a bye\n"))
        self.leaves_nothing()

    def test_killed_itself_it_leaves_no_app(self):
        child = self.start(self.polite(), "--name", "a")
        self.seen(child, b"a ready")
        child.kill()
        eventually(lambda: not self.home.living(), 10, "daemon and apps have gone")
        child = self.start(self.polite(), "--name", "b")  # and the next one begins anew
        self.seen(child, b"b ready")
        self.assertEqual([entry["name"] for entry in self.home.jlist()], ["b"])
        self.home.run("kill")
        self.assertEqual(self.code(child), 0)

    def test_the_list_of_the_home_is_left_alone(self):
        self.home.run("start", testapp(), "--name", "saved", "--", "sleep")
        child = self.start(self.polite())
        self.assertEqual(self.code(child), 9)
        self.assertIn(b"daemon serves", self.text(child, 1))
        self.home.run("unit", "stop")
        child = self.start(self.polite(), "--name", "a")
        self.seen(child, b"a ready")
        self.assertEqual([entry["name"] for entry in self.home.jlist()], ["a"])
        child.send_signal(signal.SIGTERM)
        self.assertEqual(self.code(child), 0)
        self.assertEqual([entry["name"] for entry in self.home.jlist()], ["saved"])

    def test_process_one_of_a_container(self):
        wrapper = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
        if os.geteuid() != 0:
            wrapper.insert(1, "--map-root-user")
        if subprocess.run([*wrapper, "true"], check=False, stderr=subprocess.DEVNULL).returncode != 0:
            self.skipTest("no pid namespaces here")
        child = self.start(self.polite(), "--name", "a", "--exit-code-from", "a", wrapper=wrapper)
        self.seen(child, b"a ready")
        (first, _), = pmxtest.children_of(child.pid)
        # What loses its parent in the container comes to us, and ends as no zombie.
        enter = ["nsenter", "--target", str(first), "--pid", "--mount"] + (["--user"] if os.geteuid() != 0 else [])
        orphan = subprocess.run([*enter, "sh", "-c", "sleep 0.3 & echo $!"], stdout=subprocess.PIPE, check=True).stdout
        inside = lambda: subprocess.run([*enter, "cat", f"/proc/{int(orphan)}/stat"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False).stdout
        eventually(lambda: inside() == b"", 10, "the orphan is reaped")
        self.assertEqual([state for _, state in pmxtest.children_of(first) if state == "Z"], [])
        os.kill(first, signal.SIGUSR1)
        self.seen(child, b"a got SIGUSR1")
        pid = int(subprocess.run([*enter, "sh", "-c", "cat \"$0\"/pids/a-0.pid", self.home.path], stdout=subprocess.PIPE, check=True).stdout)
        self.assertLess(pid, 1000)
        os.kill(first, signal.SIGTERM)
        self.assertEqual(self.code(child), 0)
        self.assertTrue(self.text(child).endswith(b"a bye\n"))


class Formats(Foreground):
    def apps(self):
        script = self.home.file("say.sh", "echo one; echo two >&2; printf three")
        return self.home.json_file("apps.json", {"apps": [{"name": name, "script": script, "autorestart": False} for name in ("a", "bb")]})

    def test_raw_of_several(self):
        child = self.start(self.apps(), "-s")
        self.assertEqual(self.code(child), 0)
        # An unfinished line comes when it stands still, or at the end.
        self.assertEqual(sorted(self.text(child).replace(b"three", b"three\n").split()), [b"one", b"one", b"three", b"three"])
        self.assertEqual(self.text(child, 1), b"two\ntwo\n")

    def test_formatted(self):
        child = self.start(self.apps(), "--formatted")
        self.assertEqual(self.code(child), 0)
        self.assertEqual(sorted(self.text(child).splitlines()),
                         sorted(b"%s  | %s" % (label, text) for label in (b"0|a ", b"1|bb") for text in (b"one", b"two", b"three")))

    def test_json(self):
        child = self.start(self.apps(), "--json")
        self.assertEqual(self.code(child), 0)
        records = [json.loads(line) for line in self.text(child).splitlines()]
        lines = [(record["app_name"], record["process_id"], record["type"], record["message"]) for record in records if record["type"] != "process_event"]
        self.assertEqual(sorted(lines), sorted((name, number, kind, text) for name, number in (("a", 0), ("bb", 1))
                                               for kind, text in (("out", "one"), ("err", "two"), ("out", "three"))))
        self.assertTrue(all(record["timestamp"] for record in records))
        events = {(record["app_name"], record["status"]) for record in records if record["type"] == "process_event"}
        self.assertIn(("a", "stopped"), events)

    def test_logfmt(self):
        child = self.start(self.apps(), "--format")
        self.assertEqual(self.code(child), 0)
        self.assertRegex(self.text(child), rb"(?m)^timestamp=\S+ app=a id=0 type=out message=one$")
        self.assertRegex(self.text(child), rb"(?m)^timestamp=\S+ app=bb id=1 type=error message=two$")

    def test_files_that_were_asked_for(self):
        script = self.home.file("say.sh", "echo one; echo two >&2; printf three")
        child = self.start(script, "--name", "x", "--no-autorestart", "--output", os.path.join(self.home.work, "x.txt"), "-s")
        self.assertEqual(self.code(child), 0)
        with open(os.path.join(self.home.work, "x.txt"), "rb") as file:
            self.assertEqual(file.read(), b"one\nthree")
        self.assertEqual((self.text(child), self.text(child, 1)), (b"one\nthree", b"two\n"))

    def test_lines_of_instances_are_not_mixed(self):
        script = self.home.file("lines.py", "import os\nfor i in range(3000): print(os.environ['NODE_APP_INSTANCE'], 'x' * 60, i)\n")
        child = self.start(script, "--name", "x", "-i", "2", "-x", "--no-autorestart", "-s")
        self.assertEqual(self.code(child), 0)
        lines = self.text(child).splitlines()
        for number in (b"0", b"1"):
            expected = [b"%s %s %d" % (number, b"x" * 60, i) for i in range(3000)]
            self.assertTrue([line for line in lines if line.startswith(number)] == expected, f"{len(lines)} lines, e.g. {lines[:2]} {lines[-2:]}")
        self.assertEqual(len(lines), 6000)


class FromStart(Foreground):
    def test_no_daemon(self):
        child = self.start("start", self.polite(), "--name", "a", "--no-daemon", program="pmx")
        self.seen(child, b"a ready")
        self.assertRegex(self.text(child), rb"(?m)^\d\d:\d\d:\d\d 0\|a  \| a ready$")
        self.assertEqual(self.home.log("a-out.log"), b"a ready\n")
        child.send_signal(signal.SIGINT)
        self.assertEqual(self.code(child), 0)
        self.assertTrue(self.text(child).endswith(b"a bye\n"))
        self.leaves_nothing()

    def test_attach(self):
        self.home.run("start", self.polite(), "--name", "other")
        child = self.start("start", self.polite(), "--name", "a", "--attach", program="pmx")
        self.seen(child, b"| a ready")
        pid = self.home.one("a")["pid"]
        os.kill(self.home.one("other")["pid"], signal.SIGUSR1)
        os.kill(pid, signal.SIGUSR1)
        self.seen(child, b"| a got SIGUSR1")
        self.assertNotIn(b"| other", self.text(child))
        child.send_signal(signal.SIGINT)
        self.assertEqual(self.code(child), 0)
        self.assertEqual(self.home.one("a")["pid"], pid)  # it stays
        again = self.start("start", "a", "--attach", program="pmx")
        self.seen(again, b"| a ready")
        self.assertIn(b"| a bye", self.text(again))  # of the restart; what was before is not shown again
        self.assertNotIn(b"SIGUSR1", self.text(again))
        with contextlib.suppress(ProcessLookupError):
            again.send_signal(signal.SIGTERM)
        self.assertEqual(self.code(again), 0)


if __name__ == "__main__":
    pmxtest.main()
