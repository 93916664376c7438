# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Be called by make: `tools/run test`, `python`, `apt`, `docs`, `bench`, `summary`, `clean`."""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
from pathlib import Path

from tools.dev import apt, docs, results, stages, tree, venvs
from tools.dev.errors import ToolError
from tools.dev.runner import Runner, interrupted

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "build" / "test"


def main(argv: list[str]) -> int:
    """Do what the first word says and return an exit code."""
    parser = argparse.ArgumentParser(prog="tools/run", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    test = verbs.add_parser("test", help="run stages of the tests; without names, all")
    test.add_argument("stages", nargs="*")
    test.add_argument("--args", default="", help="further words for pytest or ansible-test")
    test.add_argument("--append", action="store_true", help="keep the rows of the run before in the summary")
    python = verbs.add_parser("python", help="print the Python of a pair's environment, made if it is not there")
    python.add_argument("pair", choices=("main", "second"), nargs="?", default="main")
    packages = verbs.add_parser("apt", help="install packages without starting a daemon")
    packages.add_argument("packages", nargs="+")
    verbs.add_parser("docs", help="make the site of the guides and the reference")
    bench = verbs.add_parser("bench", help="run the benchmarks; those that take minutes by name only")
    bench.add_argument("names", nargs="*", help="guests, reservations, clones; linear, images")
    lab = verbs.add_parser("lab", help="start, enter and end a private libvirtd")
    lab.add_argument("words", nargs=argparse.REMAINDER)
    verbs.add_parser("summary", help="print the stages' table and the closing line")
    options = parser.parse_args(argv)
    shop = stages.Workshop(ROOT, RESULTS, tuple(shlex.split(getattr(options, "args", ""))))
    try:
        if options.verb == "test":
            return _test(shop, " ".join(options.stages), append=options.append)
        if options.verb == "python":
            print(_python(shop, options.pair))
        elif options.verb == "apt":
            apt.ensure(options.packages)
        elif options.verb == "docs":
            docs.make(shop)
        elif options.verb == "bench":
            return _bench(shop, options.names)
        elif options.verb == "lab":
            return _in_main(shop, "-m", "tests.lab", *options.words)
        elif options.verb == "summary":
            return _summary(results.load(RESULTS, [stage.name for stage in (*stages.STAGES, *stages.EXTRA)]))
    except ToolError as error:
        print(f"{options.verb}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return interrupted()
    return 0


def _test(shop: stages.Workshop, words: str, *, append: bool) -> int:
    """Run stages and print their table and the closing line."""
    picked = stages.chosen(words)
    RESULTS.mkdir(parents=True, exist_ok=True)
    if not append:
        results.reset(RESULTS)
    return _summary(Runner(shop, stream=len(picked) == 1 and "CI" not in os.environ).run(picked))


def _summary(rows: list[results.Row]) -> int:
    """Print the tables of some stages and of the parts, and the closing line, and return the exit code."""
    tables = (results.table(rows), results.table_of_parts(rows), results.closing_line(rows))
    print("\n" + "\n\n".join(filter(None, tables)), flush=True)
    return results.exit_code(rows)


def _python(shop: stages.Workshop, name: str) -> Path:
    """Return the interpreter of a pair's environment; what is said while it is made goes to stderr."""
    keep, sys.stdout = sys.stdout, sys.stderr
    try:
        return venvs.ensure(ROOT, shop.pair(name)) / "bin" / "python"
    finally:
        sys.stdout = keep


def _bench(shop: stages.Workshop, names: list[str]) -> int:
    """Run benchmarks/run.py."""
    script = ROOT / "benchmarks" / "run.py"
    if not script.is_file():
        raise ToolError("there are no benchmarks yet: benchmarks/run.py is absent")
    return _in_main(shop, str(script), *names)


def _in_main(shop: stages.Workshop, *words: str) -> int:
    """Run a program of the repository in the main environment and return its exit code."""
    venv = venvs.ensure(ROOT, shop.pair("main"))
    env = shop.environment(venv)
    env["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(tree.collections_path(ROOT))])
    return subprocess.run([str(venv / "bin" / "python"), *words], cwd=ROOT, env=env, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
