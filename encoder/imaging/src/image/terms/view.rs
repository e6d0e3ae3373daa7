//! From where the patient is seen, in the words and codes of DICOM.

use serde::Serialize;

/// From where the patient is seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum View {
    /// From behind to the front: the standing film.
    Pa,
    /// From the front to behind: often lying.
    Ap,
    /// From the front or the back, which of them is not said.
    Frontal,
    /// From the side.
    Lateral,
    /// Neither frontal nor lateral.
    Oblique,
    /// Frontal to the patient lying on a side.
    Decubitus,
    /// Along the body, from the head or from the feet.
    Axial,
    /// A view of another part of the body, or of none: of a foot, of the skull, of a specimen.
    Other,
}

/// Every code of CID 4010 (PS3.16, DX View), in SNOMED CT and in the older SNOMED RT, and those of CID 4014 (mammography) beside it.
const CODES: &[(&str, &str, View)] = &[
    ("399033003", "R-10202", View::Frontal),
    ("272479007", "R-40888", View::Pa),
    // What SNOMED RT had for it before.
    ("272479007", "R-10214", View::Pa),
    ("399348003", "R-10206", View::Ap),
    ("399067008", "R-102CD", View::Lateral),
    ("399173006", "R-10236", View::Lateral),
    ("399198007", "R-10232", View::Lateral),
    ("399260004", "R-10224", View::Lateral),
    ("399352003", "R-10228", View::Lateral),
    ("30730003", "G-A145", View::Lateral),
    ("399182000", "R-102C1", View::Oblique),
    ("399184004", "R-10238", View::Oblique),
    ("399236003", "R-10234", View::Oblique),
    ("399160007", "R-10204", View::Oblique),
    ("399312000", "R-10208", View::Oblique),
    ("399059000", "R-10216", View::Oblique),
    ("399135007", "R-10220", View::Oblique),
    ("399356000", "R-40985", View::Oblique),
    ("399006002", "R-10212", View::Oblique),
    ("399038007", "R-10210", View::Oblique),
    ("399368009", "R-10226", View::Oblique),
    ("399099002", "R-10230", View::Oblique),
    ("260426006", "R-40782", View::Oblique),
    ("260427002", "R-40783", View::Oblique),
    ("399132005", "R-10252", View::Oblique),
    ("399325008", "R-10254", View::Oblique),
    ("399004004", "R-10246", View::Oblique),
    ("399288005", "R-10248", View::Oblique),
    ("399225005", "R-10250", View::Oblique),
    ("399188001", "R-102D0", View::Oblique),
    ("441555000", "R-40AAA", View::Oblique),
    ("399061009", "R-10241", View::Axial),
    ("399162004", "R-10242", View::Axial),
    ("399196006", "R-10244", View::Axial),
    ("399192008", "R-1024A", View::Axial),
    ("399101009", "R-1024B", View::Axial),
    ("399255003", "R-10256", View::Axial),
    ("399360002", "R-10257", View::Axial),
    ("399110001", "R-102C2", View::Other),
    ("399071006", "R-102C3", View::Other),
    ("399335002", "R-102C4", View::Other),
    ("399272005", "R-102C5", View::Other),
    ("399242004", "R-102C6", View::Other),
    ("399351005", "R-102C7", View::Other),
    ("399316002", "R-102C8", View::Other),
    ("260499007", "R-40810", View::Other),
    ("119376003", "G-8300", View::Other),
    ("127457009", "G-8310", View::Other),
];

/// Words of ViewPosition that say how the patient or the device stood, and nothing of the view.
const POSITIONS: &str = "BEDSIDE CHEST ERECT EXPIRATION FREE GRID INSPIRATION LUNG LYING MOBILE NA NONE PORT PORTABLE RECUMBENT SEMI \
    SEMIERECT SITTING STANDING SUPINE TABLE THORAX UNKNOWN UNSPECIFIED UPRIGHT WALL";

impl View {
    /// Reads a term of ViewPosition (PS3.3 C.8.7.1.1, C.8.11.5), or a code value of ViewCodeSequence (CID 4010). A phrase such as
    /// `AP SUPINE` is read by its words; one that names a side is lateral whatever else it says.
    pub fn parse(term: &str) -> Option<Self> {
        Self::by_code(term).or_else(|| Self::by_words(term))
    }

    /// The view of a SNOMED code.
    pub(crate) fn by_code(value: &str) -> Option<Self> {
        CODES.iter().find(|(sct, srt, _)| value == *sct || value == *srt).map(|&(.., view)| view)
    }

    /// The view that a phrase names.
    pub(crate) fn by_words(phrase: &str) -> Option<Self> {
        let words: Vec<&str> = words(phrase).collect();
        let pairs = words.windows(2).filter_map(|pair| match pair {
            ["A" | "ANTERO" | "ANTERIOR", "P" | "POSTERIOR"] => Some(Self::Ap),
            ["P" | "POSTERO" | "POSTERIOR", "A" | "ANTERIOR"] => Some(Self::Pa),
            _ => None,
        });
        words.iter().filter_map(|word| Self::word(word)).chain(pairs).max_by_key(|view| match view {
            Self::Frontal => 0,
            Self::Pa | Self::Ap => 1,
            Self::Decubitus => 2,
            Self::Oblique => 3,
            Self::Axial => 4,
            Self::Other => 5,
            Self::Lateral => 6,
        })
    }

    /// Whether a phrase says only how the patient or the device stood.
    pub(crate) fn is_unsaid(phrase: &str) -> bool {
        words(phrase).all(|word| POSITIONS.split(' ').any(|position| position == word))
    }

    fn word(word: &str) -> Option<Self> {
        Some(match word {
            "PA" | "POSTEROANTERIOR" => Self::Pa,
            "AP" | "ANTEROPOSTERIOR" => Self::Ap,
            "FRONTAL" | "LORDOTIC" => Self::Frontal,
            "LL" | "RL" | "LAT" | "LATERAL" | "LLAT" | "RLAT" | "XTABLE" | "CROSSTABLE" | "ML" | "LM" | "SAGITTAL" => {
                Self::Lateral
            }
            "LLO" | "RLO" | "LAO" | "RAO" | "LPO" | "RPO" | "OBL" | "OBLIQUE" | "MLO" | "LMO" | "SIO" | "ISO" => Self::Oblique,
            "LLD" | "RLD" | "DECUB" | "DECUBITUS" => Self::Decubitus,
            "AXIAL" | "CC" | "XCC" | "XCCL" | "XCCM" | "FB" => Self::Axial,
            "TANGENTIAL" | "SWIMMER" | "SWIMMERS" => Self::Other,
            _ => return None,
        })
    }

    /// The name of the view.
    pub fn term(self) -> &'static str {
        match self {
            Self::Pa => "PA",
            Self::Ap => "AP",
            Self::Frontal => "FRONTAL",
            Self::Lateral => "LATERAL",
            Self::Oblique => "OBLIQUE",
            Self::Decubitus => "DECUBITUS",
            Self::Axial => "AXIAL",
            Self::Other => "ANOTHER VIEW",
        }
    }

    /// Whether it is what the classifiers were trained on.
    pub(crate) fn is_frontal(self) -> bool {
        matches!(self, Self::Pa | Self::Ap | Self::Frontal)
    }
}

fn words(phrase: &str) -> impl Iterator<Item = &str> {
    phrase.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty())
}
