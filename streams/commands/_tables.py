"""Files with a row each of something, in the formats people have them in."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
from pyarrow import csv, json, parquet

from streams.errors import InputError

__all__ = ["read_table"]


def read_table(source: Path) -> pa.Table:
    """Read a CSV, TSV, NDJSON or Parquet file; its name says which it is.

    Raises
    ------
    InputError
        It can't be read.
    """
    try:
        if source.suffix == ".parquet":
            return parquet.read_table(source)
        if source.suffix in {".ndjson", ".jsonl", ".json"}:
            return json.read_json(source)
        tabs = source.suffix in {".tsv", ".inter"}
        return csv.read_csv(source, parse_options=csv.ParseOptions(delimiter="\t" if tabs else ","))
    except (OSError, pa.ArrowException) as error:
        msg = f"{source} can't be read: {str(error).splitlines()[0]}"
        raise InputError(msg) from error
