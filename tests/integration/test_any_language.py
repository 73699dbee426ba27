"""Cluster mode of programs that are not Node: unchanged, they share the port they bind, and are replaced without a failed request."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import node_versions
import pmxtest
from pmxtest import Load, eventually, fixture

SERVER = os.path.join(os.path.dirname(pmxtest.testapp()), "pmx_http_any")
# Script, environment, pmx's further arguments.
KINDS = {
    "python threads": (fixture("http_any.py"), {}, ()),
    "python asyncio": (fixture("http_any.py"), {"KIND": "asyncio"}, ()),
    "c++": (SERVER, {}, ()),
}
if shutil.which("ruby"):
    KINDS["ruby"] = (fixture("http_any.rb"), {}, ())
else:
    print("not tested: Ruby, which is not installed", file=sys.stderr)


def runs(program):
    """Bun's needs a processor with AVX2."""
    return subprocess.run([program, "--version"], capture_output=True).returncode == 0


OTHERS = {name: path for name, path in node_versions.installed(os.environ.get("PMX_TEST_NODES", ""), node_versions.OTHERS).items() if runs(path)}
if "deno" in OTHERS:
    KINDS["deno"] = (fixture("deno_serve.ts"), {}, ("--interpreter", OTHERS["deno"], "--interpreter-args", "run -A"))
if "bun" in OTHERS:
    KINDS["bun"] = (fixture("bun_serve.ts"), {}, ("--interpreter", OTHERS["bun"]))
    KINDS["bun node:http"] = (fixture("server.js"), {}, ("--interpreter", OTHERS["bun"]))
JAVASCRIPT = {"deno", "bun", "bun node:http"}
HAS_JAVA = shutil.which("javac") and shutil.which("java")


def compile_java(directory):
    subprocess.run(["javac", "-d", directory, fixture("HttpAny.java")], check=True, timeout=120 * pmxtest.SLOW)
    return shutil.which("java"), {}, ("--", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", directory, "HttpAny")


class AnyLanguage(pmxtest.PmxTest):
    def setUp(self):
        super().setUp()
        self.port = pmxtest.free_port()

    def start(self, kind="python threads", *args, instances=2, check=True, **env):
        script, more, own_args = compile_java(self.home.work) if kind == "java" else KINDS[kind]
        result = self.home.run("start", script, "--name", "web", "-i", instances, "--listen-timeout", "20000", *args, *own_args,
                               env={"PORT": self.port, **more, **env}, timeout=60, check=check)
        if check:
            self.home.wait_status("web", "online", 20, count=instances)
        return result

    def reload_loses_nothing(self, answers=20, threads=8):
        """Under load; what the command said."""
        with Load(self.port, threads=threads) as load:
            load.wait_ok(answers)
            result = self.home.run("reload", "web", timeout=90)
            load.wait_ok(answers)
        self.assertEqual(load.failed, 0, load)
        return result

    def all_answer(self, port=None):
        pids = set(self.home.pids("web"))
        with Load(port or self.port, threads=8) as load:
            eventually(lambda: load.seen() == pids, 20, f"answers of {pids} ({load})")
        self.assertEqual(load.failed, 0, load)


class Works(AnyLanguage):
    def share_crash_and_reload(self, kind, balance="slots"):
        with self.subTest(kind=kind, balance=balance):
            self.start(kind, "--balance", balance, instances=3)
            self.assertEqual(self.home.instances("web")[0]["pm2_env"]["exec_mode"], "cluster_mode")
            self.all_answer()
            victim = self.home.pids("web")[1]
            os.kill(victim, signal.SIGKILL)
            eventually(lambda: victim not in self.home.pids("web"), 10, "replaced")
            self.home.wait_status("web", "online", 20, count=3)
            self.all_answer()
            with Load(self.port, threads=16) as load:
                for _ in range(2):
                    load.wait_ok(50)
                    before = set(self.home.pids("web"))
                    self.home.run("reload", "web", timeout=90)
                    self.assertFalse(before & set(self.home.pids("web")))
                    load.wait_ok(50)
            print(f"figure: {kind}, {balance}, 6 replacements under load: {load.ok} ok, failed {load.failures}", file=sys.stderr)
            if balance == "slots":  # with shared nobody can tell the kernel to leave out a process
                self.assertEqual(load.failed, 0, load)
            self.home.run("delete", "web")

    def test_share_crash_and_reload(self):
        # Of the sanitizers' interest is the daemon, not each language.
        for kind in [kind for kind in KINDS if kind not in JAVASCRIPT] if pmxtest.SLOW == 1 else ("python threads", "c++"):
            self.share_crash_and_reload(kind)
        self.share_crash_and_reload("python threads", "shared")

    @unittest.skipUnless(pmxtest.SLOW == 1, "not of the sanitizers' interest")
    def test_deno_and_bun(self):
        for name in node_versions.OTHERS.keys() - OTHERS.keys():
            print(f"not tested: {name}, not in PMX_TEST_NODES ({os.environ.get('PMX_TEST_NODES', '')!r}) or it does not run here", file=sys.stderr)
        for kind in [kind for kind in KINDS if kind in JAVASCRIPT]:
            self.share_crash_and_reload(kind)

    @unittest.skipUnless(HAS_JAVA, "not tested: Java, whose javac is not installed")
    @unittest.skipUnless(pmxtest.SLOW == 1, "not of the sanitizers' interest")
    def test_java(self):
        self.share_crash_and_reload("java")

    def test_slow_answers_are_finished(self):
        self.start("python asyncio", SLOW="400")
        self.reload_loses_nothing(10, threads=16)

    def test_shared_ends_when_its_first_connections_have(self):
        """Nobody can keep new connections from one of several that share a socket: to wait for those would last the whole drain_timeout."""
        self.start("python threads", "--balance", "shared", "--drain-timeout", "1h", SLOW="100")
        with Load(self.port, threads=8) as load:
            load.wait_ok(20)
            self.home.run("reload", "web", timeout=40)
            load.wait_ok(20)

    def test_broken_version_is_not_let_in(self):
        self.start()
        before = self.home.pids("web")
        with Load(self.port, threads=8) as load:
            load.wait_ok(20)
            result = self.home.run("reload", "web", "--update-env", env={"CRASH_AT": "start", "PORT": self.port}, check=None, timeout=90)
            load.wait_ok(20)
        self.assertEqual(result.code, 6, result)
        self.assertIn("this version is broken", result.stderr)
        self.assertEqual(self.home.pids("web"), before)
        self.assertEqual(load.failed, 0, load)

    def test_daemon_killed(self):
        self.start()
        pids = set(self.home.pids("web"))
        with Load(self.port, threads=8) as load:
            load.wait_ok(20)
            os.kill(self.home.daemon_pid, signal.SIGKILL)
            load.wait_ok(20)
            self.assertEqual(set(self.home.pids("web")), pids)
            self.home.run("reload", "web", timeout=60)
            load.wait_ok(20)
        self.assertEqual(load.failed, 0, load)
        self.all_answer()

    def test_two_ports(self):
        second = pmxtest.free_port()
        self.start(SECOND=second)
        self.all_answer()
        self.all_answer(second)

    def test_bind_in_a_child_behind_a_shell(self):
        script = self.home.file("wrapper.py", textwrap.dedent(f"""
            import os, subprocess, sys
            sys.exit(subprocess.call(["/bin/sh", "-c", {sys.executable!r} + " " + {fixture('http_any.py')!r}]))
        """))
        self.home.run("start", script, "--name", "web", "-i", 2, "--listen-timeout", "20000", env={"PORT": self.port}, timeout=60)
        self.home.wait_status("web", "online", 20, count=2)
        with Load(self.port, threads=8) as load:
            eventually(lambda: len(load.seen()) == 2, 20, f"two children ({load})")
            self.home.run("reload", "web", timeout=60)
            load.forget()
            load.wait_ok(50)
        self.assertEqual(load.failed, 0, load)

    def test_own_reuseport(self):
        """A program that sets SO_REUSEPORT itself is as safe as the others."""
        self.start("c++", OWN_REUSEPORT="1")
        self.reload_loses_nothing(50)

    def test_node_without_its_cluster_protocol(self):
        self.home.run("start", fixture("server.js"), "--name", "web", "-i", 2, "--bind-via", "preload", "--listen-timeout", "20000", env={"PORT": self.port}, timeout=60)
        self.home.wait_status("web", "online", 20, count=2)
        self.assertFalse(pmxtest.get_json(self.port)["isWorker"])
        self.all_answer()

    def test_fork_mode_on_request(self):
        self.home.run("start", fixture("http_any.py"), "--name", "web", "--bind-via", "preload", env={"PORT": self.port})
        pmxtest.wait_http(self.port)
        self.assertNotIn("fork mode: restarted", self.reload_loses_nothing().stderr)


class Limits(AnyLanguage):
    def test_never_listens(self):
        """A worker of jobs: online after listen_timeout, and several of them."""
        script = self.home.file("job.py", "import time\nwhile True: time.sleep(10)\n")
        self.home.run("start", script, "--name", "job", "-i", 2, "--listen-timeout", "300")
        self.home.wait_status("job", "online", count=2)

    def test_wait_ready_is_obeyed(self):
        script = self.home.file("slow.py", textwrap.dedent("""
            import os, socket, time
            socket.create_server(("127.0.0.1", int(os.environ["PORT"])))
            while not os.path.exists(os.environ["GATE"]): time.sleep(0.01)
            os.write(int(os.environ["NODE_CHANNEL_FD"]), b'"ready"\\n')
            time.sleep(100)
        """))
        gate = os.path.join(self.home.work, "gate")
        start = self.home.popen("start", script, "--name", "web", "-i", 2, "--wait-ready", "--listen-timeout", "20000", env={"PORT": self.port, "GATE": gate},
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        eventually(lambda: self.home.statuses("web") == ["launching"] * 2, 10, "launching")
        eventually(lambda: self.listens(), 10, "listens")
        self.assertEqual(self.home.statuses("web"), ["launching"] * 2)
        open(gate, "w").close()
        out, err = start.communicate(timeout=30)
        self.assertEqual(start.returncode, 0, err)
        self.assertEqual(self.home.statuses("web"), ["online"] * 2)

    def listens(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        except OSError:
            return False

    def test_opt_out(self):
        for args, env in ((("--bind-via", "none"), {}), ((), {"PMX_LISTEN": "off"}), ((), {"PMX_LISTEN_PORTS": "1,2"})):
            with self.subTest(args=args, env=env):
                self.start("python threads", "--max-restarts", 1, *args, check=None, **env)
                eventually(lambda: "Address already in use" in "".join(
                    self.home.log(f"web-error-{entry['pm_id']}.log").decode() for entry in self.home.instances("web")), 20, "EADDRINUSE")
                self.home.run("delete", "web")

    def test_port_held_by_a_stranger(self):
        with socket.create_server(("127.0.0.1", self.port)):
            self.start("python threads", "--max-restarts", 1, check=None)
            self.home.wait_status("web", "errored", 20, count=2)
            self.assertIn(f"port {self.port} is held by process {os.getpid()}", self.home.instances("web")[0]["pm2_env"]["reason"])

    def test_shutdown_of_the_listening_socket(self):
        for env in {}, {"DUP": "1"}, {"VFORK": "1"}:
            with self.subTest(env=env):
                self.start("c++", **env)
                os.kill(self.home.pids("web")[0], signal.SIGUSR1)
                self.all_answer()
                self.home.run("delete", "web")

    def test_static_program(self):
        """It cannot load the library: refused with a way out, and -i means N copies as in pm2."""
        static = os.path.join(pmxtest.bin_dir(), "pmx")
        with open(static, "rb") as file:
            if b"/ld-linux" in file.read(4096):
                self.skipTest("pmx is linked dynamically in this build, and no other static program is at hand")
        path = self.home.json_file("apps.json", {"apps": [{"name": "web", "script": static, "exec_mode": "cluster"}]})
        self.assertIn("statically linked", self.home.fails("start", path).stderr)
        self.home.run("start", static, "--name", "copies", "-i", 2, "--no-autostart", "--", "--version")
        self.assertEqual(self.home.instances("copies")[0]["pm2_env"]["exec_mode"], "fork_mode")

    def test_shell_scripts_stay_copies(self):
        script = self.home.file("job.sh", "sleep 1000\n")
        self.home.run("start", script, "--name", "job", "-i", 2)
        self.assertEqual(self.home.instances("job")[0]["pm2_env"]["exec_mode"], "fork_mode")

    def test_garbage_at_the_door(self):
        self.start()
        path = os.path.join(self.home.path, "app.sock")
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o600)
        silent = []
        for data in (b"", b"x", b"\0" * 10000, b"lxmp" + b"\xff" * 164, os.urandom(168)):
            client = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            client.connect(path)
            if data:
                client.sendall(data)
            silent.append(client)
        self.start_again()
        for client in silent:
            client.close()

    def start_again(self):
        self.home.run("reload", "web", timeout=60)
        self.all_answer()


class PackageRunner(AnyLanguage):
    """`npm start` with several instances: its program, if that can be told, else all that npm starts gets the sockets. Never EADDRINUSE."""

    def package(self, **scripts):
        self.home.file("package.json", json.dumps({"name": "shop", "version": "1.2.3", "scripts": scripts}))
        shutil.copy(fixture("server.js"), os.path.join(self.home.work, "app.js"))

    def test_program_of_the_script(self):
        self.package(start="node app.js")
        self.home.run("start", "npm", "--name", "web", "-i", 2, "--", "start", env={"PORT": self.port})
        self.home.wait_status("web", "online", count=2)
        for pid in self.home.pids("web"):
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                self.assertIn(b"app.js", file.read())
        self.all_answer()
        self.reload_loses_nothing()

    def test_script_that_needs_a_shell(self):
        self.package(both="echo building && node app.js")
        self.home.file("bin/npm", "#!/bin/sh\n[ \"$*\" = 'run both' ] && sh -c 'echo building && node app.js'\n", mode=0o755)
        path = os.path.join(self.home.work, "bin") + ":" + os.environ["PATH"]
        self.home.run("start", "npm run both", "--name", "web", "-i", 2, env={"PORT": self.port, "PATH": path})
        self.home.wait_status("web", "online", count=2)
        with Load(self.port, threads=8) as load:
            eventually(lambda: len(load.seen()) == 2, 20, f"answers of both ({load})")
        self.assertEqual(load.failed, 0, load)
        self.reload_loses_nothing()


if __name__ == "__main__":
    pmxtest.main()
