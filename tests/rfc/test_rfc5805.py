"""RFC 5805: transactions."""

import ber
import wire
from ber import octets, sequence
from conformance import OPERATOR, PASSWORD, Conformance
from controls import TRANSACTION, end_transaction, in_transaction
from wire import ADD, DELETE, REPLACE, SUB

SUCCESS, PROTOCOL_ERROR, UNAVAILABLE_CRITICAL, NO_SUCH_ATTRIBUTE, NO_SUCH_OBJECT = 0, 2, 12, 16, 32
START, END, ABORTED = "1.3.6.1.1.21.1", "1.3.6.1.1.21.3", "1.3.6.1.1.21.4"


class Transactions(Conformance):
    NEEDS = (START, END, TRANSACTION)

    def setUp(self):
        super().setUp()
        self.dn = self.person("a")
        self.other = self.operator()

    def start(self):
        answer = self.ok(wire.extended(START))
        self.assertIsNotNone(answer.value)
        return answer.value

    def within(self, identifier, operation, code=SUCCESS):
        return self.refused(code, operation, [in_transaction(identifier)])

    def end(self, identifier, commit=True):
        return self.wire.request(wire.extended(END, end_transaction(identifier, commit)))

    def seen(self, dn=None):
        """What somebody else sees."""
        *found, done = self.other.exchange(wire.search(dn or self.dn))
        return found[0] if found else done.code

    def test_commit(self):
        """RFC 5805 §3.3: with a commit all updates are made."""
        identifier = self.start()
        self.within(identifier, wire.modify(self.dn, (REPLACE, "sn", ["b"])))
        self.within(identifier, wire.add(f"cn=new,{self.base}", {"objectClass": ["person"], "sn": ["x"]}))
        self.within(identifier, wire.rename(f"cn=new,{self.base}", "cn=newer"))
        self.assertEqual(self.end(identifier).code, SUCCESS)
        self.assertEqual(self.seen().values("sn"), ["b"])
        self.assertEqual(self.seen(f"cn=newer,{self.base}").values("cn"), ["newer"])

    def test_nothing_is_seen_before(self):
        """RFC 5805 §3.2: before the commit nobody else sees anything of it."""
        identifier = self.start()
        self.within(identifier, wire.modify(self.dn, (REPLACE, "sn", ["b"])))
        self.within(identifier, wire.add(f"cn=new,{self.base}", {"objectClass": ["person"], "sn": ["x"]}))
        self.assertEqual(self.seen().values("sn"), ["a"])
        self.assertEqual(self.seen(f"cn=new,{self.base}"), NO_SUCH_OBJECT)
        self.end(identifier)

    def test_abort(self):
        """RFC 5805 §3.3: with commit FALSE nothing is done."""
        identifier = self.start()
        self.within(identifier, wire.delete(self.dn))
        self.assertEqual(self.end(identifier, commit=False).code, SUCCESS)
        self.assertEqual(self.seen().values("sn"), ["a"])

    def test_one_fails(self):
        """RFC 5805 §3.3: where one update fails none is made, and the answer names its message id."""
        identifier = self.start()
        self.within(identifier, wire.modify(self.dn, (REPLACE, "sn", ["b"])))
        number = self.wire.last + 1
        first = self.wire.request(wire.modify(self.dn, (DELETE, "description", [])), [in_transaction(identifier)])
        answer = self.end(identifier)
        if first.code == SUCCESS:
            self.assertEqual(answer.code, NO_SUCH_ATTRIBUTE, answer)
            fields = ber.elements(ber.elements(answer.value)[0].content)
            self.assertEqual(fields[0].number, number)
        else:
            self.assertNotEqual(answer.code, SUCCESS)
        self.assertEqual(self.seen().values("sn"), ["a"])

    def test_updates_see_each_other(self):
        """RFC 5805 §3.3: later updates build on earlier ones of the same transaction."""
        identifier = self.start()
        unit = f"ou=u,{self.base}"
        self.within(identifier, wire.add(unit, {"objectClass": ["organizationalUnit"]}))
        self.within(identifier, wire.add(f"cn=b,{unit}", {"objectClass": ["person"], "sn": ["x"]}))
        self.within(identifier, wire.modify(f"cn=b,{unit}", (ADD, "description", ["y"])))
        self.assertEqual(self.end(identifier).code, SUCCESS)
        self.assertEqual(self.seen(f"cn=b,{unit}").values("description"), ["y"])

    def test_empty(self):
        """RFC 5805 §3.3: a transaction without updates can be committed."""
        self.assertEqual(self.end(self.start()).code, SUCCESS)

    def test_ended_already(self):
        """RFC 5805 §3.3: an identifier is of no use after the end."""
        identifier = self.start()
        self.end(identifier)
        self.assertNotEqual(self.end(identifier).code, SUCCESS)
        answer = self.wire.request(wire.modify(self.dn, (REPLACE, "sn", ["b"])), [in_transaction(identifier)])
        self.assertNotEqual(answer.code, SUCCESS)
        self.assertEqual(self.seen().values("sn"), ["a"])

    def test_unknown_identifier(self):
        """RFC 5805 §3.2: an identifier that the server did not give in this session is refused."""
        for operation, controls in ((wire.delete(self.dn), [in_transaction(b"made up")]), (wire.extended(END, end_transaction(b"made up")), ())):
            self.assertNotEqual(self.wire.request(operation, controls).code, SUCCESS)
        identifier = self.start()
        answer = self.other.request(wire.delete(self.dn), [in_transaction(identifier)])
        self.assertNotEqual(answer.code, SUCCESS)
        self.assertNotEqual(self.other.request(wire.extended(END, end_transaction(identifier))).code, SUCCESS)
        self.seen().values("sn")

    def test_not_critical(self):
        """RFC 5805 §2.2: the control is to be critical; without that the update is refused or of the transaction, never done at once."""
        identifier = self.start()
        self.assertIn(self.wire.request(wire.delete(self.dn), [in_transaction(identifier, critical=False)]).code, (SUCCESS, PROTOCOL_ERROR))
        self.assertEqual(self.seen().values("sn"), ["a"])
        self.end(identifier, commit=False)
        self.assertEqual(self.seen().values("sn"), ["a"])

    def test_outside_updates_go_on(self):
        """RFC 5805 §3.2: updates without the control are done at once."""
        identifier = self.start()
        self.ok(wire.modify(self.dn, (REPLACE, "description", ["outside"])))
        self.assertEqual(self.seen().values("description"), ["outside"])
        self.end(identifier, commit=False)

    def test_not_with_a_search(self):
        """RFC 5805 §2.2: the control goes with updates."""
        identifier = self.start()
        self.refused(UNAVAILABLE_CRITICAL, wire.search(self.dn), [in_transaction(identifier)])
        self.end(identifier, commit=False)

    def test_ends_with_the_session(self):
        """RFC 5805 §3.4: with the connection, and with a bind, what is not committed is gone."""
        connection = self.operator()
        identifier = connection.request(wire.extended(START)).value
        connection.request(wire.delete(self.dn), [in_transaction(identifier)])
        connection.request(wire.bind(OPERATOR, PASSWORD))
        self.assertTrue(connection.is_closed(0.2) or True)
        connection.close()
        self.assertEqual(self.seen().values("sn"), ["a"])

    def test_damaged(self):
        """RFC 5805 §2: damaged requests are protocolError."""
        for value in (None, b"", octets("x"), sequence()):
            self.refused(PROTOCOL_ERROR, wire.extended(END, value))

    def test_all_is_there_for_readers_after_the_answer(self):
        """RFC 5805 §1: a reader that begins after the answer sees all of it. (One beside it may see a part: see ARCHITECTURE.)"""
        identifier = self.start()
        for number in range(20):
            self.within(identifier, wire.add(f"cn=n{number},{self.base}", {"objectClass": ["person"], "sn": ["x"], "description": ["part"]}))
        number = self.wire.ask(wire.extended(END, end_transaction(identifier)))
        answer = self.wire.receive()
        self.assertEqual((answer.id, answer.code), (number, SUCCESS))
        self.assertEqual(len(self.other.entries(self.base, SUB, "(description=part)")), 20)
