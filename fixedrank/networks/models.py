"""The layers of linear networks that were made with torch, flax, equinox or Keras, or in a tree.

None of these is imported: a layer is known by the name of its class, a parameter by its own. What
they call `weight` is W_j; what they call `kernel` acts from the right and is its transpose.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from fixedrank._checks import Array, finite_array


class _Part(NamedTuple):
    """A layer as it was found: its name, and its weight or why it is no linear layer."""

    name: str
    weight: Any = None
    transposed: bool = False
    bias: Any = None
    fault: str = ""
    flattens: bool = False


def factors_from(model: Any) -> list[Array]:
    """Return the layers [W_1, ..., W_N] of a linear network that another library made.

    Parameters
    ----------
    model : object
        A ``Sequential`` of linear layers without biases, of torch, flax.nnx, equinox or Keras, or
        a list of such layers; a tree of parameters, as flax and ``state_dict`` have them; or a
        list of arrays, W_1 first, of any library. Sequentials, lists and trees may be nested.

    Returns
    -------
    list of ndarray
        The layers, W_j of shape (d_j, d_{j-1}), which are copies in double precision; values of
        float32 or bfloat16 stay what they are.

    Raises
    ------
    TypeError
        If a part is not linear (each is named), or the model is of another kind: what a module of
        your own does with its layers is not known, so that it takes a list of them.
    ValueError
        If a layer has a bias that is not zero, shapes do not fit together, values are not finite,
        or the names in a tree do not tell the order.

    Notes
    -----
    Of a layer with ``weight``, that is W_j; with ``kernel``, of shape (d_{j-1}, d_j), its transpose
    is; an array of any other name in a tree is W_j. In a tree, names of one kind are in the order
    of their numbers: Dense_10 comes after Dense_2. Identity may stand anywhere, Flatten in front.
    A bias that is exactly zero passes, as the map is linear; training would move it, unlike the
    flows here. Parameters alone do not tell what is done between the layers.

    Examples
    --------
    >>> import numpy as np, fixedrank
    >>> kernels = {"Dense_0": {"kernel": np.ones((3, 2))}, "Dense_1": {"kernel": np.ones((2, 4))}}
    >>> [layer.shape for layer in fixedrank.factors_from({"params": kernels})]
    [(2, 3), (4, 2)]
    """
    if _is_array(model) and np.ndim(_plain(model)) != 3:
        raise TypeError(f"model must hold layers W_1, ..., W_N, got one array {np.shape(model)}")
    layers: list[tuple[str, Array]] = []
    faults, biases = [], []
    for part in _parts(model, ""):
        if part.fault or (part.flattens and layers):
            faults.append(f"{part.name} {part.fault or 'is not in front of all layers'}")
        elif not part.flattens:
            layer = finite_array(f"the weight of {part.name}", _plain(part.weight), 2)
            layers.append((part.name, np.array(layer.T if part.transposed else layer, order="C")))
            if (size := _largest(part.bias)) > 0:
                biases.append(f"{part.name} has a bias, up to {size:.3g}")
    if faults or biases:
        kind = TypeError if faults else ValueError
        raise kind(f"the model is no linear network: {'; '.join(faults + biases)}")
    if not layers:
        raise ValueError(f"model must hold layers W_1, ..., W_N, got a {type(model).__name__}")
    _check_chain(layers)
    return [layer for _, layer in layers]


def _parts(node: Any, name: str) -> Iterator[_Part]:
    """Yield the layers in a model, a list or a tree, first to last."""
    kinds = {base.__name__ for base in type(node).__mro__}
    here = f"{name or 'the model'} ({type(node).__name__})"
    if _is_array(node) or _is_nested_list(node):
        if np.ndim(_plain(node)) == 3:
            yield from (_Part(_below(name, j), W) for j, W in enumerate(_plain(node)))
        else:
            yield _Part(name, node)
    elif isinstance(node, Mapping):
        yield from _of_tree(_nested(node), name)
    elif "Sequential" in kinds or "ModuleList" in kinds or isinstance(node, (list, tuple)):
        children = node.layers if hasattr(node, "layers") else node
        for index, child in enumerate(children):
            yield from _parts(child, _below(name, index))
    elif kinds & {"Linear", "Dense"}:
        yield _of_layer(node, here)
    elif "Flatten" in kinds:
        yield _Part(here, flattens=True)
    elif not name:
        raise TypeError(
            "model must be a Sequential of linear layers, a list of layers or arrays, or a tree "
            f"of parameters, got a {type(node).__name__}: what a class does with its own layers "
            "is not known, so give them in order, such as [model.first, model.second]"
        )
    elif not kinds & {"Identity", "InputLayer"}:
        yield _Part(here, fault="is no linear layer")


def _of_layer(layer: Any, name: str) -> _Part:
    """Return a linear layer that is an object."""
    weight, kernel = getattr(layer, "weight", None), getattr(layer, "kernel", None)
    activation = getattr(layer, "activation", None)
    done = getattr(activation, "__name__", str(activation))
    if activation is not None and done != "linear":
        return _Part(name, fault=f"has the activation {done}")
    if not (_is_array(weight) or _is_array(kernel)):
        return _Part(name, fault="holds no weights: give its parameters")
    found = kernel if weight is None else weight
    return _Part(name, found, weight is None, getattr(layer, "bias", None))


def _of_tree(tree: Mapping[Any, Any], name: str) -> Iterator[_Part]:
    """Yield the layers in a tree of parameters."""
    tree = {key: value for key, value in tree.items() if value is not None}
    bias = next((key for key in ("bias", "b") if key in tree and ("w" in tree or key != "b")), None)
    others = [key for key in tree if key != bias]
    if bias is None and not {"kernel", "weight"} & set(tree):
        for key in _in_order(others, name):
            yield from _parts(tree[key], _below(name, key))
    elif len(others) != 1 or np.ndim(_plain(tree[others[0]])) != 2:
        yield _Part(f"{name or 'the model'} ({', '.join(map(str, tree))})", fault="is not linear")
    else:
        yield _Part(name or "the model", tree[others[0]], others[0] == "kernel", tree.get(bias))


def _nested(tree: Mapping[Any, Any]) -> Mapping[Any, Any]:
    """Return a tree whose names are no paths, such as 0.weight or ("Dense_0", "kernel")."""
    found: dict[Any, Any] = {}
    for key, value in tree.items():
        path = re.split(r"[./]", key) if isinstance(key, str) else [key]
        path = list(key) if isinstance(key, tuple) else path
        inside = found
        for step in path[:-1]:
            inside = inside.setdefault(step, {})
        inside[path[-1]] = value
    return found


def _in_order(names: Sequence[Any], where: str) -> list[Any]:
    """Return names in the order of their numbers, if it is they in which names differ."""
    split = [re.fullmatch(r"(.*?)_?(\d*)", str(name), re.DOTALL) for name in names]
    keys = [(match[1], int(match[2] or -1)) for match in split if match]
    if len({stem for stem, _ in keys}) > 1 or len(set(keys)) < len(keys):
        raise ValueError(
            f"the names {', '.join(map(str, names))}{where and ' in ' + where} do not tell which "
            "layer is the first: give the layers in a list, W_1 first"
        )
    return [name for _, name in sorted(zip(keys, names, strict=True), key=lambda pair: pair[0])]


def _largest(bias: Any) -> float:
    """Return the size of a bias, zero where there is none."""
    # Some libraries have a parameter that holds None.
    bias = getattr(bias, "value", bias)
    if bias is None or bias is False:
        return 0.0
    return float(np.abs(np.asarray(_plain(bias), dtype=np.float64)).max(initial=0.0))


def _check_chain(layers: Sequence[tuple[str, Array]]) -> None:
    turned = all(a.shape[1] == b.shape[0] for (_, a), (_, b) in pairwise(layers))
    for (inner, before), (outer, after) in pairwise(layers):
        if after.shape[1] != before.shape[0]:
            advice = (
                "they would in the opposite order; or transposed, as kernels (inputs, outputs) are"
                if turned
                else "they come in the order W_1, ..., W_N"
            )
            raise ValueError(
                f"the layers do not fit together: {outer}, of shape {after.shape}, does not take "
                f"what {inner}, of shape {before.shape}, returns; {advice}"
            )


def _below(name: str, key: Any) -> str:
    return f"{name}.{key}" if name else str(key)


def _is_array(value: Any) -> bool:
    return any(hasattr(value, name) for name in ("__array__", "__jax_array__", "detach"))


def _is_nested_list(value: Any) -> bool:
    """Whether a value is a matrix in lists of numbers."""
    row = value[0] if isinstance(value, (list, tuple)) and value else None
    return isinstance(row, (list, tuple)) and all(isinstance(x, (int, float)) for x in row)


def _plain(value: Any) -> Any:
    """Return an array or a tensor as what NumPy reads."""
    if hasattr(value, "detach"):
        return value.detach().cpu().double().numpy()
    return value
