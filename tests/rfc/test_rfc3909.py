"""RFC 3909: cancel."""

import wire
from ber import integer, octets, sequence
from conformance import Conformance
from controls import REFRESH_AND_PERSIST, SYNC, cancel, sync

SUCCESS, PROTOCOL_ERROR = 0, 2
CANCELED, NO_SUCH_OPERATION, TOO_LATE, CANNOT_CANCEL = 118, 119, 120, 121
CANCEL = "1.3.6.1.1.8"


class Cancel(Conformance):
    NEEDS = (CANCEL,)

    def begin(self):
        """A search that goes on until it is ended, by content synchronisation; answers its message id."""
        asked = self.wire.ask(wire.search(self.base, wire.SUB), [sync(REFRESH_AND_PERSIST)])
        while self.wire.receive().tag != wire.INTERMEDIATE:
            pass
        return asked

    def needs_sync(self):
        if SYNC not in self.wire.entry("", "supportedControl").values("supportedControl"):
            self.skipTest(f"{SYNC} is not in the root DSE yet")

    def test_of_what_is_under_way(self):
        """RFC 3909 §2.2: what is canceled gets its response with canceled, and the cancel success."""
        self.needs_sync()
        asked = self.begin()
        number = self.wire.ask(wire.extended(CANCEL, cancel(asked)))
        found = {}
        while len(found) < 2:
            answer = self.wire.receive()
            if answer.tag in (wire.SEARCH, wire.EXTENDED):
                found[answer.id] = answer.code
        self.assertEqual(found, {asked: CANCELED, number: SUCCESS})

    def test_nothing_comes_after(self):
        """RFC 3909 §2.2: after its response nothing of the canceled operation comes."""
        self.needs_sync()
        asked = self.begin()
        self.wire.ask(wire.extended(CANCEL, cancel(asked)))
        self.wire.receive(), self.wire.receive()
        self.operator().request(wire.modify(self.base, (wire.REPLACE, "description", ["x"])))
        with self.assertRaises(TimeoutError):
            self.wire.receive(0.4)

    def test_unknown_operation(self):
        """RFC 3909 §2.2: an operation that the server does not know is noSuchOperation."""
        self.refused(NO_SUCH_OPERATION, wire.extended(CANCEL, cancel(12345)))

    def test_done_already(self):
        """RFC 3909 §2.2: one that is done is noSuchOperation or tooLate."""
        self.ok(wire.search(self.base, attributes=["1.1"]))
        self.assertIn(self.wire.request(wire.extended(CANCEL, cancel(self.wire.last))).code, (NO_SUCH_OPERATION, TOO_LATE, CANNOT_CANCEL))

    def test_of_itself(self):
        """RFC 3909 §2.2: a cancel cannot be canceled."""
        number = self.wire.last + 1
        self.assertIn(self.wire.request(wire.extended(CANCEL, cancel(number))).code, (CANNOT_CANCEL, NO_SUCH_OPERATION))

    def test_of_another_connection(self):
        """RFC 3909 §2.1: it is about operations of the same session."""
        self.needs_sync()
        asked = self.begin()
        self.refused(NO_SUCH_OPERATION, wire.extended(CANCEL, cancel(asked)), connection=self.operator())
        self.operator().request(wire.modify(self.base, (wire.REPLACE, "description", ["x"])))
        self.assertEqual(self.wire.receive().id, asked, "it goes on")

    def test_pipelined(self):
        """RFC 3909 §2.2: of a search and its cancel in one piece, both get exactly one response."""
        for name in "abc":
            self.person(name)
        connection = self.operator()
        connection.send(wire.message(50, wire.search(self.base, wire.SUB)) + wire.message(51, wire.extended(CANCEL, cancel(50))))
        found = {}
        while len(found) < 2:
            answer = connection.receive()
            if answer.tag in (wire.SEARCH, wire.EXTENDED):
                self.assertNotIn(answer.id, found)
                found[answer.id] = answer.code
        self.assertIn((found[50], found[51]), ((CANCELED, SUCCESS), (SUCCESS, NO_SUCH_OPERATION), (SUCCESS, TOO_LATE)))

    def test_damaged(self):
        """RFC 3909 §2.1: the value is a sequence with a message id."""
        for value in (None, b"", integer(1), sequence(), sequence(octets("1"))):
            self.refused(PROTOCOL_ERROR, wire.extended(CANCEL, value))
        for number in (-1, 2**31):
            self.assertIn(self.wire.request(wire.extended(CANCEL, cancel(number))).code, (PROTOCOL_ERROR, NO_SUCH_OPERATION))
