"""watch: apps that are restarted when their files change."""

import os
import shutil
import signal
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import pmxtest
from pmxtest import Load, eventually, fixture

SCRIPT = "echo run\nexec sleep 1000\n"


class WatchTest(pmxtest.PmxTest):
    """An app in a directory of its own below the work directory."""

    def setUp(self):
        super().setUp()
        self.app = os.path.join(self.home.work, "app")
        self.save("main.sh", SCRIPT)

    def path(self, name):
        return os.path.join(self.app, name)

    def save(self, name, text="text\n"):
        return self.home.file(os.path.join("app", name), text)

    def start(self, *options, name="app"):
        return self.home.run("start", self.path("main.sh"), "--name", name, *options, cwd=self.app)

    def start_file(self, **keys):
        path = self.home.json_file("apps.json", {"apps": [{"name": "app", "script": self.path("main.sh"), "cwd": self.app, **keys}]})
        return self.home.run("start", path)

    def env(self, name="app"):
        return self.home.one(name)["pm2_env"]

    def restarted(self, times, why=None, seconds=15):
        """Waits for exactly so many restarts in all, the last one because of `why`."""

        def reached():
            env = self.env()
            if (env["restart_time"], env["status"]) != (times, "online") or (why or "") not in env["reason"]:
                raise AssertionError(f"{env['restart_time']} restarts, {env['status']}: {env['reason']}, expected {times}: {why}")
            return True

        eventually(reached, seconds, "restarted")


class Changes(WatchTest):
    def test_one_save_one_restart(self):
        self.save("src/a.js")
        self.start("--watch")
        self.assertIs(self.env()["watch"], True)
        self.assertIn("enabled", self.home.run("list").stdout)
        before = self.home.one("app")["pid"]
        self.save("src/a.js", "more\n")
        self.restarted(1, "src/a.js changed")
        self.assertNotEqual(self.home.one("app")["pid"], before)
        self.assertIn("src/a.js changed", self.home.run("show", "app").stdout)
        self.assertIn("app: src/a.js changed", self.home.daemon_log())
        # Another restart for the first save would count too.
        self.save("b.js")
        self.restarted(2, "b.js changed")
        os.remove(self.path("b.js"))
        self.restarted(3, "b.js changed")

    def test_burst(self):
        self.start("--watch", "--watch-delay", "1500ms")
        for number in range(10):
            self.save(f"file{number}")
        self.restarted(1, "file0 and 9 more changed")
        self.save("file0")
        self.restarted(2, "restarted: file0 changed")

    def test_new_directory(self):
        self.start("--watch")
        os.makedirs(self.path("new/deep"))
        self.restarted(1, "new")
        self.save("new/deep/file")
        self.restarted(2, "new/deep/file changed")
        shutil.rmtree(self.path("new"))
        self.restarted(3, "new")

    def test_saved_by_rename(self):
        """As vi and others do: the new file takes the old one's place."""
        self.save("a.js")
        self.start("--watch")
        os.rename(self.path("a.js"), self.path("a.js~"))
        self.save("a.js", "new\n")
        os.remove(self.path("a.js~"))
        self.restarted(1, "restarted: a.js changed")
        self.save("a.js.swp", "new\n")
        os.rename(self.path("a.js.swp"), self.path("a.js"))
        self.restarted(2, "restarted: a.js changed")

    def test_touch_is_a_change_and_reading_is_none(self):
        self.save("a.js")
        self.save("b.js")
        self.start("--watch")
        with open(self.path("b.js")) as file:
            file.read()
        os.listdir(self.app)
        with open(self.path("a.js"), "a"):
            os.utime(self.path("a.js"))
        self.restarted(1, "restarted: a.js changed")

    def test_symbolic_links(self):
        """Inside a tree they are not followed; as a path to watch they are."""
        self.save("src/a.js")
        elsewhere = os.path.join(self.home.work, "elsewhere")
        os.mkdir(elsewhere)
        os.symlink(elsewhere, self.path("src/link"))
        os.symlink(self.path("src"), self.path("entry"))
        self.start_file(watch=["entry"])
        self.home.file("elsewhere/file", "text")
        self.save("src/a.js", "more")
        self.restarted(1, "restarted: entry/a.js changed")
        os.remove(self.path("src/link"))
        self.restarted(2, "restarted: entry/link changed")


class Paths(WatchTest):
    def test_ignored(self):
        for name in ("node_modules/lib/index.js", ".git/index", "build/old.js", "deep/file"):
            self.save(name)
        self.start_file(watch=True, ignore_watch=["*.tmp", "data", "/build/*.js", "!/build/main.js"], out_file="out.log", error_file="err.log")
        for name in ("node_modules/lib/index.js", "node_modules/other/index.js", ".git/index", ".git/HEAD", "x.tmp", "sub.tmp/file", "data/file",
                     "deep/data", "build/old.js", "build/new.js", "4913", "main.sh~"):
            self.save(name, "more")
        self.home.run("flush")
        os.rename(self.path("out.log"), self.path("out.log.1"))
        self.home.run("reloadLogs")
        eventually(lambda: os.path.exists(self.path("out.log")), 10, "the log again")
        self.save("build/main.js")
        self.restarted(1, "restarted: build/main.js changed")

    def test_hidden_files_are_ignored_by_default(self):
        self.start("--watch")
        self.save(".env")
        self.save(".cache/file")
        self.save("main.js")
        self.restarted(1, "restarted: main.js changed")

    def test_ignored_on_the_command_line(self):
        self.start("--watch", "--ignore-watch", "*.tmp", "--ignore-watch", "data")
        self.save("x.tmp")
        self.save("data/file")
        self.save(".env")
        self.restarted(1, "restarted: .env changed")

    def test_own_home(self):
        """The home may lie in the tree: what pmx writes there is no change."""
        self.home.run("start", self.path("main.sh"), "--name", "app", "--watch", cwd=self.home.root)
        self.home.run("start", self.path("main.sh"), "--name", "other")
        self.home.run("restart", "other")
        self.home.run("flush")
        self.home.run("save")
        self.save("main.js")
        self.restarted(1, "restarted: w/app/main.js changed")

    def test_paths(self):
        self.save("src/a.js")
        self.save("config.json")
        self.start_file(watch=["src", "config.json"])
        self.save("other.js")
        self.save("src/a.js", "more")
        self.restarted(1, "restarted: src/a.js changed")
        self.save("config.json.new", "{}")
        os.rename(self.path("config.json.new"), self.path("config.json"))
        self.restarted(2, "restarted: config.json changed")
        self.save("other.js")
        self.save("config.json", "{ }")
        self.restarted(3, "restarted: config.json changed")

    def test_path_on_the_command_line(self):
        self.save("src/a.js")
        self.start("--watch=src")
        self.save("other.js")
        self.save("src/a.js", "more")
        self.restarted(1, "restarted: src/a.js changed")

    def test_missing_path(self):
        """Said wherever one looks, and over when it is there."""
        remark = f"{self.path('dist')}: No such file or directory; it is watched as soon as it is there"
        result = self.start_file(watch=["dist"])
        self.assertIn(remark, result.stderr)
        self.assertIn(f"app: watch: {remark}", self.home.run("list").stderr)
        self.assertEqual(self.env()["watch_problem"], remark)
        self.assertEqual(self.env()["status"], "online")
        self.assertIn("as soon as it is there", self.home.run("show", "app").stdout)
        self.save("dist/main.js")
        self.restarted(1, "dist")
        self.assertNotIn("watch_problem", self.env())
        self.assertEqual(self.home.run("list").stderr, "")

    def test_pattern_that_is_not_understood(self):
        self.start_file(watch=True, ignore_watch=["^(a|b)+$"])
        self.assertIn("is not understood", self.home.run("list").stderr)
        self.save("main.js")
        self.restarted(1, "main.js changed")


class Lives(WatchTest):
    def test_stop_and_start(self):
        self.start("--watch")
        self.home.run("stop", "app", "--watch")
        self.assertIs(self.env()["watch"], False)
        self.assertIn("disabled", self.home.run("list").stdout)
        self.save("a.js")
        self.home.run("start", "app")
        self.assertIs(self.env()["watch"], True)
        self.assertEqual((self.env()["restart_time"], self.env()["status"]), (0, "online"))
        self.save("b.js")
        self.restarted(1, "restarted: b.js changed")
        self.home.run("restart", "app")
        self.save("c.js")
        self.restarted(3, "restarted: c.js changed")
        self.home.run("delete", "app")
        self.save("d.js")
        self.assertEqual(self.home.jlist(), [])

    def test_what_has_failed_is_started(self):
        self.save("main.sh", "exit 3\n")
        self.home.run("start", self.path("main.sh"), "--name", "app", "--watch", "--max-restarts", 0, cwd=self.app, check=None)
        self.home.wait_status("app", "errored")
        self.assertIs(self.env()["watch"], True)
        self.save("main.sh", SCRIPT)
        self.home.wait_status("app", "online")
        self.assertIn("main.sh changed", self.env()["reason"])

    def test_what_waits_is_started(self):
        self.save("main.sh", "exit 3\n")
        self.home.run("start", self.path("main.sh"), "--name", "app", "--watch", "--restart-delay", "10m", cwd=self.app, check=None)
        self.home.wait_status("app", "waiting restart")
        self.save("main.sh", SCRIPT)
        self.restarted(1, "main.sh changed")

    def test_next_daemon_watches_again(self):
        self.start("--watch")
        self.start("--watch", name="stopped")
        self.home.run("stop", "stopped")
        pid = self.home.one("app")["pid"]
        os.kill(self.home.daemon_pid, signal.SIGKILL)
        eventually(lambda: self.env()["watch"], 15, "the next daemon watches")
        self.assertEqual(self.home.one("app")["pid"], pid)
        self.assertIs(self.env("stopped")["watch"], False)
        self.save("a.js")
        self.restarted(1, "restarted: a.js changed")
        self.assertEqual(self.env("stopped")["status"], "stopped")

    def test_cluster_is_replaced_without_a_gap(self):
        port = pmxtest.free_port()
        shutil.copy(fixture("server.js"), self.path("server.js"))
        self.home.run("start", self.path("server.js"), "--name", "web", "-i", 2, "--watch", "--listen-timeout", "60s", cwd=self.app, env={"PORT": port})
        self.home.wait_status("web", "online", count=2)
        before = set(self.home.pids("web"))
        with Load(port, threads=4) as load:
            load.wait_ok(20)
            self.save("a.js")
            eventually(lambda: not before & set(self.home.pids("web")), 30, "both replaced")
            load.wait_ok(20)
        self.assertEqual(load.failed, 0, load)
        for entry in self.home.wait_status("web", "online", count=2):
            self.assertEqual((entry["pm2_env"]["reason"], entry["pm2_env"]["restart_time"]), ("replaced: a.js changed", 1))

    def test_cluster_keeps_what_works(self):
        """A save that breaks the program costs nothing; the next one that does not takes over."""
        port = pmxtest.free_port()
        with open(fixture("server.js")) as file:
            text = file.read()
        self.save("server.js", text)
        self.home.run("start", self.path("server.js"), "--name", "web", "-i", 2, "--watch", "--listen-timeout", "60s", cwd=self.app, env={"PORT": port})
        before = set(self.home.pids("web"))
        self.save("server.js", "syntax error")
        eventually(lambda: "server.js changed, but the previous processes go on" in self.home.run("list").stderr, 20, "the remark")
        self.assertEqual(set(self.home.pids("web")), before)
        self.save("server.js", text)
        eventually(lambda: not before & set(self.home.pids("web")), 30, "both replaced")
        eventually(lambda: self.home.run("list").stderr == "", 10, "no remark")


class Limits(WatchTest):
    def test_out_of_watches(self):
        """Said with what to do; the app runs, what could be watched is."""
        for number in range(8):
            self.save(f"dir{number}/file")
        few = "echo 5 > /proc/sys/user/max_inotify_watches && exec \"$@\""
        command = ["unshare", "--user", "--map-root-user", "sh", "-c", few, "sh"]
        plain = self.home.command
        self.home.command = lambda *args: [*(command if args[0] == "start" else []), *plain(*args)]
        result = self.home.run("start", self.path("main.sh"), "--name", "app", "--watch", cwd=self.app, check=None)
        if "unshare" in result.stderr or "sh:" in result.stderr:
            self.skipTest(f"no user namespace: {result.stderr.strip()}")
        self.assertEqual(result.code, 0, result)
        self.assertIn("fs.inotify.max_user_watches", result.stderr)
        self.assertIn("fs.inotify.max_user_watches", self.home.run("list").stderr)
        self.assertIn("inotify watches are used up", self.env()["watch_problem"])
        self.assertIn("inotify watches are used up", self.home.daemon_log())
        self.assertEqual(self.env()["status"], "online")
        self.save("main.js")
        self.restarted(1, "main.js changed")

    def test_big_tree(self):
        """100,000 files: nobody waits for them to be read, and watching them costs nothing."""
        tree = tempfile.mkdtemp(prefix="pmxtree.", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None)
        self.addCleanup(shutil.rmtree, tree, True)
        for directory in range(1000):
            path = os.path.join(tree, f"d{directory % 10}", f"d{directory}")
            os.makedirs(path)
            for number in range(100):
                os.close(os.open(os.path.join(path, f"f{number}"), os.O_CREAT | os.O_WRONLY))
        self.start(name="plain")
        idle = self.daemon_ticks(2)
        starting = self.home.popen("start", self.path("main.sh"), "--name", "app", "--watch", cwd=tree, stdout=-3, stderr=-3)
        while starting.poll() is None:
            self.home.run("list")
        self.assertEqual(starting.returncode, 0)
        self.assertNotIn("watch_problem", self.env())
        self.assertLessEqual(self.daemon_ticks(2), idle + 2)
        with open(os.path.join(tree, "d3/d13/f7"), "w") as file:
            file.write("more")
        self.restarted(1, "restarted: d3/d13/f7 changed")

    def daemon_ticks(self, seconds):
        """Clock ticks of processor time that the daemon uses in so many seconds."""

        def used():
            with open(f"/proc/{self.home.daemon_pid}/stat", "rb") as file:
                fields = file.read().rpartition(b")")[2].split()
            return int(fields[11]) + int(fields[12])

        begin = used()
        time.sleep(seconds)
        return used() - begin


if __name__ == "__main__":
    pmxtest.main()
