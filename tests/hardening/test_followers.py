"""Who follows a search is told no more than at that moment (hardening HA12): after a role is taken, and without reading."""

import socket
import time
import unittest

import target
from target import LONG, SUFFIX, WHO_AM_I, Client, Measured, control, message, number, present, replace, search, sequence
from test_low_roles import ACME, House, user
from test_strangers import FOLLOWED


class Followers(unittest.TestCase):
    def test_ha12_who_loses_the_role_is_told_of_others_no_more(self):
        server = House()
        self.addCleanup(server.end)
        operator = server.by_operator

        def told(client, ident):
            """What the connection is told of, up to the answer to a request of its own; `None` is the end of the search."""
            client.send(message(ident, WHO_AM_I))
            names = []
            while (answer := client.receive())[0] != ident:
                if answer[1] == 0x65:
                    names.append(None)
                elif answer[1] == 0x64:
                    names.append(target.first(answer[2])[0].decode())
            return names

        change = lambda who, title: self.assertEqual(operator.ask(replace(user(who), "title", title))[0], 0)
        for what, followed in FOLLOWED.items():
            self.assertEqual(operator.ask(replace(user("sam"), "hcRole", f"cn=searcher,ou=roles,{ACME}"))[0], 0)
            with self.subTest(what), server.signed_in("sam") as client:
                client.send(message(50, search(ACME, 2, present("objectClass"), "title"), followed))
                target.servers.demo.eventually("what there is is told", lambda: user("bob") in told(client, 51))
                change("bob", f"before {what}")
                target.servers.demo.eventually("a change is told", lambda: user("bob") in told(client, 52))
                self.assertEqual(operator.ask(replace(user("sam"), "hcRole"))[0], 0)
                for at in range(50):
                    change("bob", f"after {what} {at}")
                change("sam", f"after {what}")
                # Its own entry comes behind all of those, so nothing of them is still to come; a content sync ends instead.
                names = set()

                def own():
                    names.update(told(client, 53))
                    return {user("sam"), None} & names

                target.servers.demo.eventually("its own change is told, or the end", own)
                self.assertLessEqual(names, {user("sam"), None})

    def test_ha12_followers_that_do_not_read_are_cut_off_and_hold_little(self):
        count, changes = (100, 600) if LONG else (20, 200)
        server = Measured(people=20, limits='write_stall = "2s"')
        self.addCleanup(server.end)
        connections = lambda: server.metrics()['ldap_connections{state="bound"}']
        with Client(server, patience=60).sign_in(server) as operator:
            everybody = search(SUFFIX, 2, present("uid"), "*")
            clients = []
            for at in range(count):
                client = Client(server).sign_in(server)
                self.addCleanup(client.close)
                client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 10)
                client.send(message(2, everybody, list(FOLLOWED.values())[at % 2]))
                clients.append(client)
            target.servers.demo.eventually("all follow", lambda: server.metrics()['ldap_operations_initiated_total{operation="Search"}'] == count)
            self.assertEqual(connections(), count + 1)
            memory, most = server.resident(), 0
            for at in range(changes):
                self.assertEqual(operator.ask(replace(f"uid=user{at % 20},{SUFFIX}", "description", f"{at}" + "x" * 60_000))[0], 0)
                most = max(most, server.resident() - memory)
            print(f"{count} followers and {changes} changes of 60 KB: grown by {most >> 10} KiB, {most / count / 1024:.0f} each")
            # What changed is kept once in any case.
            self.assertLessEqual(most, count * (256 << 10) + (32 << 20))
            target.servers.demo.eventually("all are cut off", lambda: connections() == 1, 60)
            self.assertEqual(operator.ask(target.ROOT), (0, 1))
