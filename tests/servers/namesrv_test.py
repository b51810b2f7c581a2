"""rmq-namesrv from outside: its help and pages, its configuration, what it answers over a socket, and how it ends."""
import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import unittest

from cluster import NameServer, ask, write_config


class Settings:
    namesrv = ""
    source = ""


def page(*path):
    with open(os.path.join(Settings.source, *path), encoding="utf-8") as file:
        return file.read()


def flags_in(text):
    return set(re.findall(r"--[a-zA-Z][a-zA-Z-]*", text.replace("\\-", "-")))


def run(*arguments, home="/nowhere"):
    return subprocess.run([Settings.namesrv, *arguments], capture_output=True, text=True, timeout=20, env={"HOME": home})


class CommandLine(unittest.TestCase):
    def test_help_fits_a_screen_and_all_pages_know_its_flags(self):
        told = run("--help")
        self.assertEqual((told.returncode, told.stderr), (0, ""))
        lines = told.stdout.splitlines()
        self.assertLessEqual(len(lines), 24)
        self.assertLessEqual(max(map(len, lines)), 100)
        for path in (("docs", "man", "rmq-namesrv.1"), ("docs", "tools", "rmq-namesrv.md"),
                     ("completion", "rmq-namesrv.bash"), ("completion", "_rmq-namesrv")):
            self.assertEqual(flags_in(page(*path)), flags_in(told.stdout), path)
        self.assertRegex(run("--version").stdout, r"^rmq-namesrv \d+\.\d+\.\d+\n$")

    def test_every_key_is_printed_and_documented(self):
        printed = dict(line.split("=", 1) for line in run("-p", home="/users/u").stdout.splitlines())
        self.assertEqual(printed["listenPort"], "9876")
        self.assertEqual(printed["kvConfigPath"], "/users/u/namesrv/kvConfig.json")
        rows = re.findall(r"^\| (\w+) \| (?:`([^`]*)`)? ?\| (?:yes|none|later) \|", page("docs", "namesrv_config.md"), re.M)
        self.assertEqual({name: value.replace("$HOME", "/users/u") for name, value in rows}, printed)

    def test_wrong_use(self):
        self.assertEqual(run("--port", "1").returncode, 16)
        self.assertEqual(run("-c", "/nowhere/namesrv.conf").returncode, 8)


class Serving(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def start(self, **config):
        server = NameServer(Settings.namesrv, self.folder.name, **config)
        self.addCleanup(server.kill)
        return server

    def test_answers_keeps_and_stops(self):
        server = self.start(orderMessageEnable="true", listenport="1")
        self.assertEqual(ask(server.port, 105, {"topic": "T"})[0]["code"], 17)
        self.assertEqual(ask(server.port, 100, {"namespace": "N", "key": "k", "value": "v"})[0]["code"], 0)
        self.assertEqual(ask(server.port, 106)[1], b'{"brokerAddrTable":{},"clusterAddrTable":{}}')
        self.assertIn(b"\norderMessageEnable=true\n", ask(server.port, 319)[1])
        self.assertEqual(server.stop(), 0)
        self.assertEqual(server.errors(), "rmq-namesrv: unknown key listenport; the nearest is listenPort\n")
        with open(os.path.join(self.folder.name, "namesrv", "kvConfig.json"), encoding="utf-8") as file:
            self.assertEqual(file.read(), '{"configTable":{"N":{"k":"v"}}}')
        with open(os.path.join(self.folder.name, "logs", "namesrv.log"), encoding="utf-8") as file:
            self.assertIn("boot success", file.read())
        again = self.start()
        self.assertEqual(ask(again.port, 101, {"namespace": "N", "key": "k"})[0]["extFields"]["value"], "v")
        self.assertEqual(again.stop(), 0)

    def test_a_broker_that_hangs_up_is_gone(self):
        server = self.start()
        body = json.dumps({"topicConfigSerializeWrapper": {"topicConfigTable": {
            name: {"topicName": name, "readQueueNums": 1, "writeQueueNums": 1, "perm": 6} for name in "TU"}}}).encode()
        fields = {"brokerName": "a", "brokerAddr": "h:1", "clusterName": "C", "brokerId": "0", "haServerAddr": "h:2"}
        self.assertEqual(ask(server.port, 103, fields, body)[0]["code"], 0)  # and hangs up
        for _ in range(200):
            if ask(server.port, 105, {"topic": "T"})[0]["code"] == 17:
                break
        else:
            self.fail("the broker is still there")
        self.assertEqual(server.stop(), 0)

    def test_a_port_in_use(self):
        server = self.start()
        path = write_config(self.folder.name, "other.conf", {"listenPort": server.port, "bindAddress": "127.0.0.1"})
        self.assertEqual(run("-c", path, "--log", "-", home=self.folder.name).returncode, 8)
        self.assertEqual(server.stop(), 0)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--namesrv", required=True)
    parser.add_argument("--source", required=True)
    parser.parse_known_args(namespace=Settings)
    unittest.main(argv=[sys.argv[0]])
