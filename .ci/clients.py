"""Holds the TypeScript client and docs/clients.md.

Committed types and output against their sources, the compiler, the client's tests against a real gateway; of the documentation,
every TypeScript example by the compiler and every shell example by running it.
"""

import os
import pathlib
import re
import shutil

from tools import GATEWAY, ROOT, demo, node_modules, run

CLIENT = ROOT / "clients/typescript"
DOCUMENTS = [ROOT / "docs/clients.md", CLIENT / "README.md"]

# What the examples leave to whoever reads them.
READER = """\
declare const signal: AbortSignal;
declare function show(...what: unknown[]): void;
declare function showMissing(part: string, status: string): void;
declare function showReviews(reviews: unknown): void;
declare function showNotFound(): void;
declare function showLater(afterMs?: number): void;
declare function sorry(answer: { outcome: string }): void;
"""

# Where a demo on its usual ports is found.
USUAL = {"127.0.0.1:8080": "pages", "127.0.0.1:8474": "control", "127.0.0.1:9901": "admin"}


def examples(document: pathlib.Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", document.read_text(), re.DOTALL | re.MULTILINE)


def compile_examples() -> None:
    folder = CLIENT / ".build/examples"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / "reader.d.ts").write_text(READER)
    count = 0
    for document in DOCUMENTS:
        for number, example in enumerate(examples(document, "ts")):
            (folder / f"{document.stem.lower()}-{number}.ts").write_text(example)
            count += 1
    assert count > 1, "no examples were found"
    run("npx", "tsc", "--noEmit", "--strict", "--target", "es2022", "--module", "nodenext", "--skipLibCheck",
        *sorted(folder.glob("*.ts")), cwd=CLIENT)


def run_examples() -> None:
    with demo() as urls:
        for example in examples(DOCUMENTS[0], "sh"):
            for usual, name in USUAL.items():
                example = example.replace(f"http://{usual}", urls[name])
            run("bash", "-ec", example)


def main() -> None:
    node_modules(CLIENT)
    run("npm", "run", "--silent", "current", cwd=CLIENT)
    # The shop's own modules, against the same types.
    run("npx", "tsc", "--project", "tsconfig.storefront.json", cwd=CLIENT)
    run("npm", "test", "--silent", cwd=CLIENT, env={**os.environ, "GATEWAY": str(GATEWAY)})
    compile_examples()
    run_examples()
    print("the client is what its sources make, and its tests and the documentation's examples pass")


if __name__ == "__main__":
    main()
