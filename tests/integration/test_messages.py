"""What apps tell about themselves and what they are told: actions and metrics on the channel, lines on stdin, messages."""

import json
import os
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import pmxtest
from pmxtest import eventually, testapp

# Any language: lines of JSON on descriptor NODE_CHANNEL_FD.
TALKER = """\
import json, os, socket, sys, time
channel = socket.socket(fileno=int(os.environ["NODE_CHANNEL_FD"]))
lines = channel.makefile("r", encoding="utf-8")
def tell(kind, data):
    channel.sendall((json.dumps({"type": "axm:" + kind, "data": data}) + "\\n").encode())
for name in ("echo", "mute", "end", "big"):
    tell("action", {"action_name": name, "action_type": "custom", "arity": 2 if name == "echo" else 0})
tell("monitor", {"Users": {"value": 3, "unit": "u"}, "State": {"value": "fine"}})
tell("option:configuration", {"name": "renamed", "module": True})
channel.sendall(b'"ready"\\n')
for line in lines:
    message = json.loads(line)
    print("got", json.dumps(message, sort_keys=True), flush=True)
    action = message if isinstance(message, str) else message.get("msg")
    if action == "echo":
        tell("reply", {"action_name": "echo", "return": {"param": None if isinstance(message, str) else message["opts"]}})
    elif action == "big":
        tell("reply", {"action_name": "big", "return": "x" * 2000000})
    elif action == "end":
        sys.exit(3)
    elif action == "shutdown":
        sys.exit(0)
"""

NODE = """\
const say = (type, data) => process.send({type: 'axm:' + type, data});
say('action', {action_name: 'who', action_type: 'custom', arity: 0});
setInterval(() => say('monitor', {Tick: {value: process.uptime()}}), 20);
process.on('message', (message) => {
  if (message === 'who') say('reply', {action_name: 'who', return: Number(process.env.NODE_APP_INSTANCE)});
});
require('http').createServer((request, response) => response.end()).listen(process.env.PORT);
"""

READER = """\
import sys
for line in iter(sys.stdin.readline, ""):
    print("read", repr(line.rstrip("\\n")), flush=True)
print("end of file", flush=True)
"""


def next_daemon(home):
    """The daemon is killed, its keeper starts another."""
    killed = home.daemon_pid
    os.kill(killed, signal.SIGKILL)
    eventually(lambda: not pmxtest.process_alive(killed))


class Actions(pmxtest.PmxTest):
    def setUp(self):
        super().setUp()
        self.script = self.home.file("talker.py", TALKER)

    def talker(self, name="talk", *args):
        self.home.run("start", self.script, "--name", name, "--wait-ready", *args)

    def pm2_env(self, name="talk"):
        return self.home.one(name)["pm2_env"]

    def test_shown(self):
        self.talker()
        env = eventually(lambda: self.pm2_env() if len(self.pm2_env()["axm_actions"]) == 4 else None)
        self.assertEqual(env["axm_actions"][0], {"action_name": "echo", "action_type": "custom", "arity": 2})
        self.assertEqual(env["axm_monitor"], {"Users": {"value": 3, "unit": "u"}, "State": {"value": "fine"}})
        self.assertEqual(env["axm_options"], {"module": True})
        self.assertEqual(env["name"], "talk")
        shown = self.home.run("show", "talk").stdout
        for text in ("metric Users", "3 u", "fine", "echo <parameter>"):
            self.assertIn(text, shown)

    def test_trigger(self):
        self.talker("talk", "--namespace", "ns")
        self.talker("other")
        one = self.home.run("trigger", "talk", "echo").stdout
        self.assertEqual(one, '[talk:0:ns]={"param":null}\n')
        for target in ("0", "ns", self.home.one("talk")["name"]):
            self.assertEqual(self.home.run("trigger", target, "echo", 'a "b"').stdout, '[talk:0:ns]={"param":"a \\"b\\""}\n')
        self.assertEqual(self.home.run("trigger", "all", "echo").stdout.count("=")  , 2)
        self.assertIn('got {"msg": "echo", "name": "talk", "opts": "a \\"b\\""}', self.home.log("talk-out.log").decode())
        self.assertIn("echo", self.home.fails("trigger", "talk", "nothing").stderr)
        self.home.fails("trigger", "nobody", "echo")
        self.home.fails("trigger", "talk", code=2)
        self.home.fails("trigger", "talk", "echo", "--timeout", "never", code=2)

    def test_no_answer(self):
        self.talker()
        self.assertIn("did not answer within 300 ms", self.home.fails("trigger", "talk", "mute", "--timeout", "300ms").stderr)
        self.assertIn("it ended before it answered", self.home.fails("trigger", "talk", "end").stderr)
        self.home.wait_status("talk", "online")
        eventually(lambda: len(self.pm2_env()["axm_actions"]) == 4)
        self.assertIn("more than 1048576 bytes", self.home.run("trigger", "talk", "big").stdout)

    def test_next_daemon_knows_the_actions(self):
        self.talker()
        eventually(lambda: len(self.pm2_env()["axm_actions"]) == 4)
        pid = self.home.one("talk")["pid"]
        next_daemon(self.home)
        self.assertEqual(self.home.run("trigger", "talk", "echo", "x").stdout, '[talk:0:default]={"param":"x"}\n')
        self.assertEqual(self.home.one("talk")["pid"], pid)
        # Those of a run end with it.
        quiet = self.home.file("quiet.py", "import time\ntime.sleep(1000)\n")
        self.home.run("start", quiet, "--name", "quiet")
        self.assertEqual(self.pm2_env("quiet")["axm_actions"], [])

    def test_bounds_and_nonsense(self):
        script = self.home.file("noise.py", """\
import json, os, socket, time
channel = socket.socket(fileno=int(os.environ["NODE_CHANNEL_FD"]))
def raw(text): channel.sendall(text.encode("latin-1") + b"\\n")
def tell(kind, data): raw(json.dumps({"type": "axm:" + kind, "data": data}))
for i in range(500):
    tell("action", {"action_name": "a%d" % i})
    tell("monitor", {"m%d" % i: {"value": i}})
tell("action", {"action_name": "x" * 1000}); tell("action", 5); tell("action", {"action_name": None}); tell("reply", [])
tell("monitor", {"z": {"value": {"deep": [1]}}}); tell("monitor", {"z": 1}); tell("monitor", {"z": {"value": "y" * 100000}})
raw('{"type":"axm:monitor","data":{"q":{"value":1e999}}}'); raw('{"type":"axm:action","data":'); raw('"axm:'); raw("\\xff\\xfe axm:")
raw('{"type":"axm:reply","data":{"action_name":"a1","return":1}}')
raw("[" * 100000); raw('{"type":"axm:option:configuration","data":{"a":"' + "b" * 5000 + '"}}')
raw('"ready"')
time.sleep(1000)
""")
        self.home.run("start", script, "--name", "noise", "--wait-ready")
        env = self.pm2_env("noise")
        self.assertEqual(len(env["axm_actions"]), 64)
        self.assertEqual(len(env["axm_monitor"]), 128)
        self.assertEqual(env["axm_options"], {})
        self.assertIn("messages refused", self.home.run("show", "noise").stdout)
        self.assertEqual(self.home.daemon_log().count("further ones are counted"), 1)
        self.assertEqual(env["restart_time"], 0)

    def test_cluster_workers(self):
        script = self.home.file("node.js", NODE)
        self.home.run("start", script, "--name", "web", "-i", "2", env={"PORT": pmxtest.free_port()})
        self.assertEqual(sorted(self.home.run("trigger", "web", "who").stdout.splitlines()), ["[web:0:default]=0", "[web:1:default]=1"])
        eventually(lambda: all("Tick" in one["pm2_env"]["axm_monitor"] for one in self.home.instances("web")))
        next_daemon(self.home)
        self.assertEqual(len(self.home.run("trigger", "web", "who").stdout.splitlines()), 2)
        self.home.run("reload", "web", timeout=60)
        self.assertEqual(len(self.home.run("trigger", "web", "who").stdout.splitlines()), 2)

    def test_message(self):
        self.talker()
        self.home.run("send", "0", "--message", '{"topic": "x",\n "data": 1}')
        eventually(lambda: 'got {"data": 1, "topic": "x"}' in self.home.log("talk-out.log").decode())
        self.home.fails("send", "0", "--message", "no JSON")
        self.home.fails("send", "0", "line", "--message", "1", code=2)


class Input(pmxtest.PmxTest):
    def setUp(self):
        super().setUp()
        self.home.run("start", self.home.file("reader.py", READER), "--name", "reader")

    def printed(self):
        return self.home.log("reader-out.log").decode().splitlines()

    def wait_lines(self, *lines):
        eventually(lambda: self.printed() == list(lines), what=lambda: self.printed())

    def test_send(self):
        self.home.run("send", "0", "hello world")
        self.home.run("send", "reader", "")
        self.wait_lines("read 'hello world'", "read ''")
        self.assertIn("at most 4096", self.home.fails("send", "0", "x" * 4096).stderr)
        self.home.run("send", "0", "x" * 4095)
        eventually(lambda: len(self.printed()) == 3)
        self.home.fails("send", "7", "x")
        self.home.fails("send", "0", code=2)
        self.home.run("stop", "reader")
        self.assertIn("does not run", self.home.fails("send", "0", "x").stderr)

    def test_nobody_reads(self):
        self.home.run("start", testapp(), "--name", "deaf", "--", "sleep")
        line = "y" * 4000
        sent = 0
        while self.home.run("send", "1", line, check=None).code == 0:
            sent += 1
            self.assertLess(sent, 100)
        self.assertGreater(sent, 3)
        self.assertIn("full", self.home.fails("send", "1", line).stderr)
        self.assertEqual(self.home.one("deaf")["pm2_env"]["status"], "online")

    def test_daemon_and_keeper_may_die(self):
        self.home.run("send", "0", "one")
        self.wait_lines("read 'one'")
        pid = self.home.one("reader")["pid"]
        next_daemon(self.home)
        self.home.run("send", "0", "two")
        self.wait_lines("read 'one'", "read 'two'")
        self.home.crash()
        self.home.run("send", "0", "three")
        self.wait_lines("read 'one'", "read 'two'", "read 'three'")
        self.assertEqual(self.home.one("reader")["pid"], pid)

    def test_lines_are_of_one_run(self):
        self.home.run("restart", "reader")
        self.home.run("send", "0", "later")
        self.wait_lines("read 'later'")

    def test_jobs_have_an_end_of_file(self):
        self.home.run("start", self.home.file("once.py", READER), "--name", "once", "--job", "--no-wait")
        eventually(lambda: "end of file" in self.home.log("once-out.log").decode())

    def attach(self, *args):
        return subprocess.Popen(self.home.command("attach", *args), cwd=self.home.work, env=self.home.environment(), stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def test_attach(self):
        attached = self.attach("0")
        attached.stdin.write(b"first\nsec")
        attached.stdin.flush()
        self.assertEqual(attached.stdout.readline(), b"read 'first'\n")
        attached.stdin.write(b"ond\n")
        attached.stdin.flush()
        self.assertEqual(attached.stdout.readline(), b"read 'second'\n")
        self.home.crash()
        attached.stdin.write(b"third\n")
        attached.stdin.flush()
        self.assertEqual(attached.stdout.readline(), b"read 'third'\n")
        attached.send_signal(signal.SIGINT)
        out, err = attached.communicate(timeout=10)
        self.assertEqual((attached.returncode, out), (0, b""), err)
        self.assertEqual(self.home.one("reader")["pm2_env"]["status"], "online")

    def test_attach_end_of_input_and_separator(self):
        attached = self.attach("0", ";\n")
        attached.communicate(b"a\nb", timeout=20)
        self.assertEqual(attached.returncode, 0)
        self.wait_lines("read 'a;'", "read 'b;'")
        self.home.fails("attach", "nobody")


if __name__ == "__main__":
    pmxtest.main()
