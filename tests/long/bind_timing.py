"""The time of a refused bind does not tell why: unknown names, wrong passwords, hashes of another cost or scheme (hardening HB2).

`bind_timing.py [SAMPLES]`: so many of each kind (5 000 unless told, which takes an hour), all mixed, on one connection after
another, and so far apart that none waits until the failure before it is written down. Medians must lie within 5 %, and
Mann-Whitney must not tell the kinds apart (p > 0.01). At p > 0.01 one of a hundred good runs fails by chance, and another
process beside it spoils one as well, so a kind that fails is measured anew, twice at most. A hash of a lower cost is made up
for by a second piece of work: of it only the median is asked.
"""

import math
import pathlib
import random
import statistics
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "hardening"))
from target import SUFFIX, Client, Target, bind, servers  # noqa: E402

SAMPLES = int(sys.argv[1]) if len(sys.argv) > 1 else 5_000
TRIES = 3
WITHIN, CHANCE = 0.05, 0.01
APART = 0.11
LOWER = "hash of a lower cost"
INVALID_CREDENTIALS = 49
WRONG = "wrong password"


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
        password.write_text("the right one\n")
        done = servers.demo.headcount("passwd", "--config", config, "--password-file", password)
        assert f"t={passes}" in done.stdout, done.stdout + done.stderr
        return done.stdout.strip()

    def fill(self):
        """Adds the accounts; answers the name to bind as for each kind."""
        stored = {
            WRONG: self.hash_with(2), LOWER: self.hash_with(1), "hash of a fast scheme": servers.ssha("the right one"),
            "no password": None,
        }
        with Client(self).sign_in(self) as operator:
            assert operator.add(SUFFIX, objectClass=["domain"], dc=["example"]) == 0
            for at, hash in enumerate(stored.values()):
                more = {"userPassword": [hash]} if hash else {}
                code = operator.add(f"uid=user{at},{SUFFIX}", objectClass=["inetOrgPerson"], uid=[f"user{at}"], cn=["x"], sn=["x"], **more)
                assert code == 0, code
        names = {kind: f"uid=user{at},{SUFFIX}" for at, kind in enumerate(stored)}
        return names | {"unknown name": f"uid=user9,{SUFFIX}"}


def measure(server, names, kinds, count):
    """Nanoseconds of each bind, by kind: all kinds once in a random order, and again."""
    taken = {kind: [] for kind in kinds}
    drawn = random.Random(20_261_123)
    client = Client(server)
    for at in range(count + 50):
        if at % 500 == 0:
            client.close()
            client = Client(server)
        for kind in drawn.sample(kinds, len(kinds)):
            request = bind(names[kind], "not the right one")
            time.sleep(APART)
            began = time.perf_counter_ns()
            code, _ = client.ask(request)
            ended = time.perf_counter_ns()
            assert code == INVALID_CREDENTIALS, (kind, code)
            if at >= 50:
                taken[kind].append(ended - began)
    client.close()
    return taken


def main():
    server = Timed()
    names = server.fill()
    left = [kind for kind in names if kind != WRONG]
    passed = failed = 0
    for attempt in range(TRIES):
        taken = measure(server, names, [WRONG, *left], SAMPLES)
        usual = statistics.median(taken[WRONG])
        print(f"{WRONG}: median {usual / 1e6:.3f} ms of {SAMPLES}", flush=True)
        again = []
        for kind in left:
            apart = statistics.median(taken[kind]) / usual - 1
            chance = mann_whitney(taken[WRONG], taken[kind])
            good = abs(apart) <= WITHIN and (kind == LOWER or chance > CHANCE)
            print(f"{kind}: median {apart:+.2%}, p = {chance:.3f}{'' if good else ' (told apart)'}", flush=True)
            passed += good
            again += [] if good else [kind]
        left = again
        if not left:
            break
    failed = len(left)
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
