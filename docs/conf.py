# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Set up Sphinx for the site that `make docs` builds."""

from __future__ import annotations

project = "virtfleet.core"
title = "The virtfleet.core collection"
html_short_title = title
copyright = "the virtfleet.core contributors"

extensions = ["myst_parser", "sphinx_antsibull_ext"]
myst_heading_anchors = 3
pygments_style = "ansible"
highlight_language = "YAML+Jinja"
html_theme = "sphinx_ansible_theme"
html_show_sphinx = False
html_theme_options = {
    "documentation_home_url": "index.html",
    "topbar_links": {},
    "navigation_depth": 3,
}
default_role = "any"
nitpicky = False
# Labels of Ansible's own documentation, which is not at hand while the site is made; antsibull-docs checks ours.
suppress_warnings = ["ref.ref"]
