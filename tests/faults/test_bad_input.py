"""Garbage on the socket, a damaged home: a clear answer or a closed connection, and the daemon lives with all its apps."""

import contextlib
import errno
import json
import os
import resource
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import pmxtest
from pmxtest import eventually, testapp


class Socket(pmxtest.PmxTest):
    def setUp(self):
        super().setUp()
        self.home.run("start", testapp(), "--name", "app", "--", "sleep")
        self.daemon, self.pid = self.home.daemon_pid, self.home.one("app")["pid"]
        self.addCleanup(self.still_the_same)  # runs before the home is closed

    def still_the_same(self):
        self.home.run("ping")
        entry = self.home.one("app")
        self.assertEqual((self.home.daemon_pid, entry["pid"], entry["pm2_env"]["restart_time"]), (self.daemon, self.pid, 0))

    def test_not_json(self):
        for line in (b"hello", b"{", b'{"jsonrpc":"2.0","id":1,"method":', b"\x00\xff\xfe\x80", b'"\xff"', b"[" * 100000, b'{"a":' * 100000, b"1e999999", b"nul"):
            with self.subTest(line=line[:30]), self.home.rpc() as rpc:
                rpc.send(line + b"\n")
                answer = rpc.line()
                if answer is not None:  # None: closed, allowed too
                    error = json.loads(answer)["error"]
                    self.assertEqual(error["data"]["kind"], "invalid_request")
                    self.assertIsInstance(error["code"], int)
                    self.assertTrue(error["message"])

    def test_json_but_no_request(self):
        for value in (1, "x", None, [], {}, {"id": 1}, {"jsonrpc": "2.0", "id": 1}, {"jsonrpc": "2.0", "id": 1, "method": 5},
                      {"jsonrpc": "1.0", "id": 1, "method": "ping"}, {"jsonrpc": "2.0", "id": {}, "method": "ping"}, {"jsonrpc": "2.0", "id": 1, "method": "ping", "params": 5}):
            with self.subTest(value=value), self.home.rpc() as rpc:
                rpc.send(json.dumps(value).encode() + b"\n")
                answer = rpc.line()
                if answer is not None:
                    message = json.loads(answer)
                    self.assertTrue("error" in message or "result" in message, message)
                    if "error" in message:
                        self.assertIn("kind", message["error"]["data"])

    def test_connection_stays_usable_after_a_bad_line(self):
        with self.home.rpc() as rpc:
            rpc.send(b'{"broken\n')
            self.assertEqual(rpc.message()["error"]["data"]["kind"], "invalid_request")
            self.assertIn("result", rpc.call("ping"))

    def test_unknown_method_and_bad_parameters(self):
        with self.home.rpc() as rpc:
            self.assertEqual(rpc.call("no-such-method")["error"]["data"]["kind"], "unknown_method")
            for method in ("start", "stop", "restart", "delete", "describe", "scale", "signal", "reload"):
                for params in ({}, {"selector": 5, "targets": 5, "specs": 5}, {"x": [[[]]]}):
                    reply = rpc.call(method, params)
                    self.assertIn("error", reply, (method, params))
            self.assertIn("result", rpc.call("ping"))
            self.assertIn("result", rpc.call("list", {"some_future_field": [1, {"a": None}]}))

    def test_pieces(self):
        """A request may come byte by byte, several may come in one packet, and without an end of line nothing happens."""
        with self.home.rpc() as rpc:
            for byte in b'{"jsonrpc":"2.0","id":7,"method":"ping"}\n':
                rpc.send(bytes([byte]))
            self.assertEqual(rpc.message()["id"], 7)
            rpc.send(b"".join(b'{"jsonrpc":"2.0","id":%d,"method":"ping"}\n' % number for number in range(10)))
            self.assertEqual(sorted(rpc.message()["id"] for _ in range(10)), list(range(10)))

    def test_many_requests_without_reading(self):
        """Requests in flight are bounded: an error, a closed connection, or a sender that has to wait, but no growing daemon, and nobody else waits."""
        before = self.memory()
        with self.home.rpc(5) as rpc:
            rpc.socket.setblocking(False)
            request = b'{"jsonrpc":"2.0","id":1,"method":"list"}\n' * 1000
            sent, stuck = 0, 0
            while sent < 50 * 1000 * 1000 and stuck < 50:
                try:
                    sent += rpc.socket.send(request)
                    stuck = 0
                except BlockingIOError:
                    stuck += 1
                    pmxtest.time.sleep(0.02)  # how long it stays full is the question here
                except (BrokenPipeError, ConnectionResetError):
                    break
            results = [self.home.run("ping", check=None) for _ in range(3)]
            print(f"figure: {sent} bytes of requests unread; pings meanwhile: {[f'{r.seconds:.2f} s' for r in results]}", file=sys.stderr)
            self.assertEqual([result.code for result in results], [0, 0, 0], results[0])
        self.assertLess(self.memory() - before, 64 << 20)

    def memory(self):
        with open(f"/proc/{self.daemon}/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")

    def test_line_of_64_megabytes(self):
        before = self.memory()
        with self.home.rpc(60) as rpc:
            refused = False
            try:
                for _ in range(64):
                    rpc.send(b'"' + b"x" * ((1 << 20) - 1))
                rpc.send(b'"\n')
            except (BrokenPipeError, ConnectionResetError):
                refused = True
            answer = rpc.line()
            if answer is not None:
                self.assertEqual(json.loads(answer)["error"]["data"]["kind"], "invalid_request")
            else:
                refused = True
            self.assertTrue(refused or answer)
        self.assertLess(self.memory() - before, 32 << 20, "the line was kept in memory")

    def test_1000_half_open_connections(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard != resource.RLIM_INFINITY and hard < 1200:
            self.skipTest(f"only {hard} descriptors allowed")
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 1200), hard))
        path = os.path.join(self.home.path, "pmx.sock")
        connections, refused = [], 0
        try:
            for number in range(1000):
                connection = socket.socket(socket.AF_UNIX)
                connection.setblocking(False)
                connections.append(connection)

                def connected():
                    try:
                        connection.connect(path)
                        return "yes"
                    except BlockingIOError:  # the queue is full: the daemon is expected to take connections on
                        return None
                    except OSError as error:
                        if error.errno == errno.EISCONN:
                            return "yes"
                        if error.errno in (errno.ECONNREFUSED, errno.ECONNRESET):
                            return "refused"
                        raise

                if eventually(connected, 10, f"connection {number}") == "refused":
                    refused += 1
                    continue
                try:
                    if number % 2:
                        connection.send(b'{"jsonrpc":"2.0","id":1,')
                except (BrokenPipeError, ConnectionResetError, BlockingIOError):
                    refused += 1
            # Somebody who comes now gets an answer: the thing itself or "busy", without waiting.
            result = self.home.run("ping", check=None, timeout=10)
            if result.code != 0:
                self.assertRegex(result.stderr, r"(?i)busy|too many|limit")
            print(f"figure: 1000 half-open connections, {refused} refused; ping meanwhile: exit {result.code}", file=sys.stderr)
            self.assertEqual(self.home.daemon_pid, self.daemon)
            # An idle daemon does not spin on what it cannot take.
            begin = self.cpu_seconds()
            pmxtest.time.sleep(1)  # the measuring interval
            self.assertLess(self.cpu_seconds() - begin, 0.5)
        finally:
            for connection in connections:
                connection.close()
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        eventually(lambda: self.home.run("ping", check=None).code == 0, 10, "ping works again")
        eventually(lambda: pmxtest.fd_count(self.daemon) < 200, 10, "the daemon has closed them")

    def cpu_seconds(self):
        with open(f"/proc/{self.daemon}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def test_connections_that_vanish(self):
        for _ in range(200):
            with self.home.rpc() as rpc:
                rpc.send(b'{"jsonrpc":"2.0","id":1,"method":"list"}\n')
        eventually(lambda: pmxtest.fd_count(self.daemon) < 100, 10, "closed connections are closed")

    def test_other_user_is_refused(self):
        if os.geteuid() != 0:
            self.skipTest("needs root to become another user")
        os.chmod(self.home.root, 0o755)
        os.chmod(self.home.path, 0o755)
        os.chmod(os.path.join(self.home.path, "pmx.sock"), 0o777)
        code = ("import socket,sys\ns=socket.socket(socket.AF_UNIX)\ns.settimeout(20)\ns.connect(sys.argv[1])\n"
                "s.sendall(b'{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"list\"}\\n')\n"
                "try:\n data=s.recv(65536)\nexcept ConnectionResetError:\n data=b''\nsys.stdout.buffer.write(data)\n")
        result = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "/usr/bin/python3", "-c", code, os.path.join(self.home.path, "pmx.sock")],
                                stdout=subprocess.PIPE, timeout=60, check=False)
        if result.stdout:
            self.assertEqual(json.loads(result.stdout.splitlines()[0])["error"]["data"]["kind"], "permission")


class Database(pmxtest.PmxTest):
    GARBAGE = b"this is no database " * 5000

    def damage(self, data):
        """Ends daemon and keeper (the app stays), replaces the database."""
        self.home.crash()
        for name in os.listdir(self.home.path):
            if name.startswith("pmx.db"):
                os.remove(os.path.join(self.home.path, name))
        with open(os.path.join(self.home.path, "pmx.db"), "wb") as file:
            file.write(data)

    def put_aside(self, data):
        for directory, _, names in os.walk(self.home.path):
            for name in names:
                path = os.path.join(directory, name)
                if name != "pmx.db" and os.path.getsize(path) == len(data):
                    with open(path, "rb") as file:
                        if file.read() == data:
                            return path
        return None

    def test_corrupt_file_is_put_aside_and_reported(self):
        self.home.run("list")
        self.damage(self.GARBAGE)
        result = self.home.run("list")
        path = self.put_aside(self.GARBAGE)
        self.assertTrue(path, f"no file with the old content in {os.listdir(self.home.path)}")
        self.assertIn(os.path.basename(path), self.home.daemon_log() + result.stderr)
        self.home.run("start", testapp(), "--name", "new", "--", "sleep")
        self.home.wait_status("new", "online")

    def test_twice(self):
        self.home.run("list")
        other = self.GARBAGE + b"other"
        self.damage(self.GARBAGE)
        self.home.run("list")
        self.damage(other)
        self.home.run("list")
        self.assertTrue(self.put_aside(other))
        # damage() removed files called pmx.db*: only the second one can be asked for here.

    def test_damaged_in_the_middle(self):
        for number in range(30):
            self.home.run("start", testapp(), "--name", f"app-{number}", "--no-wait", "--", "exit", "0", check=None)
        self.home.run("stop", "all")
        keeper, daemon = self.home.keeper_pid, self.home.daemon_pid
        path = os.path.join(self.home.path, "pmx.db")
        self.home.run("kill")
        self.assertFalse(pmxtest.process_alive(daemon) or pmxtest.process_alive(keeper))
        with open(path, "rb+") as file:
            data = bytearray(file.read())
            data[100:] = b"\xa5" * (len(data) - 100)  # the header stays
            file.seek(0)
            file.write(data)
        for name in ("pmx.db-wal", "pmx.db-shm"):
            if os.path.exists(path + name[6:]):
                os.remove(path + name[6:])
        self.home.run("list")
        self.home.run("start", testapp(), "--name", "new", "--", "sleep")
        self.assertTrue(self.put_aside(bytes(data)), os.listdir(self.home.path))

    def test_directory_in_its_place(self):
        os.makedirs(os.path.join(self.home.path, "pmx.db"))
        result = self.home.run("list", check=None)
        if result.code != 0:
            self.assertIn("pmx.db", result.stderr)

    def lose_database(self, names):
        """Under a keeper that is held: ends the daemon, removes these files, writes garbage for the database."""
        daemon, keeper = self.home.daemon_pid, self.home.keeper_pid
        os.kill(keeper, signal.SIGSTOP)
        try:
            os.kill(daemon, signal.SIGKILL)
            eventually(lambda: not pmxtest.process_alive(daemon), 10, "daemon gone")
            for name in names:
                with contextlib.suppress(FileNotFoundError):
                    os.remove(os.path.join(self.home.path, name))
            with open(os.path.join(self.home.path, "pmx.db"), "wb") as file:
                file.write(self.GARBAGE)
        finally:
            os.kill(keeper, signal.SIGCONT)
        eventually(lambda: self.home.run("ping", check=None).code == 0, 15, "a daemon answers")

    def test_running_app_is_found_in_the_backup(self):
        self.home.run("start", testapp(), "--name", "app", "--", "sleep")
        pid = self.home.one("app")["pid"]
        backup = os.path.join(self.home.path, "pmx.db.bak")
        # Any table that knows the app will do; the file is replaced as a whole, so each look opens it anew.
        eventually(lambda: self.knows_an_instance(backup), 10, "a backup of the database with the instance in it")
        self.lose_database(["pmx.db-wal", "pmx.db-shm"])
        entry = self.home.one("app")
        self.assertEqual((entry["pid"], entry["pm2_env"]["status"], entry["pm2_env"]["restart_time"]), (pid, "online", 0))
        self.assertTrue(self.put_aside(self.GARBAGE))

    @staticmethod
    def knows_an_instance(path):
        try:
            with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
                return database.execute("SELECT count(*) FROM instance").fetchone()[0] > 0
        except sqlite3.Error as error:
            raise AssertionError(f"{path}: {error}") from None

    def test_running_app_of_a_lost_database_is_named(self):
        """With the backup gone too, the keeper's child is a stranger to the daemon: not touched, but not passed over in silence."""
        self.home.run("start", testapp(), "--name", "app", "--", "sleep")
        pid = self.home.one("app")["pid"]
        self.lose_database([name for name in os.listdir(self.home.path) if name.startswith("pmx.db")])
        if pid not in [entry["pid"] for entry in self.home.jlist()]:
            self.assertIn(str(pid), self.home.daemon_log())
            self.assertTrue(pmxtest.process_alive(pid))
            os.kill(pid, signal.SIGKILL)  # ours to end: it has this test's home in its environment
        eventually(lambda: self.home.run("ping", check=None).code == 0, 15, "the daemon lives")


class Homes(pmxtest.PmxTest):
    def programs_for_all(self):
        """A copy of the programs in a place every user may read."""
        os.chmod(self.home.root, 0o755)
        directory = os.path.join(self.home.root, "bin")
        os.mkdir(directory, 0o755)
        for name in ("pmx", "pmxd", "pmx-keeper"):
            shutil.copy(os.path.join(pmxtest.bin_dir(), name), directory)
            os.chmod(os.path.join(directory, name), 0o755)
        return directory

    def as_nobody(self, *args, home):
        directory = self.programs_for_all() if not os.path.isdir(os.path.join(self.home.root, "bin")) else os.path.join(self.home.root, "bin")
        prefix = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.geteuid() == 0 else []
        return subprocess.run([*prefix, os.path.join(directory, "pmx"), *args], env={**self.home.env, "PMX_HOME": home}, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=30 * pmxtest.SLOW, cwd="/", check=False)

    def test_home_of_another_user(self):
        if os.geteuid() != 0:
            self.skipTest("needs root to become another user")
        home = os.path.join(self.home.root, "theirs")
        os.mkdir(home)
        result = self.as_nobody("list", home=home)
        self.assertEqual(result.returncode, 4, result)
        self.assertIn(home.encode(), result.stderr)
        self.assertEqual(os.listdir(home), [])

    def test_home_that_cannot_be_written(self):
        home = os.path.join(self.home.root, "locked")
        os.mkdir(home)
        if os.geteuid() == 0:
            os.chown(home, 65534, 65534)
        os.chmod(home, 0o555)
        for args in (("list",), ("jlist",), ("start", "/bin/sleep", "--", "10")):
            with self.subTest(args=args):
                result = self.as_nobody(*args, home=home)
                self.assertEqual(result.returncode, 4, result)
                self.assertIn(home.encode(), result.stderr)
                self.assertRegex(result.stderr, rb"(?i)permission|not writable|EACCES")
                if args[0] != "start":  # which says what it is about to do
                    self.assertEqual(result.stdout, b"")
                eventually(lambda: not pmxtest.processes_with("PMX_HOME", home), 5, "no daemon left")

    def test_home_that_cannot_be_made(self):
        home = os.path.join(self.home.root, "locked", "deep", "home")
        os.mkdir(os.path.dirname(os.path.dirname(home)))
        os.chmod(os.path.dirname(os.path.dirname(home)), 0o555)
        result = self.as_nobody("list", home=home)
        self.assertEqual(result.returncode, 4, result)
        self.assertIn(os.path.dirname(os.path.dirname(home)).encode(), result.stderr)

    def test_home_is_a_file(self):
        path = self.home.file("file", "x")
        result = self.home.run("list", env={"PMX_HOME": path}, check=7)
        self.assertIn(path, result.stderr)

    def test_socket_path_too_long(self):
        home = os.path.join(self.home.root, "x" * 120)
        for args in (("list",), ("start", testapp(), "--", "sleep")):
            with self.subTest(args=args):
                result = self.home.run(*args, env={"PMX_HOME": home}, check=1)
                self.assertRegex(result.stderr, r"(?i)too long")
                self.assertIn("PMX_HOME", result.stderr)
        self.assertEqual(pmxtest.processes_with("PMX_HOME", home), [])

    def test_log_directory_cannot_be_written(self):
        """The app runs; what it prints waits or is dropped, and it is said."""
        self.home.run("list")
        logs = os.path.join(self.home.path, "logs")
        shutil.rmtree(logs, ignore_errors=True)
        self.home.file("../h/logs", "a file in its place")
        self.home.run("start", "echo x; exec sleep 1000", "--name", "app", check=None)
        self.home.run("ping")
        self.home.run("list")
        eventually(lambda: "logs" in self.home.daemon_log(), 10, "a word about it in pmx.log")


if __name__ == "__main__":
    pmxtest.main()
