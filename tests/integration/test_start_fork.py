"""`start` in fork mode: what is run, how, and what a failure looks like."""

import json
import os
import signal
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import pmxtest
from pmxtest import eventually, fixture, testapp


def state_of(home, name, stem=None):
    """What `testapp state` found, from the app's out file."""

    def whole_line():
        line = home.log(f"{stem or name}-out.log")
        return json.loads(line.splitlines()[-1]) if line.endswith(b"}\n") else None

    state = eventually(whole_line, 10, f"state of {name}")
    for key in ("argv", "env"):
        state[key] = [bytes.fromhex(item) for item in state[key]]
    state["cwd"] = bytes.fromhex(state["cwd"])
    state["fds"] = {int(fd): bytes.fromhex(target).decode("utf-8", "replace") for fd, target in state["fds"].items()}
    state["env"] = dict(item.partition(b"=")[::2] for item in state["env"])
    return state


class Interpreters(pmxtest.PmxTest):
    PROGRAMS = {
        "js": "console.log('hello from', process.argv.slice(2).join('|')); setInterval(() => {}, 1000)",
        "cjs": "console.log('hello from', process.argv.slice(2).join('|')); setInterval(() => {}, 1000)",
        "mjs": "import fs from 'fs'; console.log('hello from', process.argv.slice(2).join('|')); setInterval(() => {}, 1000)",
        "sh": "echo \"hello from $1|$2\"; exec sleep 1000",
        "py": "import sys, signal\nprint('hello from', '|'.join(sys.argv[1:]))\nsignal.pause()",
        "rb": "$stdout.sync = true; puts 'hello from ' + ARGV.join('|'); sleep",
        "pl": "$| = 1; print 'hello from ' . join('|', @ARGV) . \"\\n\"; sleep 1000;",
        "php": "<?php array_shift($argv); echo 'hello from ' . implode('|', $argv) . \"\\n\"; sleep(1000);",
    }
    NEEDS = {"rb": "ruby", "php": "php", "pl": "perl", "js": "node", "cjs": "node", "mjs": "node", "py": "python3", "sh": "sh"}

    def test_by_extension(self):
        names = []
        for extension, text in self.PROGRAMS.items():
            if not any(os.access(os.path.join(d, self.NEEDS[extension]), os.X_OK) for d in pmxtest.PATH.split(":")):
                print(f"SKIPPED interpreter for .{extension}: no {self.NEEDS[extension]} here", file=sys.stderr)
                continue
            names.append(extension)
            self.home.run("start", self.home.file(f"app-{extension}.{extension}", text), "--name", f"x-{extension}", "--", "a b", "c")
        self.assertGreaterEqual(len(names), 6)
        for extension in names:
            # Python must not buffer: the line is there although the program goes on.
            eventually(lambda: self.home.log(f"x-{extension}-out.log") == b"hello from a b|c\n", 10, f"output of .{extension}")
            self.home.wait_status(f"x-{extension}", "online")

    def test_typescript_without_bun_says_so_or_runs(self):
        script = self.home.file("app.ts", "const x: number = 3;\nconsole.log('ts', x);\nsetInterval(() => {}, 1000);\n")
        result = self.home.run("start", script, check=None)
        if result.code == 0:
            eventually(lambda: self.home.log("app-out.log") == b"ts 3\n", 10, "output of app.ts")
        else:
            self.assertEqual(result.code, 1)
            self.assertRegex(result.stderr, r"(?i)bun|typescript|\.ts|node")

    def test_default_name_is_base_name_without_extension(self):
        self.home.run("start", self.home.file("web.server.js", "setInterval(() => {}, 1000)"))
        self.home.wait_status("web.server", "online")

    def test_shebang_and_execute_bit_without_extension(self):
        self.home.run("start", self.home.file("tool", "#!/bin/sh\necho shell $0 $1\nexec sleep 1000\n", 0o755), "--", "arg")
        eventually(lambda: self.home.log("tool-out.log") == f"shell {self.home.work}/tool arg\n".encode(), 10, "shebang output")

    def test_shebang_without_extension_is_not_given_to_node(self):
        self.home.run("start", self.home.file("script", "#!/usr/bin/env python3\nimport signal\nprint('python', flush=True)\nsignal.pause()\n", 0o755))
        eventually(lambda: self.home.log("script-out.log") == b"python\n", 10, "shebang output")

    def test_binary_directly(self):
        self.home.run("start", testapp(), "--name", "native", "--", "state", "x")
        state = state_of(self.home, "native")
        self.assertEqual(state["argv"][1:], [b"state", b"x"])
        self.assertEqual(self.home.one("native")["pid"], state["pid"])

    def test_word_on_path(self):
        self.home.run("start", "sleep", "--", "1000")
        entry = self.home.wait_status("sleep", "online")[0]
        self.assertRegex(entry["pm2_env"]["pm_exec_path"], r"^/.*/sleep$")
        self.assertRegex(pmxtest.command_line(entry["pid"]), r"sleep 1000$")

    def test_explicit_interpreter_and_its_arguments(self):
        script = self.home.file("odd.txt", "import sys\nprint(sys.flags.optimize, sys.argv[1:], flush=True)\nimport signal\nsignal.pause()\n")
        self.home.run("start", script, "--name", "odd", "--interpreter", "python3", "--interpreter-args", "-O -B", "--", "z")
        eventually(lambda: self.home.log("odd-out.log") == b"1 ['z']\n", 10, "output")
        self.assertEqual(self.home.one("odd")["pm2_env"]["node_args"], ["-O", "-B"])

    def test_node_args(self):
        script = self.home.file("args.js", "console.log(JSON.stringify(process.execArgv)); setInterval(() => {}, 1000)")
        self.home.run("start", script, "--node-args", "--max-old-space-size=200 --stack-trace-limit=7")
        eventually(lambda: self.home.log("args-out.log") == b'["--max-old-space-size=200","--stack-trace-limit=7"]\n', 10, "output")

    def test_interpreter_none(self):
        self.home.run("start", self.home.file("x.js", "#!/bin/sh\necho by shebang\nexec sleep 1000\n", 0o755), "--interpreter", "none", "--name", "direct")
        eventually(lambda: self.home.log("direct-out.log") == b"by shebang\n", 10, "output")
        self.assertEqual(self.home.one("direct")["pm2_env"]["exec_interpreter"], "none")

    def test_unknown_interpreter(self):
        result = self.home.fails("start", fixture("server.js"), "--interpreter", "no-such-interpreter")
        self.assertIn("no-such-interpreter", result.stderr)
        self.assertEqual(self.home.jlist(), [])

    def test_quoted_command(self):
        self.home.run("start", "echo one; echo $((1 + 1)); exec sleep 1000", "--name", "text")
        eventually(lambda: self.home.log("text-out.log") == b"one\n2\n", 10, "output of the shell command")
        shown = self.home.run("show", "text").stdout
        self.assertRegex(shown, r"(?i)shell")
        self.assertIn("echo one; echo $((1 + 1))", shown)

    def test_quoted_command_ends_as_a_whole(self):
        self.home.run("start", "sleep 1001 & sleep 1002; echo never", "--name", "text")
        pid = self.home.wait_status("text", "online")[0]["pid"]
        family = eventually(lambda: [child for child, _ in pmxtest.children_of(pid)] if len(pmxtest.children_of(pid)) == 2 else None)
        self.home.run("stop", "text")
        self.assertEqual([p for p in [pid, *family] if pmxtest.process_alive(p)], [])


class Arguments(pmxtest.PmxTest):
    def test_byte_exact(self):
        arguments = [b"state", b"", b" ", b"a b", b'"quoted"', b"it's", b"$HOME `id` \\", b"line\nbreak", b"tab\t", b"*", b"--name", b"-x", b"--", "h\u00e9\u20ac".encode(),
                     b"\xff\xfe invalid", b"{}", b"a=b", b"x" * 5000]
        self.home.run("start", testapp(), "--name", "exact", "--", *[os.fsdecode(item) for item in arguments])
        self.assertEqual(state_of(self.home, "exact")["argv"][1:], arguments)

    def test_kept_over_restart(self):
        self.home.run("start", testapp(), "--name", "exact", "--", "state", "a  b", b"\xff".decode("utf-8", "surrogateescape"))
        first = state_of(self.home, "exact")
        self.home.run("restart", "exact")
        second = eventually(lambda: (lambda s: s if s["pid"] != first["pid"] else None)(state_of(self.home, "exact")))
        self.assertEqual(second["argv"], first["argv"])

    def test_several_targets(self):
        one, two = self.home.file("one.sh", "exec sleep 1000"), self.home.file("two.sh", "exec sleep 1000")
        self.home.run("start", one, two)
        self.assertEqual(sorted(entry["name"] for entry in self.home.jlist()), ["one", "two"])

    def test_several_targets_stop_at_the_first_missing(self):
        one, two = self.home.file("one.sh", "exec sleep 1000"), self.home.file("two.sh", "exec sleep 1000")
        result = self.home.fails("start", one, "missing.sh", two)
        self.assertIn("missing.sh", result.stderr)
        self.assertEqual([entry["name"] for entry in self.home.jlist()], ["one"])

    def test_relative_script_and_cwd(self):
        os.makedirs(os.path.join(self.home.work, "sub dir"))
        self.home.file("sub dir/here.sh", "pwd; exec sleep 1000")
        self.home.run("start", "here.sh", "--cwd", os.path.join(self.home.work, "sub dir"))
        expected = os.path.join(self.home.work, "sub dir")
        eventually(lambda: self.home.log("here-out.log").decode() == expected + "\n", 10, "pwd")
        self.assertEqual(self.home.one("here")["pm2_env"]["pm_cwd"], expected)

    def test_cwd_is_that_of_the_caller(self):
        directory = os.path.join(self.home.work, "d")
        os.mkdir(directory)
        self.home.run("start", testapp(), "--name", "cwd", cwd=directory)
        self.assertEqual(state_of(self.home, "cwd")["cwd"].decode(), directory)


class Failures(pmxtest.PmxTest):
    def assert_exec_failure(self, result, path, name, symbol, text):
        self.assertIn(path, result.stderr)
        self.assertRegex(result.stderr, rf"(?i){symbol}|{text}")
        self.assertRegex(result.stderr, r"(?i)exec")
        entry = self.home.one(name)
        self.assertEqual(entry["pm2_env"]["status"], "errored")
        self.assertFalse(entry.get("pid"))
        self.assertEqual(entry["monit"], {"memory": 0, "cpu": 0})

    def test_interpreter_of_shebang_missing(self):
        path = self.home.file("bad", "#!/no/such/interpreter\n", 0o755)
        self.assert_exec_failure(self.home.fails("start", path), path, "bad", "ENOENT", "no such file")

    def test_not_a_program(self):
        path = self.home.file("data", b"\x7fELF but not really" + bytes(100), 0o755)
        self.assert_exec_failure(self.home.fails("start", path, "--interpreter", "none"), path, "data", "ENOEXEC", "exec format")

    def test_no_execute_bit(self):
        """Seen before anything is registered."""
        path = self.home.file("plain", "#!/bin/sh\nexit 0\n", 0o644)
        result = self.home.fails("start", path, "--interpreter", "none")
        self.assertIn(path, result.stderr)
        self.assertRegex(result.stderr, r"(?i)not executable|EACCES|permission denied")
        self.assertEqual(self.home.jlist(), [])

    def test_execute_bit_lost_later(self):
        path = self.home.file("plain", "#!/bin/sh\nexec sleep 1000\n", 0o755)
        self.home.run("start", path)
        os.chmod(path, 0o644)
        self.assert_exec_failure(self.home.fails("restart", "plain"), path, "plain", "EACCES", "permission denied")

    def test_working_directory_missing(self):
        directory = os.path.join(self.home.work, "gone")
        os.mkdir(directory)
        script = self.home.file("web.sh", "exec sleep 1000")
        self.home.run("start", script, "--cwd", directory)
        self.home.run("stop", "web")
        os.rmdir(directory)
        result = self.home.fails("restart", "web")
        self.assertIn(directory, result.stderr)
        self.assertRegex(result.stderr, r"(?i)ENOENT|no such file")
        self.assertEqual(self.home.statuses("web"), ["errored"])
        # Repaired: the same entry starts.
        os.mkdir(directory)
        self.home.run("restart", "web")
        self.home.wait_status("web", "online")

    def test_other_apps_keep_their_figures(self):
        self.home.run("start", testapp(), "--name", "good", "--", "sleep")
        self.home.fails("start", self.home.file("bad", "#!/no/such/interpreter\n", 0o755))
        eventually(lambda: self.home.one("good")["monit"]["memory"] > 0, 10, "memory of the other app")

    def test_missing_script(self):
        result = self.home.fails("start", "./nothing-here.js")
        self.assertIn("nothing-here.js", result.stderr)
        self.assertEqual(self.home.jlist(), [])

    def test_no_argument_and_no_config(self):
        self.home.fails("start")


class Again(pmxtest.PmxTest):
    def setUp(self):
        super().setUp()
        self.script = self.home.file("web.sh", "exec sleep 1000")
        self.home.run("start", self.script)
        self.first = self.home.wait_status("web", "online")[0]

    def test_same_path_is_refused(self):
        result = self.home.fails("start", self.script)
        self.assertRegex(result.stderr, r"(?i)already")
        self.assertEqual(self.home.one("web")["pid"], self.first["pid"])
        self.assertEqual(self.home.one("web")["pm2_env"]["restart_time"], 0)

    def test_force_makes_a_second_copy(self):
        self.home.run("start", self.script, "-f")
        entries = self.home.wait_status("web", "online", count=2)
        self.assertEqual([entry["pm_id"] for entry in entries], [0, 1])
        self.assertEqual(entries[0]["pid"], self.first["pid"])
        self.assertNotEqual(entries[1]["pid"], self.first["pid"])

    def test_other_name_is_another_app(self):
        self.home.run("start", self.script, "--name", "other")
        self.home.wait_status("other", "online")
        self.assertEqual(self.home.one("web")["pid"], self.first["pid"])

    def test_name_restarts(self):
        self.home.run("start", "web")
        entry = self.home.wait_status("web", "online")[0]
        self.assertNotEqual(entry["pid"], self.first["pid"])
        self.assertEqual(entry["pm2_env"]["restart_time"], 1)

    def test_id_restarts(self):
        self.home.run("start", "0")
        self.assertEqual(self.home.wait_status("web", "online")[0]["pm2_env"]["restart_time"], 1)

    def test_stopped_is_started_without_counting(self):
        self.home.run("stop", "web")
        self.home.run("start", "web")
        entry = self.home.wait_status("web", "online")[0]
        self.assertEqual(entry["pm2_env"]["restart_time"], 0)
        self.home.run("stop", "web")
        self.home.run("start", self.script)
        entry = self.home.wait_status("web", "online")[0]
        self.assertEqual((entry["pm_id"], entry["pm2_env"]["restart_time"]), (0, 0))

    def test_ids_are_not_reused_until_the_list_is_empty(self):
        self.home.run("start", self.script, "--name", "other")
        self.home.run("delete", "web")
        self.home.run("start", self.script, "--name", "third")
        self.assertEqual(self.home.one("third")["pm_id"], 2)
        self.home.run("delete", "all")
        self.home.run("start", self.script)
        self.assertEqual(self.home.one("web")["pm_id"], 0)


class ChildState(pmxtest.PmxTest):
    def test_clean_process(self):
        """Whatever the first pmx command had open, ignored or blocked, the app sees nothing of it."""
        read_end, write_end = os.pipe()
        self.addCleanup(os.close, read_end)
        self.addCleanup(os.close, write_end)

        def spoil():
            for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGPIPE, signal.SIGTERM):
                signal.signal(number, signal.SIG_IGN)
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR2, signal.SIGINT, signal.SIGCHLD})

        self.home.run("start", testapp(), "--name", "clean", preexec_fn=spoil, restore_signals=False, pass_fds=(read_end, write_end))
        state = state_of(self.home, "clean")
        self.assertEqual(sorted(state["fds"]), [0, 1, 2, 3], state["fds"])
        self.assertEqual((int(state["blocked"], 16), int(state["ignored"], 16)), (0, 0))
        self.assertEqual((state["sid"], state["pgid"]), (state["pid"], state["pid"]))
        self.assertEqual(state["ppid"], self.home.keeper_pid)
        # And still so for a restarted one.
        self.home.run("restart", "clean")
        second = eventually(lambda: (lambda s: s if s["pid"] != state["pid"] else None)(state_of(self.home, "clean")))
        self.assertEqual(sorted(second["fds"]), [0, 1, 2, 3], second["fds"])
        self.assertEqual((int(second["blocked"], 16), int(second["ignored"], 16)), (0, 0))

    def test_survives_the_callers_session(self):
        """The command runs on a terminal that goes away (SIGHUP to its session): app and daemon stay."""
        import pty

        child, terminal = pty.fork()
        if child == 0:
            os.chdir(self.home.work)
            os.execve(self.home.command()[0], self.home.command("start", testapp(), "--name", "tty", "--", "sleep"), self.home.environment())
        while True:
            try:
                if not os.read(terminal, 4096):
                    break
            except OSError:
                break
        os.close(terminal)
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), 0)
        pid = self.home.one("tty")["pid"]
        self.assertTrue(pmxtest.process_alive(pid))
        self.assertEqual(self.home.one("tty")["pm2_env"]["restart_time"], 0)

    def test_environment(self):
        self.home.run("start", testapp(), "--name", "env", "--namespace", "shop", env={"FROM_SHELL": "a b=c", "ODD": "line\nbreak"})
        env = state_of(self.home, "env")["env"]
        self.assertEqual(env[b"FROM_SHELL"], b"a b=c")
        self.assertEqual(env[b"ODD"], b"line\nbreak")
        self.assertEqual(env[b"NODE_APP_INSTANCE"], b"0")
        self.assertEqual(env[b"pm_id"], b"0")
        self.assertEqual(env[b"name"], b"env")
        self.assertEqual(env[b"namespace"], b"shop")
        self.assertEqual(env[b"PMX_HOME"].decode(), self.home.path)

    def test_environment_is_that_of_the_first_start(self):
        """Not the daemon's, not that of the shell that restarts (without --update-env)."""
        self.home.run("list", env={"FROM_DAEMON": "1"})
        self.home.run("start", testapp(), "--name", "env", env={"COLOUR": "red"})
        first = state_of(self.home, "env")
        self.assertNotIn(b"FROM_DAEMON", first["env"])
        self.home.run("restart", "env", env={"COLOUR": "blue", "NEW": "1"})
        second = eventually(lambda: (lambda s: s if s["pid"] != first["pid"] else None)(state_of(self.home, "env")))
        self.assertEqual(second["env"][b"COLOUR"], b"red")
        self.assertNotIn(b"NEW", second["env"])
        self.home.run("restart", "env", "--update-env", env={"COLOUR": "blue", "NEW": "1"})
        third = eventually(lambda: (lambda s: s if s["pid"] != second["pid"] else None)(state_of(self.home, "env")))
        self.assertEqual((third["env"][b"COLOUR"], third["env"][b"NEW"]), (b"blue", b"1"))


class Channel(pmxtest.PmxTest):
    def test_node_channel(self):
        port = pmxtest.free_port()
        self.home.start("web", env={"PORT": port})
        pmxtest.wait_http(port)
        self.assertTrue(pmxtest.get_json(port)["canSend"])
        # A message of the app harms nobody and blocks nobody.
        for number in range(50):
            pmxtest.get_json(port, f"/send?text={number}{'x' * 2000}")
        self.home.wait_status("web", "online")

    def test_variables(self):
        self.home.run("start", testapp(), "--name", "any")
        env = state_of(self.home, "any")["env"]
        self.assertEqual((env[b"NODE_CHANNEL_FD"], env[b"NODE_CHANNEL_SERIALIZATION_MODE"]), (b"3", b"json"))

    def test_shell_says_ready(self):
        self.home.run("start", fixture("ready.sh"), "--wait-ready", "--listen-timeout", "20000", timeout=15)
        entry = self.home.one("ready")
        self.assertEqual(entry["pm2_env"]["status"], "online")
        self.assertEqual(self.home.log("ready-out.log"), b"said ready on fd 3\n")

    def test_launching_until_ready(self):
        child = self.home.popen("start", fixture("ready.js"), "--name", "slow", "--wait-ready", "--listen-timeout", "60000",
                                stdout=pmxtest.subprocess.DEVNULL, stderr=pmxtest.subprocess.DEVNULL)
        try:
            eventually(lambda: self.home.log("slow-out.log") == b"waiting for SIGUSR2\n", 10, "the app's first line")
            entry = self.home.wait_status("slow", "launching")[0]
            self.assertIsNone(child.poll())
            os.kill(entry["pid"], signal.SIGUSR2)
            self.home.wait_status("slow", "online")
            self.assertEqual(child.wait(10 * pmxtest.SLOW), 0)
        finally:
            child.kill()
            child.wait()

    def test_not_ready_in_time_is_online(self):
        self.home.run("start", testapp(), "--name", "mute", "--wait-ready", "--listen-timeout", "300", "--", "sleep")
        self.assertEqual(self.home.statuses("mute"), ["online"])


if __name__ == "__main__":
    pmxtest.main()
