"""10 000 PUT and PATCH requests with If-Match from 32 clients at once on a few users (hardening HE7): no update is lost, and who comes
second gets 412.

Each client reads the user's count and its version, and writes the count plus one with that version; so in the end the count is the number
of requests that were answered 200. PATCH requests without a version, one in ten, count too: they add a phone number each.
"""

import concurrent.futures
import pathlib
import random
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "scim"))
from provider import Client, Provider  # noqa: E402

REQUESTS, CLIENTS, USERS = 10_000, 32, 4


class VersionRace(Provider):
    def race(self, number, token, users):
        drawn, client = random.Random(number), Client(self.demo.scim, token)
        won, lost, added = dict.fromkeys(users, 0), 0, {user: [] for user in users}
        for step in range(REQUESTS // CLIENTS):
            user = drawn.choice(users)
            path = f"/Users/{user}"
            if step % 10 == 9:
                phone = f"+64 {number:03} {step:04}"
                answer = client.ask("PATCH", path, {"Operations": [{"op": "add", "path": "phoneNumbers", "value": [{"value": phone}]}]})
                self.assertEqual(answer.status, 200, answer)
                added[user].append(phone)
                continue
            read = client.ask("GET", path)
            count = str(int(read.body.get("title", "0")) + 1)
            if step % 2:
                answer = client.ask("PUT", path, read.body | {"title": count}, {"If-Match": read.headers["etag"]})
            else:
                operations = {"Operations": [{"op": "replace", "path": "title", "value": count}]}
                answer = client.ask("PATCH", path, operations, {"If-Match": read.headers["etag"]})
            self.assertIn(answer.status, (200, 412), answer)
            won[user] += answer.status == 200
            lost += answer.status == 412
        client.close()
        return won, lost, added

    def test_he7_no_update_is_lost(self):
        token = self.token("rfc", rate="10000")
        maker = Client(self.demo.scim, token)
        users = [maker.ask("POST", "/Users", {"userName": self.name()}).id for _ in range(USERS)]
        with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
            raced = list(pool.map(lambda number: self.race(number, token, users), range(CLIENTS)))
        for user in users:
            held = maker.ask("GET", f"/Users/{user}").body
            self.assertEqual(int(held["title"]), sum(won[user] for won, _, _ in raced))
            phones = {phone["value"] for phone in held["phoneNumbers"]}
            self.assertEqual(phones, {phone for _, _, added in raced for phone in added[user]})
        lost = sum(lost for _, lost, _ in raced)
        self.assertGreater(lost, 0, "nobody met anybody")
        maker.close()


if __name__ == "__main__":
    unittest.main()
