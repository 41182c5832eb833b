"""SASL by clients nobody here wrote: ldapwhoami with Cyrus SASL, python-ldap, and ldap3."""

import os
import ssl
import subprocess
import time
import unittest

import ldap
import ldap.sasl
import ldap3
from demo import Demo


class Sasl(unittest.TestCase):
    def setUp(self):
        self.demo = Demo()
        self.addCleanup(self.demo.stop)
        self.dn, self.password = self.demo.users[0]
        self.name = self.dn.split(",")[0].partition("=")[2]
        self.make_certificates()
        config = next(self.demo.data.glob("*.toml"))
        text = config.read_text().replace('\nkey = "key.pem"\n', f'\nkey = "key.pem"\nclient_ca = "{self.demo.folder}/ca.pem"\n')
        config.write_text(text + f'\n[sasl]\nnames = ["{self.demo.organisation}"]\nscram = true\n')
        deadline = time.monotonic() + 10
        while self.whoami("PLAIN", "-U", self.name, "-w", self.password)[0] != 0:
            self.assertLess(time.monotonic(), deadline, "the changed config is taken over")
            time.sleep(0.2)

    def openssl(self, *arguments):
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=self.demo.folder, timeout=60)

    def make_certificates(self):
        """An authority, and a certificate whose subject is the user's name."""
        kinds = {"uid": "UID", "ou": "OU", "o": "O", "dc": "DC"}
        parts = [part.split("=", 1) for part in self.dn.split(",")]
        subject = "".join(f"/{kinds[kind]}={value}" for kind, value in reversed(parts))
        new = ["req", "-newkey", "rsa:2048", "-nodes"]
        self.openssl(*new, "-x509", "-days", "2", "-subj", "/CN=clients", "-keyout", "ca.key", "-out", "ca.pem")
        self.openssl(*new, "-subj", subject, "-keyout", "client.key", "-out", "client.csr")
        # rustls wants version 3.
        (self.demo.folder / "extensions").write_text("basicConstraints=CA:FALSE\n")
        self.openssl("x509", "-req", "-in", "client.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
                     "-extfile", "extensions", "-out", "client.pem")

    def whoami(self, mechanism, *arguments):
        folder = self.demo.folder
        environment = os.environ | {
            "LDAPTLS_REQCERT": "never",
            "LDAPTLS_CERT": f"{folder}/client.pem",
            "LDAPTLS_KEY": f"{folder}/client.key",
        }
        command = ["ldapwhoami", "-Q", "-Y", mechanism, "-ZZ", "-H", self.demo.ldap, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)
        return done.returncode, (done.stdout + done.stderr).strip()

    def test_ldapwhoami(self):
        expected = (0, f"dn:{self.dn}")
        self.assertEqual(self.whoami("PLAIN", "-U", self.name, "-w", self.password), expected)
        self.assertEqual(self.whoami("PLAIN", "-U", self.dn, "-X", f"dn:{self.dn}", "-w", self.password), expected)
        self.assertEqual(self.whoami("PLAIN", "-U", self.name, "-w", "wrong")[0], 49)
        self.assertEqual(self.whoami("PLAIN", "-U", self.name, "-X", "u:somebody", "-w", self.password)[0], 49)
        self.assertEqual(self.whoami("EXTERNAL"), expected)
        self.assertEqual(self.whoami("EXTERNAL", "-X", "dn:cn=somebody")[0], 49)

    def test_scram(self):
        connection = ldap.initialize(self.demo.ldap)
        connection.simple_bind_s(*self.demo.operator)
        connection.modify_s(self.demo.organisation, [(ldap.MOD_REPLACE, "hcScram", [b"TRUE"])])
        connection.simple_bind_s(self.dn, self.password)
        expected = (0, f"dn:{self.dn}")
        deadline = time.monotonic() + 10
        while self.whoami("SCRAM-SHA-256", "-U", self.name, "-w", self.password) != expected:
            self.assertLess(time.monotonic(), deadline, "keys are made at a bind")
            time.sleep(0.2)
        self.assertEqual(self.whoami("SCRAM-SHA-256", "-U", self.name, "-w", "wrong")[0], 49)
        self.assertEqual(self.whoami("SCRAM-SHA-256", "-U", "nobody", "-w", self.password)[0], 49)
        self.assertEqual(self.whoami("SCRAM-SHA-256", "-U", self.name, "-X", "u:nobody", "-w", self.password)[0], 49)
        credentials = {ldap.sasl.CB_AUTHNAME: self.name, ldap.sasl.CB_PASS: self.password}
        connection.sasl_interactive_bind_s("", ldap.sasl.sasl(credentials, "SCRAM-SHA-256"))
        self.assertEqual(connection.whoami_s(), f"dn:{self.dn}")

    def test_python_ldap(self):
        connection = ldap.initialize(self.demo.ldap)
        connection.set_option(ldap.OPT_X_TLS_REQUIRE_CERT, ldap.OPT_X_TLS_NEVER)
        connection.set_option(ldap.OPT_X_TLS_CERTFILE, f"{self.demo.folder}/client.pem")
        connection.set_option(ldap.OPT_X_TLS_KEYFILE, f"{self.demo.folder}/client.key")
        connection.set_option(ldap.OPT_X_TLS_NEWCTX, 0)
        # Cyrus SASL gives a password away inside TLS only.
        connection.start_tls_s()
        credentials = {ldap.sasl.CB_AUTHNAME: self.name, ldap.sasl.CB_PASS: self.password}
        connection.sasl_interactive_bind_s("", ldap.sasl.sasl(credentials, "PLAIN"))
        self.assertEqual(connection.whoami_s(), f"dn:{self.dn}")
        wrong = ldap.sasl.sasl(credentials | {ldap.sasl.CB_PASS: "wrong"}, "PLAIN")
        with self.assertRaises(ldap.INVALID_CREDENTIALS):
            connection.sasl_interactive_bind_s("", wrong)
        self.assertEqual(connection.whoami_s(), "", "a failed bind leaves nobody")
        connection.sasl_external_bind_s()
        self.assertEqual(connection.whoami_s(), f"dn:{self.dn}")

    def test_ldap3(self):
        folder = self.demo.folder
        tls = ldap3.Tls(local_certificate_file=f"{folder}/client.pem", local_private_key_file=f"{folder}/client.key", validate=ssl.CERT_NONE)
        server = ldap3.Server(self.demo.ldap, tls=tls)
        plain = ldap3.Connection(server, authentication=ldap3.SASL, sasl_mechanism="PLAIN", sasl_credentials=(None, self.name, self.password))
        self.assertTrue(plain.bind(), plain.result)
        self.assertEqual(plain.extend.standard.who_am_i(), f"dn:{self.dn}")
        external = ldap3.Connection(server, authentication=ldap3.SASL, sasl_mechanism="EXTERNAL", sasl_credentials="")
        external.open()
        external.start_tls()
        self.assertTrue(external.bind(), external.result)
        self.assertEqual(external.extend.standard.who_am_i(), f"dn:{self.dn}")
        external.search("", "(objectClass=*)", ldap3.BASE, attributes=["supportedSASLMechanisms"])
        self.assertEqual(sorted(external.entries[0].supportedSASLMechanisms.values), ["EXTERNAL", "PLAIN", "SCRAM-SHA-256"])


if __name__ == "__main__":
    unittest.main()
