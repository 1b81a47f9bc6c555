# Two commands: `make run` serves, `make test` proves. Each does its own set-up and nothing twice. `make help` lists the rest.

# ---- The C files, in the order a request walks them -----------------------------------------------------------------
# The server: what starts it; bytes in; the path of a request; the answers; sessions and executions on the way down to the pipes;
# then what comes back from the pipes, its events, and the way up to the reader; last what all of them use.
SERVER_START    := main footing footing_limits options config config_help config_option config_places policies policy_file policy_syscalls policy_packages policy_network policy_memfd policy_reload \
                   supervisor supervisor_start supervisor_renew watchdog notify child orphans state_dir package_dir installer installer_jail installer_reach installer_layers egress egress_connection egress_head confine listener inherited run server server_start server_supervisor server_end server_files handover keep resume
SERVER_HTTP     := http http_tls http_connection http_input http_guard http_parse http_request
SERVER_ROUTE    := route route_access tenants tenants_line tenant route_key route_limit route_match route_table
SERVER_API      := api_execute api_network execute_body api_executions api_sessions session_body session_list api_stats api_checkpoints api_variables api_forks api_races forking api_plots api_notebook api_export archive_send session_export api_import api_import_parts archive api_drain \
                   api_files api_files_put api_files_post files_given file_path file_rules file_list file_range file_upload file_download file_error multipart \
                   compat compat_error compat_text compat_files compat_flask compat_form compat_secure \
                   compat_aevatar compat_aevatar_body compat_aevatar_noauth compat_penny quantity compat_e2b compat_e2b_sandbox compat_e2b_fork compat_e2b_metrics compat_e2b_list \
                   compat_e2b_run compat_e2b_context compat_e2b_network compat_e2b_line compat_e2b_files compat_e2b_sign compat_e2b_stream compat_e2b_rpc compat_e2b_process compat_e2b_command compat_e2b_folder compat_e2b_path \
                   mcp mcp_message mcp_session mcp_tools mcp_call mcp_run mcp_files mcp_result mcp_result_run mcp_answer mcp_listen http_inner \
                   api_validate analysis api_packages api_packages_install packages packages_job packages_memory packages_catalogue installation requirement api_contract api_health api_metrics metrics metrics_write sessions_census process_stat loop_lag \
                   api_audit audit audit_run api_error static
SERVER_SESSION  := sessions sessions_create sessions_sweep session session_given session_limits session_network session_run session_worker session_keep session_copies session_resume session_park session_restore session_checkpoints checkpoint checkpoint_budget checkpoint_line session_fork session_join session_race session_inspect session_reader session_reply session_files session_packages session_packages_change session_packages_given session_plots session_transfer \
                   stats_wait ended turn execution execution_run execution_end execution_keep execution_keep_files execution_account artifacts
SERVER_DOWN     := egress_client pool pool_claim worker worker_heard worker_order worker_past worker_fold worker_rule worker_ends jail jail_control jail_use workers zygote_client fold pipes pipes_send pipes_keep intake outlet frame frame_writer
SERVER_UP       := output outcome result result_read event event_fit event_log event_track event_append event_record event_store event_space event_keep event_reader notebook notebook_cell \
                   sse sse_escape watcher watcher_http race_stream http_reply http_stream http_output
SERVER_COMMON   := json json_look json_said json_slice decimal text bytes base64 table id log
# Commands beside the service: they are its clients.
SERVER_COMMAND  := command_run command_drain command_options command_line command_notebook command_terminal command_end command_output command_service command_private \
                   command_mcp mcp_stdio mcp_stdio_call private_server http_call command_doctor doctor_finding doctor_probe doctor_host doctor_given doctor_capacity doctor_group
SERVER_WALK     := $(SERVER_START) $(SERVER_COMMAND) $(SERVER_HTTP) $(SERVER_ROUTE) $(SERVER_API) $(SERVER_SESSION) $(SERVER_DOWN) $(SERVER_UP) $(SERVER_COMMON)
# What crosses the wall between the processes: the only files that both sides use.
SHARED_WALK  := err fdio
# The zygote: its loop, a fork, a session's init; the jail's layers in the order of jail.c; then the interpreter, from its start to a cell's end.
RUNTIME_WALK := zygote zygote_loop zygote_end retired spawn spawn_ends visit clone children processes stats init_program init_fork init spawn_report init_member init_mark init_adopt init_fold \
                init_file init_file_walk worker jail jail_enter jail_worker jail_namespace jail_cgroup_place jail_cgroup_claim jail_cgroup jail_cgroup_family jail_user jail_root jail_workspace jail_rlimit jail_capability jail_landlock jail_network jail_signal jail_seccomp \
                host host_module host_names host_report host_worker host_fresh host_request host_frame host_input host_guard host_signal host_deadline \
                host_cell host_split host_compile host_source host_boundary host_stream host_encode host_event host_files host_leftover \
                host_memory host_mappings host_program host_image host_pages host_account host_park host_adopt

# A file that is not in the list yet is built all the same; `make check` asks for it to be put in its place.
listed  = $(wildcard $(patsubst %,$(1)/%.c,$(2))) $(filter-out $(patsubst %,$(1)/%.c,$(2)),$(sort $(wildcard $(1)/*.c)))
SERVER  := $(call listed,server,$(SERVER_WALK))
SHARED  := $(call listed,runtime/shared,$(SHARED_WALK))
RUNTIME := $(call listed,runtime,$(RUNTIME_WALK))
UNLISTED := $(filter-out $(patsubst %,server/%.c,$(SERVER_WALK)) $(patsubst %,runtime/shared/%.c,$(SHARED_WALK)) \
              $(patsubst %,runtime/%.c,$(RUNTIME_WALK)),$(SERVER) $(SHARED) $(RUNTIME))
ABSENT  := $(filter-out $(SERVER) $(SHARED) $(RUNTIME),$(patsubst %,server/%.c,$(SERVER_WALK)) \
              $(patsubst %,runtime/shared/%.c,$(SHARED_WALK)) $(patsubst %,runtime/%.c,$(RUNTIME_WALK)))

# An interpreter's settings of the shell's: pip would take for installed what lies there, and a build would import it.
unexport PYTHONHOME PYTHONPATH PYTHONSTARTUP CDPATH

# ---- What is needed --------------------------------------------------------------------------------------------------
PYTHON ?= /usr/bin/python3
FUZZ_SECONDS ?= 20
CHAOS_SECONDS ?= 300
# Where objects and executables go; `make asan` and the compilers' checks call this Makefile again with another place.
O ?= build

RUN_PACKAGES   := gcc libc6-dev pkg-config python3 python3-dev python3-venv python3-yaml ca-certificates \
                  libevent-dev libevhtp-dev libonig-dev libssl-dev libjansson-dev uuid-dev libseccomp-dev
# The C# compiler and runtime are 27 MB; what runs under them is skipped where they are not.
TEST_PACKAGES  := libcmocka-dev curl util-linux mono-mcs libmono-system-net-http4.0-cil libmono-system-runtime-serialization4.0-cil
BENCH_PACKAGES := bubblewrap runc
CLUSTER_PACKAGES := haproxy nginx-light
CHECK_PACKAGES := clang clang-format cppcheck binutils libclang-rt-14-dev

# ---- How it is built -------------------------------------------------------------------------------------------------
ifeq ($(origin CC),default)
CC := gcc
endif
HARDEN  ?= -O2 -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fPIE -ffunction-sections
CFLAGS  ?= -g
WARN    := -Wall -Wextra $(WERROR)
ALL_C    = -std=c17 -D_GNU_SOURCE= $(HARDEN) $(WARN) $(SANITIZE) $(CFLAGS) -MMD -MP
ALL_LD   = -pie -Wl,-z,relro,-z,now $(SANITIZE) $(LDFLAGS)

SERVER_C  = -Iserver -Iruntime/shared -I$(O)/made
SERVER_LD = -levhtp -levent -ljansson -luuid -lssl -lcrypto -lm
ZYGOTE_C  = -Iruntime -Iruntime/shared $(shell $(PYTHON)-config --includes | sed 's/-I/-isystem /g')
ZYGOTE_LD = $(shell $(PYTHON)-config --ldflags --embed) -lseccomp

OBJ          := $(O)/obj
SERVER_OBJ   := $(SERVER:%.c=$(OBJ)/%.o)
SHARED_OBJ   := $(SHARED:%.c=$(OBJ)/%.o)
RUNTIME_OBJ  := $(filter-out $(OBJ)/runtime/init_program.o,$(RUNTIME:%.c=$(OBJ)/%.o))
# Pid 1 of a session: every session has one for all its life, so it is small, static, and has no part of Python.
INIT_OBJ     := $(patsubst %,$(OBJ)/runtime/%.o,init_program init spawn_report init_member init_mark init_adopt init_fold init_file init_file_walk processes \
                jail_enter jail_namespace jail_cgroup jail_user jail_workspace jail_rlimit jail_capability clone)
PROGRAMS     := $(O)/penny-sandbox $(O)/penny-zygote $(O)/penny-init

# One binary per tests/unit/test_*.c with the server's modules, per tests/unit/runtime/test_*.c with the zygote's; a file there that is
# not a test_*.c is a helper and goes into each.
unit_helpers  = $(patsubst tests/unit/%.c,$(O)/unit/helpers/%.o,$(filter-out $(wildcard $(1)/test_*.c),$(wildcard $(1)/*.c)))
UNIT_TESTS   := $(patsubst tests/unit/%.c,$(O)/unit/%,$(wildcard tests/unit/test_*.c tests/unit/runtime/test_*.c))
FUZZERS      := $(patsubst tests/fuzz/%.c,build/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))

C_FILES := $(wildcard server/*.[ch] runtime/*.[ch] runtime/shared/*.[ch] tests/*/*.[ch] tests/*/*/*.[ch])

ifeq ($(V),1)
Q :=
else
Q := @
MAKEFLAGS += --no-print-directory
endif
# Compiling uses every core, unless the caller has said -j.
PARALLEL = $(if $(findstring -j,$(MAKEFLAGS)),,-j$(shell nproc))
say = @printf '  %-8s %s\n' $(1) $(2)

.DELETE_ON_ERROR:
.PHONY: help run build programs venv web test unit fuzzers bench bench-readme fuzz chaos container-test vm-test asan check check-format check-walk check-linked check-gcc check-clang check-lint fmt clean \
        packages-run packages-test packages-check packages-bench

help:
	@echo 'make run     set up, build, and serve on 127.0.0.1:3003 (SANDBOX_HOST, SANDBOX_PORT; build/penny-sandbox --help lists all)'
	@echo 'make test    set up, build, and run every test: unit, TypeScript, browser, runtime, API, jail'
	@echo 'make check   what CI holds: format, walk, -Werror with gcc and clang, lint, sanitizers, fuzzers, tests'
	@echo 'make bench   measure, beside what people use today (ten minutes; BENCH=quick: two); build/bench.json; make bench-readme puts it into README'
	@echo 'make build   only build       make venv   only the virtual environment      make fmt    format the C files'
	@echo 'make install PREFIX=$(PREFIX), SYSCONFDIR, DESTDIR: programs, Python libraries, page, policies, manual, unit; make uninstall'
	@echo 'make deb     the Debian package, in build/deb                make deb-test  install, run, upgrade and purge it in a clean root, run it in a virtual machine'
	@echo 'make asan    unit and API tests under address and undefined-behaviour sanitizers'
	@echo 'make container-test   build the Dockerfile without a daemon, run each documented line (six minutes, root)'
	@echo 'make vm-test          the jail in virtual machines: control groups of version 2, older kernels (root; eighteen minutes by emulation)'
	@echo 'make chaos   a mixed load while processes are killed, for CHAOS_SECONDS=$(CHAOS_SECONDS); CHAOS_SEED=n repeats the choices of a run'
	@echo 'make cluster-test  three instances behind HAProxy, nginx and Envoy as they are shipped, and deploy/kubernetes against the published schemas'
	@echo 'make fuzz    each fuzzer for FUZZ_SECONDS=$(FUZZ_SECONDS)                            make clean  remove build/'
	@echo 'V=1 shows the commands; PYTHON=/usr/bin/python3 chooses the interpreter.'

# ---- Set-up: each step keeps a stamp, so that a second call does nothing ---------------------------------------------
packages-run:   build/stamps/packages-run
packages-test:  build/stamps/packages-test
packages-check: build/stamps/packages-check
packages-bench: build/stamps/packages-bench

build/stamps/packages-run: deploy/setup.sh Makefile
	$(Q)deploy/setup.sh packages $(RUN_PACKAGES)
	@mkdir -p $(@D) && touch $@
build/stamps/packages-test: deploy/setup.sh Makefile build/stamps/packages-run
	$(Q)deploy/setup.sh packages $(TEST_PACKAGES)
	@mkdir -p $(@D) && touch $@
build/stamps/packages-bench: deploy/setup.sh Makefile build/stamps/packages-run
	$(Q)deploy/setup.sh packages $(BENCH_PACKAGES)
	@mkdir -p $(@D) && touch $@
build/stamps/packages-check: deploy/setup.sh Makefile build/stamps/packages-test
	$(Q)deploy/setup.sh packages $(CHECK_PACKAGES)
	@mkdir -p $(@D) && touch $@

venv: packages-run
	$(Q)deploy/setup.sh venv build/venv runtime/requirements.txt $(PYTHON)
	$(Q)deploy/setup.sh fonts build/venv
	$(Q)deploy/setup.sh readable build/venv runtime/python

web: packages-run
	$(Q)deploy/setup.sh web web

# ---- Build -----------------------------------------------------------------------------------------------------------
build: packages-run
	$(Q)$(MAKE) $(PARALLEL) programs

programs: $(PROGRAMS)

$(O)/penny-sandbox: $(SERVER_OBJ) $(SHARED_OBJ)
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_LD) -o $@ $^ $(SERVER_LD)

$(O)/penny-zygote: $(RUNTIME_OBJ) $(SHARED_OBJ)
	$(call say,LINK,$@)
	$(Q)$(CC) $(ALL_LD) -o $@ $^ $(ZYGOTE_LD)

# What only the zygote calls of these files is left out, with what it would need (--gc-sections).
$(O)/penny-init: $(INIT_OBJ) $(SHARED_OBJ)
	$(call say,LINK,$@)
	$(Q)$(CC) -static-pie -Wl,-z,relro,-z,now,--gc-sections $(LDFLAGS) -o $@ $^

$(OBJ)/server/%.o: server/%.c
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_C) $(SERVER_C) -c -o $@ $<

$(OBJ)/runtime/shared/%.o: runtime/shared/%.c
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_C) -Iruntime/shared -c -o $@ $<

$(OBJ)/runtime/%.o: runtime/%.c
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_C) $(ZYGOTE_C) -c -o $@ $<

# The contract of the API, for the server to have in itself.
$(OBJ)/server/api_contract.o: $(O)/made/openapi.inc
$(O)/made/openapi.inc: server/openapi.yaml deploy/openapi.py
	$(call say,OPENAPI,$<)
	@mkdir -p $(@D)
	$(Q)/usr/bin/python3 deploy/openapi.py $< $@

# Modules as archives, so that a unit test takes what it names, and may bring functions of its own in a module's stead (muldefs).
$(O)/unit/server.a: $(filter-out $(OBJ)/server/main.o,$(SERVER_OBJ)) $(SHARED_OBJ)
	@mkdir -p $(@D) && rm -f $@
	$(Q)$(AR) rcs $@ $^
$(O)/unit/runtime.a: $(filter-out $(OBJ)/runtime/zygote.o,$(RUNTIME_OBJ)) $(SHARED_OBJ)
	@mkdir -p $(@D) && rm -f $@
	$(Q)$(AR) rcs $@ $^

# Helpers are compiled once, and stay.
.SECONDARY: $(call unit_helpers,tests/unit) $(call unit_helpers,tests/unit/runtime)
$(O)/unit/helpers/runtime/%.o: tests/unit/runtime/%.c
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_C) $(ZYGOTE_C) -Itests/unit -c -o $@ $<
$(O)/unit/helpers/%.o: tests/unit/%.c
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_C) $(SERVER_C) -Itests/unit -c -o $@ $<

$(O)/unit/runtime/%: tests/unit/runtime/%.c $(call unit_helpers,tests/unit/runtime) $(O)/unit/runtime.a
	$(call say,UNIT,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_C) -MF $@.d -MT $@ $(ZYGOTE_C) -Itests/unit $(ALL_LD) -Wl,-z,muldefs -o $@ $(filter-out %.h %.inc,$^) $(ZYGOTE_LD) -lcmocka
$(O)/unit/%: tests/unit/%.c $(call unit_helpers,tests/unit) $(O)/unit/server.a
	$(call say,UNIT,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_C) -MF $@.d -MT $@ $(SERVER_C) -Itests/unit $(ALL_LD) -Wl,-z,muldefs -o $@ $(filter-out %.h %.inc,$^) $(SERVER_LD) -lcmocka

unit: $(UNIT_TESTS)

# Fuzzers are linked with the server's modules built for them, in a place of their own (make fuzz).
$(FUZZERS): build/fuzz/%: tests/fuzz/%.c $(filter-out $(wildcard tests/fuzz/fuzz_*.c),$(wildcard tests/fuzz/*.c)) $(O)/unit/server.a
	$(call say,FUZZER,$<)
	$(Q)$(CC) $(ALL_C) -fsanitize=fuzzer -MF $@.d -MT $@ $(SERVER_C) $(ALL_LD) -o $@ $(filter-out %.h %.inc,$^) $(SERVER_LD)
fuzzers: $(FUZZERS)

-include $(wildcard $(OBJ)/server/*.d $(OBJ)/runtime/*.d $(OBJ)/runtime/shared/*.d $(O)/unit/*.d $(O)/unit/runtime/*.d $(O)/unit/helpers/*.d $(O)/unit/helpers/runtime/*.d build/fuzz/*.d build/bench/*.d)

# ---- Use -------------------------------------------------------------------------------------------------------------
run: packages-run
	$(Q)$(MAKE) $(PARALLEL) programs
	$(Q)$(MAKE) venv web
	@exec build/penny-sandbox

# Those that take longest first.
PYTEST_PLACES := tests/api tests/clients tests/jail tests/runtime tests/chaos
NODE_PLACES   := tests/e2e clients/typescript web
test: packages-test
	$(Q)$(MAKE) $(PARALLEL) programs unit
	$(Q)$(MAKE) venv web
	$(Q)deploy/setup.sh venv build/venv-test tests/requirements.txt $(PYTHON)
	$(Q)deploy/setup.sh modules clients/typescript
	$(Q)deploy/setup.sh modules tests/clients/e2b
	$(Q)deploy/setup.sh modules tests/clients/mcp
	$(Q)deploy/setup.sh modules tests/kustomize
	$(Q)deploy/setup.sh modules web
	$(Q)deploy/setup.sh browser
	$(Q)deploy/setup.sh prometheus
	$(Q)build/venv-test/bin/python tests/run.py --build build --unit '$(UNIT_TESTS)' --node '$(NODE_PLACES)' --pytest '$(PYTEST_PLACES)' $(T)

# The zygote hosts an interpreter that forks for ever and never frees its modules: it runs as it ships, with init, the server sanitized. Leaks are
# looked for at the end of each process of it, and of each unit test; not in a server process that is killed, or leaves for another one (_exit).
ASAN_SECONDS ?= 1200
ASAN := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
asan: packages-check
	$(Q)$(MAKE) $(PARALLEL) programs
	$(Q)$(MAKE) $(PARALLEL) O=build/asan HARDEN='-O1 -fPIE' SANITIZE='$(ASAN)' build/asan/penny-sandbox unit
	@cp -f build/penny-zygote build/penny-init build/asan/
	$(Q)$(MAKE) venv
	$(Q)deploy/setup.sh venv build/venv-test tests/requirements.txt $(PYTHON)
	$(Q)PENNY_TEST_SECONDS=$${PENNY_TEST_SECONDS:-$(ASAN_SECONDS)} build/venv-test/bin/python tests/run.py --build build/asan --unit '$(UNIT_TESTS:build/%=build/asan/%)' --pytest '$(wildcard tests/api)' $(T)

chaos: packages-test
	$(Q)$(MAKE) $(PARALLEL) programs
	$(Q)$(MAKE) venv
	$(Q)deploy/setup.sh venv build/venv-test tests/requirements.txt $(PYTHON)
	$(Q)CHAOS_SECONDS=$(CHAOS_SECONDS) CHAOS_SEED=$(CHAOS_SEED) PENNY_BUILD=$(CURDIR)/build build/venv-test/bin/python -m pytest -q -s --timeout 0 tests/chaos

# Not in `make test`: three services behind each of four routers take some five minutes, and the schemas of Kubernetes are 100 MB.
cluster-test: packages-test
	$(Q)$(MAKE) $(PARALLEL) programs
	$(Q)$(MAKE) venv
	$(Q)deploy/setup.sh packages $(CLUSTER_PACKAGES)
	$(Q)deploy/setup.sh venv build/venv-test tests/requirements.txt $(PYTHON)
	$(Q)deploy/setup.sh venv build/venv-cluster tests/cluster/requirements.txt $(PYTHON)
	$(Q)deploy/setup.sh modules tests/kustomize
	$(Q)build/venv-cluster/bin/python tests/cluster/check_configuration.py
	$(Q)PENNY_BUILD=$(CURDIR)/build timeout 1200 build/venv-test/bin/python -m pytest -q tests/cluster

fuzz: packages-check
	$(Q)$(MAKE) $(PARALLEL) O=build/fuzz CC=clang HARDEN='-O1 -fPIE' SANITIZE='-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all' fuzzers
	$(Q)$(MAKE) $(PARALLEL) $(FUZZERS:%=%.run)

# As many at a time as make has jobs.
.PHONY: $(FUZZERS:%=%.run)
$(FUZZERS:%=%.run): %.run:
	$(Q)deploy/setup.sh fuzz $* tests/fuzz $(FUZZ_SECONDS)

# Beside the service: packages that only `make bench` measures, and the libraries of the sessions for the alternatives' interpreters.
# One run, at most BENCH_SECONDS; BENCH=quick takes about two minutes. README's table and pictures: make bench-readme, or BENCH_README=1 to
# have them made of this very run.
BENCH         ?= full
BENCH_SECONDS ?= 580
bench: packages-bench
	$(Q)$(MAKE) $(PARALLEL) programs build/bench/client build/bench/limits build/bench/ping
	$(Q)$(MAKE) venv
	@mkdir -p build/bench && cat runtime/requirements.txt tests/bench/requirements.txt >build/bench/requirements.txt
	$(Q)deploy/setup.sh venv build/venv-bench build/bench/requirements.txt $(PYTHON)
	$(Q)deploy/setup.sh fonts build/venv-bench
	$(Q)build/venv-bench/bin/python tests/bench/bench.py --variant '$(BENCH)' --seconds '$(BENCH_SECONDS)'
	$(Q)$(if $(BENCH_README),$(MAKE) bench-readme)

# From build/bench.json, without measuring anything.
bench-readme:
	$(Q)build/venv-bench/bin/python tests/bench/readme.py build/bench.json

build/bench/client: $(wildcard tests/bench/client*.[ch])
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -std=c17 -D_GNU_SOURCE= -O2 -g $(WARN) -o $@ $(filter %.c,$^)
build/bench/ping: tests/bench/ping.c
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -std=c17 -D_GNU_SOURCE= -O2 -g $(WARN) -o $@ $< -levhtp -levent -lssl -lcrypto
# What one module costs: make build/bench/bench_sse, and run it.
build/bench/bench_%: tests/bench/bench_%.c $(O)/unit/server.a
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_C) -MF $@.d -MT $@ $(SERVER_C) $(ALL_LD) -o $@ $(filter-out %.h %.inc,$^) $(SERVER_LD)
build/bench/%: tests/bench/%.c
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) -std=c17 -D_GNU_SOURCE= -O2 -g $(WARN) -o $@ $<

include deploy/install.mk deploy/deb.mk

# Not part of `make test`: they make an image (8 GB of disk, 4 of which stay in build/container) and virtual machines (2 GB in build/vm), and need root.
# Minutes, bounded. In the foreground, so that Ctrl-C reaches them: each ends what it has started.
CONTAINER_PACKAGES := buildah runc debootstrap golang-github-containers-common
container-test: packages-test
	$(Q)deploy/setup.sh packages $(CONTAINER_PACKAGES)
	$(Q)deploy/setup.sh venv build/venv-test tests/requirements.txt $(PYTHON)
	$(Q)timeout --foreground -k 120 2700 build/venv-test/bin/python -m pytest -q -s --timeout 1800 tests/container $(T)

VM_PACKAGES := qemu-system-x86 debootstrap cpio kmod e2fsprogs xz-utils
VM_KERNELS  ?= bullseye bookworm-backports bookworm
vm-test: packages-test
	$(Q)deploy/setup.sh packages $(VM_PACKAGES)
	$(Q)$(MAKE) $(PARALLEL) programs
	$(Q)$(MAKE) venv
	$(Q)deploy/setup.sh venv build/venv-test tests/requirements.txt $(PYTHON)
	$(Q)timeout --foreground -k 60 5400 build/venv-test/bin/python tests/vm/vm.py $(VM_KERNELS)

# ---- Check -----------------------------------------------------------------------------------------------------------
# What takes seconds comes first. As one it took twenty minutes on two processors, of which the sanitized tests took seven, the tests eight, the fuzzers three
# (FUZZ_SECONDS each) and what compiles the rest.
check: packages-check
	$(Q)$(MAKE) check-format check-walk check-lint
	$(Q)$(MAKE) check-gcc check-clang
	$(Q)$(MAKE) $(PARALLEL) programs check-linked
	$(Q)$(MAKE) fuzz
	$(Q)$(MAKE) asan
	$(Q)$(MAKE) test
	@echo 'check: all holds'

check-format:
	$(call say,FORMAT,'$(words $(C_FILES)) files')
	$(Q)clang-format --dry-run -Werror $(C_FILES)

check-walk:
	$(call say,WALK,'every C file stands in its place in the Makefile')
	@test -z '$(UNLISTED)' || { echo 'not in the walk at the top of the Makefile: $(UNLISTED)'; exit 1; }
	@test -z '$(ABSENT)' || { echo 'in the walk, but not in the tree: $(ABSENT)'; exit 1; }

# The wall between the processes, as the linker sees it.
check-linked: $(PROGRAMS)
	$(call say,LINKED,'no Python in the server and no HTTP parser in the zygote')
	@! readelf -d build/penny-sandbox | grep -E 'NEEDED.*(python|seccomp)' || { echo 'the server must not link these'; exit 1; }
	@! readelf -d build/penny-zygote | grep -E 'NEEDED.*(event|evhtp|jansson)' || { echo 'the zygote must not link these'; exit 1; }

check-gcc:
	$(Q)$(MAKE) $(PARALLEL) O=build/gcc CC=gcc WERROR=-Werror programs unit
check-clang:
	$(Q)$(MAKE) $(PARALLEL) O=build/clang CC=clang WERROR=-Werror programs unit

check-lint:
	$(call say,CPPCHECK,'server runtime')
	$(Q)cppcheck --quiet -j $(shell nproc) --std=c11 --error-exitcode=1 --inline-suppr --enable=warning,performance,portability --suppress=missingIncludeSystem \
	  --suppress=normalCheckLevelMaxBranches --library=tests/cppcheck.cfg -D_GNU_SOURCE -Iserver -Iruntime -Iruntime/shared server runtime

fmt: packages-check
	$(Q)clang-format -i $(C_FILES)

clean:
	$(Q)rm -rf build web/dist
