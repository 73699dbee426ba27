"""pm2 7's 36 traps: a test each shows that pmx does not have it, here or where ELSEWHERE says; the table of its exit codes (TableOfExitCodes) and the checklist
of a tool like pm2 (CHECKLIST)."""

import json
import os
import re
import shutil
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import pmxtest
from pmxtest import eventually, testapp

# Trap: the tests of another file that show that pmx does not have it.
ELSEWHERE = {
    8: ["test_cluster.test_broken_version_keeps_the_old_one"],  # reload of a broken release
    10: ["test_commands.test_of_one_app_only"],  # options of `restart all`
    12: ["test_logs.test_with_a_date", "test_logs.test_the_unfinished_line_of_a_run_is_not_glued_to_the_next"],  # --time per chunk
    13: ["test_logs.test_as_json"],  # a record per chunk
    17: ["test_commands.test_app_that_dies_at_once_is_a_failure_of_start"],
    18: ["test_watch.test_burst", "test_watch.test_stop_and_start"],  # watch is not debounced, and is off after a stop
    27: ["test_survival.test_under_load"],
    30: ["test_runtime.test_start_that_fails"],
    35: ["test_restart_policy.test_whole_tree_with_a_detached_grandchild"],
    36: ["test_reload.test_message_comes_when_the_work_is_done", "test_reload.test_message_at_stop"],
}

# Line of the checklist: where its test is.
CHECKLIST = {
    1: ["test_start_fork.test_byte_exact"],
    2: ["test_start_fork.test_same_path_is_refused", "test_start_fork.test_force_makes_a_second_copy"],
    3: ["test_start_fork.test_name_restarts", "test_start_fork.test_stopped_is_started_without_counting"],
    4: ["test_commands.test_unknown", "test_commands.test_empty_list"],
    5: ["test_commands.test_name_before_namespace_before_id", "test_commands.test_name_id_namespace_regex_all_several"],
    6: ["test_commands.test_script_path_is_a_target"],
    7: ["test_restart_policy.test_at_once_is_15_restarts_then_errored", "test_restart_policy.test_max_restarts"],
    8: ["test_restart_policy.test_stop_exit_codes", "test_restart_policy.test_no_autorestart"],
    9: ["test_restart_policy.test_exponential_backoff"],
    10: ["test_restart_policy.test_ignoring_sigint_ends_by_sigkill_after_kill_timeout", "test_stop.test_leader"],
    11: ["test_start_fork.test_launching_until_ready", "test_start_fork.test_not_ready_in_time_is_online"],
    12: ["test_cluster.test_under_load", "test_cluster.test_ids_logs_and_instance_numbers_are_kept"],
    13: ["test_logs.test_plain_fork", "test_logs.test_dev_null", "test_commands.test_flush"],
    14: ["test_logs.test_lines", "test_logs.test_out_and_err"],
    15: ["test_config.test_basic_keys", "test_config.test_module_and_only"],
    16: ["test_reload.test_increment_var"],
    17: ["test_traps.test_09_update_env", "test_start_fork.test_environment_is_that_of_the_first_start"],
    18: ["test_save.test_save_kill_resurrect", "test_save.test_corrupt_dump_falls_back_to_the_backup_and_is_not_lost"],
    19: ["test_upkeep.test_fork_app_is_restarted", "test_upkeep.test_cron", "test_traps.test_start"],
    20: ["test_watch.test_hidden_files_are_ignored_by_default", "test_watch.test_ignored"],
    21: ["test_commands.test_scale_of_fork_copies"],
    22: ["test_commands.test_schema"],
    23: ["test_runtime.test_graceful_stop_in_order", "test_runtime.test_several_apps"],
    24: [],  # `startup` prints what to call
    25: [],  # the traps
}


class Shared(pmxtest.PmxTest):
    """One home for a class; each test begins with an empty list."""

    @classmethod
    def setUpClass(cls):
        cls.shared = pmxtest.Home()

    @classmethod
    def tearDownClass(cls):
        try:
            cls.shared.close()
        finally:
            cls.shared.remove()

    def setUp(self):
        self.home = self.shared
        if self.home.jlist():
            self.home.run("delete", "all")

    def once_bad(self, name="once"):
        """A script that ends with 1 the first time and runs the second time."""
        mark = os.path.join(self.home.work, f"{self.id()}.mark")
        return self.home.file(f"{name}.sh", f"test -e '{mark}' || {{ touch '{mark}'; exit 1; }}\nexec sleep 1000")

    def environment_of(self, name):
        with open(f"/proc/{self.home.one(name)['pid']}/environ", "rb") as file:
            return dict(entry.split("=", 1) for entry in file.read().decode().split("\0") if "=" in entry)


class Restarts(Shared):
    def test_01_resurrected_crash_loop_ends(self):
        self.home.run("start", testapp(), "--name", "bad", "--max-restarts", "3", "--", "exit", "1", check=None)
        self.home.wait_status("bad", "errored")
        self.home.run("save")
        self.home.run("kill")
        self.home.run("resurrect", check=None)
        entry = self.home.wait_status("bad", "errored")[0]
        self.assertLessEqual(entry["pm2_env"]["restart_time"], 3)

    def test_02_restart_of_what_waits(self):
        for verb in ("restart", "reload", "start"):
            with self.subTest(verb=verb):
                self.home.run("start", self.once_bad(verb), "--name", verb, "--restart-delay", "10m", check=None)
                self.home.wait_status(verb, "waiting restart")
                self.home.run(verb, verb)
                self.home.wait_status(verb, "online")
                os.remove(os.path.join(self.home.work, f"{self.id()}.mark"))

    def test_03_stop_while_launching(self):
        self.home.run("start", testapp(), "--name", "x", "--wait-ready", "--listen-timeout", "10m", "--no-wait", "--", "sleep")
        pid = self.home.wait_status("x", "launching")[0]["pid"]
        self.home.run("stop", "x")
        self.assertEqual(self.home.statuses("x"), ["stopped"])
        self.assertFalse(pmxtest.process_alive(pid))
        self.home.run("list")
        self.assertEqual(self.home.one("x")["pid"], 0)

    def test_04_no_autostart_can_be_started(self):
        self.home.run("start", testapp(), "--name", "x", "--no-autostart", "--", "sleep")
        self.assertEqual(self.home.statuses("x"), ["stopped"])
        self.home.run("start", "x")
        self.home.wait_status("x", "online")

    def test_05_delay_and_limit(self):
        self.home.run("start", testapp(), "--name", "bad", "--restart-delay", "20", "--max-restarts", "2", "--", "exit", "1", check=None)
        self.home.wait_status("bad", "errored")
        self.home.run("start", testapp(), "--name", "once", "--restart-delay", "20", "--no-autorestart", "--", "exit", "1", check=None)
        self.assertEqual(self.home.statuses("once"), ["stopped"])

    def test_06_slow_crash_is_errored(self):
        self.home.run("start", self.home.file("slow.sh", "sleep 0.3; exit 1"), "--name", "slow", "--min-uptime", "100", "--max-restarts", "2")
        self.home.wait_status("slow", "errored")

    def test_07_death_by_signal(self):
        self.home.run("start", testapp(), "--name", "x", "--stop-exit-codes", "0", "--max-restarts", "2", "--", "raise", "9", check=None)
        env = self.home.wait_status("x", "errored")[0]["pm2_env"]  # 0 has not matched
        self.assertEqual((env["exit_code"], env["exit_signal"]), (128 + 9, "SIGKILL"))

    def test_16_spawn_failure(self):
        self.home.run("start", testapp(), "--name", "good", "--", "sleep")
        self.home.run("start", self.home.file("broken", b"\x7fELF nonsense", 0o755), "--name", "broken", "--interpreter", "none", check=None)
        entry = self.home.one("broken")
        self.assertEqual((entry["pm2_env"]["status"], entry.get("pid", 0)), ("errored", 0))
        eventually(lambda: self.home.one("good")["monit"]["memory"] > 0, 10, "the others keep their figures")

    def test_19_cron_leaves_alone_what_was_stopped(self):
        self.home.run("start", testapp(), "--name", "x", "--cron", "* * * * * *", "--", "sleep")
        eventually(lambda: self.home.one("x")["pm2_env"]["restart_time"] >= 1, 10, "restarted by its time")
        self.home.run("stop", "x")
        self.home.run("start", testapp(), "--name", "clock", "--cron", "* * * * * *", "--", "sleep")
        eventually(lambda: self.home.one("clock")["pm2_env"]["restart_time"] >= 1, 10, "a second has passed")
        self.assertEqual(self.home.statuses("x"), ["stopped"])


class Environment(Shared):
    def test_09_every_change_of_a_file_is_applied(self):
        other = os.path.join(self.home.work, "other")
        os.makedirs(other, exist_ok=True)
        app = {"name": "x", "script": testapp(), "args": ["sleep"], "env": {"OLD": "1", "KEPT": "1"}}
        self.home.run("start", self.home.json_file("a.json", {"apps": [app]}))
        self.assertEqual(self.environment_of("x")["OLD"], "1")
        app.update(args=["state"], cwd=other, out_file=os.path.join(other, "x.log"), instances=2, exec_mode="fork", env={"KEPT": "2"})
        self.home.json_file("a.json", {"apps": [app]})
        self.home.run("restart", "a.json")
        entries = self.home.wait_status("x", "online", count=2)
        for entry in entries:
            self.assertEqual(os.readlink(f"/proc/{entry['pid']}/cwd"), other)
            self.assertTrue(os.path.exists(entry["pm2_env"]["pm_out_log_path"]), entry["pm2_env"]["pm_out_log_path"])
            self.assertTrue(entry["pm2_env"]["pm_out_log_path"].startswith(other))
            with open(f"/proc/{entry['pid']}/environ", "rb") as file:
                variables = file.read().split(b"\0")
            self.assertIn(b"KEPT=2", variables)
            self.assertNotIn(b"OLD=1", variables)

    def test_09_update_env(self):
        self.home.run("start", testapp(), "--name", "x", "--", "sleep", env={"SHELL_SAYS": "old"})
        self.home.run("restart", "x", env={"SHELL_SAYS": "new"})
        self.assertEqual(self.environment_of("x")["SHELL_SAYS"], "old")
        self.home.run("restart", "x", "--update-env", env={"SHELL_SAYS": "new"})
        self.assertEqual(self.environment_of("x")["SHELL_SAYS"], "new")

    def test_20_variables_are_no_settings(self):
        app = {"name": "x", "script": testapp(), "args": ["sleep"], "kill_timeout": 2000, "env": {"status": "mine", "args": "mine", "autorestart": "false"}}
        self.home.run("start", self.home.json_file("a.json", {"apps": [app]}))
        entry = self.home.one("x")["pm2_env"]
        self.assertEqual((entry["status"], entry["args"], entry["autorestart"]), ("online", ["sleep"], True))
        variables = self.environment_of("x")
        self.assertEqual([variables[key] for key in ("status", "args", "autorestart")], ["mine", "mine", "false"])
        for key in ("kill_timeout", "watch", "pm_exec_path", "treekill", "exec_interpreter", "merge_logs", "vizion"):
            self.assertNotIn(key, variables)

    def test_20_a_variable_does_not_rename(self):
        app = {"name": "x", "script": testapp(), "args": ["sleep"], "env": {"name": "y"}}
        self.home.run("start", self.home.json_file("a.json", {"apps": [app]}))
        self.assertEqual([entry["name"] for entry in self.home.jlist()], ["x"])

    def test_21_env_without_a_file(self):
        self.home.run("start", testapp(), "--name", "x", "--env", "production", "--", "sleep")
        self.assertEqual([key for key in self.environment_of("x") if key.isdigit()], [])

    def test_33_no_agent(self):
        self.home.run("start", self.home.file("app.js", "setInterval(() => {}, 1000)"), "--name", "x")
        self.assertNotIn("NODE_OPTIONS", self.environment_of("x"))
        with open(f"/proc/{self.home.one('x')['pid']}/cmdline", "rb") as file:
            words = file.read().decode().split("\0")[:-1]
        self.assertEqual((os.path.basename(words[0]), words[1:]), ("node", [os.path.join(self.home.work, "app.js")]))

    def test_34_nothing_of_the_daemons_environment(self):
        self.home.run("kill")
        self.home.run("start", testapp(), "--name", "first", "--", "sleep", env={"LC_MINE": "of the first caller"})
        port = pmxtest.free_port()
        self.home.start("second", "-i", "1", env={"PORT": port})
        self.assertNotIn("LC_MINE", self.environment_of("second"))


class CommandLine(Shared):
    def test_11_log_files_of_instances(self):
        self.home.start("x", "-i", "2", env={"PORT": pmxtest.free_port()})
        self.home.run("reload", "x")
        self.home.run("restart", "x")
        self.home.run("scale", "x", "3")
        paths = [entry["pm2_env"]["pm_out_log_path"] for entry in self.home.instances("x")]
        self.assertEqual(len(set(paths)), 3)
        self.assertEqual([entry["pm2_env"]["merge_logs"] for entry in self.home.instances("x")], [False] * 3)

    def test_14_logs(self):
        self.home.fails("logs", "nope", "--nostream", code=3)
        self.home.fails("logs", "nope", code=3)
        self.home.run("start", self.home.file("say.sh", "echo said; exec sleep 1000"), "--name", "x", "--namespace", "n")
        eventually(lambda: b"said" in self.home.run("logs", "n", "--nostream").out, 10, "history of a namespace")

    def test_15_shebang(self):
        self.home.run("start", self.home.file("tool", "#!/bin/sh\nexec sleep 1000\n", 0o755), "--name", "x")
        comm = f"/proc/{self.home.one('x')['pid']}/comm"

        def runs():
            with open(comm) as file:
                return file.read() == "sleep\n"

        eventually(runs, 10, "the script has been run by what its first line says")

    def test_22_several_stop_exit_codes(self):
        for codes in (("3", "5"), ("3,5",)):
            self.home.run("start", testapp(), "--name", "x", "--stop-exit-codes", *codes, "--", "exit", "5")
            self.home.wait_status("x", "stopped")
            self.home.run("delete", "x")

    def test_23_watch_delay_with_a_unit(self):
        for delay in ("1500ms", "2s", "1"):
            self.home.run("start", testapp(), "--name", "x", "--watch-delay", delay, "--", "sleep")
            self.home.run("delete", "x")

    def test_24_several_targets_and_negative_numbers(self):
        for name in ("a", "b"):
            self.home.run("start", testapp(), "--name", name, "--", "sleep")
        self.home.run("reload", "a", "b")
        self.assertEqual([entry["pm2_env"]["restart_time"] for entry in self.home.jlist()], [1, 1])
        self.home.fails("reset", "99", code=3)
        self.home.run("scale", "a", "3")
        self.home.run("scale", "a", "-1")
        self.assertEqual(len(self.home.instances("a")), 2)

    def test_25_odd_names(self):
        for name in ("two words", "a/b", "file.js", "3.14", "ünï"):
            with self.subTest(name=name):
                self.home.run("start", testapp(), "--name", name, "--", "sleep")
                for verb in ("stop", "start", "restart", "reload", "describe", "reset", "delete"):
                    self.home.run(verb, name)

    def test_26_modules(self):
        if shutil.which("node", path=pmxtest.PATH) is None:
            self.skipTest("needs node")
        app = f"{{ name: 'x', script: {json.dumps(testapp())}, args: ['sleep'] }}"
        for name, text in (("a.config.mjs", f"export default {{ apps: [{app}] }}"), ("b.config.mjs", f"export const apps = [{app}]"),
                           ("c.config.cjs", f"module.exports = {{ apps: [{app}] }}")):
            with self.subTest(file=name):
                self.home.run("start", self.home.file(name, text))
                self.home.wait_status("x", "online")
                self.home.run("delete", "x")

    def test_28_only_json(self):
        self.home.run("kill")
        self.assertEqual(self.home.run("jlist").out, b"[]")

    def test_29_what_starts_no_daemon(self):
        self.home.run("kill")
        for words, code in ((("-v",), 0), (("--version",), 0), (("--help",), 0), (("start", "--help"), 0), (("ping",), 7), (("kill",), 0), ((), 1), (("nonsense",), 2)):
            self.home.run(*words, check=code)
        self.assertEqual(self.home.living(), [])

    def test_31_memory_of_the_whole_tree(self):
        self.home.run("start", "python3 -c 'import time; x = bytearray(60 << 20); time.sleep(1000)'; true", "--name", "x")
        eventually(lambda: self.home.one("x")["monit"]["memory"] > 60 << 20, 10, "the child's memory is counted")

    def test_32_every_problem_is_named(self):
        apps = [{"name": "good", "script": testapp(), "args": ["sleep"]}, {"name": "bad", "script": testapp(), "max_restarts": "many"},
                {"name": "worse", "script": testapp(), "kill_timeout": []}]
        failed = self.home.fails("start", self.home.json_file("a.json", {"apps": apps}))
        for word in ("bad", "max_restarts", "worse", "kill_timeout"):
            self.assertIn(word, failed.stderr)
        self.assertEqual(self.home.jlist(), [])
        told = self.home.run("start", self.home.json_file("a.json", {"apps": [dict(apps[0], max_restart=3)]}), check=None)
        self.assertIn("max_restart", told.stderr)


class TableOfExitCodes(Shared):
    """pm2-surface 4.2. pm2 knows 0 and 1; where it says 1, pmx may say more exactly why. What pm2 gets wrong is said to fail here."""

    def ok(self, *words, **options):
        self.home.run(*words, **options)

    def fails(self, *words, **options):
        self.home.fails(*words, **options)

    def test_unknown_targets(self):
        self.ok("start", testapp(), "--name", "x", "--", "sleep")
        for verb in ("stop", "restart", "delete", "reload", "describe", "reset"):
            self.fails(verb, "nope")
            self.fails(verb, "99")
        self.fails("scale", "nope", "2")
        self.fails("sendSignal", "SIGUSR1", "nope")
        self.fails("env", "99")
        self.ok("id", "nope")
        self.ok("pid", "nope")
        self.fails("logs", "nope", "--nostream")  # pm2: 0
        self.fails("flush", "nope")  # pm2: 0

    def test_empty_list(self):
        for verb in ("stop", "restart", "delete", "reload", "start"):
            self.fails(verb, "all")
        self.ok("save")
        self.assertFalse(os.path.exists(os.path.join(self.home.path, "dump.pmx")))
        self.ok("resurrect")
        self.ok("save", "--force")
        os.remove(os.path.join(self.home.path, "dump.pmx"))

    def test_start(self):
        a, b = (self.home.file(f"{name}.sh", "exec sleep 1000") for name in "ab")
        self.fails("start", "missing.js")
        self.fails("start", "missing.json")
        self.fails("start", a, "--interpreter", "no-such-program")
        self.fails("start", a, "--max-restarts", "many")
        self.fails("start", a, "--cron", "not a time")
        self.fails("start")
        self.fails("start", a, b, "missing.js")
        self.assertEqual(sorted(entry["name"] for entry in self.home.jlist()), ["a", "b"])
        self.fails("start", a)  # runs already
        self.ok("start", "a")  # by name: restarted
        self.assertEqual(self.home.one("a")["pm2_env"]["restart_time"], 1)
        self.ok("stop", "a")
        self.ok("stop", "a")
        self.ok("start", a)  # the stopped entry is started
        self.assertEqual(len(self.home.jlist()), 2)
        self.ok("start", self.home.json_file("a.json", {"apps": [{"name": "c", "script": a}]}), "--only", "nomatch")
        self.home.run("start", testapp(), "--name", "x", "--", "exit", "1", check=None)
        eventually(lambda: self.home.run("restart", "x", check=None).code == 1, 10, "an app that ends at once is a failure")  # pm2: 0
        self.fails("scale", "a", "1")
        self.fails("restart", "a", "--env", "x")
        self.ok("restart", "a.json", "--env", "unknown")

    def test_kill_and_words_too_many(self):
        for verb in ("save", "resurrect", "kill"):
            self.fails(verb, "foo")
        self.ok("kill")
        self.ok("kill")


class Tables(pmxtest.PmxTest):
    """Whatever is named above exists, and no trap is left out."""

    def setUp(self):
        pass

    def test_names(self):
        here = os.path.dirname(os.path.abspath(__file__))
        files = {}
        for name in (name for table in (ELSEWHERE, CHECKLIST) for names in table.values() for name in names):
            file, test = name.split(".")
            if file not in files:
                with open(os.path.join(here, f"{file}.py")) as source:
                    files[file] = source.read()
            self.assertIn(f"    def {test}(", files[file])

    def test_no_trap_is_left_out(self):
        with open(os.path.abspath(__file__)) as source:
            here = {int(number) for number in re.findall(r"def test_(\d\d)_", source.read())}
        self.assertEqual(here | set(ELSEWHERE), set(range(1, 37)))
        self.assertEqual(set(CHECKLIST), set(range(1, 26)))


if __name__ == "__main__":
    pmxtest.main()
