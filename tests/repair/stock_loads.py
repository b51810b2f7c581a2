#!/usr/bin/env python3
"""tests/repair/stock_loads.py --build DIR --classes DIR [--version 5.3.3] [--every 7] [--seeds 200] [--stores DIR]: state files as
rmq-repair mends them, loaded by the broker that they are for.

config_mend_test writes what it makes of damaged files (RMQ_EXPORT) and what should be loaded from it; RocketMQ's own managers
load that, one store after the other. Then a broker is initialised on every mended dmg-config store. --classes names a built
testdata/generator (target-5, or target-4 with --version 4.9.7); needs JDK 17. --every: how many of the truncations are
left out between two. --stores: stores that are unpacked already (NAME/store). Ends with 0 if everything was loaded.
"""
import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
FLAGS = ["--add-exports=java.base/jdk.internal.ref=ALL-UNNAMED", "--add-opens=java.base/sun.nio.ch=ALL-UNNAMED",
         "--add-opens=java.base/java.nio=ALL-UNNAMED", "-Xmx1g"]
# Ends a JVM that hangs, in seconds. A broker is initialised in five; beside a build that took it more than a minute.
LONGEST_LOAD = 900


def load(options, work, mode, roots):
    classes = os.path.join(options.classes, "lib", "*")
    ran = subprocess.run(["java", *FLAGS, f"-Drmq.version={options.version}", f"-Duser.home={work}", "-cp",
                          os.path.join(work, "classes") + ":" + classes, "LoadConfig", mode],
                         input="".join(root + "\n" for root in roots), text=True, stdout=subprocess.PIPE,
                         stderr=subprocess.DEVNULL, timeout=LONGEST_LOAD + len(roots), check=False)
    return [json.loads(line) for line in ran.stdout.splitlines()]


def faults_of(told, expected):
    faults = []
    if "exception" in told:
        faults.append(told["exception"])
    faults += [f"{name} not loaded" for name, loaded in told.get("loads", {}).items() if not loaded]
    if told.get("started") is False:
        faults.append("does not start")
    topics = told.get("topics", {})
    faults += [f"topic {name}: {topics.get(name)}, not {size}" for name, size in expected["topics"].items()
               if topics.get(name) != size]
    faults += [f"group {name} is not there" for name in expected["groups"] if name not in told.get("groups", [])]
    if told.get("offsets") != expected["offsets"]:
        faults.append(f"offsets {told.get('offsets')}, not {expected['offsets']}")
    return faults


def check(options, work, mode, roots, export, what):
    bad = 0
    told = load(options, work, mode, roots)
    for one in told:
        name = os.path.basename(one["store"])
        with open(os.path.join(export, name, "expected.json"), encoding="utf-8") as f:
            faults = faults_of(one, json.load(f))
        if faults:
            bad += 1
            print(f"{name}: {'; '.join(faults)}")
    if len(told) != len(roots):
        bad += len(roots) - len(told)
        print(f"only {len(told)} of {len(roots)} were answered: stopped at {roots[len(told)]}")
    print(f"{options.version}: {what}: {len(told) - bad} of {len(roots)} loaded as they should be")
    return bad


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    parser.add_argument("--classes", required=True)
    parser.add_argument("--version", default="5.3.3")
    parser.add_argument("--every", type=int, default=7)
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--stores")
    options = parser.parse_args()
    work = tempfile.mkdtemp(prefix="rmq-config.")
    try:
        subprocess.run(["javac", "-nowarn", "-d", os.path.join(work, "classes"), "-cp",
                        os.path.join(options.classes, "lib", "*"), os.path.join(HERE, "LoadConfig.java")], check=True,
                       stderr=subprocess.DEVNULL)
        test = os.path.join(options.build, "tests", "repair", "config_mend_test")
        environment = dict(os.environ, RMQ_SEEDS=str(options.seeds))
        if options.stores:
            environment["RMQ_ORACLE_DIR"] = options.stores
        bad = 0
        for part, every, what in (("ConfigDamage.Every*", options.every, "every truncation"),
                                  ("ConfigDamage.AtRandom", 1, "damage at random"),
                                  ("ConfigMend.EveryDamagedStore", 1, "damaged stores")):
            export = os.path.join(work, part.split(".")[1].strip("*"))
            os.mkdir(export)
            subprocess.run([test, f"--gtest_filter={part}"], check=True, stdout=subprocess.DEVNULL,
                           env=dict(environment, RMQ_EXPORT=export, RMQ_EXPORT_EVERY=str(every)))
            names = sorted(os.listdir(export))
            bad += check(options, work, "managers", [os.path.join(export, name) for name in names], export, what)
        roots = []
        for name in names:
            root = os.path.join(work, "start", name)
            if options.stores:
                shutil.copytree(os.path.join(options.stores, name, "store"), root)
            else:
                os.makedirs(root)
                subprocess.run(["tar", "--zstd", "--strip-components=1", "-xf", os.path.join(
                    ROOT, "testdata", "stores", name, name + ".tar.zst"), "-C", root], check=True)
            shutil.rmtree(os.path.join(root, "config"))
            shutil.copytree(os.path.join(export, name, "config"), os.path.join(root, "config"))
            roots.append(root)
        bad += check(options, work, "start", roots, export, "brokers initialised on damaged stores")
    finally:
        shutil.rmtree(work)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
