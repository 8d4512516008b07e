"""Rules of the files for deployment that no schema has, and the patch of the probes.

`deploy/check` runs it in the folder of the repository:

    check_files.py agree
    check_files.py patch DEPLOYMENT PATCH RESULT
"""

import pathlib
import re
import sys
import tomllib

import yaml


def documents(path):
    return [it for it in yaml.safe_load_all(pathlib.Path(path).read_text()) if it is not None]


def merge(target, patch):
    """A strategic merge: null removes, and the lists of containers are merged by name."""
    if not isinstance(patch, dict) or not isinstance(target, dict):
        return patch
    merged = dict(target)
    for key, value in patch.items():
        if value is None:
            # A key that is absent would be a mistake of the patch.
            del merged[key]
        elif key == "containers":
            names = [it["name"] for it in target[key]]
            merged[key] = list(target[key])
            for it in value:
                index = names.index(it["name"])
                merged[key][index] = merge(target[key][index], it)
        else:
            merged[key] = merge(target.get(key), value)
    return merged


def patch_file(deployment, patch, result):
    [deployment], [patch] = documents(deployment), documents(patch)
    pathlib.Path(result).write_text(yaml.safe_dump(merge(deployment, patch)))


def seconds(text):
    match = re.fullmatch(r"(\d+)s", str(text))
    assert match, f"{text!r} is not in seconds"
    return int(match[1])


class Files:
    """The files that are compared."""

    def __init__(self):
        self.dockerfile = pathlib.Path("deploy/Dockerfile").read_text()
        [self.compose] = documents("deploy/compose.yaml")
        self.unit = pathlib.Path("deploy/systemd/leadchat-inbox.service").read_text()
        paths = sorted(pathlib.Path("deploy/kubernetes").glob("*.yaml"))
        self.objects = [it for path in paths for it in documents(path)]
        cargo = tomllib.loads(pathlib.Path("Cargo.toml").read_text())
        self.version = cargo["package"]["version"]
        self.deployment = self.of_kind("Deployment")[0]
        self.template = self.deployment["spec"]["template"]
        self.pod = self.template["spec"]
        [self.container] = self.pod["containers"]

    def of_kind(self, kind):
        return [it for it in self.objects if it["kind"] == kind]


def images_are_pinned(files):
    """every image has a version, no registry, and that of this service the version of Cargo.toml"""
    images = re.findall(r"^FROM (\S+)", files.dockerfile, re.M)
    images += [it["image"] for it in files.compose["services"].values()]
    images += [files.container["image"]]
    assert len(images) >= 7, images
    for image in images:
        name, _, tag = image.partition(":")
        assert re.search(r"\d", tag) and "latest" not in tag, f"{image} has no version"
        assert "/" not in name, f"{image} names a registry or an owner"
        if name == "leadchat-inbox":
            assert tag == files.version, f"{image}, and Cargo.toml has {files.version}"
    assert files.template["metadata"]["labels"]["app.kubernetes.io/version"] == files.version


def the_user_is_one(files):
    """the image and the pods have the same user, and it is not root"""
    [(user, group)] = re.findall(r"^USER (\d+):(\d+)$", files.dockerfile, re.M)
    context = files.pod["securityContext"]
    assert context["runAsNonRoot"] and int(user) != 0
    assert (context["runAsUser"], context["runAsGroup"]) == (int(user), int(group))
    assert context["fsGroup"] == int(group)


def drains_end_before_they_are_killed(files):
    """Kubernetes, Compose and systemd wait longer than a drain takes"""
    flags = dict(it.removeprefix("--").split("=", 1) for it in files.container["args"] if "=" in it)
    drain = seconds(flags["drain-wait"]) + seconds(flags["drain-timeout"])
    assert files.pod["terminationGracePeriodSeconds"] >= drain + 5, "Kubernetes"
    probe = files.container["readinessProbe"]
    assert seconds(flags["drain-wait"]) >= probe["periodSeconds"], "a probe takes longer than the wait"
    service = files.compose["services"]["leadchat-inbox"]
    environment = service["environment"]
    drain = seconds(environment["DRAIN_WAIT"]) + seconds(environment["DRAIN_TIMEOUT"])
    assert seconds(service["stop_grace_period"]) >= drain + 5, "Compose"
    [stop] = re.findall(r"^TimeoutStopSec=(\S+)$", files.unit, re.M)
    assert seconds(stop) >= 15, "systemd"


def selectors_select_the_pods(files):
    """the selectors of the Deployment, the Service, the budget and the policy are labels of the pods"""
    labels = files.template["metadata"]["labels"].items()
    selectors = [files.deployment["spec"]["selector"]["matchLabels"]]
    selectors += [it["labelSelector"]["matchLabels"] for it in files.pod["topologySpreadConstraints"]]
    selectors += [it["spec"]["selector"] for it in files.of_kind("Service")]
    selectors += [it["spec"]["selector"]["matchLabels"] for it in files.of_kind("PodDisruptionBudget")]
    selectors += [it["spec"]["podSelector"]["matchLabels"] for it in files.of_kind("NetworkPolicy")]
    assert len(selectors) == 6, selectors
    for selector in selectors:
        assert selector and selector.items() <= labels, selector


def names_are_known(files):
    """ports, ConfigMaps and the ServiceAccount that the manifests name are in them"""
    ports = {it["name"]: it["containerPort"] for it in files.container["ports"]}
    named = [it["targetPort"] for service in files.of_kind("Service") for it in service["spec"]["ports"]]
    [policy] = files.of_kind("NetworkPolicy")
    named += [it["port"] for rule in policy["spec"]["ingress"] for it in rule["ports"]]
    assert set(named) == set(ports), (named, ports)
    arguments = " ".join(files.container["args"])
    for port in ports.values():
        assert f"0.0.0.0:{port}" in arguments, f"nothing listens on {port}"
    probes = [files.container[f"{probe}Probe"]["exec"]["command"] for probe in ("startup", "readiness", "liveness")]
    assert probes[0] == probes[1] == probes[2], probes
    loopback = probes[0][-1]
    assert f"--listen={loopback}" in files.container["args"], loopback
    assert f"CMD [\"leadchat-inbox\", \"health\", \"{loopback}\"]" in files.dockerfile
    maps = {it["metadata"]["name"] for it in files.of_kind("ConfigMap")}
    used = {it["configMapRef"]["name"] for it in files.container["envFrom"]}
    [callers] = [it for it in files.pod["volumes"] if it["name"] == "callers"]
    used |= {it["configMap"]["name"] for it in callers["projected"]["sources"]}
    # The authorities are those of the installation.
    assert used - maps == {"leadchat-inbox-authorities"} and maps <= used, (used, maps)
    [account] = files.of_kind("ServiceAccount")
    assert files.pod["serviceAccountName"] == account["metadata"]["name"]


def files_are_mounted(files):
    """each file that a variable names is in a volume, and no secret is a variable"""
    volumes = {it["name"] for it in files.pod["volumes"]}
    mounts = files.container["volumeMounts"]
    assert {it["name"] for it in mounts} == volumes
    assert not any("subPath" in it for it in mounts)
    folders = tuple(f"{it['mountPath']}/" for it in mounts)
    for variable in files.container["env"]:
        assert variable["name"].endswith("_FILE"), variable
        assert variable["value"].startswith(folders), variable
    settings = next(it for it in files.of_kind("ConfigMap") if it["metadata"]["name"].endswith("settings"))
    for name in settings["data"]:
        assert not re.search("PASSWORD|SECRET|_KEY|_SALT|DATABASE_URL", name), name


def the_callers_file_is_toml(files):
    """the callers file of the ConfigMap is TOML, and names an authority in its folder"""
    [callers] = [it for it in files.of_kind("ConfigMap") if "callers.toml" in it["data"]]
    callers = tomllib.loads(callers["data"]["callers.toml"])
    assert callers["version"] == 1 and callers["caller"]
    assert [it["file"] for it in callers["authority"]] == ["mesh-ca.pem"]


def settings_exist(files):
    """each variable and flag in these files, and in docs/operations.md, is one of docs/settings.md"""
    document = pathlib.Path("docs/settings.md").read_text()
    section = document.split("\n## Settings\n")[1].split("\n## ")[0]
    rows = [row.split("|")[1:3] for row in section.splitlines() if row.startswith("|")]
    cells = " ".join(cell for row in rows for cell in row)
    flags, variables = (set(re.findall(it, cells)) for it in (r"`(--[a-z-]+)`", r"`([A-Z]+(?:_[A-Z]+)+)`"))
    assert len(flags) > 15 and len(variables) > 35, (flags, variables)

    used = list(re.findall(r"^ENV (\w+)=", files.dockerfile, re.M))
    settings = next(it for it in files.of_kind("ConfigMap") if it["metadata"]["name"].endswith("settings"))
    used += list(settings["data"]) + [it["name"] for it in files.container["env"]]
    services = [it for it in files.compose["services"].values() if it["image"].startswith("leadchat-inbox:")]
    used += [name for service in services for name in service["environment"]]
    systemd = [files.unit, pathlib.Path("deploy/systemd/encryption.conf").read_text()]
    used += re.findall(r"^Environment=(\w+)=", "\n".join(systemd), re.M)
    used += re.findall(r"^(\w+)=", pathlib.Path("deploy/systemd/environment").read_text(), re.M)
    operations = pathlib.Path("docs/operations.md").read_text()
    blocks = "\n".join(re.findall(r"^```\w+\n(.*?)^```", operations, re.M | re.S))
    used += re.findall(r"--env (\w+)=", blocks) + re.findall(r"^ *- \{name: (\w+), value:", blocks, re.M)
    used += re.findall(r"^Environment=(\w+)=", blocks, re.M)
    assert len(set(used)) >= 20, f"only {len(set(used))} variables were found"
    assert not set(used) - variables, set(used) - variables

    arguments = files.container["args"] + [it for service in services for it in service["command"]]
    arguments += re.search(r"^ExecStart=(.*)$", files.unit, re.M)[1].split()
    arguments += re.search(r"^CMD \[(.*)\]$", files.dockerfile, re.M)[1].replace('"', "").split(", ")
    given = {it.partition("=")[0] for it in arguments if it.startswith("--")}
    assert given, "no flags were found"
    assert not given - flags, given - flags


def metrics_are_for_prometheus_alone(files):
    """the address of metrics is published on loopback addresses, and in a cluster for the monitoring"""
    variables = files.compose["services"]["leadchat-inbox"]
    port = variables["environment"]["ADMIN_LISTEN"].rpartition(":")[2]
    assert f"127.0.0.1:{port}:{port}" in variables["ports"], variables["ports"]
    assert f"--admin-listen=0.0.0.0:{port}" in files.container["args"]
    assert {"name": "metrics", "containerPort": int(port), "protocol": "TCP"} in files.container["ports"]
    assert f"\nADMIN_LISTEN=127.0.0.1:{port}\n" in pathlib.Path("deploy/systemd/environment").read_text()
    [policy] = files.of_kind("NetworkPolicy")
    [rule] = [it for it in policy["spec"]["ingress"] if any(port["port"] == "metrics" for port in it["ports"])]
    assert len(rule["ports"]) == 1 and all("namespaceSelector" in it for it in rule["from"]), rule
    assert not any(it["targetPort"] == "metrics" for service in files.of_kind("Service") for it in service["spec"]["ports"])


def agree():
    files = Files()
    is_good = True
    for rule in (
        images_are_pinned,
        the_user_is_one,
        drains_end_before_they_are_killed,
        selectors_select_the_pods,
        names_are_known,
        files_are_mounted,
        the_callers_file_is_toml,
        settings_exist,
        metrics_are_for_prometheus_alone,
    ):
        try:
            rule(files)
            print(f"ok      {rule.__doc__}")
        except Exception as error:
            is_good = False
            print(f"FAILED  {rule.__doc__}\n        {type(error).__name__}: {error}")
    return is_good


match sys.argv[1:]:
    case ["agree"]:
        sys.exit(0 if agree() else 1)
    case ["patch", deployment, patch, result]:
        patch_file(deployment, patch, result)
    case _:
        sys.exit(__doc__)
