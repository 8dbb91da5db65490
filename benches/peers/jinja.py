"""The same files by Jinja2: jinja.py TEMPLATES SLAVES CLUSTER OUT"""

import json
import pathlib
import sys

import jinja2

templates, slaves, cluster, out = pathlib.Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3], pathlib.Path(sys.argv[4])
environment = jinja2.Environment(
    loader=jinja2.FileSystemLoader(templates), undefined=jinja2.StrictUndefined, keep_trailing_newline=True
)


def write(project, text):
    directory = out / project
    directory.mkdir(parents=True)
    (directory / "compose.yaml").write_text(text)


write(f"{cluster}-master", (templates / "master.yaml").read_text())
subnets = json.loads((templates / "subnets.json").read_text())
slave = environment.get_template("slave.yaml.j2")
for index in range(1, slaves + 1):
    text = slave.render(name=f"slave{index}", index=index, subnet=subnets[index - 1])
    write(f"{cluster}-slave{index}", text)
