"""The schema for a ClickHouse cluster, made from the migrations: `python -m streams.storage.cluster`.

Every shard holds the partitions that a fixed map gives it. A profiler writes to the local tables of its partitions'
shard (an insert through Distributed over several shards is not atomic); the tables `<name>_all` are for reading.
"""

from __future__ import annotations

import re

from streams.storage.schema import migrations, statements

__all__ = ["cluster_ddl"]

_HEADER = """\
-- Made by `python -m streams.storage.cluster`; a test holds it to the migrations. {cluster}, {shard} and {replica}
-- are the usual macros of each server; write your cluster's name for '{cluster}' where that macro isn't set.
"""
_CREATED = re.compile(
    r"(?P<verb>CREATE (?:OR REPLACE )?(?P<kind>TABLE|VIEW|MATERIALIZED VIEW)(?: IF NOT EXISTS)?|ALTER TABLE|"
    r"DROP VIEW IF EXISTS) (?P<name>\w+)"
)
_ENGINE = re.compile(r"ENGINE = ReplacingMergeTree(?:\((\w+)\))?")


def cluster_ddl() -> list[str]:
    """Return the statements: replicated local tables and their views, then what reads all shards."""
    local: list[str] = []
    everywhere: dict[str, str] = {}
    for _, text in migrations():
        for statement in statements(text):
            if statement.startswith("INSERT "):
                continue  # a new cluster has nothing from before
            created = _CREATED.match(statement)
            if created is None:
                msg = f"a migration holds a statement that has no form for a cluster: {statement.splitlines()[0]}"
                raise ValueError(msg)
            name = created["name"]
            local.append(_replicated(statement, name))
            if created["kind"] in {"TABLE", "VIEW"}:
                everywhere[name] = (
                    f"CREATE TABLE IF NOT EXISTS {name}_all ON CLUSTER '{{cluster}}' AS {name}\n"
                    f"ENGINE = Distributed('{{cluster}}', currentDatabase(), {name})"
                )
    return [*local, *everywhere.values()]


def _replicated(statement: str, name: str) -> str:
    statement = _CREATED.sub(r"\g<verb> \g<name> ON CLUSTER '{cluster}'", statement, count=1)
    path = f"'/clickhouse/tables/{{shard}}/{{database}}/{name}', '{{replica}}'"
    return _ENGINE.sub(
        lambda found: f"ENGINE = ReplicatedReplacingMergeTree({path}{', ' + found[1] if found[1] else ''})", statement
    )


if __name__ == "__main__":
    print(_HEADER + "\n" + ";\n\n".join(cluster_ddl()) + ";")
