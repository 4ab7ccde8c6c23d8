"""Holds the TypeScript client: committed types and output against their sources, the compiler, its tests against a real gateway."""

import os

from tools import GATEWAY, ROOT, node_modules, run

CLIENT = ROOT / "clients/typescript"


def main() -> None:
    node_modules(CLIENT)
    run("npm", "run", "--silent", "current", cwd=CLIENT)
    # The shop's own modules, against the same types.
    run("npx", "tsc", "--project", "tsconfig.storefront.json", cwd=CLIENT)
    run("npm", "test", "--silent", cwd=CLIENT, env={**os.environ, "GATEWAY": str(GATEWAY)})
    print("the client is what its sources make, and its tests pass")


if __name__ == "__main__":
    main()
