"""python-ldap follows: its content-sync consumer (RFC 4533) and its persistent search."""

import time
import unittest

import ldap
import ldap.modlist
from ldap.controls.psearch import EntryChangeNotificationControl, PersistentSearchControl
from ldap.ldapobject import SimpleLDAPObject
from ldap.syncrepl import SyncreplConsumer

import demo


class Consumer(SimpleLDAPObject, SyncreplConsumer):
    """A copy of the content in a dictionary, kept by what the library calls."""

    def __init__(self, uri):
        super().__init__(uri)
        self.cookie, self.copy, self.present, self.refreshed = None, {}, set(), False

    def syncrepl_get_cookie(self):
        return self.cookie

    def syncrepl_set_cookie(self, cookie):
        self.cookie = cookie

    def syncrepl_entry(self, dn, attributes, uuid):
        self.copy[uuid] = (dn, attributes)

    def syncrepl_delete(self, uuids):
        for uuid in uuids:
            self.copy.pop(uuid, None)

    def syncrepl_present(self, uuids, refreshDeletes=False):
        if uuids is None:
            if not refreshDeletes:
                self.copy = {uuid: kept for uuid, kept in self.copy.items() if uuid in self.present}
            self.present = set()
        elif refreshDeletes:
            self.syncrepl_delete(uuids)
        else:
            self.present.update(uuids)

    def syncrepl_refreshdone(self):
        self.refreshed = True

    def names(self):
        return sorted(dn for dn, _ in self.copy.values())


class Follow(unittest.TestCase):
    def setUp(self):
        self.demo = demo.Demo()
        self.addCleanup(self.demo.stop)
        self.writer = self.bound(SimpleLDAPObject)
        self.base = f"ou=followed,{self.demo.organisation}"
        self.writer.add_s(self.base, ldap.modlist.addModlist({"objectClass": [b"organizationalUnit"], "ou": [b"followed"]}))

    def bound(self, kind):
        connection = kind(self.demo.ldap)
        connection.simple_bind_s(*self.demo.operator)
        return connection

    def add(self, name):
        dn = f"cn={name},{self.base}"
        entry = {"objectClass": [b"person"], "cn": [name.encode()], "sn": [b"x"]}
        self.writer.add_s(dn, ldap.modlist.addModlist(entry))
        return dn

    def until(self, consumer, message, reached):
        deadline = time.monotonic() + 10
        while not reached() and time.monotonic() < deadline:
            try:
                consumer.syncrepl_poll(msgid=message, timeout=0.2, all=0)
            except ldap.TIMEOUT:
                pass
        self.assertTrue(reached(), consumer.names())

    def test_rfc4533_its_consumer_follows_and_goes_on_where_it_was(self):
        first, second = self.add("Ada"), self.add("Grace")
        consumer = self.bound(Consumer)
        message = consumer.syncrepl_search(self.base, ldap.SCOPE_SUBTREE, mode="refreshAndPersist")
        self.until(consumer, message, lambda: consumer.refreshed)
        self.assertEqual(consumer.names(), sorted([first, second, self.base]))
        third = self.add("Edsger")
        self.until(consumer, message, lambda: third in consumer.names())
        self.writer.modify_s(third, [(ldap.MOD_REPLACE, "description", b"changed")])
        self.until(consumer, message, lambda: any(a.get("description") == [b"changed"] for _, a in consumer.copy.values()))
        self.writer.delete_s(second)
        self.until(consumer, message, lambda: second not in consumer.names())
        again = self.bound(Consumer)
        again.cookie, again.copy = consumer.cookie, consumer.copy
        self.writer.delete_s(first)
        self.writer.rename_s(third, "cn=Dijkstra")
        message = again.syncrepl_search(self.base, ldap.SCOPE_SUBTREE, mode="refreshOnly", cookie=again.cookie)
        while again.syncrepl_poll(msgid=message, timeout=5, all=0):
            pass
        self.assertEqual(again.names(), sorted([self.base, f"cn=Dijkstra,{self.base}"]))

    def test_its_persistent_search_is_told_of_changes(self):
        listener = self.bound(SimpleLDAPObject)
        control = PersistentSearchControl(changeTypes=["add", "delete"], changesOnly=True, returnECs=True)
        message = listener.search_ext(self.base, ldap.SCOPE_SUBTREE, "(sn=*)", ["cn"], serverctrls=[control])
        listener.whoami_s()
        added = self.add("Ada")
        self.writer.delete_s(added)
        for kind in (1, 2):
            _, data, _, _, _, _ = listener.result4(
                message, all=0, timeout=10, add_ctrls=1, add_intermediates=1, resp_ctrl_classes={EntryChangeNotificationControl.controlType: EntryChangeNotificationControl}
            )
            dn, _, controls = data[0]
            self.assertEqual((dn, [int(c.changeType) for c in controls]), (added, [kind]))


if __name__ == "__main__":
    unittest.main()
