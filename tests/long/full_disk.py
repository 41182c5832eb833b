"""A full disk: writes are refused, binds, reads and seats go on, and it recovers by itself (HD10).

The folder of the demo is a tmpfs of 160 MiB, which needs root; without it the test is skipped, saying so.
"""

import pathlib
import subprocess
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "clients"))
import ldap  # noqa: E402

from demo import Demo, eventually  # noqa: E402


class SmallDemo(Demo):
    """A demo whose data is on a small file system."""

    def _launch(self):
        if not self.data.exists():
            self.data.mkdir(mode=0o700)
            subprocess.run(["mount", "-t", "tmpfs", "-o", "size=160m,mode=0700", "tmpfs", self.data], check=True)
        return super()._launch()

    def stop(self):
        try:
            super().stop()
        finally:
            subprocess.run(["umount", self.data], check=False)


class FullDisk(unittest.TestCase):
    def bind(self, who):
        connection = ldap.initialize(self.demo.ldap)
        connection.set_option(ldap.OPT_TIMEOUT, 20)
        connection.simple_bind_s(*who)
        return connection

    def write(self, connection):
        try:
            connection.modify_s(self.demo.users[0][0], [(ldap.MOD_REPLACE, "description", str(time.monotonic()).encode())])
            return 0
        except ldap.LDAPError as error:
            return error.args[0]["result"]

    def test_hd10_a_full_disk_refuses_writes_and_nothing_else(self):
        probe = subprocess.run(["unshare", "--mount", "true"], capture_output=True)
        if probe.returncode:
            self.skipTest("file systems cannot be mounted here")
        self.demo = SmallDemo()
        self.addCleanup(self.demo.stop)
        operator = self.bind(self.demo.operator)
        self.assertEqual(self.write(operator), 0)
        for _ in range(3):
            ballast = self.demo.data / "ballast"
            with open(ballast, "wb") as file:
                try:
                    while True:
                        file.write(b"\0" * (1 << 20))
                        file.flush()
                except OSError:
                    pass
            eventually("writes are refused", lambda: self.write(operator) in (52, 53))
            self.assertTrue(operator.search_s(self.demo.organisation, ldap.SCOPE_SUBTREE, "(objectClass=hcUser)"))
            connections = [self.bind(user) for user in self.demo.users[:3]]
            with self.assertRaises(ldap.ADMINLIMIT_EXCEEDED):
                self.bind(self.demo.users[3])
            for dn, _ in operator.search_s(self.demo.organisation, ldap.SCOPE_SUBTREE, "(objectClass=hcSession)", ["1.1"]):
                operator.delete_s(dn)
            self.bind(self.demo.users[3]).unbind_s()
            ballast.unlink()
            eventually("writes are taken again", lambda: self.write(operator) == 0)
            for dn, _ in operator.search_s(self.demo.organisation, ldap.SCOPE_SUBTREE, "(objectClass=hcSession)", ["1.1"]):
                operator.delete_s(dn)
            del connections
        self.demo.kill_and_restart()
        self.assertEqual(self.write(self.bind(self.demo.operator)), 0)
