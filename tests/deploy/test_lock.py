"""The locked requirements: complete, pinned and hashed, and installed only with their hashes checked."""

from __future__ import annotations

import re
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.deploy.locks import ROOT, locked

LOCKS = ["requirements.txt", "requirements-dev.txt", "requirements-bench.txt"]


def wanted(name: str) -> list[Requirement]:
    """Return the requirements of a `.in` file, with those of the files it includes."""
    found = []
    for line in (ROOT / name).read_text().splitlines():
        text = line.partition("#")[0].strip()
        if text.startswith("-r "):
            found += wanted(text.removeprefix("-r "))
        elif text:
            found.append(Requirement(text))
    return found


@pytest.mark.parametrize("name", LOCKS)
def test_every_package_is_pinned_and_hashed(name: str):
    for requirement, hashes in locked(name).values():
        assert re.fullmatch(r"==[^*,]+", str(requirement.specifier)), requirement
        assert hashes, requirement
        assert all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", text) for text in hashes), requirement


@pytest.mark.parametrize("name", LOCKS)
def test_lock_names_no_index_or_address(name: str):
    text = (ROOT / name).read_text()
    assert "://" not in text
    assert not re.search(r"^\s*-(?!-hash)", text, re.MULTILINE)


@pytest.mark.parametrize("name", LOCKS)
def test_lock_satisfies_its_input(name: str):
    pins = [requirement for requirement, _ in locked(name).values()]
    for want in wanted(name.replace(".txt", ".in")):
        found = [pin for pin in pins if canonicalize_name(pin.name) == canonicalize_name(want.name)]
        assert found, f"{want.name} is not in {name}: run make lock"
        for pin in found:
            assert want.specifier.contains(str(pin.specifier).removeprefix("==")), f"{pin} in {name}: run make lock"


def test_tests_run_on_the_versions_that_are_deployed():
    development = locked("requirements-dev.txt")
    for key, (requirement, hashes) in locked("requirements.txt").items():
        assert development[key] == (requirement, hashes)


def test_lock_holds_the_build_tools_of_the_package_itself():
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    for want in map(Requirement, build):
        pin, _ = locked("requirements.txt")[f"{want.name};"]
        assert want.specifier.contains(str(pin.specifier).removeprefix("=="))


def test_image_holds_no_test_tools():
    names = {requirement.name for requirement, _ in locked("requirements.txt").values()}
    assert not {name for name in names if name.startswith(("pytest", "hypothesis", "mypy", "ruff", "moto"))}


@pytest.mark.parametrize("name", [".ci/setup", "Dockerfile", "Makefile"])
def test_locked_packages_are_installed_with_hashes_as_wheels_only(name: str):
    text = (ROOT / name).read_text()
    installs = re.findall(r"pip install .*(?:-r|--requirement) .*", text)
    assert installs
    for line in installs:
        assert "--require-hashes" in line
        assert "--only-binary :all:" in line  # an sdist would bring build tools that no hash covers
    for line in re.findall(r"pip install .*--no-deps.*", text):
        assert "--no-build-isolation" in line
