"""Cluster mode with each Node.js release of tests/support/node_versions.py that is there (PMX_TEST_NODES names their directory)."""

import os
import ssl
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import node_versions
import pmxtest
from pmxtest import Load, eventually, fixture, get_json

VERSIONS = {"system": "node", **node_versions.installed(os.environ.get("PMX_TEST_NODES", ""))}
MISSING = sorted(node_versions.SHA512.keys() - VERSIONS.keys())


class NodeVersions(pmxtest.PmxTest):
    def setUp(self):
        super().setUp()
        self.port = pmxtest.free_port()
        if MISSING:
            print(f"not tested: Node {', '.join(MISSING)}, not in PMX_TEST_NODES ({os.environ.get('PMX_TEST_NODES', '')!r})", file=sys.stderr)

    def start(self, version, script, *args, instances=2, **env):
        self.home.run("start", script, "--name", "web", "-i", instances, "--interpreter", VERSIONS[version], "--listen-timeout", "20000", *args,
                      env={"PORT": self.port, **env}, timeout=60)
        self.home.wait_status("web", "online", 20, count=instances)
        self.assertEqual(self.home.instances("web")[0]["pm2_env"]["exec_mode"], "cluster_mode")

    def for_each(self):
        for version in VERSIONS:
            with self.subTest(node=version):
                yield version
            self.home.run("delete", "all", check=None)

    def test_reloads_under_load(self):
        """Connection: close and keep-alive, each policy: nothing fails."""
        for version in self.for_each():
            for balance in ("slots", "shared", "rr"):
                self.start(version, fixture("server.js"), "--balance", balance, instances=3)
                with Load(self.port, threads=12) as close, Load(self.port, threads=12, keep_alive=True) as keep:
                    for load in (close, keep):
                        load.wait_ok(30)
                    for _ in range(2):
                        before = set(self.home.pids("web"))
                        self.home.run("reload", "web", timeout=90)
                        self.assertFalse(before & set(self.home.pids("web")))
                    for load in (close, keep):
                        load.wait_ok(30)
                self.assertEqual((close.failures, keep.failures), ({}, {}), f"{version} {balance}: close {close}; keep-alive {keep}")
                self.home.run("delete", "web")

    def test_worker_knows_itself(self):
        for version in self.for_each():
            self.start(version, fixture("server.js"))
            pids = set(self.home.pids("web"))
            with Load(self.port, threads=8) as load:
                eventually(lambda: load.seen() == pids, 20, f"both ({load})")
            answer = get_json(self.port)
            self.assertTrue(answer["isWorker"] and answer["canSend"])
            get_json(self.port, "/send?text=x")

    def test_tls_tickets_are_shared(self):
        """Any worker resumes the TLS session that another one began: the first worker's ticket keys go to all."""
        key, certificate = os.path.join(self.home.work, "key.pem"), os.path.join(self.home.work, "cert.pem")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate, "-days", "2", "-subj", "/CN=localhost"],
                       check=True, capture_output=True)
        script = self.home.file("tls.js", """
            const fs = require('fs');
            require('https').createServer({key: fs.readFileSync(process.env.KEY), cert: fs.readFileSync(process.env.CERT)},
              (q, s) => s.end(JSON.stringify({pid: process.pid}))).listen(Number(process.env.PORT), '127.0.0.1');
        """)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.maximum_version = ssl.TLSVersion.TLSv1_2  # there a session is there with the handshake
        for version in self.for_each():
            self.start(version, script, KEY=key, CERT=certificate)
            pids = set(self.home.pids("web"))
            seen, session = {}, None

            def ask():
                nonlocal session
                with context.wrap_socket(pmxtest.socket.create_connection(("127.0.0.1", self.port), 10), session=session) as client:
                    client.sendall(b"GET / HTTP/1.0\r\n\r\n")
                    body = b""
                    while block := client.recv(4096):
                        body += block
                    reused = client.session_reused
                    session = session or client.session
                    seen.setdefault(int(body.rsplit(b'"pid":', 1)[1].split(b"}")[0]), []).append(reused)
                return set(seen) == pids and min(len(answers) for answers in seen.values()) >= 2

            eventually(ask, 30, f"both answer ({seen})")
            self.assertEqual(sum(not reused for answers in seen.values() for reused in answers), 1, seen)  # the very first


if __name__ == "__main__":
    pmxtest.main()
