"""The home of a running daemon, or a part of it, is taken away: the daemon makes it again and no app notices."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import pmxtest
from pmxtest import eventually, process_alive, testapp


class Removed(pmxtest.PmxTest):
    def setUp(self):
        super().setUp()
        self.home.run("start", testapp(), "--name", "app", "--", "sleep")
        self.app = self.home.one("app")["pid"]
        self.daemon = self.home.daemon_pid

    def path(self, name):
        return os.path.join(self.home.path, name)

    def back(self, *names):
        eventually(lambda: all(os.path.exists(self.path(name)) for name in names), 10, f"{names} are there again")

    def same_as_before(self):
        self.assertIn("app", self.home.run("list", timeout=10).stdout)
        entry = self.home.one("app")
        self.assertEqual((entry["pid"], entry["pm2_env"]["restart_time"], entry["pm2_env"]["status"]), (self.app, 0, "online"))
        self.assertEqual((self.home.daemon_pid, self.home.daemons(), len(self.home.keepers())), (self.daemon, [self.daemon], 1))

    def at_rest(self):
        """Everything is written: nothing of the daemon's comes between the test and its files."""
        eventually(lambda: self.recorded() == ["app"], 10, "the list in the new database")
        eventually(lambda: os.listdir(self.path("pids")) == ["app-0.pid"], 10, "the pid file")
        eventually(lambda: {"app-error.log", "app-out.log"} == set(os.listdir(self.path("logs"))), 10, "the log files")
        eventually(lambda: os.path.exists(self.path("pmx.db.bak")) and not os.path.exists(self.path("pmx.db.bak.new")), 10, "the backup")

    def recorded(self):
        """Names in the database, as a later daemon would find them."""
        try:
            with sqlite3.connect(f"file:{self.path('pmx.db')}?mode=ro", uri=True) as database:
                return [row[0] for row in database.execute("select json_extract(spec, '$.name') from app")]
        except sqlite3.Error as error:
            raise AssertionError(str(error)) from None

    def test_whole_home(self):
        self.at_rest()
        shutil.rmtree(self.home.path)  # fails if the daemon interferes
        self.same_as_before()  # at once: the command itself waits for the daemon
        for name, mode in (("", 0o700), ("pmx.sock", 0o600), ("pmx.pid", 0o600), ("pmx.log", 0o600), ("pmx.db", 0o600), ("logs", 0o700)):
            self.assertEqual(os.stat(self.path(name)).st_mode & 0o777, mode, name)
        eventually(lambda: f"{self.home.path} was removed" in self.home.daemon_log(), 10, "a line in the log")
        self.assertEqual(self.home.daemon_log().count("was removed"), 1)
        self.at_rest()
        # What was made again carries a crash and an orderly end.
        self.home.crash()
        self.assertEqual(self.home.one("app")["pid"], self.app)
        self.home.run("kill")
        self.assertFalse(os.path.exists(self.path("pmx.sock")))
        self.assertFalse(os.path.exists(self.path("pmx.pid")))

    def test_removed_again_and_again(self):
        for _ in range(3):
            self.at_rest()
            shutil.rmtree(self.home.path)
            self.same_as_before()
            self.back("pmx.log")

    def test_kill_at_once(self):
        self.at_rest()
        shutil.rmtree(self.home.path)
        self.home.run("kill")
        self.assertEqual(self.home.living(), [])

    def test_moved_away(self):
        aside = self.home.path + ".old"
        os.rename(self.home.path, aside)
        self.same_as_before()
        self.at_rest()
        shutil.rmtree(aside)
        self.same_as_before()

    def test_socket(self):
        os.unlink(self.path("pmx.sock"))
        self.back("pmx.sock")
        self.assertEqual(os.stat(self.path("pmx.sock")).st_mode & 0o777, 0o600)
        self.same_as_before()
        eventually(lambda: "pmx.sock in " in self.home.daemon_log(), 10, "a line in the log")

    def test_socket_of_the_apps(self):
        os.unlink(self.path("app.sock"))
        self.back("app.sock")
        self.same_as_before()
        self.home.run("kill")
        self.assertEqual([name for name in os.listdir(self.home.path) if name.endswith((".sock", ".pid"))], [])

    def test_socket_while_a_client_is_connected(self):
        with self.home.rpc() as client:
            client.call("ping")
            os.unlink(self.path("pmx.sock"))
            self.back("pmx.sock")
            self.assertIn("result", client.call("list"))

    def test_pid_file(self):
        os.unlink(self.path("pmx.pid"))
        self.back("pmx.pid")
        self.same_as_before()
        second = subprocess.run([os.path.join(pmxtest.bin_dir(), "pmxd")], env=self.home.environment(), stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=10 * pmxtest.SLOW, check=False)
        self.assertNotEqual(second.returncode, 0)  # it is locked again
        self.same_as_before()

    def lost(self, name):
        lines = self.home.daemon_log().count("was removed")
        os.unlink(self.path(name))
        eventually(lambda: self.home.daemon_log().count("was removed") > lines, 10, f"a line about {name} in the log")
        self.at_rest()

    def test_database(self):
        self.at_rest()
        self.lost("pmx.db")
        self.lost("pmx.db-wal")
        self.home.run("start", testapp(), "--name", "later", "--", "sleep")
        self.home.crash()
        self.assertEqual(sorted(entry["name"] for entry in self.home.jlist()), ["app", "later"])
        self.assertEqual(self.home.one("app")["pid"], self.app)
        self.assertNotIn("cannot write", self.home.daemon_log())

    def test_logs(self):
        self.home.run("start", testapp(), "--name", "talker", "--no-autorestart", "--", "write", "100")
        eventually(lambda: self.home.log("talker-out.log"), 10, "the first line")
        shutil.rmtree(self.path("logs"))
        self.back("logs", "logs/talker-out.log", "logs/app-out.log")
        self.home.run("restart", "talker", check=None)
        eventually(lambda: self.home.log("talker-out.log"), 10, "a line in the new file")

    def test_another_daemon_was_faster(self):
        """Held by another one: this daemon keeps its apps, and serves again when the other has gone."""
        os.kill(self.daemon, signal.SIGSTOP)
        try:
            shutil.rmtree(self.home.path)
            other = subprocess.Popen([os.path.join(pmxtest.bin_dir(), "pmxd"), "--home", self.home.path], env=self.home.environment(),
                                     stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            self.addCleanup(other.wait)
            eventually(lambda: self.home.run("ping", check=None).code == 0, 10, "the other daemon")
        finally:
            os.kill(self.daemon, signal.SIGCONT)
        self.assertEqual(self.home.jlist(), [])
        eventually(lambda: "another daemon has taken" in self.home.daemon_log(), 10, "a line in the log")
        self.assertTrue(process_alive(self.app))
        self.assertTrue(process_alive(self.daemon))
        with self.home.rpc() as client:
            client.call("kill")
        eventually(lambda: os.path.exists(self.path("pmx.sock")) and self.home.daemon_pid == self.daemon, 20, "the first daemon is back")
        self.same_as_before()


if __name__ == "__main__":
    pmxtest.main()
