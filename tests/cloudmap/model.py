"""Renews model.json, the facts of the API model that the tests of `channel::cloudmap::shapes` walk.

    pip install botocore
    python tests/cloudmap/model.py > tests/cloudmap/model.json

Only names, types and limits are taken, no documentation. A difference after an upgrade of botocore is a change of
the API.
"""

import gzip
import json
import pathlib

import botocore

FACTS = ("type", "required", "min", "max", "enum")


def facts(shape):
    """What the model says of one shape."""
    found = {fact: shape[fact] for fact in FACTS if fact in shape}
    # The patterns themselves stay out: the tests know a value that follows each and one that does not.
    if "pattern" in shape:
        found["pattern"] = True
    if "members" in shape:
        found["members"] = {name: member["shape"] for name, member in shape["members"].items()}
    for part in ("key", "value"):
        if part in shape:
            found[part] = shape[part]["shape"]
    if "member" in shape:
        found["element"] = shape["member"]["shape"]
    return found


def main():
    data = pathlib.Path(botocore.__file__).parent / "data/servicediscovery/2017-03-14/service-2.json.gz"
    model = json.loads(gzip.decompress(data.read_bytes()))
    actions = {
        name: {part: action[part]["shape"] for part in ("input", "output") if part in action}
        for name, action in sorted(model["operations"].items())
    }
    shapes = {
        name: facts(shape) for name, shape in sorted(model["shapes"].items()) if not shape.get("exception")
    }
    # One shape a line, so that a change of the model is a change of few lines.
    print("{")
    print(f'"botocore": {json.dumps(botocore.__version__)},')
    for title, rows, end in (("actions", actions, ","), ("shapes", shapes, "")):
        lines = [f"{json.dumps(name)}: {json.dumps(row)}" for name, row in rows.items()]
        print(f'"{title}": {{\n' + ",\n".join(lines) + f"\n}}{end}")
    print("}")


main()
