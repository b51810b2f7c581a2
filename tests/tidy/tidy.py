"""Keeps the tree in order: every stem complete, includes in the direction of the rooms, no paths of one machine.

usage: tidy.py SOURCE_DIR
"""
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(sys.argv[1]).resolve()

# Stems of libstore/format without a fuzz target of their own, and why.
FUZZED_ELSEWHERE = {
    "sys_flag": "constants and three functions over an int: read by commit_log_record_fuzz.cc",
    "store_lock": "constants only, nothing is parsed",
    "property_crc": "a checksum's digits: read by commit_log_record_fuzz.cc",
}
# Absolute paths that exist on one machine only.
MACHINE_PATHS = re.compile(r"(?<![\w/.])/(?:work|root|home/[a-z]+|tmp/[a-z])[/\w]")
# The folders whose folders are rooms; a room of the first includes nothing of the second.
FLOORS = ("libstore", "servers")
NOT_TEXT = {".zst", ".bin", ".jar", ".png"}

faults = []


def fault(text):
    faults.append(text)


def tracked():
    listed = subprocess.run(["git", "-C", ROOT, "ls-files", "-z"], capture_output=True, check=False)
    if listed.returncode == 0:
        return [ROOT / name for name in listed.stdout.decode().split("\0") if name]
    return [path for path in ROOT.rglob("*") if path.is_file() and "build" not in path.relative_to(ROOT).parts]


def check_stems():
    for header in sorted((ROOT / "libstore/format").glob("*.h")):
        stem = header.stem
        wanted = [f"docs/format/{stem}.md", f"tests/format/{stem}_test.cc"]
        if stem not in FUZZED_ELSEWHERE:
            wanted += [f"fuzz/{stem}_fuzz.cc", f"fuzz/corpus/{stem}"]
        for name in wanted:
            if not (ROOT / name).exists():
                fault(f"{header.relative_to(ROOT)}: {name} is missing")
        if stem not in FUZZED_ELSEWHERE:
            corpus = ROOT / f"fuzz/corpus/{stem}"
            if corpus.is_dir() and not any(corpus.iterdir()):
                fault(f"fuzz/corpus/{stem} is empty")
            if f"rmq_fuzzer({stem} " not in (ROOT / "fuzz/CMakeLists.txt").read_text():
                fault(f"fuzz/CMakeLists.txt does not name {stem}")
        if f"{stem}_test.cc" not in (ROOT / "tests/format/CMakeLists.txt").read_text():
            fault(f"tests/format/CMakeLists.txt does not name {stem}_test.cc")
        page = ROOT / f"docs/format/{stem}.md"
        if page.exists():
            text = page.read_text()
            for part in ("Source:", "## Valid if and only if", "## Writer rules", "## Reader rules"):
                if part not in text:
                    fault(f"docs/format/{stem}.md has no '{part}'")
    for target in sorted((ROOT / "fuzz").glob("*_fuzz.cc")):
        lines = len(target.read_text().splitlines())
        if lines > 60:
            fault(f"{target.relative_to(ROOT)} has {lines} lines, more than 60")


def rooms():
    """Each room of libstore and servers with the rooms it may include, its own and those its USES reach."""
    uses = {}
    for listing in sorted(path for floor in FLOORS for path in (ROOT / floor).glob("*/CMakeLists.txt")):
        for name, body in re.findall(r"rmq_room\(\s*(\w+)([^)]*)\)", listing.read_text()):
            part, uses[name] = None, set()
            for word in body.split():
                if word in ("SOURCES", "HEADERS", "USES", "LINKS", "PRIVATE_LINKS"):
                    part = word
                elif part == "USES":
                    uses[name].add(word)

        for name, body in re.findall(r"target_link_libraries\(\s*rmq_(\w+)([^)]*)\)", listing.read_text()):
            uses.setdefault(name, set()).update(word[4:] for word in body.split() if word.startswith("rmq_"))

    def reach(room, seen):
        for other in uses.get(room, ()):
            if other not in seen:
                seen.add(other)
                reach(other, seen)
        return seen

    return {room: reach(room, {room}) for room in uses}


def check_includes(files):
    allowed = rooms()
    if "format" not in allowed or "bytes" not in allowed["format"]:
        fault("the rooms could not be read from libstore/*/CMakeLists.txt")
    floors = [ROOT / floor for floor in FLOORS]
    for path in files:
        if path.suffix not in (".h", ".cc") or path.parent.parent not in floors or not path.exists():
            continue
        room = path.parent.name
        for number, line in enumerate(path.read_text().splitlines(), 1):
            quoted = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
            if not quoted:
                continue
            where = f"{path.relative_to(ROOT)}:{number}"
            parts = quoted.group(1).split("/")
            if parts[0] not in FLOORS or len(parts) != 3:
                fault(f"{where}: includes start at the root of the tree: {line.strip()}")
            elif parts[1] not in allowed.get(room, {room}):
                fault(f"{where}: room {room} may not include {parts[1]}")
            elif not (ROOT / quoted.group(1)).exists():
                fault(f"{where}: no such header: {quoted.group(1)}")


def check_paths(files):
    here = Path(__file__).resolve()
    for path in files:
        if path.suffix in NOT_TEXT or not path.is_file() or path.resolve() == here:
            continue
        if path.is_relative_to(ROOT / "testdata/stores") or path.is_relative_to(ROOT / "fuzz/corpus"):
            continue
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(text.splitlines(), 1):
            if "../" + "shared" in line or MACHINE_PATHS.search(line):
                fault(f"{path.relative_to(ROOT)}:{number}: a path of one machine: {line.strip()[:100]}")


FILES = tracked()
check_stems()
check_includes(FILES)
check_paths(FILES)
for text in faults:
    print(text)
print(f"{len(faults)} faults")
sys.exit(1 if faults else 0)
