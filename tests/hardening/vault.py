"""A server in which every kind of secret is known to the test, and the places where none of them may be found (hardening HC6)."""

import base64
import binascii
import http.client
import json
import pathlib
import re
import secrets
import socketserver
import threading
import urllib.parse

from target import SUFFIX, Client, Target, servers

ACME = f"o=Acme,{SUFFIX}"
USERS = f"ou=users,{ACME}"


def canary():
    """A password that occurs nowhere else, with characters that encodings change."""
    return f"Zq {secrets.token_hex(12)}+/é%"


def spellings(secret):
    """What a secret looks like where somebody wrote it down: in the clear, encoded, or as `Debug` shows octets."""
    octets = secret.encode()
    # What is encoded between other octets begins at any of three places; the characters at the ends depend on those around.
    framed = (base64.b64encode(b"\0" * at + octets) for at in range(3))
    yield octets
    for at, encoded in enumerate(framed):
        inner = encoded.rstrip(b"=")[(0, 2, 3)[at]:-1]
        yield inner
        yield inner.replace(b"+", b"-").replace(b"/", b"_")
    yield binascii.hexlify(octets)
    yield binascii.hexlify(octets).upper()
    yield urllib.parse.quote(secret, safe="").encode()
    yield urllib.parse.quote_plus(secret).encode()
    yield json.dumps(secret)[1:-1].encode()
    yield secret.encode("utf-16-le")
    yield secret.encode("utf-16-be")
    yield ", ".join(map(str, octets)).encode()


def found_in(octets, named):
    """The names of the secrets that these octets hold, in whatever spelling."""
    return sorted({name for name, secret in named.items() for spelling in spellings(secret) if spelling in octets})


def left_of(secret):
    """What an allocator leaves of a secret that was freed and not wiped: it writes over the first 16 octets."""
    return secret[16:] if len(secret) >= 26 else secret


def without_gaps(octets):
    """Without long runs of zeros, of which preallocated files and heaps have many."""
    return re.sub(rb"\0{64,}", bytes(64), octets)


def unpacked(octets):
    """What an LZ4 frame holds, as snapshots are kept in; anything else as it is."""
    if octets[:4] != b"\x04\x22\x4d\x18":
        return octets
    flags, out = octets[4], bytearray()
    at = 7 + (8 if flags & 0x08 else 0) + (4 if flags & 0x01 else 0)
    while size := int.from_bytes(octets[at:at + 4], "little"):
        begin, end = at + 4, at + 4 + (size & 0x7FFFFFFF)
        if size >> 31:
            out += octets[begin:end]
        else:
            _unpack_block(octets[begin:end], out)
        at = end + (4 if flags & 0x10 else 0)
    return bytes(out)


def _unpack_block(block, out):
    at = 0

    def length(count):
        nonlocal at
        if count == 15:
            while True:
                at += 1
                count += block[at - 1]
                if block[at - 1] != 255:
                    break
        return count

    while at < len(block):
        token = block[at]
        at += 1
        literals = length(token >> 4)
        out += block[at:at + literals]
        at += literals
        if at >= len(block):
            return
        offset = int.from_bytes(block[at:at + 2], "little")
        at += 2
        count = length(token & 15) + 4
        while count:
            piece = out[-offset:][:count]
            out += piece
            count -= len(piece)


class _Answers:
    """A socket whose answers are kept."""

    def __init__(self, inner, heard):
        self.inner, self.heard = inner, heard

    def recv(self, size):
        octets = self.inner.recv(size)
        self.heard.append(octets)
        return octets

    def __getattr__(self, name):
        return getattr(self.inner, name)


class _Mail(socketserver.StreamRequestHandler):
    """As much of SMTP as a mail needs to arrive; it asks for a password."""

    def handle(self):
        say = lambda line: self.wfile.write(line.encode() + b"\r\n")
        say("220 here")
        while line := self.rfile.readline():
            word = line[:4].upper()
            if word == b"EHLO":
                say("250-here\r\n250 AUTH PLAIN LOGIN")
            elif word == b"AUTH":
                self.server.signed_in.append(line)
                say("235 in")
            elif word == b"DATA":
                say("354 go on")
                mail = b""
                while (line := self.rfile.readline()) not in (b".\r\n", b""):
                    mail += line
                self.server.mails.append(mail)
                say("250 taken")
            elif word == b"QUIT":
                say("221 bye")
                return
            else:
                say("250 fine")


class Vault(Target):
    """A daemon that logs all it can, sends mail, signs its audit log, and answers Prometheus."""

    def __init__(self):
        self.mail = socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Mail)
        self.mail.daemon_threads, self.mail.mails, self.mail.signed_in = True, [], []
        threading.Thread(target=self.mail.serve_forever, daemon=True).start()
        #: What the server must know to work, in files of its owner outside the data folder.
        self.settings = {name: secrets.token_hex(24) for name in ("SMTP password", "audit key", "metrics token")}
        #: Everything the server ever said, by LDAP and HTTP and on the command line.
        self.heard = []
        super().__init__()

    def write_config(self):
        super().write_config()
        for name, secret in self.settings.items():
            file = self.folder / name.replace(" ", "-")
            file.touch(0o600)
            file.write_text(secret + "\n")
        with open(self.folder / "headcount.toml", "a") as config:
            config.write(
                f'[mail]\nfrom = "directory@example.com"\nsmtp = "smtp://127.0.0.1:{self.mail.server_address[1]}"\nuser = "directory"\n'
                'password_file = "SMTP-password"\n[audit]\nkey_file = "audit-key"\n[metrics]\ntoken_file = "metrics-token"\n'
                f'[activation]\npublic_url = "http://127.0.0.1:{self.http_port}"\n[sasl]\nscram = true\nnames = ["{SUFFIX}"]\n'
                '[[application]]\nname = "till"\nlistener = "ldaps"\n[hashing]\nmemory = "8MiB"\npasses = 1\n'
                '[log]\nlevel = "trace"\nformat = "json"\n'
            )

    def end(self):
        self.mail.shutdown()
        self.mail.server_close()
        super().end()

    # Doors ------------------------------------------------------------------------------------------------------------

    def client(self, tls=False):
        client = Client(self, tls=tls)
        client.socket = _Answers(client.socket, self.heard)
        return client

    def person(self, client, uid, **more):
        """Adds a user and answers the result code and the DN."""
        dn = f"uid={uid},{USERS}"
        values = {"objectClass": ["inetOrgPerson", "hcUser"], "uid": [uid], "cn": [uid], "sn": [uid], "mail": [f"{uid}@example.com"]} | more
        return client.add(dn, **values), dn

    def http(self, method, path, body=None, **headers):
        """Asks over HTTP; answers the status and the body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=20)
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        octets = answer.read()
        self.heard.append(str(answer.headers).encode() + octets)
        connection.close()
        return answer.status, octets

    def scim(self, token, method, path, body=None):
        octets = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
        kind = {"Content_Type": "application/scim+json"} if octets is not None else {}
        return self.http(method, f"/scim/v2{path}", octets, Authorization=f"Bearer {token}", **kind)

    def tool(self, *arguments, given=None, expect=0):
        """Runs a subcommand and answers what it said; `given` is what is in the file that its last argument names."""
        arguments = [*arguments]
        if given is not None:
            file = self.folder / "given"
            file.touch(0o600)
            file.write_text(given)
            arguments.append(str(file))
        done = servers.demo.headcount("--config", self.folder / "headcount.toml", *arguments)
        if given is not None:
            file.unlink()
        assert done.returncode == expect, (arguments[0], done.returncode, done.stdout, done.stderr)
        return done.stdout + done.stderr

    def link_to(self, address):
        """The token of the newest link that was mailed to the address; the mail leaves behind the change."""

        def arrived():
            mails = [mail for mail in self.mail.mails if re.search(rb"(?m)^To: .*" + re.escape(address.encode()), mail)]
            # Quoted-printable breaks lines with `=`, and spells it `=3D`.
            plain = (mail.replace(b"=\r\n", b"").replace(b"=3D", b"=") for mail in mails)
            return [match.group(1).decode() for mail in plain if (match := re.search(rb"/activate/([A-Za-z0-9_-]+)", mail))]

        return servers.demo.eventually(f"a mail to {address}", arrived)[-1]

    # Places -----------------------------------------------------------------------------------------------------------

    def data(self):
        """Every file of the data folder, by name."""
        files = (path for path in (self.folder / "data").rglob("*") if path.is_file())
        return {str(path.relative_to(self.folder)): without_gaps(unpacked(path.read_bytes())) for path in files}

    def memory(self):
        """What a core would hold: all that the process may write to."""
        process = pathlib.Path(f"/proc/{self.process.pid}")
        held = []
        with open(process / "mem", "rb", 0) as memory:
            for line in (process / "maps").read_text().splitlines():
                range, rights, *rest = line.split()
                if not rights.startswith("rw") or "[v" in line:
                    continue
                begin, end = (int(at, 16) for at in range.split("-"))
                memory.seek(begin)
                try:
                    held.append(without_gaps(memory.read(end - begin)))
                except OSError:
                    continue
        return b"\n".join(held)
