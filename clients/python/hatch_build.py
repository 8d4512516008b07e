"""Generates the modules `leadchat.inbox.v1.*` into the wheel, with their type stubs.

The contract is `$PROTO`, or `proto` of the repository; a source distribution contains it.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Generation(BuildHookInterface[Any]):
    """The step before a wheel or a source distribution is packed."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        contract = self.contract()
        if self.target_name == "sdist":
            build_data["force_include"][f"{contract}/leadchat"] = "proto/leadchat"
            return
        self.folder = tempfile.mkdtemp(prefix="leadchat-inbox-")
        generate(contract, Path(self.folder))
        build_data["force_include"][f"{self.folder}/leadchat"] = "leadchat"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        if self.target_name != "sdist":
            shutil.rmtree(self.folder)

    def contract(self) -> Path:
        root = Path(self.root)
        named = [Path(os.environ["PROTO"])] if os.environ.get("PROTO") else []
        for folder in [*named, root / "proto", root.parent.parent / "proto"]:
            if (folder / "leadchat").is_dir():
                return folder.resolve()
        raise RuntimeError(
            "the contract is missing: set PROTO to the folder with leadchat/inbox/v1"
        )


def generate(contract: Path, out: Path) -> None:
    """Messages for all files, stubs of gRPC for those with a service."""
    files = sorted(contract.rglob("*.proto"))
    services = [file for file in files if re.search(r"^service ", file.read_text("utf-8"), re.M)]
    protoc(contract, files, f"--python_out={out}", plugin("mypy"), f"--mypy_out=quiet:{out}")
    protoc(
        contract,
        services,
        f"--grpc_python_out={out}",
        plugin("mypy_grpc"),
        f"--mypy_grpc_out=quiet:{out}",
    )
    # No `__init__.py`: other packages may have modules in `leadchat`, too.
    for package in {(out / file.relative_to(contract)).parent for file in files}:
        (package / "py.typed").touch()


def plugin(name: str) -> str:
    program = shutil.which(f"protoc-gen-{name}")
    if program is None:
        raise RuntimeError(f"protoc-gen-{name} is not in PATH: install mypy-protobuf")
    return f"--plugin=protoc-gen-{name}={program}"


def protoc(contract: Path, files: list[Path], *options: str) -> None:
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{contract}", *options]
    subprocess.run([*command, *map(str, files)], check=True)
