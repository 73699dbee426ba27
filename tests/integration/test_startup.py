"""`pmx startup`, `unstartup` and `cleardump`: the files are written below a directory, tools of the system are played by scripts
that record how they were called; boot scripts are run for real."""

import json
import os
import stat
import subprocess
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import pmxtest
from pmxtest import eventually, process_alive, testapp

IS_ROOT = os.geteuid() == 0


class StartupTest(pmxtest.PmxTest):
    def setUp(self):
        super().setUp()
        self.root = os.path.join(self.home.work, "root")
        os.mkdir(self.root)
        self.calls = os.path.join(self.home.work, "calls")
        for name in ("systemctl", "loginctl", "chroot"):
            self.home.file(f"tools/{name}", f'#!/bin/sh\necho "{name} $*" >>"{self.calls}"\n[ ! -e "{self.calls}.{name}.fails" ]\n', 0o755)
        self.home.env["PATH"] = os.path.join(self.home.work, "tools") + ":" + pmxtest.PATH

    def called(self):
        with open(self.calls, encoding="utf-8") as file:
            lines = file.read().splitlines()
        os.unlink(self.calls)
        return lines

    def inside(self, *parts):
        return os.path.join(self.root, *parts)

    def tool(self, name):
        """Has the system below the root a tool of that name."""
        os.makedirs(self.inside("usr/sbin"), exist_ok=True)
        with open(self.inside("usr/sbin", name), "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), 0o755)

    def text(self, *parts):
        with open(self.inside(*parts), encoding="utf-8") as file:
            return file.read()

    def program(self):
        return os.path.realpath(self.home.command()[0])


class NotRoot(StartupTest):
    def say(self, *words, **env):
        as_nobody = {"user": 65534, "group": 65534, "extra_groups": []} if IS_ROOT else {}
        return self.home.run("startup", *words, check=1, cwd="/", env=env, **as_nobody)

    @unittest.skipUnless(IS_ROOT, "as the user nobody")
    def test_prints_what_root_has_to_type(self):
        os.chmod(self.home.root, 0o755)
        os.chmod(self.home.work, 0o755)
        said = self.say("systemd", PMX_HOME=None)
        self.assertEqual(said.stdout, f"sudo {self.program()} startup systemd -u nobody --hp /nonexistent\n")
        self.assertIn("Init system found: systemd", said.stderr)
        said = self.say("openrc", "--service-name", "mine", PMX_HOME="/srv/p m x")
        self.assertEqual(said.stdout, f"sudo env 'PMX_HOME=/srv/p m x' {self.program()} startup openrc -u nobody --service-name mine\n")
        self.assertFalse(os.path.exists(self.calls))

    def test_unusable_words(self):
        self.assertIn('knows no platform "plan9"', self.home.fails("startup", "plan9", code=2).stderr)
        self.assertIn("no name of a service", self.home.fails("startup", "systemd", "--service-name", "a/b", code=2).stderr)
        self.assertIn("there is no user nobody-of-that-name", self.home.fails("startup", "systemd", "-u", "nobody-of-that-name").stderr)
        self.assertIn("--user is for systemd", self.home.fails("startup", "openrc", "--user", code=2).stderr)


@unittest.skipUnless(IS_ROOT, "only root may write services")
class Systemd(StartupTest):
    def test_written_and_removed(self):
        unit = self.inside("etc/systemd/system/pmx-root.service")
        for _ in range(2):  # again is as well
            self.home.run("startup", "systemd", "--root", self.root)
            self.assertEqual(self.called(), [f"systemctl --root={self.root} enable pmx-root.service"])
        text = self.text("etc/systemd/system/pmx-root.service")
        self.assertIn(f'ExecStart="{self.program()}" unit run', text)
        self.assertIn(f'User=root\nEnvironment="PMX_HOME={self.home.path}"', text)
        self.assertNotIn("%i", text)
        self.assertEqual(stat.S_IMODE(os.stat(unit).st_mode), 0o644)
        analyze = "/usr/bin/systemd-analyze"
        if os.path.exists(analyze):
            checked = subprocess.run([analyze, "verify", "--man=no", unit], capture_output=True, text=True, timeout=60, check=False)
            self.assertEqual((checked.returncode, [line for line in checked.stderr.splitlines() if "pmx-root" in line]), (0, []), checked.stderr)
        self.home.run("unstartup", "systemd", "--root", self.root)
        self.assertEqual(self.called(), [f"systemctl --root={self.root} disable pmx-root.service"])
        self.assertFalse(os.path.exists(unit))
        self.assertIn("nothing brings back", self.home.fails("unstartup", "systemd", "--root", self.root).stderr)

    def test_the_packages_unit_is_used_where_it_is(self):
        os.makedirs(self.inside("lib/systemd/system"))
        with open(self.inside("lib/systemd/system/pmx@.service"), "w", encoding="utf-8"):
            pass
        self.home.run("startup", "systemd", "-u", "daemon", "--root", self.root, env={"PMX_HOME": None})
        self.assertEqual(self.called(), [f"systemctl --root={self.root} enable pmx@daemon.service"])
        self.assertFalse(os.path.exists(self.inside("etc")))
        # Another home, or another name, needs a unit of its own.
        self.home.run("startup", "systemd", "-u", "daemon", "--hp", "/srv", "--wait-ip", "--root", self.root)
        text = self.text("etc/systemd/system/pmx-daemon.service")
        self.assertIn("PMX_HOME=/srv/.pmx", text)
        self.assertIn("Wants=network-online.target", text)
        self.home.run("startup", "systemd", "--service-name", "web", "--root", self.root)
        self.assertTrue(os.path.exists(self.inside("etc/systemd/system/web.service")))

    def test_called_by_sudo_without_a_user(self):
        said = self.home.run("startup", "systemd", "--root", self.root, env={"SUDO_USER": "alice"})
        self.assertIn("for the apps of root; for those of alice: pmx startup -u alice", said.stderr)

    def test_a_tool_that_fails(self):
        self.home.file("calls.systemctl.fails", "")
        self.assertIn("enable pmx-root.service` failed with exit code 1", self.home.fails("startup", "systemd", "--root", self.root).stderr)

    def test_detection(self):
        os.makedirs(self.inside("run/openrc"))
        self.tool("rc-update")
        self.assertIn("Init system found: openrc", self.home.run("startup", "--root", self.root).stdout)
        os.makedirs(self.inside("run/systemd/system"))
        self.assertIn("Init system found: systemd", self.home.run("startup", "--root", self.root).stdout)
        bare = os.path.join(self.home.work, "bare")
        os.mkdir(bare)
        self.assertIn("found neither systemd", self.home.fails("startup", "--root", bare).stderr)
        os.makedirs(os.path.join(bare, "usr/sbin"))
        tool = os.path.join(bare, "usr/sbin/update-rc.d")
        with open(tool, "w", encoding="utf-8"):
            pass
        os.chmod(tool, 0o755)
        self.assertIn("Init system found: systemv", self.home.run("startup", "--root", bare).stdout)

    def test_homes_that_no_service_may_have(self):
        self.home.run("list")
        self.assertIn("belongs to user id 0, not to daemon", self.home.fails("startup", "systemd", "-u", "daemon").stderr)
        self.assertIn("a service file cannot name it", self.home.fails("startup", "systemd", "--hp", "/srv/$(id)", "--root", self.root).stderr)
        self.assertFalse(os.path.exists(self.calls))

    def test_of_the_own_user(self):
        config = self.inside("config")
        self.home.run("startup", "--user", "systemd", env={"XDG_CONFIG_HOME": config})
        self.assertEqual(self.called(), ["systemctl --user daemon-reload", "systemctl --user enable pmx.service",
                                         "systemctl --user start pmx.service", "loginctl enable-linger"])
        text = self.text("config/systemd/user/pmx.service")
        for line in ("\nUser=", "\nAfter=", "OOMScoreAdjust", "=+", "multi-user", "%i"):
            self.assertNotIn(line, text)
        self.assertIn("systemctl --user list-jobs", text)
        self.assertIn("WantedBy=default.target", text)
        self.home.file("calls.loginctl.fails", "")
        self.assertIn("loginctl enable-linger root", self.home.fails("startup", "--user", "systemd", env={"XDG_CONFIG_HOME": config}).stderr)
        self.called()
        self.home.run("unstartup", "--user", "systemd", env={"XDG_CONFIG_HOME": config})
        self.assertEqual(self.called(), ["systemctl --user stop pmx.service", "systemctl --user disable pmx.service",
                                         "systemctl --user daemon-reload"])
        self.assertEqual(os.listdir(os.path.join(config, "systemd/user")), [])


@unittest.skipUnless(IS_ROOT, "only root may write services")
class BootScripts(StartupTest):
    def script(self, platform, prelude=""):
        self.home.run("startup", platform, "--root", self.root)
        path = self.inside("etc/init.d/pmx-root")
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o755)

        def call(word, code=0):
            command = ["sh", "-c", f'{prelude} . "{path}"; {word}'] if prelude else ["sh", path, word]
            done = subprocess.run(command, env={"PATH": pmxtest.PATH}, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                  timeout=60, check=False)
            self.assertEqual(done.returncode, code, done)
            return done.stdout
        return call

    def lives_through(self, call, replace):
        call("status", 3)
        call("start")
        self.home.run("start", testapp(), "--name", "app", "--", "sleep")
        self.home.run("start", testapp(), "--name", "rests", "--force", "--", "sleep")
        self.home.run("stop", "rests")
        pid, daemon = self.home.one("app")["pid"], self.home.daemon_pid
        call(replace)
        self.assertEqual(self.home.one("app")["pid"], pid)
        self.assertNotEqual(self.home.daemon_pid, daemon)
        self.assertIn("pong", call("status"))
        call("stop")
        self.assertFalse(process_alive(pid))
        eventually(lambda: not self.home.keepers(), 10, "the keeper has ended")
        call("start")
        self.home.wait_status("app", "online")
        self.home.wait_status("rests", "stopped")

    def test_systemv(self):
        self.tool("chkconfig")
        call = self.script("systemv")
        self.assertEqual(self.called(), [f"chroot {self.root} chkconfig --add pmx-root", f"chroot {self.root} chkconfig pmx-root on"])
        self.lives_through(call, "restart")
        call("walk", 2)

    def test_openrc(self):
        self.tool("rc-update")
        call = self.script("alpine", "ebegin() { :; }; eend() { return $1; };")
        self.assertEqual(self.called(), [f"chroot {self.root} rc-update add pmx-root default"])
        self.lives_through(call, "reload")
        call("depend", 127)  # need is openrc's; the syntax is right
        self.home.run("unstartup", "openrc", "--root", self.root)
        self.assertFalse(os.path.exists(self.inside("etc/init.d/pmx-root")))

    def test_without_the_tools_nothing_is_written(self):
        for platform, tool in (("openrc", "rc-update"), ("systemv", "chkconfig")):
            self.assertIn(f"there is no program {tool} in {self.root}", self.home.fails("startup", platform, "--root", self.root).stderr)
        self.assertFalse(os.path.exists(self.inside("etc")))
        self.assertFalse(os.path.exists(self.calls))


class Dump(pmxtest.PmxTest):
    def test_cleardump(self):
        self.home.run("start", testapp(), "--name", "app", "--", "sleep")
        self.home.run("save")
        self.home.run("delete", "app")
        self.home.run("cleardump")
        with open(os.path.join(self.home.path, "dump.pmx"), encoding="utf-8") as file:
            self.assertEqual(json.load(file), [])
        self.home.run("resurrect")
        self.assertEqual(self.home.jlist(), [])


pmxtest.main()
