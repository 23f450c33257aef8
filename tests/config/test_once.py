"""In one process a spec is parsed once and resolved once, and a configuration validated once."""

import subprocess
import sys
from collections import Counter

from tests.conftest import TINY
from vaecli.config.config import PART_KINDS, Config
from vaecli.config.spec import Spec

COUNT = """
import sys
from collections import Counter

from vaecli.config.config import Config
from vaecli.config.spec import Spec

calls = Counter()


def counted(owner, name, counts=lambda *arguments: True):
    plain = getattr(owner, name)

    def call(*arguments, **options):
        calls[name] += counts(*arguments)
        return plain(*arguments, **options)

    setattr(owner, name, staticmethod(call) if name == "parse" else call)


counted(Spec, "parse")
counted(Spec, "resolve", lambda spec, table, kind: spec.resolved_as != kind)
counted(Config, "__post_init__")
sys.argv = ["vaecli", *sys.argv[1:]]
from vaecli.commands import main

try:
    main()
finally:
    print("calls", calls["parse"], calls["resolve"], calls["__post_init__"])
"""


def calls(*arguments):
    """How often the command line parsed and resolved a spec and validated a configuration."""
    command = [sys.executable, "-c", COUNT, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    *_, last = done.stdout.splitlines()
    names = ("parse", "resolve", "validate")
    return Counter(dict(zip(names, map(int, last.split()[1:]), strict=True)))


def test_building_a_model_parses_and_resolves_nothing_twice(monkeypatch):
    from vaecli.config.build import build, make_optimizer, resolve

    config = resolve(Config(objective="iwae:samples=2", network="mlp:width=4"))

    def never(*arguments, **options):
        raise AssertionError("a resolved configuration was parsed or resolved again")

    monkeypatch.setattr(Spec, "parse", never)
    monkeypatch.setattr("vaecli.config.spec.part_options", never)
    model, objective = build(config, (1, 8, 8))
    assert make_optimizer(config, model, objective).lr == config.lr
    assert resolve(config) is config


def test_a_dry_run_parses_what_is_given_once(digits):
    given = ("--objective", "iwae:samples=2", "--data-dir", digits)
    counts = calls("train", *TINY, *given, "--dry-run", "--threads", 1)
    assert counts == {"parse": 2, "resolve": len(PART_KINDS), "validate": 1}


def test_a_training_parses_what_is_given_once(digits, tmp_path):
    given = ("--objective", "iwae:samples=2", "--data-dir", digits, "--run-dir", tmp_path / "run")
    counts = calls("train", "-q", *TINY, *given, "--epochs", 3, "--threads", 1)
    assert counts == {"parse": 2, "resolve": len(PART_KINDS), "validate": 1}
