"""Operations and how they end: abandon, unbind, half a close, a reset after any octet (hardening HA8); binds, and who one is
after each of them (HA9)."""

import random
import socket
import ssl
import time
import unittest

import target
from target import (LONG, ROOT, SUFFIX, UNBIND, WHO_AM_I, Client, Measured, Target, abandon, bind, control, equal, extended, first, message,
                    number, present, replace, search, sequence, text)

ORGANISATION = f"o=Acme,{SUFFIX}"
USER = (f"uid=ada,ou=users,{ORGANISATION}", "a password of several words")
#: Sequences; 10^5 in the long run.
COUNT = 100_000 if LONG else 1_000
START_TLS, CANCEL, START_TRANSACTION, END_TRANSACTION = "1.3.6.1.4.1.1466.20037", "1.3.6.1.1.8", "1.3.6.1.1.21.1", "1.3.6.1.1.21.3"
PAGED = control("1.2.840.113556.1.4.319", True, sequence(number(2), text("")))
PERSISTENT = control("2.16.840.1.113730.3.4.3", True, sequence(number(15), b"\x01\x01\xff", b"\x01\x01\xff"))
FOLLOWED = control("1.3.6.1.4.1.4203.1.9.1.1", True, sequence(number(3, 0x0A)))
IN_TRANSACTION = control("1.3.6.1.1.21.2", True, text("1"))


class Sequences(unittest.TestCase):
    def setUp(self):
        # The cheapest hash there is, since most binds here fail.
        self.server = Target(people=300, limits='size = 1000000\n[hashing]\nmemory = "7MiB"\npasses = 1\n[sasl]\nscram = true')
        self.addCleanup(self.server.end)
        with self.operator() as client:
            self.assertEqual(client.add(ORGANISATION, objectClass=["organization", "hcOrganisation"], o=["Acme"]), 0)
            self.assertEqual(client.add(f"cn=Desk,ou=licences,{ORGANISATION}", objectClass=["hcLicence"], cn=["Desk"], hcSessionLimit=["3"],
                                        hcPackage=["Standard"], hcLicenceDefault=["TRUE"], hcReleaseMode=["disconnect"]), 0)
            self.assertEqual(client.add(USER[0], objectClass=["inetOrgPerson", "hcUser"], uid=["ada"], cn=["ada"], sn=["ada"], hcUserType=["app"],
                                        mail=["ada@example.com"], userPassword=[USER[1]]), 0)

    def operator(self):
        return Client(self.server).sign_in(self.server)

    def octets(self, random):
        """A sequence of requests, pipelined: some need the operator, some are abandoned."""
        somebody = lambda: f"uid=user{random.randrange(300)},{SUFFIX}"
        everybody = lambda *controls: (search(SUFFIX, 2, present("uid"), "cn"), *controls)
        operations = [
            lambda: (ROOT,),
            lambda: (WHO_AM_I,),
            lambda: (search(SUFFIX, 2, present("uid"), "*"),),
            lambda: (search(SUFFIX, 2, equal("uid", f"user{random.randrange(300)}"), "cn"),),
            lambda: (replace(somebody(), "title", f"title {random.randrange(1_000)}"),),
            lambda: (bind(self.server.operator, "not the password of the operator"),),
            lambda: (bind("", ""),),
            lambda: (sequence(number(3), text(""), sequence(text("SCRAM-SHA-256"), text("n,,n=ada,r=rOprNGfwEbeRWgbNEkqO"), tag=0xA3), tag=0x60),),
            lambda: (abandon(random.randrange(1, 12)),),
            lambda: (extended(CANCEL, sequence(number(random.randrange(1, 12)))),),
            lambda: everybody(PAGED),
            lambda: everybody(PERSISTENT),
            lambda: everybody(FOLLOWED),
            lambda: (extended(START_TRANSACTION),),
            lambda: (replace(somebody(), "title", "in a transaction"), IN_TRANSACTION),
            lambda: (extended(END_TRANSACTION, sequence(text("1"))),),
            lambda: (extended(START_TLS),),
            lambda: (UNBIND,),
        ]
        who = random.choices([(self.server.operator, target.servers.PASSWORD), USER, None], [40, 33, 27])[0]
        requests = [(bind(*who),)] if who else []
        weights = [4, 4, 4, 4, 3, 1, 1, 1, 4, 2, 2, 2, 2, 2, 2, 1, 0.2, 1]
        requests += [random.choices(operations, weights)[0]() for _ in range(random.randrange(1, 10))]
        return b"".join(message(ident, *request) for ident, request in enumerate(requests, 1))

    def play(self, random):
        """One sequence on a connection of its own, and its end."""
        octets = self.octets(random)
        tls = random.random()
        try:
            client = Client(self.server, tls=tls < 0.05)
            if 0.05 <= tls < 0.1:
                client.start_tls(self.server)
        except (ConnectionError, ssl.SSLError):
            return
        try:
            octets = octets[:random.randrange(1, len(octets) + 1)] if random.random() < 0.5 else octets
            at = random.randrange(len(octets) + 1)
            client.send(octets[:at])
            if random.random() < 0.3:
                client.socket.settimeout(0.002)
                try:
                    client.socket.recv(random.randrange(1, 5_000))
                except (TimeoutError, ssl.SSLError):
                    pass
                client.socket.settimeout(20)
            client.send(octets[at:])
            end = random.random()
            if end < 0.4:
                client.reset()
            elif end < 0.7:
                client.close()
            else:
                # Half a close: everything that was asked is answered, and then the server ends it as well.
                client.socket.shutdown(socket.SHUT_WR)
                while client.socket.recv(1 << 16):
                    pass
        except (ConnectionError, ssl.SSLError, BrokenPipeError):
            pass
        finally:
            client.close()

    def is_as_before(self, descriptors, threads, memory):
        """What the server holds is what it held."""
        held, resident = self.server.rests(descriptors, memory + (16 << 20))
        print(f"descriptors {descriptors} -> {held}, threads {threads} -> {self.server.threads()}, "
              f"memory {memory >> 20} -> {resident >> 20} MiB")
        # The store may hold a file more or less, by the segments of its journal.
        self.assertLessEqual(held, descriptors + 2)
        self.assertLessEqual(self.server.threads(), threads + 2)
        self.assertLessEqual(resident, memory + (16 << 20))
        self.assertEqual(self.server.panics(), [])

    def test_ha8_random_sequences_leave_nothing_behind(self):
        warm = random.Random(1)
        for _ in range(200):
            self.play(warm)
        time.sleep(2)
        descriptors, threads, memory = self.server.descriptors(), self.server.threads(), self.server.resident()
        drawn = target.drawn()
        began = time.monotonic()
        for at in range(COUNT):
            self.play(drawn)
            if at % 500 == 0:
                self.assertTrue(self.server.is_alive(), f"after {at} sequences")
        target.count("HA8 sequences of operations", COUNT)
        print(f"{COUNT} sequences in {time.monotonic() - began:.0f} s")
        self.is_as_before(descriptors, threads, memory)
        with self.operator() as client:
            sessions = lambda: client.ask(search(ORGANISATION, 2, equal("objectClass", "hcSession"), "1.1"))
            deadline = time.monotonic() + 10
            while sessions() != (0, 0) and time.monotonic() < deadline:
                time.sleep(0.1)
            self.assertEqual(sessions(), (0, 0), "a seat of this licence ends with its connection")

    def binds(self):
        """Ways to bind: the request, the result code, and who one is then (nobody where it did not succeed)."""
        sasl = lambda mechanism, *credentials: sequence(number(3), text(""), sequence(text(mechanism), *credentials, tag=0xA3), tag=0x60)
        plain = lambda dn, password: sasl("PLAIN", text(f"\0{dn}\0{password}"))
        people = [USER, (self.server.operator, target.servers.PASSWORD)]
        ways = [(bind("", ""), 0, ""), (bind(USER[0], ""), 53, ""), (sequence(number(2), text(""), text("", 0x80), tag=0x60), 2, ""),
                (sasl("NO-SUCH", text("x")), 7, ""), (sasl("PLAIN"), 14, ""), (sasl("PLAIN", text("damaged")), 49, ""),
                (bind(f"uid=nobody,{SUFFIX}", "x"), 49, ""), (bind("no name", "x"), None, ""), (b"\x60\x03\x02\x01\x03", 2, "")]
        for dn, password in people:
            ways += [(bind(dn, password), 0, dn), (plain(dn, password), 0, dn), (bind(dn, password + "x"), 49, ""),
                     (plain(dn, password[:-1]), 49, "")]
        return ways

    def test_ha9_after_any_bind_one_is_who_signed_in_or_nobody(self):
        ways, drawn = self.binds(), target.drawn()
        with self.operator() as client:
            # A session that goes with the connection before it is a reason of its own to be sent away.
            self.assertEqual(client.ask(replace(f"cn=Desk,ou=licences,{ORGANISATION}", "hcReleaseMode", "idle"))[0], 0)
        others = [ROOT, search(SUFFIX, 2, present("uid"), "cn"), abandon(1)]

        def play():
            """Binds in one segment, each with operations under way before it and the question who one is after it."""
            steps = drawn.choices(ways, k=drawn.randrange(1, 7))
            octets, expected, ident = b"", {}, 0
            for request, code, who in steps:
                for operation in drawn.choices(others, k=drawn.randrange(3)):
                    ident += 1
                    octets += message(ident, operation)
                expected[ident + 1], expected[ident + 2] = code, who
                octets += message(ident + 1, request) + message(ident + 2, WHO_AM_I)
                ident += 2
            with Client(self.server, patience=60) as client:
                client.send(octets)
                while expected:
                    answered, tag, content = client.receive()
                    if tag == 0x61:
                        code = expected.pop(answered)
                        self.assertIn(target.first(content)[0][0], [code] if code is not None else [34, 49], octets.hex())
                    elif tag == 0x78:
                        who = expected.pop(answered)
                        self.assertTrue(content.endswith(b"\x8b" + target.length(len(f"dn:{who}")) + f"dn:{who}".encode())
                                        if who else b"dn:" not in content, octets.hex())

        for _ in range(100):
            play()
        time.sleep(2)
        descriptors, threads, memory = self.server.descriptors(), self.server.threads(), self.server.resident()
        for _ in range(COUNT):
            play()
        target.count("HA9 sequences of binds", COUNT)
        self.is_as_before(descriptors, threads, memory)


class Gone(unittest.TestCase):
    """More searches than one connection may have under way, each of much work and without a result, so that the server is told of
    the peer's end by no octet that it reads or writes."""

    # No index has it, and there are many entries: no search is answered soon.
    LOOK = search(SUFFIX, 2, equal("title", "of nobody"), "1.1")
    PENDING = 32

    def setUp(self):
        self.server = Measured(people=10_000, limits=f"size = 1000000\nlook_through = 1000000\npending_bound = {self.PENDING}",
                               more='[[listener]]\nkind = "ldapi"\naddress = "ldapi"\n')
        self.addCleanup(self.server.end)

        def rests():
            before = self.server.cpu()
            time.sleep(0.5)
            return self.server.cpu() - before < 0.05

        # What was imported is still being written down.
        target.servers.demo.eventually("the server has nothing to do", rests, 60)

    def connect(self, way):
        if way != "local":
            return Client(self.server, tls=way == "TLS", patience=120)
        client = Client.__new__(Client)
        client.socket, client.buffer, client.ident = socket.socket(socket.AF_UNIX), b"", 0
        client.socket.settimeout(120)
        client.socket.connect(str(self.server.folder / "ldapi"))
        return client

    def begin(self, count, way):
        """A connection with so many searches, of which as many have begun as may, and nothing else is read any more."""
        client = self.connect(way).sign_in(self.server)
        self.addCleanup(client.close)
        client.send(b"".join(message(ident, self.LOOK) for ident in range(10, 10 + count)))
        target.servers.demo.eventually("they have begun", lambda: self.server.under_way() >= self.PENDING)
        return client

    def test_ha8_a_reset_ends_what_is_under_way_though_nothing_is_read(self):
        with Client(self.server).sign_in(self.server) as client:
            before = self.server.cpu()
            for _ in range(10):
                self.assertEqual(client.ask(self.LOOK), (0, 0))
            all_of_it = (self.server.cpu() - before) / 10 * self.PENDING
        for way in ("plain", "TLS", "local"):
            with self.subTest(way):
                client = self.begin(1_000, way)
                before = self.server.cpu()
                # On a local socket there is no reset, and whoever closes it takes nothing more.
                client.reset()
                target.servers.demo.eventually("all have ended", lambda: self.server.under_way() == 0, 120)
                done = (self.server.cpu() - before) / all_of_it
                print(f"{done:.0%} of the work was done after the reset")
                self.assertLess(done, 0.2)

    def test_ha8_half_a_close_is_served_to_the_end(self):
        for way in ("plain", "local"):
            with self.subTest(way):
                self.is_served(self.begin(self.PENDING + 10, way))

    def is_served(self, client):
        client.socket.shutdown(socket.SHUT_WR)
        answers = {ident: first(content)[0] for ident, _, content in (client.receive() for _ in range(self.PENDING + 10))}
        self.assertEqual(answers, {ident: b"\0" for ident in range(10, 20 + self.PENDING)})
        with self.assertRaises(target.Closed):
            client.receive()
