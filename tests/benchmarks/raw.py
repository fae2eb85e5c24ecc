"""The engines driven by hand, as short as it goes: what the package is measured against."""

from __future__ import annotations

import numpy as np
import openvino
import openvino_genai
from openvino import Tensor

OPTIONS = {
    "INFERENCE_PRECISION_HINT": "f32",
    "DYNAMIC_QUANTIZATION_GROUP_SIZE": "0",
    "KV_CACHE_PRECISION": "f16",
}


def load(model, tokenizer, *, prefix_caching, options=OPTIONS):
    scheduler = openvino_genai.SchedulerConfig()
    scheduler.num_kv_blocks = 384
    scheduler.max_num_batched_tokens = 256
    scheduler.enable_prefix_caching = prefix_caching
    return openvino_genai.ContinuousBatchingPipeline(
        str(model), tokenizer, scheduler, "CPU", **options
    )


def run(pipeline, tokens, configs):
    handles = [
        pipeline.add_request(index, Tensor(np.array([ids], dtype=np.int64)), config)
        for index, (ids, config) in enumerate(zip(tokens, configs, strict=True))
    ]
    while pipeline.has_non_finished_requests():
        pipeline.step()
    return [handle.read_all()[0] for handle in handles]


def score(pipeline, pairs):
    config = openvino_genai.GenerationConfig(
        max_new_tokens=1, echo=True, logprobs=1, apply_chat_template=False
    )
    outputs = run(pipeline, [pair.tokens for pair in pairs], [config] * len(pairs))
    return [
        sum(output.generated_log_probs[pair.n_prompt - len(pair.tokens) - 1 : -1])
        for pair, output in zip(pairs, outputs, strict=True)
    ]


def load_encoder(path):
    return openvino.Core().compile_model(path, "CPU")


def encode(model, tokenizer, texts):
    texts, vectors = sorted(texts, key=len), []
    for start in range(0, len(texts), 32):
        encodings = tokenizer.encode_batch(texts[start : start + 32])
        ids = np.zeros((len(encodings), max(len(e.ids) for e in encodings)), dtype=np.int64)
        mask = np.zeros_like(ids)
        for row, encoding in enumerate(encodings):
            ids[row, : len(encoding.ids)] = encoding.ids
            mask[row, : len(encoding.ids)] = 1
        feed = {
            "input_ids": ids,
            "attention_mask": mask,
            "token_type_ids": np.zeros_like(ids),
        }
        pooled = (model(feed)[0] * mask[..., None]).sum(axis=1)
        vectors.append(pooled / np.linalg.norm(pooled, axis=1, keepdims=True))
    return np.concatenate(vectors)
