"""Networks as people write them in PyTorch, built from whichever library is passed as `torch`.

None of them was written with chainrule's compiler in mind: closures, views, masks, loops over time, messages on graphs.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Network:
    """A network, the shape of its input, and how many classes its outputs have.

    `symbols` is how many different integers the input holds, or 0 where it is normal numbers. Several outputs of one
    sample are rows of their own. `is_random` says that it draws random numbers, others than PyTorch's.
    """

    build: Callable[[Any], Any]
    shape: tuple[int, ...]
    classes: int
    symbols: int = 0
    is_random: bool = False


def vision_transformer(torch: Any, d: int = 96) -> Any:
    nn = torch.nn

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.patch = nn.Conv2d(3, d, 4, 4)
            self.first, self.place = nn.Parameter(torch.zeros(1, 1, d)), nn.Parameter(torch.zeros(1, 65, d))
            layer = nn.TransformerEncoderLayer(
                d, 4, 4 * d, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
            )
            self.encoder = nn.TransformerEncoder(layer, 3, enable_nested_tensor=False)
            self.head = nn.Linear(d, 10)

        def forward(self, x: Any) -> Any:
            x = self.patch(x).flatten(2).transpose(1, 2)
            x = torch.cat([self.first.expand(x.shape[0], -1, -1), x], 1) + self.place
            return self.head(self.encoder(x)[:, 0])

    return Net()


def llama(torch: Any, d: int = 128, heads: int = 4, groups: int = 2, length: int = 128) -> Any:
    nn, F = torch.nn, torch.nn.functional

    class Norm(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(d))

        def forward(self, x: Any) -> Any:
            return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * self.weight

    def turned(x: Any, cos: Any, sin: Any) -> Any:
        a, b = x.chunk(2, dim=-1)
        return x * cos + torch.cat((-b, a), dim=-1) * sin

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm1, self.norm2 = Norm(), Norm()
            self.q, self.o = nn.Linear(d, d, bias=False), nn.Linear(d, d, bias=False)
            self.k, self.v = (nn.Linear(d, d // heads * groups, bias=False) for _ in range(2))
            self.gate, self.up = nn.Linear(d, 344, bias=False), nn.Linear(d, 344, bias=False)
            self.down = nn.Linear(344, d, bias=False)

        def forward(self, x: Any, cos: Any, sin: Any) -> Any:
            h = self.norm1(x)
            q, k, v = (f(h).view(*h.shape[:2], -1, d // heads).transpose(1, 2) for f in (self.q, self.k, self.v))
            q, k = turned(q, cos, sin), turned(k, cos, sin)
            k, v = (part.repeat_interleave(heads // groups, dim=1) for part in (k, v))
            y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + self.o(y.transpose(1, 2).reshape(*x.shape))
            h = self.norm2(x)
            return x + self.down(F.silu(self.gate(h)) * self.up(h))

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.tokens, self.norm = nn.Embedding(65, d), Norm()
            self.blocks = nn.ModuleList([Block() for _ in range(4)])
            self.head = nn.Linear(d, 65, bias=False)
            size = d // heads
            angles = torch.outer(torch.arange(length).float(), 10000 ** (-torch.arange(0, size, 2).float() / size))
            angles = torch.cat((angles, angles), dim=-1)
            self.register_buffer("cos", angles.cos())
            self.register_buffer("sin", angles.sin())

        def forward(self, i: Any) -> Any:
            x = self.tokens(i)
            for block in self.blocks:
                x = block(x, self.cos, self.sin)
            return self.head(self.norm(x)).flatten(0, 1)

    return Net()


def masked_encoder(torch: Any, d: int = 128) -> Any:
    nn, F = torch.nn, torch.nn.functional

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.tokens, self.places = nn.Embedding(500, d), nn.Embedding(64, d)
            self.norm, self.norm1, self.norm2 = (nn.LayerNorm(d) for _ in range(3))
            self.q, self.k, self.v, self.o = (nn.Linear(d, d) for _ in range(4))
            self.inner, self.outer, self.head = nn.Linear(d, 4 * d), nn.Linear(4 * d, d), nn.Linear(d, 500)
            self.dropout = nn.Dropout(0.1)

        def forward(self, i: Any) -> Any:
            mask = (i != 0)[:, None, None, :]
            x = self.dropout(self.norm(self.tokens(i) + self.places(torch.arange(i.shape[1]))))
            q, k, v = (f(x).view(*x.shape[:2], 4, -1).transpose(1, 2) for f in (self.q, self.k, self.v))
            weights = (q @ k.transpose(-1, -2) / (d / 4) ** 0.5).masked_fill(~mask, float("-inf")).softmax(-1)
            y = (self.dropout(weights) @ v).transpose(1, 2).flatten(2)
            x = self.norm1(x + self.dropout(self.o(y)))
            x = self.norm2(x + self.dropout(self.outer(F.gelu(self.inner(x)))))
            return self.head(x).flatten(0, 1)

    return Net()


def encoder_decoder(torch: Any, d: int = 64) -> Any:
    nn = torch.nn

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.tokens = nn.Embedding(200, d)
            self.body = nn.Transformer(d, 4, 2, 2, 4 * d, dropout=0.1, batch_first=True)
            self.head = nn.Linear(d, 200)

        def forward(self, i: Any) -> Any:
            x, mask = self.tokens(i), nn.Transformer.generate_square_subsequent_mask(i.shape[1])
            return self.head(self.body(x, x, tgt_mask=mask)).flatten(0, 1)

    return Net()


def mixer(torch: Any, d: int = 128, n: int = 64) -> Any:
    nn = torch.nn

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm1, self.norm2 = nn.LayerNorm(d), nn.LayerNorm(d)
            self.tokens = nn.Sequential(nn.Linear(n, 128), nn.GELU(), nn.Linear(128, n))
            self.channels = nn.Sequential(nn.Linear(d, 256), nn.GELU(), nn.Linear(256, d))

        def forward(self, x: Any) -> Any:
            x = x + self.tokens(self.norm1(x).transpose(1, 2)).transpose(1, 2)
            return x + self.channels(self.norm2(x))

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.patch, self.head = nn.Conv2d(3, d, 4, 4), nn.Linear(d, 10)
            self.blocks = nn.Sequential(Block(), Block(), Block())

        def forward(self, x: Any) -> Any:
            return self.head(self.blocks(self.patch(x).flatten(2).transpose(1, 2)).mean(1))

    return Net()


def u_net(torch: Any) -> Any:
    nn, F = torch.nn, torch.nn.functional

    def double(n: int, m: int) -> Any:
        first = [nn.Conv2d(n, m, 3, padding=1), nn.BatchNorm2d(m), nn.ReLU()]
        return nn.Sequential(*first, nn.Conv2d(m, m, 3, padding=1), nn.BatchNorm2d(m), nn.ReLU())

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.down1, self.down2, self.middle = double(3, 16), double(16, 32), double(32, 64)
            self.up1, self.up2 = nn.ConvTranspose2d(64, 32, 2, 2), nn.ConvTranspose2d(32, 16, 2, 2)
            self.back1, self.back2, self.head = double(64, 32), double(32, 16), nn.Conv2d(16, 4, 1)

        def forward(self, x: Any) -> Any:
            a = self.down1(x)
            b = self.down2(F.max_pool2d(a, 2))
            x = self.back1(torch.cat([self.up1(self.middle(F.max_pool2d(b, 2))), b], 1))
            x = self.back2(torch.cat([self.up2(x), a], 1))
            return self.head(x).permute(0, 2, 3, 1).reshape(-1, 4)

    return Net()


def mobile_net(torch: Any) -> Any:
    nn = torch.nn

    def separable(n: int, m: int, stride: int = 1) -> Any:
        depth = [nn.Conv2d(n, n, 3, stride, 1, groups=n, bias=False), nn.BatchNorm2d(n), nn.ReLU6()]
        return nn.Sequential(*depth, nn.Conv2d(n, m, 1, bias=False), nn.BatchNorm2d(m), nn.ReLU6())

    first = [nn.Conv2d(3, 16, 3, 2, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU6()]
    body = [separable(16, 32), separable(32, 64, 2), separable(64, 64), separable(64, 128, 2)]
    return nn.Sequential(*first, *body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(128, 10))


def efficient_net(torch: Any) -> Any:
    nn, F = torch.nn, torch.nn.functional

    class Squeeze(nn.Module):
        def __init__(self, n: int) -> None:
            super().__init__()
            self.a, self.b = nn.Conv2d(n, n // 4, 1), nn.Conv2d(n // 4, n, 1)

        def forward(self, x: Any) -> Any:
            return x * torch.sigmoid(self.b(F.silu(self.a(F.adaptive_avg_pool2d(x, 1)))))

    class Block(nn.Module):
        def __init__(self, n: int, m: int, stride: int) -> None:
            super().__init__()
            e = 4 * n
            wide = [nn.Conv2d(n, e, 1, bias=False), nn.BatchNorm2d(e), nn.SiLU()]
            wide += [nn.Conv2d(e, e, 3, stride, 1, groups=e, bias=False), nn.BatchNorm2d(e), nn.SiLU(), Squeeze(e)]
            self.body = nn.Sequential(*wide, nn.Conv2d(e, m, 1, bias=False), nn.BatchNorm2d(m))
            self.has_path = n == m and stride == 1

        def forward(self, x: Any) -> Any:
            return x + self.body(x) if self.has_path else self.body(x)

    first = [nn.Conv2d(3, 16, 3, 2, 1), nn.BatchNorm2d(16), nn.SiLU()]
    blocks = [Block(16, 24, 2), Block(24, 24, 1), Block(24, 40, 2), Block(40, 40, 1)]
    return nn.Sequential(*first, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(40, 10))


def grouped(torch: Any) -> Any:
    nn, F = torch.nn, torch.nn.functional

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.head = nn.Conv2d(3, 32, 3, padding=1), nn.Linear(32, 10)
            self.blocks = nn.ModuleList([self.block() for _ in range(3)])

        @staticmethod
        def block() -> Any:
            inner = nn.Conv2d(32, 32, 3, padding=1, groups=8)
            return nn.Sequential(inner, nn.GroupNorm(8, 32), nn.ReLU(inplace=True), nn.Conv2d(32, 32, 1))

        def forward(self, x: Any) -> Any:
            x = self.first(x)
            for block in self.blocks:
                x = F.relu(x + block(x))
            return self.head(x.mean((2, 3)))

    return Net()


def vgg(torch: Any) -> Any:
    nn = torch.nn
    layers: list[Any] = []
    for n, m in ((3, 32), (32, 64)):
        layers += [nn.Conv2d(n, m, 3, padding=1), nn.ReLU(), nn.Conv2d(m, m, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    head = [nn.Flatten(), nn.Dropout(0.5), nn.Linear(4096, 128), nn.ReLU(), nn.Linear(128, 10)]
    return nn.Sequential(*layers, *head)


def variational(torch: Any) -> Any:
    nn = torch.nn

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            down = [nn.Conv2d(3, 16, 4, 2, 1), nn.ReLU(), nn.Conv2d(16, 32, 4, 2, 1), nn.ReLU()]
            self.encoder = nn.Sequential(*down, nn.Flatten())
            self.mean, self.spread, self.back = nn.Linear(2048, 16), nn.Linear(2048, 16), nn.Linear(16, 2048)
            up = [nn.ConvTranspose2d(32, 16, 4, 2, 1), nn.ReLU(), nn.ConvTranspose2d(16, 10, 4, 2, 1)]
            self.decoder = nn.Sequential(nn.Unflatten(1, (32, 8, 8)), *up)

        def forward(self, x: Any) -> Any:
            h = self.encoder(x)
            mean, spread = self.mean(h), self.spread(h)
            z = mean + torch.exp(0.5 * spread) * torch.randn_like(spread)
            cost = (1 + spread - mean.pow(2) - spread.exp()).sum(1, keepdim=True)
            return self.decoder(self.back(z)).mean((2, 3)) - 0.01 * cost

    return Net()


def tagger(torch: Any) -> Any:
    nn = torch.nn

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words, self.head = nn.Embedding(1000, 64), nn.Linear(128, 12)
            self.cell = nn.GRU(64, 64, batch_first=True, bidirectional=True)

        def forward(self, i: Any) -> Any:
            return self.head(self.cell(self.words(i))[0]).reshape(-1, 12)

    return Net()


def translator(torch: Any, d: int = 64) -> Any:
    nn = torch.nn

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words, self.encoder = nn.Embedding(200, d), nn.GRU(d, d, batch_first=True)
            self.cell, self.score, self.head = nn.GRUCell(2 * d, d), nn.Linear(d, d), nn.Linear(2 * d, 200)

        def forward(self, i: Any) -> Any:
            x = self.words(i)
            keys, state = self.encoder(x)
            h, found = state[0], []
            for t in range(x.shape[1]):
                weights = torch.softmax((self.score(h)[:, None] * keys).sum(-1), -1)
                context = (weights[..., None] * keys).sum(1)
                h = self.cell(torch.cat([x[:, t], context], -1), h)
                found.append(self.head(torch.cat([h, context], -1)))
            return torch.stack(found, 1).flatten(0, 1)

    return Net()


def normalised_lstm(torch: Any, h: int = 64) -> Any:
    nn = torch.nn

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.x, self.r = nn.Linear(28, 4 * h), nn.Linear(h, 4 * h, bias=False)
            self.norm, self.head = nn.LayerNorm(4 * h), nn.Linear(h, 10)

        def forward(self, x: Any) -> Any:
            state = x.new_zeros(x.shape[0], h)
            cell = torch.zeros_like(state)
            for t in range(x.shape[1]):
                i, f, g, o = self.norm(self.x(x[:, t]) + self.r(state)).chunk(4, -1)
                cell = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(g)
                state = torch.sigmoid(o) * torch.tanh(cell)
            return self.head(state)

    return Net()


def wave_net(torch: Any, c: int = 32) -> Any:
    nn, F = torch.nn, torch.nn.functional

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.head = nn.Conv1d(1, c, 1), nn.Conv1d(c, 8, 1)
            self.filters, self.gates = (
                nn.ModuleList([nn.Conv1d(c, c, 2, dilation=2**k) for k in range(6)]) for _ in range(2)
            )
            self.joins = nn.ModuleList([nn.Conv1d(c, c, 1) for _ in range(6)])

        def forward(self, x: Any) -> Any:
            x = self.first(x)
            for k in range(6):
                padded = F.pad(x, (2**k, 0))
                x = x + self.joins[k](torch.tanh(self.filters[k](padded)) * torch.sigmoid(self.gates[k](padded)))
            return self.head(x).transpose(1, 2).reshape(-1, 8)

    return Net()


def characters(torch: Any) -> Any:
    nn, F = torch.nn, torch.nn.functional

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.letters, self.head = nn.Embedding(70, 32), nn.Linear(192, 4)
            self.convolutions = nn.ModuleList([nn.Conv1d(32, 64, k) for k in (3, 4, 5)])

        def forward(self, i: Any) -> Any:
            x = self.letters(i).transpose(1, 2)
            return self.head(torch.cat([F.relu(c(x)).max(-1).values for c in self.convolutions], 1))

    return Net()


def points(torch: Any) -> Any:
    nn = torch.nn

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            each = [nn.Conv1d(3, 64, 1), nn.BatchNorm1d(64), nn.ReLU()]
            self.each = nn.Sequential(*each, nn.Conv1d(64, 128, 1), nn.BatchNorm1d(128), nn.ReLU())
            self.head = nn.Sequential(nn.Linear(128, 64), nn.ReLU(), nn.Dropout(0.3), nn.Linear(64, 10))

        def forward(self, x: Any) -> Any:
            return self.head(self.each(x).max(dim=2)[0])

    return Net()


def messages(torch: Any) -> Any:
    nn, F = torch.nn, torch.nn.functional

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers, self.head = nn.ModuleList([nn.Linear(64, 64) for _ in range(3)]), nn.Linear(64, 7)
            steps = torch.arange(8000)
            self.register_buffer("source", steps * 7919 % 2000)
            self.register_buffer("target", steps * 104729 % 2000)

        def forward(self, x: Any) -> Any:
            for layer in self.layers:
                received = torch.zeros_like(x).index_add(0, self.target, x[self.source])
                x = F.relu(layer(x + received / 4))
            return self.head(x)

    return Net()


def attentive_graph(torch: Any) -> Any:
    nn, F = torch.nn, torch.nn.functional

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.w, self.head = nn.Linear(32, 32, bias=False), nn.Linear(32, 7)
            self.a, self.b = (nn.Parameter(0.1 * torch.ones(32, 1)) for _ in range(2))
            self.register_buffer("edges", (torch.arange(90_000) * 7919 % 1009 < 50).view(300, 300))

        def forward(self, x: Any) -> Any:
            h = self.w(x)
            scores = F.leaky_relu(h @ self.a + (h @ self.b).T, 0.2)
            scores = torch.where(self.edges, scores, torch.full_like(scores, -9e15))
            return self.head(F.elu(F.dropout(F.softmax(scores, 1), 0.2, self.training) @ h))

    return Net()


def recommender(torch: Any) -> Any:
    nn = torch.nn

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.tables = nn.ModuleList([nn.Embedding(1000, 16) for _ in range(8)])
            self.bottom = nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 16), nn.ReLU())
            self.top = nn.Sequential(nn.Linear(52, 64), nn.ReLU(), nn.Linear(64, 2))

        def forward(self, i: Any) -> Any:
            dense = self.bottom((i % 7).float())
            z = torch.stack([dense] + [table(i[:, k]) for k, table in enumerate(self.tables)], 1)
            a, b = torch.tril_indices(9, 9, -1)
            return self.top(torch.cat([dense, torch.bmm(z, z.transpose(1, 2))[:, a, b]], 1))

    return Net()


def flow(torch: Any) -> Any:
    nn = torch.nn

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.f = nn.Sequential(nn.Linear(16, 64), nn.Tanh(), nn.Linear(64, 16))
            self.head = nn.Linear(16, 5)

        def forward(self, x: Any) -> Any:
            for _ in range(10):  # the midpoint rule
                x = x + 0.1 * self.f(x + 0.05 * self.f(x))
            return self.head(x)

    return Net()


def table(torch: Any) -> Any:
    nn = torch.nn
    layers: list[Any] = []
    for n in (54, 256):
        layers += [nn.Linear(n, 256), nn.BatchNorm1d(256), nn.LeakyReLU(), nn.Dropout(0.2)]
    return nn.Sequential(*layers, nn.Linear(256, 7))


IMAGES = (32, 3, 32, 32)
NETWORKS = {
    "ViT": Network(vision_transformer, IMAGES, 10),
    "Llama, 4 × 128": Network(llama, (16, 128), 65, symbols=65),
    "masked encoder": Network(masked_encoder, (16, 64), 500, symbols=500, is_random=True),
    "encoder-decoder": Network(encoder_decoder, (16, 32), 200, symbols=200, is_random=True),
    "MLP-Mixer": Network(mixer, IMAGES, 10),
    "U-Net": Network(u_net, (8, 3, 64, 64), 4),
    "MobileNet": Network(mobile_net, IMAGES, 10),
    "EfficientNet": Network(efficient_net, IMAGES, 10),
    "grouped convolutions": Network(grouped, IMAGES, 10),
    "VGG": Network(vgg, IMAGES, 10, is_random=True),
    "convolutional VAE": Network(variational, IMAGES, 10, is_random=True),
    "GRU both ways": Network(tagger, (32, 40), 12, symbols=1000),
    "seq2seq with attention": Network(translator, (32, 20), 200, symbols=200),
    "LSTM with layer norm": Network(normalised_lstm, (32, 28, 28), 10),
    "WaveNet": Network(wave_net, (8, 1, 512), 8),
    "character CNN": Network(characters, (32, 100), 4, symbols=70),
    "PointNet": Network(points, (16, 3, 256), 10, is_random=True),
    "GCN": Network(messages, (2000, 64), 7),
    "GAT": Network(attentive_graph, (300, 32), 7, is_random=True),
    "DLRM": Network(recommender, (256, 8), 2, symbols=1000),
    "neural ODE": Network(flow, (128, 16), 5),
    "tabular MLP": Network(table, (256, 54), 7, is_random=True),
}
