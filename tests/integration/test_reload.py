"""Rolling reload: releases that fail, rollback, a daemon killed in the middle, two reloads at once; the app serves all the while."""

import contextlib
import os
import signal
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import pmxtest
from pmxtest import Load, eventually, fixture

GOOD = f"require({fixture('server.js')!r});\n"
CRASHES = "console.error('first line\\nthe database is not there');\nprocess.exit(7);\n"
NEVER_LISTENS = "console.error('waiting for something');\nsetInterval(() => {}, 1000);\n"
EXITS_LATER = GOOD + "setTimeout(() => { console.error('lost the lock'); process.exit(8); }, 200);\n"
# The same, but its requests are answered first.
LEAVES_LATER = GOOD + ("setTimeout(() => { console.error('lost the lock'); require('cluster').worker.disconnect(); }, 200);\n"
                       "process.on('disconnect', () => process.exit(8));\n")


class Case(pmxtest.PmxTest):
    ROUNDS = int(os.environ.get("PMX_TEST_ROUNDS", "5"))

    def setUp(self):
        super().setUp()
        self.port = pmxtest.free_port()

    def start(self, instances, *args, name="web", text=GOOD, port=None, **env):
        script = self.home.file(f"{name}.js", text)
        if "--listen-timeout" not in args:
            args = ("--listen-timeout", "20000", *args)
        self.home.run("start", script, "--name", name, "-i", instances, *args, env={"PORT": port or self.port, **env}, timeout=60)
        self.home.wait_status(name, "online", 30, count=instances)
        pmxtest.wait_http(port or self.port, seconds=20)
        return script

    def nodes(self):
        found = []
        for pid in self.home.living():
            with contextlib.suppress(FileNotFoundError):  # it may end meanwhile
                if os.path.basename(os.readlink(f"/proc/{pid}/exe")) == "node":
                    found.append(pid)
        return sorted(found)

    def only(self, pids):
        eventually(lambda: self.nodes() == sorted(pids), 20, f"no process but {pids}")


class BrokenRelease(Case):
    def refuse(self, text, *expected, instances=2, args=()):
        """Each round: the new version fails, the old one serves on, and the command says why."""
        script = self.start(instances, *args)
        before = self.home.pids("web")
        with open(script, "w") as file:
            file.write(text)
        with Load(self.port, threads=6) as load:
            for _ in range(self.ROUNDS):
                load.wait_ok(20)
                result = self.home.fails("reload", "web", timeout=60)
                for words in expected:
                    self.assertIn(words, result.stderr)
                self.assertIn("0 of", result.stderr)
                self.assertEqual(self.home.pids("web"), before)
            load.wait_ok(20)
        self.assertEqual(load.failed, 0, load)
        self.home.wait_status("web", "online", count=instances)
        self.assertEqual([entry["pm2_env"]["restart_time"] for entry in self.home.instances("web")], [0] * instances)
        self.only(before)
        print(f"figure: {self.ROUNDS} refused releases under load: {load.ok} ok, failed {load.failures}", file=sys.stderr)

    def test_crashes_at_once(self):
        self.refuse(CRASHES, "it ended before it was ready: exit code 7", "    first line", "    the database is not there")

    def test_never_listens(self):
        self.refuse(NEVER_LISTENS, "it was not ready within 3000 ms", "    waiting for something", instances=3, args=("--listen-timeout", "3000"))

    def test_ends_while_it_is_held(self):
        self.refuse(LEAVES_LATER, "it ended after it was ready: exit code 8", "    lost the lock", args=("--min-ready", "5000"))

    def test_exits_while_it_is_held(self):
        # It listens, but gets no connection before it is let in.
        self.refuse(EXITS_LATER, "it ended after it was ready: exit code 8", "    lost the lock", args=("--min-ready", "5000"))


class Rollback(Case):
    # Of a new colour only so many processes start.
    COUNTED = """
const fs = require('fs');
if (process.env.COLOUR) {
  const file = process.env.COUNTER;
  fs.appendFileSync(file, 'x');
  if (fs.statSync(file).size > Number(process.env.LIMIT)) {
    console.error('no more room for ' + process.env.COLOUR);
    process.exit(9);
  }
}
""" + GOOD

    def fail_at_the_second(self, *args):
        counter = os.path.join(self.home.work, "counter")
        self.start(3, text=self.COUNTED, COUNTER=counter, LIMIT=1)
        before = self.home.pids("web")
        with Load(self.port, threads=6) as load:
            load.wait_ok(20)
            result = self.home.fails("reload", "web", "--parallel", "1", "--update-env", *args, env={"COLOUR": "blue", "PORT": self.port, "COUNTER": counter, "LIMIT": 1}, timeout=90)
            load.wait_ok(20)
        self.assertEqual(load.failed, 0, load)
        self.assertIn("    no more room for blue", result.stderr)
        after = self.home.pids("web")
        self.assertEqual(after[1:], before[1:])
        self.assertNotEqual(after[0], before[0])
        self.only(after)
        with open(f"/proc/{after[0]}/environ", "rb") as file:
            return result, b"COLOUR=blue" in file.read().split(b"\0")

    def test_goes_back_to_the_previous_settings(self):
        result, is_blue = self.fail_at_the_second()
        self.assertIn("1 of 3 instances had been replaced and are back", result.stderr)
        self.assertFalse(is_blue)

    def test_no_rollback(self):
        result, is_blue = self.fail_at_the_second("--no-rollback")
        self.assertIn("rollback is off", result.stderr)
        self.assertTrue(is_blue)

    def test_with_the_same_settings_there_is_no_way_back(self):
        counter = os.path.join(self.home.work, "counter")
        script = self.start(2, COUNTER=counter, LIMIT=1)
        before = self.home.pids("web")
        with open(script, "w") as file:
            file.write(self.COUNTED.replace("process.env.COLOUR", "'blue'"))
        result = self.home.fails("reload", "web", timeout=60)
        self.assertIn("those replaced stay", result.stderr)
        after = self.home.pids("web")
        self.assertEqual([old == new for old, new in zip(before, after)], [False, True])
        self.only(after)


class DaemonDies(Case):
    def test_in_the_middle_of_a_reload(self):
        self.start(4)
        ids = [entry["pm_id"] for entry in self.home.instances("web")]
        with Load(self.port, threads=6) as load:
            for number in range(5):
                load.wait_ok(20)
                daemon = self.home.daemon_pid
                client = self.home.popen("reload", "web", stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
                # Another moment each time: so many steps have been reported.
                for _ in range(number + 1):
                    self.assertIn("(", client.stderr.readline())
                os.kill(daemon, signal.SIGKILL)
                _, said = client.communicate(timeout=60)
                self.assertEqual(client.returncode, 7, said)
                self.home.wait_status("web", "online", 30, count=4)
                eventually(lambda: len(self.nodes()) == 4, 40, "four processes")
                self.assertEqual([entry["pm_id"] for entry in self.home.instances("web")], ids)
                self.assertEqual(sorted(self.home.pids("web")), self.nodes())
            load.wait_ok(20)
            self.home.run("reload", "web", timeout=60)
        self.assertEqual(load.failed, 0, load)
        print(f"figure: daemon killed in 5 reloads under load: {load.ok} ok, failed {load.failures}", file=sys.stderr)


class AtOnce(Case):
    def test_two_reloads_of_one_app(self):
        self.start(2, "--min-ready", "2000")
        first = self.home.popen("reload", "web", stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.assertIn("starting", first.stderr.readline())
        refused = self.home.fails("reload", "web")
        self.assertIn("web is being reloaded already", refused.stderr)
        self.assertIn("pmx restart web", refused.stderr)
        _, said = first.communicate(timeout=60)
        self.assertEqual(first.returncode, 0, said)

    def test_reloads_of_two_apps(self):
        other = pmxtest.free_port()
        self.start(2, "--min-ready", "1000")
        self.start(2, "--min-ready", "1000", name="other", port=other)
        before = {name: self.home.pids(name) for name in ("web", "other")}
        with Load(self.port, threads=3) as web, Load(other, threads=3) as second:
            clients = [self.home.popen("reload", name, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) for name in before]
            said = [client.communicate(timeout=60)[0] for client in clients]
        self.assertEqual([client.returncode for client in clients], [0, 0], said)
        self.assertEqual((web.failed, second.failed), (0, 0), (web, second))
        for name, pids in before.items():
            self.assertFalse(set(pids) & set(self.home.pids(name)))

    def test_stop_ends_it(self):
        script = self.start(2)
        with open(script, "w") as file:
            file.write(NEVER_LISTENS)
        client = self.home.popen("reload", "web", stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.assertIn("starting", client.stderr.readline())
        self.home.run("stop", "web", timeout=60)
        _, said = client.communicate(timeout=60)
        self.assertEqual(client.returncode, 6, said)
        self.assertIn("cancelled: the app is being stopped", said)
        self.only([])


class Options(Case):
    def test_summary_and_steps(self):
        self.start(2)
        result = self.home.run("reload", "web", "--parallel", "2", timeout=60)
        self.assertIn("web: 2 of 2 instances replaced", result.stdout)
        self.assertIn("[web](0) starting the new process", result.stderr)
        self.assertIn("--parallel 0", self.home.fails("reload", "web", "--parallel", "0").stderr)

    def test_in_place(self):
        config = self.home.json_file("apps.json", {"apps": [{"name": "web", "script": self.home.file("web.js", GOOD), "instances": 3, "max_unavailable": 1, "listen_timeout": 20000, "env": {"PORT": self.port}}]})
        self.home.run("start", config, timeout=60)
        self.home.wait_status("web", "online", 30, count=3)
        pmxtest.wait_http(self.port)
        before = self.home.pids("web")
        with Load(self.port, threads=6) as load:
            load.wait_ok(20)
            result = self.home.run("reload", "web", timeout=90)
            load.wait_ok(20)
        self.assertEqual(load.failed, 0, load)
        self.assertIn("the old process finishes, then the new process starts", result.stderr)
        self.assertFalse(set(before) & set(self.home.pids("web")))

    def test_increment_var(self):
        ports = [pmxtest.free_port()]
        self.home.run("start", self.home.file("web.js", GOOD), "--name", "web", "-i", "2", "--increment-var", "NUMBER", env={"PORT": ports[0], "NUMBER": 40}, timeout=60)
        self.home.wait_status("web", "online", 30, count=2)

        def numbers():
            found = []
            for pid in self.home.pids("web"):
                with open(f"/proc/{pid}/environ", "rb") as file:
                    found += [entry for entry in file.read().split(b"\0") if entry.startswith(b"NUMBER=")]
            return found

        self.assertEqual(numbers(), [b"NUMBER=40", b"NUMBER=41"])
        self.home.run("reload", "web", timeout=60)
        self.assertEqual(numbers(), [b"NUMBER=40", b"NUMBER=41"])
        refused = self.home.fails("start", self.home.file("other.js", GOOD), "--increment-var", "NUMBER", env={"NUMBER": "many"})
        self.assertIn('increment_var is NUMBER, but "many" is not a whole number', refused.stderr)

    def test_scale_max(self):
        self.start(1)
        core = min(os.sched_getaffinity(0))
        self.assertIn("already has 1", self.home.fails("scale", "web", "max", preexec_fn=lambda: os.sched_setaffinity(0, {core})).stderr)
        self.assertIn("0 instances", self.home.fails("scale", "web", "0").stderr)


class ShutdownMessage(Case):
    """shutdown_with_message: trap 36."""

    # What it was told, and whether its server was closed by then.
    TELLS = GOOD + """
        const told = (what) => require('fs').appendFileSync(process.env.TOLD, `${process.pid} ${what}\\n`);
        process.on('SIGINT', () => { told('SIGINT'); process.exit(1); });
        process.on('message', (message) => { told(message); setTimeout(() => process.exit(0), 20); });
        """

    def told(self):
        with contextlib.suppress(FileNotFoundError), open(self.path) as file:
            return sorted(file.read().splitlines())
        return []

    def setUp(self):
        super().setUp()
        self.path = os.path.join(self.home.work, "told")

    def messages(self, pids):
        return sorted(f"{pid} shutdown" for pid in pids)

    def test_message_comes_when_the_work_is_done(self):
        self.start(2, "--shutdown-with-message", text=self.TELLS, TOLD=self.path)
        old = self.home.pids("web")
        for keep_alive in (False, True):
            with Load(self.port, threads=4, keep_alive=keep_alive) as load:
                load.wait_ok(20)
                self.home.run("reload", "web", timeout=60)
                load.wait_ok(20)
            self.assertEqual(load.failed, 0, load)
            self.only(self.home.pids("web"))
            self.assertEqual(self.told(), self.messages(old))
            old += self.home.pids("web")

    def test_message_at_stop(self):
        old = []
        for options in (("-i", "2"), ("-x",)):
            script = self.home.file("web.js", self.TELLS)
            self.home.run("start", script, "--name", "web", "--shutdown-with-message", *options, env={"PORT": self.port, "TOLD": self.path}, timeout=60)
            pmxtest.wait_http(self.port, seconds=20)
            old += self.home.pids("web")
            self.home.run("restart", "web", timeout=60)
            self.assertEqual(self.told(), self.messages(old))
            pmxtest.wait_http(self.port, seconds=20)
            old += self.home.pids("web")
            self.home.run("stop", "web")
            self.assertEqual(self.told(), self.messages(old))
            self.home.run("delete", "web")

    def test_who_does_not_listen_to_messages_is_not_waited_for(self):
        deaf = """require('http').createServer((request, response) => response.end('{}')).listen(process.env.PORT);
            process.on('exit', (code) => require('fs').appendFileSync(process.env.TOLD, `${process.pid} exit ${code}\\n`));
            process.on('SIGINT', () => process.exit(0));
            """
        self.start(1, "--shutdown-with-message", text=deaf, TOLD=self.path)
        old = self.home.pids("web")
        self.home.run("reload", "web", timeout=60)
        self.only(self.home.pids("web"))
        self.assertEqual(self.told(), [f"{old[0]} exit 0"], "not by SIGKILL")

    def test_a_request_that_takes_long_ends_first(self):
        self.start(1, "--shutdown-with-message", text=self.TELLS, TOLD=self.path)
        old = self.home.pids("web")
        answers = []
        slow = threading.Thread(target=lambda: answers.append(pmxtest.http_get(self.port, "/slow?ms=1500", timeout=20)))
        slow.start()
        with Load(self.port, threads=2) as load:
            load.wait_ok(20)
        self.home.run("reload", "web", timeout=60)
        slow.join()
        self.only(self.home.pids("web"))
        self.assertEqual(len(answers), 1)
        self.assertEqual(self.told(), self.messages(old))


if __name__ == "__main__":
    pmxtest.main()
