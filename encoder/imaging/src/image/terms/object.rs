//! What a DICOM object is, by its SOP class (PS3.4 annex B, PS3.6 annex A).

/// What kind of image an object holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Object {
    /// A radiograph for presentation: computed or digital radiography.
    Radiograph,
    /// The detector's values of one, not meant to be looked at.
    ForProcessing,
    /// A picture that came into the archive another way: a screen, a scanner, a data set.
    Capture,
    /// Something else, by the name of its class.
    Other(&'static str),
}

/// The root of every standard storage class.
const STORAGE: &str = "1.2.840.10008.5.1.4.1.1.";

/// Storage classes that are no radiograph's, by what follows the root. Of several that fit, the longest comes first.
const OTHERS: &[(&str, &str)] = &[
    ("1.2", "digital mammography"),
    ("1.3", "intra-oral radiography"),
    ("13.1.1", "three-dimensional angiography"),
    ("13.1.2", "three-dimensional craniofacial imaging"),
    ("13.1.3", "tomosynthesis"),
    ("13.1.4", "breast projection"),
    ("13.1.5", "breast projection"),
    ("12.1", "angiography"),
    ("12.2", "fluoroscopy"),
    ("12.3", "angiography"),
    ("128", "positron emission tomography"),
    ("130", "positron emission tomography"),
    ("104", "an encapsulated document"),
    ("11", "a presentation state"),
    ("20", "nuclear medicine"),
    ("2", "computed tomography"),
    ("3", "ultrasound"),
    ("4", "magnetic resonance"),
    ("6", "ultrasound"),
    ("7.1", "a secondary capture of one bit"),
    ("77", "visible light photography"),
    ("88", "a structured report"),
    ("66", "a segmentation or registration"),
    ("30", "a parametric map"),
    ("481", "radiotherapy"),
];

impl Object {
    /// Reads a SOP class UID; none for one that DICOM does not define.
    pub(crate) fn parse(uid: &str) -> Option<Self> {
        let Some(class) = uid.strip_prefix(STORAGE) else {
            return uid.starts_with("1.2.840.10008.").then_some(Self::Other("no image"));
        };
        Some(match class {
            "1" | "1.1" => Self::Radiograph,
            "1.1.1" => Self::ForProcessing,
            "7" | "7.2" | "7.3" | "7.4" => Self::Capture,
            _ => {
                let under = |root: &str| class.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
                let name = OTHERS.iter().find(|(root, _)| under(root)).map_or("another kind of object", |&(_, name)| name);
                Self::Other(name)
            }
        })
    }

    /// What it is called.
    pub(crate) fn term(self) -> &'static str {
        match self {
            Self::Radiograph => "a radiograph",
            Self::ForProcessing => "digital radiography for processing",
            Self::Capture => "a secondary capture",
            Self::Other(name) => name,
        }
    }
}
