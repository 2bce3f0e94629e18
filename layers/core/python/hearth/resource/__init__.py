"""A resource from one declared model: table, nine operations, history, events and routes.

| room | what |
|---|---|
| `declaration` | `Resource` and its fields; imports nothing heavy |
| `table` | the SQLAlchemy table, and how the database's differs from it |
| `filters` | filter, order and cursor of a list |
| `models` | request and response models |
| `rows` | every statement |
| `service` | the nine operations, for the routes and for the capability itself |
| `routes` | the routes |

How a capability gets one, cameras for example:

1. `functions/detection/camera_sources.py` declares it and keeps its rules in one hook:

        CAMERAS = Resource("camera", table="detection_camera_sources", path="/api/v1/cameras",
            scope="shared", read="cameras:read", write="cameras:write", events="camera",
            fields=(Text("name", max_length=60, unique=True), Secret("source"),
                    Text("address", derived=True), Number("rate", default=2.0, minimum=0.1),
                    Boolean("enabled", default=True)))

        def prepare(values, before):
            if "source" in values:           # given by this request; otherwise it stays
                values["address"] = without_password(values["source"])  # may raise InvalidInput

2. A migration creates the table (`tests/contract` compares: `schema_differences`).
3. `wiring.py`: `ResourceService(CAMERAS, platform.ledger, prepare)`.
4. `api.py`: `router.include_router(resource_routes(CAMERAS, lambda: service.cameras))`.

`service.every()` gives all rows with their secrets to the capability itself.
"""
