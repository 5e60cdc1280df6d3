"""Pictures in folders."""

from pathlib import Path

from regraft.core.config import settings
from regraft.data.examples import Examples
from regraft.readers._base import Reader
from regraft.readers._folders import holds_files, in_folders
from regraft.readers._read import checked


@settings
class ImageFolder(Reader):
    """A folder of pictures with one sub-folder per class (or, where no labels are needed, any folder of pictures).

    Below a class folder any nesting will do. Hidden files are ignored; files beside the class folders have no class and
    are listed as skipped. Classes and pictures are in natural order (2 before 10).
    """

    @staticmethod
    def matches(path: Path, kind: str = "auto") -> bool:
        """A folder, unless most files in it are recordings."""
        return holds_files(path, "image", kind)

    def read(self, path: Path) -> Examples:
        """The pictures below ``path``.

        Raises:
            UserError: labels are needed and there are pictures, but no class folders.
        """
        return checked(in_folders(path, self.labelled, "image"))
