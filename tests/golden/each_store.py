"""What the tests over all golden stores share: a copy of a store, its ground truth, and the run over all of them."""
import concurrent.futures
import json
import os
import subprocess
import sys
import tempfile

# A gigabyte: nothing in it is not in the others.
LEFT_OUT = ("big-file",)


def rows_of(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def unpack_store(stores, name, work):
    """A copy of the store in `work`: its path, and what it was made with."""
    folder = os.path.join(stores, name)
    store = os.path.join(work, "store")
    if os.path.isdir(os.path.join(folder, "store")):
        subprocess.run(["cp", "-a", "--sparse=always", os.path.join(folder, "store"), store], check=True)
    else:
        subprocess.run(["tar", "--zstd", "-xf", os.path.join(folder, name + ".tar.zst"), "-C", work], check=True)
    with open(os.path.join(folder, "store.json"), encoding="utf-8") as file:
        return store, json.load(file)


def run(check):
    """SCRIPT TOOLS_DIR STORES_DIR [NAME...]: calls check(tools, stores, name, work, complain) for each store, two at a time."""
    tools, stores, *chosen = sys.argv[1:]
    good = total = 0
    names = [name for name in chosen or sorted(os.listdir(stores))
             if name not in LEFT_OUT and os.path.exists(os.path.join(stores, name, "store.json"))]

    def complaints_of(name):
        complaints = []
        with tempfile.TemporaryDirectory() as work:
            check(tools, stores, name, work, complaints.append)
        return complaints

    with concurrent.futures.ThreadPoolExecutor(2) as workers:
        for name, complaints in zip(names, workers.map(complaints_of, names)):
            total += 1
            good += not complaints
            for complaint in complaints:
                print(f"{name}: {complaint[:700]}", flush=True)
    print(f"{good} of {total} stores as they should be")
    return 0 if good == total and total > 0 else 1
