"""The pages of the manual, as the build has made them: no warnings, and nothing of the program's environment left out."""

import os
import pathlib
import re
import shutil
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import pmxtest

PAGES = pathlib.Path(pmxtest.bin_dir()).parent / "man"
ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


class Manual(pmxtest.PmxTest):
    def pages(self):
        pages = sorted(PAGES.glob("*.[1-8]"))
        self.assertEqual([page.name for page in pages], ["pmx-ecosystem.5", "pmx.1", "pmxd.8"])
        return pages

    def test_rendered_without_warnings(self):
        if shutil.which("man") is None:
            self.skipTest("there is no man here")
        for page in self.pages():
            with self.subTest(page=page.name):
                ran = subprocess.run(["man", "--warnings", "-l", page], capture_output=True, text=True, check=True,
                                     env={"PATH": pmxtest.PATH, "MANWIDTH": "80", "LC_ALL": "C.UTF-8", "MAN_KEEP_FORMATTING": "0"})
                self.assertEqual(ran.stderr, "")
                self.assertGreater(len(ran.stdout.splitlines()), 50)

    def test_checked_by_mandoc(self):
        if shutil.which("mandoc") is None:
            self.skipTest("there is no mandoc here")
        for page in self.pages():
            with self.subTest(page=page.name):
                ran = subprocess.run(["mandoc", "-Tlint", "-Wwarning", page], capture_output=True, text=True, check=False)
                self.assertEqual(ran.stdout + ran.stderr, "")

    def test_every_command_has_its_entry(self):
        page = (PAGES / "pmx.1").read_text()
        commands = re.findall(r"^  (\w+)", self.home.run("--help").stdout.partition("Options of all")[0], re.MULTILINE)
        self.assertGreater(len(commands), 20)
        for command in commands:
            self.assertRegex(page, rf"(?m)^\.TP\n\\fB{command}\\fR")

    def test_every_variable_that_is_read_is_named(self):
        pages = "".join(page.read_text() for page in self.pages()).replace("\\-", "-")
        read = set()
        for directory in ("cli", "common", "daemon"):
            for path in (ROOT / directory).rglob("*.c*"):
                text = path.read_text(errors="replace")
                read.update(re.findall(r"""(?:getenv\(|process\.env\.|is_set\()"?(PMX_\w+|NO_COLOR|FORCE_COLOR|COLUMNS)""", text))
        self.assertIn("PMX_CGROUP", read)
        for name in sorted(read):
            self.assertIn(name, pages)


if __name__ == "__main__":
    pmxtest.main()
