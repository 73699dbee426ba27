"""Log files and the `logs` command."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "fixtures"))
import pmxtest
import spam
from pmxtest import eventually, fixture, testapp


class Follow:
    """A running `pmx logs ...`; collects the lines of both of its streams."""

    def __init__(self, home, *args):
        self.child = home.popen("logs", *args, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.out, self.err = [], []
        self.threads = [threading.Thread(target=self._read, args=pair, daemon=True) for pair in ((self.child.stdout, self.out), (self.child.stderr, self.err))]
        for thread in self.threads:
            thread.start()

    @staticmethod
    def _read(stream, lines):
        for line in stream:
            lines.append(line.rstrip(b"\n"))

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.child.send_signal(signal.SIGINT)
        try:
            self.child.wait(10 * pmxtest.SLOW)
        finally:
            self.child.kill()
            self.child.wait()
            for thread in self.threads:
                thread.join()
            self.child.stdout.close()
            self.child.stderr.close()

    def wait_line(self, text, stream=None):
        """Waits for a line holding `text`."""
        text = text.encode()
        lines = (lambda: self.out + self.err) if stream is None else (lambda: stream)
        return eventually(lambda: next((line for line in lines() if text in line), None), 10, f"{text!r}, seen {lines()[-5:]}")


class Bytes(pmxtest.PmxTest):
    def test_20_megabytes_and_gone(self):
        expected = spam.everything()
        for stream, file, arguments in (("out", "spam-out.log", ()), ("error", "spam2-error.log", ("--", "--stderr"))):
            with self.subTest(stream=stream):
                name = file.split("-")[0]
                self.home.start(name, "--no-autorestart", *arguments, script="spam.py")
                self.home.wait_status(name, "stopped", 60)
                data = self.home.log(file)
                self.assertEqual(len(data), len(expected))
                self.assertTrue(data == expected, "the bytes differ")

    def test_native_program_five_times(self):
        """All of it is there as soon as the instance counts as stopped, each time, appended."""
        self.home.run("start", testapp(), "--name", "w", "--no-autorestart", "--", "write", "1000001")
        one = (bytes(range(256)) * 3907)[:1000001]
        for round_number in range(1, 6):
            self.home.wait_status("w", "stopped", 30)
            self.assertTrue(self.home.log("w-out.log") == one * round_number, f"round {round_number}: {len(self.home.log('w-out.log'))} bytes")
            if round_number < 5:
                self.home.run("start", "w")

    def test_last_lines_before_a_crash(self):
        script = self.home.file("c.js", "for (let i = 0; i < 2000; ++i) console.error('line ' + i); process.abort();\n")
        self.home.run("start", script, "--no-autorestart")
        self.home.wait_status("c", "stopped", 30)
        lines = self.home.log("c-error.log").decode().split("\n")
        self.assertEqual([line for line in lines if line.startswith("line ")], [f"line {i}" for i in range(2000)])

    def test_an_app_that_keeps_printing_is_never_blocked_by_others(self):
        self.home.run("start", "while :; do echo tick; sleep 0.05; done", "--name", "ticker")
        self.home.start("spam", "--no-autorestart", script="spam.py")
        self.home.wait_status("spam", "stopped", 60)
        count = self.home.log("ticker-out.log").count(b"\n")
        eventually(lambda: self.home.log("ticker-out.log").count(b"\n") > count + 3, 10, "more ticks")


class Lines(pmxtest.PmxTest):
    """With a date or as JSON: one record for each line, whatever pieces it was written in."""

    LINES = 20000
    # Pieces that split lines, and the last line has no end.
    PROGRAM = """import os, random
text = "".join(f"line {i} {'x' * (i % 90)}\\n" for i in range(LINES)).encode()[:-1]
random.seed(5)
at = 0
while at < len(text):
    size = random.randint(1, 400)
    os.write(1, text[at:at + size])
    at += size
"""

    def start_program(self, *options):
        self.home.run("start", self.home.file("lines.py", self.PROGRAM.replace("LINES", str(self.LINES))), "--name", "app", "--no-autorestart", *options)

    def expected(self):
        return [f"line {i} {'x' * (i % 90)}" for i in range(self.LINES)]

    def lines(self):
        return self.home.log("app-out.log").decode().split("\n")[:-1]

    def wait_for_all(self):
        eventually(lambda: len(self.lines()) >= self.LINES, 60, "all lines")
        return self.lines()

    def test_with_a_date(self):
        self.start_program("--time")
        lines = self.wait_for_all()
        for line in lines:
            self.assertRegex(line, r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d: line \d+ x*$")
        self.assertEqual([line.split(": ", 1)[1] for line in lines], self.expected())

    def test_as_json(self):
        self.start_program("--log-type", "json")
        records = [json.loads(line) for line in self.wait_for_all()]
        self.assertEqual([record["message"] for record in records], [line + "\n" for line in self.expected()])
        self.assertEqual({(record["app_name"], record["process_id"], record["type"]) for record in records}, {("app", 0, "out")})

    def test_daemon_killed_meanwhile(self):
        """Nothing is lost; at most what was being written is there twice."""
        self.LINES = 60000
        self.PROGRAM = "import time\n" + self.PROGRAM + "    time.sleep(0.0002)\n"  # so that it lasts some seconds
        self.start_program("--log-date-format", "HH")
        for _ in range(3):
            seen = len(self.lines())
            eventually(lambda: len(self.lines()) > seen, 20, "more lines")
            os.kill(self.home.daemon_pid, signal.SIGKILL)
            eventually(lambda: self.home.run("ping", check=None).code == 0, 10, "another daemon")
        eventually(lambda: self.lines()[-1].endswith(self.expected()[-1]), 60, "the last line")
        lines = [line.split(": ", 1)[1] for line in self.lines()]
        self.assertEqual(set(self.expected()) - set(lines), set())
        self.assertEqual(set(lines) - set(self.expected()), set())

    def test_the_unfinished_line_of_a_run_is_not_glued_to_the_next(self):
        script = self.home.file("half.sh", "#!/bin/sh\nprintf 'begin\\nhalf'\nexec sleep 1000\n", mode=0o755)
        self.home.run("start", script, "--name", "app", "--log-date-format", "[at]")
        eventually(lambda: self.lines() == ["at: begin"], 10, "the first line")
        for runs in (1, 2):
            os.kill(self.home.pids("app")[0], signal.SIGKILL)
            eventually(lambda: self.lines() == ["at: begin", "at: half"] * runs + ["at: begin"], 10, "the next run")

    def test_what_waits_for_its_end_costs_nothing(self):
        script = self.home.file("half.sh", "#!/bin/sh\nprintf 'begin\\nhalf'\nexec sleep 1000\n", mode=0o755)
        self.home.run("start", script, "--name", "app", "--time")
        eventually(lambda: len(self.lines()) == 1, 10, "the first line")
        ticks = self.ticks()
        time.sleep(1)  # the time in which it must be idle
        self.assertLessEqual(self.ticks() - ticks, 3)

    def ticks(self):
        with open(f"/proc/{self.home.daemon_pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
        return int(fields[11]) + int(fields[12])

    def test_long_lines_and_a_change_of_style(self):
        script = self.home.file("long.py", "import os, time\nfor size in (10, 60000, 120000): os.write(1, b'y' * size + b'\\n')\ntime.sleep(1000)\n")
        self.home.json_file("apps.json", {"name": "app", "script": script, "log_date_format": "[at]"})
        self.home.run("start", "apps.json")
        eventually(lambda: [len(line) for line in self.lines()] == [14, 60004, 120004], 10, "three lines")
        self.home.json_file("apps.json", {"name": "app", "script": script})
        self.home.run("apply", "apps.json")
        self.home.run("restart", "app")
        eventually(lambda: [len(line) for line in self.lines()] == [14, 60004, 120004, 10, 60000, 120000], 10, "three more, as they are")


class Names(pmxtest.PmxTest):
    def paths(self, name):
        return [(os.path.relpath(e["pm2_env"]["pm_out_log_path"], self.home.path), os.path.relpath(e["pm2_env"]["pm_err_log_path"], self.home.path))
                for e in self.home.instances(name)]

    def test_plain_fork(self):
        self.home.run("start", testapp(), "--name", "a", "--", "sleep")
        self.assertEqual(self.paths("a"), [("logs/a-out.log", "logs/a-error.log")])

    def test_instances(self):
        self.home.run("start", testapp(), "--name", "a", "-i", "2", "-x", "--", "sleep")
        self.assertEqual(self.paths("a"), [("logs/a-out-0.log", "logs/a-error-0.log"), ("logs/a-out-1.log", "logs/a-error-1.log")])

    def test_cluster_of_one(self):
        self.home.start("a", "-i", "1", env={"PORT": pmxtest.free_port()})
        self.assertEqual(self.paths("a"), [("logs/a-out-0.log", "logs/a-error-0.log")])

    def test_merge_logs(self):
        port = pmxtest.free_port()
        self.home.start("a", "-i", "2", "--merge-logs", env={"PORT": port})
        self.assertEqual(self.paths("a"), [("logs/a-out.log", "logs/a-error.log")] * 2)
        eventually(lambda: self.home.log("a-out.log") == f"listening on {port}\n".encode() * 2, 10, "lines of both")
        # pmx keeps the meaning after reload and scale (pm2's trap 11 is the other way round).
        self.home.run("reload", "a", timeout=60)
        self.home.run("scale", "a", "3")
        self.assertEqual(self.paths("a"), [("logs/a-out.log", "logs/a-error.log")] * 3)

    def test_separate_after_reload_and_scale(self):
        """pm2's trap 11."""
        self.home.start("a", "-i", "2", env={"PORT": pmxtest.free_port()})
        self.home.run("reload", "a", timeout=60)
        self.home.run("scale", "a", "3")
        self.assertEqual(self.paths("a"), [(f"logs/a-out-{i}.log", f"logs/a-error-{i}.log") for i in range(3)])

    def test_custom_paths(self):
        out, error = os.path.join(self.home.work, "deep/dir/o.log"), os.path.join(self.home.work, "e.txt")
        self.home.run("start", "echo to-out; echo to-err >&2; exec sleep 1000", "--name", "c", "-o", out, "-e", error)
        eventually(lambda: os.path.exists(out) and open(out).read() == "to-out\n" and open(error).read() == "to-err\n", 10, "both files")

    def test_dev_null(self):
        self.home.run("start", "echo x; echo y >&2; exec sleep 1000", "--name", "none", "-o", "/dev/null", "-e", "/dev/null")
        self.home.wait_status("none", "online")
        self.assertEqual(os.stat("/dev/null").st_size, 0)
        self.assertEqual([name for name in os.listdir(os.path.join(self.home.path, "logs")) if name.startswith("none")], [])

    def test_odd_name(self):
        self.home.run("start", testapp(), "--name", "a b/c", "--", "sleep")
        self.assertEqual(self.paths("a b/c"), [("logs/a-b-c-out.log", "logs/a-b-c-error.log")])


class History(pmxtest.PmxTest):
    def setUp(self):
        super().setUp()
        self.home.run("start", "for i in $(seq 1 40); do echo out-$i; echo err-$i >&2; done; echo last; exec sleep 1000", "--name", "app")
        eventually(lambda: self.home.log("app-out.log").endswith(b"last\n") and self.home.log("app-error.log").endswith(b"err-40\n"), 10, "all lines")

    def shown(self, *args):
        result = self.home.run("logs", "app", "--nostream", *args)
        text = result.stdout + result.stderr
        lines = [line for line in text.splitlines() if pmxtest.re.search(r"\b(out|err)-\d+$|\blast$", line)]
        return [pmxtest.re.search(r"((?:out|err)-\d+|last)$", line).group(1) for line in lines], text

    def test_default_is_15_lines_per_file(self):
        lines, text = self.shown()
        self.assertEqual([line for line in lines if not line.startswith("err")], [f"out-{i}" for i in range(27, 41)] + ["last"])
        self.assertEqual([line for line in lines if line.startswith("err")], [f"err-{i}" for i in range(26, 41)])
        self.assertRegex(text, r"0\|app +\| out-40")

    def test_lines(self):
        lines, _ = self.shown("--lines", "3")
        self.assertEqual(sorted(lines), ["err-38", "err-39", "err-40", "last", "out-39", "out-40"])
        self.assertEqual(len(self.shown("--lines", "1000")[0]), 81)
        self.assertEqual(self.shown("--lines", "0")[0], [])

    def test_long_lines_are_complete(self):
        """pm2 reads 200 bytes per wished line only."""
        self.home.run("start", "for i in 1 2 3; do head -c 100000 /dev/zero | tr '\\0' $i; echo; done; exec sleep 1000", "--name", "long")
        eventually(lambda: len(self.home.log("long-out.log")) == 300003, 10, "the lines")
        result = self.home.run("logs", "long", "--nostream", "--raw", "--lines", "2", "--out")
        self.assertEqual([line for line in result.stdout.splitlines() if len(line) > 1000], ["2" * 100000, "3" * 100000])

    def test_out_and_err(self):
        self.assertFalse([line for line in self.shown("--out")[0] if line.startswith("err")])
        self.assertEqual(len(self.shown("--out")[0]), 15)
        self.assertFalse([line for line in self.shown("--err")[0] if not line.startswith("err")])
        self.assertEqual(len(self.shown("--err")[0]), 15)

    def test_raw(self):
        result = self.home.run("logs", "app", "--nostream", "--raw", "--lines", "2")
        self.assertIn("\nout-40\nlast\n", "\n" + result.stdout)
        self.assertIn("err-40", (result.stdout + result.stderr).splitlines())

    def test_by_id_namespace_regex_and_all(self):
        self.home.run("start", "echo of-other; exec sleep 1000", "--name", "other", "--namespace", "ns")
        eventually(lambda: self.home.log("other-out.log") == b"of-other\n", 10, "line of the other")
        for target, app, other in ((("0",), True, False), (("ns",), False, True), (("/^ot/",), False, True), ((), True, True), (("all",), True, True)):
            with self.subTest(target=target):
                text = self.home.run("logs", *target, "--nostream").stdout
                self.assertEqual(("out-40" in text, "of-other" in text), (app, other))

    def test_logs_of_a_stopped_app(self):
        self.home.run("stop", "app")
        self.assertEqual(self.shown("--lines", "1", "--out")[0], ["last"])


class Stream(pmxtest.PmxTest):
    def setUp(self):
        super().setUp()
        self.port, self.other_port = pmxtest.free_port(), pmxtest.free_port()
        self.home.start("web", env={"PORT": self.port})
        self.home.start("other", env={"PORT": self.other_port})
        pmxtest.wait_http(self.port)
        pmxtest.wait_http(self.other_port)
        pmxtest.get_json(self.port, "/log?text=before")

    def test_history_then_live(self):
        with Follow(self.home, "web") as follow:
            follow.wait_line("before")
            for number in range(20):
                pmxtest.get_json(self.port, f"/log?text=live-{number}")
            follow.wait_line("live-19")
            pmxtest.get_json(self.port, "/err?text=bad")
            follow.wait_line("bad")
            seen = [line for line in follow.out + follow.err if b"live-" in line]
            self.assertEqual(len(seen), 20, seen)  # each once, in order
            self.assertEqual([line.rpartition(b"live-")[2] for line in seen], [str(number).encode() for number in range(20)])
            self.assertEqual(len([line for line in follow.out if b"before" in line]), 1)

    def test_only_what_was_asked_for(self):
        with Follow(self.home, "web", "--lines", "0") as follow, Follow(self.home, "--lines", "0") as everything:
            self.ready(everything, self.other_port, "sync-other")
            self.ready(everything, self.port, "sync-web")
            self.ready(follow, self.port, "sync-web-2")
            pmxtest.get_json(self.other_port, "/log?text=elsewhere")
            pmxtest.get_json(self.port, "/log?text=here")
            for text in ("elsewhere", "here"):
                everything.wait_line(text)
            follow.wait_line("here")
            self.assertFalse([line for line in follow.out if b"elsewhere" in line or b"before" in line])
            self.assertRegex(everything.wait_line("elsewhere").decode(), r"^1\|other +\| elsewhere$")

    def ready(self, follow, port, text):
        """Prints lines until the follower shows one: it is subscribed now."""

        def printed():
            pmxtest.get_json(port, f"/log?text={text}")
            return any(text.encode() in line for line in follow.out)

        eventually(printed, 10, f"subscription, {text}")

    def test_raw_out_err(self):
        with Follow(self.home, "web", "--raw", "--out", "--lines", "0") as out, Follow(self.home, "web", "--raw", "--err", "--lines", "0") as err:
            self.ready(out, self.port, "sync")

            def err_ready():
                pmxtest.get_json(self.port, "/err?text=esync")
                return any(b"esync" in line for line in err.out + err.err)

            eventually(err_ready, 10, "subscription")
            pmxtest.get_json(self.port, "/log?text=to-out")
            pmxtest.get_json(self.port, "/err?text=to-err")
            self.assertEqual(out.wait_line("to-out"), b"to-out")
            self.assertEqual(err.wait_line("to-err"), b"to-err")
            self.assertFalse([line for line in out.out + out.err if b"to-err" in line or b"esync" in line])
            self.assertFalse([line for line in err.out + err.err if b"to-out" in line or line == b"sync"])

    def test_goes_on_over_restart_and_daemon_crash(self):
        with Follow(self.home, "web", "--lines", "0") as follow:
            self.ready(follow, self.port, "sync")
            self.home.run("restart", "web")
            pmxtest.wait_http(self.port)
            pmxtest.get_json(self.port, "/log?text=after-restart")
            follow.wait_line("after-restart")

    def test_reader_that_goes_away_harms_nobody(self):
        for _ in range(10):
            child = self.home.popen("logs", "web", stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            child.stdout.readline()
            child.kill()
            child.wait()
            child.stdout.close()
        self.home.run("ping")
        pmxtest.get_json(self.port, "/log?text=still-there")
        eventually(lambda: b"still-there" in self.home.log("web-out.log"), 10, "the line")

    def test_reader_that_does_not_read_blocks_nobody(self):
        """Its queue is bounded: what it misses is dropped, app and files go on."""
        child = self.home.popen("logs", "--lines", "0", stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        try:
            self.home.start("spam", "--no-autorestart", script="spam.py")
            self.home.wait_status("spam", "stopped", 60)
            self.assertEqual(len(self.home.log("spam-out.log")), spam.BLOCKS * 1024)
            self.assertLess(self.home.run("list").seconds, 3 * pmxtest.SLOW)
        finally:
            child.kill()
            child.wait()
            child.stdout.close()

    def test_flush_while_following(self):
        with Follow(self.home, "web", "--lines", "0") as follow:
            self.ready(follow, self.port, "sync")
            self.home.run("flush", "web")
            self.assertEqual(self.home.log("web-out.log"), b"")
            pmxtest.get_json(self.port, "/log?text=after-flush")
            follow.wait_line("after-flush")
        self.assertEqual(self.home.log("web-out.log"), b"after-flush\n")
        self.assertNotEqual(self.home.log("other-out.log"), b"")

    def test_flush_all(self):
        self.home.run("flush")
        self.assertEqual((self.home.log("web-out.log"), self.home.log("other-out.log")), (b"", b""))


if __name__ == "__main__":
    pmxtest.main()
