"""Names of sources in tables."""

import pytest

from regraft.report.tables import short


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("timm:resnet18", "timm:resnet18"),
        ("hf:owner/name", "hf:owner/name"),
        ("scratch:small:conv", "scratch:small:conv"),
        ("data:wine/white.csv", "data:wine/white.csv"),
        ("data:/a/b/c/white.csv", "data:…/c/white.csv"),
        ("/a/b/runs/x", "…/runs/x"),
        ("timm:vit@/a/b c/d/w.pth", "timm:vit@…/d/w.pth"),
        ("torch:/a/b/net.py:Net@c/d/e/w.pth", "torch:…/b/net.py:Net@…/e/w.pth"),
    ],
)
def test_folders_are_left_out(source: str, shown: str) -> None:
    assert short(source) == shown
