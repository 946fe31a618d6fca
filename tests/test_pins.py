"""What the Dockerfile installs is what was tested."""

import re

from tests.conftest import ROOT


def test_the_pins_of_the_dockerfile_are_those_of_the_requirements():
    pins = {line for path in ROOT.glob("requirements*.txt") for line in path.read_text().split() if "==" in line}
    named = re.findall(r"[\w.-]+==[\w.]+", (ROOT / "Dockerfile").read_text())
    assert len(named) > 5
    assert set(named) <= pins
