"""Files that a cell has made or changed: what in the workspace is other than when it was last looked at."""

import mimetypes
import os
import time
from os import scandir as _scandir
from os import stat as _stat

from . import payload

# A look ends after so many entries or seconds; of what it finds so many files and bytes of JSON are told.
ENTRIES = 10_000
SECONDS = 0.1
FILES = 1000
JSON_BYTES = 200_000

# A file that is being uploaded (FILE_UPLOAD_PREFIX in wire.h).
UPLOADING = ".penny-upload-"

_types = {
    **mimetypes.types_map,
    ".feather": "application/vnd.apache.arrow.file",
    ".ipynb": "application/x-ipynb+json",
    ".md": "text/markdown",
    ".parquet": "application/vnd.apache.parquet",
}
_clock = time.monotonic
_home = None
_known = {}  # path from the workspace -> what _sign() made of it


def take(home, has_files):
    """In a new worker: what is in the workspace is no doing of its cells."""
    global _home
    _home = home
    _known.clear()
    if has_files:
        note(True)


def home():
    """The workspace, wherever the program has gone meanwhile."""
    return _home


def note(uploads):
    """The files of these paths, or all when True, were written from outside: as they are now they are known."""
    if uploads is True:
        for path, entry in _walk():
            _known[path] = _sign(entry.stat(follow_symlinks=False))
        return
    for path in uploads:
        try:
            _known[path] = _sign(_stat(f"{_home}/{path}", follow_symlinks=False))
        except (OSError, ValueError):
            pass


def _sign(status):
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _walk():
    """Regular files as (path, entry), within the limits; a directory that goes meanwhile is passed over."""
    left, end = ENTRIES, _clock() + SECONDS
    places = [""]
    while places:
        place = places.pop()
        try:
            entries = list(_scandir(f"{_home}/{place}"))
        except OSError:
            continue
        for entry in entries:
            left -= 1
            if left < 0 or _clock() > end:
                return
            path = f"{place}/{entry.name}" if place else entry.name
            try:
                if entry.is_dir(follow_symlinks=False):
                    places.append(path)
                elif entry.is_file(follow_symlinks=False) and not path.startswith(UPLOADING):
                    yield path, entry
            except OSError:
                continue


def _changed():
    found = []
    seen = {}
    for path, entry in _walk():
        try:
            status = entry.stat(follow_symlinks=False)
        except OSError:
            continue
        seen[path] = sign = _sign(status)
        if _known.get(path) != sign:
            found.append((path, status.st_size))
    _known.clear()
    _known.update(seen)
    return sorted(found)


def scan():
    """After a cell: the bytes that tell of them, b"" when there are none."""
    told, used, omitted = [], 0, 0
    for path, size in _changed():
        if not _is_text(path):
            continue  # no path that could be asked for
        kind = _types.get(os.path.splitext(path)[1].lower(), "application/octet-stream")
        text = payload.dumps({"path": path, "size": size, "mime": kind})
        used += len(text)
        if len(told) < FILES and used <= JSON_BYTES:
            told.append(text)
        else:
            omitted += 1
    if not told and not omitted:
        return b""
    more = b',"artifactsOmitted":%d' % omitted if omitted else b""
    return b',"artifacts":[' + b",".join(told) + b"]" + more


def _is_text(path):
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True
