"""Speed up what FireWorks does to every value of every document: most are plain, and few texts are dates.

Turning documents into objects and back is most of the time that a launch spends in the LaunchPad, and the embedded
store does it while other workers wait. Plain values take a short way; whatever is not plain goes through FireWorks'
own functions, so the outcome is the same.
"""

from __future__ import annotations

from typing import Any

_PLAIN = frozenset({str, int, float, bool, type(None)})


def install_serializers(serializers: Any) -> None:
    """Replace `recursive_dict` and `_recursive_load` in a module `fireworks.utilities.fw_serializers`."""
    dump, load = serializers.recursive_dict, serializers._recursive_load

    def recursive_dict(obj: Any, preserve_unicode: bool = True) -> Any:
        kind = type(obj)
        if kind in _PLAIN:
            return obj
        if kind is dict:
            return {
                k if type(k) in _PLAIN else recursive_dict(k): v if type(v) in _PLAIN else recursive_dict(v)
                for k, v in obj.items()
            }
        if kind is list:
            return [v if type(v) in _PLAIN else recursive_dict(v) for v in obj]
        return dump(obj, preserve_unicode)

    def recursive_load(obj: Any) -> Any:
        kind = type(obj)
        if kind is str:
            return load(obj) if "T" in obj and obj[0].isdigit() else obj  # as every date
        if kind in _PLAIN:
            return obj
        if kind is dict and "_fw_name" not in obj and "@module" not in obj:
            return {k: recursive_load(v) for k, v in obj.items()}
        if kind is list:
            return [recursive_load(v) for v in obj]
        return load(obj)

    serializers.recursive_dict = recursive_dict
    serializers._recursive_load = recursive_load
