"""A search for a value of an attribute that may not be searched takes as long as one for an unknown attribute (hardening HC1).

`search_timing.py [SAMPLES]`: for each form of a filter, hidden and unknown attributes by turns. Their medians lie within 50 %
of each other, or within 100 microseconds (a DN is read where a known attribute takes one); a form that fails is measured anew, twice at most, because the machine is busy too.
"""

import pathlib
import random
import statistics
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "hardening"))
import hidden  # noqa: E402
from target import SUFFIX, search  # noqa: E402

SAMPLES = int(sys.argv[1]) if len(sys.argv) > 1 else 500
TRIES, WITHIN, NANOSECONDS = 3, 0.5, 100_000
ATTRIBUTES = ("mail", "sn", "title", "manager", "memberOf", "userPassword")


def medians(client, make):
    drawn = random.Random(20_261_123)
    requests = {name: search(SUFFIX, 2, make(name), "1.1") for name in ("noSuchThing", *ATTRIBUTES)}
    taken = {name: [] for name in requests}
    for _ in range(SAMPLES):
        for name in drawn.sample(list(requests), len(requests)):
            began = time.perf_counter_ns()
            client.ask(requests[name])
            taken[name].append(time.perf_counter_ns() - began)
    return {name: statistics.median(times) for name, times in taken.items()}


def main():
    server = hidden.Mixed("size = 100000\nlook_through = 100000", count=1_000)
    passed = failed = 0
    with server.reader() as client:
        for what, make in hidden.forms().items():
            for _ in range(TRIES):
                found = medians(client, make)
                usual = found.pop("noSuchThing")
                apart = {name: median for name, median in found.items() if abs(median - usual) > max(WITHIN * usual, NANOSECONDS)}
                if not apart:
                    break
            passed, failed = passed + (not apart), failed + bool(apart)
            told = "".join(f"; {name} {median / usual - 1:+.0%}" for name, median in apart.items())
            print(f"{what}: unknown {usual / 1e3:.0f} us, hidden {min(found.values()) / 1e3:.0f} to {max(found.values()) / 1e3:.0f}{told}", flush=True)
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
