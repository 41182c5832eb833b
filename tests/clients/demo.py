"""A demo of its own for each test: `headcount demo --json` in a folder that goes when the test ends."""

import atexit
import json
import os
import pathlib
import re
import select
import shutil
import signal
import subprocess
import tempfile
import time

PROJECT = pathlib.Path(__file__).resolve().parents[2]
_running = []
_panicked = []


@atexit.register
def _fail_for_panics():
    # First to be registered, so last of all: by now each server has been ended, some of them after the last test.
    if _panicked:
        print(f"{len(_panicked)} servers panicked", flush=True)
        os._exit(1)


def panics(log):
    """Lines of a log that tell of a panic, or of the end by a stack that was too small."""
    said = log.read_text(errors="replace") if log.exists() else ""
    return [line for line in said.splitlines() if "panic" in line or "overflowed its stack" in line]


def check_panics(log):
    """A panic that one connection bore is a failure of the test all the same (hardening HA3)."""
    if told := panics(log):
        _panicked.append(log)
        raise AssertionError("the server's log tells of a panic:\n" + "\n".join(told))


def program():
    """The binary under test."""
    if path := os.environ.get("HEADCOUNT"):
        return path
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", PROJECT / "target"))
    return str(target / "debug" / "headcount")


def headcount(*arguments, **options):
    """Runs a subcommand to its end."""
    return subprocess.run([program(), *map(str, arguments)], capture_output=True, text=True, timeout=600, **options)


def first_line(process, seconds):
    """The first line a process prints, or an error where it prints none in time."""
    deadline = time.monotonic() + seconds
    line = b""
    while not line.endswith(b"\n"):
        ready, _, _ = select.select([process.stdout], [], [], max(0, deadline - time.monotonic()))
        octets = os.read(process.stdout.fileno(), 65536) if ready else b""
        if not octets:
            raise RuntimeError(f"no line within {seconds} s; it ended with {process.poll()}")
        line += octets
    return line.decode()


class Demo:
    """A running demo. Its facts are what the one line of JSON says."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="headcount-test-"))
        self.data = self.folder / "demo"
        self.log = open(self.folder / "log", "ab")
        self.process = None
        _running.append(self)
        self.facts = self._launch()
        self.operator = (self.facts["operator"]["dn"], self.facts["operator"]["password"])
        of_type = lambda kind: [(u["dn"], u["password"]) for u in self.facts["users"] if u["type"] == kind]
        self.users = of_type("app")
        self.services = of_type("service")
        self.organisation = re.search(r",(o=.*)", self.users[0][0]).group(1)

    def _launch(self):
        command = [program(), "demo", "--json", "--dir", str(self.data)]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.log)
        facts = json.loads(first_line(self.process, 60))
        self.ldap = facts["ldap_url"]
        self.token = facts["scim_token"]
        scim = facts["scim_url"].rstrip("/")
        self.scim = scim if scim.endswith("/scim/v2") else scim + "/scim/v2"
        self.http = self.scim.removesuffix("/scim/v2")
        self.mail = pathlib.Path(facts["mail_folder"])
        return facts

    def kill_and_restart(self):
        """As `kill -9` does, and a start in the same folder."""
        self.process.kill()
        self.process.wait()
        self._launch()

    def stop(self):
        """A clean end without a panic in the log, then the folder goes."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise
        self.log.close()
        self._remove()

    def _remove(self):
        if self in _running:
            _running.remove(self)
        try:
            check_panics(self.folder / "log")
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def said(self):
        """The end of its log."""
        return (self.folder / "log").read_text(errors="replace")[-4000:]

    def curl(self, method, path, body=None, *more):
        """A SCIM call by curl: status, headers and what the body says."""
        command = ["curl", "-sSk", "--max-time", "30", "-i", "-X", method, "-H", f"Authorization: Bearer {self.token}", *more]
        if body is not None:
            command += ["-H", "Content-Type: application/scim+json", "--data-binary", json.dumps(body)]
        answer = subprocess.run([*command, path if "://" in path else self.scim + path], capture_output=True, check=True).stdout.decode()
        head, _, text = answer.partition("\r\n\r\n")
        while head.startswith("HTTP/1.1 100"):
            head, _, text = text.partition("\r\n\r\n")
        lines = head.split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        return int(lines[0].split()[1]), headers, json.loads(text) if text.strip() else None


@atexit.register
def _stop_all():
    for demo in list(_running):
        if demo.process and demo.process.poll() is None:
            demo.process.kill()
            demo.process.wait()
        try:
            demo._remove()
        except AssertionError as error:
            print(error, flush=True)


def eventually(what, holds, seconds=20):
    """Waits until it holds and answers what it gave."""
    deadline = time.monotonic() + seconds
    while not (found := holds()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.1)
    return found
