"""Every kind of nonsense: its exit code, and the sentence that says what to do."""
import os
import shutil
import signal
import subprocess
import unittest

from harness import Run, Settings, dump, main, store, verify, wait_for_handlers

WRONG_USE = 16


class WrongUse(unittest.TestCase):
    def refused(self, run, *sentences, code=WRONG_USE):
        self.assertEqual(run.code, code, run.err)
        self.assertEqual(run.out, "")
        self.assertEqual(run.err.count("\n"), 1, run.err)
        for sentence in sentences:
            self.assertIn(sentence, run.err)

    def test_flags(self):
        base = store("base")
        for arguments, sentence in [
                (["log", base, "--topicc", "X"], "unknown flag --topicc for 'log'; did you mean --topic?"),
                (["log", base, "--hlep"], "did you mean --help?"),
                (["state", base, "--key", "x"], "unknown flag --key for 'state'"),
                (["log", base, "-t"], "--topic needs a value"),
                (["log", base, "--json=5"], "--json takes no value"),
                (["log", base, "extra"], "'extra' is one argument too many"),
                (["snapshot", base], "no file given"),
        ]:
            with self.subTest(arguments=arguments[2:]):
                self.refused(dump(*arguments), sentence)

    def test_values(self):
        base = store("base")
        for arguments, sentence in [
                (["--since", "yesterday"], "--since 'yesterday' makes no sense; give a time like"),
                (["--since", "2026-02-31"], "makes no sense"),
                (["--from", "-5"], "--from '-5' makes no sense; give an offset"),
                (["--from", "0xzz"], "--from '0xzz' makes no sense"),
                (["--from", "10", "--to", "5"], "--to is not above --from"),
                (["--qfrom", "10", "--qto", "10"], "--qto is not above --qfrom"),
                (["--since", "10", "--until", "5"], "--until is not after --since"),
                (["-q", "x"], "--queue 'x' makes no sense; give queue ids like 0,3-5"),
                (["-q", "5-3"], "--queue '5-3' makes no sense"),
                (["-n", "1", "--tail", "1"], "exclude each other"),
                (["-n", "-1"], "--limit '-1' makes no sense"),
                (["--body", "foo"], "give none, text, hex, base64 or file:DIR"),
                (["--body", "file:/no/such/place"], "no such directory"),
                (["--body-grep", "("], "is no regular expression"),
                (["--prop", "x"], "NAME=VALUE"),
                (["--props", "x"], "give all, user or none"),
                (["--stats=x"], "give topic, queue, hour or tag"),
                (["-o", "xml"], "give text or json"),
                (["-j", "0"], "give a number from 1 to 256"),
                (["--mem", "1"], "give 8M at least"),
                (["--max-rate", "fast"], "give a size like"),
                (["--color", "red"], "give auto, always or never"),
                (["--progress", "x"], "give auto, always or never"),
                (["--broker-conf", "/no/such.conf"], "--broker-conf: "),
                (["--commitlog", "/no/such"], "--commitlog: "),
                (["-t", ""], "--topic was given an empty value"),
                (["-t", ","], "--topic ',' names no topic"),
                (["-T", ","], "--exclude-topic ',' names no topic"),
                (["--commitlog", ","], "--commitlog ',' names no directory"),
                (["--index", os.path.join(base, "checkpoint")], "is no directory"),
                (["--since", "2026-01-01T24:30"], "makes no sense"),
                (["--since", "20260131"], "--since '20260131' makes no sense; give dashes and colons to a date"),
                (["--until", "20260131183000"], "give dashes and colons to a date"),
                (["--since", "2026-13-01"], "makes no sense"),
                (["--since", "-99999999999999999w"], "makes no sense"),
                (["--until", "2026-01-01T00:00+99:99"], "makes no sense"),
                (["--from", ""], "--from was given an empty value"),
                (["--since", "99999999999999999999"], "makes no sense"),
                (["--since", "-2y"], "makes no sense"),
                (["-n", "99999999999999999999"], "makes no sense"),
                (["--from", "1e3"], "makes no sense"),
                (["--from", "0x10000000000000000"], "makes no sense"),
        ]:
            with self.subTest(arguments=arguments):
                self.refused(dump("log", base, *arguments), sentence)
        for arguments, sentence in [
                (["--level", "x"], "give quick, normal, deep or paranoid"),
                (["--version-as", "5.3"], "give --preflight too"),
                (["--preflight", "--version-as", "6"], "give 4.9 or 5.3"),
                (["--only", "XX-NO"], "no finding has that code"),
                (["--explain", "XX-NO"], "no finding has that code; rmq-verify --explain list names them all"),
                (["--explain", "CL-DAMAGE"], "did you mean CL-DAMAGED?"),
                (["--explain", "IX-CHAN"], "did you mean IX-CHAIN?"),
                (["--explain", "IX-CHAIN,NIX"], "'NIX': no finding has that code"),
                (["--skip", "CQ-*,CQ-LAGG"], "--skip 'CQ-LAGG': no finding has that code; did you mean CQ-LAG?"),
                (["--only", ","], "no finding has that code"),
                (["--only", ""], "--only was given an empty value"),
                (["--level", "DEEP"], "give quick, normal, deep or paranoid"),
                (["--levle", "deep"], "unknown flag --levle; did you mean --level?"),
                (["--preflight", "--level", "deep"], "--level is about findings; --preflight reports none"),
                (["--preflight", "--only", "CL-*"], "--only is about findings"),
                (["-j", "0"], "give a number from 1 to 256"),
                (["--mem", "1Q"], "give a size like"),
                (["--max-rate", "0"], "give a size like"),
                (["-o", "yaml"], "give text or json"),
        ]:
            with self.subTest(arguments=arguments):
                self.refused(verify(base, *arguments), sentence)

    def test_stores(self):
        empty = os.path.join(Settings.work, "empty")
        os.makedirs(empty, exist_ok=True)
        text = os.path.join(Settings.work, "notes.txt")
        with open(text, "w", encoding="utf-8") as f:
            f.write("nothing of a store\n")
        for command in (dump, verify):
            base = store("base")
            for path, sentence in [("/no/such/store", "no such store: /no/such/store"), (empty, "is empty"),
                                   (text, "is neither a store directory nor"), ("/dev/null", "is neither a directory nor a file"),
                                   ("", "STORE is an empty text"), (os.path.dirname(base), "give the store root"),
                                   (os.path.join(base, "commitlog"), "give the store root"),
                                   (os.path.join(base, "checkpoint"), "is neither a store directory nor")]:
                with self.subTest(command=command.__name__, path=path):
                    self.refused(command(path), sentence)
            with self.subTest(command=command.__name__):
                self.refused(command(), "no STORE given")
        self.refused(dump("lgo"), "did you mean the verb 'log'?")
        self.refused(dump("lgo", store("base")), "no verb 'lgo'; did you mean 'log'?")
        self.refused(dump("key", store("base")), "no KEY given")
        self.refused(dump("trace", store("base")), "no KEY given; rmq-dump trace STORE KEY")
        self.refused(dump("msg", store("base")), "no message given")

    def test_names_that_match_nothing(self):
        base = store("base")
        for verb in ("log", "cq"):
            self.refused(dump(verb, base, "-t", "Nope"), "no topic in this store matches 'Nope'")
            self.refused(dump(verb, base, "-T", "Nope*"), "'Nope*'")
            self.assertEqual(dump(verb, base, "--json", "-t", "Nope", "--no-strict-names").code, 0)
        self.refused(dump("index", base, "--file", "nope"), "no index file 'nope'")
        self.refused(dump("key", base, "key20", "-t", "Nope"), "no topic in this store matches 'Nope'")
        self.refused(dump("key", base, "key20", "-t", "Nope*"), "no topic in this store matches 'Nope*'")
        for verb in ("log", "cq"):
            for queues, named in (("99", "99"), ("0,99", "99"), ("7-9,0,55", "7-9,55")):
                self.refused(dump(verb, base, "-t", "Orders", "-q", queues), f"no topic that was asked for has a queue {named};")
            self.assertEqual(dump(verb, base, "-t", "Orders", "-q", "0-99").code, 0)
            self.assertEqual(dump(verb, base, "-t", "Orders", "-q", "99", "--no-strict-names").code, 0)
        # That a name occurs does not depend on the other conditions.
        self.assertEqual(dump("log", base, "-t", "Orders", "--since", "2099-01-01").code, 0)
        expected = dump("log", store("recreated"), "--json").rows("record")
        self.assertEqual(dump("log", store("recreated"), "-t", expected[0]["topic"], "--from", "99999999").code, 0)

    def test_times_that_are_no_dates(self):
        for time in ("0", "1767225600000", "99999999", "20261301", "12345678901234"):
            self.assertEqual(dump("log", store("base"), "--since", time, "--json").code, 0, time)

    def test_messages_that_are_not_there(self):
        base = store("base")
        for arguments, sentence in [
                (["key", base, "nokey"], "no message with the key 'nokey' in the index; rmq-dump log --key looks at every record"),
                (["key", base, "nokey", "-t", "Orders"], "no message with the key 'nokey'"),
                (["key", base, "nokey", "-t", "Nope", "--no-strict-names"], "no message with the key 'nokey'"),
                (["msg", base, "77"], "no message begins at offset 77; rmq-dump log lists"),
                (["msg", base, "0xffffff"], "no message begins at offset 0xffffff"),
                (["trace", base, "NOTHING"], "no message 'NOTHING' in this store"),
                (["msg", base, "NOTHING"], "no message 'NOTHING' in this store"),
                (["log", base, "--key", "nokey"], "no record in the log has this key or id"),
                (["log", base, "--msgid", "NOTHING"], "no record in the log has this key or id"),
        ]:
            with self.subTest(arguments=arguments):
                run = dump(*arguments, "--json")
                self.assertEqual(run.code, 4, run.err)
                self.assertEqual(run.out, "")
                self.assertIn(sentence, run.err)
        self.assertEqual(dump("log", base, "--key", "key20", "-n", "1").code, 0)
        self.assertEqual(dump("log", base, "--key", "nokey", "--stats").code, 0)

    def test_every_command_says_what_it_was_given(self):
        empty = os.path.join(Settings.work, "void")
        os.makedirs(empty, exist_ok=True)
        text = os.path.join(Settings.work, "void.txt")
        with open(text, "w", encoding="utf-8") as f:
            f.write("nothing of a store\n")
        base = store("base")
        commands = [lambda *rest, verb=verb: dump(verb, *rest) for verb in ("log", "cq", "index", "state", "config")]
        commands += [lambda where, *rest, verb=verb: dump(verb, where, "key1", *rest) for verb in ("key", "msg", "trace")]
        commands += [verify, lambda *rest: verify(*rest, "--preflight"), lambda *rest: verify(*rest, "--level", "quick")]
        for number, command in enumerate(commands):
            for arguments, sentence in [(["/no/such/store"], "no such store: /no/such/store"), ([empty], "void is empty"),
                                        ([text], "void.txt is neither a store directory nor"), ([base, "--nonsense"], "unknown flag --nonsense"),
                                        ([base, "--broker-conf", "/no/such"], "--broker-conf: /no/such: No such file"),
                                        ([base, "--index", "/no/such"], "--index: /no/such: No such file")]:
                with self.subTest(command=number, arguments=arguments):
                    self.refused(command(*arguments), sentence)

    def test_parts_that_are_no_directories(self):
        for part in ("commitlog", "consumequeue", "index"):
            for make in (lambda path: open(path, "wb").close(), lambda path: os.symlink("/no/such/mount", path)):
                root = os.path.join(Settings.work, "parts")
                shutil.rmtree(root, ignore_errors=True)
                shutil.copytree(store("base"), root)
                shutil.rmtree(os.path.join(root, part))
                make(os.path.join(root, part))
                for command in (dump, verify):
                    self.refused(command(root), f"parts/{part} is no directory")
                where = os.path.join(store("base"), part)
                self.assertEqual(verify(root, f"--{part}", where).code, 0)

    def test_broker_conf(self):
        base = store("base")
        conf = os.path.join(Settings.work, "broker.conf")
        for text, sentence in [
                ("flushDiskType=ASYNC_FLUSH\nrubbish\n", "broker.conf: line 2: 'rubbish' is not key=value"),
                ("# c\n\nsome words here\n=5\n", "line 4: '=5' is not key=value"),
                ("\x7fELF\x02\x01 = 1\n", "line 1: '\\x7fELF\\x02\\x01 = 1' is not key=value"),
                ("mappedFileSizeCommitLog=64K\n", "line 1: mappedFileSizeCommitLog='64K' is not a whole number from 1 to 2147483647"),
                ("mappedFileSizeCommitLog=2147483648\n", "is not a whole number from 1 to 2147483647"),
                ("mappedFileSizeConsumeQueue=0\n", "mappedFileSizeConsumeQueue='0' is not a whole number"),
                ("maxHashSlotNum = -5\n", "maxHashSlotNum='-5' is not a whole number"),
                ("maxIndexNum=400 \n", "maxIndexNum='400 ' is not a whole number"),
                ("checkCRCOnRecover=yes\n", "checkCRCOnRecover='yes' is not true or false"),
                ("flushDiskType=SYNC\n", "flushDiskType='SYNC' is not ASYNC_FLUSH or SYNC_FLUSH"),
                ("storeType=leveldb\n", "storeType='leveldb' is not default or defaultRocksDB"),
                ("messageDelayLevel=1s 5x\n", "messageDelayLevel='1s 5x' is not delay levels like"),
                ("storePathCommitLog=/no/such/log\n", "says /no/such/log, which is no directory here; give --commitlog DIR besides"),
                ("storePathIndex=/no/such/index\n", "give --index DIR besides"),
        ]:
            with open(conf, "w", encoding="utf-8") as f:
                f.write(text)
            with self.subTest(text=text):
                for run in (dump("state", base, "--broker-conf", conf), verify(base, "--broker-conf", conf)):
                    self.refused(run, "--broker-conf: ", sentence)
        self.refused(verify(base, "--broker-conf", base), "is no file; give the broker's configuration file")
        # What a broker's machine calls its root is the store that was typed.
        for text, warned in [("storePathRootDir=/data/store\nstorePathCommitLog=/data/store/commitlog\nstorePathIndex=/data/store/index\n", False),
                             ("storePathCommitLog = {ROOT}/commitlog\n", False), ("brokerName: a\n! comment\nunknownKey=\n", False),
                             ("mappedFileSizeCommitLog 65536\ncheckCRCOnRecover=TRUE\n", False), ("mappedFileSizeCommitLog=\\\n  65536", False),
                             ("", True), ("color=blue\n", True)]:
            with open(conf, "w", encoding="utf-8") as f:
                f.write(text)
            with self.subTest(text=text):
                run = verify(base, "--broker-conf", conf)
                self.assertEqual(run.code, 0, run.err)
                self.assertEqual("has no key that says anything about a store" in run.err, warned, run.err)

    def test_what_cannot_be_read(self):
        if os.geteuid() == 0 and os.path.exists("/proc/self/status"):
            closed = os.path.join(Settings.work, "closed")
            os.makedirs(closed, exist_ok=True)
            os.chmod(closed, 0o700)
            os.chmod(Settings.work, 0o755)
            for command in ([Settings.dump, "log", closed], [Settings.verify, closed], [Settings.verify, closed, "--preflight"]):
                run = Run(command, preexec_fn=lambda: os.setuid(65534), cwd="/")
                self.refused(run, "Permission denied", code=8)
        else:
            closed = os.path.join(Settings.work, "closed")
            os.makedirs(closed, exist_ok=True)
            os.chmod(closed, 0o000)
            run = dump("log", closed)
            os.chmod(closed, 0o700)
            self.refused(run, "Permission denied", code=8)


class Ends(unittest.TestCase):
    def test_broken_pipe_is_quiet(self):
        reader, writer = os.pipe()
        os.close(reader)
        done = subprocess.run([Settings.dump, "log", store("base"), "--json"], stdout=writer, stderr=subprocess.PIPE,
                              check=False)
        os.close(writer)
        self.assertEqual(done.returncode, 0)
        self.assertEqual(done.stderr, b"")

    def test_full_output(self):
        with open("/dev/full", "w", encoding="utf-8") as full:
            done = subprocess.run([Settings.dump, "log", store("base")], stdout=full, stderr=subprocess.PIPE, check=False)
        self.assertEqual(done.returncode & 8, 8)
        self.assertIn(b"No space left", done.stderr)

    def slow(self):
        # At this rate the store takes minutes: it is interrupted long before.
        return subprocess.Popen([Settings.dump, "log", store("base"), "--json", "--max-rate", "1K"],
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def test_interrupt(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            process = self.slow()
            wait_for_handlers(process)
            process.send_signal(number)
            _, errors = process.communicate(timeout=60)
            self.assertEqual(process.returncode & 32, 32, errors)

    def test_progress_on_demand(self):
        process = self.slow()
        wait_for_handlers(process)
        process.send_signal(signal.SIGUSR1)
        line = process.stderr.readline()
        self.assertRegex(line, rb"^rmq-dump: .* of .*%")
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)


if __name__ == "__main__":
    main()
