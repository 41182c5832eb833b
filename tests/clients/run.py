"""Runs the suites in the folders given and closes with one line: `N passed, N failed`."""

import pathlib
import sys
import unittest


class Lines(unittest.TestResult):
    """One line a test."""

    def __init__(self):
        super().__init__()
        self.passed = self.failed = 0

    def addSuccess(self, test):
        self.passed += 1
        print(f"test {test.id()} ... ok", flush=True)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        print(f"test {test.id()} ... skipped: {reason}", flush=True)

    def _failure(self, test, error):
        self.failed += 1
        print(f"test {test.id()} ... FAILED\n{self._exc_info_to_string(error, test)}", flush=True)
        demo = getattr(test, "demo", None)
        if demo and (demo.folder / "log").exists():
            print(f"the last the daemon said:\n{demo.said()}", flush=True)

    addError = addFailure = _failure

    def addSubTest(self, test, subtest, error):
        if error is not None:
            self._failure(subtest, error)


def main():
    here = pathlib.Path(__file__).resolve().parent
    sys.path.insert(0, str(here))
    result = Lines()
    for folder in sys.argv[1:]:
        folder = pathlib.Path(folder)
        pattern = folder.name if folder.suffix == ".py" else "test_*.py"
        top = folder.parent if folder.suffix == ".py" else folder
        sys.path.insert(0, str(top.resolve()))
        unittest.TestLoader().discover(str(top), pattern=pattern, top_level_dir=str(top)).run(result)
    print(f"{result.passed} passed, {result.failed} failed")
    sys.exit(1 if result.failed or not result.passed else 0)


main()
