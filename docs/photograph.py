"""Turn a figure into pixels, for the pictures of the documentation."""

import shutil
import subprocess
import tempfile
from pathlib import Path

import plotly.graph_objects as go


def photograph(figure: go.Figure, target: Path, width: int, height: int) -> None:
    """Photograph a figure at twice its size. Needs Chromium."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None:
        raise SystemExit("Chromium is needed to make the picture.")
    target.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "figure.html"
        style = "<style>body{margin:0;background:white}</style>"
        page.write_text(style + figure.to_html(config={"displayModeBar": False}))
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        options += ["--hide-scrollbars", "--virtual-time-budget=5000"]
        size = [f"--window-size={width},{height}", "--force-device-scale-factor=2"]
        command = [browser, *options, *size, f"--screenshot={target}", page.as_uri()]
        subprocess.run(command, check=True, capture_output=True)
