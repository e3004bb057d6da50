"""Matrix products of a CPU with weights laid out for them.

torch multiplies float32 by MKL with weights as they lie in the file. oneDNN's kernels on weights
that were reordered once were measured two to four times faster for the few rows of a decode step
(docs/benchmarks.md); torch.compile does the same when it freezes a model. Layers that read the
same input (queries, keys and values; gate and up) become one product.
"""

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from inference.engine.torch_script import in_torch_script

# Rows of a decode step that the layout is chosen for; prompts of hundreds were as fast with it.
ROWS_HINT = 16
TRIAL_ROWS = (1, 16)
TRIAL_SECONDS = 0.002


class _Product(nn.Module):
    """The product itself, in TorchScript: a recorded step takes it as it is.

    The weight is in a list, as its layout is opaque to everything that would look at it.
    """

    weight: list[Tensor]
    bias: Tensor | None

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        super().__init__()
        self.weight = [weight]
        self.bias = bias

    def forward(self, hidden: Tensor) -> Tensor:
        product = torch.ops.mkldnn._linear_pointwise
        return product(  # type: ignore[no-any-return]
            hidden, self.weight[0], self.bias, "none", [], ""
        )


class PackedLinear(nn.Module):
    """One or several Linear layers over the same input as one product."""

    def __init__(self, layers: list[nn.Linear]) -> None:
        super().__init__()
        self.widths = [layer.out_features for layer in layers]
        weight = torch.cat([layer.weight.detach() for layer in layers])
        biases = [layer.bias for layer in layers if layer.bias is not None]
        packed = torch.ops.mkldnn._reorder_linear_weight(weight, ROWS_HINT)
        bias = torch.cat([bias.detach() for bias in biases]) if biases else None
        self.product = in_torch_script(_Product(packed, bias))

    def forward(self, hidden: Tensor) -> Tensor:
        """[..., in] to [..., sum of widths]."""
        out: Tensor = self.product(hidden)
        return out


class _Shared:
    """A product that several layers ask for in turn, each its own columns."""

    def __init__(self, linear: PackedLinear) -> None:
        self.linear = linear
        self._input: Tensor | None = None
        self._outputs: tuple[Tensor, ...] = ()

    def columns(self, index: int, hidden: Tensor) -> Tensor:
        if self._input is not hidden:
            self._outputs = self.linear(hidden).split(self.linear.widths, dim=-1)
            self._input = hidden
        out = self._outputs[index]
        if index == len(self._outputs) - 1:  # nobody asks again: let go of the memory
            self._input, self._outputs = None, ()
        return out


class SharedColumns(nn.Module):
    """Stands where a Linear stood whose product others share."""

    def __init__(self, shared: _Shared, index: int) -> None:
        super().__init__()
        self._shared = shared
        self._index = index
        # In the tree of modules, so that the recorder of steps finds the weight.
        self.product = shared.linear

    def forward(self, hidden: Tensor) -> Tensor:
        return self._shared.columns(self._index, hidden)


def pack_linears(model: PreTrainedModel, run: Callable[[], object]) -> int:
    """Replaces the Linear layers that gain by it; returns how many.

    ``run`` runs the model once, which shows who reads the same input.
    """
    if not torch.backends.mkldnn.is_available():
        return 0
    parents = {id(child): (parent, name) for parent, name, child in _linears(model)}
    if not _are_only_called(parents, run):
        return 0
    groups = _groups_of_one_input(model, run)
    gains: dict[tuple[int, int, int], bool] = {}
    packed = 0
    with torch.inference_mode():
        while groups:  # emptied on the way: the old weights must not stay beside the new ones
            group = groups.pop()
            shape = (group[0].in_features, sum(one.out_features for one in group), len(group))
            if shape not in gains:
                gains[shape] = _gains(group)
            if gains[shape]:
                _replace(group, parents)
                packed += len(group)
            del group
    return packed


class _Bare(nn.Module):
    """A layer that can be called and nothing else, as its replacement can."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self._call = [layer]  # in a list, so that its weights are not this module's

    def forward(self, hidden: Tensor) -> Tensor:
        out: Tensor = self._call[0](hidden)
        return out


def _are_only_called(parents: dict[int, tuple[nn.Module, str]], run: Callable[[], object]) -> bool:
    """False for a model that reads the weights of its Linear layers itself (Mamba does)."""
    layers = [(parent, name, getattr(parent, name)) for parent, name in parents.values()]
    try:
        for parent, name, layer in layers:
            setattr(parent, name, _Bare(layer))
        run()
    except AttributeError:
        return False
    finally:
        for parent, name, layer in layers:
            setattr(parent, name, layer)
    return True


def _linears(model: nn.Module) -> Iterator[tuple[nn.Module, str, nn.Linear]]:
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if type(child) is nn.Linear:
                yield parent, name, child


def _groups_of_one_input(
    model: PreTrainedModel, run: Callable[[], object]
) -> list[list[nn.Linear]]:
    """Linear layers in the order of their calls; those with one input and parent together."""
    calls: list[tuple[nn.Linear, Tensor, nn.Module]] = []
    handles = []
    for parent, _, child in _linears(model):

        def note(layer: Any, args: Any, parent: nn.Module = parent) -> None:
            calls.append((layer, args[0], parent))  # holds the input, so that it stays unique

        handles.append(child.register_forward_pre_hook(note))
    try:
        run()
    finally:
        for handle in handles:
            handle.remove()
    return _grouped(calls)


def _grouped(calls: list[tuple[nn.Linear, Tensor, nn.Module]]) -> list[list[nn.Linear]]:
    seen = [id(layer) for layer, _, _ in calls]
    groups: list[list[nn.Linear]] = []
    last: tuple[Tensor, nn.Module] | None = None
    for layer, hidden, parent in calls:
        if seen.count(id(layer)) > 1:  # an expert or a shared block: left as it is
            last = None
            continue
        joins = last is not None and last[0] is hidden and last[1] is parent
        if joins and _alike(groups[-1][0], layer):
            groups[-1].append(layer)
        else:
            groups.append([layer])
        last = (hidden, parent)
    return groups


def _alike(one: nn.Linear, other: nn.Linear) -> bool:
    return (one.bias is None) == (other.bias is None) and one.weight.dtype == other.weight.dtype


def _gains(group: list[nn.Linear]) -> bool:
    """True where the packed product is faster here, for one row and for a full batch together.

    False as well where this CPU cannot do it, or not rightly.
    """
    plain_s = packed_s = 0.0
    try:
        packed = PackedLinear(group)
        for rows in TRIAL_ROWS:
            hidden = torch.ones(1, rows, group[0].in_features, dtype=group[0].weight.dtype)
            hidden[..., ::2] = -0.5
            if not _agree(packed(hidden), torch.cat([layer(hidden) for layer in group], dim=-1)):
                return False
            plain_s += _seconds(partial(_one_by_one, group, hidden))
            packed_s += _seconds(partial(packed, hidden))
    except RuntimeError:
        return False
    return packed_s < plain_s


def _agree(one: Tensor, other: Tensor) -> bool:
    """Within the rounding of their dtype; each sums up the same products in its own order."""
    error = (one.float() - other.float()).norm()
    return bool(error <= 0.02 * other.float().norm() + 1e-6)


def _one_by_one(group: list[nn.Linear], hidden: Tensor) -> None:
    for layer in group:
        layer(hidden)


def _seconds(call: Callable[[], object]) -> float:
    """The shortest of a few calls: what disturbs a call only makes it longer."""
    call()
    end = time.perf_counter() + TRIAL_SECONDS
    shortest = float("inf")
    while True:
        began = time.perf_counter()
        call()
        now = time.perf_counter()
        shortest = min(shortest, now - began)
        if now > end:
            return shortest


def _replace(group: list[nn.Linear], parents: dict[int, tuple[nn.Module, str]]) -> None:
    packed = PackedLinear(group)
    stands: list[nn.Module] = [packed]
    if len(group) > 1:
        shared = _Shared(packed)
        stands = [SharedColumns(shared, index) for index in range(len(group))]
    for layer, stand in zip(group, stands, strict=True):
        parent, name = parents[id(layer)]
        setattr(parent, name, stand)
