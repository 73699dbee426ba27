"""The apps' lives do not depend on the daemon's nor on the keeper's."""

import contextlib
import json
import os
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import pmxtest
from pmxtest import Load, eventually, testapp


class Survival(pmxtest.PmxTest):
    def managed_by_another(self, old):
        """Waits until a daemon other than `old` answers on the socket. A raw connection: no command that could start one."""

        def answers():
            try:
                with self.home.rpc(2) as rpc:
                    reply = rpc.call("ping")
                if "result" not in reply:
                    raise AssertionError(f"ping: {reply}")
                return self.home.daemon_pid if self.home.daemon_pid != old else None
            except (OSError, ValueError) as error:
                raise AssertionError(repr(error)) from None

        return eventually(answers, 15, "a new daemon answers")

    def start_web(self, port, **env):
        self.home.start("web", "-i", "2", "--listen-timeout", "20000", env={"PORT": port, **env})
        pmxtest.wait_http(port)

    def starts(self, name):
        with open(os.path.join(self.home.work, name)) as file:
            return [int(line.split()[0]) for line in file]

    def start_counted(self, name, **env):
        """An app that writes its pid to the file `name` at each start; SIGUSR1 ends it with code 7."""
        self.home.start(name, script="on_signal.py", env={"STARTS": os.path.join(self.home.work, name), **env})
        eventually(lambda: b"ready\n" in self.home.log(f"{name}-out.log"), 10, "first line")
        return self.home.one(name)["pid"]


class DaemonKilled(Survival):
    def test_under_load(self):
        port = pmxtest.free_port()
        self.start_web(port)
        fork_pid = self.start_counted("fork")
        before = self.home.pids("web")
        # wrk keeps the machine busy, the python clients count with certainty.
        wrk = self.wrk(port)
        with Load(port, threads=8) as load:
            load.wait_ok(50)
            for _ in range(3):
                daemon = self.home.daemon_pid
                begin = time.monotonic()
                os.kill(daemon, signal.SIGKILL)
                self.managed_by_another(daemon)
                print(f"figure: daemon killed under load, answering again after {(time.monotonic() - begin) * 1000:.0f} ms", file=sys.stderr)
                self.assertEqual(self.home.pids("web"), before)
                self.home.wait_status("web", "online", count=2)
                load.wait_ok(50)
        self.assertEqual(load.failed, 0, load)
        if wrk is None:
            print("SKIPPED the part with wrk: it is not installed", file=sys.stderr)
        else:
            requests, errors = wrk.finish()
            print(f"figure: wrk -c64 meanwhile: {requests} requests, errors {errors}", file=sys.stderr)
            self.assertEqual(errors, {})
        self.assertEqual(self.home.one("fork")["pid"], fork_pid)
        self.assertEqual([entry["pm2_env"]["restart_time"] for entry in self.home.jlist()], [0, 0, 0])

    def test_time_until_managed_again(self):
        self.home.run("start", testapp(), "--name", "app", "--", "sleep")
        figures = []
        for _ in range(5):
            daemon = self.home.daemon_pid
            begin = time.monotonic()
            os.kill(daemon, signal.SIGKILL)
            self.managed_by_another(daemon)
            figures.append((time.monotonic() - begin) * 1000)
            with self.home.rpc() as rpc:
                self.assertIn("result", rpc.call("list"))
        print(f"figure: daemon killed, answering again after {', '.join(f'{f:.0f}' for f in sorted(figures))} ms", file=sys.stderr)

    def test_app_that_ends_meanwhile(self):
        """The keeper is held, so that the daemon is surely away when the app ends."""
        pid = self.start_counted("app")
        keeper, daemon = self.home.keeper_pid, self.home.daemon_pid
        os.kill(keeper, signal.SIGSTOP)
        try:
            os.kill(daemon, signal.SIGKILL)
            eventually(lambda: not pmxtest.process_alive(daemon), 10, "daemon gone")
            os.kill(pid, signal.SIGUSR1)
            eventually(lambda: not pmxtest.process_alive(pid), 10, "app gone")
        finally:
            os.kill(keeper, signal.SIGCONT)
        self.managed_by_another(daemon)
        self.restarted_once(pid, 7)

    def test_app_that_ends_at_the_same_time(self):
        pid = self.start_counted("app")
        daemon = self.home.daemon_pid
        os.kill(daemon, signal.SIGKILL)
        os.kill(pid, signal.SIGUSR1)
        self.managed_by_another(daemon)
        self.restarted_once(pid, 7)

    def restarted_once(self, old, code):
        entry = eventually(lambda: (lambda e: e if e["pid"] not in (0, old) and e["pm2_env"]["status"] == "online" else None)(self.home.one("app")), 10, "restart")
        self.assertEqual((entry["pm2_env"]["exit_code"], entry["pm2_env"]["restart_time"]), (code, 1))
        eventually(lambda: len(self.starts("app")) == 2, 10, "second start")
        # Another daemon does not find the same end once more.
        daemon = self.home.daemon_pid
        os.kill(daemon, signal.SIGKILL)
        self.managed_by_another(daemon)
        self.assertEqual(self.home.one("app")["pm2_env"]["restart_time"], 1)
        self.assertEqual(self.starts("app"), [old, entry["pid"]])

    def test_cluster_worker_that_ends_meanwhile(self):
        port = pmxtest.free_port()
        self.start_web(port)
        victim, other = self.home.pids("web")
        keeper, daemon = self.home.keeper_pid, self.home.daemon_pid
        os.kill(keeper, signal.SIGSTOP)
        try:
            os.kill(daemon, signal.SIGKILL)
            os.kill(victim, signal.SIGKILL)
            eventually(lambda: not pmxtest.process_alive(victim), 10, "worker gone")
            # The share of the dead worker waits in the kernel until a daemon is there again.
            with ThreadPoolExecutor(8) as pool:
                answers = [pool.submit(pmxtest.get_json, port, timeout=30) for _ in range(8)]
                eventually(lambda: any(answer.done() for answer in answers), 10, "an answer of the other worker")
                os.kill(keeper, signal.SIGCONT)
                for answer in answers:
                    self.assertNotEqual(answer.result()["pid"], victim)
        finally:
            os.kill(keeper, signal.SIGCONT)
        self.managed_by_another(daemon)
        fresh = eventually(lambda: next(iter(set(self.home.pids("web")) - {victim, other}), None), 10, "replacement")
        self.home.wait_status("web", "online", count=2)
        with Load(port, threads=8, path="/busy?ms=3") as load:
            eventually(lambda: load.seen() == {other, fresh}, 20, f"answers of both ({load})")
        self.assertEqual(load.failed, 0, load)

    def test_question_in_that_moment(self):
        """A command that only asks is asked again by itself: it never fails because the daemon dies under it."""
        self.start_web(pmxtest.free_port())
        for _ in range(10):
            daemon = self.home.daemon_pid
            asked = [self.home.popen("jlist", stdout=pmxtest.subprocess.PIPE, stderr=pmxtest.subprocess.PIPE) for _ in range(3)]
            os.kill(daemon, signal.SIGKILL)
            asked.append(self.home.popen("jlist", stdout=pmxtest.subprocess.PIPE, stderr=pmxtest.subprocess.PIPE))
            for child in asked:
                out, err = child.communicate(timeout=30)
                self.assertEqual((child.returncode, len(json.loads(out or "[]"))), (0, 2), err)
            self.managed_by_another(daemon)

    def test_cluster_still_works_after(self):
        """Reload, scale and crash under a daemon that adopted the workers."""
        port = pmxtest.free_port()
        self.start_web(port)
        before = set(self.home.pids("web"))
        daemon = self.home.daemon_pid
        os.kill(daemon, signal.SIGKILL)
        self.managed_by_another(daemon)
        with Load(port, threads=8) as load:
            load.wait_ok(50)
            self.home.run("reload", "web", timeout=60)
            self.assertFalse(before & set(self.home.pids("web")))
            load.wait_ok(50)
            self.home.run("scale", "web", "3")
            self.home.wait_status("web", "online", count=3)
            load.wait_ok(50)
        self.assertEqual(load.failed, 0, load)
        self.home.wait_status("web", "online", count=3)

    def test_killed_in_the_middle_of_things(self):
        """While starts, restarts and stops are going on: afterwards every app exists once, in a state that can be worked with."""
        script = self.home.file("s.sh", "exec sleep 1000")
        names = [f"app-{number}" for number in range(12)]
        for name in names[:6]:
            self.home.run("start", script, "--name", name)
        for round_number in range(4):
            daemon = self.home.daemon_pid
            children = [self.home.popen("restart", name, stdout=pmxtest.subprocess.DEVNULL, stderr=pmxtest.subprocess.DEVNULL) for name in names[:3]]
            children += [self.home.popen("start", script, "--name", name, stdout=pmxtest.subprocess.DEVNULL, stderr=pmxtest.subprocess.DEVNULL)
                         for name in names[6 + round_number:8 + round_number]]
            eventually(lambda: any(child.poll() is not None for child in children), 20, "one of the commands is through")
            os.kill(daemon, signal.SIGKILL)
            for child in children:
                child.wait(60 * pmxtest.SLOW)
            self.managed_by_another(daemon)
        for name in {entry["name"] for entry in self.home.jlist()}:
            self.home.run("restart", name)
            self.home.wait_status(name, "online")
        sleeping = [pid for pid in self.home.living() if os.path.basename(os.readlink(f"/proc/{pid}/exe")) in ("sleep", "bash", "dash", "sh")]
        self.assertEqual(sorted(sleeping), sorted(entry["pid"] for entry in self.home.jlist()))

    def test_output_written_meanwhile_is_not_lost(self):
        pid = self.start_counted("app")
        keeper, daemon = self.home.keeper_pid, self.home.daemon_pid
        os.kill(keeper, signal.SIGSTOP)
        try:
            os.kill(daemon, signal.SIGKILL)
            eventually(lambda: not pmxtest.process_alive(daemon), 10, "daemon gone")
            os.kill(pid, signal.SIGUSR2)
            # The signal has been handled once the app waits in pause() again, its line written.
            eventually(lambda: pmxtest.process_state(pid) == "S", 10, "app waits again")
        finally:
            os.kill(keeper, signal.SIGCONT)
        eventually(lambda: self.home.log("app-out.log") == b"ready\ngot SIGUSR2\n", 10, "the line written meanwhile")
        self.assertTrue(pmxtest.process_alive(pid))

    def test_stop_and_delete_after(self):
        pids = os.path.join(self.home.work, "pids")
        self.home.start("tree", script="tree.py", env={"PIDS": pids})
        eventually(lambda: os.path.exists(pids), 10, "the family")
        daemon = self.home.daemon_pid
        os.kill(daemon, signal.SIGKILL)
        self.managed_by_another(daemon)
        self.home.run("delete", "tree")
        with open(pids) as file:
            family = [int(line.split()[1]) for line in file]
        self.assertEqual([pid for pid in family if pmxtest.process_alive(pid)], [])


class KeeperKilled(Survival):
    def test_under_load(self):
        port = pmxtest.free_port()
        self.start_web(port)
        fork_pid = self.start_counted("fork")
        self.start_counted("stopped")
        self.home.run("stop", "stopped")
        before = self.home.pids("web")
        with Load(port, threads=8) as load:
            load.wait_ok(50)
            keeper = self.home.keeper_pid
            begin = time.monotonic()
            os.kill(keeper, signal.SIGKILL)
            self.managed_again(keeper)
            print(f"figure: keeper killed under load, managed again after {(time.monotonic() - begin) * 1000:.0f} ms", file=sys.stderr)
            load.wait_ok(100)
            self.assertEqual(self.home.pids("web"), before)
            load.wait_ok(50)
        self.assertEqual(load.failed, 0, load)
        self.assertEqual((self.home.one("fork")["pid"], self.home.statuses("stopped")), (fork_pid, ["stopped"]))
        self.assertEqual([entry["pm2_env"]["restart_time"] for entry in self.home.jlist()], [0, 0, 0, 0])
        # All of it can be worked with.
        with Load(port, threads=8) as load:
            load.wait_ok(30)
            self.home.run("reload", "web", timeout=60)
            load.wait_ok(30)
        self.assertEqual(load.failed, 0, load)
        self.home.run("restart", "fork")
        self.assertNotEqual(self.home.wait_status("fork", "online")[0]["pid"], fork_pid)
        self.assertFalse(pmxtest.process_alive(fork_pid))

    def managed_again(self, old_keeper):
        """Waits until a keeper other than `old_keeper` parents an answering daemon. Any command may have to start them."""

        def answered():
            self.home.run("list", timeout=10)
            keeper = self.home.keeper_pid
            return keeper not in (1, old_keeper) and self.home.keepers() == [keeper]

        eventually(answered, 20, "one new keeper with a daemon")

    def test_app_that_ends_afterwards(self):
        pid = self.start_counted("app")
        keeper = self.home.keeper_pid
        os.kill(keeper, signal.SIGKILL)
        self.managed_again(keeper)
        self.assertEqual(self.home.one("app")["pid"], pid)
        os.kill(pid, signal.SIGUSR1)
        entry = eventually(lambda: (lambda e: e if e["pid"] not in (0, pid) else None)(self.home.one("app")), 10, "restart")
        self.assertEqual(entry["pm2_env"]["restart_time"], 1)
        # Its code may be beyond reach for the new keeper, who is not its parent: then it is unknown, never a made-up one.
        self.assertIn(entry["pm2_env"].get("exit_code"), (7, None))
        eventually(lambda: len(self.starts("app")) == 2, 10, "second start")


class BothKilled(Survival):
    def setUp(self):
        super().setUp()
        self.running = self.start_counted("running")
        self.start_counted("stopped")
        self.home.run("stop", "stopped")
        self.home.run("restart", "running")
        self.running = self.home.wait_status("running", "online")[0]["pid"]
        eventually(lambda: self.home.log("running-out.log") == b"ready\nready\n", 20, "its signal handlers after the restart")

    def test_list_brings_everything_back(self):
        self.home.crash()
        self.assertTrue(pmxtest.process_alive(self.running))
        self.home.run("list")
        entry = self.home.wait_status("running", "online")[0]
        self.assertEqual(entry["pid"], self.running)
        self.assertEqual(entry["pm_id"], 0)
        self.assertEqual(self.home.statuses("stopped"), ["stopped"])
        self.assertEqual(len(self.home.daemons()), 1)
        # It is really managed: signals, output, stop.
        self.home.run("sendSignal", "SIGUSR2", "running")
        eventually(lambda: b"got SIGUSR2\n" in self.home.log("running-out.log"), 10, "a line through the adopted pipe")
        self.home.run("stop", "running")
        self.assertFalse(pmxtest.process_alive(self.running))

    def test_app_that_ended_meanwhile_is_started(self):
        self.home.crash()
        os.kill(self.running, signal.SIGUSR1)
        eventually(lambda: not pmxtest.process_alive(self.running), 10, "app gone")
        self.home.run("list")
        entry = self.home.wait_status("running", "online")[0]
        self.assertNotEqual(entry["pid"], self.running)
        self.assertEqual(self.home.statuses("stopped"), ["stopped"])

    def test_all_apps_gone_as_after_a_power_cut(self):
        port = pmxtest.free_port()
        self.start_web(port, APP_VERSION="kept")
        workers = self.home.pids("web")
        self.home.crash()
        os.kill(self.running, signal.SIGKILL)
        for pid in workers:
            # With keeper and daemon both gone their channels close: they may have ended already.
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.home.run("list")
        self.home.wait_status("running", "online")
        self.home.wait_status("web", "online", count=2)
        self.assertEqual(self.home.statuses("stopped"), ["stopped"])
        pmxtest.wait_http(port)
        self.assertEqual(pmxtest.get_json(port)["version"], "kept")

    def test_stranger_with_the_old_pid_is_not_touched(self):
        """A dead app's pid says nothing: another process is never taken for it. (Here: an unrelated process with the app's environment.)"""
        self.home.crash()
        stranger = pmxtest.subprocess.Popen(["/bin/sleep", "1000"], env={"PATH": pmxtest.PATH})
        try:
            os.kill(self.running, signal.SIGKILL)
            self.home.run("list")
            self.home.wait_status("running", "online")
            self.home.run("kill")
            self.assertIsNone(stranger.poll())
        finally:
            stranger.kill()
            stranger.wait()


if __name__ == "__main__":
    pmxtest.main()
