"""Kills the daemon with SIGKILL while it writes, again and again: `kill9.py ROUNDS` (hardening §3.1, promises 1 and 2).

Each round several writers add, change, rename and delete entries and note every answer. After the kill and a start every
acknowledged change is there, every other one is there whole or not at all, and `verify` finds nothing. Nor does `audit verify`,
while it is written to, after the kill, and at the start: a kill is no tampering.
"""

import pathlib
import random
import sys
import threading
import time

import ldap

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "differential"))
from servers import PASSWORD, Headcount  # noqa: E402

SUFFIX = "dc=example,dc=com"
WRITERS = 4
#: Attributes that every change of a writer sets together: they are all of one change, or all of another.
TOGETHER = ("description", "title", "employeeNumber", "l", "postalCode")


class Signed(Headcount):
    """With a key for its audit logs."""

    def write_config(self):
        super().write_config()
        key = self.folder / "audit-key"
        key.touch(0o600)
        key.write_text("0123456789abcdef0123456789abcdef\n")
        with open(self.folder / "headcount.toml", "a") as config:
            config.write(f'[audit]\nkey_file = "{key}"\n')

    def audited(self, when):
        """What `audit verify` finds."""
        found = self.run("audit", "verify")
        return [f"audit verify {when}: {found.stdout}{found.stderr}"] if found.returncode else []


def connect(server):
    connection = ldap.initialize(server.url)
    connection.set_option(ldap.OPT_NETWORK_TIMEOUT, 20)
    connection.set_option(ldap.OPT_TIMEOUT, 20)
    connection.simple_bind_s(server.operator, PASSWORD)
    return connection


class Writer(threading.Thread):
    """Changes entries of its own and remembers, for each, the states it may be in: one where all is acknowledged."""

    def __init__(self, server, number):
        super().__init__(daemon=True)
        self.server, self.number = server, number
        self.random = random.Random(number)
        self.states = {}
        self.acknowledged = 0
        self.serial = 0

    def run(self):
        try:
            self.connection = connect(self.server)
            while True:
                self.step()
        except (ldap.SERVER_DOWN, ldap.CONNECT_ERROR, ldap.TIMEOUT, ldap.UNAVAILABLE):
            pass

    def step(self):
        self.serial += 1
        mark = f"{self.number}-{self.serial}"
        present = [cn for cn, states in self.states.items() if len(states) == 1 and states[0] is not None]
        choice = self.random.random()
        if choice < 0.4 or len(present) < 5:
            cn = f"entry-{mark}"
            self.change({cn: mark}, lambda: self.connection.add_s(self.dn(cn), self.entry(cn, mark)))
        elif choice < 0.8:
            cn = self.random.choice(present)
            changes = [(ldap.MOD_REPLACE, name, mark.encode()) for name in TOGETHER]
            self.change({cn: mark}, lambda: self.connection.modify_s(self.dn(cn), changes))
        elif choice < 0.9:
            cn, to = self.random.choice(present), f"renamed-{mark}"
            rename = lambda: self.connection.rename_s(self.dn(cn), f"cn={to}", delold=1)
            self.change({to: self.states[cn][0], cn: None}, rename)
        else:
            cn = self.random.choice(present)
            self.change({cn: None}, lambda: self.connection.delete_s(self.dn(cn)))

    def change(self, after, act):
        """Before the answer both states are possible, after it only the new one."""
        for cn, state in after.items():
            self.states[cn] = [self.states.get(cn, [None])[0], state]
        act()
        for cn, state in after.items():
            self.states[cn] = [state]
        self.acknowledged += 1

    def dn(self, cn):
        return f"cn={cn},ou=writer-{self.number},{SUFFIX}"

    def entry(self, cn, mark):
        fixed = [("objectClass", b"inetOrgPerson"), ("cn", cn.encode()), ("sn", b"Example")]
        return fixed + [(name, mark.encode()) for name in TOGETHER]

    def check(self, connection):
        """What is wrong with this writer's entries; what was open is settled by what is there."""
        found = {}
        for _, entry in connection.search_s(f"ou=writer-{self.number},{SUFFIX}", ldap.SCOPE_ONELEVEL):
            marks = {entry.get(name, [b"absent"])[0] for name in TOGETHER}
            cn = entry["cn"][0].decode()
            found[cn] = marks.pop().decode() if len(marks) == 1 else f"half: {marks}"
        wrong = [f"{cn}: {found.get(cn)} is none of {states}" for cn, states in self.states.items() if found.get(cn) not in states]
        wrong += [f"{cn} was never added" for cn in found if cn not in self.states]
        moved = [cn for cn, states in self.states.items() if len(states) == 2]
        if len(moved) == 2 and len({found.get(cn) is None for cn in moved}) == 1:
            wrong.append(f"half a rename: {moved}")
        self.states = {cn: [state] for cn, state in found.items()}
        return wrong


def main():
    rounds = int(sys.argv[1])
    server = Signed(SUFFIX)
    server.start()
    connection = connect(server)
    connection.add_s(SUFFIX, [("objectClass", b"domain"), ("dc", b"example")])
    for number in range(WRITERS):
        connection.add_s(f"ou=writer-{number},{SUFFIX}", [("objectClass", b"organizationalUnit"), ("ou", f"writer-{number}".encode())])
    kept = {number: {} for number in range(WRITERS)}
    pauses = random.Random(9)
    passed = failed = acknowledged = 0
    for turn in range(rounds):
        writers = [Writer(server, number) for number in range(WRITERS)]
        for writer in writers:
            writer.states, writer.serial = kept[writer.number], turn * 1_000_000
            writer.start()
        time.sleep(pauses.uniform(0.2, 2.0))
        wrong = server.audited("while it is written to") if turn % 3 == 0 else []
        server.process.kill()
        server.process.wait()
        for writer in writers:
            writer.join(60)
        wrong += [] if all(writer.acknowledged for writer in writers) else ["a writer got no answer at all"]
        wrong += server.audited("after the kill")
        if turn % 5 == 4 or turn + 1 == rounds:
            verified = server.run("verify")
            if verified.returncode:
                wrong.append(f"verify: {verified.stdout}{verified.stderr}")
        seconds = server.start()
        if seconds > 5:
            wrong.append(f"the start took {seconds:.1f} s")
        if "the audit log is not as it was left" in server.said():
            wrong.append("the start takes a kill for tampering")
        connection = connect(server)
        for writer in writers:
            wrong += writer.check(connection)
            kept[writer.number] = writer.states
            acknowledged += writer.acknowledged
        print(f"round {turn + 1}: {acknowledged} acknowledged so far, start {seconds:.2f} s", *wrong[:10], sep="\n  ", flush=True)
        passed, failed = (passed, failed + 1) if wrong else (passed + 1, failed)
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


main()
