"""rmq-verify --report: the page says what is so, stands alone, and a real browser shows it in light, dark and print."""
import datetime
import html
import json
import os
import re
import shutil
import struct
import subprocess
import tempfile
import unittest
import zlib

from harness import Settings, copy, main, store, verify


def page_of(root, *arguments):
    path = os.path.join(tempfile.mkdtemp(dir=Settings.work), "page.html")
    run = verify(root, "--level", "deep", "--report", path, *arguments)
    with open(path, encoding="utf-8") as file:
        return run, path, file.read()


def words_of(page):
    text = re.sub(r"<(style|title)>.*?</\1>", " ", page, flags=re.S)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", text))


def pixels_of(path):
    """Rows of a PNG of 8 bits a channel, each a list of (r, g, b)."""
    with open(path, "rb") as file:
        data = file.read()
    at, body = 8, b""
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at:at + 8])
        if kind == b"IHDR":
            width, height, _, color = struct.unpack(">IIBB", data[at + 8:at + 18])
        elif kind == b"IDAT":
            body += data[at + 8:at + 8 + size]
        at += 12 + size
    channels = 4 if color == 6 else 3
    raw, stride, rows, before = zlib.decompress(body), width * channels, [], bytes(width * channels)
    for y in range(height):
        kind, line = raw[y * (stride + 1)], bytearray(raw[y * (stride + 1) + 1:(y + 1) * (stride + 1)])
        for i in range(stride):
            left = line[i - channels] if i >= channels else 0
            up, corner = before[i], before[i - channels] if i >= channels else 0
            if kind == 1:
                line[i] = (line[i] + left) & 255
            elif kind == 2:
                line[i] = (line[i] + up) & 255
            elif kind == 3:
                line[i] = (line[i] + (left + up) // 2) & 255
            elif kind == 4:
                guess = min((left, up, corner), key=lambda value: abs(left + up - corner - value))
                line[i] = (line[i] + guess) & 255
        before = bytes(line)
        rows.append([tuple(line[i:i + 3]) for i in range(0, stride, channels)])
    return rows


class Report(unittest.TestCase):
    def test_a_clean_store(self):
        run, _, page = page_of(store("base"))
        self.assertEqual(run.code, 0, run.err)
        words = words_of(page)
        self.assertIn("The store is clean", words)
        self.assertIn("loses nothing that is whole", words)
        self.assertNotIn("What to do", words)

    def test_lost_messages(self):
        run, _, page = page_of(store("dmg-zero-page"))
        self.assertEqual(run.code, 4)
        words = words_of(page)
        self.assertIn("4 messages are lost", words)
        self.assertRegex(words, r"once it crashes, or is killed, its next start loses \d+ messages that are whole now")
        self.assertIn("Do not start the broker", words)
        for queue, offset in (("Orders 0", 13), ("Payments 1", 19), ("audit.log 0", 11), ("audit.log 2", 23)):
            self.assertRegex(words, rf"{re.escape(queue)} 1 {offset} 2026-01-02 \d\d:\d\d:\d\d and 2026-01-02 ")
        self.assertIn("rmq-repair apply plan.json --yes", words)
        self.assertIn("CL-DAMAGED", words)

    def test_what_a_start_would_destroy(self):
        words = words_of(page_of(store("crash-powerloss"))[2])
        self.assertIn("If a stock broker is started now, 33 whole messages are lost as well", words)
        self.assertIn("cut the log at offset 368,117 and destroy 4 files", words)
        self.assertIn("37 (the queue's last)", html.unescape(words))

    def test_a_lost_tail_and_hidden_messages(self):
        words = words_of(page_of(store("dmg-cl-missing-last"))[2])
        self.assertIn("36 messages are lost", words)
        words = words_of(page_of(store("dmg-cq-missing-queue"))[2])
        self.assertIn("started now does not find 41 whole messages They stay in the log", words)
        self.assertNotIn("cut the log", words)
        self.assertIn("Topic Queue can be brought back audit.log 1 41", words)
        words = words_of(page_of(store("dmg-cq-missing-all"))[2])
        self.assertIn("323 messages cannot be reached", words)
        self.assertIn("Nothing is lost", words)

    def test_an_unclean_stop(self):
        self.assertIn("was not stopped cleanly", words_of(page_of(store("crash-kill9"))[2]))

    def test_every_store_has_a_page(self):
        for name in ("empty", "dledger", "compaction", "multipath", "broker-rocksdb", "dmg-config-both-bad", "dmg-cl-swapped", "lmq"):
            with self.subTest(name=name):
                page = page_of(store(name))[2]
                self.assertTrue(page.endswith("</html>\n"))

    def test_stands_alone(self):
        page = page_of(store("dmg-zero-page"))[2]
        self.assertNotIn("<script", page)
        self.assertNotRegex(page, r"(?:src|href)\s*=|https?:|url\(")
        self.assertIn("default-src 'none'", page)

    def test_lost_messages_lie_between_the_times_that_it_says(self):
        page = words_of(page_of(store("dmg-zero-page"), "--utc")[2])
        lost = {("Orders", 0): 13, ("Payments", 1): 19, ("audit.log", 0): 11, ("audit.log", 2): 23}
        with open(os.path.join(Settings.stores, "base", "expected.jsonl"), encoding="utf-8") as file:
            rows = {(r["topic"], r["queueId"], r["queueOffset"]): r["storeTimestamp"] for r in map(json.loads, file)}
        for (topic, queue), offset in lost.items():
            after, before = [datetime.datetime.fromtimestamp(rows[topic, queue, at] // 1000, datetime.timezone.utc).strftime("%Y-%m-%d %H:%M:%S")
                             for at in (offset - 1, offset + 1)]
            self.assertIn(f"{topic} {queue} 1 {offset} {after} and {before}", page)

    def test_commands_work_from_anywhere(self):
        root = store("dmg-zero-page")
        path = os.path.join(tempfile.mkdtemp(dir=Settings.work), "page.html")
        subprocess.run([Settings.verify, os.path.basename(root), "--report", path], cwd=os.path.dirname(root), stdout=subprocess.DEVNULL)
        with open(path, encoding="utf-8") as file:
            self.assertIn(f"rmq-repair {root} --plan plan.json", file.read())

    def test_names_are_no_markup(self):
        root = copy("base", "markup")
        for name in ("<b onclick=alert(1)>", "a&b\"c"):
            os.makedirs(os.path.join(root, "consumequeue", name, "0"))
            shutil.copy(os.path.join(root, "consumequeue/Orders/0/00000000000000000000"), os.path.join(root, "consumequeue", name, "0"))
        page = page_of(root)[2]
        self.assertNotIn("<b onclick", page)
        self.assertIn("&lt;b onclick", page)
        shutil.rmtree(root)

    def test_writes_nothing_into_the_store_nor_over_a_file(self):
        run = verify(store("base"), "--report", os.path.join(store("base"), "page.html"))
        self.assertEqual(run.code, 16)
        self.assertIn("only read", run.err)
        path = page_of(store("base"))[1]
        run = verify(store("base"), "--report", path)
        self.assertEqual((run.code, "there already" in run.err), (16, True))
        self.assertEqual(verify(store("base"), "--report", "/nowhere/page.html").code, 16)
        self.assertEqual(verify(store("base"), "--report", path + "2", "--only", "CL-*").code, 16)


class Browser(unittest.TestCase):
    """With the real thing."""

    def setUp(self):
        self.browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
        self.assertIsNotNone(self.browser, "no Chromium: scripts/install_dependencies.sh tests installs it")
        self.work = tempfile.mkdtemp(dir=Settings.work)

    def browse(self, *arguments):
        return subprocess.run([self.browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
                               "--user-data-dir=" + os.path.join(self.work, "profile"), *arguments],
                              capture_output=True, timeout=120, check=True)

    def shot(self, page, name, *arguments):
        path = os.path.join(self.work, name)
        self.browse("--window-size=1200,1800", "--screenshot=" + path, *arguments, "file://" + page)
        return pixels_of(path)

    def test_light_dark_and_print(self):
        page = page_of(store("dmg-zero-page"))[1]
        light = self.shot(page, "light.png")
        self.assertEqual(light[0][0], (255, 255, 255))
        colors = {pixel for row in light for pixel in row}
        self.assertIn((0xFD, 0xEC, 0xEC), colors)  # the verdict's card
        self.assertIn((0xC0, 0x26, 0x26), colors)  # the damage on the map
        self.assertIn((0x7A, 0xA7, 0xD9), colors)  # the messages around it
        dark = self.shot(page, "dark.png", "--blink-settings=preferredColorScheme=0")
        self.assertEqual(dark[0][0], (0x12, 0x16, 0x1C))
        narrow = self.shot(page, "narrow.png", "--window-size=400,1800")
        self.assertEqual(len(narrow[0]), 400)
        pdf = os.path.join(self.work, "page.pdf")
        self.browse("--print-to-pdf=" + pdf, "file://" + page)
        with open(pdf, "rb") as file:
            self.assertEqual(file.read(5), b"%PDF-")

    def test_its_own_policy_stops_nothing_of_it(self):
        page = page_of(store("dmg-zero-page"))[1]
        run = self.browse("--enable-logging=stderr", "--dump-dom", "file://" + page)
        self.assertNotIn(b"Content Security Policy", run.stderr)
        self.assertIn(b"4 messages are lost", run.stdout)


if __name__ == "__main__":
    main()
