"""`pmx doctor` in broken set-ups: each is made here, and must be named with its cure."""

import json
import os
import resource
import shutil
import socket
import subprocess
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import pmxtest
from pmxtest import testapp

IS_ROOT = os.geteuid() == 0


class DoctorTest(pmxtest.PmxTest):
    def setUp(self):
        super().setUp()
        self.root = os.path.join(self.home.work, "root")
        os.mkdir(self.root)

    def findings(self, *words, code=None, **options):
        said = self.home.run("doctor", "--json", *words, check=code, **options)
        value = json.loads(said.stdout)
        self.assertEqual((value["schema"], value["home"]), (1, self.home.path))
        self.assertEqual(said.code, 1 if any(one["verdict"] == "fault" for one in value["findings"]) else 0)
        return value["findings"]

    def finding(self, name, *words, **options):
        found = [one for one in self.findings(*words, **options) if one["id"] == name]
        self.assertEqual(len(found), 1, found)
        return found[0]

    def fault(self, name, what, fix, *words, **options):
        """The only fault there is."""
        found = [one for one in self.findings(*words, code=1, **options) if one["verdict"] == "fault"]
        self.assertEqual([one["id"] for one in found], [name], found)
        self.assertIn(what, found[0]["what"])
        self.assertIn(fix, found[0]["fix"])

    def system_file(self, path, text=""):
        path = os.path.join(self.root, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path


class Well(DoctorTest):
    def test_nothing_is_wrong(self):
        self.findings(code=0)
        self.assertEqual(self.home.daemons(), [])
        self.assertFalse(os.path.exists(self.home.path))
        self.home.run("start", testapp(), "--name", "app", "--", "sleep")
        self.findings(code=0)
        said = self.home.run("doctor")
        self.assertIn("No faults.", said.stdout)
        self.assertIn("fix: pmx startup", said.stdout)

    def test_ids(self):
        self.home.run("list")
        self.assertEqual([one["id"] for one in self.findings()],
                         ["home", "socket", "disk", "clock", "version", "keeper", "app", "open-files", "processes", "inotify",
                          "pipes", "cgroup", "pidfd", "reuseport", "seccomp", "boot"])


class OfTheHome(DoctorTest):
    def test_open_to_others(self):
        self.home.run("list")
        os.chmod(self.home.path, 0o755)
        self.fault("home", "has mode 0755", "chmod 700 " + self.home.path)

    @unittest.skipUnless(IS_ROOT, "only root may give a directory away")
    def test_of_somebody_else(self):
        os.mkdir(self.home.path, 0o700)
        os.chown(self.home.path, 65534, 65534)
        self.fault("home", "belongs to user id 65534", "sudo chown -R 0 " + self.home.path)
        os.rmdir(self.home.path)

    def test_without_its_directories(self):
        os.mkdir(self.home.path, 0o700)
        self.fault("home", "cannot write to " + self.home.path + "/logs", "mkdir -p " + self.home.path + "/logs")

    def test_socket_for_everybody(self):
        self.home.run("list")
        os.chmod(os.path.join(self.home.path, "pmx.sock"), 0o666)
        self.fault("socket", "has mode 0666", "chmod 600")

    def test_clock_that_went_back(self):
        self.home.run("list")
        self.home.run("unit", "stop")
        later = time.time() + 100000
        os.utime(os.path.join(self.home.path, "pmx.db"), (later, later))
        self.fault("clock", "in the future", "timedatectl set-ntp true")

    @unittest.skipUnless(IS_ROOT, "only root may mount")
    def test_full_disk(self):
        self.home.run("list")
        self.home.run("kill")
        pmx = self.home.command("doctor", "--json")
        script = f'mount -t tmpfs -o size=1m,mode=700 none "{self.home.path}" && mkdir "{self.home.path}/logs" "{self.home.path}/pids" && exec "$@"'
        done = subprocess.run(["unshare", "--mount", "sh", "-c", script, "sh", *pmx], env=self.home.env, capture_output=True, text=True,
                              timeout=30, check=False)
        if "unshare" in done.stderr or "mount" in done.stderr:
            self.skipTest(done.stderr.strip())
        faults = [one for one in json.loads(done.stdout)["findings"] if one["verdict"] == "fault"]
        self.assertEqual([one["id"] for one in faults], ["disk"], done.stdout)
        self.assertIn("pmx flush", faults[0]["fix"])


class OfTheDaemon(DoctorTest):
    def test_of_another_version(self):
        os.makedirs(os.path.join(self.home.path, "logs"))
        os.makedirs(os.path.join(self.home.path, "pids"))
        os.chmod(self.home.path, 0o700)
        path = os.path.join(self.home.path, "pmx.sock")
        answers = {"ping": {"version": "0.0.9", "protocol": 1, "daemon_pid": os.getpid(), "keeper_pid": os.getpid()},
                   "list": {"instances": []}}
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
            os.chmod(path, 0o600)
            listener.listen()

            def serve():
                client, _ = listener.accept()
                with client, client.makefile("rw") as lines:
                    for line in lines:
                        request = json.loads(line)
                        lines.write(json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": answers[request["method"]]}) + "\n")
                        lines.flush()
            server = threading.Thread(target=serve)
            server.start()
            self.fault("version", "the daemon is 0.0.9", "pmx update")
            server.join(10)
        shutil.rmtree(self.home.path)

    def test_replaced_programs(self):
        copy = os.path.join(self.home.work, "bin")
        shutil.copytree(pmxtest.bin_dir(), copy, ignore=lambda _, names: [name for name in names if not name.startswith(("pmx", "libpmx"))])
        pmx = os.path.join(copy, "pmx")
        env = self.home.env
        subprocess.run([pmx, "list"], env=env, capture_output=True, timeout=30, check=True)
        for name in ("pmxd", "pmx-keeper"):  # as a package does it: a new file under the old name
            shutil.copy2(os.path.join(copy, name), os.path.join(copy, name + ".new"))
            os.rename(os.path.join(copy, name + ".new"), os.path.join(copy, name))
        said = subprocess.run([pmx, "doctor", "--json"], env=env, capture_output=True, text=True, timeout=30, check=False)
        found = {one["id"]: one for one in json.loads(said.stdout)["findings"]}
        self.assertEqual((said.returncode, found["version"]["verdict"], found["keeper"]["verdict"]), (1, "fault", "note"), said)
        self.assertIn("pmx update", found["version"]["fix"])
        self.assertIn("earlier installation", found["keeper"]["what"])
        subprocess.run([pmx, "update"], env=env, capture_output=True, timeout=30, check=True)
        subprocess.run([pmx, "doctor"], env=env, capture_output=True, timeout=30, check=True)
        subprocess.run([pmx, "kill"], env=env, capture_output=True, timeout=30, check=True)

    def test_does_not_answer(self):
        self.home.run("list")
        os.kill(self.home.daemon_pid, 19)
        try:
            self.fault("daemon", "does not answer", "kill -9")
        finally:
            os.kill(self.home.daemon_pid, 18)

    def test_interpreter_that_is_gone(self):
        shell = os.path.join(self.home.work, "old-sh")
        shutil.copy2(os.path.realpath("/bin/sh"), shell)
        script = self.home.file("app.txt", "exec sleep 1000\n")
        self.home.run("start", script, "--interpreter", shell, "--name", "old one")
        os.unlink(shell)
        self.fault("app", f"old one: its interpreter {shell} is gone", "pmx delete 'old one' && pmx start")

    def test_script_that_is_gone(self):
        script = self.home.file("app.sh", "#!/bin/sh\nexec sleep 1000\n", 0o755)
        self.home.run("start", script, "--name", "app")
        os.unlink(script)
        self.fault("app", f"app: its script {script} is gone", "pmx delete app")


class OfTheMachine(DoctorTest):
    def test_few_descriptors(self):
        self.fault("open-files", "may have 300 descriptors only", "LimitNOFILE", preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (300, 300)))

    @unittest.skipUnless(IS_ROOT, "as the user nobody")
    def test_few_processes(self):
        os.chmod(self.home.root, 0o755)
        path = "/tmp/" + os.path.basename(self.home.root) + ".nobody"

        def become_nobody():
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            resource.setrlimit(resource.RLIMIT_NPROC, (100, 100))
        said = self.home.run("doctor", "--json", check=1, cwd="/", env={"PMX_HOME": path}, preexec_fn=become_nobody)
        faults = [one for one in json.loads(said.stdout)["findings"] if one["verdict"] == "fault"]
        self.assertEqual([one["id"] for one in faults], ["processes"], said)
        self.assertIn("may have 100 processes", faults[0]["what"])
        self.assertIn("LimitNPROC", faults[0]["fix"])

    def test_few_watches(self):
        self.system_file("proc/sys/fs/inotify/max_user_watches", "100\n")
        self.fault("inotify", "100 directories", "sysctl fs.inotify.max_user_watches=", "--root", self.root)

    @unittest.skipUnless(IS_ROOT, "as the user nobody")
    def test_few_pages_for_pipes(self):
        self.system_file("proc/sys/fs/pipe-user-pages-soft", "64\n")
        for path in (self.home.root, self.home.work):
            os.chmod(path, 0o755)
        said = self.home.run("doctor", "--json", "--root", self.root, check=1, cwd="/", env={"PMX_HOME": "/nonexistent/pmx"},
                             user=65534, group=65534, extra_groups=[])
        found = {one["id"]: one for one in json.loads(said.stdout)["findings"]}
        self.assertEqual(found["pipes"]["verdict"], "fault")
        self.assertIn("sysctl fs.pipe-user-pages-soft=16384", found["pipes"]["fix"])

    def test_kernel_without_seccomp_notifications(self):
        self.system_file("proc/sys/kernel/seccomp/actions_avail", "kill_process allow\n")
        found = self.finding("seccomp", "--root", self.root, code=0)
        self.assertEqual(found["verdict"], "note")
        self.assertIn("--bind-via seccomp is refused", found["what"])


@unittest.skipUnless(IS_ROOT, "the home directory of root is known")
class AtBoot(DoctorTest):
    UNIT = "etc/systemd/system/pmx-root.service"

    def enable(self, text):
        path = self.system_file(self.UNIT, text)
        wants = os.path.join(self.root, "etc/systemd/system/multi-user.target.wants")
        os.makedirs(wants, exist_ok=True)
        link = os.path.join(wants, "pmx-root.service")
        if not os.path.lexists(link):
            os.symlink(path, link)
        return path

    def unit(self, program="/bin/sh", home=None):
        return f'[Service]\nEnvironment="PMX_HOME={home or self.home.path}"\nExecStart="{program}" unit run\n'

    def test_nothing_is_enabled(self):
        self.assertEqual(self.finding("boot", "--root", self.root)["verdict"], "note")
        found = self.finding("boot", "--boot", "--root", self.root)
        self.assertEqual((found["verdict"], found["fix"]), ("fault", "pmx startup"))

    def test_chain(self):
        self.system_file("bin/sh")
        os.chmod(os.path.join(self.root, "bin/sh"), 0o755)
        path = self.enable(self.unit())
        self.assertEqual(self.finding("boot", "--root", self.root)["verdict"], "ok")
        self.enable(self.unit(home="/srv/other"))
        self.fault("boot", "another home", "pmx startup", "--root", self.root)
        self.enable(self.unit(program="/opt/gone/pmx"))
        self.fault("boot", "starts /opt/gone/pmx, which is not there", "pmx startup", "--root", self.root)
        os.unlink(path)
        self.fault("boot", "is enabled, but its file is gone", "pmx startup", "--root", self.root)

    def test_home_in_memory(self):
        home = f"/dev/shm/{os.path.basename(self.home.root)}"
        os.makedirs(home + "/logs", 0o700)
        os.makedirs(home + "/pids", 0o700)
        os.chmod(home, 0o700)
        self.addCleanup(shutil.rmtree, home)
        said = self.home.run("doctor", "--json", "--boot", "--root", self.root, check=1, env={"PMX_HOME": home})
        found = {one["id"]: one for one in json.loads(said.stdout)["findings"]}
        self.assertIn("is in memory", found["boot-home"]["what"])

    def test_without_lingering(self):
        user_home = os.path.join(self.home.work, "root-home")
        # Whose home directory is where is the system's to say: the user of this test is put into a tree of its own.
        script = f'mount --bind "{self.home.work}/passwd" /etc/passwd && exec "$@"'
        self.home.file("passwd", f"root:x:0:0::{user_home}:/bin/sh\n")
        own = os.path.join(user_home, ".config/systemd/user")
        os.makedirs(os.path.join(own, "default.target.wants"))
        with open(os.path.join(own, "pmx.service"), "w", encoding="utf-8") as file:
            file.write(self.unit(program="/bin/sh"))
        os.symlink("../pmx.service", os.path.join(own, "default.target.wants/pmx.service"))
        self.system_file("bin/sh")
        os.chmod(os.path.join(self.root, "bin/sh"), 0o755)

        def boot():
            done = subprocess.run(["unshare", "--mount", "sh", "-c", script, "sh", *self.home.command("doctor", "--json", "--root", self.root)],
                                  env=self.home.env, capture_output=True, text=True, timeout=30, check=False)
            if not done.stdout:
                self.skipTest(done.stderr.strip())
            return [one for one in json.loads(done.stdout)["findings"] if one["id"] == "boot"][0]
        found = boot()
        self.assertIn("does not linger", found["what"])
        self.assertEqual((found["verdict"], found["fix"]), ("fault", "loginctl enable-linger root"))
        self.system_file("var/lib/systemd/linger/root")
        self.assertEqual(boot()["verdict"], "ok")


pmxtest.main()
