"""No search stops the writer, however dear it is to plan (hardening HA5): the worst deletion beside searches that look at every
key of an index many times takes a part of the time that one of them takes.

`search_stall.py [ENTRIES] [ASSERTIONS]`; a failed round is measured anew, twice at most, because the machine is busy too.
"""

import pathlib
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "hardening"))
import target  # noqa: E402
from target import SUFFIX, Client, Target, bind, search, sequence, substrings, text  # noqa: E402

ENTRIES, ASSERTIONS = (int(given) for given in (sys.argv[1:] + ["20000", "200"][len(sys.argv) - 1:]))
SECONDS, TRIES, PART = 8, 3, 0.5
DEAR = search(SUFFIX, 2, sequence(*(substrings("cn", (1, f"q{n}z")) for n in range(ASSERTIONS)), tag=0xA1), "1.1")
DEVICE = f"cn=device,{SUFFIX}"
ADD = sequence(text(DEVICE), sequence(*(
    sequence(text(name), sequence(text(value), tag=0x31)) for name, value in (("objectClass", "device"), ("cn", "device")))), tag=0x68)
DELETE = text(DEVICE, 0x4A)


def timed(client, operation, code=0):
    began = time.monotonic()
    answered, _ = client.ask(operation)
    assert answered == code, answered
    return time.monotonic() - began


def operator(server):
    client = Client(server, patience=120)
    assert client.ask(bind(server.operator, target.servers.PASSWORD))[0] == 0
    return client


def worst_deletion(server):
    ended = threading.Event()

    def searches():
        client = operator(server)
        while not ended.is_set():
            timed(client, DEAR)

    threads = [threading.Thread(target=searches) for _ in range(2)]
    for thread in threads:
        thread.start()
    writer, taken, until = operator(server), [], time.monotonic() + SECONDS
    while time.monotonic() < until:
        timed(writer, ADD)
        taken.append(timed(writer, DELETE))
    ended.set()
    for thread in threads:
        thread.join()
    return max(taken), len(taken)


def main():
    server = Target(people=ENTRIES)
    client = operator(server)
    alone = sorted(timed(client, DEAR) for _ in range(5))[2]
    for _ in range(TRIES):
        worst, count = worst_deletion(server)
        print(f"a search alone {alone * 1e3:.0f} ms; the worst of {count} deletions beside two of them {worst * 1e3:.0f} ms", flush=True)
        if worst < PART * alone:
            print("1 passed, 0 failed")
            return
    print("0 passed, 1 failed")
    sys.exit(1)


if __name__ == "__main__":
    main()
