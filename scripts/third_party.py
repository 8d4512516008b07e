#!/usr/bin/env python3
"""Prints the licences of the crates that the program consists of, for the target in the argument.

Most licences ask that their text comes with the program. Crates of tests and of builds are not among them.
"""

import collections
import json
import pathlib
import subprocess
import sys

PATTERNS = ("LICEN[CS]E*", "COPYING*", "NOTICE*", "COPYRIGHT*", "UNLICENSE*")


def metadata(target):
    command = ["cargo", "metadata", "--format-version", "1", "--locked", "--filter-platform", target]
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)


def linked(data):
    """The ids of the crates that are reached by ordinary dependencies."""
    nodes = {node["id"]: node for node in data["resolve"]["nodes"]}
    found, rest = set(), [data["resolve"]["root"]]
    while rest:
        crate = rest.pop()
        if crate in found:
            continue
        found.add(crate)
        for dependency in nodes[crate]["deps"]:
            if any(kind["kind"] is None for kind in dependency["dep_kinds"]):
                rest.append(dependency["pkg"])
    return found - {data["resolve"]["root"]}


def texts(package):
    folder = pathlib.Path(package["manifest_path"]).parent
    files = {file for pattern in PATTERNS for file in folder.glob(pattern)}
    if package["license_file"]:
        files.add((folder / package["license_file"]).resolve())
    # The C sources of a crate may have a licence of their own, such as those of aws-lc.
    for inner in folder.iterdir():
        if inner.is_dir() and package["links"]:
            files |= {file for pattern in PATTERNS for file in inner.glob(pattern)}
    for file in sorted(files):
        if file.is_file() and file.suffix not in (".rs", ".toml", ".h"):
            yield file.read_text(errors="replace").replace("\r\n", "\n").strip()


def main():
    data = metadata(sys.argv[1])
    ids = linked(data)
    packages = [package for package in data["packages"] if package["id"] in ids]
    packages.sort(key=lambda package: (package["name"], package["version"]))
    users = collections.defaultdict(list)
    print("The crates that this program consists of, and the texts of their licences.\n")
    for package in packages:
        name = f"{package['name']} {package['version']}"
        found = list(texts(package))
        note = "" if found else "; the crate has no file with the text"
        print(f"* {name}: {package['license'] or 'see its text'}{note}")
        for text in found:
            users[text].append(name)
    for text, names in sorted(users.items(), key=lambda item: item[1]):
        print(f"\n{'-' * 80}\n{', '.join(dict.fromkeys(names))}\n\n{text}")


main()
