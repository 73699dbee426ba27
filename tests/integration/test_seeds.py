"""The programs this project started from (tests/fixtures/seeds), each under pmx."""

import http.client
import os
import signal
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import pmxtest
from pmxtest import Load, eventually, get_json, http_get

LIMIT = 500 * 1000 * 1000
SUM = {1000000: 2999997}


class Seeds(pmxtest.PmxTest):
    def setUp(self):
        super().setUp()
        self.port = pmxtest.free_port()

    def start(self, name, *args, **env):
        self.home.start(name, *args, "--listen-timeout", "20000", script=f"seeds/{name}.js", env={"PORT": self.port, **env})
        pmxtest.wait_http(self.port, seconds=20)

    def answered_during_computation(self):
        """Number of plain answers that arrived while one long computation was running."""
        state = {}

        def compute():
            state["answer"] = get_json(self.port, f"/compute?limit={LIMIT}", timeout=60)
            state["done"] = True

        thread = threading.Thread(target=compute)
        thread.start()
        count = 0
        while thread.is_alive():
            get_json(self.port, timeout=60)
            if "done" not in state:
                count += 1
        thread.join()
        self.assertIn("sum", state["answer"])
        return count


class ForkMode(Seeds):
    def test_blocking_computation(self):
        self.start("compute_blocking")
        self.assertEqual(get_json(self.port, "/compute?limit=1000000")["sum"], SUM[1000000])
        # Requests queue up behind it: only those before its arrival and the one that waited can be answered meanwhile.
        blocked = self.answered_during_computation()
        self.home.run("delete", "compute_blocking")
        self.start("compute_fork")
        free = self.answered_during_computation()
        print(f"figure: answers during one long computation: blocking {blocked}, with child_process.fork {free}", file=sys.stderr)
        self.assertGreater(free, 3 * blocked)

    def test_forked_computation(self):
        self.start("compute_fork")
        answer = get_json(self.port, "/compute?limit=1000000")
        self.assertEqual(answer["sum"], SUM[1000000])
        self.assertNotEqual(answer["child"], answer["pid"])
        self.assertEqual(answer["pid"], self.home.one("compute_fork")["pid"])
        eventually(lambda: not pmxtest.process_alive(answer["child"]), 10, "end of the child")

    def test_stop_ends_a_forked_computation(self):
        self.start("compute_fork")
        thread = threading.Thread(target=self.ignore_failure)
        thread.start()
        pid = self.home.one("compute_fork")["pid"]
        child = eventually(lambda: [p for p, _ in pmxtest.children_of(pid)], 10, "the child")[0]
        self.home.run("stop", "compute_fork")
        self.assertFalse(pmxtest.process_alive(child))
        thread.join()

    def ignore_failure(self):
        try:
            http_get(self.port, f"/compute?limit={LIMIT * 100}", timeout=60)
        except Exception:  # cut by the stop: expected
            pass

    def test_own_cluster_primary(self):
        self.start("own_cluster")
        primary = self.home.one("own_cluster")["pid"]
        workers = {}

        def both():
            answer = get_json(self.port)
            self.assertEqual(answer["primary"], primary)
            workers[answer["pid"]] = answer["worker"]
            return len(workers) == 2

        eventually(both, 20, "answers of both workers")
        victim = next(iter(workers))
        os.kill(victim, signal.SIGKILL)

        def fresh_one():
            try:
                return get_json(self.port, timeout=2)["pid"] not in workers
            except (OSError, http.client.HTTPException) as error:  # Node's primary hands requests to the dead worker too
                raise AssertionError(repr(error)) from None

        eventually(fresh_one, 20, "answer of the replacement")
        self.assertEqual(self.home.one("own_cluster")["pm2_env"]["restart_time"], 0)
        family = [pid for pid, _ in pmxtest.children_of(primary)]
        self.home.run("stop", "own_cluster")
        self.assertEqual([pid for pid in [primary, *family] if pmxtest.process_alive(pid)], [])

    def test_passed_handle_and_announced_end(self):
        self.start("handle_master")
        master = self.home.one("handle_master")["pid"]
        log = lambda: self.home.log("handle-master-out.log").decode().splitlines()
        eventually(lambda: len([line for line in log() if line.startswith("made ")]) == 2, 10, f"two workers, log {log()}")
        workers = {int(line.split()[1]) for line in log()}
        # A slow request is with the worker that is going to have a bug: it must be finished. Crash until we hit that worker.
        slow = {}

        def slow_request():
            slow["answer"] = get_json(self.port, "/slow?ms=1500", timeout=30)

        thread = threading.Thread(target=slow_request)
        thread.start()
        crashed = set()
        while thread.is_alive() and len(crashed) < 3:
            crashed.add(get_json(self.port, "/crash")["pid"])
        thread.join()
        self.assertIn(slow["answer"]["pid"], workers)
        self.assertTrue(crashed)
        for pid in crashed:
            eventually(lambda: f"gone {pid} 1" in log(), 15, f"end of {pid}, log {log()}")
            lines = log()
            dying = next(number for number, line in enumerate(lines) if line.startswith(f"dying {pid}"))
            gone = lines.index(f"gone {pid} 1")
            made = [number for number, line in enumerate(lines) if line.startswith("made ") and dying < number < gone]
            self.assertTrue(made, f"a fresh worker before the old one was gone: {lines}")
        with Load(self.port, threads=4) as load:
            load.wait_ok(50)
        self.assertEqual(load.failed, 0, load)
        self.assertFalse(load.seen() & crashed)
        entry = self.home.one("handle_master")
        self.assertEqual((entry["pid"], entry["pm2_env"]["restart_time"]), (master, 0))
        self.assertIn(b"a bug in a handler", self.home.log("handle-master-error.log"))
        family = [pid for pid, _ in pmxtest.children_of(master)]
        self.home.run("stop", "handle_master")
        self.assertEqual([pid for pid in [master, *family] if pmxtest.process_alive(pid)], [])

    def test_worker_threads(self):
        self.start("worker_threads")
        answer = get_json(self.port, "/compute?limit=1000000")
        self.assertEqual((answer["sum"], answer["pid"]), (SUM[1000000], self.home.one("worker_threads")["pid"]))
        self.assertGreater(answer["thread"], 0)
        self.assertGreater(self.answered_during_computation(), 3)

    def test_process_title(self):
        self.home.start("title", script="seeds/title.js", env={"TITLE": "pmx-seed"})
        eventually(lambda: self.home.log("title-out.log") == b"title pmx-seed\n", 10, "first line")
        entry = self.home.wait_status("title", "online")[0]
        self.assertEqual(pmxtest.command_line(entry["pid"]), "pmx-seed")
        # A changed title does not hide a process: adopted by the next daemon, stopped at the end.
        daemon = self.home.daemon_pid
        os.kill(daemon, signal.SIGKILL)
        eventually(lambda: self.home.one("title")["pid"] == entry["pid"] and self.home.daemon_pid != daemon, 15, "adoption")
        self.home.run("stop", "title")
        self.assertFalse(pmxtest.process_alive(entry["pid"]))


class ClusterMode(Seeds):
    def both_answer(self, name):
        pids = set(self.home.pids(name))
        self.assertEqual(len(pids), 2)
        with Load(self.port, threads=8, path="/compute?limit=3000000") as load:
            eventually(lambda: load.seen() == pids, 30, f"answers of both workers ({load})")
        self.assertEqual(load.failed, 0, load)
        self.home.run("reload", name, timeout=60)
        self.assertFalse(pids & set(self.home.pids(name)))
        self.assertEqual(get_json(self.port, "/compute?limit=1000000")["sum"], SUM[1000000])

    def test_blocking_computation(self):
        self.start("compute_blocking", "-i", "2")
        self.both_answer("compute_blocking")

    def test_forked_computation(self):
        self.start("compute_fork", "-i", "2")
        answer = get_json(self.port, "/compute?limit=1000000")
        self.assertEqual(answer["sum"], SUM[1000000])
        self.both_answer("compute_fork")

    def test_worker_threads(self):
        self.start("worker_threads", "-i", "2")
        self.both_answer("worker_threads")


if __name__ == "__main__":
    pmxtest.main()
