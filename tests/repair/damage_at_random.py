"""Damages an unpacked store at random; the same seed damages the same store in the same way."""
import os
import random

# Good stores, small ones, whose log is one directory of files below the root.
BASES = ["base", "base", "base-rmq4", "recreated", "plain", "bodies", "compressed", "batch-flat", "batch-inner", "lmq", "ipv6", "topic-v2",
         "prop-crc", "cq-ext", "broker-config", "broker-delay", "broker-retry-dlq", "broker-trans"]


def files_below(root, part):
    found = []
    for directory, _, names in os.walk(os.path.join(root, part)):
        found += [os.path.join(directory, name) for name in names]
    return sorted(found)


class Damager:
    def __init__(self, root, seed, rows):
        self.root, self.random = root, random.Random(seed)
        self.rows = [row for row in rows if "dledger" not in row]
        self.done = []

    def tell(self, what, path, *numbers):
        self.done.append(" ".join([what, os.path.relpath(path, self.root), *map(str, numbers)]))

    def write(self, what, path, at, data):
        with open(path, "r+b") as file:
            file.seek(at)
            file.write(data)
        self.tell(what, path, at, len(data))

    def change_bytes(self, path, end):
        """Somewhere in the first `end` bytes."""
        at = self.random.randrange(max(1, end))
        kind = self.random.choice(("bit", "bytes", "zeros", "page", "stale"))
        with open(path, "rb") as file:
            content = file.read()
        if kind == "bit":
            self.write("bit", path, at, bytes([content[at] ^ 1 << self.random.randrange(8)]))
        elif kind == "bytes":
            self.write("bytes", path, at, self.random.randbytes(min(self.random.choice((1, 4, 20, 300)), len(content) - at)))
        elif kind == "zeros":
            self.write("zeros", path, at, bytes(min(self.random.choice((1, 8, 20, 600, 3000)), len(content) - at)))
        elif kind == "page":
            at = at // 4096 * 4096
            self.write("page", path, at, bytes(min(4096, len(content) - at)))
        else:  # a block of the same file where another should be
            size = min(self.random.choice((20, 512, 4096)), len(content))
            source = self.random.randrange(len(content) - size + 1)
            at = min(at // size * size, len(content) - size)
            self.write("stale", path, at, content[source:source + size])

    def change_field(self, log):
        """One of the fixed fields of a record, where the log has the record."""
        row = self.random.choice(self.rows)
        path = os.path.join(self.root, "commitlog", row["file"])
        if path not in log or not os.path.exists(path):
            return
        at = row["phyOffset"] - int(row["file"])
        field, size = self.random.choice(((0, 4), (4, 4), (8, 4), (12, 4), (20, 8), (28, 8), (36, 4), (56, 8)))
        if at + field + size <= os.path.getsize(path):
            self.write("field", path, at + field, self.random.choice((bytes(size), b"\xff" * size, self.random.randbytes(size),
                                                                     bytes(size - 1) + self.random.randbytes(1))))

    def change_file(self, path, log):
        kind = self.random.choice(("truncate", "extend", "remove", "empty", "duplicate", "swap", "rename"))
        size = os.path.getsize(path)
        if kind == "truncate":
            os.truncate(path, self.random.randrange(size + 1))
            self.tell(kind, path, os.path.getsize(path))
        elif kind == "extend":
            with open(path, "ab") as file:
                file.write(self.random.choice((bytes(300), self.random.randbytes(300))))
            self.tell(kind, path)
        elif kind == "remove":
            os.remove(path)
            self.tell(kind, path)
        elif kind == "empty":
            os.truncate(path, 0)
            self.tell(kind, path)
        elif kind == "duplicate":
            with open(path, "rb") as file:
                content = file.read()
            name = os.path.basename(path)
            other = path + ".copy" if not name.isdigit() else os.path.join(os.path.dirname(path), f"{int(name) + size * 50:020d}")
            with open(other, "wb") as file:
                file.write(content)
            self.tell(kind, other)
        elif kind == "swap":
            sisters = [one for one in sorted(os.listdir(os.path.dirname(path))) if os.path.join(os.path.dirname(path), one) != path]
            if sisters:
                other = os.path.join(os.path.dirname(path), self.random.choice(sisters))
                os.rename(path, path + ".x")
                os.rename(other, path)
                os.rename(path + ".x", other)
                self.tell(kind, path, os.path.basename(other))
        elif os.path.basename(path).isdigit():
            other = os.path.join(os.path.dirname(path), f"{int(os.path.basename(path)) + self.random.randrange(1, 2 * size):020d}")
            if not os.path.exists(other):
                os.rename(path, other)
                self.tell(kind, path, os.path.basename(other))

    def once(self):
        log, queues, index, config = (files_below(self.root, part) for part in ("commitlog", "consumequeue", "index", "config"))
        kind = self.random.choice(["log"] * 5 + ["field"] * 5 + ["queue"] * 5 + ["index"] * 2 + ["file"] * 4 + ["state"] * 2 + ["config"])
        end = {path: os.path.getsize(path) for path in log}
        for row in self.rows:  # the rest of the last file is zeros: damage there is a case of its own, and a rare one
            path = os.path.join(self.root, "commitlog", row["file"])
            if path in end and row["file"] == os.path.basename(log[-1]):
                end[path] = min(end[path], row["phyOffset"] + row["size"] - int(row["file"]) + self.random.choice((0, 0, 0, 500)))
        log = [path for path in log if end[path]]
        some = {"log": log, "queue": queues, "index": index, "config": config}
        if kind in some and some[kind]:
            path = self.random.choice(some[kind])
            size = end[path] if kind == "log" else os.path.getsize(path)
            if size:
                self.change_bytes(path, size)
        elif kind == "field" and self.rows:
            self.change_field(log)
        elif kind == "file":
            path = self.random.choice(self.random.choice([part for part in (log, queues, queues, index) if part]))
            self.change_file(path, log)
        elif kind == "state":
            checkpoint = os.path.join(self.root, "checkpoint")
            what = self.random.choice(("abort", "checkpoint", "bytes"))
            if what == "abort":
                open(os.path.join(self.root, "abort"), "w").close()
                self.done.append("abort")
            elif what == "checkpoint" and os.path.exists(checkpoint):
                os.remove(checkpoint)
                self.tell("remove", checkpoint)
            elif os.path.exists(checkpoint):
                self.change_bytes(checkpoint, 48)


def records_of(root, rows):
    """The bytes that the log has now where each message was."""
    records, open_files = {}, {}
    for row in rows:
        path = os.path.join(root, "commitlog", row["file"])
        if path not in open_files:
            open_files[path] = open(path, "rb").read() if os.path.exists(path) else b""
        at = row["phyOffset"] - int(row["file"])
        records[row["phyOffset"]] = open_files[path][at:at + row["size"]]
    return records


def damage(root, seed, rows):
    """What was done, and the log offsets of messages whose bytes are no longer what and where they were."""
    damager = Damager(root, seed, rows)
    before = records_of(root, rows)
    for _ in range(1 + seed % 3):
        damager.once()
    after = records_of(root, rows)
    return damager.done, {offset for offset, record in before.items() if after[offset] != record}
