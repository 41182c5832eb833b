"""RFC 4511: the protocol."""

import time

import ber
import wire
from ber import boolean, enumerated, integer, octets, sequence, set_of, tlv
from conformance import OPERATOR, PASSWORD, SUFFIX, Conformance
from wire import ADD, BASE, CHILDREN, DELETE, ONE, REPLACE, SUB, Wire

SUCCESS, OPERATIONS_ERROR, PROTOCOL_ERROR, TIME_LIMIT, SIZE_LIMIT, COMPARE_FALSE, COMPARE_TRUE = range(7)
AUTH_METHOD, UNAVAILABLE_CRITICAL = 7, 12
NO_SUCH_ATTRIBUTE, UNDEFINED_TYPE, INAPPROPRIATE_MATCHING, CONSTRAINT, EXISTS_VALUE, BAD_VALUE = 16, 17, 18, 19, 20, 21
NO_SUCH_OBJECT, INVALID_NAME, INVALID_CREDENTIALS, UNWILLING = 32, 34, 49, 53
NAMING, OBJECT_CLASS, NON_LEAF, ON_RDN, EXISTS, CLASS_CHANGE, SEVERAL_DSAS = 64, 65, 66, 67, 68, 69, 71
MANAGE_DSA_IT = "2.16.840.1.113730.3.4.2"
UNKNOWN = "1.3.6.1.4.1.99999.1"


class Envelope(Conformance):
    """§4.1.1, §5.1: the message."""

    def notice(self, data, connection=None):
        """What ends a connection: a Notice of Disconnection with protocolError, and then nothing."""
        connection = connection or self.anonymous()
        connection.send(data)
        answer = connection.receive()
        self.assertTrue(answer.is_notice, answer)
        self.assertEqual(answer.code, PROTOCOL_ERROR)
        self.assertTrue(connection.is_closed())

    def test_message_id_echoed(self):
        """RFC 4511 §4.1.1.1: the response has the message id of its request, up to maxInt."""
        for number in (1, 127, 128, 255, 256, 65535, 2**31 - 1):
            answer = self.wire.request(wire.search("", attributes=["1.1"]), message_id=number)
            self.assertEqual(answer.id, number)
            self.assertEqual(answer.id_element.content, integer(number)[2:])

    def test_message_id_zero_is_reserved(self):
        """RFC 4511 §4.1.1.1: the message id of a request must be non-zero."""
        self.notice(wire.message(0, wire.bind()))

    def test_message_id_beyond_max_int(self):
        """RFC 4511 §4.1.1.1: MessageID is 0 to 2147483647."""
        self.notice(sequence(integer(2**31), wire.bind()))

    def test_message_id_negative(self):
        """RFC 4511 §4.1.1.1: MessageID is not negative."""
        self.notice(sequence(integer(-1), wire.bind()))

    def test_envelope_tag_not_recognised(self):
        """RFC 4511 §4.1.1: where the SEQUENCE tag is not recognised the server must return the notice and terminate."""
        self.notice(set_of(integer(1), wire.bind()))

    def test_message_id_not_parsed(self):
        """RFC 4511 §4.1.1: where the messageID cannot be parsed the server must return the notice and terminate."""
        self.notice(sequence(octets("1"), wire.bind()))

    def test_request_tag_not_recognised(self):
        """RFC 4511 §4.1.1: where the tag of the protocolOp is not that of a request the server must terminate."""
        self.notice(sequence(integer(1), tlv(0x7F, octets("x"))))

    def test_response_as_request(self):
        """RFC 4511 §4.1.1: a response is no request."""
        self.notice(sequence(integer(1), tlv(0x61, enumerated(0), octets(""), octets(""))))

    def test_lengths_beyond_the_message(self):
        """RFC 4511 §4.1.1: where lengths of structures are found to be incorrect the session ends or gets protocolError."""
        connection = self.anonymous()
        inner = tlv(0x60, integer(3), octets(""), b"\x80\x7f")
        connection.send(sequence(integer(1), inner))
        answer = connection.receive()
        self.assertEqual(answer.code, PROTOCOL_ERROR)

    def test_indefinite_length(self):
        """RFC 4511 §5.1: only the definite form of length encoding is used."""
        self.notice(b"\x30\x80" + integer(1) + wire.bind() + b"\x00\x00")

    def test_long_form_of_lengths(self):
        """RFC 4511 §5.1: a definite length may be longer than needed (BER, not DER)."""
        inner = integer(1) + b"\x60\x84\x00\x00\x00\x07" + integer(3) + octets("") + octets("", 0x80)
        connection = self.anonymous()
        connection.send(b"\x30\x84" + len(inner).to_bytes(4, "big") + inner)
        self.assertEqual(connection.receive().code, SUCCESS)

    def test_boolean_true_is_ff(self):
        """RFC 4511 §5.1: a BOOLEAN of TRUE has its octet set to FF; other encodings of it are not taken for FALSE."""
        connection = self.operator()
        person = self.person("a")
        content = octets(person) + enumerated(0) + enumerated(0) + integer(0) + integer(0)
        odd = tlv(0x63, content, tlv(0x01, b"\x01"), octets("objectClass", 0x87), sequence())
        answer = connection.exchange(odd)[0]
        if answer.tag == wire.ENTRY:
            self.assertTrue(all(not values for values in answer.attributes.values()), "taken for FALSE")
        else:
            self.assertEqual(answer.code, PROTOCOL_ERROR)

    def test_octet_string_primitive(self):
        """RFC 4511 §5.1: an OCTET STRING is encoded in the primitive form only."""
        connection = self.anonymous()
        connection.send(sequence(integer(1), tlv(0x60, integer(3), tlv(0x24, octets("")), octets("", 0x80))))
        self.assertEqual(connection.receive().code, PROTOCOL_ERROR)

    def test_message_in_many_pieces(self):
        """RFC 4511 §5.1: a message is what its length says, however the transport cuts it."""
        connection = self.anonymous()
        for octet in wire.message(9, wire.bind()):
            connection.send(bytes([octet]))
        answer = connection.receive()
        self.assertEqual((answer.id, answer.code), (9, SUCCESS))

    def test_many_messages_in_one_piece(self):
        """RFC 4511 §3.1: requests may follow each other without waiting; each is answered once."""
        asked = list(range(1, 41))
        self.wire.send(b"".join(wire.message(number, wire.search("", attributes=["1.1"])) for number in asked))
        found = [self.wire.receive() for _ in range(2 * len(asked))]
        done = [answer.id for answer in found if answer.tag == wire.SEARCH]
        self.assertEqual(sorted(done), asked)

    def test_entries_before_their_done(self):
        """RFC 4511 §4.5.2: a searchResDone follows all entries of its search, also where others are under way."""
        for name in "abc":
            self.person(name)
        for number in range(1, 11):
            self.wire.ask(wire.search(self.base, SUB, attributes=["1.1"]), message_id=number)
        counts, done = {}, set()
        while len(done) < 10:
            answer = self.wire.receive()
            self.assertNotIn(answer.id, done)
            if answer.tag == wire.ENTRY:
                counts[answer.id] = counts.get(answer.id, 0) + 1
            else:
                self.assertEqual(answer.code, SUCCESS)
                done.add(answer.id)
        self.assertEqual(set(counts.values()), {4})

    def test_trailing_protocol_op_component(self):
        """RFC 4511 §4: extensible sequences; trailing unrecognised components of a request are ignored."""
        connection = self.anonymous()
        connection.send(sequence(integer(1), tlv(0x60, integer(3), octets(""), octets("", 0x80), tlv(0x8F, b"x"))))
        self.assertIn(connection.receive().code, (SUCCESS, PROTOCOL_ERROR))

    def test_string_not_utf8(self):
        """RFC 4511 §4.1.2: an LDAPString is UTF-8."""
        connection = self.operator()
        answer = connection.request(wire.extended(b"\xff\xfe"))
        self.assertEqual(answer.code, PROTOCOL_ERROR)

    def test_name_not_utf8(self):
        """RFC 4511 §4.1.3: an LDAPDN is UTF-8; a name that is not gets an error under its message id."""
        answer = self.wire.request(wire.delete(b"cn=\xff\xfe," + self.base.encode()))
        self.assertEqual(answer.code, INVALID_NAME)


class Results(Conformance):
    """§4.1.9: LDAPResult."""

    def test_matched_dn_is_the_lowest_entry(self):
        """RFC 4511 §4.1.9: with noSuchObject, matchedDN is the name of the last entry used in finding the target."""
        unit = self.unit("here")
        for operation in (
            wire.search(f"cn=x,cn=y,{unit}"),
            wire.delete(f"cn=x,cn=y,{unit}"),
            wire.compare(f"cn=x,cn=y,{unit}", "cn", "x"),
            wire.modify(f"cn=x,cn=y,{unit}", (REPLACE, "sn", ["x"])),
            wire.rename(f"cn=x,cn=y,{unit}", "cn=z"),
            wire.add(f"cn=x,cn=y,{unit}", {"objectClass": ["inetOrgPerson"], "sn": ["x"]}),
        ):
            self.assertEqual(self.refused(NO_SUCH_OBJECT, operation).matched.casefold(), unit.casefold())

    def test_matched_dn_empty_outside(self):
        """RFC 4511 §4.1.9: matchedDN is empty where no entry above the target is held."""
        self.assertEqual(self.refused(NO_SUCH_OBJECT, wire.search("dc=elsewhere")).matched, "")

    def test_matched_dn_empty_otherwise(self):
        """RFC 4511 §4.1.9: for other result codes matchedDN is empty."""
        person = self.person("a")
        for code, operation in (
            (UNDEFINED_TYPE, wire.modify(person, (REPLACE, "noSuchType", ["x"]))),
            (INVALID_NAME, wire.search("no name")),
            (EXISTS, wire.add(person, {"objectClass": ["inetOrgPerson"], "sn": ["x"]})),
            (COMPARE_FALSE, wire.compare(person, "sn", "b")),
        ):
            self.assertEqual(self.refused(code, operation).matched, "")

    def test_matched_dn_of_a_new_superior(self):
        """RFC 4511 §4.9, §4.1.9: a newSuperior that is not there is noSuchObject, matched up to what is there."""
        person = self.person("a")
        answer = self.refused(NO_SUCH_OBJECT, wire.rename(person, "cn=a", superior=f"ou=x,ou=y,{self.base}"))
        self.assertIn(answer.matched.casefold(), ("", self.base.casefold()))

    def test_diagnostic_message_is_text(self):
        """RFC 4511 §4.1.9: diagnosticMessage is an LDAPString; with an error it says something."""
        self.assertTrue(self.refused(UNDEFINED_TYPE, wire.modify(self.base, (REPLACE, "noSuchType", ["x"]))).text)

    def test_no_referral_without_the_code(self):
        """RFC 4511 §4.1.9: the referral field is present where the result code is referral, and absent otherwise."""
        self.assertIsNone(self.refused(SUCCESS, wire.search(self.base, attributes=["1.1"])).referral)
        self.assertIsNone(self.refused(NO_SUCH_OBJECT, wire.search(f"cn=x,{self.base}")).referral)


class Controls(Conformance):
    """§4.1.11."""

    def test_unknown_critical_control(self):
        """RFC 4511 §4.1.11: an unrecognised critical control: the operation is not done, unavailableCriticalExtension."""
        person = self.person("a")
        for operation in (
            wire.search(self.base, SUB),
            wire.modify(person, (REPLACE, "sn", ["b"])),
            wire.compare(person, "sn", "a"),
            wire.rename(person, "cn=b"),
            wire.add(f"cn=c,{self.base}", {"objectClass": ["inetOrgPerson"], "sn": ["x"]}),
            wire.extended(wire.WHO_AM_I),
            wire.delete(person),
        ):
            self.refused(UNAVAILABLE_CRITICAL, operation, [wire.control(UNKNOWN, True)])
        self.assertEqual(self.wire.entry(person).values("sn"), ["a"])
        self.assertEqual(self.names("(cn=*)"), ["a"])

    def test_unknown_control_ignored(self):
        """RFC 4511 §4.1.11: an unrecognised control that is not critical is ignored."""
        person = self.person("a")
        self.ok(wire.modify(person, (REPLACE, "sn", ["b"])), [wire.control(UNKNOWN), wire.control(UNKNOWN + ".2", value=b"\x00")])
        self.assertEqual(self.wire.entry(person).values("sn"), ["b"])

    def test_unknown_critical_control_on_bind(self):
        """RFC 4511 §4.1.11: also a bind with an unrecognised critical control is not done."""
        connection = self.anonymous()
        self.refused(UNAVAILABLE_CRITICAL, wire.bind(OPERATOR, PASSWORD), [wire.control(UNKNOWN, True)], connection)
        self.assertEqual(connection.request(wire.extended(wire.WHO_AM_I)).value, b"")

    def test_criticality_of_unbind_is_ignored(self):
        """RFC 4511 §4.1.11: the criticality field is ignored on an unbind request; the connection ends."""
        connection = self.operator()
        connection.ask(wire.unbind(), [wire.control(UNKNOWN, True)])
        with self.assertRaises(wire.Closed):
            connection.receive()

    def test_criticality_of_abandon_is_ignored(self):
        """RFC 4511 §4.1.11: the criticality field is ignored on an abandon request; nothing answers it."""
        connection = self.operator()
        connection.ask(wire.abandon(77), [wire.control(UNKNOWN, True)])
        asked = connection.ask(wire.compare(self.base, "ou", "x"))
        self.assertEqual(connection.receive().id, asked)

    def test_known_control_on_another_operation(self):
        """RFC 4511 §4.1.11: a critical control not appropriate for the operation is unavailableCriticalExtension."""
        paged = wire.control("1.2.840.113556.1.4.319", True, sequence(integer(5), octets("")))
        self.refused(UNAVAILABLE_CRITICAL, wire.modify(self.base, (REPLACE, "description", ["x"])), [paged])
        self.assertEqual(self.wire.entry(self.base).values("description"), [])

    def test_known_uncritical_control_on_another_operation(self):
        """RFC 4511 §4.1.11: a control that is not appropriate and not critical is ignored."""
        paged = wire.control("1.2.840.113556.1.4.319", False, sequence(integer(5), octets("")))
        self.ok(wire.modify(self.base, (REPLACE, "description", ["x"])), [paged])

    def test_criticality_sent_as_false(self):
        """RFC 4511 §4.1.11: criticality defaults to FALSE; FALSE that is sent is the same."""
        sent = sequence(octets(UNKNOWN), boolean(False), octets("x"))
        self.refused(COMPARE_FALSE, wire.compare(self.base, "ou", "other"), [sent])

    def test_control_type_is_an_oid(self):
        """RFC 4511 §4.1.11: controlType is a dotted-decimal OID; what is none is never recognised."""
        answer = self.wire.request(wire.compare(self.base, "ou", "x"), [wire.control("pagedResults", True)])
        self.assertIn(answer.code, (UNAVAILABLE_CRITICAL, PROTOCOL_ERROR))

    def test_control_value_that_is_damaged(self):
        """RFC 4511 §4.1.11: a control whose value cannot be decoded makes the request a protocolError."""
        paged = wire.control("1.2.840.113556.1.4.319", True, b"\x30\x7f\x02")
        self.refused(PROTOCOL_ERROR, wire.search(self.base, SUB), [paged])

    def test_same_control_twice(self):
        """RFC 4511 §4.1.11: a combination of controls that makes no sense should be protocolError."""
        twice = [wire.control(MANAGE_DSA_IT, True)] * 2
        self.refused(PROTOCOL_ERROR, wire.search(self.base), twice)

    def test_root_lists_controls_and_they_work(self):
        """RFC 4511 §4.1.11, RFC 4512 §5.1: supportedControl is in the root DSE, each an OID and each once."""
        listed = self.wire.entry("", "supportedControl").values("supportedControl")
        self.assertEqual(len(listed), len(set(listed)))
        self.assertIn(MANAGE_DSA_IT, listed)
        for oid in listed:
            self.assertRegex(oid, r"^[0-9]+(\.[0-9]+)+$")


class Bind(Conformance):
    """§4.2 (the states are in RFC 4513)."""

    def test_version_other_than_3(self):
        """RFC 4511 §4.2: a version the server does not support is protocolError; anonymous bind with 3 succeeds."""
        for version in (1, 2, 4, 127):
            self.refused(PROTOCOL_ERROR, wire.bind(version=version), connection=self.anonymous())
        self.refused(SUCCESS, wire.bind(), connection=self.anonymous())

    def test_bind_response_has_no_credentials_for_simple(self):
        """RFC 4511 §4.2.2: serverSaslCreds is absent from the response to a simple bind."""
        answer = self.anonymous().request(wire.bind(OPERATOR, PASSWORD))
        self.assertEqual((answer.tag, answer.code, answer.field(0x87)), (wire.BIND, SUCCESS, None))

    def test_unknown_sasl_mechanism(self):
        """RFC 4511 §4.2.2: a mechanism that is not supported is authMethodNotSupported."""
        self.refused(AUTH_METHOD, wire.sasl("NO-SUCH-MECHANISM"), connection=self.anonymous())

    def test_unknown_authentication_choice(self):
        """RFC 4511 §4.2: an authentication choice that is not supported is authMethodNotSupported."""
        answer = self.anonymous().request(tlv(0x60, integer(3), octets(OPERATOR), octets("x", 0x81)))
        self.assertIn(answer.code, (AUTH_METHOD, PROTOCOL_ERROR))

    def test_empty_sasl_mechanism_aborts(self):
        """RFC 4511 §4.2.1: a bind with an empty mechanism aborts a negotiation with authMethodNotSupported."""
        self.refused(AUTH_METHOD, wire.sasl(""), connection=self.anonymous())

    def test_operations_wait_for_the_bind(self):
        """RFC 4511 §4.2.1: requests after a bind in one piece are processed under the new identity."""
        connection = self.anonymous()
        connection.send(
            wire.message(1, wire.bind(OPERATOR, PASSWORD))
            + wire.message(2, wire.extended(wire.WHO_AM_I))
            + wire.message(3, wire.bind())
            + wire.message(4, wire.extended(wire.WHO_AM_I))
        )
        found = [connection.receive() for _ in range(4)]
        self.assertEqual([answer.id for answer in found], [1, 2, 3, 4])
        self.assertEqual((found[1].value, found[3].value), (f"dn:{OPERATOR}".encode(), b""))

    def test_outstanding_operations_before_a_bind(self):
        """RFC 4511 §4.2.1: operations under way are finished or abandoned before a bind is processed."""
        for name in "abcdef":
            self.person(name)
        self.wire.send(b"".join(wire.message(n, wire.search(self.base, SUB)) for n in range(1, 6)) + wire.message(6, wire.bind()))
        after = False
        while not after:
            answer = self.wire.receive()
            after = answer.id == 6
        with self.assertRaises(TimeoutError):
            self.wire.receive(0.3)

    def test_bind_name_of_bad_syntax(self):
        """RFC 4511 §4.2: a name that is no DN does not sign in."""
        self.assertIn(self.anonymous().request(wire.bind("no name", "secret")).code, (INVALID_NAME, INVALID_CREDENTIALS))

    def test_bind_spelled_otherwise(self):
        """RFC 4511 §4.2, RFC 4517 §4.2.15: the name of a bind is compared as a DN."""
        spelled = OPERATOR.replace("cn=admin,dc=", "CN = \\61DMIN , DC=").upper().replace("\\61", "\\61")
        self.refused(SUCCESS, wire.bind(spelled, PASSWORD), connection=self.anonymous())


class UnbindAbandonNotice(Conformance):
    """§4.3, §4.4, §4.11."""

    def test_unbind_ends_without_a_word(self):
        """RFC 4511 §4.3: an unbind has no response; the server ends the session."""
        connection = self.operator()
        connection.ask(wire.unbind())
        with self.assertRaises(wire.Closed):
            connection.receive()

    def test_nothing_after_unbind_is_done(self):
        """RFC 4511 §4.3: the session is over with the unbind; what follows in the same piece is not done."""
        connection = self.operator()
        add = wire.add(f"cn=late,{self.base}", {"objectClass": ["inetOrgPerson"], "sn": ["x"]})
        connection.send(wire.message(5, wire.unbind()) + wire.message(6, add))
        self.assertTrue(connection.is_closed())
        self.assertEqual(self.names("(cn=late)"), [])

    def test_change_before_unbind_is_made(self):
        """RFC 4511 §4.3: a request made before the unbind was sent, and completed, is durable."""
        connection = self.operator()
        connection.send(wire.message(5, wire.add(f"cn=in time,{self.base}", {"objectClass": ["inetOrgPerson"], "sn": ["x"]})) + wire.message(6, wire.unbind()))
        self.assertTrue(connection.is_closed())
        deadline = time.monotonic() + 5
        while not self.names("(cn=in time)") and time.monotonic() < deadline:
            time.sleep(0.05)
        self.assertEqual(self.names("(cn=in time)"), ["in time"])

    def test_abandon_has_no_response(self):
        """RFC 4511 §4.11: there is no response to an abandon, also for an unknown message id."""
        self.wire.ask(wire.abandon(999))
        asked = self.wire.ask(wire.compare(self.base, "ou", "x"))
        self.assertEqual(self.wire.receive().id, asked)

    def test_abandoned_search_is_silent(self):
        """RFC 4511 §4.11: an abandoned search may have sent entries before; it never gets a response after the next answer."""
        connection = self.operator()
        for number in range(40):
            self.person(f"p{number}")
        connection.send(wire.message(50, wire.search(SUFFIX, SUB)) + wire.message(51, wire.abandon(50)) + wire.message(52, wire.compare(self.base, "ou", "x")))
        while connection.receive().id != 52:
            pass
        with self.assertRaises(TimeoutError):
            connection.receive(0.3)

    def test_abandon_of_a_bind_is_ignored(self):
        """RFC 4511 §4.11: bind, unbind and StartTLS cannot be abandoned: the bind is answered."""
        connection = self.anonymous()
        connection.send(wire.message(1, wire.bind(OPERATOR, PASSWORD)) + wire.message(2, wire.abandon(1)))
        answer = connection.receive()
        self.assertEqual((answer.id, answer.code), (1, SUCCESS))
        self.assertEqual(connection.request(wire.extended(wire.WHO_AM_I), message_id=3).value, f"dn:{OPERATOR}".encode())

    def test_notice_of_disconnection(self):
        """RFC 4511 §4.4.1: the notice has message id 0, the name 1.3.6.1.4.1.1466.20036 and no value."""
        connection = self.anonymous()
        connection.send(b"\x04\x02hi")
        answer = connection.receive()
        self.assertEqual((answer.id, answer.tag, answer.name, answer.value), (0, wire.EXTENDED, wire.DISCONNECTION, None))
        self.assertTrue(connection.is_closed())


class Search(Conformance):
    """§4.5."""

    def tree(self):
        """base > ou=u1 > cn=a, cn=b; ou=u2 > cn=c."""
        first, second = self.unit("u1"), self.unit("u2")
        self.person("a", first)
        self.person("b", first, description=["one", "two"])
        self.person("c", second)
        return first, second

    def test_scopes(self):
        """RFC 4511 §4.5.1.2: baseObject, singleLevel and wholeSubtree (and subordinateSubtree) take what they say."""
        self.tree()
        name = self.top
        for scope, expected in ((BASE, [name]), (ONE, ["u1", "u2"]), (SUB, ["a", "b", "c", name, "u1", "u2"]), (CHILDREN, ["a", "b", "c", "u1", "u2"])):
            self.assertEqual(self.names("(objectClass=*)", scope), sorted(expected), scope)

    def test_unknown_scope(self):
        """RFC 4511 §4.5.1.2: a scope that is not known is protocolError."""
        self.refused(PROTOCOL_ERROR, wire.search(self.base, 9))

    def test_unknown_deref(self):
        """RFC 4511 §4.5.1.3: derefAliases is 0 to 3."""
        self.refused(PROTOCOL_ERROR, wire.search(self.base, dereference=4))

    def test_base_that_is_not_there(self):
        """RFC 4511 §4.5.1.1, §4.5.3: a base object that does not exist is noSuchObject, with no entries, in every scope."""
        for scope in (BASE, ONE, SUB):
            found = self.wire.exchange(wire.search(f"ou=none,{self.base}", scope))
            self.assertEqual((len(found), found[0].code), (1, NO_SUCH_OBJECT))

    def test_no_match_is_success(self):
        """RFC 4511 §4.5.2: a search that finds nothing is a success with no entries."""
        found = self.wire.exchange(wire.search(self.base, SUB, "(cn=nobody)"))
        self.assertEqual((len(found), found[0].code), (1, SUCCESS))

    def test_size_limit(self):
        """RFC 4511 §4.5.1.4: no more entries than the size limit, and sizeLimitExceeded where there are more."""
        self.tree()
        for limit, entries, code in ((1, 1, SIZE_LIMIT), (5, 5, SIZE_LIMIT), (6, 6, SUCCESS), (0, 6, SUCCESS), (7, 6, SUCCESS)):
            found = self.wire.exchange(wire.search(self.base, SUB, size=limit))
            self.assertEqual((len(found) - 1, found[-1].code), (entries, code), limit)

    def test_limits_out_of_range(self):
        """RFC 4511 §4.5.1.4, §4.5.1.5: limits are 0 to maxInt."""
        for options in ({"size": -1}, {"time_limit": -1}, {"size": 2**31}, {"time_limit": 2**31}):
            self.refused(PROTOCOL_ERROR, wire.search(self.base, **options))

    def test_types_only(self):
        """RFC 4511 §4.5.1.6: with typesOnly the descriptions come without values, as empty sets."""
        person = self.person("a", description=["one"])
        (found,) = self.wire.entries(person, types_only=True)
        self.assertEqual({name.casefold(): values for name, values in found.attributes.items()}, dict.fromkeys(("objectclass", "cn", "sn", "description"), []))

    def test_no_attributes(self):
        """RFC 4511 §4.5.1.8: 1.1 alone asks for no attributes."""
        self.assertEqual(self.wire.entry(self.base, "1.1").attributes, {})

    def test_no_attributes_with_others(self):
        """RFC 4511 §4.5.1.8: 1.1 together with other selectors is ignored."""
        self.assertEqual(list(self.wire.entry(self.base, "1.1", "ou").attributes), ["ou"])

    def test_all_user_attributes(self):
        """RFC 4511 §4.5.1.8: an empty list and * ask for all user attributes and no operational ones."""
        person = self.person("a", description=["x"])
        for selection in ((), ("*",)):
            found = self.wire.entry(person, *selection).attributes
            self.assertEqual({name.casefold() for name in found}, {"objectclass", "cn", "sn", "description"})

    def test_operational_attributes_by_name(self):
        """RFC 4511 §4.5.1.8: operational attributes are returned where their descriptions are listed."""
        found = self.wire.entry(self.base, "*", "createTimestamp")
        self.assertTrue(found.values("createTimestamp") and found.values("ou"))

    def test_unknown_selector_is_ignored(self):
        """RFC 4511 §4.5.1.8: a selector that is not recognised is treated as an unrecognised attribute description."""
        self.assertEqual(list(self.wire.entry(self.base, "noSuchType", "ou", "???", "1.2.3.4.5.6.7").attributes), ["ou"])

    def test_selector_twice(self):
        """RFC 4511 §4.5.1.8: an attribute asked for twice is returned once, under whatever spellings."""
        self.assertEqual(len(self.wire.entry(self.base, "ou", "OU", "2.5.4.11", "organizationalUnitName").attributes), 1)

    def test_selector_of_supertype(self):
        """RFC 4511 §4.5.1.8, RFC 4512 §2.5.1: asking for a supertype returns its subtypes."""
        person = self.person("a")
        self.assertEqual({name.casefold() for name in self.wire.entry(person, "name").attributes}, {"cn", "sn"})

    def test_attribute_twice_in_entry(self):
        """RFC 4511 §4.5.2: an attribute description occurs at most once in an entry's list."""
        person = self.person("a", **{"cn;lang-de": ["b"]})
        (found,) = self.wire.entries(person, attributes=["*", "+"])
        pairs = [part.parts[0].text.casefold() for part in found.parts[1].parts]
        self.assertEqual(len(pairs), len(set(pairs)))

    def test_filter_undefined_base_object(self):
        """RFC 4511 §4.5.1: the filter applies in baseObject scope too."""
        self.assertEqual(self.wire.entries(self.base, BASE, "(ou=something else)"), [])


class Filters(Conformance):
    """§4.5.1.7."""

    def setUp(self):
        super().setUp()
        self.person("a", description=["red apple"], telephoneNumber=["+1 222 333"], title=["Chief"])
        self.person("b", description=["green pear"], seeAlso=[self.base])
        self.person("c", title=["Clerk"])

    def test_equality(self):
        """RFC 4511 §4.5.1.7.1: equalityMatch uses the EQUALITY rule of the type."""
        self.assertEqual(self.names("(description=RED   apple)"), ["a"])
        self.assertEqual(self.names("(telephoneNumber=+1222-333)"), ["a"])

    def test_substrings(self):
        """RFC 4511 §4.5.1.7.2: initial, any and final in their order, without overlap."""
        for text, expected in (
            ("(description=red*)", ["a"]),
            ("(description=*apple)", ["a"]),
            ("(description=*e*p*)", ["a", "b"]),
            ("(description=*d*a*e)", ["a"]),
            ("(description=red apple*apple)", []),
            ("(description=*p*p*p*)", []),
            ("(description=re*ed*)", []),
            ("(description=*ear)", ["b"]),
            ("(description=R*D*aPP*E)", ["a"]),
        ):
            self.assertEqual(self.names(text), expected, text)

    def test_substrings_without_a_part(self):
        """RFC 4511 §4.5.1.7: substrings is SIZE (1..MAX); none is protocolError."""
        self.refused(PROTOCOL_ERROR, wire.search(self.base, SUB, tlv(0xA4, octets("cn"), sequence())))

    def test_substrings_order(self):
        """RFC 4511 §4.5.1.7.2: there is at most one initial, first, and one final, last."""
        for tags in ((0x80, 0x80), (0x82, 0x82), (0x81, 0x80), (0x82, 0x81)):
            parts = sequence(*(octets("a", tag) for tag in tags))
            self.refused(PROTOCOL_ERROR, wire.search(self.base, SUB, tlv(0xA4, octets("cn"), parts)))

    def test_ordering(self):
        """RFC 4511 §4.5.1.7.3, §4.5.1.7.4: greaterOrEqual and lessOrEqual include equality."""
        for value in ("5", "10", "100"):
            self.ok(wire.add(f"uid={value},{self.base}", {"objectClass": ["account", "posixAccount"], "cn": ["n"], "uidNumber": [value], "gidNumber": ["1"], "homeDirectory": ["/"]}))
        self.assertEqual(self.names("(uidNumber>=10)"), ["10", "100"])
        self.assertEqual(self.names("(uidNumber<=10)"), ["10", "5"])

    def test_present(self):
        """RFC 4511 §4.5.1.7.5: present is TRUE where a value of the type or of a subtype is there."""
        self.assertEqual(self.names("(title=*)"), ["a", "c"])
        self.assertEqual(self.names("(name=*)", SUB, attributes=["1.1"])[:3], ["a", "b", "c"])
        self.assertEqual(self.names("(!(title=*))"), ["b", self.top])

    def test_approximate(self):
        """RFC 4511 §4.5.1.7.6: approxMatch is at least equality."""
        self.assertEqual(self.names("(description~=red apple)"), ["a"])
        self.assertEqual(self.names("(description~=blue plum)"), [])

    def test_three_valued_logic(self):
        """RFC 4511 §4.5.1.7: Undefined is neither TRUE nor FALSE, through and, or and not."""
        for text, expected in (
            ("(noSuchType=x)", []),
            ("(!(noSuchType=x))", []),
            ("(!(noSuchType=*))", None),
            ("(|(noSuchType=x)(cn=a))", ["a"]),
            ("(&(noSuchType=x)(cn=a))", []),
            ("(!(&(noSuchType=x)(cn=a)))", ["b", "c", "base"]),
            ("(!(|(noSuchType=x)(cn=a)))", []),
            ("(!(&(noSuchType=x)(!(cn=a))))", ["a"]),
            ("(|(!(noSuchType=x))(cn=b))", ["b"]),
        ):
            if expected is not None:
                expected = sorted(self.top if name == "base" else name for name in expected)
                self.assertEqual(self.names(text), expected, text)

    def test_undefined_by_value(self):
        """RFC 4511 §4.5.1.7: an assertion value that is not valid for the rule makes the item Undefined."""
        for text in ("(uidNumber=many)", "(seeAlso=no name)", "(telephoneNumber=\\ff)", "(createTimestamp>=yesterday)", "(entryUUID=x)"):
            self.assertEqual(self.names(text), [], text)
            self.assertEqual(self.names(f"(!{text})"), [], text)

    def test_undefined_by_missing_rule(self):
        """RFC 4511 §4.5.1.7: a type without the rule makes the item Undefined."""
        for text in ("(seeAlso>=dc=a)", "(seeAlso=dc=*)", "(jpegPhoto=x)", "(objectClass>=person)"):
            self.assertEqual(self.names(text), [], text)
            self.assertEqual(self.names(f"(!{text})"), [], text)

    def test_and_or_not(self):
        """RFC 4511 §4.5.1.7: and, or and not."""
        self.assertEqual(self.names("(&(title=*)(description=*))"), ["a"])
        self.assertEqual(self.names("(|(title=clerk)(description=*pear))"), ["b", "c"])
        self.assertEqual(self.names("(&(objectClass=person)(!(title=*)))"), ["b"])

    def test_extensible_with_rule(self):
        """RFC 4511 §4.5.1.7.7: type and matchingRule: that rule is used for that type."""
        self.assertEqual(self.names("(description:caseExactMatch:=red apple)"), ["a"])
        self.assertEqual(self.names("(description:2.5.13.5:=RED apple)"), [])
        self.assertEqual(self.names("(description:caseIgnoreMatch:=RED apple)"), ["a"])

    def test_extensible_without_rule(self):
        """RFC 4511 §4.5.1.7.7: without matchingRule the type's equality rule is used."""
        self.assertEqual(self.names("(description:=RED apple)"), ["a"])

    def test_extensible_without_type(self):
        """RFC 4511 §4.5.1.7.7: without type all attributes that the rule supports are compared."""
        self.assertEqual(self.names("(:caseIgnoreMatch:=red APPLE)"), ["a"])
        self.assertEqual(self.names("(:distinguishedNameMatch:=" + self.base + ")", CHILDREN), ["b"])

    def test_extensible_dn_attributes(self):
        """RFC 4511 §4.5.1.7.7: dnAttributes also looks at the AVAs of the entry's DN."""
        name = self.top
        self.assertEqual(self.names(f"(ou:dn:={name})"), sorted(["a", "b", "c", name]))
        self.assertEqual(self.names(f"(ou:={name})"), [name])
        self.assertEqual(self.names(f"(ou:dn:caseExactMatch:={name.upper()})"), [])
        self.assertEqual(self.names(f"(:dn:caseIgnoreMatch:={name.upper()})", ONE), ["a", "b", "c"])

    def test_extensible_unknown_rule(self):
        """RFC 4511 §4.5.1.7.7: a rule that is not known makes the item Undefined (or inappropriateMatching is returned)."""
        for text in ("(description:noSuchRule:=x)", "(!(description:1.2.3.4.5:=x))", "(:noSuchRule:=x)"):
            *found, done = self.wire.exchange(wire.search(self.base, SUB, text))
            self.assertEqual(found, [])
            self.assertIn(done.code, (SUCCESS, INAPPROPRIATE_MATCHING))

    def test_extensible_rule_not_for_the_type(self):
        """RFC 4511 §4.5.1.7.7: a rule that does not go with the type makes the item Undefined."""
        for text in ("(description:integerMatch:=5)", "(!(description:integerMatch:=5))"):
            *found, done = self.wire.exchange(wire.search(self.base, SUB, text))
            self.assertEqual(found, [])
            self.assertIn(done.code, (SUCCESS, INAPPROPRIATE_MATCHING))

    def test_extensible_neither(self):
        """RFC 4511 §4.5.1.7.7: without matchingRule there must be a type."""
        self.refused(PROTOCOL_ERROR, wire.search(self.base, SUB, tlv(0xA9, octets("x", 0x83))))

    def test_unknown_choice(self):
        """RFC 4511 §4.5.1.7: a filter choice that is not recognised is Undefined or protocolError, under its message id."""
        *found, done = self.wire.exchange(wire.search(self.base, SUB, tlv(0xAF, octets("cn"), octets("a"))))
        self.assertEqual(found, [])
        self.assertIn(done.code, (SUCCESS, PROTOCOL_ERROR))

    def test_not_with_two(self):
        """RFC 4511 §4.5.1.7: not has exactly one filter."""
        self.refused(PROTOCOL_ERROR, wire.search(self.base, SUB, tlv(0xA2, wire.filter_of("(cn=a)"), wire.filter_of("(cn=b)"))))
        self.refused(PROTOCOL_ERROR, wire.search(self.base, SUB, tlv(0xA2)))

    def test_filter_by_oid_and_alias(self):
        """RFC 4511 §4.1.4, RFC 4512 §2.5: a type is named by its OID or any of its names, in any case."""
        for text in ("(2.5.4.13=red apple)", "(DESCRIPTION=red apple)", "(commonName=a)", "(2.5.4.3=a)"):
            self.assertEqual(self.names(text), ["a"], text)

    def test_octets_in_a_value(self):
        """RFC 4511 §4.1.6: an assertion value is octets; what is no UTF-8 in a text rule is Undefined and no error."""
        self.assertEqual(self.names("(description=\\ff\\fe)"), [])


class Modify(Conformance):
    """§4.6."""

    def test_sequence_of_changes(self):
        """RFC 4511 §4.6: the changes are made in their order, as one."""
        person = self.person("a", description=["1"])
        self.ok(wire.modify(person, (DELETE, "description", []), (ADD, "description", ["2", "3"]), (DELETE, "description", ["2"]), (ADD, "title", ["t"])))
        found = self.wire.entry(person)
        self.assertEqual((found.values("description"), found.values("title")), (["3"], ["t"]))

    def test_all_or_nothing(self):
        """RFC 4511 §4.6: where one change fails none is made."""
        person = self.person("a", description=["1"])
        before = self.wire.entry(person, "*", "+").attributes
        self.refused(NO_SUCH_ATTRIBUTE, wire.modify(person, (REPLACE, "description", ["2"]), (DELETE, "title", [])))
        self.assertEqual(self.wire.entry(person, "*", "+").attributes, before)

    def test_schema_is_checked_at_the_end(self):
        """RFC 4511 §4.6: individual changes may violate the schema; the entry at the end must conform."""
        person = self.person("a")
        self.ok(wire.modify(person, (DELETE, "sn", []), (ADD, "sn", ["b"])))
        self.refused(OBJECT_CLASS, wire.modify(person, (DELETE, "sn", [])))

    def test_add_creates(self):
        """RFC 4511 §4.6: add creates the attribute where it is not there."""
        person = self.person("a")
        self.ok(wire.modify(person, (ADD, "description", ["x"])))
        self.assertEqual(self.wire.entry(person).values("description"), ["x"])

    def test_add_without_values(self):
        """RFC 4511 §4.6: add lists values; none is an error."""
        answer = self.wire.request(wire.modify(self.base, (ADD, "description", [])))
        self.assertIn(answer.code, (PROTOCOL_ERROR, BAD_VALUE))

    def test_add_existing_value(self):
        """RFC 4511 §4.6, Appendix A: a value that is there by the equality rule is attributeOrValueExists."""
        person = self.person("a", description=["Red Apple"])
        self.refused(EXISTS_VALUE, wire.modify(person, (ADD, "description", ["red  APPLE"])))

    def test_add_value_twice(self):
        """RFC 4511 §4.1.7: the values of an attribute are a set; equivalent ones in one request are refused."""
        self.refused(EXISTS_VALUE, wire.modify(self.base, (ADD, "description", ["x", "X"])))
        self.refused(EXISTS_VALUE, wire.modify(self.base, (REPLACE, "description", ["x", "X"])))

    def test_delete_values(self):
        """RFC 4511 §4.6: delete removes the listed values; with all values gone the attribute goes."""
        person = self.person("a", description=["1", "2"])
        self.ok(wire.modify(person, (DELETE, "description", ["2"])))
        self.assertEqual(self.wire.entry(person).values("description"), ["1"])
        self.ok(wire.modify(person, (DELETE, "description", ["1"])))
        self.assertEqual(self.names("(description=*)"), [])

    def test_delete_whole(self):
        """RFC 4511 §4.6: delete without values removes the attribute."""
        person = self.person("a", description=["1", "2"])
        self.ok(wire.modify(person, (DELETE, "description", [])))
        self.assertNotIn("description", self.wire.entry(person).attributes)

    def test_delete_by_rule(self):
        """RFC 4511 §4.6, RFC 4512 §2.5.1: a value to delete is found by the equality rule."""
        person = self.person("a", description=["Red Apple"])
        self.ok(wire.modify(person, (DELETE, "description", ["rED   aPPLE"])))

    def test_delete_what_is_not_there(self):
        """RFC 4511 §4.6, Appendix A: an attribute or a value that is not there is noSuchAttribute."""
        person = self.person("a", description=["1"])
        self.refused(NO_SUCH_ATTRIBUTE, wire.modify(person, (DELETE, "description", ["2"])))
        self.refused(NO_SUCH_ATTRIBUTE, wire.modify(person, (DELETE, "title", [])))

    def test_replace(self):
        """RFC 4511 §4.6: replace puts new values in the place of all, and creates the attribute."""
        person = self.person("a", description=["1", "2"])
        self.ok(wire.modify(person, (REPLACE, "description", ["3"]), (REPLACE, "title", ["t"])))
        self.assertEqual((self.wire.entry(person).values("description"), self.wire.entry(person).values("title")), (["3"], ["t"]))

    def test_replace_with_nothing(self):
        """RFC 4511 §4.6: replace without values removes the attribute, and is ignored where it is not there."""
        person = self.person("a", description=["1"])
        self.ok(wire.modify(person, (REPLACE, "description", []), (REPLACE, "title", [])))
        self.assertNotIn("description", self.wire.entry(person).attributes)

    def test_rdn_values_stay(self):
        """RFC 4511 §4.6: the distinguished values cannot be removed: notAllowedOnRDN."""
        person = self.person("a")
        self.refused(ON_RDN, wire.modify(person, (DELETE, "cn", ["a"]), (ADD, "cn", ["b"])))
        self.refused(ON_RDN, wire.modify(person, (REPLACE, "cn", ["b"])))
        self.refused(ON_RDN, wire.modify(person, (REPLACE, "cn", [])))
        self.ok(wire.modify(person, (ADD, "cn", ["b"])))

    def test_single_value(self):
        """RFC 4511 §4.6, Appendix A: a second value of a SINGLE-VALUE type is constraintViolation."""
        person = self.person("a", employeeNumber=["1"])
        self.refused(CONSTRAINT, wire.modify(person, (ADD, "employeeNumber", ["2"])))

    def test_bad_value(self):
        """RFC 4511 Appendix A: a value that does not conform to the syntax is invalidAttributeSyntax."""
        self.refused(BAD_VALUE, wire.modify(self.base, (ADD, "seeAlso", ["no name"])))
        self.refused(BAD_VALUE, wire.modify(self.base, (ADD, "description", [b"\xff\xfe"])))

    def test_unknown_type(self):
        """RFC 4511 Appendix A: a type that is not recognised is undefinedAttributeType."""
        self.refused(UNDEFINED_TYPE, wire.modify(self.base, (ADD, "noSuchType", ["x"])))

    def test_attribute_not_allowed(self):
        """RFC 4511 Appendix A: an attribute that no object class of the entry allows is objectClassViolation."""
        self.refused(OBJECT_CLASS, wire.modify(self.base, (ADD, "uidNumber", ["1"])))

    def test_no_user_modification(self):
        """RFC 4511 Appendix A, RFC 4512 §2.5.1: an attribute that users cannot modify is constraintViolation."""
        self.refused(CONSTRAINT, wire.modify(self.base, (REPLACE, "createTimestamp", ["20200101000000Z"])))

    def test_unknown_modification(self):
        """RFC 4511 §4.6: an operation that is not recognised is protocolError."""
        self.refused(PROTOCOL_ERROR, wire.modify(self.base, (9, "description", ["x"])))

    def test_modify_does_not_follow_rename(self):
        """RFC 4511 §4.6: no name change by a modify: adding a value to the naming attribute changes no DN."""
        person = self.person("a")
        self.ok(wire.modify(person, (ADD, "cn", ["other"])))
        self.refused(NO_SUCH_OBJECT, wire.search(f"cn=other,{self.base}"))


class AddDelete(Conformance):
    """§4.7, §4.8."""

    def test_rdn_attribute_may_be_left_out(self):
        """RFC 4511 §4.7: clients may or may not include the RDN attribute; the entry has it."""
        self.ok(wire.add(f"cn=a,{self.base}", {"objectClass": ["inetOrgPerson"], "sn": ["x"]}))
        self.assertEqual(self.wire.entry(f"cn=a,{self.base}").values("cn"), ["a"])

    def test_multi_valued_rdn(self):
        """RFC 4511 §4.7, RFC 4512 §2.3.1: an RDN of several AVAs; all of them are in the entry, in any order named."""
        self.ok(wire.add(f"cn=a+uid=7,{self.base}", {"objectClass": ["inetOrgPerson"], "sn": ["x"]}))
        found = self.wire.entry(f"uid=7+cn=a,{self.base}")
        self.assertEqual((found.values("cn"), found.values("uid")), (["a"], ["7"]))

    def test_entry_exists(self):
        """RFC 4511 §4.7: the entry must not exist: entryAlreadyExists, in any spelling."""
        self.person("a b")
        self.refused(EXISTS, wire.add(f"CN=A  B,{self.base}", {"objectClass": ["inetOrgPerson"], "sn": ["x"]}))

    def test_superior_must_exist(self):
        """RFC 4511 §4.7: the immediate superior must exist: noSuchObject."""
        self.refused(NO_SUCH_OBJECT, wire.add(f"cn=a,ou=none,{self.base}", {"objectClass": ["inetOrgPerson"], "sn": ["x"]}))

    def test_outside_of_all_contexts(self):
        """RFC 4511 §4.7, Appendix A: a name under no naming context is noSuchObject (or unwillingToPerform, referral)."""
        answer = self.wire.request(wire.add("dc=elsewhere", {"objectClass": ["domain"], "dc": ["elsewhere"]}))
        self.assertIn(answer.code, (NO_SUCH_OBJECT, UNWILLING, 10))

    def test_root_cannot_be_added_or_deleted(self):
        """RFC 4512 §5.1: the root DSE is no entry of the tree: it is not added, deleted or renamed."""
        for operation in (wire.add("", {"objectClass": ["domain"], "dc": ["x"]}), wire.delete(""), wire.rename("", "cn=x")):
            self.assertIn(self.wire.request(operation).code, (UNWILLING, EXISTS, NO_SUCH_OBJECT, INVALID_NAME, NAMING, SEVERAL_DSAS, 50))

    def test_must_is_missing(self):
        """RFC 4511 §4.7, RFC 4512 §2.4: an entry lacking what its classes require is objectClassViolation."""
        self.refused(OBJECT_CLASS, wire.add(f"cn=a,{self.base}", {"objectClass": ["inetOrgPerson"]}))

    def test_no_object_class(self):
        """RFC 4511 §4.7, RFC 4512 §2.4: an entry without objectClass is objectClassViolation."""
        self.refused(OBJECT_CLASS, wire.add(f"cn=a,{self.base}", {"sn": ["x"]}))

    def test_values_without_a_type(self):
        """RFC 4511 §4.7: an attribute in an add has at least one value."""
        answer = self.wire.request(wire.add(f"cn=a,{self.base}", {"objectClass": ["inetOrgPerson"], "sn": ["x"], "description": []}))
        self.assertIn(answer.code, (PROTOCOL_ERROR, BAD_VALUE))

    def test_no_user_modification_in_add(self):
        """RFC 4511 §4.7: clients must not supply NO-USER-MODIFICATION attributes."""
        answer = self.wire.request(wire.add(f"cn=a,{self.base}", {"objectClass": ["inetOrgPerson"], "sn": ["x"], "entryUUID": ["00000000-0000-0000-0000-000000000001"]}))
        self.assertEqual(answer.code, CONSTRAINT)

    def test_same_attribute_twice(self):
        """RFC 4511 §4.7, RFC 4512 §2.3: an attribute twice in the list is refused, or is one attribute of the entry."""
        pairs = [("objectClass", ["inetOrgPerson"]), ("sn", ["x"]), ("description", ["1"]), ("DESCRIPTION", ["2"])]
        answer = self.wire.request(wire.add(f"cn=a,{self.base}", pairs))
        if answer.code == SUCCESS:
            self.assertEqual(sorted(self.wire.entry(f"cn=a,{self.base}").values("description")), ["1", "2"])
        else:
            self.assertIn(answer.code, (EXISTS_VALUE, PROTOCOL_ERROR, CONSTRAINT))

    def test_rdn_of_unknown_type(self):
        """RFC 4511 §4.7, Appendix A: an RDN of a type that is not recognised cannot name an entry."""
        answer = self.wire.request(wire.add(f"noSuchType=a,{self.base}", {"objectClass": ["inetOrgPerson"], "cn": ["a"], "sn": ["x"]}))
        self.assertIn(answer.code, (UNDEFINED_TYPE, NAMING, INVALID_NAME))

    def test_rdn_not_allowed(self):
        """RFC 4511 Appendix A: naming by an attribute that the entry may not have is refused."""
        answer = self.wire.request(wire.add(f"uidNumber=5,{self.base}", {"objectClass": ["inetOrgPerson"], "cn": ["a"], "sn": ["x"]}))
        self.assertIn(answer.code, (OBJECT_CLASS, NAMING))

    def test_bad_name(self):
        """RFC 4511 Appendix A: a name that is no DN is invalidDNSyntax, in every request."""
        for operation in (
            wire.add("no name", {"objectClass": ["domain"]}),
            wire.delete("cn=a,,dc=b"),
            wire.modify("cn", (REPLACE, "sn", ["x"])),
            wire.compare("=x", "sn", "x"),
            wire.rename("cn=a\\", "cn=b"),
            wire.search("cn=a,"),
        ):
            self.refused(INVALID_NAME, operation)

    def test_delete(self):
        """RFC 4511 §4.8: a leaf is removed."""
        person = self.person("a")
        self.ok(wire.delete(person))
        self.refused(NO_SUCH_OBJECT, wire.delete(person))

    def test_delete_non_leaf(self):
        """RFC 4511 §4.8: only leaf entries can be deleted: notAllowedOnNonLeaf."""
        self.person("a")
        self.refused(NON_LEAF, wire.delete(self.base))
        self.assertEqual(len(self.wire.entries(self.base, SUB)), 2)

    def test_delete_answers_with_its_tag(self):
        """RFC 4511 §4.8: DelResponse is [APPLICATION 11]; and each other response has its own tag."""
        person = self.person("a")
        for tag, operation in (
            (wire.COMPARED, wire.compare(person, "sn", "a")),
            (wire.MODIFY, wire.modify(person, (REPLACE, "sn", ["b"]))),
            (wire.RENAMED, wire.rename(person, "cn=b")),
            (wire.DELETED, wire.delete(f"cn=b,{self.base}")),
            (wire.ADDED, wire.add(person, {"objectClass": ["person"], "sn": ["b"]})),
            (wire.EXTENDED, wire.extended(UNKNOWN)),
        ):
            self.assertEqual(self.wire.request(operation).tag, tag)


class ModifyDn(Conformance):
    """§4.9."""

    def test_rename_keeps_old_values(self):
        """RFC 4511 §4.9: with deleteoldrdn FALSE the old RDN's values stay as plain values."""
        person = self.person("a")
        self.ok(wire.rename(person, "cn=b", False))
        self.assertEqual(sorted(self.wire.entry(f"cn=b,{self.base}").values("cn")), ["a", "b"])

    def test_rename_deletes_old_values(self):
        """RFC 4511 §4.9: with deleteoldrdn TRUE the old RDN's values go."""
        person = self.person("a")
        self.ok(wire.rename(person, "cn=b", True))
        self.assertEqual(self.wire.entry(f"cn=b,{self.base}").values("cn"), ["b"])
        self.refused(NO_SUCH_OBJECT, wire.search(person))

    def test_rename_by_another_attribute(self):
        """RFC 4511 §4.9: the new RDN may be of another type; the values come in."""
        person = self.person("a")
        self.ok(wire.rename(person, "uid=9", False))
        found = self.wire.entry(f"uid=9,{self.base}")
        self.assertEqual((found.values("uid"), found.values("cn")), (["9"], ["a"]))

    def test_rename_that_would_lack_a_must(self):
        """RFC 4511 §4.9: a rename that leaves the entry against the schema is refused, and changes nothing."""
        person = self.person("a")
        self.refused(OBJECT_CLASS, wire.rename(person, "uid=9", True))
        self.assertEqual(self.wire.entry(person).values("uid"), [])

    def test_rename_to_a_value_that_is_there(self):
        """RFC 4511 §4.9: the new RDN's value may be in the entry already; it is there once."""
        person = self.person("a")
        self.ok(wire.modify(person, (ADD, "cn", ["b"])))
        self.ok(wire.rename(person, "cn=B", True))
        self.assertEqual([value.casefold() for value in self.wire.entry(f"cn=b,{self.base}").values("cn")], ["b"])

    def test_rename_to_its_own_name(self):
        """RFC 4511 §4.9: a rename to the same name in another spelling is allowed, and takes the new spelling."""
        person = self.person("spelled so")
        self.ok(wire.rename(person, "cn=Spelled  SO", True))
        self.assertEqual(self.wire.entry(person).values("cn"), ["Spelled  SO"])

    def test_rename_to_an_existing_entry(self):
        """RFC 4511 §4.9: a name that exists is entryAlreadyExists, and nothing changes."""
        person = self.person("a")
        self.person("b")
        self.refused(EXISTS, wire.rename(person, "CN=B"))
        self.assertEqual(self.names("(objectClass=person)"), ["a", "b"])

    def test_move(self):
        """RFC 4511 §4.9: newSuperior moves the entry with all that is below it."""
        first, second = self.unit("one"), self.unit("two")
        deep = self.unit("deep", first)
        self.person("leaf", deep)
        self.ok(wire.rename(deep, "ou=deeper", True, second))
        self.assertEqual(self.names("(cn=leaf)", base=f"ou=deeper,{second}"), ["leaf"])
        self.assertEqual(self.names("(cn=leaf)", base=first), [])
        self.assertEqual(self.wire.entry(f"cn=leaf,ou=deeper,{second}").dn.casefold(), f"cn=leaf,ou=deeper,{second}".casefold())

    def test_move_to_where_it_is(self):
        """RFC 4511 §4.9: newSuperior may be the present superior."""
        person = self.person("a")
        self.ok(wire.rename(person, "cn=b", True, self.base))
        self.assertEqual(self.names("(objectClass=person)"), ["b"])

    def test_move_below_itself(self):
        """RFC 4511 §4.9: an entry cannot become its own subordinate."""
        unit = self.unit("u")
        under = self.unit("v", unit)
        for superior in (unit, under):
            self.assertIn(self.wire.request(wire.rename(unit, "ou=u", True, superior)).code, (UNWILLING, NO_SUCH_OBJECT, OBJECT_CLASS, 1, 80))
        self.assertEqual(len(self.wire.entries(unit, SUB)), 2)

    def test_missing_entry(self):
        """RFC 4511 §4.9: an entry that is not there is noSuchObject."""
        self.refused(NO_SUCH_OBJECT, wire.rename(f"cn=none,{self.base}", "cn=x"))

    def test_bad_rdn(self):
        """RFC 4511 §4.9: newrdn is one RDN; anything else is invalidDNSyntax."""
        person = self.person("a")
        for rdn in ("", "b", "cn=b,ou=c", "cn=", "cn=b+", "=b"):
            answer = self.wire.request(wire.rename(person, rdn))
            self.assertIn(answer.code, (INVALID_NAME,) if rdn != "cn=" else (INVALID_NAME, BAD_VALUE), (rdn, answer))

    def test_across_contexts(self):
        """RFC 4511 §4.9: a newSuperior that this server does not hold is affectsMultipleDSAs, noSuchObject or unwilling."""
        person = self.person("a")
        self.assertIn(self.wire.request(wire.rename(person, "cn=a", True, "dc=elsewhere")).code, (SEVERAL_DSAS, NO_SUCH_OBJECT, UNWILLING))

    def test_rename_of_inner_entry(self):
        """RFC 4511 §4.9: an entry with subordinates can be renamed; their names follow."""
        unit = self.unit("u")
        self.person("a", unit)
        self.ok(wire.rename(unit, "ou=w", True))
        self.assertEqual(self.wire.entry(f"cn=a,ou=w,{self.base}").values("cn"), ["a"])


class Compare(Conformance):
    """§4.10."""

    def test_true_and_false(self):
        """RFC 4511 §4.10: compareTrue and compareFalse by the equality rule."""
        person = self.person("a", description=["Red Apple", "Pear"])
        self.refused(COMPARE_TRUE, wire.compare(person, "description", "red  apple"))
        self.refused(COMPARE_FALSE, wire.compare(person, "description", "plum"))

    def test_missing_attribute(self):
        """RFC 4511 §4.10: an attribute that the entry does not have is noSuchAttribute."""
        self.refused(NO_SUCH_ATTRIBUTE, wire.compare(self.base, "description", "x"))

    def test_unknown_attribute(self):
        """RFC 4511 §4.10, Appendix A: a type that is not recognised is undefinedAttributeType."""
        answer = self.wire.request(wire.compare(self.base, "noSuchType", "x"))
        self.assertIn(answer.code, (UNDEFINED_TYPE, NO_SUCH_ATTRIBUTE))

    def test_no_equality_rule(self):
        """RFC 4511 §4.10, Appendix A: a type without equality rule is inappropriateMatching."""
        person = self.person("a", jpegPhoto=[b"\xff\xd8"])
        self.refused(INAPPROPRIATE_MATCHING, wire.compare(person, "jpegPhoto", b"\xff\xd8"))

    def test_bad_assertion(self):
        """RFC 4511 §4.10, Appendix A: an assertion value that does not fit is invalidAttributeSyntax."""
        person = self.person("a", seeAlso=[self.base])
        self.refused(BAD_VALUE, wire.compare(person, "seeAlso", "no name"))

    def test_subtypes(self):
        """RFC 4511 §4.10, RFC 4512 §2.5.1: comparing a supertype or without options looks at subtypes too."""
        person = self.person("a", **{"description;lang-fr": ["rouge"]})
        self.refused(COMPARE_TRUE, wire.compare(person, "name", "a"))
        self.refused(COMPARE_TRUE, wire.compare(person, "description", "rouge"))

    def test_root_and_subschema(self):
        """RFC 4511 §4.10, RFC 4512 §5.1, §4.2: the root DSE and the subschema can be compared as any entry."""
        self.refused(COMPARE_TRUE, wire.compare("", "supportedLDAPVersion", "3"))
        self.refused(COMPARE_FALSE, wire.compare("", "supportedLDAPVersion", "2"))
        self.refused(NO_SUCH_ATTRIBUTE, wire.compare("", "description", "x"))
        for mechanism in self.wire.entry("", "supportedSASLMechanisms").values("supportedSASLMechanisms"):
            self.refused(COMPARE_TRUE, wire.compare("", "supportedSASLMechanisms", mechanism))
        name = self.wire.entry("", "subschemaSubentry").values("subschemaSubentry")[0]
        self.refused(COMPARE_TRUE, wire.compare(name, "objectClasses", "person"))
        self.refused(COMPARE_FALSE, wire.compare(name, "objectClasses", "1.2.3.4"))

    def test_compare_is_no_search(self):
        """RFC 4511 §4.10: compare returns a result and no entry."""
        found = self.wire.exchange(wire.compare(self.base, "objectClass", "organizationalUnit"))
        self.assertEqual((len(found), found[0].code), (1, COMPARE_TRUE))


class Extended(Conformance):
    """§4.12."""

    def test_unknown_request(self):
        """RFC 4511 §4.12: a requestName that is not recognised is protocolError."""
        self.refused(PROTOCOL_ERROR, wire.extended(UNKNOWN))
        self.refused(PROTOCOL_ERROR, wire.extended("whoAmI", b"x"))

    def test_response_of_who_am_i(self):
        """RFC 4511 §4.12: the response carries the value that the operation defines."""
        self.assertEqual(self.ok(wire.extended(wire.WHO_AM_I)).value, f"dn:{OPERATOR}".encode())

    def test_root_lists_extensions(self):
        """RFC 4511 §4.12: supportedExtension lists what is supported, OIDs, each once; each is recognised."""
        listed = self.wire.entry("", "supportedExtension").values("supportedExtension")
        self.assertEqual(len(listed), len(set(listed)))
        self.assertIn(wire.WHO_AM_I, listed)

    def test_request_without_a_name(self):
        """RFC 4511 §4.12: requestName is not optional."""
        self.refused(PROTOCOL_ERROR, tlv(0x77, octets("x", 0x81)))


class StartTls(Conformance):
    """§4.14."""

    def test_start_tls(self):
        """RFC 4511 §4.14.1, §4.14.2: StartTLS succeeds with its responseName and TLS begins."""
        connection = self.anonymous()
        answer = connection.request(wire.extended(wire.START_TLS))
        self.assertEqual((answer.code, answer.name), (SUCCESS, wire.START_TLS))
        connection.start_tls(self.daemon.tls)
        self.refused(SUCCESS, wire.bind(OPERATOR, PASSWORD), connection=connection)

    def test_value_is_absent(self):
        """RFC 4511 §4.14.1: requestValue is absent; one that is there is protocolError."""
        self.refused(PROTOCOL_ERROR, wire.extended(wire.START_TLS, b""), connection=self.anonymous())

    def test_twice(self):
        """RFC 4511 §4.14.1: with TLS already in place StartTLS is operationsError, and TLS goes on."""
        connection = self.anonymous()
        connection.request(wire.extended(wire.START_TLS))
        connection.start_tls(self.daemon.tls)
        self.refused(OPERATIONS_ERROR, wire.extended(wire.START_TLS), connection=connection)
        self.refused(SUCCESS, wire.bind(), connection=connection)

    def test_nothing_may_follow_in_plain(self):
        """RFC 4511 §4.14.1: no PDU may be sent before the response; what is smuggled in is never done."""
        connection = self.operator()
        add = wire.add(f"cn=smuggled,{self.base}", {"objectClass": ["person"], "sn": ["x"]})
        connection.send(wire.message(50, wire.extended(wire.START_TLS)) + wire.message(51, add))
        self.assertTrue(connection.is_closed())
        self.assertEqual(self.names("(cn=smuggled)"), [])

    def test_closure_of_tls(self):
        """RFC 4511 §4.14.3.1: a TLS closure ends the session (or leaves plain LDAP); the server does not hang."""
        connection = self.anonymous()
        connection.request(wire.extended(wire.START_TLS))
        connection.start_tls(self.daemon.tls)
        try:
            plain = connection.socket.unwrap()
            plain.settimeout(5)
            self.assertEqual(plain.recv(10), b"")
        except OSError:
            pass

    def test_ldaps_has_tls_from_the_start(self):
        """RFC 4511 §4.14.1: StartTLS where TLS is there from the start is operationsError."""
        connection = Wire(("127.0.0.1", self.daemon.ldaps))
        self.addCleanup(connection.close)
        connection.start_tls(self.daemon.tls)
        self.refused(OPERATIONS_ERROR, wire.extended(wire.START_TLS), connection=connection)


class Libraries(Conformance):
    """The same by clients that others wrote."""

    def test_python_ldap(self):
        """RFC 4511 §4.5 to §4.10: a round of every operation by OpenLDAP's library."""
        import ldap

        c = self.library()
        dn = f"cn=p,{self.base}"
        c.add_s(dn, [("objectClass", [b"inetOrgPerson"]), ("sn", [b"x"]), ("cn", [b"p"])])
        c.modify_s(dn, [(ldap.MOD_ADD, "description", [b"d"])])
        self.assertTrue(c.compare_s(dn, "description", b"D"))
        c.rename_s(dn, "cn=q", self.base, 1)
        self.assertEqual(c.search_s(self.base, ldap.SCOPE_ONELEVEL, "(description=d)", ["cn"]), [(f"cn=q,{self.base}", {"cn": [b"q"]})])
        c.delete_s(f"cn=q,{self.base}")
        with self.assertRaises(ldap.NO_SUCH_OBJECT):
            c.delete_s(f"cn=q,{self.base}")

    def test_ldap3(self):
        """RFC 4511 §4.5 to §4.10: a round of every operation by ldap3."""
        import ldap3

        c = self.library("ldap3")
        dn = f"cn=p,{self.base}"
        self.assertTrue(c.add(dn, "inetOrgPerson", {"sn": "x", "cn": "p"}), c.result)
        self.assertTrue(c.modify(dn, {"description": [(ldap3.MODIFY_ADD, ["d"])]}), c.result)
        self.assertTrue(c.compare(dn, "description", "D"))
        self.assertTrue(c.modify_dn(dn, "cn=q"), c.result)
        self.assertTrue(c.search(self.base, "(description=d)", ldap3.LEVEL, attributes=["cn"]))
        self.assertEqual(c.entries[0].entry_dn, f"cn=q,{self.base}")
        self.assertTrue(c.delete(f"cn=q,{self.base}"), c.result)
