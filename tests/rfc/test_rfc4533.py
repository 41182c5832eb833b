"""RFC 4533: content synchronisation."""

import uuid

import ber
import wire
from ber import enumerated, octets, sequence
from conformance import Conformance
from controls import REFRESH_AND_PERSIST, REFRESH_ONLY, SYNC, SYNC_INFO, done_of, state_of, sync
from wire import REPLACE, SUB

SUCCESS, PROTOCOL_ERROR, UNAVAILABLE_CRITICAL, CANCELED, REFRESH_REQUIRED = 0, 2, 12, 118, 4096


class Sync(Conformance):
    NEEDS = (SYNC,)

    def setUp(self):
        super().setUp()
        for name in "abc":
            self.person(name)

    def uuid_of(self, dn):
        return uuid.UUID(self.wire.entry(dn, "entryUUID").values("entryUUID")[0]).bytes

    @staticmethod
    def info(answer):
        """The choice of a syncInfoValue and its parts (RFC 4533 §2.5)."""
        name = next(part.text for part in answer.parts if part.tag == 0x80)
        assert name == SYNC_INFO, name
        (choice,) = ber.elements(next(part.content for part in answer.parts if part.tag == 0x81))
        return choice

    def refresh(self, cookie=None, text="(objectClass=person)", connection=None):
        """A refreshOnly round: entries by name with state, UUIDs deleted, UUIDs present, cookie, and whether deletes were all told."""
        *found, done = (connection or self.wire).exchange(wire.search(self.base, SUB, text), [sync(REFRESH_ONLY, cookie)])
        self.assertEqual(done.code, SUCCESS, done)
        states, deleted, present = {}, set(), set()
        for answer in found:
            if answer.tag == wire.INTERMEDIATE:
                choice = self.info(answer)
                if choice.tag == 0xA3:
                    gone = any(part.tag == 0x01 and part.content != b"\0" for part in choice.parts)
                    ids = {part.content for part in choice.parts[-1].parts}
                    (deleted if gone else present).update(ids)
                continue
            state, identity, _ = state_of(answer)
            if state == "delete":
                deleted.add(identity)
            elif state == "present":
                present.add(identity)
            else:
                states[answer.dn.split(",")[0]] = (state, identity)
        fresh, deletes = done_of(done)
        return states, deleted, present, fresh, deletes

    def test_initial_content(self):
        """RFC 4533 §3.3.1: without a cookie the whole content comes, each entry with state add and its entryUUID."""
        states, deleted, _, cookie, _ = self.refresh()
        self.assertEqual(states, {f"cn={name}": ("add", self.uuid_of(f"cn={name},{self.base}")) for name in "abc"})
        self.assertEqual(deleted, set())
        self.assertTrue(cookie)

    def test_no_change(self):
        """RFC 4533 §3.3.2: with the cookie and no change nothing comes anew."""
        cookie = self.refresh()[3]
        states, deleted, _, fresh, _ = self.refresh(cookie)
        self.assertEqual((states, deleted), ({}, set()))
        self.assertTrue(fresh)

    def test_changes_since(self):
        """RFC 4533 §3.3.2: with the cookie what was added and modified since comes, with all its attributes."""
        cookie = self.refresh()[3]
        self.ok(wire.modify(f"cn=a,{self.base}", (REPLACE, "description", ["x"])))
        self.person("d")
        states, _, _, fresh, _ = self.refresh(cookie)
        self.assertEqual(set(states), {"cn=a", "cn=d"})
        self.assertIn(states["cn=a"][0], ("add", "modify"))
        self.assertEqual(self.refresh(fresh)[0], {})

    def gone(self, cookie, identity):
        """Whether a client with the cookie learns that the entry is gone: told so, or by what is present."""
        states, deleted, present, _, deletes = self.refresh(cookie)
        mentioned = present | {known for _, known in states.values()}
        self.assertNotIn(identity, mentioned)
        if deletes or deleted:
            self.assertIn(identity, deleted)
        else:
            self.assertTrue(mentioned >= {self.uuid_of(answer.dn) for answer in self.wire.entries(self.base, SUB, "(objectClass=person)")})

    def test_deleted_since(self):
        """RFC 4533 §3.3.2: an entry deleted since is told, by a delete phase or a present phase."""
        identity = self.uuid_of(f"cn=b,{self.base}")
        cookie = self.refresh()[3]
        self.ok(wire.delete(f"cn=b,{self.base}"))
        self.gone(cookie, identity)

    def test_left_the_content(self):
        """RFC 4533 §1.3, §3.3.2: an entry that no longer matches has left the content."""
        text = "(&(objectClass=person)(!(description=hidden)))"
        identity = self.uuid_of(f"cn=b,{self.base}")
        cookie = self.refresh(text=text)[3]
        self.ok(wire.modify(f"cn=b,{self.base}", (REPLACE, "description", ["hidden"])))
        states, deleted, present, _, deletes = self.refresh(cookie, text)
        self.assertNotIn("cn=b", states)
        self.assertTrue(identity in deleted or not deletes and identity not in present)

    def test_renamed(self):
        """RFC 4533 §3.3.2: a renamed entry comes under its new name with the same entryUUID."""
        identity = self.uuid_of(f"cn=b,{self.base}")
        cookie = self.refresh()[3]
        self.ok(wire.rename(f"cn=b,{self.base}", "cn=renamed"))
        self.assertEqual(self.refresh(cookie)[0]["cn=renamed"][1], identity)

    def test_cookie_made_up(self):
        """RFC 4533 §3.3.2, §3.9: a cookie that is of no use gets syncRefreshRequired, or a whole refresh."""
        *found, done = self.wire.exchange(wire.search(self.base, SUB, "(objectClass=person)"), [sync(REFRESH_ONLY, b"made up")])
        self.assertIn(done.code, (SUCCESS, REFRESH_REQUIRED, PROTOCOL_ERROR))
        if done.code == SUCCESS:
            self.assertEqual(len([answer for answer in found if answer.tag == wire.ENTRY]), 3)

    def persist(self, cookie=None, text="(objectClass=person)"):
        """Begins refreshAndPersist and reads to the end of the refresh; answers the message id and what came."""
        asked = self.wire.ask(wire.search(self.base, SUB, text), [sync(REFRESH_AND_PERSIST, cookie)])
        found = []
        while True:
            answer = self.wire.receive()
            self.assertEqual(answer.id, asked)
            if answer.tag == wire.INTERMEDIATE:
                choice = self.info(answer)
                done = not any(part.tag == 0x01 and part.content == b"\0" for part in choice.parts) if choice.tag in (0xA1, 0xA2) else False
                if done:
                    return asked, found
                continue
            self.assertEqual(answer.tag, wire.ENTRY, answer)
            found.append(answer)

    def test_persist_refreshes_first(self):
        """RFC 4533 §3.4.1: refreshAndPersist sends the content, then says that the refresh is done."""
        _, found = self.persist()
        self.assertEqual(sorted(answer.dn[3] for answer in found), ["a", "b", "c"])

    def next_state(self):
        """The next change: name, state and UUID. A deletion may come as an entry or as a set of UUIDs (§2.5)."""
        while True:
            answer = self.wire.receive()
            if answer.tag == wire.ENTRY:
                state, identity, _ = state_of(answer)
                self.assertTrue(state != "delete" or not answer.attributes, "what is deleted has no attributes")
                return answer.dn.split(",")[0], state, identity
            choice = self.info(answer)
            if choice.tag == 0xA3:
                self.assertTrue(any(part.tag == 0x01 and part.content != b"\0" for part in choice.parts), "refreshDeletes says that they are gone")
                (identity,) = [part.content for part in choice.parts[-1].parts]
                return None, "delete", identity

    def test_persist_follows(self):
        """RFC 4533 §3.4.2: adds, modifies, renames and deletes are sent as they happen, with their states."""
        self.persist()
        other = self.operator()
        dn = f"cn=new,{self.base}"
        other.request(wire.add(dn, {"objectClass": ["person"], "sn": ["x"]}))
        name, state, identity = self.next_state()
        self.assertEqual((name, state), ("cn=new", "add"))
        other.request(wire.modify(dn, (REPLACE, "sn", ["y"])))
        self.assertEqual(self.next_state(), ("cn=new", "modify", identity))
        other.request(wire.rename(dn, "cn=newer"))
        self.assertEqual(self.next_state(), ("cn=newer", "modify", identity))
        other.request(wire.delete(f"cn=newer,{self.base}"))
        self.assertEqual(self.next_state()[1:], ("delete", identity))

    def test_persist_is_about_its_content(self):
        """RFC 4533 §3.4.2: changes outside of base and filter are not sent; what leaves the content is deleted."""
        self.persist(text="(description=in)")
        other = self.operator()
        other.request(wire.modify(self.base, (REPLACE, "description", ["out"])))
        other.request(wire.modify(f"cn=a,{self.base}", (REPLACE, "description", ["in"])))
        name, state, identity = self.next_state()
        self.assertEqual((name, state), ("cn=a", "add"))
        other.request(wire.modify(f"cn=a,{self.base}", (REPLACE, "description", ["out"])))
        self.assertEqual(self.next_state()[1:], ("delete", identity))

    def test_delete_in_persist(self):
        """RFC 4533 §2.3, §2.5, §3.4.2: a deletion is told by its entryUUID, without attributes."""
        identity = self.uuid_of(f"cn=a,{self.base}")
        self.persist()
        self.operator().request(wire.delete(f"cn=a,{self.base}"))
        self.assertEqual(self.next_state()[1:], ("delete", identity))

    def test_persist_is_abandoned(self):
        """RFC 4533 §3.4, RFC 4511 §4.11: an abandon ends it without a word."""
        asked, _ = self.persist()
        self.wire.ask(wire.abandon(asked))
        self.assertEqual(self.wire.request(wire.compare(self.base, "ou", "x"), message_id=900).id, 900)
        self.operator().request(wire.delete(f"cn=a,{self.base}"))
        with self.assertRaises(TimeoutError):
            self.wire.receive(0.4)

    def test_operations_beside_it(self):
        """RFC 4533 §3.4, RFC 4511 §3.1: other operations go on beside it on the same connection."""
        self.persist()
        number = self.wire.ask(wire.compare(self.base, "ou", "x"))
        self.assertEqual(self.wire.receive().id, number)

    def test_on_a_later_connection(self):
        """RFC 4533 §3.3: a cookie is good on another connection."""
        cookie = self.refresh()[3]
        self.ok(wire.modify(f"cn=a,{self.base}", (REPLACE, "description", ["x"])))
        self.assertEqual(set(self.refresh(cookie, connection=self.operator())[0]), {"cn=a"})

    def test_damaged(self):
        """RFC 4533 §2.2: mode is refreshOnly or refreshAndPersist; a damaged value is protocolError."""
        for value in (None, b"", sequence(), sequence(enumerated(2)), sequence(enumerated(9)), sequence(octets("x")), octets("x")):
            self.refused(PROTOCOL_ERROR, wire.search(self.base), [wire.control(SYNC, True, value)])

    def test_not_with_other_operations(self):
        """RFC 4533 §2.2, RFC 4511 §4.1.11: it goes with a search only."""
        self.refused(UNAVAILABLE_CRITICAL, wire.delete(f"cn=a,{self.base}"), [sync(REFRESH_ONLY)])

    def test_entry_uuid_is_16_octets(self):
        """RFC 4533 §2.1: syncUUID is the 16 octets of the entryUUID."""
        for _, identity in self.refresh()[0].values():
            self.assertEqual(len(identity), 16)

    def test_by_python_ldap(self):
        """RFC 4533 §3.3: python-ldap's consumer gets the content and a cookie."""
        import ldap
        from ldap.syncrepl import SyncreplConsumer

        class Consumer(ldap.ldapobject.SimpleLDAPObject, SyncreplConsumer):
            cookie, entries = None, {}

            def syncrepl_get_cookie(self):
                return self.cookie

            def syncrepl_set_cookie(self, cookie):
                self.cookie = cookie

            def syncrepl_entry(self, dn, attributes, uuid):
                self.entries[uuid] = dn

            def syncrepl_delete(self, uuids):
                for uuid in uuids:
                    self.entries.pop(uuid)

            def syncrepl_present(self, uuids, refreshDeletes=False):
                pass

        c = Consumer(self.daemon.url)
        c.simple_bind_s(*(("cn=admin,dc=example,dc=com", "the operator's own password")))
        message = c.syncrepl_search(self.base, ldap.SCOPE_SUBTREE, mode="refreshOnly", filterstr="(objectClass=person)")
        try:
            while c.syncrepl_poll(msgid=message, all=1, timeout=20):
                pass
        except ldap.NO_SUCH_OBJECT:
            self.fail("the base is there")
        self.assertEqual(sorted(dn[3] for dn in c.entries.values()), ["a", "b", "c"])
        self.assertTrue(c.cookie)
        c.unbind_s()
