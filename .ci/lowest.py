"""Print pip constraints to the lowest versions that pyproject.toml allows.

Run it in the root of the project.
"""

import re
import tomllib
from pathlib import Path

project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
extras = project["optional-dependencies"]
named = [*project["dependencies"], *(one for name in sorted(extras) for one in extras[name])]
for requirement in dict.fromkeys(named):
    lowest = re.fullmatch(r"([\w-]+)(?:\[\w+\])?>=([\d.]+)", requirement)
    if lowest:
        print(f"{lowest[1]}=={lowest[2]}")
# The newer ones warn of what the lowest matplotlib does.
print("pyparsing<3.3")
