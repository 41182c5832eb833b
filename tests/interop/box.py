"""A box: the root of this machine under an overlay, in namespaces of its own, with packages that would change the machine.

sssd, nslcd, Apache, Postfix, Dovecot and FreeRADIUS are installed from Debian inside it, as an administrator installs
them, so NSS and PAM are set up by the packages themselves. What they write lies in `$CARGO_TARGET_DIR/box` and nothing
of it in the machine; processes end with the box. The network is that of the machine: all of it is on loopback.
"""

import atexit
import hashlib
import os
import pathlib
import shutil
import subprocess
import tempfile
import time

PROJECT = pathlib.Path(__file__).resolve().parents[2]
STORE = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", PROJECT / "target")) / "box"

PACKAGES = """
    sssd-ldap sssd-tools libnss-sss libpam-sss
    nslcd libnss-ldapd libpam-ldapd
    pamtester
    apache2 postfix postfix-ldap
    dovecot-core dovecot-ldap
    freeradius freeradius-ldap freeradius-utils
    ldapvi phpldapadmin php-cli php-ldap php-xml
    ldap-utils openssl curl
""".split()

#: Run as the first process of the box; what is mounted is gone with it.
SETUP = """
set -eu
cd "$1"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" root
mount --rbind /dev root/dev
mount -t proc proc root/proc
mount -t tmpfs tmpfs root/run
mkdir -p root/run/lock
mount --rbind /tmp root/tmp
[ "$2" = / ] || { mkdir -p "root$2" && mount --bind "$2" "root$2"; }
printf '#!/bin/sh\\nexit 101\\n' >root/usr/sbin/policy-rc.d
chmod 755 root/usr/sbin/policy-rc.d
exec sleep infinity
"""


class NoBox(Exception):
    """A box cannot be had here, and why."""


def _fingerprint():
    """What the box is made of: it is made anew when the packages of the machine or ours change."""
    status = pathlib.Path("/var/lib/dpkg/status")
    if not status.exists():
        raise NoBox("this is no Debian")
    return hashlib.sha256(status.read_bytes() + " ".join(PACKAGES).encode()).hexdigest()


class Box:
    """The running box. One serves a whole test run; the tests put their config files into it and start daemons."""

    def __init__(self):
        if os.geteuid() != 0:
            raise NoBox("only root may mount")
        fingerprint, stamp = _fingerprint(), STORE / "stamp"
        if not stamp.exists() or stamp.read_text() != fingerprint:
            shutil.rmtree(STORE, ignore_errors=True)
        for name in ("upper", "work", "root"):
            (STORE / name).mkdir(parents=True, exist_ok=True)
        self._log = log = tempfile.TemporaryFile()
        self._holder = subprocess.Popen(
            ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", SETUP, "box", STORE, tempfile.gettempdir()],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        )
        atexit.register(self.close)
        children = pathlib.Path(f"/proc/{self._holder.pid}/task/{self._holder.pid}/children")
        deadline = time.monotonic() + 20
        while True:
            # The holder is in once it sleeps: everything is mounted by then.
            try:
                self._pid = children.read_text().split()[0]
                if pathlib.Path(f"/proc/{self._pid}/comm").read_text() == "sleep\n":
                    break
            except (OSError, IndexError):
                pass
            if self._holder.poll() is not None or time.monotonic() > deadline:
                log.seek(0)
                raise NoBox(log.read().decode().strip() or "the box did not begin")
            time.sleep(0.01)
        #: The box's root as seen from outside.
        self.root = pathlib.Path(f"/proc/{self._pid}/root") / str(STORE).lstrip("/") / "root"
        if not stamp.exists():
            self._install()
            stamp.write_text(fingerprint)

    def _install(self):
        environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        steps = (
            ["apt-get", "-qq", "update"],
            ["apt-get", "-qq", "-y", "--no-install-recommends", "install", *PACKAGES],
            ["apt-get", "clean"],
        )
        for step in steps:
            done = self.run(*step, env=environment, timeout=1200)
            if done.returncode:
                raise NoBox(f"{' '.join(step[:4])} …: {done.stdout[-800:]}{done.stderr[-800:]}")

    def command(self, *arguments):
        """The command line that runs another one inside."""
        return ["nsenter", "-t", self._pid, "-m", "-p", "chroot", str(STORE / "root"), *map(str, arguments)]

    def run(self, *arguments, text="", timeout=60, **options):
        """Runs a command inside to its end."""
        return subprocess.run(self.command(*arguments), input=text, capture_output=True, text=True, timeout=timeout, errors="replace",
                              **options)

    def start(self, *arguments, log, **options):
        """Starts a daemon inside, in the foreground."""
        return subprocess.Popen(self.command(*arguments), stdin=subprocess.DEVNULL, stdout=log, stderr=log, **options)

    def write(self, path, text, mode=0o644):
        """Writes a file inside."""
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)

    def close(self):
        """Ends it with all that runs inside."""
        if self._holder.poll() is None:
            self._holder.kill()
            self._holder.wait()
        self._log.close()


_box = None


def the_box():
    """The one box of this process."""
    global _box
    if _box is None:
        _box = Box()
    return _box


if __name__ == "__main__":
    the_box()
