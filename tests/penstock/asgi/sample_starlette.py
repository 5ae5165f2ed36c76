"""A Starlette application as one finds it: nothing here knows of a gateway."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, RedirectResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

HERE = Path(__file__)


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[dict[str, str]]:
    """State for the requests."""
    yield {"name": "starlette"}


async def home(request: Request) -> JSONResponse:
    """The lifespan's state."""
    return JSONResponse({"name": request.state.name, "url": str(request.url), "home": str(request.url_for("home"))})


async def upload(request: Request) -> PlainTextResponse:
    """A body as it comes."""
    sizes = 0
    async for chunk in request.stream():
        sizes += len(chunk)
    return PlainTextResponse(str(sizes))


async def download(request: Request) -> FileResponse:
    """A file."""
    return FileResponse(HERE, filename="sample.py")


async def away(request: Request) -> RedirectResponse:
    """To somewhere else."""
    return RedirectResponse(request.url_for("home"))


async def cookies(request: Request) -> PlainTextResponse:
    """Two cookies."""
    response = PlainTextResponse(request.cookies.get("asked", ""))
    response.set_cookie("a", "1")
    response.set_cookie("b", "2")
    return response


app = Starlette(
    routes=[
        Route("/", home, name="home"),
        Route("/upload", upload, methods=["POST", "PUT"]),
        Route("/download", download),
        Route("/away", away),
        Route("/cookies", cookies),
        Mount("/static", StaticFiles(directory=HERE.parent)),
    ],
    middleware=[
        Middleware(CORSMiddleware, allow_origins=["https://shop.example"], allow_methods=["PUT"]),
        Middleware(GZipMiddleware, minimum_size=100_000),
    ],
    lifespan=lifespan,
)
