"""Runs the README's walk-through and the guide in docs/ as their readers would: each page from its top, against a demo of its own.

What is run are fenced blocks that begin with ```console. In them `$ ` begins a command, `> ` goes on with it, and what follows is
what it says. Everything must succeed, but the commands of a block that begins with ```console refused, each of which must fail.
`...` stands for anything. Ids, times, ports and folders need not be those of the page; that they are some must be.
"""

import difflib
import doctest
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

from demo import PROJECT, Demo

# What differs from run to run: on both sides, each of these becomes its name.
VARYING = [
    ("ID", r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b|\b[0-9a-f]{32}\b"),
    ("TIME", r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)|\b\d{14}(\.\d+)?Z\b"),
    ("DAY", r"\b\d{4}-\d\d-\d\d\b"),
    ("ADDRESS", r"\b127\.0\.0\.1:\d+\b"),
    ("SPACE", r"[ \t]+"),
]
BLOCK = re.compile(r"^```console(?P<refused> refused)?\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
END = "\x01"


def commands(page):
    """The commands of a page: each with its line, whether it is refused, and what it says."""
    text = page.read_text()
    for block in BLOCK.finditer(text):
        line = text.count("\n", 0, block.start("text")) + 1
        found = []
        for number, row in enumerate(block["text"].splitlines(), line):
            if row.startswith("$ "):
                found.append([number, bool(block["refused"]), row[2:], []])
            elif f"{row} ".startswith("> ") and found and not found[-1][3]:
                found[-1][2] += "\n" + row[2:]
            elif found:
                found[-1][3].append(row)
            else:
                raise AssertionError(f"{page.name}:{number}: output before any command")
        yield from found


def normal(text):
    """The text as it is compared."""
    for name, pattern in VARYING:
        text = re.sub(pattern, " " if name == "SPACE" else name, text)
    return "".join(line.strip() + "\n" for line in text.strip().splitlines())


def run(page, demo):
    """Runs the commands of a page in one shell: whether each succeeded, and what it said."""
    script = ["exec 2>&1", "set -o pipefail", f". {demo.data}/environment", f"cd {demo.folder}"]
    for _, _, command, _ in page:
        script += [command, f"printf '{END}%d{END}' $?"]
    shell = subprocess.run(["stdbuf", "-oL", "bash", "-c", "\n".join(script)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, timeout=300,
                           env={**os.environ, "LC_ALL": "C.UTF-8", "TZ": "UTC"})
    pieces = shell.stdout.split(END)
    return list(zip([status == "0" for status in pieces[1::2]], pieces[0::2]))


class Guide(unittest.TestCase):
    def follow(self, page):
        """Follows a page and shows by a diff where it says another thing than the server."""
        self.demo = Demo()
        self.addCleanup(self.demo.stop)
        told = list(commands(page))
        self.assertTrue(told, "a page without a command")
        answered = run(told, self.demo)
        self.assertEqual(len(answered), len(told), answered[-1:])
        wrong = []
        for (line, refused, command, expected), (done, said) in zip(told, answered):
            want, got = normal("\n".join(expected)), normal(said.replace(str(self.demo.data), "/tmp/demo"))
            same = doctest.OutputChecker().check_output(want, got, doctest.ELLIPSIS)
            if not same or done == refused:
                diff = difflib.unified_diff(want.splitlines(), got.splitlines(), "the page", "the server", lineterm="", n=50)
                fate = "was not refused" if done and refused else "" if done or refused else "failed"
                wrong.append("\n".join([f"{page.name}:{line}: $ {command}", *filter(None, [fate]), *diff]))
        if wrong:
            self.fail("\n" + "\n\n".join(wrong))


def _tests():
    for page in [PROJECT / "README.md", *sorted((PROJECT / "docs").glob("*.md"))]:
        if BLOCK.search(page.read_text()):
            name = re.sub(r"\W", "_", str(page.relative_to(PROJECT).with_suffix("")).lower())
            setattr(Guide, f"test_{name}", lambda self, page=page: self.follow(page))


class Runner(unittest.TestCase):
    """That a page which is wrong fails."""

    def told(self, text):
        """What the runner says of a page."""
        with tempfile.TemporaryDirectory() as folder:
            page = pathlib.Path(folder) / "page.md"
            page.write_text(text)
            guide = Guide("follow")
            try:
                guide.follow(page)
            except AssertionError as error:
                return str(error)
            finally:
                guide.doCleanups()
        return ""

    def test_a_page_that_says_what_happens_passes(self):
        page = ("Text.\n```console\n$ who=ben\n$ as $who ldapwhoami\ndn:uid=ben,...\n$ cat <<END\n> $who\n> END\nben\n```\n```sh\n$ no\n```\n"
                "```console refused\n$ as nobody ldapwhoami\nthere is no nobody in the demo\n```\n")
        self.assertEqual(self.told(page), "")

    def test_what_differs_and_what_fails_is_told(self):
        page = ("```console\n$ echo one\ntwo\n$ false\n$ date -u +%FT%TZ\n2026-01-01T00:00:00Z\n$ echo then\n2026-01-01\n```\n"
                "```console refused\n$ true\n```\n")
        told = self.told(page)
        for part in ("page.md:2: $ echo one", "-two\n+one", "page.md:4: $ false\nfailed", "-DAY\n+then", "page.md:11: $ true\nwas not refused"):
            self.assertIn(part, told)
        self.assertNotIn("$ date", told)

    def test_a_page_that_ends_the_shell_fails(self):
        self.assertIn("0 != 2", self.told("```console\n$ exit 0\n$ true\n```\n"))


_tests()
