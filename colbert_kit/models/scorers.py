"""A model of any kind by its name, where its scores are all that is wanted."""

from __future__ import annotations

from sentence_transformers import CrossEncoder, MultiVectorEncoder, SentenceTransformer

from colbert_kit.errors import InvalidConfig
from colbert_kit.models.checkpoint import look_at, readable
from colbert_kit.models.colbert import ColBERT

__all__ = ["load_scorer"]


def load_scorer(
    name: str, *, revision: str | None = None, token: str | None = None, device: str | None = None
) -> CrossEncoder | MultiVectorEncoder | SentenceTransformer:
    """Load a cross-encoder, a late-interaction model or a dense one, whichever it is.

    Args:
        name: A folder or Hub repository.
        revision: Branch, tag or commit of a repository.
        token: For a private one.
        device: Where it runs; the best there is where None.

    Raises:
        InvalidConfig: It is an encoder that was never trained to compare texts.
        InvalidFolder: The folder holds no model, or a damaged one.
        RepoNotFound: There is neither a folder nor a repository of this name.
        HubUnreachable: The Hub cannot be reached and the cache does not help.

    Example:
        >>> type(load_scorer(str(demo_encoder_folder()))).__name__  # doctest: +SKIP
        'SentenceTransformer'
    """
    contents = look_at(name, revision, token)
    if contents.is_late_interaction:
        model: MultiVectorEncoder = ColBERT(name, revision=revision, token=token, device=device)
        return model
    with readable(name):
        if contents.is_cross_encoder:
            scorer: CrossEncoder = CrossEncoder(name, revision=contents.commit or revision, token=token, device=device)
            return scorer
        if contents.is_dense:
            return SentenceTransformer(name, revision=contents.commit or revision, token=token, device=device)
    raise InvalidConfig(
        f"{name} scores no texts: it is an encoder by itself. Give a cross-encoder, a dense model or one of late "
        "interaction."
    )
