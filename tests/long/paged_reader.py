"""A reader that pages through 100 000 entries beside 16 searchers: by how much it slows them (issue 3).

The searchers are the load generator of benches/, the reader is a process of its own, and rounds with and without it take
turns. Where the reader's own side leaves the processors to the searchers, what is left is what the server does for it: 10 % at
the most. Where all sides of one machine run at full speed, the reader's own work counts too: 35 % at the most.
"""

import multiprocessing
import os
import pathlib
import socket
import statistics
import subprocess
import sys
import time

PROJECT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT / "tests" / "differential"))
sys.path.insert(0, str(PROJECT / "tests" / "clients"))
import servers  # noqa: E402
from controls_setup import ber, sequence, text  # noqa: E402

ENTRIES = 100_000
PAGE = 1_000
ROUNDS = 5
SECONDS = 3
# How nice the reader is, and by how much it may slow the searchers.
LIMITS = {19: 0.10, 0: 0.35}
SUFFIX = "dc=example,dc=com"
READER, PASSWORD = f"cn=reader,{SUFFIX}", "the reader's password"
PAGED_RESULTS = "1.2.840.113556.1.4.319"


class Headcount(servers.Headcount):
    """The limits of a server that is asked by strangers, and one who may read everything."""

    def write_config(self):
        super().write_config()
        config = self.folder / "headcount.toml"
        rule = f'[[access]]\nwho = ["dn:{READER}"]\nsubtree = "{SUFFIX}"\nrights = ["read"]\n'
        config.write_text(config.read_text().split("[limits]")[0] + rule)


def generate(file):
    with open(file, "w") as out:
        out.write(f"dn: {SUFFIX}\nobjectClass: domain\ndc: example\n\ndn: ou=people,{SUFFIX}\nobjectClass: organizationalUnit\nou: people\n\n")
        out.write(f"dn: {READER}\nobjectClass: person\ncn: reader\nsn: reader\nuserPassword: {servers.ssha(PASSWORD)}\n\n")
        for n in range(ENTRIES):
            out.write(
                f"dn: uid=user{n:06},ou=people,{SUFFIX}\nobjectClass: inetOrgPerson\nuid: user{n:06}\ncn: name-{n // 100:04}-{n % 100:02}\n"
                f"sn: family {n % 5003}\nmail: user{n:06}@example.com\nemployeeNumber: {n}\ntitle: title {n % 31}\n"
                f"description: the entry of user number {n}, generated for a measurement\n\n"
            )


def last(octets):
    """The content of the last of the elements that follow each other."""
    content = b""
    while octets:
        count = octets[1] & 0x7F if octets[1] & 0x80 else 0
        size = int.from_bytes(octets[2:2 + count], "big") if count else octets[1]
        content, octets = octets[2 + count:2 + count + size], octets[2 + count + size:]
    return content


class Connection:
    """Just enough of LDAP to read pages at little cost."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), 30)
        self.buffer = b""
        self.ask(ber(0x60, b"\x02\x01\x03", text(READER), ber(0x80, PASSWORD)))
        assert self.answer()[0] == 0x61

    def ask(self, operation, controls=b""):
        self.socket.sendall(sequence(b"\x02\x01\x01", operation, ber(0xA0, controls) if controls else b""))

    def answer(self):
        """Tag and octets of the next message."""
        while True:
            size, at = self.length()
            if size is not None and len(self.buffer) >= at + size:
                message, self.buffer = self.buffer[at:at + size], self.buffer[at + size:]
                return message[3], message
            more = self.socket.recv(1 << 16)
            if not more:
                raise EOFError("the server closed the connection")
            self.buffer += more

    def length(self):
        held = self.buffer
        if len(held) < 2:
            return None, 0
        if held[1] < 0x80:
            return held[1], 2
        count = held[1] & 0x7F
        return (int.from_bytes(held[2:2 + count], "big") if len(held) >= 2 + count else None), 2 + count

    def page(self, cookie):
        """How many entries there were, and the next cookie."""
        search = ber(0x63, text(SUFFIX), b"\x0a\x01\x02\x0a\x01\x00\x02\x01\x00\x02\x01\x00\x01\x01\x00", ber(0x87, "objectClass"), sequence())
        value = sequence(ber(0x02, PAGE.to_bytes(2, "big")), text(cookie))
        self.ask(search, sequence(text(PAGED_RESULTS), text(value)))
        count = 0
        while True:
            tag, message = self.answer()
            if tag == 0x65:
                # The control is the last element of the last element; its value's last element is the cookie.
                return count, last(last(last(last(last(message)))))
            count += 1


def read(port, pages, niceness):
    os.nice(niceness)
    connection = Connection(port)
    while True:
        cookie, found = b"", 0
        while True:
            count, cookie = connection.page(cookie)
            found += count
            with pages.get_lock():
                pages.value += 1
            if not cookie:
                break
        # Those of the data, and three above them.
        assert found == ENTRIES + 3, found


def searches(generator, server):
    command = [generator, "--server", f"127.0.0.1:{server.port}", "--operation", "equality", "--connections", 16, "--milliseconds",
               SECONDS * 1000, "--entries", ENTRIES, "--name", READER, "--password", PASSWORD, "--process", server.process.pid]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=120, check=True)
    seen = __import__("json").loads(done.stdout)
    return seen["operations"] / seen["seconds"]


def load_generator():
    """The one beside the server's program, built the same way if it is not there yet."""
    program = pathlib.Path(os.environ["HEADCOUNT"]) if "HEADCOUNT" in os.environ else PROJECT / "target/debug/headcount"
    generator = program.parent / "examples" / "load"
    if not generator.exists():
        release = ["--release"] if program.parent.name == "release" else []
        subprocess.run(["cargo", "build", "--quiet", "--example", "load", *release], cwd=PROJECT, check=True)
    return generator


def main():
    generator = load_generator()
    server = Headcount(SUFFIX)
    file = server.folder / "entries.ldif"
    generate(file)
    done = server.run("import", file)
    if done.returncode:
        sys.exit(f"import: {done.stdout}{done.stderr}")
    server.start()
    verdicts = [measure(generator, server, niceness) for niceness in LIMITS]
    print(f"{sum(verdicts)} passed, {len(verdicts) - sum(verdicts)} failed")
    sys.exit(0 if all(verdicts) else 1)


def measure(generator, server, niceness):
    alone, beside, rates = [], [], []
    for _ in range(ROUNDS):
        alone.append(searches(generator, server))
        pages = multiprocessing.Value("i", 0)
        reader = multiprocessing.Process(target=read, args=(server.port, pages, niceness), daemon=True)
        reader.start()
        time.sleep(0.5)
        before, began = pages.value, time.monotonic()
        beside.append(searches(generator, server))
        rates.append((pages.value - before) * PAGE / (time.monotonic() - began))
        died = not reader.is_alive()
        reader.kill()
        reader.join()
        if died:
            sys.exit("the reader failed")
    slower = statistics.median(1 - with_reader / without for without, with_reader in zip(alone, beside))
    print(f"16 searchers alone {statistics.median(alone):,.0f}/s, beside a reader of niceness {niceness} "
          f"{statistics.median(beside):,.0f}/s: {slower:.1%} slower (limit {LIMITS[niceness]:.0%}); "
          f"the reader gets {statistics.median(rates):,.0f} entries/s")
    return slower <= LIMITS[niceness] and statistics.median(rates) > 0


if __name__ == "__main__":
    main()
