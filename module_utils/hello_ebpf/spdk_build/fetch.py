"""The source, fetched and held against its digests before it gets the name under which it is used."""

from __future__ import annotations

import re
import shutil
import urllib.error
import urllib.request
from pathlib import Path

from ..errors import LabError
from ..files import sha256_of
from ..removal import remove
from .ceph import fetch_used
from .request import Request
from .shell import Shell, fetch_environment

BLOCK = 1 << 20
CONNECT_SECONDS = 30
# In a checkout: the commit that it is of.
COMMIT_FILE = ".git/hello_ebpf_commit"
AGAIN = "run again; what was fetched wrongly is gone"


def fetch(request: Request, shell: Shell) -> None:
    """Fetch the request's source to ``request.download``."""
    partial = request.downloads / "partial"
    remove(partial)
    partial.mkdir(parents=True)
    if request.source == "ceph":
        result = fetch_used(request, shell, partial)
    elif request.source == "git":
        result = _git(request, shell, partial / "checkout")
    else:
        if is_url(request.archive):
            result = _url(request.archive, partial / "archive")
        else:
            result = _own(Path(request.archive), partial, request)
        verify(result, request.sha256)
    remove(request.download)
    result.rename(request.download)
    remove(partial)


def _own(given: Path, folder: Path, request: Request) -> Path:
    """An archive that the role brought here is used up; one that is the user's own is copied and left alone."""
    if not given.is_file():
        raise LabError(asked=f"the archive {given}", found="there is no such file", fix="correct spdk_archive")
    if given.is_relative_to(request.incoming):
        return given
    return Path(shutil.copyfile(given, folder / "archive"))


def is_url(text: str) -> bool:
    return bool(re.match(r"[a-z]+://", text))


def verify(path: Path, sha256: str) -> None:
    """Hold our copy of an archive against its digest; a wrong one is removed, so that the next run fetches it anew."""
    if (found := sha256_of(path)) != sha256:
        size = path.stat().st_size
        path.unlink()
        raise LabError(
            asked=f"an archive with SHA-256 {sha256}",
            found=f"{path} ({size} bytes) has SHA-256 {found}",
            fix=f"{AGAIN}. If it happens again, the mirror or the declared digest is wrong",
        )


def check_size(path: Path, expected: int) -> None:
    """Refuse a download that is too short or too long."""
    size = path.stat().st_size
    if size != expected:
        raise LabError(asked=f"a download of {expected} bytes", found=f"{path.name} has {size}", fix=AGAIN)


def _url(url: str, path: Path) -> Path:
    asked = f"the archive {url}"
    try:
        with urllib.request.urlopen(url, timeout=CONNECT_SECONDS) as answer, path.open("wb") as file:
            shutil.copyfileobj(answer, file, BLOCK)
            announced = answer.headers.get("Content-Length")
    except (urllib.error.URLError, OSError) as error:
        raise LabError(
            asked=asked,
            found=str(getattr(error, "reason", error)),
            fix="correct spdk_archive or make the server reachable, then run again",
        ) from error
    if announced is not None:
        check_size(path, int(announced))
    return path


def _git(request: Request, shell: Shell, checkout: Path) -> Path:
    """A checkout with DPDK, the one submodule that is built."""
    asked = f"SPDK {request.git_version} from {request.git_url}"
    fix = "correct spdk_git_url and spdk_git_version, or make the repository reachable, then run again"
    env = fetch_environment()

    def git(*words: str) -> str:
        return shell.run(["git", *words], asked=asked, fix=fix, env=env)

    git("clone", "--quiet", "--depth=1", f"--branch={request.git_version}", "--", request.git_url, str(checkout))
    commit = git("-C", str(checkout), "rev-parse", "HEAD").strip()
    if request.git_commit and commit != request.git_commit:
        raise LabError(
            asked=f"{asked} as commit {request.git_commit}",
            found=f"{request.git_version} is commit {commit}",
            fix="find out who moved it, then correct spdk_git_commit or spdk_git_version",
        )
    git("-C", str(checkout), "submodule", "--quiet", "init", "dpdk")
    for name, url in request.git_submodule_urls.items():
        git("-C", str(checkout), "config", f"submodule.{name}.url", url)
    # git refuses submodules by path unless told; here the user named paths himself.
    urls = [request.git_url, *request.git_submodule_urls.values()]
    local = ["-c", "protocol.file.allow=always"] if any(url.startswith(("/", "file://")) for url in urls) else []
    git(*local, "-C", str(checkout), "submodule", "--quiet", "update", "--depth=1", "--recursive", "dpdk")
    (checkout / COMMIT_FILE).write_text(commit)
    return checkout
