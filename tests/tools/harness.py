"""What the tests of the commands share: stores, running a command, and telling what went wrong."""
import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest


class Settings:
    dump = ""
    verify = ""
    store = ""
    reindex = ""
    repair = ""
    source = ""
    stores = ""
    work = ""


def store(name):
    """The path of an unpacked reference store; RMQ_ORACLE_DIR names another folder of them."""
    target = os.path.join(Settings.work, name)
    if not os.path.isdir(target):
        archive = os.path.join(Settings.stores, name, name + ".tar.zst")
        os.makedirs(target)
        subprocess.run(["tar", "--zstd", "-xf", archive, "-C", target], check=True)
    return os.path.join(target, "store")


def copy(name, to):
    """A copy of a reference store that a test may change."""
    target = os.path.join(Settings.work, to)
    subprocess.run(["cp", "-a", "--sparse=always", store(name), target], check=True)
    return target


class Run:
    def __init__(self, command, **options):
        environment = {**os.environ, "TZ": "UTC", "LC_ALL": "C.UTF-8"}
        environment.pop("NO_COLOR", None)
        done = subprocess.run(command, capture_output=True, env=environment, timeout=120, **options)
        self.code = done.returncode
        self.out = done.stdout.decode("utf-8")
        self.err = done.stderr.decode("utf-8")

    def rows(self, kind=None):
        rows = [json.loads(line) for line in self.out.splitlines()]
        return rows if kind is None else [row for row in rows if row["kind"] == kind]


def dump(*arguments, **options):
    return Run([Settings.dump, *arguments], **options)


def verify(*arguments, **options):
    return Run([Settings.verify, *arguments], **options)


def wait_for_handlers(process):
    """Returns once the command has made itself ready for signals: SIGUSR1 is caught."""
    for _ in range(3000):
        with open(f"/proc/{process.pid}/status", encoding="ascii") as status:
            caught = next(line for line in status if line.startswith("SigCgt:"))
        if int(caught.split()[1], 16) & 1 << (signal.SIGUSR1 - 1):
            return
        time.sleep(0.01)
    raise AssertionError("no signal handler was installed")


def main():
    parser = argparse.ArgumentParser()
    for name in ("dump", "verify", "store", "reindex", "repair", "source"):
        parser.add_argument("--" + name, required=True)
    arguments, rest = parser.parse_known_args()
    Settings.dump, Settings.verify, Settings.store = arguments.dump, arguments.verify, arguments.store
    Settings.reindex, Settings.repair = arguments.reindex, arguments.repair
    Settings.source = arguments.source
    Settings.stores = os.environ.get("RMQ_ORACLE_DIR", os.path.join(arguments.source, "testdata", "stores"))
    Settings.work = tempfile.mkdtemp(prefix="rmq-tools.")
    try:
        result = unittest.main(module="__main__", argv=[sys.argv[0], *rest], exit=False).result
    finally:
        shutil.rmtree(Settings.work)
    sys.exit(not result.wasSuccessful())
