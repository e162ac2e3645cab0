"""Ports that are chosen for engines stay free until they are used."""

from __future__ import annotations

import socket

from streams.embedded.process import HOST, free_port


def test_a_port_that_is_taken_is_passed_over() -> None:
    with socket.create_server((HOST, 0)) as server:
        taken = int(server.getsockname()[1])
        assert free_port(taken) != taken
    assert free_port(taken) == taken


def test_nobodys_connection_takes_a_port_that_was_chosen() -> None:
    with socket.create_server((HOST, 0)) as server:
        clients = [socket.create_connection(server.getsockname()) for _ in range(20)]
        sources = {int(client.getsockname()[1]) for client in clients}
        for client in clients:
            client.close()
    chosen = {free_port() for _ in range(20)}

    assert max(chosen) < min(sources)
