"""A resource from one declared model: table, nine operations, history, events and routes.

| room | what |
|---|---|
| `declaration` | `Resource` and its fields; imports nothing heavy |
| `table` | the SQLAlchemy table, and how the database's differs from it |
| `filters` | filter, order and cursor of a list |
| `models` | request and response models |
| `rows` | every statement |
| `writer` | how a row is checked, stored, recorded and published |
| `service` | the nine operations, for the routes and for the capability itself |
| `operations` | what can be done, by whom and with which models, as data |
| `routes` | the routes |

How a capability gets one; `functions/tasks/saved_filters.py` is the smallest, cameras
(`functions/detection/cameras.py`) have secrets and rules:

1. Declare it as a module-level `Resource`, and name its table in `capability.py`. Rules go into one
   hook, `prepare(values, before)` (see `writer.Prepare`).
2. Write the migration of its table; a test compares the two with `schema_differences`.
3. `ResourceService(DECLARED, platform.ledger, prepare)` in the composition root. Where it declares
   events, name each as `Published("<events>.created", …)` in `capability.py`, with a model that
   inherits `models.ResourceChanged`.
4. `resource_routes(DECLARED, lambda: service.…)` in `api.py`, given to `create_app`.

`service.every()` gives all rows with their secrets to the capability itself.
"""
