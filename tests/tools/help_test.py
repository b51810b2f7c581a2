"""Help fits a screen, names every flag, and manual, pages and completion know the same flags."""
import os
import re
import unittest

from harness import Run, Settings, dump, main, verify

LINES, COLUMNS = 24, 100
VERBS = ["log", "cq", "index", "key", "msg", "trace", "state", "config", "usage", "snapshot"]


def flags_in(text):
    return set(re.findall(r"--[a-z][a-z-]*", text))


def flags_in_code(path):
    """Names as the option tables have them: {"topic,t", ...}, {"since"}."""
    with open(os.path.join(Settings.source, path), encoding="utf-8") as f:
        return {"--" + name for name in re.findall(r'\{"([a-z][a-z-]+)(?:,[a-zA-Z])?"(?:, FlagKind::\w+)?\}', f.read())}

OTHERS = ("rmq-verify", "rmq-store", "rmq-reindex", "rmq-repair")  # the rest are pages of rmq-dump


class Help(unittest.TestCase):
    def pages(self):
        yield "rmq-dump", dump("--help")
        for verb in VERBS:
            yield verb, dump(verb, "--help")
        yield "rmq-verify", verify("--help")
        yield "rmq-store", Run([Settings.store, "--help"])
        yield "rmq-reindex", Run([Settings.reindex, "--help"])
        yield "rmq-repair", Run([Settings.repair, "--help"])
        yield "rmq-repair", Run([Settings.repair, "carve", "--help"])

    def test_fits_one_screen(self):
        for name, run in self.pages():
            with self.subTest(name=name):
                self.assertEqual(run.code, 0)
                self.assertEqual(run.err, "")
                lines = run.out.splitlines()
                self.assertLessEqual(len(lines), LINES)
                self.assertLessEqual(max(len(line) for line in lines), COLUMNS)

    def test_every_flag_is_told(self):
        dump_pages = "".join(run.out for name, run in self.pages() if name not in OTHERS)
        known = flags_in_code("tools/cli/dump_options.cc") | flags_in_code("tools/cli/command_line.cc")
        self.assertGreater(len(known), 30)
        self.assertEqual(known - flags_in(dump_pages), set())
        known = flags_in_code("tools/cli/verify_command.cc") | flags_in_code("tools/cli/command_line.cc")
        self.assertEqual(known - flags_in(verify("--help").out), set())

    def test_manual_pages_and_completion_know_the_flags_of_help(self):
        told = {"rmq-dump": set(), "rmq-verify": set(), "rmq-store": set(), "rmq-reindex": set(), "rmq-repair": set()}
        for name, run in self.pages():
            told[name if name in OTHERS else "rmq-dump"] |= flags_in(run.out)
        for program, flags in told.items():
            self.assertGreater(len(flags), 12)
            for path in (f"docs/man/{program}.1", f"docs/tools/{program}.md", f"completion/{program}.bash",
                         f"completion/_{program}"):
                with self.subTest(path=path), open(os.path.join(Settings.source, path), encoding="utf-8") as f:
                    there = flags_in(f.read().replace("\\-", "-"))
                    self.assertEqual(flags - there, set())
                    # Nor does a page promise what help does not know (the other commands' flags aside).
                    self.assertEqual(there - flags - set().union(*told.values()), set())

    def test_version(self):
        self.assertRegex(dump("--version").out, r"^rmq-dump \d+\.\d+\.\d+\n$")
        self.assertRegex(verify("--version").out, r"^rmq-verify \d+\.\d+\.\d+\n$")


if __name__ == "__main__":
    main()
