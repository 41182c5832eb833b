"""Many clients that mean no good, and one that does (hardening §1 D)."""

import json
import resource
import socket
import time
import unittest

import target
from target import LONG, SUFFIX, Client, Target, message, present, search


def generous(before):
    """What a good client may be held up: several times its time before, and never less than what a busy machine does."""
    return max(5 * before, 0.25)


class Slow:
    """A peer that sends something at once and then one octet every ten seconds."""

    def __init__(self, kind, port, at_once, slowly):
        self.kind, self.slowly, self.ended = kind, slowly, None
        self.socket = socket.create_connection(("127.0.0.1", port), 20)
        self.socket.sendall(at_once)
        self.socket.setblocking(False)
        self.began = self.last = time.monotonic()

    def step(self):
        """Sends its octet when it is time, and notes when the server has ended it."""
        if self.ended is not None:
            return
        now = time.monotonic()
        try:
            if self.slowly and now - self.last >= 10:
                self.last = now
                self.socket.send(self.slowly[:1])
                self.slowly = self.slowly[1:]
            # What the server says before the end (a notice, 401, 408) is not the end.
            if self.socket.recv(4096) == b"":
                self.ended = now - self.began
        except BlockingIOError:
            pass
        except ConnectionError:
            self.ended = now - self.began


class Load(unittest.TestCase):
    def start(self, **options):
        server = Target(**options)
        self.addCleanup(server.end)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(20_000, resource.getrlimit(resource.RLIMIT_NOFILE)[1]),) * 2)
        self.addCleanup(lambda: self.assertEqual(server.panics(), []))
        return server

    def never_reading(self, tls):
        server = self.start(people=10_000, limits='size = 1000000\nlook_through = 10000000\nwrite_stall = "10s"')
        everybody = search(SUFFIX, 2, present("uid"), "*")
        with Client(server).sign_in(server) as client:
            self.assertEqual(client.ask(everybody), (0, 10_000), "about 11 MB")
        server.latency()
        baseline, _ = server.latency()
        descriptors, memory = server.descriptors(), server.resident()
        count = 2_000 if LONG else 200
        clients = []
        for _ in range(count):
            client = Client(server, tls=tls).sign_in(server)
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 10)
            client.send(message(7, everybody))
            clients.append(client)
        asked = time.monotonic()
        most, slowest = 0, []
        while time.monotonic() < asked + 8:
            most = max(most, server.resident() - memory)
            slowest.append(server.latency(50)[0])
        print(f"{count} clients that do not read{', TLS' if tls else ''}: {most / count / 1024:.0f} KiB each, "
              f"median of others {baseline * 1e3:.2f} -> {sorted(slowest)[len(slowest) // 2] * 1e3:.2f} ms")
        self.assertLessEqual(most, count * (256 << 10) + (16 << 20))
        self.assertLessEqual(sorted(slowest)[len(slowest) // 2], generous(baseline))
        # Cut off after the stall of ten seconds, though they are still there.
        held, _ = server.rests(descriptors + 5, 1 << 60, 30)
        self.assertLessEqual(held, descriptors + 5, f"{time.monotonic() - asked:.0f} s after the last asked")
        for client in clients:
            client.reset()
        self.assertTrue(server.is_alive())

    def test_hd1_clients_that_never_read_are_bounded_and_cut_off(self):
        self.never_reading(tls=False)

    def test_hd1_clients_that_never_read_under_tls_are_bounded_and_cut_off(self):
        self.never_reading(tls=True)

    def test_hd2_slow_peers_are_sent_away_and_others_are_served(self):
        server = self.start()
        with Client(server).sign_in(server) as client:
            self.assertEqual(client.add(SUFFIX, objectClass=["domain"], dc=["example"]), 0)
            self.assertEqual(client.add(f"o=Acme,{SUFFIX}", objectClass=["organization", "hcOrganisation"], o=["Acme"]), 0)
        minted = server.run("token", "mint", "--json", "--organisation", f"o=Acme,{SUFFIX}", "slow")
        token = next(value for value in json.loads(minted.stdout).values() if str(value).startswith("hc_"))
        server.latency()
        baseline, _ = server.latency()
        hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"x" * 500
        head = b"POST /scim/v2/Users HTTP/1.1\r\nHost: example.com\r\nX-Slow: " + b"x" * 500
        body = (f"POST /scim/v2/Users HTTP/1.1\r\nHost: example.com\r\nAuthorization: Bearer {token}\r\n"
                "Content-Type: application/scim+json\r\nContent-Length: 1000\r\n\r\n").encode()
        kinds = {
            "connect only": (server.port, b"", b""),
            "TLS handshake": (server.tls_port, hello[:5], hello[5:]),
            "HTTP head": (server.http_port, head[:20], head[20:]),
            "HTTP body": (server.http_port, body, b" " * 500),
            "LDAP PDU": (server.port, b"\x30\x30", b"\x02\x01\x01" + b"\x63" * 40),
        }
        each = 200 if LONG else 20
        peers = [Slow(kind, *how) for kind, how in kinds.items() for _ in range(each)]
        sent, medians = time.monotonic(), []
        while any(peer.ended is None for peer in peers) and time.monotonic() < sent + 45:
            for peer in peers:
                peer.step()
            medians.append(server.latency(20)[0])
            time.sleep(0.2)
        for kind in kinds:
            ends = [peer.ended for peer in peers if peer.kind == kind]
            self.assertNotIn(None, ends, f"{kind}: {ends.count(None)} of {each} are still open after 45 s")
            print(f"{kind}: closed after {min(ends):.1f} to {max(ends):.1f} s")
            self.assertLessEqual(max(ends), 35, kind)
        self.assertLessEqual(sorted(medians)[len(medians) // 2], generous(baseline))
        for peer in peers:
            peer.socket.close()
        self.assertTrue(server.is_alive())

    def test_hd3_without_descriptors_it_waits_and_recovers(self):
        # Root may raise a hard limit again, so the right to is dropped together with it.
        launcher = ["prlimit", "--nofile=256:256", "setpriv", "--bounding-set=-sys_resource", "--inh-caps=-sys_resource"]
        server = self.start(people=10, launcher=launcher)
        with Client(server).sign_in(server) as good:
            write = lambda value: good.ask(target.replace(f"uid=user1,{SUFFIX}", "title", value))[0]
            self.assertEqual(write("before"), 0)
            flood = []
            for _ in range(400):
                flood.append(socket.create_connection(("127.0.0.1", server.port), 5))
            time.sleep(1)
            self.assertLessEqual(server.descriptors(), 256)
            self.assertIn("too few descriptors for all connections", server.log(), "the budget is what they allow")
            cpu, began = server.cpu(), time.monotonic()
            time.sleep(5)
            share = (server.cpu() - cpu) / (time.monotonic() - began)
            print(f"CPU while no connection can be accepted: {share:.1%}")
            self.assertLess(share, 0.15, "5 % of a release build on a machine of its own")
            for at in range(20):
                self.assertEqual(write(f"during {at}"), 0, "what is kept still has its descriptors")
            for peer in flood:
                peer.close()
            freed = time.monotonic()
            self.assertTrue(server.is_alive())
            self.assertLess(time.monotonic() - freed, 5, "seconds until a new client is served")
            self.assertEqual(write("after"), 0)

    def test_hd4_a_storm_of_binds_has_its_memory_and_leaves_searches_alone(self):
        at_once, megabytes = 2, 19
        server = self.start(people=10)
        with open(server.folder / "headcount.toml", "a") as config:
            config.write(f"[hashing]\nat_once = {at_once}\n")
        server.stop()
        server.start()
        server.latency()
        baseline, _ = server.latency()
        memory = server.resident()
        count = 1_000 if LONG else 200
        clients = [Client(server) for _ in range(count)]
        for round in range(3):
            sent = time.monotonic()
            for at, client in enumerate(clients):
                client.send(message(round + 1, target.bind(f"uid=user{at % 20},{SUFFIX}", "not the password")))
            during, _ = server.latency(100)
            codes = [target.first(client.receive()[2])[0][0] for client in clients]
            taken = time.monotonic() - sent
            print(f"{count} binds: {codes.count(49)} refused, {codes.count(51)} busy, in {taken:.1f} s; grown by "
                  f"{(server.resident() - memory) >> 20} MiB, median of a search {baseline * 1e3:.2f} -> {during * 1e3:.2f} ms")
            self.assertEqual(codes.count(49) + codes.count(51), count)
            self.assertGreater(codes.count(51), 0, "the excess is told at once")
            self.assertLess(taken, 20)
            self.assertLessEqual(during, generous(baseline))
        self.assertLessEqual(server.resident() - memory, (at_once * megabytes + 24) << 20)
        for client in clients:
            client.close()

    def test_hd7_ten_thousand_pipelined_operations_are_bounded(self):
        server = self.start(people=100, limits="size = 1000000")
        server.latency()
        baseline, _ = server.latency()
        # Each answer is about 33 KB, and nothing is read at first.
        some = search(SUFFIX, 2, target.substrings("uid", (0, "user1")), "description", "cn")
        count = 10_000 if LONG else 2_000
        client = Client(server).sign_in(server)
        self.addCleanup(client.close)
        code, entries = client.ask(some)
        self.assertEqual((code, entries), (0, 11))
        memory = server.resident()
        octets = b"".join(message(ident, some) for ident in range(10, 10 + count))
        client.socket.setblocking(False)
        sent, deadline = 0, time.monotonic() + 3
        while sent < len(octets) and time.monotonic() < deadline:
            try:
                sent += client.socket.send(octets[sent:sent + 65_536])
            except BlockingIOError:
                time.sleep(0.05)
        grown = server.resident() - memory
        during, _ = server.latency()
        print(f"{count} pipelined, {sent} of {len(octets)} octets taken unread: grown by {grown >> 10} KiB, "
              f"median of another connection {baseline * 1e3:.2f} -> {during * 1e3:.2f} ms")
        self.assertLessEqual(grown, 8 << 20)
        self.assertLessEqual(during, generous(baseline))
        # All are answered, in the order of nobody's promise, when the client reads.
        client.socket.settimeout(60)
        answered, entries = set(), 0
        while len(answered) < count:
            if sent < len(octets):
                client.socket.setblocking(False)
                try:
                    sent += client.socket.send(octets[sent:sent + 65_536])
                except BlockingIOError:
                    pass
                client.socket.settimeout(60)
            ident, tag, content = client.receive()
            if tag == 0x65:
                self.assertEqual(target.first(content)[0], b"\0")
                answered.add(ident)
            else:
                entries += 1
        self.assertEqual((answered, entries), (set(range(10, 10 + count)), 11 * count))
