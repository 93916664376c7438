# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The workshop behind `make`: interpreters, packages, environments and the stages of the tests.

Runs on the standard library of Python 3.10 or later alone, since it is what installs everything else.
"""
