"""A YAML file that keeps its line numbers, so that each problem can name one."""

from __future__ import annotations

import difflib
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, get_args

import yaml
from pydantic import BaseModel

from vpclogs.errors import ConfigError

__all__ = ["ConfigFile", "MisplacedError", "Problem"]

_VARIABLE = re.compile(r"\$\{([^}]*)\}")
_RENAMED = {"upkeep": "maintenance"}
"""Sections by their names of earlier releases, which still work."""

_log = logging.getLogger(__name__)


class _Loader(yaml.SafeLoader):
    """YAML without dates: a day stays text, so that a wrong one is refused with its line."""

    yaml_implicit_resolvers = {  # noqa: RUF012  (PyYAML's own class attribute)
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


class MisplacedError(ValueError):
    """Raised by a validator of several keys. ``loc`` is the path of the wrong one."""

    def __init__(self, message: str, *loc: str | int) -> None:
        super().__init__(message)
        self.loc = loc


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """A problem of the file, and its line (from 1)."""

    line: int
    text: str


@dataclass
class ConfigFile:
    """The data of a file, with ``${NAME}`` replaced, and the problems found before validation."""

    path: Path
    data: Any
    root: yaml.Node
    problems: list[Problem] = field(default_factory=list)
    secret: set[int] = field(default_factory=set)  # ids of nodes that hold a variable's value
    unset: dict[int, Problem] = field(default_factory=dict)  # by the id of the node that names the variable

    @classmethod
    def read(cls, path: Path, env: Mapping[str, str]) -> Self:
        """Read `path`; variables come from `env`.

        Raises:
            ConfigError: the file cannot be read or is not YAML.
        """
        try:
            text = path.read_text(encoding="utf-8")
            loader = _Loader(text)
            root = loader.get_single_node() or yaml.MappingNode("tag:yaml.org,2002:map", [], loader.get_mark())
            file = cls(path, None, root)
            file._prepare(root, "", env, set())
            file.data = loader.construct_document(root)
        except OSError as error:
            raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
        except UnicodeDecodeError as error:
            raise ConfigError(f"{path} is not UTF-8 at byte {error.start}") from None
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            # a password that begins with * & or ! is taken for an alias, an anchor or a tag, and quoted
            problem = re.sub(
                r"(alias|anchor|tag) '.*'", r"\1: put text that begins with * & or ! in quotes", str(error.problem)
            )
            raise ConfigError(f"{path}:{mark.line + 1 if mark else 1}: not YAML: {problem}") from None
        except (yaml.YAMLError, ValueError) as error:
            raise ConfigError(f"{path}: not YAML: {error}") from None
        return file

    def _prepare(self, node: yaml.Node, path: str, env: Mapping[str, str], seen: set[int]) -> None:
        """Replace variables and find repeated keys, in every node once."""
        if id(node) in seen:
            return
        seen.add(id(node))
        if isinstance(node, yaml.ScalarNode) and node.tag.endswith(":str"):
            self._replace_variables(node, path, env)
        elif isinstance(node, yaml.SequenceNode):
            for index, child in enumerate(node.value):
                self._prepare(child, _joined(path, index), env, seen)
        elif isinstance(node, yaml.MappingNode):
            first: dict[str, int] = {}
            for key, child in node.value:
                if not path and key.value in _RENAMED:
                    now = _RENAMED[key.value]
                    _log.warning("%s:%d: the section %s is now called %s", self.path, _line(key), key.value, now)
                    key.value = now
                name = str(key.value)
                if name in first:
                    again = f"{_joined(path, name)}: duplicate key, first on line {first[name]}"
                    self.problems.append(Problem(_line(key), again))
                first.setdefault(name, _line(key))
                self._prepare(child, _joined(path, name), env, seen)

    def _replace_variables(self, node: yaml.ScalarNode, path: str, env: Mapping[str, str]) -> None:
        def value(match: re.Match[str]) -> str:
            self.secret.add(id(node))
            if match[1] not in env:
                problem = Problem(_line(node), f"{path}: the environment variable {match[1]} is not set")
                self.problems.append(problem)
                self.unset[id(node)] = problem
            return env.get(match[1], match[0])

        node.value = _VARIABLE.sub(value, node.value)

    def explain(self, model: type[BaseModel], error: Mapping[str, Any]) -> Problem:
        """One error of pydantic about `model`, as a sentence with a line."""
        loc = [*error["loc"], *getattr(error.get("ctx", {}).get("error"), "loc", ())]
        path, node, line = "", self.root, _line(self.root)
        owner = parent = model
        for part in loc:
            parent = owner
            if (found := _step(node, part)) is None:
                continue  # a key that is missing, or a step of pydantic's that a short form does not have
            line, node = _line(found[0]), found[1]
            path = _joined(path, part)
            owner = _model_of(owner, part)
        if id(node) in self.unset:
            return self.unset[id(node)]  # the cause; the errors that follow from it are noise
        sentence = self._sentence(error, parent, node)
        return Problem(line, f"{path}: {sentence}" if path else sentence)

    def _sentence(self, error: Mapping[str, Any], parent: type[BaseModel], node: yaml.Node) -> str:
        kind, message = error["type"], str(error["msg"]).removeprefix("Value error, ")
        if kind == "extra_forbidden":
            return _unknown(str(error["loc"][-1]), sorted(parent.model_fields))
        if kind == "missing":
            return f"the key {error['loc'][-1]} is missing"
        if kind in ("model_type", "dict_type", "mapping_type"):
            return "keys and their values belong here, such as `name: value`"
        if not isinstance(node, yaml.ScalarNode):
            return message
        if kind == "string_type" and node.value:
            message = "this must be text: write it in quotes"
        return message if id(node) in self.secret else f"{message} (found: {node.value[:80] or 'nothing'})"


def _unknown(key: str, valid: Sequence[str]) -> str:
    near = difflib.get_close_matches(key, valid, n=1)
    return f"unknown key; did you mean {near[0]}?" if near else f"unknown key; the keys here are {', '.join(valid)}"


def _step(node: yaml.Node, part: str | int) -> tuple[yaml.Node, yaml.Node] | None:
    """Return the node under a key or index, and the node whose line is reported for it."""
    if isinstance(node, yaml.MappingNode):
        return next(((key, value) for key, value in node.value if key.value == part), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part], node.value[part]
    return None


def _model_of(owner: type[BaseModel], part: str | int) -> type[BaseModel]:
    """Return the model of the keys under `part` of `owner`."""
    if not isinstance(part, str) or part not in owner.model_fields:
        return owner
    return next(_models(owner.model_fields[part].annotation), owner)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models(inner)


def _joined(path: str, part: str | int) -> str:
    return f"{path}[{part}]" if isinstance(part, int) else f"{path}.{part}" if path else part


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1
