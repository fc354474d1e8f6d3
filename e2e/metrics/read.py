"""Reads a text of metrics with the parser of Prometheus' own client, and prints what it says as JSON.

What that parser lets pass and a scraper would refuse or mix up is an error: families and series that come
twice, families without HELP or TYPE, histograms that do not add up.

    python read.py FILE
"""

import json
import sys

from prometheus_client.parser import text_string_to_metric_families


def main():
    with open(sys.argv[1], encoding="utf-8", newline="") as file:
        text = file.read()
    types, series = {}, {}
    for family in text_string_to_metric_families(text):
        assert family.name not in types, f"{family.name} comes twice"
        assert family.documentation, f"{family.name} has no HELP"
        assert family.type in ("counter", "gauge", "histogram"), f"{family.name} is {family.type}"
        types[family.name] = family.type
        for sample in family.samples:
            key = " ".join([sample.name, *sample.labels.values()])
            assert key not in series, f"{key} comes twice"
            assert family.type != "counter" or sample.name == family.name + "_total", key
            series[key] = sample.value
        if family.type == "histogram":
            check_histogram(family)
    print(json.dumps({"types": types, "series": series}))


def check_histogram(family):
    buckets = [sample for sample in family.samples if sample.name.endswith("_bucket")]
    ends = [float(bucket.labels["le"]) for bucket in buckets]
    counts = [bucket.value for bucket in buckets]
    assert ends == sorted(set(ends)) and counts == sorted(counts), family.name
    [count] = [sample.value for sample in family.samples if sample.name.endswith("_count")]
    assert ends[-1] == float("inf") and counts[-1] == count, family.name


main()
