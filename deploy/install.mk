# What `make install` puts where. Included by the Makefile; PREFIX, SYSCONFDIR and DESTDIR may be given on the command line.
PREFIX     ?= /usr/local
override PREFIX := $(patsubst %/,%,$(PREFIX))
SYSCONFDIR ?= $(if $(filter /usr,$(PREFIX)),/etc,$(PREFIX)/etc)
UNITDIR    ?= $(if $(filter /usr,$(PREFIX)),/lib/systemd/system,$(PREFIX)/lib/systemd/system)

INSTALL_BIN   := $(PREFIX)/bin
INSTALL_LIB   := $(PREFIX)/lib/penny-sandbox
INSTALL_SHARE := $(PREFIX)/share/penny-sandbox
INSTALL_CONF  := $(SYSCONFDIR)/penny-sandbox
STAGE         := $(O)/install

# The installed program knows its places. All else in it is what `make build` has compiled.
STAGE_PLACES := -DPENNY_BINDIR='"$(INSTALL_BIN)"' -DPENNY_LIBDIR='"$(INSTALL_LIB)"' -DPENNY_DATADIR='"$(INSTALL_SHARE)"' -DPENNY_CONFDIR='"$(INSTALL_CONF)"'
STAGE_PARTS  := PROGRAM='$(STAGE)/penny-sandbox' ZYGOTE='$(O)/penny-zygote' VENV=build/venv BIN='$(INSTALL_BIN)' LIB='$(INSTALL_LIB)' \
                SHARE='$(INSTALL_SHARE)' CONF='$(INSTALL_CONF)' UNIT='$(UNITDIR)' PREFIX='$(PREFIX)' VENV_OPTIONS='$(VENV_OPTIONS)' DESTDIR='$(DESTDIR)'

.PHONY: install install-program install-files uninstall
install: packages-run
	$(Q)$(MAKE) $(PARALLEL) programs
	$(Q)$(MAKE) venv web
	$(Q)$(MAKE) install-files

install-program: $(SERVER_OBJ) $(SHARED_OBJ)
	@mkdir -p $(STAGE)
	$(Q)$(CC) $(ALL_C) -MF $(STAGE)/config_places.d $(SERVER_C) $(STAGE_PLACES) -c -o $(STAGE)/config_places.o server/config_places.c
	$(Q)$(CC) $(ALL_LD) -o $(STAGE)/penny-sandbox $(STAGE)/config_places.o $(filter-out %/config_places.o,$^) $(SERVER_LD)

# Only copies: what it copies has been built.
install-files: install-program
	$(call say,INSTALL,'$(DESTDIR)$(PREFIX)$(if $(findstring $(PREFIX),$(SYSCONFDIR)),, and $(DESTDIR)$(SYSCONFDIR))')
	$(Q)env $(STAGE_PARTS) deploy/install.sh install

uninstall:
	$(call say,REMOVE,'$(DESTDIR)$(PREFIX)')
	$(Q)env $(STAGE_PARTS) deploy/install.sh uninstall
