"""Log files and the `logs` command."""

import gzip
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
        self.home.run("start", script, "--no-autorestart", check=None)  # it may have ended by then
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

    def test_nothing_printed_wakes_nobody(self):
        self.home.json_file("apps.json", {"name": "app", "script": "echo hello; exec sleep 1000", "max_log_size": "10M", "log_file": True, "log_compress": True, "rotate_interval": "0 0 1 1 *"})
        self.home.run("start", "apps.json")
        eventually(lambda: self.home.log("app.log"), 10, "the line")

        def switches():
            count = {}
            for task in os.listdir(f"/proc/{self.home.daemon_pid}/task"):
                status = open(f"/proc/{self.home.daemon_pid}/task/{task}/status").read()
                count[status.splitlines()[0]] = int(pmxtest.re.search(r"^voluntary_ctxt_switches:\t(\d+)", status, pmxtest.re.M).group(1))
            return {name: n for name, n in count.items() if "log" in name or "archive" in name}

        def is_quiet():
            before = switches()
            time.sleep(1)  # the time in which nobody may wake
            return before and switches() == before

        eventually(is_quiet, 10, "a second without a wake-up")

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


    def test_a_line_longer_than_any_bound_is_cut_not_lost(self):
        script = self.home.file("long.py", "import os, time\nos.write(1, b'y' * 700000 + b'\\nnext\\n')\ntime.sleep(1000)\n")
        for name, options in (("dated", ("--log-date-format", "[at]")), ("json", ("--log-type", "json"))):
            with self.subTest(name):
                self.home.run("start", script, "--name", name, *options)
                log = lambda: self.home.log(f"{name}-out.log").decode().split("\n")[:-1]
                message = (lambda line: json.loads(line)["message"][:-1]) if name == "json" else (lambda line: line[4:])
                eventually(lambda: log() and message(log()[-1]) == "next", 10, "the line behind it")
                pieces = [message(line) for line in log()[:-1]]
                self.assertEqual("".join(pieces), "y" * 700000)
                self.assertGreater(min(map(len, pieces[:-1])), 60000)

    def test_bytes_that_are_no_text(self):
        script = self.home.file("bytes.py", "import os, time\nos.write(1, bytes(range(256)) + b'\\nend\\n')\ntime.sleep(1000)\n")
        self.home.run("start", script, "--name", "app", "--log-date-format", "[at]")
        self.home.run("start", script, "--name", "json", "--log-type", "json")
        eventually(lambda: self.home.log("app-out.log").endswith(b"end\n") and self.home.log("json-out.log").count(b"\n") == 3, 10, "both")
        first, second = bytes(range(10)), bytes(range(11, 256))
        self.assertEqual(self.home.log("app-out.log"), b"at: " + first + b"\nat: " + second + b"\nat: end\n")
        records = [json.loads(line) for line in self.home.log("json-out.log").decode().splitlines()]
        self.assertEqual(records[0]["message"].encode(), first + b"\n")
        self.assertEqual(records[1]["message"], bytes(range(11, 128)).decode() + "\ufffd" * 128 + "\n")  # JSON knows no other bytes


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
            self.home.run("list")
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


class Options(pmxtest.PmxTest):
    """What `logs` can be asked for, history and stream alike."""

    def records(self, lines):
        return [json.loads(line) for line in lines]

    def test_json_history_is_one_object_per_line_and_nothing_else(self):
        """pm2's trap 14."""
        self.home.run("start", "echo plain; echo bad >&2; exec sleep 1000", "--name", "plain", "--namespace", "one")
        self.home.run("start", "echo 'at: that'; exec sleep 1000", "--name", "dated", "--time")
        self.home.run("start", "echo hello; exec sleep 1000", "--name", "json", "--log-type", "json")
        eventually(lambda: all(self.home.log(f"{name}.log") for name in ("plain-out", "plain-error", "dated-out", "json-out")), 10, "the lines")
        result = self.home.run("logs", "one", "dated", "json", "--nostream", "--json")
        seen = {(r["app_name"], r["type"], r["message"]): r for r in self.records(result.stdout.splitlines())}
        self.assertEqual(set(seen), {("plain", "out", "plain"), ("plain", "err", "bad"), ("dated", "out", "at: that"), ("json", "out", "hello")})
        self.assertIsNone(seen["plain", "out", "plain"]["timestamp"])  # nobody knows
        for record in (seen["dated", "out", "at: that"], seen["json", "out", "hello"]):
            self.assertRegex(record["timestamp"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        self.assertEqual(seen["dated", "out", "at: that"]["process_id"], 1)

    def test_json_stream_with_process_events_of_the_target(self):
        self.home.run("start", "while :; do echo tick; sleep 0.05; done", "--name", "app")
        self.home.run("start", testapp(), "--name", "other", "--", "sleep")
        with Follow(self.home, "app", "--json", "--lines", "0") as follow:
            follow.wait_line("tick", follow.out)
            self.home.run("restart", "other")
            self.home.run("restart", "app")
            self.home.run("delete", "app")
            follow.wait_line("delete", follow.out)
            records = self.records(follow.out)
            events = [r["status"] for r in records if r["type"] == "process_event"]
            self.assertEqual(events, ["exit", "online", "restart", "exit", "stop", "delete"])
            self.assertEqual({r["app_name"] for r in records}, {"app"})
            self.assertEqual({r["message"] for r in records if r["type"] == "out"}, {"tick"})
            self.assertTrue(all(r["timestamp"].endswith("Z") for r in records))

    def test_format(self):
        self.home.run("start", "echo hello; exec sleep 1000", "--name", "app", "--time")
        eventually(lambda: self.home.log("app-out.log"), 10, "the line")
        self.assertRegex(self.home.run("logs", "app", "--nostream", "--format").stdout,
                         r"^timestamp=\d{4}-\d\d-\d\d-\d\d:\d\d:\d\d[+-]\d{4} app=app id=0 type=out message=hello\n$")

    def test_timestamp_with_and_without_a_format(self):
        self.home.run("start", "while :; do echo tick; sleep 0.05; done", "--name", "app")
        for options, pattern in ((("--timestamp", "HH:mm", "app"), r"^\d\d:\d\d 0\|app +\| tick$"),
                                 (("--timestamp", "app"), r"^\d{4}-\d\d-\d\d-\d\d:\d\d:\d\d 0\|app +\| tick$")):
            with self.subTest(options=options), Follow(self.home, "--lines", "0", *options) as follow:
                self.assertRegex(follow.wait_line("tick").decode(), pattern)

    def test_the_daemon_s_own_lines_with_those_of_all(self):
        self.home.run("start", "echo hello; exec sleep 1000", "--name", "app")
        eventually(lambda: self.home.log("app-out.log"), 10, "the line")
        for options, shown in (((), True), (("all",), True), (("app",), False), (("--out",), False), (("--err",), False)):
            with self.subTest(options=options):
                text = self.home.run("logs", "--nostream", *options).stdout
                self.assertEqual(bool(pmxtest.re.search(r"^PMX +\| .* ready, ", text, pmxtest.re.M)), shown, text)

    def test_the_daemon_alone_under_its_name(self):
        self.home.run("start", "echo of the app; exec sleep 1000", "--name", "app")
        for name in ("PMX", "pmx", "PM2"):
            shown = self.home.run("logs", name, "--nostream", "--raw", "--lines", "100").stdout
            self.assertIn("pmxd: pmx", shown)
            self.assertNotIn("of the app", shown)
        eventually(lambda: self.home.log("app-out.log") == b"of the app\n")
        both = self.home.run("logs", "app", "pmx", "--nostream", "--raw", "--lines", "100").stdout
        self.assertIn("pmxd: pmx", both)
        self.assertIn("of the app", both)

    def test_several_targets_and_unknown_ones(self):
        for name in ("a", "b", "c"):
            self.home.run("start", f"echo of-{name}; exec sleep 1000", "--name", name)
        eventually(lambda: all(self.home.log(f"{name}-out.log") for name in "abc"), 10, "the lines")
        text = self.home.run("logs", "a", "2", "--nostream").stdout
        self.assertEqual([name for name in "abc" if f"of-{name}" in text], ["a", "c"])
        for options in ((), ("--nostream",), ("--json",)):
            result = self.home.run("logs", "a", "nobody", *options, check=None)
            self.assertEqual(result.code, 3)
            self.assertEqual(json.loads(result.stdout)["ok"] if options == ("--json",) else bool(result.stdout), False)
            self.assertIn("nobody", result.stderr)

    def test_grep_since_until(self):
        script = self.home.file("p.py", "import time\nfor i in range(100): print('line', i)\nprint('LAST')\ntime.sleep(1000)\n")
        self.home.run("start", script, "--name", "app")
        self.home.run("start", script, "--name", "dated", "--time")
        eventually(lambda: self.home.log("app-out.log").endswith(b"LAST\n") and self.home.log("dated-out.log").endswith(b"LAST\n"), 10, "all lines")

        def lines(*options, app="app"):
            result = self.home.run("logs", app, "--nostream", "--out", *options)
            return [line.rpartition("| ")[2].rpartition(": ")[2] for line in result.stdout.splitlines()[1:]], result.stderr

        self.assertEqual(lines("--grep", "[37]$", "--lines", "3"), (["line 87", "line 93", "line 97"], ""))
        self.assertEqual(lines("--grep", "last"), ([], ""))
        self.assertEqual(lines("--grep", "last", "-i"), (["LAST"], ""))
        self.assertEqual(lines("--grep", "^line", "--invert"), (["LAST"], ""))
        self.assertEqual(len(lines("--since", "5m", app="dated")[0]), 101)
        self.assertEqual(lines("--since", "5m", "--lines", "2", app="dated"), (["line 99", "LAST"], ""))
        self.assertEqual(lines("--until", "5m", app="dated"), ([], ""))
        shown, remark = lines("--since", "5m")
        self.assertEqual(len(shown), 101)
        self.assertIn("lines in it have no date", remark)
        for options, word in ((("--grep", "("), "--grep"), (("--since", "soon"), "--since"), (("--invert",), "--grep"), (("--since", "1h", "--until", "2h"), "later")):
            result = self.home.run("logs", "app", "--nostream", *options, check=None)
            self.assertNotEqual(result.code, 0)
            self.assertIn(word, result.stderr)

    def test_grep_in_the_stream_and_an_end_by_until(self):
        self.home.run("start", "i=0; while :; do echo line $((i += 1)); sleep 0.02; done", "--name", "app")
        until = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(time.time() + 6))
        result = self.home.run("logs", "app", "--lines", "0", "--grep", "0$", "--until", until, timeout=30)
        shown = [line.rpartition(" ")[2] for line in result.stdout.splitlines()]
        self.assertGreater(len(shown), 1)
        self.assertTrue(all(number.endswith("0") for number in shown), shown)


class Combined(pmxtest.PmxTest):
    def test_both_streams_in_one_file_besides(self):
        own = os.path.join(self.home.work, "all.log")
        program = "for i in $(seq 1 500); do echo out-$i; echo err-$i >&2; done; printf half; exec sleep 1000"
        self.home.run("start", program, "--name", "app", "--log")
        self.home.run("start", program + " # another", "--name", "own", "--log", own)
        for path, name in ((os.path.join(self.home.path, "logs", "app.log"), "app"), (own, "own")):
            eventually(lambda: open(path).read().count("\n") == 1000, 10, f"all lines in {path}")
            lines = open(path).read().splitlines()
            for stream, file in (("out", "out"), ("err", "error")):
                expected = [f"{stream}-{i}" for i in range(1, 501)]
                self.assertEqual([line for line in lines if line.startswith(stream)], expected)
                self.assertEqual(self.home.log(f"{name}-{file}.log").decode().splitlines(), expected)
            self.assertEqual(self.home.instances(name)[0]["pm2_env"]["pm_log_path"], path)
        self.home.run("stop", "app")
        eventually(lambda: self.home.log("app-out.log").endswith(b"half") and self.home.log("app.log").endswith(b"half"), 10, "the unfinished line")
        self.assertIn("entire log path", self.home.run("show", "app").stdout)
        self.home.run("flush", "app")
        self.assertEqual(self.home.log("app.log"), b"")

    def test_names_with_several_instances(self):
        self.home.run("start", testapp(), "--name", "a", "-i", "2", "-x", "--log", "--", "sleep")
        self.assertEqual([os.path.basename(e["pm2_env"]["pm_log_path"]) for e in self.home.instances("a")], ["a-0.log", "a-1.log"])


class Rotation(pmxtest.PmxTest):
    COUNT = 20000
    PROGRAM = "import time\nfor i in range(COUNT): print(f'line {i} ' + 'x' * (i % 90), flush=i % 7 == 0)\nprint('the end', flush=True)\ntime.sleep(1000)\n"

    def script(self, count=COUNT):
        return self.home.file("p.py", self.PROGRAM.replace("COUNT", str(count)))

    def expected(self, count=COUNT):
        return [f"line {i} " + "x" * (i % 90) for i in range(count)] + ["the end"]

    def old(self, name="app-out"):
        directory = os.path.join(self.home.path, "logs")
        return [os.path.join(directory, file) for file in sorted(os.listdir(directory)) if file.startswith(name + "__") and not file.endswith(".part")]

    def everything(self, name="app-out"):
        """Lines of all files, oldest first; nothing if one was compressed or removed just now."""
        try:
            return self.lines_of_all(name)
        except FileNotFoundError:
            return []

    def lines_of_all(self, name):
        text = "".join(gzip.open(path, "rt").read() if path.endswith(".gz") else open(path).read() for path in self.old(name))
        return (text + self.home.log(f"{name}.log").decode()).splitlines()

    def wait_for_end(self):
        eventually(lambda: b"the end\n" in self.home.log("app-out.log"), 60, "the last line")

    def test_by_size_while_followed(self):
        with Follow(self.home, "--lines", "0", "--raw", "all") as follow:
            self.home.json_file("apps.json", {"name": "app", "script": self.script(), "max_log_size": "50K"})
            self.home.run("start", "apps.json")
            self.wait_for_end()
            self.assertEqual(self.everything(), self.expected())
            self.assertGreater(len(self.old()), 10)
            for path in self.old():
                self.assertLess(os.stat(path).st_size, 50 * 1024 + 200)
                self.assertTrue(open(path).read().endswith("\n"))
            follow.wait_line("the end", follow.out)
            self.assertEqual([line.decode() for line in follow.out if b"pmxd" not in line and b"keeper" not in line], self.expected())
        self.assertEqual(self.home.run("logs", "app", "--nostream", "--raw", "--lines", "5000", "--out").stdout.splitlines()[1:], self.expected()[-5000:])

    def test_compressed_and_bounded(self):
        self.home.run("start", self.script(), "--name", "app", "--max-log-size", "50K", "--log-retain", "4", "--log-compress", "--time")
        self.wait_for_end()
        eventually(lambda: len(self.old()) == 4 and all(path.endswith(".log.gz") for path in self.old()), 20, "four compressed files")
        lines = [line.split(": ", 1)[1] for line in self.everything()]
        self.assertEqual(lines, self.expected()[-len(lines):])
        shown = self.home.run("logs", "app", "--nostream", "--raw", "--since", "1h", "--out").stdout.splitlines()[1:]
        self.assertEqual([line.split(": ", 1)[1] for line in shown], lines)

    def test_by_time(self):
        self.home.run("start", "while :; do echo tick; sleep 0.05; done", "--name", "app", "--rotate-interval", "* * * * * *", "--no-autorestart")
        eventually(lambda: len(self.old()) >= 2, 10, "two files put aside")
        self.assertIn("rotate interval", self.home.run("show", "app").stdout)
        result = self.home.run("start", self.script(), "--name", "bad", "--rotate-interval", "often", check=None)
        self.assertEqual(result.code, 1)
        self.assertIn("often", result.stderr)

    def test_daemon_killed_meanwhile(self):
        program = self.PROGRAM.replace("i % 7 == 0)", "i % 7 == 0); time.sleep(0.0002)")
        self.PROGRAM = program
        self.home.run("start", self.script(6000), "--name", "app", "--max-log-size", "20K", "--log-retain", "1000", "--log-compress")
        for _ in range(3):
            seen = len(self.old())
            eventually(lambda: len(self.old()) > seen, 20, "more files")
            os.kill(self.home.daemon_pid, signal.SIGKILL)
            eventually(lambda: self.home.run("ping", check=None).code == 0, 10, "another daemon")
        self.wait_for_end()
        eventually(lambda: self.everything() == self.expected(6000), 10, "each line once, in order")

    def test_by_others_rename_and_truncate(self):
        """As logrotate does it: rename and reloadLogs, or copytruncate."""
        log = os.path.join(self.home.path, "logs", "app-out.log")
        self.home.run("start", "i=0; while :; do echo $((i += 1)); sleep 0.01; done", "--name", "app")
        eventually(lambda: self.home.log("app-out.log"), 10, "a line")
        os.rename(log, log + ".1")
        self.home.run("reloadLogs")
        eventually(lambda: self.home.log("app-out.log").count(b"\n") > 3, 10, "lines in the new one")
        self.home.run("stop", "app")
        numbers = (open(log + ".1").read() + open(log).read()).split()
        self.assertEqual(numbers, [str(i + 1) for i in range(len(numbers))])
        os.truncate(log, 0)
        self.home.run("start", "app")
        eventually(lambda: self.home.log("app-out.log").startswith(b"1\n2\n"), 10, "no hole at the beginning")

    def test_apply_changes_limits_in_place(self):
        self.home.json_file("apps.json", {"name": "app", "script": "while :; do echo tick; sleep 0.01; done"})
        self.home.run("start", "apps.json")
        pids = self.home.pids("app")
        self.home.json_file("apps.json", {"name": "app", "script": "while :; do echo tick; sleep 0.01; done", "max_log_size": 100})
        self.home.run("apply", "apps.json")
        eventually(lambda: self.old(), 10, "a file put aside")
        self.assertEqual(self.home.pids("app"), pids)


class Full(pmxtest.PmxTest):
    def full(self, *options):
        """An app whose log has no room, and that prints without end."""
        path = os.path.join(self.home.work, "full.log")
        os.symlink("/dev/full", path)
        self.home.run("start", self.home.file("p.py", "import itertools\nfor i in itertools.count(): print(i)\n"), "--name", "app", "-o", path, *options)
        return path

    def env(self):
        return self.home.instances("app")[0]["pm2_env"]

    def test_an_app_that_is_held_up_can_be_seen(self):
        path = self.full()
        eventually(lambda: "log_problem" in self.env(), 10, "the problem")
        self.assertIn("full.log: No space left on device; the output waits", self.home.run("list").stderr + self.home.run("list").stdout)
        self.assertIn("log problem", self.home.run("show", "app").stdout)
        os.unlink(path)
        eventually(lambda: "log_problem" not in self.env(), 10, "no problem any more")
        eventually(lambda: os.stat(path).st_size > 1000000, 10, "the app to go on")
        numbers = open(path, "rb").read(100000).split()[:-1]
        self.assertEqual(numbers, [str(i).encode() for i in range(len(numbers))])

    def test_what_is_dropped_is_counted(self):
        path = self.full("--log-when-full", "drop")
        lost = eventually(lambda: self.env().get("log_dropped"), 10, "the count")
        eventually(lambda: self.env()["log_dropped"] > lost, 10, "the app to go on")
        self.assertRegex(self.home.run("show", "app").stdout, r"log dropped +│ +\d+ bytes")
        os.unlink(path)
        eventually(lambda: "log_problem" not in self.env(), 10, "no problem any more")
        self.assertIn("bytes had no room and are lost", self.home.run("list").stdout + self.home.run("list").stderr)

    def test_the_daemon_s_own_log_is_bounded(self):
        path = os.path.join(self.home.path, "pmx.log")
        self.home.run("ping", check=None)
        self.home.run("list")
        with open(path, "a") as file:
            file.write(("x" * 99 + "\n") * 120000)
        self.full()
        eventually(lambda: os.path.exists(path + ".1") and os.stat(path).st_size < 10000, 10, "a short log")
        self.assertGreater(os.stat(path + ".1").st_size, 12000000)
        eventually(lambda: "what was before is in pmx.log.1" in open(path).read(), 10, "the remark")


if __name__ == "__main__":
    pmxtest.main()
