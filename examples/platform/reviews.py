"""Reviews: a plain FastAPI application, which knows nothing of a gateway. It could run on uvicorn as it is.

penstock asgi reviews:app --app-dir examples/platform --name reviews --version 1.0.0 --prefix /reviews --root-path ''
"""

from collections.abc import AsyncIterator

import anyio
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

app = FastAPI(title="reviews", docs_url="/reviews/docs", openapi_url="/reviews/openapi.json")


class Review(BaseModel):
    """What somebody thinks of a product."""

    stars: int = Field(ge=1, le=5)
    text: str = Field(max_length=500)


reviews: dict[str, list[Review]] = {"tea": [Review(stars=5, text="very good")]}


@app.get("/reviews/ticks")
async def ticks() -> StreamingResponse:
    """Server-sent events: three of them, one after the other."""

    async def events() -> AsyncIterator[str]:
        for number in range(3):
            yield f"data: {number}\n\n"
            await anyio.sleep(0.1)

    return StreamingResponse(events(), media_type="text/event-stream")


@app.get("/reviews/{product}")
async def of_product(product: str) -> list[Review]:
    """What is thought of a product."""
    return reviews.get(product, [])


@app.post("/reviews/{product}", status_code=201)
async def write(product: str, review: Review) -> Review:
    """Add a review; that nobody does so unknown is the gateway's business."""
    reviews.setdefault(product, []).append(review)
    return review
