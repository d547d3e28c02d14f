"""Where the data sets are published: archives, their hashes if known, and their folders."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Archive:
    """An archive to fetch.

    Attributes:
        url: of the file.
        hash: "algorithm:digest" as published; None if no hash is published.
        folder: to unpack it into, relative to a data folder that does not hold the set yet.
        top: the top folder inside the archive, if it has one.
    """

    url: str
    hash: str | None = None
    folder: str = "."
    top: str = ""

    @property
    def name(self) -> str:
        """Name of the file."""
        return self.url.rsplit("/", 1)[-1]


ATTRIBUTES = "https://vision.cs.uiuc.edu/attributes"
VOC2008 = "http://host.robots.ox.ac.uk/pascal/VOC/voc2008"
PUBLISHED: dict[str, tuple[Archive, ...]] = {
    "CUB": (
        Archive(
            "https://data.caltech.edu/records/65de6-vp158/files/CUB_200_2011.tgz",
            "md5:97eceeb196236b17998738112f37df78",
            top="CUB_200_2011",
        ),
    ),
    "AwA2": (
        Archive("https://cvml.ista.ac.at/AwA2/AwA2-data.zip", top="Animals_with_Attributes2"),
    ),
    "aYahoo": (
        Archive(f"{ATTRIBUTES}/attribute_data.tar.gz", folder="aYahoo"),
        Archive(f"{ATTRIBUTES}/ayahoo_test_images.tar.gz", folder="aYahoo"),
    ),
    "aPascal": (
        Archive(f"{ATTRIBUTES}/attribute_data.tar.gz", folder="aPascal"),
        # Both parts use these 4340 images. The hash is from torchvision's list of data sets.
        Archive(
            f"{VOC2008}/VOCtrainval_14-Jul-2008.tar",
            "sha256:7f0ca53c1b5a838fbe946965fc106c6e86832183240af5c88e3f6c306318d42e",
            "aPascal",
        ),
    ),
}
