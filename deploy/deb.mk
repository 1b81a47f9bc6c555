# The Debian package: make deb, and make deb-test, which installs, runs, upgrades and purges it in a clean root. Included by the Makefile.
DEB_PACKAGES      := debhelper dpkg-dev fakeroot lintian
DEB_TEST_PACKAGES := debootstrap qemu-system-x86 cpio kmod e2fsprogs xz-utils
# Of xz. 6 makes it a sixth smaller and takes four times as long.
DEB_LEVEL ?= 1

.PHONY: deb deb-test
build/stamps/packages-deb: deploy/setup.sh deploy/deb.mk build/stamps/packages-run
	$(Q)deploy/setup.sh packages $(DEB_PACKAGES)
	@mkdir -p $(@D) && touch $@
build/stamps/packages-deb-test: deploy/setup.sh deploy/deb.mk build/stamps/packages-deb build/stamps/packages-test
	$(Q)deploy/setup.sh packages $(DEB_TEST_PACKAGES)
	@mkdir -p $(@D) && touch $@

deb: build/stamps/packages-deb
	$(Q)$(MAKE) $(PARALLEL) programs
	$(Q)$(MAKE) venv web
	$(Q)env TREE='$(CURDIR)' PYTHON='$(PYTHON)' DEB_LEVEL='$(DEB_LEVEL)' deploy/deb.sh

# Not part of `make test`: it builds the package, fetches a Debian and what the package depends on, and has a virtual machine start it (six and a
# half minutes of two cores, of which the machine takes two and a half where there is no KVM).
deb-test: build/stamps/packages-deb-test
	$(Q)$(MAKE) deb
	$(Q)deploy/setup.sh venv build/venv-test tests/requirements.txt $(PYTHON)
	$(Q)PENNY_BUILD=$(CURDIR)/build build/venv-test/bin/python -m pytest -q -x --timeout 900 tests/package $(T)
