# Copyright: (c) 2026, the virtfleet.core contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

DOCUMENTATION = r"""
module: image_info
short_description: Read the disk images of a virtualization host
version_added: 0.1.0
description:
  - Returns the images that libvirt lists in a pool, or those at paths, with what they were made from and with the
    images and guests that stand on them.
author:
  - virtfleet.core contributors (@virtfleet)
extends_documentation_fragment:
  - virtfleet.core.connection
  - virtfleet.core.query
  - virtfleet.core.attributes
  - virtfleet.core.attributes.actiongroup_virtfleet
  - virtfleet.core.attributes.info_module
options:
  name:
    description:
      - Names of the images in O(pool) to read, as M(virtfleet.core.image) calls them; without it all of them. A name
        that does not exist is left out.
    type: list
    elements: str
    default: []
  pool:
    description: The active pool whose images are read; without it, and without O(path), the pool V(default).
    type: str
  path:
    description: Absolute paths of images to read. A path where there is no file is left out.
    type: list
    elements: str
    default: []
seealso:
  - module: virtfleet.core.image
  - module: virtfleet.core.pool_info
"""

EXAMPLES = r"""
- name: The images of the pool default
  virtfleet.core.image_info:
  register: images

- name: Paths of the images that nothing stands on
  virtfleet.core.image_info:
    query: "[?!overlays && !guests].path"
  register: unused

- name: What an image was made from
  virtfleet.core.image_info:
    path: [/srv/images/old.raw]
    query: "[0].record"
  register: origin
"""

RETURN = r"""
images:
  description: The images, ordered by path.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: The name of the file.
      type: str
    path:
      description: Where it is.
      type: str
    pool:
      description: The pool in whose folder it is, or null.
      type: str
    format:
      description: Its format.
      type: str
    size:
      description: The size of the disk in it.
      type: str
    virtual_bytes:
      description: The same in bytes.
      type: int
    actual_bytes:
      description: What the file takes on the host.
      type: int
    backing:
      description: The path of the image on which it stands, or null.
      type: str
    backing_format:
      description: The format of RV(images[].backing).
      type: str
    encrypted:
      description: Whether it is encrypted.
      type: bool
    record:
      description: What it was made from; empty for an image that was not imported.
      type: dict
    overlays:
      description: Paths of the images that stand on it, directly or through others, in any pool.
      type: list
      elements: str
    guests:
      description: Names of the guests with a disk on it or on one of RV(images[].overlays).
      type: list
      elements: str
  sample:
    - name: debian-12.qcow2
      path: /var/lib/libvirt/images/debian-12.qcow2
      pool: default
      format: qcow2
      size: 3GiB
      virtual_bytes: 3221225472
      actual_bytes: 347176960
      backing: null
      backing_format: null
      encrypted: false
      record:
        source: https://cloud.debian.org/images/cloud/bookworm/latest/debian-12-genericcloud-amd64.qcow2
        sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
      overlays: [/var/lib/libvirt/images/web1-root.qcow2]
      guests: [web1]
downloads:
  description:
    - The downloads that are kept on the host for later images (O(virtfleet.core.image#module:cache_size)), what was used last
      first. They may be deleted at any time.
  returned: always
  type: list
  elements: dict
  contains:
    path:
      description: Where it is.
      type: str
    source:
      description: Where it came from.
      type: str
    actual_bytes:
      description: What it takes on the host.
      type: int
    used:
      description: When an image was made of it last, as ISO 8601 in UTC.
      type: str
  sample:
    - path: /var/cache/virtfleet/downloads/sha256-9f86.sha512-ee26
      source: https://cloud.debian.org/images/cloud/bookworm/latest/debian-12-genericcloud-amd64.qcow2
      actual_bytes: 347176960
      used: '2026-01-31T09:30:00+00:00'
result:
  description: What O(query) finds in RV(images).
  returned: when O(query) is given
  type: raw
  sample: [/var/lib/libvirt/images/scratch.qcow2]
"""

from ansible_collections.virtfleet.core.plugins.module_utils._image_module import INFO_OPTIONS, read_images
from ansible_collections.virtfleet.core.plugins.module_utils._module import main_info


def main() -> None:
    """Read the images."""
    main_info(INFO_OPTIONS, read_images, "images")


if __name__ == "__main__":
    main()
