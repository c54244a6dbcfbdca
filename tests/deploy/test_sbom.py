"""`make sbom` lists each locked package with its version and its hashes, in a document that is valid CycloneDX."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from tests.deploy.locks import ROOT, locked


def test_every_locked_package_is_listed_with_its_hashes(tmp_path: Path):
    # Not setup: a test must not change the environment that it runs in.
    subprocess.run(["make", "--old-file=setup", "sbom", f"SBOM={tmp_path}/sbom.json"], cwd=ROOT, check=True)
    document = json.loads((tmp_path / "sbom.json").read_text())

    assert document["bomFormat"] == "CycloneDX"
    assert document["metadata"]["component"]["name"] == "vpclogs"
    listed = {
        (part["name"], part["version"], frozenset(h["content"] for h in part["externalReferences"][0]["hashes"]))
        for part in document["components"]
    }
    pins = locked("requirements.txt").values()
    wanted = {
        (
            pin.name,
            str(pin.specifier).removeprefix("=="),
            frozenset(text.removeprefix("--hash=sha256:") for text in hashes),
        )
        for pin, hashes in pins
    }
    assert listed == wanted
