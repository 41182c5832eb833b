"""Security events (RFC 9967) of a running server: pushed under TLS (RFC 8935), asked for (RFC 8936), and kept over kill -9."""

import base64
import http.server
import json
import ssl
import subprocess
import threading
import unittest

import ldap

from demo import eventually
from provider import Client, Provider, headcount

URN = "urn:ietf:params:scim:event:prov:"
TOKEN = "0123456789abcdef0123456789abcdef"


def claims(token):
    """What a SET says, and its header."""
    parts = [json.loads(base64.urlsafe_b64decode(part + "==")) for part in token.split(".")[:2]]
    return parts[1], parts[0]


def told(tokens):
    """The end of the URI and the subject of each; what came twice counts once."""
    found = {said["jti"]: said for said, _ in map(claims, tokens)}.values()
    return [(next(iter(one["events"])).removeprefix(URN), one["sub_id"]["uri"]) for one in found]


class Receiver:
    """Takes pushes over HTTPS with a certificate of its own authority; refuses as long as `status` says so."""

    def __init__(self, folder):
        self.taken, self.seen, self.status = [], [], 202
        key, self.certificate = folder / "receiver-key.pem", folder / "receiver.pem"
        command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost".split()
        command += ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE"]
        subprocess.run([*command, "-keyout", key, "-out", self.certificate], check=True, capture_output=True)
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                receiver.seen.append(self.headers)
                if receiver.status == 202:
                    receiver.taken.append(body)
                self.send_response(receiver.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, key)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"https://localhost:{self.server.server_port}/events"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


class SecurityEvents(Provider):
    def setUp(self):
        super().setUp()
        self.receiver = Receiver(self.demo.folder)
        self.addCleanup(self.receiver.server.shutdown)

    def configure(self, *tables):
        """The config with these receivers of the demo's organisation, in force."""
        path = self.demo.facts["config"]
        with open(path) as config:
            text = config.read().split("\n# Receivers of this test\n")[0]
        token = self.demo.folder / "receiver-token"
        token.touch(0o600)
        token.write_text(TOKEN + "\n")
        common = f'organisation = "{self.demo.organisation}"\naudience = "https://receiver.example"\ntoken_file = "{token}"\n'
        with open(path, "w") as config:
            config.write(text + "\n# Receivers of this test\n" + "".join("[[event_receiver]]\n" + common + table for table in tables))
        checked = headcount("--config", path, "check")
        self.assertEqual(checked.returncode, 0, checked.stderr)
        events = lambda: "securityEvents" in self.demo.curl("GET", "/ServiceProviderConfig")[2]
        eventually("the config is in force", lambda: events() == bool(tables))

    def poll(self, **asked):
        client = Client(self.demo.scim, TOKEN)
        answer = client.ask("POST", "/SecurityEvents/crm", {"returnImmediately": True} | asked, {"Accept": "application/json"})
        client.close()
        self.assertEqual(answer.status, 200, answer)
        return answer["sets"]

    def test_events(self):
        self.configure(
            f'name = "hr"\npush = "{self.receiver.url}"\nauthorities = "{self.receiver.certificate}"\n',
            'name = "crm"\nsessions = true\n',
        )
        scim = self.client("rfc")
        self.receiver.status = 503
        made = scim.ask("POST", "/Users", {"userName": "eve", "name": {"familyName": "E"}, "emails": [{"value": "eve@example.com"}]})
        self.assertEqual(made.status, 201, made)
        path = f"/Users/{made.id}"
        # Refused until then, the pushes come once the receiver takes them; and no change waited for it.
        eventually("a push was refused", lambda: self.receiver.seen)
        self.assertEqual(self.receiver.seen[0]["Authorization"], f"Bearer {TOKEN}")
        self.assertEqual(self.receiver.seen[0]["Content-Type"], "application/secevent+jwt")
        connection = ldap.initialize(self.demo.ldap)
        connection.simple_bind_s(*self.demo.operator)
        (dn, _), = connection.search_s(self.demo.organisation, ldap.SCOPE_SUBTREE, "(uid=eve)", ["1.1"])
        connection.modify_s(dn, [(ldap.MOD_REPLACE, "title", [b"By LDAP"])])
        self.demo.kill_and_restart()
        connection = ldap.initialize(self.demo.ldap)
        connection.simple_bind_s(*self.demo.operator)
        connection.modify_s(dn, [(ldap.MOD_REPLACE, "hcActive", [b"FALSE"])])
        self.receiver.status = 202
        expected = [("create:notice", path), ("patch:notice", path), ("patch:notice", path), ("deactivate", path)]
        pushed = lambda: [one for one in told(self.receiver.taken) if one[1] == path]
        eventually("all are pushed", lambda: len(pushed()) == len(expected), 30)
        self.assertEqual(pushed(), expected, "in order, over kill -9")

        found = self.poll()
        self.assertEqual([one for one in told(found.values()) if one[1] == path], expected)
        said, header = claims(next(token for token in found.values() if told([token])[0] == expected[1]))
        self.assertEqual(said["events"][URN + "patch:notice"], {"attributes": ["title"]})
        issuer = self.demo.curl("GET", "/ServiceProviderConfig")[2]["meta"]["location"].removesuffix("/ServiceProviderConfig")
        self.assertEqual((said["iss"], said["aud"]), (issuer, "https://receiver.example"))
        keys = self.demo.curl("GET", "/SecurityEvents/keys")[2]["keys"]
        self.assertEqual([header["kid"], header["typ"]], [keys[0]["kid"], "secevent+jwt"])
        self.assertEqual(self.poll(ack=list(found)), {})

        # A session of a user begins with a bind.
        user = ldap.initialize(self.demo.ldap)
        user.simple_bind_s(*self.demo.users[0])
        (kind, session), = [one for one in told(self.poll().values()) if one[1].startswith("/Sessions/")]
        self.assertEqual(kind, "create:notice")
        status, _, answer = self.demo.curl("DELETE", session)
        self.assertEqual(status, 204, answer)
        self.assertEqual(told(self.poll().values())[-1], ("delete", session))

        self.configure()
        self.assertEqual(self.demo.curl("GET", "/SecurityEvents/keys")[0], 404)


if __name__ == "__main__":
    unittest.main()
