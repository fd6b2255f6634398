"""Decoders whose code transformers has not (it comes with the models: trust_remote_code), for families.py and verify_families.py.

Small classes of our own of the same arithmetic and the same names of tensors, known to AutoConfig and AutoModelForCausalLM once this file is imported.
What they are by: the models' own modeling files, as far as config.json can ask for it here. llama.cpp's logits of the exported files
(verify_families.py llama) check them independently. torch 2.15.0, transformers 5.24.0.
"""
import torch
from torch import nn
from torch.nn import functional as F
from transformers import AutoConfig, AutoModelForCausalLM, GenerationMixin, PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import CausalLMOutput


class RMSNorm(nn.Module):
    def __init__(self, n, eps):
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(n)), eps

    def forward(self, x):
        return self.weight * x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps)


def attend(q, k, v):
    """[B, heads, T, dim], causal; k and v of fewer heads are shared."""
    n = q.shape[1] // k.shape[1]
    k, v = k.repeat_interleave(n, 1), v.repeat_interleave(n, 1)
    s = q @ k.transpose(2, 3) / q.shape[-1] ** 0.5
    mask = torch.full(s.shape[-2:], float("-inf")).triu(1)
    return F.softmax(s + mask, -1) @ v


def rotate_adjacent(x, rot, theta):
    """The first rot features of each head, in pairs 2i, 2i+1."""
    angle = torch.outer(torch.arange(x.shape[2], dtype=torch.float32), theta ** (-torch.arange(0, rot, 2, dtype=torch.float32) / rot))
    a, b = x[..., :rot:2], x[..., 1:rot:2]
    turned = torch.stack([a * angle.cos() - b * angle.sin(), b * angle.cos() + a * angle.sin()], -1).flatten(-2)
    return torch.cat([turned, x[..., rot:]], -1)


class Remote(PreTrainedModel, GenerationMixin):
    """logits(input_ids) is a subclass's."""
    def forward(self, input_ids, attention_mask=None, labels=None, **rest):
        return CausalLMOutput(logits=self.logits(input_ids))

    def prepare_inputs_for_generation(self, input_ids, **rest):
        return {"input_ids": input_ids}

    def _init_weights(self, module):
        pass


# ---- ChatGLM2, ChatGLM3, GLM-4-9B in its own code (THUDM/chatglm3-6b: modeling_chatglm.py) -----------------------------------------

class ChatGLMConfig(PretrainedConfig):
    model_type = "chatglm"
    attribute_map = {"num_hidden_layers": "num_layers"}

    def __init__(self, **more):
        keys = dict(num_layers=28, padded_vocab_size=65024, hidden_size=4096, ffn_hidden_size=13696, kv_channels=128, num_attention_heads=32, seq_length=2048,
                    layernorm_epsilon=1e-5, rmsnorm=True, apply_residual_connection_post_layernorm=False, post_layer_norm=True, add_bias_linear=False,
                    add_qkv_bias=False, multi_query_attention=True, multi_query_group_num=1, original_rope=True, rope_ratio=1)
        for k, v in keys.items():
            setattr(self, k, more.pop(k, v))
        self.vocab_size = more.pop("vocab_size", self.padded_vocab_size)
        super().__init__(**{"tie_word_embeddings": False, "use_cache": False, **more})


class ChatGLMAttention(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.c, q, kv = c, c.kv_channels * c.num_attention_heads, c.kv_channels * c.multi_query_group_num
        self.query_key_value = nn.Linear(c.hidden_size, q + 2 * kv, bias=c.add_qkv_bias)
        self.dense = nn.Linear(q, c.hidden_size, bias=False)

    def forward(self, x):
        c, (b, t, _) = self.c, x.shape
        heads, groups, dim = c.num_attention_heads, c.multi_query_group_num, c.kv_channels
        q, k, v = self.query_key_value(x).split([heads * dim, groups * dim, groups * dim], -1)
        by_head = lambda y, n: y.view(b, t, n, dim).transpose(1, 2)
        turn = lambda y: rotate_adjacent(y, dim // 2, 10000.0 * c.rope_ratio)
        o = attend(turn(by_head(q, heads)), turn(by_head(k, groups)), by_head(v, groups))
        return self.dense(o.transpose(1, 2).reshape(b, t, -1))


class ChatGLMMLP(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.dense_h_to_4h = nn.Linear(c.hidden_size, 2 * c.ffn_hidden_size, bias=False)
        self.dense_4h_to_h = nn.Linear(c.ffn_hidden_size, c.hidden_size, bias=False)

    def forward(self, x):
        gate, up = self.dense_h_to_4h(x).chunk(2, -1)
        return self.dense_4h_to_h(F.silu(gate) * up)


class ChatGLMBlock(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.input_layernorm, self.post_attention_layernorm = (RMSNorm(c.hidden_size, c.layernorm_epsilon) for _ in range(2))
        self.self_attention, self.mlp = ChatGLMAttention(c), ChatGLMMLP(c)

    def forward(self, h):
        h = h + self.self_attention(self.input_layernorm(h))
        return h + self.mlp(self.post_attention_layernorm(h))


class ChatGLMModel(Remote):
    config_class = ChatGLMConfig
    base_model_prefix = "transformer"

    def __init__(self, c):
        super().__init__(c)
        t = self.transformer = nn.Module()
        t.embedding = nn.Module()
        t.embedding.word_embeddings = nn.Embedding(c.padded_vocab_size, c.hidden_size)
        t.encoder = nn.Module()
        t.encoder.layers = nn.ModuleList([ChatGLMBlock(c) for _ in range(c.num_layers)])
        t.encoder.final_layernorm = RMSNorm(c.hidden_size, c.layernorm_epsilon)
        t.output_layer = nn.Linear(c.hidden_size, c.padded_vocab_size, bias=False)
        self.post_init()

    def get_input_embeddings(self):
        return self.transformer.embedding.word_embeddings

    def get_output_embeddings(self):
        return self.transformer.output_layer

    def logits(self, ids):
        t = self.transformer
        h = t.embedding.word_embeddings(ids)
        for block in t.encoder.layers:
            h = block(h)
        return t.output_layer(t.encoder.final_layernorm(h))


for config, model in ((ChatGLMConfig, ChatGLMModel),):
    AutoConfig.register(config.model_type, config)
    AutoModelForCausalLM.register(config, model)
