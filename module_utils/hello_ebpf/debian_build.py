"""A product, built with make and installed as a whole: what goes into it, what is there, and the build."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from .errors import LabError
from .folders import digest_file, files_in, halves, swap
from .made import Made
from .plan import Step
from .removal import MARK, check_claim, claim, claim_of, foreign, remove, seal, strangers, tidy

STAMP = ".make_install.json"
OWNER = "make_install"  # of the logs' notes
# Neither the caller's make variables nor hand-installed tools take part in a build: what does is in the stamp.
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "HOME": "/nonexistent"}
TELLING = re.compile(r"^E: |error:|error \d|undefined reference|no rule to make|not found|no space left|killed", re.I)
TELLING_LINES = 5


@dataclass(frozen=True)
class Request:
    """What is to be built, from what, into where.

    Attributes:
        name: the product; names make's goal, the build folder and the log.
        dest: the folder that holds the result and nothing else.
        sources: file name below the build folder -> its text.
        make_args: further arguments of make.
        environment: further environment of make.
        tool_versions: commands whose output's first line tells a tool's version.
        inputs: files of this machine that the result depends on.
        renewed: in check mode, some of them would be others by now.
        cache: the folder in which build folders lie.
        log: the file that make's output goes to.
    """

    name: str
    dest: Path
    sources: dict[str, str] = field(default_factory=dict)
    make_args: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    tool_versions: tuple[str, ...] = ()
    inputs: tuple[Path, ...] = ()
    renewed: bool = False
    cache: Path = Path("/var/cache/hello_ebpf/build")
    log: Path = Path("/var/log/hello_ebpf/make_install.log")

    @property
    def tree(self) -> Path:
        return self.cache / self.name

    @property
    def goal(self) -> str:
        return f"install_{self.name}"


@dataclass(frozen=True)
class State:
    """What is installed.

    Attributes:
        ingredients: what the installed files were made of; None where nothing is installed.
        files: each installed file and its digest, as the install left it.
        spoilt: installed files that are missing or no longer as the install left them.
        foreign: the destination holds something that no install of ours put there.
        leftovers: build folder, log or half an install of a run that was cut off.
        strangers: files in the destination that no install put there.
    """

    ingredients: dict[str, str] | None = None
    files: dict[str, str] = field(default_factory=dict)
    spoilt: tuple[str, ...] = ()
    foreign: bool = False
    leftovers: tuple[Path, ...] = ()
    strangers: tuple[str, ...] = ()


class MakeInstall:
    """One installed build: ``read``, ``plan`` (or ``plan_absent``) and ``predict`` for ``converge``.

    Args:
        request: what is asked for.
        check: nothing will be built; a tool or input that is not there yet then counts as a change to come.
    """

    def __init__(self, request: Request, *, check: bool) -> None:
        self._request = request
        self._check = check

    def read(self) -> State:
        dest = self._request.dest
        leftovers = tuple(self._traces())
        if dest.is_symlink() or (dest.exists() and not dest.is_dir()):
            return State(foreign=True, leftovers=leftovers)
        if not dest.exists():
            return State(leftovers=leftovers)
        stamp = dest / STAMP
        if not stamp.is_file():
            return State(foreign=any(dest.iterdir()), leftovers=leftovers)
        try:
            made = json.loads(stamp.read_text())
            ingredients, files = dict(made["ingredients"]), dict(made["files"])
        except (ValueError, KeyError, TypeError):
            return State(ingredients={}, spoilt=(STAMP,), leftovers=leftovers)
        spoilt = tuple(name for name, digest in files.items() if digest_file(dest / name) != digest)
        return State(ingredients, files, spoilt, leftovers=leftovers, strangers=tuple(strangers(dest)))

    def plan(self, state: State) -> list[Step]:
        request = self._request
        if state.foreign:
            raise self._foreign()
        wanted = self.ingredients()
        if state.ingredients is None:
            why = "nothing is installed"
        elif state.spoilt:
            why = f"changed or missing: {', '.join(state.spoilt)}"
        elif state.ingredients != wanted:
            why = f"changed: {', '.join(_differences(state.ingredients, wanted))}"
        elif request.renewed:
            why = "what it is built with is made anew before"
        else:
            return [Step(f"remove {path}", partial(tidy, path)) for path in self._halves()]
        if state.strangers:
            raise foreign(request.dest, f"{request.name} alone ({why})", list(state.strangers))
        check_claim(request.tree)
        Made().check(OWNER, request.log)
        return [Step(f"build {request.name} and install it into {request.dest} ({why})", self._build)]

    def plan_absent(self, state: State) -> list[Step]:
        """What the lab made goes; what others have put beside or in its place stays."""
        dest = self._request.dest
        ours = [dest] if claim_of(dest) else []
        return [Step(f"remove {path}", partial(self._remove, path)) for path in (*ours, *state.leftovers)]

    def _remove(self, path: Path) -> None:
        tidy(path)
        if path == self._request.log:
            Made().forget(OWNER, path)

    def predict(self, state: State) -> State:
        return State(self.ingredients())

    def predict_absent(self, state: State) -> State:
        return State()

    def ingredients(self) -> dict[str, str]:
        """Everything that the result depends on, each with its digest or its own words."""
        request = self._request
        parts = {f"source {name}": _digest(text.encode()) for name, text in request.sources.items()}
        parts |= {f"input {path}": self._input(path) for path in request.inputs}
        parts |= {command: self._version(command) for command in request.tool_versions}
        parts |= {f"environment {name}": value for name, value in request.environment.items()}
        if request.make_args:
            parts["make"] = shlex.join(request.make_args)
        return parts

    def _input(self, path: Path) -> str:
        if path.is_file():
            return digest_file(path)
        if self._check:
            return "not there yet"
        raise LabError(
            asked=f"{self._request.name} built with {path}",
            found="there is no such file",
            fix="run the role that makes it first (site.yml does), or correct the path",
        )

    def _version(self, command: str) -> str:
        argv = shlex.split(command)
        try:
            done = subprocess.run(
                argv, env=ENVIRONMENT | self._request.environment, capture_output=True, text=True, check=True
            )
        except (OSError, subprocess.CalledProcessError) as error:
            if self._check:
                return "not there yet"
            said = str(getattr(error, "stderr", "") or error).strip()
            raise LabError(
                asked=f"{self._request.name} built with what '{command}' names",
                found=said,
                fix=f"install what gives {argv[0]} (role ebpf_toolchain installs the compilers), then run again",
            ) from error
        return (done.stdout or done.stderr).partition("\n")[0]

    def _build(self) -> None:
        request = self._request
        stage, old = halves(request.dest)
        with _locked(request.tree):
            claim(request.tree)
            for path in [stage, old, *request.tree.iterdir()]:
                if path.name != MARK:
                    remove(path)
            Made().take(OWNER, request.log)
            claim(stage)
            for name, text in request.sources.items():
                path = request.tree / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            request.dest.parent.mkdir(parents=True, exist_ok=True)
            self._make(stage)
            result = stage / request.dest.relative_to("/")
            files = {str(path.relative_to(result)): digest_file(path) for path in files_in(result)}
            if not files:
                raise LabError(
                    asked=f"build {request.name}",
                    found=f"'make {request.goal}' put nothing into $(DESTDIR)$(PREFIX); its output is in {request.log}",
                    fix=f"let the Makefile's {request.goal} install into $(DESTDIR)$(PREFIX)",
                )
            stamp = {"ingredients": self.ingredients(), "files": files}
            (result / STAMP).write_text(json.dumps(stamp, indent=1) + "\n")
            swap(result, request.dest, old)
            remove(stage)
            seal(request.tree)

    def _make(self, stage: Path) -> None:
        request = self._request
        jobs = len(os.sched_getaffinity(0))
        places = [f"DESTDIR={stage}", f"PREFIX={request.dest}"]
        request.log.parent.mkdir(parents=True, exist_ok=True)
        with request.log.open("w") as log:
            code = subprocess.run(
                ["make", "-C", str(request.tree), f"-j{jobs}", *places, *request.make_args, request.goal],
                env=ENVIRONMENT | request.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                umask=0o022,
                check=False,
            ).returncode
        if code:
            raise LabError(
                asked=f"build {request.name} in {request.tree}",
                found=f"make ended with {code}: {telling_lines(request.log.read_text(errors='replace'))}",
                fix=f"read {request.log}, mend the cause and run again; what was installed before is as it was",
            )

    def _halves(self) -> list[Path]:
        return [half for half in halves(self._request.dest) if claim_of(half)]

    def _traces(self) -> list[Path]:
        """What a build leaves outside the destination."""
        log, tree = self._request.log, self._request.tree
        logs = [log] if str(log) in Made().of(OWNER) else []
        return [*self._halves(), *logs, *([tree] if claim_of(tree) else [])]

    def _foreign(self) -> LabError:
        dest = self._request.dest
        return LabError(
            asked=f"{dest} for {self._request.name} alone",
            found=f"{dest} holds files that this project did not put there (it has no {STAMP})",
            fix="move them away, or name another folder",
        )


def render(state: State) -> str:
    """A state as text: one ingredient and one file a line."""
    if state.ingredients is None:
        return "".join(f"leftover {path}\n" for path in state.leftovers) or "absent\n"
    lines = [f"{name}: {value}" for name, value in state.ingredients.items()]
    lines += [f"file {name}: {'spoilt' if name in state.spoilt else digest}" for name, digest in state.files.items()]
    return "".join(f"{line}\n" for line in lines)


def telling_lines(output: str) -> str:
    """The first lines of make's output that say what is wrong; its last ones where none does."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return " | ".join([line for line in lines if TELLING.search(line)][:TELLING_LINES] or lines[-TELLING_LINES:])


def _differences(before: dict[str, str], after: dict[str, str]) -> list[str]:
    return sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Make the folder and hold it: a run that was killed may still be building in it."""
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]
