"""The seats, as an application meets them: ldapwhoami as each user (issue 2, what it must show)."""

import concurrent.futures
import subprocess
import threading
import unittest

import ldap
import ldap.extop

from demo import Demo

END_SESSION = "2.25.128590336736012936669972887359999261034.4.1"


class Seats(unittest.TestCase):
    def setUp(self):
        self.demo = Demo()
        self.addCleanup(self.demo.stop)

    def whoami(self, at):
        dn, password = self.demo.users[at]
        command = ["ldapwhoami", "-x", "-H", self.demo.ldap, "-D", dn, "-w", password]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        if done.returncode == 0:
            self.assertEqual(done.stdout.strip(), f"dn:{dn}")
        return done.returncode, done.stderr

    def fill(self):
        self.assertGreaterEqual(len(self.demo.users), 6)
        for at in range(3):
            self.assertEqual(self.whoami(at)[0], 0)
        self.assert_full()

    def assert_full(self):
        code, text = self.whoami(3)
        self.assertEqual(code, 11)
        self.assertIn("Administrative limit exceeded (11)", text)
        self.assertIn("session limit reached: 3 of 3 sessions of licence", text)
        self.assertIn("are in use", text)

    def operator(self):
        connection = ldap.initialize(self.demo.ldap)
        connection.simple_bind_s(*self.demo.operator)
        return connection

    def sessions(self):
        return self.operator().search_s(self.demo.organisation, ldap.SCOPE_SUBTREE, "(objectClass=hcSession)", ["*"])

    def fourth_gets_in(self):
        self.assertEqual(self.whoami(3)[0], 0)
        self.assertEqual(self.whoami(4)[0], 11, "one seat was freed, not more")

    def test_the_fourth_gets_in_when_a_session_entry_is_deleted(self):
        self.fill()
        self.operator().delete_s(self.sessions()[0][0])
        self.fourth_gets_in()

    def test_the_fourth_gets_in_after_the_extended_operation(self):
        self.fill()
        session = self.sessions()[0][1]["hcSessionId"][0]
        inner = b"\x04" + bytes([len(session)]) + session
        request = ldap.extop.ExtendedRequest(END_SESSION, b"\x30" + bytes([len(inner)]) + inner)
        self.operator().extop_s(request)
        self.fourth_gets_in()

    def test_the_fourth_gets_in_after_scim_delete(self):
        self.fill()
        status, _, listed = self.demo.curl("GET", "/Sessions")
        self.assertEqual((status, listed["totalResults"]), (200, 3))
        path = "/Sessions/" + listed["Resources"][0]["id"]
        self.assertEqual(self.demo.curl("DELETE", path)[0], 204)
        self.assertEqual(self.demo.curl("GET", path)[0], 404)
        self.assertEqual(self.demo.curl("GET", "/Sessions")[2]["totalResults"], 2)
        self.fourth_gets_in()

    def test_an_application_renews_and_ends_a_session_by_http(self):
        self.fill()
        session = self.sessions()[0][1]["hcSessionId"][0].decode()
        status, _, renewed = self.demo.curl("POST", f"{self.demo.http}/sessions/{session}/renew")
        self.assertEqual((status, renewed["id"]), (200, session))
        self.assertGreater(renewed["expiresAt"], renewed["lastSeen"])
        status = self.demo.curl("POST", f"{self.demo.http}/sessions/{session}/end", {"message": "the shift is over"})[0]
        self.assertEqual(status, 204)
        self.assertEqual(self.demo.curl("POST", f"{self.demo.http}/sessions/{session}/renew")[0], 404)
        self.fourth_gets_in()
        other = self.sessions()[0][1]["hcSessionId"][0].decode()
        self.assertEqual(self.demo.curl("DELETE", f"{self.demo.http}/sessions/{other}")[0], 204)
        self.assertEqual(len(self.sessions()), 2)

    def test_the_same_after_kill_9(self):
        self.fill()
        before = sorted(dn for dn, _ in self.sessions())
        self.demo.kill_and_restart()
        self.assertEqual(sorted(dn for dn, _ in self.sessions()), before)
        self.assert_full()
        self.operator().delete_s(before[0])
        self.demo.kill_and_restart()
        self.assertEqual(len(self.sessions()), 2)
        self.fourth_gets_in()

    def test_two_hundred_parallel_binds_hold_three_seats(self):
        done = threading.Event()
        most = [0]

        def watch():
            connection = self.operator()
            while not done.is_set():
                found = connection.search_s(self.demo.organisation, ldap.SCOPE_SUBTREE, "(objectClass=hcSession)", ["1.1"])
                most[0] = max(most[0], len(found))

        def bind(turn):
            connection = ldap.initialize(self.demo.ldap)
            try:
                connection.simple_bind_s(*self.demo.users[turn % 6])
                return 0
            except ldap.LDAPError as error:
                return error.args[0]["result"]
            finally:
                connection.unbind_s()

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            with concurrent.futures.ThreadPoolExecutor(200) as pool:
                codes = list(pool.map(bind, range(200)))
        finally:
            done.set()
            watcher.join()
        self.assertLessEqual(most[0], 3)
        self.assertLessEqual(set(codes), {0, 11, 51}, "success, refused, or busy")
        let_in = {turn % 6 for turn, code in enumerate(codes) if code == 0}
        self.assertEqual(len(let_in), 3)
        self.assertEqual(len(self.sessions()), 3)
