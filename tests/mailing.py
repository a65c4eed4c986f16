"""A certificate for the town's mail server, made on the spot: nothing to trust lies in the repository."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest


def certificate(folder: Path, name: str = "IP:127.0.0.1") -> tuple[str, str]:
    """(file with certificate and key, file with the certificate alone). Skips where there is no openssl, fails in CI."""
    if not shutil.which("openssl"):
        (pytest.fail if os.environ.get("CI") else pytest.skip)("openssl is not installed")
    key, cert, both = folder / "key.pem", folder / "cert.pem", folder / "both.pem"
    made = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
            "-subj", "/CN=town", "-addext", f"subjectAltName={name}", "-keyout", str(key), "-out", str(cert)]  # fmt: skip
    subprocess.run(["openssl", *made], check=True, capture_output=True)
    both.write_text(cert.read_text() + key.read_text())
    return str(both), str(cert)
