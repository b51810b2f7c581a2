"""The commands beside what a real machine does to them: nothing is written, nothing crashes, nothing waits for ever."""
import collections
import hashlib
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest

from harness import Run, Settings, dump, main, store, verify, wait_for_handlers

PROBLEMS, FAULT, WRONG_USE, CANCELLED, REFUSED = 4, 8, 16, 32, 64
LEVELS = ("quick", "normal", "deep", "paranoid")
LOG_NAME = "00000000000000000000"


def commands(root):
    """Every way of reading a store, as a function."""
    runs = [lambda level=level: verify(root, "--level", level) for level in LEVELS]
    runs += [lambda version=version: verify(root, "--preflight", "--version-as", version) for version in ("4.9", "5.3")]
    runs += [
        lambda: dump("log", root, "--json", "--hash", "--join"),
        lambda: dump("log", root, "--stats"),
        lambda: dump("cq", root, "-t", "*", "--join", "--all", "--no-strict-names"),
        lambda: dump("index", root, "--chains"),
        lambda: dump("key", root, "key1"),
        lambda: dump("msg", root, "0"),
        lambda: dump("trace", root, "key1"),
        lambda: dump("state", root),
        lambda: dump("config", root),
    ]
    return runs


def copy(name):
    folder = tempfile.mkdtemp(dir=Settings.work)
    os.chmod(folder, 0o755)
    target = os.path.join(folder, "store")
    shutil.copytree(store(name), target, symlinks=True)
    return target


def digest(root, with_times):
    total = hashlib.sha256()
    for directory, folders, names in os.walk(root):
        folders.sort()
        for name in [".", *sorted(names)]:
            path = os.path.join(directory, name)
            status = os.lstat(path)
            total.update(repr((path, status.st_mode, status.st_size, status.st_mtime_ns, status.st_ctime_ns)).encode())
            if with_times:
                total.update(repr(status.st_atime_ns).encode())
    for directory, folders, names in os.walk(root):
        folders.sort()
        for name in sorted(names):
            path = os.path.join(directory, name)
            if os.path.isfile(path):
                descriptor = os.open(path, os.O_RDONLY | os.O_NOATIME)
                with os.fdopen(descriptor, "rb") as file:
                    total.update(file.read())
    return total.hexdigest()


def set_old_access_times(root):
    """Older than the modification: a mount with relatime would renew them at the next read."""
    for directory, _, names in os.walk(root, topdown=False):
        for name in [*names, "."]:
            path = os.path.join(directory, name)
            status = os.stat(path)
            os.utime(path, ns=(status.st_mtime_ns - 10**12, status.st_mtime_ns))


def mount_keeps_access_times():
    with tempfile.NamedTemporaryFile(dir=Settings.work) as probe:
        os.utime(probe.name, ns=(0, 10**9))
        probe.write(b"x")
        probe.flush()
        with open(probe.name, "rb") as file:
            file.read()
        return os.stat(probe.name).st_atime_ns != 0


class Writing(unittest.TestCase):
    def test_nothing_changes(self):
        for name in ("base", "dmg-zero-page", "crash-kill9", "cq-ext"):
            root = copy(name)
            set_old_access_times(root)
            # os.walk lists directories, which renews their access times: files only are compared below them.
            before = {path: os.stat(path).st_atime_ns for path in self.files(root)}
            content = digest(root, False)
            for run in commands(root):
                result = run()
                self.assertGreaterEqual(result.code, 0, result.err)
            if mount_keeps_access_times():
                after = {path: os.stat(path).st_atime_ns for path in self.files(root)}
                self.assertEqual(before, after, name)
            self.assertEqual(content, digest(root, False), name)

    @staticmethod
    def files(root):
        return [os.path.join(directory, name) for directory, _, names in os.walk(root) for name in names]

    def test_directories_keep_their_access_time(self):
        if os.geteuid() != 0 and os.stat(Settings.work).st_uid != os.geteuid():
            self.skipTest("only the owner may read without leaving an access time")
        if not mount_keeps_access_times():
            self.skipTest("this mount keeps no access times")
        root = copy("base")
        folders = [root] + [os.path.join(root, name) for name in ("commitlog", "index", "consumequeue")]
        for folder in folders:
            os.utime(folder, ns=(10**9, 2 * 10**9))
        verify(root)
        dump("state", root)
        self.assertEqual([os.stat(folder).st_atime_ns for folder in folders], [10**9] * len(folders))

    def test_read_only_mount(self):
        if os.geteuid() != 0:
            self.skipTest("only root can mount")
        root = copy("base")
        point = tempfile.mkdtemp(dir=Settings.work)
        mount = f"mount --bind '{root}' '{point}' && mount -o remount,ro,bind '{point}'"
        if subprocess.run(["unshare", "-m", "sh", "-c", mount], capture_output=True).returncode != 0:
            self.skipTest("no mounts may be made here")
        probe = f"{mount} && touch '{point}/x'"
        self.assertNotEqual(subprocess.run(["unshare", "-m", "sh", "-c", probe], capture_output=True).returncode, 0)
        for command in (f"{Settings.verify} '{point}' --level paranoid", f"{Settings.verify} '{point}' --preflight",
                        f"{Settings.dump} log '{point}' --json", f"{Settings.dump} state '{point}'"):
            run = Run(["unshare", "-m", "sh", "-c", f"{mount} && exec {command}"])
            self.assertEqual(run.code, 0, command + run.err)


@unittest.skipUnless(os.geteuid() == 0, "only root can become somebody else, and only others can be refused")
class Refused(unittest.TestCase):
    nobody = {"user": 65534, "group": 65534, "extra_groups": []}

    def setUp(self):
        os.chmod(Settings.work, 0o755)
        try:
            if dump("--version", **self.nobody).code != 0:
                self.skipTest("others may not run the commands where they were built")
        except PermissionError:
            self.skipTest("others may not run the commands where they were built")

    def check(self, root, hidden):
        for run in (verify(root, "--level", "deep", **self.nobody), verify(root, "--preflight", **self.nobody),
                    dump("log", root, "--json", **self.nobody)):
            self.assertEqual(run.code & FAULT, FAULT, run.err + run.out)
            self.assertIn(hidden, run.err + run.out)
            self.assertIn("ermission denied", run.err + run.out)

    def test_readable(self):
        root = copy("base")
        self.assertEqual(verify(root, "--level", "paranoid", **self.nobody).code, 0)

    def test_log_file(self):
        root = copy("base")
        os.chmod(os.path.join(root, "commitlog", "00000000000000131072"), 0)
        self.check(root, "00000000000000131072")

    def test_log_directory(self):
        root = copy("base")
        os.chmod(os.path.join(root, "commitlog"), 0)
        self.check(root, "commitlog")

    def test_queue_file(self):
        root = copy("base")
        os.chmod(os.path.join(root, "consumequeue", "Orders", "1", LOG_NAME), 0)
        run = verify(root, **self.nobody)
        self.assertEqual(run.code & FAULT, FAULT, run.err + run.out)
        self.assertIn("consumequeue/Orders/1/" + LOG_NAME, run.err + run.out)
        run = dump("cq", root, "-t", "Orders", **self.nobody)
        self.assertEqual(run.code & FAULT, FAULT, run.err)
        self.assertIn("Orders/1", run.err)

    def test_config(self):
        for part, verbs in (("config", ("config",)), ("config/topics.json", ("config",)), ("config/topics.json.bak", ("config",))):
            root = copy("broker-config")
            os.chmod(os.path.join(root, part), 0)
            runs = [verify(root, **self.nobody), verify(root, "--level", "quick", **self.nobody),
                    *(dump(verb, root, **self.nobody) for verb in verbs)]
            if part != "config/topics.json.bak":  # nobody looks at the .bak of a good file
                runs.append(verify(root, "--preflight", **self.nobody))
            for run in runs:
                self.assertEqual(run.code & FAULT, FAULT, part + run.err + run.out)
                self.assertRegex(run.err, f"store/{part}(/topics.json)?: Permission denied")
            self.assertEqual(dump("log", root, **self.nobody).code, 0)

    def test_directories_that_may_be_listed_and_not_entered(self):
        for part in (".", "commitlog", "consumequeue", "consumequeue/Orders", "consumequeue/Orders/0", "index", "config"):
            root = copy("base" if part != "config" else "broker-config")
            os.chmod(os.path.join(root, part), 0o444)
            for run in (verify(root, **self.nobody), dump("config", root, **self.nobody)):
                with self.subTest(part=part):
                    self.assertEqual(run.code & FAULT, FAULT, run.err + run.out)
                    self.assertIn("Permission denied", run.err)
            os.chmod(os.path.join(root, part), 0o755)

    def test_ext_file(self):
        root = copy("cq-ext")
        path = os.path.join(root, "consumequeue_ext", "ExtA", "0", LOG_NAME)
        os.chmod(path, 0)
        for run in (verify(root, **self.nobody), dump("cq", root, **self.nobody), dump("log", root, "--join", **self.nobody)):
            self.assertEqual(run.code & FAULT, FAULT, run.err + run.out)
            self.assertIn(path + ": Permission denied", run.err)

    def test_lock_that_cannot_be_asked(self):
        root = copy("base")
        path = os.path.join(root, "lock")
        with open(path, "wb") as file:
            file.write(b"lock")
        os.chmod(path, 0)
        run = verify(root, **self.nobody)
        self.assertEqual(run.code, 0, run.err)
        self.assertIn(path + ": Permission denied", run.err)

    def test_index_and_state_files(self):
        for part in ("index", "checkpoint"):
            root = copy("base")
            path = os.path.join(root, part)
            path = os.path.join(path, sorted(os.listdir(path))[0]) if os.path.isdir(path) else path
            os.chmod(path, 0)
            run = verify(root, "--level", "deep", **self.nobody)
            self.assertEqual(run.code & FAULT, FAULT, part + run.err + run.out)
            self.assertIn(os.path.basename(path), run.err + run.out)


class Signals(unittest.TestCase):
    def test_between_reads(self):
        verify_command = [Settings.verify, store("base"), "-o", "json", "--max-rate", "1K"]
        dump_command = [Settings.dump, "cq", store("base"), "-t", "*", "--json", "--max-rate", "1K"]
        for command, which in (([*verify_command, "--level", "deep"], signal.SIGINT),
                               ([*verify_command, "--preflight"], signal.SIGTERM), (dump_command, signal.SIGTERM)):
            with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
                wait_for_handlers(child)
                child.send_signal(which)
                out, err = child.communicate(timeout=60)
            self.assertEqual(child.returncode & CANCELLED, CANCELLED, f"{command} {child.returncode} {err}")
            self.assertTrue(out == b"" or out.endswith(b"\n"), out[-200:])
            for row in (json.loads(line) for line in out.splitlines()):
                self.assertFalse(row["kind"] == "summary" and row["clean"], "a run cut short is never clean")

    def test_in_a_blocked_write(self):
        reading, writing = os.pipe()
        with subprocess.Popen([Settings.dump, "log", store("plain"), "--json", "--body", "base64"], stdout=writing,
                              stderr=subprocess.PIPE) as child:
            os.close(writing)
            # Nobody reads: the pipe fills up, and the command waits in write(2).
            self.wait_until_asleep(child.pid)
            child.send_signal(signal.SIGINT)
            out = b""
            while piece := os.read(reading, 1 << 16):
                out += piece
            os.close(reading)
            _, err = child.communicate(timeout=60)
        self.assertEqual(child.returncode & CANCELLED, CANCELLED, err)
        self.assertTrue(out.endswith(b"\n"), out[-100:])
        for line in out.splitlines():
            json.loads(line)

    def wait_until_asleep(self, pid):
        for _ in range(3000):
            with open(f"/proc/{pid}/wchan") as file:
                if "pipe" in file.read():
                    return
            with open(f"/proc/{pid}/syscall") as file:
                if file.read().startswith("1 0x1 "):  # write to standard output
                    return
            time.sleep(0.01)
        self.skipTest("this kernel does not tell what a process waits for")

    def test_broken_pipe(self):
        for command in (f"'{Settings.dump}' log '{store('base')}' --json --body base64",
                        f"'{Settings.dump}' cq '{store('base')}' -t '*'",
                        f"'{Settings.verify}' '{store('dmg-cq-tagscode')}' -o json"):
            run = Run(["bash", "-c", f"{command} | head -n 1 >&2; exit ${{PIPESTATUS[0]}}"])
            self.assertGreaterEqual(run.code, 0)
            self.assertEqual(run.code & ~PROBLEMS, 0, run.err)
            self.assertNotIn("roken pipe", run.err)
            self.assertNotIn("SIGPIPE", run.err)


class Strange(unittest.TestCase):
    def survives(self, root, code=None):
        runs = [lambda: verify(root, "--level", "paranoid"), lambda: verify(root, "--preflight"),
                lambda: dump("cq", root, "-t", "*", "--all"), lambda: dump("state", root)]
        for run in runs:
            result = run()
            self.assertGreaterEqual(result.code, 0, result.err)
            self.assertLess(result.code, 128, result.err)
            self.assertNotIn("Sanitizer", result.err)
        if code is not None:
            result = verify(root, "--level", "deep", "-o", "json")
            self.assertEqual(result.code, code, result.out + result.err)
        rows = dump("log", root, "--json").rows("record")
        self.assertEqual(len(rows), 323)

    def test_a_topic_that_was_deleted_while_its_queues_were_behind(self):
        """As a stock broker left it: what it dispatched after the deletion made two queues again, behind fillers."""
        root = os.path.join(tempfile.mkdtemp(dir=Settings.work), "store")
        shutil.copytree(store("broker-config"), root)
        queues = os.path.join(root, "consumequeue", "OrderedTopic")
        with open(os.path.join(Settings.stores, "broker-config", "expected.jsonl"), encoding="utf-8") as f:
            counts = collections.Counter(r["queueId"] for r in map(json.loads, f) if r["topic"] == "OrderedTopic")
        for queue in (0, 1, 2):  # their last messages lie behind the last one of queue 3
            with open(os.path.join(queues, str(queue), "0" * 20), "r+b") as f:
                f.write(struct.pack(">qiq", 0, 0x7FFFFFFF, 0) * (counts[queue] - 1))
        shutil.rmtree(os.path.join(queues, "3"))

        def severities():
            return {f["severity"] for f in verify(root, "--level", "deep", "--json").rows("finding") if f["code"] == "CQ-MISSING-QUEUE"}

        self.assertEqual(severities(), {"hidden"})  # the topic is there, so somebody took its queue away
        for name in ("topics.json", "topics.json.bak"):
            path = os.path.join(root, "config", name)
            with open(path, encoding="utf-8") as f:
                text = f.read()
            with open(path, "w", encoding="utf-8") as f:
                f.write(text.replace("OrderedTopic", "AnotherTopic"))
        self.assertEqual(severities(), set())

    def test_what_is_no_file(self):
        makers = {
            "fifo": os.mkfifo,
            "directory": os.mkdir,
            "loop": lambda path: os.symlink(os.path.basename(path), path),
            "dangling": lambda path: os.symlink("nowhere", path),
            "device": lambda path: os.symlink("/dev/zero", path),
        }
        places = ("commitlog/00000000000000458752", "commitlog/stray", "consumequeue/Orders/0/00000000000000099840",
                  "consumequeue/Orders/9", "consumequeue/stray", "index/20991231235959999", "index/stray", "config",
                  "lock", "abort")
        for number, place in enumerate(places):
            for turn, (kind, make) in enumerate(makers.items()):
                if number > 0 and (number + turn) % 2 == 0:  # half of them say as much as all
                    continue
                with self.subTest(place=place, kind=kind):
                    root = copy("base")
                    path = os.path.join(root, place)
                    if os.path.isdir(path):
                        shutil.rmtree(path)
                    elif os.path.lexists(path):
                        os.unlink(path)
                    make(path)
                    self.survives(root)
                    if place == "commitlog/00000000000000458752" and kind in ("fifo", "device", "loop"):
                        run = verify(root)
                        self.assertNotEqual(run.code, 0, run.out)
                        self.assertIn("00000000000000458752", run.out + run.err)

    def test_files_of_no_size(self):
        for size in (0, 1):
            for place in ("commitlog/00000000000000458752", "consumequeue/Orders/0/00000000000000099840",
                          "index/20991231235959999", "checkpoint", "abort", "config/topics.json"):
                with self.subTest(place=place, size=size):
                    root = copy("base")
                    path = os.path.join(root, place)
                    os.makedirs(os.path.dirname(path), exist_ok=True)
                    with open(path, "wb") as file:
                        file.write(b"\0" * size)
                    self.survives(root)

    def test_loops_of_directories(self):
        root = copy("base")
        os.symlink("..", os.path.join(root, "consumequeue", "Orders", "up"))
        os.symlink("..", os.path.join(root, "timerlog"))
        os.symlink(root, os.path.join(root, "commitlog", "again"))
        self.survives(root)

    def test_names_that_are_no_text(self):
        root = copy("base")
        folder = os.fsencode(os.path.join(root, "consumequeue")) + b"/\xff\x1b[31m\n"
        os.mkdir(folder)
        os.mkdir(folder + b"/0")
        with open(folder + b"/0/" + LOG_NAME.encode(), "wb") as file:
            file.write(b"\0" * 320)
        self.survives(root)
        self.assertNotIn("\x1b", verify(root).out)
        for run in (verify(root, "-o", "json"), dump("state", root, "--json")):
            self.assertTrue(run.rows())

    def test_shrinking_file(self):
        root = copy("base")
        path = os.path.join(root, "commitlog", "00000000000000065536")
        with open(path, "rb") as file:
            content = file.read()
        done = threading.Event()

        def shrink():
            while not done.is_set():
                os.truncate(path, 5000)
                with open(path, "r+b") as file:
                    file.write(content)

        shrinker = threading.Thread(target=shrink)
        shrinker.start()
        try:
            for run in commands(root):
                result = run()
                self.assertGreaterEqual(result.code, 0, result.err)
                self.assertLess(result.code, 128, result.err)
        finally:
            done.set()
            shrinker.join()
        self.survives(root, 0)


HOLDER = """
import fcntl, os, sys
descriptor = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
fcntl.lockf(descriptor, fcntl.LOCK_EX, 1, 0)
print(os.getpid(), flush=True)
sys.stdin.read()
"""


class Live(unittest.TestCase):
    def test_live_store_is_refused(self):
        root = copy("base")
        self.assertEqual(verify(root).code, 0)
        with subprocess.Popen([sys.executable, "-c", HOLDER, os.path.join(root, "lock")], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, text=True) as holder:
            pid = holder.stdout.readline().strip()
            for arguments in ([], ["--level", "quick"], ["--preflight"]):
                run = verify(root, *arguments)
                self.assertEqual(run.code, REFUSED, run.err)
                self.assertEqual(run.out, "")
                self.assertIn(f"process {pid} ", run.err)
            run = dump("log", root, "--json")
            self.assertEqual(run.code, 0, run.err)
            self.assertEqual(len(run.rows("record")), 323)
            self.assertIn(pid, dump("state", root).out)
            holder.communicate("")
        self.assertEqual(verify(root).code, 0)

    def test_a_store_that_somebody_writes_to_is_refused(self):
        root = copy("base")
        for name, mode, live in (("commitlog/" + LOG_NAME, "r+b", True), ("checkpoint", "r+b", True),
                                 ("commitlog/" + LOG_NAME, "rb", False), ("index", None, False)):
            with self.subTest(name=name, mode=mode):
                path = os.path.join(root, name)
                descriptor = os.open(path, os.O_RDWR if mode == "r+b" else os.O_RDONLY)
                try:
                    runs = verify(root), verify(root, "--preflight"), verify(root, "--level", "quick")
                    (row,) = dump("state", root, "--json").rows("processes")
                    self.assertEqual(dump("log", root, "--json").code, 0)
                finally:
                    os.close(descriptor)
                for run in runs:
                    self.assertEqual(run.code, REFUSED if live else 0, run.err)
                    if live:
                        self.assertEqual(run.out, "")
                        self.assertIn(f"process {os.getpid()} (", run.err)
                        self.assertIn(f"{name} open for writing", run.err)
                self.assertEqual(row["writerPid"], os.getpid() if live else None)
                self.assertEqual(row.get("writerFile"), name if live else None)
        self.assertEqual(verify(root).code, 0)

    def test_a_lock_file_alone_is_nothing(self):
        root = copy("base")
        with open(os.path.join(root, "lock"), "wb") as file:
            file.write(b"lock")
        self.assertEqual(verify(root).code, 0)


class Preflight(unittest.TestCase):
    def test_codes(self):
        for name, code in (("base", 0), ("crash-kill9", 0), ("dmg-magic", 0), ("dmg-magic-last", PROBLEMS)):
            for version in ("4.9", "5.3"):
                run = verify(store(name), "--preflight", "--version-as", version, "-o", "json")
                (row,) = run.rows("preflight")
                expected = PROBLEMS if not row["starts"] or row["messagesLost"] or row["misplaced"] else 0
                self.assertEqual(run.code, expected, name)
                if version == "5.3":
                    self.assertEqual(run.code, code, f"{name} {row}")


class BodiesCount(unittest.TestCase):
    def test_a_flipped_body_is_found_where_neither_queue_nor_index_tells_of_it(self):
        for name in ("base", "rocksdb-cq"):
            with self.subTest(store=name):
                root = copy(name)
                shutil.rmtree(os.path.join(root, "index"), ignore_errors=True)
                record = next(row for row in dump("log", root, "--json").rows("record") if row["bodySize"] > 20)
                with open(os.path.join(root, "commitlog", record["file"]), "r+b") as log:
                    log.seek(record["phyOffset"] + 88 + 10)  # V1 and IPv4 hosts: the body begins at 88
                    byte = log.read(1)
                    log.seek(-1, os.SEEK_CUR)
                    log.write(bytes([byte[0] ^ 4]))
                rows = verify("--level", "deep", "--json", root).rows("finding")
                self.assertEqual([(row["code"], row["offset"]) for row in rows if row["code"].startswith("CL-")],
                                 [("CL-BODY-CRC", record["phyOffset"])])


if __name__ == "__main__":
    main()
