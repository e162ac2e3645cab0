"""docs/tables.md names every column of every table, and each question's query runs."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from clickhouse_connect.driver.client import Client

TEXT = (Path(__file__).resolve().parents[2] / "docs" / "tables.md").read_text(encoding="utf-8")
QUESTIONS = re.findall(r"^(\S[^\n]*\?)\n\n```sql\n(.*?)\n```$", TEXT, re.MULTILINE | re.DOTALL)


def written() -> dict[str, list[str]]:
    """Return table -> columns, those without a unit or a meaning left out."""
    found: dict[str, list[str]] = {}
    for name, section in re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL):
        columns = re.findall(r"^\| `(\w+)` \| \S.* \| \S.* \|$", section, re.MULTILINE)
        if columns:
            found[name] = columns
    return found


def test_every_column_of_every_table_is_written_down(reader: Client) -> None:
    there = dict(
        reader.query(
            "SELECT table, groupArray(name) FROM (SELECT * FROM system.columns ORDER BY position) "
            "WHERE database = currentDatabase() AND table NOT LIKE '.%' AND table NOT IN (SELECT name "
            "FROM system.tables WHERE database = currentDatabase() AND engine = 'MaterializedView') GROUP BY table"
        ).result_rows
    )

    assert {table: set(columns) for table, columns in written().items()} == {t: set(c) for t, c in there.items()}


@pytest.mark.parametrize(("question", "query"), QUESTIONS, ids=[question for question, _ in QUESTIONS])
def test_every_question_has_a_query_that_runs(reader: Client, question: str, query: str) -> None:
    assert json.loads(reader.raw_query(query, fmt="JSON"))["meta"], question


def test_questions_with_an_answer_in_the_tests_data_find_it(reader: Client) -> None:
    empty = {"What is known of one person?", "How did one person come to where they are?", "Which ids are one person?",
             "Which alerts fire?",
             "Which prices were decided, and why?", "Which content couldn't be read by the encoder?",
             "Which names did a language model write?", "Which variant does best in each segment?",
             "What was erased?", "How many people of each segment were active?",
        "How many people have several ids?", "Who had changes under another id?"}  # fmt: skip

    answered = {question for question, query in QUESTIONS if reader.query(query).result_rows}

    assert answered >= {question for question, _ in QUESTIONS} - empty
    assert len(QUESTIONS) >= 20
