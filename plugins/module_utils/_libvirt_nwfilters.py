# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Network filters over libvirt."""

from __future__ import annotations

from collections.abc import Mapping

from . import _libvirt_read as read
from ._facts import NwfilterFacts
from ._libvirt_base import Base
from ._libvirt_calls import gone


class Nwfilters(Base):
    """The part of the Hypervisor that is about network filters."""

    def nwfilters(self) -> Mapping[str, NwfilterFacts]:
        result = {}
        for nwfilter in self._list("nwfilter", 0):
            name = nwfilter.name()
            xml = self._xml(nwfilter, "nwfilter", name, 0)
            if xml is not None:
                result[name] = NwfilterFacts(name, nwfilter.UUIDString(), xml)
        return result

    def define_nwfilter(self, xml: str) -> None:
        self._call("define", "nwfilter", read.filter_in(xml), self._connection.nwfilterDefineXML, xml)

    def undefine_nwfilter(self, name: str) -> None:
        nwfilter = self._find("nwfilter", name, self._connection.nwfilterLookupByName, missing_is_fine=True)
        if nwfilter is not None:
            self._call("undefine", "nwfilter", name, nwfilter.undefine, already=gone)
