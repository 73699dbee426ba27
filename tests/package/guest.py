"""The steps of tests/package-debian.sh inside the container, as root. Usage: guest.py STEP [ARGUMENTS...]"""

import json
import os
import pwd
import re
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from pmxtest import Load, eventually, fixture, process_alive

EXPECTED = "/root/expected.json"
UNIT_FILES = ("pmx.service", "pmx@.service")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Instance:
    """One pmx: who runs it, where its home is, by which unit it comes back."""

    def __init__(self, user, home, unit, port, of_user_manager=False):
        self.user, self.home, self.unit, self.port, self.of_user_manager = user, home, unit, port, of_user_manager

    def pmx(self, *words, fails=False, **env):
        """The command as that user types it."""
        return self.call("pmx", *words, fails=fails, PMX_HOME=self.home, **env)

    def call(self, *words, fails=False, groups=(), **env):
        account = pwd.getpwnam(self.user)
        given = {"PATH": PATH, "HOME": account.pw_dir, "LC_ALL": "C.UTF-8", "XDG_RUNTIME_DIR": f"/run/user/{account.pw_uid}", **env}
        done = subprocess.run(words, user=account.pw_uid, group=account.pw_gid, extra_groups=groups, env=given, cwd="/",
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False)
        assert fails or done.returncode == 0, f"{self.user}: {' '.join(words)}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout + (done.stderr if fails else "")

    def systemctl(self, *words, fails=False):
        if self.of_user_manager:
            return self.call("systemctl", "--user", *words, self.unit, fails=fails)
        return run("systemctl", *words, self.unit, fails=fails)

    def apps(self):
        return sorted(json.loads(self.pmx("jlist")), key=lambda app: app["pm_id"])

    def states(self):
        return [[app["pm_id"], app["name"], app["pm2_env"]["status"]] for app in self.apps()]

    def runs(self):
        """{id: (pid, restarts)} of what runs."""
        return {app["pm_id"]: (app["pid"], app["pm2_env"]["restart_time"]) for app in self.apps() if app["pm2_env"]["status"] == "online"}

    def ping(self):
        return json.loads(self.pmx("ping", "--json"))["daemon"]


def instances():
    return [Instance("root", "/root/.pmx", "pmx@root.service", 8001),
            Instance("pmx", "/var/lib/pmx", "pmx.service", 8002),
            Instance("alice", "/home/alice/.pmx", "pmx@alice.service", 8003),
            Instance("bob", "/home/bob/.pmx", "pmx.service", 8004, of_user_manager=True)]


def run(*words, fails=False):
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, check=False)
    assert fails or done.returncode == 0, f"{' '.join(words)}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def program(pid):
    try:
        return os.readlink(f"/proc/{pid}/exe")
    except OSError:
        return ""


def good(text):
    print(f"    ok: {text}", flush=True)


def no_errors_in_journal():
    found = [line for line in run("journalctl", "--boot", "--priority=err", "--output=short", "--quiet").splitlines() if "pmx" in line]
    assert not found, "errors in the journal:\n" + "\n".join(found)


def as_expected(states, what):
    for instance in instances():
        def same(instance=instance):
            now = instance.states()
            assert now == states[instance.user], f"{instance.user}: {now}, expected {states[instance.user]}"
            return True
        eventually(same, 30, what)


def expected():
    with open(EXPECTED, encoding="utf-8") as file:
        return json.load(file)


def step_install(package):
    run("apt-get", "install", "-y", package)
    assert run("pmx", "--version").strip() == re.search("_([^_]*)_", package).group(1)
    for name in UNIT_FILES:
        said = run("systemd-analyze", "verify", "--man=no", f"/lib/systemd/system/{name.replace('@', '@root')}")
        assert not said, said
    assert run("systemctl", "is-enabled", "pmx.service", fails=True).strip() == "disabled"
    assert os.path.exists("/usr/share/nodejs/pmx/index.js")
    home = os.stat("/var/lib/pmx")
    assert (home.st_uid, home.st_mode & 0o777) == (pwd.getpwnam("pmx").pw_uid, 0o710), home
    assert "the system instance does not run" in run("pmx", "--system", "list", fails=True)
    security = run("systemd-analyze", "security", "pmx.service", "--no-pager").splitlines()[-1]
    for page in ("1 pmx", "8 pmxd", "5 pmx-ecosystem"):
        warnings = run("sh", "-c", f"LC_ALL=C.UTF-8 MANROFFSEQ= MANWIDTH=80 man --warnings {page} >/dev/null")
        assert not warnings, f"man {page}: {warnings}"
    good(f"installed; units verified; systemd-analyze security: {security.strip()}")


def step_start():
    for user in ("alice", "bob"):
        run("useradd", "--create-home", user)
    root, system, alice, bob = instances()
    # Each way in which people do it.
    assert "systemctl start pmx@root.service" in root.call("pmx", "startup")
    system.systemctl("enable", "--now")
    assert alice.call("pmx", "startup", fails=True).startswith("sudo /usr/lib/pmx/pmx startup systemd -u alice --hp /home/alice\n")
    run("pmx", "startup", "systemd", "-u", "alice", "--hp", "/home/alice")
    run("loginctl", "enable-linger", "bob")
    eventually(lambda: bob.call("systemctl", "--user", "is-system-running", "--wait", fails=True).strip() == "running", 30, "bob's systemd runs")
    bob.call("pmx", "startup", "--user")
    states = {}
    for instance in instances():
        instance.pmx("start", "sleep 100001", "--name", "gone")
        instance.pmx("start", fixture("http_any.py"), "--name", "web", "-i", "2", PORT=str(instance.port))
        instance.pmx("start", "sleep 100002", "--name", "sleeper")
        instance.pmx("start", "sleep 100003", "--name", "rests")
        instance.pmx("start", "exit 3", "--name", "broken", "--max-restarts", "1", fails=True)
        instance.pmx("stop", "rests")
        instance.pmx("delete", "gone")
        eventually(lambda instance=instance: [4 + 1, "broken", "errored"] in instance.states(), 30, "broken is errored")
        states[instance.user] = instance.states()
        good(f"{instance.user}: {states[instance.user]}")
    with open(EXPECTED, "w", encoding="utf-8") as file:
        json.dump(states, file)
    as_expected(states, "all started")
    tree = run("systemctl", "status", "pmx.service", "--no-pager", fails=True)
    assert "pmx-run-" in tree, f"apps have no cgroups of their own:\n{tree}"


def step_units():
    states = expected()
    for verb in ("restart", "reload"):
        before = [instance.runs() for instance in instances()]
        daemons = [instance.ping()["daemon_pid"] for instance in instances()]
        for instance in instances():
            instance.systemctl(verb)
        assert [instance.runs() for instance in instances()] == before, f"{verb} has touched apps"
        assert not set(daemons) & {instance.ping()["daemon_pid"] for instance in instances()}, "the daemons are the same"
        good(f"systemctl {verb}: new daemons, the same processes")

    for instance in instances():
        pids = [pid for pid, _ in instance.runs().values()]
        instance.systemctl("stop")
        assert not any(process_alive(pid) for pid in pids), "apps survive systemctl stop"
        assert instance.systemctl("is-failed", fails=True).strip() == "inactive"
        instance.systemctl("start")
    as_expected(states, "back after stop and start")
    good("systemctl stop ends the apps, start brings them back")

    system = instances()[1]
    before = system.runs()
    victim = min(before)
    os.kill(before[victim][0], signal.SIGKILL)
    eventually(lambda: system.runs().get(victim, before[victim]) != before[victim], 15, "the killed app is back")
    after = system.runs()
    assert {key: value for key, value in after.items() if key != victim} == {key: value for key, value in before.items() if key != victim}
    good("kill -9 of one app: the others keep their processes")

    pong = system.ping()
    for pids, what in (([pong["keeper_pid"]], "keeper"), (None, "keeper and daemon")):
        if pids is None:
            pong = system.ping()
            pids = [pong["keeper_pid"], pong["daemon_pid"]]
        # Stopped first: neither can start the other again.
        os.kill(pong["keeper_pid"], signal.SIGSTOP)

        def served(pids=pids):
            # A question, not a command that could start a daemon.
            assert system.ping()["keeper_pid"] not in pids
            return run("systemctl", "is-active", system.unit, fails=True).strip() == "active"
        with Load(system.port, threads=2) as load:
            load.wait_ok(20)
            for pid in reversed(pids):
                os.kill(pid, signal.SIGKILL)
            eventually(served, 20, f"served again after kill -9 of {what}")
            load.wait_ok(20)
        assert load.failed == 0, f"{what}: {load}"
        assert system.runs() == after, f"{what}: {system.runs()}, before {after}"
        good(f"kill -9 of {what}: served again, the same processes, {load.ok} requests, 0 failed")
    with open("/var/lib/pmx/pmx.log", encoding="utf-8") as file:
        assert "the descriptors of an earlier keeper" in file.read(), "systemd has kept none"
    good("what both held was in systemd's store: " + run("systemctl", "show", system.unit, "--property=NFileDescriptorStore").strip())


def step_system():
    """The system's instance: files in /etc/pmx, and who may command it."""
    system, alice = instances()[1:3]
    others = {pid for pid, _ in system.runs().values()}

    def write(name, text):
        with open(f"/etc/pmx/{name}", "w", encoding="utf-8") as file:
            file.write(text)
    write("10-etc.json", json.dumps({"apps": [{"name": name, "script": "sleep 100004"} for name in ("of-etc", "rests-of-etc", "goes")]}))
    write("20-broken.json", '{"apps": [')
    run("systemctl", "reload", "pmx.service", fails=True)
    eventually(lambda: {"of-etc", "goes"} <= {app["name"] for app in system.apps()}, 10, "the file that is well counts")
    assert "20-broken.json" in run("journalctl", "--boot", "--unit=pmx.service")
    os.unlink("/etc/pmx/20-broken.json")
    write("10-etc.json", json.dumps({"apps": [{"name": name, "script": "sleep 100004"} for name in ("of-etc", "rests-of-etc")]}))
    run("systemctl", "reload", "pmx.service")
    names = [app["name"] for app in system.apps()]
    assert "of-etc" in names and "goes" not in names, names
    run("pmx", "--system", "stop", "rests-of-etc")
    run("systemctl", "reload", "pmx.service")
    assert "stopped" in [app["pm2_env"]["status"] for app in system.apps() if app["name"] == "rests-of-etc"]
    assert others <= {pid for pid, _ in system.runs().values()}, "other apps were touched"
    assert "for root and members of the group pmx" in alice.call("pmx", "--system", "jlist", fails=True)
    group = pwd.getpwnam("pmx").pw_gid
    assert "of-etc" in alice.call("pmx", "--system", "jlist", groups=(group,))
    states = expected()
    states["pmx"] = system.states()
    with open(EXPECTED, "w", encoding="utf-8") as file:
        json.dump(states, file)
    good(f"/etc/pmx is followed, a broken file is told; root and the group pmx may command: {states['pmx']}")


def step_watchdog():
    """A daemon that hangs is replaced, without a restart of the unit; so is a stand-in that hangs."""
    system = instances()[1]
    drop_in = "/run/systemd/system/pmx.service.d/watchdog.conf"
    os.makedirs(os.path.dirname(drop_in))
    with open(drop_in, "w", encoding="utf-8") as file:
        file.write("[Service]\nWatchdogSec=6\n")
    run("systemctl", "daemon-reload")
    run("systemctl", "restart", system.unit)
    before, daemon = system.runs(), system.ping()["daemon_pid"]

    def main_pid():
        return int(run("systemctl", "show", "--property=MainPID", "--value", system.unit))

    def served_again():
        assert not process_alive(daemon)
        return system.ping()["daemon_pid"] != daemon
    stand_in = main_pid()
    os.kill(daemon, signal.SIGSTOP)
    eventually(served_again, 30, "the daemon that hangs is replaced")
    assert (system.runs(), main_pid()) == (before, stand_in), "apps or the unit were restarted"
    os.kill(stand_in, signal.SIGSTOP)
    eventually(lambda: main_pid() not in (0, stand_in) and system.systemctl("is-active", fails=True).strip() == "active", 30,
               "the stand-in that hangs is replaced")
    assert system.runs() == before, "apps were restarted"
    os.unlink(drop_in)
    run("systemctl", "daemon-reload")
    good("watchdog: a daemon that hangs is replaced, and a stand-in that hangs; the same processes")


def step_after_boot():
    as_expected(expected(), "the same apps after a reboot")
    for instance in instances():
        assert instance.systemctl("is-active").strip() == "active"
        instance.pmx("doctor", "--boot")
    no_errors_in_journal()
    good("the same apps, ids and states; no errors in the journal; doctor --boot finds no fault")


def step_upgrade(package, version):
    before = [instance.runs() for instance in instances()]
    loads = [Load(instance.port, threads=4) for instance in instances()]
    for load in loads:
        load.__enter__()
    for load in loads:
        load.wait_ok(100)
    said = run("apt-get", "install", "-y", package)
    for load in loads:
        load.wait_ok(100)
        load.stop()
    for instance, load, runs in zip(instances(), loads, before):
        assert load.failed == 0, f"{instance.user}: {load}"
        assert instance.runs() == runs, f"{instance.user}: {instance.runs()}, before {runs}"
        assert instance.ping()["version"] == version, instance.ping()
        good(f"{instance.user}: {load.ok} requests, 0 failed; daemon {version}; no app restarted")
    for line in said.splitlines():
        if "replaced by" in line:
            print(f"      {line}")
    as_expected(expected(), "the same apps after an upgrade")


def step_remove(package):
    pids = [pid for instance in instances() for pid, _ in instance.runs().values()]
    keepers = [instance.ping()["keeper_pid"] for instance in instances()]
    run("apt-get", "remove", "-y", "pmx")
    left = [pid for pid in pids + keepers if process_alive(pid)]
    assert not left, run("ps", "-fp", ",".join(map(str, left)), fails=True)
    run("apt-get", "install", "-y", package)
    for instance in instances():
        instance.systemctl("start")
    as_expected(expected(), "back after remove and install")
    good("removed: nothing runs; installed again: everything is back")


def step_purge():
    run("apt-get", "purge", "-y", "pmx")
    left = run("find", "/", "-xdev", "-name", "*pmx*", "-not", "-path", "/opt/pmx-tests*", "-not", "-path", "/proc/*",
               "-not", "-path", "/sys/*", "-not", "-path", "/home/*", "-not", "-path", "/root/.pmx*", "-not", "-path", "/etc/pmx*").split()
    assert os.listdir("/etc/pmx") == ["10-etc.json"], "the administrator's files are gone"
    assert not left, left
    assert os.path.exists("/home/alice/.pmx/pmx.db"), "a user's own files are gone"
    left = [entry for entry in os.listdir("/proc") if entry.isdigit() and "/usr/lib/pmx/" in program(entry)]
    assert not left, left
    good("purged: nothing left but the homes of users and the account pmx")


if __name__ == "__main__":
    globals()["step_" + sys.argv[1].replace("-", "_")](*sys.argv[2:])
