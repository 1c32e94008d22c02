"""A network as nnU-Net's plans describe it, and its weights each once. Import it only beside nnunetv2."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from nnunetv2.utilities.get_network_from_plans import get_network_from_plans
from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager, PlansManager
from torch import nn

from claimslicer.errors import ModelError

State = Mapping[str, torch.Tensor]
_NETWORKS, _PARTS = "dynamic_network_architectures.", "torch.nn."


def manage(plans: Mapping[str, Any], configuration: str) -> tuple[PlansManager, ConfigurationManager]:
    """Return nnU-Net's views of the plans and of one configuration. Raises ModelError without that one."""
    from copy import deepcopy

    plans_manager = PlansManager(deepcopy(dict(plans)))  # it fills in what old plans lack
    try:
        return plans_manager, plans_manager.get_configuration(configuration)
    except (ValueError, KeyError, RuntimeError) as error:
        raise ModelError(
            f"The plans of this nnU-Net model don't hold its configuration {configuration!r}."
        ) from (error)


def build_network(plans: Mapping[str, Any], dataset: Mapping[str, Any], configuration: str) -> nn.Module:
    """Return the network of one grey channel, without deep supervision.

    Classes are imported by the names in the plans: only nnU-Net's architectures and torch's layers are.
    Raises ModelError.
    """
    plans_manager, manager = manage(plans, configuration)
    arguments, imported = manager.network_arch_init_kwargs, manager.network_arch_init_kwargs_req_import
    names = [name for key in imported if (name := arguments.get(key)) is not None]
    if not manager.network_arch_class_name.startswith(_NETWORKS) or not all(
        str(name).startswith(_PARTS) for name in names
    ):
        raise ModelError(
            f"The plans ask for a network that isn't nnU-Net's own ({manager.network_arch_class_name}): "
            "that isn't run."
        )
    heads = plans_manager.get_label_manager(dict(dataset)).num_segmentation_heads
    return get_network_from_plans(
        manager.network_arch_class_name, arguments, imported, 1, heads, deep_supervision=False
    )


def each_once(network: nn.Module, state: State, trainer: str) -> dict[str, torch.Tensor]:
    """Return what ``state`` holds for ``network``, without second names of the same tensor.

    nnU-Net's decoder knows its encoder, so that all its tensors have two. Raises ModelError where the weights
    are another network's.
    """
    expected = network.state_dict()
    given = {name.removeprefix("module."): tensor for name, tensor in state.items()}  # as DDP names them
    if {name: value.shape for name, value in expected.items()} != {
        name: value.shape for name, value in given.items()
    }:
        raise ModelError(
            f"The weights don't fit the network in the plans: the trainer {trainer} builds one of its own, "
            "which can't be run here."
        )
    first = _first_names(network)
    return {name: given[name] for name in expected if first[name] == name}


def all_names(network: nn.Module, state: State) -> dict[str, torch.Tensor]:
    """Undo :func:`each_once`. Raises ModelError where names or shapes are not the network's."""
    first = _first_names(network)
    shapes = {name: value.shape for name, value in network.state_dict().items() if first[name] == name}
    if shapes != {name: value.shape for name, value in state.items()}:
        raise ModelError("The weights don't fit the network on their card: get the model again.")
    return {name: state[found] for name, found in first.items()}


def _first_names(network: nn.Module) -> dict[str, str]:
    names: dict[int, str] = {}
    return {
        name: names.setdefault(id(tensor), name)
        for name, tensor in network.state_dict(keep_vars=True).items()
    }
