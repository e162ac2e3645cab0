"""What the web process says in Prometheus' text format."""

from __future__ import annotations

from streams.web.api.metrics import Metrics, encoder_gauges


def test_encoders_of_this_machine_are_told_by_instance_each_name_typed_once() -> None:
    statuses = {
        "encoder-0": {"queue": 12_345_678, "hit_rate": 0.75, "provider": "CPUExecutionProvider", "space": 'a"b/1'},
        "encoder-1": {"queue": 0, "hit_rate": 0.5, "batch_size": 31.5},
        "intake-0": {"lag": 3},
    }

    lines = Metrics().text({"userprism_people": 3.0, **encoder_gauges(statuses)}).splitlines()

    assert lines[2:] == [
        "# TYPE userprism_people gauge",
        "userprism_people 3",
        "# TYPE userprism_encoder_queue gauge",
        'userprism_encoder_queue{instance="encoder-0"} 12345678',
        'userprism_encoder_queue{instance="encoder-1"} 0',
        "# TYPE userprism_encoder_hit_rate gauge",
        'userprism_encoder_hit_rate{instance="encoder-0"} 0.75',
        'userprism_encoder_hit_rate{instance="encoder-1"} 0.5',
        "# TYPE userprism_encoder_batch_size gauge",
        'userprism_encoder_batch_size{instance="encoder-1"} 31.5',
        "# TYPE userprism_encoder_info gauge",
        'userprism_encoder_info{instance="encoder-0",provider="CPUExecutionProvider",space="a\\"b/1"} 1',
        'userprism_encoder_info{instance="encoder-1",provider="",space=""} 1',
    ]
