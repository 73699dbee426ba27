"""serve: static files over HTTP."""

import base64
import http.client
import os
import signal
import socket
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import pmxtest
from pmxtest import eventually


class Serve(pmxtest.PmxTest):
    def setUp(self):
        super().setUp()
        self.root = os.path.join(self.home.work, "www")
        for name, text in (("index.html", "<p>home"), ("a b.txt", "0123456789"), ("sub/index.html", "<p>sub"), ("bare/x.css", "x"),
                           (".secret", "canary"), (".well-known/token", "t"), ("empty", ""), ("../outside", "canary")):
            self.home.file(os.path.join("www", name), text)
        os.symlink(os.path.join(self.home.work, "outside"), os.path.join(self.root, "link"))
        os.symlink("a b.txt", os.path.join(self.root, "inner"))
        self.port = pmxtest.free_port()

    def serve(self, *args):
        self.home.run("serve", self.root, self.port, *args)

    def ask(self, path="/", method="GET", **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.putrequest(method, path, skip_host=False, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name.replace("_", "-"), value)
        connection.endheaders()
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer.status, body, answer

    def test_files(self):
        self.serve()
        self.assertEqual(self.home.statuses(f"static-page-server-{self.port}"), ["online"])
        status, body, answer = self.ask("/")
        self.assertEqual((status, body, answer.getheader("Content-Type")), (200, b"<p>home", "text/html; charset=utf-8"))
        self.assertEqual(answer.getheader("Access-Control-Allow-Origin"), "*")
        self.assertEqual(self.ask("/a%20b.txt")[:2], (200, b"0123456789"))
        self.assertEqual(self.ask("/inner")[:2], (200, b"0123456789"))
        self.assertEqual(self.ask("/empty")[:2], (200, b""))
        status, _, answer = self.ask("/sub")
        self.assertEqual((status, answer.getheader("Location")), (301, "/sub/"))
        self.assertEqual(self.ask("/sub/")[:2], (200, b"<p>sub"))
        self.assertEqual(self.ask("/.well-known/token")[:2], (200, b"t"))
        status, body, answer = self.ask("/a%20b.txt", "HEAD")
        self.assertEqual((status, body, answer.getheader("Content-Length")), (200, b"", "10"))
        self.assertEqual(self.ask("/", "POST")[0], 405)

    def test_in_a_configuration_file(self):
        other = pmxtest.free_port()
        path = self.home.json_file("ecosystem.json", {
            "apps": [{"name": "site", "script": "serve", "env": {"PM2_SERVE_PATH": self.root, "PM2_SERVE_PORT": self.port, "PM2_SERVE_SPA": "true"}}],
            "static": [{"path": self.root, "port": other, "ftp": True, "basic_auth": {"username": "me", "password": "canary"}, "monitor": True}]})
        self.assertIn("monitor", self.home.run("validate", path, check=None).stderr + self.home.run("validate", path, check=None).stdout)
        self.home.run("start", path)
        self.assertEqual(self.ask("/no/such")[:2], (200, b"<p>home"))
        self.port = other
        self.assertEqual(self.ask("/")[0], 401)
        self.assertEqual(self.ask("/", Authorization="Basic " + base64.b64encode(b"me:canary").decode())[:2], (200, b"<p>home"))
        self.assertEqual(self.home.statuses(), ["online", "online"])
        self.assertEqual(self.home.statuses(f"static-page-server-{other}"), ["online"])
        self.assertIn("Nothing to do", self.home.run("plan", path).stdout)
        self.home.run("reload", path)
        bad = self.home.json_file("bad.json", {"static": [{"path": self.root, "port": 0}, {"basic_auth": {"username": "x"}}, 5]})
        said = self.home.fails("start", bad).stderr
        for text in ("1 to 65535", "username and password", "static[2]"):
            self.assertIn(text, said)
        self.assertIn("expected a list", self.home.fails("start", self.home.json_file("bad.json", {"static": {}})).stderr)
        self.assertEqual(len(self.home.jlist()), 2)

    def test_nothing_else(self):
        self.serve()
        for path in ("/nope", "/bare/", "/.secret", "/link", "/../outside", "/%2e%2e/outside", "/sub/../../outside", "/sub/%2e%2e%2f%2e%2e%2foutside",
                     "//../outside", "/a%20b.txt/", "/%00", "/sub/..%5c..%5coutside", "/.git/config", "/" + "x" * 3000):
            status, body, _ = self.ask(path)
            self.assertIn(status, (400, 404), path)
            self.assertNotIn(b"canary", body, path)
        self.home.file("www/404.html", "<p>lost")
        self.assertEqual(self.ask("/nope")[:2], (404, b"<p>lost"))

    def test_ranges_and_caches(self):
        self.serve()
        status, body, answer = self.ask("/a%20b.txt", Range="bytes=2-4")
        self.assertEqual((status, body, answer.getheader("Content-Range")), (206, b"234", "bytes 2-4/10"))
        self.assertEqual(self.ask("/a%20b.txt", Range="bytes=-3")[:2], (206, b"789"))
        self.assertEqual(self.ask("/a%20b.txt", Range="bytes=7-")[:2], (206, b"789"))
        self.assertEqual(self.ask("/a%20b.txt", Range="bytes=50-60")[0], 416)
        self.assertEqual(self.ask("/a%20b.txt", Range="bytes=7-99")[:2], (206, b"789"))
        self.assertEqual(self.ask("/a%20b.txt", Range="bytes=-99")[:2], (206, b"0123456789"))
        self.assertEqual(self.ask("/a%20b.txt", Range="bytes=0-1,3-4")[:2], (200, b"0123456789"))
        tag, changed = answer.getheader("ETag"), answer.getheader("Last-Modified")
        self.assertEqual(self.ask("/a%20b.txt", If_None_Match=tag)[:2], (304, b""))
        self.assertEqual(self.ask("/a%20b.txt", If_Modified_Since=changed)[0], 304)
        self.assertEqual(self.ask("/a%20b.txt", If_None_Match='"other"')[0], 200)
        self.assertEqual(self.ask("/a%20b.txt", Range="bytes=2-4", If_Range=tag)[:2], (206, b"234"))
        self.assertEqual(self.ask("/a%20b.txt", Range="bytes=2-4", If_Range='"old"')[:2], (200, b"0123456789"))

    def test_spa_listing_and_password(self):
        self.serve("--spa", "--ftp", "--basic-auth-username", "me", "--basic-auth-password", "canary", "--name", "site")
        self.assertEqual(self.ask("/")[0], 401)
        self.assertEqual(self.ask("/", Authorization="Basic bWU6eA==")[0], 401)
        key = "Basic " + base64.b64encode(b"me:canary").decode()
        self.assertEqual(self.ask("/no/such", Authorization=key)[:2], (200, b"<p>home"))
        self.home.file("www/bare/<b>&.txt", "x")
        body = self.ask("/bare/", Authorization=key)[1].decode()
        self.assertIn('<a href="x.css">x.css</a>', body)
        self.assertIn('href="%3Cb%3E%26.txt">&lt;b>&amp;.txt', body)
        self.assertNotIn("canary", self.home.run("show", "site").stdout + self.home.run("jlist").stdout)
        self.home.fails("serve", self.root, "--basic-auth-username", "me", code=2)

    def test_large_file_is_streamed_and_ends_in_order(self):
        size = 64 << 20
        with open(os.path.join(self.root, "large.bin"), "wb") as file:
            file.truncate(size)
        self.serve()
        client = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        client.sendall(b"GET /large.bin HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        self.assertTrue(client.recv(1000).startswith(b"HTTP/1.1 200"))
        name = f"static-page-server-{self.port}"
        with open(f"/proc/{self.home.one(name)['pid']}/status") as file:
            resident = next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))
        self.assertLess(resident, 32 << 10, "KiB: the file is not in memory")
        stopping = self.home.popen("stop", name)
        seen = 0
        while part := client.recv(1 << 20):
            seen += len(part)
        self.assertGreaterEqual(seen, size - 1000)
        self.assertEqual(stopping.wait(20), 0)
        self.assertIn("exit code 0", self.home.run("show", name).stdout)

    def test_port_in_use_and_wrong_use(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            failed = self.home.fails("serve", self.root, port, "--host", "127.0.0.1", timeout=60)
            self.assertTrue(failed.stderr)
        for words in (("serve", "/no/such"), ("serve", os.path.join(self.root, "index.html"))):
            self.home.fails(*words)
        for words in (("serve", ".", "0"), ("serve", ".", "x"), ("serve", "--port", "70000")):
            self.home.fails(*words, code=2)

    @unittest.skipUnless(pmxtest.SLOW == 1, "not tested: the sanitizers do not work beside a preloaded library")
    def test_several_processes_on_the_port(self):
        self.serve("-i", "2")
        name = f"static-page-server-{self.port}"
        self.assertEqual(self.home.statuses(name), ["online", "online"])
        for _ in range(10):
            self.assertEqual(self.ask("/")[0], 200)
        self.home.run("reload", name, timeout=60)
        self.assertEqual(self.ask("/")[0], 200)


if __name__ == "__main__":
    pmxtest.main()
