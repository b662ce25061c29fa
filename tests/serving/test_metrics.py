"""The page that Prometheus reads, letter by letter."""

from prometheus_client.parser import text_string_to_metric_families

from serving.modelserver.metrics import Counter, Histogram, Metrics


def test_a_counter_has_a_line_for_each_combination_of_its_labels() -> None:
    counter = Counter("/test/path/total_count", ("model_name", "status"))
    counter.increment("a", "OK", by=2)
    counter.increment('"b\\', "OK")
    counter.increment("a", "OK")
    assert list(counter.lines()) == [
        "# TYPE :test:path:total_count counter",
        ':test:path:total_count{model_name="a",status="OK"} 3',
        ':test:path:total_count{model_name="\\"b\\\\",status="OK"} 1',
    ]


def test_a_histogram_counts_what_is_below_each_bound_and_tells_a_sum_without_fraction_as_a_whole_number() -> None:
    histogram = Histogram("/test/histogram", ("status",))
    for microseconds in (2, 10, 200):
        histogram.observe_s(microseconds / 1e6, "good")
    lines = list(histogram.lines())
    assert lines[:4] == [
        "# TYPE :test:histogram histogram",
        ':test:histogram_bucket{status="good",le="10"} 1',
        ':test:histogram_bucket{status="good",le="18"} 2',
        ':test:histogram_bucket{status="good",le="32.4"} 2',
    ]
    assert lines[-3:] == [
        ':test:histogram_bucket{status="good",le="+Inf"} 3',
        ':test:histogram_sum{status="good"} 212',
        ':test:histogram_count{status="good"} 3',
    ]


def test_labels_of_metrics_stay_on_their_line() -> None:
    metrics = Metrics()
    metrics.model_warmup_latency.observe_s(1.0, "/m/1", 'INVALID_ARGUMENT: "x" is \\ bad\n\t [[node]]')
    families = {family.name: family for family in text_string_to_metric_families(metrics.exposition())}
    (told,) = {
        sample.labels["status"]
        for family in families.values()
        for sample in family.samples
        if "status" in sample.labels
    }
    assert told == 'INVALID_ARGUMENT: "x" is \\ bad\n\t [[node]]'


def test_a_sum_of_times_grows_by_each_of_them_however_large_it_is() -> None:
    """With six digits of it, a call after some days of work would add nothing, and no mean could be told."""
    metrics = Metrics()
    for seconds in (1_000_000.0, 0.003):
        metrics.load_latency.observe_s(seconds, "/m/1")
    families = text_string_to_metric_families(metrics.exposition())
    (total,) = (
        sample.value for family in families for sample in family.samples if sample.name.endswith("load_latency_sum")
    )
    assert total == 1_000_000_003_000
