"""The time of a refused bind does not tell why: unknown names, wrong passwords, hashes of another cost or scheme, accounts with
one-time codes, the operator of the config; by simple binds and by SASL PLAIN (hardening HB2).

`bind_timing.py [SAMPLES]`: so many of each kind (5 000 unless told, which takes hours), all mixed, on one connection after
another, and so far apart that none waits until the failure before it is written down. Medians must lie within 5 %, and
Mann-Whitney must not tell a kind apart; one of a hundred good runs may fail by chance, and each look at each kind has its share of
that (Bonferroni). A machine that is busy with something else spoils medians, so a kind that fails is measured on, twice at most,
and all of its samples count. A hash of a lower cost is made up for by a second piece of work: of it only the median is asked.
"""

import math
import pathlib
import random
import statistics
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "hardening"))
from target import SUFFIX, Client, Target, bind, number, sequence, servers, text  # noqa: E402

SAMPLES = int(sys.argv[1]) if len(sys.argv) > 1 else 5_000
LOOKS = 3
WITHIN, CHANCE = 0.05, 0.01
APART = 0.11
WARM = 50
LOWER = "hash of a lower cost"
INVALID_CREDENTIALS = 49
WRONG = "wrong password"
PLAIN = " by PLAIN"
ORGANISATION = f"o=Acme,{SUFFIX}"
RIGHT = "the right one"


def plain(name, password):
    return sequence(number(3), text(""), sequence(text("PLAIN"), text(f"\0{name}\0{password}"), tag=0xA3), tag=0x60)


def mann_whitney(one, other):
    """The two-sided p of the U test, by the normal approximation with ties corrected."""
    everything = sorted([(value, 0) for value in one] + [(value, 1) for value in other])
    n, m = len(one), len(other)
    ranks, ties, at = 0.0, 0, 0
    while at < n + m:
        end = at
        while end < n + m and everything[end][0] == everything[at][0]:
            end += 1
        ranks += (at + end + 1) / 2 * sum(1 for _, which in everything[at:end] if which == 0)
        ties += (end - at) ** 3 - (end - at)
        at = end
    u = ranks - n * (n + 1) / 2
    spread = math.sqrt(n * m / 12 * ((n + m + 1) - ties / ((n + m) * (n + m - 1))))
    return math.erfc(abs(u - n * m / 2) / spread / math.sqrt(2))


class Timed(Target):
    """A server with hashes of the default cost, and accounts whose stored passwords differ in what they cost."""

    def write_config(self):
        super().write_config()
        with open(self.folder / "headcount.toml", "a") as config:
            config.write('[hashing]\npasses = 2\n')

    def hash_with(self, passes):
        """A hash of the right password, by a config of its own: the server takes a changed one over."""
        config, password = self.folder / "other.toml", self.folder / "password"
        config.touch(0o600)
        config.write_text((self.folder / "headcount.toml").read_text().replace("passes = 2", f"passes = {passes}"))
        password.write_text(f"{RIGHT}\n")
        done = servers.demo.headcount("passwd", "--config", config, "--password-file", password)
        assert f"t={passes}" in done.stdout, done.stdout + done.stderr
        return done.stdout.strip()

    def fill(self):
        """Adds the accounts; answers the request for each kind."""
        stored = {
            WRONG: self.hash_with(2), LOWER: self.hash_with(1), "hash of a fast scheme": servers.ssha(RIGHT), "no password": None,
        }
        classes = ["inetOrgPerson", "hcUser"]
        coded = f"uid=coded,ou=users,{ORGANISATION}"
        with Client(self).sign_in(self) as operator:
            done = lambda code: code == 0 or sys.exit(f"an entry was refused: {code}")
            done(operator.add(SUFFIX, objectClass=["domain"], dc=["example"]))
            done(operator.add(ORGANISATION, objectClass=["organization", "hcOrganisation"]))
            for at, hash in enumerate(stored.values()):
                more = {"userPassword": [hash]} if hash else {}
                done(operator.add(f"uid=user{at},{SUFFIX}", objectClass=["inetOrgPerson"], uid=[f"user{at}"], cn=["x"], sn=["x"], **more))
            done(operator.add(coded, objectClass=classes, uid=["coded"], cn=["x"], sn=["x"], mail=["coded@example.com"],
                              userPassword=[stored[WRONG]], hcOneTimeSecret=["JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"]))
        names = {kind: f"uid=user{at},{SUFFIX}" for at, kind in enumerate(stored)} | {
            "unknown name": f"uid=user9,{SUFFIX}", "operator of the config": self.operator, "account with one-time codes": coded}
        requests = {kind: bind(name, "not the right one") for kind, name in names.items()}
        requests["wrong code behind the right password"] = bind(coded, f"{RIGHT}000000")
        for kind in (WRONG, "no password", "unknown name"):
            requests[kind + PLAIN] = plain(names[kind], "not the right one")
        return requests


def measure(server, requests, count):
    """Nanoseconds of each bind, by kind: all kinds once in a random order, and again."""
    taken, kinds = {kind: [] for kind in requests}, sorted(requests)
    drawn = random.Random(20_261_123)
    client = Client(server)
    for at in range(count + WARM):
        if at % 500 == 0:
            client.close()
            client = Client(server)
        for kind in drawn.sample(kinds, len(kinds)):
            request = requests[kind]
            time.sleep(APART)
            began = time.perf_counter_ns()
            code, _ = client.ask(request)
            ended = time.perf_counter_ns()
            assert code == INVALID_CREDENTIALS, (kind, code)
            if at >= WARM:
                taken[kind].append(ended - began)
    client.close()
    return taken


def main():
    server = Timed()
    requests = server.fill()
    usual = lambda kind: WRONG + PLAIN if kind.endswith(PLAIN) else WRONG
    kinds = [kind for kind in requests if kind != usual(kind)]
    taken, left = {kind: [] for kind in requests}, kinds
    for _ in range(LOOKS):
        for kind, times in measure(server, {kind: requests[kind] for kind in {*left, *map(usual, left)}}, SAMPLES).items():
            taken[kind] += times
        again = []
        for kind in left:
            ours, others = taken[usual(kind)], taken[kind]
            apart = statistics.median(others) / statistics.median(ours) - 1
            chance = mann_whitney(ours, others)
            good = abs(apart) <= WITHIN and (kind == LOWER or chance > CHANCE / len(kinds) / LOOKS)
            print(f"{kind}: median {apart:+.2%} of {statistics.median(ours) / 1e6:.3f} ms, {len(others)} samples, p = {chance:.4f}"
                  f"{'' if good else ' (told apart)'}", flush=True)
            again += [] if good else [kind]
        left = again
        if not left:
            break
    print(f"{len(kinds) - len(left)} passed, {len(left)} failed")
    sys.exit(1 if left else 0)


if __name__ == "__main__":
    main()
