"""Starts with 100 000 entries: after a clean stop and after kill -9, each in a few seconds (issue 2; hardening §3.2)."""

import pathlib
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "differential"))
from servers import Headcount  # noqa: E402

ENTRIES = 100_000
SUFFIX = "dc=example,dc=com"
#: Seconds; the debug build is given ten times what the release build is held to.
LIMIT = 20


def main():
    server = Headcount(SUFFIX)
    file = server.folder / "entries.ldif"
    with open(file, "w") as out:
        out.write(f"dn: {SUFFIX}\nobjectClass: domain\ndc: example\n\n")
        for n in range(ENTRIES):
            out.write(
                f"dn: uid=user{n},{SUFFIX}\nobjectClass: inetOrgPerson\nuid: user{n}\ncn: name {n}\nsn: family {n % 5003}\n"
                f"mail: user{n}@example.com\n\n"
            )
    done = server.run("import", file)
    if done.returncode:
        sys.exit(f"import: {done.stdout}{done.stderr}")
    passed = failed = 0
    for how in ("an import", "a clean stop", "kill -9"):
        began = time.monotonic()
        server.start()
        found = subprocess.run(
            ["ldapsearch", "-LLL", "-x", "-H", server.url, "-D", server.operator, "-w", "the operator's own password",
             "-b", SUFFIX, f"(uid=user{ENTRIES - 1})", "mail"],
            capture_output=True, text=True, timeout=60,
        )
        seconds = time.monotonic() - began
        good = seconds <= LIMIT and f"mail: user{ENTRIES - 1}@example.com" in found.stdout
        passed, failed = passed + good, failed + (not good)
        print(f"start after {how}: {seconds:.2f} s {'' if good else found.stdout + found.stderr}", flush=True)
        if how == "an import":
            server.stop()
        else:
            server.process.kill()
            server.process.wait()
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


main()
