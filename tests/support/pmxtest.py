"""Harness of the integration and fault tests: real pmx, pmxd and pmx-keeper in a home of their own.

Environment: PMX_BIN_DIR (holds the three programs), PMX_TESTAPP (tests/fixtures/testapp.cpp, built), PMX_TEST_SLOW (factor on
every deadline, for sanitizer builds), PMX_TEST_SHARD ("0/2": run every second test), PMX_TEST_KEEP (keep the homes).
A test file ends with `pmxtest.main()`; its arguments select tests by a part of their name, -v names them while they run.
"""

import contextlib
import http.client
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import unittest

FIXTURES = pathlib.Path(__file__).resolve().parent.parent / "fixtures"
SLOW = float(os.environ.get("PMX_TEST_SLOW", "1"))
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
SANITIZER_MARKS = ("ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "runtime error:", "terminate called", "Assertion `", ") ended with code 1;")


def fixture(name):
    """Absolute path of a file below tests/fixtures."""
    path = FIXTURES / name
    if not path.exists():
        raise FileNotFoundError(path)
    return str(path)


def bin_dir():
    directory = os.environ.get("PMX_BIN_DIR")
    if not directory or not os.path.exists(os.path.join(directory, "pmx")):
        sys.exit(f"PMX_BIN_DIR must name the directory of pmx, pmxd and pmx-keeper (is {directory!r})")
    return directory


def testapp():
    """Path of the compiled test program; built here when a test file is run by hand without PMX_TESTAPP."""
    path = os.environ.get("PMX_TESTAPP")
    if not path:
        path = os.path.join(tempfile.mkdtemp(prefix="pmxapp."), "testapp")
        subprocess.run(["g++", "-std=c++20", "-O1", "-o", path, fixture("testapp.cpp")], check=True)
        os.environ["PMX_TESTAPP"] = path
        _MADE_BY_HAND.append(os.path.dirname(path))
    return path


_MADE_BY_HAND = []


def eventually(condition, seconds=10.0, what=None):
    """Calls `condition` until it gives something true and returns that. An AssertionError inside it means "not yet".

    `seconds` is scaled by PMX_TEST_SLOW. On time-out: AssertionError with the last reason."""
    deadline = time.monotonic() + seconds * SLOW
    while True:
        reason = None
        try:
            value = condition()
            if value:
                return value
            reason = f"last value {value!r}"
        except AssertionError as error:
            reason = str(error)
        if time.monotonic() >= deadline:
            raise AssertionError(f"not within {seconds * SLOW:.1f} s: {what or 'condition'}; {reason}")
        time.sleep(0.02)


_claims = []


def free_port():
    """A TCP port nobody uses, outside the ephemeral range (an outgoing connection cannot take it meanwhile).

    It is ours until this process ends: other tests that run meanwhile see by the name of an abstract socket that it is taken."""
    while True:
        port = random.SystemRandom().randrange(10000, 32000)
        claim = socket.socket(socket.AF_UNIX)
        try:
            claim.bind(f"\0pmxtest-port-{port}")
        except OSError:
            claim.close()
            continue
        _claims.append(claim)
        with socket.socket() as four, socket.socket(socket.AF_INET6) as six:
            try:
                four.bind(("127.0.0.1", port))
                six.bind(("::1", port))
            except OSError as error:
                if error.errno != 99:  # EADDRNOTAVAIL: a machine without IPv6 loopback
                    continue
        return port


# Processes


def process_alive(pid):
    """True while `pid` exists and is not a zombie, or one whose threads have not all ended: these may hold its files."""
    if process_state(pid) not in (None, "Z", "X"):
        return True
    try:
        return len(os.listdir(f"/proc/{pid}/task")) > 1
    except OSError:
        return False


def may_load_bpf():
    """Whether the kernel lets this process load eBPF programs, as far as capabilities tell: CAP_BPF or CAP_SYS_ADMIN."""
    with open("/proc/self/status") as file:
        effective = next(int(line.split()[1], 16) for line in file if line.startswith("CapEff:"))
    return bool(effective >> 39 & 1 or effective >> 21 & 1)


def process_state(pid):
    """Letter of /proc/PID/stat, None if there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return chr(file.read().rpartition(b")")[2].split()[0][0])
    except (FileNotFoundError, ProcessLookupError):
        return None


def parent_of(pid):
    with open(f"/proc/{pid}/stat", "rb") as file:
        return int(file.read().rpartition(b")")[2].split()[1])


def children_of(pid):
    """[(pid, state letter)] of the direct children."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError):
                with open(f"/proc/{entry}/stat", "rb") as file:
                    fields = file.read().rpartition(b")")[2].split()
                if int(fields[1]) == pid:
                    found.append((int(entry), chr(fields[0][0])))
    return found


def fd_count(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def command_line(pid):
    with contextlib.suppress(OSError):
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read().replace(b"\0", b" ").decode("utf-8", "replace").strip()
    return ""


def processes_with(variable, value):
    """Pids of living processes whose initial environment holds variable=value."""
    wanted = f"{variable}={value}".encode()
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) != os.getpid():
            with contextlib.suppress(OSError):
                with open(f"/proc/{entry}/environ", "rb") as file:
                    if wanted in file.read().split(b"\0") and process_alive(int(entry)):
                        found.append(int(entry))
    return found


class Result:
    """One finished run of a program: exit code, both streams (bytes and text), duration in seconds."""

    def __init__(self, args, code, out, err, seconds):
        self.args, self.code, self.out, self.err, self.seconds = args, code, out, err, seconds

    @property
    def stdout(self):
        return self.out.decode("utf-8", "replace")

    @property
    def stderr(self):
        return self.err.decode("utf-8", "replace")

    def __str__(self):
        return f"{' '.join(map(str, self.args))}\n  exit {self.code} after {self.seconds:.2f} s\n  stdout: {self.stdout[-3000:]}\n  stderr: {self.stderr[-3000:]}"


_homes = []  # all of this run


class Home:
    """A PMX_HOME with a short path, a work directory beside it and an environment without surprises."""

    def __init__(self, **env):
        self.root = tempfile.mkdtemp(prefix="pmxt.", dir="/tmp")
        self.path = os.path.join(self.root, "h")
        self.work = os.path.join(self.root, "w")
        os.mkdir(self.work)
        self.env = {"PATH": PATH, "HOME": self.root, "PMX_HOME": self.path, "NO_COLOR": "1", "LANG": "C.UTF-8", "TERM": "xterm"}
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS"):
            if name in os.environ:
                self.env[name] = os.environ[name]
        self.env.update(env)
        self.closed = False
        _homes.append(self)

    # Commands

    def command(self, *args):
        return [os.path.join(bin_dir(), "pmx"), *map(str, args)]

    def environment(self, env=None):
        merged = dict(self.env)
        for key, value in (env or {}).items():
            if value is None:
                merged.pop(key, None)
            else:
                merged[key] = str(value)
        return merged

    def run(self, *args, check=True, timeout=30, cwd=None, env=None, **popen):
        """Runs pmx. check=True demands exit 0, an int that code, None accepts any. AssertionError otherwise or on time-out."""
        begin = time.monotonic()
        child = subprocess.Popen(self.command(*args), cwd=cwd or self.work, env=self.environment(env), stdin=subprocess.DEVNULL,
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE, **popen)
        try:
            out, err = child.communicate(timeout=timeout * SLOW)
        except subprocess.TimeoutExpired:
            child.kill()
            # A daemon that inherited the pipes would keep them open: read only what is there.
            out, err = _drain(child)
            raise AssertionError(f"no end within {timeout * SLOW:.0f} s: {Result(('pmx', *args), None, out, err, timeout * SLOW)}") from None
        result = Result(("pmx", *args), child.returncode, out, err, time.monotonic() - begin)
        if check is not None and result.code != (0 if check is True else check):
            raise AssertionError(f"expected exit {0 if check is True else check}: {result}")
        return result

    def popen(self, *args, cwd=None, env=None, **popen):
        """Starts pmx and returns the Popen; the caller ends it."""
        return subprocess.Popen(self.command(*args), cwd=cwd or self.work, env=self.environment(env), stdin=subprocess.DEVNULL, **popen)

    def fails(self, *args, code=None, **options):
        """Runs pmx, demands `code` (none: any but 0) and a message on stderr."""
        result = self.run(*args, check=code, **options)
        if result.code == 0:
            raise AssertionError(f"expected a failure: {result}")
        if not result.stderr.strip():
            raise AssertionError(f"a failure without a word on stderr: {result}")
        return result

    def start(self, name, *args, script="server.js", env=None, **options):
        """Starts a fixture under `name`; further arguments are pmx's."""
        return self.run("start", script if os.path.isabs(script) else fixture(script), "--name", name, *args, env=env, **options)

    def file(self, name, text, mode=0o644):
        """Writes a file in the work directory and returns its path."""
        path = os.path.join(self.work, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(text if isinstance(text, bytes) else text.encode())
        os.chmod(path, mode)
        return path

    def json_file(self, name, value):
        return self.file(name, json.dumps(value))

    # What is there

    def jlist(self):
        result = self.run("jlist")
        try:
            value = json.loads(result.out)
        except ValueError as error:
            raise AssertionError(f"jlist is not JSON ({error}): {result}") from None
        if not isinstance(value, list):
            raise AssertionError(f"jlist is not an array: {result}")
        return value

    def instances(self, name):
        """jlist entries of that name, by id."""
        return sorted((entry for entry in self.jlist() if entry["name"] == name), key=lambda entry: entry["pm_id"])

    def one(self, name):
        found = self.instances(name)
        if len(found) != 1:
            raise AssertionError(f"{len(found)} entries named {name}, expected one")
        return found[0]

    def pids(self, name):
        """Pids of the running instances of that name."""
        return [entry["pid"] for entry in self.instances(name) if entry.get("pid")]

    def statuses(self, name=None):
        return [entry["pm2_env"]["status"] for entry in self.jlist() if name in (None, entry["name"])]

    def wait_status(self, name, status, seconds=10, count=1):
        """Waits until exactly `count` instances of that name all have that status; returns their entries."""

        def reached():
            found = self.instances(name)
            seen = [entry["pm2_env"]["status"] for entry in found]
            if seen != [status] * count:
                raise AssertionError(f"{name} is {seen}, expected {count} x {status}")
            return found

        return eventually(reached, seconds, f"{name} {status}")

    @property
    def daemon_pid(self):
        with open(os.path.join(self.path, "pmx.pid")) as file:
            return int(file.read())

    @property
    def keeper_pid(self):
        return parent_of(self.daemon_pid)

    def living(self):
        return processes_with("PMX_HOME", self.path)

    def daemons(self):
        """Pids of this home's daemons, found in the process table."""
        return [pid for pid in self.living() if os.path.basename(_executable(pid)) == "pmxd"]

    def keepers(self):
        return [pid for pid in self.living() if os.path.basename(_executable(pid)) == "pmx-keeper"]

    def log_path(self, file_name):
        return os.path.join(self.path, "logs", file_name)

    def log(self, file_name):
        """Bytes of a file under logs/, empty if it does not exist."""
        with contextlib.suppress(FileNotFoundError):
            with open(self.log_path(file_name), "rb") as file:
                return file.read()
        return b""

    def rpc(self, seconds=10):
        return Rpc(os.path.join(self.path, "pmx.sock"), seconds)

    def recorded(self):
        """How many instances are on disk: what is not, a daemon that is killed now undoes, as nobody has been told of it."""
        database = os.path.join(self.path, "pmx.db")
        if not os.path.exists(database):
            return 0
        with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as opened:
            with contextlib.suppress(sqlite3.OperationalError):  # it is being made
                return opened.execute("SELECT count(*) FROM instance").fetchone()[0]
        return 0

    def daemon_log(self, limit=20000):
        with contextlib.suppress(FileNotFoundError):
            with open(os.path.join(self.path, "pmx.log"), "rb") as file:
                return file.read()[-limit:].decode("utf-8", "replace")
        return "(no pmx.log)"

    # The end

    def crash(self):
        """SIGKILL for daemon and keeper. The keeper is held meanwhile, so that neither can start the other again."""
        daemon, keeper = self.daemon_pid, self.keeper_pid
        os.kill(keeper, signal.SIGSTOP)
        os.kill(daemon, signal.SIGKILL)
        os.kill(keeper, signal.SIGKILL)
        eventually(lambda: not process_alive(daemon) and not process_alive(keeper), 10, "daemon and keeper are gone")

    def kill(self):
        return self.run("kill")

    def close(self):
        """`pmx kill`, then nothing of this home may be alive. Leftovers are ended, by pid, and reported as AssertionError."""
        if self.closed:
            return
        self.closed = True
        problems = []
        try:
            self.kill()
        except AssertionError as error:
            problems.append(str(error))
        try:
            eventually(lambda: not self.living(), 5, "no process of this home left")
        except AssertionError:
            left = [(pid, process_state(pid), command_line(pid)) for pid in self.living()]
            if left:
                problems.append(f"processes left behind: {left}")
        self._end_leftovers()
        log = self.daemon_log(1 << 20)
        for mark in SANITIZER_MARKS:
            if mark in log:
                problems.append(f"pmx.log holds {mark!r}")
        if problems:
            raise AssertionError("\n".join(problems))

    def _end_leftovers(self):
        # The keeper first, or it would start the daemon again.
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            left = self.living()
            if not left:
                return
            for pid in sorted(left, key=lambda pid: os.path.basename(_executable(pid)) != "pmx-keeper"):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.05)

    def remove(self):
        if os.environ.get("PMX_TEST_KEEP"):
            print(f"kept {self.root}", file=sys.stderr)
        else:
            shutil.rmtree(self.root, ignore_errors=True)


def _executable(pid):
    try:
        return os.readlink(f"/proc/{pid}/exe").removesuffix(" (deleted)")
    except OSError:
        return ""


def _drain(child):
    streams = []
    for stream in (child.stdout, child.stderr):
        os.set_blocking(stream.fileno(), False)
        data = b""
        with contextlib.suppress(OSError):
            data = stream.read() or b""
        streams.append(data)
        stream.close()
    child.wait()
    return streams


class Rpc:
    """A raw connection to the control socket: lines in, lines out."""

    def __init__(self, path, seconds=10):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(seconds * SLOW)
        self.socket.connect(path)
        self.buffer = b""
        self.next_id = 0

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def line(self):
        """The next line without its end, None at the end of the stream."""
        while b"\n" not in self.buffer:
            try:
                data = self.socket.recv(65536)
            except ConnectionResetError:
                return None
            except socket.timeout:
                raise AssertionError(f"no answer on the control socket, {len(self.buffer)} bytes so far") from None
            if not data:
                return None
            self.buffer += data
        line, _, self.buffer = self.buffer.partition(b"\n")
        return line

    def message(self):
        line = self.line()
        if line is None:
            raise AssertionError("the daemon closed the connection")
        return json.loads(line)

    def call(self, method, params=None):
        """Sends a request and returns its reply (notifications in between are skipped)."""
        self.next_id += 1
        self.send(json.dumps({"jsonrpc": "2.0", "id": self.next_id, "method": method, "params": params or {}}).encode() + b"\n")
        while True:
            message = self.message()
            if message.get("id") == self.next_id:
                return message


# HTTP


def http_get(port, path="/", timeout=10, host="127.0.0.1"):
    """(status, body) of one GET on its own connection. OSError or HTTPException on failure."""
    connection = http.client.HTTPConnection(host, port, timeout=timeout * SLOW)
    try:
        connection.request("GET", path, headers={"Connection": "close"})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def get_json(port, path="/", timeout=10):
    status, body = http_get(port, path, timeout)
    if status != 200:
        raise AssertionError(f"GET {path}: status {status}, body {body[:300]!r}")
    return json.loads(body)


def wait_http(port, path="/", seconds=10):
    """Waits until the port answers 200 and returns the body."""

    def answered():
        try:
            status, body = http_get(port, path, 2)
        except (OSError, http.client.HTTPException) as error:
            raise AssertionError(f"port {port}: {error!r}") from None
        if status != 200:
            raise AssertionError(f"port {port}: status {status}")
        return body or b" "

    return eventually(answered, seconds, f"http on port {port}")


class Load:
    """Requests without pause from several threads; every one that fails is counted by kind.

    Kinds: refused, reset, eof (closed before the whole answer), timeout, status (not 200), other. With keep_alive each thread
    keeps its connection as long as the server does; an answer with "Connection: close" is no failure."""

    def __init__(self, port, threads=8, keep_alive=False, path="/", timeout=15, host="127.0.0.1"):
        self.address, self.keep_alive, self.path, self.timeout = (host, port), keep_alive, path, timeout * SLOW
        self.request = (f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: {'keep-alive' if keep_alive else 'close'}\r\n\r\n").encode()
        self.lock = threading.Lock()
        self.ok, self.failures, self.pids, self.examples = 0, {}, {}, []
        self.finished = threading.Event()
        self.threads = [threading.Thread(target=self._run, daemon=True) for _ in range(threads)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *unused):
        self.stop()

    def stop(self):
        """Lets each thread finish its request."""
        self.finished.set()
        for thread in self.threads:
            thread.join()

    @property
    def failed(self):
        with self.lock:
            return sum(self.failures.values())

    def seen(self):
        """Pids that have answered so far."""
        with self.lock:
            return set(self.pids)

    def forget(self):
        """Starts the set of pids anew."""
        with self.lock:
            self.pids = {}

    def wait_ok(self, more, seconds=20):
        """Waits until `more` further requests have been answered."""
        target = self.ok + more
        eventually(lambda: self.ok >= target, seconds, f"{more} more answers ({self})")

    def __str__(self):
        return f"{self.ok} ok, failed {self.failures or 0}, by pid {self.pids}, examples {self.examples}"

    def _run(self):
        connection = None
        while not self.finished.is_set():
            try:
                if connection is None:
                    connection = socket.create_connection(self.address, self.timeout)
                connection.sendall(self.request)
                status, body, close = _read_response(connection)
                if status != 200:
                    raise _BadStatus(f"{status} {body[:100]!r}")
                pid = _pid_in(body)
                with self.lock:
                    self.ok += 1
                    if pid is not None:
                        self.pids[pid] = self.pids.get(pid, 0) + 1
                if close or not self.keep_alive:
                    connection.close()
                    connection = None
            except Exception as error:  # every failure is a result here
                if connection is not None:
                    connection.close()
                connection = None
                with self.lock:
                    kind = _failure_kind(error)
                    self.failures[kind] = self.failures.get(kind, 0) + 1
                    if len(self.examples) < 5:
                        self.examples.append(f"{kind}: {error!r}")
        if connection is not None:
            connection.close()


class _BadStatus(Exception):
    pass


def _failure_kind(error):
    for kind, types in (("refused", ConnectionRefusedError), ("reset", (ConnectionResetError, BrokenPipeError)), ("timeout", TimeoutError),
                        ("eof", EOFError), ("status", _BadStatus)):
        if isinstance(error, types):
            return kind
    return "other"


def _read_response(connection):
    """(status, body, close) of one response with Content-Length, chunks or an end by close. EOFError if it is cut."""
    data = b""
    while b"\r\n\r\n" not in data:
        part = connection.recv(65536)
        if not part:
            raise EOFError(f"after {len(data)} bytes of head")
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    status = int(lines[0].split()[1])
    headers = {key.strip().lower(): value.strip().lower() for key, _, value in (line.partition(":") for line in lines[1:])}
    close = headers.get("connection") == "close"
    if "content-length" in headers:
        length = int(headers["content-length"])
        while len(body) < length:
            part = connection.recv(65536)
            if not part:
                raise EOFError(f"after {len(body)} of {length} bytes of body")
            body += part
        return status, body, close
    if headers.get("transfer-encoding") == "chunked":
        while not body.endswith(b"0\r\n\r\n"):
            part = connection.recv(65536)
            if not part:
                raise EOFError("inside the chunks of a body")
            body += part
        return status, b"".join(re.findall(rb"[0-9a-f]+\r\n(.*?)\r\n", body, re.S)), close
    while part := connection.recv(65536):
        body += part
    return status, body, True


def _pid_in(body):
    match = re.search(rb'"pid":\s*(\d+)', body)
    return int(match.group(1)) if match else None


class Wrk:
    """`wrk` in the background, for at most ten minutes; finish() ends it and gives (requests, {kind: errors})."""

    available = shutil.which("wrk", path=PATH) is not None

    def __init__(self, port, connections=64, headers=(), path="/"):
        command = ["wrk", "-t2", f"-c{connections}", "-d600s", "--timeout", "20s"]
        for header in headers:
            command += ["-H", header]
        self.child = subprocess.Popen([*command, f"http://127.0.0.1:{port}{path}"], env={"PATH": PATH}, stdin=subprocess.DEVNULL,
                                      stdout=subprocess.PIPE, stderr=subprocess.STDOUT)

    def finish(self, timeout=60):
        # At SIGINT wrk stops and reports. An end of its own before (nothing listens) shows in its text.
        self.child.send_signal(signal.SIGINT)
        text = self.child.communicate(timeout=timeout * SLOW)[0].decode()
        match = re.search(r"(\d+) requests in", text)
        if not match:
            raise AssertionError(f"wrk did not finish: {text}")
        errors = {}
        sockets = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text)
        if sockets:
            errors = {kind: int(count) for kind, count in zip(("connect", "read", "write", "timeout"), sockets.groups()) if int(count)}
        status = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
        if status:
            errors["status"] = int(status.group(1))
        return int(match.group(1)), errors


    def end(self):
        self.child.kill()
        self.child.wait()
        self.child.stdout.close()


# Cases


class PmxTest(unittest.TestCase):
    """A test with a home (`self.home`); the logs of its homes are printed when it fails."""

    maxDiff = None

    def setUp(self):
        self.home = self.new_home()

    def new_home(self, **env):
        home = Home(**env)
        self._homes.append(home)
        self.addCleanup(home.close)
        return home

    def wrk(self, port, **options):
        """A running Wrk that does not outlive the test, or None without the program."""
        if not Wrk.available:
            return None
        wrk = Wrk(port, **options)
        self.addCleanup(wrk.end)
        return wrk

    def run(self, result=None):
        self._homes = []
        before = len(result.failures) + len(result.errors)
        try:
            return super().run(result)
        finally:
            if len(result.failures) + len(result.errors) > before:
                for home in self._homes:
                    print(f"--- pmx.log of {home.path} ({self.id()})\n{home.daemon_log(6000)}\n---", file=sys.stderr)
            for home in self._homes:
                home.remove()


class _Outcome(unittest.TextTestResult):
    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        print(f"SKIPPED {test.id()}: {reason}", file=sys.stderr)

    def startTest(self, test):
        super().startTest(test)
        self.begin = time.monotonic()

    def stopTest(self, test):
        super().stopTest(test)
        if "-v" in sys.argv:
            print(f"{time.monotonic() - self.begin:7.2f} s  {test.id()}", file=sys.stderr)


def _flat(suite):
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from _flat(item)
        else:
            yield item


def main():
    """Runs the tests of the calling file; exits 0 only if all passed (and at least one ran)."""
    sys.stdout.reconfigure(line_buffering=True)
    bin_dir()
    words = [word for word in sys.argv[1:] if not word.startswith("-")]
    tests = [test for test in _flat(unittest.defaultTestLoader.loadTestsFromModule(sys.modules["__main__"]))
             if not words or any(word in test.id() for word in words)]
    shard = os.environ.get("PMX_TEST_SHARD")
    if shard:
        index, count = map(int, shard.split("/"))
        tests = tests[index::count]
    if not tests:
        sys.exit("no test selected")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a run that is ended early cleans up as well
    try:
        outcome = unittest.TextTestRunner(verbosity=0, resultclass=_Outcome).run(unittest.TestSuite(tests))
    finally:
        for home in _homes:
            if not home.closed:
                home._end_leftovers()
                home.remove()
        for directory in _MADE_BY_HAND:
            shutil.rmtree(directory, ignore_errors=True)
    sys.exit(0 if outcome.wasSuccessful() else 1)
