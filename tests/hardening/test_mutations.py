"""Ordinary messages with one thing wrong, in the manner of the PROTOS suite (hardening HA1, HA2, HA3, HA13).

Each message is taken apart into its elements; one element at a time gets another tag, length or content. The daemon must
answer or end the connection, stay up, and have no panic in its log.
"""

import socket
import unittest

import target
from target import (LONG, SUFFIX, Client, Target, abandon, bind, control, equal, extended, message, number, present, replace, search,
                    sequence, substrings, text, tlv)

COUNT = 12_000 if LONG else 1_000
PAGED, SORT, PROXY = "1.2.840.113556.1.4.319", "1.2.840.113556.1.4.473", "2.16.840.1.113730.3.4.18"
SOMEBODY = f"uid=user1,{SUFFIX}"


def everyday():
    """Messages of every kind, as clients send them."""
    both = lambda tag, *filters: sequence(*filters, tag=tag)
    filters = [
        present("objectClass"), equal("uid", "user1"), substrings("cn", (0, "na"), (1, "e"), (2, "1")),
        both(0xA0, equal("sn", "family 1"), both(0xA1, present("cn"), both(0xA2, equal("cn", "name 1")))),
        sequence(text("uid"), text("user2"), tag=0xA5), sequence(text("uid"), text("user2"), tag=0xA6),
        sequence(text("cn"), text("name 1"), tag=0xA8),
        sequence(text("caseExactMatch", 0x81), text("cn", 0x82), text("name 1", 0x83), b"\x84\x01\xff", tag=0xA9),
    ]
    attribute = lambda name, *values: sequence(text(name), sequence(*map(text, values), tag=0x31))
    change = lambda kind, *rest: sequence(number(kind, 0x0A), attribute(*rest))
    operations = [
        bind("", ""), bind(SOMEBODY, "a password"), sequence(number(3), text(""), sequence(text("EXTERNAL"), text(""), tag=0xA3), tag=0x60),
        sequence(number(3), text(""), sequence(text("PLAIN"), text(b"\0user1\0a password"), tag=0xA3), tag=0x60),
        sequence(number(3), text(""), sequence(text("SCRAM-SHA-256"), text("n,,n=user1,r=rOprNGfwEbeRWgbNEkqO"), tag=0xA3), tag=0x60),
        *(search(SUFFIX, 2, filter, "cn", "*", "+", size=5, seconds=5) for filter in filters),
        search("cn=Subschema", 0, present("objectClass"), "attributeTypes"),
        sequence(text(f"cn=new,{SUFFIX}"), sequence(attribute("objectClass", "person"), attribute("cn", "new"), attribute("sn", "new")), tag=0x68),
        sequence(text(SOMEBODY), sequence(change(0, "title", "a", "b"), change(1, "title", "a"), change(2, "title", "c")), tag=0x66),
        replace(SOMEBODY, "sn", "family"), text("cn=nobody", 0x4A),
        sequence(text(SOMEBODY), text("uid=user1"), b"\x01\x01\xff", text(SUFFIX, 0x80), tag=0x6C),
        sequence(text(SOMEBODY), sequence(text("sn"), text("family 1")), tag=0x6E),
        extended("1.3.6.1.4.1.4203.1.11.3"),
        extended("1.3.6.1.4.1.4203.1.11.1", sequence(text(SOMEBODY, 0x80), text("old", 0x81), text("a new one", 0x82))),
        extended("1.3.6.1.1.8", sequence(number(1))), extended("1.3.6.1.1.21.1"), extended("1.3.6.1.1.21.3", sequence(text("1"))),
        abandon(2), b"\x42\x00",
    ]
    controls = [
        [control(PAGED, True, sequence(number(5), text("")))],
        [control(SORT, True, sequence(sequence(text("cn"), text("caseIgnoreOrderingMatch", 0x80), b"\x81\x01\xff")))],
        [control("2.16.840.1.113730.3.4.2", True), control("1.3.6.1.1.13.2", False, sequence(text("sn"), text("+")))],
        [control("1.3.6.1.1.12", True, equal("sn", "family 1")), control(PROXY, True, f"dn:{SOMEBODY}")],
        [control("2.16.840.1.113730.3.4.9", True, sequence(number(1), number(1), sequence(number(1), number(0), tag=0xA0)))],
        [control("2.16.840.1.113730.3.4.3", True, sequence(number(15), b"\x01\x01\xff", b"\x01\x01\xff"))],
        [control("1.3.6.1.4.1.4203.1.9.1.1", True, sequence(number(1, 0x0A), text("rid=000"), b"\x01\x01\x00"))],
        [control("1.2.826.0.1.3344810.2.3", True, sequence(equal("cn", "name 1"), substrings("cn", (0, "n"))))],
        [control("1.3.6.1.4.1.4203.666.5.16", True, sequence(sequence(text("manager"), sequence(text("cn")))))],
    ]
    for at, operation in enumerate(operations):
        yield message(at + 1, operation)
        for ours in controls if operation[0] in (0x63,) else [controls[at % len(controls)]]:
            yield message(at + 1, operation, *ours)


def elements(octets, start=0, end=None):
    """All elements, at any depth: where each begins, where its content begins, and where it ends."""
    end = len(octets) if end is None else end
    while start + 2 <= end:
        count = octets[start + 1] & 0x7F if octets[start + 1] & 0x80 else 0
        begin = start + 2 + count
        size = int.from_bytes(octets[start + 2:begin], "big") if count else octets[start + 1]
        if begin + size > end:
            return
        yield start, begin, begin + size
        if octets[start] & 0x20:
            yield from elements(octets, begin, begin + size)
        start = begin + size


def rebuilt(octets, start, begin, end, replacement):
    """The message with one element replaced and the lengths around it put right."""
    outer = [(s, b, e) for s, b, e in elements(octets) if s < start and e >= end]
    for s, b, e in sorted(outer, key=lambda found: found[2] - found[0]):
        replacement = tlv(octets[s], octets[b:start] + replacement + octets[end:e])
        start, end = s, e
    return octets[:start] + replacement + octets[end:]


STRINGS = [b"", b"\0", b"\xff\xfe\xfd", b"%n%s%p" * 20, b"A" * 1_000, b"A" * 70_000, b"../" * 50, b"(" * 300, b")" * 10, b"*" * 50, b"\\",
           b"=" * 40, b",", b"+", b"cn=", b"=x", b"#04", b"cn=#0500", b"<SID=1>", b'cn="', b"2.5.4.3", b"1" * 300 + b".1", b"cn;" + b"x-" * 40,
           b"\xc3\x28", "ß\u0130\ufb01\u200d".encode(), b"dn:", b"u:", b"n,,n=,r=", b"\r\n" * 10, b"a" * 127, b"a" * 128, b"a" * 255, b"a" * 256]
NUMBERS = [b"", b"\0", b"\xff", b"\x7f", b"\x80", b"\x7f\xff\xff\xff", b"\x80\0\0\0", b"\0\xff\xff\xff\xff", b"\x7f" + b"\xff" * 7,
           b"\x80" + b"\0" * 7, b"\xff" * 9, b"\x01" * 300, b"\0\0\0\x01"]
LENGTHS = [b"\x80", b"\x81\x00", b"\x82\x00\x01", b"\x84\xff\xff\xff\xff", b"\x84\x7f\xff\xff\xff", b"\x85\x01\0\0\0\0", b"\x88" + b"\0" * 8,
           b"\xff", b"\xfe" + b"\0" * 126, b"\x00", b"\x01", b"\x7f", b"\x83\xff\xff\xff"]
TAGS = [0x00, 0x01, 0x02, 0x04, 0x05, 0x0A, 0x1F, 0x30, 0x31, 0x3F, 0x42, 0x60, 0x7F, 0x80, 0xA0, 0xA1, 0xA2, 0xA3, 0xA9, 0xBF, 0xFF]


def mutated(octets, drawn):
    """The message with one or two things wrong."""
    for _ in range(drawn.choice((1, 1, 1, 2))):
        found = list(elements(octets))
        if not found:
            return octets
        start, begin, end = drawn.choice(found)
        tag, content, whole = octets[start], octets[begin:end], octets[start:end]
        kind = drawn.randrange(12)
        if kind <= 2:
            octets = rebuilt(octets, start, begin, end, tlv(tag, drawn.choice(NUMBERS if tag in (0x01, 0x02, 0x0A) else STRINGS)))
        elif kind == 3:
            octets = octets[:start + 1] + drawn.choice(LENGTHS) + octets[begin:]
        elif kind == 4:
            octets = rebuilt(octets, start, begin, end, tlv(drawn.choice(TAGS), content))
        elif kind == 5:
            octets = rebuilt(octets, start, begin, end, b"")
        elif kind == 6:
            octets = rebuilt(octets, start, begin, end, whole * drawn.choice((2, 3, 12, 300)))
        elif kind == 7:
            # Nested in itself, as deep as Zeek's message of 5 002.
            nested = whole
            for _ in range(drawn.choice((3, 40, 200))):
                nested = tlv(tag | 0x20, nested)
            octets = rebuilt(octets, start, begin, end, nested)
        elif kind == 8:
            other = drawn.choice(found)
            octets = rebuilt(octets, start, begin, end, octets[other[0]:other[2]])
        elif kind == 9:
            octets = octets[:drawn.randrange(len(octets))]
        elif kind == 10:
            at = drawn.randrange(len(octets))
            octets = octets[:at] + bytes([octets[at] ^ 1 << drawn.randrange(8)]) + octets[at + 1:]
        else:
            # The longest form of a length that says the same.
            octets = octets[:start + 1] + b"\x84" + (end - begin).to_bytes(4, "big") + octets[begin:]
        if len(octets) < 2:
            break
    return octets


class Mutations(unittest.TestCase):
    def react(self, octets, bound, what):
        """Sends it, then says no more: an end must come, and whatever came before it are whole messages."""
        client = Client(self.server, patience=30)
        try:
            client.ident = 900_000
            if bound:
                client.sign_in(self.server)
            client.send(octets)
            client.socket.shutdown(socket.SHUT_WR)
            answers = []
            while True:
                answers.append(client.receive()[:2])
        except target.Closed:
            self.assertEqual(client.buffer, b"", f"half an answer to {what}")
        except (ConnectionError, BrokenPipeError):
            pass
        except TimeoutError:
            self.fail(f"no end after {what}")
        finally:
            client.close()

    def test_ha3_messages_with_one_thing_wrong_are_answered_or_end_the_connection(self):
        self.server = Target(people=20)
        self.addCleanup(self.server.end)
        messages = list(everyday())
        for octets in messages:
            self.react(octets, True, octets.hex())
        drawn = target.drawn()
        memory = self.server.resident()
        for at in range(COUNT):
            octets = mutated(messages[at % len(messages)], drawn)
            what = f"case {at}: {octets[:400].hex()}"
            self.react(octets, at // len(messages) % 2 == 1, what)
            if at % 100 == 0:
                self.assertTrue(self.server.is_alive(), what)
                self.assertEqual(self.server.panics(), [], what)
        self.assertTrue(self.server.is_alive())
        self.assertEqual(self.server.panics(), [])
        target.count("HA3 damaged messages", COUNT)
        print(f"{COUNT} cases of {len(messages)} messages, grown by {(self.server.resident() - memory) >> 10} KiB")
        self.assertLess(self.server.resident() - memory, 64 << 20)
        # What was there is whole.
        self.assertEqual(self.server.stop(), None)
        done = self.server.run("verify")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
