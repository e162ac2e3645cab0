"""Changing the encoder while everything runs: the catalogue is read by the next one in the background, then it counts.

Whoever encodes does this when there is nothing else to do. Until the next encoder has read everything, nothing changes
for anybody; what came in meanwhile is read after the change, and looked for at every start.
"""

from __future__ import annotations

import logging
import time
from pathlib import Path

from clickhouse_connect.driver.client import Client

from encoders import ContentEncoder, ContentSpace, EncoderError, content_space
from encoders.images import Fetcher, FetchPolicy, ImageSource
from streams.contract import Content
from streams.settings import EncoderSettings
from streams.storage.encoders import (
    ChosenEncoder,
    activate,
    active_encoder,
    unread_content,
    want_encoder,
    wanted_encoder,
)

__all__ = ["Catalogue", "configured_space", "load_content_encoder", "space_of"]

log = logging.getLogger(__name__)

#: How often somebody looks whether another encoder is wanted or active.
_LOOK_S = 1.0
#: Pieces read at once in the background: clicks and new content come in between.
_BATCH = 256


def configured_space(settings: EncoderSettings) -> ContentSpace:
    """Return the space that the settings name."""
    return content_space(settings.text, settings.image, settings.models_dir or None)


def space_of(chosen: ChosenEncoder | None, settings: EncoderSettings) -> ContentSpace:
    """Return the space of an encoder that was chosen, or of the configured one when none was."""
    if chosen is None:
        return configured_space(settings)
    return content_space(chosen.text, chosen.image, settings.models_dir or None)


def load_content_encoder(space: ContentSpace, settings: EncoderSettings) -> ContentEncoder:
    """Load the encoder of a space; pictures come from where the settings allow."""
    fetcher = None
    if settings.image_hosts:
        fetcher = Fetcher(FetchPolicy(tuple(settings.image_hosts), networks=tuple(settings.image_networks)))
    source = ImageSource(tuple(Path(folder) for folder in settings.image_folders), fetcher)
    return ContentEncoder(space, settings.models_dir or None, settings.threads, source)


class Catalogue:
    """The encoder that is active, and the one that is being prepared to follow it.

    Parameters
    ----------
    client : Client
        Where `encoder_versions` and `content` are.
    settings : EncoderSettings
        What is configured: it is active at the first start, and wanted when it was changed since.
    """

    def __init__(self, client: Client, settings: EncoderSettings) -> None:
        self._settings = settings
        self._configured = f"{settings.text} {settings.image}".strip()
        chosen = active_encoder(client)
        if chosen is None:
            chosen = self._want_configured(client)
            activate(client, chosen)
        else:
            last = wanted_encoder(client) or chosen
            if last.configured != self._configured and last.space_id != configured_space(settings).space_id:
                self._want_configured(client)
        self._active = chosen
        self.encoder = load_content_encoder(space_of(chosen, settings), settings)
        self._next: tuple[ChosenEncoder, ContentEncoder] | None = None
        self._refused = 0
        self._behind = True
        self._looked_at = 0.0

    @property
    def version(self) -> int:
        """The version of the encoder that is active."""
        return self._active.version

    @property
    def preparing(self) -> str:
        """The space that is being prepared; empty when none is."""
        return self._next[0].space_id if self._next else ""

    def look(self, client: Client) -> bool:
        """See what is wanted and what is active, once a second; return whether another encoder is active now."""
        if time.monotonic() - self._looked_at < _LOOK_S:
            return False
        self._looked_at = time.monotonic()
        active, wanted = active_encoder(client), wanted_encoder(client)
        if active is not None and active.version != self._active.version:
            self._change_to(active)
            return True
        if wanted is None:
            self._next = None
        elif wanted.version != self._refused and (self._next is None or self._next[0].version != wanted.version):
            self._prepare(wanted)
        return False

    def unread(self, client: Client) -> tuple[ContentEncoder, list[Content]]:
        """Return some of what the next encoder, or else the active one, hasn't read yet, and that encoder.

        When the next one has read everything it becomes active; `look` says so.
        """
        if self._next is not None:
            chosen, encoder = self._next
            found = unread_content(client, chosen.space_id, _BATCH)
            if not found:
                activate(client, chosen)
                self._looked_at = 0.0
                log.info("encoder %s has read the catalogue and is active now", chosen.space_id)
            return encoder, found
        if not self._behind:
            return self.encoder, []
        found = unread_content(client, self._active.space_id, _BATCH)
        self._behind = bool(found)
        return self.encoder, found

    def _want_configured(self, client: Client) -> ChosenEncoder:
        s = self._settings
        return want_encoder(client, s.text, s.image, configured_space(s).space_id, self._configured)

    def _prepare(self, wanted: ChosenEncoder) -> None:
        try:
            self._next = (wanted, load_content_encoder(space_of(wanted, self._settings), self._settings))
        except EncoderError as error:
            self._refused = wanted.version
            log.error("encoder %s can't be prepared; %s stays active: %s", wanted.text, self._active.space_id, error)
            return
        log.info("encoder %s reads the catalogue", wanted.space_id)

    def _change_to(self, active: ChosenEncoder) -> None:
        if self._next is not None and self._next[0].version == active.version:
            self.encoder = self._next[1]
        else:
            self.encoder = load_content_encoder(space_of(active, self._settings), self._settings)
        self._active, self._next, self._behind = active, None, True
