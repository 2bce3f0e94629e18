"""Clients of others, unchanged, against a running stack; and a set of texts through the queue."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from typing import Any

import httpx
import huggingface_hub
import numpy as np
import openai
import pytest

from tests.e2e.driver import Stack, stack, until
from tests.support.text_models import installed, minilm

MODEL = "all-MiniLM-L6-v2"
TEXTS = ["turn the porch light on", "is the garage open?", "a red bicycle"]


@pytest.fixture(scope="module")
def text_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    installed()
    with stack(tmp_path_factory.mktemp("text-stack") / "data") as it:
        yield it


@pytest.fixture(scope="module")
def key(text_stack: Stack) -> str:
    """An API key, as whoever uses such a client makes one: it always shows a key."""
    url = f"{text_stack.state.gateway_url}/api/v1/auth"
    who = {"email": "ada@example.org", "password": "a heron stood in the brook"}
    with httpx.Client(trust_env=False, timeout=30) as client:
        client.post(f"{url}/register", json=who).raise_for_status()
        token = client.post(f"{url}/login", json=who).raise_for_status().json()["access_token"]
        bearer = {"Authorization": f"Bearer {token}"}
        answer = client.post(f"{url}/keys", json={"name": "openai"}, headers=bearer)
    return str(answer.raise_for_status().json()["key"])


@pytest.fixture
def openai_client(text_stack: Stack, key: str) -> Iterator[openai.OpenAI]:
    url = f"{text_stack.state.gateway_url}/v1"
    with openai.OpenAI(base_url=url, api_key=key, max_retries=0) as client:
        yield client


@pytest.mark.parametrize("encoding", ["float", "base64", None])
def test_the_openai_client_gets_the_vectors_of_the_model(
    openai_client: openai.OpenAI, encoding: Any
) -> None:
    more = {"encoding_format": encoding} if encoding else {}
    answer = openai_client.embeddings.create(model=MODEL, input=TEXTS, **more)
    assert [item.index for item in answer.data] == [0, 1, 2]
    assert answer.usage.prompt_tokens == 19
    if encoding != "base64":  # asked for by name, it is given as it comes
        found = np.array([item.embedding for item in answer.data])
        np.testing.assert_allclose(found, minilm().value.embed(TEXTS), atol=2e-2)


def test_the_openai_client_raises_the_same_errors_as_for_openai(
    openai_client: openai.OpenAI,
) -> None:
    with pytest.raises(openai.NotFoundError, match="all-MiniLM-L6-v2"):
        openai_client.embeddings.create(model="text-embedding-3-small", input="x")
    with pytest.raises(openai.BadRequestError, match="send the text") as raised:
        openai_client.embeddings.create(model=MODEL, input=[[101, 102]])
    assert raised.value.code == "VALIDATION_ERROR"
    assert len(openai_client.embeddings.create(model=MODEL, input="next").data) == 1


def test_the_openai_client_lists_the_models(openai_client: openai.OpenAI) -> None:
    assert [model.id for model in openai_client.models.list()] == [MODEL]
    assert openai_client.models.retrieve(f"sentence-transformers/{MODEL}").id == MODEL


@pytest.mark.parametrize("path", ["", "/", "/embed"])
def test_the_text_embeddings_inference_client_gets_the_vectors_of_the_model(
    text_stack: Stack, key: str, path: str
) -> None:
    client = huggingface_hub.InferenceClient(f"{text_stack.state.gateway_url}{path}", token=key)
    found = client.feature_extraction(TEXTS[0], truncate=True)
    assert found.shape == (1, 384)
    np.testing.assert_allclose(found, minilm().value.embed(TEXTS[:1]), atol=2e-2)


def test_a_bulk_file_of_texts_is_embedded_through_the_queue(text_stack: Stack) -> None:
    installed()
    lines = [json.dumps(TEXTS[0]), json.dumps({"id": 7, "text": TEXTS[1]})]
    text_stack.put("texts/e2e.jsonl", "\n".join(lines).encode())
    queue = next(url for name, url in text_stack.state.queues.items() if name == "EmbeddingsQueue")
    body = json.dumps({"source": "texts/e2e.jsonl"})
    text_stack.client("sqs").send_message(QueueUrl=queue, MessageBody=body)
    [job] = until(
        lambda: text_stack.jobs(kind="embeddings.embed", state="done"), 60, text_stack.jobs
    )
    assert job["progress"] == 1.0
    s3, bucket = text_stack.client("s3"), text_stack.state.bucket

    def read(key: str) -> bytes:
        return bytes(s3.get_object(Bucket=bucket, Key=key)["Body"].read())

    manifest = json.loads(read("vectors/e2e.json"))
    vectors = np.load(io.BytesIO(read(manifest["parts"][0]["key"])))
    np.testing.assert_allclose(vectors, minilm().value.embed(TEXTS[:2]), atol=2e-2)
