"""What Airflow's plugin loader makes of the folder."""

from __future__ import annotations

import json
import subprocess
import sys

LOAD = """
import json, sys
from airflow import plugins_manager

before = set(sys.modules)
plugins = [p["name"] for p in plugins_manager.get_plugin_info() if "vpclogs" in str(p["source"])]
files = {name: getattr(sys.modules[name], "__file__", None) or "" for name in set(sys.modules) - before}
modules = sorted(name for name, file in files.items() if file.startswith(sys.argv[1]))
print(json.dumps({"plugins": plugins, "errors": plugins_manager.get_import_errors(), "modules": modules}))
"""


def test_only_the_plugin_is_loaded_and_no_module_leaks(repository):
    command = [sys.executable, "-c", LOAD, str(repository / "plugins")]

    run = subprocess.run(command, capture_output=True, text=True, check=False)

    assert run.returncode == 0, run.stderr
    loaded = json.loads(run.stdout.splitlines()[-1])
    assert loaded == {
        "plugins": ["vpclogs"],
        "errors": {},
        "modules": ["vpclogs_airflow", "vpclogs_airflow.page", "vpclogs_plugin"],
    }
