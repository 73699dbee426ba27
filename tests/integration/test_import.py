"""import: the apps of pm2 and of supervisord, as a plan and started."""

import json
import os
import pty
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import pmxtest
from pmxtest import eventually


def entry(name, script, cwd, **more):
    """One of pm2's dump, with what pm2 7 puts into each."""
    return {"name": name, "namespace": "default", "pm_exec_path": script, "pm_cwd": cwd, "exec_interpreter": "bash", "exec_mode": "fork_mode",
            "node_args": [], "instance_var": "NODE_APP_INSTANCE", "NODE_APP_INSTANCE": 0, "autorestart": True, "autostart": True, "watch": False,
            "merge_logs": True, "treekill": True, "vizion": True, "pmx": True, "automation": True, "windowsHide": True, "username": "root",
            "kill_retry_time": 100, "axm_actions": [], "axm_monitor": {}, "axm_options": {}, "axm_dynamic": {}, "status": "online", "restart_time": 3,
            "pm_out_log_path": f"/root/.pm2/logs/{name}-out.log", "pm_err_log_path": f"/root/.pm2/logs/{name}-error.log",
            "pm_pid_path": f"/root/.pm2/pids/{name}-0.pid", "version": "N/A", "km_link": False, "unique_id": "u", name: "{}",
            "env": {"PATH": os.environ["PATH"], "PM2_HOME": "/root/.pm2", "unique_id": "u", name: {}, "API_TOKEN": "canary", "MODE": "x"}, **more}


class Pm2(pmxtest.PmxTest):
    def setUp(self):
        super().setUp()
        self.script = self.home.file("app.sh", 'echo "$MODE $API_TOKEN $@"\nexec sleep 1000\n')
        work = self.home.work
        node = self.home.file("app.js", "require('http').createServer((q, r) => r.end()).listen(process.env.PORT);\n")
        cluster = entry("web", node, work, exec_interpreter="node", exec_mode="cluster_mode", kill_timeout=3000, max_memory_restart=209715200,
                        cron_restart="0 3 * * *")
        cluster["env"]["PORT"] = str(pmxtest.free_port())
        del cluster["merge_logs"]
        self.dump = [cluster, {**cluster, "NODE_APP_INSTANCE": 1},
                     entry("api", self.script, work, args=["a b"], namespace="back", restart_delay=100, post_update=["make"], v8=True,
                           log_date_format="YYYY", ignore_watch=["tmp"]),
                     entry("rest", self.script, work, status="stopped"),
                     entry("pm2-logrotate", self.script, work, pmx_module=True)]

    def write(self, value=None):
        return self.home.json_file("pm2/dump.pm2", self.dump if value is None else value)

    def check_apps(self):
        eventually(lambda: sorted(self.home.statuses("web")) == ["online", "online"])
        self.assertEqual(self.home.statuses("api"), ["online"])
        self.assertEqual(self.home.statuses("rest"), ["stopped"])
        self.assertEqual(self.home.instances("pm2-logrotate"), [])
        web = self.home.instances("web")[0]["pm2_env"]
        self.assertEqual((web["exec_mode"], web["kill_timeout"], web["max_memory_restart"], web["cron_restart"]),
                         ("cluster_mode", 3000, 209715200, "0 3 * * *"))
        api = self.home.one("api")["pm2_env"]
        self.assertEqual((api["namespace"], api["restart_delay"], api["args"], api["ignore_watch"]), ("back", 100, ["a b"], ["tmp"]))
        self.assertIn("x canary a b", self.home.log("api-out.log").decode())

    def test_plan_then_apply(self):
        path = self.write()
        shown = self.home.run("import", "pm2", path, check=1)
        for text in ("web", "api", "rest", "start"):
            self.assertIn(text, shown.stdout)
        self.assertIn("[api] not taken over: post_update, v8", shown.stderr)
        self.assertIn("module of pm2", shown.stderr)
        self.assertNotIn("canary", shown.stdout + shown.stderr)
        self.assertEqual(self.home.daemons(), [], "a plan changes nothing")
        applied = self.home.run("import", "pm2", path, "--apply", check=1)
        self.assertNotIn("canary", applied.stdout + applied.stderr)
        self.check_apps()

    def test_default_path_and_stdin_of_jlist(self):
        self.dump.pop()
        self.write()
        home = os.path.join(self.home.work, "pm2")
        self.assertIn("web", self.home.run("import", "pm2", env={"PM2_HOME": home}).stdout)
        self.home.fails("import", "pm2", env={"PM2_HOME": home + "-no"})
        jlist = [{"pid": 1, "name": one["name"], "pm_id": i, "monit": {"memory": 0, "cpu": 0}, "pm2_env": one} for i, one in enumerate(self.dump)]
        text = self.home.json_file("jlist.json", jlist)
        with open(text, "rb") as file:
            import subprocess
            ran = subprocess.run(self.home.command("import", "pm2", "-", "--apply"), stdin=file, capture_output=True, cwd=self.home.work,
                                 env=self.home.environment(), timeout=60)
        self.assertEqual(ran.returncode, 0, ran.stderr)
        self.check_apps()
        again = self.home.run("import", "pm2", text)
        self.assertNotIn("canary", again.stdout + again.stderr)

    def test_asked_on_a_terminal(self):
        path = self.write([entry("api", self.script, self.home.work)])
        for answer, count in ((b"n\n", 0), (b"y\n", 1)):
            child, terminal = pty.fork()
            if child == 0:
                os.chdir(self.home.work)
                os.execve(self.home.command()[0], self.home.command("import", "pm2", path), self.home.environment())
            seen = b""
            while b"[y/N]" not in seen:
                seen += os.read(terminal, 4096)
            os.write(terminal, answer)
            try:
                while os.read(terminal, 4096):
                    pass
            except OSError:
                pass
            os.close(terminal)
            self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), 0)
            self.assertEqual(len(self.home.instances("api")) if count else 0, count)

    def test_running(self):
        """`pm2` here is a script that prints what pm2 does."""
        jlist = self.home.json_file("jlist.json", [{"pid": 1, "name": one["name"], "pm_id": i, "pm2_env": one} for i, one in enumerate(self.dump[:-1])])
        self.home.file("bin/pm2", f"#!/bin/sh\n[ \"$1\" = jlist ] || exit 1\necho '>>>> In-memory PM2 is out-of-date, do:'\ncat '{jlist}'\n", 0o755)
        home = os.path.join(self.home.work, "pm2")
        env = {"PM2_HOME": home, "PATH": os.path.join(self.home.work, "bin") + ":" + os.environ["PATH"]}
        self.assertIn("pm2 does not run", self.home.fails("import", "pm2", "--running", env=env).stderr)
        self.home.file("pm2/pm2.pid", str(os.getpid()))
        self.assertIn("3 to start", self.home.run("import", "pm2", "--running", env=env).stdout.replace("2 to start", "3 to start"))
        self.home.run("import", "pm2", "--running", "--apply", env=env)
        self.check_apps()
        self.assertIn("web", self.home.run("import", "pm2", "--from", jlist).stdout)
        self.home.fails("import", "pm2", jlist, "--running", env=env, code=2)
        self.home.fails("import", "supervisord", "--running", env=env, code=2)
        self.home.file("bin/pm2", "#!/bin/sh\nexit 3\n", 0o755)
        self.assertIn("exit code 3", self.home.fails("import", "pm2", "--running", env=env).stderr)

    def test_nonsense(self):
        for text in ("", "{}", "[1]", "[{}]", '[{"name":"a","pm_exec_path":1}]'):
            self.home.fails("import", "pm2", self.home.file("bad.json", text), "--apply")
        self.home.fails("import", "forever", code=2)
        self.home.fails("import", code=2)


class Supervisord(pmxtest.PmxTest):
    def test_start(self):
        script = self.home.file("app.sh", '#!/bin/sh\necho "$COLOUR $1"\nexec sleep 1000\n', 0o755)
        self.home.file("conf.d/b.conf", f"[program:b]\ncommand={script} second\nautostart=false\n")
        path = self.home.file("supervisord.conf", f"""
[supervisord]
nodaemon=true
[include]
files = conf.d/*.conf
[program:a]
command=%(here)s/app.sh "x y" ; the first
environment=COLOUR="re,d"
stdout_logfile=%(here)s/a.log
redirect_stderr=true
stopsignal=INT
stdout_logfile_maxbytes=1MB
numprocs=2
process_name=%(program_name)s_%(process_num)02d
""")
        shown = self.home.run("import", "supervisord", path)
        self.assertIn("[a] not taken over: process_name, stdout_logfile_maxbytes", shown.stderr)
        self.assertEqual(self.home.daemons(), [])
        self.home.run("import", "supervisord", path, "--apply")
        self.assertEqual(self.home.statuses("a"), ["online", "online"])
        self.assertEqual(self.home.statuses("b"), ["stopped"])
        self.home.run("start", "b")
        eventually(lambda: self.home.log("b-out.log").decode() == " second\n")
        logs = [os.path.join(self.home.work, name) for name in os.listdir(self.home.work) if name.startswith("a") and name.endswith(".log")]
        eventually(lambda: "".join(open(log).read() for log in logs).count("re,d x y\n") == 2)

    def test_nonsense(self):
        self.home.fails("import", "supervisord", code=2)
        self.home.fails("import", "supervisord", "nope.conf")
        self.home.fails("import", "supervisord", self.home.file("bad.conf", "[program:a]\n"))


if __name__ == "__main__":
    pmxtest.main()
