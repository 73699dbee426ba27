"""Keeper and daemon killed together: systemd, played here, has kept the descriptors of the apps, and the next keeper gets them."""

import array
import fcntl
import os
import socket
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import pmxtest
from pmxtest import Load, eventually, fixture, process_alive


class Systemd:
    """What systemd does for FDSTORE, FDSTOREREMOVE and FDNAME (sd_notify(3)), and for LISTEN_FDS at the next start."""

    def __init__(self, path):
        self.store = {}
        self.said = []
        self.lock = threading.Lock()
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(path)
        self.socket.settimeout(0.1)
        self.ended = False
        self.thread = threading.Thread(target=self.listen)
        self.thread.start()

    def listen(self):
        while not self.ended:
            try:
                text, parts, _, _ = self.socket.recvmsg(4096, socket.CMSG_SPACE(16 * 4))
            except TimeoutError:
                continue
            fds = array.array("i")
            for _, _, data in parts:
                fds.frombytes(data[:len(data) - len(data) % 4])
            with self.lock:
                self.take(text.decode().split("\n"), list(fds))

    def take(self, lines, fds):
        self.said += lines
        name = next((line.split("=", 1)[1] for line in lines if line.startswith("FDNAME=")), None)
        if "FDSTOREREMOVE=1" in lines:
            for fd in self.store.pop(name, ()):
                os.close(fd)
        elif "FDSTORE=1" in lines:
            assert "FDPOLL=0" in lines and fds, lines
            self.store.setdefault(name, []).extend(fds)
        else:
            assert not fds, lines

    def names(self):
        with self.lock:
            return sorted(self.store)

    def has(self, word):
        with self.lock:
            return word in self.said

    def entries(self):
        """Newest first, as systemd gives them."""
        with self.lock:
            return [(name, fd) for name, fds in reversed(self.store.items()) for fd in reversed(fds)]

    def close(self):
        self.ended = True
        self.thread.join()
        self.socket.close()
        for fds in self.store.values():
            for fd in fds:
                os.close(fd)


class UnitStore(pmxtest.PmxTest):
    def setUp(self):
        super().setUp()
        self.notify = os.path.join(self.home.work, "notify")
        self.systemd = Systemd(self.notify)
        self.addCleanup(self.systemd.close)

    def unit_run(self):
        """The unit's main process, with what is stored as its descriptors 3 and up; returned when it is ready."""
        entries = self.systemd.entries()

        given = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 200) for _, fd in entries]
        moves = "".join(f"exec {3 + i}<&{fd} {fd}<&-; " for i, fd in enumerate(given))
        stored = {"LISTEN_FDS": len(entries), "LISTEN_FDNAMES": ":".join(name for name, _ in entries)} if entries else {}
        with self.systemd.lock:
            self.systemd.said.clear()
        child = subprocess.Popen(["/bin/bash", "-c", moves + 'LISTEN_PID=$$ exec "$@"', "bash", *self.home.command("unit", "run")], pass_fds=given,
                                 env=self.home.environment({"NOTIFY_SOCKET": self.notify, **stored}), stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        for fd in given:
            os.close(fd)
        self.addCleanup(self.end, child)
        eventually(lambda: self.systemd.has("READY=1"), 20, "ready")
        return child

    def end(self, child):
        if child.poll() is None:
            child.kill()
        child.communicate(timeout=10)

    def crash(self, child):
        """Keeper and daemon are gone; so is the unit's main process, because of that."""
        self.home.crash()
        self.assertEqual(child.wait(20), 0)

    def test_workers_outlive_both(self):
        child = self.unit_run()
        port = pmxtest.free_port()
        self.home.start("web", "-i", "2", env={"PORT": port})
        self.home.start("fork", script="on_signal.py", env={"STARTS": os.path.join(self.home.work, "starts")})
        pmxtest.wait_http(port)
        eventually(lambda: self.home.log("fork-out.log") == b"ready\n", 10, "first line")
        before = [(entry["name"], entry["pid"]) for entry in self.home.jlist()]
        # 3 runs, 3 outputs and the sockets of the port.
        eventually(lambda: len(self.systemd.names()) >= 7, 10, "all of them stored")
        with Load(port, threads=4) as load:
            load.wait_ok(20)
            for _ in range(2):
                self.crash(child)
                load.wait_ok(20)
                child = self.unit_run()
                self.home.wait_status("web", "online", count=2)
                load.wait_ok(20)
        self.assertEqual(load.failed, 0, load)
        self.assertEqual([(entry["name"], entry["pid"]) for entry in self.home.jlist()], before)
        self.assertEqual([entry["pm2_env"]["restart_time"] for entry in self.home.jlist()], [0, 0, 0])
        self.home.run("sendSignal", "SIGUSR2", "fork")
        eventually(lambda: self.home.log("fork-out.log") == b"ready\ngot SIGUSR2\n", 10, "a line through the pipe")
        self.home.run("reload", "web")
        pmxtest.wait_http(port)

    def test_what_is_gone_is_forgotten(self):
        self.unit_run()
        self.home.start("one", script="on_signal.py", env={"STARTS": os.path.join(self.home.work, "starts")})
        eventually(lambda: len(self.systemd.names()) == 2, 10, "its run and its output stored")
        run = self.systemd.names()[0]
        self.home.run("restart", "one")
        eventually(lambda: len(self.systemd.names()) == 2 and self.systemd.names()[0] != run, 10, "the next run in its place")
        self.home.run("delete", "one")
        eventually(lambda: self.systemd.names() == [], 10, "nothing stored")

    def test_the_next_daemon_goes_on(self):
        self.unit_run()
        self.home.run("update")
        self.home.start("one", script="on_signal.py", env={"STARTS": os.path.join(self.home.work, "starts")})
        eventually(lambda: len(self.systemd.names()) == 2, 10, "stored")

    def test_one_that_ended_meanwhile(self):
        child = self.unit_run()
        self.home.start("one", script="on_signal.py", env={"STARTS": os.path.join(self.home.work, "starts")})
        pid = self.home.one("one")["pid"]
        eventually(lambda: len(self.systemd.names()) == 2, 10, "stored")
        self.crash(child)
        os.kill(pid, 9)
        eventually(lambda: not process_alive(pid), 10, "its end")
        self.unit_run()
        self.home.wait_status("one", "online")
        self.assertNotEqual(self.home.one("one")["pid"], pid)

    def test_the_main_process_alone_is_started_again(self):
        child = self.unit_run()
        self.home.start("one", script="on_signal.py", env={"STARTS": os.path.join(self.home.work, "starts")})
        eventually(lambda: len(self.systemd.names()) == 2, 10, "stored")
        before = self.home.keeper_pid
        child.kill()
        child.wait(10)
        # What it was given is not kept open: the keeper has its own.
        child = self.unit_run()
        self.assertEqual(self.home.keeper_pid, before)
        self.home.run("delete", "one")
        eventually(lambda: self.systemd.names() == [], 10, "nothing stored")
        eventually(lambda: not [fd for fd in os.listdir(f"/proc/{child.pid}/fd") if "pipe" in os.readlink(f"/proc/{child.pid}/fd/{fd}") and int(fd) > 2],
                   10, "no pipe of an app")


if __name__ == "__main__":
    pmxtest.main()
