"""Recordings in folders."""

from pathlib import Path

from regraft.core.config import settings
from regraft.data.examples import Examples
from regraft.readers._base import Reader
from regraft.readers._folders import holds_files, in_folders
from regraft.readers._read import checked


@settings
class AudioFolder(Reader):
    """A folder of recordings (wav, flac, mp3, ogg) with one sub-folder per class (or any, where labels are not needed).

    A folder is one of recordings if most files in it are, by their endings. Nesting, hidden files and the order are as
    in folders of pictures. Recordings without any sound are listed as skipped.
    """

    @staticmethod
    def matches(path: Path, kind: str = "auto") -> bool:
        """A folder, if most files in it are recordings."""
        return holds_files(path, "audio", kind)

    def read(self, path: Path) -> Examples:
        """The recordings below ``path``.

        Raises:
            UserError: labels are needed and there are recordings, but no class folders; or the library that reads
                recordings is not installed.
        """
        return checked(in_folders(path, self.labelled, "audio"))
