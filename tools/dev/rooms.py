# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Say which files of the collection are pure, for the test that holds what they import."""

from __future__ import annotations

UTILS = "plugins/module_utils"
# They import the standard library and each other, nothing of Ansible or libvirt.
PURE = frozenset({
    "_change", "_errors", "_facts", "_png", "_ports", "_render", "_residue", "_secrets", "_table", "_types", "_units",
    "_virtualport", "_words", "_xml", "_bridge", "_console", "_estate", "_guest", "_image", "_kvm_host", "_machine",
    "_network", "_nwfilter", "_secret", "_storage", "_volume", "_xen_host", "_xl",
})  # fmt: skip
