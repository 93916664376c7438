# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Say what each part of the collection costs in a run of the tests, beside what it may cost."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Part:
    """A part of the collection: what it may add to a run, and the folders and files of its tests and of its sources.

    `tests` are beginnings of paths below `tests/`, without suffix; `sources` those below the root.
    """

    name: str
    budget_s: int
    tests: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()


_UTILS = "unit/plugins/module_utils/"
_ROOMS = "plugins/module_utils/_"
_MODULES = "plugins/modules/"
ROOT = Path(__file__).resolve().parents[2]
# A test or a source belongs to the first part that names it; what none names is the spine's.
PARTS = (
    Part(
        "hosts",
        600,
        (
            "integration/test_role_kvm_host",
            "integration/test_site_",
            "integration/test_host_bridge",
            "integration/test_image_bootstrap",
            "integration/test_accelerator",
            "integration/test_demo",
            "lab/test_machine",
            *(_UTILS + name for name in ("accelerator", "bridge", "kvm_host", "machine", "test_bootstrap", "test_image_bootstrap")),
        ),
        (
            *(_ROOMS + name for name in ("accelerator", "bootstrap", "bridge", "image/bootstrap", "image/layout")),
            *(_ROOMS + name for name in ("image/suites", "kvm_host", "machine")),
            *(_MODULES + name for name in ("accelerator_info", "host_bridge", "kvm_host_info")),
            "plugins/action/host_bridge",
            "roles/kvm_host",
        ),
    ),
    Part(
        "estate",
        600,
        (
            "integration/test_capture",
            "integration/test_estate",
            "integration/test_guest_matrix",
            "integration/test_nwfilter",
            "integration/test_secret",
            "integration/test_volume",
            "contract/test_estate_libvirtd",
            "contract/test_nwfilters",
            "contract/test_secrets",
            "unit/plugins/filter",
            *(_UTILS + name for name in ("estate", "test_nwfilter_plan", "test_render", "test_secret", "test_volume_plan")),
        ),
        (
            *(_ROOMS + name for name in ("capture", "estate", "nwfilter", "libvirt_nwfilters", "libvirt_secrets", "render")),
            *(_ROOMS + name for name in ("residue", "secret", "volume")),
            *(_MODULES + name for name in ("capture", "estate", "nwfilter", "secret", "volume")),
            "plugins/filter",
            "plugins/plugin_utils/_document_yaml",
        ),
    ),
    Part(
        "xen",
        360,
        (
            "integration/test_role_xen_host",
            "integration/xen",
            "lab/test_vm",
            *(_UTILS + name for name in ("xen_host", "xl")),
        ),
        (
            *(_ROOMS + name for name in ("guest/xen", "xen_host", "xl")),
            *(_MODULES + name for name in ("xen_host_info", "xl_config")),
            "roles/xen_host",
        ),
    ),
    Part(
        "reach",
        360,
        (
            "integration/test_connection_",
            "integration/test_events",
            "integration/test_fleet",
            "integration/test_host_info",
            "integration/test_inventory",
            "integration/test_ways_into_full",
            "contract/test_consoles",
            "unit/extensions",
            "unit/plugins/connection",
            "unit/plugins/inventory",
            "unit/plugins/plugin_utils",
            *(_UTILS + name for name in ("console", "test_agent_view", "test_png")),
        ),
        (
            *(_ROOMS + name for name in ("agent_view", "console", "host_module", "libvirt_agent", "libvirt_console", "png")),
            *(_ROOMS + name for name in ("screenshot_module",)),
            *(_MODULES + name for name in ("console", "host_facts", "host_info", "screenshot")),
            "plugins/connection",
            "plugins/inventory",
            "plugins/plugin_utils",
            "extensions",
        ),
    ),
    Part(
        "width",
        480,
        (
            "integration/test_architectures",
            "integration/test_guest_devices",
            "integration/test_guest_rows",
            "integration/test_image_files",
            "integration/test_network_modes",
            "contract/test_devices",
            "contract/test_rows_running",
            "unit/plugins/lookup",
            "unit/test_examples",
            "unit/test_options_turned",
            "unit/tools/test_object_options",
            *(_UTILS + name for name in ("guest/test_fields_", "guest/test_systems", "guest/test_unattend")),
            *(_UTILS + name for name in ("test_downloads", "test_image_formats", "test_osinfo", "test_signature")),
        ),
        (
            *(f"{_ROOMS}guest/fields/{name}" for name in ("chardevs", "clock", "cpu", "features", "filesystems", "groups")),
            *(f"{_ROOMS}guest/fields/{name}" for name in ("hostdevs", "identity", "modules", "passt", "remote", "screens")),
            *(f"{_ROOMS}guest/fields/{name}" for name in ("single", "tuning")),
            *(_ROOMS + name for name in ("downloads", "guest/systems", "guest/unattend", "image/making", "network/forward")),
            *(_ROOMS + name for name in ("network/more", "network/ports", "os_info", "osinfo", "signature", "unpack", "virtualport")),
            _MODULES + "os_info",
            "plugins/lookup",
            "plugins/plugin_utils/_schema",
        ),
    ),
)
SPINE = Part("spine", 600)
EVERY = (SPINE, *PARTS)


def part_of(classname: str) -> str:
    """Return the part of a test by its class in a JUnit file, such as `tests.integration.test_estate.TestPlan`."""
    path = "/".join(classname.split(".")[1:])
    return next((part.name for part in PARTS if path.startswith(part.tests)), SPINE.name)


def source_files(root: Path) -> list[Path]:
    """Return the sources of a checkout: what is installed with the collection and is not words alone."""
    every = (path for folder in ("plugins", "roles", "extensions") for path in (root / folder).rglob("*"))
    return [path for path in every if path.suffix in {".py", ".yml"}]


def source_shares(root: Path) -> dict[str, float]:
    """Return which share of the sources of a checkout each part has, by lines of code."""
    lines: defaultdict[str, int] = defaultdict(int)
    for path in source_files(root):
        name = path.relative_to(root).as_posix()
        owner = next((part.name for part in PARTS if name.startswith(part.sources)), SPINE.name)
        lines[owner] += len(path.read_text(encoding="utf-8").splitlines())
    total = sum(lines.values())
    return {name: count / total for name, count in lines.items()}


def shares(files: Iterable[Path], seconds: float, root: Path = ROOT) -> dict[str, float]:
    """Return how many of a stage's seconds each part took, by the times of the tests in its JUnit files.

    A stage without such tests, as lint and sanity are, reads every source: it costs by what there is to read.
    """
    times: defaultdict[str, float] = defaultdict(float)
    for file in files:
        try:
            cases = list(ET.parse(file).getroot().iter("testcase"))
        except (OSError, ET.ParseError):
            continue
        for case in cases:
            times[part_of(case.get("classname", ""))] += float(case.get("time", 0))
    total = sum(times.values())
    if total:
        return {name: seconds * time / total for name, time in times.items()}
    return {name: seconds * share for name, share in source_shares(root).items()}


def table(took: Mapping[str, float], wall_s: float) -> str:
    """Return the table of the parts.

    Lanes run side by side, so the seconds of the stages are more than those that pass: each part is told what it adds
    to these, its share of `wall_s`.
    """
    total = sum(took.values())
    lines = [f"{'part':<15} {'':<8} {'seconds':>8} {'budget':>7}"]
    for part in EVERY:
        if part.name in took:
            spent = took[part.name] * wall_s / total
            note = "over" if spent > part.budget_s else ""
            lines.append(f"{part.name:<15} {note:<8} {spent:>8.1f} {part.budget_s:>7}")
    lines.append(f"{'together':<15} {'':<8} {wall_s:>8.1f} {sum(part.budget_s for part in EVERY):>7}")
    return "\n".join(lines)
