"""Ports that are chosen for engines stay free until they are used."""

from __future__ import annotations

import socket

from streams.embedded.process import HOST, free_port

#: Linux takes the source ports of connections from here, others from higher ones.
SOURCES = 32_768


def test_a_port_that_is_taken_is_passed_over() -> None:
    taken = free_port()
    with socket.create_server((HOST, taken)):
        assert free_port(taken) != taken
    assert free_port(taken) == taken


def test_nobodys_connection_takes_a_port_that_was_chosen() -> None:
    assert all(1_024 <= free_port() < SOURCES for _ in range(20))
