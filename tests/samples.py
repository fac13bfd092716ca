"""Prometheus' text format, read."""

from __future__ import annotations

from collections import defaultdict

from prometheus_client.parser import text_string_to_metric_families


def samples(text: str | bytes, name: str, *labels: str) -> dict[tuple[str, ...], float]:
    """What the samples of this name add up to, by the values of these labels."""
    text = text if isinstance(text, str) else text.decode()
    values: dict[tuple[str, ...], float] = defaultdict(float)
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == name:
                values[tuple(sample.labels[label] for label in labels)] += sample.value
    return dict(values)
