"""Pages and large groups, with many clients at one time: RFC 9865, RFC 7644 §3.4.2.4 and §3.5.2."""

import socket
import threading
import time

from provider import GROUP, PATCH, USER, Client, Provider


def each(count, work):
    """Runs `work(0)` to `work(count - 1)` at one time; the first error of any is the error of all."""
    errors = []

    def guarded(number):
        try:
            work(number)
        except BaseException as error:  # noqa: BLE001: told by the thread that waits
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(number,)) for number in range(count)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    if errors:
        raise errors[0]


class Queries(Provider):
    def setUp(self):
        self.provider = self.client("rfc", rate="10000", reach="organisation")

    def another(self):
        """A connection of its own, with the same token."""
        client = Client(self.demo.scim, self.provider.authorization.removeprefix("Bearer "))
        self.addCleanup(client.close)
        return client

    def walk(self, client, **query):
        """All resources by cursor, in their order, and the totals that the pages told."""
        met, totals, cursor = [], [], ""
        while cursor is not None:
            answer = client.ask("GET", "/Users", cursor=cursor, **query)
            self.assertEqual(answer.status, 200, answer)
            met += [resource["userName"] for resource in answer["Resources"]]
            totals.append(answer["totalResults"])
            cursor = answer.body.get("nextCursor")
        return met, totals

    def test_rfc9865_walks_while_others_add_and_delete(self):
        """RFC 9865 §2: on a walk none that is there throughout is lost, and none comes twice, sorted or not."""
        stem = self.name("walk")
        stay = [self.user(userName=f"{stem}-stay{n:03}")["userName"] for n in range(60)]
        stop = threading.Event()

        def churn(number):
            client, n = self.another(), 0
            while not stop.is_set():
                n += 1
                name = f"{stem}-{'abz'[n % 3]}{number}-{n}"
                made = client.ask("POST", "/Users", {"schemas": [USER], "userName": name})
                self.assertEqual(made.status, 201, made)
                self.assertEqual(client.ask("DELETE", f"/Users/{made.id}").status, 204)

        def reader(number):
            orders = [{}, {"sortBy": "userName"}, {"sortBy": "meta.lastModified", "sortOrder": "descending"}, {"sortBy": "title"}]
            try:
                for query in orders * 2:
                    met, totals = self.walk(self.another(), filter=f'userName sw "{stem}"', count="7", attributes="userName", **query)
                    self.assertEqual(len(met), len(set(met)), f"{query}: twice")
                    self.assertLessEqual(set(stay), set(met), f"{query}: lost")
                    self.assertTrue(all(total >= len(stay) for total in totals), totals)
            finally:
                if number == 0:
                    stop.set()

        each(6, lambda number: churn(number) if number >= 2 else reader(number))

    def test_rfc9865_cursors_are_url_safe_and_not_to_be_made_up(self):
        """RFC 9865 §2, §2.1: unreserved characters, invalidCursor, invalidCount, and nextCursor until the last page."""
        [self.user() for _ in range(3)]
        first = self.get("/Users", cursor="", count=2)
        self.assertRegex(first["nextCursor"], r"^[A-Za-z0-9._~-]+$")
        self.assertNotIn("startIndex", first.body)
        for cursor in ("x", "AAAA", first["nextCursor"][:-2], first["nextCursor"] + "A", "..", "2"):
            answer = self.get("/Users", cursor=cursor, count=2)
            self.assertEqual((answer.status, answer.body.get("scimType")), (400, "invalidCursor"), answer)
        answer = self.get("/Users", cursor=first["nextCursor"], count=3)
        self.assertEqual((answer.status, answer.body.get("scimType")), (400, "invalidCount"), answer)
        self.assertEqual(self.get("/Groups", cursor=first["nextCursor"], count=2).status, 400)
        pagination = self.get("/ServiceProviderConfig")["pagination"]
        self.assertEqual((pagination["cursor"], pagination["index"], pagination["defaultPaginationMethod"]), (True, True, "index"))

    def test_64_clients_patch_one_group(self):
        """RFC 7644 §3.5.2, scim.md 4 "Lost updates under concurrency": each member that was added is one, and none that was removed."""
        gone = [self.user() for _ in range(64)]
        come = [self.user() for _ in range(64)]
        group = self.group(*gone)

        def patch(number):
            client = self.another()
            for operation in (
                {"op": "add", "path": "members", "value": [{"value": come[number]["id"]}]},
                {"op": "Remove", "path": "members", "value": [{"value": gone[number]["id"]}]},
            ):
                answer = client.ask("PATCH", f"/Groups/{group['id']}", {"schemas": [PATCH], "Operations": [operation]})
                self.assertIn(answer.status, (200, 204), answer)

        each(64, patch)
        self.assertEqual(self.members(group), sorted(user["id"] for user in come))

    def test_put_changes_what_differs(self):
        """RFC 7644 §3.5.1: the list of a PUT is the members; the same list again changes nothing."""
        users = [self.user() for _ in range(120)]
        group = self.group(*users[:100])
        body = {"schemas": [GROUP], "displayName": group["displayName"], "members": [{"value": user["id"]} for user in users[20:]]}
        answer = self.put(f"/Groups/{group['id']}", body)
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual(self.members(group), sorted(user["id"] for user in users[20:]))
        again = self.put(f"/Groups/{group['id']}", body)
        self.assertEqual(again["meta"]["version"], answer["meta"]["version"], "nothing was changed")

    def test_hd1_clients_that_never_read_a_large_group(self):
        """HD1: what is held for one that does not read its answer does not grow with the answer."""
        member = {"schemas": [USER]}
        operations = [{"method": "POST", "path": "/Users", "bulkId": f"m{n}", "data": member | {"userName": self.name("crowd")}} for n in range(100)]
        ids = []
        for _ in range(30):
            for operation in operations:
                operation["data"] = member | {"userName": self.name("crowd")}
            answer = self.post("/Bulk", {"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": operations})
            ids += [done["location"].rsplit("/", 1)[1] for done in answer["Operations"]]
        group = self.made(self.post("/Groups", {"schemas": [GROUP], "displayName": self.name("crowd"), "members": [{"value": i} for i in ids]}))
        whole = self.get(f"/Groups/{group['id']}")
        self.assertEqual(sorted(held["value"] for held in whole["members"]), sorted(ids))

        resident = lambda: int(open(f"/proc/{self.demo.process.pid}/statm").read().split()[1]) * 4096
        held, before = [], resident()
        for _ in range(100):
            s = socket.create_connection((self.provider.base.hostname, self.provider.base.port))
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            held.append(s)
            target = f"{self.provider.base.path}/Groups/{group['id']}"
            s.sendall(f"GET {target} HTTP/1.1\r\nHost: h\r\nAuthorization: {self.provider.authorization}\r\n\r\n".encode())
        time.sleep(2)
        grown = resident() - before
        [s.close() for s in held]
        self.assertLess(grown, 100 * (256 << 10), f"{grown >> 10} KiB for 100 answers of {len(whole.text) >> 10} KiB")
        self.assertEqual(self.get(f"/Groups/{group['id']}", excludedAttributes="members").status, 200)
