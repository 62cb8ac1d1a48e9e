"""Events of the bridge for programs that subscribe: a graph was compiled, an operator fell back to the CPU.

    EventDispatcher.instance().subscribe(EventId.GRAPH_COMPILATION, lambda timestamp, params: ...)

Events are delivered at the next mark_step or synchronisation of the device, in order of their kinds, with what the metric of that name counted since the last.
"""

from __future__ import annotations

import enum
import time
from typing import Any, Callable, Dict, List, Tuple

Parameters = List[Tuple[str, Any]]
Callback = Callable[[int, Parameters], None]


class EventId(enum.IntEnum):
    """What can be subscribed to."""

    GRAPH_COMPILATION = 0
    CPU_FALLBACK = 1
    MEMORY_DEFRAGMENTATION = 2
    METRIC_CHANGED = 3
    DEVICE_ACQUIRED = 4
    CACHE_HIT = 5
    CACHE_MISS = 6
    MARK_STEP = 7
    PROCESS_EXIT = 8
    CUSTOM_EVENT = 9


_METRIC_OF = {EventId.GRAPH_COMPILATION: "graph_compilation", EventId.CPU_FALLBACK: "cpu_fallback"}


class EventHandle:
    """One subscription."""

    def __init__(self, event_id: EventId, callback: Callback) -> None:
        self.event_id = event_id
        self.callback = callback


class EventDispatcher:
    """One a process: `EventDispatcher.instance()`."""

    _the_instance: "EventDispatcher | None" = None

    def __init__(self) -> None:
        self._handles: List[EventHandle] = []
        self._seen: Dict[EventId, Any] = {}

    @classmethod
    def instance(cls) -> "EventDispatcher":
        if cls._the_instance is None:
            cls._the_instance = cls()
        return cls._the_instance

    def subscribe(self, event_id: EventId, callback: Callback) -> EventHandle:
        """Calls `callback(timestamp in ns, parameters)` for each event of this kind from now on."""
        event_id = EventId(event_id)
        handle = EventHandle(event_id, callback)
        if event_id in _METRIC_OF and event_id not in self._seen:
            self._seen[event_id] = self._metric(event_id)
        self._handles.append(handle)
        return handle

    def unsubscribe(self, handle: Any) -> None:
        """Ends a subscription: by its handle, or by its callback."""
        self._handles = [h for h in self._handles if h is not handle and h.callback is not handle]

    def publish(self, event_id: EventId, params: Parameters) -> None:
        """Delivers an event to those who subscribed to its kind."""
        for handle in list(self._handles):
            if handle.event_id == event_id:
                handle.callback(time.time_ns(), params)

    def _metric(self, event_id: EventId) -> Dict[str, Any]:
        from habana_frameworks.torch.hpu import metrics

        return metrics._METRICS[_METRIC_OF[event_id]][0]()

    def _deliver(self) -> None:
        from habana_frameworks.torch.hpu import metrics

        for event_id, name in _METRIC_OF.items():
            if event_id not in self._seen:
                continue
            before, now = self._seen[event_id], self._metric(event_id)
            self._seen[event_id] = now
            stats = metrics._METRICS[name][1](now, before)
            if stats[0][1] > 0:
                self.publish(event_id, stats)
        self.publish(EventId.MARK_STEP, [])


def deliver() -> None:
    """Delivers what happened since the last call. Costs nothing while nobody has subscribed."""
    dispatcher = EventDispatcher._the_instance
    if dispatcher is not None and dispatcher._handles:
        dispatcher._deliver()
