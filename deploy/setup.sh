#!/bin/sh
# The Makefile's set-up steps. Each looks first whether there is anything to do, and says what it does.
#   setup.sh packages NAME...                     Debian packages, through apt (and sudo where not root)
#   setup.sh venv DIRECTORY REQUIREMENTS PYTHON   a virtual environment, rebuilt only when its requirements change
#   setup.sh fonts DIRECTORY                      matplotlib's font cache inside that environment
#   setup.sh readable DIRECTORY...               for the sessions of a service that is root's: they are other users, and a checkout made under umask 077 is closed to them
#   setup.sh modules DIRECTORY                    the packages of its lock file, by npm
#   setup.sh web DIRECTORY                        the web page, where its sources are
#   setup.sh browser                              Chromium, for the tests of the page
#   setup.sh prometheus                           promtool, Prometheus' checker of metrics and rules, out of Debian's package, into build/bin
#   setup.sh fuzz PROGRAM SOURCES SECONDS         one fuzzer, on a copy of its corpus
set -eu

say() { printf '  %-8s %s\n' "$1" "$2"; }
die() { printf '%s\n' "$*" >&2; exit 1; }

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"
    elif command -v sudo >/dev/null; then sudo -- "$@"
    else die "root is needed for: $*" "Run it as root, or install sudo, then call make again."
    fi
}

apt_install() {
    say APT "$*"
    export DEBIAN_FRONTEND=noninteractive
    as_root apt-get -q -y update >build/apt.log 2>&1 || { tail -n 20 build/apt.log >&2; die 'apt-get update failed (build/apt.log)'; }
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y install --no-install-recommends "$@" >build/apt.log 2>&1 ||
        { tail -n 20 build/apt.log >&2; die 'apt-get install failed (build/apt.log)'; }
}

packages() {
    command -v dpkg-query >/dev/null || { say SKIP "not a Debian system; these packages are taken to be there: $*"; return; }
    missing=
    for name; do
        case $(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null || :) in
            installed) ;;
            *) missing="$missing $name" ;;
        esac
    done
    # shellcheck disable=SC2086
    [ -z "$missing" ] || apt_install $missing
}

# A virtual environment stands or falls with three things: what is in it, whose interpreter, and where it stands.
venv_hash() { { cat "$2"; "$3" -VV; realpath "$3"; pwd; } | sha256sum | cut -c 1-16; }

venv() {
    stamp="$1/.made-$(venv_hash "$@")"
    [ ! -e "$stamp" ] || return 0
    say VENV "$1 from $2 ($(grep -c '^[^#]' "$2") packages)"
    rm -rf "$1"
    "$3" -m venv "$1"
    log="$1/pip.log"
    "$1/bin/python" -m pip install --disable-pip-version-check --no-input --progress-bar off --only-binary :all: -r "$2" >"$log" 2>&1 ||
        { tail -n 20 "$log" >&2; die "pip failed ($log)"; }
    touch "$stamp"
}

fonts() {
    cache="$1/share/penny/matplotlib"
    [ ! -e "$cache/.made" ] || return 0
    "$1/bin/python" -c 'import matplotlib' 2>/dev/null || return 0
    say FONTS "$cache"
    mkdir -p "$cache"
    MPLCONFIGDIR="$cache" MPLBACKEND=agg "$1/bin/python" -c 'import matplotlib.pyplot as p; p.plot([1]); p.savefig("/dev/null", format="png")'
    touch "$cache/.made"
}

readable() {
    [ "$(id -u)" = 0 ] || return 0
    for place; do
        [ -n "$(find "$place" ! -type l ! -perm -004 -print -quit)" ] || continue
        say OPEN "$place"
        chmod -R o+rX "$place"
    done
}

node_is_new() { command -v npm >/dev/null && [ "$(node -p 'parseInt(process.versions.node)' 2>/dev/null || echo 0)" -ge 18 ]; }

modules() {
    node_is_new || apt_install nodejs npm
    node_is_new || die "node 18 or newer is needed for $1"
    installed="$1/node_modules/.made-$({ cat "$1/package.json" "$1/package-lock.json"; node --version; } | sha256sum | cut -c 1-16)"
    [ ! -e "$installed" ] || return 0
    say NPM "$1"
    (cd "$1" && npm ci --no-audit --no-fund --loglevel=error) >build/npm.log 2>&1 || { tail -n 20 build/npm.log >&2; die "npm ci failed in $1 (build/npm.log)"; }
    touch "$installed"
}

web() {
    [ -e "$1/package.json" ] || return 0
    # the page is compiled together with the client's sources
    stamp="build/stamps/web-$(find "$1" clients/typescript/src -path "$1/node_modules" -prune -o -path "$1/dist" -prune -o -type f -print | LC_ALL=C sort |
        xargs -d '\n' sha256sum | sha256sum | cut -c 1-16)"
    [ ! -e "$stamp" ] || [ ! -d "$1/dist" ] || return 0
    modules "$1"
    say WEB "$1"
    (cd "$1" && npm run --silent build) >build/web.log 2>&1 || { tail -n 20 build/web.log >&2; die 'the web page could not be built (build/web.log)'; }
    mkdir -p build/stamps && rm -f build/stamps/web-* && touch "$stamp"
}

# Another browser can be named: PENNY_CHROMIUM.
browser() { [ -n "${PENNY_CHROMIUM:-}" ] || packages chromium fonts-dejavu-core; }

# The program alone: the package would start a server. (A function of the program's name would be what `command -v` finds.)
prometheus() {
    ! command -v promtool >/dev/null && [ ! -x build/bin/promtool ] && command -v dpkg-deb >/dev/null || return 0
    say PROMTOOL build/bin/promtool
    mkdir -p build/bin build/promtool
    (cd build/promtool && apt-get -q -q -o APT::Sandbox::User=root download prometheus) >build/apt.log 2>&1 || { tail -n 20 build/apt.log >&2; die 'prometheus could not be downloaded (build/apt.log)'; }
    dpkg-deb --fsys-tarfile build/promtool/prometheus_*.deb | tar -xO ./usr/bin/promtool >build/bin/promtool.new
    chmod +x build/bin/promtool.new
    mv build/bin/promtool.new build/bin/promtool
    rm -rf build/promtool
}

fuzz() {
    name=$(basename "$1")
    corpus="build/fuzz/corpus/$name"
    mkdir -p "$corpus"
    [ ! -d "$2/corpus/$name" ] || cp -n "$2/corpus/$name"/* "$corpus/"
    say FUZZ "$name for $3 s"
    "$1" -max_total_time="$3" -timeout=5 -rss_limit_mb=2048 -print_final_stats=1 -artifact_prefix="build/fuzz/" "$corpus" >"$1.log" 2>&1 ||
        { tail -n 40 "$1.log" >&2; die "$name found something ($1.log)"; }
    grep -E 'number_of_executed_units' "$1.log" | sed 's/^stat::/           /'
}

umask 022 # see readable
# What pip would take for installed, or where it would install, and where cd would go: a shell's own business, not that of what is made here.
unset PYTHONHOME PYTHONPATH PYTHONSTARTUP PYTHONUSERBASE PIP_USER PIP_TARGET PIP_PREFIX PIP_ROOT PIP_DRY_RUN CDPATH
mkdir -p build
step=$1
shift
"$step" "$@"
