"""The installed package: its types, and its examples."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import expect

Servers = dict[str, Any]
FOLDER = Path(__file__).parent


def mypy(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    with tempfile.TemporaryDirectory() as cache:
        return subprocess.run(
            [
                FOLDER.parent / "tools" / "bin" / "mypy",
                "--strict",
                f"--cache-dir={cache}",
                f"--python-executable={sys.executable}",
                *arguments,
            ],
            cwd=FOLDER,
            capture_output=True,
            text=True,
            check=False,
        )


def types_are_strict(_: Servers) -> None:
    for arguments in (["-p", "leadchat_inbox"], [FOLDER]):
        result = mypy(*arguments)
        expect.that(result.returncode == 0, f"no mistake, not: {result.stdout[:300]}")


def wrong_types_are_found(_: Servers) -> None:
    """The stubs of messages, of gRPC and of this layer all count."""
    program = """
from leadchat.inbox.v1 import inbox_service_pb2 as pb
from leadchat_inbox import InboxClient

client = InboxClient("localhost:1")
client.get(pb.ListInboxesRequest())
client.get(pb.GetInboxRequest(), timeut=5)
pb.GetInboxRequest(account_id="1")
client.get(pb.GetInboxRequest()).inbox.nam
client.stub.GetInbox(pb.ListInboxesRequest())
"""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "program.py")
        file.write_text(program)
        result = mypy(file)
    expect.that("Found 5 errors" in result.stdout, f"5 errors, not: {result.stdout[:300]}")


def output(*arguments: str | Path) -> str:
    """The output of a Python program, which has to end well and without complaint."""
    result = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, check=False, timeout=20
    )
    expect.equal((arguments[0], result.returncode, result.stderr), (arguments[0], 0, ""))
    return result.stdout


# A part of the output of each example.
EXAMPLES = {
    "inbox_cache.py": "account 2: nothing is held",
    "inbox_picker.py": "account 3: ",
    "message_sender.py": "user 2, inbox 4: may send: False",
    "webhook_receiver.py": "accepted for Facebook page (1/4), Shared page (2/23)",
}


def examples_run(servers: Servers) -> None:
    examples = sorted((FOLDER / "examples").glob("*.py"))
    expect.equal([it.name for it in examples], sorted(EXAMPLES))
    for example in examples:
        lines = output(example, servers["plain"]["address"])
        part = EXAMPLES[example.name]
        expect.that(part in lines, f"{part!r} in the output of {example.name}: {lines}")


def readme_runs(servers: Servers) -> None:
    programs = (FOLDER / "README.md").read_text("utf-8").split("```python\n")

    def lines_of(number: int) -> list[str]:
        program = programs[number].split("```")[0]
        program = program.replace("127.0.0.1:50051", servers["plain"]["address"])
        return output("-c", program).splitlines()

    lines = lines_of(1)
    expect.equal(lines[0], "3 Customer mail email")
    expect.that(lines[-1].startswith("True NOT_FOUND INBOX_NOT_FOUND: "), "the error at the end")
    lines = lines_of(2)
    expect.equal(lines[0], "upserted 1")
    expect.that(lines[-1].startswith("complete at "), "the end of the first batch")
    expect.equal(lines_of(3), ["3 inboxes", "Customer mail", "None"])


# A client works on both sides of a fork. The environment is read when grpc is imported.
FORK = """
import os, sys
from leadchat.inbox.v1 import inbox_service_pb2 as pb
from leadchat_inbox import InboxClient

request = pb.GetInboxRequest(account_id=1, inbox_id=3, viewer=pb.Viewer(user_id=1))
client = InboxClient(sys.argv[1])
client.get(request)
child = os.fork()
client.get(request)
if child:
    assert os.waitpid(child, 0)[1] == 0
    client.get(request)
print("done")
"""


def fork_support(servers: Servers) -> None:
    environment = {**os.environ, "GRPC_ENABLE_FORK_SUPPORT": "1"}
    result = subprocess.run(
        [sys.executable, "-c", FORK, servers["plain"]["address"]],
        capture_output=True,
        text=True,
        check=False,
        timeout=20,
        env=environment,
    )
    expect.equal((result.stdout, result.returncode), ("done\ndone\n", 0))


CHECKS = [types_are_strict, wrong_types_are_found, examples_run, readme_runs, fork_support]
