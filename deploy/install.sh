#!/bin/sh
# Copies what was built to where it is to stay, and takes it away again: install.sh install|uninstall. The places come from install.mk.
set -eu
umask 022

POLICIES='filesystem imports packages resources syscalls'

# The installed files outside of directories that are ours alone.
SHARED_FILES="$BIN/penny-sandbox $UNIT/penny-sandbox.service $UNIT/penny-sandbox.socket $PREFIX/lib/sysusers.d/penny-sandbox.conf
$PREFIX/share/man/man1/penny-sandbox.1 $PREFIX/share/man/man5/penny-sandbox-environment.5 $PREFIX/share/man/man5/penny-sandbox-policies.5
$PREFIX/share/bash-completion/completions/penny-sandbox $PREFIX/share/zsh/vendor-completions/_penny-sandbox
$PREFIX/share/fish/vendor_completions.d/penny-sandbox.fish"

# They stand in the unit, the manual and the program as they are.
for place in "$BIN" "$LIB" "$SHARE" "$CONF" "$UNIT"; do
    case $place in
    *[!A-Za-z0-9/._+-]* | [!/]*) echo "PREFIX, SYSCONFDIR and UNITDIR must be absolute, of letters, digits and ._+-: $place is not" >&2 && exit 1 ;;
    esac
done

put() { install -D -m "$1" "$2" "$DESTDIR$3"; }

# The program's places stand where a file says @BIN@, @LIB@, @CONF@.
put_filled() {
    mkdir -p "$DESTDIR$(dirname "$2")"
    sed -e "s|@BIN@|$BIN|g" -e "s|@LIB@|$LIB|g" -e "s|@SHARE@|$SHARE|g" -e "s|@CONF@|$CONF|g" "$1" >"$DESTDIR$2"
    chmod 644 "$DESTDIR$2"
}

# The operator's policies. One that is still as the former installation had it is replaced; one that was changed stays.
put_policy() {
    mine="$DESTDIR$CONF/policies/$1.json" shipped="$DESTDIR$SHARE/policies/$1.json"
    if [ -e "$mine" ] && ! { [ -e "$shipped" ] && cmp -s "$mine" "$shipped"; } && ! cmp -s "$mine" "policies/$1.json"; then
        echo "           $mine was changed and stays; the new one is $shipped"
    else
        put 644 "policies/$1.json" "$CONF/policies/$1.json"
    fi
    put 644 "policies/$1.json" "$SHARE/policies/$1.json"
}

put_tree() {
    rm -rf "$DESTDIR$2.new"
    mkdir -p "$DESTDIR$2.new"
    (cd "$1" && find . -name __pycache__ -prune -o -type f -print) | while read -r file; do install -D -m 644 "$1/$file" "$DESTDIR$2.new/$file"; done
    rm -rf "$DESTDIR$2"
    mv "$DESTDIR$2.new" "$DESTDIR$2"
}

# A venv of the same content stays: copying its 800 MB takes longer than all else. VENV_OPTIONS: see venv_install.py; --none leaves it out.
put_venv() {
    [ "$VENV_OPTIONS" != --none ] || return 0
    mark="$(cd "$VENV" && ls -d .made-* | head -n 1)-$(sha256sum deploy/venv_install.py | cut -c 1-8)$VENV_OPTIONS"
    [ "$(cat "$DESTDIR$LIB/venv/.installed" 2>/dev/null || :)" != "$mark" ] || return 0
    mkdir -p "$DESTDIR$LIB"
    # shellcheck disable=SC2086
    "$VENV/bin/python" -B deploy/venv_install.py "$VENV" "$DESTDIR$LIB/venv" "$LIB/venv" $VENV_OPTIONS
    echo "$mark" >"$DESTDIR$LIB/venv/.installed"
}

do_install() {
    made=$(dirname "$PROGRAM")/made
    put 755 "$ZYGOTE" "$LIB/penny-zygote"
    put 755 "$(dirname "$ZYGOTE")/penny-init" "$LIB/penny-init"
    put 755 "$PROGRAM" "$BIN/penny-sandbox"
    put_venv
    put_tree runtime/python "$SHARE/python"
    [ ! -d web/dist ] || put_tree web/dist "$SHARE/web"
    for name in $POLICIES; do put_policy "$name"; done
    [ -e "$DESTDIR$CONF/environment" ] || put 640 deploy/systemd/environment "$CONF/environment"
    put_filled deploy/systemd/penny-sandbox.service "$UNIT/penny-sandbox.service"
    put_filled deploy/systemd/penny-sandbox.socket "$UNIT/penny-sandbox.socket"
    put 644 deploy/systemd/sysusers.conf "$PREFIX/lib/sysusers.d/penny-sandbox.conf"
    /usr/bin/python3 -B deploy/manual.py "$PROGRAM" "$made"
    put_filled "$made/penny-sandbox.1" "$PREFIX/share/man/man1/penny-sandbox.1"
    for page in environment policies; do put_filled "$made/penny-sandbox-$page.5" "$PREFIX/share/man/man5/penny-sandbox-$page.5"; done
    put 644 "$made/penny-sandbox.bash" "$PREFIX/share/bash-completion/completions/penny-sandbox"
    put 644 "$made/_penny-sandbox" "$PREFIX/share/zsh/vendor-completions/_penny-sandbox"
    put 644 "$made/penny-sandbox.fish" "$PREFIX/share/fish/vendor_completions.d/penny-sandbox.fish"
}

do_uninstall() {
    for file in $SHARED_FILES; do rm -f "$DESTDIR$file"; done
    for name in $POLICIES; do
        mine="$DESTDIR$CONF/policies/$name.json"
        if cmp -s "$mine" "$DESTDIR$SHARE/policies/$name.json"; then rm -f "$mine"; elif [ -e "$mine" ]; then echo "           $mine was changed and stays"; fi
    done
    cmp -s "$DESTDIR$CONF/environment" deploy/systemd/environment && rm -f "$DESTDIR$CONF/environment"
    rm -rf "$DESTDIR$LIB" "$DESTDIR$SHARE"
    for directory in "$CONF/policies" "$CONF" "$UNIT" "$PREFIX/lib/sysusers.d" "$PREFIX/share/bash-completion/completions" "$PREFIX/share/zsh/vendor-completions" \
        "$PREFIX/share/fish/vendor_completions.d"; do
        [ ! -d "$DESTDIR$directory" ] || rmdir --ignore-fail-on-non-empty -p "$DESTDIR$directory" 2>/dev/null || :
    done
}

"do_$1"
