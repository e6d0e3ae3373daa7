//! DICOM objects that hold no image to look at, told by their SOP class: what lies beside the films of an export.

use super::header::Header;
use super::{content, value};

/// A SOP class that is named alone, and what its objects are.
const CLASSES: [(&str, &str); 27] = [
    ("1.2.840.10008.1.3.10", "DICOMDIR"),
    ("1.2.840.10008.5.1.4.1.1.4.2", "MR Spectroscopy"),
    ("1.2.840.10008.5.1.4.1.1.8", "Overlay"),
    ("1.2.840.10008.5.1.4.1.1.10", "Lookup Table"),
    ("1.2.840.10008.5.1.4.1.1.11", "Lookup Table"),
    ("1.2.840.10008.5.1.4.1.1.30", "Parametric Map"),
    ("1.2.840.10008.5.1.4.1.1.66", "Raw Data"),
    ("1.2.840.10008.5.1.4.1.1.66.1", "Spatial Registration"),
    ("1.2.840.10008.5.1.4.1.1.66.2", "Spatial Fiducials"),
    ("1.2.840.10008.5.1.4.1.1.66.3", "Spatial Registration"),
    ("1.2.840.10008.5.1.4.1.1.66.4", "Segmentation"),
    ("1.2.840.10008.5.1.4.1.1.66.5", "Segmentation"),
    ("1.2.840.10008.5.1.4.1.1.66.6", "Tractography"),
    ("1.2.840.10008.5.1.4.1.1.66.7", "Segmentation"),
    ("1.2.840.10008.5.1.4.1.1.66.8", "Segmentation"),
    ("1.2.840.10008.5.1.4.1.1.67", "Real World Value Mapping"),
    ("1.2.840.10008.5.1.4.1.1.79.1", "Measurements"),
    ("1.2.840.10008.5.1.4.1.1.80.1", "Measurements"),
    ("1.2.840.10008.5.1.4.1.1.88.59", "Key Object Selection"),
    ("1.2.840.10008.5.1.4.1.1.91.1", "Annotations"),
    ("1.2.840.10008.5.1.4.1.1.104.1", "Encapsulated PDF"),
    ("1.2.840.10008.5.1.4.1.1.129", "Curve"),
    ("1.2.840.10008.5.1.4.1.1.481.2", "Radiotherapy Dose"),
    ("1.2.840.10008.5.1.4.1.1.481.3", "Radiotherapy Structure Set"),
    ("1.2.840.10008.5.1.4.1.1.481.5", "Radiotherapy Plan"),
    ("1.2.840.10008.5.1.4.38.1", "Hanging Protocol"),
    ("1.2.840.10008.5.1.4.39.1", "Color Palette"),
];

/// Roots under which PS3.4 and PS3.6 number the classes of one kind. None of an image lies under them but [`RADIOTHERAPY_IMAGE`].
const ROOTS: [(&str, &str); 16] = [
    ("1.2.840.10008.5.1.4.1.1.9.", "Waveform"),
    ("1.2.840.10008.5.1.4.1.1.11.", "Presentation State"),
    ("1.2.840.10008.5.1.4.1.1.68.", "Surface Scan"),
    ("1.2.840.10008.5.1.4.1.1.78.", "Measurements"),
    ("1.2.840.10008.5.1.4.1.1.88.", "Structured Report"),
    ("1.2.840.10008.5.1.4.1.1.90.", "Content Assessment Results"),
    ("1.2.840.10008.5.1.4.1.1.104.", "Encapsulated Document"),
    ("1.2.840.10008.5.1.4.1.1.200.", "Protocol"),
    ("1.2.840.10008.5.1.4.1.1.201.", "Inventory"),
    ("1.2.840.10008.5.1.4.1.1.481.", "Radiotherapy Object"),
    ("1.2.840.10008.5.1.4.34.", "Radiotherapy Object"),
    ("1.2.840.10008.5.1.4.43.", "Implant Template"),
    ("1.2.840.10008.5.1.4.44.", "Implant Template"),
    ("1.2.840.10008.5.1.4.45.", "Implant Template"),
    ("1.2.840.10008.3.1.2.", "Study Management"),
    ("1.2.840.10008.5.1.4.33", "Instance Availability"),
];

/// RT Image Storage: an X-ray image of a treatment, which ingest judges as any image.
const RADIOTHERAPY_IMAGE: &str = "1.2.840.10008.5.1.4.1.1.481.1";

/// MediaStorageSOPClassUID, group and element.
const MEDIA_STORAGE_SOP_CLASS_UID: (u16, u16) = (0x0002, 0x0002);
/// SOPClassUID, group and element.
const SOP_CLASS_UID: (u16, u16) = (0x0008, 0x0016);
/// Elements that are looked at: the class stands among the first.
const MAX_ELEMENTS: usize = 64;

/// What a DICOM object is that holds no image, such as "Structured Report", by the SOP class that its first bytes state: in the file meta
/// group or, without one, in the data set. Some hundred bytes do. None for objects that hold an image, for classes that are
/// not known, and for what is not DICOM.
pub(crate) fn object_without_image(head: &[u8]) -> Option<&'static str> {
    let class = sop_class(head)?;
    let named = CLASSES.iter().find(|(uid, _)| *uid == class);
    let rooted = || ROOTS.iter().find(|(root, _)| class.starts_with(root) && class != RADIOTHERAPY_IMAGE);
    named.or_else(rooted).map(|(_, kind)| *kind)
}

/// The SOP class that the file meta group states, or the data set.
fn sop_class(head: &[u8]) -> Option<&str> {
    let mut rest = head.get(content::signature(head).unwrap_or(0)..)?;
    for _ in 0..MAX_ELEMENTS {
        let header = Header::read(rest, content::order_at(rest)?)?;
        if header.tag > SOP_CLASS_UID {
            return None;
        }
        let end = header.size.checked_add(header.length?)?;
        if header.tag == MEDIA_STORAGE_SOP_CLASS_UID || header.tag == SOP_CLASS_UID {
            return std::str::from_utf8(value::trimmed(rest.get(header.size..end)?)).ok();
        }
        rest = rest.get(end..)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn element_of(tag: (u16, u16), vr: Option<&[u8; 2]>, value: &[u8]) -> Vec<u8> {
        let mut out = [tag.0.to_le_bytes(), tag.1.to_le_bytes()].concat();
        match vr {
            Some(b"OB") => {
                out.extend(b"OB\0\0");
                out.extend((value.len() as u32).to_le_bytes());
            }
            Some(vr) => {
                out.extend(vr);
                out.extend((value.len() as u16).to_le_bytes());
            }
            None => out.extend((value.len() as u32).to_le_bytes()),
        }
        out.extend(value);
        out
    }

    fn part_10(class: &[u8]) -> Vec<u8> {
        let meta = [
            element_of((2, 0), Some(b"UL"), &[0; 4]),
            element_of((2, 1), Some(b"OB"), &[0, 1]),
            element_of((2, 2), Some(b"UI"), class),
            element_of((2, 3), Some(b"UI"), b"1.2.3.4\0"),
        ];
        [vec![0; 128], b"DICM".to_vec(), meta.concat()].concat()
    }

    #[test]
    fn objects_beside_the_films_are_told_by_their_class_and_films_are_none() {
        for (class, kind) in [
            ("1.2.840.10008.1.3.10", Some("DICOMDIR")),
            ("1.2.840.10008.5.1.4.1.1.88.11\0", Some("Structured Report")),
            ("1.2.840.10008.5.1.4.1.1.88.67\0", Some("Structured Report")),
            ("1.2.840.10008.5.1.4.1.1.88.59\0", Some("Key Object Selection")),
            ("1.2.840.10008.5.1.4.1.1.11.1", Some("Presentation State")),
            ("1.2.840.10008.5.1.4.1.1.11.12\0", Some("Presentation State")),
            ("1.2.840.10008.5.1.4.1.1.66.4", Some("Segmentation")),
            ("1.2.840.10008.5.1.4.1.1.104.1\0", Some("Encapsulated PDF")),
            ("1.2.840.10008.5.1.4.1.1.104.2\0", Some("Encapsulated Document")),
            ("1.2.840.10008.5.1.4.1.1.481.3\0", Some("Radiotherapy Structure Set")),
            ("1.2.840.10008.5.1.4.1.1.481.10", Some("Radiotherapy Object")),
            ("1.2.840.10008.5.1.4.1.1.9.1.1\0", Some("Waveform")),
            // Images: ingest judges them.
            ("1.2.840.10008.5.1.4.1.1.1", None),
            ("1.2.840.10008.5.1.4.1.1.1.1\0", None),
            ("1.2.840.10008.5.1.4.1.1.2\0", None),
            ("1.2.840.10008.5.1.4.1.1.7\0", None),
            ("1.2.840.10008.5.1.4.1.1.481.1\0", None),
            ("1.2.840.10008.5.1.4.1.1.88", None),
            ("1.3.46.670589.11.0.0.12.1", None),
        ] {
            assert_eq!(object_without_image(&part_10(class.as_bytes())), kind, "{class}");
            for vr in [None, Some(b"UI")] {
                let before = element_of((8, 5), vr.map(|_| b"CS"), b"ISO_IR 100");
                let bare = [before, element_of((8, 0x16), vr, class.as_bytes())].concat();
                assert_eq!(object_without_image(&bare), kind, "{class} without preamble, {vr:?}");
            }
        }
    }

    #[test]
    fn heads_that_are_cut_off_or_no_dicom_are_of_no_kind() {
        let whole = part_10(b"1.2.840.10008.5.1.4.1.1.88.11\0");
        let class_ends = whole.len() - 16;
        for length in 0..whole.len() {
            let wanted = (length >= class_ends).then_some("Structured Report");
            assert_eq!(object_without_image(&whole[..length]), wanted, "{length} bytes");
        }
        let runs_past = element_of((2, 2), Some(b"UI"), &[b'1'; 40])[..20].to_vec();
        for other in [&b""[..], b"text, not DICOM", &[0xff; 300], &[0; 300], &runs_past] {
            assert_eq!(object_without_image(other), None);
        }
    }
}
