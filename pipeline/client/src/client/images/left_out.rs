//! Paths that are not read as images, and why: what lies beside films on purpose, and what may be a film and cannot be had.

use std::path::{Path, PathBuf};
use veilray_imaging::ingest;

/// Why a path is not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LeftOut {
    /// A DICOM object without an image, by what it is.
    Object(&'static str),
    /// A file that is no image and whose name promises none, by what it is.
    Other(&'static str),
    /// A file that another path of this run leads to as well.
    Twice(PathBuf),
    /// A link to a folder through which this run goes as it is.
    LinkWithin,
    /// A folder without anything in it.
    EmptyFolder,
    /// A link to a folder elsewhere: not followed, so nothing in it is read.
    Link,
    /// A link to nothing.
    DeadLink,
    /// A file of no bytes that may have become a film.
    EmptyFile,
    /// A file that the system does not give, and its reason.
    Unreadable(String),
    /// A folder that the system does not open, and its reason.
    Locked(String),
    /// A picture in a format that is not read here.
    Format(&'static str),
    /// A file of which its name promises an image, and nothing is known of its contents.
    Unknown,
}

impl LeftOut {
    /// Whether something may be missing from the results: it is then a failure, and otherwise as it should be.
    pub(crate) fn is_failure(&self) -> bool {
        !matches!(self, Self::Object(_) | Self::Other(_) | Self::Twice(_) | Self::LinkWithin | Self::EmptyFolder)
    }

    /// Why, and what to do about it.
    pub(crate) fn reason(&self) -> String {
        match self {
            Self::Object("DICOMDIR") => {
                "a DICOMDIR: it lists the films of a medium, which are files of their own; name the medium's folder".into()
            }
            Self::Object(kind) => format!("a DICOM object without an image: {kind}"),
            Self::Other(kind) => format!("not an image: {kind}"),
            Self::Twice(first) => format!("the same file as {}, which is read", super::super::text::path(first)),
            Self::LinkWithin => "a link to a folder that is read as it is".into(),
            Self::EmptyFolder => "the folder is empty".into(),
            Self::Link => "a link to a folder, which is not followed: name that folder too, to have its films read".into(),
            Self::DeadLink => "a link to nothing: what it pointed to is gone".into(),
            Self::EmptyFile => "the file is empty: fetch it again, its transfer may have been broken off".into(),
            Self::Unreadable(why) => format!("the file cannot be read: {why}"),
            Self::Locked(why) => format!("the folder cannot be opened: {why}; nothing in it was read"),
            Self::Format(format) => format!("{format} is not read: export the image as DICOM or PNG"),
            Self::Unknown => "neither DICOM nor a picture that is read, though its name may be an image's: is it damaged?".into(),
        }
    }

    /// By what a summary counts it.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Object(kind) => kind,
            Self::Other(_) => "not an image",
            Self::Twice(_) => "given twice",
            Self::LinkWithin | Self::Link => "link to a folder",
            Self::EmptyFolder => "empty folder",
            Self::DeadLink => "link to nothing",
            Self::EmptyFile => "empty file",
            Self::Unreadable(_) => "unreadable file",
            Self::Locked(_) => "locked folder",
            Self::Format(_) | Self::Unknown => "unknown format",
        }
    }
}

/// Formats of pictures by their first bytes, from a byte on. Ingest is asked first: what it reads is not looked up here.
const PICTURES: [(usize, &[u8], &str); 20] = [
    (0, b"GIF8", "GIF"),
    (0, b"II*\0", "TIFF"),
    (0, b"MM\0*", "TIFF"),
    (0, b"II+\0", "TIFF (64 bits)"),
    (0, b"MM\0+", "TIFF (64 bits)"),
    (0, b"BM", "BMP"),
    (8, b"WEBP", "WebP"),
    (0, b"\0\0\0\x0cjP  ", "JPEG 2000 without DICOM"),
    (0, b"\xff\x4f\xff\x51", "JPEG 2000 without DICOM"),
    (0, b"\0\0\0\x0cJXL ", "JPEG XL"),
    (0, b"\xff\x0a", "JPEG XL"),
    (4, b"ftypheic", "HEIC"),
    (4, b"ftypheix", "HEIC"),
    (4, b"ftypmif1", "HEIF"),
    (4, b"ftypavif", "AVIF"),
    (0, b"8BPS", "Photoshop's format"),
    (0, b"P5", "a Netpbm picture"),
    (0, b"P6", "a Netpbm picture"),
    (344, b"n+1\0", "NIfTI"),
    (0, b"NRRD", "NRRD"),
];

/// Ends of names that promise an image.
const IMAGE_NAMES: [&str; 35] = [
    "dcm", "dicom", "dic", "dc3", "ima", "acr", "png", "jpg", "jpeg", "jpe", "jfif", "tif", "tiff", "bmp", "dib", "webp", "gif",
    "jp2", "j2k", "j2c", "jpc", "jpf", "jpx", "jph", "jls", "jxl", "heic", "heif", "avif", "pgm", "ppm", "pnm", "nii", "mha",
    "nrrd",
];

/// What stands at the beginning of a file that ingest does not know, from its name and its first bytes.
pub(super) fn of_contents(path: &Path, head: &[u8]) -> LeftOut {
    if let Some(kind) = ingest::object_without_image(head) {
        return LeftOut::Object(kind);
    }
    let promise = Promise::of(path);
    let (is_text, may_be) = (is_text(head), promise != Promise::Other);
    match promise {
        _ if head.is_empty() => {
            if may_be {
                LeftOut::EmptyFile
            } else {
                LeftOut::Other("an empty file")
            }
        }
        // Only a name that is an image's own makes text one that is damaged, such as an error page of a server.
        Promise::Image if is_text => LeftOut::Unknown,
        _ if is_text => LeftOut::Other("text"),
        _ => {
            let picture = |(at, magic, _): &&(usize, &[u8], _)| head.get(*at..).is_some_and(|rest| rest.starts_with(magic));
            match PICTURES.iter().find(picture) {
                Some((_, _, format)) => LeftOut::Format(format),
                None if head.starts_with(b"\0\x05\x16\x07") => LeftOut::Other("what macOS keeps beside a file"),
                None if head.starts_with(b"VEIL") => LeftOut::Other("a file of Veilray's own"),
                None if may_be => LeftOut::Unknown,
                None if head.starts_with(super::gzip::MAGIC) => LeftOut::Other("a compressed file without DICOM in it"),
                None => LeftOut::Other("a file of another kind"),
            }
        }
    }
}

/// What a file's name says of its contents.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Promise {
    /// An image.
    Image,
    /// Nothing: DICOM files of media and archives have no extension, or end in a number of their UID.
    Nothing,
    /// Something else.
    Other,
}

impl Promise {
    fn of(path: &Path) -> Self {
        let name = path.file_name().map(|name| name.to_string_lossy().to_ascii_lowercase()).unwrap_or_default();
        if name.starts_with('.') {
            return Self::Other;
        }
        let name = name.strip_suffix(".gz").unwrap_or(&name);
        match name.rsplit_once('.') {
            Some((_, end)) if IMAGE_NAMES.contains(&end) => Self::Image,
            Some((_, end)) if !end.bytes().all(|byte| byte.is_ascii_digit()) => Self::Other,
            _ => Self::Nothing,
        }
    }
}

/// Whether the first bytes of a file are text: of one byte per character without control characters, or marked as UTF-16.
fn is_text(head: &[u8]) -> bool {
    let control = |byte: &u8| *byte < b' ' && !matches!(byte, b'\t' | b'\n' | b'\r' | b'\x0c' | b'\x1b');
    head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff") || !(head.is_empty() || head.iter().any(control))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_a_film_is_a_failure_and_what_lies_beside_films_is_not() {
        let of = |name: &str, head: &[u8]| of_contents(Path::new(name), head);
        for (name, head, kind) in [
            ("README", &b"Images of the medium"[..], "text"),
            ("AUTORUN.INF", b"[autorun]\r\nopen=viewer.exe\r\n", "text"),
            ("index.html", b"<html>", "text"),
            ("caf\u{e9}.txt", b"caf\xe9", "text"),
            ("notes.txt", b"\xff\xfeN\0", "text"),
            ("viewer.exe", b"MZ\x90\0\x03", "a file of another kind"),
            ("viewer.bin.gz", b"\x1f\x8b\x08", "a compressed file without DICOM in it"),
            ("report.pdf", b"%PDF-1.7\n\x01", "a file of another kind"),
            ("._film.dcm", b"\0\x05\x16\x07\0", "what macOS keeps beside a file"),
            (".DS_Store", b"\0\0\0\x01Bud1", "a file of another kind"),
            (".keep", b"", "an empty file"),
            ("log.txt", b"", "an empty file"),
            ("earlier.vct", b"VEILCT\0\x01", "a file of Veilray's own"),
        ] {
            assert_eq!(of(name, head), LeftOut::Other(kind), "{name}");
            assert!(!of(name, head).is_failure());
        }
        for (name, head, wanted) in [
            ("film.dcm", &b""[..], LeftOut::EmptyFile),
            ("IM000001", b"", LeftOut::EmptyFile),
            ("1.2.840.113619.2.5", b"", LeftOut::EmptyFile),
            ("film.DCM.gz", b"", LeftOut::EmptyFile),
            ("film.dcm", b"<html>404", LeftOut::Unknown),
            ("film.dcm.gz", b"\x1f\x8b\x08", LeftOut::Unknown),
            ("IM000001", b"\0\0\0\x01", LeftOut::Unknown),
            ("1.2.840.113619.2.5", b"\x08\0\x05", LeftOut::Unknown),
            ("film.gif", b"GIF89a\x01", LeftOut::Format("GIF")),
            ("film", b"\0\0\0\x18ftypheic\0\0", LeftOut::Format("HEIC")),
            ("film.x", b"\0\0\0\x0cjP  \r\n\x87\n", LeftOut::Format("JPEG 2000 without DICOM")),
        ] {
            assert_eq!(of(name, head), wanted, "{name}");
            assert!(of(name, head).is_failure());
        }
    }
}
