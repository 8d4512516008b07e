"""Rules of the alerts and the dashboard: their metrics, labels, names and paragraphs.

`deploy/check` runs it in the folder of the repository:

    check_metrics.py agree
    check_metrics.py queries RESULT
    check_metrics.py scrape RESULT

The first compares the files in deploy/prometheus and deploy/grafana with docs/operations.md. The others write what
promtool reads: the queries of the dashboard as rules, and the scrape configuration without the discovery of pods, which
Debian's promtool is built without.
"""

import json
import pathlib
import re
import sys

import yaml

# Labels that Prometheus adds to each series.
ADDED_LABELS = {"job", "instance"}
# A metric of Prometheus itself.
METRICS_OF_TARGETS = {"up": set()}
SUFFIXES_OF_HISTOGRAMS = ("_bucket", "_sum", "_count")
KEYWORDS = {"and", "or", "unless", "bool", "offset", "inf", "nan"}
LISTS_OF_LABELS = {"by", "without", "on", "ignoring", "group_left", "group_right"}
LISTED_VALUE = r"(or )?`[^`]+`( for [^,`]+)?"
TOKEN = re.compile(
    r"""(?P<space>\s+|\#[^\n]*)|(?P<text>"(?:[^"\\]|\\.)*")|(?P<range>\[[^\]]*\])|(?P<number>\d[\w.]*)
    |(?P<name>[a-zA-Z_:][\w:]*)|(?P<sign>=~|!~|!=|==|<=|>=|[-+*/%^<>=(){},@])""",
    re.X,
)


class Metric:
    """A row of the table: the type, and the labels with their values, None if any value may come."""

    def __init__(self, kind, labels):
        self.kind, self.labels = kind, labels


def table():
    """The table of metrics in docs/operations.md."""
    text = pathlib.Path("docs/operations.md").read_text()
    section = text.split("\n## Metrics\n")[1].split("\n## ")[0]
    metrics = {}
    for row in re.findall(r"^\| `(\w+)` \| (\w+) \| (.*?) ?\| [^|]*\|$", section, re.M):
        name, kind, cell = row
        assert name not in metrics, f"{name} has two rows"
        labels = {}
        for part in filter(None, (it.strip() for it in cell.split(";"))):
            label, *values = re.findall(r"`([^`]+)`", part)
            # Each item of a closed list is a value. `or` may stand before it, and the case that it is for behind it.
            is_closed = re.fullmatch(rf"`\w+`: {LISTED_VALUE}(, {LISTED_VALUE})*", part)
            labels[label] = set(values) if is_closed else None
        metrics[name] = Metric(kind, labels)
    rows = re.findall(r"^\| `", section, re.M)
    assert len(metrics) == len(rows) > 40, f"{len(rows)} rows, of which {len(metrics)} were read"
    return metrics


def tokens(query):
    position, found = 0, []
    while position < len(query):
        match = TOKEN.match(query, position)
        assert match, f"no token at {query[position:position + 20]!r}"
        position = match.end()
        if match.lastgroup != "space":
            found.append((match.lastgroup, match[0]))
    return found


class Query:
    """The metrics of a query with their matchers, and the lists of labels with the metrics that they are about."""

    def __init__(self, text):
        self.tokens, self.position = tokens(text), 0
        self.selectors = []
        self.lists = []
        self.read(0)
        # A list before a group, as in `sum by (a) (b)`, is about the group; a list of a match is about the query.
        names = {name for name, _ in self.selectors}
        self.lists = [(labels, about if about is not None else names) for labels, about in self.lists]

    def peek(self, ahead=0):
        index = self.position + ahead
        return self.tokens[index] if index < len(self.tokens) else ("end", "")

    def read(self, depth):
        """Reads to the end of the group, and returns the metrics in it."""
        names, pending = set(), []
        while self.position < len(self.tokens):
            kind, text = self.peek()
            self.position += 1
            if (kind, text) == ("sign", ")"):
                assert depth > 0, "a group ends that did not begin"
                return names
            if (kind, text) == ("sign", "("):
                inside = self.read(depth + 1)
                names |= inside
                self.lists += [(labels, inside) for labels in pending]
                pending = []
            elif kind == "name" and text in LISTS_OF_LABELS:
                labels = self.labels()
                if text in ("by", "without"):
                    # `sum by (a) (b)`: the metrics follow. `sum (b) by (a)` is not used here.
                    assert self.peek() == ("sign", "("), "a list of labels stands before its group"
                    pending.append(labels)
                else:
                    self.lists.append((labels, None))
            elif kind == "name" and text.lower() not in KEYWORDS and self.is_metric():
                names.add(text)
                self.selectors.append((text, self.matchers()))
        assert depth == 0, "a group has no end"
        return names

    def is_metric(self):
        # The name of a function stands before a parenthesis, and that of an aggregation before a list.
        kind, text = self.peek()
        return text != "(" and text not in ("by", "without")

    def labels(self):
        assert self.peek() == ("sign", "("), "a list of labels has parentheses"
        end = self.tokens.index(("sign", ")"), self.position)
        labels = [text for kind, text in self.tokens[self.position:end] if kind == "name"]
        self.position = end + 1
        return labels

    def matchers(self):
        if self.peek() != ("sign", "{"):
            return []
        end = self.tokens.index(("sign", "}"), self.position)
        inside = [it for it in self.tokens[self.position + 1:end] if it != ("sign", ",")]
        self.position = end + 1
        return [(inside[i][1], inside[i + 1][1], json.loads(inside[i + 2][1])) for i in range(0, len(inside), 3)]


class Files:
    """The files that are compared."""

    def __init__(self):
        groups = yaml.safe_load(pathlib.Path("deploy/prometheus/alerts.yaml").read_text())["groups"]
        rules = [rule for group in groups for rule in group["rules"]]
        self.alerts = [it for it in rules if "alert" in it]
        self.records = {it["record"]: it["expr"] for it in rules if "record" in it}
        self.tests = yaml.safe_load(pathlib.Path("deploy/prometheus/alerts_test.yaml").read_text())["tests"]
        self.dashboard = json.loads(pathlib.Path("deploy/grafana/dashboard.json").read_text())
        self.panels = self.dashboard["panels"]
        self.document = pathlib.Path("docs/operations.md").read_text()
        self.metrics = table()

    def queries(self):
        """All queries, with their places."""
        for rule in self.alerts:
            yield rule["alert"], rule["expr"]
        yield from self.records.items()
        yield from self.dashboard_queries()

    def dashboard_queries(self):
        for panel in self.panels:
            for target in panel.get("targets", []):
                yield f"{panel['title']}, {target['refId']}", target["expr"]
        for variable in self.dashboard["templating"]["list"]:
            if variable["type"] == "query":
                yield f"${variable['name']}", re.fullmatch(r"label_values\((.*), \w+\)", variable["definition"])[1]

    def base(self, name):
        """The metric of the table that a series is of, with its labels."""
        if name in METRICS_OF_TARGETS:
            return None, {}
        if name in self.records:
            labels = set(re.search(r"by \(([^)]*)\)", self.records[name])[1].split(", "))
            return None, dict.fromkeys(labels)
        metric = self.metrics.get(name)
        for suffix in SUFFIXES_OF_HISTOGRAMS:
            found = self.metrics.get(name.removesuffix(suffix))
            if name.endswith(suffix) and found and found.kind == "histogram":
                name, metric = name.removesuffix(suffix), found
                return name, metric.labels | ({"le": None} if suffix == "_bucket" else {})
        assert metric, f"{name} is not in the table"
        assert metric.kind != "histogram", f"{name} is a histogram, which has {SUFFIXES_OF_HISTOGRAMS}"
        return name, metric.labels


def metrics_are_in_the_table(files):
    """each metric, label and value of a query is in the table of docs/operations.md"""
    mistakes = []
    for place, text in files.queries():
        try:
            query = Query(plain(text))
            for name, matchers in query.selectors:
                _, labels = files.base(name)
                for label, sign, value in matchers:
                    assert label in labels or label in ADDED_LABELS, f"{name} has no label {label}"
                    known = labels.get(label)
                    values = set(value.split("|")) if sign in ("=~", "!~") else {value}
                    if known is not None:
                        assert values <= known, f"{label} of {name} is never {values - known}"
            for labels, names in query.lists:
                known = ADDED_LABELS.union(*(files.base(name)[1] for name in names))
                assert set(labels) <= known, f"{names} have no label {set(labels) - known}"
        except (AssertionError, ValueError) as error:
            mistakes.append(f"{place}: {error}")
    assert not mistakes, "\n        ".join(mistakes)


def tests_have_series_of_the_table(files):
    """each series of a test has the labels of the table, and values that the table has"""
    mistakes = set()
    for test in files.tests:
        for text in (it["series"] for it in test["input_series"]):
            try:
                [(name, matchers)] = Query(text).selectors
                _, labels = files.base(name)
                values = {label: value for label, sign, value in matchers if sign == "="}
                assert len(values) == len(matchers), "a label comes twice, or has no value"
                differing = values.keys() ^ (labels.keys() | ADDED_LABELS)
                assert not differing, f"{differing} are labels of the series or of the table alone"
                for label, value in values.items():
                    known = labels.get(label)
                    assert known is None or value in known, f"{label} of {name} is never {value}"
            except (AssertionError, ValueError) as error:
                mistakes.add(f"{text}: {error}")
    assert not mistakes, "\n        ".join(sorted(mistakes))


def the_table_is_used(files):
    """each metric of the table is on the dashboard or in an alert"""
    used = set()
    for _, text in files.queries():
        used |= {files.base(name)[0] for name, _ in Query(plain(text)).selectors}
    assert not files.metrics.keys() - used, sorted(files.metrics.keys() - used)
    # A rule that nothing reads, too.
    rules = [alert["expr"] for alert in files.alerts] + list(files.records.values())
    read = {name for text in rules for name, _ in Query(text).selectors}
    assert files.records.keys() <= read, files.records.keys() - read


def counters_are_compared_by_their_increase(files):
    """counters end in _total and stand in rate() or increase(), gauges and histograms do not end so"""
    for name, metric in files.metrics.items():
        assert name.endswith("_total") == (metric.kind == "counter"), f"{name} is a {metric.kind}"
    for place, text in files.queries():
        rates = set(re.findall(r"\b(?:rate|increase)\((\w+)", text))
        for name in re.findall(r"\bleadchat_inbox_\w+_(?:total|bucket|count)\b", text):
            assert name in rates or text.startswith(name), f"{place}: {name} is not in rate() or increase()"


def alerts_are_complete(files):
    """each alert has a severity, a summary, a description and a paragraph, and each paragraph an alert"""
    names = [it["alert"] for it in files.alerts]
    assert len(set(names)) == len(names) > 8, names
    for alert in files.alerts:
        name, annotations = alert["alert"], alert["annotations"]
        assert alert["labels"]["severity"] in ("page", "ticket"), name
        assert annotations.keys() == {"summary", "description", "runbook"}, name
        assert annotations["runbook"] == f"docs/operations.md#{name.lower()}", name
        assert annotations["summary"].endswith("."), name
    section = files.document.split("\n## Alerts\n")[1].split("\n## ")[0]
    headings = re.findall(r"^### (\w+)\n\n(?=[^#\n])", section, re.M)
    assert [it for it in headings if it != "Log lines"] == names, set(names) ^ set(headings)
    for name in re.findall(r"LeadchatInbox\(([\w|]+)\)", section):
        for part in name.split("|"):
            assert f"LeadchatInbox{part}" in names, part


def alerts_are_tested(files):
    """each alert has a test in which it fires, and one in which it does not"""
    fires, silent = set(), set()
    for test in files.tests:
        for case in test["alert_rule_test"]:
            (fires if case["exp_alerts"] else silent).add(case["alertname"])
    names = {it["alert"] for it in files.alerts}
    assert fires == names, fires ^ names
    assert silent == names, silent ^ names


def the_dashboard_is_whole(files):
    """panels of the dashboard have places of their own, one data source and queries with the chosen job"""
    assert files.dashboard["schemaVersion"] >= 39 and files.dashboard["uid"]
    variables = [it["name"] for it in files.dashboard["templating"]["list"]]
    assert variables[0] == "datasource", variables
    ids = [it["id"] for it in files.panels]
    assert len(set(ids)) == len(ids)
    taken = set()
    for panel in files.panels:
        place, title = panel["gridPos"], panel["title"]
        assert place["x"] + place["w"] <= 24, title
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"])
                 for y in range(place["y"], place["y"] + place["h"])}
        assert not cells & taken, f"{title} lies over another panel"
        taken |= cells
        if panel["type"] == "row":
            continue
        assert panel["targets"], title
        for it in (panel, *panel["targets"]):
            assert it["datasource"] == {"type": "prometheus", "uid": "${datasource}"}, title
        references = [it["refId"] for it in panel["targets"]]
        assert len(set(references)) == len(references), title
        for target in panel["targets"]:
            for name, matchers in Query(plain(target["expr"])).selectors:
                labels = {label for label, _, _ in matchers}
                assert ADDED_LABELS <= labels, f"{title}: {name} is not of the chosen job and replica"
            legend = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
            kept = set(re.findall(r"\w+", " ".join(re.findall(r"by \(([^)]*)\)", target["expr"])))) - {"le"}
            assert legend == kept, f"{title}: the legend has {legend}, the query {kept}"
    for name in set(re.findall(r"\$\{?(\w+)", json.dumps(files.dashboard))):
        assert name in variables or name.startswith("__"), f"${name} is no variable"


def plain(query):
    """The query with values in the place of variables."""
    query = re.sub(r"\$__\w+", "5m", query)
    return re.sub(r"\$\w+", ".+", query)


def write_queries(result):
    rules = [
        {"record": f"dashboard:query:{number}", "expr": plain(text)}
        for number, (_, text) in enumerate(Files().dashboard_queries())
    ]
    pathlib.Path(result).write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))


def write_scrape(result):
    configuration = yaml.safe_load(pathlib.Path("deploy/prometheus/prometheus.yaml").read_text())
    [job] = configuration["scrape_configs"]
    assert job["job_name"] == "leadchat-inbox", job
    [discovery] = job.pop("kubernetes_sd_configs")
    assert discovery.keys() == {"role", "namespaces"} and discovery["role"] == "pod", discovery
    job["static_configs"] = [{"targets": ["127.0.0.1:9464"]}]
    pathlib.Path(result).write_text(yaml.safe_dump(configuration))


def agree():
    files = Files()
    is_good = True
    for rule in (
        metrics_are_in_the_table,
        tests_have_series_of_the_table,
        the_table_is_used,
        counters_are_compared_by_their_increase,
        alerts_are_complete,
        alerts_are_tested,
        the_dashboard_is_whole,
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
    case ["queries", result]:
        write_queries(result)
    case ["scrape", result]:
        write_scrape(result)
    case _:
        sys.exit(__doc__)
