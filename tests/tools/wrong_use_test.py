"""Every kind of nonsense: its exit code, and the sentence that says what to do."""
import os
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
                (["log", base, "-f"], "not in this version yet"),
                (["log", base, "--follow"], "not in this version yet"),
                (["trace", base, "key"], "the verb 'trace' (the life of a message) is not in this version yet"),
                (["usage", base], "not in this version yet"),
        ]:
            with self.subTest(arguments=arguments[2:]):
                self.refused(dump(*arguments), sentence)
        for flag in ("--live", "--compare=x", "--report=x.html"):
            with self.subTest(flag=flag):
                self.refused(verify(base, flag), "not in this version yet")

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
        self.refused(dump("msg", store("base")), "no message given")

    def test_names_that_match_nothing(self):
        base = store("base")
        for verb in ("log", "cq"):
            self.refused(dump(verb, base, "-t", "Nope"), "no topic in this store matches 'Nope'")
            self.refused(dump(verb, base, "-T", "Nope*"), "'Nope*'")
            self.assertEqual(dump(verb, base, "--json", "-t", "Nope", "--no-strict-names").code, 0)
        self.refused(dump("index", base, "--file", "nope"), "no index file 'nope'")

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
