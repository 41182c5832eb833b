"""RFC 4513: authentication and security."""

import ssl
import unittest

import wire
from ber import integer, octets, tlv
from conformance import OPERATOR, PASSWORD, SUFFIX, Conformance
from wire import REPLACE, Wire

SUCCESS, OPERATIONS_ERROR, PROTOCOL_ERROR, AUTH_METHOD = 0, 1, 2, 7
INAPPROPRIATE_AUTHENTICATION, INVALID_CREDENTIALS, UNWILLING, NO_SUCH_OBJECT = 48, 49, 53, 32


class States(Conformance):
    """§4, §5.1: who a session is."""

    def who(self, connection):
        answer = connection.request(wire.extended(wire.WHO_AM_I))
        self.assertEqual(answer.code, SUCCESS)
        return answer.value.decode()

    def user(self, name="a", password="the password of a test"):
        return self.person(name, userPassword=[password]), password

    def test_begins_anonymous(self):
        """RFC 4513 §4: a session begins anonymous, without a bind."""
        self.assertEqual(self.who(self.anonymous()), "")

    def test_anonymous_bind(self):
        """RFC 4513 §5.1.1: a simple bind with an empty name and an empty password is anonymous."""
        connection = self.operator()
        self.refused(SUCCESS, wire.bind("", b""), connection=connection)
        self.assertEqual(self.who(connection), "")

    def test_unauthenticated_bind(self):
        """RFC 4513 §5.1.2: a name with an empty password fails by default with unwillingToPerform."""
        connection = self.anonymous()
        self.refused(UNWILLING, wire.bind(OPERATOR, b""), connection=connection)
        self.assertEqual(self.who(connection), "")

    def test_unauthenticated_bind_ends_the_former_identity(self):
        """RFC 4513 §5.1.2, §4: also that failed bind leaves the session anonymous."""
        connection = self.operator()
        self.refused(UNWILLING, wire.bind(OPERATOR, b""), connection=connection)
        self.assertEqual(self.who(connection), "")

    def test_name_and_password(self):
        """RFC 4513 §5.1.3: a name and its password sign in as that name."""
        dn, password = self.user()
        connection = self.bound_as(dn, password)
        self.assertEqual(self.who(connection).casefold(), f"dn:{dn}".casefold())

    def test_wrong_password(self):
        """RFC 4513 §5.1.3: a wrong password is invalidCredentials, and the session is anonymous."""
        dn, password = self.user()
        for secret in ("wrong", password.upper(), password + " ", password[:-1]):
            connection = self.operator()
            self.refused(INVALID_CREDENTIALS, wire.bind(dn, secret), connection=connection)
            self.assertEqual(self.who(connection), "")

    def test_unknown_name_is_the_same(self):
        """RFC 4513 §5.1.3: a name that does not exist, or has no password, is invalidCredentials too."""
        without = self.person("none")
        answers = [self.anonymous().request(wire.bind(name, "secret")) for name in (without, f"cn=nobody,{self.base}", "dc=elsewhere", self.user()[0])]
        self.assertEqual({(answer.code, answer.matched, answer.text) for answer in answers}, {(INVALID_CREDENTIALS, "", answers[0].text)})

    def test_password_is_octets(self):
        """RFC 4513 §5.1.3, RFC 4511 §4.2: a password is octets: case, spaces and all are significant."""
        dn, password = self.user("o", "Päss  wörd with spaces ")
        self.bound_as(dn, password)
        self.refused(INVALID_CREDENTIALS, wire.bind(dn, "Päss wörd with spaces"), connection=self.anonymous())

    def test_rebind_moves_to_the_new_identity(self):
        """RFC 4513 §4: a successful bind replaces the former identity."""
        dn, password = self.user()
        connection = self.operator()
        self.refused(SUCCESS, wire.bind(dn, password), connection=connection)
        self.assertEqual(self.who(connection).casefold(), f"dn:{dn}".casefold())

    def test_failed_bind_makes_anonymous(self):
        """RFC 4513 §4: after a failed bind the session is anonymous, whatever failed."""
        dn, _ = self.user()
        unknown = wire.control("1.3.6.1.4.1.99999.1", True)
        for operation, controls in (
            (wire.bind(dn, "wrong"), ()),
            (wire.bind(OPERATOR, PASSWORD, 2), ()),
            (wire.bind("no name", "x"), ()),
            (wire.sasl("NO-SUCH-MECHANISM"), ()),
            (wire.sasl("EXTERNAL"), ()),
            (wire.bind(OPERATOR, PASSWORD), [unknown]),
            (tlv(0x60, integer(3), octets(OPERATOR)), ()),
        ):
            connection = self.operator()
            self.assertNotEqual(connection.request(operation, controls).code, SUCCESS)
            self.assertEqual(self.who(connection), "", operation)

    def test_password_is_changed_and_counts_at_once(self):
        """RFC 4513 §5.1.3: the password is that of the entry at the time of the bind."""
        dn, password = self.user()
        self.ok(wire.modify(dn, (REPLACE, "userPassword", ["quite another password"])))
        self.refused(INVALID_CREDENTIALS, wire.bind(dn, password), connection=self.anonymous())
        self.bound_as(dn, "quite another password")

    def test_several_passwords(self):
        """RFC 4519 §2.41, RFC 4513 §5.1.3: userPassword may hold several values; any of them, or one only, is taken."""
        dn = f"cn=two,{self.base}"
        answer = self.wire.request(wire.add(dn, {"objectClass": ["inetOrgPerson"], "sn": ["x"], "userPassword": ["the first password here", "the second password here"]}))
        if answer.code == SUCCESS:
            self.bound_as(dn, "the first password here")
            self.bound_as(dn, "the second password here")
        else:
            self.assertEqual(answer.code, 19)

    def test_anonymous_may_not_change(self):
        """RFC 4513 §4, RFC 4511 Appendix A: an anonymous session is refused what needs an identity."""
        for operation in (wire.modify(self.base, (REPLACE, "description", ["x"])), wire.delete(self.base), wire.add(f"cn=a,{self.base}", {"objectClass": ["person"], "sn": ["x"]})):
            self.assertEqual(self.anonymous().request(operation).code, NO_SUCH_OBJECT, "what it may not see is not there")
        self.assertEqual(len(self.wire.entries(self.base, wire.SUB)), 1)

    def test_password_is_not_shown_in_clear(self):
        """RFC 4513 §6.3.4: a password is not kept in clear: it is not returned as it was given, nor found by a search."""
        dn, password = self.user()
        found = self.wire.entry(dn, "*", "+", "userPassword").values("userPassword")
        self.assertNotIn(password, found)
        self.assertEqual(self.names(f"(userPassword={password})"), [])


class Sasl(Conformance):
    """§5.2."""

    def test_unknown_mechanism(self):
        """RFC 4513 §5.2.1, RFC 4511 §4.2.2: a mechanism that is not listed is authMethodNotSupported."""
        self.refused(AUTH_METHOD, wire.sasl("GSSAPI-NOT-HERE"), connection=self.anonymous())

    def test_listed_mechanisms_are_known(self):
        """RFC 4513 §5.2.1.2: every mechanism that is listed here is taken up here."""
        for kind in ("tcp", "tls", "local"):
            connection = self.connection(kind)
            for mechanism in connection.entry("", "supportedSASLMechanisms").values("supportedSASLMechanisms"):
                if kind == "local" or mechanism != "EXTERNAL":
                    answer = self.connection(kind).request(wire.sasl(mechanism, b""))
                    self.assertNotEqual(answer.code, AUTH_METHOD, (kind, mechanism, answer))

    def connection(self, kind):
        if kind == "local":
            connection = Wire(self.daemon.local)
            self.addCleanup(connection.close)
            return connection
        connection = self.anonymous()
        if kind == "tls":
            connection.request(wire.extended(wire.START_TLS))
            connection.start_tls(self.daemon.tls)
        return connection

    def test_external_on_a_local_socket(self):
        """RFC 4513 §5.2.3: EXTERNAL takes the identity that the transport established."""
        connection = self.connection("local")
        self.refused(SUCCESS, wire.sasl("EXTERNAL"), connection=connection)
        self.assertNotEqual(connection.request(wire.extended(wire.WHO_AM_I)).value, b"")

    def test_external_with_empty_authorization(self):
        """RFC 4513 §5.2.3.1: an empty authorization identity asks for the implied one (RFC 4422 §3.6)."""
        connection = self.connection("local")
        self.refused(SUCCESS, wire.sasl("EXTERNAL", b""), connection=connection)

    def test_external_with_another_identity(self):
        """RFC 4513 §5.2.3.2: an asserted identity that one may not take up is refused, and the session is anonymous."""
        connection = self.connection("local")
        answer = connection.request(wire.sasl("EXTERNAL", f"dn:cn=somebody,{self.base}"))
        self.assertIn(answer.code, (INVALID_CREDENTIALS, 123, 50, 32, UNWILLING))
        self.assertEqual(connection.request(wire.extended(wire.WHO_AM_I)).value, b"")

    def test_external_without_credentials_below(self):
        """RFC 4513 §5.2.3: EXTERNAL where nothing below says who the peer is fails, never anonymous success."""
        answer = self.anonymous().request(wire.sasl("EXTERNAL"))
        self.assertIn(answer.code, (AUTH_METHOD, INAPPROPRIATE_AUTHENTICATION, INVALID_CREDENTIALS))

    def test_name_of_a_sasl_bind_is_ignored(self):
        """RFC 4513 §5.2.1.1, RFC 4511 §4.2: the name field of a SASL bind does not say who one is."""
        connection = self.connection("local")
        answer = connection.request(wire.sasl("EXTERNAL", name=f"cn=somebody,{self.base}"))
        self.assertEqual(answer.code, SUCCESS)
        self.assertNotIn(b"somebody", connection.request(wire.extended(wire.WHO_AM_I)).value)


class Tls(Conformance):
    """§3."""

    def secured(self, context=None):
        connection = self.anonymous()
        self.refused(SUCCESS, wire.extended(wire.START_TLS), connection=connection)
        connection.start_tls(context or self.daemon.tls)
        return connection

    def test_root_lists_start_tls(self):
        """RFC 4513 §3.1: a server that takes StartTLS lists it."""
        self.assertIn(wire.START_TLS, self.anonymous().entry("", "supportedExtension").values("supportedExtension"))

    def test_client_can_check_the_name(self):
        """RFC 4513 §3.1.3: the certificate's names are what the client connected to; a client that checks is content."""
        self.assertEqual(self.secured().request(wire.bind()).code, SUCCESS)

    def test_client_that_does_not_trust(self):
        """RFC 4513 §3.1.3: a client that does not trust the certificate ends it, and the server goes on."""
        with self.assertRaises(ssl.SSLError):
            self.secured(ssl.create_default_context())
        self.assertEqual(self.secured().request(wire.bind()).code, SUCCESS)

    def test_identity_after_start_tls(self):
        """RFC 4513 §3.1.1, RFC 4511 §4.14: StartTLS in a bound session keeps or drops the identity, and never raises it."""
        connection = self.operator()
        self.refused(SUCCESS, wire.extended(wire.START_TLS), connection=connection)
        connection.start_tls(self.daemon.tls)
        self.assertIn(connection.request(wire.extended(wire.WHO_AM_I)).value, (b"", f"dn:{OPERATOR}".encode()))

    def test_failed_negotiation_ends_the_connection(self):
        """RFC 4513 §3.1.2: where TLS cannot be negotiated the connection ends."""
        connection = self.anonymous()
        connection.request(wire.extended(wire.START_TLS))
        connection.send(b"this is no ClientHello at all, not even nearly")
        connection.socket.settimeout(wire.PATIENCE)
        try:
            while connection.socket.recv(4096):
                pass
        except ConnectionError:
            pass

    def test_old_versions(self):
        """RFC 4513 §3, RFC 8996: TLS 1.1 is not spoken."""
        context = self.daemon.tls
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
        with self.assertRaises((ssl.SSLError, ConnectionError)):
            self.secured(context)

    def test_both_current_versions(self):
        """RFC 4513 §3.1: TLS 1.2 and 1.3 are spoken."""
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = self.daemon.tls
            context.minimum_version = context.maximum_version = version
            self.assertEqual(self.secured(context).request(wire.bind(OPERATOR, PASSWORD)).code, SUCCESS)

    def test_large_answers_under_tls(self):
        """RFC 4513 §3.1: what is sent under TLS is whole, many records long."""
        for number in range(30):
            self.person(f"p{number}", description=["x" * 5000])
        connection = self.secured()
        self.refused(SUCCESS, wire.bind(OPERATOR, PASSWORD), connection=connection)
        self.assertEqual(len(connection.entries(self.base, wire.SUB)), 31)
