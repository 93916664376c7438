# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Say what each stage of the tests is: what it runs, with which pair, beside which other stages."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from tests.lab import LabError
from tests.lab import packages as lab_packages
from tools.dev import pythons, sanity, tree, venvs
from tools.dev.errors import ToolError

IMPORTER_SETTINGS = "tools/galaxy-importer.cfg"


@dataclass(frozen=True)
class Step:
    """A command of a stage."""

    label: str
    command: tuple[str, ...]
    cwd: Path
    env: Mapping[str, str] = field(default_factory=dict)
    junit: Path | None = None
    # Makes the step that runs some files of tests once more.
    again: Callable[[list[str]], Step] | None = None


@dataclass(frozen=True)
class Workshop:
    """What the stages of a run share."""

    root: Path
    results: Path
    args: tuple[str, ...] = ()

    def pair(self, name: str) -> pythons.Pair:
        """Return a pair by name; raises ToolError where its Python is not on the machine."""
        pairs = _pairs(self.root)
        if name not in pairs:
            there = ", ".join(str(pair) for pair in pairs.values())
            raise Skip(f"the Python of the {name} pair is not on this machine, which has {there}")
        return pairs[name]

    def environment(self, venv: Path) -> dict[str, str]:
        """Return the variables with which a stage runs in an environment: only the repository's own settings.

        What a stage compiles is kept, unlike what the tools do: its processes import the same files thousands of times.
        """
        foreign = {"PYTHONPATH", "PYTHONHOME", "PYTHONDONTWRITEBYTECODE"}
        env = {name: value for name, value in os.environ.items() if name not in foreign}
        return {
            **env,
            "PATH": os.pathsep.join([str(venv / "bin"), env.get("PATH", os.defpath)]),
            "VIRTUAL_ENV": str(venv),
            "NO_COLOR": "1",
            "ANSIBLE_COLLECTIONS_PATH": str(tree.collections_path(self.root)),
            "ANSIBLE_CONFIG": str(self.root / "tools" / "ansible.cfg"),
        }


class Skip(ToolError):
    """Report that a stage cannot run here, and why."""


@cache
def _pairs(root: Path) -> dict[str, pythons.Pair]:
    return pythons.pairs(root)


@dataclass(frozen=True)
class Stage:
    """A named part of the tests. Stages of one lane run one after another, the lanes side by side."""

    name: str
    lane: str
    steps: Callable[[Workshop], list[Step]]
    folder: str = "."
    root: bool = False
    pair: str = "main"
    kind: str = "test"
    packages: tuple[str, ...] = ()
    limit_s: int = 1800
    # On real guests; see Runner for what that means for a test that fails.
    lab: bool = False

    def system_packages(self, shop: Workshop) -> set[str]:
        """Return what has to be installed for this stage; a compiler and headers too, where libvirt-python is built."""
        found = {*self.packages, *(_of_lab() if self.lab else ())}
        if self.kind != "test":
            return found
        try:
            return {*found, *venvs.system_packages(shop.pair(self.pair))}
        except Skip:
            return set()

    def variables(self) -> dict[str, str]:
        """Return what the stage's programs find in their environment besides what every stage's do.

        Where the lab can be installed, a test that cannot have it fails: skipped, it would prove nothing and look green.
        """
        return {"VIRTFLEET_LAB": "required"} if self.lab and os.geteuid() == 0 and _of_lab() else {}


def _of_lab() -> list[str]:
    """Return the packages of the lab, none on a system that it doesn't know."""
    try:
        return lab_packages.wanted()
    except LabError:
        return []


def _tools(shop: Workshop) -> tuple[Path, dict[str, str]]:
    """Return the environment of the linters and its variables."""
    venv = venvs.ensure(shop.root, shop.pair("main"), "lint")
    return venv, shop.environment(venv)


def lint(shop: Workshop) -> list[Step]:
    """Read everything that can be read without running it."""
    venv, env = _tools(shop)
    place = tree.collections_path(shop.root)
    here = place / "ansible_collections" / tree.NAMESPACE / tree.NAME
    config = ["--config-file", str(shop.root / "pyproject.toml"), "--cache-dir", str(shop.root / ".mypy_cache")]

    def step(label: str, *command: str, cwd: Path = shop.root) -> Step:
        return Step(label, (str(venv / "bin" / command[0]), *command[1:]), cwd, env)

    return [
        step("ruff", "ruff", "check", "--output-format", "concise", "."),
        # Read under the collection's full name, as the imports in it say it.
        step("mypy, plugins", "mypy", *config, str(here.relative_to(place) / "plugins"), cwd=place),
        step("mypy, tools", "mypy", *config, "tools"),
        step("yamllint", "yamllint", "--strict", "."),
        step("antsibull-docs", "antsibull-docs", "lint-collection-docs", "--plugin-docs", str(here)),
        step("antsibull-changelog", "antsibull-changelog", "lint"),
        step("ansible-lint", "ansible-lint", "--offline", "--strict", "--profile", "production"),
    ]


def build(shop: Workshop) -> list[Step]:
    """Build the collection as Galaxy gets it and import it as Galaxy does."""
    venv, env = _tools(shop)
    output = shop.results / "collection"
    version = next(
        line.split()[1] for line in (shop.root / "galaxy.yml").read_text().splitlines() if line.startswith("version:")
    )
    artefact = output / f"{tree.NAMESPACE}-{tree.NAME}-{version}.tar.gz"
    env = {**env, "GALAXY_IMPORTER_CONFIG": str(shop.root / IMPORTER_SETTINGS)}
    galaxy = str(venv / "bin" / "ansible-galaxy")
    # Built from a copy without git's ignored files, as from a clean clone.
    clean = tree.copy_collection(shop.root, tree.cache_dir() / f"build-{tree.digest(shop.root)}")
    output.mkdir(parents=True, exist_ok=True)
    return [
        Step("build", (galaxy, "collection", "build", "--force", "--output-path", str(output)), clean, env),
        Step("import", (str(venv / "bin" / "python"), "-m", "galaxy_importer.main", str(artefact)), output, env),
    ]


def sanity_of(
    name: str, *skipped: str, everywhere: bool = False, workshop: bool = False
) -> Callable[[Workshop], list[Step]]:
    """Return the stage of the sanity tests under a pair, without those that the other pair has run on the same code.

    `everywhere`: what is compiled is so on each Python that a host may have, and what is imported on the oldest and
    the newest of them, since what one Python adds and a later one removes shows at the ends; else all on the pair's
    own alone. `workshop`: what users never get is read too, the tests first of all.
    """

    def steps(shop: Workshop) -> list[Step]:
        venv = venvs.ensure(shop.root, shop.pair(name))
        folder, env = sanity.prepare(shop.root, f"{name}-whole" if workshop else name, venv, workshop)
        # One at a time: what ansible-test makes in its home, another checkout's run may be making too.
        command = ("flock", env["HOME"], str(venv / "bin" / "ansible-test"), "sanity", "--color", "no")
        without = [word for test in skipped for word in ("--skip-test", test)]
        runs = {"sanity tests": [*without, "--python", shop.pair(name).version]}
        if everywhere:
            runs = {"sanity tests": without}
            # Words of the caller choose the tests themselves.
            if not shop.args:
                runs = {"sanity tests": [*without, "--skip-test", "import"]}
                runs |= {f"import on {end}": ["--test", "import", "--python", end] for end in pythons.ends()}
        return [
            step
            for label, words in runs.items()
            for step in (
                # Made first, so that pip's words do not stand between those of the tests.
                Step(f"environments of the {label}", (*command, "--prime-venvs", *words, *shop.args), folder, env),
                Step(label, (*command, *words, *shop.args), folder, env),
            )
        ]

    return steps


def pytest_of(name: str, paths: str, *options: str) -> Callable[[Workshop], list[Step]]:
    """Return a stage that runs folders or files of tests under a pair.

    `paths` are divided by spaces. They are named to pytest each, because conftest files that it would find below
    a folder come too late to bring plugins.
    """

    def steps(shop: Workshop) -> list[Step]:
        venv = venvs.ensure(shop.root, shop.pair(name))
        stem = f"{paths}-{name}{''.join(options)}".replace("/", "-").replace(" ", "")
        start = (str(venv / "bin" / "python"), "-m", "pytest")

        def run(label: str, junit: Path, files: list[str]) -> Step:
            words = (*files, "-q", "-o", f"cache_dir=.pytest_cache/{name}", f"--junit-xml={junit}", *options, *shop.args)
            return Step(label, (*start, *words), shop.root, shop.environment(venv), junit, again)

        def again(files: list[str]) -> Step:
            return run("pytest, once more", shop.results / f"{stem}-again.xml", files)

        return [run("pytest", shop.results / f"{stem}.xml", paths.split())]

    return steps


def demo(shop: Workshop) -> list[Step]:
    """Run the demonstration twice: the second run must have nothing to do."""
    # Every host of the second recap says changed=0, and there is one.
    check = "/ changed=[1-9]/ {bad = 1} / changed=0 / {seen = 1} {print} END {exit bad || !seen}"
    command = f"tools/demo up | awk '{check}'"
    return [
        Step("first", ("tools/demo", "up"), shop.root, dict(os.environ)),
        Step("again", ("bash", "-o", "pipefail", "-c", command), shop.root, dict(os.environ)),
        Step("down", ("tools/demo", "down"), shop.root, dict(os.environ)),
    ]


SANITY_PACKAGES = ("git", "shellcheck")
# The programs that the code under test runs.
UNIT_PACKAGES = (
    "dosfstools", "e2fsprogs", "fdisk", "genisoimage", "gnupg", "gpgv", "mtools", "qemu-utils", "xorriso", "zstd",
)  # fmt: skip
UNIT, CONTRACT, LAB, INTEGRATION = "tests/unit", "tests/contract", "tests/lab", "tests/integration"
XEN, XEN_ROLE = "tests/integration/xen", "tests/integration/test_role_xen_host.py"
BRIDGES = "tests/integration/test_host_bridge_managers.py"
VMS = "tests/lab/test_vm.py"

# Two lanes for two cores, about as long as each other: what calls the collection in parts, and what builds and plays it.
STAGES = (
    Stage("lint", "run", lint, kind="lint"),
    Stage("build", "run", build, kind="lint", packages=("git",)),
    # An emulated Xen host, which is made of packages and booted three times where the cache has none; the lab's own tests of it
    # use the same one. First, beside what is light: its QEMU runs before others, whose plays have time limits.
    Stage("xen", "read", pytest_of("main", f"{VMS} {XEN}"), folder=XEN, root=True, lab=True, limit_s=3300),
    Stage("sanity-main", "read", sanity_of("main", everywhere=True), packages=SANITY_PACKAGES),
    # ansible-test runs one at a time, so both pairs' are in one lane.
    Stage("sanity-second", "read", sanity_of("second", "pylint"), pair="second", packages=SANITY_PACKAGES),
    Stage("unit-main", "read", pytest_of("main", UNIT), folder=UNIT, packages=UNIT_PACKAGES),
    Stage("unit-second", "read", pytest_of("second", UNIT), folder=UNIT, pair="second", packages=UNIT_PACKAGES),
    Stage("contract", "read", pytest_of("main", CONTRACT), folder=CONTRACT, lab=True),
    # With cold caches it makes the images of all other machines.
    Stage("lab", "run", pytest_of("main", LAB, f"--ignore={VMS}"), folder=LAB, root=True, lab=True, limit_s=3300),
    Stage(
        # Plays wait for guests and for each other half of the time: two at once, each file on a lab host of its own.
        "integration",
        "run",
        pytest_of("main", INTEGRATION, "-n", "2", "--dist", "loadfile", f"--ignore={XEN}"),
        folder=INTEGRATION,
        root=True,
        lab=True,
        # Twenty minutes with cold caches on two idle cores.
        limit_s=3300,
    ),
    Stage(
        "e2e-second",
        "run",
        pytest_of("second", INTEGRATION, "-m", "e2e"),
        folder=INTEGRATION,
        pair="second",
        root=True,
        lab=True,
    ),
)
# Run by name alone; the slow ones in two lanes too, which wait for machines most of the time.
EXTRA = (
    Stage("demo", "run", demo, folder="tools/demo", root=True, limit_s=3600),
    Stage("slow-sanity", "read", sanity_of("main", workshop=True), packages=SANITY_PACKAGES),
    Stage("slow-code", "read", pytest_of("main", f"{UNIT} {CONTRACT} {LAB}", "-m", "slow"), limit_s=7200, lab=True),
    Stage("slow-xen", "read", pytest_of("main", f"{XEN} {XEN_ROLE}", "-m", "slow"), root=True, limit_s=7200, lab=True),
    Stage(
        "slow-hosts",
        "run",
        pytest_of("main", INTEGRATION, "-m", "slow", f"--ignore={XEN}", f"--ignore={XEN_ROLE}", f"--ignore={BRIDGES}"),
        root=True,
        limit_s=7200,
        lab=True,
    ),
    Stage("slow-bridges", "run", pytest_of("main", BRIDGES, "-m", "slow"), root=True, limit_s=7200, lab=True),
)


def chosen(words: str) -> list[Stage]:
    """Return the stages that words name: "unit" is unit-main and unit-second; no words, all but the extra ones.

    Raises ToolError for a word that names none.
    """
    if not words.split():
        return list(STAGES)
    picked: list[Stage] = []
    for word in words.split():
        named = [stage for stage in (*STAGES, *EXTRA) if stage.name == word or stage.name.startswith(f"{word}-")]
        if not named:
            names = ", ".join(stage.name for stage in (*STAGES, *EXTRA))
            raise ToolError(f"no stage is named {word!r}; the stages are {names}")
        picked += [stage for stage in named if stage not in picked]
    return picked
