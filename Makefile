# Each target installs what it misses, says what it does, and can be run again at once.
#
#   make test                      every stage; the table of their times is at the end
#   make test STAGES="unit lab"    some stages: lint build sanity unit contract lab integration e2e, or unit-main ...
#   make test STAGES=unit-main ARGS="-k nics"
#   make lab-up HOST=b             a second private libvirtd beside the first
#   make lab-up HOST=trixie        a bare machine of this release (or bookworm)
#   make lab-up HOST=plain         an emulated Debian with a kernel and GRUB of its own

STAGES ?=
ARGS ?=
HOST ?=

.DEFAULT_GOAL := help
# ARGS as one word of the shell, with the quotes that it has itself.
QUOTED = '$(subst ','\'',$(ARGS))'

.PHONY: help test test-slow lint docs bench demo demo-down lab-up lab-xen-up lab-shell lab-down clean

help: ## say what the targets are
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

test: ## run the tests (STAGES=..., ARGS=...)
	@tools/run test $(STAGES) --args=$(QUOTED)

test-slow: ## run the tests that take minutes (STAGES=slow-xen, ARGS=...)
	@tools/run test $(or $(STAGES),slow) --args=$(QUOTED)

lint: ## read the collection without running it
	@tools/run test lint

docs: ## make the site of the guides and the reference
	@tools/run docs

bench: ## run the benchmarks (ARGS=guests, inventory, linear: 10 to 5000 guests, images: what images of packages cost)
	@tools/run bench $(ARGS)

demo: ## from nothing to a booted guest, on this machine (DEMO_NETWORK=nat, DEMO_IMAGE=..., DEMO_ACCEL=...)
	@tools/demo up

demo-down: ## take away what the demo made
	@tools/demo down

lab-up: ## start a private libvirtd (HOST=name), or a bare machine (HOST=trixie)
	@tools/run lab up $(HOST)

lab-xen-up: ## start an emulated Xen host with libvirt: a dom0, and a tiny guest's files on it
	@tools/run lab up dom0

lab-shell: ## a shell inside it (HOST=name)
	@tools/run lab shell $(HOST)

lab-down: ## end it (HOST=name)
	@tools/run lab down $(HOST)

clean: ## remove what was built here; the caches under ~/.cache/virtfleet stay
	rm -rf build tests/output .mypy_cache .pytest_cache .ruff_cache .hypothesis .ansible
