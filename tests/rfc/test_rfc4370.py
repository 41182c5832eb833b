"""RFC 4370: proxied authorisation."""

import time
import unittest

import conformance  # noqa: F401
import wire
from controls import PROXIED, proxied
from demo import Demo

SUCCESS, PROTOCOL_ERROR, COMPARE_TRUE, UNAVAILABLE_CRITICAL, NO_SUCH_OBJECT, INSUFFICIENT, DENIED = 0, 2, 6, 12, 32, 50, 123


class Proxied(unittest.TestCase):
    """In a demo: its service account may act for the people under ou=users."""

    @classmethod
    def setUpClass(cls):
        cls.demo = demo = Demo()
        cls.addClassCleanup(demo.stop)
        host, port = demo.ldap.removeprefix("ldap://").rstrip("/").rsplit(":", 1)
        cls.address = (host.strip("[]").replace("localhost", "127.0.0.1"), int(port))
        root = wire.Wire(cls.address).entry("", "supportedControl").values("supportedControl")
        if PROXIED not in root:
            raise unittest.SkipTest(f"{PROXIED} is not in the root DSE yet")
        cls.user = next(dn for dn, _ in demo.users if dn.startswith("uid=ben,"))
        with open(demo.data / "headcount.toml", "a") as config:
            config.write(f'\n[[access]]\nwho = ["dn:{demo.services[0][0]}"]\nsubtree = "ou=users,{demo.organisation}"\nrights = ["proxy"]\n')
        deadline = time.monotonic() + 20
        while cls.connect(*demo.services[0]).request(wire.extended(wire.WHO_AM_I), [proxied(f"dn:{cls.user}")]).code:
            if time.monotonic() > deadline:
                raise AssertionError("the changed config is not taken over")
            time.sleep(0.2)

    @classmethod
    def connect(cls, dn, password):
        connection = wire.Wire(cls.address)
        cls.addClassCleanup(connection.close)
        assert connection.request(wire.bind(dn, password)).code == SUCCESS
        return connection

    def setUp(self):
        self.wire = self.connect(*self.demo.services[0])

    def test_done_as_the_other(self):
        """RFC 4370 §3: the operation is done under the asserted identity."""
        answer = self.wire.request(wire.extended(wire.WHO_AM_I), [proxied(f"dn:{self.user}")])
        self.assertEqual((answer.code, answer.value.decode().casefold()), (SUCCESS, f"dn:{self.user}".casefold()))

    def test_for_one_operation(self):
        """RFC 4370 §3: it counts for that operation, and the session is who it was."""
        self.wire.request(wire.extended(wire.WHO_AM_I), [proxied(f"dn:{self.user}")])
        answer = self.wire.request(wire.extended(wire.WHO_AM_I))
        self.assertEqual(answer.value.decode().casefold(), f"dn:{self.demo.services[0][0]}".casefold())

    def test_by_user_name(self):
        """RFC 4370 §3, RFC 4513 §5.2.1.8: the identity may be in the u: form."""
        answer = self.wire.request(wire.extended(wire.WHO_AM_I), [proxied("u:ben")])
        self.assertEqual(answer.value.decode().casefold(), f"dn:{self.user}".casefold())

    def test_anonymous(self):
        """RFC 4370 §3: the empty identity is the anonymous one."""
        answer = self.wire.request(wire.extended(wire.WHO_AM_I), [proxied("")])
        self.assertEqual((answer.code, answer.value), (SUCCESS, b""))
        *found, _ = self.wire.exchange(wire.search(self.demo.organisation, wire.SUB), [proxied("")])
        self.assertEqual(found, [])

    def test_must_be_critical(self):
        """RFC 4370 §3: clients must mark it critical, and servers must reject it otherwise with protocolError."""
        answer = self.wire.request(wire.extended(wire.WHO_AM_I), [proxied(f"dn:{self.user}", critical=False)])
        self.assertEqual(answer.code, PROTOCOL_ERROR)

    def test_identity_that_may_not_be_taken(self):
        """RFC 4370 §4: an identity that one may not assume, or that is none, is authorizationDenied."""
        for identity in (f"dn:{self.demo.operator[0]}", "dn:uid=nobody," + self.demo.organisation, "u:nobody", "dn:no name", "x:ben", "ben"):
            answer = self.wire.request(wire.extended(wire.WHO_AM_I), [proxied(identity)])
            self.assertEqual(answer.code, DENIED, identity)

    def test_who_may_not_proxy(self):
        """RFC 4370 §4: one without the right is denied, an anonymous session too."""
        plain = self.connect(*next(user for user in self.demo.users if user[0] != self.user))
        for connection in (plain, wire.Wire(self.address)):
            self.assertEqual(connection.request(wire.extended(wire.WHO_AM_I), [proxied(f"dn:{self.user}")]).code, DENIED)

    def test_with_each_operation(self):
        """RFC 4370 §2: it goes with search, compare, add, delete, modify, rename and extended requests."""
        as_user = [proxied(f"dn:{self.user}")]
        (found, done) = self.wire.exchange(wire.search(self.user, attributes=["cn"]), as_user)
        self.assertEqual((found.dn.casefold(), done.code), (self.user.casefold(), SUCCESS))
        self.assertEqual(self.wire.request(wire.compare(self.user, "uid", "ben"), as_user).code, COMPARE_TRUE)
        other = f"cn=x,ou=users,{self.demo.organisation}"
        for operation in (wire.add(other, {"objectClass": ["person"], "sn": ["x"]}), wire.delete(self.demo.organisation), wire.rename(self.user, "uid=other"), wire.modify(self.demo.organisation, (wire.REPLACE, "description", ["x"]))):
            self.assertIn(self.wire.request(operation, as_user).code, (INSUFFICIENT, NO_SUCH_OBJECT))

    def test_not_with_a_bind(self):
        """RFC 4370 §2: it is not appropriate with a bind."""
        answer = wire.Wire(self.address).request(wire.bind(*self.demo.services[0]), [proxied(f"dn:{self.user}")])
        self.assertEqual(answer.code, UNAVAILABLE_CRITICAL)

    def test_by_python_ldap(self):
        """RFC 4370 §3: OpenLDAP's library acts for another."""
        import ldap
        from ldap.controls.simple import ProxyAuthzControl

        c = ldap.initialize(self.demo.ldap)
        c.simple_bind_s(*self.demo.services[0])
        control = ProxyAuthzControl(True, f"dn:{self.user}".encode())
        (dn, _), = c.search_ext_s(self.user, ldap.SCOPE_BASE, serverctrls=[control])
        self.assertEqual(dn.casefold(), self.user.casefold())
        c.unbind_s()
