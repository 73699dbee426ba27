"""Many replacements under load, for every language: how many requests fail, and the longest time without an answer.

PMX_TEST_REPLACEMENTS: how many processes are replaced in each row (default 4; 100 for the table of a release). PMX_TEST_MATRIX=full:
every way to connect and every duration, else one of each. Rows are printed; a failed request fails the test, except where the server
itself closes connections on which a request may be on its way, which is reported."""

import json
import os
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import node_versions
import pmxtest
from pmxtest import fixture

REPLACEMENTS = int(os.environ.get("PMX_TEST_REPLACEMENTS", "4"))
FULL = os.environ.get("PMX_TEST_MATRIX") == "full"
MODES = ("close", "keep", "mixed") if FULL else ("mixed",)
MILLISECONDS = (0, 5, 150) if FULL else (5,)
WORKERS = 4
CONNECTIONS = 64
NODES = node_versions.installed(os.environ.get("PMX_TEST_NODES", ""))
BUILT = os.path.dirname(pmxtest.testapp())


class Connections:
    """tests/support/connections.py, while the block runs."""

    def __init__(self, port, mode, path):
        program = os.path.join(os.path.dirname(pmxtest.__file__), "connections.py")
        self.command = [sys.executable, program, str(port), str(CONNECTIONS), mode, path]

    def __enter__(self):
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        return self

    def __exit__(self, *unused):
        out, _ = self.process.communicate(b"\n", timeout=60)
        self.result = json.loads(out)


class Replacements(pmxtest.PmxTest):
    def table(self, name, *command, env=None, may_fail=(), modes=MODES, path="/"):
        for mode in modes:
            for milliseconds in MILLISECONDS:
                with self.subTest(mode=mode, milliseconds=milliseconds):
                    self.row(name, command, dict(env or {}), mode, milliseconds, path, mode in may_fail)

    def row(self, name, command, env, mode, milliseconds, path, may_fail):
        port = pmxtest.free_port()
        # Kept connections that are cut in the end need not be waited for as long as the default says.
        drain_timeout = ("--drain-timeout", "3s") if may_fail else ()
        self.home.run("start", "--name", "app", "-i", WORKERS, "--listen-timeout", "10s", *drain_timeout, *command,
                      env={"PORT": port, "SLOW": milliseconds, **env})
        pmxtest.wait_http(port)
        replaced = 0
        with Connections(port, mode, path.format(ms=milliseconds)) as load:
            while replaced < REPLACEMENTS:
                before = self.home.pids("app")
                self.home.run("reload", "app", timeout=120)
                replaced += len(set(before) - set(self.home.pids("app")))
        self.home.run("delete", "app", timeout=60)
        result = load.result
        print(f"figure: {name:24} {mode:5} {milliseconds:3} ms: {replaced} replaced, {result['ok']} ok on {result['connections']} connections, "
              f"failed {result['failed'] or 0}, longest gap {result['longest_gap_ms']} ms", file=sys.stderr, flush=True)
        self.assertGreater(result["ok"], 0)
        if not may_fail:
            self.assertEqual(result["failed"], {}, f"{name}, {mode}, {milliseconds} ms")

    def test_node(self):
        self.table("node, system", fixture("server.js"), path="/slow?ms={ms}")

    def test_node_without_the_drain_preload(self):
        """Node closes idle connections when it disconnects; a request may be on its way on one."""
        self.table("node, PMX_DRAIN=off", fixture("server.js"), env={"PMX_DRAIN": "off"}, may_fail=("keep", "mixed"), path="/slow?ms={ms}")

    def test_node_versions(self):
        for version in ("14", "24"):
            node = next((path for name, path in NODES.items() if name.split(".")[0].lstrip("v") == version), None)
            if node is None:
                print(f"not tested: Node {version}, not in PMX_TEST_NODES", file=sys.stderr)
                continue
            self.table(f"node {version}", fixture("server.js"), "--interpreter", node, path="/slow?ms={ms}")

    def test_python(self):
        self.table("python http.server", fixture("http_any.py"), env={"KIND": "threads"})
        self.table("python asyncio", fixture("http_any.py"), env={"KIND": "asyncio"})

    def test_cpp(self):
        self.table("c++, one at a time", os.path.join(BUILT, "pmx_http_any"))
        if FULL:
            self.table("c++, threads", os.path.join(BUILT, "pmx_http_any"), env={"THREADS": "1"})

    @unittest.skipUnless(shutil.which("ruby"), "there is no ruby here")
    def test_ruby(self):
        self.table("ruby", fixture("http_any.rb"), "--interpreter", "ruby")

    @unittest.skipUnless(shutil.which("javac"), "there is no javac here")
    def test_java(self):
        """The JVM ends at once by a signal, with whatever is on its kept connections."""
        subprocess.run(["javac", "-d", self.home.work, fixture("HttpAny.java")], check=True)
        self.table("java", shutil.which("java"), "--", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", self.home.work, "HttpAny",
                   may_fail=("keep", "mixed"))

    @unittest.skipUnless(shutil.which("go"), "there is no go here")
    def test_static_go(self):
        """net/http ends at once by a signal, with whatever is on its kept connections."""
        program = os.path.join(self.home.work, "go-server")
        subprocess.run(["go", "build", "-o", program, fixture("http_any.go")], check=True,
                       env={**os.environ, "CGO_ENABLED": "0", "GOCACHE": os.path.join(self.home.work, "go-cache"), "GO111MODULE": "off"})
        self.table("go, static, seccomp", program, "--bind-via", "seccomp", may_fail=("keep", "mixed"))


if __name__ == "__main__":
    pmxtest.main()
