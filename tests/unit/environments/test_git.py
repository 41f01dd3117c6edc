"""Checkout of commits, branch heads and changes, and one clear sentence for each way to fail."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import tempfile
import threading
from pathlib import Path
from typing import Any

import pytest

from clearq.environments.folders import inside
from clearq.environments.git import Checkout
from clearq.errors import EnvironmentFailed
from clearq.models import Script

Said = list[str]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def checkout(home: Path) -> Checkout:
    return Checkout(home)


def script(repository: Path | str, **fields: Any) -> Script:
    return Script(repository=str(repository), **{"entry_point": "train.py", **fields})


async def failure(checkout: Checkout, wanted: Script, into: Path) -> str:
    with pytest.raises(EnvironmentFailed) as caught:
        await checkout.checkout(wanted, into, lambda line: None)
    assert "\n" not in str(caught.value)
    return str(caught.value)


async def test_a_named_commit_is_checked_out_exactly(
    checkout: Checkout, repository: Path, tmp_path: Path, git: Any, said: Said
) -> None:
    first = git(repository, "rev-parse", "HEAD")
    (repository / "train.py").write_text("print('two')\n")
    git(repository, "commit", "-qam", "Two")
    root = await checkout.checkout(script(repository, commit=first), tmp_path / "work", said.append)
    assert (root / "train.py").read_text() == "print('one')\n"
    assert git(root, "rev-parse", "HEAD") == first
    assert git(root, "status", "--porcelain") == ""
    assert any(first[:12] in line for line in said)


async def test_a_branch_means_its_newest_commit_each_time(
    checkout: Checkout, repository: Path, tmp_path: Path, git: Any, said: Said
) -> None:
    wanted = script(repository, branch="main")
    await checkout.checkout(wanted, tmp_path / "a", said.append)
    (repository / "train.py").write_text("print('two')\n")
    git(repository, "commit", "-qam", "Two")
    root = await checkout.checkout(wanted, tmp_path / "b", said.append)
    assert (root / "train.py").read_text() == "print('two')\n"


async def test_neither_branch_nor_commit_means_the_remotes_head(
    checkout: Checkout, repository: Path, tmp_path: Path, said: Said
) -> None:
    root = await checkout.checkout(script(repository), tmp_path / "a", said.append)
    assert (root / "train.py").is_file()


async def test_a_known_commit_needs_no_repository_any_more(
    checkout: Checkout, repository: Path, tmp_path: Path, git: Any, said: Said
) -> None:
    wanted = script(repository, commit=git(repository, "rev-parse", "HEAD"))
    await checkout.checkout(wanted, tmp_path / "a", said.append)
    repository.rename(tmp_path / "gone")
    root = await checkout.checkout(wanted, tmp_path / "b", said.append)
    assert (root / "train.py").is_file()


async def test_the_checkout_outlives_its_mirror(
    checkout: Checkout, repository: Path, tmp_path: Path, home: Path, git: Any, said: Said
) -> None:
    root = await checkout.checkout(script(repository, branch="main"), tmp_path / "a", said.append)
    (home / "vcs").rename(tmp_path / "elsewhere")
    assert git(root, "log", "--format=%s") == "One"
    assert git(root, "fsck") == ""


async def test_tags_come_along_and_can_be_named(
    checkout: Checkout, repository: Path, tmp_path: Path, git: Any, said: Said
) -> None:
    git(repository, "tag", "v1")
    root = await checkout.checkout(script(repository, branch="v1"), tmp_path / "a", said.append)
    assert git(root, "describe", "--tags") == "v1"


async def test_a_commit_on_no_branch_is_fetched_by_its_id(
    checkout: Checkout, repository: Path, tmp_path: Path, git: Any, said: Said
) -> None:
    git(repository, "checkout", "-q", "--detach")
    (repository / "train.py").write_text("print('detached')\n")
    git(repository, "commit", "-qam", "Detached")
    commit = git(repository, "rev-parse", "HEAD")
    root = await checkout.checkout(script(repository, commit=commit), tmp_path / "a", said.append)
    assert (root / "train.py").read_text() == "print('detached')\n"


async def test_ten_attempts_at_once_share_one_fetch(
    checkout: Checkout, repository: Path, tmp_path: Path, git: Any, said: Said
) -> None:
    wanted = script(repository, commit=git(repository, "rev-parse", "HEAD"))
    roots = await asyncio.gather(*(checkout.checkout(wanted, tmp_path / f"work{n}", said.append) for n in range(10)))
    assert all((root / "src" / "model.py").is_file() for root in roots)
    assert len([line for line in said if line.startswith("Fetching")]) == 1


async def test_a_damaged_mirror_is_fetched_anew(
    checkout: Checkout, repository: Path, tmp_path: Path, home: Path, git: Any, said: Said
) -> None:
    wanted = script(repository, commit=git(repository, "rev-parse", "HEAD"))
    await checkout.checkout(wanted, tmp_path / "a", said.append)
    tree = git(repository, "rev-parse", "HEAD^{tree}")
    (mirror,) = (home / "vcs").iterdir()
    for pack in (mirror / "objects" / "pack").iterdir():
        pack.chmod(0o644)
        pack.write_bytes(pack.read_bytes()[:100])
    root = await checkout.checkout(wanted, tmp_path / "b", said.append)
    assert git(root, "rev-parse", "HEAD^{tree}") == tree


async def test_locks_of_a_killed_fetch_do_no_harm(
    checkout: Checkout, repository: Path, tmp_path: Path, home: Path, git: Any, said: Said
) -> None:
    await checkout.checkout(script(repository, branch="main"), tmp_path / "a", said.append)
    (mirror,) = (home / "vcs").iterdir()
    (mirror / "refs" / "heads" / "main.lock").touch()
    (repository / "train.py").write_text("print('two')\n")
    git(repository, "commit", "-qam", "Two")
    root = await checkout.checkout(script(repository, branch="main"), tmp_path / "b", said.append)
    assert (root / "train.py").read_text() == "print('two')\n"


async def test_a_tag_in_place_of_the_commit_is_asked_for_each_time(
    checkout: Checkout, repository: Path, tmp_path: Path, git: Any, said: Said
) -> None:
    git(repository, "tag", "best")
    await checkout.checkout(script(repository, commit="best"), tmp_path / "a", said.append)
    (repository / "train.py").write_text("print('two')\n")
    git(repository, "commit", "-qam", "Two")
    git(repository, "tag", "-f", "best")
    root = await checkout.checkout(script(repository, commit="best"), tmp_path / "b", said.append)
    assert (root / "train.py").read_text() == "print('two')\n"


async def test_another_disk_than_the_mirrors_is_fine(
    checkout: Checkout, repository: Path, git: Any, said: Said
) -> None:
    memory = Path("/dev/shm")
    if not memory.is_dir() or memory.stat().st_dev == repository.stat().st_dev:
        pytest.skip("there is no second file system")
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        root = await checkout.checkout(script(repository, branch="main"), Path(folder) / "a", said.append)
        assert git(root, "log", "--format=%s") == "One"


async def test_submodules_are_fetched(
    checkout: Checkout, repository: Path, tmp_path: Path, git: Any, said: Said
) -> None:
    library = tmp_path / "library"
    library.mkdir()
    git(library, "init", "-q")
    (library / "lib.py").write_text("X = 1\n")
    git(library, "add", ".")
    git(library, "commit", "-qm", "Lib")
    git(repository, "-c", "protocol.file.allow=always", "submodule", "-q", "add", "../library", "lib")
    git(repository, "commit", "-qm", "With library")
    root = await checkout.checkout(script(repository, branch="main"), tmp_path / "a", said.append)
    assert (root / "lib" / "lib.py").read_text() == "X = 1\n"


async def test_changes_are_applied(checkout: Checkout, repository: Path, tmp_path: Path, git: Any, said: Said) -> None:
    (repository / "train.py").write_bytes(b"print('changed')\r\n")
    (repository / "src" / "new \u00e9\n.py").write_text("new")
    (repository / "blob.bin").write_bytes(bytes(range(256)))
    git(repository, "add", "-N", ".")
    diff = git(repository, "diff", "--binary", "HEAD")
    wanted = script(repository, commit=git(repository, "rev-parse", "HEAD"), diff=diff)
    root = await checkout.checkout(wanted, tmp_path / "a", said.append)
    assert (root / "train.py").read_bytes() == b"print('changed')\r\n"
    assert (root / "src" / "new \u00e9\n.py").read_text() == "new"
    assert (root / "blob.bin").read_bytes() == bytes(range(256))


@pytest.mark.parametrize("name", ["train.py", "src/model.py"])
async def test_changes_that_do_not_fit_name_the_file(
    checkout: Checkout, repository: Path, tmp_path: Path, git: Any, name: str
) -> None:
    base = git(repository, "rev-parse", "HEAD")
    (repository / name).write_text("a\nb\nc\n")
    git(repository, "commit", "-qam", "Other")
    (repository / name).write_text("a\nB\nc\n")
    diff = git(repository, "diff")
    text = await failure(checkout, script(repository, commit=base, diff=diff), tmp_path / "a")
    assert name in text and "do not apply" in text


async def test_changes_to_a_file_that_is_not_there_name_it(
    checkout: Checkout, repository: Path, tmp_path: Path, git: Any
) -> None:
    base = git(repository, "rev-parse", "HEAD")
    (repository / "late.py").write_text("1\n")
    git(repository, "add", ".")
    git(repository, "commit", "-qm", "Late")
    (repository / "late.py").write_text("2\n")
    text = await failure(checkout, script(repository, commit=base, diff=git(repository, "diff")), tmp_path / "a")
    assert "late.py" in text


async def test_text_that_is_no_patch_is_said_so(checkout: Checkout, repository: Path, tmp_path: Path) -> None:
    text = await failure(checkout, script(repository, branch="main", diff="hello"), tmp_path / "a")
    assert "not a patch" in text


async def test_an_unknown_commit_is_named(checkout: Checkout, repository: Path, tmp_path: Path) -> None:
    text = await failure(checkout, script(repository, commit="0123456789" * 4), tmp_path / "a")
    assert "0123456789" in text and "push it" in text


async def test_an_unknown_branch_is_named(checkout: Checkout, repository: Path, tmp_path: Path) -> None:
    text = await failure(checkout, script(repository, branch="no such"), tmp_path / "a")
    assert "'no such'" in text and "push it" in text


async def test_a_deleted_branch_is_gone_here_too(
    checkout: Checkout, repository: Path, tmp_path: Path, git: Any, said: Said
) -> None:
    git(repository, "branch", "side")
    await checkout.checkout(script(repository, branch="side"), tmp_path / "a", said.append)
    git(repository, "branch", "-D", "side")
    assert "'side'" in await failure(checkout, script(repository, branch="side"), tmp_path / "b")


async def test_a_repository_that_is_not_there(checkout: Checkout, tmp_path: Path) -> None:
    text = await failure(checkout, script(tmp_path / "nowhere", branch="main"), tmp_path / "a")
    assert "no repository" in text and "nowhere" in text


async def test_a_repository_without_commits(checkout: Checkout, tmp_path: Path, git: Any) -> None:
    git(tmp_path, "init", "-q", "empty")
    assert "no commit" in await failure(checkout, script(tmp_path / "empty"), tmp_path / "a")


async def test_a_closed_port_is_unreachable_and_shows_no_password(checkout: Checkout, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://ada:s3cret@127.0.0.1:{port}/x.git"
    text = await failure(checkout, script(url, branch="main"), tmp_path / "a")
    assert "cannot be reached" in text and "s3cret" not in text and str(port) in text


async def test_a_server_that_says_nothing_is_given_up(home: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/x.git"
        checkout = Checkout(home, silence=(0.3, 0.3))
        text = await failure(checkout, script(url, branch="main"), tmp_path / "a")
    assert "does not answer" in text


async def test_a_server_that_asks_for_a_password_is_not_answered(checkout: Checkout, tmp_path: Path) -> None:
    answer = b'HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm="x"\r\nContent-Length: 0\r\n\r\n'
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    client, _ = server.accept()
                except OSError:
                    return
                with client:
                    client.recv(65536)
                    client.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/x.git"
        text = await failure(checkout, script(url, branch="main"), tmp_path / "a")
        server.shutdown(socket.SHUT_RDWR)
    assert "refused this host" in text and "SSH key" in text


@pytest.mark.parametrize("configured", [False, True])
async def test_ssh_never_asks_and_keeps_the_hosts_own_command(
    home: Path, tmp_path: Path, git: Any, monkeypatch: pytest.MonkeyPatch, configured: bool
) -> None:
    fake = tmp_path / "bin" / "ssh"
    fake.parent.mkdir()
    fake.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/called\necho "Permission denied (publickey)." >&2\nexit 255\n')
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake.parent}:{os.environ['PATH']}")
    if configured:
        git(tmp_path, "config", "--global", "core.sshCommand", "ssh -i mine")
    text = await failure(Checkout(home), script("git@example.org:x.git", branch="main"), tmp_path / "a")
    assert "refused this host" in text
    called = (tmp_path / "called").read_text()
    assert ("-i mine" in called) is configured
    assert ("BatchMode=yes" in called) is not configured


@pytest.mark.parametrize(
    "fields",
    [
        {"repository": "--upload-pack=touch x"},
        {"repository": "ext::sh -c true"},
        {"branch": "--output=x"},
        {"commit": "-x"},
    ],
)
async def test_options_and_helpers_in_addresses_are_refused(
    checkout: Checkout, repository: Path, tmp_path: Path, fields: dict[str, str]
) -> None:
    text = await failure(checkout, script(**{"repository": repository, **fields}), tmp_path / "a")
    assert "not valid" in text or "not allowed" in text


async def test_without_git_the_host_is_told(
    repository: Path, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    text = await failure(Checkout(home), script(repository, branch="main"), tmp_path / "a")
    assert "git is not installed" in text


async def test_a_full_disk_is_said_so(
    checkout: Checkout, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object, **kwargs: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "there")

    monkeypatch.setattr(Path, "write_bytes", full)
    text = await failure(checkout, Script(diff="x", entry_point="a.py"), tmp_path / "a")
    assert "is full" in text and "free some space" in text


async def test_git_on_a_full_disk_is_said_so(
    home: Path, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = tmp_path / "bin" / "git"
    fake.parent.mkdir()
    fake.write_text("#!/bin/sh\necho 'fatal: write error: No space left on device' >&2\nexit 128\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake.parent}:{os.environ['PATH']}")
    text = await failure(Checkout(home), script(repository, branch="main"), tmp_path / "a")
    assert "is full" in text


async def test_cancelling_ends_git(home: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}/x.git"
        running = asyncio.create_task(
            Checkout(home).checkout(script(url, branch="main"), tmp_path / "a", lambda line: None)
        )
        client, _ = await asyncio.to_thread(server.accept)
        with client:
            client.recv(65536)
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
            assert await asyncio.to_thread(client.recv, 65536) == b""  # its end was closed


async def test_a_script_travels_as_text(checkout: Checkout, tmp_path: Path, said: Said) -> None:
    wanted = Script(diff="print('\u00e9')\r\n", entry_point="dir name/train.py", working_dir="")
    root = await checkout.checkout(wanted, tmp_path / "a", said.append)
    assert (root / "dir name" / "train.py").read_bytes() == "print('\u00e9')\r\n".encode()


async def test_neither_repository_nor_text(checkout: Checkout, tmp_path: Path) -> None:
    text = await failure(checkout, Script(entry_point="train.py"), tmp_path / "a")
    assert "neither a repository nor" in text


@pytest.mark.parametrize("name", ["../x.py", "/etc/x.py", "a/../../x.py"])
async def test_a_script_stays_in_its_folder(checkout: Checkout, tmp_path: Path, name: str) -> None:
    text = await failure(checkout, Script(diff="x", entry_point=name), tmp_path / "a")
    assert "leads out of its folder" in text


def test_inside_allows_the_root_itself(tmp_path: Path) -> None:
    assert inside(tmp_path, "", ".") == tmp_path
