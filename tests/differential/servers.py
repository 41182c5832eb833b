"""slapd and Headcount beside each other, each on a free loopback port, each in a folder of its own."""

import atexit
import base64
import hashlib
import os
import pathlib
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "clients"))
import demo  # noqa: E402

PASSWORD = "the operator's own password"
SCHEMA = pathlib.Path("/etc/ldap/schema")


def free_port():
    """A free one below those that the system gives to outgoing connections, so that none of them takes it first."""
    while True:
        with socket.socket() as s:
            port = random.randrange(20000, 32000)
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


def ssha(password):
    salt = b"salt"
    return "{SSHA}" + base64.b64encode(hashlib.sha1(password.encode() + salt).digest() + salt).decode()


class Server:
    """What both have in common: a folder, a process, a port."""

    def __init__(self, suffix, folder=None):
        self.suffix = suffix
        self.operator = f"cn=admin,{suffix}"
        self.kept = folder is not None
        self.folder = pathlib.Path(folder or tempfile.mkdtemp(prefix="headcount-beside-"))
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        self.port = free_port()
        self.url = f"ldap://127.0.0.1:{self.port}"
        self.process = None
        self.write_config()
        atexit.register(self.end)

    def start(self):
        """Starts it and answers the seconds until it takes a connection."""
        began = time.monotonic()
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 5).close()
                return time.monotonic() - began
            except OSError:
                if self.process.poll() is not None or time.monotonic() - began > 60:
                    raise RuntimeError(f"{self.command()} is not up:\n{self.said()}") from None
                time.sleep(0.002)

    def said(self):
        return (self.folder / "log").read_text(errors="replace")[-4000:]

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(60)

    def end(self):
        """Ends it at once; a panic in its log is a failure of the test."""
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        try:
            demo.check_panics(self.folder / "log")
        finally:
            if not self.kept:
                shutil.rmtree(self.folder, ignore_errors=True)


class Slapd(Server):
    """slapd with LMDB and default settings."""

    name = "slapd"

    def write_config(self):
        schemas = "".join(f"include {SCHEMA}/{name}.schema\n" for name in ("core", "cosine", "nis", "inetorgperson"))
        data = self.folder / "data"
        data.mkdir(exist_ok=True)
        (self.folder / "slapd.conf").write_text(
            f"{schemas}modulepath /usr/lib/ldap\nmoduleload back_mdb\npidfile {self.folder}/pid\n"
            f'database mdb\nsuffix "{self.suffix}"\nrootdn "{self.operator}"\nrootpw {ssha(PASSWORD)}\n'
            f"directory {data}\nmaxsize 8589934592\nsizelimit unlimited\n"
            "index objectClass eq\nindex uid,mail,member eq\nindex cn eq,sub\n"
        )

    def command(self):
        return ["/usr/sbin/slapd", "-f", str(self.folder / "slapd.conf"), "-h", self.url, "-d", "0"]

    def load(self, file):
        """Loads LDIF offline and answers what slapadd said."""
        command = ["/usr/sbin/slapadd", "-c", "-f", str(self.folder / "slapd.conf"), "-l", str(file)]
        return subprocess.run(command, capture_output=True, text=True)


class Headcount(Server):
    """The server under test, with a config file of its own."""

    name = "headcount"

    def write_config(self):
        config = self.folder / "headcount.toml"
        config.touch(0o600)
        config.write_text(
            f'folder = "data"\nsuffix = [{{ dn = "{self.suffix}" }}]\n[operator]\ndn = "{self.operator}"\n'
            f'password_hash = "{ssha(PASSWORD)}"\n[[listener]]\nkind = "ldap"\naddress = "127.0.0.1:{self.port}"\n'
            "[limits]\nsize = 1000000\nlook_through = 10000000\n"
        )

    def command(self):
        return [demo.program(), "serve", "--config", str(self.folder / "headcount.toml")]

    def run(self, subcommand, *arguments):
        return demo.headcount(subcommand, "--config", self.folder / "headcount.toml", *arguments)
