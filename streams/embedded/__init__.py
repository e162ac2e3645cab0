"""The whole stack on one machine: broker and ClickHouse as child processes on loopback, and a supervisor of all roles.

Clients speak Kafka and ClickHouse's HTTP to it, as they do in production.
"""

from streams.embedded.broker import Broker
from streams.embedded.clickhouse import ClickHouse

__all__ = ["Broker", "ClickHouse"]
