"""The same files by Jinja2: jinja.py TEMPLATES SLAVES CLUSTER OUT [PROJECT]

The master is project 0; all are written where none is named.
"""

import json
import pathlib
import sys

import jinja2

templates, slaves, cluster, out = pathlib.Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], pathlib.Path(sys.argv[4])
wanted = [int(sys.argv[5])] if len(sys.argv) > 5 else range(slaves + 1)
environment = jinja2.Environment(
    loader=jinja2.FileSystemLoader(templates), undefined=jinja2.StrictUndefined, keep_trailing_newline=True
)


def write(project, text):
    directory = out / project
    directory.mkdir(parents=True)
    (directory / "compose.yaml").write_text(text)


subnets = json.loads((templates / "subnets.json").read_text())
slave = environment.get_template("slave.yaml.j2")
for index in wanted:
    if index == 0:
        write(f"{cluster}-master", (templates / "master.yaml").read_text())
    else:
        text = slave.render(name=f"slave{index}", index=index, subnet=subnets[index - 1])
        write(f"{cluster}-slave{index}", text)
