"""A log of JSON that is being written."""

import json


def json_lines(path):
    """What its whole lines say: the last one may be on its way."""
    return [json.loads(line) for line in path.read_bytes().split(b"\n")[:-1]]
