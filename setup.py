"""The packages of segpp, most of which lie in folders at the root; the rest is in pyproject.toml.

src/segpp holds links to these folders, so that a checkout runs as it is. A build must not depend on
them: git on Windows, a zip and many copies drop links, and what is left would be a wheel without
the greater part of segpp. So every package is looked for where its files really are.
"""

import sys
from pathlib import Path

from setuptools import find_packages, setup

ROOT_FOLDERS = ("export", "calib", "runtime", "train")


def packages_in(folder: str) -> list[str]:
    """Return the package that a folder at the root is, and those inside it."""
    if not Path(folder, "__init__.py").is_file():
        sys.exit(f"segpp cannot be built without its folder {folder}/, and it is not here.")
    name = f"segpp.{folder}"
    return [name, *(f"{name}.{inner}" for inner in find_packages(folder))]


setup(
    # A checkout with links has the packages of the root twice, a set once.
    packages=sorted(
        {*find_packages("src"), *(name for folder in ROOT_FOLDERS for name in packages_in(folder))}
    ),
    package_dir={"": "src", **{f"segpp.{folder}": folder for folder in ROOT_FOLDERS}},
)
