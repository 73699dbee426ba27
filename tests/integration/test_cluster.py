"""Cluster mode: unmodified Node servers share a port; crashes, reloads and scaling under load."""

import math
import os
import shutil
import signal
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import pmxtest
from pmxtest import Load, Wrk, eventually, fixture, get_json


def usable_cores():
    """Possible answers for "all cores": affinity, limited by the cgroup's quota (rounded either way)."""
    affinity = len(os.sched_getaffinity(0))
    quotas = []
    with open("/proc/self/cgroup") as file:
        path = next((line.strip().split("::")[1] for line in file if line.startswith("0::")), None)
    while path is not None:
        try:
            with open(f"/sys/fs/cgroup{path}/cpu.max") as file:
                quota, period = file.read().split()
            if quota != "max":
                quotas.append(int(quota) / int(period))
        except OSError:
            pass
        path = None if path in ("/", "") else os.path.dirname(path)
    limit = min([affinity, *quotas])
    return {max(1, math.floor(limit)), max(1, math.ceil(limit))}


class Cluster(pmxtest.PmxTest):
    def setUp(self):
        super().setUp()
        self.port = pmxtest.free_port()

    def start(self, instances, *args, script=None, **env):
        """Starts the server and waits until it answers: only then has Node read its script. The listen timeout is one for a busy machine."""
        if "--listen-timeout" not in args:
            args = (*args, "--listen-timeout", "20000")
        self.home.run("start", script or fixture("server.js"), "--name", "web", "-i", instances, *args, env={"PORT": self.port, **env})
        pmxtest.wait_http(self.port, seconds=20)
        for entry in self.home.instances("web"):
            eventually(lambda: self.home.log(os.path.basename(entry["pm2_env"]["pm_out_log_path"])), 20, f"the first line of {entry['pm_id']}")

    def nodes(self):
        return sorted(pid for pid in self.home.living() if os.path.basename(os.readlink(f"/proc/{pid}/exe")) == "node")

    def answering(self, expected, seconds=20):
        """Waits until exactly these pids answer and returns what each said."""
        with Load(self.port, threads=8, path="/busy?ms=4") as load:
            eventually(lambda: load.seen() >= set(expected), seconds, f"answers of {expected} ({load})")
        self.assertEqual(load.failed, 0, load)
        self.assertEqual(load.seen(), set(expected))


class Start(Cluster):
    def test_workers_share_the_port(self):
        self.start(2)
        entries = self.home.wait_status("web", "online", count=2)
        self.assertEqual([entry["pm2_env"]["exec_mode"] for entry in entries], ["cluster_mode"] * 2)
        self.assertEqual([entry["pm2_env"]["NODE_APP_INSTANCE"] for entry in entries], [0, 1])
        self.answering(self.home.pids("web"))
        # No Node process beyond the workers.
        self.assertEqual(self.nodes(), sorted(self.home.pids("web")))

    def test_worker_knows_itself(self):
        self.start(2)
        said = {}

        def both():
            answer = get_json(self.port, "/busy?ms=5")
            said[answer["pid"]] = answer
            return len(said) == 2

        with Load(self.port, threads=4, path="/busy?ms=5"):
            eventually(both, 20, "answers of both workers")
        self.assertEqual({answer["isWorker"] for answer in said.values()}, {True})
        self.assertEqual({answer["canSend"] for answer in said.values()}, {True})
        self.assertEqual({answer["instance"] for answer in said.values()}, {"0", "1"})
        ids = [answer["worker"] for answer in said.values()]
        self.assertEqual(len(set(ids)), 2)
        self.assertTrue(all(isinstance(number, int) for number in ids), ids)

    def test_listens_without_an_address(self):
        self.start(2, LISTEN_ALL="1")
        self.home.wait_status("web", "online", count=2)
        self.answering(self.home.pids("web"))

    def test_messages_of_the_app_are_harmless(self):
        self.start(2)
        for number in range(100):
            get_json(self.port, f"/send?text={number}{'x' * 1000}")
        self.home.wait_status("web", "online", count=2)
        self.assertEqual([entry["pm2_env"]["restart_time"] for entry in self.home.instances("web")], [0, 0])

    def test_counts(self):
        cores = usable_cores()
        for argument in ("0", "max"):
            with self.subTest(instances=argument):
                self.start(argument)
                self.assertIn(len(self.home.instances("web")), cores)
                self.assertEqual({entry["pm2_env"]["exec_mode"] for entry in self.home.instances("web")}, {"cluster_mode"})
                self.home.run("delete", "web")
        self.start("-1")
        self.assertIn(len(self.home.instances("web")), {max(1, count - 1) for count in cores})
        self.home.run("delete", "web")
        self.start("1")
        self.assertEqual(self.home.one("web")["pm2_env"]["exec_mode"], "cluster_mode")

    def test_inspector_ports(self):
        inspector = pmxtest.free_port()
        self.start(2, "--node-args", f"--inspect=127.0.0.1:{inspector}")
        for number, entry in enumerate(self.home.instances("web")):
            expected = f"Debugger listening on ws://127.0.0.1:{inspector + number}/".encode()
            eventually(lambda: expected in self.home.log(f"web-error-{entry['pm_id']}.log"), 10, expected)

    def test_max_follows_affinity(self):
        core = min(os.sched_getaffinity(0))
        self.home.run("start", fixture("server.js"), "--name", "web", "-i", "max", env={"PORT": self.port}, preexec_fn=lambda: os.sched_setaffinity(0, {core}))
        self.assertEqual(len(self.home.instances("web")), 1)

    def test_two_ports_and_two_apps(self):
        other = pmxtest.free_port()
        self.start(2)
        self.home.run("start", fixture("server.js"), "--name", "other", "-i", "2", env={"PORT": other})
        self.assertIn(get_json(self.port)["pid"], self.home.pids("web"))
        self.assertIn(get_json(other)["pid"], self.home.pids("other"))

    def test_port_is_free_after_stop_and_delete(self):
        import socket

        self.start(2)
        for command in ("stop", "delete"):
            self.home.run(command, "web")
            with self.subTest(after=command), socket.create_server(("127.0.0.1", self.port)):
                pass

    def test_port_in_use_is_the_apps_error(self):
        import socket

        with socket.create_server(("127.0.0.1", self.port)):
            self.home.run("start", fixture("server.js"), "--name", "web", "-i", "2", "--max-restarts", "2", env={"PORT": self.port}, check=None)
            entries = self.home.wait_status("web", "errored", 40, count=2)
            for entry in entries:
                self.assertIn(b"EADDRINUSE", self.home.log(f"web-error-{entry['pm_id']}.log"))
            self.assertEqual({entry["pm2_env"]["exit_code"] for entry in entries}, {1})
        self.home.run("restart", "web")
        self.home.wait_status("web", "online", count=2)
        self.answering(self.home.pids("web"))


class Crash(Cluster):
    def test_killed_worker_under_load(self):
        self.start(2)
        victim, other = self.home.pids("web")
        threads = 16
        with Load(self.port, threads=threads, path="/busy?ms=1") as load:
            load.wait_ok(100)
            os.kill(victim, signal.SIGKILL)
            fresh = eventually(lambda: next(iter(set(self.home.pids("web")) - {victim, other}), None), 10, "a replacement")
            eventually(lambda: fresh in load.seen(), 20, f"answers of the replacement {fresh} ({load})")
        # Only what the killed one had in its hands may fail: cut connections, at most one per client.
        self.assertLessEqual(set(load.failures), {"reset", "eof"}, load)
        self.assertLessEqual(load.failed, threads, load)
        print(f"figure: worker killed under load: {load}", file=sys.stderr)
        entries = {entry["pid"]: entry["pm2_env"] for entry in self.home.wait_status("web", "online", count=2)}
        self.assertEqual({pid: env["restart_time"] for pid, env in entries.items()}, {other: 0, fresh: 1})

    def test_killed_worker_under_wrk(self):
        if not Wrk.available:
            self.skipTest("wrk is not installed")
        self.start(2)
        victim, other = self.home.pids("web")
        wrk = self.wrk(self.port)
        with Load(self.port, threads=1) as load:
            load.wait_ok(20)
            os.kill(victim, signal.SIGKILL)
            fresh = eventually(lambda: next(iter(set(self.home.pids("web")) - {victim, other}), None), 10, "a replacement")
            eventually(lambda: fresh in load.seen(), 20, f"answers of the replacement {fresh} ({load})")
        requests, errors = wrk.finish()
        print(f"figure: wrk -c64, one worker killed: {requests} requests, errors {errors}", file=sys.stderr)
        self.assertLessEqual(set(errors), {"read", "write"})
        self.assertLessEqual(sum(errors.values()), 64)

    def test_uncaught_exception_of_one_worker(self):
        self.start(2)
        before = self.home.pids("web")
        pid = get_json(self.port, "/throw")["pid"]
        eventually(lambda: pid not in self.home.pids("web") and len(self.home.pids("web")) == 2, 10, "a replacement")
        self.home.wait_status("web", "online", count=2)
        self.assertEqual(len(set(self.home.pids("web")) & set(before)), 1)
        entry = next(entry for entry in self.home.instances("web") if entry["pid"] not in before)
        self.assertEqual(entry["pm2_env"]["exit_code"], 1)
        self.assertIn(b"thrown on request", self.home.log(f"web-error-{entry['pm_id']}.log"))


class Reload(Cluster):
    RELOADS = 5

    def reload_under(self, load):
        for number in range(self.RELOADS):
            before = set(self.home.pids("web"))
            load.wait_ok(30)
            self.home.run("reload", "web", timeout=60)
            after = set(self.home.pids("web"))
            self.assertEqual(len(after), 2)
            self.assertFalse(after & before, "a worker was not replaced")
            self.assertEqual([entry["pm2_env"]["restart_time"] for entry in self.home.instances("web")], [number + 1] * 2)
        load.wait_ok(30)

    def test_under_load(self):
        self.start(2)
        with Load(self.port, threads=16) as load:
            self.reload_under(load)
        print(f"figure: {self.RELOADS} reloads under load: {load.ok} ok, failed {load.failures}", file=sys.stderr)
        self.assertEqual(load.failed, 0, load)

    def test_slow_requests_are_finished(self):
        self.start(2, "--kill-timeout", "20000")
        with Load(self.port, threads=8, path="/slow?ms=300") as load:
            load.wait_ok(10)
            for _ in range(2):
                self.home.run("reload", "web", timeout=60)
            load.wait_ok(10)
        self.assertEqual(load.failed, 0, load)

    def test_under_keep_alive_load(self):
        self.start(2, "--kill-timeout", "10000")
        with Load(self.port, threads=8, keep_alive=True) as load:
            self.reload_under(load)
        self.assertEqual(load.failed, 0, load)

    def wrk_reloads(self, headers):
        if not Wrk.available:
            self.skipTest("wrk is not installed")
        self.start(2)
        wrk = self.wrk(self.port, headers=headers)
        for _ in range(self.RELOADS):
            self.home.run("reload", "web", timeout=60)
        self.assertIsNone(wrk.child.poll(), "wrk ended before the last reload: the test measured nothing")
        requests, errors = wrk.finish()
        print(f"figure: wrk -c64 {headers}, {self.RELOADS} reloads: {requests} requests, errors {errors}", file=sys.stderr)
        self.assertEqual(errors, {})
        self.assertGreater(requests, 100)

    def test_under_wrk_with_close(self):
        self.wrk_reloads(["Connection: close"])

    def test_under_wrk(self):
        self.wrk_reloads([])

    def test_new_code_is_run(self):
        script = shutil.copy(fixture("server.js"), os.path.join(self.home.work, "app.js"))
        self.start(2, script=script)
        with open(script, "a") as file:
            file.write("process.env.APP_VERSION = 'two';\n")
        self.home.run("reload", "web")
        with Load(self.port, threads=4):
            for _ in range(20):
                self.assertEqual(get_json(self.port, "/busy?ms=2")["version"], "two")

    def test_broken_version_keeps_the_old_one(self):
        """pm2's trap 8."""
        script = shutil.copy(fixture("server.js"), os.path.join(self.home.work, "app.js"))
        self.start(2, script=script)
        before = self.home.pids("web")
        with open(script, "w") as file:
            file.write("throw new Error('this release is broken');\n")
        with Load(self.port, threads=8) as load:
            load.wait_ok(50)
            result = self.home.run("reload", "web", check=None, timeout=60)
            load.wait_ok(50)
        self.assertNotEqual(result.code, 0, result)
        self.assertRegex(result.stderr, r"(?i)web|exit code 1")
        self.assertRegex(result.stderr, r"(?i)exit|died|ended|code")
        self.assertEqual(load.failed, 0, load)
        self.assertEqual(self.home.pids("web"), before)
        self.home.wait_status("web", "online", count=2)
        self.assertEqual(self.nodes(), sorted(before))
        # Repaired: the next reload goes through.
        shutil.copy(fixture("server.js"), script)
        self.home.run("reload", "web", timeout=60)
        self.assertFalse(set(self.home.pids("web")) & set(before))

    def test_hanging_version_keeps_the_old_one(self):
        script = shutil.copy(fixture("server.js"), os.path.join(self.home.work, "app.js"))
        self.start(2, "--listen-timeout", "2000", script=script)
        before = self.home.pids("web")
        with open(script, "w") as file:
            file.write("setInterval(() => {}, 1000);  // runs, but never listens\n")
        result = self.home.run("reload", "web", check=None, timeout=60)
        self.assertNotEqual(result.code, 0, result)
        self.assertIn("2000", result.stderr)
        self.assertEqual(self.home.pids("web"), before)
        with Load(self.port, threads=4) as load:
            load.wait_ok(20)
        self.assertEqual(load.failed, 0, load)
        eventually(lambda: self.nodes() == sorted(before), 10, "the new process is gone")

    def test_ids_logs_and_instance_numbers_are_kept(self):
        self.start(2)
        before = [(entry["pm_id"], entry["pm2_env"]["NODE_APP_INSTANCE"], entry["pm2_env"]["pm_out_log_path"]) for entry in self.home.instances("web")]
        self.home.run("reload", "web")
        after = [(entry["pm_id"], entry["pm2_env"]["NODE_APP_INSTANCE"], entry["pm2_env"]["pm_out_log_path"]) for entry in self.home.instances("web")]
        self.assertEqual(after, before)
        for pm_id, _, path in after:
            eventually(lambda: open(path).read().count("listening") == 2, 10, f"two starts in {path}")

    def test_sigint_handler_runs_after_the_drain(self):
        script = self.home.file("own.js", f"require({fixture('server.js')!r});\nsetInterval(() => {{}}, 1000);\n"
                                "process.on('SIGINT', () => process.stdout.write('handler\\n', () => process.exit(0)));\n")
        self.start(2, "--kill-timeout", "10000", script=script)
        with Load(self.port, threads=8, path="/slow?ms=50") as load:
            load.wait_ok(20)
            self.home.run("reload", "web", timeout=60)
            load.wait_ok(20)
        self.assertEqual(load.failed, 0, load)
        for entry in self.home.instances("web"):
            self.assertIn(b"handler\n", self.home.log(f"web-out-{entry['pm_id']}.log"))


class Scale(Cluster):
    def test_up_and_down_under_load(self):
        self.start(2)
        with Load(self.port, threads=8, path="/busy?ms=2") as load:
            load.wait_ok(20)
            self.home.run("scale", "web", "4", timeout=60)
            self.home.wait_status("web", "online", count=4)
            eventually(lambda: load.seen() >= set(self.home.pids("web")), 20, f"answers of all four ({load})")
            self.home.run("scale", "web", "2", timeout=60)
            self.home.wait_status("web", "online", count=2)
            load.forget()
            load.wait_ok(50)
            self.assertLessEqual(load.seen(), set(self.home.pids("web")))
        self.assertEqual(load.failed, 0, load)
        print(f"figure: scale 2-4-2 under load: {load}", file=sys.stderr)
        self.home.fails("scale", "web", "2")
        numbers = [entry["pm2_env"]["NODE_APP_INSTANCE"] for entry in self.home.instances("web")]
        self.assertEqual(len(set(numbers)), 2)


if __name__ == "__main__":
    pmxtest.main()
