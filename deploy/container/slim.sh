#!/bin/sh
# Takes out of a virtual environment what no session needs: the packages' own tests, sources of what is compiled, logs. Byte code stays: the
# image is read-only for who runs in it, and an import without it takes twice as long.
#   slim.sh DIRECTORY
set -eu
site=$(echo "$1"/lib/python3*/site-packages)
find "$site" -type d \( -name tests -o -name test \) -path '*/site-packages/*/*' ! -path '*/sympy/testing/*' -prune -exec rm -rf {} +
find "$site" \( -name '*.pyx' -o -name '*.pxd' -o -name '*.c' -o -name '*.h' -o -name '*.hpp' -o -name '*.a' -o -name '*.lib' \) -type f -delete
# compiled for another optimization level, which nobody asks for
find "$site" -name '*.opt-[12].pyc' -delete

