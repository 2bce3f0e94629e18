"""A FastAPI application, as Hearth's HTTP functions are."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from mangum import Mangum

app = FastAPI()


@app.get("/items/{item_id}")
async def item(item_id: str, q: str | None = None) -> dict[str, Any]:
    return {"item_id": item_id, "q": q}


@app.post("/upload")
async def upload(request: Request) -> dict[str, int]:
    return {"bytes": len(await request.body())}


lambda_handler = Mangum(app, lifespan="off")
