"""Checkpoints as small as they can be, initialised at random: they test the road, not what is said on it."""

from __future__ import annotations

from pathlib import Path

import torch
import transformers
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import (
    BertConfig,
    BertModel,
    CLIPConfig,
    CLIPModel,
    GPT2Config,
    GPT2Model,
    PreTrainedTokenizerFast,
    RobertaConfig,
    ViTConfig,
    ViTModel,
)
from transformers import RobertaModel as Roberta

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789,-' 中文跑步鞋手机煎锅电磁炉适用铸铁新能源汽车"
VOCABULARY = {token: i for i, token in enumerate([*SPECIAL, *dict.fromkeys(LETTERS)])}


def letters(*, pad: str = "[PAD]", template: bool = True) -> PreTrainedTokenizerFast:
    """Return a tokenizer of single letters, with [CLS] and [SEP] or without."""
    inner = Tokenizer(models.WordLevel(VOCABULARY, unk_token="[UNK]"))
    inner.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    inner.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    if template:
        inner.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
        )
    return PreTrainedTokenizerFast(
        tokenizer_object=inner, pad_token=pad, unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]"
    )


def save_random(folder: Path, family: str) -> Path:
    """Write a random checkpoint of a family: bert, roberta or gpt2."""
    torch.manual_seed(7)
    transformers.utils.logging.disable_progress_bar()
    size = {"vocab_size": len(VOCABULARY), "hidden_size": 64, "num_attention_heads": 4, "num_hidden_layers": 2}
    model: torch.nn.Module
    if family == "bert":
        model = BertModel(BertConfig(**size, intermediate_size=64, max_position_embeddings=96, initializer_range=0.3))
    elif family == "roberta":
        model = Roberta(
            RobertaConfig(
                **size, intermediate_size=64, max_position_embeddings=96, pad_token_id=1, type_vocab_size=1,
                initializer_range=0.3,
            )
        )  # fmt: skip
    else:
        model = GPT2Model(
            GPT2Config(
                vocab_size=len(VOCABULARY), n_embd=32, n_head=4, n_layer=2, n_positions=64, initializer_range=0.3,
                bos_token_id=2, eos_token_id=3,
            )
        )  # fmt: skip
    model.save_pretrained(folder)
    letters(pad="[UNK]" if family == "roberta" else "[PAD]", template=family != "gpt2").save_pretrained(folder)
    return folder


def save_clip(source: Path) -> Path:
    """Write a random CLIP checkpoint."""
    torch.manual_seed(7)
    part = {
        "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
        "initializer_range": 0.3,
    }  # fmt: skip
    model = CLIPModel(
        CLIPConfig(
            text_config={
                **part, "vocab_size": len(VOCABULARY), "max_position_embeddings": 24, "bos_token_id": 2,
                "eos_token_id": 3, "pad_token_id": 0,
            },
            vision_config={**part, "image_size": 32, "patch_size": 8},
            projection_dim=24,
        )
    )  # fmt: skip
    # The initialisation is scaled for large models; without this every picture has nearly the same vector.
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    model.save_pretrained(source)
    letters().save_pretrained(source)
    (source / "preprocessor_config.json").write_text(
        '{"do_center_crop": true, "crop_size": 32, "size": {"shortest_edge": 32}, "resample": 3}'
    )
    return source


VIT_SETTINGS = """{"do_resize": true, "size": {"height": 32, "width": 32}, "resample": 2,
 "image_mean": [0.5, 0.4, 0.3], "image_std": [0.5, 0.5, 0.25]}"""


def save_vit(folder: Path) -> Path:
    """Write a random ViT checkpoint."""
    torch.manual_seed(7)
    ViTModel(
        ViTConfig(
            hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64, image_size=32,
            patch_size=8, initializer_range=0.3,
        )
    ).save_pretrained(folder)  # fmt: skip
    (folder / "preprocessor_config.json").write_text(VIT_SETTINGS)
    return folder
