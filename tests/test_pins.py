"""What the Dockerfile installs is what was tested."""

import re

from tests.conftest import ROOT


def test_the_image_to_train_in_installs_what_requirements_name():
    text = (ROOT / "cloud/Dockerfile").read_text()
    copied = re.findall(r"^COPY (\S+) ", text, re.MULTILINE)
    assert copied == re.findall(r"pip install .*-r /tmp/(\S+)$", text, re.MULTILINE) == ["requirements.txt"]
    lines = [line.partition("#")[0].strip() for line in (ROOT / "requirements.txt").read_text().splitlines()]
    assert all("==" in line for line in lines if line and not line.startswith("-"))


def test_the_pins_of_the_dockerfile_are_those_of_the_requirements():
    pins = {line for path in ROOT.glob("requirements*.txt") for line in path.read_text().split() if "==" in line}
    named = re.findall(r"[\w.-]+==[\w.]+", (ROOT / "Dockerfile").read_text())
    assert len(named) > 5
    assert set(named) <= pins
