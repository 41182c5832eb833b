"""What the tests under load have in common: a daemon of their own, octets for it, and what its process costs.

`LONG` is set by `tests/run --long`: then the numbers are those of the acceptance tests, otherwise a tenth and less.
"""

import http.client
import os
import pathlib
import random
import re
import socket
import ssl
import statistics
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "clients"))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "differential"))
import servers  # noqa: E402

LONG = bool(os.environ.get("LONG"))
SUFFIX = "dc=example,dc=com"


def count(what, number):
    """Adds to the record of what was tried over all long runs (`tests/run --long` names the file)."""
    if record := os.environ.get("HEADCOUNT_COUNTS"):
        with open(record, "a") as out:
            out.write(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())}\t{what}\t{number}\n")


def drawn():
    """Where random cases come from: a long run makes others than every recorded run before it, any other run the same ones."""
    record = pathlib.Path(os.environ.get("HEADCOUNT_COUNTS", os.devnull))
    runs = len(record.read_text().splitlines()) if record.exists() else 0
    seed = int(os.environ.get("HEADCOUNT_SEED", 20_261_123 + runs))
    print(f"drawn with HEADCOUNT_SEED={seed}", flush=True)
    return random.Random(seed)


# Octets ---------------------------------------------------------------------------------------------------------------


def length(count):
    """A definite length in its shortest form."""
    if count < 0x80:
        return bytes([count])
    octets = count.to_bytes((count.bit_length() + 7) // 8, "big")
    return bytes([0x80 | len(octets)]) + octets


def tlv(tag, content):
    return bytes([tag]) + length(len(content)) + content


def number(value, tag=0x02):
    return tlv(tag, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


def text(value, tag=0x04):
    return tlv(tag, value if isinstance(value, bytes) else value.encode())


def sequence(*parts, tag=0x30):
    return tlv(tag, b"".join(parts))


def message(ident, operation, *controls):
    return sequence(number(ident), operation, *([sequence(*controls, tag=0xA0)] if controls else []))


def control(oid, critical=False, value=None):
    return sequence(text(oid), *([b"\x01\x01\xff"] if critical else []), *([text(value)] if value is not None else []))


def bind(name, password):
    return sequence(number(3), text(name), text(password, 0x80), tag=0x60)


def present(attribute):
    return text(attribute, 0x87)


def equal(attribute, value):
    return sequence(text(attribute), text(value), tag=0xA3)


def substrings(attribute, *parts):
    """`parts` are pairs of what it is (0 initial, 1 any, 2 final) and the value."""
    return sequence(text(attribute), sequence(*(text(value, 0x80 | kind) for kind, value in parts)), tag=0xA4)


def search(base, scope, filter, *attributes, size=0, seconds=0):
    parts = (text(base), number(scope, 0x0A), number(0, 0x0A), number(size), number(seconds), b"\x01\x01\x00", filter)
    return sequence(*parts, sequence(*map(text, attributes)), tag=0x63)


def replace(dn, attribute, *values):
    change = sequence(number(2, 0x0A), sequence(text(attribute), sequence(*map(text, values), tag=0x31)))
    return sequence(text(dn), sequence(change), tag=0x66)


def extended(oid, value=None):
    return sequence(text(oid, 0x80), *([text(value, 0x81)] if value is not None else []), tag=0x77)


ROOT = search("", 0, present("objectClass"), "1.1")
WHO_AM_I = extended("1.3.6.1.4.1.4203.1.11.3")
UNBIND = b"\x42\x00"


def abandon(ident):
    return text(ident.to_bytes(ident.bit_length() // 8 + 1, "big"), 0x50)


# Clients --------------------------------------------------------------------------------------------------------------


class Closed(Exception):
    """The server ended the connection."""


class Client:
    """A connection that sends octets and takes answers apart just far enough."""

    def __init__(self, target, tls=False, patience=20):
        self.socket = socket.create_connection(("127.0.0.1", target.tls_port if tls else target.port), patience)
        if tls:
            self.socket = target.trust.wrap_socket(self.socket, server_hostname="localhost")
        self.buffer = b""
        self.ident = 0

    def send(self, octets):
        self.socket.sendall(octets)

    def receive(self):
        """The next message: its id, the tag of its operation, and the operation's content."""
        while True:
            if len(self.buffer) >= 2:
                count = self.buffer[1] & 0x7F if self.buffer[1] & 0x80 else 0
                if len(self.buffer) >= 2 + count:
                    size = int.from_bytes(self.buffer[2:2 + count], "big") if count else self.buffer[1]
                    if len(self.buffer) >= 2 + count + size:
                        content, self.buffer = self.buffer[2 + count:2 + count + size], self.buffer[2 + count + size:]
                        ident, rest = first(content)
                        return int.from_bytes(ident, "big"), rest[0], first(rest)[0]
            try:
                more = self.socket.recv(1 << 16)
            except (ConnectionError, ssl.SSLError):
                more = b""
            if not more:
                raise Closed
            self.buffer += more

    def ask(self, operation, *controls):
        """Sends a request; answers the result code and how many entries came before it."""
        self.ident += 1
        self.send(message(self.ident, operation, *controls))
        entries = 0
        while True:
            ident, tag, content = self.receive()
            if ident not in (self.ident, 0):
                raise AssertionError(f"an answer to {ident} after a request {self.ident}")
            if tag in (0x64, 0x73):
                entries += 1
            else:
                return first(content)[0][0], entries

    def add(self, dn, **attributes):
        """Adds an entry and answers the result code."""
        values = (sequence(text(name), sequence(*map(text, given), tag=0x31)) for name, given in attributes.items())
        return self.ask(sequence(text(dn), sequence(*values), tag=0x68))[0]

    def sign_in(self, target):
        code, _ = self.ask(bind(target.operator, servers.PASSWORD))
        assert code == 0, code
        return self

    def start_tls(self, target):
        """Goes on under TLS (RFC 4511 §4.14)."""
        code, _ = self.ask(extended("1.3.6.1.4.1.1466.20037"))
        assert code == 0, code
        self.socket = target.trust.wrap_socket(self.socket, server_hostname="localhost")

    def reset(self):
        """Ends it by RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        self.socket.close()

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def first(octets):
    """The content of the first element, and what follows it."""
    count = octets[1] & 0x7F if octets[1] & 0x80 else 0
    size = int.from_bytes(octets[2:2 + count], "big") if count else octets[1]
    return octets[2 + count:2 + count + size], octets[2 + count + size:]


# The server -----------------------------------------------------------------------------------------------------------


class Target(servers.Headcount):
    """A daemon with LDAP, LDAPS and HTTP listeners, and what can be seen of its process from outside."""

    def __init__(self, limits="", people=0, launcher=()):
        self.tls_port, self.http_port = servers.free_port(), servers.free_port()
        self.limits, self.launcher = limits, list(launcher)
        super().__init__(SUFFIX)
        self.trust = ssl.create_default_context(cafile=str(self.folder / "server.pem"))
        self.people = people
        if people:
            self._import(people)
        self.start()

    def write_config(self):
        servers.Headcount.write_config(self)
        config = self.folder / "headcount.toml"
        text = config.read_text().partition("[limits]")[0]
        make_certificate(self.folder)
        text += (
            f'[[listener]]\nkind = "ldaps"\naddress = "127.0.0.1:{self.tls_port}"\n'
            f'[[listener]]\nkind = "http"\naddress = "127.0.0.1:{self.http_port}"\n'
            f'[tls]\ncertificate = "server.pem"\nkey = "server.key"\n[limits]\n{self.limits}\n'
            # Sequences that are cut off in the middle of a bind count as failures, as they must; that is tested elsewhere.
            "[lockout]\nfailures = 0\n"
        )
        config.write_text(text)

    def command(self):
        return self.launcher + super().command()

    def _import(self, people):
        file = self.folder / "people.ldif"
        with open(file, "w") as out:
            out.writelines(self.records(people))
        done = self.run("import", file)
        if done.returncode:
            raise RuntimeError(f"{done.stdout}{done.stderr}")

    def records(self, people):
        """What is imported before it starts, as LDIF."""
        yield f"dn: {SUFFIX}\nobjectClass: domain\ndc: example\n\n"
        for n in range(people):
            yield (f"dn: uid=user{n},{SUFFIX}\nobjectClass: inetOrgPerson\nuid: user{n}\ncn: name {n}\nsn: family {n % 53}\n"
                   f"description: {'a long description of somebody ' * 32}\n\n")

    def log(self):
        return (self.folder / "log").read_text(errors="replace")

    def panics(self):
        """Lines of the log that tell of a panic."""
        return servers.demo.panics(self.folder / "log")

    def resident(self):
        """Octets of memory in use."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", status).group(1)) << 10

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def threads(self):
        return len(os.listdir(f"/proc/{self.process.pid}/task"))

    def cpu(self):
        """Seconds of CPU the process has used."""
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def is_alive(self):
        """Whether a new client is answered."""
        if self.process.poll() is not None:
            return False
        with Client(self) as client:
            return client.ask(ROOT) == (0, 1)

    def rests(self, descriptors, memory, seconds=20):
        """Waits until descriptors and memory are within what is given, and answers what they are at last."""
        deadline = time.monotonic() + seconds
        while (self.descriptors() > descriptors or self.resident() > memory) and time.monotonic() < deadline:
            time.sleep(0.1)
        return self.descriptors(), self.resident()

    def latency(self, count=200):
        """The median and the 99th of 100 of the seconds one search takes, one after another on one connection."""
        with Client(self) as client:
            taken = []
            for _ in range(count):
                began = time.perf_counter()
                assert client.ask(ROOT) == (0, 1)
                taken.append(time.perf_counter() - began)
        return statistics.median(taken), sorted(taken)[count * 99 // 100]


class Measured(Target):
    """A daemon that tells its metrics; `more` is put behind its config."""

    def __init__(self, more="", **options):
        self.more = more
        super().__init__(**options)

    def write_config(self):
        super().write_config()
        with open(self.folder / "headcount.toml", "a") as config:
            config.write(f'[metrics]\nnetworks = ["127.0.0.0/8"]\n{self.more}')

    def start(self):
        """Its HTTP listener may open after that of LDAP."""
        began = time.monotonic()
        super().start()

        def is_up():
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", self.http_port)) == 0

        servers.demo.eventually("HTTP is spoken", is_up)
        return time.monotonic() - began

    def post(self, path, body):
        """Sends a form; answers the status and the headers."""
        return self._http("POST", path, body, {"Content-Type": "application/x-www-form-urlencoded"})[:2]

    def _http(self, method, path, body=None, headers=()):
        connection = http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=60)
        connection.request(method, path, body, dict(headers))
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, answer.headers, text

    def metrics(self):
        """Every metric by its name with labels, without `headcount_`."""
        lines = (line.rpartition(" ") for line in self._http("GET", "/metrics")[2].splitlines() if not line.startswith("#"))
        return {name.removeprefix("headcount_"): float(value) for name, _, value in lines}

    def hashing(self):
        """How many passwords are being checked, and how many wait for it."""
        metrics = self.metrics()
        return tuple(int(metrics[f'password_checks{{state="{state}"}}']) for state in ("running", "waiting"))

    def links(self):
        """The tokens of the links in the mails of the folder `mails`."""
        mails = (mail.read_text().replace("=\n", "") for mail in (self.folder / "mails").glob("*") if mail.is_file())
        return [token for mail in mails for token in re.findall(r"/activate/([A-Za-z0-9_-]+)", mail)[:1]]

    def under_way(self):
        """LDAP operations that were begun and have not ended."""
        metrics = self.metrics()
        total = lambda what: sum(value for name, value in metrics.items() if name.startswith(f"ldap_operations_{what}_total"))
        return int(total("initiated") - total("completed"))


def make_certificate(folder):
    """A certificate of its own."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-keyout", "server.key",
         "-out", "server.pem", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
        cwd=folder, check=True, capture_output=True,
    )
    (folder / "server.key").chmod(0o600)
