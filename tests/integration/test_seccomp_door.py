"""Static programs share the port they bind by a seccomp notification, and are replaced without a failed request."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import pmxtest
from pmxtest import Load, eventually, fixture

STATIC = os.path.join(os.path.dirname(pmxtest.testapp()), "pmx_http_static")
KINDS = {"static c++": STATIC}


def build_go(directory):
    program = os.path.join(directory, "http_go")
    env = {"PATH": pmxtest.PATH, "HOME": directory, "GOCACHE": os.path.join(directory, "cache"), "CGO_ENABLED": "0", "GO111MODULE": "off"}
    subprocess.run(["go", "build", "-o", program, fixture("http_any.go")], check=True, env=env, timeout=150)
    return program


class Seccomp(pmxtest.PmxTest):
    def setUp(self):
        super().setUp()
        self.port = pmxtest.free_port()

    def start(self, script, *args, instances=4, check=True):
        result = self.home.run("start", script, "--name", "web", "-i", instances, "--bind-via", "seccomp", "--listen-timeout", "20000", *args,
                               env={"PORT": self.port}, timeout=60, check=check)
        if check:
            self.home.wait_status("web", "online", 20, count=instances)
        return result

    def all_answer(self, pids=None):
        pids = pids or set(self.home.pids("web"))
        with Load(self.port, threads=8) as load:
            eventually(lambda: load.seen() == pids, 20, f"answers of {pids} ({load})")
        self.assertEqual(load.failed, 0, load)


class Works(Seccomp):
    def test_share_reload_and_daemon_killed(self):
        for kind, program in KINDS.items():
            with self.subTest(kind=kind):
                self.start(program)
                self.assertEqual(self.home.instances("web")[0]["pm2_env"]["exec_mode"], "cluster_mode")
                self.assertIn("seccomp notification", self.home.run("show", "web").stdout)
                self.all_answer()
                with Load(self.port, threads=8) as load:
                    load.wait_ok(50)
                    before = set(self.home.pids("web"))
                    self.home.run("reload", "web", timeout=90)
                    self.assertFalse(before & set(self.home.pids("web")))
                    load.wait_ok(50)
                    pids = set(self.home.pids("web"))
                    os.kill(self.home.daemon_pid, signal.SIGKILL)
                    load.wait_ok(50)
                    self.assertEqual(set(self.home.pids("web")), pids)
                    self.home.run("reload", "web", timeout=90)
                    load.wait_ok(50)
                print(f"figure: {kind}, 8 replacements and kill -9 of the daemon under load: {load.ok} ok, failed {load.failures}", file=sys.stderr)
                self.assertEqual(load.failed, 0, load)
                self.all_answer()
                self.home.run("delete", "web")

    def test_bind_after_the_daemon_was_killed(self):
        """The call waits in the kernel, or is answered by the next daemon."""
        script = self.home.file("late.sh", f'#!/bin/sh\nwhile [ ! -e "{self.home.work}/gate" ]; do sleep 0.02; done\nexec {STATIC}\n', 0o755)
        self.home.run("start", script, "--name", "web", "-i", 2, "--bind-via", "seccomp", "--listen-timeout", "300", env={"PORT": self.port}, timeout=60)
        pids = set(self.home.pids("web"))
        os.kill(self.home.daemon_pid, signal.SIGKILL)
        self.home.file("gate", "")
        eventually(lambda: pmxtest.wait_http(self.port) or True, 20, "serves")
        self.all_answer(pids)

    def test_wrapper_that_does_not_exec(self):
        script = self.home.file("wrapper.sh", f"#!/bin/sh\n{STATIC} &\nwait\n", 0o755)
        self.start(script, instances=2)
        with Load(self.port, threads=8) as load:
            eventually(lambda: len(load.seen()) == 2, 20, f"two children ({load})")
            self.home.run("reload", "web", timeout=60)
            load.forget()
            load.wait_ok(50)
        self.assertEqual(load.failed, 0, load)


class Limits(Seccomp):
    def test_port_held_by_a_stranger(self):
        with socket.create_server(("127.0.0.1", self.port)):
            self.start(STATIC, "--max-restarts", 1, instances=2, check=None)
            self.home.wait_status("web", "errored", 20, count=2)
            self.assertIn(f"port {self.port} is held by process {os.getpid()}", self.home.instances("web")[0]["pm2_env"]["reason"])
            self.assertIn(b"Address already in use", self.home.log(f"web-error-{self.home.instances('web')[0]['pm_id']}.log"))

    def test_auto_says_what_to_do(self):
        result = self.home.run("start", STATIC, "--name", "web", "-i", 2, "--no-autostart", env={"PORT": self.port})
        self.assertIn("--bind-via seccomp", result.stderr)
        self.assertIn("shares no ports", self.home.run("show", "web").stdout)
        if "go net/http" in KINDS:
            result = self.home.run("start", KINDS["go net/http"], "--name", "go", "-i", 2, "--no-autostart", env={"PORT": self.port})
            self.assertIn("is a Go program, which makes its system calls itself: its 2 instances are copies that share no port", result.stderr)


if __name__ == "__main__":
    made = None
    if shutil.which("go", path=pmxtest.PATH):
        made = tempfile.mkdtemp(prefix="pmxgo.")
        KINDS["go net/http"] = build_go(made)
    else:
        print("not tested: Go, which is not installed", file=sys.stderr)
    try:
        pmxtest.main()
    finally:
        if made:
            shutil.rmtree(made, ignore_errors=True)
