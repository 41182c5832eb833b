"""RFC 3062: password modify."""

import ber
import wire
from ber import octets, sequence, tlv
from conformance import OPERATOR, Conformance
from controls import password

SUCCESS, PROTOCOL_ERROR, CONSTRAINT, NO_SUCH_OBJECT, INVALID_CREDENTIALS, UNWILLING = 0, 2, 19, 32, 49, 53
OLD, NEW = "the old words of a password", "quite other words of a password"
OID = wire.PASSWORD_MODIFY


class PasswordModify(Conformance):
    NEEDS = (OID,)

    def setUp(self):
        super().setUp()
        self.dn = self.person("a", userPassword=[OLD])

    def change(self, *arguments, connection=None, **parts):
        return (connection or self.wire).request(wire.extended(OID, password(*arguments, **parts)))

    def opens(self, secret):
        return self.anonymous().request(wire.bind(self.dn, secret)).code == SUCCESS

    def test_by_an_administrator(self):
        """RFC 3062 §2: userIdentity and newPasswd set a password; the old one is no good any more."""
        answer = self.change(self.dn, new=NEW)
        self.assertEqual((answer.code, answer.value), (SUCCESS, None))
        self.assertEqual((self.opens(NEW), self.opens(OLD)), (True, False))

    def test_one_s_own(self):
        """RFC 3062 §2: without userIdentity it is the password of who is signed in."""
        connection = self.bound_as(self.dn, OLD)
        answer = self.change(old=OLD, new=NEW, connection=connection)
        self.assertEqual(answer.code, SUCCESS, answer)
        self.assertTrue(self.opens(NEW))

    def test_wrong_old_password(self):
        """RFC 3062 §2: an oldPasswd that is given and wrong fails, and nothing changes."""
        connection = self.bound_as(self.dn, OLD)
        self.assertNotEqual(self.change(old="wrong", new=NEW, connection=connection).code, SUCCESS)
        self.assertEqual((self.opens(NEW), self.opens(OLD)), (False, True))

    def test_wrong_old_password_by_an_administrator(self):
        """RFC 3062 §2: an oldPasswd that is given is checked whoever asks."""
        self.assertNotEqual(self.change(self.dn, old="wrong", new=NEW).code, SUCCESS)
        self.assertTrue(self.opens(OLD))

    def test_generated(self):
        """RFC 3062 §2, §4: without newPasswd the server makes one and returns it as genPasswd."""
        answer = self.change(self.dn)
        self.assertEqual(answer.code, SUCCESS, answer)
        (fields,) = ber.elements(answer.value)
        (made,) = ber.elements(fields.content)
        self.assertEqual(made.tag, 0x80)
        self.assertGreaterEqual(len(made.content), 12)
        self.assertTrue(self.opens(made.content))
        self.assertFalse(self.opens(OLD))

    def test_generated_is_never_the_same(self):
        """RFC 3062 §4: what is made is not to be guessed."""
        self.assertNotEqual(self.change(self.dn).value, self.change(self.dn).value)

    def test_no_value_when_given(self):
        """RFC 3062 §2: where newPasswd was given genPasswd is absent."""
        self.assertIn(self.change(self.dn, new=NEW).value, (None, sequence()))

    def test_anonymous(self):
        """RFC 3062 §2: who is not signed in changes nothing without the old password."""
        for parts in ({"identity": self.dn, "new": NEW}, {"identity": self.dn}, {}, {"new": NEW}):
            self.assertNotEqual(self.change(connection=self.anonymous(), **parts).code, SUCCESS, parts)
        self.assertTrue(self.opens(OLD))

    def test_another_s(self):
        """RFC 3062 §2: a user does not set the password of another."""
        self.person("b", userPassword=[OLD])
        connection = self.bound_as(self.dn, OLD)
        answer = self.change(f"cn=b,{self.base}", new=NEW, connection=connection)
        self.assertIn(answer.code, (50, NO_SUCH_OBJECT))
        self.assertEqual(self.anonymous().request(wire.bind(f"cn=b,{self.base}", OLD)).code, SUCCESS)

    def test_unknown_user(self):
        """RFC 3062 §2: an identity that is not there is an error."""
        self.assertNotEqual(self.change(f"cn=nobody,{self.base}", new=NEW).code, SUCCESS)

    def test_whole_request_absent(self):
        """RFC 3062 §2: requestValue may be absent: one's own password is made anew."""
        connection = self.bound_as(self.dn, OLD)
        answer = connection.request(wire.extended(OID))
        if answer.code == SUCCESS:
            made = ber.elements(ber.elements(answer.value)[0].content)[0].content
            self.assertTrue(self.opens(made))
        else:
            self.assertIn(answer.code, (UNWILLING, CONSTRAINT, 50))
            self.assertTrue(self.opens(OLD))

    def test_damaged(self):
        """RFC 3062 §2: a value that is not the sequence is protocolError."""
        for value in (b"", b"\x30", octets("x"), sequence(octets("x", 0x84)), sequence(octets("a", 0x82), octets("b", 0x81)), tlv(0x31)):
            self.refused(PROTOCOL_ERROR, wire.extended(OID, value))

    def test_password_is_octets(self):
        """RFC 3062 §2: passwords are octets; nothing is cut or folded."""
        secret = "Wörter  mit  Leerzeichen und mehr "
        self.assertEqual(self.change(self.dn, new=secret).code, SUCCESS)
        self.assertEqual((self.opens(secret), self.opens(secret.strip()), self.opens(secret.lower())), (True, False, False))

    def test_stays_signed_in(self):
        """RFC 3062 §2: the session goes on, or is told; it is not somebody else's."""
        connection = self.bound_as(self.dn, OLD)
        self.change(old=OLD, new=NEW, connection=connection)
        self.assertIn(connection.request(wire.extended(wire.WHO_AM_I)).value.decode().casefold(), ("", f"dn:{self.dn}".casefold()))

    def test_by_python_ldap(self):
        """RFC 3062 §2: OpenLDAP's library sets a password and gets one."""
        c = self.library()
        c.passwd_s(self.dn, None, NEW)
        self.assertTrue(self.opens(NEW))

    def test_by_ldap3(self):
        """RFC 3062 §2: ldap3 sets a password and gets one."""
        c = self.library("ldap3")
        made = c.extend.standard.modify_password(self.dn)
        self.assertTrue(made, c.result)
        self.assertTrue(self.opens(made))
