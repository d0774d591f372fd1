"""What leaves the explorer: pictures and videos, numbered, each with a link to it."""

import base64
import html
import mimetypes
from collections.abc import Sequence
from pathlib import Path

import ipywidgets as widgets

from albumlib.explorer import controls
from albumlib.explorer.state import unused
from albumlib.models.networks import Generator
from albumlib.runtime.progress import Progress
from albumlib.sampling import video
from albumlib.sampling.request import Request, save

SIZES = {"model's own": 0, "640 pixels": 640, "3,000 pixels, for print": 3000}
LARGEST_LINK = 2_000_000  # bytes: Jupyter drops messages of more than three megabytes


class Files:
    """Saves requests as pictures, and as interpolation videos from one to the next."""

    def __init__(self, folder: str | Path, largest_link: int = LARGEST_LINK):
        self.folder, self.largest_link = Path(folder), largest_link
        self.name = widgets.Text(
            "cover.png", description="save as", layout=controls.wide("210px"),
            tooltip="name of the picture's file",
        )  # fmt: skip
        self.size = controls.named(widgets.Dropdown, "size", "270px", options=SIZES)
        self.save = controls.button("save")
        self.video_name = widgets.Text(
            "video.mp4", description="video", layout=controls.wide("210px"),
            tooltip="name of the video's file",
        )  # fmt: skip
        self.video = controls.button("save video", 90)
        self.key_frames, self.link = widgets.HTML(), widgets.HTML()
        self.widgets = (
            widgets.HBox([self.name, self.size], layout=controls.WRAPPED),
            widgets.HBox([self.video_name, self.video], layout=controls.WRAPPED),
            self.key_frames,
        )  # fmt: skip

    def announce(self, stars: int) -> None:
        """Say what a video goes through, where so many covers are starred."""
        self.key_frames.value = (
            f"It goes through your {stars} starred covers."
            if stars > 1
            else "It goes from the cover before to this one; star some covers, and it goes "
            "through all of them."
        )

    def write_picture(self, request: Request, generator: Generator) -> Path:
        """The request's covers, in a file that was not there before."""
        columns = max(1, int(len(request.seeds) ** 0.5))
        size = self.size.value // columns
        path = unused(self.folder / Path(self.name.value).name)
        size = size if size > generator.size else 0
        self.offer(save(path, request, generator, size, columns))
        return path

    def write_video(
        self, frames: Sequence[Request], generator: Generator, progress: Progress
    ) -> Path:
        """A video through the requests, in a file that was not there before."""
        path = unused(self.folder / Path(self.video_name.value).name)
        self.offer(video.write(frames, generator, path, progress=progress))
        return path

    def offer(self, path: Path) -> None:
        """Show a link to a file, and a video in a player; of a large file, where it is."""
        name, place = html.escape(path.name, quote=True), html.escape(str(path.absolute()))
        if path.stat().st_size > self.largest_link:
            self.link.value = f"{name} is in {place}"
            return
        kind, _ = mimetypes.guess_type(path, strict=False)
        address = f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"
        played = f'<video src="{address}" controls loop width="256" aria-label="{name}"></video>'
        self.link.value = f'<a download="{name}" href="{address}">download {name}</a> ({place})' + (
            f"<br>{played}" if kind.startswith("video") else ""
        )
